"""Pictures of any size -> .lcn files, some rows of tiles at a time, of what is in memory or as it is read.

The transform runs over the whole picture. What is made of some rows is the same whatever the rows are, because `MARGIN`
places around them are taken along; so bytes hang neither on how a picture is cut nor on the number of threads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import Form, grid_of
from laconic.codecs.media import Image, Samples
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import CHUNK_VALUES, Layout, Tile
from laconic.codecs.packing.packer import PackedTile, Packer
from laconic.codecs.transform.picture_rows import UNTILED, PictureRows, coefficients_of_rows, integers_of_rows
from laconic.codecs.transform.quantizer import Quantizer, integer_type, quantize
from laconic.codecs.transform.rate_distortion import optimize, thresholds_for
from laconic.entropy.container import Profile

_T = TypeVar("_T")
_R = TypeVar("_R")


class RowSource(Protocol):
    """A picture whose rows come from the top down."""

    height: int
    width: int

    def read_rows(self, count: int) -> Samples:
        """The next rows, (count, w, c)."""
        ...


@dataclass(frozen=True)
class Settings:
    """How a picture is encoded. `layout` is resolved."""

    model: Model
    step_code: int
    layout: Layout
    effort: int
    threads: int = 1


def encode_rows(source: RowSource, form: Form, settings: Settings, metadata: Mapping[str, bytes]) -> bytes:
    """The .lcn file of a picture without alpha, read once from the top; a few rows of tiles are in memory at a time."""
    return _encode(_chunks_of_source(source, form, settings), form, settings, metadata, alpha=None)


def encode_image(image: Image, form: Form, settings: Settings, *, has_alpha: bool) -> bytes:
    """The .lcn file of a picture."""
    samples = image.samples
    whole = PictureRows(samples, 0, image.height)
    alpha = samples[:, :, -1] if has_alpha else None
    chunks = ((whole, span) for span in _spans(form, settings))
    return _encode(chunks, form, settings, image.metadata, alpha)


def _encode(
    chunks: Iterable[tuple[PictureRows, tuple[int, int]]],
    form: Form,
    settings: Settings,
    metadata: Mapping[str, bytes],
    alpha: NDArray[Any] | None,
) -> bytes:
    model = settings.model
    packer = Packer(model, settings.layout, form, settings.step_code, model.num_channels)
    encoder = _ChunkEncoder(settings)

    def work(chunk: tuple[PictureRows, tuple[int, int]]) -> list[PackedTile]:
        rows, (top, bottom) = chunk
        numbers = [n for n, tile in enumerate(packer.tiles) if top <= tile.top < bottom]
        tiles = [packer.tiles[n] for n in numbers]
        pixels = (t.pixels(model.tree.factor, form.size) for t in tiles)
        cuts = [None if alpha is None else p.cut(alpha) for p in pixels]
        return encoder.encode(
            rows,
            (top, bottom),
            tiles,
            lambda some, values: packer.pack_tiles([numbers[i] for i in some], values, [cuts[i] for i in some]),
        )

    packed = _in_threads(work, chunks, settings.threads)
    return packer.join([tile for tiles in packed for tile in tiles], dict(metadata)).data


class _ChunkEncoder(threading.local):
    """Integers of some rows of tiles, in memory that each thread keeps: new memory costs as much as the transform."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        model, code, profile = settings.model, settings.step_code, settings.layout.file_profile
        self._quantizer = Quantizer(code, thresholds_for(model, code, profile, settings.effort))
        self._optimizes = profile is Profile.SMALL and settings.effort > 0
        self._arrays: list[NDArray[Any]] = []

    def encode(
        self,
        rows: PictureRows,
        span: tuple[int, int],
        tiles: Sequence[Tile],
        pack: Callable[[Sequence[int], Sequence[NDArray[Any]]], list[PackedTile]],
    ) -> list[PackedTile]:
        """What `pack` makes of the numbers, in `tiles`, and the values of tiles."""
        settings, model = self._settings, self._settings.model
        side = UNTILED if settings.layout.tile_log2 is None else 1 << settings.layout.tile_log2
        shapes = [(model.num_channels, tile.bottom - tile.top, tile.right - tile.left) for tile in tiles]
        dtype = integer_type(model, settings.step_code)
        if not self._optimizes:
            values = self._kept(shapes, dtype)
            integers_of_rows(rows, span, model, self._quantizer, values, side)
            return pack(range(len(tiles)), values)
        *coefficients, largest = self._kept([*shapes, max(shapes)], np.float32)
        coefficients_of_rows(rows, span, model, coefficients, side)
        packed = []
        for i, tile in enumerate(coefficients):
            integers = largest.reshape(-1).view(dtype)[: tile.size].reshape(tile.shape)
            quantize(tile, self._quantizer, model, integers)
            optimize(integers, tile, settings.step_code, model, effort=settings.effort)
            packed += pack([i], [integers])
        return packed

    def _kept(self, shapes: Sequence[tuple[int, ...]], dtype: type[np.generic]) -> list[NDArray[Any]]:
        if [a.shape for a in self._arrays] != list(shapes):
            self._arrays = [np.empty(shape, dtype) for shape in shapes]
        return self._arrays


def _spans(form: Form, settings: Settings) -> list[tuple[int, int]]:
    """Rows of the latent to be encoded together: whole rows of tiles, as many as fit, but a share for each thread."""
    height, width = grid_of(form, settings.model)
    if settings.layout.tile_log2 is None:
        return [(0, height)]
    side = 1 << settings.layout.tile_log2
    most = max(1, CHUNK_VALUES // (settings.model.num_channels * width * side))
    fair = max(1, -(-height // side) // (4 * settings.threads)) if settings.threads > 1 else most
    step = side * min(most, fair)
    return [(top, min(top + step, height)) for top in range(0, height, step)]


def _chunks_of_source(
    source: RowSource, form: Form, settings: Settings
) -> Iterator[tuple[PictureRows, tuple[int, int]]]:
    """Rows of samples for each span, with the margin that analysis needs."""
    factor = settings.model.tree.factor
    kept: NDArray[Any] | None = None
    first = end = 0  # of what is kept
    for top, bottom in _spans(form, settings):
        start, stop = max(top - MARGIN, 0) * factor, min((bottom + MARGIN) * factor, source.height)
        more: list[NDArray[Any]] = [source.read_rows(stop - end)] if stop > end else []
        if kept is not None:
            more.insert(0, kept[start - first :])
        rows: NDArray[Any] = np.concatenate(more) if len(more) > 1 else more[0]
        kept, first, end = rows, start, stop
        yield PictureRows(rows, first, source.height), (top, bottom)


def _in_threads(work: Callable[[_T], _R], items: Iterable[_T], threads: int) -> Iterator[_R]:
    """Results in order; no more items are taken ahead than there are threads."""
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads) as executor:
        waiting: deque[Future[_R]] = deque()
        for item in items:
            waiting.append(executor.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
