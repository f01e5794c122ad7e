"""A picture cut into segments, as TIFF (revision 6.0) describes it, read a few rows at a time.

Segments are tiles, or strips as wide as the picture. Those stored as they are, or by deflate, are never held as a whole;
LZW and PackBits are expanded by Pillow, a segment at once.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.media import Samples
from laconic.entropy.errors import CorruptStreamError, TruncatedError

if TYPE_CHECKING:
    from jaxtyping import UInt

STORED, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
# Bytes of samples that a byte can stand for: deflate, 258 in two bits; PackBits, 128 in two bytes; LZW, the longest
# of 4096 strings in 12 bits.
MAX_EXPANSIONS = {STORED: 1, LZW: 2731, DEFLATE: 1032, OLD_DEFLATE: 1032, PACKBITS: 64}
_BLOCK_BYTES = 1 << 20  # of samples read at once
_CHUNK_BYTES = 1 << 16  # of a deflate stream


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class StoredCut:
    """How a file cuts a picture of `shape` (h, w, c) into segments of (height, width); `dtype` with its byte order.

    The segments of a planar file hold one channel each, all those of the first channel first.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    height: int
    width: int
    offsets: Sequence[int]
    sizes: Sequence[int]
    is_planar: bool = False
    compression: int = STORED
    has_predictor: bool = False

    @property
    def grid(self) -> tuple[int, int, int]:
        """Planes, bands (rows of segments), columns."""
        h, w, c = self.shape
        return (c if self.is_planar else 1), -(-h // self.height), -(-w // self.width)

    @property
    def row_bytes(self) -> int:
        """Of a segment."""
        return self.width * (1 if self.is_planar else self.shape[2]) * self.dtype.itemsize

    def num_rows(self, band: int) -> int:
        return min(self.height, self.shape[0] - band * self.height)


def check_stored_sizes(cut: StoredCut, num_bytes: int) -> None:
    """Raise `BitstreamError` unless all segments lie in the file and can hold the samples that they claim."""
    _, num_bands, num_columns = cut.grid
    for index, (offset, size) in enumerate(zip(cut.offsets, cut.sizes, strict=True)):
        if offset + size > num_bytes:
            raise TruncatedError(
                f"the file has {num_bytes} bytes, its samples reach to byte {offset + size}; copy the file again"
            )
        needed = cut.num_rows(index // num_columns % num_bands) * cut.row_bytes
        if size * MAX_EXPANSIONS[cut.compression] < needed:
            raise CorruptStreamError(
                f"{size} bytes claim to hold {needed} bytes of samples, which they cannot; copy the file again"
            )


def stored_blocks(file: BinaryIO, cut: StoredCut) -> Iterator[UInt[Samples, "rows w c"]]:
    """The rows from the top, (some, w, c) in native byte order."""
    _, w, c = cut.shape
    num_planes, num_bands, num_columns = cut.grid
    step = max(1, _BLOCK_BYTES // (cut.row_bytes * num_columns * num_planes))
    depth = c // num_planes
    for band in range(num_bands):
        places = [*product(range(num_planes), range(num_columns))]
        sources = [_source(file, cut, (plane * num_bands + band) * num_columns + column) for plane, column in places]
        for top in range(0, cut.num_rows(band), step):
            count = min(step, cut.num_rows(band) - top)
            block: Samples = np.empty((count, w, c), cut.dtype.newbyteorder("="))
            for (plane, column), source in zip(places, sources, strict=True):
                left = column * cut.width
                pixels = _pixels(source, cut, (count, cut.width, depth))
                block[:, left : left + cut.width, plane : plane + depth] = pixels[:, : w - left]
            yield block


def _pixels(source: _Source, cut: StoredCut, shape: tuple[int, int, int]) -> Samples:
    needed = shape[0] * cut.row_bytes
    data = source.read(needed)
    if len(data) != needed:
        raise TruncatedError(f"samples end after {len(data)} of {needed} bytes; copy the file again")
    pixels: Samples = np.frombuffer(data, cut.dtype).reshape(shape)
    if cut.has_predictor:  # each sample is stored as its difference from the left one, modulo its range
        return np.cumsum(pixels, axis=1, dtype=cut.dtype.newbyteorder("="))
    return pixels


def _source(file: BinaryIO, cut: StoredCut, index: int) -> _Source:
    """The samples of a segment from the top, as far as the picture reaches."""
    part = _Part(file, cut.offsets[index], cut.sizes[index])
    if cut.compression == STORED:
        return part
    if cut.compression in (DEFLATE, OLD_DEFLATE):
        return _Inflated(part)
    _, num_bands, num_columns = cut.grid
    num_rows = cut.num_rows(index // num_columns % num_bands)
    return io.BytesIO(_expanded(part.read(cut.sizes[index]), cut.compression, cut.row_bytes, num_rows))


class _Part:
    """A part of a file that others read as well."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        self._file, self._position, self._end = file, offset, offset + size

    def read(self, size: int, /) -> bytes:
        self._file.seek(self._position)
        data = self._file.read(min(size, self._end - self._position))
        self._position += len(data)
        return data


class _Inflated:
    """A deflate stream, expanded as far as is asked for."""

    def __init__(self, part: _Part) -> None:
        self._part, self._stream = part, zlib.decompressobj()

    def read(self, size: int, /) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._stream.unconsumed_tail or self._part.read(_CHUNK_BYTES)
            try:
                piece = self._stream.decompress(chunk, size - len(data))
            except zlib.error as err:
                raise CorruptStreamError(f"the deflate stream of the TIFF file is damaged ({err})") from err
            if not piece and (self._stream.eof or not chunk):
                break
            data += piece
        return bytes(data)


def _expanded(data: bytes, compression: int, row_bytes: int, num_rows: int) -> bytes:
    """Bytes of an LZW or PackBits segment, by Pillow: as a grey picture of its own, which bounds their number."""
    values = {256: row_bytes, 257: num_rows, 258: 8, 259: compression, 262: 1, 277: 1, 278: num_rows, 279: len(data)}
    values[273] = 8 + 2 + 12 * (len(values) + 1) + 4  # where the data start
    head = struct.pack("<2sHIH", b"II", 42, 8, len(values))
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in sorted(values.items()))
    try:
        with PillowImage.open(io.BytesIO(head + entries + bytes(4) + data), formats=["TIFF"]) as picture:
            return picture.tobytes()
    except Exception as err:  # hostile bytes make Pillow's parsers raise nearly anything
        raise CorruptStreamError(f"a strip or tile of the TIFF file is damaged ({err}); copy the file again") from err
