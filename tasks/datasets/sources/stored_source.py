"""A source of samples out of any store: what was found, settled to a kind, classes, splits and an order.

A reader finds samples and says how members are read (`MemberStore`); everything that all sources have in common is here,
so that the same samples get the same labels and order from whatever they came in.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.tasks.datasets.class_folders import class_folder_extensions
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.splits import SPLITS, WHOLE
from laconic.tasks.datasets.targets import NO_LABEL

# Classes that are numbers are places in a list, which one large number must not make long.
_MOST_NUMBERED_CLASSES = 1 << 17
_NONE = str(NO_LABEL)  # a label that is none, among numbers


class MemberStore(Protocol):
    """Where members are, each known by a name. All calls may come from several threads; a store can be pickled, and opens
    again what it needs. Each raises `CodecError` or `OSError` for a member that is gone or damaged."""

    def open_member(self, name: str) -> Path | BinaryIO:
        """What `read_image` and `read_sound` take."""

    def read_member(self, name: str) -> bytes: ...

    def identity_of_member(self, name: str) -> str:
        """Another text once the bytes may be others; never raises."""


@dataclass(frozen=True)
class FoundSample:
    """What a reader found. `label` is the class by name or number, None for none; `split` None for no split."""

    source: str
    split: str | None
    label: str | int | None
    targets: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StoredSource:
    """A `PackSource` whose samples are members of a store."""

    name: str
    kind: MediaKind
    classes: tuple[str, ...]
    samples: tuple[SourceSample, ...]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    store: MemberStore

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples of each class in each split, by their names."""
        found = Counter((sample.split, sample.label) for sample in self.samples)
        splits = sorted({split for split, _ in found}, key=(*SPLITS, WHOLE).index)
        return {
            split: {name: found[split, i] for i, name in enumerate(self.classes) if (split, i) in found}
            for split in splits
        }

    def open_signal(self, sample: SourceSample) -> Path | BinaryIO:
        return self.store.open_member(sample.source)

    def read_target(self, sample: SourceSample, suffix: str) -> bytes:
        return self.store.read_member(dict(sample.targets)[suffix])

    def identity(self, sample: SourceSample) -> str:
        return ";".join(self.store.identity_of_member(name) for name in (sample.source, *dict(sample.targets).values()))


@dataclass(frozen=True)
class Findings:
    """All that a reader found. `kind` None: by the extensions of the samples. `class_names` where the store says them:
    then labels are numbers of them. A label of -1 among numbers is none."""

    samples: Iterable[FoundSample]
    skipped: Iterable[tuple[str, str]] = ()
    notes: Iterable[str] = ()
    kind: MediaKind | None = None
    class_names: Sequence[str] | None = None


def settle_findings(name: str, findings: Findings, store: MemberStore) -> StoredSource:
    """Decide kind, classes and order. Raises `CodecError` where nothing is left, and for pictures among sounds."""
    skipped: list[tuple[str, str]] = list(findings.skipped)
    seen: dict[str, FoundSample] = {}
    for sample in findings.samples:
        if sample.source in seen:
            skipped.append((sample.source, _said_again(sample, seen[sample.source])))
        else:
            seen[sample.source] = sample
    kind, kept = _of_one_kind(name, list(seen.values()), findings.kind, skipped)
    classes, samples = _labelled(name, kept, findings.class_names, skipped)
    if not samples:
        raise nothing_found(name, skipped)
    notes = list(findings.notes)
    if findings.class_names is None and _NONE not in classes and (count := sum(str(s.label) == _NONE for s in kept)):
        notes.append(f"the label {_NONE} beside whole numbers is taken as no class, of {count} samples")
    return StoredSource(
        name=name,
        kind=kind,
        classes=classes,
        samples=tuple(sorted(samples, key=lambda sample: (sample.split, sample.source))),
        skipped=tuple(sorted(skipped)),
        notes=tuple(notes),
        store=store,
    )


def nothing_found(name: str, skipped: Sequence[tuple[str, str]]) -> CodecError:
    """To be raised where no sample is left."""
    first = f"; the first of {len(skipped)} left out is {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
    return CodecError(f"{name} holds no picture or sound that can be packed{first}")


def _said_again(sample: FoundSample, first: FoundSample) -> str:
    other = "the same" if sample == first else "another label, split or targets"
    return f"it is there once more, with {other}; the first counts"


def _of_one_kind(
    name: str, samples: list[FoundSample], kind: MediaKind | None, skipped: list[tuple[str, str]]
) -> tuple[MediaKind, list[FoundSample]]:
    if kind is not None:
        return kind, samples
    of_pictures, of_sounds = class_folder_extensions("image"), class_folder_extensions("sound")
    pictures = [sample for sample in samples if extension_of_member(sample.source) in of_pictures]
    sounds = [sample for sample in samples if extension_of_member(sample.source) in of_sounds]
    if pictures and sounds:
        raise CodecError(
            f"{name} holds both pictures and sounds, such as {pictures[0].source} and {sounds[0].source}; allowed is one "
            "kind: pack them apart"
        )
    kind, kept = ("sound", sounds) if sounds else ("image", pictures)
    names = {sample.source for sample in kept}
    skipped += [
        (sample.source, "its extension is not that of a picture or sound")
        for sample in samples
        if sample.source not in names
    ]
    return kind, kept


def _labelled(
    name: str, samples: list[FoundSample], class_names: Sequence[str] | None, skipped: list[tuple[str, str]]
) -> tuple[tuple[str, ...], list[SourceSample]]:
    """The classes, and the samples with their places among them."""
    labels = {str(sample.label) for sample in samples if sample.label is not None}
    numbers = labels - {_NONE}
    are_numbers = class_names is not None or _are_whole_numbers(numbers)
    classes = tuple(class_names if class_names is not None else _classes_of(name, numbers if are_numbers else labels))
    places = {str(i) if are_numbers else one: i for i, one in enumerate(classes)}
    places |= {_NONE: NO_LABEL} if are_numbers else {}
    settled = []
    for sample in samples:
        label = NO_LABEL if sample.label is None else places.get(str(sample.label))
        if label is None:
            skipped.append(
                (
                    sample.source,
                    f"its class is {sample.label}, of {len(classes)} names; allowed are 0 to {len(classes) - 1}",
                )
            )
        else:
            settled.append(SourceSample(sample.source, sample.split or WHOLE, label, sample.targets))
    return classes, settled


def _classes_of(name: str, labels: Set[str]) -> list[str]:
    """Names, sorted; where all are numbers, every number up to the largest, so that a number stays what it is."""
    if not _are_whole_numbers(labels):
        return sorted(labels)
    most = max(map(int, labels), default=-1)
    if most >= _MOST_NUMBERED_CLASSES:
        raise CodecError(
            f"{name} has the class {most}; allowed are numbers up to {_MOST_NUMBERED_CLASSES - 1}, or names of classes"
        )
    return [str(number) for number in range(most + 1)]


def _are_whole_numbers(labels: Set[str]) -> bool:
    return all(label.isdecimal() and str(int(label)) == label for label in labels)


def extension_of_member(name: str) -> str:
    """The last extension of a name, with its dot, in lower case."""
    return posixpath.splitext(name)[1].lower()
