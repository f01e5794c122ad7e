"""How far the short-time spectra of decoded sound are from those of its original, at three resolutions at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.tasks.measures.sound_distortion import checked_pair

if TYPE_CHECKING:
    from jaxtyping import Num

# FFT size, hop and window in samples, and the least power: Yamamoto, Song, Kim, "Parallel WaveGAN", ICASSP 2020, table 1,
# and the code of its reimplementation (kan-bayashi/ParallelWaveGAN, stft_loss.py).
_RESOLUTIONS: Final = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
_LEAST_POWER = 1e-7
_LEAST_SAMPLES = 1025  # to mirror half of the longest FFT
_BLOCK_FRAMES = 512  # spectra held at a time


def stft_distance(reference: Audio | Num[NDArray[Any], "*c t"], other: Audio | Num[NDArray[Any], "*c t"]) -> float:
    """Multi-resolution STFT distance: mean over three resolutions of spectral convergence and log magnitude; 0 if equal.

    Of the magnitudes X and Y of all channels, frames and bins: |X - Y| / |X| by their Euclidean norms, plus the mean of
    |ln X - ln Y|. FFTs of 512, 1024 and 2048 samples at any sample rate; periodic Hann windows centred in them; the ends
    are mirrored for half an FFT; powers are raised to 1e-7, samples being within -1 to 1.

    Raises `ValueError` where the shapes differ, `UnsupportedSignalError` for less than 1,025 samples.

    Source: Yamamoto, Song, Kim 2020, equations 4 to 6, without the training's other terms.
    """
    x, y = checked_pair(reference, other)
    if x.shape[1] < _LEAST_SAMPLES:
        raise UnsupportedSignalError(
            f"the sound has {x.shape[1]} samples; the STFT distance allows {_LEAST_SAMPLES} and more: leave it out"
        )
    return float(np.mean([_distance(x, y, *resolution) for resolution in _RESOLUTIONS]))


def _distance(x: NDArray[np.float64], y: NDArray[np.float64], fft_length: int, hop: int, window_length: int) -> float:
    start = (fft_length - window_length) // 2
    window = np.sin(np.pi * np.arange(window_length) / window_length) ** 2
    frames = [_frames(signal, fft_length, hop)[..., start : start + window_length] for signal in (x, y)]
    energy, error, logarithms, count = 0.0, 0.0, 0.0, 0
    for first in range(0, frames[0].shape[1], _BLOCK_FRAMES):
        powers = (_powers(part[:, first : first + _BLOCK_FRAMES] * window, fft_length) for part in frames)
        one, two = powers
        energy += float(one.sum())
        error += float(np.square(np.sqrt(one) - np.sqrt(two)).sum())
        logarithms += float(np.abs(np.log(one / two)).sum()) / 2
        count += one.size
    return float(np.sqrt(error / energy)) + logarithms / count


def _frames(signal: NDArray[np.float64], fft_length: int, hop: int) -> NDArray[np.float64]:
    """(c, t) -> (c, frames, fft_length), around every hop-th sample."""
    mirrored = np.pad(signal, ((0, 0), (fft_length // 2, fft_length // 2)), mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(mirrored, fft_length, axis=1)[:, ::hop]


def _powers(frames: NDArray[np.float64], fft_length: int) -> NDArray[np.float64]:
    """Where in the FFT the window lies changes no magnitude, so that it starts with it."""
    spectra = np.fft.rfft(frames, fft_length)
    return np.maximum(spectra.real**2 + spectra.imag**2, _LEAST_POWER)
