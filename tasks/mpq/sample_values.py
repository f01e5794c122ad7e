"""Rows -> arrays: what was measured on each sample at each point of each curve, and means of it over any resampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.mpq.evaluation import Rows, points_of_evaluation
from laconic.tasks.mpq.judging import scores_of_task
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Metric, Task
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row

if TYPE_CHECKING:
    from jaxtyping import Float, Num

SCORE: Final = "score"
_SCORE_HEADS = {"loss": "loss", "divergence": "divergence"}


@dataclass(frozen=True)
class Measure:
    """A number of each sample: a distortion by a metric, or the score, the loss or the divergence by the model."""

    name: str
    head: str
    higher_is_better: bool
    is_distortion: bool = False

    @property
    def sign(self) -> int:
        """That makes more of it better."""
        return 1 if self.higher_is_better else -1


@dataclass(frozen=True)
class CurveValues:
    """p operating points, in the order of their mean rates, on the same n samples.

    `rates` are (p, n), `counts` (p, n, k), and `values` (p, n) by name of a measure: NaN where it is not defined, infinite
    where a metric says so of equal signals.
    """

    curve: str
    specs: tuple[str, ...]
    rates: Float[NDArray[np.float64], "p n"]
    counts: Float[NDArray[np.float64], "p n k"]
    values: dict[str, Float[NDArray[np.float64], "p n"]]


@dataclass(frozen=True)
class TaskValues:
    """All curves of a task on the samples that could be read; points that refused one of them are left out."""

    task: Task[Any]
    samples: tuple[str, ...]
    anchor: CurveValues
    curves: tuple[CurveValues, ...]
    measures: tuple[Measure, ...]

    @property
    def num_samples(self) -> int:
        return len(self.samples)

    @property
    def of_model(self) -> tuple[Measure, ...]:
        """Score, loss and divergence, those of them that the task gives."""
        return tuple(measure for measure in self.measures if not measure.is_distortion)

    @property
    def of_metrics(self) -> tuple[Measure, ...]:
        return tuple(measure for measure in self.measures if measure.is_distortion)

    def of_samples(self, curve: CurveValues, measure: Measure) -> Float[NDArray[np.float64], "p n"]:
        """(p, n) values of the single samples; of the score, that of each sample by itself."""
        if measure.name == SCORE:
            return scores_of_task(self.task, curve.counts)
        return curve.values[measure.name]

    def means(
        self, curve: CurveValues, measure: Measure, weights: Num[NDArray[Any], "b n"]
    ) -> Float[NDArray[np.float64], "b p"]:
        """(b, p) means over the samples, each counted so often; of the score, that of all of them together.

        Of a distortion over the samples for which it is defined and finite; NaN where there is none.
        """
        if measure.name == SCORE:
            totals = np.einsum("bn,pnk->bpk", weights.astype(np.float64), curve.counts)
            return scores_of_task(self.task, totals)
        values = curve.values[measure.name]
        defined = np.isfinite(values)
        numbers = weights @ defined.T.astype(np.float64)
        sums = weights @ np.where(defined, values, 0.0).T
        return np.asarray(np.divide(sums, numbers, out=np.full(sums.shape, np.nan), where=numbers > 0))


def task_values(
    task: Task[Any], points: Sequence[OperatingPoint], rows: Rows, metrics: Sequence[Metric[Any]] = ()
) -> TaskValues:
    """What `evaluate` returned for a task and these points and metrics."""
    anchor = [row for row in rows.values() if row.task == task.name and row.codec == UNCOMPRESSED and row.error is None]
    samples = tuple(row.sample for row in anchor)
    coded: dict[str, list[tuple[str, list[Row]]]] = {}
    for point in points_of_evaluation(task, points):
        found = [rows[task.name, point.key, sample] for sample in samples]
        if all(row.error is None for row in found):
            coded.setdefault(point.curve, []).append((point.spec, found))
    measures = _measures_of(task, [*anchor, *(row for curve in coded.values() for _, found in curve for row in found)])
    measures += [
        Measure(name, head, metric.higher_is_better, is_distortion=True)
        for metric in metrics
        if metric.kind == task.kind
        for name, head in metric.heads.items()
    ]
    curves = tuple(_curve(name, found, measures) for name, found in coded.items())
    return TaskValues(task, samples, _curve(UNCOMPRESSED, [(UNCOMPRESSED, anchor)], measures), curves, tuple(measures))


def _measures_of(task: Task[Any], rows: Sequence[Row]) -> list[Measure]:
    """The score, and what every row has beside it."""
    names = [name for name in _SCORE_HEADS if all(name in row.scores for row in rows)]
    return [
        Measure(SCORE, task.score_name, task.higher_is_better),
        *(Measure(name, _SCORE_HEADS[name], False) for name in names),
    ]


def _curve(name: str, points: Sequence[tuple[str, list[Row]]], measures: Sequence[Measure]) -> CurveValues:
    points = sorted(points, key=lambda point: sum(row.rate for row in point[1]))
    values = {
        measure.name: np.array([[_value(row, measure) for row in rows] for _, rows in points], np.float64)
        for measure in measures
        if measure.name != SCORE
    }
    return CurveValues(
        name,
        tuple(spec for spec, _ in points),
        np.array([[row.rate for row in rows] for _, rows in points], np.float64),
        np.array([[row.counts for row in rows] for _, rows in points], np.float64),
        values,
    )


def _value(row: Row, measure: Measure) -> float:
    if not measure.is_distortion:
        return row.scores[measure.name]
    value = row.distortion.get(measure.name, float("nan"))
    return float("inf") if value is None else value
