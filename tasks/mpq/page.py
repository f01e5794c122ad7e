"""The report as one HTML page that asks the network for nothing: charts, legends, tables and samples, light and dark."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from laconic.tasks.mpq.chart import NARROW, WIDE, draw_chart, draw_mark, quantities
from laconic.tasks.mpq.gallery import FlippedSample, Gallery, Shown, gallery_sentences
from laconic.tasks.mpq.page_style import page_style
from laconic.tasks.mpq.report_tables import Cell, Table
from laconic.tasks.mpq.summary import TaskSummary


@dataclass(frozen=True)
class TaskPage:
    """What the report shows of one task."""

    task: TaskSummary
    conclusions: Sequence[str]
    points: Table
    tables: Sequence[Table]
    gallery: Gallery | None = None


def render_page(pages: Sequence[TaskPage], overview: Sequence[Table], notes: Sequence[str]) -> str:
    """The page: notes, `overview` of all tasks, then each task."""
    style = page_style(max((len(page.task.curves) for page in pages), default=0))
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'  # or browsers ask for one
        f"<title>Machine perceptual quality</title><style>{style}</style></head><body>"
    )
    links = "".join(f'<a href="#{escape(page.task.name)}">{escape(page.task.name)}</a>' for page in pages)
    body = ["<h1>Machine perceptual quality</h1>", *(f"<p>{escape(note)}</p>" for note in notes)]
    body += [f"<nav>{links}</nav>"] if len(pages) > 1 else []
    body += [_table_block(table, "h2") for table in overview]
    body += [_section(page) for page in pages]
    return "\n".join([head, *body, "</body></html>", ""])


def _section(page: TaskPage) -> str:
    task = page.task
    better = "higher is better" if task.higher_is_better else "lower is better"
    summary = f"{task.score_name}, {better}; n = {task.anchor.num_samples}. Filled marks: no difference from the"
    parts = [
        f'<section id="{escape(task.name)}"><h2>{escape(task.title)}</h2>',
        f"<p>{escape(summary)} uncompressed signal (dashed) is resolved; hollow ones: one is. "
        "Bands are 95 % intervals; point at a curve or its name to see its own.</p>",
        f'<figure><div class="charts">{_charts(task)}</div>{_legend(task)}</figure>',
        _bullets(page.conclusions),
        *(_table_block(table, "h3") for table in (*page.tables, page.points)),
        _gallery(page.gallery) if page.gallery is not None else "",
        "</section>",
    ]
    return "\n".join(parts)


def _charts(task: TaskSummary) -> str:
    """In rows of two; of an odd number the first, the score, takes a row."""
    shown = quantities(task)
    num_wide = len(shown) % 2
    wide = [f'<div class="wide">{draw_chart(task, quantity, WIDE)}</div>' for quantity in shown[:num_wide]]
    return "".join([*wide, *(f"<div>{draw_chart(task, quantity, NARROW)}</div>" for quantity in shown[num_wide:])])


def _legend(task: TaskSummary) -> str:
    entries = [
        f'<li class="c{number}">{draw_mark(number)}<span>{_breakable(curve)}</span></li>'
        for number, curve in enumerate(task.curves)
    ]
    dashes = '<svg class="mark" viewBox="-17 -8 34 16" aria-hidden="true"><path class="anchor" d="M-17,0H17"/></svg>'
    return f'<ul class="legend">{"".join(entries)}<li>{dashes}uncompressed</li></ul>'


def _bullets(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences) + "</ul>"


def _table_block(table: Table, level: str) -> str:
    parts = [f"<{level}>{escape(table.title)}</{level}>"]
    if table.about:
        parts.append(f"<p>{escape(table.about)}</p>")
    if table.rows:
        head = "".join(_head(cell, below) for cell, below in zip(table.heads, table.rows[-1], strict=True))
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in table.rows)
        parts.append(f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>')
    return "\n".join(parts)


def _head(text: str, below: Cell) -> str:
    return f'<th class="text">{escape(text)}</th>' if below.is_text else f"<th>{escape(text)}</th>"


def _cell(cell: Cell) -> str:
    names, style = ["muted"] if cell.muted else [], ""
    if cell.tint is not None:
        names.append("up" if cell.tint > 0 else "down")
        style = f' style="--much:{60 * abs(cell.tint):.0f}%"'
    if cell.is_text:
        names.append("text")
    attribute = f' class="{" ".join(names)}"' if names else ""
    note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
    return f"<td{attribute}{style}>{_breakable(cell.text)}{note}</td>"


def _breakable(text: str) -> str:
    """Escaped; long specs may break after their commas."""
    return escape(text).replace(",", ",<wbr>")


def _gallery(gallery: Gallery) -> str:
    if not gallery.pairs:
        return ""
    about = (
        "Pairs of operating points of about the same rate whose answers differ the most, and samples on which they do, "
        "those of the largest difference first, better after the first and after the second in turn: examples to look at. "
        "What is measured stands in the tables."
    )
    samples = "\n".join(_sample(sample, gallery.score_name) for sample in gallery.samples)
    return (
        f"<h3>Samples whose answer changes</h3><p>{escape(about)}</p>{_bullets(gallery_sentences(gallery))}"
        f'<div class="gallery">{samples}</div>'
    )


def _sample(sample: FlippedSample, score_name: str) -> str:
    versions = "".join(_version(shown, score_name) for shown in (sample.original, sample.ours, sample.peer))
    return f'<div class="sample"><h4>{escape(sample.sample)}</h4><div class="versions">{versions}</div></div>'


def _version(shown: Shown, score_name: str) -> str:
    picture = ""
    if shown.picture is not None:
        data = base64.b64encode(shown.picture).decode()
        picture = f'<img alt="{escape(shown.spec)}" src="data:image/jpeg;base64,{data}">'
    size = f"{shown.num_bytes:,} bytes".replace(",", " ")
    score = f"{score_name} {100 * shown.score:.0f} %"
    return (
        f"<div>{picture}<b>{escape(shown.answer or 'no answer')}</b><span>{escape(score)}</span>"
        f"<span>{_breakable(shown.spec)}</span><span>{size}</span></div>"
    )
