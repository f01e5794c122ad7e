"""Class folders -> tar shards of .lcn files with labels and an index: `pack`.

    OUT/train-00000.tar   00000000.lcn 00000000.cls 00000001.lcn ...   (webdataset reads it; other targets: see `targets`)
    OUT/index.json        classes, where every sample is, statistics of the latents, what was skipped

Samples belong to shards by their place in the sorted list, tar headers are constant, and every file gets its name only
when it is complete and on disk. So a run that was killed is finished by the same call, shard by shard, and the bytes are
those of an uninterrupted run. What a finished shard holds stands in OUT/.parts until the index is written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from laconic.codecs.arguments import path_argument, typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.models.zoo import load_model, load_model_of
from laconic.codecs.threads import default_threads, threaded_map
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.pack_index import (
    COLUMNS,
    FORMAT,
    INDEX_NAME,
    VERSION,
    PackIndex,
    PackIndexOptions,
    read_index,
)
from laconic.tasks.datasets.sample_encoder import SampleEncoder
from laconic.tasks.datasets.shard_writer import PARTS_NAME, ShardSample, ShardWriter, shard_has_size
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample

_MAX_THREADS = 256
_SAMPLES_AHEAD = 4  # for each thread


def pack(
    source: Path | str | PackSource,
    output: Path | str,
    options: PackIndexOptions | None = None,
    *,
    num_threads: int | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> PackIndex:
    """Pack a class folder, or what was listed of one, or another source; what an earlier, killed call did is kept.
    `on_sample` gets the number of samples done.

    Raises `CodecError` for sources that cannot be packed and an `output` that holds something else, `OSError`.
    """
    options = (
        PackIndexOptions()
        if options is None
        else typed_argument("options", options, PackIndexOptions, "a PackIndexOptions or None")
    )
    num_threads = (
        default_threads() if num_threads is None else whole_number_argument("num_threads", num_threads, 1, _MAX_THREADS)
    )
    output = path_argument("output", output)
    source = source if isinstance(source, PackSource) else list_class_folder(source)
    plan = _digest_of_plan(source, options)
    if (output / INDEX_NAME).exists():
        index = read_index(output)
        if index.plan != plan:
            raise CodecError(f"{output} holds another pack; allowed is a new folder: remove it or name another")
        if all(shard_has_size(output / shard.name, shard.num_bytes) for shard in index.shards):
            shutil.rmtree(output / PARTS_NAME, ignore_errors=True)
            return index
    (output / PARTS_NAME).mkdir(parents=True, exist_ok=True)
    works = [ShardWriter(output, name, samples, plan) for name, samples in _shards_of(source, options)]
    _run(works, SampleEncoder(source, options), num_threads, on_sample)
    records = [record for work in works if (record := work.read_record()) is not None]
    options = replace(options, bit_depth=options.bit_depth or max(record["depth"] for record in records))
    fields = _index_of(source, options, plan, records)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    atomic_write(output / INDEX_NAME, f"{{\n{lines}\n}}\n".encode(), force=True)
    shutil.rmtree(output / PARTS_NAME)
    return read_index(output)


def _run(
    works: Sequence[ShardWriter],
    encoded: Callable[[tuple[int, SourceSample]], ShardSample],
    num_threads: int,
    on_sample: Callable[[int], None] | None,
) -> None:
    """Encode the samples of unfinished shards in threads, and write the shards in order."""
    todo = [work for work in works if work.read_record() is None]
    done = sum(len(work.samples) for work in works) - sum(len(work.samples) for work in todo)
    entries = ((number, sample) for work in todo for number, sample in work.samples)
    fingerprint = _fingerprint_in(works)
    with threaded_map(num_threads, ahead=num_threads * _SAMPLES_AHEAD) as run:
        results = run(encoded, entries)
        for shard in todo:
            with shard as work:
                for packed in islice(results, len(work.samples)):
                    fingerprint = fingerprint or packed.fingerprint
                    work.add(_of_model(packed, fingerprint))
                    done += 1
                    if on_sample is not None:
                        on_sample(done)
                work.finish()


def _of_model(packed: ShardSample, fingerprint: str) -> ShardSample:
    """The sample, or why it is skipped: a pack has one model, which the first good sample decides."""
    if packed.fingerprint in ("", fingerprint):
        return packed
    reason = (
        "it needs another model than the first sample of the pack, as sounds of other sample rates do; allowed is one "
        "model: name it (--model), or set one rate (--sample-rate)"
    )
    return ShardSample(packed.number, packed.sample, error=reason)


def _shards_of(source: PackSource, options: PackIndexOptions) -> Iterator[tuple[str, list[tuple[int, SourceSample]]]]:
    numbered = list(enumerate(source.samples))
    for split in dict.fromkeys(sample.split for sample in source.samples):
        members = [(number, sample) for number, sample in numbered if sample.split == split]
        for i, first in enumerate(range(0, len(members), options.shard_samples)):
            yield f"{split}-{i:05d}.tar", members[first : first + options.shard_samples]


def _index_of(
    source: PackSource, options: PackIndexOptions, plan: str, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The index as JSON, from the records of all shards."""
    filled = [record for record in records if record["num_bytes"]]
    if not filled:
        first = records[0]["skipped"][0]
        raise CodecError(f"{source.name} holds no file that can be packed; the first is {first[0]}: {first[1]}")
    (fingerprint,) = {name for record in filled for name in record["fingerprints"]}
    grids = {tuple(grid) for record in filled for grid in record["grids"]}
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for i, record in enumerate(filled):
        columns["shard"] += [i] * len(record["columns"]["key"])
        for name, column in record["columns"].items():
            columns[name] += column
    model = load_model_of(bytes.fromhex(fingerprint), options.model)
    skipped = [*source.skipped, *(tuple(entry) for record in records for entry in record["skipped"])]
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": source.kind,
        "classes": source.classes,
        "options": {**asdict(options), "model": model.name if options.model else None},
        "model": {"name": model.name, "fingerprint": fingerprint, "group_ends": model.group_ends},
        "grid": next(iter(grids)) if len(grids) == 1 else None,
        "statistics": _statistics(filled),
        "shards": [{name: record[name] for name in ("name", "split", "num_bytes")} for record in filled],
        "samples": columns,
        **_target_columns([targets for record in filled for targets in record["targets"]]),
        "skipped": sorted(skipped),
        "notes": sorted(tuple(entry) for record in records for entry in record.get("notes", ())),
        "plan": plan,
    }


def _target_columns(samples: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, Any]:
    """Where the targets beside the label are, by suffix; nothing where there are none."""
    suffixes = sorted({suffix for targets in samples for suffix in targets})
    entries = {suffix: [targets.get(suffix, (-1, 0)) for targets in samples] for suffix in suffixes}
    columns = {
        suffix: {"offset": [offset for offset, _ in entry], "length": [length for _, length in entry]}
        for suffix, entry in entries.items()
    }
    return {"targets": columns} if columns else {}


def _statistics(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and deviation of each channel in signal units: of the training split where there is one."""
    splits = {record["split"] for record in records}
    split = "train" if "train" in splits else records[0]["split"]
    chosen = [record for record in records if record["split"] == split]
    count = sum(record["num_places"] for record in chosen)
    first, second = np.sum([np.array(record["sums"]) for record in chosen], axis=0) / max(count, 1)
    deviation = np.sqrt(np.maximum(second - first**2, 0))
    return {"split": split, "mean": first.tolist(), "std": deviation.tolist()}


def _digest_of_plan(source: PackSource, options: PackIndexOptions) -> str:
    """Names the work: samples with splits and identities, options, model. Where it differs, nothing of an earlier call is
    used."""
    fingerprint = load_model(options.model).fingerprint.hex() if options.model else None
    samples = [(s.source, s.split, s.label, s.targets, source.identity(s)) for s in source.samples]
    chosen = {**asdict(options), "model": fingerprint}
    work = [FORMAT, VERSION, source.classes, samples, chosen]
    return hashlib.sha256(json.dumps(work, sort_keys=True).encode()).hexdigest()


def _fingerprint_in(works: Sequence[ShardWriter]) -> str:
    records = (work.read_record() for work in works)
    return next((name for record in records if record for name in record["fingerprints"]), "")
