"""Files that are there complete or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from laconic.codecs.arguments import bytes_argument, flag_argument, path_argument

_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def create_whole(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[BinaryIO]:
    """A new binary file that has its name only once the block ends without an error and all of it is on disk.

    Without `force`, a file of that name is never replaced: `FileExistsError`. Raises `OSError`; leaves nothing behind.
    """
    path, force = path_argument("path", path), flag_argument("force", force)
    if path.exists() and not path.is_file():  # /dev/null, a pipe, a folder
        raise OSError(errno.EINVAL, "is no ordinary file, so it cannot be replaced", str(path))
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            part.replace(path)
        else:
            _link(part, path)
    finally:
        part.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], data: bytes, *, force: bool = False) -> None:
    """Write a file at once, as `create_whole` does. Raises `OSError`."""
    data = bytes_argument("data", data)
    with create_whole(path, force=force) as file:
        file.write(data)


def _link(part: Path, path: Path) -> None:
    """Give a complete file its name; fails, in one step of the file system, where the name is taken."""
    try:
        os.link(part, path)
    except OSError as err:
        if err.errno not in _NO_HARD_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "File exists", str(path)) from err
        part.replace(path)  # not race-free, but FAT and some network file systems offer nothing better
