"""Manifests: tables that name files, with labels, splits and targets.

    path   (file, filename, file_name, image, audio, ...)   a file, relative to the manifest, or absolute
    label  (class, category, cls, class_name, ...)          its class, by name or number; none where empty
    split  (set, subset, partition)                         train, val, test, in any usual spelling
    others                                                   targets: see `row_targets`

Columns are known by these names in any case. Without a column of splits, the first folder of all paths counts where it
is named as a split, then the manifest's own name ("train.csv").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.manifest_columns import ManifestColumns, manifest_columns_of
from laconic.tasks.datasets.sources.manifest_files import ManifestFiles
from laconic.tasks.datasets.sources.manifest_rows import ManifestRow, read_manifest_rows
from laconic.tasks.datasets.sources.row_targets import (
    bytes_of_value,
    names_target_files,
    suffix_of_target_file,
    suffix_of_value,
)
from laconic.tasks.datasets.sources.split_choice import SplitChoice
from laconic.tasks.datasets.sources.stored_source import Findings, FoundSample, StoredSource, settle_findings
from laconic.tasks.datasets.targets import check_target_suffix

_MOST_LETTERS = 4096  # as systems allow of a path


def read_manifest_source(name: str, root: Path, manifests: Sequence[Path], splits: SplitChoice) -> StoredSource:
    """The samples of manifests; paths of members are below `root`, where they are. Raises `CodecError`, `OSError`."""
    found: list[FoundSample] = []
    skipped: list[tuple[str, str]] = []
    texts: dict[str, bytes] = {}
    notes: list[str] = []
    for manifest in manifests:
        rows = read_manifest_rows(manifest)
        columns = manifest_columns_of(manifest, rows)
        reader = _ManifestReader(root, manifest, columns, splits, texts, skipped)
        found += reader.with_splits_of_folders(list(reader.samples(rows)))
        notes.append(f"{reader.below(manifest)}: {columns}")
    return settle_findings(name, Findings(found, skipped, notes), ManifestFiles(root, texts))


@dataclass(frozen=True)
class _ManifestReader:
    """Rows of one manifest -> samples; fills `texts` with cells that are targets and `skipped` with rows left out."""

    root: Path
    manifest: Path
    columns: ManifestColumns
    splits: SplitChoice
    texts: dict[str, bytes]
    skipped: list[tuple[str, str]]

    @cached_property
    def folder(self) -> tuple[str, ...]:
        """Of the manifest, below the root."""
        return self.manifest.parent.relative_to(self.root).parts

    def samples(self, rows: Sequence[ManifestRow]) -> Iterator[FoundSample]:
        """Those of the rows that can be understood."""
        manifest = self.below(self.manifest)
        for line, row in rows:
            place = f"{manifest}:{line}"
            try:
                if isinstance(row, str):
                    raise CodecError(row)
                yield self._sample(place, row)
            except CodecError as err:
                self.skipped.append((place, str(err)))

    def _sample(self, place: str, row: Mapping[str, Any]) -> FoundSample:
        source = self._path(self.columns.path, row.get(self.columns.path))
        label = row.get(self.columns.label) if self.columns.label else None
        cells = ((column, row.get(column)) for column in self.columns.others)
        targets = [self._target(place, *cell) for cell in cells if cell[1] not in (None, "")]
        for suffix, _ in targets:
            check_target_suffix(suffix)
        if len({suffix for suffix, _ in targets}) < len(targets):
            raise CodecError(
                f"it has targets {', '.join(suffix for suffix, _ in targets)}; allowed is one of each suffix"
            )
        if not isinstance(label, str | int | None) or isinstance(label, bool):
            raise CodecError(
                f"its label is {label!r}; allowed are a name and a number; name the column json for others"
            )
        if isinstance(label, str):
            label = label.strip() or None
        return FoundSample(source, self._split(row), label, tuple(targets))

    def _split(self, row: Mapping[str, Any]) -> str | None:
        word = row.get(self.columns.split) if self.columns.split else None
        if word is None or not str(word).strip():
            return None
        split = self.splits.of_word(str(word).strip())
        if split is None:
            raise CodecError(
                f"its split is {str(word)!r}; allowed are train, val and test: pass --splits train={word},..."
            )
        return split

    def _target(self, place: str, column: str, value: Any) -> tuple[str, str]:
        """A target's suffix and member."""
        if names_target_files(column):
            file = self._path(column, value)
            return suffix_of_target_file(column, file), file
        suffix, member = suffix_of_value(column, value, self.columns.text), f"{place}:{column}"
        self.texts[member] = bytes_of_value(suffix, value)
        return suffix, member

    def _path(self, column: str, value: Any) -> str:
        """Where a file is that a cell names, below the root."""
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise CodecError(f"its {column} is {value!r}; allowed is the path of a file")
        if len(value) > _MOST_LETTERS or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise CodecError(f"its {column} is {value[:40]!r}...; allowed are up to {_MOST_LETTERS} letters of Unicode")
        if "://" in value:
            raise CodecError(f"its {column} is {value}; allowed are files of this machine: fetch it first")
        place = value.strip()
        if "\\" in place and not (self.manifest.parent / place).exists():
            place = place.replace("\\", "/")
        if place.startswith("/"):
            return self.below(Path(place))
        parts = [part for part in place.split("/") if part not in ("", ".")]
        return "/".join([*self.folder, *parts])

    def below(self, path: Path) -> str:
        """A path as members are named."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    def with_splits_of_folders(self, samples: Sequence[FoundSample]) -> Iterator[FoundSample]:
        """Where there is no column of splits: each sample in the split that the first folder of its path names, where all
        do, or else the manifest."""
        if self.columns.split is not None:
            yield from samples
            return
        by_folder = [self.splits.of_word(sample.source.partition("/")[0]) for sample in samples]
        by_name = self.splits.of_word(self.manifest.stem)
        for sample, found in zip(samples, by_folder, strict=True):
            split = found if self.splits.said or all(by_folder) else by_name
            if split is None and by_name is None and self.splits.said:
                self.skipped.append((sample.source, "no split was said for it"))
            else:
                yield replace(sample, split=split or by_name)
