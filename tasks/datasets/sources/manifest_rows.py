"""Rows of a manifest: a table in CSV, TSV, JSON or JSON Lines, each row as a dictionary with the line it begins on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import class_folder_extensions
from laconic.tasks.datasets.sources.stored_source import extension_of_member

MANIFEST_EXTENSIONS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
_MAX_BYTES = 1 << 31
_DELIMITERS = (",", "\t", ";", "|")
ManifestRow = tuple[int, dict[str, Any] | str]  # a line and its cells, or why they cannot be used


def read_manifest_rows(path: Path) -> list[ManifestRow]:
    """All rows. Raises `CodecError` for a table that cannot be understood as a whole, `OSError`."""
    if path.stat().st_size > _MAX_BYTES:
        raise CodecError(f"{path} has more than 2 GiB; allowed are smaller manifests: split it")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise CodecError(
            f"{path} is not UTF-8 text: byte {err.start} is {err.object[err.start]:#04x}; save it as UTF-8"
        ) from err
    if not text.strip():
        raise CodecError(f"{path} is empty; allowed is a table with a header and a row for each sample")
    extension = extension_of_member(path.name)
    if extension in (".csv", ".tsv"):
        with _cells_of_any_length():
            return list(_csv_rows(path, text, extension))
    return list(_json_rows(path, text) if extension == ".json" else _lines(text))


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Python's limit of 131072 letters, which is one of the process, is put aside for captions and tables in cells."""
    before = csv.field_size_limit(_MAX_BYTES - 1)  # what a 32-bit number holds
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _csv_rows(path: Path, text: str, extension: str) -> Iterator[ManifestRow]:
    header_line = text.lstrip("\r\n").splitlines()[0]
    known = "\t" if extension == ".tsv" else ""
    delimiter = known or max(_DELIMITERS, key=lambda mark: (header_line.count(mark), mark == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if header is None:
                    header = _checked_header(path, cells)
                elif len(cells) != len(header):
                    yield line, f"it has {len(cells)} cells, the header {len(header)}: quote cells with {delimiter!r}"
                else:
                    yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as err:
        raise CodecError(f"{path} is no {extension[1:].upper()} from line {line} on: {err}; repair its quotes") from err


def _checked_header(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    signals = class_folder_extensions("image") | class_folder_extensions("sound")
    if files := [name for name in names if extension_of_member(name) in signals]:
        raise CodecError(f"{path} begins with {files[0]!r}, so it has no header; add a first line, such as path,label")
    if twice := [name for name in names if names.count(name) > 1]:
        raise CodecError(f"{path} has the column {twice[0]!r} twice; allowed is one of each name")
    return names


def _lines(text: str) -> Iterator[ManifestRow]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object_of(line)


def _object_of(line: str) -> dict[str, Any] | str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as err:
        return f"it is no JSON: {err}"
    return value if isinstance(value, dict) else "it is no JSON object; allowed is one object a line"


def _json_rows(path: Path, text: str) -> Iterator[ManifestRow]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise CodecError(f"{path} is no JSON: {err}; repair it, or use .jsonl for one object a line") from err
    rows = _rows_in(value)
    if rows is None:
        raise CodecError(
            f"{path} holds no list of samples; allowed are a list of objects, such as "
            '[{"path": "a.jpg", "label": "hat"}], an object with one such list, or an object of paths to labels'
        )
    for number, row in enumerate(rows, start=1):
        yield number, row if isinstance(row, dict) else "it is no object"


def _rows_in(value: Any) -> Iterable[Any] | None:
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    lists = [item for item in value.values() if isinstance(item, list)]
    if len(lists) == 1:
        return lists[0]
    if value and all(isinstance(label, str | int) for label in value.values()):
        return [{"path": path, "label": label} for path, label in value.items()]
    return None
