"""Signals of any source as a map-style dataset, read and framed at every access: what latents are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.datasets.framing import Framing, framed_array, read_signal
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample, open_source_signal
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL, decode_target, no_target

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class SignalDataset:
    """The `samples` of a source: float32 arrays (c, h, w), pictures with values around -2 to 2, sounds as (1, 1, t), see
    `framed_array`; with the values of their target files. `reduction` (rows, columns): each value is the mean of so
    many."""

    source: PackSource
    samples: tuple[SourceSample, ...]
    framing: Framing
    reduction: tuple[int, int] = (1, 1)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def labels(self) -> Int[NDArray[np.int64], " n"]:
        return np.array([sample.label for sample in self.samples], np.int64)

    @cached_property
    def bytes_per_item(self) -> list[int]:
        """What reading each item takes from disk."""
        return [_num_bytes(self.source, sample) for sample in self.samples]

    @cached_property
    def sizes(self) -> Int[NDArray[np.int64], "n 2"]:
        """Rows and columns of every signal; all of them are read once for it."""
        return np.array([self.array(i).shape[1:] for i in range(len(self))], np.int64).reshape(-1, 2)

    def subset(self, items: Sequence[int] | Int[NDArray[np.int64], " n"]) -> SignalDataset:
        """A dataset of some items, in that order."""
        return replace(self, samples=tuple(self.samples[int(item)] for item in items))

    def array(self, index: int) -> Float[NDArray[np.float32], "c h w"]:
        """The signal of an item. Raises `CodecError`, `BitstreamError`, `OSError`."""
        with open_source_signal(self.source, self.samples[index]) as file:
            return reduced_signal(framed_array(read_signal(file, self.source.kind, self.framing)), self.reduction)

    def target(self, index: int, suffix: str) -> Any:
        """The value of one of an item's targets, see `targets.decode_target`. Raises `CodecError`, `OSError`."""
        sample = self.samples[index]
        if suffix == LABEL_SUFFIX and sample.label != NO_LABEL:
            return sample.label
        there = [found for found, _ in sample.targets]
        if suffix not in there:
            raise no_target(suffix, sample.source, [*there, *([LABEL_SUFFIX] if sample.label != NO_LABEL else [])])
        return decode_target(suffix, self.source.read_target(sample, suffix))


def reduced_signal(
    x: Float[NDArray[np.float32], "c h w"], reduction: tuple[int, int]
) -> Float[NDArray[np.float32], "c h2 w2"]:
    """Means of blocks, the last of which are filled up with the values at the edge, so that none is lost."""
    if reduction == (1, 1):
        return x
    rest = [(0, -side % r) for side, r in zip(x.shape[1:], reduction, strict=True)]
    whole = np.pad(x, [(0, 0), *rest], mode="edge")
    (rows, columns), (p, q) = (side // r for side, r in zip(whole.shape[1:], reduction, strict=True)), reduction
    blocks = whole.reshape(len(x), rows, p, columns, q)
    means: Float[NDArray[np.float32], "c h2 w2"] = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means


def _num_bytes(source: PackSource, sample: SourceSample) -> int:
    with open_source_signal(source, sample) as file:
        return Path(file).stat().st_size if isinstance(file, Path) else file.seek(0, 2)
