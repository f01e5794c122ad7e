"""Writing a shard of a pack: a tar of samples, and the record of what is in it."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.pack_index import COLUMNS
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float

PARTS_NAME = ".parts"
_TAR_BLOCK = 512


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
    sums: Float[NDArray[np.float64], "2 d"] | None = None  # (2, d): of the values and their squares
    error: str = ""
    notes: tuple[str, ...] = ()  # what was dropped of the file
    content: str = ""  # a hash of the files that it was made of
    depth: int = 0  # that the series of 16-bit pictures was found to have


class ShardWriter:
    """Writes one shard as WebDataset reads it, KEY.lcn and KEY.SUFFIX of each target: samples are added in order, `finish`
    gives the file its name and then leaves its record."""

    def __init__(self, output: Path, name: str, samples: Sequence[tuple[int, SourceSample]], plan: str) -> None:
        self.samples, self._plan = samples, plan
        self._path = output / name
        self._part = output / PARTS_NAME / f"{name}.part"
        self._record_path = output / PARTS_NAME / f"{name}.json"
        self._file: BufferedWriter | None = None
        self._tar: tarfile.TarFile | None = None
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS if name != "shard"}
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
            record: dict[str, Any] = json.loads(self._record_path.read_bytes())
        except (OSError, ValueError):
            return None
        return record if record["plan"] == self._plan and shard_has_size(self._path, record["num_bytes"]) else None

    def add(self, packed: ShardSample) -> None:
        """Append a sample, or list it as skipped."""
        if packed.error:
            self._skipped.append((packed.sample.source, packed.error))
            return
        if self._tar is None:
            self._file = self._part.open("wb")
            self._tar = tarfile.TarFile(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT)
        key = f"{packed.number:08d}"
        label = {} if packed.sample.label == NO_LABEL else {LABEL_SUFFIX: str(packed.sample.label).encode()}
        members = {"lcn": packed.data, **label, **packed.targets}
        offsets = {suffix: self._append(f"{key}.{suffix}", data) for suffix, data in members.items()}
        self._targets.append({suffix: (offsets[suffix], len(data)) for suffix, data in packed.targets.items()})
        entry = (offsets["lcn"], len(packed.data), packed.sample.label, key, packed.sample.source, packed.heads)
        for name, value in zip(self._columns, entry, strict=True):
            self._columns[name].append(value)
        self._notes += [(packed.sample.source, note) for note in packed.notes]
        self._sums = self._sums + packed.sums
        self._num_places += packed.grid[0] * packed.grid[1]
        self._grids.add(packed.grid)
        self._fingerprints.add(packed.fingerprint)
        self._depth = max(self._depth, packed.depth)

    def _append(self, name: str, data: bytes) -> int:
        """Add a member to the tar; returns where its bytes begin."""
        assert self._tar is not None
        header = tarfile.TarInfo(name)  # constant time, owner and rights
        header.size = len(data)
        offset = self._tar.offset + _TAR_BLOCK
        self._tar.addfile(header, io.BytesIO(data))
        return offset

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def finish(self) -> None:
        num_bytes = 0
        if self._tar is not None and self._file is not None:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            num_bytes = self._file.tell()
            self._file.close()
            self._part.replace(self._path)
        record = {
            "plan": self._plan,
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
        atomic_write(self._record_path, json.dumps(record).encode(), force=True)


def shard_has_size(path: Path, num_bytes: int) -> bool:
    """Whether a shard is there whole; one of 0 bytes holds no good sample and is no file."""
    return (path.stat().st_size if path.is_file() else 0) == num_bytes
