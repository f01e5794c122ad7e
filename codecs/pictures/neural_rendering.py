"""Neural synthesis of pictures of any size, in blocks of the latent that depend on nothing but their surroundings.

Blocks lie on a grid from the picture's corner and are repaired whole, each with the halo that the network sees, so an
area is cut from what the whole picture gives, and memory is that of a row of blocks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.low_levels import LOW_GRID, LOW_MARGIN
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import synthesis_path, tuned_synthesis_path
from laconic.codecs.packing.layout import LayoutTile
from laconic.codecs.pictures.rendering import Rectangle, rendering_in_strips, rendering_margin
from laconic.codecs.threads import ThreadedMap
from laconic.codecs.transform.picture_rows import (
    PictureRowsPart,
    cut_of_part,
    map_margin_of,
    points_of_part,
    rows_of_coefficients,
)

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.codecs.models.neural_synthesis import NeuralSynthesis
    from laconic.codecs.models.turned_colors import TurnedColors

BLOCK: Final = 128  # places a side
Floats = NDArray[np.float32]


class NeuralRenderer:
    """Repairs coefficients block by block, then synthesises them linearly. `num_channels` of the model are there;
    coefficients of `colors` of a file are turned back before. There is no noise: networks make of zeros what they find
    likely."""

    def __init__(
        self, model: Model, network: NeuralSynthesis, num_channels: int, colors: TurnedColors | None = None
    ) -> None:
        self._model, self._network, self._num_channels, self._colors = model, network, num_channels, colors
        self._halo = self._network.config.halo
        # Places around a block that it depends on.
        outer = LOW_MARGIN if model.low_levels else map_margin_of(model)
        self._reach = -(-self._halo // LOW_GRID) * LOW_GRID + outer if model.low_levels else self._halo + outer
        # Repaired rows to go on from, and the number of the first.
        self._rows: tuple[int, Floats] = 0, np.empty((0, 0, 0), np.float32)

    def needed(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        return rendering_margin(_in_blocks(rendering_margin(places, MARGIN, grid)), self._reach, grid)

    def needed_whole(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        seen = self._halo + map_margin_of(self._model)
        return rendering_margin(_in_blocks(rendering_margin(places, MARGIN, grid)), seen, grid)

    def ready(self, bottom: int) -> int:
        return (bottom - self._reach) // BLOCK * BLOCK - MARGIN

    def first_needed(self, ready: int) -> int:
        return ready + MARGIN - self._reach

    def render(self, part: PictureRowsPart, out: Rectangle, run: ThreadedMap, threads: int) -> None:
        side = self._model.tree.factor >> out.scale_log2
        height, width = (-(-n // self._model.tree.factor) for n in part.size)
        part = part.with_map(self._model).with_low(self._model)
        # The part has what blocks depend on on each side but where the latent ends.
        left, right = part.corner[1], part.corner[1] + part.values.shape[2]
        columns = (left + self._reach if left else 0, right if right == width else right - self._reach)
        bottom = out.y + len(out.samples)
        last = min(-(-bottom // side) + MARGIN, height)
        top, rows = self._from(max(out.y // side - MARGIN, 0))
        done = out.y
        while True:  # a row of blocks at a time
            end = top + rows.shape[1]
            if end < last:
                new = self._row_of_blocks(end // BLOCK, columns, part, (height, width))
                rows = np.concatenate((rows, new), axis=1) if rows.size else new
                end = top + rows.shape[1]
            ready = bottom if end >= last else max((end - MARGIN) * side, done)
            if ready > done:
                strip = replace(out, samples=out.samples[done - out.y : ready - out.y], y=done)
                self._synthesize(rows, (top, columns[0]), strip, part.peak, run, threads)
            kept = max(ready // side - MARGIN, top)
            top, rows, done = kept, rows[:, kept - top :].copy(), ready
            if done == bottom:
                break
        self._rows = top, rows

    def _from(self, first: int) -> tuple[int, Floats]:
        """Repaired rows that are left from before, and the number of their first, where they go on from row `first`."""
        top, rows = self._rows
        if top <= first < top + rows.shape[1]:
            return first, rows[:, first - top :]
        return first // BLOCK * BLOCK, np.empty((self._model.num_channels, 0, 0), np.float32)

    def _synthesize(
        self, rows: Floats, corner: tuple[int, int], out: Rectangle, peak: int, run: ThreadedMap, threads: int
    ) -> None:
        """Pixels of a rectangle, 0 to `peak`, of repaired rows whose first place is `corner`."""
        side = self._model.tree.factor >> out.scale_log2

        def work(rectangle: Rectangle, used: slice) -> None:
            first = rectangle.y - (corner[0] + used.start) * side, rectangle.x - corner[1] * side
            rows_of_coefficients(
                rows[:, used], self._model, rectangle.samples, first, peak=peak, scale_log2=out.scale_log2
            )

        rendering_in_strips(work, out, side, (corner[0], rows.shape[1]), run, threads)

    def _row_of_blocks(
        self, number: int, columns: tuple[int, int], part: PictureRowsPart, grid: tuple[int, int]
    ) -> Floats:
        """Repaired coefficients (d, rows, columns) of one row of blocks."""
        top, bottom = number * BLOCK, min((number + 1) * BLOCK, grid[0])
        out = np.empty((self._model.num_channels, bottom - top, columns[1] - columns[0]), np.float32)
        for left in range(*columns, BLOCK):
            block = LayoutTile(top, left, bottom, min(left + BLOCK, columns[1]))
            seen = rendering_margin(block, self._halo, grid)
            top_seen, left_seen = seen.top - part.corner[0], seen.left - part.corner[1]
            rows = slice(top_seen, top_seen + seen.bottom - seen.top)
            seen_of_part = cut_of_part(part, (rows, slice(left_seen, left_seen + seen.right - seen.left)))
            known = self._upright(points_of_part(seen_of_part, self._model))
            repaired = neural_rendering_of(
                self._network, known, self._model, part.step_code, self._num_channels, seen_of_part.exponents
            )
            inner = block.moved(-seen.top, -seen.left)
            block.moved(-top, -columns[0]).cut(out)[...] = inner.cut(repaired)
        return out

    def _upright(self, points: Float[Floats, "c h w"]) -> Float[Floats, "_ h w"]:
        """Coefficients in the colours of the model, of all channels that are there: those that are 0 beyond the first c may
        be no longer."""
        if self._colors is None:
            return points
        whole = np.zeros((self._num_channels, *points.shape[1:]), np.float32)
        whole[: len(points)] = points
        return self._colors.to_model(whole)


def neural_rendering_of(
    network: NeuralSynthesis,
    known: Float[Floats, "c h w"],
    model: Model,
    step_code: int,
    num_channels: int,
    exponents: Int[NDArray[np.int8], "h w"] | None = None,
) -> Float[Floats, "d h w"]:
    """Coefficients (c, h, w) of the first channels, those of `num_channels` that are not 0 -> repaired ones (d, h, w);
    `exponents` are those of the places of a tuned picture.

    The network is told the file's step for the lowest channels of a model with low levels too, as in its training: their
    error is about as large as that of plain rounding at it.
    """
    import torch

    coefficients = torch.zeros((1, model.num_channels, *known.shape[1:]))
    coefficients[0, : len(known)] = torch.from_numpy(known)
    steps = torch.from_numpy(model.steps_at(step_code).copy())[None]
    steps[:, num_channels:] = torch.inf
    of_places = None if exponents is None else torch.from_numpy(exponents)[None].float()
    with torch.inference_mode():
        repaired: Floats = network(coefficients, steps, of_places)[0].numpy()
    return repaired


def rendering_network_of(model: Model) -> NeuralSynthesis:
    """The network that is shipped for a model, or for its tuned files. Raises `CodecError` where there is none,
    `MissingDependencyError`."""
    path = (synthesis_path if model.tuned is None else tuned_synthesis_path)(model.fingerprint)
    if path is None:
        raise CodecError(f"model {model.name} has no neural synthesis; allowed are linear, auto and the file of one")
    return rendering_network_at(path, model)


def rendering_network_at(path: Path | str, model: Model) -> NeuralSynthesis:
    """The network of a file. Raises `WeightsError` for one that is not for the model, `MissingDependencyError`."""
    missing_torch_error("the neural synthesis", instead="decode with linear")
    return _load(str(path), model.fingerprint.hex())


@lru_cache(maxsize=4)
def _load(path: str, fingerprint: str) -> NeuralSynthesis:
    from laconic.codecs.models.neural_synthesis import load_neural_synthesis_for

    return load_neural_synthesis_for(path, fingerprint)


def _in_blocks(places: LayoutTile) -> LayoutTile:
    """Bounds of all blocks that have some of these places."""
    return LayoutTile(
        places.top // BLOCK * BLOCK,
        places.left // BLOCK * BLOCK,
        -(-places.bottom // BLOCK) * BLOCK,
        -(-places.right // BLOCK) * BLOCK,
    )
