"""The first channels of many small pictures at once: what `unpack` and `Latent.dequantize` give for each of them, to the
bit, by two native calls that need no Python for a picture.

That is for pictures of one tile in profiles fast and small, without alpha, of models with low levels, as packs have them.
All others are left to `unpack`, and so is whatever is damaged: it says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import Bytes, PathLike, items_of_argument, read_bytes_argument, whole_number_argument
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
    from jaxtyping import Bool, Float, Int, Shaped

    from laconic.codecs.latent import Latent
    from laconic.codecs.packing.latent_bands import LatentBands

PictureFiles = _entropy.PictureFiles  # the bytes of files, or where they are: (paths, file, offset, length)

_USUAL: Final = 256  # tuning of files that say nothing of it
_ViewArrays = tuple[NDArray[np.int32] | None, NDArray[np.float32] | None, NDArray[np.float32] | None]
Floats = NDArray[np.float32]
_Block = tuple[Floats, NDArray[np.uint16], NDArray[np.uint16]]


@dataclass(frozen=True, eq=False)
class LatentViews:
    """What of each latent of a batch is wanted, where it is not all. `windows` (n, 8) int32: the first row and column,
    in places, of a mirrored latent after mirroring; whether it is mirrored, and whether it is at half the scale; then,
    of what is 0 in the window, the first row, the one after the last, and columns alike. `colors` (n, colours, colours
    + 1) float32: a matrix for the colours of every band, and what is added to those of the low band; None where they
    stay. `factors` (n, channels) float32: what channels are multiplied by, None for 1. What a window has outside of a
    latent is 0 after normalisation."""

    windows: Int[NDArray[np.int32], "n 8"]
    colors: Float[Floats, "n colours more"] | None = None
    factors: Float[Floats, "n channels"] | None = None

    def of(self, numbers: Int[NDArray[np.int64], " m"]) -> LatentViews:
        """Those of some latents."""
        parts = (None if part is None else part[numbers] for part in (self.colors, self.factors))
        return LatentViews(self.windows[numbers], *parts)


class LatentBatch:
    """Reads the first `channels` channels of pictures of a model; values in signal units are multiplied by `scale`, and
    `shift` is added, (channels,) each. `bands` are needed for views."""

    def __init__(
        self,
        model: Model,
        channels: int,
        scale: Float[Floats, " channels"],
        shift: Float[Floats, " channels"],
        bands: LatentBands | None = None,
    ) -> None:
        self._model, self._channels = model, channels
        self._norm = _native.LatentNorm(
            np.ascontiguousarray(scale, np.float32), np.ascontiguousarray(shift, np.float32)
        )
        if bands is not None:
            self._norm.set_bands(bands.mirrored, bands.halved, bands.half_gains, bands.colors, bands.num_low)
        self._num_coded = coded_channels_for(model, channels)
        self._latent_rules: dict[tuple[int, int], _native.LatentRule] = {}

    def decode(
        self,
        open_files: Callable[[], PictureFiles],
        out: Shaped[NDArray[Any], "n channels h w"],
        *,
        views: LatentViews | None = None,
        num_threads: int = 1,
    ) -> Bool[NDArray[np.bool_], " n"]:
        """Puts the latents of files into `out`, of float32, float16, or uint16, which stands for bfloat16. Returns of
        which; the others are to be read by `unpack`. Of models whose files are not read here, none is opened."""
        done = np.zeros(len(out), np.bool_)
        if not _is_read_here(self._model) or not out.size:
            return done
        files = open_files()
        heads = files.heads()
        heads[:, 2:4] = -(-heads[:, 2:4] >> self._model.tree.depth)
        profiles, _, heights, widths, tunings = heads.T
        fits = ((profiles == Profile.FAST) | (profiles == Profile.SMALL)) & (tunings % 16 <= len(self._model.tunings))
        if views is None:
            fits &= (heights == out.shape[2]) & (widths == out.shape[3])
        rest = fits
        while rest.any():  # most batches are all alike
            profile, step_code, height, width, tuning = heads[rest.argmax()].tolist()
            same = rest & (heads == heads[rest.argmax()]).all(axis=1)
            alike, rest = np.flatnonzero(same), rest & ~same
            pictures = _picture_rules(self._model, tuning, Profile(profile), step_code)
            self._latent_rule(tuning, step_code).read(
                pictures.source(files, self._num_coded, height, width),
                self._norm,
                alike,
                alike,
                out,
                done,
                *_view_arrays(None if views is None else views.of(alike)),
                num_threads=num_threads,
            )
        return done

    def grids(self, files: PictureFiles) -> Int[NDArray[np.int64], "n 2"]:
        """(n, 2): rows and columns of latents; 0 of those that are to be read by `unpack`."""
        sizes = files.heads()[:, 2:4].astype(np.int64)
        return -(-sizes >> self._model.tree.depth) if self._model.kind == "image" else sizes * 0

    def put(
        self,
        latent: Float[Floats, "channels h w"],
        out: Shaped[NDArray[Any], "n channels h2 w2"],
        row: int,
        view: LatentViews | None = None,
    ) -> None:
        """Puts one latent in signal units into a row of `out`, by the only view of `view`."""
        self._norm.view(np.ascontiguousarray(latent), out, row, *_view_arrays(view))

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
                self._channels,
            )
            if model.tuned is not None and model.tuned.strength:
                rule.map_steps(step_code, model.tuned.strength, model.tuned.weights, STEP_FACTORS)
            self._latent_rules[tuning, step_code] = rule
        return self._latent_rules[tuning, step_code]


def _view_arrays(views: LatentViews | None) -> _ViewArrays:
    """As native code takes them."""
    return (None, None, None) if views is None else (views.windows, views.colors, views.factors)


def dequantized_batch(
    files: Iterable[Bytes | PathLike], channels: int, model: str | None, unpack: Callable[[bytes], Latent]
) -> Float[Floats, "n channels h w"]:
    """What `unpack` and then `dequantize` give of files of one size. Raises what `unpack` does, and `CodecError` where
    sizes differ."""
    channels = whole_number_argument("channels", channels, 1)
    whole = [read_bytes_argument("a file", file) for file in items_of_argument("files", files)]
    if not whole:
        raise CodecError("files is empty; allowed is at least one file")
    header = read_header(Source(whole[0]))
    found = load_model_of(header.fingerprint, model, header.packed_model)
    if header.codec is not CodecNumber.IMAGE or channels > found.num_channels:
        sides = unpack(whole[0]).dequantize().shape[1:]
    else:
        sides = tuple(found.tree.places_of(side) for side in header.shape)
    out = np.empty((len(whole), channels, *sides), np.float32)
    done = _unscaled_batch(found, channels).decode(lambda: PictureFiles(whole), out)
    for i in np.flatnonzero(~done).tolist():
        values = unpack(whole[i]).dequantize()
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
