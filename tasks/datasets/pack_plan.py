"""Which samples go into which shard, and the name of the whole work, which says whether an earlier call did part of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from laconic.codecs.models.zoo import load_model
from laconic.tasks.datasets.pack_index import FORMAT, VERSION, PackIndexOptions
from laconic.tasks.datasets.shard_writer import PlannedShard
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample

# Deviations of channels are then known to 1 % even if all places of a sample are alike: 1 / sqrt(2 n). Of every sample,
# measuring would take as long as coding it in profile fast.
_NUM_MEASURED = 4096


def digest_of_plan(source: PackSource, options: PackIndexOptions) -> str:
    """Names the work: samples with splits and identities, options, model. Where it differs, nothing of an earlier call is
    used."""
    fingerprint = load_model(options.model).fingerprint.hex() if options.model else None
    digest = hashlib.sha256()
    head = [FORMAT, VERSION, source.classes, {**asdict(options), "model": fingerprint}]
    digest.update(json.dumps(head, sort_keys=True).encode())
    for sample in source.samples:
        entry = (sample.source, sample.split, sample.label, sample.targets, source.identity(sample))
        digest.update(json.dumps(entry).encode())
    return digest.hexdigest()


def measured_numbers(samples: Sequence[SourceSample]) -> tuple[range, ...]:
    """Of the samples of each split that count in statistics: the first of them, which are any, since they are shuffled."""
    numbers, first = [], 0
    for count in Counter(sample.split for sample in samples).values():
        numbers.append(range(first, first + min(count, _NUM_MEASURED)))
        first += count
    return tuple(numbers)


def planned_shards(
    samples: Sequence[SourceSample],
    options: PackIndexOptions,
    plan: str,
    labels: Sequence[int],
    taken: Mapping[str, int] | None = None,
) -> Iterator[PlannedShard]:
    """The shards, split by split. Within a split, samples are shuffled, so that a reader that goes through shards in order
    does not get class after class. `labels` as in `PlannedShard`; `taken`: how many shards of each split there are already,
    and, under "", how many keys."""
    taken = Counter(taken)
    number = taken[""]
    for split in dict.fromkeys(sample.split for sample in samples):
        members = shuffled_samples([sample for sample in samples if sample.split == split], options.seed)
        for i, first in enumerate(range(0, len(members), options.shard_samples), taken[split]):
            chosen = list(enumerate(members[first : first + options.shard_samples], number))
            yield PlannedShard(f"{split}-{i:05d}.tar", chosen, plan, options.members, labels)
            number += len(chosen)


def shuffled_samples(samples: Sequence[SourceSample], seed: int) -> list[SourceSample]:
    """In the order of hashes of seed and source: the same on every machine, whatever version of a generator it has."""

    def place(sample: SourceSample) -> tuple[bytes, str]:
        text = f"{seed}/{sample.source}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, digest_size=8).digest(), sample.source

    return sorted(samples, key=place)
