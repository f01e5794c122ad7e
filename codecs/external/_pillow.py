"""What the codecs built on Pillow share: checks of pictures, writing with metadata, reading one named format safely."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError, features

from laconic.codecs.arguments import typed_argument
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.entropy.errors import BitstreamError, CorruptStreamError, LimitError, TruncatedError

_FEATURES = {"JPEG": "jpg", "WEBP": "webp", "JPEG2000": "jpg_2000", "AVIF": "avif"}
_WRITE_ERRORS = (OSError, ValueError, TypeError, SyntaxError, RuntimeError, OverflowError, struct.error)
# How Pillow's parsers say that the data ends early; there is no exception type for it.
_TRUNCATION_SIGNS = ("truncat", "expected to read", "not enough data")


def check_kind(image: Image, file_format: str, allowed: tuple[str, ...]) -> None:
    """Raise `UnsupportedSignalError` unless the picture's kind ("8-bit RGB") is one of allowed, `CodecError` unless it
    is an `Image`."""
    typed_argument("the signal", image, Image, "an Image: Image.from_array makes one of an array")
    kind = f"{16 if image.is_deep else 8}-bit {image.mode}"
    if kind not in allowed:
        raise UnsupportedSignalError(
            f"the picture is {kind}, which a {file_format} file cannot give back; "
            f"allowed are {', '.join(allowed)}: convert it first"
        )


def check_alpha_is_used(image: Image, file_format: str) -> None:
    """Raise `UnsupportedSignalError` for an alpha channel of 255 only: the libraries leave it out of the file."""
    if image.mode == "RGBA" and bool((image.samples[:, :, 3] == 255).all()):
        raise UnsupportedSignalError(
            f"the picture's alpha is 255 everywhere, which a {file_format} file does not store; "
            "allowed is alpha that varies: pass RGB"
        )


def write_image(image: Image, file_format: str, options: Mapping[str, object]) -> bytes:
    """Return the picture as a file of this Pillow format, its ICC profile and EXIF block offered to the writer.

    Raises `UnsupportedSignalError` when the library refuses the picture (too large, metadata too long).
    """
    _require(file_format)
    metadata = {"icc_profile": image.metadata.get("icc", b""), "exif": image.metadata.get("exif", b"")}
    buffer = io.BytesIO()
    try:
        image.to_pillow().save(buffer, file_format, **options, **metadata)
    except _WRITE_ERRORS as err:
        raise UnsupportedSignalError(
            f"the {image.width} x {image.height} {image.mode} picture cannot be written as {file_format} "
            f"with {dict(options)}: {err}"
        ) from err
    return buffer.getvalue()


def read_image(data: bytes, file_format: str) -> Image:
    """Return the (first) picture of a file that must be of this Pillow format.

    Raises `TruncatedError`, `LimitError` (Pillow's own `MAX_IMAGE_PIXELS`) or `CorruptStreamError`, and
    `UnsupportedSignalError` for a valid file in a pixel mode that `Image` does not hold.
    """
    _require(file_format)
    if len(data) == 0:
        raise TruncatedError(f"the data is empty; a {file_format} file is needed")
    stream = io.BytesIO(data)
    try:
        with PillowImage.open(stream, formats=[file_format]) as picture:
            if picture.mode == "CMYK":  # a codec gives back what it was given, and converts no colours
                raise UnsupportedSignalError(
                    f"the {file_format} file is in CMYK; allowed are grey and RGB: read it with laconic.codecs.open"
                )
            return Image.from_pillow(picture)
    except (CodecError, BitstreamError):
        raise
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning, MemoryError) as err:
        raise LimitError(
            f"the {file_format} file claims a very large picture ({err}): "
            "raise PIL.Image.MAX_IMAGE_PIXELS if you trust it"
        ) from err
    # Hostile bytes make these parsers raise nearly anything (AssertionError, SyntaxError, a warning that the caller
    # turned into an error, ...), so the family cannot be listed.
    except Exception as err:
        raise _bitstream_error(data, file_format, err) from err


def _bitstream_error(data: bytes, file_format: str, err: Exception) -> BitstreamError:
    if isinstance(err, UnidentifiedImageError):  # its message holds a memory address
        return CorruptStreamError(f"the {len(data)} bytes are not a {file_format} file, or its header is damaged")
    if isinstance(err, EOFError) or any(sign in str(err).lower() for sign in _TRUNCATION_SIGNS):
        return TruncatedError(f"the {file_format} file ends early, after {len(data)} bytes: {err}")
    return CorruptStreamError(f"the {file_format} file of {len(data)} bytes is damaged: {err or type(err).__name__}")


def _require(file_format: str) -> None:
    if not features.check(_FEATURES[file_format]):
        raise MissingDependencyError(
            f"the installed Pillow was built without {file_format}; "
            "install a complete one: pip install --force-reinstall 'pillow>=11.3'"
        )
