"""The index of a packed folder: what is where in the shards, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import path_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.lcn import Lcn
from laconic.tasks.datasets.framing import Framing
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float, Int

FORMAT = "laconic-pack"
VERSION = 1
INDEX_NAME = "index.json"
_SOUND_TILE_LOG2 = 10  # six seconds at 44.1 kHz; a tile costs a few bytes for each group
COLUMNS = ("shard", "offset", "length", "label", "key", "source", "heads")


@dataclass(frozen=True)
class PackIndexOptions:
    """How a folder is packed. `model`: a shipped name or a path. `shard_samples`: files of one shard, bad ones included.
    `bit_depth` of 16-bit pictures, 9 to 16; 0 for what files say, else what the largest colour of all of them needs, which
    is what an index says then. `profile`, `tune`: as of `Lcn`.

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

    def __post_init__(self) -> None:
        codec = Lcn(quality=self.quality, model=self.model, profile=self.profile, tune=self.tune)
        settle_arguments(self, quality=codec.quality, model=codec.model, profile=codec.profile, **vars(self.framing))
        settle_arguments(self, shard_samples=whole_number_argument("shard_samples", self.shard_samples, 1, 10**6))

    @property
    def framing(self) -> Framing:
        return Framing(self.size, self.sample_rate_hz, self.seconds, self.bit_depth)

    def codec(self, kind: MediaKind) -> Lcn:
        """The encoder. Sounds go by channel groups as pictures do, so that few channels are the head of a file."""
        if kind == "image":
            return Lcn(quality=self.quality, model=self.model, profile=self.profile, tune=self.tune)
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

    offset: Int[NDArray[np.int64], " n"]
    length: Int[NDArray[np.int64], " n"]


@dataclass(frozen=True, eq=False)
class PackIndex:
    """What index.json says. The columns have one entry for each sample. `label` is -1 for samples without a class; other
    target files than the label are in `targets`, by suffix.

    `heads` (n, groups): bytes from the start of a file that hold the first `group_ends` channels. `mean`, `std`: of each
    channel of the `statistics_split`, in signal units. `grid`: (rows, columns) of the latents, None where they differ.
    `skipped`: files that are not in the pack, and why; `notes`: files that are, and what of them was dropped.
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
    shard: Int[NDArray[np.int64], " n"]
    offset: Int[NDArray[np.int64], " n"]
    length: Int[NDArray[np.int64], " n"]
    label: Int[NDArray[np.int64], " n"]
    heads: Int[NDArray[np.int64], "n groups"]
    key: tuple[str, ...]
    source: tuple[str, ...]
    targets: Mapping[str, PackIndexColumn]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    plan: str

    def __len__(self) -> int:
        return len(self.label)

    def targets_of(self, row: int) -> list[str]:
        """Suffixes of the target files that a sample has."""
        label = [LABEL_SUFFIX] if self.label[row] != NO_LABEL else []
        return label + [suffix for suffix, column in self.targets.items() if column.offset[row] >= 0]

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(shard.split for shard in self.shards))


def has_pack_index(folder: Path | str) -> bool:
    """Whether a folder holds a finished pack."""
    return (path_argument("folder", folder) / INDEX_NAME).is_file()


def read_index(folder: Path | str) -> PackIndex:
    """The index of a packed folder. Raises `CodecError` for one that is missing or damaged."""
    path = path_argument("folder", folder) / INDEX_NAME
    try:
        fields = json.loads(path.read_bytes())
        if (fields["format"], fields["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it has format {fields['format']!r}, version {fields['version']!r}")
        return _parsed(fields)
    except FileNotFoundError as err:
        raise CodecError(f"{folder} has no {INDEX_NAME}; allowed is a folder made by `laconic pack`") from err
    except (OSError, ValueError, KeyError, TypeError, IndexError) as err:
        raise CodecError(f"{path} is no index of a pack: {err}; pack the folder again") from err


def _parsed(fields: Mapping[str, Any]) -> PackIndex:
    columns = fields["samples"]
    lengths = {len(columns[name]) for name in COLUMNS}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"its columns have lengths {sorted(lengths)}")
    shards = tuple(PackIndexShard(str(s["name"]), str(s["split"]), int(s["num_bytes"])) for s in fields["shards"])
    if any(Path(shard.name).name != shard.name for shard in shards):
        raise ValueError("a shard is named by a path")
    numbers = {name: np.array(columns[name], np.int64) for name in ("shard", "offset", "length", "label", "heads")}
    ends = np.array([shard.num_bytes for shard in shards])
    if numbers["label"].min() < NO_LABEL or numbers["label"].max() >= len(fields["classes"]):
        raise ValueError("a label has no class")
    if numbers["shard"].min() < 0 or numbers["shard"].max() >= len(shards):
        raise ValueError("a sample is in no shard")
    room = ends[numbers["shard"]]
    if numbers["offset"].min() < 0 or np.any(numbers["offset"] + numbers["length"] > room):
        raise ValueError("a sample is outside of its shard")
    if numbers["heads"].shape != (*numbers["label"].shape, len(fields["model"]["group_ends"])):
        raise ValueError("the heads do not fit the channel groups")
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
        **numbers,
        key=tuple(columns["key"]),
        source=tuple(columns["source"]),
        targets={suffix: _target_column(column, room) for suffix, column in fields.get("targets", {}).items()},
        skipped=tuple((str(source), str(why)) for source, why in fields["skipped"]),
        notes=tuple((str(source), str(what)) for source, what in fields.get("notes", ())),
        plan=str(fields["plan"]),
    )


def _target_column(fields: Mapping[str, Any], room: NDArray[np.int64]) -> PackIndexColumn:
    offset, length = np.array(fields["offset"], np.int64), np.array(fields["length"], np.int64)
    if offset.shape != room.shape or length.shape != room.shape:
        raise ValueError("a target has no entry for each sample")
    if offset.min() < -1 or length.min() < 0 or np.any(offset + length > room):
        raise ValueError("a target is outside of its shard")
    return PackIndexColumn(offset, length)
