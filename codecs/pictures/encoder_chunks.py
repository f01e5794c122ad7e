"""Some rows of tiles of a picture that is encoded: which tiles they are, and their coefficients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Image
from laconic.codecs.packing.layout import CHUNK_VALUES, LayoutTile
from laconic.codecs.packing.packer import PackedTile
from laconic.codecs.pictures.picture_search import searched_coefficients
from laconic.codecs.plan import Plan
from laconic.codecs.progress import tell_progress
from laconic.codecs.transform.picture_rows import UNTILED, PictureRows, coefficients_of_rows
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

# Rows of samples, and the rows of the latent that are made of them.
Chunk: TypeAlias = tuple[PictureRows, tuple[int, int]]
# Numbers of tiles and their values -> the tiles packed.
TilePacking: TypeAlias = Callable[[Sequence[int], Sequence[TileValues]], list[PackedTile]]
Floats = NDArray[np.float32]


def spans_of_chunks(plan: Plan) -> list[tuple[int, int]]:
    """Rows of the latent to be encoded together: whole rows of tiles, as many as fit, but a share for each thread."""
    height, width = plan.grid
    if plan.layout.tile_log2 is None:
        return [(0, height)]
    side = 1 << plan.layout.tile_log2
    most = max(1, CHUNK_VALUES // (plan.model.num_channels * width * side))
    fair = max(1, -(-height // side) // (4 * plan.threads)) if plan.threads > 1 and not plan.searches else most
    step = side * min(most, fair)
    return [(top, min(top + step, height)) for top in range(0, height, step)]


def numbers_of_chunk(plan: Plan, chunk: Chunk) -> list[int]:
    """Of the tiles of a chunk."""
    _, (top, bottom) = chunk
    return [n for n, tile in enumerate(plan.tiles) if top <= tile.top < bottom]


def shapes_of_tiles(plan: Plan, numbers: Sequence[int]) -> list[tuple[int, int, int]]:
    """(channels, h, w) of each."""
    tiles = [plan.tiles[n] for n in numbers]
    return [(plan.model.num_channels, tile.bottom - tile.top, tile.right - tile.left) for tile in tiles]


def tile_side_of(plan: Plan) -> int:
    """In places."""
    return UNTILED if plan.layout.tile_log2 is None else 1 << plan.layout.tile_log2


def coefficients_of_chunk(
    chunk: Chunk, numbers: Sequence[int], plan: Plan, out: Sequence[Float[Floats, "d h w"]]
) -> None:
    """The coefficients that integers are chosen of, of each of the tiles of these numbers, in `out`."""
    rows, span = chunk
    if not plan.searches:
        coefficients_of_rows(rows, span, plan.model, out, tile_side_of(plan))
        return
    found = _searched(rows, span, plan)
    for room, number in zip(out, numbers, strict=True):
        room[...] = plan.tiles[number].moved(-span[0], 0).cut(found)


def searched_image(image: Image, plan: Plan) -> Float[Floats, "d h w"]:
    """Coefficients of a whole picture, as effort 3 chooses integers of them."""
    rows = PictureRows(image.samples, 0, image.height, image.peak)
    return np.concatenate([_searched(rows, span, plan) for span in spans_of_chunks(plan)], 1)


def _searched(rows: PictureRows, span: tuple[int, int], plan: Plan) -> Float[Floats, "d h w"]:
    """Coefficients of rows `span` of the latent, telling how far the picture is."""
    top, bottom = span
    return searched_coefficients(
        rows, span, plan, lambda share: tell_progress((top + share * (bottom - top)) / plan.grid[0])
    )


def edge_of_tiles(
    tiles: Sequence[LayoutTile], values: Sequence[Shaped[NDArray[Any], "n h w"]], row: int
) -> Shaped[NDArray[Any], "n 1 w"]:
    """Row `row`, 0 or -1, of values (n, h, w) of whole rows of tiles: (n, 1, w)."""
    top = tiles[row].top
    rows = [
        one[:, row, None] if row else one[:, :1] for tile, one in zip(tiles, values, strict=True) if tile.top == top
    ]
    return np.concatenate(rows, axis=2)
