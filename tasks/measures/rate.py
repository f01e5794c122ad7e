"""Rates, computed from the bytes of a file and nothing else: the only place that does this arithmetic.

The whole file counts, headers and metadata included. `data` is the file itself or its length in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from laconic.codecs.arguments import (
    Bytes,
    positive_number_argument,
    shown,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError

_MOST_BYTES = 1 << 62


def bits_per_pixel(data: bytes | int, shape: Sequence[int]) -> float:
    """Bits of the file per pixel of an image of `shape` (h, w) or (h, w, c); a pixel is one position, not one sample.

    Raises `ValueError` for an empty or differently shaped image.

    >>> bits_per_pixel(b"abc", (4, 3, 3))
    2.0
    """
    try:
        sides = whole_numbers_argument("shape", shape)
    except CodecError:
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise ValueError(
            f"shape {shown(shape)} is not that of an image; allowed is (height, width) or (height, width, channels), "
            "each at least 1: pass the samples' shape"
        )
    return 8 * _num_bytes(data) / (sides[0] * sides[1])


def kilobits_per_second(data: bytes | int, duration_seconds: float) -> float:
    """Thousands of bits of the file per second of sound. Raises `ValueError` for a duration that is not above 0.

    >>> kilobits_per_second(16_000, 4.0)
    32.0
    """
    try:
        seconds = positive_number_argument("duration", duration_seconds)
    except CodecError:
        raise ValueError(
            f"duration is {shown(duration_seconds)} s; allowed is above 0: pass the number of samples over the sample rate"
        ) from None
    return 8 * _num_bytes(data) / 1000 / seconds


def compression_ratio(data: bytes | int, raw_bytes: int) -> float:
    """Bytes of the uncompressed samples per byte of the file. Raises `ValueError` for an empty file.

    >>> compression_ratio(b"abc", 12)
    4.0
    """
    num_bytes = _num_bytes(data)
    if num_bytes == 0:
        raise ValueError("the file has 0 bytes; a ratio needs at least 1: check that encoding succeeded")
    return whole_number_argument("raw_bytes", raw_bytes, 0, _MOST_BYTES) / num_bytes


def _num_bytes(data: bytes | int) -> int:
    if isinstance(data, Bytes):
        return len(data)
    try:
        return whole_number_argument("data", data, 0, _MOST_BYTES)
    except CodecError:
        raise ValueError(
            f"the file has {shown(data)} bytes; allowed is 0 and more: pass the bytes or their number"
        ) from None
