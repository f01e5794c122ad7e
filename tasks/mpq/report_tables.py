"""The tables of a report as cells, which Markdown and the web page print each in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from laconic.tasks.mpq.bd import BdEntry, Gap
from laconic.tasks.mpq.correlations import LEAST_POINTS
from laconic.tasks.mpq.intervals import LEAST_SAMPLES
from laconic.tasks.mpq.sample_values import SCORE, Measure
from laconic.tasks.mpq.summary import Summary, TaskSummary

LITTLE_SHARED: Final = 0.25  # of the values that either curve reaches, below which a BD-rate says so


@dataclass(frozen=True)
class Cell:
    """`note`: an interval or a number of samples, in small print. `tint`: -1 to 1, a colour. `muted`: not resolved.
    `is_text`: words, among columns of numbers."""

    text: str
    note: str = ""
    tint: float | None = None
    muted: bool = False
    is_text: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.note}".strip()


@dataclass(frozen=True)
class Table:
    """`about`: sentences above it, which stand alone where it has no rows."""

    title: str
    about: str
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()


def task_tables(task: TaskSummary) -> list[Table]:
    """All tables of a task but that of its points."""
    return [table for table in (_metric_table(task), _model_table(task), _correlation_table(task)) if table is not None]


def points_table(task: TaskSummary) -> Table:
    """A row for the anchor and each operating point."""
    heads = ["codec", task.rate_unit, "smaller by", f"{task.score_name} %", "difference", "loses at most", "verdict"]
    heads += [*(head for heads in _means_shown(task).values() for head in heads), *task.distortions.values()]
    rows = tuple(_point_row(task, line, len(heads)) for line in task.lines)
    return Table("Operating points", "", tuple(heads), rows)


def overview_tables(tasks: Sequence[TaskSummary]) -> list[Table]:
    """BD-rates codec x task at equal score and at equal loss, one table for all tasks of the same curves' reference."""
    groups: dict[tuple[str, str], list[TaskSummary]] = {}
    for task in tasks:
        if task.reference is not None:
            groups.setdefault((task.rate_unit, task.reference), []).append(task)
    return [_overview(reference, group) for (_, reference), group in groups.items() if len(group) > 1]


def bd_cell(entry: BdEntry | None, gap: Gap | None, scale: float = 1.0, decimals: int = 1) -> Cell:
    """A BD-rate or BD-score, in words where there is none."""
    if entry is None:
        return Cell("")
    if entry.is_too_few:
        part = f" of {entry.num_samples}" if entry.num_used < entry.num_samples else ""
        return Cell(f"n = {entry.num_used}{part} is too few", muted=True)
    if gap is None:
        return Cell("curves share too little", muted=True)
    low, high = (f"{scale * end:+.{decimals}f}" for end in gap.interval)
    used = f" n = {entry.num_used}" if entry.num_used < entry.num_samples else ""
    is_little = gap is entry.rate and entry.shared < LITTLE_SHARED
    shared = f" {100 * entry.shared:.0f} % shared" if is_little else ""
    return Cell(f"{scale * gap.value:+.{decimals}f}", f"[{low}, {high}]{used}{shared}", muted=not gap.resolved)


def report_verdict(task: TaskSummary, line: Summary) -> str:
    """On the score; and on the loss where it alone is resolved."""
    if line.num_samples < LEAST_SAMPLES:
        return f"n = {line.num_samples} is too few"
    if line.resolved:
        return "better" if (line.difference > 0) == task.higher_is_better else "worse"
    verdict = f"not resolved at n = {line.num_samples}"
    if line.loss is not None and line.loss.resolved:
        verdict += "; more loss" if line.loss.difference > 0 else "; less loss"
    return verdict


def _means_shown(task: TaskSummary) -> dict[str, list[str]]:
    """The model's measures that the task gives -> heads of their columns."""
    heads = {"loss": ["loss", "more loss"], "divergence": ["divergence"]}
    return {name: heads[name] for name in heads if any(getattr(line, name) is not None for line in task.lines)}


def _point_row(task: TaskSummary, line: Summary, num_columns: int) -> tuple[Cell, ...]:
    if line.error is not None:
        error = Cell(f"no score: {line.error}", is_text=True)
        return Cell(line.spec), *[Cell("")] * 5, error, *[Cell("")] * (num_columns - 7)
    cells = [Cell(line.spec), Cell(f"{line.rate:.3f}" if line.rate < 10 else f"{line.rate:.1f}")]
    cells.append(Cell("1" if line.is_anchor else f"{line.ratio:.1f}"))
    cells.append(Cell(f"{100 * line.score:.1f}", _interval(line.score_interval, ".1f", 100)))
    if line.is_anchor:
        cells += [Cell(""), Cell("")]
    else:
        difference = Cell(f"{100 * line.difference:+.1f}", _interval(line.difference_interval, ".1f", 100))
        most = f"{100 * line.largest_loss:.1f}" if line.num_samples >= LEAST_SAMPLES else ""
        cells += [difference, Cell(most)]
    cells.append(Cell("" if line.is_anchor else report_verdict(task, line), is_text=True))
    cells += [cell for name in _means_shown(task) for cell in _mean_cells(line, name)]
    return *cells, *(Cell(_distortion(line.distortion.get(name))) for name in task.distortions)


def _mean_cells(line: Summary, name: str) -> list[Cell]:
    mean = line.loss if name == "loss" else line.divergence
    num_cells = 2 if name == "loss" else 1
    if mean is None or (line.is_anchor and name == "divergence"):
        return [Cell("")] * num_cells
    cells = [Cell(f"{mean.value:.3f}", _interval(mean.interval, ".3f"))]
    if name == "loss":
        cells.append(Cell(f"{mean.difference:+.3f}", _interval(mean.difference_interval, "+.3f")))
    return [cells[0], Cell("")] if line.is_anchor and name == "loss" else cells


def _metric_table(task: TaskSummary) -> Table | None:
    entries = [entry for entry in task.bd if entry.measure.is_distortion]
    if not entries:
        return None
    about = (
        f"Percent more bytes than {task.reference} at equal value, negative is smaller: for each sample over the values "
        "that both curves reach on it, then the mean over samples, with 95 % intervals of resamplings."
    )
    return _bd_table(task, f"BD-rate in each metric, against {task.reference}, %", about, entries)


def _model_table(task: TaskSummary) -> Table | None:
    entries = [entry for entry in task.bd if not entry.measure.is_distortion]
    if not entries:
        return None
    about = (
        f"Left: percent more bytes than {task.reference} at equal mean, where points of no gain for more rate are pooled. "
        "Right: how much more of the measure at equal rate (of the score in points). On curves of means over the samples, "
        "with 95 % intervals of resamplings of the samples."
    )
    return _bd_table(task, f"BD-rate and BD-score for the model, against {task.reference}", about, entries)


def _bd_table(task: TaskSummary, title: str, about: str, entries: Sequence[BdEntry]) -> Table:
    n = entries[0].num_samples
    if n < LEAST_SAMPLES:
        return Table(title, f"n = {n} is too few to say anything; {LEAST_SAMPLES} samples are the least.")
    measures = list(dict.fromkeys(entry.measure for entry in entries))
    of_model = [measure for measure in measures if not measure.is_distortion]
    heads = [f"% bytes at equal {measure.head}" if of_model else measure.head for measure in measures]
    heads += [f"{measure.head} at equal rate" for measure in of_model]
    found = {(entry.curve, entry.measure): entry for entry in entries}
    rows = []
    for curve in dict.fromkeys(entry.curve for entry in entries):
        of_curve = {measure: found[curve, measure] for measure in measures}
        cells = [bd_cell(entry, entry.rate) for entry in of_curve.values()]
        cells += [_score_cell(of_curve[measure]) for measure in of_model]
        rows.append((Cell(curve), *cells))
    return Table(title, about, ("codec", *heads), tuple(rows))


def _score_cell(entry: BdEntry) -> Cell:
    return bd_cell(entry, entry.score, 100, 1) if entry.measure.name == SCORE else bd_cell(entry, entry.score, 1, 3)


def _correlation_table(task: TaskSummary) -> Table | None:
    found = {(one.metric, one.measure): one for one in task.correlations}
    if not found:
        return None
    title = "Does a metric foretell what the model loses?"
    num_samples, num_points = (
        max(getattr(one, name) for one in found.values()) for name in ("num_samples", "num_points")
    )
    if all(one.is_too_few for one in found.values()):
        few = f"n = {num_samples} samples at {num_points} operating points are too few to say anything"
        return Table(title, f"{few}; {LEAST_SAMPLES} samples and {LEAST_POINTS} points are the least.")
    about = (
        f"Rank correlations (Spearman) over n = {num_samples} samples: of their means across {num_points} operating points "
        "of all codecs, and within samples, across the points of each. +1: what the metric calls better is better for the "
        "model. 95 % intervals of resamplings of the samples, at these points; other codecs may give others."
    )
    metrics, measures = (list(dict.fromkeys(key[index] for key in found)) for index in (0, 1))
    heads = [f"{measure.head}, {how}" for how in ("across points", "within samples") for measure in measures]
    rows = [(Cell(metric.head), *_correlation_cells(task, metric, measures)) for metric in metrics]
    return Table(title, about, ("metric", *heads), tuple(rows))


def _correlation_cells(task: TaskSummary, metric: Measure, measures: Sequence[Measure]) -> list[Cell]:
    found = {one.measure: one for one in task.correlations if one.metric == metric}
    most = max(one.num_samples for one in task.correlations)
    cells = []
    for how in ("across_points", "within_samples"):
        for measure in measures:
            one = found[measure]
            gap: Gap | None = getattr(one, how)
            if gap is None:
                few = f"n = {one.num_samples} at {one.num_points} points is too few"
                cells.append(Cell(few if one.is_too_few else "a side is constant", muted=True))
                continue
            used = f" n = {one.num_samples}" if one.num_samples < most else ""
            note = f"{_interval(gap.interval, '.2f')}{used}"
            cells.append(Cell(f"{gap.value:.2f}", note, tint=gap.value, muted=not gap.resolved))
    return cells


def _overview(reference: str, tasks: Sequence[TaskSummary]) -> Table:
    columns = [
        (task, measure)
        for task in tasks
        for measure in dict.fromkeys(entry.measure for entry in task.bd)
        if measure.name in (SCORE, "loss")
    ]
    found = {(entry.task, entry.measure, entry.curve): entry for task in tasks for entry in task.bd}
    rows = []
    for curve in dict.fromkeys(entry.curve for task in tasks for entry in task.bd):
        entries = [found.get((task.name, measure, curve)) for task, measure in columns]
        rows.append((Cell(curve), *(bd_cell(entry, entry.rate if entry is not None else None) for entry in entries)))
    title = f"Bytes at equal machine quality: BD-rate against {reference}, %"
    about = "Negative is smaller. How it is computed stands at the tables of each task."
    heads = "codec", *(f"{task.name}: equal {measure.head}" for task, measure in columns)
    return Table(title, about, heads, tuple(rows))


def _interval(values: tuple[float, float], form: str, scale: float = 1.0) -> str:
    return f"[{scale * values[0]:{form}}, {scale * values[1]:{form}}]"


def _distortion(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"
