"""CIFAR-10 and CIFAR-100 as their authors and torchvision keep them: batches for Python, in a folder or the .tar.gz."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.array_store import ArrayRows, ArrayStore, PackedFiles
from laconic.tasks.datasets.sources.plain_pickles import PickledArray, PickledBytes, read_plain_pickle
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import Findings, FoundSample, StoredSource, settle_findings

_SIDE, _PLANES = 32, 3
_SPLITS = {**{f"data_batch_{i}": "train" for i in range(1, 6)}, "test_batch": "test", "train": "train", "test": "test"}
_NAMES = {"batches.meta": "label_names", "meta": "fine_label_names"}
_ROW_DIGITS = 5


def cifar_batches_among(names: Sequence[str]) -> list[str]:
    """Names of the batches in a folder that holds CIFAR; none in others."""
    if not any(name in names for name in _NAMES):
        return []
    return sorted(name for name in names if name in _SPLITS)


def read_cifar_source(name: str, root: Path, splits: SplitChoice) -> StoredSource:
    """The pictures of all batches; `root` is their folder or the archive. Raises `CodecError`, `OSError`."""
    files = PackedFiles(root)
    there = files.names()
    found: list[FoundSample] = []
    skipped: list[tuple[str, str]] = []
    blocks: dict[str, ArrayRows] = {}
    for batch in cifar_batches_among(there):
        split = splits.of_word(_SPLITS[batch])
        try:
            rows, labels = _batch_of(files, batch)
        except (CodecError, OSError) as err:
            skipped.append((batch, str(err)))
            continue
        blocks[batch] = rows
        if split is not None:
            found += [FoundSample(f"{batch}/{i:0{_ROW_DIGITS}d}", split, label) for i, label in enumerate(labels)]
    findings = Findings(found, skipped, (), "image", _class_names_of(files, there))
    return settle_findings(name, findings, ArrayStore(files, blocks))


def _batch_of(files: PackedFiles, batch: str) -> tuple[ArrayRows, list[int]]:
    """Where the pictures of a batch are, and their classes."""
    fields = _fields_of(files, batch)
    array = fields.get("data")
    labels = fields.get("labels", fields.get("fine_labels"))
    row_bytes = _PLANES * _SIDE * _SIDE
    shape = array.shape if isinstance(array, PickledArray) else ()
    count = shape[0] if len(shape) == 2 and isinstance(shape[0], int) else -1
    if (
        not isinstance(array, PickledArray)
        or not isinstance(array.data, PickledBytes)
        or shape != (count, row_bytes)
        or array.data.num_bytes != count * row_bytes
    ):
        raise CodecError(f"its data are {shape or 'no array'}; allowed is an array of bytes (n, {row_bytes})")
    if not isinstance(labels, list) or len(labels) != count or not all(type(label) is int for label in labels):
        raise CodecError(f"its labels are not {count} numbers; allowed is a list with one of each picture")
    return ArrayRows(batch, array.data.offset, count, _SIDE, _SIDE, _PLANES), labels


def _class_names_of(files: PackedFiles, names: Sequence[str]) -> list[str]:
    meta = next(name for name in _NAMES if name in names)
    found = _fields_of(files, meta).get(_NAMES[meta])
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise CodecError(f"{meta} of {files.root} has no list {_NAMES[meta]!r}; copy the data set again")
    return found


def _fields_of(files: PackedFiles, file: str) -> Mapping[str, Any]:
    value = read_plain_pickle(io.BytesIO(files.read(file)), file)
    if not isinstance(value, dict):
        raise CodecError(f"{file} holds a {type(value).__name__}; allowed is a dictionary")
    return value
