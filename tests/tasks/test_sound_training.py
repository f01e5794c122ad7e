"""Tasks on sounds through the loop: packs and plain folders, items of any length, mixtures with stems beside them."""

from __future__ import annotations

import csv
import wave
from pathlib import Path

import numpy as np
import pytest

from laconic.tasks.datasets.archive import pack
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.heads.head_training import train
from laconic.tasks.heads.learning_task import LearningTask
from laconic.tasks.heads.predictor import Predictor
from laconic.tasks.heads.separation import Separation
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.heads.transcription import Transcription

RATE = 16_000
STEMS = ("speech", "music", "effects")
LENGTH = 4000


def write_wav(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def tone(number: int, length: int = LENGTH) -> np.ndarray:
    noise = np.random.default_rng(number).normal(0, 100, length)
    return (4000 * np.sin(0.05 * (number + 1) * np.arange(length)) + noise).astype(np.int16)


@pytest.fixture(scope="module")
def mixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixtures")
    for number, name in enumerate(STEMS):
        for item in range(3):
            write_wav(folder / "train" / name / f"{item}.wav", tone(10 * number + item))
    for split in ("val", "test"):
        for item in range(2):
            stems = np.stack([tone(10 * number + item) for number in range(3)])
            np.save(write_wav(folder / split / "mixture" / f"{item}.wav", stems.sum(axis=0)).with_suffix(".npy"), stems)
    return folder


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("utterances")
    with (folder / "said.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("file", "split", "transcript"))
        for item in range(6):
            path = write_wav(folder / f"{item}.wav", tone(item, LENGTH + 700 * item))
            rows.writerow((path.name, "test" if item > 3 else "train", ("A", "AB", "BA B")[item % 3]))
    return folder / "said.csv"


def trained(source: Path, run: Path, task: LearningTask, arm: str, **framing: float) -> dict[str, float]:
    """The result of one epoch, from a pack beside the run or from the source itself."""
    options = {"epochs": 1, "batch_size": 4, "val_fraction": 0.25}
    if arm == "latents":
        packed = run.with_suffix(".pack")
        pack(source, packed, PackIndexOptions(quality=80, model="speech", **framing))
        return train(packed, run, TrainOptions(**options), task=task)
    return train(source, run, TrainOptions(arm=arm, **options, **framing), task=task)


@pytest.mark.parametrize("arm", ["latents", "patches", "pixels"])
def test_stems_are_trained_on_and_mixtures_judged(mixtures: Path, tmp_path: Path, arm: str) -> None:
    task = Separation(width=8, blocks=1)
    result = trained(mixtures, tmp_path / "run", task, arm, sample_rate_hz=RATE, seconds=LENGTH / RATE)
    assert (result["test_items"], result["task"], result["unit"]) == (2, "separate", "dB")
    gains = [result[f"test_si_sdr_gain_{name}"] for name in STEMS]
    assert result["test_si_sdr_gain_mean"] == pytest.approx(np.mean(gains))
    assert all(-20 < gain < 60 for gain in gains)
    answer = Predictor.load(tmp_path / "run").answer(mixtures / "test" / "mixture" / "0.wav")
    assert tuple(answer.signals) == STEMS
    assert all(sound.samples.shape == (1, LENGTH) or arm == "latents" for sound in answer.signals.values())


@pytest.mark.parametrize("arm", ["latents", "patches", "pixels"])
def test_utterances_of_any_length_are_transcribed(utterances: Path, tmp_path: Path, arm: str) -> None:
    task = Transcription(letters="AB ", width=8, blocks=1)
    result = trained(utterances, tmp_path / "run", task, arm, sample_rate_hz=RATE)
    assert (result["test_items"], result["higher_is_better"]) == (2, False)
    assert 0 <= result["test_cer"] < 20
    answer = Predictor.load(tmp_path / "run").answer(utterances.parent / "0.wav")
    assert answer.line == answer.values["text"]
    assert set(answer.line) <= set("AB ")
