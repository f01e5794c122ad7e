"""Columns of a pack, one row for each sample: a safetensors file beside the index, read whole and without Python per row.

Texts are columns too: all of them as UTF-8 one after the other (`NAME.bytes`), and where each ends (`NAME.ends`).
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.whole_files import atomic_write

if TYPE_CHECKING:
    from jaxtyping import Int64, Shaped, UInt8

Column = NDArray[Any]
_TYPES = {"U8": np.uint8, "U32": np.uint32, "I32": np.int32, "I64": np.int64}
_PREFIX, _SUFFIX = "samples-", ".safetensors"
_MOST_HEAD_BYTES = 1 << 20
_SURROGATES = "surrogatepass"  # names of files need not be UTF-8; Python has lone surrogates for what is not


@dataclass(frozen=True, eq=False)
class PackTexts(Sequence[str]):
    """Many texts in two arrays, each made when it is asked for. `ends` (n,) are those of each in `utf8`."""

    utf8: UInt8[Column, " bytes"]
    ends: Int64[Column, " n"]

    @classmethod
    def of(cls, texts: Sequence[str]) -> PackTexts:
        """The same texts."""
        coded = [text.encode("utf-8", _SURROGATES) for text in texts]
        ends = np.cumsum([len(text) for text in coded], dtype=np.int64)
        return cls(np.frombuffer(b"".join(coded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        number = range(len(self))[index]  # counts from the end, and raises IndexError
        start = int(self.ends[number - 1]) if number else 0
        # What is no UTF-8 was damaged: it names nothing, and stops nothing.
        data = self.utf8[start : int(self.ends[number])].tobytes()
        try:
            return data.decode("utf-8", _SURROGATES)
        except UnicodeDecodeError:
            return data.decode("utf-8", "replace")

    def columns(self, name: str) -> dict[str, Shaped[Column, "_ ..."]]:
        """The two columns that `texts_of_columns` takes."""
        return {f"{name}.bytes": self.utf8, f"{name}.ends": self.ends}


def texts_of_columns(columns: Mapping[str, Shaped[Column, "_ ..."]], name: str) -> PackTexts:
    """A column of texts. Raises `ValueError` or `KeyError` where the two do not fit each other."""
    utf8, ends = columns[f"{name}.bytes"], columns[f"{name}.ends"]
    if utf8.dtype != np.uint8 or ends.dtype != np.int64 or utf8.ndim != 1 or ends.ndim != 1:
        raise ValueError(f"its column {name} is no texts")
    if len(ends) and (ends[0] < 0 or ends[-1] != len(utf8) or np.any(ends[1:] < ends[:-1])):
        raise ValueError(f"the texts of its column {name} do not follow each other")
    return PackTexts(utf8, ends)


def write_columns(folder: Path, columns: Mapping[str, Shaped[Column, "_ ..."]]) -> tuple[str, int]:
    """Write the columns into a folder, whole or not at all, under a name that their bytes decide; returns the name and the
    number of bytes. Raises `OSError`."""
    from safetensors.numpy import save

    data = save({name: np.ascontiguousarray(column) for name, column in columns.items()})
    name = f"{_PREFIX}{zlib.crc32(data):08x}{_SUFFIX}"
    atomic_write(folder / name, data, force=True)
    return name, len(data)


def remove_other_columns(folder: Path, name: str) -> None:
    """Remove what earlier indexes of the folder had for columns."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        if path.name != name:
            path.unlink(missing_ok=True)


def read_columns(folder: Path, name: str, num_bytes: int) -> dict[str, Shaped[Column, "_ ..."]]:
    """The columns of a file that `write_columns` named. Raises `OSError`, and `ValueError`, `KeyError` or `TypeError` for
    damaged ones."""
    if Path(name).name != name or not name.startswith(_PREFIX) or not name.endswith(_SUFFIX):
        raise ValueError(f"its columns are named {name!r}")
    if not (folder / name).is_file():
        raise ValueError(f"its columns {name} are missing")
    with (folder / name).open("rb") as file:
        if file.seek(0, 2) != num_bytes:
            raise ValueError(f"{name} has {file.tell()} bytes, not {num_bytes}")
        file.seek(0)
        columns, checksum = _read_tensors(file, num_bytes)
    if name != f"{_PREFIX}{checksum:08x}{_SUFFIX}":
        raise ValueError(f"{name} is damaged: its bytes have the checksum {checksum:08x}")
    return columns


def _read_tensors(file: BinaryIO, num_bytes: int) -> tuple[dict[str, Shaped[Column, "_ ..."]], int]:
    """Arrays straight from the file, so that the memory is theirs alone (the library's reader maps the file beside it), and
    the checksum of all bytes. The format has no gaps between tensors."""
    start = file.read(8)
    head_bytes = int.from_bytes(start, "little")
    if head_bytes > min(_MOST_HEAD_BYTES, num_bytes - len(start)):
        raise ValueError(f"its columns claim a head of {head_bytes} bytes")
    head = file.read(head_bytes)
    checksum, columns, place = zlib.crc32(head, zlib.crc32(start)), {}, 0
    fields = {name: entry for name, entry in json.loads(head).items() if name != "__metadata__"}
    for name, entry in sorted(fields.items(), key=lambda field: field[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        shape, dtype = tuple(int(side) for side in entry["shape"]), np.dtype(_TYPES[entry["dtype"]])
        if begin != place or min(shape, default=0) < 0 or end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"its column {name} has no place in the file")
        if end > num_bytes - len(start) - head_bytes:
            raise ValueError(f"its column {name} is longer than the file")
        column = np.empty(shape, dtype)
        data = column.reshape(-1).view(np.uint8).data
        file.readinto(data)  # type: ignore[attr-defined]  # which every file that was opened has
        checksum, place = zlib.crc32(data, checksum), end
        columns[name] = column
    return columns, checksum
