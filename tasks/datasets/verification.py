"""Whether a packed folder is whole: every file in it decodes, and index and shards say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from laconic.codecs.arguments import typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.lcn import Lcn
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.threads import default_threads, threaded_map
from laconic.tasks.datasets.pack_index import PackIndex
from laconic.tasks.datasets.shard_writer import shard_has_size
from laconic.tasks.datasets.stored_members import Place, ShardMember, read_shard_members
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.targets import decode_target

_MAX_THREADS = 256
_NUM_NAMED = 3
_Entry = tuple[int, Mapping[str, ShardMember] | None]  # a row, and what its shard holds, None where that cannot be read


@dataclass(frozen=True)
class DamagedSample:
    """A sample of a pack that cannot be used as the index says, and why."""

    key: str
    source: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PackVerification:
    """What was found in a pack of `num_samples` samples: `faults` of the pack as a whole, and samples that are damaged."""

    num_samples: int
    faults: tuple[str, ...]
    damaged: tuple[DamagedSample, ...]

    @property
    def is_whole(self) -> bool:
        return not self.faults and not self.damaged


def verify_pack(
    samples: StoredSamples,
    *,
    model: str | None = None,
    num_threads: int | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> PackVerification:
    """Decode all integers and targets of all samples of a pack, and compare what its index and its shards say.

    `model`: the path of the model where it is not shipped. `on_sample` gets the number of samples done. Raises `CodecError`
    for a model that is not at hand.
    """
    num_threads = (
        default_threads() if num_threads is None else whole_number_argument("num_threads", num_threads, 1, _MAX_THREADS)
    )
    typed_argument("samples", samples, StoredSamples, "the StoredSamples of a packed folder")
    load_model_of(samples.index.fingerprint, model)
    faults, damaged = [*_faults_of_index(samples.index), *_shards_without_name(samples)], {}
    with threaded_map(num_threads) as run:
        results = run(partial(_reasons, samples, Lcn(model=model)), _entries(samples, faults))
        for done, (row, reasons) in enumerate(results, 1):
            if reasons:
                damaged[row] = DamagedSample(samples.index.key[row], samples.index.source[row], reasons)
            if on_sample is not None:
                on_sample(done)
    return PackVerification(len(samples), tuple(faults), tuple(damaged[row] for row in sorted(damaged)))


def _entries(samples: StoredSamples, faults: list[str]) -> Iterator[_Entry]:
    """Every row, shard by shard, with what its shard says of it; `faults` gets those of shards."""
    index = samples.index
    order = np.argsort(index.shard, kind="stable")
    ends = np.searchsorted(index.shard[order], np.arange(len(index.shards)), side="right")
    for number, rows in enumerate(np.split(order, ends[:-1])):
        members: Mapping[str, ShardMember] | None = None
        try:
            members = _members_of(samples, number)
        except (CodecError, OSError) as err:
            faults.append(f"{index.shards[number].name}: {sentence_of_error(err)}")
        else:
            keys = {index.key[row] for row in rows.tolist()}
            if more := [key for key in members if key not in keys]:
                name = index.shards[number].name
                faults.append(f"{name}: the index does not name {len(more)} samples: {_some(more)}")
        yield from ((row, members) for row in rows.tolist())


def _faults_of_index(index: PackIndex) -> Iterator[str]:
    if not np.isfinite(index.mean).all() or not np.isfinite(index.std).all() or np.any(index.std < 0):
        yield "the statistics hold numbers that are none"
    if len(set(index.key)) < len(index):
        yield f"{len(index) - len(set(index.key))} keys are there twice"
    if np.any(np.diff(index.heads, axis=1) < 0) or np.any(index.heads > index.length[:, None]):
        yield "the heads of some samples are not in order, or longer than their files"


def _shards_without_name(samples: StoredSamples) -> Iterator[str]:
    """Those that a reader of all shards would take for part of the pack."""
    named = {shard.name for shard in samples.index.shards}
    for path in sorted(samples.folder.glob("*.tar")):
        if path.name not in named:
            yield f"{path.name} is a shard that the index does not name; remove it"


def _members_of(samples: StoredSamples, number: int) -> Mapping[str, ShardMember]:
    """The samples of a shard as it names them. Raises `CodecError` for one that is absent or of another size."""
    shard = samples.index.shards[number]
    path = samples.folder / shard.name
    if not shard_has_size(path, shard.num_bytes):
        has = f"has {path.stat().st_size} bytes" if path.is_file() else "is not there"
        raise CodecError(f"it {has}; the index says {shard.num_bytes} bytes")
    return read_shard_members(path)


def _reasons(samples: StoredSamples, codec: Lcn, entry: _Entry) -> tuple[int, tuple[str, ...]]:
    """The row, and why its sample is damaged; nothing where it is not."""
    row, members = entry
    found = [] if members is None else [*_disagreements(samples.index, members, row)]
    for check in (_check_lcn, _check_targets):
        try:
            check(samples, codec, row)
        except Exception as err:  # one file never ends the batch, however its decoder fails
            found.append(sentence_of_error(err))
    return row, tuple(found)


def _disagreements(index: PackIndex, members: Mapping[str, ShardMember], row: int) -> Iterator[str]:
    """Where the shard says otherwise than the index of a sample."""
    member = members.get(index.key[row])
    if member is None:
        yield f"{index.shards[index.shard[row]].name} does not name it"
        return
    if member.label != index.label[row]:
        yield f"its label is {member.label} in the shard and {index.label[row]} in the index"
    places: dict[str, Place] = {"lcn": (int(index.offset[row]), int(index.length[row]))}
    for suffix, column in index.targets.items():
        if column.offset[row] >= 0:
            places[suffix] = (int(column.offset[row]), int(column.length[row]))
    for suffix in sorted({*places, *member.places}):
        if (there := member.places.get(suffix)) != (here := places.get(suffix)):
            yield f"its .{suffix} is {_words(there)} of the shard, and {_words(here)} by the index"


def _check_lcn(samples: StoredSamples, codec: Lcn, row: int) -> None:
    """Decode a file, and the heads of it that readers of few channels take. Raises what `unpack` does, `CodecError`."""
    index, data = samples.index, samples.lcn(row)
    latent = codec.unpack(data)
    if latent.fingerprint != index.fingerprint:
        raise CodecError(f"it is of model {latent.fingerprint.hex()}; the pack is of {index.fingerprint.hex()}")
    if index.grid is not None and latent.values.shape[1:] != index.grid:
        raise CodecError(f"its latent has {latent.values.shape[1:]} places; the pack has {index.grid}")
    heads = dict(zip(index.heads[row].tolist(), index.group_ends, strict=True))
    for num_bytes, channels in heads.items():
        try:
            codec.unpack(data[:num_bytes], channels=channels)
        except ValueError as err:
            raise CodecError(f"the {num_bytes} bytes for {channels} channels are not enough: {err}") from err


def _check_targets(samples: StoredSamples, codec: Lcn, row: int) -> None:
    for suffix, data in samples.target_bytes(row).items():
        decode_target(suffix, data)


def _words(place: Place | None) -> str:
    return "no part" if place is None else f"bytes {place[0]} to {sum(place)}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NUM_NAMED]) + (", ..." if len(names) > _NUM_NAMED else "")
