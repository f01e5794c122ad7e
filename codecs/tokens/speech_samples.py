"""Any sound as whole numbers of one channel at 16 kHz, in integer arithmetic."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.codecs.notes import note

if TYPE_CHECKING:
    from jaxtyping import Float, Int

RATE_HZ: Final = 16_000
FULL_SCALE: Final = 1 << 15
_RATES_HZ: Final = (4_000, 384_000)
_HALF_TAPS: Final = 16  # of samples at the lower of both rates
_CUTOFF: Final = 0.95
_KAISER_BETA: Final = 8.0
_TAP_ONE: Final = 1 << 15
_BLOCK: Final = 1 << 16  # samples of one phase at a time


def speech_samples(audio: Audio) -> Int[NDArray[np.int64], " t"]:
    """Samples of 16 bits at 16 kHz, channels mixed, all else resampled; each of these is said as a note.

    Of a sound at 16 kHz the same on every machine, as nothing is rounded but samples and, of other rates, taps of the
    filter. Raises `UnsupportedSignalError` for rates from which no speech at 16 kHz can be made.
    """
    low, high = _RATES_HZ
    if not low <= audio.sample_rate <= high:
        raise UnsupportedSignalError(
            f"the sample rate is {audio.sample_rate} Hz; tokens allow {low} to {high}: resample it first"
        )
    scaled = np.rint(audio.samples.astype(np.float64) * FULL_SCALE)
    if scaled.size and not -FULL_SCALE <= scaled.min() <= scaled.max() <= FULL_SCALE:
        note("samples beyond full scale were cut; scale the sound down first")
    samples = scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int64)
    if len(samples) > 1:
        note(f"{len(samples)} channels were mixed to one; tokens are of one voice")
    mixed: NDArray[np.int64] = samples.sum(axis=0) // len(samples)
    if audio.sample_rate == RATE_HZ:
        return mixed
    note(f"the sound was resampled from {audio.sample_rate} Hz to {RATE_HZ}, the rate of tokens")
    return _resampled(mixed, audio.sample_rate)


def _resampled(samples: Int[NDArray[np.int64], " t"], rate_hz: int) -> Int[NDArray[np.int64], " s"]:
    """By a windowed sinc, a filter for each place between samples."""
    divisor = math.gcd(rate_hz, RATE_HZ)
    up, down = RATE_HZ // divisor, rate_hz // divisor
    stretch = max(1.0, rate_hz / RATE_HZ)
    half = math.ceil(_HALF_TAPS * stretch)
    out = np.zeros(-(-len(samples) * up // down), np.int64)
    padded = np.concatenate([np.zeros(half), samples, np.zeros(half + 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    for first in range(min(up, len(out))):  # outputs `first`, `first + up`, ... lie at one place between samples
        start, phase = divmod(first * down, up)
        taps = _taps(phase / up, half, stretch)
        mine = out[first::up]
        rows = windows[start + 1 :: down][: len(mine)]
        for at in range(0, len(mine), _BLOCK):
            # Whole numbers below 2^53, so that no order of additions rounds.
            sums = rows[at : at + _BLOCK] @ taps
            mine[at : at + _BLOCK] = (sums.astype(np.int64) + _TAP_ONE // 2) // _TAP_ONE
    return out.clip(-FULL_SCALE, FULL_SCALE - 1)


@lru_cache(maxsize=1024)
def _taps(phase: float, half: int, stretch: float) -> Float[NDArray[np.float64], " k"]:
    """Whole numbers: the filter around a place `phase` after a sample, of which `half - 1` more come before."""
    distance = np.arange(1 - half, half + 1) - phase
    window = np.i0(_KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / half) ** 2))) / np.i0(_KAISER_BETA)
    taps = np.sinc(distance * _CUTOFF / stretch) * window
    return np.asarray(np.rint(taps / taps.sum() * _TAP_ONE), np.float64)
