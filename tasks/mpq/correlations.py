"""Do metrics foretell what a machine loses? Rank correlations of the model's measures with each metric, with intervals.

Across operating points: Spearman's, of means over the samples at each point of all curves. Within samples: each sample's
values at all points become ranks, from which its own mean rank is taken, and one correlation is of all samples' ranks
together; so that some pictures are hard for every codec counts for nothing. Both turned so that +1 says: what the metric
calls better is better for the model. Intervals are of resamplings of the samples, in both, at the points measured.

Source: C. Spearman, Am. J. Psychol. 15(1), 1904.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.mpq.bd import Gap
from laconic.tasks.mpq.intervals import LEAST_SAMPLES, percentiles, resampling_weights
from laconic.tasks.mpq.sample_values import Measure, TaskValues

if TYPE_CHECKING:
    from jaxtyping import Float, Num

Array = NDArray[np.float64]

_NUM_RESAMPLINGS = 1000
# Of four points even a perfect order happens by chance once in twelve times, of five once in sixty.
LEAST_POINTS: Final = 5


@dataclass(frozen=True)
class Correlation:
    """A measure of the model with a metric. Each number is None where a side is constant or a sample or point lacks.

    `across_points`: over `num_points` operating points; `within_samples`: over the points of each of `num_samples` samples.
    """

    task: str
    measure: Measure
    metric: Measure
    num_points: int
    num_samples: int
    across_points: Gap | None = None
    within_samples: Gap | None = None

    @property
    def is_too_few(self) -> bool:
        return self.num_samples < LEAST_SAMPLES or self.num_points < LEAST_POINTS


def correlate_measures(values: TaskValues, *, seed: int = 0) -> list[Correlation]:
    """Every measure of the model with every metric; of fewer than 20 samples or 5 points without numbers."""
    return [_correlation(values, measure, metric, seed) for metric in values.of_metrics for measure in values.of_model]


def _correlation(values: TaskValues, measure: Measure, metric: Measure, seed: int) -> Correlation:
    one, other = (_samples_of(values, which) for which in (measure, metric))
    names = values.task.name, measure, metric
    # A point that returns every sample equal has no mean of a metric without a largest value.
    points = np.isfinite(other).any(axis=1)
    known = ~np.isnan(one[points]).any(axis=0) & ~np.isnan(other[points]).any(axis=0) & points.any()
    num_points, num_samples = int(points.sum()), int(known.sum())
    if num_samples < LEAST_SAMPLES or num_points < LEAST_POINTS:
        return Correlation(*names, num_points, num_samples)
    weights = np.zeros((_NUM_RESAMPLINGS + 1, values.num_samples))
    weights[0, known] = 1  # the samples as they are
    weights[1:, known] = resampling_weights(num_samples, seed, _NUM_RESAMPLINGS)
    means = [_means_of(values, which, weights)[:, points] for which in (measure, metric)]
    across = _of_ranks(average_ranks(means[0]), average_ranks(means[1]))
    within = _within(one[points][:, known].T, other[points][:, known].T, weights[:, known])
    return Correlation(*names, num_points, num_samples, _gap(across, num_samples), _gap(within, num_samples))


def _samples_of(values: TaskValues, measure: Measure) -> Float[Array, "p n"]:
    """(p, n) of the points of all curves, more is better."""
    found = [measure.sign * values.of_samples(curve, measure) for curve in values.curves]
    return np.concatenate(found) if found else np.zeros((0, values.num_samples))


def _means_of(values: TaskValues, measure: Measure, weights: Num[NDArray[Any], "b n"]) -> Float[Array, "b p"]:
    return np.concatenate([measure.sign * values.means(curve, measure, weights) for curve in values.curves], axis=1)


def average_ranks(values: Num[NDArray[Any], "*n p"]) -> Float[Array, "*n p"]:
    """Ranks along the last axis, 0 the least, equal values at the mean of theirs; of no NaN.

    >>> average_ranks(np.array([3, 1, 3, 7])).tolist()
    [1.5, 0.0, 1.5, 3.0]
    """
    one, other = values[..., :, None], values[..., None, :]
    less, equal = (other < one).sum(axis=-1), (other == one).sum(axis=-1)
    return np.asarray(less + (equal - 1) / 2, np.float64)


def _of_ranks(one: Float[Array, "b p"], other: Float[Array, "b p"]) -> Float[Array, " b"]:
    """NaN where a side is constant."""
    one, other = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (one, other))
    return _ratio((one * other).sum(axis=1), (one**2).sum(axis=1), (other**2).sum(axis=1))


def _within(one: Float[Array, "n p"], other: Float[Array, "n p"], weights: Num[NDArray[Any], "b n"]) -> Array:
    """(b,): products of ranks about each sample's mean, summed over the samples of each resampling."""
    one, other = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (average_ranks(one), average_ranks(other)))
    products = [(a * b).sum(axis=1) for a, b in ((one, other), (one, one), (other, other))]
    return _ratio(*(weights @ product for product in products))


def _ratio(product: Array, square: Array, other_square: Array) -> Array:
    norm = np.sqrt(square * other_square)
    return np.asarray(np.divide(product, norm, out=np.full(norm.shape, np.nan), where=norm > 0))


def _gap(correlations: Float[Array, " b"], num_samples: int) -> Gap | None:
    value, resampled = correlations[0], correlations[1:]
    if np.isnan(value) or np.isnan(resampled).any():
        return None
    return Gap(float(value), percentiles(resampled, num_samples))
