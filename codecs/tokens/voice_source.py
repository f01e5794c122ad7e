"""What a voice would be if all its bands were equally loud: pulses at its pitch, noise elsewhere; spectra of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.tokens.band_logs import BLOCK, NUM_BINS
from laconic.codecs.tokens.pitch_classes import UNVOICED, class_lags
from laconic.codecs.tokens.speech_samples import RATE_HZ

if TYPE_CHECKING:
    from jaxtyping import Complex, Float, Int

_HALF: Final = BLOCK // 2
_TIMES: Final = np.arange(2 * BLOCK)
_WINDOW: Final = np.sin(np.pi * (_TIMES + 0.5) / (2 * BLOCK))
_TURNS: Final = np.exp(-1j * np.pi * _TIMES / (2 * BLOCK))  # bins lie at odd multiples of half their distance
_GAIN: Final = (2 / BLOCK) ** 0.5
# Of a voiced block, the share of noise: the least, rising from one frequency to another to the most.
_NOISE_SHARES, _NOISE_HZ = (0.135, 0.9), (2000.0, 5000.0)
_USUAL_LAG: Final = 128.0
_SEED: Final = 0


def spectra(samples: Float[NDArray[np.float64], " t"]) -> Complex[NDArray[np.complex128], "n 256"]:
    """Of blocks of 256 samples, each with half a block of its neighbours; their squares are the powers of `band_logs`."""
    padded = np.pad(samples, _HALF)
    blocks = np.lib.stride_tricks.sliding_window_view(padded, 2 * BLOCK)[::BLOCK]
    return np.asarray(np.fft.fft(blocks * (_WINDOW * _TURNS))[:, :NUM_BINS] * _GAIN)


def samples_of_spectra(blocks: Complex[NDArray[np.complex128], "n 256"]) -> Float[NDArray[np.float64], " t"]:
    """The inverse, but for half a block at both ends."""
    lines = np.fft.ifft(blocks, 2 * BLOCK)
    lines *= _WINDOW * _TURNS.conj() * (2 / _GAIN)
    out = np.zeros((len(blocks) + 1, BLOCK))
    out[:-1] = lines.real[:, :BLOCK]
    out[1:] += lines.real[:, BLOCK:]
    return out.reshape(-1)[_HALF:-_HALF]


def voice_source(
    pitch: Int[NDArray[np.integer], " n"],
) -> tuple[Float[NDArray[np.float64], " t"], Float[NDArray[np.float64], " t"]]:
    """Pulses, for all blocks as if voiced, and noise, the same for the same number of blocks; of mean square 1,
    but for pulses between samples, which lose up to half."""
    periods = np.interp(np.arange(len(pitch) * BLOCK), np.arange(len(pitch)) * BLOCK + _HALF, _lags(pitch))
    noise = np.random.default_rng(_SEED).standard_normal(len(periods))
    return _pulses(periods), noise


def mixed_spectra(
    pulses: Float[NDArray[np.float64], " t"],
    noise: Float[NDArray[np.float64], " t"],
    pitch: Int[NDArray[np.integer], " n"],
) -> Complex[NDArray[np.complex128], "n 256"]:
    """Of the source: noise where there is no pitch, and of voiced blocks mostly above some frequency."""
    shares = np.interp((np.arange(NUM_BINS) + 0.5) * RATE_HZ / 2 / NUM_BINS, _NOISE_HZ, _NOISE_SHARES)
    is_voiced = (pitch != UNVOICED)[:, None]
    hiss = spectra(noise) * np.sqrt(np.where(is_voiced, shares, 1.0))
    return np.asarray(hiss + spectra(pulses) * np.sqrt(np.where(is_voiced, 1 - shares, 0.0)))


def _lags(pitch: Int[NDArray[np.integer], " n"]) -> Float[NDArray[np.float64], " n"]:
    """Periods in samples: those of voiced blocks smoothed over their voiced neighbours, each held where there is none."""
    is_voiced = pitch != UNVOICED
    if not is_voiced.any():
        return np.full(len(pitch), _USUAL_LAG)
    logs = np.log(class_lags())[np.minimum(pitch, UNVOICED - 1)]
    weights = np.pad(is_voiced.astype(np.float64), 1)
    values = np.pad(logs, 1) * weights
    sums = [2 * line[1:-1] + line[:-2] + line[2:] for line in (values, weights)]
    smooth = np.exp(sums[0] / np.maximum(sums[1], 1e-9))
    last = np.maximum.accumulate(np.where(is_voiced, np.arange(len(pitch)), int(is_voiced.argmax())))
    return np.asarray(smooth[last])


def _pulses(periods: Float[NDArray[np.float64], " t"]) -> Float[NDArray[np.float64], " t"]:
    """A pulse wherever a period has passed, between two samples, as loud as one sample in each period."""
    phase = np.cumsum(1 / periods)
    whole = np.floor(phase)
    at = np.flatnonzero(np.diff(whole, prepend=0.0))
    early = (phase[at] - whole[at]) * periods[at]  # samples before `at`, less than one
    heights = np.sqrt(periods[at])
    out = np.zeros(len(periods) + 1)
    out[at + 1] += heights * (1 - early)
    out[at] += heights * early
    return out[1:]
