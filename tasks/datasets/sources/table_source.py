"""Data sets of the library `datasets`, saved to disk, and Parquet files with pictures or sounds in a column.

The signal is a column of {bytes, path} or of bytes; the classes are a column of the type ClassLabel, whose names stand in
the schema, or one named as labels are in manifests; all other columns are targets (`row_targets`), pictures among them with
the extension of their bytes. Splits are the folders of a saved `DatasetDict` or words in names of Parquet files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.formats.sound_files import is_sound_file
from laconic.tasks.datasets.sources.manifest_columns import LABEL_COLUMNS, column_among
from laconic.tasks.datasets.sources.row_targets import (
    check_column_names,
    suffix_of_target_file,
    suffix_of_value,
    text_column_among,
)
from laconic.tasks.datasets.sources.stored_source import Findings, FoundSample, StoredSource, settle_findings
from laconic.tasks.datasets.sources.table_files import (
    TableFile,
    TableStore,
    name_of_row,
    open_table_file,
    rows_that_lack,
)
from laconic.tasks.datasets.targets import check_target_suffix

_SIGNAL_COLUMNS = (
    *("image", "img", "picture", "audio", "sound", "speech", "bytes", "image_bytes", "jpg", "jpeg", "png", "webp"),
    *("wav", "flac", "mp3", "content", "data"),
)
_SIGNAL_TYPES: Mapping[str, MediaKind] = {"Image": "image", "Audio": "sound"}
_MAGIC_EXTENSIONS = (
    *((b"\x89PNG", ".png"), (b"\xff\xd8", ".jpg"), (b"RIFF", ".webp"), (b"\x93NUMPY", ".npy"), (b"fLaC", ".flac")),
    *((b"II*\0", ".tif"), (b"MM\0*", ".tif"), (b"OggS", ".ogg")),
)


@dataclass(frozen=True)
class _TableColumns:
    """What the columns of a table are; `names` of the classes, None where the schema has none; `targets` are columns
    with their suffixes."""

    signal: str
    kind: MediaKind
    label: str | None
    names: tuple[str, ...] | None
    targets: tuple[tuple[str, str], ...]


def read_table_source(name: str, root: Path, files: Mapping[str, str], notes: Sequence[str] = ()) -> StoredSource:
    """The rows of files below `root`, each file in its split. Raises `CodecError`, `OSError`, `MissingDependencyError`."""
    found: list[FoundSample] = []
    skipped: list[tuple[str, str]] = []
    columns: _TableColumns | None = None
    for file, split in files.items():
        try:
            table = open_table_file(root / file)
        except (CodecError, OSError) as err:
            skipped.append((file, str(err)))
            continue
        if table.num_rows:
            its = _columns_of(file, table)
            if columns is not None and its != columns:
                raise CodecError(f"{name} has files with other columns, types or class names: {file}; pack them apart")
            columns = its
            found += _samples_of(file, split, table, its)
    if columns is None:
        raise CodecError(
            f"{name} has no rows that can be read{''.join(f'; {file}: {why}' for file, why in skipped[:1])}"
        )
    findings = Findings(found, skipped, notes, columns.kind, columns.names)
    return settle_findings(name, findings, TableStore(root, columns.signal))


def _columns_of(file: str, table: TableFile) -> _TableColumns:
    if twice := [name for name, count in Counter(table.schema.names).items() if count > 1]:
        raise CodecError(f"{file} has the column {twice[0]!r} twice; allowed is one of each name")
    features = _features_of(table.schema)
    names = [name for name in table.schema.names if not name.startswith("__index_level_")]  # numbers of rows, of pandas
    signal = _signal_among(file, table, features)
    rest = [name for name in names if name != signal]
    classes = {name: features[name] for name in rest if features.get(name, {}).get("_type") == "ClassLabel"}
    label = column_among(list(classes), LABEL_COLUMNS) or next(iter(classes), None)
    label = label or column_among([name for name in rest if _can_be_label(table, name)], LABEL_COLUMNS)
    others = [name for name in rest if name != label]
    check_column_names(file, others)
    text = text_column_among(others)
    return _TableColumns(
        signal=signal,
        kind=_SIGNAL_TYPES.get(str(features.get(signal, {}).get("_type"))) or _kind_of(table, signal),
        label=label,
        names=_names_of_classes(classes.get(label or "", {})),
        targets=tuple((name, check_target_suffix(_suffix_of(table, name, text))) for name in others),
    )


def _features_of(schema: Any) -> dict[str, dict[str, Any]]:
    """What `datasets` says of columns; nothing where another library wrote the file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    pairs = features.items() if isinstance(features, dict) else ()
    return {name: feature for name, feature in pairs if isinstance(feature, dict)}


def _names_of_classes(feature: Mapping[str, Any]) -> tuple[str, ...] | None:
    names = feature.get("names")
    return tuple(map(str, names)) if isinstance(names, list) and len(set(map(str, names))) == len(names) else None


def _signal_among(file: str, table: TableFile, features: Mapping[str, Mapping[str, Any]]) -> str:
    named = [name for name in table.schema.names if features.get(name, {}).get("_type") in _SIGNAL_TYPES]
    found = named or [name for name in table.schema.names if _holds_files(table.schema.field(name).type)]
    chosen = found[0] if len(found) == 1 else column_among(found, _SIGNAL_COLUMNS)
    if chosen is None:
        what = f"several columns of files ({', '.join(found)})" if found else "no column of files"
        raise CodecError(
            f"{file} has {what}, its columns are {', '.join(table.schema.names)}; allowed is one of bytes, or of bytes and "
            "path, named image or audio where there are several"
        )
    return chosen


def _holds_files(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return "bytes" in {kind.field(i).name for i in range(kind.num_fields)}
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or str(kind) == "binary_view")


def _can_be_label(table: TableFile, name: str) -> bool:
    import pyarrow as pa

    kind = table.schema.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _kind_of(table: TableFile, signal: str) -> MediaKind:
    data, path = _first_file(table, signal)
    is_sound = is_sound_file(data[:16]) or path.lower().endswith((".wav", ".flac", ".mp3", ".ogg", ".opus"))
    return "sound" if is_sound else "image"


def _first_file(table: TableFile, column: str) -> tuple[bytes, str]:
    """Bytes and path of the first cell that has some."""
    for row in range(table.num_rows):
        value = table.cell(row, column)
        if value is not None:
            data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
            return data or b"", path or ""
    return b"", ""


def _suffix_of(table: TableFile, name: str, text: str | None) -> str:
    import pyarrow as pa

    kind = table.schema.field(name).type
    if _holds_files(kind):
        data, path = _first_file(table, name)
        known = next((extension for magic, extension in _MAGIC_EXTENSIONS if data.startswith(magic)), "")
        return suffix_of_target_file(name, f"x{known}" if known else path)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return suffix_of_value(name, "" if is_text else 0, text)


def _samples_of(file: str, split: str, table: TableFile, columns: _TableColumns) -> Iterator[FoundSample]:
    labels = table.column(columns.label).to_pylist() if columns.label else [None] * table.num_rows
    lacks = {name: rows_that_lack(table, name) for name, _ in columns.targets}
    for row, label in enumerate(labels):
        source = name_of_row(file, row)
        targets = (
            (suffix, f"{source}:{name}") for name, suffix in columns.targets if not (lacks[name] and lacks[name][row])
        )
        yield FoundSample(source, split, label, tuple(targets))
