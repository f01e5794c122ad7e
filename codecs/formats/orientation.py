"""How a picture is to be turned: the one place that reads, writes and applies the orientation tag.

Samples of an `Image` are the stored ones, and the EXIF block beside them says how to show them. A file without a place for
the tag gets turned samples. EXIF 2.32, section 4.6.4: tag 274 in the first directory, 1 (upright) to 8.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import UInt

    from laconic.codecs.media import Samples

EXIF_PREFIX = b"Exif\x00\x00"
UPRIGHT = 1
_TAG = 274
_SHORT = 3
_FORMATS = {1: "B", _SHORT: "H", 4: "I"}  # types of integers that writers give the tag, with those of `struct`
_ENTRY_BYTES = 12
_XMP_TAG = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\s*[<\"']")


def is_exif(exif: bytes) -> bool:
    """Whether a block can be read as far as its first directory."""
    try:
        _ = list(_entries(_tiff_of(exif)))
    except (struct.error, ValueError):
        return False
    return True


def orientation_of(exif: bytes, xmp: bytes | str = b"") -> int:
    """1 to 8, as an EXIF block says or, where it has no such tag, an XMP packet; upright where neither does."""
    try:
        tiff = _tiff_of(exif)
        at, kind = _place(tiff)
        (value,) = struct.unpack_from(_order(tiff) + _FORMATS[kind], tiff, at)
    except (struct.error, ValueError, LookupError):
        found = _XMP_TAG.search(xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp)
        return int(found[1]) if found else UPRIGHT
    return int(value) if value in range(1, 9) else UPRIGHT


def is_only_orientation(exif: bytes) -> bool:
    """Whether a block says nothing else."""
    return is_exif(exif) and all(tag == _TAG for tag, _ in _entries(_tiff_of(exif)))


def with_orientation(exif: bytes, orientation: int) -> bytes:
    """The block with this tag, all else of it where it was, as maker notes need it; a new block where there is none."""
    if orientation == orientation_of(exif):
        return exif
    if not is_exif(exif):
        exif = EXIF_PREFIX + struct.pack(">2sHIHI", b"MM", 42, 8, 0, 0)
    tiff = bytearray(_tiff_of(exif))
    order = _order(tiff)
    try:
        at, kind = _place(tiff)
    except LookupError:
        _append_entry(tiff, struct.pack(order + "HHIHH", _TAG, _SHORT, 1, orientation, 0))
    else:
        struct.pack_into(order + _FORMATS[kind], tiff, at, orientation)
    return EXIF_PREFIX + bytes(tiff)


def upright(
    samples: UInt[Samples, "h w c"], metadata: Mapping[str, bytes]
) -> tuple[UInt[Samples, "_ _ c"], dict[str, bytes]]:
    """Samples (h, w, c) turned as the metadata's EXIF block says, which then says that they are upright."""
    orientation = orientation_of(metadata.get("exif", b""))
    if orientation == UPRIGHT:
        return samples, dict(metadata)
    return turned(samples, orientation), {**metadata, "exif": with_orientation(metadata["exif"], UPRIGHT)}


def is_transposed(orientation: int) -> bool:
    """Whether height and width change places."""
    return orientation >= 5


def turned(samples: UInt[Samples, "h w c"], orientation: int) -> UInt[Samples, "_ _ c"]:
    """A view of samples (h, w, c) as they are to be shown. `orientation` says where the stored row 0 and column 0 belong:

    1 top left, 2 top right, 3 bottom right, 4 bottom left; 5 to 8 likewise, rows being columns: left top, right top, ...
    """
    if is_transposed(orientation):
        samples = samples.swapaxes(0, 1)
    is_mirrored, is_flipped = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return samples[:: -1 if is_flipped else 1, :: -1 if is_mirrored else 1]


def _tiff_of(exif: bytes) -> bytes:
    while exif.startswith(EXIF_PREFIX):  # some writers put it twice
        exif = exif[len(EXIF_PREFIX) :]
    return exif


def _order(tiff: bytes | bytearray) -> str:
    """Byte order for `struct`. Raises `ValueError` for what is no block."""
    orders = {b"II*\x00": "<", b"MM\x00*": ">"}
    if (start := bytes(tiff[:4])) not in orders:
        raise ValueError(f"an EXIF block starts with {start!r}")
    return orders[start]


def _entries(tiff: bytes | bytearray) -> Iterator[tuple[int, int]]:
    """Tags of the first directory and where their entries start. Raises `ValueError`, `struct.error`."""
    order = _order(tiff)
    (at,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for i in range(count):
        entry = at + 2 + _ENTRY_BYTES * i
        (tag, _, _, _) = struct.unpack_from(order + "HHII", tiff, entry)
        yield tag, entry


def _place(tiff: bytes | bytearray) -> tuple[int, int]:
    """Where the value of the orientation is, and its type. Raises `LookupError` where there is none."""
    for tag, entry in _entries(tiff):
        if tag == _TAG:
            (kind,) = struct.unpack_from(_order(tiff) + "H", tiff, entry + 2)
            if kind in _FORMATS:
                return entry + 8, kind
    raise LookupError("no orientation")


def _append_entry(tiff: bytearray, entry: bytes) -> None:
    """Put a copy of the first directory, with one entry more, at the end: what others point to stays where it is."""
    order = _order(tiff)
    entries = [bytes(tiff[at : at + _ENTRY_BYTES]) for tag, at in _entries(tiff) if tag != _TAG]
    (start,) = struct.unpack_from(order + "I", tiff, 4)
    (old_count,) = struct.unpack_from(order + "H", tiff, start)
    after = bytes(tiff[start + 2 + _ENTRY_BYTES * old_count :][:4]).ljust(4, b"\x00")  # where the next directory is
    entries = sorted([*entries, entry], key=lambda one: struct.unpack_from(order + "H", one))
    tiff += bytes(len(tiff) % 2)
    struct.pack_into(order + "I", tiff, 4, len(tiff))
    tiff += struct.pack(order + "H", len(entries)) + b"".join(entries) + after
