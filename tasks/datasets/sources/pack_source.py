"""Where samples to be packed come from: what `pack` asks of class folders, manifests, shards and data sets of libraries."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.tasks.datasets.targets import check_target_suffix

_MOST_MEMBER_BYTES = 1 << 30  # of a signal or target, which is read at once


@dataclass(frozen=True)
class SourceSample:
    """One signal: `source` names it within its source, a path below it with forward slashes where it is a file; `label` is
    an index into the classes or `NO_LABEL`, `targets` say of more target files where they are, each with its suffix (see
    `targets`); what the words mean, the source knows. Raises `CodecError` for a suffix that is none, or twice."""

    source: str
    split: str
    label: int
    targets: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        suffixes = [check_target_suffix(suffix) for suffix, _ in self.targets]
        if len(set(suffixes)) < len(suffixes):
            raise CodecError(f"{self.source} has targets {', '.join(suffixes)}; allowed is one of each suffix")


@runtime_checkable
class PackSource(Protocol):
    """Samples in splits and classes. A source is read from threads, and pickled to be read in other processes.

    `name` is what messages call it, such as the path that was given. `samples` are sorted by split and source. `skipped`
    are (source, why) of what looks like a sample and is none, `notes` say what else was left out.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> MediaKind: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def samples(self) -> tuple[SourceSample, ...]: ...
    @property
    def skipped(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...

    def counts(self) -> dict[str, dict[str, int]]:
        """Samples of each class in each split, by their names."""
        ...

    def open_signal(self, sample: SourceSample) -> Path | BinaryIO:
        """What `read_image` and `read_sound` take: a path, or a binary file at its start, which the caller closes. Raises
        `OSError` or `CodecError`, for which the sample is skipped."""
        ...

    def read_target(self, sample: SourceSample, suffix: str) -> bytes:
        """A target file. Raises as `open_signal` does."""
        ...

    def identity(self, sample: SourceSample) -> str:
        """A text that differs where the bytes of the sample or its targets may differ from those of an earlier call. It is
        asked of every sample before the work, so it comes without reading files: size and time of change, a checksum that
        an archive holds. Never raises for a file that cannot be asked."""
        ...


def open_source_signal(source: PackSource, sample: SourceSample) -> BinaryIO:
    """The signal of a sample as an open binary file. Raises `OSError` or `CodecError`."""
    found = source.open_signal(sample)
    return check_source_file(found).open("rb") if isinstance(found, Path) else found


def read_source_file(path: Path) -> bytes:
    """All bytes of a file. Raises `OSError` or `CodecError`."""
    return check_source_file(path).read_bytes()


def check_source_file(path: Path) -> Path:
    """A file before it is read, as it may never end, or not fit into memory. Raises `OSError` or `CodecError`."""
    check_member_size(path.name, size_of_source_file(path))
    return path


def size_of_source_file(path: Path) -> int:
    """Bytes of a file that has an end. Raises `OSError`, `CodecError` for others."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or device"
        raise CodecError(f"{path.name} is {kind}; allowed are files: leave it out")
    return found.st_size


def check_member_size(name: str, num_bytes: int) -> int:
    """A size before so much is read. Raises `CodecError`."""
    if num_bytes > _MOST_MEMBER_BYTES:
        raise CodecError(f"{name} has {num_bytes} bytes; allowed are {_MOST_MEMBER_BYTES}: leave it out")
    return num_bytes


def identity_of_file(path: Path) -> str:
    """Size and time of change of a file; "none" where it cannot be asked (a link to nothing, a name that can be none),
    which fails when read."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return "none"
    return f"{found.st_size}@{found.st_mtime_ns}"
