"""Summaries as files: summary.jsonl, bd.jsonl, correlations.jsonl, report.md and report.html (`page`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from laconic.codecs.whole_files import atomic_write
from laconic.tasks.mpq.bd import BdEntry
from laconic.tasks.mpq.gallery import Gallery, gallery_sentences
from laconic.tasks.mpq.intervals import LEAST_SAMPLES, samples_to_exclude
from laconic.tasks.mpq.page import TaskPage, render_page
from laconic.tasks.mpq.report_tables import LITTLE_SHARED, Table, overview_tables, points_table, task_tables
from laconic.tasks.mpq.summary import TaskSummary, smallest_within_margin

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
    tasks: Sequence[TaskSummary],
    folder: Path,
    *,
    margin: float = DEFAULT_MARGIN,
    about: Sequence[str] = (),
    galleries: Sequence[Gallery] = (),
) -> None:
    """Write all files of a report, each over what may be there. Raises `OSError`.

    `margin`: the loss of score that the conclusions ask about. `about`: sentences on when, how and with what it was
    measured. `galleries`: samples to look at, of any of the tasks (`gallery.flipped_samples`).
    """
    _write_lines(folder / "summary.jsonl", [asdict(line) for task in tasks for line in task.lines])
    _write_lines(folder / "bd.jsonl", [asdict(entry) for task in tasks for entry in task.bd])
    _write_lines(folder / "correlations.jsonl", [asdict(one) for task in tasks for one in task.correlations])
    of_task = {gallery.task: gallery for gallery in galleries}
    pages = [
        TaskPage(task, report_conclusions(task, margin), points_table(task), task_tables(task), of_task.get(task.name))
        for task in tasks
    ]
    notes, overview = [*NOTES, *about], overview_tables(tasks)
    for name, text in (("md", _markdown(pages, overview, notes)), ("html", render_page(pages, overview, notes))):
        # Names of files may hold bytes that are no UTF-8.
        atomic_write(folder / f"report.{name}", text.encode("utf-8", "backslashreplace"), force=True)


def report_conclusions(task: TaskSummary, margin: float = DEFAULT_MARGIN) -> list[str]:
    """One sentence for each curve: from which rate on a loss of more than `margin` of the score is excluded, and what it
    takes at equal loss or score. Then what failed."""
    n = task.anchor.num_samples
    if n < LEAST_SAMPLES:
        few = f"n = {n} samples are too few to say anything of any codec; {LEAST_SAMPLES} are the least"
        return [few, *report_failures(task)]
    sentences, loss = list(_too_few_for(n, margin, task)), f"a loss of more than {100 * margin:.3g} points"
    for curve, lines in task.curves.items():
        line = smallest_within_margin(task, curve, margin)
        if line is None:
            last = lines[-1]
            low, high = (100 * end for end in last.difference_interval)
            sentence = (
                f"{curve}: {loss} is excluded at no rate measured (n = {n}, 95 %; at {last.rate:.3g} {task.rate_unit} the "
                f"difference is {100 * last.difference:+.1f} [{low:+.1f}, {high:+.1f}] points)"
            )
        else:
            sentence = (
                f"{curve}: {loss} is excluded from {line.rate:.3g} {task.rate_unit} on ({line.spec}; n = {n}, 95 %)"
            )
        sentences.append(sentence + _bytes_clause(task, curve))
    return [*sentences, *report_failures(task)]


def _too_few_for(n: int, margin: float, task: TaskSummary) -> Iterator[str]:
    """A sentence where no outcome on so few right and wrong answers could exclude such a loss."""
    needed = samples_to_exclude(margin)
    if task.counts_answers and n < needed:
        yield (
            f"n = {n} samples of right and wrong answers exclude no loss of {100 * margin:.3g} points, whatever the codec: "
            f"{needed} are the least"
        )


def report_failures(task: TaskSummary) -> list[str]:
    """One sentence for each operating point without a score, and for each metric whose code failed."""
    points = [f"{line.spec} has no score: {line.error}" for line in task.lines if line.error is not None]
    return points + [f"metric {name} {why}" for name, why in task.metric_errors.items()]


def _bytes_clause(task: TaskSummary, curve: str) -> str:
    """At equal value of the finest measure of the model that has a BD-rate; nothing where none has."""
    entries = [entry for entry in task.bd if entry.curve == curve and not entry.measure.is_distortion]
    given = {entry.measure.name: entry for entry in entries if entry.rate is not None}
    entry = given.get("loss") or next(iter(given.values()), None)
    return "" if entry is None else f"; {_bytes_words(entry)}"


def _bytes_words(entry: BdEntry) -> str:
    gap = entry.rate
    assert gap is not None
    interval = f"[{gap.interval[0]:+.1f}, {gap.interval[1]:+.1f}]"
    if entry.shared < LITTLE_SHARED:
        interval += f" over the {100 * entry.shared:.0f} % of values that both reach"
    if gap.resolved:
        more = "more" if gap.value > 0 else "fewer"
        return f"at equal {entry.measure.head} {abs(gap.value):.1f} % {more} bytes than {entry.reference} {interval}"
    return f"at equal {entry.measure.head} {gap.value:+.1f} % bytes against {entry.reference} {interval}, not resolved"


def _write_lines(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    atomic_write(path, "".join(f"{json.dumps(entry, allow_nan=False)}\n" for entry in entries).encode(), force=True)


def _markdown(pages: Sequence[TaskPage], overview: Sequence[Table], notes: Sequence[str]) -> str:
    """All tasks as headings, conclusions and tables."""
    blocks = ["# Machine perceptual quality", *notes]
    for table in overview:
        blocks += _markdown_table(table, "##")
    for page in pages:
        task = page.task
        better = "higher is better" if task.higher_is_better else "lower is better"
        heading = f"## {task.title}\n\n{task.score_name}, {better}; n = {task.anchor.num_samples}."
        if task.left_out:
            heading += f" {len(task.left_out)} samples that cannot be read or judged are left out."
        blocks += [heading, _bullets(page.conclusions)]
        for table in (page.points, *page.tables):
            blocks += _markdown_table(table, "###")
        if page.gallery is not None and page.gallery.pairs:
            blocks += ["### Samples whose answer changes", _bullets(gallery_sentences(page.gallery))]
    # "<" would begin a tag where a page is made of it.
    return "\n\n".join(block.replace("<", "&lt;") for block in blocks if block) + "\n"


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _markdown_table(table: Table, level: str) -> list[str]:
    blocks = [f"{level} {table.title}", table.about]
    if table.rows:
        rows = [table.heads, ["---"] + ["---:"] * (len(table.heads) - 1), *table.rows]
        blocks.append("\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows))
    return blocks
