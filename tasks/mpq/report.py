"""Summaries as files: summary.jsonl, report.md and report.html (`page`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from laconic.codecs.whole_files import atomic_write
from laconic.tasks.mpq.intervals import LEAST_SAMPLES
from laconic.tasks.mpq.page import render_page
from laconic.tasks.mpq.summary import Summary, TaskSummary, smallest_within_margin

NOTES = (
    "Rates count every byte of a file, headers included, and are means over the samples; so are the distortions, "
    "over the samples for which they are defined and finite. The uncompressed anchor counts 8 bits per colour sample "
    "and 16 per sound sample.",
    "Brackets are 95 % intervals over samples: of shares of right answers Wilson's, of others bootstrap. Differences are "
    'paired with the uncompressed anchor on the same samples: "not resolved at n" where their interval holds 0 or fewer '
    "than 6 samples changed. That is no proof of equality: what may be lost at most, with 95 %, stands beside it. Of fewer "
    f"than {LEAST_SAMPLES} samples nothing is concluded.",
    "Samples that came from lossy files favour the codec of those files, which finds its own blocks and tables again.",
    "The intervals cover the choice of samples, not that of the model or the data set, and many comparisons stand "
    "beside each other: one in twenty may be resolved by chance.",
)


DEFAULT_MARGIN = 0.03  # of a score of 1


def write_report(
    tasks: Sequence[TaskSummary], folder: Path, *, margin: float = DEFAULT_MARGIN, about: Sequence[str] = ()
) -> None:
    """Write summary.jsonl, report.md and report.html, each over what may be there. `margin`: the loss of score that the
    conclusions ask about. `about`: sentences on when, how and with what it was measured. Raises `OSError`."""
    lines = [json.dumps(asdict(line), allow_nan=False) for task in tasks for line in task.lines]
    atomic_write(folder / "summary.jsonl", "".join(f"{line}\n" for line in lines).encode(), force=True)
    conclusions = [report_conclusions(task, margin) for task in tasks]
    notes = [*NOTES, *about]
    atomic_write(folder / "report.md", _markdown(tasks, conclusions, notes).encode(), force=True)
    tables = [(_table_heads(task), [_table_cells(task, line) for line in task.lines]) for task in tasks]
    page = render_page(tasks, tables, conclusions, notes)
    atomic_write(folder / "report.html", page.encode(), force=True)


def _markdown(tasks: Sequence[TaskSummary], conclusions: Sequence[list[str]], notes: Sequence[str]) -> str:
    """All tasks as headings, conclusions and tables."""
    blocks = ["# Machine perceptual quality", *notes]
    for task, sentences in zip(tasks, conclusions, strict=True):
        heads = _table_heads(task)
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 2) + ["---"]]
        rows += [_table_cells(task, line) for line in task.lines]
        table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
        found = "\n".join(f"- {sentence}" for sentence in sentences)
        heading = f"## {task.title}\n\n{task.score_name}, {better_in_report(task)}; n = {task.anchor.num_samples}."
        if task.left_out:
            heading += f" {len(task.left_out)} samples that cannot be read are left out."
        blocks += [heading, found, table]
    return "\n\n".join(block for block in blocks if block) + "\n"


def better_in_report(task: TaskSummary) -> str:
    return "higher is better" if task.higher_is_better else "lower is better"


def _table_heads(task: TaskSummary) -> list[str]:
    return [
        "codec",
        task.rate_unit,
        "smaller by",
        *task.distortions.values(),
        f"{task.score_name} %",
        "difference",
        "loses at most",
        "verdict",
    ]


def _table_cells(task: TaskSummary, line: Summary) -> list[str]:
    if line.error is not None:
        return [line.spec, *[""] * (len(task.distortions) + 5), f"no score: {line.error}"]
    rate = f"{line.rate:.3f}" if line.rate < 10 else f"{line.rate:.1f}"
    distortions = [_distortion(line.distortion.get(name)) for name in task.distortions]
    score = f"{100 * line.score:.1f} {_interval(line.score_interval)}"
    if line.is_anchor:
        return [line.spec, rate, "1", *distortions, score, "", "", ""]
    difference = f"{100 * line.difference:+.1f} {_interval(line.difference_interval)}"
    most = f"{100 * line.largest_loss:.1f}" if line.num_samples >= LEAST_SAMPLES else ""
    return [line.spec, rate, f"{line.ratio:.1f}", *distortions, score, difference, most, report_verdict(task, line)]


def report_verdict(task: TaskSummary, line: Summary) -> str:
    if line.num_samples < LEAST_SAMPLES:
        return f"n = {line.num_samples} is too few"
    if not line.resolved:
        return f"not resolved at n = {line.num_samples}"
    return "better" if (line.difference > 0) == task.higher_is_better else "worse"


def report_conclusions(task: TaskSummary, margin: float = DEFAULT_MARGIN) -> list[str]:
    """One sentence for each curve: from which rate on a loss of more than `margin` of the score is excluded."""
    n = task.anchor.num_samples
    if n < LEAST_SAMPLES:
        return [f"n = {n} samples are too few to say anything of any codec; {LEAST_SAMPLES} are the least"]
    sentences, loss = [], f"a loss of more than {100 * margin:.3g} points"
    for curve, lines in task.curves.items():
        line = smallest_within_margin(task, curve, margin)
        if line is None:
            most = f"{100 * lines[-1].largest_loss:.1f} points at {lines[-1].rate:.3g} {task.rate_unit}"
            sentences.append(f"{curve}: {loss} is excluded at no rate measured (n = {n}, 95 %; at most {most})")
        else:
            sentences.append(
                f"{curve}: {loss} is excluded from {line.rate:.3g} {task.rate_unit} on ({line.spec}; n = {n}, 95 %)"
            )
    return sentences


def _interval(values: tuple[float, float]) -> str:
    return f"[{100 * values[0]:.1f}, {100 * values[1]:.1f}]"


def _distortion(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"
