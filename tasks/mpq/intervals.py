"""Bootstrap intervals of scores, paired: one set of resamplings serves every codec of a task.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Num

Aggregate = Callable[[NDArray[Any]], NDArray[Any]]

_NUM_RESAMPLINGS = 4000
_PERCENTILES = (2.5, 97.5)
# Percentile intervals of few samples are too narrow. A sign test needs 6 equal signs: 2 * 0.5**5 > 0.05 > 2 * 0.5**6.
_MIN_DIFFERING = 6


@dataclass(frozen=True)
class IntervalComparison:
    """A score with its 95 % interval, and its difference from the anchor's on the same samples with its own.

    `resolved`: the interval of the difference excludes 0 and at least 6 samples were judged otherwise than the anchor's.
    """

    score: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    resolved: bool


def compare(
    counts: Num[NDArray[Any], "n k"], anchor: Num[NDArray[Any], "n k"], aggregate: Aggregate, *, seed: int
) -> IntervalComparison:
    """Compare two (n, k) arrays of counts, row by row of the same samples. The seed decides the resamplings.

    Raises `ValueError` for arrays of different or no rows.
    """
    if counts.shape != anchor.shape or counts.ndim != 2 or not len(counts):
        raise ValueError(f"counts have shape {counts.shape}; allowed is that of the anchor, {anchor.shape}, with rows")
    num_samples = len(counts)
    weights = np.random.default_rng(seed).multinomial(
        num_samples, np.full(num_samples, 1 / num_samples), _NUM_RESAMPLINGS
    )
    scores, anchors = aggregate(weights @ counts), aggregate(weights @ anchor)
    score = float(aggregate(counts.sum(axis=0)))
    difference = score - float(aggregate(anchor.sum(axis=0)))
    low, high = _percentiles(scores - anchors)
    num_differing = int((counts != anchor).any(axis=1).sum())
    resolved = not low <= 0 <= high and num_differing >= _MIN_DIFFERING
    return IntervalComparison(score, _percentiles(scores), difference, (low, high), resolved)


def _percentiles(values: NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(values, _PERCENTILES)
    return float(low), float(high)
