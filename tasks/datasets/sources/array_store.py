"""Pictures that are rows of an array in a file, as MNIST and CIFAR keep them, given as picture files in memory."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, BinaryIO

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.pack_source import identity_of_file
from laconic.tasks.datasets.sources.tar_members import headers_of_tar, read_place

_MOST_FILE_BYTES = 1 << 30  # of one file, unpacked


@dataclass(frozen=True)
class ArrayRows:
    """Rows of `num_planes` planes (h, w) of bytes, one after the other from an offset in a file on."""

    file: str
    offset: int
    num_rows: int
    height: int
    width: int
    num_planes: int

    @property
    def row_bytes(self) -> int:
        return self.num_planes * self.height * self.width


class PackedFiles:
    """Files in a folder, as they are or each as .gz, or in a tar; of compressed ones the content is kept in memory.

    For use from threads. Pickled without the contents. Raises `CodecError` for damaged ones, `OSError`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._contents: dict[str, bytes] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[PackedFiles], tuple[Path]]:
        return PackedFiles, (self.root,)

    def read(self, file: str, offset: int = 0, num_bytes: int | None = None) -> bytes:
        """All bytes of a file, or some from an offset on."""
        if self.root.is_dir() and not file.endswith(".gz"):
            size = (self.root / file).stat().st_size - offset if num_bytes is None else num_bytes
            return read_place(self.root / file, offset, size)
        with self._lock:
            if file not in self._contents:
                self._contents |= (
                    _contents_of_tar(self.root) if self.root.is_file() else _content_of_gzip(self.root, file)
                )
        content = self._contents[file]
        return content if num_bytes is None else content[offset : offset + num_bytes]

    def names(self) -> list[str]:
        """Of the files that are there, sorted."""
        if self.root.is_dir():
            return sorted(path.name for path in self.root.iterdir() if path.is_file())
        with self._lock:
            self._contents = self._contents or _contents_of_tar(self.root)
        return sorted(self._contents)

    def identity(self, file: str) -> str:
        return identity_of_file(self.root / file if self.root.is_dir() else self.root)


@dataclass(frozen=True)
class ArrayStore:
    """A store: members are FILE/ROW, each a PPM or PGM picture made of the row."""

    files: PackedFiles
    blocks: Mapping[str, ArrayRows]

    def open_member(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read_member(name))

    def read_member(self, name: str) -> bytes:
        file, _, row = name.rpartition("/")
        rows = self.blocks[file]
        data = self.files.read(rows.file, rows.offset + int(row) * rows.row_bytes, rows.row_bytes)
        if len(data) < rows.row_bytes:
            raise CodecError(f"{rows.file} ends within it; copy the file again")
        head = b"%s\n%d %d\n255\n" % (b"P5" if rows.num_planes == 1 else b"P6", rows.width, rows.height)
        return head + _interleaved(data, rows)

    def identity_of_member(self, name: str) -> str:
        file, _, row = name.rpartition("/")
        return f"{self.files.identity(self.blocks[file].file)}+{row}"


def _interleaved(data: bytes, rows: ArrayRows) -> bytes:
    """Planes one after the other -> colours side by side."""
    size, out = rows.height * rows.width, bytearray(len(data))
    for plane in range(rows.num_planes):
        out[plane :: rows.num_planes] = data[plane * size : (plane + 1) * size]
    return bytes(out)


def _content_of_gzip(root: Path, file: str) -> dict[str, bytes]:
    try:
        with gzip.open(root / file) as stream:
            return {file: _limited(stream, file)}
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise CodecError(f"{root / file} is damaged: {err}; copy it again") from err


def _contents_of_tar(path: Path) -> dict[str, bytes]:
    """The files of a tar, which may be compressed, by the last part of their names."""
    try:
        with tarfile.open(path, "r:*") as tar:
            members = [member for member in headers_of_tar(tar) if member.isreg()]
            if sum(member.size for member in members) > _MOST_FILE_BYTES:
                raise CodecError(
                    f"{path} unpacks to more than {_MOST_FILE_BYTES} bytes; unpack it, and name the folder"
                )
            streams = ((member.name.rpartition("/")[2], tar.extractfile(member)) for member in members)
            return {name: _limited(stream, name) for name, stream in streams if stream is not None}
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as err:
        if isinstance(err, CodecError):
            raise
        raise CodecError(f"{path} is damaged, or no tar: {err}; copy it again") from err


def _limited(stream: IO[bytes] | gzip.GzipFile, name: str) -> bytes:
    data = stream.read(_MOST_FILE_BYTES + 1)
    if len(data) > _MOST_FILE_BYTES:
        raise CodecError(f"{name} unpacks to more than {_MOST_FILE_BYTES} bytes; allowed is less")
    return data
