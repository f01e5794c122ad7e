"""Arrow and Parquet files as stores of cells: a row is read by its number, without the data set's library.

An Arrow file is mapped into memory, so a cell costs what it holds. A Parquet file is read a row group at a time; the last
ones are kept, up to a number of bytes, so rows in order cost little, and rows at random a whole group each.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from threading import Lock
from typing import Any, BinaryIO, Protocol

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.datasets.sources.pack_source import identity_of_file, read_source_file, size_of_source_file
from laconic.tasks.datasets.sources.row_targets import bytes_of_value

_MOST_CACHED_BYTES = 1 << 28
_ROW_DIGITS = 8
_FILE_FIELDS = frozenset({"bytes", "path"})  # of a cell that is a file


class TableFile(Protocol):
    """One file of rows."""

    @property
    def schema(self) -> Any:
        """pyarrow's."""

    @property
    def num_rows(self) -> int: ...

    def column(self, name: str) -> Any:
        """All cells of a column, as pyarrow's `ChunkedArray`."""

    def cell(self, row: int, name: str) -> Any:
        """A cell as Python's value."""

    def may_lack(self, name: str) -> bool:
        """Whether some cells of a column may be null, told without reading them."""


class ArrowFile:
    """A file as `datasets` saves it: a stream of record batches, or the file format with its footer."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        file = pa.memory_map(str(path))
        try:
            self._table = pa.ipc.open_stream(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            self._table = pa.ipc.open_file(file).read_all()
        self._table.validate(full=True)  # or damaged offsets would be followed
        self.schema, self.num_rows = self._table.schema, self._table.num_rows

    def column(self, name: str) -> Any:
        return self._table.column(name)

    def cell(self, row: int, name: str) -> Any:
        return self._table.column(name)[row].as_py()

    def may_lack(self, name: str) -> bool:
        cells = self._table.column(name)
        return bool(cells.null_count) or _is_of_files(cells.type)


class ParquetFile:
    """A Parquet file; all of its columns are read with a row group."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._file = pq.ParquetFile(str(path))
        self.schema, self.num_rows = self._file.schema_arrow, self._file.metadata.num_rows
        groups = [self._file.metadata.row_group(i) for i in range(self._file.metadata.num_row_groups)]
        self._ends = [sum(group.num_rows for group in groups[: i + 1]) for i in range(len(groups))]
        self._cached: OrderedDict[int, Any] = OrderedDict()
        self._lock = Lock()

    def column(self, name: str) -> Any:
        return self._file.read(columns=[name]).column(name)

    def cell(self, row: int, name: str) -> Any:
        group = bisect_right(self._ends, row)
        table = self._group(group)
        return table.column(name)[row - self._ends[group] + table.num_rows].as_py()

    def _group(self, group: int) -> Any:
        with self._lock:
            if group not in self._cached:
                self._cached[group] = self._file.read_row_group(group)
            self._cached.move_to_end(group)
            while len(self._cached) > 1 and sum(table.nbytes for table in self._cached.values()) > _MOST_CACHED_BYTES:
                self._cached.popitem(last=False)
            return self._cached[group]

    def may_lack(self, name: str) -> bool:
        """Of a picture, whether its bytes do."""
        metadata = self._file.metadata
        for i in range(metadata.num_row_groups):
            chunks = [metadata.row_group(i).column(j) for j in range(metadata.num_columns)]
            found = [chunk for chunk in chunks if chunk.path_in_schema in (name, f"{name}.bytes")]
            if not found or not all(chunk.is_stats_set and chunk.statistics.null_count == 0 for chunk in found):
                return True
        return False


class TableStore:
    """A store: members are FILE/ROW, which is the cell of the signal, and FILE/ROW:COLUMN."""

    def __init__(self, root: Path, signal: str) -> None:
        self._root, self._signal = root, signal
        self._files: dict[str, TableFile] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[TableStore], tuple[Path, str]]:
        return TableStore, (self._root, self._signal)

    def open_member(self, name: str) -> Path | BinaryIO:
        found = self._file_in(self._signal, self._value(name))
        return io.BytesIO(found) if isinstance(found, bytes) else found

    def read_member(self, name: str) -> bytes:
        value, column = self._value(name), name.rpartition(":")[2]
        if isinstance(value, dict) and value.keys() <= _FILE_FIELDS:
            found = self._file_in(column, value)
            return found if isinstance(found, bytes) else read_source_file(found)
        return value if isinstance(value, bytes) else bytes_of_value("txt" if isinstance(value, str) else column, value)

    def identity_of_member(self, name: str) -> str:
        file, _, row = name.rpartition("/")
        return f"{identity_of_file(self._root / file)}+{row}"

    def _file_in(self, column: str, value: Any) -> Path | bytes:
        """The file that a cell is, or names: below the folder of the tables, or they could name any of this machine."""
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(data, bytes):
            return data
        if not isinstance(path, str) or not path or "\0" in path:
            raise CodecError(f"its {column} is empty; allowed are the bytes of a file, or its path")
        place = PureWindowsPath(path)  # which knows both slashes
        if place.anchor or ".." in place.parts:
            raise CodecError(
                f"its {column} is the file {path!r}, without its bytes; allowed are files below the table's folder: "
                "save the table with the bytes"
            )
        return self._root / path

    def _value(self, name: str) -> Any:
        file, _, place = name.rpartition("/")
        row, _, column = place.partition(":")
        try:
            return self._opened(file).cell(int(row), column or self._signal)
        except _errors_of_arrow() as err:
            if isinstance(err, OSError) and err.errno is not None:
                raise
            raise CodecError(f"the row cannot be read: {' '.join(str(err).split())}; copy {file} again") from err

    def _opened(self, file: str) -> TableFile:
        with self._lock:
            if file not in self._files:
                self._files[file] = open_table_file(self._root / file)
            return self._files[file]


def open_table_file(path: Path) -> TableFile:
    """A Parquet file by its extension, or else an Arrow file. Raises `CodecError`, `OSError`, `MissingDependencyError`."""
    size_of_source_file(path)
    try:
        return ParquetFile(path) if path.suffix.lower() in PARQUET_EXTENSIONS else ArrowFile(path)
    except _errors_of_arrow() as err:
        if isinstance(err, OSError) and err.errno is not None:
            raise
        kind = "Parquet" if path.suffix.lower() in PARQUET_EXTENSIONS else "Arrow"
        reason = " ".join(str(err).split())
        raise CodecError(f"{path.name} is no {kind} file that can be read: {reason}; copy it again") from err


PARQUET_EXTENSIONS = (".parquet", ".pq")


def name_of_row(file: str, row: int) -> str:
    """The member that is a row's signal; in order as text."""
    return f"{file}/{row:0{_ROW_DIGITS}d}"


def rows_that_lack(file: TableFile, column: str) -> Sequence[bool]:
    """Of each row, whether its cell is null, or a file of which all is null; empty where none is."""
    if not file.may_lack(column):
        return ()
    cells = file.column(column)
    if not _is_of_files(cells.type):
        return [not valid for valid in cells.is_valid().to_pylist()]
    import pyarrow.compute as pc

    fields = [pc.struct_field(cells, i).is_valid().to_pylist() for i in range(cells.type.num_fields)]
    return [not any(there) for there in zip(*fields, strict=True)]


def _is_of_files(kind: Any) -> bool:
    """Whether cells of a type are {bytes, path}, or one of the two."""
    import pyarrow as pa

    if not pa.types.is_struct(kind):
        return False
    return kind.num_fields > 0 and {kind.field(i).name for i in range(kind.num_fields)} <= _FILE_FIELDS


def _errors_of_arrow() -> tuple[type[Exception], ...]:
    """What pyarrow raises for damaged bytes; an `OSError` among them has no number, unlike those of the system."""
    try:
        import pyarrow as pa
    except ImportError as err:
        raise MissingDependencyError(
            "pyarrow is not installed; Parquet files and saved data sets need it: pip install pyarrow"
        ) from err
    return (pa.ArrowException, EOFError, OSError)
