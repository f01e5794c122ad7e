"""Which folders at the top of a tree are splits and which are classes: by their names, or as the caller says.

A wrong guess gives wrong labels and no error, so where names leave a doubt the tree is refused with what to pass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from laconic.codecs.errors import CodecError

SPLITS = ("train", "val", "test")
WHOLE = "all"  # the split of samples in folders without splits
# As data sets name them, in any case: "dev" is what speech corpora validate on, "eval" what they test on.
_SPLIT_OF_NAME = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "eval"), "test"),
}
# What archivers, file servers and tools leave behind, beside names that begin with a dot.
_SYSTEM_NAMES = frozenset(
    {"__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "system volume information", "lost+found"}
    | {"__pycache__", "thumbs.db", "desktop.ini"}
)
_NUM_NAMED = 5


class SplitsError(CodecError):
    """Splits that are not given where names do not tell them from classes, or given wrongly; it says what to pass."""


@dataclass(frozen=True)
class SplitPlace:
    """A class folder: `path` below the root, with forward slashes."""

    split: str
    label: str
    path: str


def split_of_name(name: str) -> str | None:
    """The split that a folder name means, in any case; None for other names.

    >>> [split_of_name(name) for name in ("Train", "validation", "hat")]
    ['train', 'val', None]
    """
    return _SPLIT_OF_NAME.get(name.casefold())


def is_hidden_from_splits(name: str) -> bool:
    """Whether a file or folder is none of the user's data."""
    return name.startswith(".") or name.casefold() in _SYSTEM_NAMES


@dataclass(frozen=True)
class FolderTree:
    """Folders in folders, on disk or in an archive: `folders` gives the names of those in one, by its path below the
    root, sorted, without hidden ones. `name` is the root's for messages."""

    name: str
    folders: Callable[[str], Sequence[str]]


def folders_of_splits(folder: Path) -> list[str]:
    """Names of the folders in a folder that are not hidden, sorted."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not is_hidden_from_splits(entry.name))


def parse_splits(text: str) -> dict[str, str]:
    """Splits as the command line takes them -> folder name to split; "none" -> {}. Raises `SplitsError`.

    >>> parse_splits("train=Train,test=Test A,test=Test B")
    {'Train': 'train', 'Test A': 'test', 'Test B': 'test'}
    """
    if text == "none":
        return {}
    found: dict[str, str] = {}
    for part in text.split(","):
        split, equals, folder = (piece.strip() for piece in part.partition("="))
        if split not in SPLITS or not equals or not folder or folder in found:
            raise SplitsError(
                f"splits are {text!r}; allowed are none or SPLIT=FOLDER,..., with SPLIT one of {', '.join(SPLITS)} and "
                "each FOLDER once"
            )
        found[folder] = split
    return found


def split_class_places(tree: FolderTree, tops: Sequence[str], splits: Mapping[str, str] | None) -> Iterator[SplitPlace]:
    """The class folders of a tree whose folders `tops` hold samples; `splits` as in `list_class_folder`.

    Raises `SplitsError`, also for a folder that is not there.
    """
    chosen = _splits_by_name(tree, tops) if splits is None else splits
    there = tree.folders("")
    if absent := sorted(set(chosen) - set(there)):
        raise SplitsError(f"splits name the folder {absent[0]!r}; {tree.name} has {', '.join(there) or 'none'}")
    if not chosen:
        yield from (SplitPlace(WHOLE, name, name) for name in tops)
    for top, split in sorted(chosen.items()):
        yield from (SplitPlace(split, name, f"{top}/{name}") for name in tree.folders(top))


def _splits_by_name(tree: FolderTree, tops: Sequence[str]) -> dict[str, str]:
    """Folder to split; empty where all are classes. Raises `SplitsError`."""
    named = {top: split for top in tops if (split := split_of_name(top))}
    if len(named) == len(tops) == len(set(named.values())):
        return named
    hinted = {top: split for top in tops if (split := split_of_name(top) or _hint_in(top))}
    if named or len(set(hinted.values())) > 1:
        others = [top for top in tops if top not in hinted]
        beside = f" beside others ({_some(others)})" if others else ""
        example = ",".join(f"{split}={top}" for top, split in hinted.items())
        raise SplitsError(
            f"{tree.name} has folders named like splits ({_some(list(hinted))}){beside}, so it is not clear what its "
            f"classes are; pass --splits {example} to take the classes from inside them, or --splits none if each is one"
        )
    for top in tops:
        inner = [name for name in tree.folders(top) if split_of_name(name)]
        if len({split_of_name(name) for name in inner}) > 1:
            raise SplitsError(
                f"{tree.name}/{top} has folders named like splits ({_some(inner)}), which belong above the classes; name "
                f"that folder if it holds the data set, or pass --splits none to take all of it as class {top!r}"
            )
    return {}


def _hint_in(name: str) -> str | None:
    """The split of a word in a longer name: "train2017", "seg_test"."""
    return next((split for word in re.split(r"[^a-z]+", name.casefold()) if (split := split_of_name(word))), None)


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + rest
