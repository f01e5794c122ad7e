"""Writing a shard of a pack: a tar of samples, and the record of what is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.pack_index import PARTS_NAME
from laconic.tasks.datasets.shard_members import LCN, ShardFiles, ShardTar
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.targets import NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float

# Samples below are grouped: there, headers and padding of a sample with a label, 2.5 kB, are over a seventh of it.
_SMALL_BYTES = 16 << 10
_MOST_TO_DECIDE = 1024  # samples at the start of a shard whose mean decides: they wait in memory, 16 MiB at most
# A reader of one sample of a group may have to read all of it; half of a disk's or network's usual request.
_GROUP_BYTES, _GROUP_SAMPLES = 64 << 10, 256


@dataclass(frozen=True)
class ShardSample:
    """One encoded sample, or why there is none."""

    number: int
    sample: SourceSample
    data: bytes = b""
    targets: Mapping[str, bytes] = field(default_factory=dict)  # beside the label, by suffix
    heads: tuple[int, ...] = ()
    grid: tuple[int, int] = (0, 0)
    fingerprint: str = ""
    sums: Float[NDArray[np.float64], "2 d"] | None = None  # (2, d): of the values and their squares, if asked
    error: str = ""
    notes: tuple[str, ...] = ()  # what was dropped of the file
    content: bytes = b""  # a hash of what it was made of
    depth: int = 0  # that the series of 16-bit pictures was found to have


@dataclass(frozen=True)
class PlannedShard:
    """What belongs into a shard: numbered samples of one split. `plan` names the whole work, `labels` are the numbers that
    the classes of the source have in the pack."""

    name: str
    samples: Sequence[tuple[int, SourceSample]]
    plan: str
    members: Literal["auto", "single", "grouped"]
    labels: Sequence[int]


class ShardWriter:
    """Writes one shard (see `shard_members`): samples are added in order, `finish` gives the file its name and then leaves
    its record. What is written depends on the samples alone, not on when they come."""

    def __init__(self, output: Path, planned: PlannedShard) -> None:
        self.samples, self._planned = planned.samples, planned
        self._members = planned.members
        self._path = output / planned.name
        self._part = output / PARTS_NAME / f"{planned.name}.part"
        self._record_path = output / PARTS_NAME / f"{planned.name}.json"
        self._file: BufferedWriter | None = None
        self._tar: ShardTar | None = None
        self._waiting: list[ShardSample] = []
        self._added_bytes = 0
        names = ("offset", "length", "label", "key", "source", "heads", "content")
        self._columns: dict[str, list[Any]] = {name: [] for name in names}
        self._targets: list[dict[str, tuple[int, int]]] = []  # offset and length
        self._skipped: list[tuple[str, str]] = []
        self._notes: list[tuple[str, str]] = []
        self._sums: Any = 0.0
        self._num_places = 0
        self._grids: set[tuple[int, int]] = set()
        self._fingerprints: set[str] = set()
        self._depth = 0

    def read_record(self) -> dict[str, Any] | None:
        """What is in the finished shard; None where it is not finished."""
        try:
            record = json.loads(self._record_path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(record, dict) or record.get("plan") != self._planned.plan:
            return None
        return record if shard_has_size(self._path, record["num_bytes"]) else None

    def add(self, packed: ShardSample) -> None:
        """Append a sample, or list it as skipped."""
        if packed.error:
            self._skipped.append((packed.sample.source, packed.error))
            return
        self._note(packed)
        self._waiting.append(packed)
        self._added_bytes += len(packed.data) + sum(map(len, packed.targets.values()))
        if self._members == "auto":
            self._decide(min(len(self.samples), _MOST_TO_DECIDE))
        self._write_waiting()

    def _note(self, packed: ShardSample) -> None:
        self._notes += [(packed.sample.source, note) for note in packed.notes]
        if packed.sums is not None:
            self._sums = self._sums + packed.sums
            self._num_places += packed.grid[0] * packed.grid[1]
        self._grids.add(packed.grid)
        self._fingerprints.add(packed.fingerprint)
        self._depth = max(self._depth, packed.depth)

    def _decide(self, asked: int) -> None:
        """Group or not, once it is known by so many samples."""
        if self._added_bytes >= _SMALL_BYTES * asked:
            self._members = "single"
        elif len(self._waiting) >= asked:
            self._members = "grouped"

    def _write_waiting(self, *, all_of_them: bool = False) -> None:
        """Write samples as soon as it is decided how, whole groups or, in the end, all."""
        while self._waiting and self._members != "auto":
            count = 1 if self._members == "single" else self._next_group()
            if not count and not all_of_them:
                return
            group, self._waiting = self._waiting[: count or None], self._waiting[count:] if count else []
            self._write(group)

    def _next_group(self) -> int:
        """How many of the waiting samples are a group; 0 where that depends on more of them."""
        num_bytes = 0
        for count, packed in enumerate(self._waiting, 1):
            num_bytes += len(packed.data)
            if num_bytes >= _GROUP_BYTES or count == _GROUP_SAMPLES:
                return count
        return 0

    def _write(self, group: Sequence[ShardSample]) -> None:
        if self._tar is None:
            self._file = self._part.open("wb")
            self._tar = ShardTar(self._file)
        files = [
            ShardFiles(f"{packed.number:08d}", self._label(packed), {LCN: packed.data, **packed.targets})
            for packed in group
        ]
        places = self._tar.add_many(files) if self._members == "grouped" else [self._tar.add_one(files[0])]
        for packed, named, place in zip(group, files, places, strict=True):
            self._targets.append({suffix: (place[suffix], len(data)) for suffix, data in packed.targets.items()})
            source, content = packed.sample.source, packed.content.hex()
            entry = (place[LCN], len(packed.data), named.label, named.key, source, packed.heads, content)
            for name, value in zip(self._columns, entry, strict=True):
                self._columns[name].append(value)

    def _label(self, packed: ShardSample) -> int:
        label = packed.sample.label
        return label if label == NO_LABEL else self._planned.labels[label]

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def finish(self) -> dict[str, Any]:
        """Complete the shard; its record. Raises `OSError`."""
        if self._members == "auto":
            self._decide(len(self._waiting))
        self._write_waiting(all_of_them=True)
        num_bytes = 0
        if self._tar is not None and self._file is not None:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            num_bytes = self._file.tell()
            self._file.close()
        record = {
            "plan": self._planned.plan,
            "name": self._path.name,
            "split": self.samples[0][1].split,
            "num_bytes": num_bytes,
            "columns": self._columns,
            "targets": self._targets,
            "skipped": self._skipped,
            "notes": self._notes,
            "sums": np.asarray(self._sums).tolist(),
            "num_places": self._num_places,
            "grids": sorted(self._grids),
            "fingerprints": sorted(self._fingerprints),
            "depth": self._depth,
        }
        # First, so that there is no shard that no record names.
        atomic_write(self._record_path, json.dumps(record).encode(), force=True)
        if num_bytes:
            self._part.replace(self._path)
        return record


def shard_has_size(path: Path, num_bytes: int) -> bool:
    """Whether a shard is there whole; one of 0 bytes holds no good sample and is no file."""
    return (path.stat().st_size if path.is_file() else 0) == num_bytes
