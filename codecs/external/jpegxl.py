"""JPEG XL, by libjxl through imagecodecs: `pip install imagecodecs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from laconic.codecs.arguments import Bytes, PathLike, read_bytes_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import MissingDependencyError, UnsupportedSignalError
from laconic.codecs.external._pillow import check_kind
from laconic.codecs.media import Image
from laconic.entropy.container import Limits
from laconic.entropy.errors import BitstreamError, CorruptStreamError, LimitError, TruncatedError

_SIGNATURE = b"\xff\x0a"  # of a bare codestream (ISO/IEC 18181-1)
_LONGEST_SIZE_BYTES = 10  # the signature, and two sides of 32 bits with 4 bits between them
_SIDE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # of width to height, by number from 1 on
# What libjxl and imagecodecs say where the file ends early.
_TRUNCATION_SIGNS = ("NEED_MORE_INPUT", "could not determine frame count")


@dataclass(frozen=True)
class JpegXL:
    """JPEG XL at quality 0 to 100, `effort` 1 (fast) to 10 (small). 8-bit grey and RGB, with and without alpha.

    Quality becomes a Butteraugli distance as in libjxl's own `JxlEncoderDistanceFromQuality`: 90 is 1, 30 is 6.4, 0 is
    25. 100 is lossless; alpha is lossless always. The file is a bare codestream without metadata. One thread.
    """

    quality: int = 75
    effort: int = 7

    name: ClassVar[str] = "jpegxl"
    usual_curves: ClassVar = {"image": ("quality=5|20|45|70|85",)}

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            quality=whole_number_argument("JPEG XL quality", self.quality, 0, 100),
            effort=whole_number_argument("JPEG XL effort", self.effort, 1, 10),
        )

    def encode(self, signal: Image) -> bytes:
        check_kind(signal, "JPEG XL", ("8-bit L", "8-bit LA", "8-bit RGB", "8-bit RGBA"))
        library = _imagecodecs()
        samples = np.ascontiguousarray(np.asarray(signal))
        try:
            data = library.jpegxl_encode(
                samples,
                effort=self.effort,
                distance=_distance_of_quality(self.quality),
                lossless=self.quality == 100,
                usecontainer=False,
                numthreads=1,
            )
        except (RuntimeError, ValueError, MemoryError) as err:
            raise UnsupportedSignalError(
                f"the {signal.width} x {signal.height} {signal.mode} picture cannot be written as JPEG XL: {err}"
            ) from err
        return bytes(data)

    def decode(self, data: Bytes | PathLike) -> Image:
        data = read_bytes_argument("data", data)
        _check_size(data)
        try:
            samples = _imagecodecs().jpegxl_decode(data, index=0, numthreads=1)
        except MissingDependencyError:
            raise
        except Exception as err:  # of a damaged header numpy and imagecodecs raise nearly anything
            raise _bitstream_error(data, err) from err
        samples = samples[:, :, None] if samples.ndim == 2 else samples
        if samples.dtype != np.uint8 or samples.ndim != 3 or samples.shape[2] > 4:
            raise UnsupportedSignalError(
                f"the JPEG XL file holds {samples.dtype} samples {samples.shape}; allowed are 8-bit grey and RGB"
            )
        return Image(samples)


def _distance_of_quality(quality: int) -> float:
    """lib/jxl/encode.cc of libjxl 0.11."""
    if quality == 100:
        return 0.0
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality**2 - 23 / 20 * quality + 25


def _check_size(data: bytes) -> None:
    """Raise unless these bytes start as a codestream of a picture that is not too large."""
    if not data:
        raise TruncatedError("the data is empty; a JPEG XL file is needed")
    if data == _SIGNATURE[:1]:
        raise TruncatedError("the JPEG XL file ends early, after 1 byte")
    if not data.startswith(_SIGNATURE):
        raise CorruptStreamError(f"the {len(data)} bytes are not a JPEG XL codestream, or its header is damaged")
    height, width = _claimed_size(data[:_LONGEST_SIZE_BYTES].ljust(_LONGEST_SIZE_BYTES, b"\0"))
    if height * width > Limits().max_pixels:
        raise LimitError(f"the file claims {width} x {height} pixels; allowed are {Limits().max_pixels} in all")


def _claimed_size(head: bytes) -> tuple[int, int]:
    """(height, width) of the SizeHeader (ISO/IEC 18181-1, annex D), whose bits start with the lowest of each byte."""
    bits = int.from_bytes(head[len(_SIGNATURE) :], "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take(_SIDE_BITS[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return height, side()
    numerator, denominator = _RATIOS[ratio - 1]
    return height, height * numerator // denominator


def _bitstream_error(data: bytes, err: Exception) -> BitstreamError:
    if any(sign in str(err) for sign in _TRUNCATION_SIGNS):
        return TruncatedError(f"the JPEG XL file ends early, after {len(data)} bytes: {err}")
    return CorruptStreamError(f"the JPEG XL file of {len(data)} bytes is damaged: {err or type(err).__name__}")


def _imagecodecs() -> Any:
    try:
        import imagecodecs

        if imagecodecs.JPEGXL.available:
            return imagecodecs
        reason = "it was built without libjxl"
    except ImportError as err:
        reason = str(err)
    raise MissingDependencyError(
        f"JPEG XL needs imagecodecs, which cannot be used ({reason}); install it: pip install imagecodecs"
    )
