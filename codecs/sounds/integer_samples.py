"""Samples of a sound <-> the integers that they stand for: those of a file of at most 24 bits are exact in float32; decoded
samples are rounded to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MAX_BITS: Final = 24
_FEWER_BITS: Final = 16


@dataclass(frozen=True, eq=False)
class IntegerSamples:
    """(c, t) integers of `bits`: 2^(bits - 1) is full scale."""

    values: Int[NDArray[np.int32], "c t"]
    bits: int


def integers_of_sound(audio: Audio) -> IntegerSamples:
    """The integers of a sound, of 16 bits where these are enough, else of 24. Raises `UnsupportedSignalError` where a
    sample is none."""
    scaled = audio.samples * np.float32(1 << (MAX_BITS - 1))  # exact, as it is a power of two
    is_integer = (scaled == np.rint(scaled)) & (np.abs(scaled + np.float32(0.5)) < 1 << (MAX_BITS - 1))
    if not is_integer.all():
        channel, time = np.argwhere(~is_integer)[0]
        raise UnsupportedSignalError(
            f"sample {time} of channel {channel} is {audio.samples[channel, time]:.9g}; lossless files hold integers of 16 "
            "or 24 bits, which are multiples of 2**-23 from -1 to below 1: convert the sound to one of these, or leave "
            "lossless out"
        )
    values = scaled.astype(np.int32)
    fewer = MAX_BITS - _FEWER_BITS
    if not np.bitwise_or.reduce(values, axis=None) & ((1 << fewer) - 1):
        return IntegerSamples(values >> fewer, _FEWER_BITS)
    return IntegerSamples(values, MAX_BITS)


def samples_of_integers(integers: IntegerSamples) -> Float[NDArray[np.float32], "c t"]:
    """The samples that `integers_of_sound` took."""
    return integers.values.astype(np.float32) * np.float32(2.0 ** (1 - integers.bits))


def nearest_integers(
    samples: Float[NDArray[np.float32], "c t"], bits: int
) -> tuple[Int[NDArray[np.int32], "c t"], int]:
    """The integers of so many bits that a file has of samples, and how many were clipped for that. Full scale itself, 1, is
    clipped but does not count."""
    scale = np.float32(1 << (bits - 1))
    scaled = np.rint(np.clip(samples, -2, 2) * scale)
    num_beyond = int(np.count_nonzero(np.abs(scaled) > scale))
    return np.clip(scaled, -scale, scale - 1).astype(np.int32), num_beyond
