"""What a folder looks like before it is decided what it is: its class folders, its manifests, files of a kind."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import class_folder_extensions
from laconic.tasks.datasets.sources.stored_source import extension_of_member
from laconic.tasks.datasets.splits import folders_of_splits, is_hidden_from_splits, split_of_name

_EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson")  # not .json, which settings of all kinds are


def files_below(folder: Path, extensions: Collection[str], depth: int) -> list[str]:
    """Names below a folder of the files with one of these extensions, so many folders deep, sorted; hidden ones left
    out."""
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        below = Path(parent).relative_to(folder)
        keep = [name for name in folders if not is_hidden_from_splits(name)]
        folders[:] = keep if len(below.parts) < depth else []
        wanted = (
            name for name in names if extension_of_member(name) in extensions and (folder / below / name).is_file()
        )
        found += [(below / name).as_posix() for name in wanted if not is_hidden_from_splits(name)]
    return sorted(found)


def class_folder_names(folder: Path) -> Iterator[str]:
    """Names of the folders that would be classes: at the top, or inside those that are named as splits."""
    for top in folders_of_splits(folder):
        inside = folders_of_splits(folder / top) if split_of_name(top) else None
        if inside is None:
            yield from [top] if _holds_signals(folder / top) else []
        else:
            yield from (name for name in inside if _holds_signals(folder / top / name))


def manifests_in_folder(folder: Path) -> list[Path]:
    """The manifests of a folder: at its top, or else in the folders that are named as splits. Raises `CodecError` for
    several at a place, unless each at the top is named as another split."""
    top = _tables_in(folder)
    if top:
        splits = [split_of_name(path.stem) for path in top]
        return top if all(splits) and len(set(splits)) == len(top) else [_only(top)]
    found = (_tables_in(folder / name) for name in folders_of_splits(folder) if split_of_name(name))
    return [_only(tables) for tables in found if tables]


def _tables_in(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file() and not is_hidden_from_splits(entry.name))
    return [folder / name for name in names if extension_of_member(name) in _EXTENSIONS]


def _only(tables: list[Path]) -> Path:
    """The one manifest, or that named as Hugging Face names it."""
    named = [path for path in tables if path.stem.casefold() == "metadata"] or tables
    if len(named) > 1:
        names = ", ".join(path.name for path in named)
        raise CodecError(f"{named[0].parent} holds several manifests ({names}); name one of them")
    return named[0]


def _holds_signals(folder: Path) -> bool:
    known = class_folder_extensions("image") | class_folder_extensions("sound")
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden_from_splits(name)]
        if any(extension_of_member(name) in known for name in names if not is_hidden_from_splits(name)):
            return True
    return False
