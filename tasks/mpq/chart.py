"""Score against rate as SVG: one line with a confidence band for each curve, the uncompressed anchor across.

Colours are CSS variables `--curve0` to `--curve7`, `--ink`, `--muted`, `--grid` and `--surface` of the page around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from laconic.tasks.mpq.summary import Summary, TaskSummary

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 16, 50
_NUM_COLORS = 8
_MARKS = (
    "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0z",  # circle
    "M-4.2,-4.2h8.4v8.4h-8.4z",  # square
    "M0,-5.4l5.2,9h-10.4z",  # triangle
    "M0,-5.8l5.8,5.8l-5.8,5.8l-5.8,-5.8z",  # diamond
    "M0,5.4l5.2,-9h-10.4z",  # triangle, point down
)


@dataclass(frozen=True)
class _Frame:
    """Maps a rate, on a logarithmic scale, and a score to places in the drawing."""

    rates: tuple[float, float]
    scores: tuple[float, float]

    def x(self, rate: float) -> float:
        low, high = map(math.log, self.rates)
        return _LEFT + (math.log(rate) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, score: float) -> float:
        low, high = self.scores
        return _HEIGHT - _BOTTOM - (score - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def point(self, rate: float, score: float) -> str:
        return f"{self.x(rate):.1f},{self.y(score):.1f}"


def draw_chart(task: TaskSummary) -> str:
    """The chart of a task as one `svg` element."""
    frame = _frame_of(task)
    label = f"{task.score_name} against {task.rate_unit} for {len(task.curves)} codecs"
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label)}">',
        *_axes(task, frame),
        *_anchor(task, frame),
    ]
    curves = list(task.curves.values())
    parts += [_band(lines, frame, number) for number, lines in enumerate(curves)]
    for number, lines in enumerate(curves):
        parts += _curve(task, lines, frame, number)
    return "\n".join([*parts, "</svg>"])


def draw_mark(number: int) -> str:
    """The line and mark of curve `number`, for the legend."""
    return (
        f'<svg class="mark" viewBox="-14 -8 28 16" style="{_color(number)}" aria-hidden="true">'
        f'<path class="curve" d="M-14,0H14"/><path class="point" d="{_MARKS[number % len(_MARKS)]}"/></svg>'
    )


def _color(number: int) -> str:
    return f"--color:var(--curve{number % _NUM_COLORS})"


def _frame_of(task: TaskSummary) -> _Frame:
    lines = [line for curve in task.curves.values() for line in curve]
    rates = [line.rate for line in lines] or [task.anchor.rate]
    scores = [value for line in (*lines, task.anchor) for value in (line.score, *line.score_interval)]
    margin = 0.05 * (max(scores) - min(scores)) or 0.05
    return _Frame((min(rates) * 0.85, max(rates) * 1.18), (max(0.0, min(scores) - margin), max(scores) + margin))


def _axes(task: TaskSummary, frame: _Frame) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    for score in _linear_ticks(*frame.scores):
        y = f"{frame.y(score):.1f}"
        yield f'<path class="grid" d="M{_LEFT},{y}H{right}"/>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y}" dy=".35em" text-anchor="end">{100 * score:.4g}</text>'
    for rate in _log_ticks(*frame.rates):
        x = f"{frame.x(rate):.1f}"
        yield f'<path class="grid" d="M{x},{_TOP}V{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{rate:g}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text class="axis" x="{middle}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(task.rate_unit)}</text>'
    yield (
        f'<text class="axis" transform="translate(14,{(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(task.score_name)}, %</text>"
    )


def _anchor(task: TaskSummary, frame: _Frame) -> Iterator[str]:
    low, high = (frame.y(value) for value in task.anchor.score_interval)
    y = frame.y(task.anchor.score)
    right = _WIDTH - _RIGHT
    yield f'<rect class="anchor-band" x="{_LEFT}" y="{high:.1f}" width="{right - _LEFT}" height="{low - high:.1f}"/>'
    yield f'<path class="anchor" d="M{_LEFT},{y:.1f}H{right}"><title>{escape(_caption(task.anchor, task))}</title></path>'


def _band(lines: Sequence[Summary], frame: _Frame, number: int) -> str:
    upper = [frame.point(line.rate, line.score_interval[1]) for line in lines]
    lower = [frame.point(line.rate, line.score_interval[0]) for line in reversed(lines)]
    return f'<polygon class="band" style="{_color(number)}" points="{" ".join([*upper, *lower])}"/>'


def _curve(task: TaskSummary, lines: Sequence[Summary], frame: _Frame, number: int) -> Iterator[str]:
    points = " ".join(frame.point(line.rate, line.score) for line in lines)
    yield f'<g style="{_color(number)}"><polyline class="curve" points="{points}"/>'
    for line in lines:
        style = "point resolved" if line.resolved else "point"
        yield (
            f'<path class="{style}" transform="translate({frame.point(line.rate, line.score)})" '
            f'd="{_MARKS[number % len(_MARKS)]}"><title>{escape(_caption(line, task))}</title></path>'
        )
    yield "</g>"


def _caption(line: Summary, task: TaskSummary) -> str:
    low, high = line.score_interval
    return (
        f"{line.spec}: {100 * line.score:.1f} % [{100 * low:.1f}, {100 * high:.1f}] at {line.rate:.3g} {task.rate_unit}"
    )


def _linear_ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers between the limits."""
    step = 10 ** math.floor(math.log10(high - low))
    step = next(step * factor for factor in (1, 0.5, 0.2, 0.1) if (high - low) / (step * factor) >= 4)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between the limits."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]
