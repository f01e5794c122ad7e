"""Pictures <-> files: the only place that opens media files.

`encode` and `decode` turn anything that is a picture in Python into .lcn bytes and back; `read_image` and `write_image`
take every format that Pillow knows, .npy arrays and .lcn. What Pillow would silently cut to 8 bits is refused.
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Kind
from laconic.codecs.formats.foreign_files import refuse_foreign
from laconic.codecs.formats.picture_files import (
    check_frame,
    check_pixels,
    keeps_orientation,
    note_lost_metadata,
    pillow_bytes,
    read_pillow,
)
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, create_rows, open_rows
from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS, is_sound, sound_bytes, sound_of_file
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.registry import HEAD_BYTES, decoder_class
from laconic.codecs.steps import NUM_STEP_CODES
from laconic.codecs.transform.rate_distortion import DEFAULT_EFFORT
from laconic.codecs.whole_files import atomic_write
from laconic.entropy import CorruptStreamError, Limits, TruncatedError
from laconic.entropy.container import MAGIC

_HEAD_BYTES = 1 << 16
_SOUND_HEAD_BYTES = 16
_IMAGE_TYPES = (np.uint8, np.uint16)
_CUBE_TYPES = (np.uint8, np.uint16, np.int16, np.float32)
_NPY_MAGIC = b"\x93NUMPY"
_OWN_EXTENSIONS = {".lcn": "LCN", ".npy": "NPY", ".pam": "PAM"}


def encode(
    picture: Any,
    *,
    quality: int = 50,
    bits_per_pixel: float | None = None,
    max_bytes: int | None = None,
    model: str | None = None,
    profile: Literal["fast", "small"] = "small",
    effort: int = DEFAULT_EFFORT,
    threads: int = 1,
) -> bytes:
    """A picture as an .lcn file; likewise a sound or cube.

    `picture`: an `Image`, a Pillow image, a numpy array (h, w) or (h, w, c), or a torch tensor (c, h, w); uint8 or
    uint16; or an `Audio` or `Cube`. `bits_per_pixel` or `max_bytes`, one of them, replaces `quality` by the best that
    fits, found by encoding. `model`: a shipped name or a path. `profile`, `effort` and `threads` as in `Lcn`.
    Raises `CodecError`, also where even the coarsest step needs more bytes.

    >>> data = encode(np.zeros((30, 50, 3), np.uint8), max_bytes=200)
    >>> decode(data).mode
    'RGB'
    """
    signal = _signal_of(picture)
    if bits_per_pixel is not None:
        if not isinstance(signal, Image):
            raise CodecError(f"bits_per_pixel is for pictures, this is {type(signal).__name__}; give max_bytes")
        if max_bytes is not None:
            raise CodecError("both bits_per_pixel and max_bytes are given; allowed is one of them")
        if not (bits_per_pixel > 0 and math.isfinite(bits_per_pixel)):
            raise CodecError(f"bits_per_pixel is {bits_per_pixel}; allowed is a number above 0")
        max_bytes = int(bits_per_pixel * signal.width * signal.height / 8)
    codec = Lcn(quality=quality, model=model, profile=profile, effort=effort, threads=threads)
    return codec.encode(signal) if max_bytes is None else _best_within(signal, max_bytes, codec)


def decode(
    data: bytes | BinaryIO,
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
    """The picture of an .lcn file, or part of it: see `Lcn.decode_area`.

    `region` (x, y, width, height) in the picture's pixels; `scale` 2, 4 or 8 gives a picture of 1/scale the size. With
    `channels`, from the first latent channels only, without alpha. With `allow_partial`, what is damaged or missing is
    left out without notice: `Lcn.decode_area` tells what it is. `synthesis` is that of `Lcn`. Raises
    `BitstreamError` or `CodecError`.
    """
    decoder = decoder_class(_first_bytes(data))
    if decoder is not Lcn:
        if (region, scale, channels) != (None, 1, None):
            raise CodecError(f"codec {decoder().name!r} decodes whole files; leave region, scale and channels out")
        return _picture_of(decoder().decode(data if isinstance(data, bytes) else data.read()))
    image, _ = Lcn(model=model, threads=threads, synthesis=synthesis).decode_area(
        data, region=region, scale=scale, channels=channels, limits=limits, allow_partial=allow_partial
    )
    return image


def read_signal(
    source: BinaryIO, *, kind: Kind | None = None, limits: Limits | None = None, frame: int | None = None
) -> Signal:
    """What a file that can seek holds: a picture, a sound, or, where `kind` is "cube", a cube (.npy).

    `kind` None lets the content decide, where .npy is a picture. `limits` and `frame` are for pictures. Raises as
    `read_image` and `read_sound`.
    """
    source.seek(0)
    head = source.read(_SOUND_HEAD_BYTES)
    source.seek(0)
    if kind == "cube":
        return Cube(_read_npy(source, allowed=_CUBE_TYPES))
    if kind == "sound" or (kind is None and is_sound(head)):
        return read_sound(source)
    return read_image(source, limits=limits, frame=frame)


def read_sound(source: str | os.PathLike[str] | BinaryIO, *, model: str | None = None) -> Audio:
    """The sound of a file, in any format that libsndfile reads, or .lcn. Raises `OSError`, `BitstreamError` for bytes
    that are no sound, `CodecError` for other signals.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as opened:
            return read_sound(opened, model=model)
    file = source if source.seekable() else io.BytesIO(source.read())
    file.seek(0)
    head = file.read(_SOUND_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise TruncatedError("the file is empty; a sound is needed")
    refuse_foreign(head)
    if not head.startswith(MAGIC):
        return sound_of_file(file)
    decoder = decoder_class(head)
    signal = (Lcn(model=model) if decoder is Lcn else decoder()).decode(file.read())
    if not isinstance(signal, Audio):
        raise UnsupportedSignalError(f"the file holds a signal of kind {type(signal).__name__}; needed is a sound")
    return signal


def signal_bytes(signal: Signal, extension: str) -> bytes:
    """Any signal as a complete file of the format with this extension. Raises `CodecError`."""
    if isinstance(signal, Image):
        return file_bytes(signal, extension)
    if isinstance(signal, Audio):
        return sound_bytes(signal, extension)
    if extension.lower() != ".npy":
        raise UnsupportedSignalError(f"a cube cannot be written as {extension!r}; allowed is .npy")
    return _npy_bytes(signal.samples)


def read_image(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    model: str | None = None,
    limits: Limits | None = None,
    frame: int | None = None,
) -> Image:
    """The picture of a file, in any format that Pillow or `open_rows` reads, .npy or .lcn; the content tells which.

    A binary file is read from its start. `model` is for .lcn files made with one that is not shipped. `frame` counts
    frames or pages from 0; None takes the first, and notes where there are more. Raises `OSError`, `BitstreamError` for
    bytes that are no picture, `CodecError` for pictures that `Image` does not hold; what is dropped of a file is said by
    `DroppedWarning`.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as opened:
            return read_image(opened, model=model, limits=limits, frame=frame)
    file = source if source.seekable() else io.BytesIO(source.read())
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise TruncatedError("the file is empty; a picture is needed")
    if head.startswith((MAGIC, _NPY_MAGIC)):
        check_frame(frame, 1)
        if head.startswith(MAGIC):
            return decode(file, model=model, limits=limits)
        return Image.from_array(_read_npy(file, allowed=_IMAGE_TYPES, limits=limits or Limits()))
    if rows := open_rows(file, frame=frame):
        check_pixels(rows.height, rows.width, limits)
        return Image(rows.read_rows(rows.height), rows.metadata)
    file.seek(0)
    return read_pillow(file, head, limits=limits, frame=frame)


def write_image(image: Image, target: str | os.PathLike[str] | BinaryIO, file_format: str | None = None) -> None:
    """Write a picture, ICC profile and EXIF included, over what may be there.

    `file_format` is an extension ("png"); a path brings its own. .lcn takes quality 50: write what `encode` returns for
    another. Raises `CodecError` for an unknown format and for pictures that the format cannot hold, `OSError`.
    """
    if isinstance(target, str | os.PathLike):
        atomic_write(target, file_bytes(image, file_format or Path(target).suffix), force=True)
    elif file_format is None:
        raise CodecError('a file object has no extension; name the format, as in file_format="png"')
    else:
        target.write(file_bytes(image, file_format))


def file_bytes(image: Image, extension: str) -> bytes:
    """The picture as a complete file of the format with this extension. Raises `CodecError`."""
    file_format = format_of(extension)
    if file_format == "LCN":
        return encode(image)
    if file_format == "NPY":
        note_lost_metadata(image.metadata, file_format)
        return _npy_bytes(np.asarray(image.upright()))
    is_deep_color = image.bit_depth == 16 and image.mode != "L"  # not for Pillow
    if file_format in ("PAM", "PPM") or (file_format == "TIFF" and is_deep_color):
        return _bytes_by_rows(image, "." + extension.lower().lstrip("."))
    return pillow_bytes(image, file_format)


def format_of(extension: str) -> str:
    """Name of a format that can be written: Pillow's, "LCN" or "NPY". Raises `CodecError` for other extensions."""
    dotted = "." + extension.lower().lstrip(".")
    found = _OWN_EXTENSIONS.get(dotted) or PillowImage.registered_extensions().get(dotted, "")
    if found not in (*PillowImage.SAVE, *_OWN_EXTENSIONS.values()):
        raise CodecError(
            f"{extension!r} is no extension of a picture format that can be written; "
            "allowed are .lcn, .npy and those of Pillow: .png, .tif, .webp, .jpg, ..."
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
    image = image if keeps_orientation(format_of(extension)) else image.upright()
    samples = image.samples
    with create_rows(buffer, extension, shape=samples.shape, dtype=samples.dtype, metadata=image.metadata) as writer:
        writer.write_rows(samples)
    return buffer.getvalue()


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _first_bytes(data: bytes | BinaryIO) -> bytes:
    """As many as tell which codec decodes a file, which stays where it is; none of a pipe that shows nothing beforehand."""
    if isinstance(data, io.BufferedReader):
        return data.peek(HEAD_BYTES)
    if isinstance(data, bytes) or not data.seekable():
        return data[:HEAD_BYTES] if isinstance(data, bytes) else b""
    position = data.tell()
    head = data.read(HEAD_BYTES)
    data.seek(position)
    return head


def _picture_of(signal: object) -> Image:
    if not isinstance(signal, Image):
        raise UnsupportedSignalError(f"the file holds a signal of kind {type(signal).__name__}; allowed is a picture")
    return signal


def _signal_of(picture: Any) -> Signal:
    if isinstance(picture, Image | Audio | Cube):
        return picture
    return Image.from_pillow(picture) if isinstance(picture, PillowImage.Image) else Image.from_array(picture)


def _best_within(signal: Signal, max_bytes: int, codec: Lcn) -> bytes:
    """The file of the finest step that fits, by bisection over step codes.

    Three codes share one transform, the two steps of bisection that they serve; more would need memory for each.
    """
    low, high = 0, NUM_STEP_CODES  # steps below `low` do not fit; `high` fits, or is no step
    best, smallest = None, 0
    while low < high:
        middle = (low + high) // 2
        codes = tuple(sorted({(low + middle) // 2, middle, min((middle + 1 + high) // 2, NUM_STEP_CODES - 1)}))
        latents = dict(zip(codes, codec.analyze_steps(signal, codes), strict=True))
        while low < high and (code := (low + high) // 2) in latents:
            data = codec.pack(latents[code])
            if len(data) <= max_bytes:
                best, high = data, code
            else:
                low, smallest = code + 1, len(data)
    if best is None:
        raise CodecError(
            f"the smallest possible file has {smallest} bytes, over the limit of {max_bytes}; "
            "allow more or reduce the signal"
        )
    return best


def _read_npy(file: BinaryIO, *, allowed: tuple[type[np.generic], ...], limits: Limits | None = None) -> NDArray[Any]:
    """An array of these types in native byte order; its size is checked against the file's before anything is allocated,
    and against the limits of a picture where they are given."""
    try:
        version = np.lib.format.read_magic(file)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, is_fortran, dtype = read_header(file)
    except Exception as err:  # numpy evaluates the header as Python source, which can fail in any way
        raise CorruptStreamError(f"the header of the .npy file is damaged: {err}") from err
    if dtype.newbyteorder("=") not in [np.dtype(kind) for kind in allowed]:
        names = ", ".join(kind.__name__ for kind in allowed)
        raise UnsupportedSignalError(f"image samples are {dtype}; allowed are {names}: convert them first")
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnsupportedSignalError(f"the array has shape {shape}; allowed are two or three sides, none empty")
    if limits is not None:
        check_pixels(shape[0], shape[1], limits)
    data, expected = file.read(), math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise CorruptStreamError(
            f"the .npy file has {len(data)} bytes of samples, its shape {shape} needs {expected}; copy the file again"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("=")))
