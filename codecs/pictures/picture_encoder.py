"""Pictures of any size -> .lcn files, some rows of tiles at a time, of what is in memory or as it is read.

The transform runs over the whole picture. What is made of some rows is the same whatever the rows are, because `margin_of`
the model places around them are taken along; so bytes depend neither on how a picture is cut nor on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, shown, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import Form, has_alpha
from laconic.codecs.formats.bit_depths import check_bit_depth, check_bit_depth_of_colors
from laconic.codecs.media import Image, Samples
from laconic.codecs.packing.packer import PackedTile, Packer
from laconic.codecs.pictures.color_choice import may_choose_colors, with_chosen_colors
from laconic.codecs.pictures.encoder_chunks import (
    Chunk,
    TilePacking,
    coefficients_of_chunk,
    numbers_of_chunk,
    shapes_of_tiles,
    spans_of_chunks,
    tile_side_of,
)
from laconic.codecs.pictures.mapped_encoder import MappedEncoder, with_neighbours
from laconic.codecs.pictures.picture_search import SEARCH_MARGIN
from laconic.codecs.plan import Plan, begun_tile, finished_tile
from laconic.codecs.threads import threaded_map
from laconic.codecs.transform.picture_rows import PictureRows, integers_of_rows, margin_of
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import UInt


class EncoderRowSource(Protocol):
    """A picture whose rows come from the top down."""

    height: int
    width: int

    def read_rows(self, count: int) -> UInt[Samples, "count w c"]:
        """The next rows, (count, w, c)."""
        ...


def form_of_rows(rows: EncoderRowSource, num_colors: int, sample_type: str, bit_depth: int) -> Form:
    """The form of a picture without alpha that comes by rows. Raises `CodecError`."""
    num_colors = choice_argument("num_colors", num_colors, (1, 3))
    sample_type = choice_argument("sample_type", sample_type, ("uint8", "uint16"))
    if not callable(getattr(rows, "read_rows", None)):
        raise CodecError(f"rows are {shown(rows)}; allowed is what open_rows gives, with height, width and read_rows")
    bit_depth = whole_number_argument("bit_depth", bit_depth, 0)
    if sample_type == "uint16" and not bit_depth:
        raise CodecError(
            "the bit depth of 16-bit samples that are read by rows is not known; "
            "give it, 9 to 16 (--bit-depth, bit_depth=)"
        )
    check_bit_depth(sample_type, bit_depth or 8)
    return Form("image", (rows.height, rows.width), sample_type, 0, bit_depth=bit_depth or 8)


def encode_rows(source: EncoderRowSource, plan: Plan, metadata: Mapping[str, bytes]) -> bytes:
    """The .lcn file of a picture without alpha, read once from the top; a few rows of tiles are in memory at a time, all of
    a picture whose colours may be its own."""
    if not may_choose_colors(plan):
        return _encode(_chunks_of_source(source, plan), plan, metadata, alpha=None)
    samples = source.read_rows(source.height)
    check_bit_depth_of_colors(samples, plan.form.bit_depth)
    return _encode_whole(PictureRows(samples, 0, source.height, plan.form.peak), plan, metadata, alpha=None)


def encode_image(image: Image, plan: Plan) -> bytes:
    """The .lcn file of a picture."""
    whole = PictureRows(image.samples, 0, image.height, image.peak)
    alpha = image.samples[:, :, -1] if has_alpha(image) else None
    return _encode_whole(whole, plan, image.metadata, alpha)


def _encode_whole(
    rows: PictureRows, plan: Plan, metadata: Mapping[str, bytes], alpha: UInt[Samples, "height width"] | None
) -> bytes:
    plan = with_chosen_colors(plan, rows)
    return _encode(((rows, span) for span in spans_of_chunks(plan)), plan, metadata, alpha)


def _encode(chunks: Iterable[Chunk], plan: Plan, metadata: Mapping[str, bytes], alpha: NDArray[Any] | None) -> bytes:
    packer = Packer(plan, plan.model.num_channels)

    def pack(numbers: Sequence[int], values: Sequence[TileValues]) -> list[PackedTile]:
        pixels = [plan.tiles[n].pixels(plan.model.tree.factor, plan.form.size) for n in numbers]
        return packer.pack_tiles(numbers, values, [None if alpha is None else p.cut(alpha) for p in pixels])

    # What is searched needs memory, and has torch's threads.
    with threaded_map(1 if plan.searches else plan.threads) as run:
        if plan.maps_steps:
            mapped = MappedEncoder(plan, pack)
            parts = run(mapped.finish, with_neighbours(run(mapped.begin, chunks)))
        else:
            parts = run(_ChunkEncoder(plan, pack).encode, chunks)
        packed = [tile for tiles in parts for tile in tiles]
    return packer.join(packed, dict(metadata)).data


class _ChunkEncoder(threading.local):
    """Integers of some rows of tiles, in memory that each thread keeps: new memory costs as much as the transform. `pack`
    makes packed tiles of the numbers of tiles and their values."""

    def __init__(self, plan: Plan, pack: TilePacking) -> None:
        self._plan, self._pack = plan, pack
        self._arrays: list[NDArray[Any]] = []

    def encode(self, chunk: Chunk) -> list[PackedTile]:
        plan, model = self._plan, self._plan.model
        numbers = numbers_of_chunk(plan, chunk)
        shapes = shapes_of_tiles(plan, numbers)
        if not plan.optimizes and plan.is_alike:
            values = self._kept(shapes, plan.integer_type)
            integers_of_rows(*chunk, model, plan.quantizer, values, tile_side_of(plan))
            return self._pack(numbers, [TileValues(v) for v in values])
        *coefficients, largest = self._kept([*shapes, max(shapes)], np.float32)
        coefficients_of_chunk(chunk, numbers, plan, coefficients)
        packed = []
        for number, tile in zip(numbers, coefficients, strict=True):
            values_room = largest.reshape(-1).view(plan.integer_type)[: tile.size].reshape(tile.shape)
            packed += self._pack([number], [finished_tile(begun_tile(tile, values_room, plan), plan, None)])
        return packed

    def _kept(self, shapes: Sequence[tuple[int, ...]], dtype: type[np.generic]) -> list[NDArray[Any]]:
        if [a.shape for a in self._arrays] != list(shapes):
            self._arrays = [np.empty(shape, dtype) for shape in shapes]
        return self._arrays


def _chunks_of_source(source: EncoderRowSource, plan: Plan) -> Iterator[Chunk]:
    """Rows of samples for each span, with the margin that analysis needs."""
    factor, margin = plan.model.tree.factor, margin_of(plan.model) + (SEARCH_MARGIN if plan.searches else 0)
    kept: NDArray[Any] | None = None
    first = end = 0  # of what is kept
    for top, bottom in spans_of_chunks(plan):
        start, stop = max(top - margin, 0) * factor, min((bottom + margin) * factor, source.height)
        more: list[NDArray[Any]] = [source.read_rows(stop - end)] if stop > end else []
        for new in more:
            check_bit_depth_of_colors(new, plan.form.bit_depth)
        if kept is not None:
            more.insert(0, kept[start - first :])
        rows: NDArray[Any] = np.concatenate(more) if len(more) > 1 else more[0]
        kept, first, end = rows, start, stop
        yield PictureRows(rows, first, source.height, plan.form.peak), (top, bottom)
