"""Data of the benchmark of learning: what each task is learned from, packed once, and as the signals it was made of."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import prepare_receipt_lines
import sound_folders
from PIL import Image as PillowImage

from laconic.tasks.datasets import PackIndexOptions, pack
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.pack_engines import SampleEncode, SampleEntry, ThreadEngine
from laconic.tasks.datasets.pack_index import INDEX_NAME
from laconic.tasks.datasets.sample_encoder import SampleEncoder
from laconic.tasks.datasets.shard_writer import ShardSample


@dataclass(frozen=True)
class LearningData:
    """One data set: `make(data, folder)` gives the folder of its signals, `packing` how it is packed, `signals` what the
    arms of signals are framed to, as options of `laconic train`. `folds`: cross-validation over all samples, 0 for its
    splits. `crop`: these arms read the pictures as JPEGs of that size, made once, and not the originals. `scene(number,
    source)`: what items that are resampled together have in common: frames of a scene are alike, and lines of one receipt.
    `fit`: options of `laconic fit` on the training pictures, where the shipped models are for larger ones."""

    make: Callable[[Path, Path], Path]
    packing: Mapping[str, object]
    signals: Mapping[str, object] = field(default_factory=dict)
    folds: int = 0
    scene: Callable[[int, str], object] = lambda number, source: number
    fit: tuple[str, ...] = ()
    crop: int = 0


def _folder(name: str) -> Callable[[Path, Path], Path]:
    return lambda data, work: data / name


def _unzipped(name: str) -> Callable[[Path, Path], Path]:
    def make(data: Path, work: Path) -> Path:
        if not work.exists():
            with zipfile.ZipFile(data / f"{name}.zip") as archive:
                archive.extractall(work.with_suffix(".part"))
            work.with_suffix(".part").rename(work)
        found = sorted(path.parent for path in work.rglob("train") if path.is_dir())
        return found[0]

    return make


def _script(module: object, *words: str) -> Callable[[Path, Path], Path]:
    """What a script beside this one makes; DATA and OUT stand for folders."""

    def make(data: Path, work: Path) -> Path:
        if not work.exists():
            part = work.with_suffix(".part")
            places = {"DATA": str(data), "OUT": str(part)}
            arguments = [next((word.replace(k, v) for k, v in places.items() if k in word), word) for word in words]
            subprocess.run([sys.executable, str(module.__file__), *arguments], check=True)  # type: ignore[attr-defined]
            part.rename(work)
        return work

    return make


DATA: Mapping[str, LearningData] = {
    "clothing10": LearningData(
        _folder("clothing10"),
        {"size": 256, "quality": 60, "profile": "fast", "channels": 192},
        {"size": 256},
        folds=5,
        crop=256,
    ),
    "cifar10_jpeg_subset": LearningData(
        _unzipped("cifar10_jpeg_subset"),
        {"size": 32, "quality": 75, "profile": "fast", "channels": 12},
        {"size": 32},
        fit=("--rgb", "--depth", "1", "--blocks", "color"),
    ),
    "camvid": LearningData(
        _folder("camvid"),
        {"quality": 60, "profile": "fast", "channels": 48},
        folds=4,
        scene=lambda number, source: number // 4,
    ),
    "colours": LearningData(
        _folder("clothing10"), {"size": 256, "quality": 75, "profile": "fast", "channels": 48}, {"size": 256}, crop=256
    ),
    "esc10": LearningData(
        _folder("esc10"),
        {"sample_rate_hz": 44100, "seconds": 5.0, "quality": 90, "model": "mono", "tune": "snr"},
        {"sample-rate": 44100, "seconds": 5.0},
    ),
    "fsdd": LearningData(
        _script(sound_folders, "digits", "DATA/fsdd", "OUT"),
        {"sample_rate_hz": 16000, "seconds": 0.8, "quality": 90, "model": "speech", "tune": "snr"},
        {"sample-rate": 16000, "seconds": 0.8},
    ),
    "an4": LearningData(
        _folder("an4"),
        {"sample_rate_hz": 16000, "quality": 90, "model": "speech", "tune": "snr"},
        {"sample-rate": 16000},
    ),
    "mixtures": LearningData(
        _script(sound_folders, "mixtures", "DATA", "OUT"),
        {"sample_rate_hz": 16000, "seconds": 3.0, "quality": 90, "model": "speech", "tune": "snr"},
        {"sample-rate": 16000, "seconds": 3.0},
    ),
    "receipts": LearningData(
        _script(prepare_receipt_lines, "--data", "DATA/sroie", "-o", "OUT", "--synthetic", "6000"),
        {"quality": 50, "profile": "fast", "channels": 96},
        scene=lambda number, source: source.rpartition("-")[0],  # the receipt of a line
    ),
}


def signals_of(name: str, data: Path, work: Path) -> Path:
    """The folder, or file, that the arms of signals of a data set learn from."""
    folder = DATA[name].make(data, work / name)
    return cropped(folder, work / f"{name}-crops", DATA[name].crop) if DATA[name].crop else folder


def cropped(folder: Path, crops: Path, size: int) -> Path:
    """The pictures of a folder as JPEGs of quality 90 of the square that training would cut from them."""
    if not crops.exists():
        part = crops.with_suffix(".part")
        for path in sorted(folder.rglob("*.jpg")):
            made = part / path.relative_to(folder)
            made.parent.mkdir(parents=True, exist_ok=True)
            picture = read_signal(path, "image", Framing(size=size))
            PillowImage.fromarray(np.asarray(picture.samples)).save(made, quality=90)
        part.rename(crops)
    return crops


def own_model(name: str, data: Path, work: Path) -> Path | None:
    """The model that is fitted to a data set, None where a shipped one is taken."""
    if not DATA[name].fit:
        return None
    path = work / f"{name}.safetensors"
    if not path.exists():
        pictures = DATA[name].make(data, work / name) / "train"
        words = ("fit", pictures, "-o", path, "--name", "small", *DATA[name].fit)
        subprocess.run([sys.executable, "-m", "laconic.tasks.cli", *map(str, words)], check=True)
    return path


@dataclass(frozen=True)
class MixedQualityEngine:
    """Threads that encode samples at these qualities in turn, in the order of the pack, which has nothing to do with
    classes; the index says another quality."""

    qualities: Sequence[int]
    threads: ThreadEngine

    @contextmanager
    def encoding(self, encode: SampleEncode, entries: Iterable[SampleEntry]) -> Iterator[Iterator[ShardSample]]:
        """As `PackEngine` says."""
        assert isinstance(encode, SampleEncoder)
        encoders = [replace(encode, options=replace(encode.options, quality=quality)) for quality in self.qualities]
        with self.threads.encoding(lambda entry: encoders[entry[0] % len(encoders)](entry), entries) as samples:
            yield samples


def packed(name: str, data: Path, work: Path, **changed: object) -> tuple[Path, float | None]:
    """The pack of a data set, with some options otherwise, and the seconds that packing took, None where it was there.
    `qualities` "10 30" are those of samples in turn (`MixedQualityEngine`)."""
    options = {**DATA[name].packing, **changed}
    folder = work / "-".join(
        ["pack", name, *(f"{key}={value}".replace(" ", "+") for key, value in sorted(options.items()))]
    )
    engine: ThreadEngine | MixedQualityEngine = ThreadEngine(2)
    if qualities := str(options.pop("qualities", "")):
        engine = MixedQualityEngine([int(quality) for quality in qualities.split()], engine)
    if (model := own_model(name, data, work)) is not None:
        options["model"] = str(model)
    if (folder / INDEX_NAME).exists():
        return folder, None
    start = time.perf_counter()
    pack(DATA[name].make(data, work / name), folder, PackIndexOptions(**options), engine=engine)  # type: ignore[arg-type]
    return folder, time.perf_counter() - start
