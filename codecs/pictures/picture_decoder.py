"""Pictures of any size <- .lcn files: whole or in part, at once or some rows of tiles at a time.

As in `picture_encoder`, what is made of some rows is the same whatever the rows are: an area is cut from the whole,
bit for bit, and pixels do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import text_argument, whole_numbers_argument
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.media import Image, Samples
from laconic.codecs.models.tunings import has_noise, without_noise
from laconic.codecs.packing.layout import CHUNK_VALUES, LayoutTile
from laconic.codecs.packing.unpacker import MOST_TOGETHER, Unpacker
from laconic.codecs.pictures.rendering import LinearRenderer, Rectangle, Renderer
from laconic.codecs.threads import ThreadedMap, threaded_map
from laconic.codecs.transform.picture_rows import PictureRowsPart

if TYPE_CHECKING:
    from jaxtyping import UInt

SYNTHESES: Final = ("linear", "neural", "auto")  # or the path of a network, *.safetensors
SCALES: Final = (1, 2, 4, 8, 16, 32)  # a picture may be decoded at one over these, as far as its model goes down


@dataclass(frozen=True)
class DecoderArea:
    """A rectangle of pixels of the picture at 2**-scale_log2 of its size."""

    x: int
    y: int
    width: int
    height: int
    scale_log2: int = 0


def decoder_area_of(
    size: tuple[int, ...], region: tuple[int, int, int, int] | None = None, scale: int = 1
) -> DecoderArea:
    """The area of a picture of `size` (height, width): `region` (x, y, width, height) in its own pixels, None for all of
    it, at 1/scale of the size; the smaller picture's pixels that the region touches. Raises `CodecError` for a region
    that is not inside.
    """
    height, width = size
    x, y, w, h = (
        (0, 0, width, height) if region is None else whole_numbers_argument("region (x, y, width, height)", region, 4)
    )
    if not (0 <= x < width and 0 <= y < height and 1 <= w <= width - x and 1 <= h <= height - y):
        raise CodecError(
            f"the region is {w}x{h} at ({x}, {y}); allowed is one of at least 1x1 inside the picture of {width}x{height}"
        )
    left, top, right, bottom = x // scale, y // scale, -(-(x + w) // scale), -(-(y + h) // scale)
    return DecoderArea(left, top, right - left, bottom - top, scale.bit_length() - 1)


@dataclass(frozen=True, eq=False)
class PicturePart:
    """An area of a picture whose file is decoded, by this synthesis, when its samples are asked for: once. `fill`: with
    noise in place of zeros, where the file has it and the synthesis is linear."""

    unpacker: Unpacker
    area: DecoderArea
    threads: int = 1
    synthesis: str = "linear"
    fill: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.area.height, self.area.width, self.unpacker.model.num_planes + self.unpacker.has_alpha

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.unpacker.form.sample_type)

    @property
    def bit_depth(self) -> int:
        """Of the colours, 8 to 16."""
        return self.unpacker.header.bit_depth

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
        return Image(out, self.metadata, self.bit_depth)

    def rows(self) -> Iterator[UInt[Samples, "rows w c"]]:
        """Its rows from the top down, some at a time: (n, w, c)."""
        return self._blocks(None)

    def _blocks(self, out: Samples | None) -> Iterator[Samples]:
        with threaded_map(self.threads) as run:
            renderer = _renderer_of(self)
            yield from _Canvas(self, renderer, run).blocks(out)
        if self.shape[:2] == self.unpacker.header.shape:
            self.unpacker.expect_end()


@dataclass(frozen=True, eq=False)
class _Window:
    """Rows of the latent from `top` on that are decoded and needed still: `values` (channels, rows, columns)."""

    values: NDArray[Any]
    top: int

    @property
    def bottom(self) -> int:
        return self.top + int(self.values.shape[1])

    def from_row(self, row: int) -> _Window:
        top = max(row, self.top)
        return _Window(self.values[:, top - self.top :].copy(), top)


class _Sheet:
    """Rows of an area's picture from the top down: begun, then taken. They are those of `out`, else arrays of their own."""

    def __init__(self, part: PicturePart, out: Samples | None) -> None:
        self._shape, self._dtype, self._top = part.shape, part.dtype, part.area.y
        self._out = out
        self.first = part.area.y  # of the rows that are begun and not taken
        self.begun: Samples = np.empty((0, *self._shape[1:]), self._dtype)

    def begin(self, stop: int) -> None:
        """The rows above `stop` are there to be filled."""
        before = self.begun
        if self._out is not None:
            self.begun = self._out[self.first - self._top : max(stop, self.first) - self._top]
        elif stop > self.first + len(before):
            self.begun = np.empty((stop - self.first, *self._shape[1:]), self._dtype)
            self.begun[: len(before)] = before

    def take(self, stop: int) -> Samples:
        """The rows above `stop`, which are full."""
        taken, self.begun = self.begun[: stop - self.first], self.begun[stop - self.first :]
        self.first = stop
        return taken


@dataclass(frozen=True, eq=False)
class _Canvas:
    """Decodes tiles from the top down and synthesises rows as soon as the margin below them is there."""

    part: PicturePart
    renderer: Renderer
    run: ThreadedMap

    def _pixels(self, places: int) -> int:
        """Rows or columns of the area's picture that so many places hold, rounded down; a place may have less than one."""
        return places << self.part.unpacker.model.tree.depth >> self.part.area.scale_log2

    def _places_of(self, pixels: int) -> int:
        """Places that so many rows or columns of the area's picture lie in, rounded down."""
        return pixels << self.part.area.scale_log2 >> self.part.unpacker.model.tree.depth

    @cached_property
    def _inside(self) -> LayoutTile:
        """Places that the area's pixels lie in."""
        area, of = self.part.area, self._places_of
        return LayoutTile(of(area.y), of(area.x), -of(-area.y - area.height), -of(-area.x - area.width))

    @cached_property
    def _places(self) -> LayoutTile:
        """Those of the area with their margin."""
        return self.renderer.needed(self._inside, self.part.unpacker.grid)

    def blocks(self, out: Samples | None) -> Iterator[Samples]:
        """Rows of the area, some at a time, in `out` where it is given."""
        places, end = self._places, self.part.area.y + self.part.area.height
        sheet = _Sheet(self.part, out)
        window = _Window(np.zeros((1, 0, places.right - places.left), np.int16), places.top)
        for tiles in self._chunks():
            window = self._grown(window, tiles)
            sheet.begin(min(-self._pixels(-window.bottom), end))
            if self.part.unpacker.has_alpha:
                self._add_alpha(sheet, tiles)
            rendered = self.renderer.ready(window.bottom)
            ready = end if window.bottom == places.bottom else min(self._pixels(rendered), end)
            if ready > sheet.first:
                self._synthesize(window, sheet, ready)
                yield sheet.take(ready)
                # Only now: rows from `ready` on depend on what was rendered above them.
                window = window.from_row(self.renderer.first_needed(rendered))

    def _chunks(self) -> Iterator[list[int]]:
        """Numbers of the tiles that are needed, some rows of tiles at a time."""
        places, unpacker = self._places, self.part.unpacker
        whole = self.renderer.needed_whole(self._inside, unpacker.grid)
        by_row: dict[int, list[int]] = {}
        for number, tile in enumerate(unpacker.tiles):
            if tile.meets(places):
                by_row.setdefault(tile.top, []).append(number)
        needed = chain.from_iterable(by_row.values())
        unpacker.leave_out_details(number for number in needed if not unpacker.tiles[number].meets(whole))
        chunk: list[int] = []
        size = 0
        for row in by_row.values():
            tile = unpacker.tiles[row[0]]
            more = (tile.bottom - tile.top) * (places.right - places.left) * unpacker.num_channels
            if chunk and size + more > CHUNK_VALUES * self.part.threads:
                yield chunk
                chunk, size = [], 0
            chunk, size = chunk + row, size + more
        yield chunk

    def _grown(self, window: _Window, tiles: list[int]) -> _Window:
        """The window with the rows of these tiles, which lie below it."""
        unpacker, places, before = self.part.unpacker, self._places, window.values.shape[1]
        bounds = [unpacker.tiles[number] for number in tiles]
        rows = LayoutTile(window.bottom, places.left, min(bounds[-1].bottom, places.bottom), places.right)
        if before == 0 and bounds == [places]:
            (only,) = unpacker.values(tiles, run=self.run, dtype=np.int16)
            return _Window(self._with_all(only.values[: max(only.num_used, 1)]), window.top)
        shape = (unpacker.capacity, rows.bottom - window.top, window.values.shape[2])
        out = np.empty(shape, window.values.dtype)  # tiles set what is theirs to 0 first, in their threads
        out[: len(window.values), :before] = window.values
        out[len(window.values) :, :before] = 0
        used = len(window.values)
        inner = [tile.within(rows) for tile in bounds]
        targets = [tile.moved(-window.top, -places.left) for tile in inner]
        views = [t.cut(out) if i == tile else None for tile, i, t in zip(bounds, inner, targets, strict=True)]
        # As many batches for every thread.
        rounds = -(-len(tiles) // (MOST_TOGETHER * self.part.threads))
        together = -(-len(tiles) // (rounds * self.part.threads))
        decoded = unpacker.values(tiles, run=self.run, dtype=out.dtype.type, outs=views, together=together)
        for tile, cut, target, found in zip(bounds, inner, targets, decoded, strict=True):
            used = max(used, found.num_used)
            out = out.astype(np.result_type(out, found.values), copy=False)
            values = cut.moved(-tile.top, -tile.left).cut(found.values)
            if not np.may_share_memory(values, out):
                target.cut(out)[: found.num_used] = values[: found.num_used]
                target.cut(out)[found.num_used :] = 0
        return _Window(self._with_all(out[:used]), window.top)

    def _with_all(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values, also those of channels that are 0 everywhere where noise takes their place."""
        unpacker = self.part.unpacker
        lacking = unpacker.num_channels - len(values)
        if lacking <= 0 or not self.part.fill or not has_noise(unpacker.model):
            return values
        return np.concatenate([values, np.zeros((lacking, *values.shape[1:]), values.dtype)])

    def _synthesize(self, window: _Window, sheet: _Sheet, stop: int) -> None:
        """Colours of the rows above `stop`."""
        area, header = self.part.area, self.part.unpacker.header
        corner = (window.top, self._places.left)
        values = np.ascontiguousarray(window.values)
        seen = LayoutTile(0, 0, *values.shape[1:]).moved(*corner)
        latent = PictureRowsPart(
            values,
            corner,
            header.shape,
            header.step_code,
            self.part.unpacker.form.peak,
            unmapped=self.part.unpacker.unmapped(seen),
            places=self.part.unpacker.places,
        )
        out = Rectangle(sheet.begun[: stop - sheet.first], sheet.first, area.x, area.scale_log2)
        self.renderer.render(latent, out, self.run, self.part.threads)

    def _add_alpha(self, sheet: _Sheet, tiles: list[int]) -> None:
        area, unpacker, scale = self.part.area, self.part.unpacker, 1 << self.part.area.scale_log2
        rows = LayoutTile(sheet.first, area.x, sheet.first + len(sheet.begun), area.x + area.width)
        for number, plane in zip(tiles, unpacker.alpha(tiles, run=self.run), strict=True):
            tile = unpacker.pixels_of(number)
            small = _reduced(plane, scale)
            top, left = tile.top // scale, tile.left // scale
            inner = LayoutTile(top, left, top + small.shape[0], left + small.shape[1]).within(rows)
            if inner.top < inner.bottom and inner.left < inner.right:
                inner.moved(-rows.top, -rows.left).cut(sheet.begun[:, :, -1])[...] = inner.moved(-top, -left).cut(small)


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


def check_decoder_synthesis(synthesis: str) -> str:
    """The same, a path as a string. Raises `CodecError` for what `_renderer_of` does not know."""
    synthesis = text_argument("synthesis", synthesis)
    if synthesis not in SYNTHESES and not synthesis.endswith(".safetensors"):
        raise CodecError(
            f"synthesis is {synthesis!r}; allowed are {', '.join(SYNTHESES)} and the path of a .safetensors"
        )
    return synthesis


def _renderer_of(part: PicturePart) -> Renderer:
    """The renderer for a part; "auto" is the neural one where the model has it and torch is there. Pictures smaller than
    the grid of the latent are linear."""
    unpacker, synthesis = part.unpacker, part.synthesis
    model = unpacker.model if part.fill else without_noise(unpacker.model)
    if synthesis == "linear" or part.area.scale_log2 > model.tree.depth:
        return LinearRenderer(model)
    from laconic.codecs.pictures.neural_rendering import NeuralRenderer, rendering_network_at, rendering_network_of

    try:
        network = rendering_network_of(model) if synthesis in SYNTHESES else rendering_network_at(synthesis, model)
    except (CodecError, MissingDependencyError):
        if synthesis == "auto":
            return LinearRenderer(model)
        raise
    return NeuralRenderer(without_noise(unpacker.base), network, unpacker.num_channels, model.colors)
