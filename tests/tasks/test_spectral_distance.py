"""The multi-resolution STFT distance against the formula on torch's STFT."""

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.tasks.measures.spectral_distance import stft_distance


def noise(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 0.1, shape)


def distance_by_torch(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    torch = pytest.importorskip("torch")
    total = 0.0
    for fft_length, hop, window_length in ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200)):
        window = torch.hann_window(window_length, dtype=torch.float64)
        one, two = (
            torch.stft(torch.from_numpy(signal), fft_length, hop, window_length, window, return_complex=True)
            .abs()
            .clamp(min=1e-7**0.5)
            for signal in (x, y)
        )
        total += float((one - two).norm() / one.norm() + (one.log() - two.log()).abs().mean())
    return total / 3


@pytest.mark.parametrize("shape", [(1, 1025), (2, 3000), (1, 70_001)])  # the last: more than one block of frames
@pytest.mark.parametrize("gain", [0.0, 0.3, 1.0])
def test_stft_distance_agrees_with_torch(shape: tuple[int, int], gain: float) -> None:
    x = noise(*shape)
    y = gain * x + 0.02 * noise(*shape, seed=1)
    assert stft_distance(x, y) == pytest.approx(distance_by_torch(x, y), rel=1e-9)


def test_stft_distance_of_silence_is_defined() -> None:
    silence = np.zeros((1, 2000))
    assert stft_distance(silence, silence) == 0
    assert stft_distance(silence, noise(1, 2000)) == pytest.approx(distance_by_torch(silence, noise(1, 2000)))
    assert stft_distance(noise(1, 2000), silence) > 1


def test_sounds_and_arrays_give_the_same() -> None:
    x, y = (noise(2, 4000, seed=seed).astype(np.float32) for seed in (0, 1))
    assert stft_distance(Audio(x, 16000), Audio(y, 16000)) == stft_distance(x, y)


def test_bad_pair_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="has 1024 samples; the STFT distance allows 1025 and more"):
        stft_distance(noise(1024), noise(1024))
    with pytest.raises(ValueError, match=r"shape \(1, 2000\); allowed is that of the reference, \(1, 3000\)"):
        stft_distance(noise(1, 3000), noise(1, 2000))
