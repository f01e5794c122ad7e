"""How large the coefficients of low levels (`low_levels`) can be, for the type that holds their integers."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.packet_tree import HIGH_GAIN, LIFTING, LOW_GAIN

if TYPE_CHECKING:
    from laconic.codecs.models.model import Model

_ROUNDING: Final = 1.01  # of what is computed in float32 or in integers
_A, _B, _C, _D = LIFTING


@lru_cache(maxsize=64)
def largest_low_coefficient(model: Model) -> float:
    """What no coefficient of the lowest channels exceeds, full scale = 1, for samples from -1/2 to 1/2."""
    if not model.low_levels:
        return 0.0
    rows = float(np.abs(model.analysis[0]).astype(np.float64).sum(1).max())
    norms = np.array(_class_norms(model.tree.depth, model.low_levels))
    return float((norms * model.low_gains).max()) * rows / 2 * _ROUNDING


@cache
def _class_norms(depth: int, levels: int) -> tuple[float, ...]:
    """For each class, the sum of the magnitudes of the weights of the samples, far from the picture's borders."""
    band = np.eye(16 << (depth + levels))
    norms: list[float] = []
    for level in range(depth + levels):
        band, high = _split(band)
        low_norm, high_norm = np.abs(band[0]).sum(), np.abs(high[0]).sum()
        if level >= depth:
            norms = [high_norm * low_norm, low_norm * high_norm, high_norm * high_norm, *norms]
    return (float(np.abs(band[0]).sum()) ** 2, *norms)


def _split(lines: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high halves of lines that repeat."""
    even, odd = lines[0::2], lines[1::2]
    odd = odd + _A * (even + np.roll(even, -1, 0))
    even = even + _B * (odd + np.roll(odd, 1, 0))
    odd = odd + _C * (even + np.roll(even, -1, 0))
    even = even + _D * (odd + np.roll(odd, 1, 0))
    return even * LOW_GAIN, odd * HIGH_GAIN
