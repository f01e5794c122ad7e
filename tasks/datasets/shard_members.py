"""Members of a shard: a file for each part of a sample, or, of small samples, one for each part of many samples.

    00000012.lcn  00000012.cls  00000012.txt                 one sample
    00000012.lcn.many  00000012.txt.many  00000012.many.json many: their files one after the other, and which are whose

A member costs a header and padding, 1 kB on average, which is more than a picture of 32 pixels has. KEY.many.json says
{"key": [...], "cls": [number of the class, -1 for none, ...], "length": {"lcn": [...], "txt": [bytes, -1 for none, ...]}}.
WebDataset takes either for samples. The index points at the bytes of each sample, so it does not matter to its readers.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

from laconic.tasks.datasets.targets import LABEL_SUFFIX, MANY, NO_LABEL

_TAR_BLOCK = 512
LCN = "lcn"


@dataclass(frozen=True)
class ShardFiles:
    """The files of one sample, by suffix: `LCN` and those of its targets."""

    key: str
    label: int
    parts: Mapping[str, bytes]


class ShardTar:
    """A tar with constant headers, to which samples are added; each call says where their files begin, by suffix."""

    def __init__(self, file: BinaryIO) -> None:
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)

    def add_one(self, files: ShardFiles) -> dict[str, int]:
        """A member for each file, and one for the label."""
        label = {} if files.label == NO_LABEL else {LABEL_SUFFIX: str(files.label).encode()}
        members = {LCN: files.parts[LCN], **label, **files.parts}
        offsets = {suffix: self._append(f"{files.key}.{suffix}", data) for suffix, data in members.items()}
        return {suffix: offsets[suffix] for suffix in files.parts}

    def add_many(self, group: Sequence[ShardFiles]) -> list[dict[str, int]]:
        """A member for all files of a suffix, named by the first sample."""
        suffixes = [LCN, *sorted({suffix for files in group for suffix in files.parts} - {LCN})]
        offsets: list[dict[str, int]] = [{} for _ in group]
        lengths = {suffix: [len(files.parts.get(suffix, b"")) for files in group] for suffix in suffixes}
        for suffix in suffixes:
            data = b"".join(files.parts.get(suffix, b"") for files in group)
            start = self._append(f"{group[0].key}.{suffix}.{MANY}", data)
            for files, found, place in zip(group, offsets, accumulate(lengths[suffix], initial=start), strict=False):
                if suffix in files.parts:
                    found[suffix] = place
        told = {s: [len(files.parts[s]) if s in files.parts else -1 for files in group] for s in suffixes}
        whose = {"key": [files.key for files in group], "cls": [files.label for files in group], "length": told}
        self._append(f"{group[0].key}.{MANY}.json", json.dumps(whose, separators=(",", ":")).encode())
        return offsets

    def close(self) -> None:
        """Write the end of the tar; the file stays open."""
        self._tar.close()

    def _append(self, name: str, data: bytes) -> int:
        """Add a member; returns where its bytes begin."""
        header = tarfile.TarInfo(name)  # constant time, owner and rights
        header.size = len(data)
        offset = self._tar.offset + _TAR_BLOCK
        self._tar.addfile(header, io.BytesIO(data))
        return offset
