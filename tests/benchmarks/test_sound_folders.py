"""Folders that the benchmarks of learning make of free recordings."""

from __future__ import annotations

import csv
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "learning" / "sound_folders.py"


def run_script(*arguments: object) -> str:
    done = subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], check=True, capture_output=True, text=True)
    return done.stdout


def write_noise(path: Path, seconds: float, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        noise = np.random.default_rng(seed).normal(0, 3000, int(seconds * 16_000))
        file.writeframes(noise.astype("<i2").tobytes())


def read_wav(path: Path) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 16_000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def test_digits_are_named_by_their_files(tmp_path: Path) -> None:
    for split, name in (("train", "7_ann_0"), ("test", "0_bob_3")):
        write_noise(tmp_path / "data" / split / f"{name}.wav", 0.1, 0)
    run_script("digits", tmp_path / "data", tmp_path / "out")
    with (tmp_path / "out" / "digits.csv").open() as file:
        rows = [(Path(row["path"]).name, row["label"], row["split"], row["speaker"]) for row in csv.DictReader(file)]
    assert rows == [("7_ann_0.wav", "7", "train", "ann"), ("0_bob_3.wav", "0", "test", "bob")]


def test_mixtures_are_the_sum_of_their_stems_at_levels(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for number, split in enumerate(("train", "test")):
        for i in range(20):
            # Files of AN4 are .flac; what a file is, is read from its bytes.
            write_noise(data / "an4" / split / f"{i:02}.flac", 1, 100 * number + i)
        for i in range(3):
            write_noise(data / "esc10" / split / "rain" / f"{i}.wav", 4, 20 + 10 * number + i)
        write_noise(data / "music" / split / "a.wav", 40, 50 + number)
        (data / "music" / split / "a.txt").write_text("credit")
    printed = run_script("mixtures", data, tmp_path / "out", "--test", 3, "--val", 2)
    counts = [len(list((tmp_path / "out" / "train" / name).iterdir())) for name in ("speech", "music", "effects")]
    assert printed.split() == f"speech {counts[0]}, music {counts[1]}, effects {counts[2]}".split()
    assert min(counts) > 1
    for split, count in (("val", 2), ("test", 3)):
        found = sorted((tmp_path / "out" / split / "mixture").glob("*.npy"))
        assert len(found) == count
        for path in found:
            stems = np.load(path)
            assert (stems.shape, stems.dtype) == ((3, 48_000), np.int16)
            assert np.array_equal(read_wav(path.with_suffix(".wav")), stems.sum(axis=0, dtype=np.int16))
            level = 10 * np.log10(np.square(stems.astype(float)).mean(axis=1))
            rest = 10 * np.log10(np.square(stems[1:].sum(axis=0, dtype=float)).mean())
            assert abs(level[0] - rest) < 3.01
            assert abs(level[1] - level[2]) < 3.01
    again = tmp_path / "again"
    run_script("mixtures", data, again, "--test", 3, "--val", 2)
    assert (again / "test/mixture/0001.wav").read_bytes() == (tmp_path / "out/test/mixture/0001.wav").read_bytes()
