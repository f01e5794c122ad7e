"""Headers of WAV, RF64, AIFF, AU and CAF that do not tell how many bytes of samples there are, or not the truth.

Writers into a pipe cannot come back to the header: the size is 0 or a very large number there. libsndfile takes the first
for an empty sound. What a header tells of samples that are not there, or does not tell of what is there, is noted.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from laconic.codecs.notes import note

_LEAST_PLACEHOLDER = 0x7FFF0000  # ffmpeg writes 0xFFFFFFFF, SoX 0x7FFFF000, others 2**31 less the header
_SEARCHED_BYTES = 1 << 12
_DS64_SIZE_AT = 28  # EBU Tech 3306: of the data, in 8 bytes, where the 4 of the chunk are all ones


@dataclass(frozen=True)
class _Chunks:
    """How a container is cut in chunks: where they begin, and their sizes of `width` bytes.

    `data_name` has the samples, behind `data_head` bytes of its own.
    """

    first_at: int
    width: int
    order: str
    data_name: bytes
    data_head: int = 0

    @property
    def head(self) -> struct.Struct:
        return struct.Struct(f"{self.order}4s{'I' if self.width == 4 else 'Q'}")


@dataclass(frozen=True)
class _SizeField:
    """A number in a header: the bytes from `samples_at` on, and `extra` more. `layout` is that of the chunks around."""

    at: int
    form: struct.Struct
    value: int
    samples_at: int
    extra: int = 0
    layout: _Chunks | None = None


_WAV = _Chunks(12, 4, "<", b"data")
_CONTAINERS = {
    b"RIFF": _WAV,
    b"RF64": _WAV,
    b"RIFX": _Chunks(12, 4, ">", b"data"),
    b"FORM": _Chunks(12, 4, ">", b"SSND", 8),
    b"caff": _Chunks(8, 8, ">", b"data", 4),
}
_AU_ORDERS = {b".snd": ">", b"dns.": "<"}


def with_known_sample_size(file: BinaryIO) -> BinaryIO:
    """The file, or one with its bytes whose header tells the size of the samples where its own does not; notes what is left
    out."""
    end = file.seek(0, io.SEEK_END)
    field = _size_field(file, end)
    if field is not None:
        claimed, present = field.value - field.extra, end - field.samples_at
        if _is_placeholder(file, field, end):
            file = _patched(file, field, present)
        elif claimed > present:
            note(f"the file ends early: its header tells of {claimed} bytes of samples, {present} are there")
        elif _is_left(file, field, end):
            rest = present - claimed
            note(f"{rest} bytes behind its samples were left out: they are no part of such a file")
    file.seek(0)
    return file


def _size_field(file: BinaryIO, end: int) -> _SizeField | None:
    """Where the size of the samples stands, None in other formats and where the file ends before."""
    head = _read_at(file, 0, 12)
    if len(head) == 12 and (order := _AU_ORDERS.get(head[:4])):
        samples_at, size = struct.unpack_from(f"{order}II", head, 4)
        return _SizeField(8, struct.Struct(f"{order}I"), size, samples_at) if samples_at <= end else None
    layout = _CONTAINERS.get(head[:4])
    if layout is None:
        return None
    for position, name, size in _chunks(file, layout, layout.first_at, end):
        if name == layout.data_name:
            is_long = head.startswith(b"RF64") and size == 0xFFFFFFFF
            form = struct.Struct(layout.order + ("Q" if layout.width == 8 or is_long else "I"))
            at = _DS64_SIZE_AT if is_long else position + 4
            (value,) = form.unpack(_read_at(file, at, form.size))
            samples_at = position + layout.head.size + layout.data_head
            return _SizeField(at, form, value, samples_at, layout.data_head, layout) if samples_at <= end else None
    return None


def _chunks(file: BinaryIO, layout: _Chunks, position: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """Position, name and size of each chunk whose head is there."""
    while position + layout.head.size <= end:
        name, size = layout.head.unpack(_read_at(file, position, layout.head.size))
        yield position, name, size
        position += layout.head.size + size + (size & 1 if layout.width == 4 else 0)


def _is_placeholder(file: BinaryIO, field: _SizeField, end: int) -> bool:
    claimed, present = field.value - field.extra, end - field.samples_at
    if claimed > 0:
        return claimed > present and claimed >= _LEAST_PLACEHOLDER
    return present > 0 and not _ends_in_chunks(file, field.layout, field.samples_at, end)


def _is_left(file: BinaryIO, field: _SizeField, end: int) -> bool:
    """Whether there is more than padding behind the samples and it is no chunk."""
    position = field.samples_at + field.value - field.extra
    some = _read_at(file, position, _SEARCHED_BYTES)
    return bool(some.strip(b"\0")) and not any(
        _ends_in_chunks(file, field.layout, start, end) for start in (position, position + 1)
    )


def _ends_in_chunks(file: BinaryIO, layout: _Chunks | None, position: int, end: int) -> bool:
    """Whether the bytes from here to the end are chunks with names that can be read."""
    if layout is None:
        return False
    reached = position
    for start, name, size in _chunks(file, layout, position, end):
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        reached = start + layout.head.size + size
    return abs(end - reached) <= 1


def _patched(file: BinaryIO, field: _SizeField, num_bytes: int) -> BinaryIO:
    most = (1 << 8 * field.form.size) - 1
    size = field.form.pack(min(num_bytes + field.extra, most))
    return io.BufferedReader(_PatchedFile(file, field.at, size))


class _PatchedFile(io.RawIOBase):
    """A file with other bytes at one place."""

    def __init__(self, file: BinaryIO, at: int, patch: bytes) -> None:
        self._file, self._at, self._patch = file, at, patch

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        data = self._file.read(len(buffer))
        end = start + len(data)
        buffer[: len(data)] = data
        first, last = max(start, self._at), min(end, self._at + len(self._patch))
        if first < last:
            buffer[first - start : last - start] = self._patch[first - self._at : last - self._at]
        return len(data)


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)
