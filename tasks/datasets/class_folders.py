"""Folders of labelled signals: FOLDER/<class>/files or FOLDER/<split>/<class>/files, read at one size.

`list_class_folder` decides the classes, the splits and the order of samples, everything by sorted names, so that every
run and every machine sees the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.files import picture_extensions
from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS
from laconic.tasks.datasets.framing import Framing, Kind, read_signal, signal_array, tensor_of

if TYPE_CHECKING:
    from torch import Tensor

# Folders of these names at the top are splits; any other name is a class.
SPLIT_OF_NAME = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
WHOLE = "all"  # the split of samples in folders without splits


@dataclass(frozen=True)
class Sample:
    """One file: `source` is its path below the folder with forward slashes, `label` an index into the classes."""

    source: str
    split: str
    label: int


@dataclass(frozen=True)
class ClassFolder:
    """What a folder holds. `samples` are sorted by split and source; `skipped` are (source, why) of other files."""

    root: Path
    kind: Kind
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    skipped: tuple[tuple[str, str], ...]


def list_class_folder(root: Path | str) -> ClassFolder:
    """Find classes, splits and samples, without opening any file.

    Where all folders at the top are named as splits (train, val, test, ...) their folders are the classes. Hidden
    files and files outside of class folders are ignored. Raises `CodecError` for a folder without classes or with both
    pictures and sounds.
    """
    root = Path(root)
    if not root.is_dir():
        raise CodecError(f"{root} is no folder; allowed is a folder of class folders")
    tops = _folders_in(root)
    if tops and all(name in SPLIT_OF_NAME for name in tops):
        places = [(SPLIT_OF_NAME[top], name, f"{top}/{name}") for top in tops for name in _folders_in(root / top)]
    else:
        places = [(WHOLE, name, name) for name in tops]
    found = [(split, name, source) for split, name, place in places for source in _files_below(root, place)]
    kind = _kind_of(root, [source for _, _, source in found])
    wanted = file_extensions(kind)
    kept = [entry for entry in found if _suffix(entry[2]) in wanted]
    classes = tuple(sorted({name for _, name, _ in kept}))
    labels = {name: i for i, name in enumerate(classes)}
    what = "picture" if kind == "image" else "sound"
    skipped = ((s, f"its extension is not that of a {what}") for _, _, s in found if _suffix(s) not in wanted)
    samples = (Sample(source, split, labels[name]) for split, name, source in kept)
    return ClassFolder(
        root, kind, classes, tuple(sorted(samples, key=lambda s: (s.split, s.source))), tuple(sorted(skipped))
    )


def hold_out(labels: Sequence[int] | NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark about this fraction of each class, at least one where it has two, chosen by the seed."""
    labels = np.asarray(labels)
    random = np.random.default_rng((seed, 0x5711))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        count = max(round(fraction * len(places)), 1) if len(places) > 1 and fraction > 0 else 0
        held[places[:count]] = True
    return held


@dataclass(frozen=True, eq=False)
class SignalDataset:
    """Signals of a class folder as a map-style dataset, read and resized at every access.

    Items are (float32 tensor (c, h, w), label): pictures with values around -2 to 2, sounds as (1, 1, t) at full scale.
    """

    folder: ClassFolder
    samples: tuple[Sample, ...]
    framing: Framing

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.array([sample.label for sample in self.samples], np.int64)

    @property
    def bytes_per_item(self) -> list[int]:
        """What reading each item takes from disk."""
        return [(self.folder.root / sample.source).stat().st_size for sample in self.samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        sample = self.samples[index]
        signal = read_signal(self.folder.root / sample.source, self.folder.kind, self.framing)
        return tensor_of(signal_array(signal)), sample.label


def _folders_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _files_below(root: Path, place: str) -> Iterator[str]:
    for parent, folders, names in os.walk(root / place):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(parent).relative_to(root)
        yield from ((below / name).as_posix() for name in sorted(names) if not name.startswith("."))


def _kind_of(root: Path, sources: Sequence[str]) -> Kind:
    suffixes = {_suffix(source) for source in sources}
    has_pictures, has_sounds = bool(suffixes & file_extensions("image")), bool(suffixes & file_extensions("sound"))
    if has_pictures and has_sounds:
        raise CodecError(f"{root} holds both pictures and sounds; allowed is one kind: pack them apart")
    if not has_pictures and not has_sounds:
        raise CodecError(f"{root} holds no class folder with pictures or sounds; allowed are FOLDER/<class>/files")
    return "image" if has_pictures else "sound"


def _suffix(source: str) -> str:
    return os.path.splitext(source)[1].lower()


def file_extensions(kind: Kind) -> frozenset[str]:
    """Of the files that are taken as samples, with their dots, in lower case."""
    return picture_extensions() if kind == "image" else SOUND_EXTENSIONS
