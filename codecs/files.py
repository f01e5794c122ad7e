"""Pictures <-> files: the only place that opens media files.

`encode` and `decode` turn anything that is a picture in Python into .lcn bytes and back; `read_image` and `write_image`
take every format that Pillow knows, .npy arrays and .lcn. What Pillow would silently cut to 8 bits is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, Final, Literal

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    flag_argument,
    is_path_argument,
    name_argument,
    opened_argument,
    path_argument,
    shown,
    typed_argument,
    writable_file_argument,
)
from laconic.codecs.encoding_target import EncodingTarget
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Kind, optional_form_kind
from laconic.codecs.formats.bit_depths import BitDepth, bit_depth_read, wanted_bit_depth
from laconic.codecs.formats.cube_files import read_cube_samples
from laconic.codecs.formats.npy_files import NPY_MAGIC, npy_bytes, read_npy
from laconic.codecs.formats.picture_files import (
    check_frame_of_picture_file,
    check_pixels_of_picture_file,
    note_lost_metadata,
    picture_file_bytes,
    picture_file_keeps_orientation,
    read_picture_file,
)
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, create_rows, open_rows
from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS, holds_sound, open_sound_blocks
from laconic.codecs.formats.sound_writer import sound_bytes
from laconic.codecs.given_signals import signal_of_value
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.pictures.region_of_interest import RegionOfInterest
from laconic.codecs.registry import decoder_class, first_bytes
from laconic.codecs.sounds.lossless_codec import LcnLossless, encode_without_loss
from laconic.codecs.target_search import encode_to_target
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT
from laconic.codecs.whole_files import atomic_write
from laconic.entropy import Limits, TruncatedError
from laconic.entropy.container import MAGIC

_HEAD_BYTES = 1 << 16
DEFAULT_QUALITY: Final = 50
_IMAGE_TYPES = (np.uint8, np.uint16)
_OWN_EXTENSIONS = {".lcn": "LCN", ".npy": "NPY", ".pam": "PAM"}


def encode(
    picture: Any,
    *,
    quality: int | None = None,
    bits_per_pixel: float | None = None,
    max_bytes: int | None = None,
    kilobits_per_second: float | None = None,
    snr_db: float | None = None,
    prd_percent: float | None = None,
    max_error: float | None = None,
    model: str | None = None,
    profile: Literal["fast", "small", "best"] = "small",
    effort: int = DEFAULT_EFFORT,
    threads: int = 1,
    bit_depth: int = 0,
    synthesis: str = "linear",
    tune: str | None = None,
    roi: RegionOfInterest | None = None,
    lossless: bool = False,
    embed_model: bool = False,
) -> bytes:
    """A picture as an .lcn file; likewise a sound or cube.

    `picture`: an `Image`, a Pillow image, a numpy array (h, w) or (h, w, c), or a torch tensor (c, h, w); uint8 or
    uint16; or an `Audio` or `Cube`; or a sound as the pair that other libraries give, samples and rate in either order,
    where samples are what `Audio.from_array` takes. At most one of `quality` (None: 50) and what `EncodingTarget` has,
    found by encoding: the best file of at most so many `bits_per_pixel`, `kilobits_per_second` or `max_bytes`; or, of
    sounds, then with tune "snr", and cubes, the smallest that keeps `snr_db`, `prd_percent` or `max_error`. `model`: a
    shipped name or a path. `profile`, `effort`, `threads`, `tune`, `roi`, `embed_model` and, for effort 3, `synthesis` as
    in `Lcn`. `bit_depth` 9 to 16 is that of 16-bit arrays and Pillow images; 0 takes what the largest colour needs, and
    notes it. `lossless`, of sounds of integers of up to 24 bits: as `LcnLossless` encodes them. Raises `CodecError`, also
    where no step does what is asked.

    >>> data = encode(np.zeros((30, 50, 3), np.uint8), max_bytes=200)
    >>> decode(data).mode
    'RGB'
    """
    signal = signal_of_value(picture, bit_depth)
    target = EncodingTarget(bits_per_pixel, max_bytes, kilobits_per_second, snr_db, prd_percent, max_error)
    given = [name for name in (quality is not None and "quality", target.name) if name]
    if len(given) > 1:
        raise CodecError(f"{' and '.join(given)} exclude each other; give one of them")
    if flag_argument("lossless", lossless):
        others = {"model": model, "tune": tune, "roi": roi, "embed_model": embed_model or None}
        given += [name for name, value in others.items() if value is not None]
        return encode_without_loss(signal, given, LcnLossless(effort, threads))
    codec = Lcn(
        quality=DEFAULT_QUALITY if quality is None else quality,
        model=model,
        profile=profile,
        effort=effort,
        threads=threads,
        synthesis=synthesis,
        tune=tune,
        roi=roi,
        embed_model=embed_model,
    )
    return encode_to_target(signal, target, codec).data


def decode(
    data: Bytes | PathLike | BinaryIO,
    *,
    region: tuple[int, int, int, int] | None = None,
    scale: int = 1,
    channels: int | None = None,
    model: str | None = None,
    limits: Limits | None = None,
    allow_partial: bool = False,
    threads: int = 1,
    synthesis: str = "linear",
) -> Image:
    """The picture of an .lcn file, or part of it: see `Lcn.decode_area`. `data`: its bytes, path or open binary file.

    `region` (x, y, width, height) in the picture's pixels; `scale` 2, 4 or 8, of models with low levels also 16 or 32,
    gives a picture of 1/scale the size. With `channels`, from the first latent channels only, without alpha. With
    `allow_partial`, what is damaged or missing is left out without notice: `Lcn.decode_area` tells what it is. `synthesis`
    is that of `Lcn`. Raises `BitstreamError`, `CodecError` or `OSError`.
    """
    with opened_argument("data", data) as source:
        decoder = decoder_class(first_bytes(source))
        if decoder is not Lcn:
            if region is not None or scale != 1 or channels is not None:
                raise CodecError(f"codec {decoder().name!r} decodes whole files; leave region, scale and channels out")
            return _picture_of(decoder().decode(source if isinstance(source, bytes) else source.read()))
        image, _ = Lcn(model=model, threads=threads, synthesis=synthesis).decode_area(
            source, region=region, scale=scale, channels=channels, limits=limits, allow_partial=allow_partial
        )
        return image


def read_signal(
    source: Bytes | PathLike | BinaryIO,
    *,
    kind: Kind | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
    bit_depth: BitDepth = 0,
    array: str | None = None,
) -> Signal:
    """What a file holds: a picture, a sound, or, where `kind` is "cube", a cube: .npy, .npz, .mat of version 5 (with
    scipy), a TIFF stack, each page a plane, or, of a path, a WFDB record (.hea).

    `kind` None lets the content decide, where .npy is a picture. `frame` and `bit_depth` are for pictures, `array` for
    cubes: which array of a file that holds several. Raises as `read_image`, `read_sound` and `read_cube_samples`.
    """
    kind = optional_form_kind(kind)
    if array is not None and kind != "cube":
        raise CodecError(f"array is {shown(array)}; it is for cubes only: leave it out, or take a model for cubes")
    array = None if array is None else name_argument("array", array)
    with _seekable(source) as file:
        if kind == "cube":
            path = path_argument("source", source) if is_path_argument(source) else None
            return Cube(read_cube_samples(file, path=path, array=array, limits=limits))
        if holds_sound(file, kind):
            return read_sound(file)
        return read_image(file, limits=limits, frame=frame, bit_depth=bit_depth)


def read_sound(source: Bytes | PathLike | BinaryIO, *, model: str | None = None) -> Audio:
    """The sound of a file, in any format that libsndfile reads, or .lcn. Raises `OSError`, `BitstreamError` for bytes
    that are no sound, `CodecError` for other signals.
    """
    with _seekable(source) as file:
        return _read_sound(file, model)


def _read_sound(file: BinaryIO, model: str | None) -> Audio:
    if (blocks := open_sound_blocks(file)) is not None:
        return blocks.audio()
    decoder = decoder_class(first_bytes(file))
    signal = (Lcn(model=model) if decoder is Lcn else decoder()).decode(file.read())
    if not isinstance(signal, Audio):
        raise UnsupportedSignalError(f"the file holds a signal of kind {type(signal).__name__}; needed is a sound")
    return signal


def signal_bytes(signal: Signal, extension: str, *, sample_format: str | None = None) -> bytes:
    """Any signal as a complete file of the format with this extension; `sample_format` of a sound as in `sound_bytes`.
    Raises `CodecError`."""
    extension = typed_argument("extension", extension, str, 'a string such as ".png"')
    typed_argument("the signal", signal, (Image, Audio, Cube), "an Image, Audio or Cube")
    if isinstance(signal, Audio):
        return sound_bytes(signal, extension, sample_format=sample_format)
    if sample_format is not None:
        raise CodecError(f"sample_format is for sounds, this is {type(signal).__name__}: leave it out")
    if isinstance(signal, Image):
        return file_bytes(signal, extension)
    if extension.lower() != ".npy":
        raise UnsupportedSignalError(f"a cube cannot be written as {extension!r}; allowed is .npy")
    return npy_bytes(signal.samples)


def read_image(
    source: Bytes | PathLike | BinaryIO,
    *,
    model: str | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
    bit_depth: BitDepth = 0,
) -> Image:
    """The picture of a file, in any format that Pillow or `open_rows` reads, .npy or .lcn; the content tells which.

    A binary file is read from its start. `model` is for .lcn files made with one that is not shipped. `frame` counts
    frames or pages from 0; None takes the first, and notes where there are more. `bit_depth` of 16-bit samples: 9 to 16, 0
    for what the file says or, with a note, its largest colour needs, or a function to be asked instead of this colour.
    Raises `OSError`, `BitstreamError` for bytes that are no picture, `CodecError` for pictures that `Image` does not hold;
    what is dropped of a file is said by `DroppedWarning`.
    """
    if limits is not None:
        typed_argument("limits", limits, Limits, "a Limits or None")
    with _seekable(source) as file:
        return _read_image(file, model, limits, frame, wanted_bit_depth(bit_depth))


def _read_image(
    file: BinaryIO, model: str | None, limits: Limits | None, frame: int | None, bit_depth: BitDepth
) -> Image:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise TruncatedError("the file is empty; a picture is needed")
    if head.startswith((MAGIC, NPY_MAGIC)):
        check_frame_of_picture_file(frame, 1)
        if head.startswith(MAGIC):
            return decode(file, model=model, limits=limits)
        image = Image.from_array(read_npy(file, allowed=_IMAGE_TYPES, limits=limits or Limits()))
        return replace(image, bit_depth=bit_depth_read(image.samples, 0, bit_depth))
    if rows := open_rows(file, frame=frame):
        check_pixels_of_picture_file(rows.height, rows.width, limits)
        samples = rows.read_rows(rows.height)
        return Image(samples, rows.metadata, bit_depth_read(samples, rows.bit_depth, bit_depth))
    file.seek(0)
    return read_picture_file(file, head, limits=limits, frame=frame, bit_depth=bit_depth)


def write_image(image: Image, target: PathLike | BinaryIO, file_format: str | None = None) -> None:
    """Write a picture, ICC profile and EXIF included, over what may be there.

    `file_format` is an extension ("png"); a path brings its own. .lcn takes quality 50: write what `encode` returns for
    another. Raises `CodecError` for an unknown format and for pictures that the format cannot hold, `OSError`.
    """
    if is_path_argument(target):
        path = path_argument("target", target)
        atomic_write(path, file_bytes(image, path.suffix if file_format is None else file_format), force=True)
    elif file_format is None:
        raise CodecError('a file object has no extension; name the format, as in file_format="png"')
    else:
        writable_file_argument("target", target).write(file_bytes(image, file_format))


def file_bytes(image: Image, extension: str) -> bytes:
    """The picture as a complete file of the format with this extension. Raises `CodecError`."""
    typed_argument("the picture", image, Image, "an Image: Image.from_array and from_pillow make one")
    file_format = format_of(extension)
    if file_format == "LCN":
        return encode(image)
    if file_format == "NPY":
        note_lost_metadata(image.metadata, file_format)
        return npy_bytes(np.asarray(image.upright()))
    is_deep_color = image.is_deep and image.mode != "L"  # not for Pillow
    if file_format in ("PAM", "PPM") or (file_format == "TIFF" and is_deep_color):
        return _bytes_by_rows(image, "." + extension.lower().lstrip("."))
    return picture_file_bytes(image, file_format)


def format_of(extension: str) -> str:
    """Name of a format that can be written: Pillow's, "LCN" or "NPY". Raises `CodecError` for other extensions."""
    extension = typed_argument("extension", extension, str, 'a string such as ".png"')
    dotted = "." + extension.lower().lstrip(".")
    found = _OWN_EXTENSIONS.get(dotted) or PillowImage.registered_extensions().get(dotted, "")
    if found not in (*PillowImage.SAVE, *_OWN_EXTENSIONS.values()):
        raise CodecError(
            f"{extension!r} is no extension of a picture format that can be written; "
            "allowed are .lcn, .npy and those of Pillow: .png, .tif, .webp, .jpg, ...; sounds are written as .wav and .flac"
        )
    return found


def picture_extensions() -> frozenset[str]:
    """Extensions of the files that can be encoded, with their dots, in lower case."""
    known = PillowImage.registered_extensions().items()
    readable = {extension for extension, name in known if name in PillowImage.OPEN}
    return frozenset(readable | ROW_EXTENSIONS | {".npy"}) - {".lcn"}


def signal_extensions() -> frozenset[str]:
    """Extensions of pictures and sounds that can be encoded."""
    return picture_extensions() | SOUND_EXTENSIONS


def _bytes_by_rows(image: Image, extension: str) -> bytes:
    buffer = io.BytesIO()
    image = image if picture_file_keeps_orientation(format_of(extension)) else image.upright()
    samples, metadata, bit_depth = image.samples, image.metadata, image.bit_depth
    with create_rows(
        buffer, extension, shape=samples.shape, dtype=samples.dtype, metadata=metadata, bit_depth=bit_depth
    ) as writer:
        writer.write_rows(samples)
    return buffer.getvalue()


def _picture_of(signal: object) -> Image:
    if not isinstance(signal, Image):
        raise UnsupportedSignalError(f"the file holds a signal of kind {type(signal).__name__}; allowed is a picture")
    return signal


@contextmanager
def _seekable(source: Bytes | PathLike | BinaryIO) -> Iterator[BinaryIO]:
    """The source as a binary file at its start that can seek; one that was opened here is closed at the end."""
    with opened_argument("source", source) as data:
        if isinstance(data, bytes):
            data = io.BytesIO(data)
        file = data if data.seekable() else io.BytesIO(data.read())
        file.seek(0)
        yield file
