"""Pictures <-> files through Pillow. What it would silently cut to 8 bits is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits

# Pillow's defaults for these lose more than a decoded picture should.
_SAVE_OPTIONS: dict[str, dict[str, object]] = {
    "AVIF": {"quality": 95},
    "JPEG": {"quality": 95},
    "WEBP": {"lossless": True, "exact": True},
}


def pillow_bytes(image: Image, file_format: str) -> bytes:
    """The picture as a complete file of one of Pillow's formats, with its metadata. Raises `CodecError`."""
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


def check_pixels(height: int, width: int, limits: Limits | None) -> None:
    """Raise `LimitError` for a picture that is larger than a reader is ready for."""
    most = (limits or Limits()).max_pixels
    if height * width > most:
        raise LimitError(
            f"the picture has {height} x {width} pixels, over the limit of {most}; raise max_pixels to read it"
        )


def read_pillow(file: BinaryIO, head: bytes, limits: Limits | None = None) -> Image:
    """The (first) picture of an open file that starts with `head`. Raises as `files.read_image`."""
    try:
        with PillowImage.open(file) as picture:
            check_pixels(picture.height, picture.width, limits)
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
