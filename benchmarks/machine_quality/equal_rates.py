"""Values of curves at given rates, and their differences from a reference curve's, with intervals over blocks of samples.

Frames of one video are alike, so a resampling takes blocks of neighbours as wholes, and the blocks count as the samples:
Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 8.6. Curves are of means over the samples, anew in
each resampling, and linear between their points in the logarithm of the rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.mpq.bd import Gap
from laconic.tasks.mpq.intervals import percentiles, resampling_weights
from laconic.tasks.mpq.sample_values import CurveValues, Measure, TaskValues

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Num

Array = NDArray[np.float64]
Blocks = Sequence[NDArray[np.int64]]

_NUM_RESAMPLINGS = 4000
_MOST_LOST = 0.025  # of the resamplings, whose curves end before the rate; without more the interval would lack a tail


@dataclass(frozen=True)
class ValueAtRate:
    """A curve at a rate in bits per pixel. `difference`: from the reference's value, positive is more."""

    curve: str
    rate: float
    value: float
    difference: Gap | None


def single_blocks(num_samples: int) -> Blocks:
    """Each sample by itself."""
    return list(np.arange(num_samples)[:, None])


def neighbour_blocks(names: Sequence[str], length: int) -> Blocks:
    """Blocks of at most `length` frames that follow each other: "VIDEO_FRAME" in their order, none of two videos.

    >>> [block.tolist() for block in neighbour_blocks(["a_1", "a_2", "a_3", "b_1"], 2)]
    [[0, 1], [2], [3]]
    """
    blocks: list[NDArray[np.int64]] = []
    for _, frames in groupby(range(len(names)), key=lambda at: names[at].partition("_")[0]):
        video = np.array(list(frames))
        blocks += np.array_split(video, math.ceil(len(video) / length))
    return blocks


def block_weights(blocks: Blocks, num_samples: int, *, seed: int = 0) -> Int[NDArray[np.int64], "b n"]:
    """(b, n) how often each sample counts: first once each, then in resamplings of whole blocks."""
    members = np.zeros((len(blocks), num_samples), np.int64)
    for row, block in zip(members, blocks, strict=True):
        row[block] = 1
    return np.vstack([members.sum(axis=0), resampling_weights(len(blocks), seed, _NUM_RESAMPLINGS) @ members])


def values_at_rates(
    values: TaskValues, measure: Measure, blocks: Blocks, *, reference: str, rates: Sequence[float]
) -> list[ValueAtRate]:
    """Each curve at those of `rates` that it reaches, the reference first and without differences."""
    weights = block_weights(blocks, values.num_samples)
    curves = sorted(values.curves, key=lambda curve: curve.curve != reference)
    found = {curve.curve: _at_rates(values, curve, measure, weights, rates) for curve in curves}
    return [
        ValueAtRate(
            name,
            rate,
            float(at[0, column]),
            None if name == reference else _gap(at[:, column] - found[reference][:, column], len(blocks)),
        )
        for name, at in found.items()
        for column, rate in enumerate(rates)
        if math.isfinite(at[0, column])
    ]


def _at_rates(
    values: TaskValues, curve: CurveValues, measure: Measure, weights: Num[NDArray[Any], "b n"], rates: Sequence[float]
) -> Float[Array, "b r"]:
    means = weights @ curve.rates.T / weights.sum(axis=1, keepdims=True)
    return interpolated(means, values.means(curve, measure, weights), rates)


def interpolated(
    curve_rates: Float[Array, "b p"], curve_values: Float[Array, "b p"], rates: Sequence[float]
) -> Float[Array, "b r"]:
    """Each of b curves at each of r rates, linear in the logarithm of the rate; NaN beyond its ends."""
    wanted, logs = np.log(rates), np.log(curve_rates)
    return np.array(
        [np.interp(wanted, *one, left=np.nan, right=np.nan) for one in zip(logs, curve_values, strict=True)]
    )


def _gap(differences: Float[Array, " b"], num_blocks: int) -> Gap | None:
    """None where too many resamplings have no number."""
    given = differences[np.isfinite(differences)]
    if not math.isfinite(differences[0]) or len(given) < (1 - _MOST_LOST) * len(differences):
        return None
    return Gap(float(differences[0]), percentiles(given[1:], num_blocks))
