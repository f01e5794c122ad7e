"""PNG files of 16-bit colour, which Pillow cuts to 8 bits and does not write; and PNG files without what is damaged.

Of a 16-bit file, Pillow's decoder undoes filters, interlace and checksums, and can give the high bytes of the samples or
the low ones: it is asked for both. Sections are those of the PNG specification, third edition.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFile

from laconic.codecs.formats.bit_depths import FULL_DEPTH, STORED_DEPTHS, bit_depth_of

if TYPE_CHECKING:
    from jaxtyping import UInt

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_IHDR = struct.Struct(">IIBBBBB")  # width, height, bit depth, colour type, compression, filter, interlace (11.2.1)
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels
_GREY_ALPHA = 4
_MAX_CHUNK = (1 << 31) - 1
_IDAT_BYTES = 1 << 16
_BAND_BYTES = 1 << 22  # of samples that are filtered at once
_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # what the pixels need


def is_deep_color_png(head: bytes) -> bool:
    """Whether a file with these first bytes is PNG with 16 bits a channel that is more than grey."""
    return head.startswith(PNG_MAGIC) and head[24:25] == b"\x10" and head[25:26] in (b"\x02", b"\x04", b"\x06")


def depth_of_png(head: bytes, samples: UInt[NDArray[Any], "h w c"]) -> int:
    """The bit depth that the sBIT chunk of a file with these first bytes says of its 16-bit samples, 0 where it has none.

    By the specification (11.3.2.4) samples are spread over all 16 bits; only where none exceeds the range of so many bits
    were they stored as they are.
    """
    at, tagged = len(PNG_MAGIC), 0
    while at + 8 <= len(head) and (kind := head[at + 4 : at + 8]) != b"IDAT":
        size = int.from_bytes(head[at : at + 4], "big")
        if kind == b"sBIT":
            colors = head[
                at + 8 : at + 8 + (size if size in (1, 3) else size - 1)
            ]  # the last of 2 or 4 is that of alpha
            tagged = max(colors, default=0)
        at += 12 + size
    if tagged not in STORED_DEPTHS:
        return 0
    return tagged if bit_depth_of(samples) <= tagged else FULL_DEPTH


def read_deep_png(picture: ImageFile.ImageFile, file: BinaryIO) -> UInt[NDArray[np.uint16], "h w c"]:
    """Samples (h, w, c), with alpha where the file has a transparent colour, of a file that Pillow opened and has not read.

    Raises what Pillow raises.
    """
    if _color_type(file) == _GREY_ALPHA:
        return _read_grey_alpha(file)
    channels = len(picture.getbands())
    samples = np.empty((picture.height, picture.width, channels), np.uint16)
    file.seek(0)
    with PillowImage.open(file, formats=["PNG"]) as other:
        _give_low_bytes(other)
        samples[...] = np.asarray(other)
    samples |= np.left_shift(np.asarray(picture), 8, dtype=np.uint16)
    key = picture.info.get("transparency")
    if key is None or channels != 3:
        return samples
    alpha = np.where((samples == np.array(key)).all(axis=2, keepdims=True), 0, 65535)
    return np.concatenate([samples, alpha.astype(np.uint16)], axis=2)


def _give_low_bytes(picture: ImageFile.ImageFile) -> None:
    """Have a file that is not read yet decoded as if its samples had the other byte order."""
    picture.tile = [tile._replace(args=str(tile.args).replace(";16B", ";16L")) for tile in picture.tile]


def _color_type(file: BinaryIO) -> int:
    file.seek(len(PNG_MAGIC) + 8)
    return int(_IHDR.unpack(file.read(_IHDR.size))[3])


def _read_grey_alpha(file: BinaryIO) -> NDArray[np.uint16]:
    """Two channels of 16 bits are read as four of 8, of which filters and interlace see the same bytes."""
    file.seek(0)
    data = bytearray(file.read())
    data[24:26] = bytes([8, _COLOR_TYPES[4]])
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    with PillowImage.open(io.BytesIO(data), formats=["PNG"]) as picture:
        pairs = np.ascontiguousarray(np.asarray(picture)).view(">u2")
    return pairs.astype(np.uint16)


def png_bytes(samples: UInt[NDArray[Any], "h w c"], metadata: Mapping[str, bytes]) -> bytes:
    """A PNG file of samples (h, w, c), uint16, with the ICC profile and the EXIF block of the metadata."""
    h, w, c = samples.shape
    chunks = [PNG_MAGIC, _chunk(b"IHDR", _IHDR.pack(w, h, 16, _COLOR_TYPES[c], 0, 0, 0))]
    if icc := metadata.get("icc"):
        chunks.append(_chunk(b"iCCP", b"ICC Profile\x00\x00" + zlib.compress(icc)))  # 11.3.2.3
    if exif := metadata.get("exif"):
        chunks.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00")))  # 11.3.4.5
    for data in _deflated(samples):
        chunks += [_chunk(b"IDAT", data[at : at + _IDAT_BYTES]) for at in range(0, len(data), _IDAT_BYTES)]
    return b"".join([*chunks, _chunk(b"IEND", b"")])


def _deflated(samples: NDArray[Any]) -> Iterator[bytes]:
    h, w, c = samples.shape
    pixel_bytes, row_bytes = 2 * c, 2 * c * w
    step = max(1, _BAND_BYTES // row_bytes)
    compress = zlib.compressobj()
    above = np.zeros(row_bytes, np.uint8)
    for top in range(0, h, step):
        rows = np.ascontiguousarray(samples[top : top + step], ">u2").view(np.uint8).reshape(-1, row_bytes)
        yield compress.compress(_filtered(rows, above, pixel_bytes).tobytes())
        above = rows[-1]
    yield compress.flush()


def _filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8], pixel_bytes: int) -> NDArray[np.uint8]:
    """Rows (n, bytes) below `above`, each by the filter whose differences are smallest, after its number (9.2, 12.7)."""
    a, b, c = (np.zeros_like(rows, np.int16) for _ in range(3))  # left, above, above left
    a[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    b[0], b[1:] = above, rows[:-1]
    c[:, pixel_bytes:] = b[:, :-pixel_bytes]
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    paeth = np.where((to_a <= to_b) & (to_a <= to_c), a, np.where(to_b <= to_c, b, c))
    best = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    least = np.full(len(rows), np.inf)
    for number, guess in ((0, 0), (1, a), (2, b), (3, (a + b) >> 1), (4, paeth)):
        differences = (rows - guess).astype(np.uint8)
        size = np.abs(differences.view(np.int8).astype(np.int16)).sum(axis=1)
        is_best = size < least
        least = np.where(is_best, size, least)
        best[is_best, 0], best[is_best, 1:] = number, differences[is_best]
    return best


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bare_png(data: bytes) -> bytes | None:
    """A PNG file of what the pixels of this one need, without texts, profiles, times and the like; None if it is no PNG."""
    if not data.startswith(PNG_MAGIC):
        return None
    kept, at = [PNG_MAGIC], len(PNG_MAGIC)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _KEPT_CHUNKS:
            kept.append(data[at : at + 12 + size])
        at += 12 + size
    return b"".join(kept)
