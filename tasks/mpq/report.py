"""Summaries as files: summary.jsonl, report.md and report.html (`page`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from laconic.codecs.whole_files import atomic_write
from laconic.tasks.mpq.page import render_page
from laconic.tasks.mpq.summary import Summary, TaskSummary, smallest_unharmed_of_summary

NOTES = (
    "Rates count every byte of a file, headers included, and are means over the samples; so are the distortions, "
    "over the samples for which they are defined and finite. The uncompressed anchor counts 8 bits per colour sample "
    "and 16 per sound sample.",
    "Brackets are 95 % bootstrap intervals over samples. Differences are paired with the uncompressed anchor on the "
    'same samples: "not resolved at n" where their interval holds 0 or fewer than 6 samples changed.',
    "Samples that came from lossy files favour the codec of those files, which finds its own blocks and tables again.",
    "The intervals cover the choice of samples, not that of the model or the data set, and many comparisons stand "
    "beside each other: one in twenty may be resolved by chance.",
)
_DISTORTION_HEADS = {"psnr_db": "PSNR dB", "ms_ssim": "MS-SSIM", "snr_db": "SNR dB", "log_mel_db": "log-mel dB"}


def write_report(tasks: Sequence[TaskSummary], folder: Path) -> None:
    """Write summary.jsonl, report.md and report.html, each over what may be there. Raises `OSError`."""
    lines = [json.dumps(asdict(line), allow_nan=False) for task in tasks for line in task.lines]
    atomic_write(folder / "summary.jsonl", "".join(f"{line}\n" for line in lines).encode(), force=True)
    atomic_write(folder / "report.md", _markdown(tasks).encode(), force=True)
    tables = [(_table_heads(task), [_table_cells(task, line) for line in task.lines]) for task in tasks]
    page = render_page(tasks, tables, [report_conclusions(task) for task in tasks], NOTES)
    atomic_write(folder / "report.html", page.encode(), force=True)


def _markdown(tasks: Sequence[TaskSummary]) -> str:
    """All tasks as headings, conclusions and tables."""
    blocks = ["# Machine perceptual quality", *NOTES]
    for task in tasks:
        heads = _table_heads(task)
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 2) + ["---"]]
        rows += [_table_cells(task, line) for line in task.lines]
        table = "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows)
        found = "\n".join(f"- {sentence}" for sentence in report_conclusions(task))
        heading = f"## {task.title}\n\n{task.score_name}, {better_in_report(task)}; n = {task.anchor.num_samples}."
        if task.left_out:
            heading += f" {len(task.left_out)} samples that cannot be read are left out."
        blocks += [heading, found, table]
    return "\n\n".join(block for block in blocks if block) + "\n"


def better_in_report(task: TaskSummary) -> str:
    return "higher is better" if task.higher_is_better else "lower is better"


def _table_heads(task: TaskSummary) -> list[str]:
    distortions = [_DISTORTION_HEADS.get(name, name) for name in task.distortions]
    return ["codec", task.rate_unit, "smaller by", *distortions, f"{task.score_name} %", "difference", "verdict"]


def _table_cells(task: TaskSummary, line: Summary) -> list[str]:
    if line.error is not None:
        return [line.spec, *[""] * (len(task.distortions) + 4), f"no score: {line.error}"]
    rate = f"{line.rate:.3f}" if line.rate < 10 else f"{line.rate:.1f}"
    distortions = [_distortion(line.distortion.get(name)) for name in task.distortions]
    score = f"{100 * line.score:.1f} {_interval(line.score_interval)}"
    if line.is_anchor:
        return [line.spec, rate, "1", *distortions, score, "", ""]
    difference = f"{100 * line.difference:+.1f} {_interval(line.difference_interval)}"
    return [line.spec, rate, f"{line.ratio:.1f}", *distortions, score, difference, report_verdict(task, line)]


def report_verdict(task: TaskSummary, line: Summary) -> str:
    if not line.resolved:
        return f"not resolved at n = {line.num_samples}"
    return "better" if (line.difference > 0) == task.higher_is_better else "worse"


def report_conclusions(task: TaskSummary) -> list[str]:
    """One sentence for each curve: how small it gets before a loss is resolved."""
    sentences = []
    count = f"at n = {task.anchor.num_samples}"
    for curve in task.curves:
        line = smallest_unharmed_of_summary(task, curve)
        if line is None:
            sentences.append(f"{curve}: a loss is resolved {count} at every rate measured")
        else:
            sentences.append(
                f"{curve}: no loss is resolved {count} from {line.rate:.3g} {task.rate_unit} on ({line.spec})"
            )
    return sentences


def _interval(values: tuple[float, float]) -> str:
    return f"[{100 * values[0]:.1f}, {100 * values[1]:.1f}]"


def _distortion(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}" if abs(value) >= 2 else f"{value:.4f}"
