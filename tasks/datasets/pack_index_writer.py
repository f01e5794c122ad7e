"""Records of shards -> the index of a pack, and an index -> the files of the pack."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.pack_columns import Column, PackTexts, remove_other_columns, write_columns
from laconic.tasks.datasets.pack_index import CONTENT_BYTES, FORMAT, INDEX_NAME, VERSION, PackIndexOptions
from laconic.tasks.datasets.sources.pack_source import PackSource

if TYPE_CHECKING:
    from jaxtyping import Shaped, UInt8

Record = Mapping[str, Any]


def write_index(folder: Path, fields: Mapping[str, Any], columns: Mapping[str, Shaped[Column, "_ ..."]]) -> None:
    """Write the columns, then the index that names them, then remove what an earlier index had. Raises `OSError`."""
    name, num_bytes = write_columns(folder, columns)
    samples = {"columns": name, "num_bytes": num_bytes, "count": len(columns["label"])}
    everything = {"format": FORMAT, "version": VERSION, **fields, "samples": samples}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in everything.items())
    atomic_write(folder / INDEX_NAME, f"{{\n{lines}\n}}\n".encode(), force=True)
    remove_other_columns(folder, name)


def filled_records(source: PackSource, records: Sequence[Record]) -> list[Record]:
    """Those of shards with samples. Raises `CodecError` where there are none."""
    filled = [record for record in records if record["num_bytes"]]
    if not filled:
        first = records[0]["skipped"][0]
        raise CodecError(f"{source.name} holds no file that can be packed; the first is {first[0]}: {first[1]}")
    return filled


def fields_of_records(
    source: PackSource, options: PackIndexOptions, plan: str, records: Sequence[Record]
) -> dict[str, Any]:
    """All but format, version and columns, as JSON has it. Raises `CodecError` where no sample could be packed."""
    filled = filled_records(source, records)
    (fingerprint,) = {name for record in filled for name in record["fingerprints"]}
    model = load_model_of(bytes.fromhex(fingerprint), options.model)
    return {
        "kind": source.kind,
        "classes": source.classes,
        "options": {**asdict(options), "model": model.name if options.model else None},
        "model": {"name": model.name, "fingerprint": fingerprint, "group_ends": options.group_ends(model)},
        "grid": common_grid(tuple(grid) for record in filled for grid in record["grids"]),
        "statistics": _statistics(filled),
        "shards": shards_of_records(filled),
        "targets": target_suffixes(filled),
        "skipped": sorted([*source.skipped, *skipped_of_records(records)]),
        "notes": notes_of_records(records),
        "plan": plan,
    }


def shards_of_records(filled: Sequence[Record]) -> list[dict[str, Any]]:
    return [{name: record[name] for name in ("name", "split", "num_bytes")} for record in filled]


def target_suffixes(filled: Sequence[Record]) -> list[str]:
    return sorted({suffix for record in filled for targets in record["targets"] for suffix in targets})


def skipped_of_records(records: Sequence[Record]) -> list[tuple[str, str]]:
    return [(source, why) for record in records for source, why in record["skipped"]]


def notes_of_records(records: Sequence[Record]) -> list[tuple[str, str]]:
    return sorted((source, what) for record in records for source, what in record["notes"])


def common_grid(grids: Any) -> tuple[int, int] | None:
    """The one that all are; None where they differ."""
    found = set(grids)
    return found.pop() if len(found) == 1 else None


def columns_of_records(filled: Sequence[Record], first_shard: int = 0) -> dict[str, Shaped[Column, "_ ..."]]:
    """Those of the samples of shards, of which the first has this number."""
    rows: dict[str, list[Any]] = {name: [] for name in filled[0]["columns"]}
    for record in filled:
        for name, column in record["columns"].items():
            rows[name] += column
    targets = [targets for record in filled for targets in record["targets"]]
    counts = [len(record["columns"]["key"]) for record in filled]
    content = np.frombuffer(bytes.fromhex("".join(rows["content"])), np.uint8).reshape(-1, CONTENT_BYTES)
    columns: dict[str, Shaped[Column, "_ ..."]] = {
        "shard": np.repeat(np.arange(first_shard, first_shard + len(filled), dtype=np.uint32), counts),
        "offset": np.array(rows["offset"], np.int64),
        "length": np.array(rows["length"], np.uint32),
        "label": np.array(rows["label"], np.int32),
        "heads": np.array(rows["heads"], np.uint32),
        "content": content,
        **PackTexts.of(rows["key"]).columns("key"),
        **PackTexts.of(rows["source"]).columns("source"),
    }
    for suffix in target_suffixes(filled):
        places = [places.get(suffix, (-1, 0)) for places in targets]
        columns[f"targets.{suffix}.offset"] = np.array([offset for offset, _ in places], np.int64)
        columns[f"targets.{suffix}.length"] = np.array([length for _, length in places], np.uint32)
    return columns


def source_hash(content: UInt8[NDArray[np.uint8], "n bytes"]) -> str:
    """Of the samples of a source, in whatever order and shards they are packed."""
    rows = np.ascontiguousarray(content).view(f"V{content.shape[1]}").ravel()
    return hashlib.sha256(np.sort(rows).tobytes()).hexdigest()


def _statistics(records: Sequence[Record]) -> dict[str, Any]:
    """Mean and deviation of each channel in signal units, by the samples that were measured: of the training split where
    there is one."""
    measured = [record for record in records if record["sums"]]
    if not measured:
        raise CodecError(
            "none of the samples that statistics are of, the first of each split, can be packed; repair these"
        )
    splits = {record["split"] for record in measured}
    split = "train" if "train" in splits else measured[0]["split"]
    chosen = [record for record in measured if record["split"] == split]
    count = sum(record["num_places"] for record in chosen)
    first, second = np.sum([np.array(record["sums"]) for record in chosen], axis=0) / max(count, 1)
    deviation = np.sqrt(np.maximum(second - first**2, 0))
    return {"split": split, "mean": first.tolist(), "std": deviation.tolist()}
