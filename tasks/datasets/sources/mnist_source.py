"""MNIST and what is kept in its form (Fashion-MNIST, KMNIST, a split of EMNIST): idx files, as they are or as .gz.

train-images-idx3-ubyte   00 00 08 03, then n, h, w as big-endian 32 bits, then n * h * w bytes
train-labels-idx1-ubyte   00 00 08 01, then n, then n bytes
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.array_store import ArrayRows, ArrayStore, PackedFiles
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import Findings, FoundSample, StoredSource, settle_findings

_IMAGES = re.compile(r"(?P<set>.*?)(?P<split>train|t10k|test)-images[-.]idx3-ubyte(\.gz)?")
_PICTURES_HEAD, _LABELS_HEAD = struct.Struct(">4I"), struct.Struct(">2I")
_PICTURES_MAGIC, _LABELS_MAGIC = 0x803, 0x801
_MAX_SIDE = 1 << 12
_ROW_DIGITS = 6


def mnist_files_among(names: Sequence[str]) -> list[str]:
    """Names of the files of pictures in a folder, one of each split: as it is where it is also there as .gz."""
    found = sorted(name for name in names if _IMAGES.fullmatch(name))
    return [name for name in found if name.removesuffix(".gz") == name or name.removesuffix(".gz") not in found]


def read_mnist_source(name: str, root: Path, splits: SplitChoice) -> StoredSource:
    """The pictures of all splits in a folder. Raises `CodecError`, `OSError`."""
    files = PackedFiles(root)
    there = files.names()
    pictures = _one_set(root, mnist_files_among(there))
    found: list[FoundSample] = []
    skipped: list[tuple[str, str]] = []
    blocks: dict[str, ArrayRows] = {}
    for file, word in pictures.items():
        split = splits.of_word("test" if word == "t10k" else word)
        try:
            blocks[file], labels = _rows_of(files, file), _labels_of(files, file, there)
            if blocks[file].num_rows != len(labels):
                raise CodecError(f"it has {blocks[file].num_rows} pictures and {len(labels)} labels; copy both again")
        except (CodecError, OSError) as err:
            skipped.append((file, str(err)))
            continue
        if split is not None:
            found += [FoundSample(f"{file}/{i:0{_ROW_DIGITS}d}", split, label) for i, label in enumerate(labels)]
    return settle_findings(name, Findings(found, skipped, (), "image"), ArrayStore(files, blocks))


def _one_set(root: Path, pictures: Sequence[str]) -> Mapping[str, str]:
    """Each file with the word for its split. Raises `CodecError` for files of several sets, as EMNIST has them."""
    matches = {file: match for file in pictures if (match := _IMAGES.fullmatch(file))}
    sets = sorted({match["set"] for match in matches.values()})
    if len(sets) > 1:
        raise CodecError(
            f"{root} holds several data sets ({', '.join(one or 'MNIST' for one in sets)}); allowed is one: move the files "
            "of each to a folder"
        )
    return {file: match["split"] for file, match in matches.items()}


def _rows_of(files: PackedFiles, file: str) -> ArrayRows:
    head = files.read(file, 0, _PICTURES_HEAD.size)
    if len(head) < _PICTURES_HEAD.size:
        raise CodecError(f"{file} ends in its head; copy it again")
    magic, count, height, width = _PICTURES_HEAD.unpack(head)
    if magic != _PICTURES_MAGIC or not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise CodecError(f"{file} is no idx file of pictures; copy it again")
    rows = ArrayRows(file, _PICTURES_HEAD.size, count, height, width, 1)
    has = len(files.read(file)) - _PICTURES_HEAD.size
    if has != count * rows.row_bytes:
        raise CodecError(
            f"{file} has {has} bytes of pictures, its head tells of {count * rows.row_bytes}; copy it again"
        )
    return rows


def _labels_of(files: PackedFiles, pictures: str, there: Sequence[str]) -> list[int]:
    plain = pictures.removesuffix(".gz").replace("-images", "-labels").replace("idx3", "idx1")
    file = next((name for name in (plain, f"{plain}.gz") if name in there), None)
    if file is None:
        raise CodecError(f"its labels, {plain}, are not there; copy them beside it")
    data = files.read(file)
    if len(data) < _LABELS_HEAD.size or _LABELS_HEAD.unpack(data[: _LABELS_HEAD.size]) != (
        _LABELS_MAGIC,
        len(data) - _LABELS_HEAD.size,
    ):
        raise CodecError(f"{file} is no idx file of labels, or a cut one; copy it again")
    return list(data[_LABELS_HEAD.size :])
