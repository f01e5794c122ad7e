"""The first channels of many small pictures at once: what `unpack` and `Latent.dequantize` give for each of them, to the
bit, by two native calls that need no Python for a picture.

That is for pictures of one tile in profiles fast and small, without alpha, of models with low levels, as packs have them.
All others are left to `unpack`, and so is whatever is damaged: it says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.models.latent_turn import coded_channels_for
from laconic.codecs.models.model import Model
from laconic.codecs.models.tuned_steps import STEP_FACTORS
from laconic.codecs.models.tunings import tuned_model
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.steps import step_of_code
from laconic.entropy import _native as _entropy
from laconic.entropy.container import CodecNumber, Profile, Source, read_header
from laconic.entropy.low_planes import low_places

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    from laconic.codecs.latent import Latent

PictureFiles = _entropy.PictureFiles  # the bytes of files, or where they are: (paths, file, offset, length)

_PROFILES: Final = (Profile.FAST, Profile.SMALL)
_CHUNK_VALUES: Final = 1 << 17  # that are decoded at a time: with what is made of them, they stay in a core's cache
_SIDE_BY_SIDE: Final = 4  # pictures
_USUAL: Final = 256  # tuning of files that say nothing of it
Floats = NDArray[np.float32]
_Block = tuple[Floats, NDArray[np.uint16], NDArray[np.uint16]]


class LatentBatch:
    """Reads the first `channels` channels of pictures of a model; values in signal units are multiplied by `scale`, and
    `shift` is added, (channels,) each."""

    def __init__(
        self, model: Model, channels: int, scale: Float[Floats, " channels"], shift: Float[Floats, " channels"]
    ) -> None:
        self._model, self._channels = model, channels
        self._scale, self._shift = np.ascontiguousarray(scale, np.float32), np.ascontiguousarray(shift, np.float32)
        self._num_coded = coded_channels_for(model, channels)
        self._capacity = next(end for end in model.group_ends if end >= self._num_coded)
        self._latent_rules: dict[tuple[int, int], _native.LatentRule] = {}

    def decode(
        self, open_files: Callable[[], PictureFiles], out: Float[Floats, "n channels h w"]
    ) -> Bool[NDArray[np.bool_], " n"]:
        """Puts the latents of files into `out`. Returns of which; the others are to be read by `unpack`. Of models whose
        files are not read here, none is opened."""
        done = np.zeros(len(out), np.bool_)
        if not _is_read_here(self._model) or not out.size:
            return done
        files = open_files()
        profiles, steps, heights, widths, tunings = files.heads().T
        depth = self._model.tree.depth
        fits = (-(-heights >> depth) == out.shape[2]) & (-(-widths >> depth) == out.shape[3])
        keys = np.where(fits & (tunings % 16 <= len(self._model.tunings)), tunings << 16 | profiles << 8 | steps, 0)
        most = _CHUNK_VALUES // (self._capacity * out.shape[2] * out.shape[3])
        chunk = max(most // _SIDE_BY_SIDE, 1) * _SIDE_BY_SIDE
        buffer = np.empty((min(chunk, len(out)), self._capacity, *out.shape[2:]), np.int32)
        for key in set(keys.tolist()):
            tuning, profile, step_code = key >> 16, key >> 8 & 255, key & 255
            if profile not in _PROFILES:
                continue
            alike = np.flatnonzero(keys == key)
            pictures = _picture_rules(self._model, tuning, Profile(profile), step_code)
            for first in range(0, len(alike), chunk):
                numbers = alike[first : first + chunk]
                values, decoded = buffer[: len(numbers)], np.zeros(len(numbers), np.bool_)
                pictures.decode(files, numbers, self._num_coded, values, decoded)
                self._latent_rule(tuning, step_code).apply(values, decoded, numbers, out)
                done[numbers] = decoded
        return done

    def _latent_rule(self, tuning: int, step_code: int) -> _native.LatentRule:
        if (tuning, step_code) not in self._latent_rules:
            model = tuned_model(self._model, None if tuning == _USUAL else tuning)
            low = model.low_at(step_code)
            assert low is not None
            rule = _native.LatentRule(
                float(step_of_code(step_code)) * model.unit,
                np.ascontiguousarray(model.steps_at(step_code)[: self._num_coded]),
                np.ascontiguousarray(model.shrink_of(step_code, self._num_coded)),
                low.inverse,
                np.ascontiguousarray(low.shrink),
                _blocks_of(model, self._channels),
                self._scale,
                self._shift,
            )
            if model.tuned is not None and model.tuned.strength:
                rule.map_steps(step_code, model.tuned.strength, model.tuned.weights, STEP_FACTORS)
            self._latent_rules[tuning, step_code] = rule
        return self._latent_rules[tuning, step_code]


def dequantized_batch(
    files: Sequence[bytes], channels: int, model: str | None, unpack: Callable[[bytes], Latent]
) -> Float[Floats, "n channels h w"]:
    """What `unpack` and then `dequantize` give of files of one size. Raises what `unpack` does, and `CodecError` where
    sizes differ."""
    header = read_header(Source(files[0]))
    found = load_model_of(header.fingerprint, model)
    if header.codec is not CodecNumber.IMAGE or channels > found.num_channels:
        sides = unpack(files[0]).dequantize().shape[1:]
    else:
        sides = tuple(found.tree.places_of(side) for side in header.shape)
    out = np.empty((len(files), channels, *sides), np.float32)
    done = _unscaled_batch(found, channels).decode(lambda: PictureFiles(list(files)), out)
    for i in np.flatnonzero(~done).tolist():
        values = unpack(files[i]).dequantize()
        if values.shape != out.shape[1:]:
            raise CodecError(
                f"file {i} has a latent of shape {values.shape}, the first {out.shape[1:]}; allowed is one shape in a batch"
            )
        out[i] = values
    return out


@lru_cache(maxsize=16)
def _unscaled_batch(model: Model, channels: int) -> LatentBatch:
    return LatentBatch(model, channels, np.ones(channels, np.float32), np.zeros(channels, np.float32))


def _is_read_here(model: Model) -> bool:
    return model.kind == "image" and model.low_levels > 0 and model.colors is None


@lru_cache(maxsize=64)
def _picture_rules(base: Model, tuning: int, profile: Profile, step_code: int) -> _entropy.PictureRules:
    model = tuned_model(base, None if tuning == _USUAL else tuning)
    contexts, step = model.contexts, model.contexts.at_step(step_code)
    assert step.low is not None
    rules = _entropy.PictureRules(
        model.fingerprint,
        int(profile),
        step_code,
        tuning,
        model.tree.depth,
        list(model.group_ends),
        model.low_levels,
        np.array(low_places(model.low_levels), np.uint8),
        model.num_planes,
    )
    if profile is Profile.FAST:
        indices = np.concatenate([step.low.static_index, step.static_index[model.num_planes :]])
        rules.use_static(contexts.static_tables.native, indices)
    else:
        rules.use_contexts(contexts.tables.native, contexts.native, step.base, step.low.model.native, step.low.base)
    return rules


def _blocks_of(model: Model, channels: int) -> list[_Block]:
    """What the first channels of the latent's axes are made of, none where they are the coded ones."""
    return [] if model.turn is None else model.turn.blocks_of(channels)
