"""One process at a time in a folder: a lock that the system takes back when its process ends, however that ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from laconic.codecs.errors import CodecError

LOCK_NAME = ".lock"
_WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # file systems that have none: nothing is guarded there
_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)  # as systems say it


class FolderBusyError(CodecError):
    """Another process works in the folder."""


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made if needed; nothing of the lock stays. Raises `FolderBusyError` at once where
    another call holds it, in whatever process, `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_NAME
    file = _locked(path)
    while file is None:  # the file was removed by one who ended between our opening and our locking
        file = _locked(path)
    try:
        yield
    finally:
        if sys.platform == "win32":  # where an open file cannot be removed
            file.close()
            with suppress(OSError):  # the next one has it open already
                path.unlink()
        else:
            path.unlink(missing_ok=True)
            file.close()


def _locked(path: Path) -> BinaryIO | None:
    """The open file with the lock; None where it is no longer the one of that name."""
    file = path.open("ab")
    try:
        _lock(file.fileno())
    except OSError as err:
        file.close()
        if err.errno not in _BUSY:
            raise
        raise FolderBusyError(
            f"another process packs into {path.parent}; wait until it ends, or name another folder"
        ) from err
    if _is_at(file, path):
        return file
    file.close()
    return None


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(number: int) -> None:
    """Raises `OSError` where another has the lock."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            if err.errno not in _WITHOUT_LOCKS:
                raise
