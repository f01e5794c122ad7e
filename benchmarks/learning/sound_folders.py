"""Folders of sounds as `laconic pack` takes them, made of free recordings whose own layout says something else.

    python benchmarks/learning/sound_folders.py digits DATA/fsdd OUT
    python benchmarks/learning/sound_folders.py mixtures DATA OUT [--test 200] [--val 60] [--seed 0]

`digits` writes OUT/digits.csv, a manifest of the files <digit>_<speaker>_<n>.wav of DATA/fsdd/{train,test}.

`mixtures` makes what the task "separate" learns from, 3 s at 16 kHz: OUT/train/{speech,music,effects}/*.wav are stems, of
AN4, pieces of music and ESC-10; OUT/{val,test}/mixture/*.wav are mixtures of all three, each with its stems beside it in a
.npy, (3, 48000) int16 in that order. Music and effects are as loud as each other to 3 dB, and speech as both together
to 3 dB. Test mixtures are made of test recordings, those of val of the last tenth of the training recordings, which then
are no stems.
"""

from __future__ import annotations

import argparse
import csv
import wave
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.datasets.framing import Framing, read_signal

STEMS = ("speech", "music", "effects")
SPLITS = ("train", "test")
RATE_HZ = 16_000
LENGTH = 3 * RATE_HZ
LEAST_LEVEL = 10 ** (-50 / 20)  # RMS: clips of ESC-10 are silent after a short sound
LEVEL_DB = 3.0
PEAK = 0.5
HOPS = {"speech": LENGTH, "music": RATE_HZ, "effects": 2 * RATE_HZ // 3}  # some 400 stems of each
FOLDERS = {"speech": ("an4", "*.flac"), "music": ("music", "*"), "effects": ("esc10", "*/*")}
NO_SOUNDS = (".txt", ".csv", ".md")
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("digits", "mixtures"))
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--val", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "digits":
        write_digit_manifest(options.data, options.out / "digits.csv")
    else:
        write_mixture_folders(options.data, options.out, {"val": options.val, "test": options.test}, options.seed)


def write_digit_manifest(data: Path, target: Path) -> None:
    """A row for each recording: file, label, split, and the speaker as a target."""
    with target.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split", "speaker"))
        for split in SPLITS:
            for path in sorted((data / split).glob("*.wav")):
                digit, speaker, _ = path.stem.split("_")
                rows.writerow((path.resolve(), digit, split, speaker))


def write_mixture_folders(data: Path, out: Path, counts: Mapping[str, int], seed: int) -> None:
    recordings = {split: {name: recordings_of(data, split, name) for name in STEMS} for split in SPLITS}
    held = {name: found[-max(len(found) // 10, 1) :] for name, found in recordings["train"].items()}
    # Music is few pieces: the last tenth of each is held out, not the last piece.
    held["music"] = [piece[-max(len(piece) // 10, LENGTH) :] for piece in recordings["train"]["music"]]
    kept = {name: found[: len(found) - len(held[name])] for name, found in recordings["train"].items()}
    kept["music"] = [piece[: len(piece) - max(len(piece) // 10, LENGTH)] for piece in recordings["train"]["music"]]
    for name in STEMS:
        folder = new_folder(out / "train" / name)
        for number, samples in enumerate(windows_of(name, kept[name])):
            write_wav(folder / f"{number:04}.wav", integers_of(samples * (PEAK / np.abs(samples).max())))
    for number, (split, sources) in enumerate((("val", held), ("test", recordings["test"]))):
        folder, random = new_folder(out / split / "mixture"), np.random.default_rng((seed, number))
        stems = {name: windows_of(name, sources[name]) for name in STEMS}
        for item in range(counts[split]):
            mixture = integers_of(
                mixture_of([stems[name][random.integers(len(stems[name]))] for name in STEMS], random)
            )
            write_wav(folder / f"{item:04}.wav", mixture.sum(axis=0, dtype=np.int16))
            np.save(folder / f"{item:04}.npy", mixture)
    print(", ".join(f"{name} {len(list((out / 'train' / name).iterdir()))}" for name in STEMS))


def recordings_of(data: Path, split: str, name: str) -> list[Floats]:
    """(t,) each, one channel at the rate. Utterances are joined in a seeded order: many are shorter than 3 s."""
    folder, pattern = FOLDERS[name]
    paths = [path for path in sorted((data / folder / split).glob(pattern)) if path.suffix not in NO_SOUNDS]
    found = [read_signal(path, "sound", Framing(sample_rate_hz=RATE_HZ)).samples.mean(axis=0) for path in paths]
    if name != "speech":
        return found
    order = np.random.default_rng(0).permutation(len(found)).tolist()
    return [np.concatenate([found[i] for i in order[first : first + 10]]) for first in range(0, len(order), 10)]


def windows_of(name: str, recordings: Iterable[Floats]) -> list[Floats]:
    """Of 3 s, without silent ones."""
    every = [one[first : first + LENGTH] for one in recordings for first in range(0, len(one) - LENGTH + 1, HOPS[name])]
    return [one for one in every if np.sqrt(np.square(one).mean()) > LEAST_LEVEL]


def mixture_of(stems: Sequence[Floats], random: np.random.Generator) -> NDArray[np.float64]:
    """(3, t): the stems at drawn levels, the sum of them with the given peak."""
    unit = [stem / np.sqrt(np.square(stem, dtype=np.float64).mean()) for stem in stems]
    between, above = random.uniform(-LEVEL_DB, LEVEL_DB, 2)
    rest = [unit[1] * 10 ** (between / 40), unit[2] * 10 ** (-between / 40)]
    speech = unit[0] * np.sqrt(np.square(rest[0] + rest[1]).mean()) * 10 ** (above / 20)
    mixture = np.stack([speech, *rest])
    return np.asarray(mixture * (PEAK / np.abs(mixture.sum(axis=0)).max()))


def integers_of(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype("<i2").tobytes())


def new_folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    main()
