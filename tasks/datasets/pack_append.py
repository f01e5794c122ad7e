"""More samples for a pack that is there: `append_to_pack` adds shards and leaves those that are there as they are.

Classes that are new come after the others, so labels keep their meaning; statistics stay those of the first pack, so that
what was trained on it still fits. A sample is known by its split, name and bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from laconic.codecs.arguments import path_argument, typed_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.models.zoo import load_model
from laconic.codecs.threads import default_threads, threaded_map
from laconic.tasks.datasets.archive import remove_pack_parts, write_shards
from laconic.tasks.datasets.folder_lock import folder_lock
from laconic.tasks.datasets.pack_columns import Column, PackTexts, read_columns, texts_of_columns
from laconic.tasks.datasets.pack_engines import PackEngine, engine_argument
from laconic.tasks.datasets.pack_index import (
    INDEX_NAME,
    PARTS_NAME,
    VERSION,
    PackIndex,
    PackIndexOptions,
    read_index,
)
from laconic.tasks.datasets.pack_index_writer import (
    Record,
    columns_of_records,
    common_grid,
    notes_of_records,
    shards_of_records,
    skipped_of_records,
    source_hash,
    target_suffixes,
    write_index,
)
from laconic.tasks.datasets.pack_plan import digest_of_plan, planned_shards
from laconic.tasks.datasets.sample_encoder import SampleEncoder, read_content
from laconic.tasks.datasets.shard_writer import ShardWriter
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample

if TYPE_CHECKING:
    from jaxtyping import Shaped

_FREE = ("bit_depth", "model")  # options that an index says in other words; they are compared by themselves
Skipped = Sequence[tuple[str, str]]


def append_to_pack(
    source: Path | str | PackSource,
    output: Path | str,
    options: PackIndexOptions | None = None,
    *,
    engine: PackEngine | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> PackIndex:
    """Add the samples of a source that are not in the pack; what an earlier, killed call did is kept. `options`: None for
    those of the pack. What cannot be added is in `skipped`.

    Raises `CodecError` where there is no pack, or one of other options or kind of signal, `OSError`.
    """
    engine = engine_argument(engine)
    output = path_argument("output", output)
    if options is not None:
        typed_argument("options", options, PackIndexOptions, "a PackIndexOptions or None")
    source = source if isinstance(source, PackSource) else open_pack_source(source)
    read_index(output)  # before a folder is made
    with folder_lock(output):
        pack = _Pack.read(output)
        options = _same_options(pack.index, options, output)
        if source.kind != pack.index.kind:
            raise CodecError(f"{source.name} holds {source.kind}s, {output} {pack.index.kind}s; allowed is one kind")
        new, skipped = _new_samples(source, pack)
        write = partial(write_shards, engine=engine, on_sample=on_sample, fingerprint=pack.index.fingerprint.hex())
        return _appended(source, pack, options, (new, [*source.skipped, *skipped]), write)


@dataclass(frozen=True, eq=False)
class _Pack:
    """A finished pack: its index, and as it is in the files."""

    folder: Path
    index: PackIndex
    fields: Mapping[str, Any]
    columns: Mapping[str, Shaped[Column, "_ ..."]]

    @classmethod
    def read(cls, folder: Path) -> _Pack:
        index, fields = read_index(folder), json.loads((folder / INDEX_NAME).read_bytes())
        if fields["version"] != VERSION:
            raise CodecError(f"{folder} is a pack of version {fields['version']}; allowed is {VERSION}: pack it again")
        samples = fields["samples"]
        return cls(folder, index, fields, read_columns(folder, samples["columns"], samples["num_bytes"]))

    def taken(self) -> dict[str, int]:
        """As `planned_shards` asks for it."""
        taken = {"": int(self.index.key[-1]) + 1}
        for shard in self.index.shards:
            number = int(shard.name.removesuffix(".tar").rpartition("-")[2])
            taken[shard.split] = max(taken.get(shard.split, 0), number + 1)
        return taken


def _same_options(index: PackIndex, options: PackIndexOptions | None, output: Path) -> PackIndexOptions:
    """The options of the pack, with the model as it was given. Raises `CodecError` for others."""
    if options is None:
        return index.options
    there, given = asdict(index.options), asdict(options)
    differing = [name for name in there if name not in _FREE and there[name] != given[name]]
    if options.bit_depth not in (0, index.options.bit_depth):
        differing.append("bit_depth")
    if differing:
        name = differing[0]
        raise CodecError(f"{output} has {name} {there[name]!r}, given is {given[name]!r}; allowed is that of the pack")
    if options.model and load_model(options.model).fingerprint != index.fingerprint:
        raise CodecError(
            f"{output} is of model {index.model_name}, given is {options.model}; allowed is the same model"
        )
    return replace(options, bit_depth=index.options.bit_depth)


def _new_samples(source: PackSource, pack: _Pack) -> tuple[list[SourceSample], Skipped]:
    """Samples that the pack does not have, and those that it has with other bytes, or that cannot be compared."""
    splits = [shard.split for shard in pack.index.shards]
    rows = {
        (splits[shard], name): row
        for row, (shard, name) in enumerate(zip(pack.index.shard.tolist(), pack.index.source, strict=True))
    }
    new = [sample for sample in source.samples if (sample.split, sample.source) not in rows]
    known = [sample for sample in source.samples if (sample.split, sample.source) in rows]

    def misfit(sample: SourceSample) -> str:
        try:
            content = read_content(source, sample)
        except Exception as err:  # sources of many formats, each of which fails in its own way
            return sentence_of_error(err)
        is_same = content == pack.columns["content"][rows[sample.split, sample.source]].tobytes()
        return (
            "" if is_same else "the pack has other bytes of this name; give it another name, or pack all of them anew"
        )

    with threaded_map(default_threads()) as run:
        found = list(zip(known, run(misfit, known), strict=True))
    return new, [(sample.source, why) for sample, why in found if why]


def _appended(
    source: PackSource,
    pack: _Pack,
    options: PackIndexOptions,
    samples: tuple[Sequence[SourceSample], Skipped],
    write: Callable[..., list[Record]],
) -> PackIndex:
    """What `append_to_pack` does once it knows the new samples, and what was skipped of the others."""
    new, skipped = samples
    asked = {sample.source for sample in source.samples}
    skipped = [*skipped, *(entry for entry in pack.index.skipped if entry[0] not in asked)]
    old = [shard.name for shard in pack.index.shards]
    if not new and set(skipped) == set(pack.index.skipped):
        remove_pack_parts(pack.folder, old)
        return pack.index
    plan = hashlib.sha256(f"{pack.index.plan} {digest_of_plan(source, options)}".encode()).hexdigest()
    classes = list(dict.fromkeys([*pack.index.classes, *source.classes]))
    labels = [classes.index(name) for name in source.classes]
    (pack.folder / PARTS_NAME).mkdir(exist_ok=True)
    shards = planned_shards(new, options, plan, labels, pack.taken())
    records = write([ShardWriter(pack.folder, shard) for shard in shards], SampleEncoder(source, options))
    filled = [record for record in records if record["num_bytes"]]
    columns = _joined(pack.columns, columns_of_records(filled, len(pack.index.shards))) if filled else pack.columns
    said = {name: value for name, value in pack.fields.items() if name not in ("format", "version", "samples")}
    write_index(pack.folder, said | _changes(pack, classes, plan, records, skipped) | _hash_of(columns), columns)
    remove_pack_parts(pack.folder, [*old, *(record["name"] for record in filled)])
    return read_index(pack.folder)


def _hash_of(columns: Mapping[str, Shaped[Column, "_ ..."]]) -> dict[str, str]:
    return {"source_hash": source_hash(columns["content"])}


def _changes(
    pack: _Pack, classes: Sequence[str], plan: str, records: Sequence[Record], skipped: Skipped
) -> dict[str, Any]:
    """Fields of the index that new shards change; `skipped` before these were made."""
    filled = [record for record in records if record["num_bytes"]]
    grids = [tuple(grid) for record in filled for grid in record["grids"]]
    depth = max([pack.index.options.bit_depth, *(record["depth"] for record in records)])
    return {
        "classes": classes,
        "options": pack.fields["options"] | {"bit_depth": depth},
        "grid": common_grid([pack.index.grid, *grids]),
        "shards": [*pack.fields["shards"], *shards_of_records(filled)],
        "targets": sorted({*pack.fields["targets"], *target_suffixes(filled)}),
        "skipped": sorted({*skipped, *skipped_of_records(records)}),
        "notes": sorted([*((source, what) for source, what in pack.fields["notes"]), *notes_of_records(records)]),
        "plan": plan,
    }


def _joined(
    first: Mapping[str, Shaped[Column, "_ ..."]], second: Mapping[str, Shaped[Column, "_ ..."]]
) -> dict[str, Shaped[Column, "_ ..."]]:
    """The rows of both; a target that one does not have at all is missing in its rows."""
    counts = len(first["label"]), len(second["label"])
    joined: dict[str, Shaped[Column, "_ ..."]] = {}
    for name in sorted({*first, *second}):
        if name.endswith((".bytes", ".ends")):
            continue
        parts = []
        for columns, count in zip((first, second), counts, strict=True):
            filler = np.full(count, -1, np.int64) if name.endswith(".offset") else np.zeros(count, np.uint32)
            parts.append(columns.get(name, filler))
        joined[name] = np.concatenate(parts)
    for name in ("key", "source"):
        texts = [texts_of_columns(columns, name) for columns in (first, second)]
        utf8 = np.concatenate([text.utf8 for text in texts])
        ends = np.concatenate([texts[0].ends, texts[1].ends + len(texts[0].utf8)])
        joined |= PackTexts(utf8, ends).columns(name)
    return joined
