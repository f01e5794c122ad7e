"""BD-rate and BD-score of curves against a reference curve: in each metric, and at equal score, loss and divergence.

In a metric, per picture (or sound): the mean difference of log rates over the qualities that both curves reach on it, then
the mean over the pictures. A machine's score of one picture is no function of its rate, so there the curves are of means
over all pictures, and every resampling of the pictures gives other curves.

Points whose order contradicts their rates are pooled: neighbours of which the one of more rate is no better count as one
point, at the means of their log rates and of their values, as in isotonic regression. BD-score needs no order and pools
nothing.

Sources: G. Bjøntegaard, VCEG-M33, 2001 (between points: `pchip`); Ayer et al., Ann. Math. Stat. 26(4), 1955 (pooling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.mpq.evaluation import Rows
from laconic.tasks.mpq.intervals import LEAST_SAMPLES, percentiles, resampling_weights
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.pchip import mean_gaps
from laconic.tasks.mpq.protocol import Metric, Task
from laconic.tasks.mpq.sample_values import CurveValues, Measure, TaskValues, task_values

if TYPE_CHECKING:
    from jaxtyping import Float

Array = NDArray[np.float64]

_NUM_RESAMPLINGS = 1000
# An interval of which the resamplings that gave no number could be a tail would be of the others alone.
_MOST_LOST = 0.025


@dataclass(frozen=True)
class Gap:
    """A number with its 95 % interval."""

    value: float
    interval: tuple[float, float]

    @property
    def resolved(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True)
class BdEntry:
    """A curve against the reference in one measure.

    `rate`: percent more bytes at equal value, negative is smaller; `score`: how much more of the measure at equal rate,
    only of the model's measures. Each is None where the curves share too little to say. `num_used` of `num_samples` samples
    count: in a metric those on which both curves reach a common value. `shared`: which part of the values that either curve
    reaches both reach, a mean over the samples used; of the model's measures, on the curves of means.
    """

    task: str
    curve: str
    reference: str
    measure: Measure
    num_samples: int
    num_used: int
    shared: float
    rate: Gap | None = None
    score: Gap | None = None

    @property
    def is_too_few(self) -> bool:
        return self.num_used < LEAST_SAMPLES


def bd_table(
    task: Task[Any],
    points: Sequence[OperatingPoint],
    rows: Rows,
    *,
    metrics: Sequence[Metric[Any]] = (),
    reference: str | None = None,
    seed: int = 0,
) -> list[BdEntry]:
    """Every curve against `reference` in every measure, from the rows that `evaluate` returned.

    Without one, the reference is the first curve of `lcn`, or the first of all. Of fewer than 20 samples no gaps are given.
    Raises `ValueError` for a reference that is no curve with scores.

        rows = evaluate([task], points, folder / "rows.jsonl", metrics=metrics)
        for entry in bd_table(task, points, rows, metrics=metrics):
            if entry.rate is not None:
                print(entry.curve, entry.measure.head, entry.rate.value, entry.rate.interval)
    """
    return bd_entries(task_values(task, points, rows, metrics), reference=reference, seed=seed)


def bd_entries(values: TaskValues, *, reference: str | None = None, seed: int = 0) -> list[BdEntry]:
    """`bd_table` of arrays."""
    curves = {curve.curve: curve for curve in values.curves}
    chosen = reference_curve(list(curves)) if reference is None else reference
    if chosen not in curves:
        if reference is None:
            return []
        raise ValueError(f"reference {reference!r} is no curve with scores; those are {', '.join(curves) or 'none'}")
    others = [curve for curve in values.curves if curve.curve != chosen]
    return [
        (_of_metric if measure.is_distortion else _of_model)(values, curves[chosen], curve, measure, seed)
        for curve in others
        for measure in values.measures
    ]


def reference_curve(curves: Sequence[str]) -> str | None:
    """The curve that a report compares the others with: the first of `lcn`, or the first."""
    return next((curve for curve in curves if curve.split(":")[0] == "lcn"), next(iter(curves), None))


def _of_metric(values: TaskValues, reference: CurveValues, curve: CurveValues, measure: Measure, seed: int) -> BdEntry:
    references, curves = (
        [_pooled_curve(one, measure, sample) for sample in range(values.num_samples)] for one in (reference, curve)
    )
    gaps = _log_rate_gaps(references, curves)
    used = gaps[np.isfinite(gaps)]
    shared = [_shared(references[at], curves[at]) for at in np.flatnonzero(np.isfinite(gaps)).tolist()]
    entry = _entry(values, reference, curve, measure, len(used), float(np.mean(shared)) if shared else 0.0)
    if entry.is_too_few:
        return entry
    resampled = resampling_weights(len(used), seed, _NUM_RESAMPLINGS) @ used / len(used)
    return _with_gaps(entry, rate=_gap(_percent(used.mean()), _percent(resampled), len(used)))


def _of_model(values: TaskValues, reference: CurveValues, curve: CurveValues, measure: Measure, seed: int) -> BdEntry:
    n = values.num_samples
    # The first "resampling" is the samples as they are.
    weights = np.vstack([np.ones((1, n)), resampling_weights(n, seed, _NUM_RESAMPLINGS)])
    logs = [np.log(weights @ one.rates.T / n) for one in (reference, curve)]
    means = [measure.sign * values.means(one, measure, weights) for one in (reference, curve)]
    pooled = [_all_pooled(log, mean) for log, mean in zip(logs, means, strict=True)]
    entry = _entry(values, reference, curve, measure, n, _shared(pooled[0][0], pooled[1][0]))
    if entry.is_too_few or min(log.shape[1] for log in logs) < 2:
        return entry
    rates = _percent(_log_rate_gaps(pooled[0], pooled[1]))
    scores = measure.sign * mean_gaps(logs[0], means[0], logs[1], means[1])
    return _with_gaps(entry, rate=_gap(rates[0], rates[1:], n), score=_gap(scores[0], scores[1:], n))


def _entry(
    values: TaskValues, reference: CurveValues, curve: CurveValues, measure: Measure, num_used: int, shared: float
) -> BdEntry:
    names = values.task.name, curve.curve, reference.curve
    return BdEntry(*names, measure, values.num_samples, num_used, round(shared, 4))


def _with_gaps(entry: BdEntry, *, rate: Gap | None, score: Gap | None = None) -> BdEntry:
    head = entry.task, entry.curve, entry.reference, entry.measure, entry.num_samples, entry.num_used, entry.shared
    return BdEntry(*head, rate, score)


def _gap(value: float, resampled: Float[Array, " b"], num_samples: int) -> Gap | None:
    """None where too many resamplings have no number."""
    given = resampled[np.isfinite(resampled)]
    if not math.isfinite(value) or len(given) < (1 - _MOST_LOST) * len(resampled):
        return None
    return Gap(float(value), percentiles(given, num_samples))


def _percent(log_gaps: Any) -> Any:
    return 100 * np.expm1(log_gaps)


def _pooled_curve(curve: CurveValues, measure: Measure, sample: int) -> Float[Array, "2 p"]:
    """The curve of one sample, without points of no or infinite value."""
    rates, values = curve.rates[:, sample], curve.values[measure.name][:, sample]
    usable = np.isfinite(values) & (rates > 0)
    order = np.argsort(rates[usable], kind="stable")
    return _pooled(np.log(rates[usable])[order], measure.sign * values[usable][order])


def _pooled(log_rates: Float[Array, " p"], values: Float[Array, " p"]) -> Float[Array, "2 q"]:
    """Points in the order of their rates -> log rates and values, both strictly rising."""
    blocks: list[tuple[float, float, int]] = []  # sums of both, and how many
    for log_rate, value in zip(log_rates.tolist(), values.tolist(), strict=True):
        block = log_rate, value, 1
        while blocks and not _is_above(block, blocks[-1]):
            last = blocks.pop()
            block = last[0] + block[0], last[1] + block[1], last[2] + block[2]
        blocks.append(block)
    return np.array([(rate / number, value / number) for rate, value, number in blocks]).reshape(-1, 2).T


def _all_pooled(log_rates: Float[Array, "b p"], values: Float[Array, "b p"]) -> list[Float[Array, "2 q"]]:
    """`_pooled` of each row; most rise as they are."""
    steps = np.minimum(np.diff(log_rates, axis=1), np.diff(values, axis=1))
    rise = np.asarray((steps > 0).all(axis=1))
    both = np.stack([log_rates, values], axis=1)
    return [both[row] if rise[row] else _pooled(*both[row]) for row in range(len(both))]


def _is_above(block: tuple[float, float, int], last: tuple[float, float, int]) -> bool:
    return block[0] / block[2] > last[0] / last[2] and block[1] / block[2] > last[1] / last[2]


def _log_rate_gaps(references: Sequence[Float[Array, "2 p"]], curves: Sequence[Float[Array, "2 q"]]) -> Array:
    """Mean differences of log rate at equal value; NaN where there is no value that both reach."""
    gaps = np.full(len(curves), np.nan)
    sizes = np.array([(one.shape[1], other.shape[1]) for one, other in zip(references, curves, strict=True)])
    for size in np.unique(sizes, axis=0):
        if min(size) < 2:
            continue
        where = np.flatnonzero((sizes == size).all(axis=1))
        (rates_a, values_a), (rates, values) = (
            np.array([of[index] for index in where.tolist()]).transpose(1, 0, 2) for of in (references, curves)
        )
        gaps[where] = mean_gaps(values_a, rates_a, values, rates)
    return gaps


def _shared(reference: Float[Array, "2 p"], curve: Float[Array, "2 q"]) -> float:
    """Which part of the values that either reaches both reach."""
    lows, highs = zip(*((one[1, 0], one[1, -1]) for one in (reference, curve)), strict=True)
    both, either = min(highs) - max(lows), max(highs) - min(lows)
    return max(float(both / either), 0.0) if either > 0 else 0.0
