"""What a packed folder holds, in numbers: samples, bytes, rates, deviations of its channels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from laconic.codecs.arguments import typed_argument
from laconic.entropy.container import Source, read_header
from laconic.entropy.errors import BitstreamError
from laconic.tasks.datasets.stored_samples import StoredSamples

if TYPE_CHECKING:
    from laconic.tasks.datasets.pack_index import PackIndex

NO_CLASS = "(no class)"
_MOST_HEADERS = 1000  # that are read for sizes; more change a mean little


@dataclass(frozen=True)
class PackStatistics:
    """Of a pack. `splits`: samples of each class in each split. `bytes_on_disk`: of all its files; `item_bytes`: mean of
    what is read of an item for so many channels. `rate`: mean of the .lcn files, bits per pixel of pictures, kilobits per
    second of sounds, from `num_measured` of them; None where none could be read. `deviation`: of the channels from the
    last group's to this one's, in signal units. `targets`: samples with target files of each suffix."""

    kind: str
    samples: int
    splits: dict[str, dict[str, int]]
    shards: int
    bytes_on_disk: int
    lcn_bytes: int
    item_bytes: dict[int, float]
    rate: float | None
    num_measured: int
    grid: tuple[int, int] | None
    model: str
    fingerprint: str
    options: dict[str, Any]
    deviation: dict[int, float]
    targets: dict[str, int]
    skipped: int
    notes: int


def pack_statistics(samples: StoredSamples) -> PackStatistics:
    """Numbers from the index, the headers of some files, and the folder. Raises `OSError`."""
    index = typed_argument("samples", samples, StoredSamples, "the StoredSamples of a packed folder").index
    rate, num_measured = _rate(samples)
    return PackStatistics(
        kind=index.kind,
        samples=len(index),
        splits=_counts(index),
        shards=len(index.shards),
        bytes_on_disk=sum(path.stat().st_size for path in samples.folder.rglob("*") if path.is_file()),
        lcn_bytes=int(index.length.sum()),
        item_bytes={
            end: float(mean) for end, mean in zip(index.group_ends, index.heads.mean(axis=0).tolist(), strict=True)
        },
        rate=rate,
        num_measured=num_measured,
        grid=index.grid,
        model=index.model_name,
        fingerprint=index.fingerprint.hex(),
        options={name: getattr(index.options, name) for name in ("quality", "profile", "tune", *_framing(index))},
        deviation=_deviation(index),
        targets={suffix: int((column.offset >= 0).sum()) for suffix, column in index.targets.items()},
        skipped=len({source for source, _ in index.skipped}),
        notes=len({source for source, _ in index.notes}),
    )


def spaced_rows(count: int, most: int) -> list[int]:
    """At most `most` of `count` rows, evenly spaced.

    >>> spaced_rows(3, 8), spaced_rows(100, 4)
    ([0, 1, 2], [0, 25, 50, 75])
    """
    return list(range(count)) if count <= most else [i * count // most for i in range(most)]


def _counts(index: PackIndex) -> dict[str, dict[str, int]]:
    """Those of the index, and of samples without a class."""
    found = index.counts()
    for split, classes in found.items():
        if rest := len(index.rows_of_split(split)) - sum(classes.values()):
            classes[NO_CLASS] = rest
    return found


def _rate(samples: StoredSamples) -> tuple[float | None, int]:
    """Bits per pixel, or kilobits per second, of the files whose header can be read, and their number."""
    num_bytes = amount = count = 0.0
    for row in spaced_rows(len(samples), _MOST_HEADERS):
        try:
            header = read_header(Source(io.BytesIO(samples.lcn(row))))
        except (BitstreamError, ValueError, OSError):
            continue
        if samples.index.kind == "image":
            amount += header.shape[0] * header.shape[1]
        elif header.sample_rate:
            amount += 1000 * header.shape[-1] / header.sample_rate
        num_bytes += int(samples.index.length[row])
        count += 1
    return (8 * num_bytes / amount if amount else None), int(count)


def _framing(index: PackIndex) -> tuple[str, ...]:
    return ("size",) if index.kind == "image" else ("sample_rate_hz", "seconds")


def _deviation(index: PackIndex) -> dict[int, float]:
    starts = (0, *index.group_ends)
    return {
        end: float(np.sqrt(np.square(index.std[start:end]).mean()))
        for start, end in zip(starts, index.group_ends, strict=False)
    }
