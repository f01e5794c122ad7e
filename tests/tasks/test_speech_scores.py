"""PESQ and STOI by their packages: on which side of them good and bad speech is, and where they are not defined."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.tasks.measures.speech_scores import pesq_mos, stoi

SPEECH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "an4"
RATE = 16000
Sound = NDArray[np.float64]


def noise(length: int, level: float) -> Sound:
    return level * np.random.default_rng(0).normal(size=length)


@pytest.fixture
def speech() -> Sound:
    paths = sorted(SPEECH.rglob("*.flac"))
    if not paths:
        pytest.skip("the recordings of AN4 are not at hand")
    import soundfile

    return np.asarray(soundfile.read(paths[0])[0])


def test_pesq_falls_with_noise(speech: Sound) -> None:
    pytest.importorskip("pesq")
    values = [pesq_mos(speech, speech + noise(len(speech), level)) for level in (0, 1e-4, 1e-3, 1e-2)]
    assert values[0] == pytest.approx(4.644, abs=1e-3)  # the most that the mapping of P.862.2 gives
    assert values == sorted(values, reverse=True) and 1 < values[-1] < 2


def test_pesq_of_long_speech_is_the_mean_of_its_pieces(speech: Sound) -> None:
    pytest.importorskip("pesq")
    long = np.tile(speech, math.ceil(21 * RATE / len(speech)))
    long = long[: len(long) // 2 * 2]
    noisy = long + noise(len(long), 1e-3)
    halves = [pesq_mos(*pair) for pair in zip(np.split(long, 2), np.split(noisy, 2), strict=True)]
    assert pesq_mos(long, noisy) == pytest.approx(np.mean(halves))


def test_pesq_of_many_bursts_ends_well() -> None:
    """So many utterances in a minute that the package alone writes where it may not."""
    pytest.importorskip("pesq")
    times = np.arange(60 * RATE) / RATE
    bursts = noise(len(times), 0.2) * (times % 0.42 < 0.21)
    assert 1 < pesq_mos(bursts, bursts + noise(len(times), 1e-3)) < 4.65


def test_pesq_is_not_defined_without_speech() -> None:
    pytest.importorskip("pesq")
    sound = noise(RATE, 0.1)
    assert math.isnan(pesq_mos(np.zeros(RATE), np.zeros(RATE)))
    assert math.isnan(pesq_mos(sound, np.zeros(RATE)))
    assert math.isnan(pesq_mos(sound[:3000], sound[:3000]))


def test_stoi_falls_with_noise(speech: Sound) -> None:
    pytest.importorskip("pystoi")
    values = [stoi(speech, speech + noise(len(speech), level), RATE) for level in (0, 1e-3, 1e-2, 1e-1)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True) and values[-1] < 0.7


def test_stoi_is_not_defined_without_enough_speech() -> None:
    pytest.importorskip("pystoi")
    assert math.isnan(stoi(np.zeros(RATE), noise(RATE, 0.1), RATE))
    assert math.isnan(stoi(noise(3000, 0.1), noise(3000, 0.1), RATE))


@pytest.mark.parametrize("measure", [pesq_mos, lambda x, y: stoi(x, y, RATE)], ids=["pesq", "stoi"])
def test_other_lengths_are_refused(measure) -> None:
    pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    with pytest.raises(ValueError, match=r"shape \(8000,\); allowed is that of the reference, \(9000,\)"):
        measure(noise(9000, 0.1), noise(8000, 0.1))
