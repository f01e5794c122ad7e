"""Pictures of any size <- .lcn files: whole or in part, at once or some rows of tiles at a time.

As in `picture_encoder`, what is made of some rows is the same whatever the rows are: an area is cut from the whole,
bit for bit, and pixels do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.media import Image, Samples
from laconic.codecs.packing.layout import CHUNK_VALUES, Tile
from laconic.codecs.packing.unpacker import MOST_TOGETHER, Unpacker
from laconic.codecs.pictures.rendering import LinearRenderer, Rectangle, Renderer
from laconic.codecs.threads import Map, threaded_map
from laconic.codecs.transform.picture_rows import LatentPart

SYNTHESES: Final = ("linear", "neural", "auto")  # or the path of a network, *.safetensors
SCALES: Final = (1, 2, 4, 8)  # a picture may be decoded at one over these


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels of the picture at 2**-scale_log2 of its size."""

    x: int
    y: int
    width: int
    height: int
    scale_log2: int = 0


def area_of(size: tuple[int, int], region: tuple[int, int, int, int] | None = None, scale: int = 1) -> Area:
    """The area of a picture of `size` (height, width): `region` (x, y, width, height) in its own pixels, None for all of
    it, at 1/scale of the size; the smaller picture's pixels that the region touches. Raises `CodecError` for a region
    that is not inside.
    """
    height, width = size
    x, y, w, h = region or (0, 0, width, height)
    if not (0 <= x < width and 0 <= y < height and 1 <= w <= width - x and 1 <= h <= height - y):
        raise CodecError(
            f"the region is {w}x{h} at ({x}, {y}); allowed is one of at least 1x1 inside the picture of {width}x{height}"
        )
    left, top, right, bottom = x // scale, y // scale, -(-(x + w) // scale), -(-(y + h) // scale)
    return Area(left, top, right - left, bottom - top, scale.bit_length() - 1)


@dataclass(frozen=True, eq=False)
class PicturePart:
    """An area of a picture whose file is decoded, by this synthesis, when its samples are asked for: once."""

    unpacker: Unpacker
    area: Area
    threads: int = 1
    synthesis: str = "linear"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.area.height, self.area.width, self.unpacker.model.num_planes + self.unpacker.has_alpha

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.unpacker.form.sample_type)

    @property
    def metadata(self) -> Mapping[str, bytes]:
        return self.unpacker.header.metadata

    @property
    def damage(self) -> tuple[str, ...]:
        """What could not be read of the file so far."""
        return self.unpacker.damage

    @property
    def num_bytes_read(self) -> int:
        """Of the file, so far."""
        return self.unpacker.num_bytes_read

    def image(self) -> Image:
        """All of it."""
        out: Samples = np.empty(self.shape, self.dtype)
        for _ in self._blocks(out):
            pass
        return Image(out, self.metadata)

    def rows(self) -> Iterator[Samples]:
        """Its rows from the top down, some at a time: (n, w, c)."""
        return self._blocks(None)

    def _blocks(self, out: Samples | None) -> Iterator[Samples]:
        with threaded_map(self.threads) as run:
            renderer = renderer_of(self.synthesis, self.unpacker)
            yield from _Canvas(self.unpacker, self.area, renderer, run, self.threads, out).blocks()
        if self.shape[:2] == self.unpacker.header.shape:
            self.unpacker.expect_end()


class _Canvas:
    """Decodes tiles from the top down and synthesises rows as soon as the margin below them is there."""

    def __init__(
        self, unpacker: Unpacker, area: Area, renderer: Renderer, run: Map, threads: int, out: Samples | None
    ) -> None:
        self._unpacker, self._area, self._renderer, self._out = unpacker, area, renderer, out
        self._run, self._threads = run, threads
        self._side = unpacker.model.tree.factor >> area.scale_log2
        height, width = unpacker.grid
        side = self._side
        # Places with their margin.
        inside = Tile(
            area.y // side, area.x // side, -(-(area.y + area.height) // side), -(-(area.x + area.width) // side)
        )
        self._places = renderer.needed(inside, (height, width))

    def blocks(self) -> Iterator[Samples]:
        places, area, side = self._places, self._area, self._side
        window = np.zeros((1, 0, places.right - places.left), np.int16)  # rows of the latent that are needed still
        window_top, done = places.top, area.y
        block = self._block(done, done)
        for tiles in self._chunks():
            bottom = min(self._unpacker.tiles[tiles[-1]].bottom, places.bottom)
            window = self._grown(window, tiles, window_top + window.shape[1], bottom)
            end = area.y + area.height
            ready = end if bottom == places.bottom else min(self._renderer.ready(bottom) * side, end)
            block = self._block(done, max(done, min(bottom * side, end)), block)
            if self._unpacker.has_alpha:
                self._add_alpha(block, done, tiles)
            if ready > done:
                self._synthesize(window, window_top, block[: ready - done], done)
                yield block[: ready - done]
                block = block[ready - done :]
                done = ready
                # Only now: rows from `done` on depend on what was rendered above them.
                keep = max(self._renderer.first_needed(self._renderer.ready(bottom)), window_top)
                window, window_top = window[:, keep - window_top :].copy(), keep

    def _chunks(self) -> Iterator[list[int]]:
        """Numbers of the tiles that are needed, some rows of tiles at a time."""
        places = self._places
        by_row: dict[int, list[int]] = {}
        for number, tile in enumerate(self._unpacker.tiles):
            if (
                tile.top < places.bottom
                and tile.bottom > places.top
                and tile.left < places.right
                and tile.right > places.left
            ):
                by_row.setdefault(tile.top, []).append(number)
        chunk: list[int] = []
        size = 0
        for row in by_row.values():
            tile = self._unpacker.tiles[row[0]]
            more = (tile.bottom - tile.top) * (places.right - places.left) * self._unpacker.num_channels
            if chunk and size + more > CHUNK_VALUES * self._threads:
                yield chunk
                chunk, size = [], 0
            chunk, size = chunk + row, size + more
        yield chunk

    def _grown(self, window: NDArray[Any], tiles: list[int], top: int, bottom: int) -> NDArray[Any]:
        """The window with rows `top` to `bottom` - 1 of the latent below."""
        unpacker, places, before = self._unpacker, self._places, window.shape[1]
        bounds = [unpacker.tiles[number] for number in tiles]
        if before == 0 and bounds == [places]:
            (only,) = unpacker.values(tiles, run=self._run, dtype=np.int16)
            return only.values[: max(only.num_used, 1)]
        out = np.zeros((unpacker.capacity, before + bottom - top, window.shape[2]), window.dtype)
        out[: len(window), :before] = window
        rows = Tile(top, places.left, bottom, places.right)
        inner = [tile.within(rows) for tile in bounds]
        targets = [tile.moved(before - top, -places.left) for tile in inner]
        views = [t.cut(out) if i == tile else None for tile, i, t in zip(bounds, inner, targets, strict=True)]
        used = len(window)
        # As many batches for every thread.
        rounds = -(-len(tiles) // (MOST_TOGETHER * self._threads))
        together = -(-len(tiles) // (rounds * self._threads))
        decoded = unpacker.values(tiles, run=self._run, dtype=out.dtype.type, outs=views, together=together)
        for tile, part, target, found in zip(bounds, inner, targets, decoded, strict=True):
            used = max(used, found.num_used)
            out = out.astype(np.result_type(out, found.values), copy=False)
            cut = part.moved(-tile.top, -tile.left).cut(found.values)
            if not np.may_share_memory(cut, out):
                target.cut(out)[: found.num_used] = cut[: found.num_used]
        return out[:used]

    def _block(self, first: int, last: int, begun: Samples | None = None) -> Samples:
        """Rows `first` to `last` - 1 of the area's picture, with those that were begun before."""
        area = self._area
        if self._out is not None:
            return self._out[first - area.y : last - area.y]
        model, dtype = self._unpacker.model, self._unpacker.form.sample_type
        block = np.empty((last - first, area.width, model.num_planes + self._unpacker.has_alpha), dtype)
        if begun is not None:
            block[: len(begun)] = begun
        return block

    def _synthesize(self, window: NDArray[Any], window_top: int, block: Samples, first: int) -> None:
        area, header = self._area, self._unpacker.header
        corner = (window_top, self._places.left)
        part = LatentPart(np.ascontiguousarray(window), corner, header.shape, header.step_code, block.dtype)
        out = Rectangle(block, first, area.x, area.scale_log2)
        self._renderer.render(part, out, self._run, self._threads)

    def _add_alpha(self, block: Samples, first: int, tiles: list[int]) -> None:
        area, scale = self._area, 1 << self._area.scale_log2
        for number, plane in zip(tiles, self._unpacker.alpha(tiles, run=self._run), strict=True):
            tile = self._unpacker.pixels_of(number)
            small = _reduced(plane, scale)
            top, left = tile.top // scale, tile.left // scale
            upper, lower = max(top, first), min(top + small.shape[0], first + len(block))
            begin, end = max(left, area.x), min(left + small.shape[1], area.x + area.width)
            if upper < lower and begin < end:
                block[upper - first : lower - first, begin - area.x : end - area.x, -1] = small[
                    upper - top : lower - top, begin - left : end - left
                ]


def _reduced(plane: NDArray[Any], scale: int) -> NDArray[Any]:
    """Means around every `scale`-th pixel, where low-pass filtering leaves the colours, of what is there; rounded."""
    if scale == 1:
        return plane
    sums, counts = plane.astype(np.int64), np.ones(plane.shape, np.int64)
    for axis in (0, 1):
        sums, counts = _window_sums(sums, scale, axis), _window_sums(counts, scale, axis)
    return ((2 * sums + counts) // (2 * counts)).astype(plane.dtype)


def _window_sums(values: NDArray[np.int64], scale: int, axis: int) -> NDArray[np.int64]:
    """Twice the sums over `scale` + 1 values, both ends by half, centred at every `scale`-th."""
    length, half = values.shape[axis], scale // 2
    before = np.insert(np.cumsum(values, axis), 0, 0, axis)
    centers = np.arange(0, length, scale)

    def up_to(offset: int) -> NDArray[np.int64]:
        return np.take(before, np.clip(centers + offset, 0, length), axis)

    return up_to(half) - up_to(-half) + up_to(half + 1) - up_to(1 - half)


def check_synthesis(synthesis: str) -> None:
    """Raises `CodecError` for what `renderer_of` does not know."""
    if synthesis not in SYNTHESES and not synthesis.endswith(".safetensors"):
        raise CodecError(
            f"synthesis is {synthesis!r}; allowed are {', '.join(SYNTHESES)} and the path of a .safetensors"
        )


def renderer_of(synthesis: str, unpacker: Unpacker) -> Renderer:
    """The renderer for a file; "auto" is the neural one where the model has it and torch is there."""
    model = unpacker.model
    if synthesis == "linear":
        return LinearRenderer(model)
    from laconic.codecs.pictures.neural_rendering import NeuralRenderer, network_at, network_of

    try:
        network = network_of(model) if synthesis in SYNTHESES else network_at(synthesis, model)
    except (CodecError, MissingDependencyError):
        if synthesis == "auto":
            return LinearRenderer(model)
        raise
    return NeuralRenderer(model, network, unpacker.num_channels)
