"""Pictures <-> files through Pillow, with what it lacks: 16-bit colour, limits of our own, damage in what is no pixel."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageFile, UnidentifiedImageError, features

from laconic.codecs.arguments import shown, whole_number_argument
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.formats.bit_depths import FULL_DEPTH, STORED_DEPTHS, BitDepth, bit_depth_read
from laconic.codecs.formats.deep_avif import avif_depth, read_deep_avif
from laconic.codecs.formats.foreign_files import foreign_picture_format, refuse_foreign
from laconic.codecs.formats.orientation import is_only_orientation, orientation_of, with_orientation
from laconic.codecs.formats.pillow_limits import pillow_limit, silence_libtiff
from laconic.codecs.formats.pillow_pixels import (
    MAX_SAMPLE_VALUE,
    keep_texts_of_pillow_pixels,
    read_pillow_metadata,
    read_pillow_pixels,
)
from laconic.codecs.formats.png_files import bare_png, depth_of_png, is_deep_color_png, png_bytes, read_deep_png
from laconic.codecs.media import Image, Samples
from laconic.codecs.notes import collect_notes, note
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits

Pixels = tuple[Samples, dict[str, bytes], int]  # (h, w, c), metadata, what is told of the bit depth; 0: nothing

# Pillow's defaults for these lose more than a decoded picture should.
_SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "AVIF": {"quality": 95},
    "JPEG": {"quality": 95},
    "WEBP": {"lossless": True, "exact": True},
}
_METADATA_FORMATS = ("AVIF", "JPEG", "LCN", "MPO", "PNG", "TIFF", "WEBP")  # with a place for ICC profile and EXIF block
_NAMES = {"icc": "the ICC profile", "exif": "the EXIF block"}
_FEATURES = {"AVIF": "avif", "JPEG": "jpg", "JPEG2000": "jpg_2000", "WEBP": "webp"}
# How Pillow says that a decoder is not there; there is no exception type for it.
_MISSING_SIGNS = ("not available", "unable to locate", "cannot find loader", "not installed")


def picture_file_keeps_orientation(file_format: str) -> bool:
    """Whether files of a format (Pillow's name, or "LCN") say how the picture is to be turned."""
    return file_format in _METADATA_FORMATS


def note_lost_metadata(metadata: Mapping[str, bytes], file_format: str) -> None:
    """Say what of the metadata a format without a place for it loses, but for the orientation, which pixels take over."""
    lost = [_NAMES[name] for name, value in metadata.items() if name != "exif" or not is_only_orientation(value)]
    if lost:
        note(f"{' and '.join(lost)} cannot be kept in {file_format}; png, tif, webp, jpg and avif keep both")


def picture_file_bytes(image: Image, file_format: str) -> bytes:
    """The picture as a complete file of one of Pillow's formats, with its metadata. Raises `CodecError`."""
    if file_format == "PNG" and image.is_deep and image.bit_depth != FULL_DEPTH:
        note(
            f"samples of {image.bit_depth} bits stay as they are in PNG, 0 to {image.peak} of 65535, so that viewers show "
            "them dark; tif, pgm, ppm and pam say how many bits they have"
        )
    if file_format == "PNG" and image.is_deep and image.mode != "L":
        return png_bytes(image.samples, image.metadata)
    if not picture_file_keeps_orientation(file_format):
        note_lost_metadata(image.metadata, file_format)
        image = replace(image.upright(), metadata={})
    failure: Exception | None = None
    for metadata in _tries(image.metadata):
        try:
            data = _saved(image, file_format, metadata)
        except CodecError:
            raise
        except Exception as err:  # each of Pillow's writers has its own
            failure = failure or err
            continue
        for name in (name for name, value in image.metadata.items() if metadata.get(name) != value):
            note(f"{_NAMES[name]} cannot be written as {file_format} and was left out ({failure})")
        return data
    raise UnsupportedSignalError(
        f"a {image.width}x{image.height} {image.bit_depth}-bit {image.mode} picture cannot be written as "
        f"{file_format} ({failure}); png and npy take all"
    ) from failure


def _tries(metadata: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """The metadata, and less and less of it, as damaged or long blocks make writers fail; never without orientation."""
    yield dict(metadata)
    orientation = orientation_of(metadata.get("exif", b""))
    least = {"exif": with_orientation(b"", orientation)} if orientation != 1 else {}
    if "icc" in metadata and "exif" in metadata:
        yield {**least, "icc": metadata["icc"]}
    if metadata:
        yield least


def _saved(image: Image, file_format: str, metadata: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    names = (("icc_profile", "icc"), ("exif", "exif"))
    given: dict[str, object] = {option: metadata[name] for option, name in names if name in metadata}
    is_narrowed = image.bit_depth in STORED_DEPTHS
    if file_format == "TIFF" and ("exif" in metadata or is_narrowed):  # of which Pillow makes a directory
        given["exif"] = tags = PillowImage.Exif()
        tags.load(metadata.get("exif", b""))
        keep_texts_of_pillow_pixels(tags)
        if is_narrowed:
            tags[MAX_SAMPLE_VALUE] = image.peak
    picture = image.to_pillow()
    picture.info.clear()
    picture.save(buffer, file_format, **_SAVE_OPTIONS.get(file_format, {}), **given)
    return buffer.getvalue()


def check_pixels_of_picture_file(height: int, width: int, limits: Limits | None) -> None:
    """Raise `LimitError` for a picture that is larger than a reader is ready for."""
    most = (limits or Limits()).max_pixels
    if height * width > most:
        raise LimitError(
            f"the picture has {height} x {width} pixels, over the limit of {most}; raise max_pixels to read it"
        )


def note_frames_of_picture_file(count: int, noun: str) -> None:
    """Say that the first of several pictures was taken, where there are several."""
    if count > 1:
        others = "1 takes the other" if count == 2 else f"1 to {count - 1} takes another"
        note(f"the first of {count} {noun} was taken; --frame (frame=) {others}")


def check_frame_of_picture_file(frame: int | None, count: int) -> None:
    """Raise `CodecError` unless the file has that frame."""
    if frame is None:
        return
    try:
        whole_number_argument("frame", frame, 0, count - 1)
    except CodecError:
        allowed = "0" if count == 1 else f"0 to {count - 1}"
        raise CodecError(f"frame is {shown(frame)}, the file has {count}; allowed is {allowed}") from None


def read_picture_file(
    file: BinaryIO, head: bytes, *, limits: Limits | None = None, frame: int | None = None, bit_depth: BitDepth = 0
) -> Image:
    """A picture of an open file that starts with `head`, the first where `frame` is None.

    Raises as `files.read_image`.
    """
    with collect_notes() as notes:  # given on where no exception is caught
        try:
            samples, metadata, tagged = _read(file, head, limits, frame)
        except CorruptStreamError:
            file.seek(0)
            bare = bare_png(file.read())
            if bare is None:
                raise
            samples, metadata, tagged = _read(io.BytesIO(bare), head, limits, frame)
            note("its texts and metadata are damaged and were left out")
    for sentence in notes:
        note(sentence)
    return Image(samples, metadata, bit_depth_read(samples, tagged, bit_depth))


def _read(file: BinaryIO, head: bytes, limits: Limits | None, frame: int | None) -> Pixels:
    silence_libtiff()
    try:
        with pillow_limit(None):
            picture = PillowImage.open(file)
        with picture:
            return _read_opened(picture, file, head, limits=limits, frame=frame)
    except (CodecError, BitstreamError):
        raise
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning, MemoryError) as err:
        raise LimitError(f"the file claims a very large picture ({err}); raise max_pixels to read it") from err
    except Exception as err:  # hostile bytes make Pillow's parsers raise nearly anything
        if isinstance(err, OSError) and err.errno is not None:  # the disk's fault, not the file's
            raise
        refuse_foreign(head)
        raise _sentence_error(head, err) from err


def _read_opened(
    picture: ImageFile.ImageFile, file: BinaryIO, head: bytes, *, limits: Limits | None, frame: int | None
) -> Pixels:
    if frame is not None and frame != picture.tell():
        check_frame_of_picture_file(frame, _num_frames(picture))
        with pillow_limit(None):
            picture.seek(frame)
    check_pixels_of_picture_file(picture.height, picture.width, limits)
    with pillow_limit((limits or Limits()).max_pixels):  # for what lies inside, as PNG in an ICO file
        pixels = _pixels_of(picture, file, head, frame or 0)
        if frame is None:
            note_frames_of_picture_file(_num_frames(picture), "pages" if picture.format == "TIFF" else "frames")
    height, width, _ = pixels[0].shape
    check_pixels_of_picture_file(height, width, limits)
    return pixels


def _pixels_of(picture: ImageFile.ImageFile, file: BinaryIO, head: bytes, frame: int) -> Pixels:
    """The picture in full depth, or `UnsupportedSignalError`."""
    if picture.format == "PNG":
        is_deep = is_deep_color_png(head) and not frame
        pixels = (
            (read_deep_png(picture, file), read_pillow_metadata(picture), 0) if is_deep else read_pillow_pixels(picture)
        )
        return *pixels[:2], depth_of_png(head, pixels[0])
    if picture.format == "JPEG2000":
        return _jpeg2000_pixels(picture, head)
    if picture.format == "AVIF" and (depth := avif_depth(head)) > 8:
        file.seek(0)
        if (samples := read_deep_avif(file.read(), depth, frame)) is not None:
            return samples, read_pillow_metadata(picture), depth
    return read_pillow_pixels(picture)


def _jpeg2000_pixels(picture: ImageFile.ImageFile, head: bytes) -> Pixels:
    """Samples as they are in the file: Pillow shifts grey ones of more than 8 bits up to 16."""
    if not picture.mode.startswith("I"):
        _check_jpeg2000(head)
        return read_pillow_pixels(picture)
    samples, metadata, _ = read_pillow_pixels(picture)
    depth = max(_jpeg2000_depths(head), default=FULL_DEPTH - 1) % 128 + 1
    if depth not in STORED_DEPTHS:
        return samples, metadata, 0
    return np.right_shift(samples, FULL_DEPTH - depth), metadata, depth


def _num_frames(picture: ImageFile.ImageFile) -> int:
    """Frames or pages of an open file; 1 where those after the first cannot be found, or are the layers of one picture."""
    if picture.format == "PSD":
        return 1
    try:
        return int(getattr(picture, "n_frames", 1))
    except Exception:  # damage behind the picture that was asked for
        note("what follows its first frame is damaged")
        return 1


def _sentence_error(head: bytes, err: Exception) -> Exception:
    """What to raise for an error of Pillow, by what the file starts as."""
    known, text = foreign_picture_format(head), str(err) or type(err).__name__
    is_built = known not in _FEATURES or features.check(_FEATURES[known])
    if not is_built or any(sign in text.lower() for sign in _MISSING_SIGNS):
        return MissingDependencyError(
            f"this {known or 'kind of'} file needs a decoder that is missing ({text}); install a complete Pillow "
            "(pip install --force-reinstall pillow), or convert the file to PNG"
        )
    if known is not None:
        reason = "its header cannot be read" if isinstance(err, UnidentifiedImageError) else text
        return CorruptStreamError(f"the {known} file is damaged: {reason}; copy the file again")
    if isinstance(err, UnidentifiedImageError):  # its message holds a memory address
        return CorruptStreamError(
            f"the file starts with {head[:8]!r}, as no picture that can be read here; check the file type"
        )
    return CorruptStreamError(f"the picture is damaged: {text}")


def _check_jpeg2000(head: bytes) -> None:
    """Refuse what Pillow would cut to 8 bits."""
    if any((depth & 0x7F) + 1 > 8 for depth in _jpeg2000_depths(head) if depth != 0xFF):
        raise UnsupportedSignalError(
            "this JPEG2000 file has more than 8 bits a colour, which would be read with 8 only; convert it to 16-bit "
            "PNG or TIFF, or pass a uint16 array (.npy)"
        )


def _jpeg2000_depths(head: bytes) -> Sequence[int]:
    """Sign bit and depth - 1 of the components; 0xFF where they differ and stand elsewhere (ISO/IEC 15444-1)."""
    if head.startswith(b"\xff\x4f\xff\x51"):  # a codestream: SOC and SIZ (A.5.1)
        # Component count at byte 40, then three bytes each, the depth first.
        return head[42 : 42 + 3 * int.from_bytes(head[40:42], "big") : 3]
    _, found, box = head.partition(b"ihdr")  # height, width, number of components, depth (I.5.3.1)
    return box[10:11] if found else b""
