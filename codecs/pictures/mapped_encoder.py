"""Encoding of pictures whose steps differ from place to place (SPEC.md, section 9.8), some rows of tiles at a time.

Steps of a place depend on integers of the places around it, those of other tiles too. So a chunk is begun, with the
channels that the map is made of, and finished when the one below it is begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.packing.packer import PackedTile
from laconic.codecs.pictures.encoder_chunks import (
    Chunk,
    TilePacking,
    coefficients_of_chunk,
    edge_of_tiles,
    numbers_of_chunk,
    shapes_of_tiles,
)
from laconic.codecs.plan import BegunTile, Plan, begun_tile, exponents_of_tiles, finished_tile

if TYPE_CHECKING:
    from jaxtyping import Int


@dataclass(frozen=True, eq=False)
class BegunChunk:
    """`numbers` of tiles, these as far as they are begun, and the first and last row of what the map is made of."""

    numbers: Sequence[int]
    tiles: Sequence[BegunTile]
    first_row: Int[NDArray[Any], "n 1 w"]
    last_row: Int[NDArray[Any], "n 1 w"]


Neighbours = tuple[BegunChunk, BegunChunk | None, BegunChunk | None]  # a chunk, that above it and that below it


def with_neighbours(chunks: Iterable[BegunChunk]) -> Iterator[Neighbours]:
    """Each chunk, as soon as the next is there."""
    above: BegunChunk | None = None
    own: BegunChunk | None = None
    for below in chunks:
        if own is not None:
            yield own, above, below
        above, own = own, below
    if own is not None:
        yield own, above, None


class MappedEncoder:
    """`pack` makes packed tiles of the numbers of tiles and their values. Memory of finished chunks is used again: new
    memory costs as much as the transform."""

    def __init__(self, plan: Plan, pack: TilePacking) -> None:
        self._plan, self._pack = plan, pack
        self._free: deque[tuple[list[NDArray[np.float32]], list[NDArray[Any]]]] = deque()

    def begin(self, chunk: Chunk) -> BegunChunk:
        plan = self._plan
        numbers = numbers_of_chunk(plan, chunk)
        coefficients, values = self._room(shapes_of_tiles(plan, numbers))
        coefficients_of_chunk(chunk, numbers, plan, coefficients)
        begun = [begun_tile(*pair, plan) for pair in zip(coefficients, values, strict=True)]
        tiles, made_of = [plan.tiles[n] for n in numbers], [tile.made_of(plan) for tile in begun]
        edges = (np.ascontiguousarray(edge_of_tiles(tiles, made_of, row)) for row in (0, -1))
        return BegunChunk(numbers, begun, *edges)

    def finish(self, chunk: Neighbours) -> list[PackedTile]:
        plan, (own, above, below) = self._plan, chunk
        exponents = exponents_of_tiles(
            own.tiles,
            [plan.tiles[n] for n in own.numbers],
            plan,
            above=None if above is None else above.last_row,
            below=None if below is None else below.first_row,
        )
        finished = (finished_tile(tile, plan, of_tile) for tile, of_tile in zip(own.tiles, exponents, strict=True))
        if plan.optimizes:  # what is found on the way needs memory
            packed = [self._pack([number], [tile])[0] for number, tile in zip(own.numbers, finished, strict=True)]
        else:
            packed = self._pack(own.numbers, list(finished))
        self._free.append(([tile.coefficients for tile in own.tiles], [tile.values for tile in own.tiles]))
        return packed

    def _room(self, shapes: Sequence[tuple[int, int, int]]) -> tuple[list[NDArray[np.float32]], list[NDArray[Any]]]:
        while self._free:
            room = self._free.popleft()
            if [array.shape for array in room[0]] == list(shapes):
                return room
        return [np.empty(s, np.float32) for s in shapes], [np.empty(s, self._plan.integer_type) for s in shapes]
