"""Media files <-> .lcn files, picture rows as they come where the formats allow it: in the memory of some rows."""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from laconic.codecs.arguments import Bytes, PathLike, one_of_types, opened
from laconic.codecs.files import file_bytes, format_of, read_signal
from laconic.codecs.form import Form, Kind, form_of, optional_kind
from laconic.codecs.formats.orientation import UPRIGHT, is_transposed, orientation_of
from laconic.codecs.formats.picture_files import check_pixels, keeps_orientation
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, create_rows, open_rows
from laconic.codecs.lcn import Lcn
from laconic.codecs.notes import collect_notes, note
from laconic.codecs.pictures.picture_decoder import PicturePart
from laconic.entropy import Limits

_TIFF_EXTENSIONS = (".tif", ".tiff")
_MAX_WHOLE_BYTES = 1 << 30  # of samples that are in memory at once for the sake of EXIF


def encode_file(
    source: Bytes | PathLike | BinaryIO,
    codec: Lcn,
    *,
    kind: Kind | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
) -> tuple[bytes, Form]:
    """What a file that can seek holds, as an .lcn file, and its form: `codec.encode` of `files.read_signal`, to the byte.

    Of pictures without alpha that `open_rows` reads, some rows are in memory at a time. `limits` and `frame` are for
    pictures. Raises what both raise.
    """
    one_of_types("codec", codec, Lcn, "an Lcn")
    kind = optional_kind(kind)
    if limits is not None:
        one_of_types("limits", limits, Limits, "a Limits or None")
    with opened("source", source) as data:
        return _encoded(io.BytesIO(data) if isinstance(data, bytes) else data, codec, kind, limits, frame)


def _encoded(
    source: BinaryIO, codec: Lcn, kind: Kind | None, limits: Limits | None, frame: int | None
) -> tuple[bytes, Form]:
    with collect_notes() as notes:
        rows = open_rows(source, frame=frame) if kind in (None, "image") else None
    if rows is None or rows.num_channels not in (1, 3):
        signal = read_signal(source, kind=kind, limits=limits, frame=frame)
        return codec.encode(signal), form_of(signal)
    for sentence in notes:
        note(sentence)
    check_pixels(rows.height, rows.width, limits)
    form = Form("image", (rows.height, rows.width), rows.dtype.name, 0)
    data = codec.encode_rows(rows, num_colors=rows.num_channels, sample_type=form.sample_type, metadata=rows.metadata)
    return data, form


def write_picture(part: PicturePart, target: BinaryIO, extension: str) -> tuple[int, int]:
    """Decode part of a picture into an empty file of the format with this extension; returns its height and width there.

    PPM, PAM and TIFF are written as rows come; but for a TIFF file with all of an EXIF block, and a picture that has to be
    turned, since the format does not say how to: these are in memory, as with other formats. Raises `BitstreamError`,
    `CodecError`, `OSError`.
    """
    one_of_types("part", part, PicturePart, "a PicturePart: Lcn.open_area gives one")
    height, width, _ = part.shape
    orientation = UPRIGHT if keeps_orientation(format_of(extension)) else orientation_of(part.metadata.get("exif", b""))
    if orientation != UPRIGHT or not _goes_by_rows(part, extension.lower()):
        target.write(file_bytes(part.image(), extension))
        return (width, height) if is_transposed(orientation) else (height, width)
    with create_rows(target, extension, shape=part.shape, dtype=part.dtype, metadata=part.metadata) as writer:
        for rows in part.rows():
            writer.write_rows(rows)
    return height, width


def _goes_by_rows(part: PicturePart, extension: str) -> bool:
    if extension not in _TIFF_EXTENSIONS or "exif" not in part.metadata:
        return extension in ROW_EXTENSIONS
    return int(np.prod(part.shape, dtype=np.int64)) * part.dtype.itemsize > _MAX_WHOLE_BYTES
