"""Which inputs of a verb are packed folders: told by their files, without loading anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from laconic.codecs.errors import CodecError

_INDEX_NAME = "index.json"
_WORK_NAMES = (".parts", ".whole")  # folders in a pack that is not finished
_MARK = b"laconic-pack"
_HEAD_BYTES = 4096


def is_packed_folder(name: str) -> bool:
    """Whether an input is a folder that `laconic pack` made, or began to make."""
    folder = Path(name)
    index = folder / _INDEX_NAME
    if not index.is_file():
        return _is_begun(folder)
    with index.open("rb") as file:
        return _MARK in file.read(_HEAD_BYTES) or any(folder.glob("*-[0-9][0-9][0-9][0-9][0-9].tar"))


def split_packed_folders(inputs: Sequence[str]) -> tuple[list[str], list[str]]:
    """The packed folders among inputs, and all others."""
    packs = [name for name in inputs if name != "-" and is_packed_folder(name)]
    return packs, [name for name in inputs if name not in packs]


def check_pack_is_finished(name: str) -> None:
    """Raise `CodecError` for a pack that was begun and not finished."""
    folder = Path(name)
    if (folder / _INDEX_NAME).is_file():
        return
    if _is_begun(folder):
        count = sum(1 for _ in folder.glob("*.tar"))
        raise CodecError(
            f"{folder} is a pack that is not finished: {count} shards are done and there is no {_INDEX_NAME}; the same "
            "`laconic pack` command finishes it"
        )
    raise CodecError(f"{folder} is no packed folder: it has no {_INDEX_NAME}; allowed is what `laconic pack` makes")


def _is_begun(folder: Path) -> bool:
    return any((folder / name).is_dir() for name in _WORK_NAMES)
