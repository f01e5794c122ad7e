"""Tunings: how the steps of a picture differ between channels and from place to place (SPEC.md, section 9.8).

A set of offsets makes the steps of some channels finer or coarser, the same everywhere. A map, of a strength that a file
names, makes steps coarser where much goes on in the level before, where neither eyes nor networks see errors, and finer
where little does; it is a function of what is decoded, so files say nothing of it. Noise in place of zeros, as large as
what quantisation takes on the average where as much goes on, makes textures of what would be smooth (9.9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, UnsupportedSignalError, WeightsError
from laconic.codecs.models.tuned_steps import TunedSteps
from laconic.codecs.steps import CODE_OF_UNIT_STEP, step_code_of_quality, step_code_of_sound_quality, step_of_code
from laconic.entropy.errors import CorruptStreamError
from laconic.entropy.low_planes import low_classes

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped, UInt

    from laconic.codecs.models.model import Model
    from laconic.entropy.subbands import SubbandModel

TUNES: Final = ("psnr", "balanced", "machine", "eye")  # of pictures
DEFAULT_TUNE: Final = "balanced"
PLAIN_TUNE: Final = "snr"  # of sounds and cubes
NOISE_TUNE: Final = "machine"  # of sounds
MAX_STRENGTH: Final = 15
MAX_SETS: Final = 15  # of offsets, in a model
_MOST_PLANES: Final = 3  # with a map
_MAX_OFFSET: Final = 64
MAX_COARSER: Final = 16  # of the channels that a map is made of
_NOISE_UNIT: Final = 32
_NOISE_MIDDLE: Final = 185
_MIDDLE_QUALITY: Final = 50
ZERO_UNIT: Final = 256  # of a model's `zeros`
NUM_CLASSES: Final = 16
# Strengths of models that say nothing else.
_USUAL_STRENGTHS: Final[Mapping[str, int]] = {"psnr": 0, "balanced": 5, "machine": 6, "eye": 6}

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tuning:
    """A tune of a model: the `strength` of its map, 0 to 15, in sixteenths of the power of the local energy that steps go
    with, and `offsets`, (d,) int16, how many sixteenths of an octave the steps of a channel are finer than the file's;
    `low_offsets`, (classes,) int16, likewise of the low levels. `noise` in place of zeros, in 1/32 of what is lost."""

    name: str
    strength: int
    offsets: Int[NDArray[np.int16], " d"]
    low_offsets: Int[NDArray[np.int16], " classes"]
    noise: int = 0


def no_zeros() -> UInt[NDArray[np.uint8], "0 16"]:
    """Those of a model that does not know them."""
    return np.zeros((0, NUM_CLASSES), np.uint8)


def tuning_code_of(model: Model, tune: str | None) -> int:
    """The byte that files of a tune have, 0 for none; `tune` None is what suits the kind of signal. Raises `CodecError` for
    one that the model does not know, `UnsupportedSignalError` for one that signals of its kind do not have."""
    if model.kind != "image":
        allowed = (PLAIN_TUNE, NOISE_TUNE) if model.kind == "sound" else (PLAIN_TUNE,)
        if tune not in (None, *allowed):
            raise UnsupportedSignalError(
                f"tune is {tune!r}; allowed for signals of kind {model.kind} is {' or '.join(allowed)}"
            )
        return 0
    tune = DEFAULT_TUNE if tune is None else tune
    for number, tuning in enumerate(model.tunings, 1):
        if tuning.name == tune:
            return _code_of(tuning, number)
    if tune not in _USUAL_STRENGTHS:
        known = dict.fromkeys((*TUNES, *(tuning.name for tuning in model.tunings)))
        raise CodecError(f"tune is {tune!r}; model {model.name} knows {', '.join(known)}")
    return _USUAL_STRENGTHS[tune] << 4 if can_map(model) else 0


def step_code_at_quality(model: Model, quality: int, *, has_noise: bool = False) -> int:
    """The step of files of a quality, 1 to 100, by a model that has its tuning. Maps make most steps coarser, so the step
    is finer there: files of one quality are about as large with any tune. `has_noise`: of a sound whose file says levels of
    bands, by which steps go with how loud they are; they differ by less than the file's."""
    if model.kind == "sound":
        code = step_code_of_sound_quality(quality)
        coarser = code - step_code_of_sound_quality(_MIDDLE_QUALITY)
        if not has_noise:
            return code
        return _NOISE_MIDDLE + (coarser if coarser > 0 else 7 * coarser // 5)
    return max(step_code_of_quality(quality) - (2 * model.tuned.strength // 3 if model.tuned else 0), 0)


def usual_tuning_code(model: Model) -> int:
    """Of files that say nothing of their tuning: that of the model's first."""
    return _code_of(model.tunings[0], 1) if model.tunings else 0


def _code_of(tuning: Tuning, number: int) -> int:
    says_more = tuning.noise or tuning.offsets.any() or tuning.low_offsets.any()
    return tuning.strength << 4 | (number if says_more else 0)


def can_map(model: Model) -> bool:
    """Whether its steps may differ from place to place."""
    return model.kind == "image" and model.num_planes <= _MOST_PLANES


@lru_cache(maxsize=64)
def tuned_model(model: Model, code: int | None) -> Model:
    """The model for files of this tuning, 0 to 255, None for its usual one: contexts, reconstruction and low levels for the
    steps of its channels; its fingerprint stays. Raises `CorruptStreamError` for a tuning that it does not have."""
    code = usual_tuning_code(model) if code is None else code
    if not code:
        return model
    strength, number = code >> 4, code & 15
    if number > len(model.tunings) or (strength and not can_map(model)):
        raise CorruptStreamError(
            f"the file has tuning {strength} of set {number}; model {model.name} has {len(model.tunings)} sets"
        )
    tuning = model.tunings[number - 1] if number else _no_offsets(model)
    offsets, low = tuning.offsets, tuning.low_offsets
    of_low_planes = np.repeat(low[list(low_classes(model.low_levels))], model.num_planes) if len(low) else None
    gains = np.array([step_of_code(CODE_OF_UNIT_STEP + offset) for offset in low.tolist()], np.float32)
    networks = model.networks
    if networks is not None:
        networks = networks.with_offsets(_by_subband(networks, tuning))
    return replace(
        model,
        scale_codes=model.scale_codes + offsets,
        low_gains=model.low_gains * gains,
        low_scale_codes=model.low_scale_codes + low[:, None],
        contexts=model.contexts.with_offsets(offsets, of_low_planes),
        networks=networks,
        tuned=TunedSteps(code, model.fingerprint, model.num_planes, offsets, _largest_noise(model, tuning)),
    )


@lru_cache(maxsize=32)
def weighing_places(model: Model) -> Model:
    """The model, with or without a tuning, for files that weigh places; its fingerprint stays. Raises `CorruptStreamError`
    for one that has no such files."""
    if not can_map(model):
        raise CorruptStreamError(f"the file weighs places, which those of model {model.name} cannot")
    steps = model.tuned
    if steps is None:
        steps = TunedSteps(0, model.fingerprint, model.num_planes, np.zeros(model.num_channels, np.int16))
    return replace(model, tuned=replace(steps, weighs_places=True))


@lru_cache(maxsize=16)
def without_noise(model: Model) -> Model:
    """A tuned model that leaves zeros as they are."""
    if model.tuned is None or model.tuned.largest_noise is None:
        return model
    return replace(model, tuned=replace(model.tuned, largest_noise=None))


def has_noise(model: Model) -> bool:
    """Whether files of the model have noise in place of zeros."""
    return model.tuned is not None and model.tuned.largest_noise is not None


def _largest_noise(model: Model, tuning: Tuning) -> Float[Floats, "d classes"] | None:
    if not tuning.noise:
        return None
    return model.zeros.astype(np.float32) * np.float32(tuning.noise / (_NOISE_UNIT * ZERO_UNIT))


def _no_offsets(model: Model) -> Tuning:
    return Tuning("", 0, np.zeros(model.num_channels, np.int16), np.zeros(len(model.low_gains), np.int16))


def _by_subband(networks: SubbandModel, tuning: Tuning) -> Int[NDArray[np.int16], "networks kinds"]:
    """Offsets by level and kind."""
    planes = networks.num_colors
    out = np.zeros((networks.num_levels + 1, 3 * planes), np.int16)
    for i, start in enumerate(networks.channel_ends[:-1]):
        level, kind = networks.depth - i // (3 * planes), i % (3 * planes)
        out[level, kind] = tuning.offsets[start]
    out[0, :planes] = tuning.offsets[:planes]
    if len(tuning.low_offsets):
        out[0] = tuning.low_offsets[0]
        for n, of_level in enumerate(tuning.low_offsets[1:].reshape(-1, 3)):
            out[networks.num_levels - n] = np.tile(of_level, planes)
    return out


def check_tunings(model: Model) -> None:
    """Raises `WeightsError` for tunings that do not fit the model."""
    if model.zeros.dtype != np.uint8 or model.zeros.shape not in ((0, NUM_CLASSES), (model.num_channels, NUM_CLASSES)):
        raise WeightsError(f"model {model.name} has zeros of shape {model.zeros.shape}, which do not fit its channels")
    names = [tuning.name for tuning in model.tunings]
    if len(set(names)) < len(names) or len(names) > MAX_SETS or not all(isinstance(n, str) and n for n in names):
        raise WeightsError(f"model {model.name} has tunes named {names}; allowed are {MAX_SETS} different names")
    for tuning in model.tunings:
        _check_tuning(model, tuning)


def _check_tuning(model: Model, tuning: Tuning) -> None:
    offsets, low, what = tuning.offsets, tuning.low_offsets, f"tune {tuning.name} of model {model.name}"
    if type(tuning.noise) is not int or not 0 <= tuning.noise < _NOISE_UNIT or (tuning.noise and not len(model.zeros)):
        raise WeightsError(
            f"{what} has noise {tuning.noise!r}; allowed is 0 to 31, and 0 of a model that does not know its zeros"
        )
    if type(tuning.strength) is not int or not 0 <= tuning.strength <= MAX_STRENGTH:
        raise WeightsError(f"{what} has strength {tuning.strength!r}; allowed is 0 to {MAX_STRENGTH}")
    if model.kind != "image" or offsets.shape != (model.num_channels,) or low.shape != model.low_gains.shape:
        raise WeightsError(f"{what} has offsets of shapes {offsets.shape} and {low.shape}, which do not fit it")
    planes = model.num_planes
    if np.abs(offsets).max() > _MAX_OFFSET or np.abs(low).max(initial=0) > _MAX_OFFSET:
        raise WeightsError(f"{what} has offsets beyond {_MAX_OFFSET}, four octaves")
    if offsets[planes : 4 * planes].min(initial=0) < -MAX_COARSER or (len(low) and offsets[:planes].any()):
        raise WeightsError(f"{what} has offsets {offsets[: 4 * planes].tolist()} of the first channels, which none has")
    ends = () if model.networks is None else model.networks.channel_ends
    if any(np.ptp(offsets[lo:hi]) for lo, hi in pairwise(ends)):
        raise WeightsError(f"{what} has different offsets in one subband, which profile best codes as one")


def check_new_tuning(model: Model, name: str) -> None:
    """Raises `CodecError` for a model that cannot have one more tuning, of this name."""
    if not name or name == TUNES[0]:
        raise CodecError(f"the name of the tuning is {name!r}; allowed are names but {TUNES[0]}, which has none")
    if model.kind != "image":
        raise CodecError(f"model {model.name} is for signals of kind {model.kind}; tunings are for pictures")
    if not can_map(model):
        raise CodecError(
            f"model {model.name} has {model.num_planes} planes; maps of steps are for up to {_MOST_PLANES}"
        )
    if name in [tuning.name for tuning in model.tunings]:
        raise CodecError(f"model {model.name} has tune {name} already; choose another name")
    if len(model.tunings) >= MAX_SETS:
        raise CodecError(
            f"model {model.name} has {MAX_SETS} tunings, which are all it can have; start from another model"
        )


def tuning_config(model: Model) -> dict[str, object]:
    """What stands in the configuration, nothing where there are none."""
    return {"tunings": [[t.name, t.strength, t.noise] for t in model.tunings]} if model.tunings else {}


def tuning_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], " ..."]]:
    """Arrays of the model file, none where there are no tunings and zeros are not known."""
    zeros = {"zeros": model.zeros} if len(model.zeros) else {}
    if not model.tunings:
        return zeros
    return {
        **zeros,
        "tuning_offsets": np.stack([t.offsets for t in model.tunings]).astype(np.int8),
        "low_tuning_offsets": np.stack([t.low_offsets for t in model.tunings]).astype(np.int8),
    }


def tuning_bytes(model: Model) -> bytes:
    """What the fingerprint is over."""
    return b"".join(array.tobytes() for array in tuning_arrays(model).values())


def tunings_of_parts(
    config: Mapping[str, Any], arrays: Mapping[str, Shaped[NDArray[Any], " ..."]]
) -> tuple[Tuning, ...]:
    """Those of a model file. Raises KeyError, ValueError."""
    named: Sequence[tuple[str, int, int]] = config.get("tunings", ())
    if not named:
        return ()
    rows = zip(named, arrays["tuning_offsets"], arrays["low_tuning_offsets"], strict=True)
    return tuple(
        Tuning(name, strength, offsets.astype(np.int16), low.astype(np.int16), noise)
        for (name, strength, noise), offsets, low in rows
    )
