"""Pictures <-> files: the only place that opens media files.

`encode` and `decode` turn anything that is a picture in Python into .lcn bytes and back; `read_image` and `write_image`
take every format that Pillow knows, .npy arrays and .lcn. What Pillow would silently cut to 8 bits is refused.
"""

from __future__ import annotations

import errno
import io
import math
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.optimizer import DEFAULT_EFFORT
from laconic.codecs.quantizer import NUM_STEP_CODES
from laconic.codecs.sandwich import Sandwich
from laconic.codecs.sound_files import SOUND_EXTENSIONS, is_sound, sound_bytes, sound_of_file
from laconic.codecs.transform import Kind
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits, TruncatedError
from laconic.entropy.container import MAGIC

_HEAD_BYTES = 1 << 16
_SOUND_HEAD_BYTES = 16
_IMAGE_TYPES = (np.uint8, np.uint16)
_CUBE_TYPES = (np.uint8, np.uint16, np.int16, np.float32)
_NPY_MAGIC = b"\x93NUMPY"
_OWN_EXTENSIONS = {".lcn": "LCN", ".npy": "NPY"}
# Pillow's defaults for these lose more than a decoded picture should.
_SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "AVIF": {"quality": 95},
    "JPEG": {"quality": 95},
    "WEBP": {"lossless": True, "exact": True},
}
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def encode(
    picture: Any,
    *,
    quality: int = 50,
    bits_per_pixel: float | None = None,
    max_bytes: int | None = None,
    model: str | None = None,
    profile: Literal["fast", "small"] = "small",
    effort: int = DEFAULT_EFFORT,
) -> bytes:
    """A picture as an .lcn file; likewise a sound or cube.

    `picture`: an `Image`, a Pillow image, a numpy array (h, w) or (h, w, c), or a torch tensor (c, h, w); uint8 or
    uint16; or an `Audio` or `Cube`. `bits_per_pixel` or `max_bytes`, one of them, replaces `quality` by the best that
    fits, found by encoding. `model`: a shipped name or a path. `profile` and `effort` as in `Sandwich`. Raises
    `CodecError`, also where even the coarsest step needs more bytes.

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
    if max_bytes is None:
        return Sandwich(quality=quality, model=model, profile=profile, effort=effort).encode(signal)
    return _best_within(signal, max_bytes, Sandwich(model=model, profile=profile, effort=effort))


def decode(
    data: bytes | BinaryIO,
    *,
    channels: int | None = None,
    model: str | None = None,
    limits: Limits | None = None,
    allow_partial: bool = False,
) -> Image:
    """The picture of an .lcn file, by linear synthesis.

    Arguments as in `Sandwich.unpack`. With `channels`, from the first of them only, without alpha. With
    `allow_partial`, what is damaged or missing is left out without notice: `Sandwich.unpack` tells what it is. Raises
    `BitstreamError` or `CodecError`.
    """
    codec = Sandwich(model=model)
    signal = codec.synthesize(codec.unpack(data, channels=channels, limits=limits, allow_partial=allow_partial))
    if not isinstance(signal, Image):
        raise UnsupportedSignalError(
            f"the file holds a signal of kind {type(signal).__name__}; allowed is a picture: use Sandwich().decode"
        )
    return signal


def read_signal(source: BinaryIO, *, kind: Kind | None = None) -> Signal:
    """What a file that can seek holds: a picture, a sound, or, where `kind` is "cube", a cube (.npy).

    `kind` None lets the content decide, where .npy is a picture. Raises as `read_image` and `read_sound`.
    """
    head = source.read(_SOUND_HEAD_BYTES)
    source.seek(0)
    if kind == "cube":
        return Cube(_read_npy(source, allowed=_CUBE_TYPES))
    if kind == "sound" or (kind is None and is_sound(head)):
        return read_sound(source)
    return read_image(source)


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
    if not head.startswith(MAGIC):
        return sound_of_file(file)
    signal = Sandwich(model=model).decode(file.read())
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


def read_image(source: str | os.PathLike[str] | BinaryIO, *, model: str | None = None) -> Image:
    """The (first) picture of a file, in any format that Pillow reads, .npy or .lcn; the content tells which.

    A binary file is read from its start. `model` is for .lcn files made with one that is not shipped. Raises `OSError`,
    `BitstreamError` for bytes that are no picture, `CodecError` for pictures that `Image` does not hold.
    """
    if isinstance(source, str | os.PathLike):
        with Path(source).open("rb") as opened:
            return read_image(opened, model=model)
    file = source if source.seekable() else io.BytesIO(source.read())
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise TruncatedError("the file is empty; a picture is needed")
    if head.startswith(MAGIC):
        return decode(file.read(), model=model)
    if head.startswith(_NPY_MAGIC):
        return Image.from_array(_read_npy(file, allowed=_IMAGE_TYPES))
    return _read_pillow(file, head)


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
        return _npy_bytes(np.asarray(image))
    buffer = io.BytesIO()
    names = (("icc_profile", "icc"), ("exif", "exif"))
    metadata = {option: image.metadata[name] for option, name in names if name in image.metadata}
    try:
        image.to_pillow().save(buffer, file_format, **_SAVE_OPTIONS.get(file_format, {}), **metadata)
    except CodecError:
        raise
    except Exception as err:  # each of Pillow's writers has its own
        raise UnsupportedSignalError(
            f"a {image.width}x{image.height} {image.bit_depth}-bit {image.mode} picture cannot be written as "
            f"{file_format} ({err}); png takes all but 16-bit colour, npy takes all"
        ) from err
    return buffer.getvalue()


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
    return frozenset([".npy", *(extension for extension, name in known if name in PillowImage.OPEN)]) - {".lcn"}


def signal_extensions() -> frozenset[str]:
    """Extensions of pictures and sounds that can be encoded."""
    return picture_extensions() | SOUND_EXTENSIONS


def atomic_write(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> None:
    """Write a file that has its name only when it is complete and on disk.

    Without `force`, a file of that name is never replaced: `FileExistsError`. Raises `OSError`; leaves nothing behind.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # /dev/null, a pipe, a folder
        raise OSError(errno.EINVAL, "is no ordinary file, so it cannot be replaced", str(path))
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
        else:
            _link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, path: Path) -> None:
    """Give a complete file its name; fails, in one step of the file system, where the name is taken."""
    try:
        os.link(part, path)
    except OSError as err:
        if err.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from err
        part.replace(path)  # not race-free, but FAT and some network file systems offer nothing better


def _npy_bytes(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _signal_of(picture: Any) -> Signal:
    if isinstance(picture, Image | Audio | Cube):
        return picture
    return Image.from_pillow(picture) if isinstance(picture, PillowImage.Image) else Image.from_array(picture)


def _best_within(signal: Signal, max_bytes: int, codec: Sandwich) -> bytes:
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


def _read_npy(file: BinaryIO, *, allowed: tuple[type[np.generic], ...]) -> NDArray[Any]:
    """An array of these types in native byte order; its size is checked against the file's before anything is allocated."""
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
    data, expected = file.read(), math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise CorruptStreamError(
            f"the .npy file has {len(data)} bytes of samples, its shape {shape} needs {expected}; copy the file again"
        )
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("=")))


def _read_pillow(file: BinaryIO, head: bytes) -> Image:
    try:
        with PillowImage.open(file) as picture:
            if _is_cut(head, picture):
                raise UnsupportedSignalError(
                    f"this {picture.format} file has more than 8 bits a colour, which would be read with 8 only; "
                    "allowed are 8-bit colour files and 16-bit grey: convert the file, or pass a uint16 array (.npy)"
                )
            return Image.from_pillow(picture)
    except (CodecError, BitstreamError):
        raise
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning, MemoryError) as err:
        raise LimitError(
            f"the file claims a very large picture ({err}); raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from err
    except UnidentifiedImageError as err:  # its message holds a memory address
        raise CorruptStreamError(
            f"the file starts with {head[:8]!r}, as no picture that can be read here; check the file type"
        ) from err
    except Exception as err:  # hostile bytes make Pillow's parsers raise nearly anything
        if isinstance(err, OSError) and err.errno is not None:  # the disk's fault, not the file's
            raise
        raise CorruptStreamError(f"the picture is damaged: {err or type(err).__name__}") from err


def _is_cut(head: bytes, picture: PillowImage.Image) -> bool:
    """Whether Pillow gives 8 bits of deeper samples, where `Image.from_pillow` cannot know."""
    if picture.mode.startswith("I"):
        return False
    if picture.format == "JPEG2000":
        return any((depth & 0x7F) + 1 > 8 for depth in _jpeg2000_depths(head) if depth != 0xFF)
    if picture.format == "AVIF":
        # AV1 in ISO base media, 2.3.3: bit 6 of the third byte of an av1C box is high_bitdepth.
        boxes = head.partition(b"mdat")[0].split(b"av1C")[1:]
        return any(len(box) > 2 and box[2] & 0x40 for box in boxes)
    return False


def _jpeg2000_depths(head: bytes) -> Sequence[int]:
    """Sign bit and depth - 1 of the components; 0xFF where they differ and stand elsewhere (ISO/IEC 15444-1)."""
    if head.startswith(b"\xff\x4f\xff\x51"):  # a codestream: SOC and SIZ (A.5.1)
        # Component count at byte 40, then three bytes each, the depth first.
        return head[42 : 42 + 3 * int.from_bytes(head[40:42], "big") : 3]
    _, found, box = head.partition(b"ihdr")  # height, width, number of components, depth (I.5.3.1)
    return box[10:11] if found else b""
