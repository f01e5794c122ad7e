"""Intervals of scores, and how much of a score may be lost at most: paired, one set of resamplings serves every codec.

Sources: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals); Hesterberg, The
American Statistician 69, 2015, section 5.3 (wider ones of few samples); Wilson, JASA 22, 1927 (shares of right answers);
Hanley and Lippman-Hand, JAMA 249, 1983 (what none of n samples showed).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.heads.comparison import wilson_interval

if TYPE_CHECKING:
    from jaxtyping import Int, Num

Aggregate = Callable[[NDArray[Any]], NDArray[Any]]

_NUM_RESAMPLINGS = 4000
_TWO_SIDED = 0.975
_ONE_SIDED = 0.95
# Of fewer samples nothing is concluded: what none of 19 showed may still be so for every seventh.
LEAST_SAMPLES: Final = 20
# A sign test needs 6 equal signs: 2 * 0.5**5 > 0.05 > 2 * 0.5**6.
_MIN_DIFFERING = 6


@dataclass(frozen=True)
class IntervalComparison:
    """A score with its 95 % interval, and its difference from the anchor's on the same samples with its own.

    `bounds`: the difference is not below the first, and not above the second, with 95 % each: of resamplings, and, of right
    and wrong answers and where few samples changed, no nearer than what none of n samples showed allows, 1 - 0.05^(1/n).
    `resolved`: the interval of the difference excludes 0, at least 6 samples were judged otherwise than the anchor's, and
    there are 20.
    """

    score: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    bounds: tuple[float, float]
    resolved: bool


def compare(
    counts: Num[NDArray[Any], "n k"], anchor: Num[NDArray[Any], "n k"], aggregate: Aggregate, *, seed: int
) -> IntervalComparison:
    """Compare two (n, k) arrays of counts, row by row of the same samples. The seed decides the resamplings.

    Raises `ValueError` for arrays of different or no rows.
    """
    found = _compare(counts, anchor, aggregate, seed)
    return (
        replace(found, interval=wilson_interval(float(counts[:, 0].sum()), len(counts)))
        if are_answers(counts)
        else found
    )


def _compare(
    counts: Num[NDArray[Any], "n k"], anchor: Num[NDArray[Any], "n k"], aggregate: Aggregate, seed: int
) -> IntervalComparison:
    """All intervals by resamplings."""
    if counts.shape != anchor.shape or counts.ndim != 2 or not len(counts):
        raise ValueError(f"counts have shape {counts.shape}; allowed is that of the anchor, {anchor.shape}, with rows")
    num_samples = len(counts)
    weights = resampling_weights(num_samples, seed, _NUM_RESAMPLINGS)
    scores, anchors = aggregate(weights @ counts), aggregate(weights @ anchor)
    score = float(aggregate(counts.sum(axis=0)))
    difference = score - float(aggregate(anchor.sum(axis=0)))
    low, high = percentiles(scores - anchors, num_samples)
    lowest, highest = percentiles(scores - anchors, num_samples, _ONE_SIDED)
    num_differing = int((counts != anchor).any(axis=1).sum())
    unseen = 1 - 0.05 ** (1 / num_samples)
    if are_answers(counts) or num_differing < _MIN_DIFFERING:
        lowest, highest = min(lowest, difference - unseen), max(highest, difference + unseen)
    if are_answers(counts):  # a share differs from a share by no more than all
        lowest, highest = max(lowest, -1.0), min(highest, 1.0)
    resolved = not low <= 0 <= high and num_differing >= _MIN_DIFFERING and num_samples >= LEAST_SAMPLES
    return IntervalComparison(
        score, percentiles(scores, num_samples), difference, (low, high), (lowest, highest), resolved
    )


def compare_means(values: Num[NDArray[Any], " n"], anchor: Num[NDArray[Any], " n"], *, seed: int) -> IntervalComparison:
    """`compare` of means of a number of each sample, which has no limits: its `bounds` say nothing.

    Raises `ValueError` like `compare`.
    """
    ones = np.ones(len(values))
    return _compare(np.stack([values, ones], axis=1), np.stack([anchor, ones], axis=1), _mean, seed)


def samples_to_exclude(margin: float) -> int:
    """So many right and wrong answers, none of which changed, exclude a loss of more than `margin` with 95 %.

    >>> samples_to_exclude(0.03)
    99
    """
    return math.ceil(math.log(0.05) / math.log1p(-margin)) if 0 < margin < 1 else 1


@lru_cache(maxsize=4)
def resampling_weights(num_samples: int, seed: int, num_resamplings: int) -> Int[NDArray[np.int64], "b n"]:
    """(b, n) how often each resampling holds each sample; the same array for the same numbers, so it is read-only."""
    shares = np.full(num_samples, 1 / num_samples)
    weights: NDArray[np.int64] = np.random.default_rng(seed).multinomial(num_samples, shares, num_resamplings)
    weights.flags.writeable = False
    return weights


def percentiles(values: Num[NDArray[Any], " b"], num_samples: int, upper: float = _TWO_SIDED) -> tuple[float, float]:
    """An interval of resamplings of so many samples, from the share 1 - `upper` to `upper`; without it, one of 95 %.

    Resamplings of n samples spread less than samples do, by (n - 1) / n, and tell it as a normal distribution would that
    knows its spread: the percentiles are those that make an interval of a mean as wide as Student's.
    """
    values = values[np.isfinite(values)]  # without resamplings of samples that say nothing, as none of no words
    degrees = num_samples - 1
    if not len(values):
        return math.nan, math.nan
    if degrees < 1:
        return float(np.min(values)), float(np.max(values))
    z = NormalDist().inv_cdf(upper)
    # Abramowitz and Stegun, 26.7.5
    t = z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    share = NormalDist().cdf(t * (num_samples / degrees) ** 0.5)
    low, high = np.percentile(values, (100 * (1 - share), 100 * share))
    return float(low), float(high)


def _mean(totals: Num[NDArray[Any], "*n k"]) -> Num[NDArray[Any], "*n"]:
    return np.asarray(totals[..., 0] / totals[..., 1])


def are_answers(counts: Num[NDArray[Any], "n k"]) -> bool:
    """Whether each row is a right or a wrong answer, (1, 1) or (0, 1)."""
    return counts.shape[1] == 2 and bool((counts[:, 1] == 1).all() and np.isin(counts[:, 0], (0, 1)).all())
