"""How far decoded sound is from its original: SNR, SI-SDR and a distance of log-mel spectra.

All take `Audio` values or arrays, (channels, t) or (t,), and compute in double precision. SNR and SI-SDR ask for the
waveform, which codecs made for the ear do not keep; the log-mel distance compares what hearing and most models that
listen get to see: short-time power in bands, on a logarithmic scale, without phase.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import shown, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.media import Audio

if TYPE_CHECKING:
    from jaxtyping import Float, Num

Sound = Audio | NDArray[Any]

# The usual front end of recognisers (Kaldi, Whisper, ...): windows of 25 ms every 10 ms, 80 bands.
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.010
_NUM_MELS = 80
_MAX_RATE_HZ = (1 << 31) - 1
_RANGE_DB = 80.0
_BLOCK_FRAMES = 512  # spectra held at a time


def snr_db(reference: Audio | Num[NDArray[Any], "*c t"], other: Audio | Num[NDArray[Any], "*c t"]) -> float:
    """Signal-to-noise ratio: 10 log10(sum of reference**2 / sum of (reference - other)**2), over all channels.

    `inf` for equal sounds, `-inf` where only the reference is silent. Raises `ValueError` where the shapes differ or
    there are no samples.

    >>> round(snr_db(np.array([1.0, -1.0]), np.array([0.9, -0.9])), 3)
    20.0
    """
    x, y = checked_pair(reference, other)
    return _ratio_db(_energy(x), _energy(x - y))


def si_sdr_db(reference: Audio | Num[NDArray[Any], "*c t"], other: Audio | Num[NDArray[Any], "*c t"]) -> float:
    """Scale-invariant signal-to-distortion ratio: the SNR of `other` against the best multiple of the reference.

    10 log10(|a x|**2 / |a x - y|**2) with a = <x, y> / <x, x>; all channels form one vector, so the scale is common to
    them, and no mean is removed. `inf` where `other` is a multiple of the reference other than 0, `-inf` where it has
    nothing of it. Raises like `snr_db`, and `ValueError` for a silent reference, which has no multiples.

    Source: Le Roux, Wisdom, Erdogan, Hershey, "SDR - half-baked or well done?", ICASSP 2019, equation 2.

    >>> round(si_sdr_db(np.array([1.0, 1.0, 1.0, 1.0]), np.array([3.0, 3.0, 3.0, 1.0])), 3)
    9.208
    """
    x, y = checked_pair(reference, other)
    energy = _energy(x)
    if energy == 0:
        raise ValueError("the reference is silent; SI-SDR allows only sounds: leave it out, or use snr_db")
    target = float(np.vdot(x, y)) / energy * x
    return _ratio_db(_energy(target), _energy(target - y))


def log_mel_distance(
    reference: Audio | Num[NDArray[Any], "*c t"], other: Audio | Num[NDArray[Any], "*c t"], sample_rate: int
) -> float:
    """Mean absolute difference in dB of the log-mel spectra, over channels, frames and bands; 0 for equal sounds.

    Windows of 25 ms every 10 ms, from the first sample on, the end filled with zeros to a whole window; Hann, taken at
    half-integers, so that no sample weighs 0 and any length from one sample has a spectrum. Power by FFT of the power
    of two at least twice the window. 80 triangles of height 1, with corners equally spaced from 0 to half the sample
    rate in mel = 2595 log10(1 + f / 700) (O'Shaughnessy, as in HTK); triangles between two FFT bins (rates below 8 kHz)
    are left out. Both spectra are raised to a floor 80 dB below the largest value of the reference's, or of the other's
    where the reference is silent.

    Raises `ValueError` where the shapes differ, there are no samples, or the rate is below 200 Hz.
    """
    x, y = checked_pair(reference, other)
    try:
        sample_rate = whole_number_argument("sample_rate", sample_rate, 200, _MAX_RATE_HZ)
    except CodecError:
        raise ValueError(
            f"the sample rate is {shown(sample_rate)} Hz; allowed is a whole number of 200 and more, for frames of 2 "
            "samples each"
        ) from None
    mel_x, mel_y = _mel_power(x, sample_rate), _mel_power(y, sample_rate)
    peak = float(mel_x.max()) or float(mel_y.max())
    if peak == 0:
        return 0.0
    floor = peak * 10 ** (-_RANGE_DB / 10)
    levels_x, levels_y = (10 * np.log10(np.maximum(mel, floor)) for mel in (mel_x, mel_y))
    return float(np.mean(np.abs(levels_x - levels_y)))


def checked_pair(
    reference: Audio | Num[NDArray[Any], "*c t"], other: Audio | Num[NDArray[Any], "*c t"]
) -> tuple[Float[NDArray[np.float64], "c t"], Float[NDArray[np.float64], "c t"]]:
    """Both in double precision. Raises as the metrics."""
    x, y = (_samples(sound) for sound in (reference, other))
    if x.ndim not in (1, 2) or x.size == 0:
        raise ValueError(f"the sound has shape {x.shape}; allowed is (channels, t) or (t,), with samples: leave it out")
    if x.shape != y.shape:
        raise ValueError(
            f"the sound to compare has shape {y.shape}; allowed is that of the reference, {x.shape}: decode to the "
            "same length and channels"
        )
    return np.atleast_2d(x), np.atleast_2d(y)


def _samples(sound: Sound) -> NDArray[np.float64]:
    array = np.asarray(sound.samples if isinstance(sound, Audio) else sound)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"the sound is {shown(sound)}; allowed are an Audio and arrays of numbers")
    return array.astype(np.float64)


def _energy(x: NDArray[np.float64]) -> float:
    return float(np.vdot(x, x))


def _ratio_db(signal_energy: float, noise_energy: float) -> float:
    if noise_energy == 0:
        return math.inf
    return 10 * math.log10(signal_energy / noise_energy) if signal_energy > 0 else -math.inf


def _mel_power(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """(c, t) -> (c, frames, bands)."""
    window_length, hop = round(_WINDOW_SECONDS * sample_rate), round(_HOP_SECONDS * sample_rate)
    num_frames = 1 + max(0, math.ceil((x.shape[1] - window_length) / hop))
    padded = np.pad(x, ((0, 0), (0, (num_frames - 1) * hop + window_length - x.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window_length, axis=1)[:, ::hop]
    window = np.sin(np.pi * (np.arange(window_length) + 0.5) / window_length) ** 2
    fft_length = 1 << (2 * window_length - 1).bit_length()
    weights = _mel_weights(fft_length, sample_rate)
    blocks = []
    for start in range(0, num_frames, _BLOCK_FRAMES):
        spectra = np.fft.rfft(frames[:, start : start + _BLOCK_FRAMES] * window, fft_length)
        blocks.append((spectra.real**2 + spectra.imag**2) @ weights)
    return np.concatenate(blocks, axis=1)


def _mel_weights(fft_length: int, sample_rate: int) -> NDArray[np.float64]:
    """(bins, bands): rising from one corner to the next and falling to the one after; bands without a bin left out."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top, _NUM_MELS + 2) / 2595) - 1)
    bins_hz = np.arange(fft_length // 2 + 1)[:, None] * sample_rate / fft_length
    low, middle, high = corners_hz[:-2], corners_hz[1:-1], corners_hz[2:]
    triangles = np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle))
    weights: NDArray[np.float64] = np.maximum(triangles, 0)
    return weights[:, weights.any(axis=0)]
