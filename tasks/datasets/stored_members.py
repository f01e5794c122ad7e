"""What a shard of a pack holds by its own words: the samples that its members are (see `shard_members`)."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.tar_members import headers_of_tar
from laconic.tasks.datasets.targets import LABEL_SUFFIX, MANY, NO_LABEL

_GROUP_TABLE = f"{MANY}.json"
_MOST_LABEL_BYTES = 32

Place = tuple[int, int]  # offset in the shard, number of bytes


@dataclass
class ShardMember:
    """One sample of a shard: where its files are, by suffix, and its label."""

    places: dict[str, Place] = field(default_factory=dict)
    label: int = NO_LABEL


def read_shard_members(path: Path) -> dict[str, ShardMember]:
    """The samples of a shard by their keys, in order. Raises `CodecError` for what is no tar of samples, `OSError`."""
    found: dict[str, ShardMember] = {}
    groups: dict[str, dict[str, Place]] = {}
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in headers_of_tar(tar):
                key, _, suffix = member.name.partition(".")
                place = (member.offset_data, member.size)
                if suffix == _GROUP_TABLE or suffix.endswith(f".{MANY}"):
                    _add(groups.setdefault(key, {}), key, suffix, place)
                else:
                    _add(found.setdefault(key, ShardMember()).places, key, suffix, place)
            for sample in found.values():
                sample.label = _label(file, sample.places.pop(LABEL_SUFFIX, None))
            for key, members in groups.items():
                for name, sample in _samples_of_group(file, key, members):
                    if name in found:
                        raise ValueError(f"{name} is there twice")
                    found[name] = sample
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError, RecursionError) as err:
        raise CodecError(f"{path.name} is no shard of samples: {' '.join(str(err).split())}") from err
    return found


def lengths_in_group(table: Mapping[str, Any]) -> Iterator[tuple[str, int, dict[str, int]]]:
    """Key, label and bytes of each file, by suffix, of the samples of a group, as its table says them. Raises `ValueError`,
    `KeyError` or `TypeError` for a table that is none."""
    keys, labels = list(table["key"]), [int(label) for label in table["cls"]]
    if not isinstance(table["length"], dict):
        raise ValueError("the lengths of a group are no object of suffixes")
    lengths = {suffix: [int(length) for length in column] for suffix, column in table["length"].items()}
    if any(len(column) != len(keys) for column in (labels, *lengths.values())):
        raise ValueError("the columns of a group differ in length")
    for i, key in enumerate(keys):
        yield str(key), labels[i], {suffix: column[i] for suffix, column in lengths.items() if column[i] >= 0}


def _samples_of_group(file: BinaryIO, group: str, members: Mapping[str, Place]) -> Iterator[tuple[str, ShardMember]]:
    if _GROUP_TABLE not in members:
        raise ValueError(f"{group}.{_GROUP_TABLE} is missing")
    table = json.loads(_bytes_at(file, members[_GROUP_TABLE]))
    ends = {suffix.removesuffix(f".{MANY}"): place[0] for suffix, place in members.items()}
    for key, label, lengths in lengths_in_group(table):
        sample = ShardMember(label=label)
        for suffix, length in lengths.items():
            sample.places[suffix] = (ends[suffix], length)
            ends[suffix] += length
        yield key, sample
    for suffix, (offset, length) in members.items():
        if suffix != _GROUP_TABLE and ends[suffix.removesuffix(f".{MANY}")] != offset + length:
            raise ValueError(f"{group}.{suffix} is not as long as its samples are together")


def _add(places: dict[str, Place], key: str, suffix: str, place: Place) -> None:
    if suffix in places:
        raise ValueError(f"{key}.{suffix} is there twice")
    places[suffix] = place


def _label(file: BinaryIO, place: Place | None) -> int:
    if place is None:
        return NO_LABEL
    if place[1] > _MOST_LABEL_BYTES:
        raise ValueError(f"a label has {place[1]} bytes")
    return int(_bytes_at(file, place))


def _bytes_at(file: BinaryIO, place: Place) -> bytes:
    file.seek(place[0])
    return file.read(place[1])
