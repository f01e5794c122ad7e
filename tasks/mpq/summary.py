"""Rows of samples -> one line for each task and operating point."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.tasks.mpq.bd import BdEntry, bd_entries
from laconic.tasks.mpq.correlations import Correlation, correlate_measures
from laconic.tasks.mpq.evaluation import Rows, points_of_evaluation
from laconic.tasks.mpq.intervals import LEAST_SAMPLES, are_answers, compare, compare_means
from laconic.tasks.mpq.judging import scores_of_task
from laconic.tasks.mpq.measurement import RATE_UNITS
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Metric, Task
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row
from laconic.tasks.mpq.sample_values import task_values


@dataclass(frozen=True)
class MeanSummary:
    """The mean of a number of each sample, and its difference from the anchor's, with 95 % intervals; `resolved` as of
    scores."""

    value: float
    interval: tuple[float, float]
    difference: float
    difference_interval: tuple[float, float]
    resolved: bool


@dataclass(frozen=True)
class Summary:
    """A codec at an operating point on the samples of a task.

    `rate`, `loss`, `divergence` and `distortion` are means over the samples of what `Row` says, `ratio` is uncompressed
    bytes per byte, and `intervals` are of 95 %; `largest_loss` is what of the anchor's score is lost at most, with 95 %. A
    distortion is None where every sample came back equal, `loss` and `divergence` where the task gives none. `error` is
    set, and all scores are empty, where a sample was refused: a score of the others would compare different samples.
    """

    task: str
    codec: str
    spec: str
    curve: str
    num_samples: int
    rate: float = 0.0
    ratio: float = 0.0
    score: float = 0.0
    score_interval: tuple[float, float] = (0.0, 0.0)
    difference: float = 0.0
    difference_interval: tuple[float, float] = (0.0, 0.0)
    resolved: bool = False
    largest_loss: float = 1.0
    distortion: dict[str, float | None] = field(default_factory=dict)
    error: str | None = None
    loss: MeanSummary | None = None
    divergence: MeanSummary | None = None

    @property
    def is_anchor(self) -> bool:
        return self.codec == UNCOMPRESSED


@dataclass(frozen=True)
class TaskSummary:
    """All lines of one task, the uncompressed anchor first, with what a report says about the task.

    `distortions`: names of what metrics measured -> heads of their columns. `left_out`: samples that no line counts, as
    they could not be loaded or judged uncompressed, and why. `metric_errors`: metrics whose code failed -> on how many
    files, and why on the first. `counts_answers`: whether a sample is right or wrong. `bd`: the curves against one of them,
    `reference`, in each measure; `correlations` of the model's measures with each metric.
    """

    name: str
    title: str
    score_name: str
    higher_is_better: bool
    rate_unit: str
    distortions: dict[str, str]
    lines: tuple[Summary, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    bd: tuple[BdEntry, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    metric_errors: dict[str, str] = field(default_factory=dict)
    counts_answers: bool = False

    @property
    def reference(self) -> str | None:
        return self.bd[0].reference if self.bd else None

    @property
    def anchor(self) -> Summary:
        return self.lines[0]

    @property
    def curves(self) -> dict[str, list[Summary]]:
        """Points with scores by curve, each in the order of their rates."""
        curves: dict[str, list[Summary]] = {}
        for line in self.lines[1:]:
            if line.error is None:
                curves.setdefault(line.curve, []).append(line)
        return {curve: sorted(lines, key=lambda line: line.rate) for curve, lines in curves.items()}


def summarize(
    task: Task[Any], points: Sequence[OperatingPoint], rows: Rows, *, metrics: Sequence[Metric[Any]] = (), seed: int = 0
) -> TaskSummary:
    """Scores, intervals and means of a task from the rows that `evaluate` returned for it and these metrics.

    Raises `CodecError` where no sample could be loaded and judged, and where the task makes no score of the counts.
    """
    all_anchors = [row for row in rows.values() if row.task == task.name and row.codec == UNCOMPRESSED]
    anchor = [row for row in all_anchors if row.error is None]
    left_out = tuple((row.sample, row.error) for row in all_anchors if row.error is not None)
    if left_out and not anchor:
        raise CodecError(f"no sample of {task.name} can be judged; the first is {left_out[0][0]}: {left_out[0][1]}")
    names = [(UNCOMPRESSED, UNCOMPRESSED, UNCOMPRESSED)]
    names += [(point.key, point.spec, point.curve) for point in points_of_evaluation(task, points)]
    seed += zlib.crc32(task.name.encode())
    distortions = {name: head for metric in metrics if metric.kind == task.kind for name, head in metric.heads.items()}
    lines = []
    for codec, spec, curve in names:
        coded = [rows[task.name, codec, row.sample] for row in anchor]
        head = Summary(task.name, codec, spec, curve, len(coded))
        lines.append(_line(head, task, coded, anchor, list(distortions), seed))
    values = task_values(task, points, rows, metrics)
    return TaskSummary(
        task.name,
        task.title,
        task.score_name,
        task.higher_is_better,
        RATE_UNITS[task.kind],
        distortions,
        tuple(lines),
        left_out,
        tuple(bd_entries(values, seed=seed)),
        tuple(correlate_measures(values, seed=seed)),
        _metric_errors([row for row in rows.values() if row.task == task.name]),
        are_answers(_counts(anchor)),
    )


def _metric_errors(rows: Sequence[Row]) -> dict[str, str]:
    failed: dict[str, list[Row]] = {}
    for row in rows:
        for name in row.metric_errors:
            failed.setdefault(name, []).append(row)
    return {
        name: f"failed on {len(found)} files, the first of {found[0].sample}: {found[0].metric_errors[name]}"
        for name, found in failed.items()
    }


def _line(
    head: Summary, task: Task[Any], coded: Sequence[Row], anchor: Sequence[Row], distortions: Sequence[str], seed: int
) -> Summary:
    names = (head.task, head.codec, head.spec, head.curve, head.num_samples)
    refused = [row for row in coded if row.error is not None]
    if refused:
        error = f"{len(refused)} of {len(coded)} samples failed, the first, {refused[0].sample}: {refused[0].error}"
        return Summary(*names, error=error)
    comparison = compare(_counts(coded), _counts(anchor), partial(scores_of_task, task), seed=seed)
    if not math.isfinite(comparison.score) or not math.isfinite(comparison.difference):
        raise CodecError(f"task {task.name} makes no score of the counts of its {len(coded)} samples; add others")
    return Summary(
        *names,
        rate=sum(row.rate for row in coded) / len(coded),
        ratio=sum(row.num_bytes for row in anchor) / sum(row.num_bytes for row in coded),
        score=comparison.score,
        score_interval=comparison.interval,
        difference=comparison.difference,
        difference_interval=comparison.difference_interval,
        resolved=comparison.resolved,
        largest_loss=max(-comparison.bounds[0] if task.higher_is_better else comparison.bounds[1], 0.0),
        loss=_mean_summary("loss", coded, anchor, seed),
        divergence=_mean_summary("divergence", coded, anchor, seed),
        distortion={name: _mean([row.distortion.get(name) for row in coded]) for name in distortions},
    )


def _counts(rows: Sequence[Row]) -> NDArray[np.float64]:
    numbers = {len(row.counts) for row in rows}
    if len(numbers) > 1:
        raise CodecError(f"task {rows[0].task} gives {sorted(numbers)} counts; allowed is as many for each sample")
    return np.array([row.counts for row in rows], np.float64)


def _mean_summary(name: str, coded: Sequence[Row], anchor: Sequence[Row], seed: int) -> MeanSummary | None:
    if not all(name in row.scores for row in (*coded, *anchor)):
        return None
    values, before = (np.array([row.scores[name] for row in rows]) for rows in (coded, anchor))
    found = compare_means(values, before, seed=seed)
    return MeanSummary(found.score, found.interval, found.difference, found.difference_interval, found.resolved)


def _mean(values: Sequence[float | None]) -> float | None:
    """Over the samples that differ from their originals and for which the measure is defined."""
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None


def smallest_within_margin(task: TaskSummary, curve: str, margin: float) -> Summary | None:
    """The point of least rate of a curve such that, with 95 %, neither it nor any of more rate loses more than `margin`,
    a share of 1; None too where the samples are too few to say so."""
    best = None
    if task.anchor.num_samples < LEAST_SAMPLES:
        return best
    for line in reversed(task.curves[curve]):
        if line.largest_loss > margin:
            break
        best = line
    return best
