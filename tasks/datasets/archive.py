"""A source of samples -> tar shards of .lcn files with labels and an index: `pack`.

    OUT/train-00000.tar            00000000.lcn 00000000.cls 00000001.lcn ..., or many small samples in one member
                                   (see `shard_members`; webdataset reads both; other targets: see `targets`)
    OUT/index.json                 classes, statistics of the latents, what was skipped
    OUT/samples-1234abcd.safetensors   where every sample is (see `pack_index`)

Samples belong to shards by their place in the shuffled list, tar headers are constant, and every file gets its name only
when it is complete and on disk. So a run that was killed is finished by the same call, shard by shard, and the bytes are
those of an uninterrupted run. What a finished shard holds stands in OUT/.parts until the index is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from laconic.codecs.arguments import path_argument, typed_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.folder_lock import folder_lock
from laconic.tasks.datasets.pack_engines import PackEngine, SampleEncode, engine_argument
from laconic.tasks.datasets.pack_index import INDEX_NAME, PARTS_NAME, PackIndex, PackIndexOptions, read_index
from laconic.tasks.datasets.pack_index_writer import (
    Record,
    columns_of_records,
    fields_of_records,
    filled_records,
    source_hash,
    write_index,
)
from laconic.tasks.datasets.pack_plan import digest_of_plan, measured_numbers, planned_shards
from laconic.tasks.datasets.sample_encoder import SampleEncoder
from laconic.tasks.datasets.shard_writer import ShardSample, ShardWriter, shard_has_size
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource
from laconic.tasks.datasets.sources.stored_pack import StoredPack, StoredSampleCopier


def pack(
    source: Path | str | PackSource,
    output: Path | str,
    options: PackIndexOptions | None = None,
    *,
    engine: PackEngine | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> PackIndex:
    """Pack what `open_pack_source` finds at a path, or a source that was opened; what an earlier, killed call did is kept.
    `engine`: where samples are encoded, None for threads; `on_sample` gets the number of samples done.

    Raises `CodecError` for sources that cannot be packed and an `output` that holds something else, `OSError`.
    """
    options = (
        PackIndexOptions()
        if options is None
        else typed_argument("options", options, PackIndexOptions, "a PackIndexOptions or None")
    )
    engine = engine_argument(engine)
    output = path_argument("output", output)
    source = source if isinstance(source, PackSource) else open_pack_source(source)
    check_pack_output(output, source)
    plan = digest_of_plan(source, options)
    if (index := _finished(output, plan)) is not None and not (output / PARTS_NAME).exists():
        return index
    with folder_lock(output):
        return _packed(source, output, options, plan, partial(write_shards, engine=engine, on_sample=on_sample))


def check_pack_output(output: Path, source: PackSource) -> None:
    """Raises `CodecError` where a pack of the source must not be made there."""
    if output.exists() and not output.is_dir():
        raise CodecError(f"{output} is a file; allowed is a folder for the pack, which is made if needed")
    root = Path(source.name)
    if root.is_dir() and output.resolve().is_relative_to(root.resolve()):
        raise CodecError(f"{output} is in {root}, which is to be packed; allowed is a folder outside of it")
    if not output.is_dir() or (output / INDEX_NAME).exists() or (output / PARTS_NAME).exists():
        return
    if other := next((path for path in sorted(output.iterdir()) if not path.name.startswith(".")), None):
        raise CodecError(f"{output} holds something else ({other.name}); allowed is a new or an empty folder")


def _finished(output: Path, plan: str) -> PackIndex | None:
    """The index of a pack with all its shards. Raises `CodecError` for one of another plan."""
    if not (output / INDEX_NAME).exists():
        return None
    index = read_index(output)
    if index.plan != plan:
        raise CodecError(
            f"{output} holds another pack; allowed is a new folder: remove it or name another, or add to it (--append)"
        )
    is_whole = all(shard_has_size(output / shard.name, shard.num_bytes) for shard in index.shards)
    return index if is_whole else None


def _packed(
    source: PackSource, output: Path, options: PackIndexOptions, plan: str, write: Callable[..., list[Record]]
) -> PackIndex:
    """What `pack` does where it is alone in the folder; `write` is `write_shards`."""
    if (index := _finished(output, plan)) is not None:  # by another call in the meantime, or but for its helper files
        remove_pack_parts(output, [shard.name for shard in index.shards])
        return index
    (output / PARTS_NAME).mkdir(parents=True, exist_ok=True)
    shards = planned_shards(source.samples, options, plan, range(len(source.classes)))
    works = [ShardWriter(output, shard) for shard in shards]
    records = write(works, _encoder_of(source, options))
    options = replace(options, bit_depth=options.bit_depth or max(record["depth"] for record in records))
    fields = fields_of_records(source, options, plan, records)
    columns = columns_of_records(filled_records(source, records))
    write_index(output, fields | {"source_hash": source_hash(columns["content"])}, columns)
    remove_pack_parts(output, [record["name"] for record in records if record["num_bytes"]])
    return read_index(output)


def remove_pack_parts(output: Path, shards: Collection[str]) -> None:
    """Remove what is kept until a pack is finished, and shards that a killed call with other options or samples left."""
    for record in (output / PARTS_NAME).glob("*.tar.json"):
        if (name := record.name.removesuffix(".json")) not in shards:
            (output / name).unlink(missing_ok=True)
    shutil.rmtree(output / PARTS_NAME, ignore_errors=True)


def _encoder_of(source: PackSource, options: PackIndexOptions) -> SampleEncode:
    """What makes the contents of shards of samples: of a pack, they are copied."""
    measured = measured_numbers(source.samples)
    if isinstance(source, StoredPack):
        return StoredSampleCopier(source, options, measured)
    return SampleEncoder(source, options, measured)


def write_shards(
    works: Sequence[ShardWriter],
    encoded: SampleEncode,
    *,
    engine: PackEngine,
    on_sample: Callable[[int], None] | None,
    fingerprint: str = "",
) -> list[Record]:
    """Encode the samples of unfinished shards, write the shards in order, and return the records of all.
    `fingerprint`: of the model that all samples are to have, "" for that of the first."""
    records = {work: record for work in works if (record := work.read_record()) is not None}
    todo = [work for work in works if work not in records]
    done = sum(len(work.samples) for work in records)
    entries = ((number, sample) for work in todo for number, sample in work.samples)
    fingerprint = fingerprint or next((name for record in records.values() for name in record["fingerprints"]), "")
    with engine.encoding(encoded, entries) as results:
        for shard in todo:
            with shard as work:
                for packed in islice(results, len(work.samples)):
                    fingerprint = fingerprint or packed.fingerprint
                    work.add(_of_model(packed, fingerprint))
                    done += 1
                    if on_sample is not None:
                        on_sample(done)
                records[work] = work.finish()
    return [records[work] for work in works]


def _of_model(packed: ShardSample, fingerprint: str) -> ShardSample:
    """The sample, or why it is skipped: a pack has one model, which the first good sample decides."""
    if packed.fingerprint in ("", fingerprint):
        return packed
    reason = (
        "it needs another model than the first sample of the pack, as sounds of other sample rates do; allowed is one "
        "model: name it (--model), or set one rate (--sample-rate)"
    )
    return ShardSample(packed.number, packed.sample, error=reason)
