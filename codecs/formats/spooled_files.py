"""What comes once, kept: pipes as files that can seek, and results that are passed on only when they are complete."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, Final, cast

_MOST_IN_MEMORY: Final = 1 << 25  # bytes; what is longer goes to the disk
_COPIED_BYTES: Final = 1 << 20  # at a time


@contextmanager
def seekable_file(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or what is left of one that cannot seek, until the block ends."""
    if file.seekable():
        yield file
        return
    with spooled_rest(file) as kept:
        yield kept


@contextmanager
def spooled_rest(file: BinaryIO) -> Iterator[BinaryIO]:
    """What is left of a file, in memory or, if it is long, on disk until the block ends."""
    with spooled_file() as kept:
        shutil.copyfileobj(file, kept, _COPIED_BYTES)
        kept.seek(0)
        yield kept


@contextmanager
def spooled_file() -> Iterator[BinaryIO]:
    """An empty file to write and read, in memory or, once it is long, on disk; it is gone when the block ends."""
    with SpooledTemporaryFile(max_size=_MOST_IN_MEMORY) as file:
        yield cast(BinaryIO, _Nameless(file))


class _Nameless(io.RawIOBase):
    """A temporary file without its name, which is None: libraries take what has a name for a file of that name."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return self._file.write(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        return self._file.truncate(size)


def pass_on(file: BinaryIO, target: BinaryIO) -> None:
    """All of a file, from its start, to another."""
    file.seek(0)
    shutil.copyfileobj(file, target, _COPIED_BYTES)
