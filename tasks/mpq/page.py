"""The report as one HTML page that asks the network for nothing: charts, legends and tables, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from laconic.tasks.mpq.chart import draw_chart, draw_mark
from laconic.tasks.mpq.summary import TaskSummary

Table = tuple[list[str], list[list[str]]]

_LIGHT = """--surface:#fcfcfb;--ink:#1c1b19;--muted:#66645f;--grid:#e4e2dd;--stripe:#f4f3f0;
--curve0:#2a6fd0;--curve1:#d9541e;--curve2:#0e8a5f;--curve3:#8a4fc0;--curve4:#a87900;--curve5:#c63471;--curve6:#0d8796;
--curve7:#6b6a66"""
_DARK = """--surface:#1a1a19;--ink:#f1efea;--muted:#a9a69f;--grid:#383733;--stripe:#232321;
--curve0:#6ba4f5;--curve1:#f5845a;--curve2:#43c795;--curve3:#bd8eed;--curve4:#dcb040;--curve5:#f0709f;--curve6:#4fc3d0;
--curve7:#a5a39d"""
_STYLE = (
    f":root{{color-scheme:light dark;{_LIGHT}}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    """
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:72rem;background:var(--surface);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;margin:0 0 .75rem}h2{font-size:1.15rem;margin:3rem 0 .25rem}
p{max-width:46rem;margin:.35rem 0;color:var(--muted)}
figure{margin:1rem 0 0}
.chart{width:100%;max-width:60rem;height:auto;display:block}
.tick,.axis{fill:var(--muted);font-size:12px}.axis{font-size:13px}
.grid{stroke:var(--grid);fill:none}
.anchor{stroke:var(--ink);stroke-width:1.5;stroke-dasharray:6 4;fill:none}.anchor-band{fill:var(--ink);opacity:.06}
.band{fill:var(--color);opacity:.11}.curve{stroke:var(--color);stroke-width:2;fill:none;stroke-linejoin:round}
.point{fill:var(--color);stroke:var(--color);stroke-width:1.75}.point.resolved{fill:var(--surface)}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;margin:.5rem 0 0;list-style:none;font-size:14px}
.legend li{display:flex;align-items:center;gap:.4rem}.mark{width:28px;height:16px}
.scroll{overflow-x:auto;margin-top:1rem}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;white-space:nowrap}
th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--grid)}
th{color:var(--muted);font-weight:600}tbody tr:nth-child(even){background:var(--stripe)}
th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:11rem;max-width:15rem}
"""
)


def render_page(
    tasks: Sequence[TaskSummary], tables: Sequence[Table], conclusions: Sequence[list[str]], notes: Sequence[str]
) -> str:
    """The page; `tables` and `conclusions` are those of the tasks, in their order."""
    sections = [_section(*parts) for parts in zip(tasks, tables, conclusions, strict=True)]
    head = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'  # or browsers ask for one
        f"<title>Machine perceptual quality</title><style>{_STYLE}</style></head><body>"
    )
    body = ["<h1>Machine perceptual quality</h1>", *(f"<p>{escape(note)}</p>" for note in notes), *sections]
    return "\n".join([head, *body, "</body></html>", ""])


def _section(task: TaskSummary, table: Table, conclusions: Sequence[str]) -> str:
    better = "higher is better" if task.higher_is_better else "lower is better"
    summary = f"{task.score_name}, {better}; n = {task.anchor.num_samples}. Filled marks: no difference from the"
    parts = [
        f'<section id="{escape(task.name)}"><h2>{escape(task.title)}</h2>',
        f"<p>{escape(summary)} uncompressed signal (dashed) is resolved; hollow ones: one is.</p>",
        f"<figure>{draw_chart(task)}{_legend(task)}</figure>",
        "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in conclusions) + "</ul>",
        f'<div class="scroll">{_table(*table)}</div></section>',
    ]
    return "\n".join(parts)


def _legend(task: TaskSummary) -> str:
    entries = [f"<li>{draw_mark(number)}{escape(curve)}</li>" for number, curve in enumerate(task.curves)]
    dashes = '<svg class="mark" viewBox="-14 -8 28 16" aria-hidden="true"><path class="anchor" d="M-14,0H14"/></svg>'
    return f'<ul class="legend">{"".join(entries)}<li>{dashes}uncompressed</li></ul>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
