"""Pictures of any size -> .lcn files, some rows of tiles at a time, of what is in memory or as it is read.

The transform runs over the whole picture. What is made of some rows is the same whatever the rows are, because `margin_of`
the model places around them are taken along; so bytes depend neither on how a picture is cut nor on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import has_alpha
from laconic.codecs.formats.bit_depths import check_bit_depth_of_colors
from laconic.codecs.media import Image, Samples
from laconic.codecs.packing.layout import CHUNK_VALUES, LayoutTile
from laconic.codecs.packing.packer import PackedTile, Packer
from laconic.codecs.pictures.picture_search import SEARCH_MARGIN, searched_coefficients
from laconic.codecs.plan import Plan, planned_tile
from laconic.codecs.progress import tell_progress
from laconic.codecs.threads import threaded_map
from laconic.codecs.transform.picture_rows import (
    UNTILED,
    PictureRows,
    coefficients_of_rows,
    integers_of_rows,
    margin_of,
)
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Float, UInt


class EncoderRowSource(Protocol):
    """A picture whose rows come from the top down."""

    height: int
    width: int

    def read_rows(self, count: int) -> UInt[Samples, "count w c"]:
        """The next rows, (count, w, c)."""
        ...


Chunk = tuple[PictureRows, tuple[int, int]]  # rows of samples, and the rows of the latent that are made of them


def encode_rows(source: EncoderRowSource, plan: Plan, metadata: Mapping[str, bytes]) -> bytes:
    """The .lcn file of a picture without alpha, read once from the top; a few rows of tiles are in memory at a time."""
    return _encode(_chunks_of_source(source, plan), plan, metadata, alpha=None)


def encode_image(image: Image, plan: Plan) -> bytes:
    """The .lcn file of a picture."""
    whole = PictureRows(image.samples, 0, image.height, image.peak)
    alpha = image.samples[:, :, -1] if has_alpha(image) else None
    return _encode(((whole, span) for span in _spans(plan)), plan, image.metadata, alpha)


def _encode(chunks: Iterable[Chunk], plan: Plan, metadata: Mapping[str, bytes], alpha: NDArray[Any] | None) -> bytes:
    packer = Packer(plan, plan.model.num_channels)
    encoder = _ChunkEncoder(plan)

    def work(chunk: Chunk) -> list[PackedTile]:
        rows, (top, bottom) = chunk
        numbers = [n for n, tile in enumerate(plan.tiles) if top <= tile.top < bottom]
        tiles = [plan.tiles[n] for n in numbers]
        pixels = (t.pixels(plan.model.tree.factor, plan.form.size) for t in tiles)
        cuts = [None if alpha is None else p.cut(alpha) for p in pixels]
        return encoder.encode(
            rows,
            (top, bottom),
            tiles,
            lambda some, values: packer.pack_tiles([numbers[i] for i in some], values, [cuts[i] for i in some]),
        )

    # What is searched needs memory, and has torch's threads.
    with threaded_map(1 if plan.searches else plan.threads) as run:
        packed = [tile for tiles in run(work, chunks) for tile in tiles]
    return packer.join(packed, dict(metadata)).data


class _ChunkEncoder(threading.local):
    """Integers of some rows of tiles, in memory that each thread keeps: new memory costs as much as the transform."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._arrays: list[NDArray[Any]] = []

    def encode(
        self,
        rows: PictureRows,
        span: tuple[int, int],
        tiles: Sequence[LayoutTile],
        pack: Callable[[Sequence[int], Sequence[TileValues]], list[PackedTile]],
    ) -> list[PackedTile]:
        """What `pack` makes of the numbers, in `tiles`, and the values of tiles."""
        plan, model = self._plan, self._plan.model
        side = UNTILED if plan.layout.tile_log2 is None else 1 << plan.layout.tile_log2
        shapes = [(model.num_channels, tile.bottom - tile.top, tile.right - tile.left) for tile in tiles]
        if not plan.optimizes:
            values = self._kept(shapes, plan.integer_type)
            integers_of_rows(rows, span, model, plan.quantizer, values, side)
            return pack(range(len(tiles)), [TileValues(v) for v in values])
        *coefficients, largest = self._kept([*shapes, max(shapes)], np.float32)
        if plan.searches:
            found = _searched(rows, span, plan)
            for cut, place in zip(coefficients, tiles, strict=True):
                cut[...] = place.moved(-span[0], 0).cut(found)
        else:
            coefficients_of_rows(rows, span, model, coefficients, side)
        packed = []
        for i, tile in enumerate(coefficients):
            room = largest.reshape(-1).view(plan.integer_type)[: tile.size].reshape(tile.shape)
            packed += pack([i], [planned_tile(tile, plan, room)])
        return packed

    def _kept(self, shapes: Sequence[tuple[int, ...]], dtype: type[np.generic]) -> list[NDArray[Any]]:
        if [a.shape for a in self._arrays] != list(shapes):
            self._arrays = [np.empty(shape, dtype) for shape in shapes]
        return self._arrays


def searched_image(image: Image, plan: Plan) -> Float[NDArray[np.float32], "d h w"]:
    """Coefficients of a whole picture, as effort 3 chooses integers of them."""
    rows = PictureRows(image.samples, 0, image.height, image.peak)
    return np.concatenate([_searched(rows, span, plan) for span in _spans(plan)], 1)


def _searched(rows: PictureRows, span: tuple[int, int], plan: Plan) -> Float[NDArray[np.float32], "d h w"]:
    """Coefficients of rows `span` of the latent, telling how far the picture is."""
    top, bottom = span
    return searched_coefficients(
        rows, span, plan, lambda share: tell_progress((top + share * (bottom - top)) / plan.grid[0])
    )


def _spans(plan: Plan) -> list[tuple[int, int]]:
    """Rows of the latent to be encoded together: whole rows of tiles, as many as fit, but a share for each thread."""
    height, width = plan.grid
    if plan.layout.tile_log2 is None:
        return [(0, height)]
    side = 1 << plan.layout.tile_log2
    most = max(1, CHUNK_VALUES // (plan.model.num_channels * width * side))
    fair = max(1, -(-height // side) // (4 * plan.threads)) if plan.threads > 1 and not plan.searches else most
    step = side * min(most, fair)
    return [(top, min(top + step, height)) for top in range(0, height, step)]


def _chunks_of_source(source: EncoderRowSource, plan: Plan) -> Iterator[Chunk]:
    """Rows of samples for each span, with the margin that analysis needs."""
    factor, margin = plan.model.tree.factor, margin_of(plan.model) + (SEARCH_MARGIN if plan.searches else 0)
    kept: NDArray[Any] | None = None
    first = end = 0  # of what is kept
    for top, bottom in _spans(plan):
        start, stop = max(top - margin, 0) * factor, min((bottom + margin) * factor, source.height)
        more: list[NDArray[Any]] = [source.read_rows(stop - end)] if stop > end else []
        for new in more:
            check_bit_depth_of_colors(new, plan.form.bit_depth)
        if kept is not None:
            more.insert(0, kept[start - first :])
        rows: NDArray[Any] = np.concatenate(more) if len(more) > 1 else more[0]
        kept, first, end = rows, start, stop
        yield PictureRows(rows, first, source.height, plan.form.peak), (top, bottom)
