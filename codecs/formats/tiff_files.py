"""The frame of a TIFF file, by tifffile: which segments hold the samples, and the tags of a new file."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.formats.stored_blocks import DEFLATE, LZW, MAX_EXPANSIONS, OLD_DEFLATE, PACKBITS, Cut
from laconic.codecs.media import exif_block

TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# Photometric interpretation, samples per pixel, extra samples (2: alpha that is not multiplied in).
_CHANNELS = ((1, 1, ()), (1, 2, (2,)), (2, 3, ()), (2, 4, ()), (2, 4, (2,)))
_MAX_WHOLE_BYTES = 1 << 26  # of a segment that is expanded at once: below the size that Pillow warns of
_STRIP_BYTES = 1 << 18  # of the files written
_MAX_CLASSIC_BYTES = (1 << 32) - (1 << 24)  # offsets have 32 bits; the rest is for tags
_QUIET = logging.NullHandler()


def cut_of_tiff(file: BinaryIO) -> tuple[Cut | None, dict[str, bytes]]:
    """Layout and metadata of the first picture; None for what is not read here. Raises `OSError`.

    Nothing is checked against the length of the file.
    """
    try:
        with _tifffile().TiffFile(file) as tiff:
            page = tiff.pages.first
            cut = _cut_of_page(page, tiff.byteorder)
            return cut, ({} if cut is None else _tiff_metadata(file, page, tiff))
    except Exception as err:  # damaged tags raise nearly anything; Pillow has the last word
        if isinstance(err, MissingDependencyError) or (isinstance(err, OSError) and err.errno is not None):
            raise
        return None, {}


def _cut_of_page(page: Any, byte_order: str) -> Cut | None:
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
    cut = Cut(
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
    tags = PillowImage.Exif()
    tags.endian, tags.bigtiff = tiff.byteorder, tiff.is_bigtiff
    with suppress(Exception):  # damaged tags cost the EXIF block, not the picture
        tags.load_from_fp(file, page.offset)
        if exif := exif_block(tags):
            metadata["exif"] = exif
    return metadata


def start_tiff(
    file: BinaryIO, shape: tuple[int, int, int], dtype: np.dtype[Any], metadata: Mapping[str, bytes]
) -> None:
    """All of a TIFF file but the samples, which belong where the file then stands."""
    _, w, c = shape
    is_big = math.prod(shape) * dtype.itemsize > _MAX_CLASSIC_BYTES
    tags: list[tuple[int, int, int, int | bytes, bool]] = [(274, 3, 1, _orientation(metadata.get("exif", b"")), True)]
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


def _orientation(exif: bytes) -> int:
    """1 to 8, as in EXIF; 1, upright, where there is none."""
    tags = PillowImage.Exif()
    try:
        tags.load(exif)
        value = tags.get(274, 1)
    except Exception:  # what cannot be read turns no picture
        return 1
    return value if value in range(1, 9) else 1


def _tifffile() -> Any:
    try:
        import tifffile
    except ImportError as err:
        raise MissingDependencyError("tifffile is not installed; install it: pip install tifffile") from err
    logging.getLogger("tifffile").addHandler(_QUIET)  # what it finds wrong is told by errors
    return tifffile
