"""SNR and SI-SDR by hand and against fast-bss-eval; the log-mel distance against a formula written out in loops."""

import cmath
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.media import Audio
from laconic.tasks.measures.sound_distortion import log_mel_distance, si_sdr_db, snr_db

Array = NDArray[np.float64]


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 0.1, shape)


def slow_log_mel_distance(x: Array, y: Array, rate: int) -> float:
    """One channel, frame, bin and band at a time; the Fourier sum as it is defined."""

    def mel_power(signal: Array) -> list[float]:
        length, hop = round(0.025 * rate), round(0.01 * rate)
        size = 1
        while size < 2 * length:
            size *= 2
        powers = []
        start = 0
        while start == 0 or start + length - hop < len(signal):
            spectrum = []
            for k in range(size // 2 + 1):
                value = 0j
                for n in range(length):
                    sample = signal[start + n] if start + n < len(signal) else 0.0
                    hann = math.sin(math.pi * (n + 0.5) / length) ** 2
                    value += sample * hann * cmath.exp(-2j * math.pi * k * n / size)
                spectrum.append(abs(value) ** 2)
            for band in range(80):
                left, centre, right = (
                    700 * (math.exp(mel * math.log(10) / 2595) - 1)
                    for mel in [(band + i) / 81 * 2595 * math.log10(1 + rate / 1400) for i in range(3)]
                )
                total, hit = 0.0, False
                for k, power in enumerate(spectrum):
                    hertz = k * rate / size
                    if left < hertz <= centre:
                        total, hit = total + power * (hertz - left) / (centre - left), True
                    elif centre < hertz < right:
                        total, hit = total + power * (right - hertz) / (right - centre), True
                if hit:
                    powers.append(total)
            start += hop
        return powers

    all_x = [power for channel in x for power in mel_power(channel)]
    all_y = [power for channel in y for power in mel_power(channel)]
    floor = max(all_x) * 1e-8
    pairs = zip(all_x, all_y, strict=True)
    return sum(abs(10 * math.log10(max(a, floor) / max(b, floor))) for a, b in pairs) / len(all_x)


def test_snr_of_known_error() -> None:
    reference = np.array([[3.0, 4.0], [0.0, 0.0]])
    other = np.array([[3.0, 4.0], [0.3, 0.4]])
    assert snr_db(reference, other) == pytest.approx(20)


def test_snr_ends_of_the_scale() -> None:
    assert snr_db(noise(2, 9), noise(2, 9)) == math.inf
    assert snr_db(np.zeros(9), np.zeros(9)) == math.inf
    assert snr_db(np.zeros(9), noise(9)) == -math.inf
    assert snr_db(noise(9), np.zeros(9)) == 0


def test_sounds_and_arrays_give_the_same() -> None:
    x, y = (noise(2, 4000, seed=seed).astype(np.float32) for seed in (0, 1))
    one, other = Audio(x, 16000), Audio(y, 16000)
    assert snr_db(one, other) == snr_db(x, y)
    assert si_sdr_db(one, other) == si_sdr_db(x, y)
    assert log_mel_distance(one, other, 16000) == log_mel_distance(x, y, 16000)


def test_energy_of_long_single_precision_sounds_is_exact() -> None:
    x = np.full(3_000_000, 0.1, np.float32)
    assert snr_db(x, x * np.float32(1.5)) == pytest.approx(-20 * math.log10(0.5), abs=1e-6)


@pytest.mark.parametrize("level", [0.001, 0.1, 10])
def test_si_sdr_agrees_with_fast_bss_eval(level: float) -> None:
    package = pytest.importorskip("fast_bss_eval")
    x = noise(3000)
    y = 0.7 * x + level * noise(3000, seed=1)
    assert si_sdr_db(x, y) == pytest.approx(float(package.si_sdr(x[None], y[None])[0]), abs=1e-3)


@pytest.mark.parametrize("level", [0.001, 0.1, 10])
def test_si_sdr_agrees_with_the_best_scale_found_by_least_squares(level: float) -> None:
    x = noise(2, 500)
    y = -0.4 * x + level * noise(2, 500, seed=1)
    (scale,), (residual,), *_ = np.linalg.lstsq(x.reshape(-1, 1), y.ravel(), rcond=None)
    assert si_sdr_db(x, y) == pytest.approx(10 * math.log10(scale**2 * np.sum(x**2) / residual))


def test_si_sdr_does_not_see_the_scale() -> None:
    x, y = noise(400), noise(400) + 0.01 * noise(400, seed=1)
    assert si_sdr_db(x, 3 * y) == pytest.approx(si_sdr_db(x, y))
    assert si_sdr_db(5 * x, y) == pytest.approx(si_sdr_db(x, y))
    assert si_sdr_db(np.array([1.0, 2.0]), np.array([2.0, 4.0])) == math.inf
    assert si_sdr_db(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == -math.inf


@pytest.mark.parametrize("rate", [1000, 4000])
@pytest.mark.parametrize("length_seconds", [0.001, 0.024, 0.025, 0.026, 0.0351])
def test_log_mel_distance_agrees_with_formula(rate: int, length_seconds: float) -> None:
    length = max(1, round(length_seconds * rate))
    x, y = noise(2, length), 0.3 * noise(2, length, seed=1)
    assert log_mel_distance(x, y, rate) == pytest.approx(slow_log_mel_distance(x, y, rate), rel=1e-9)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_log_mel_distance_of_a_louder_sound_is_its_gain(rate: int) -> None:
    x = noise(2, rate // 3)
    assert log_mel_distance(x, 2 * x, rate) == pytest.approx(20 * math.log10(2), abs=0.05)  # the last frame fades
    assert log_mel_distance(x, x, rate) == 0


def test_log_mel_distance_ends_at_the_floor() -> None:
    t = np.arange(4800)
    quiet = np.sin(0.3 * t) * np.where(t < 2400, 1, 1e-5)  # -100 dB
    silent = np.where(t < 2400, quiet, 0)
    assert log_mel_distance(quiet, silent, 16000) == pytest.approx(0, abs=0.05)
    assert log_mel_distance(noise(4800), np.zeros(4800), 16000) < 80


def test_log_mel_distance_of_silence_is_defined() -> None:
    silence = np.zeros(3000)
    assert log_mel_distance(silence, silence, 16000) == 0
    assert 0 < log_mel_distance(silence, noise(3000), 16000) < 80


def test_log_mel_distance_of_one_sample_is_defined() -> None:
    assert log_mel_distance(np.ones(1), np.ones(1), 16000) == 0
    assert log_mel_distance(np.ones(1), np.array([2.0]), 16000) == pytest.approx(20 * math.log10(2))


def test_log_mel_distance_is_the_same_over_blocks_of_frames() -> None:
    rate = 8000
    x, y = noise(rate * 8), noise(rate * 8, seed=1)  # 798 frames: more than one block
    hop = round(0.01 * rate)
    whole = log_mel_distance(x, y, rate)
    halves = [log_mel_distance(x[s : s + 400 * hop], y[s : s + 400 * hop], rate) for s in (0, 400 * hop)]
    assert whole == pytest.approx(np.mean(halves), rel=0.01)


@pytest.mark.parametrize("measure", [snr_db, si_sdr_db, lambda x, y: log_mel_distance(x, y, 8000)])
def test_bad_pair_is_refused(measure) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 8\); allowed is that of the reference, \(1, 9\)"):
        measure(noise(1, 9), noise(1, 8))
    with pytest.raises(ValueError, match=r"shape \(2, 0\)"):
        measure(noise(2, 0), noise(2, 0))


def test_undefined_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="reference is silent"):
        si_sdr_db(np.zeros(9), noise(9))
    with pytest.raises(ValueError, match="rate is 100 Hz"):
        log_mel_distance(noise(9), noise(9), 100)
