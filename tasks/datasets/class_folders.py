"""Folders of labelled signals: FOLDER/<class>/files or FOLDER/<split>/<class>/files, read at one size; with "images" and
"masks" in place of classes, pictures with masks.

`list_class_folder` decides the classes, the splits and the order of samples, everything by sorted names, so that every
run and every machine sees the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import path_argument, typed_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.files import picture_extensions
from laconic.codecs.form import MediaKind
from laconic.codecs.formats.sound_files import SOUND_EXTENSIONS
from laconic.tasks.datasets.sources.mask_targets import has_mask_folders, pictures_with_masks
from laconic.tasks.datasets.sources.pack_source import (
    SourceSample,
    identity_of_file,
    read_source_file,
)
from laconic.tasks.datasets.sources.sidecar_targets import sidecar_targets_among
from laconic.tasks.datasets.splits import (
    SPLITS,
    WHOLE,
    FolderTree,
    SplitPlace,
    folders_of_splits,
    is_hidden_from_splits,
    split_class_places,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Int


@dataclass(frozen=True)
class ClassFolder:
    """What a folder holds, a `PackSource`. `samples` are sorted by split and source; `skipped` are (source, why) of other
    files in class folders, `notes` say what else was left out."""

    root: Path
    kind: MediaKind
    classes: tuple[str, ...]
    samples: tuple[SourceSample, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.root)

    def open_signal(self, sample: SourceSample) -> Path:
        """The file of a sample."""
        return self.root / sample.source

    def read_target(self, sample: SourceSample, suffix: str) -> bytes:
        """A target file of a sample that has it. Raises `OSError`, `CodecError`."""
        return read_source_file(self.root / dict(sample.targets)[suffix])

    def identity(self, sample: SourceSample) -> str:
        """Sizes and times of change of a sample's files: it differs where their bytes may."""
        places = (sample.source, *(place for _, place in sample.targets))
        return " ".join(identity_of_file(self.root / place) for place in places)

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples of each class in each split, by their names."""
        found = Counter((sample.split, sample.label) for sample in self.samples)
        splits = sorted({split for split, _ in found}, key=(*SPLITS, WHOLE).index)
        return {
            split: {name: found[split, i] for i, name in enumerate(self.classes) if (split, i) in found}
            for split in splits
        }


def list_class_folder(root: Path | str, splits: Mapping[str, str] | None = None) -> ClassFolder:
    """Find classes, splits and samples, without opening any file.

    Where all folders at the top that hold pictures or sounds are named as splits (train, val, test, dev, ... in any
    case), their folders are the classes; folders "images" and "masks" are no classes but pictures with targets (see
    `mask_targets`). `splits` says it instead: folder to "train", "val" or "test", other folders are left out; {} takes all
    folders at the top as classes. Links to folders are followed, but not back. Hidden files, system
    folders and files outside of class folders are ignored. Raises `CodecError` for a folder without classes or with both
    pictures and sounds, `SplitsError` where names do not tell splits from classes.
    """
    root = path_argument("folder", root)
    if splits is not None:
        typed_argument("splits", splits, Mapping, "a mapping of folders to splits")
    if not root.is_dir():
        raise CodecError(f"{root} is no folder; allowed is a folder of class folders")
    notes: list[str] = []
    files = {top: list(_files_below(root, top, notes)) for top in folders_of_splits(root)}
    tree = FolderTree(str(root), lambda place: folders_of_splits(root / place))
    with os.scandir(root) as entries:
        here = [entry.name for entry in entries if entry.is_file() and not is_hidden_from_splits(entry.name)]
    found = class_folder_contents(tree, {**files, ".": here}, splits)
    return ClassFolder(root, found.kind, found.classes, found.samples, found.skipped, (*notes, *found.notes))


@dataclass(frozen=True)
class ClassFolderContents:
    """What a tree of class folders holds, wherever it is; as in `ClassFolder`."""

    kind: MediaKind
    classes: tuple[str, ...]
    samples: tuple[SourceSample, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def class_folder_contents(
    tree: FolderTree, files: Mapping[str, Sequence[str]], splits: Mapping[str, str] | None
) -> ClassFolderContents:
    """The samples among the files below each folder at the top of a tree, and those at the top itself, "."; what stands
    beside a sample under its name is a target of it (`sidecar_targets`). Raises as `list_class_folder`."""
    known = class_folder_extensions("image") | class_folder_extensions("sound")
    signals = {source for source in chain(*files.values()) if _suffix(source) in known}
    tops = [top for top, sources in files.items() if top != "." and not signals.isdisjoint(sources)]
    places = {place.path: place for place in split_class_places(tree, tops, splits)}
    found = [(place, source) for source in chain(*files.values()) if (place := _place_of(source, places))]
    sources = [source for _, source in found]
    # An array beside a sound belongs to it, and is no picture.
    beside = sidecar_targets_among(sources, known)
    kind = _kind_of(tree.name, sorted(set(sources) - beside.files - beside.skipped.keys()))
    wanted = class_folder_extensions(kind)
    beside = sidecar_targets_among(sources, wanted)
    others = beside.files | beside.skipped.keys()
    kept = [entry for entry in found if _suffix(entry[1]) in wanted and entry[1] not in others]
    classes = tuple(sorted({place.label for place, _ in kept}))
    labels = {name: i for i, name in enumerate(classes)}
    samples = sorted(
        (
            SourceSample(source, place.split, labels[place.label], beside.targets.get(source, ()))
            for place, source in kept
        ),
        key=lambda sample: (sample.split, sample.source),
    )
    what = "picture" if kind == "image" else "sound"
    unknown = (source for _, source in found if _suffix(source) not in wanted and source not in others)
    skipped = [*beside.skipped.items(), *((source, f"its extension is not that of a {what}") for source in unknown)]
    if kind == "image" and has_mask_folders(tree.name, classes):
        masked = pictures_with_masks(tree.name, classes, samples)
        classes, samples, skipped = (), list(masked.samples), [*skipped, *masked.skipped]
    return ClassFolderContents(
        kind=kind,
        classes=classes,
        samples=tuple(samples),
        skipped=tuple(sorted(skipped)),
        notes=tuple(_left_out(files, signals - {source for _, source in found})),
    )


def _place_of(source: str, places: Mapping[str, SplitPlace]) -> SplitPlace | None:
    """The class folder that a file is in: the first folder of its path, or the first two."""
    top, _, below = source.partition("/")
    return places.get(top) or places.get(f"{top}/{below.partition('/')[0]}")


def _left_out(files: Mapping[str, Sequence[str]], left: Set[str]) -> Iterator[str]:
    """A line for each folder with pictures or sounds that are in no class folder."""
    for folder in sorted(files):
        if count := sum(source in left for source in files[folder]):
            yield f"{folder}: left out {count} file{'s' if count > 1 else ''} outside of class folders"


def hold_out_of_class_folder(
    labels: Sequence[int] | Int[NDArray[np.int64], " n"], fraction: float, seed: int
) -> Bool[NDArray[np.bool_], " n"]:
    """Mark about this fraction of each class, at least one where it has two, chosen by the seed."""
    labels = np.asarray(labels)
    random = np.random.default_rng((seed, 0x5711))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        count = max(round(fraction * len(places)), 1) if len(places) > 1 and fraction > 0 else 0
        held[places[:count]] = True
    return held


def _files_below(root: Path, place: str, notes: list[str]) -> Iterator[str]:
    """Files also behind links to folders; `notes` gets the links that lead back, to a folder around the root or one that
    was seen."""
    seen = {_identity_of_folder(folder) for folder in (root, *root.resolve().parents)}
    for parent, folders, names in os.walk(root / place, followlinks=True):
        below, identity = Path(parent).relative_to(root), _identity_of_folder(parent)
        if identity in seen and os.path.islink(parent):
            notes.append(f"{below.as_posix()}: a link to a folder that is already here, left out")
            folders.clear()
            continue
        seen.add(identity)
        shown = sorted(name for name in folders if not is_hidden_from_splits(name))
        folders[:] = sorted(shown, key=lambda name: os.path.islink(os.path.join(parent, name)))  # which are seen last
        yield from ((below / name).as_posix() for name in sorted(names) if not is_hidden_from_splits(name))


def _identity_of_folder(folder: Path | str) -> tuple[int, int]:
    """The same by whatever path."""
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _kind_of(name: str, sources: Sequence[str]) -> MediaKind:
    suffixes = {_suffix(source) for source in sources}
    has_pictures, has_sounds = (
        bool(suffixes & class_folder_extensions("image")),
        bool(suffixes & class_folder_extensions("sound")),
    )
    if has_pictures and has_sounds:
        raise CodecError(f"{name} holds both pictures and sounds; allowed is one kind: pack them apart")
    if not has_pictures and not has_sounds:
        raise CodecError(f"{name} holds no class folder with pictures or sounds; allowed are FOLDER/<class>/files")
    return "image" if has_pictures else "sound"


def _suffix(source: str) -> str:
    return os.path.splitext(source)[1].lower()


def class_folder_extensions(kind: MediaKind) -> frozenset[str]:
    """Of the files that are taken as samples, with their dots, in lower case."""
    return picture_extensions() if kind == "image" else SOUND_EXTENSIONS
