"""The index of a packed folder: what is where in the shards, and how it was made.

    OUT/index.json                     all but what each sample has of its own; names the columns
    OUT/samples-1234abcd.safetensors   columns, one row for each sample

The columns are shard u32, offset i64, length u32, label i32, heads u32 (n, groups), content u8 (n, 16), key and source as
texts (see `pack_columns`), and, for each suffix of target files, targets.SUFFIX.offset i64 and targets.SUFFIX.length u32.
The file is named by the CRC-32 of its bytes and written before the index that names it, so an index is never without.
Version 1 had the columns as lists within index.json; it is still read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument, path_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.framing import Framing
from laconic.tasks.datasets.pack_columns import PackTexts, read_columns, texts_of_columns
from laconic.tasks.datasets.splits import SPLITS, WHOLE
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float, Int32, Int64, UInt32

    from laconic.codecs.models.model import Model

FORMAT = "laconic-pack"
VERSION = 2
INDEX_NAME = "index.json"
PARTS_NAME = ".parts"  # the folder of what finished shards hold, until the index says it
# 1 to 2 % more bytes than lanes that differ, and 15 % (12 channels) to 25 % (48) less time to decode a batch.
_LANES = 16
_MOST_PIXELS_A_SIDE = 512
_SOUND_TILE_LOG2 = 10  # six seconds at 44.1 kHz; a tile costs a few bytes for each group
# (n,) or (n, groups) of each sample; `content` is what is not read with the index.
_NUMBERS: Mapping[str, type[np.integer[Any]]] = {
    "shard": np.uint32,
    "offset": np.int64,
    "length": np.uint32,
    "label": np.int32,
    "heads": np.uint32,
}
CONTENT_BYTES = 16
_SHARD_NAME = re.compile(r"[a-z]+-\d{5,}\.tar")
_MEMBERS: tuple[Literal["auto", "single", "grouped"], ...] = ("auto", "single", "grouped")


@dataclass(frozen=True)
class PackIndexOptions:
    """How a source is packed. `model`: a shipped name or a path. `shard_samples`: files of one shard, bad ones included.
    `bit_depth` of 16-bit pictures, 9 to 16; 0 for what files say, else what the largest colour of all of them needs, which
    is what an index says then. `profile`, `tune`: as of `Lcn`. `seed` decides the order of the samples of a split.
    `members` of the shards: "single" files of each sample, "grouped" ones of many samples each, "auto" groups small ones.
    `channels`: files store no more than the first so many channels are made of; None for all.

    Raises `CodecError` for values outside.
    """

    quality: int = 50
    model: str | None = None
    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    shard_samples: int = 500
    bit_depth: int = 0
    profile: Literal["fast", "small", "best"] = "small"
    tune: str | None = None
    seed: int = 0
    members: Literal["auto", "single", "grouped"] = "auto"
    channels: int | None = None
    crop: int | None = None
    sound_channels: int = 1

    def __post_init__(self) -> None:
        codec = Lcn(quality=self.quality, model=self.model, profile=self.profile, tune=self.tune)
        settle_arguments(self, quality=codec.quality, model=codec.model, profile=codec.profile, **vars(self.framing))
        settle_arguments(
            self,
            shard_samples=whole_number_argument("shard_samples", self.shard_samples, 1, 10**6),
            seed=whole_number_argument("seed", self.seed, 0),
            members=choice_argument("members", self.members, _MEMBERS),
            channels=None if self.channels is None else whole_number_argument("channels", self.channels, 1),
        )

    @property
    def framing(self) -> Framing:
        return Framing(self.size, self.sample_rate_hz, self.seconds, self.bit_depth, self.crop, self.sound_channels)

    def group_ends(self, model: Model) -> tuple[int, ...]:
        """Where the channel groups of the files of a model end, in channels of the latent."""
        if self.channels is None:
            return model.group_ends
        return (*(end for end in model.group_ends if end < self.channels), self.channels)

    def codec(self, kind: MediaKind) -> Lcn:
        """The encoder. Sounds go by channel groups as pictures do, so that few channels are the head of a file. Small
        pictures of profile fast have as many lanes each, so that several are decoded in lock-step."""
        if kind == "image":
            side = self.crop or self.size
            lanes = _LANES if self.profile == "fast" and side is not None and side <= _MOST_PIXELS_A_SIDE else None
            return Lcn(quality=self.quality, model=self.model, profile=self.profile, tune=self.tune, lanes=lanes)
        return Lcn(
            quality=self.quality,
            model=self.model,
            profile=self.profile,
            tune=self.tune,
            grouping="channels",
            progression="group",
            tile_log2=_SOUND_TILE_LOG2,
        )


@dataclass(frozen=True)
class PackIndexShard:
    """A tar file of the pack; samples of one split."""

    name: str
    split: str
    num_bytes: int


@dataclass(frozen=True, eq=False)
class PackIndexColumn:
    """Where the target files of one suffix are: (n,) offsets in the shards, -1 where a sample has none, and lengths."""

    offset: Int64[NDArray[np.int64], " n"]
    length: UInt32[NDArray[np.uint32], " n"]


@dataclass(frozen=True, eq=False)
class PackIndex:
    """What the index says. The columns have one entry for each sample. `label` is -1 for samples without a class; other
    target files than the label are in `targets`, by suffix.

    `heads` (n, groups): bytes from the start of a file that hold the first `group_ends` channels. `mean`, `std`: of each
    channel in signal units, by the first samples of the `statistics_split` (`pack_plan.measured_numbers`). `grid`: (rows,
    columns) of the latents, None where they differ. `skipped`: files that are not in the pack, and why; `notes`: files that
    are, and what of them was dropped. `key` and `source` make their texts when asked. `source_hash`: of the names, classes
    and bytes of all samples as they were read, in any order ("" of version 1). `index_bytes`: of the index on disk,
    with its columns.
    """

    kind: MediaKind
    classes: tuple[str, ...]
    options: PackIndexOptions
    model_name: str
    fingerprint: bytes
    group_ends: tuple[int, ...]
    grid: tuple[int, int] | None
    mean: Float[NDArray[np.float32], " d"]
    std: Float[NDArray[np.float32], " d"]
    statistics_split: str
    shards: tuple[PackIndexShard, ...]
    shard: UInt32[NDArray[np.uint32], " n"]
    offset: Int64[NDArray[np.int64], " n"]
    length: UInt32[NDArray[np.uint32], " n"]
    label: Int32[NDArray[np.int32], " n"]
    heads: UInt32[NDArray[np.uint32], "n groups"]
    key: Sequence[str]
    source: Sequence[str]
    targets: Mapping[str, PackIndexColumn]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    plan: str
    source_hash: str
    index_bytes: int

    def __len__(self) -> int:
        return len(self.label)

    def targets_of(self, row: int) -> list[str]:
        """Suffixes of the target files that a sample has."""
        label = [LABEL_SUFFIX] if self.label[row] != NO_LABEL else []
        return label + [suffix for suffix, column in self.targets.items() if column.offset[row] >= 0]

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples of each class in each split, by their names."""
        found: dict[str, dict[str, int]] = {}
        for split in self.splits:
            labels = self.label[self.rows_of_split(split)]
            counts = np.bincount(labels[labels != NO_LABEL], minlength=len(self.classes)).tolist()
            found[split] = {name: count for name, count in zip(self.classes, counts, strict=True) if count}
        return found

    def rows_of_split(self, split: str) -> Int64[NDArray[np.int64], " k"]:
        """The rows of the samples of one of `splits`."""
        return np.flatnonzero(np.array([shard.split == split for shard in self.shards])[self.shard])

    @property
    def disk_bytes(self) -> int:
        """Of all shards and the index."""
        return self.index_bytes + sum(shard.num_bytes for shard in self.shards)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(shard.split for shard in self.shards))


def has_pack_index(folder: Path | str) -> bool:
    """Whether a folder holds a pack, finished or not."""
    folder = path_argument("folder", folder)
    return (folder / INDEX_NAME).is_file() or (folder / PARTS_NAME).is_dir()


def read_index(folder: Path | str) -> PackIndex:
    """The index of a packed folder. Raises `CodecError` for one that is missing or damaged."""
    path = path_argument("folder", folder) / INDEX_NAME
    if not path.exists() and (path.parent / PARTS_NAME).is_dir():
        raise CodecError(f"{folder} is an unfinished pack: run the same `laconic pack` command again")
    if not path.exists():
        raise CodecError(f"{folder} has no {INDEX_NAME}; allowed is a folder made by `laconic pack`")
    try:
        data = path.read_bytes()
        fields = json.loads(data)
        if fields["format"] != FORMAT or fields["version"] not in (1, VERSION):
            raise ValueError(f"it has format {fields['format']!r}, version {fields['version']!r}")
        if fields["version"] == 1:
            return _parsed(fields, _columns_of_version_1(fields), len(data))
        columns, num_bytes = fields["samples"]["columns"], int(fields["samples"]["num_bytes"])
        return _parsed(fields, read_columns(path.parent, columns, num_bytes), len(data) + num_bytes)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as err:
        raise CodecError(f"{path} is no index of a pack: {err}; remove the folder and pack again") from err


def _columns_of_version_1(fields: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    samples = fields["samples"]
    columns: dict[str, NDArray[Any]] = {name: _whole(samples[name], dtype) for name, dtype in _NUMBERS.items()}
    for name in ("key", "source"):
        columns |= PackTexts.of(samples[name]).columns(name)
    for suffix, column in fields.get("targets", {}).items():
        columns[f"targets.{suffix}.offset"] = _whole(column["offset"], np.int64)
        columns[f"targets.{suffix}.length"] = _whole(column["length"], np.uint32)
    return columns


def _check_fields(fields: Mapping[str, Any]) -> None:
    """Raises `ValueError` for what no pack says of itself."""
    classes, ends = fields["classes"], fields["model"]["group_ends"]
    if fields["kind"] not in ("image", "sound"):
        raise ValueError(f"its kind is {fields['kind']!r}")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ValueError("its classes are no list of names")
    if not isinstance(ends, list) or not ends or any(type(end) is not int for end in ends):
        raise ValueError("its channel groups are no list of numbers")
    if ends[0] < 1 or any(first >= last for first, last in pairwise(ends)):
        raise ValueError("its channel groups do not ascend")
    statistics = fields["statistics"]
    if not len(statistics["mean"]) == len(statistics["std"]) == ends[-1]:
        raise ValueError(f"its statistics are not of {ends[-1]} channels")


def _whole(values: Sequence[Any], dtype: type[np.integer[Any]]) -> NDArray[Any]:
    """Raises `OverflowError` or `ValueError` for what the type does not hold."""
    wide = np.array(values, np.int64)
    if wide.size and not (np.iinfo(dtype).min <= wide.min() and wide.max() <= np.iinfo(dtype).max):
        raise ValueError("a number is out of range")
    return wide.astype(dtype)


def _parsed(fields: Mapping[str, Any], columns: Mapping[str, NDArray[Any]], index_bytes: int) -> PackIndex:
    shards = tuple(PackIndexShard(str(s["name"]), str(s["split"]), int(s["num_bytes"])) for s in fields["shards"])
    if any(not _SHARD_NAME.fullmatch(shard.name) or shard.split not in (*SPLITS, WHOLE) for shard in shards):
        raise ValueError("a shard has a name or split that packing does not give")
    _check_fields(fields)
    numbers = {name: columns[name] for name in _NUMBERS}
    texts = {name: texts_of_columns(columns, name) for name in ("key", "source")}
    _check_numbers(numbers, (len(fields["model"]["group_ends"]), len(fields["classes"])), shards)
    if {len(numbers["label"])} != {len(column) for column in texts.values()}:
        raise ValueError("its columns have different lengths")
    room = np.array([shard.num_bytes for shard in shards], np.int64)[numbers["shard"]]
    return PackIndex(
        kind=fields["kind"],
        classes=tuple(fields["classes"]),
        options=PackIndexOptions(**fields["options"]),
        model_name=fields["model"]["name"],
        fingerprint=bytes.fromhex(fields["model"]["fingerprint"]),
        group_ends=tuple(fields["model"]["group_ends"]),
        grid=None if fields["grid"] is None else (int(fields["grid"][0]), int(fields["grid"][1])),
        mean=np.array(fields["statistics"]["mean"], np.float32),
        std=np.array(fields["statistics"]["std"], np.float32),
        statistics_split=fields["statistics"]["split"],
        shards=shards,
        shard=numbers["shard"],
        offset=numbers["offset"],
        length=numbers["length"],
        label=numbers["label"],
        heads=numbers["heads"],
        key=texts["key"],
        source=texts["source"],
        targets={suffix: _target_column(columns, suffix, room) for suffix in fields.get("targets", ())},
        skipped=tuple((str(source), str(why)) for source, why in fields["skipped"]),
        notes=tuple((str(source), str(what)) for source, what in fields.get("notes", ())),
        plan=str(fields["plan"]),
        source_hash=str(fields.get("source_hash", "")),
        index_bytes=index_bytes,
    )


def _check_numbers(
    numbers: Mapping[str, NDArray[Any]], counts: tuple[int, int], shards: Sequence[PackIndexShard]
) -> None:
    """Of columns that say where samples are in shards; `counts`: of channel groups and classes. Raises `ValueError`."""
    num_groups, num_classes = counts
    for name, dtype in _NUMBERS.items():
        shape = (len(numbers["label"]), *((num_groups,) if name == "heads" else ()))
        if numbers[name].dtype != dtype or numbers[name].shape != shape or not len(numbers[name]):
            raise ValueError(f"its column {name} has shape {numbers[name].shape}")
    if numbers["label"].min() < NO_LABEL or numbers["label"].max() >= num_classes:
        raise ValueError("a label has no class")
    if numbers["shard"].max() >= len(shards):
        raise ValueError("a sample is in no shard")
    room = np.array([shard.num_bytes for shard in shards], np.int64)[numbers["shard"]]
    if _is_outside(numbers["offset"], numbers["length"], room) or numbers["offset"].min() < 0:
        raise ValueError("a sample is outside of its shard")
    if np.any(numbers["heads"] > numbers["length"][:, None]):
        raise ValueError("the heads of a sample are longer than it is")


def _is_outside(offset: NDArray[Any], length: NDArray[Any], room: NDArray[np.int64]) -> bool:
    return bool(np.any(offset > room - length))  # in this order, nothing overflows


def _target_column(columns: Mapping[str, NDArray[Any]], suffix: str, room: NDArray[np.int64]) -> PackIndexColumn:
    offset, length = columns[f"targets.{suffix}.offset"], columns[f"targets.{suffix}.length"]
    if offset.dtype != np.int64 or length.dtype != np.uint32:
        raise ValueError("a target is no place in a shard")
    if offset.shape != room.shape or length.shape != room.shape:
        raise ValueError("a target has no entry for each sample")
    if offset.min() < -1 or _is_outside(offset, length, room):
        raise ValueError("a target is outside of its shard")
    return PackIndexColumn(offset, length)
