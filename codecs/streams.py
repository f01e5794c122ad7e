"""Media files <-> .lcn files, picture rows as they come where the formats allow it: in the memory of some rows."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from laconic.codecs.files import file_bytes, read_signal
from laconic.codecs.form import Form, Kind, form_of
from laconic.codecs.formats.picture_files import check_pixels
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, create_rows, open_rows
from laconic.codecs.lcn import Lcn
from laconic.codecs.pictures.picture_decoder import PicturePart
from laconic.entropy import Limits

_TIFF_EXTENSIONS = (".tif", ".tiff")
_MAX_WHOLE_BYTES = 1 << 30  # of samples that are in memory at once for the sake of EXIF


def encode_file(
    source: BinaryIO, codec: Lcn, *, kind: Kind | None = None, limits: Limits | None = None
) -> tuple[bytes, Form]:
    """What a file that can seek holds, as an .lcn file, and its form: `codec.encode` of `files.read_signal`, to the byte.

    Of pictures without alpha that `open_rows` reads, some rows are in memory at a time. `limits` are for pictures.
    Raises what both raise.
    """
    rows = open_rows(source) if kind in (None, "image") else None
    if rows is None or rows.num_channels not in (1, 3):
        signal = read_signal(source, kind=kind, limits=limits)
        return codec.encode(signal), form_of(signal)
    check_pixels(rows.height, rows.width, limits)
    form = Form("image", (rows.height, rows.width), rows.dtype.name, 0)
    data = codec.encode_rows(rows, num_colors=rows.num_channels, sample_type=form.sample_type, metadata=rows.metadata)
    return data, form


def write_picture(part: PicturePart, target: BinaryIO, extension: str) -> None:
    """Decode part of a picture into an empty file of the format with this extension.

    PPM, PAM and TIFF are written as rows come; but for a TIFF file with all of an EXIF block, which takes a picture that is
    in memory, as other formats do. Raises `BitstreamError`, `CodecError`, `OSError`.
    """
    if not _goes_by_rows(part, extension.lower()):
        target.write(file_bytes(part.image(), extension))
        return
    with create_rows(target, extension, shape=part.shape, dtype=part.dtype, metadata=part.metadata) as writer:
        for rows in part.rows():
            writer.write_rows(rows)


def _goes_by_rows(part: PicturePart, extension: str) -> bool:
    if extension not in _TIFF_EXTENSIONS or "exif" not in part.metadata:
        return extension in ROW_EXTENSIONS
    return int(np.prod(part.shape, dtype=np.int64)) * part.dtype.itemsize > _MAX_WHOLE_BYTES
