"""Latent places -> pixels, some rows at a time: what `picture_decoder` needs of a synthesis, and the linear one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from laconic.codecs.media import Samples
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.low_levels import LOW_GRID
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import LayoutTile
from laconic.codecs.threads import ThreadedMap
from laconic.codecs.transform.picture_rows import PictureRowsPart, map_margin_of, margin_of, synthesize_picture_rows

if TYPE_CHECKING:
    from jaxtyping import UInt


@dataclass(frozen=True)
class Rectangle:
    """Pixels to make: `samples` (h, w, c), whose first is pixel (`y`, `x`) of the picture at 2**-scale_log2 of its size."""

    samples: UInt[Samples, "h w c"]
    y: int
    x: int
    scale_log2: int


class Renderer(Protocol):
    """How a synthesis goes through a picture from the top down."""

    def needed(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        """The places whose integers these `places` depend on, in a latent of sides `grid`."""
        ...

    def needed_whole(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        """Those of them that more than the lowest channels are needed of."""
        ...

    def ready(self, bottom: int) -> int:
        """Rows of places above this one can be rendered where integers are known above row `bottom`."""
        ...

    def first_needed(self, ready: int) -> int:
        """The first row of integers that rows of places from `ready`, a result of the method `ready`, on depend on."""
        ...

    def render(self, part: PictureRowsPart, out: Rectangle, run: ThreadedMap, threads: int) -> None:
        """Make the colours of a rectangle, of a part of the latent that has all it depends on. Rectangles come from the top
        down."""
        ...


@dataclass(frozen=True, eq=False)
class LinearRenderer:
    """Linear synthesis: the same pixels everywhere, many rows at a time in threads."""

    model: Model

    def needed(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        return on_low_grid(rendering_margin(places, margin_of(self.model), grid), self.model)

    def needed_whole(self, places: LayoutTile, grid: tuple[int, int]) -> LayoutTile:
        return rendering_margin(places, MARGIN + map_margin_of(self.model), grid)

    def ready(self, bottom: int) -> int:
        return bottom - margin_of(self.model)

    def first_needed(self, ready: int) -> int:
        return (ready - margin_of(self.model)) // LOW_GRID * LOW_GRID

    def render(self, part: PictureRowsPart, out: Rectangle, run: ThreadedMap, threads: int) -> None:
        depth = self.model.tree.depth
        part = part.with_map(self.model).with_low(self.model, max(out.scale_log2 - depth, 0))
        out = replace(out, scale_log2=min(out.scale_log2, depth))

        def work(rectangle: Rectangle, rows: slice) -> None:
            corner = (rectangle.y, rectangle.x)
            synthesize_picture_rows(part, self.model, rectangle.samples, corner, rectangle.scale_log2, rows)

        side = self.model.tree.factor >> out.scale_log2
        rendering_in_strips(work, out, side, (part.corner[0], part.values.shape[1]), run, threads)


def rendering_in_strips(
    work: Callable[[Rectangle, slice], None],
    out: Rectangle,
    side: int,
    rows: tuple[int, int],
    run: ThreadedMap,
    threads: int,
) -> None:
    """Do `work` on strips of a rectangle, each with those of the `rows` (first, number) of places that it depends on."""
    first, number = rows
    height = len(out.samples)
    rows_each = max(MARGIN * side, -(-height // threads))

    def strip(start: int) -> None:
        stop = min(start + rows_each, height)
        upper = max((out.y + start) // side - MARGIN - first, 0)
        lower = min(-(-(out.y + stop) // side) + MARGIN - first, number)
        work(replace(out, samples=out.samples[start:stop], y=out.y + start), slice(upper, lower))

    for _ in run(strip, range(0, height, rows_each)):
        pass


def rendering_margin(places: LayoutTile, margin: int, grid: tuple[int, int]) -> LayoutTile:
    """Bounds so many places farther out, as far as the latent goes."""
    wide = LayoutTile(places.top - margin, places.left - margin, places.bottom + margin, places.right + margin)
    return wide.within(LayoutTile(0, 0, *grid))


def on_low_grid(places: LayoutTile, model: Model) -> LayoutTile:
    """Bounds whose corner is where a part of a model with low levels may begin; those of others stay."""
    if not model.low_levels:
        return places
    return replace(places, top=places.top // LOW_GRID * LOW_GRID, left=places.left // LOW_GRID * LOW_GRID)
