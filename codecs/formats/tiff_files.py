"""The frame of a TIFF file, by tifffile: which segments hold the samples, and the tags of a new file."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.formats.bit_depths import FULL_DEPTH, STORED_DEPTHS
from laconic.codecs.formats.orientation import (
    EXIF_PREFIX,
    UPRIGHT,
    is_only_orientation,
    orientation_of,
    with_orientation,
)
from laconic.codecs.formats.pillow_pixels import (
    LAYOUT_TAGS,
    MAX_SAMPLE_VALUE,
    depth_of_pillow_tags,
    exif_of_pillow_pixels,
)
from laconic.codecs.formats.stored_blocks import DEFLATE, LZW, MAX_EXPANSIONS, OLD_DEFLATE, PACKBITS, StoredCut
from laconic.codecs.notes import collect_notes, note

TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# Photometric interpretation, samples per pixel, extra samples (2: alpha that is not multiplied in).
_CHANNELS = ((1, 1, ()), (1, 2, (2,)), (2, 3, ()), (2, 4, ()), (2, 4, (2,)))
_MAX_WHOLE_BYTES = 1 << 26  # of a segment that is expanded at once: below the size that Pillow warns of
_STRIP_BYTES = 1 << 18  # of the files written
_MAX_CLASSIC_BYTES = (1 << 32) - (1 << 24)  # offsets have 32 bits; the rest is for tags
_PLAIN_TAGS = {274, 282, 283, 296}  # orientation, which is read anyway, and resolution
_MAX_OFFSET = (1 << 63) - 1  # that a file can seek to
_QUIET = logging.NullHandler()


def cut_of_tiff(file: BinaryIO, number: int) -> tuple[StoredCut | None, dict[str, bytes], int]:
    """Layout, metadata and tagged bit depth (0: none) of the page of this number, from 0; None for what is not read here.
    Raises `OSError`.

    Nothing is checked against the length of the file.
    """
    file.seek(0)
    with collect_notes() as notes:  # given on where no exception is caught
        try:
            with _tifffile().TiffFile(file) as tiff:
                page = tiff.pages[number]
                cut = _cut_of_page(page, tiff.byteorder)
                metadata = {} if cut is None else _tiff_metadata(file, page, tiff)
                depth = depth_of_pillow_tags(None, page.tags.valueof(MAX_SAMPLE_VALUE))
        except Exception as err:  # damaged tags raise nearly anything; Pillow has the last word
            if isinstance(err, MissingDependencyError) or (isinstance(err, OSError) and err.errno is not None):
                raise
            return None, {}, 0
    for sentence in notes:
        note(sentence)
    return cut, metadata, depth


def num_pages(file: BinaryIO) -> int:
    """Directories that follow each other in a TIFF file, each counted once; those that cannot be read are none."""
    file.seek(0)
    start = file.read(16)
    order, is_big = ("<" if start.startswith(b"II") else ">"), start[2:4] in (b"+\x00", b"\x00+")
    offset_type, count_type, tag_bytes = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    offset_size, count_size = struct.calcsize("=" + offset_type), struct.calcsize("=" + count_type)
    seen: set[int] = set()
    place = 8 if is_big else 4  # of the offset of the next directory
    while True:
        file.seek(place)
        if len(field := file.read(offset_size)) < offset_size:
            break
        (at,) = struct.unpack(order + offset_type, field)
        file.seek(min(at, _MAX_OFFSET))
        if at in seen or len(field := file.read(count_size)) < count_size or at == 0:
            break
        seen.add(at)
        place = at + count_size + tag_bytes * struct.unpack(order + count_type, field)[0]
        if place > _MAX_OFFSET:
            break
    return max(len(seen), 1)


def _cut_of_page(page: Any, byte_order: str) -> StoredCut | None:
    tag = page.tags.valueof
    if not _is_read(tag):
        return None
    w, h, c = tag(256), tag(257), tag(277, 1)
    height, width = (tag(323), tag(322)) if page.is_tiled else (tag(278, h), w)
    offsets, sizes = (_numbers(tag(code, ())) for code in ((324, 325) if page.is_tiled else (273, 279)))
    # The tags of damaged files hold fractions, texts and negative numbers.
    if not all(isinstance(number, int) and number > 0 for number in (h, w, height, width, *offsets, *sizes)):
        return None
    compression = tag(259, 1)
    cut = StoredCut(
        shape=(h, w, c),
        dtype=np.dtype(f"{byte_order}u{_numbers(tag(258))[0] // 8}"),
        height=min(height, h),
        width=width,
        offsets=offsets,
        sizes=sizes,
        is_planar=tag(284, 1) == 2,
        compression=compression,
        has_predictor=tag(317, 1) == 2 and compression in (LZW, DEFLATE, OLD_DEFLATE),
    )
    is_large = compression in (LZW, PACKBITS) and cut.height * cut.row_bytes > _MAX_WHOLE_BYTES
    return cut if len(offsets) == len(sizes) == math.prod(cut.grid) and not is_large else None


def _is_read(tag: Callable[..., Any]) -> bool:
    """Whether colours, sample types and compression are such as are read here."""
    bits, formats, extras = (_numbers(tag(code, default)) for code, default in ((258, 1), (339, 1), (338, ())))
    return (
        (tag(262), tag(277, 1), extras) in _CHANNELS
        and set(bits) in ({8}, {16})
        and set(formats) == {1}  # unsigned
        and tag(259, 1) in MAX_EXPANSIONS
        and tag(317, 1) in (1, 2)  # predictor: none, or the left sample
        and tag(266, 1) == 1  # the highest bit of a byte first
        and tag(32997, 1) == 1  # one plane in depth
    )


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _tiff_metadata(file: BinaryIO, page: Any, tiff: Any) -> dict[str, bytes]:
    metadata = {}
    if icc := page.tags.valueof(34675):
        metadata["icc"] = bytes(icc)
    tags, exif = PillowImage.Exif(), b""
    tags.endian, tags.bigtiff = tiff.byteorder, tiff.is_bigtiff
    try:
        tags.load_from_fp(file, page.offset)
        exif = exif_of_pillow_pixels(tags)
    except Exception:  # damaged tags, and BigTIFF with the highest byte first, cost the EXIF block, not the picture
        if {tag.code for tag in page.tags} - LAYOUT_TAGS - _PLAIN_TAGS:
            note("its EXIF block cannot be read and was left out")
    orientation = page.tags.valueof(274) or orientation_of(b"", page.tags.valueof(700) or b"")
    if exif := with_orientation(exif, orientation if orientation in range(1, 9) else UPRIGHT):
        metadata["exif"] = exif
    return metadata


def start_tiff(
    file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any], metadata: Mapping[str, bytes], bit_depth: int
) -> None:
    """All of a TIFF file but the samples, which belong where the file then stands."""
    _, w, c = shape
    is_big = math.prod(shape) * dtype.itemsize > _MAX_CLASSIC_BYTES
    exif = metadata.get("exif", b"")
    if exif.removeprefix(EXIF_PREFIX) and not is_only_orientation(exif):
        note("the EXIF block, but for the orientation, cannot be kept in this kind of tif; png keeps it")
    tags: list[tuple[int, int, int, int | bytes | tuple[int, ...], bool]] = [(274, 3, 1, orientation_of(exif), True)]
    if bit_depth in STORED_DEPTHS:
        largest = [(1 << bit_depth) - 1] * (c - (c in (2, 4))) + [(1 << FULL_DEPTH) - 1] * (c in (2, 4))
        tags.append((MAX_SAMPLE_VALUE, 3, c, largest[0] if c == 1 else tuple(largest), True))
    if icc := metadata.get("icc"):
        tags.append((34675, 7, len(icc), icc, True))
    with _tifffile().TiffWriter(file, bigtiff=is_big, byteorder="<") as tiff:
        offset, _ = tiff.write(
            shape=shape if c > 1 else shape[:2],
            dtype=dtype,
            photometric="minisblack" if c < 3 else "rgb",
            planarconfig="contig" if c > 1 else None,
            extrasamples=["unassalpha"] if c in (2, 4) else None,
            rowsperstrip=max(1, _STRIP_BYTES // (w * c * dtype.itemsize)),
            extratags=tags,
            metadata=None,
            software=False,
            returnoffset=True,
        )
    file.seek(offset)


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError as err:
        raise MissingDependencyError("tifffile is not installed; install it: pip install tifffile") from err
    logging.getLogger("tifffile").addHandler(_QUIET)  # what it finds wrong is told by errors
    return tifffile
