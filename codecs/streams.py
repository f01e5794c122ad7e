"""Media files <-> .lcn files, rows of pictures as they come where the formats allow it, and blocks of sounds: in the
memory of some of them.
"""

from __future__ import annotations

import io
from typing import BinaryIO

import numpy as np

from laconic.codecs.arguments import Bytes, PathLike, opened_argument, typed_argument, writable_file_argument
from laconic.codecs.encoding_target import EncodingTarget
from laconic.codecs.files import file_bytes, format_of, read_signal
from laconic.codecs.form import Form, Kind, form_of, optional_form_kind
from laconic.codecs.formats.bit_depths import (
    FULL_DEPTH,
    BitDepth,
    bit_depth_of,
    note_unused_bit_depth,
    settled_bit_depth,
    wanted_bit_depth,
)
from laconic.codecs.formats.orientation import UPRIGHT, is_transposed, orientation_of
from laconic.codecs.formats.picture_files import check_pixels_of_picture_file, picture_file_keeps_orientation
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, RowReader, create_rows, open_rows
from laconic.codecs.formats.sound_files import holds_sound, open_sound_blocks
from laconic.codecs.formats.sound_writer import write_sound_blocks
from laconic.codecs.formats.spooled_files import seekable_file
from laconic.codecs.lcn import Lcn
from laconic.codecs.notes import collect_notes, note
from laconic.codecs.pictures.graphics import RowsWatchedForGraphics, graphics_hint_for, hint_if_graphics
from laconic.codecs.pictures.picture_decoder import PicturePart
from laconic.codecs.sounds.sample_blocks import SampleBlocks
from laconic.codecs.sounds.sound_part import SoundBlocks
from laconic.codecs.target_search import TargetFile, encode_blocks_to_target, encode_to_target
from laconic.entropy import Limits

_TIFF_EXTENSIONS = (".tif", ".tiff")
# Of samples that are in memory at once for the sake of EXIF, or read twice for the bit depth.
_MAX_WHOLE_BYTES = 1 << 30
_LOOKED_BYTES = 1 << 20  # of samples at once


def encode_file(
    source: Bytes | PathLike | BinaryIO,
    codec: Lcn,
    *,
    kind: Kind | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
    bit_depth: BitDepth = 0,
) -> tuple[bytes, Form]:
    """What a file holds, as an .lcn file, and its form: `codec.encode` of `files.read_signal`, to the byte.

    Sounds are read several times by blocks, some of which are in memory at a time; a pipe is kept in a temporary file. Of
    pictures without alpha that `open_rows` reads, some rows are in memory at a time; those of 16-bit samples are read
    twice where the bit depth is not given, and have to say it where they are larger than 1 GiB. `limits`, `frame` and
    `bit_depth` are for pictures. Gives a hint (`notes`) for drawn pictures. Raises what both raise.
    """
    kind = _checked_kind(codec, kind, limits)
    with opened_argument("source", source) as data, seekable_file(_file_of(data)) as file:
        if holds_sound(file, kind) and (blocks := open_sound_blocks(file)) is not None:
            encoded = codec.encode_blocks(blocks, sample_rate=blocks.sample_rate, metadata=blocks.metadata)
            return encoded, Form("sound", (blocks.num_channels, blocks.length), "float32", blocks.sample_rate)
        return _encoded(file, codec, kind, limits, frame, wanted_bit_depth(bit_depth))


def encode_file_to_target(
    source: Bytes | PathLike | BinaryIO,
    codec: Lcn,
    target: EncodingTarget,
    *,
    kind: Kind | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
    bit_depth: BitDepth = 0,
) -> tuple[TargetFile, Form]:
    """What a file holds, as an .lcn file that keeps to a target, and its form: what `target_search.encode_to_target` makes
    of `files.read_signal`, to the byte.

    Sounds are read by blocks, as `encode_file` reads them, some times for each step that is tried; other signals are in
    memory, unless the target says nothing. The rest is as of `encode_file`. Raises also `CodecError` where no step keeps to
    the target."""
    if typed_argument("target", target, EncodingTarget, "an EncodingTarget").name is None:
        encoded, form = encode_file(source, codec, kind=kind, limits=limits, frame=frame, bit_depth=bit_depth)
        return TargetFile(encoded), form
    kind = _checked_kind(codec, kind, limits)
    with opened_argument("source", source) as data, seekable_file(_file_of(data)) as file:
        if holds_sound(file, kind) and (blocks := open_sound_blocks(file)) is not None:
            samples, rate = SampleBlocks(blocks), blocks.sample_rate
            return encode_blocks_to_target(samples, rate, blocks.metadata, target, codec), samples.form(rate)
        signal = read_signal(file, kind=kind, limits=limits, frame=frame, bit_depth=wanted_bit_depth(bit_depth))
        graphics_hint_for(signal)
        return encode_to_target(signal, target, codec), form_of(signal)


def _checked_kind(codec: Lcn, kind: Kind | None, limits: Limits | None) -> Kind | None:
    """The kind that a caller named. Raises `CodecError`, also for the others."""
    typed_argument("codec", codec, Lcn, "an Lcn")
    if limits is not None:
        typed_argument("limits", limits, Limits, "a Limits or None")
    return optional_form_kind(kind)


def _file_of(data: bytes | BinaryIO) -> BinaryIO:
    return io.BytesIO(data) if isinstance(data, bytes) else data


def _encoded(
    source: BinaryIO, codec: Lcn, kind: Kind | None, limits: Limits | None, frame: int | None, bit_depth: BitDepth
) -> tuple[bytes, Form]:
    with collect_notes() as notes:
        by_rows = kind in (None, "image") and not callable(codec.roi)  # which takes whole pictures
        rows = open_rows(source, frame=frame) if by_rows else None
    if rows is None or rows.num_channels not in (1, 3):
        signal = read_signal(source, kind=kind, limits=limits, frame=frame, bit_depth=bit_depth)
        graphics_hint_for(signal)
        return codec.encode(signal), form_of(signal)
    for sentence in notes:
        note(sentence)
    check_pixels_of_picture_file(rows.height, rows.width, limits)
    depth = _depth_of_rows(source, rows, frame, bit_depth)
    form = Form("image", (rows.height, rows.width), rows.dtype.name, 0, bit_depth=depth)
    watched = RowsWatchedForGraphics(rows)
    data = codec.encode_rows(
        watched, num_colors=rows.num_channels, sample_type=form.sample_type, bit_depth=depth, metadata=rows.metadata
    )
    hint_if_graphics(watched.judged, depth or rows.dtype.itemsize * 8)
    return data, form


def _depth_of_rows(source: BinaryIO, rows: RowReader, frame: int | None, wanted: BitDepth) -> int:
    """The bit depth of a picture, as `read_image` finds it; 0 where nothing says it of one too large to look through."""
    if rows.dtype == np.uint8:
        note_unused_bit_depth(wanted)
        return 8
    if wanted and not callable(wanted):
        return wanted
    if rows.height * rows.width * rows.num_channels * rows.dtype.itemsize > _MAX_WHOLE_BYTES:
        return rows.bit_depth
    return settled_bit_depth(depth_needed_by_stream(source, frame), rows.bit_depth, wanted)


def depth_needed_by_stream(source: BinaryIO, frame: int | None) -> int:
    """Bits that the largest colour needs, of a file that `open_rows` reads."""
    with collect_notes():
        rows = open_rows(source, frame=frame)
    assert rows is not None
    depth, left = 0, rows.height
    while left and depth < FULL_DEPTH:
        count = min(left, max(1, _LOOKED_BYTES // (rows.width * rows.num_channels * rows.dtype.itemsize)))
        depth, left = max(depth, bit_depth_of(rows.read_rows(count))), left - count
    return depth


def stream_picture(part: PicturePart, target: BinaryIO, extension: str) -> tuple[int, int]:
    """Decode part of a picture into an empty file of the format with this extension; returns its height and width there.

    PPM, PAM and TIFF are written as rows come; but for a TIFF file with all of an EXIF block, and a picture that has to be
    turned, since the format does not say how to: these are in memory, as with other formats. Raises `BitstreamError`,
    `CodecError`, `OSError`.
    """
    typed_argument("part", part, PicturePart, "a PicturePart: Lcn.open_area gives one")
    writable_file_argument("target", target)
    height, width, _ = part.shape
    orientation = (
        UPRIGHT
        if picture_file_keeps_orientation(format_of(extension))
        else orientation_of(part.metadata.get("exif", b""))
    )
    if orientation != UPRIGHT or not _goes_by_rows(part, extension.lower()):
        target.write(file_bytes(part.image(), extension))
        return (width, height) if is_transposed(orientation) else (height, width)
    with create_rows(
        target, extension, shape=part.shape, dtype=part.dtype, metadata=part.metadata, bit_depth=part.bit_depth
    ) as writer:
        for rows in part.rows():
            writer.write_rows(rows)
    return height, width


def stream_sound(part: SoundBlocks, target: BinaryIO, extension: str, *, sample_format: str | None = None) -> None:
    """Decode a sound, or a stretch of one, into an empty file of the format with this extension, .wav or .flac, some blocks
    in memory at a time; `sample_format` as in `write_sound_blocks`. Raises `BitstreamError`, `CodecError`, `OSError`."""
    typed_argument("part", part, SoundBlocks, "what open_sound gives")
    typed_argument("extension", extension, str, 'a string such as ".wav"')
    writable_file_argument("target", target)
    write_sound_blocks(target, part.blocks(), part.head, extension, sample_format=sample_format)


def _goes_by_rows(part: PicturePart, extension: str) -> bool:
    if extension not in _TIFF_EXTENSIONS or "exif" not in part.metadata:
        return extension in ROW_EXTENSIONS
    return int(np.prod(part.shape, dtype=np.int64)) * part.dtype.itemsize > _MAX_WHOLE_BYTES
