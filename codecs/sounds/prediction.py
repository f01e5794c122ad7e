"""Integer samples <-> what their prediction misses, by the native core, and what an encoder chooses of it (SPEC.md, section
9.11)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.entropy import CorruptStreamError

if TYPE_CHECKING:
    from jaxtyping import Int, UInt

MAX_FORGET: Final = 96
SHIFTS: Final = range(-12, 13)
_START_LOG2: Final = 23  # of residuals of a channel whose filters have shift 0
_ORDER: Final = 16
_FILTER_BITS: Final = 11  # of what the filters see, in the mean: fine enough to learn from, with room for peaks


@dataclass(frozen=True)
class Adaptation:
    """How a stretch is learned: of 256, what older samples lose with every 64, 1 to 96; and steps of the filters."""

    forget: int
    steps: tuple[int, int, int]


# Speech at 16 kHz, and what is heard at higher rates, changes sooner in samples. Measured on an4/train and music/train.
_SLOW_RATE_HZ: Final = 32000
_FORGOTTEN_SECONDS: Final = 1 / 72


def adaptations_at(sample_rate: int) -> tuple[Adaptation, Adaptation]:
    """What suits speech and what music most, the likelier first by the sample rate in Hz."""
    kept_samples = max(sample_rate * _FORGOTTEN_SECONDS, 1)
    forget = min(max(round(256 * 64 / kept_samples), 1), MAX_FORGET)
    speech, music = Adaptation(forget, (65, 70, 200)), Adaptation(forget, (130, 35, 50))
    return (speech, music) if sample_rate < _SLOW_RATE_HZ else (music, speech)


@dataclass(frozen=True)
class ChannelScale:
    """Of one channel of a stretch: `zeros` lowest bits of all samples are 0; `shift` of the filters, -12 to 12."""

    zeros: int
    shift: int


def scale_of_channel(samples: Int[NDArray[np.int32], " t"]) -> ChannelScale:
    """What suits a stretch of at most 2^16 samples."""
    used = int(np.bitwise_or.reduce(samples)) if samples.size else 0
    zeros = (used & -used).bit_length() - 1 if used else 0
    sums = np.empty(_ORDER + 1, np.int64)
    _native.autocorrelate(np.ascontiguousarray(samples >> zeros), sums)
    missed = _prediction_energy(sums.tolist()) / max(len(samples), 1)
    log2 = (math.frexp(missed)[1] - 1) // 2 if missed > 0 else SHIFTS[0]
    return ChannelScale(zeros, min(max(log2 - _FILTER_BITS, SHIFTS[0]), SHIFTS[-1]))


def _prediction_energy(sums: Sequence[int]) -> float:
    """What linear prediction misses of samples with this autocorrelation, by Levinson's recursion."""
    energy, weights = sums[0] * (1 + 1e-9), [1.0]
    for order in range(1, len(sums)):
        if energy <= 0:
            return 0.0
        ratio = -sum(weight * sums[order - i] for i, weight in enumerate(weights)) / energy
        weights = [a + ratio * b for a, b in zip([*weights, 0.0], [0.0, *reversed(weights)], strict=True)]
        energy *= 1 - ratio * ratio
    return energy


def starts_of_residuals(scales: Sequence[ChannelScale]) -> UInt[NDArray[np.uint8], " c"]:
    """How large residuals of each channel are likely to be at first, as `entropy.residuals` takes it."""
    return np.array([_START_LOG2 + scale.shift for scale in scales], np.uint8)


def predicted_residuals(
    samples: Int[NDArray[np.int32], "c t"], bits: int, adaptation: Adaptation, scales: Sequence[ChannelScale]
) -> Int[NDArray[np.int32], "c t"]:
    """What prediction misses of (c, t) samples of so many bits."""
    zeros = np.array([scale.zeros for scale in scales], np.int32)
    short = np.ascontiguousarray(samples >> zeros[:, None])
    residuals = np.empty_like(short)
    _native.sound_residuals(short, residuals, *_native_rules(bits, adaptation, scales))
    return residuals


def restore_predicted(
    residuals: Int[NDArray[np.int32], "c t"], bits: int, adaptation: Adaptation, scales: Sequence[ChannelScale]
) -> None:
    """Residuals to samples, in place. Raises `CorruptStreamError` where these have more bits."""
    if not _native.restore_sound(residuals, *_native_rules(bits, adaptation, scales)):
        raise CorruptStreamError(f"the sound has samples of more than {bits} bits; the file is damaged")
    residuals <<= np.array([scale.zeros for scale in scales], np.int32)[:, None]


def _native_rules(
    bits: int, adaptation: Adaptation, scales: Sequence[ChannelScale]
) -> tuple[int, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int8]]:
    left = np.array([bits - scale.zeros for scale in scales], np.uint8)
    shifts = np.array([scale.shift for scale in scales], np.int8)
    return adaptation.forget, np.array(adaptation.steps, np.uint8), left, shifts
