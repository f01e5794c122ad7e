"""Members of tar files by where they are: a tar is looked through once, nothing is ever extracted."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.pack_source import check_member_size, identity_of_file, size_of_source_file

_TAR_BLOCK = 512


@dataclass(frozen=True)
class TarMember:
    """A file in a tar; `why` it cannot be used, empty where it can."""

    name: str
    offset: int
    num_bytes: int
    why: str = ""


@dataclass(frozen=True)
class TarStore:
    """A store: members are named SHARD/MEMBER; each is read by its place in the shard."""

    root: Path
    places: dict[str, tuple[str, int, int]]  # shard, offset, length

    def open_member(self, name: str) -> BinaryIO:
        return io.BytesIO(self.read_member(name))

    def read_member(self, name: str) -> bytes:
        shard, offset, num_bytes = self.places[name]
        return read_place(self.root / shard, offset, check_member_size(name, num_bytes))

    def identity_of_member(self, name: str) -> str:
        shard, offset, num_bytes = self.places[name]
        return f"{identity_of_file(self.root / shard)}+{offset}+{num_bytes}"


def read_place(path: Path, offset: int, num_bytes: int) -> bytes:
    """So many bytes of a file from an offset on. Raises `CodecError` where it ends before, `OSError`."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(num_bytes)
    if len(data) < num_bytes:
        raise CodecError(f"{path.name} ends within it, after {len(data)} of {num_bytes} bytes; copy the file again")
    return data


def list_tar_members(path: Path) -> Iterator[TarMember]:
    """The files of a tar in order, also those that cannot be used; where the tar itself is damaged, a last one without a
    name says so. Raises `CodecError` for a file that is no tar, `OSError`."""
    num_bytes, end, member = size_of_source_file(path), 0, None
    try:
        with tarfile.open(path, "r:", encoding="utf-8") as tar:
            for header in headers_of_tar(tar):
                tar.members = []  # type: ignore[attr-defined] # it would keep all
                member, end = _member_of(header, num_bytes), tar.offset
                if not header.isdir():
                    yield member
    except (
        tarfile.TarError,
        ValueError,
        EOFError,
        RecursionError,
    ) as err:  # headers that are hostile
        if member is None:
            compressed = "; one that is compressed is to be unpacked to .tar first" if num_bytes else ""
            raise CodecError(f"{path} is no tar that can be read: {err}{compressed}") from err
    if end < num_bytes and (why := _damage_at(path, end, num_bytes)):
        yield TarMember("", end, 0, why)


def headers_of_tar(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The headers of an open tar in order, each behind the one before. Raises `tarfile.ReadError` for one of a negative
    size, which would lead back, so that reading never ends."""
    end = 0
    for header in tar:
        if header.size < 0 or tar.offset <= end:
            raise tarfile.ReadError(f"{header.name} has {header.size} bytes")
        end = tar.offset
        yield header


def _member_of(member: tarfile.TarInfo, num_bytes: int) -> TarMember:
    kind = "a link" if member.islnk() or member.issym() else "a sparse file" if member.issparse() else "no file"
    why = ""
    if not member.isreg() or member.issparse():
        why = f"it is {kind}; allowed are plain files: write the tar with its content (tar --dereference)"
    elif ".." in member.name.split("/"):
        why = "its path leads out of the tar"
    elif member.offset_data + member.size > num_bytes:
        why = f"the tar ends within it, at byte {num_bytes}; copy the file again"
    return TarMember(member.name.removeprefix("./"), member.offset_data, member.size, why)


def _damage_at(path: Path, end: int, num_bytes: int) -> str:
    """What is wrong where reading of headers ended: a whole tar has a block of zeros there, or nothing."""
    with path.open("rb") as file:
        file.seek(end)
        block = file.read(_TAR_BLOCK)
    if not any(block):
        return ""
    return f"the tar is damaged at byte {end} of {num_bytes}: what follows was not read; copy the file again"
