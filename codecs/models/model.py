"""A model of the `Lcn` codec: everything that is learned, in one safetensors file without code.

The file's text metadata carries the structure (JSON under "config"), the fingerprint, and the model card's lines. The
fingerprint, 4 bytes of a SHA-256 over all that decides bytes or pixels, stands in every .lcn file.
"""

from __future__ import annotations

import errno
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import bytes_argument, name_argument, path_argument
from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.models.context_parts import (
    check_contexts,
    context_digest,
    contexts_of_parts,
)
from laconic.codecs.models.fixed_parts import check_fixed, fixed_of_parts
from laconic.codecs.models.fixed_point import FixedLeaf, fixed_point_map
from laconic.codecs.models.latent_turn import LatentTurn, check_turn, turn_bytes, turn_of_parts
from laconic.codecs.models.low_levels import (
    LowSynthesis,
    check_low_levels,
    low_bytes,
    low_parts,
    low_synthesis_of,
    no_low_gains,
    no_low_scale_codes,
)
from laconic.codecs.models.model_card import read_model_card
from laconic.codecs.models.model_parts import model_arrays, model_config
from laconic.codecs.models.packet_tree import Tree, tree_of_config
from laconic.codecs.models.tuned_steps import TunedSteps
from laconic.codecs.models.tunings import (
    Tuning,
    check_tunings,
    no_zeros,
    tuning_bytes,
    tunings_of_parts,
)
from laconic.codecs.steps import CODES_PER_SCALE, step_of_code
from laconic.entropy import BitstreamError, ContextModel, CorruptStreamError
from laconic.entropy.container import Profile
from laconic.entropy.subbands import SubbandModel
from laconic.entropy.tile_symbols import StepRules

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

    from laconic.codecs.models.turned_colors import TurnedColors

FINGERPRINT_BYTES = 4
NUM_SCALES = 96  # eighths of an octave of scale / step, the first at 2**-4
_MAX_SHRINK = 16
_DIMENSIONS = {"image": (2,), "sound": (1,), "cube": (1, 2)}


@dataclass(frozen=True, eq=False)
class Model:
    """Transform, quantiser and contexts for signals of `num_planes` planes.

    `analysis`, `synthesis`: square float32 matrices, one for each block of packets, that turn packets into latent
    channels and back; row k of all blocks together is latent channel `channels[k]`, (d,) uint16. `fixed`: the same for
    8-bit pictures in integers, one for each leaf of the tree; empty where the float matrices serve. `group_ends`: last
    channel + 1 of each group of a file. `rounding`: what is added to |y| / step before rounding down. `scale_codes`:
    (d,) int16, scale of each channel's values, in the unit of channel codes. `shrink`: (96, 3) float32, by scale and
    |q| = 1, 2, 3 or more, what reconstruction takes off |q|.
    `offsets`: (planes,) float32, the middles of a cube's planes in units of their level (`levels`), 0 of other signals.
    `unit`: steps are in this unit, a power of two. `low_levels`: further wavelet levels, 0 to 2, of a picture's lowest
    channels, with `low_gains`, (classes,) float32, and `low_scale_codes`, (classes, planes) int16, of each class of their
    coefficients (`low_levels`). `contexts` are for profiles fast and small, `networks` for profile best, where it codes
    in that. `turn`: to the axes of its latents, where it codes in others (`latent_turn`). `colors`: of a model whose
    colours are those of a file (`turned_colors`), else None. `tunings`: how steps may differ between channels and places;
    `zeros`, (d, 16) uint8, what noise in place of zeros goes up to, in 1/256 of a step, by how much goes on around a place;
    `tuned`: of a model for files of one of them (`tunings`), else None. Raises `WeightsError` where the parts do not fit
    together.
    """

    name: str
    num_planes: int
    tree: Tree
    analysis: tuple[Float[NDArray[np.float32], "n n"], ...]
    synthesis: tuple[Float[NDArray[np.float32], "n n"], ...]
    group_ends: tuple[int, ...]
    rounding: float
    scale_codes: Int[NDArray[np.int16], " d"]
    shrink: Float[NDArray[np.float32], "96 3"]
    contexts: ContextModel
    offsets: Float[NDArray[np.float32], " planes"]
    channels: UInt[NDArray[np.uint16], " d"]
    fixed: tuple[FixedLeaf, ...] = ()
    unit: float = 1.0
    kind: Literal["image", "sound", "cube"] = "image"
    card: Mapping[str, str] = field(default_factory=dict)
    low_levels: int = 0
    low_gains: Float[NDArray[np.float32], " classes"] = field(default_factory=no_low_gains)
    low_scale_codes: Int[NDArray[np.int16], "classes _"] = field(default_factory=no_low_scale_codes)
    networks: SubbandModel | None = None
    turn: LatentTurn | None = None
    colors: TurnedColors | None = None
    tunings: tuple[Tuning, ...] = ()
    zeros: UInt[NDArray[np.uint8], "_ 16"] = field(default_factory=no_zeros)
    tuned: TunedSteps | None = None

    def __post_init__(self) -> None:
        d = self.contexts.num_channels
        blocks = sum(len(m) for m in self.analysis)
        expected = self.num_planes * self.tree.num_bands**self.tree.depth
        if d != expected or blocks != expected:
            raise WeightsError(f"model {self.name} has {d} channels in blocks of {blocks}; its tree makes {expected}")
        pairs = zip(self.analysis, self.synthesis, strict=True)
        if any(a.shape != (len(a), len(a)) or a.shape != s.shape for a, s in pairs):
            raise WeightsError(f"model {self.name} has analysis and synthesis blocks of different shape")
        if self.channels.dtype != np.uint16 or not np.array_equal(np.sort(self.channels), np.arange(d)):
            raise WeightsError(f"model {self.name} has an order of channels that is none of 0 to {d - 1}")
        check_fixed(self)
        if not self.group_ends or self.group_ends[-1] != d or any(a >= b for a, b in pairwise((0, *self.group_ends))):
            raise WeightsError(f"model {self.name} has groups {self.group_ends}; they must ascend to {d}")
        if not 0 < self.rounding <= 0.5:
            raise WeightsError(f"model {self.name} rounds by {self.rounding}; allowed is above 0 to 0.5")
        if not np.all(np.abs(self.shrink) <= _MAX_SHRINK):
            raise WeightsError(
                f"model {self.name} has shrinkage above {_MAX_SHRINK}; values between integers need less"
            )
        if self.shrink.shape != (NUM_SCALES, 3) or self.shrink.dtype != np.float32:
            raise WeightsError(f"model {self.name} has shrinkage of shape {self.shrink.shape}, not ({NUM_SCALES}, 3)")
        if self.tree.dimensions not in _DIMENSIONS.get(self.kind, ()):
            raise WeightsError(f"model {self.name} of kind {self.kind} has a tree of {self.tree.dimensions} dimensions")
        if self.offsets.shape != (self.num_planes,) or self.offsets.dtype != np.float32:
            raise WeightsError(f"model {self.name} has offsets of shape {self.offsets.shape}, not (planes,)")
        if self.scale_codes.shape != (d,) or self.scale_codes.dtype != np.int16:
            raise WeightsError(f"model {self.name} has scale codes of shape {self.scale_codes.shape}, not ({d},)")
        check_low_levels(self)
        check_contexts(self)
        check_turn(self)
        check_tunings(self)

    @property
    def num_channels(self) -> int:
        return self.contexts.num_channels

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        """Bounds of each block of the projection, in packets."""
        ends = np.cumsum([0, *(len(m) for m in self.analysis)]).tolist()
        return tuple(pairwise(ends))

    @property
    def _lowest_leaf(self) -> tuple[int, ...]:
        return next(path for path in self.tree.leaves if not any(path))

    @cached_property
    def fixed_map(self) -> _native.FixedMap | None:
        """The kernels of the fixed-point transform, None where the model has none."""
        return fixed_point_map(self) if self.fixed else None

    def channels_at(self, scale_log2: int) -> int:
        """How many leading channels a picture of 2**-scale_log2 the size needs. Raises `CodecError` where the low band of
        the tree, with the low levels, does not go down so far."""
        low = (0,) * scale_log2
        smallest = len(self._lowest_leaf) + self.low_levels
        if scale_log2 > smallest:
            allowed = ", ".join(str(1 << n) for n in range(smallest + 1))
            raise CodecError(
                f"the scale is 1/{1 << scale_log2}; the tree of model {self.name} ends before: allowed are {allowed}"
            )
        if scale_log2 > len(self._lowest_leaf):
            return self.num_planes
        rows: list[int] = []
        at = 0
        for path in self.tree.leaves:
            count = self.num_planes * self.tree.channels_of(path)
            if path[:scale_log2] == low:
                rows += range(at, at + count)
            at += count
        used = {lo: hi for lo, hi in self.blocks if any(lo <= row < hi for row in rows)}
        return 1 + max(int(self.channels[lo:hi].max()) for lo, hi in used.items())

    @cached_property
    def fingerprint(self) -> bytes:
        """4 bytes that change with anything that changes encoded bytes or decoded pixels."""
        if (derived := self.colors or self.tuned) is not None:
            return derived.fingerprint
        sha = hashlib.sha256(json.dumps(model_config(self), sort_keys=True).encode())
        for array in (*self.analysis, *self.synthesis, self.shrink, self.offsets):
            sha.update(np.ascontiguousarray(array, "<f4").tobytes())
        for leaf in self.fixed:
            sha.update(bytes([leaf.analysis_bits, leaf.synthesis_bits]))
            sha.update(leaf.analysis.astype("<i2").tobytes() + leaf.synthesis.astype("<i2").tobytes())
        sha.update(self.scale_codes.astype("<i2").tobytes() + self.channels.astype("<u2").tobytes())
        sha.update(low_bytes(self) + context_digest(self) + turn_bytes(self) + tuning_bytes(self))
        return sha.digest()[:FINGERPRINT_BYTES]

    def shrink_of(self, step_code: int, num_channels: int) -> Float[NDArray[np.float32], "num_channels 3"]:
        """(num_channels, 3), not to be written to: what reconstruction takes off |q| = 1, 2, 3 or more at this step."""
        return _shrink_at(self, step_code)[:num_channels]

    def shrink_at(self, scale_codes: Int[NDArray[np.int16], " n"], step_code: int) -> Float[NDArray[np.float32], "n 3"]:
        """(n, 3): the same for values of these scales."""
        scales = (scale_codes.astype(np.int64) - step_code) // CODES_PER_SCALE
        return self.shrink[np.clip(scales, 0, NUM_SCALES - 1)]

    def rules_at(self, step_code: int, profile: Profile) -> StepRules:
        """What says which table codes which symbol. Raises `CorruptStreamError` for a profile that it does not code in."""
        if profile is not Profile.BEST:
            return self.contexts.at_step(step_code)
        if self.networks is None:
            raise CorruptStreamError(f"the file has profile best, for which model {self.name} has no networks")
        return self.networks.at_step(step_code)

    def steps_at(self, step_code: int) -> Float[NDArray[np.float32], " d"]:
        """(d,), not to be written to: the step of each channel in signal units, before any map."""
        return _steps_at(self, step_code)

    def low_at(self, step_code: int) -> LowSynthesis | None:
        """How the lowest channels are undone at this step, None for a model without low levels."""
        return _low_at(self, step_code)

    def save(self, path: Path | str) -> None:
        """Write a safetensors file. Raises `OSError`."""
        path = path_argument("path", path)
        from safetensors.numpy import save_file

        metadata = {"config": json.dumps(model_config(self), sort_keys=True), "fingerprint": self.fingerprint.hex()}
        if not path.parent.is_dir():  # safetensors has an error of its own for it
            raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
        save_file(model_arrays(self), path, metadata={**self.card, **metadata, "name": self.name})

    @classmethod
    def load(cls, path: Path | str) -> Model:
        """Read what `save` wrote. Raises `WeightsError` for a damaged or unfitting file."""
        path = path_argument("path", path)
        try:
            data = path.read_bytes()
        except FileNotFoundError as err:
            raise WeightsError(f"model file {path} does not exist") from err
        except OSError as err:
            raise WeightsError(f"model file {path} is not a laconic model: {err}") from err
        return cls.from_bytes(data, f"model file {path}")

    @classmethod
    def from_bytes(cls, data: bytes, what: str = "the file") -> Model:
        """The model of the bytes of such a file; messages call it `what`. Raises `WeightsError` as `load` does."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        data, what = bytes_argument("data", data), name_argument("what", what)
        try:
            arrays, metadata = load(data), read_model_card(BytesIO(data))
            model = _from_parts(arrays, metadata)
        except (
            SafetensorError,
            BitstreamError,
            LookupError,
            ValueError,
            TypeError,
            RecursionError,
            struct.error,
        ) as err:
            raise WeightsError(f"{what} is not a laconic model: {err}") from err
        if model.fingerprint.hex() != metadata.get("fingerprint"):
            raise WeightsError(f"{what} does not match its fingerprint; copy it again")
        return model


@lru_cache(maxsize=64)
def _shrink_at(model: Model, step_code: int) -> NDArray[np.float32]:
    rows = model.shrink_at(model.scale_codes, step_code)
    rows.flags.writeable = False
    return rows


@lru_cache(maxsize=64)
def _steps_at(model: Model, step_code: int) -> NDArray[np.float32]:
    if model.tuned is None:
        steps = np.full(model.num_channels, step_of_code(step_code), np.float32)
    else:
        steps = model.tuned.steps(step_code)
    steps *= np.float32(model.unit)
    steps.flags.writeable = False
    return steps


@lru_cache(maxsize=64)
def _low_at(model: Model, step_code: int) -> LowSynthesis | None:
    return low_synthesis_of(model, step_code)


def _from_parts(arrays: Mapping[str, NDArray[np.generic]], metadata: dict[str, str]) -> Model:
    config = json.loads(metadata["config"])
    if not isinstance(config, dict):
        raise ValueError("its config is no JSON object")
    blocks = range(sum(1 for key in arrays if key.startswith("analysis.")))
    contexts, networks = contexts_of_parts(config, arrays)
    low_levels, low_gains, low_scale_codes = low_parts(config, arrays)
    return Model(
        name=metadata["name"],
        num_planes=config["num_planes"],
        tree=tree_of_config(config),
        analysis=tuple(arrays[f"analysis.{i}"].astype(np.float32) for i in blocks),
        synthesis=tuple(arrays[f"synthesis.{i}"].astype(np.float32) for i in blocks),
        group_ends=tuple(config["group_ends"]),
        rounding=config["rounding"],
        scale_codes=arrays["scale_codes"].astype(np.int16),
        shrink=arrays["shrink"].astype(np.float32),
        contexts=contexts,
        offsets=arrays["offsets"].astype(np.float32),
        channels=arrays["channels"].astype(np.uint16),
        fixed=fixed_of_parts(arrays),
        unit=config["unit"],
        kind=config["kind"],
        card={k: v for k, v in metadata.items() if k not in ("config", "fingerprint", "name")},
        low_levels=low_levels,
        low_gains=low_gains,
        low_scale_codes=low_scale_codes,
        networks=networks,
        turn=turn_of_parts(arrays),
        tunings=tunings_of_parts(config, arrays),
        zeros=arrays.get("zeros", no_zeros()).astype(np.uint8),
    )
