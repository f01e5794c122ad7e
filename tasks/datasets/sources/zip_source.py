"""Class folders in a .zip, read in place."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import class_folder_contents
from laconic.tasks.datasets.sources.pack_source import check_member_size
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import StoredSource
from laconic.tasks.datasets.splits import FolderTree, is_hidden_from_splits

_ENCRYPTED = 1


class ZipStore:
    """A store: members of a .zip by their names below a folder of it. For use from threads; pickled by its path."""

    def __init__(self, path: Path, folder: str = "") -> None:
        self._path, self._folder = path, folder
        self._file: zipfile.ZipFile | None = None
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[ZipStore], tuple[Path, str]]:
        return ZipStore, (self._path, self._folder)

    def open_member(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read_member(name))

    def read_member(self, name: str) -> bytes:
        try:
            file = self._opened()
            member = file.getinfo(self._folder + name)
            if member.flag_bits & _ENCRYPTED:
                raise CodecError("it is encrypted; allowed are plain members: unpack the .zip with its password")
            check_member_size(name, member.file_size)
            return file.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, KeyError) as err:
            raise CodecError(f"it is damaged, or packed in an unknown way: {err}; repair or copy the .zip") from err

    def identity_of_member(self, name: str) -> str:
        member = self._opened().getinfo(self._folder + name)
        return f"{member.file_size}#{member.CRC:08x}"

    def _opened(self) -> zipfile.ZipFile:
        with self._lock:
            if self._file is None:
                self._file = zipfile.ZipFile(self._path)
            return self._file


def read_zip_source(name: str, path: Path, splits: SplitChoice) -> StoredSource:
    """The class folders in a .zip, or in the only folder at its top. Raises `CodecError`, `OSError`."""
    members, skipped = _members_of(path)
    folder = _only_folder(members, splits)
    members = [member.removeprefix(folder) for member in members]
    folders: dict[str, set[str]] = {}
    files: dict[str, list[str]] = {".": []}
    for member in members:
        top, slash, _ = member.partition("/")
        files.setdefault(top if slash else ".", []).append(member)
        for parent, child in _folders_in(member):
            folders.setdefault(parent, set()).add(child)
    tree = FolderTree(f"{name}/{folder}".rstrip("/"), lambda place: sorted(folders.get(place, ())))
    found = class_folder_contents(tree, files, splits.said)
    return StoredSource(
        name=name,
        kind=found.kind,
        classes=found.classes,
        samples=found.samples,
        skipped=tuple(sorted([*found.skipped, *skipped])),
        notes=found.notes,
        store=ZipStore(path, folder),
    )


def _members_of(path: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """Names of the files that are not hidden, sorted, and those that cannot be used."""
    try:
        with zipfile.ZipFile(path) as file:
            names = sorted({member.filename for member in file.infolist() if not member.is_dir()})
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as err:
        raise CodecError(f"{path} is no .zip that can be read: {err}; copy it again") from err
    shown = [name for name in names if not any(map(is_hidden_from_splits, name.replace("..", "").split("/")))]
    bad = [name for name in shown if name.startswith("/") or ".." in name.split("/")]
    return [name for name in shown if name not in bad], [(name, "its path leads out of the .zip") for name in bad]


def _folders_in(member: str) -> Iterator[tuple[str, str]]:
    """Each folder on the way to a member, with the one it is in."""
    parts = member.split("/")[:-1]
    for i, part in enumerate(parts):
        yield "/".join(parts[:i]), part


def _only_folder(members: list[str], splits: SplitChoice) -> str:
    """The folder at the top that holds everything, as archives of a folder have one, where what is in it has folders of
    its own; "" where it is needed as a split or a class."""
    tops = {member.partition("/")[0] for member in members}
    folder = f"{next(iter(tops))}/" if len(tops) == 1 else ""
    is_needed = not folder or SplitChoice().of_word(folder[:-1]) or folder[:-1] in (splits.said or ())
    return "" if is_needed or not all("/" in member.removeprefix(folder) for member in members) else folder
