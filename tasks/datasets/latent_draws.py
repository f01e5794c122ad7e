"""Random numbers that belong to items, not to batches, threads or processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_NUM_STREAMS: Final = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LatentDraws:
    """Random numbers of the items of a batch: by seed, epoch and place in the epoch's order."""

    seed: int
    epoch: int
    places: Int[NDArray[np.int64], " n"]

    def uniform(self, stream: int) -> Float[Floats, " n"]:
        """(n,) in [0, 1): number `stream`, below 64, of each item."""
        found: Float[Floats, " n"] = self._table[stream]
        return found

    @cached_property
    def _table(self) -> Float[Floats, "streams n"]:
        """SplitMix64 (Steele et al. 2014) as a hash."""
        with np.errstate(over="ignore"):
            key = _mixed(np.array([self.seed & 0xFFFFFFFFFFFFFFFF], np.uint64)) + np.uint64(self.epoch)
            items = _mixed(_mixed(key) + self.places.astype(np.uint64))
            values = _mixed(items + np.arange(_NUM_STREAMS, dtype=np.uint64)[:, None])
        return (values >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, stream: int, most: float) -> Float[Floats, " n"]:
        """(n,) from -most to most."""
        return (2 * self.uniform(stream) - 1) * most

    def whole(self, stream: int, count: Int[NDArray[np.int64], " n"]) -> Int[NDArray[np.int64], " n"]:
        """(n,) of 0 to count - 1."""
        return np.minimum((self.uniform(stream) * count).astype(np.int64), count - 1)


def _mixed(values: UInt[NDArray[np.uint64], "*shape"]) -> UInt[NDArray[np.uint64], "*shape"]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
