"""Tar shards as WebDataset writes them: members of one key, side by side, are one sample.

    shard-000000.tar   00001.jpg 00001.cls 00001.json   00002.jpg ...

The key is a name up to the first dot behind the last slash. The signal is the one picture or sound; .cls is its class by
number or name, without it the label, class or category in .json; all others are targets (and so is a .png or .npy beside
another picture). Splits are words in the names of shards or their folders: `train-0000.tar`, `val/0000.tar`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import class_folder_extensions
from laconic.tasks.datasets.sources.manifest_columns import LABEL_COLUMNS
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import Findings, FoundSample, StoredSource, settle_findings
from laconic.tasks.datasets.sources.tar_members import TarMember, TarStore, list_tar_members, read_place
from laconic.tasks.datasets.splits import is_hidden_from_splits
from laconic.tasks.datasets.targets import LABEL_SUFFIX, check_target_suffix

_KEY = re.compile(r"((?:.*/|)[^./]+)[.]([^/]*)")  # as webdataset.tariterators.base_plus_ext
_MOST_LABEL_BYTES = 1 << 20
_MEANS_SIGNAL_LAST = (".png", ".npy")  # beside another picture they are a target


@dataclass(frozen=True)
class _Shard:
    """One tar: `name` below the root."""

    root: Path
    name: str
    split: str

    def read(self, member: TarMember) -> bytes:
        if member.num_bytes > _MOST_LABEL_BYTES:
            raise CodecError(f"its label has {member.num_bytes} bytes; allowed are {_MOST_LABEL_BYTES}")
        return read_place(self.root / self.name, member.offset, member.num_bytes)


def read_tar_source(name: str, root: Path, shards: Sequence[str], splits: SplitChoice) -> StoredSource:
    """The samples of shards, whose names are below `root`. Raises `CodecError`, `OSError`."""
    found: list[FoundSample] = []
    skipped: list[tuple[str, str]] = []
    places: dict[str, tuple[str, int, int]] = {}
    known = class_folder_extensions("image") | class_folder_extensions("sound")
    chosen = splits.of_files(name, shards)
    for shard, split in chosen.items():
        if split is not None:
            reader = _ShardReader(_Shard(root, shard, split), known, places, skipped)
            found += reader.samples(list_tar_members(root / shard))
    notes = [f"{shard}: left out, as no split was said for it" for shard, split in chosen.items() if split is None]
    return settle_findings(name, Findings(found, skipped, notes), TarStore(root, places))


@dataclass(frozen=True)
class _ShardReader:
    """Members of one shard -> samples; fills `places` of members and `skipped`."""

    shard: _Shard
    extensions: Set[str]  # of signals
    places: dict[str, tuple[str, int, int]]
    skipped: list[tuple[str, str]]

    def samples(self, members: Iterable[TarMember]) -> Iterator[FoundSample]:
        seen: set[str] = set()
        for key, group in groupby(self._usable(members), key=lambda entry: entry[0]):
            try:
                parts = _parts_of(group)
                if key in seen:
                    raise CodecError("its key is in the shard before, not side by side; sort the shard by keys")
                seen.add(key)
                yield self._sample(parts)
            except (CodecError, OSError) as err:
                self.skipped.append((f"{self.shard.name}/{key}", str(err)))

    def _usable(self, members: Iterable[TarMember]) -> Iterator[tuple[str, str, TarMember]]:
        """Key, suffix and member of those that can be read; hidden ones are not the user's."""
        for member in members:
            parts = [part for part in member.name.split("/") if part != ".."] or [""]
            if any(map(is_hidden_from_splits, parts)) or (parts[-1].startswith("__") and parts[-1].endswith("__")):
                continue
            match = _KEY.fullmatch(member.name)
            if member.why or match is None:
                why = member.why or "its name has no extension"
                self.skipped.append((f"{self.shard.name}/{member.name}".rstrip("/"), why))
            else:
                yield match[1], match[2].lower(), member

    def _sample(self, parts: Mapping[str, TarMember]) -> FoundSample:
        signal = _signal_among(list(parts), self.extensions)
        label = self._label(parts)
        targets = [suffix for suffix in parts if suffix not in (signal, LABEL_SUFFIX)]
        for suffix in targets:
            check_target_suffix(suffix)
        names = {suffix: self._placed(parts[suffix]) for suffix in (signal, *targets)}
        return FoundSample(names[signal], self.shard.split, label, tuple((suffix, names[suffix]) for suffix in targets))

    def _placed(self, member: TarMember) -> str:
        name = f"{self.shard.name}/{member.name}"
        self.places[name] = (self.shard.name, member.offset, member.num_bytes)
        return name

    def _label(self, parts: Mapping[str, TarMember]) -> str | int | None:
        """The class: that of .cls, or else a label in .json."""
        if LABEL_SUFFIX in parts:
            return _text(self.shard.read(parts[LABEL_SUFFIX]), LABEL_SUFFIX) or None
        if "json" not in parts:
            return None
        try:
            fields = json.loads(_text(self.shard.read(parts["json"]), "json"))
        except (ValueError, RecursionError) as err:
            raise CodecError(f"its .json cannot be read: {err}") from err
        known = {key.casefold(): value for key, value in fields.items()} if isinstance(fields, dict) else {}
        labels = (known.get(name) for name in LABEL_COLUMNS)
        return next((one for one in labels if isinstance(one, str | int) and not isinstance(one, bool)), None)


def _parts_of(group: Iterable[tuple[str, str, TarMember]]) -> dict[str, TarMember]:
    parts: dict[str, TarMember] = {}
    for _, suffix, member in group:
        if suffix in parts:
            raise CodecError(f"it has .{suffix} twice; allowed is one of each")
        parts[suffix] = member
    return parts


def _signal_among(suffixes: Sequence[str], known: Set[str]) -> str:
    """The suffix of the picture or sound, by the known extensions. Raises `CodecError` for none, and for several."""
    found = [suffix for suffix in suffixes if f".{suffix}" in known]
    firm = [suffix for suffix in found if f".{suffix}" not in _MEANS_SIGNAL_LAST]
    for candidates in (firm, [suffix for suffix in found if suffix == "png"], found):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise CodecError(f"it has several signals (.{', .'.join(candidates)}); allowed is one in a sample")
    raise CodecError(f"it has no picture or sound, but .{', .'.join(suffixes)}")


def _text(data: bytes, suffix: str) -> str:
    try:
        return data.decode("utf-8").strip()
    except UnicodeDecodeError as err:
        raise CodecError(f"its .{suffix} is no UTF-8 text") from err
