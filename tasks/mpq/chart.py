"""Score, loss or divergence against rate as SVG: one line with a confidence band for each curve, the anchor across.

Colours are CSS variables `--curve0` to `--curve7`, `--ink`, `--muted`, `--grid` and `--surface` of the page around it, and
the group of curve k has the class "ck".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from laconic.tasks.mpq.summary import MeanSummary, Summary, TaskSummary

WIDE, NARROW = (720, 400), (560, 340)  # of a drawing; in a page, as wide as there is room
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 20, 16, 50
_NUM_COLORS = 8
_DASHES = "none", "7 3", "2 3"  # of the first, second and third eight curves
_MANY, _CROWD = 4, 8  # of more curves bands are faint, of more than the second hidden until a curve is pointed at
_MARKS = (
    "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0z",  # circle
    "M-4.2,-4.2h8.4v8.4h-8.4z",  # square
    "M0,-5.4l5.2,9h-10.4z",  # triangle
    "M0,-5.8l5.8,5.8l-5.8,5.8l-5.8,-5.8z",  # diamond
    "M0,5.4l5.2,-9h-10.4z",  # triangle, point down
)


@dataclass(frozen=True)
class Quantity:
    """What stands on the upright axis: `of` gives that of a line, None where there is none."""

    label: str
    scale: int
    unit: str
    of: Callable[[Summary], MeanSummary | None]


def quantities(task: TaskSummary) -> list[Quantity]:
    """The score, then loss and divergence where the task gives them."""
    found = [Quantity(f"{task.score_name}, %", 100, " %", _score)]
    if any(line.loss is not None for line in task.lines[1:]):
        found.append(Quantity("loss, lower is better", 1, "", lambda line: line.loss))
    if any(line.divergence is not None for line in task.lines[1:]):
        found.append(Quantity("divergence, lower is better", 1, "", lambda line: line.divergence))
    return found


def _score(line: Summary) -> MeanSummary:
    return MeanSummary(line.score, line.score_interval, line.difference, line.difference_interval, line.resolved)


_Point = tuple[Summary, MeanSummary]


@dataclass(frozen=True)
class _Frame:
    """Maps a rate, on a logarithmic scale, and a value to places in a drawing of this size."""

    size: tuple[int, int]

    rates: tuple[float, float]
    values: tuple[float, float]

    @property
    def right(self) -> int:
        return self.size[0] - _RIGHT

    @property
    def bottom(self) -> int:
        return self.size[1] - _BOTTOM

    def x(self, rate: float) -> float:
        low, high = map(math.log, self.rates)
        return _LEFT + (math.log(rate) - low) / (high - low) * (self.right - _LEFT)

    def y(self, value: float) -> float:
        low, high = self.values
        return self.bottom - (value - low) / (high - low) * (self.bottom - _TOP)

    def point(self, rate: float, value: float) -> str:
        return f"{self.x(rate):.1f},{self.y(value):.1f}"


def draw_chart(task: TaskSummary, quantity: Quantity, size: tuple[int, int]) -> str:
    """The chart of a quantity as one `svg` element of this width and height."""
    curves = {number: _known(lines, quantity) for number, lines in enumerate(task.curves.values())}
    anchor = _known([task.anchor], quantity)
    frame = _frame_of(size, [*curves.values()], anchor, task.anchor.rate)
    label = f"{quantity.label} against {task.rate_unit} for {len(curves)} codecs"
    many = " crowd" if len(curves) > _CROWD else " many" if len(curves) > _MANY else ""
    parts = [
        f'<svg class="chart{many}" viewBox="0 0 {size[0]} {size[1]}" role="img" aria-label="{escape(label)}">',
        *_axes(task, quantity, frame),
    ]
    for point in anchor:
        parts += _anchor(task, quantity, point, frame)
    for number, points in curves.items():
        if points:
            parts += _curve(task, quantity, points, frame, number)
    return "\n".join([*parts, "</svg>"])


def _known(lines: Sequence[Summary], quantity: Quantity) -> list[_Point]:
    return [(line, found) for line in lines if (found := quantity.of(line)) is not None]


def draw_mark(number: int) -> str:
    """The line and mark of curve `number`, for the legend."""
    return (
        f'<svg class="mark" viewBox="-17 -8 34 16" style="{_color(number)}" aria-hidden="true">'
        f'<path class="curve" {_dashes(number)} d="M-17,0H17"/>'
        f'<path class="point" d="{_MARKS[number % len(_MARKS)]}"/></svg>'
    )


def _color(number: int) -> str:
    return f"--color:var(--curve{number % _NUM_COLORS})"


def _dashes(number: int) -> str:
    return f'stroke-dasharray="{_DASHES[number // _NUM_COLORS % len(_DASHES)]}"'


def _frame_of(
    size: tuple[int, int], curves: Sequence[Sequence[_Point]], anchor: Sequence[_Point], anchor_rate: float
) -> _Frame:
    points = [point for curve in curves for point in curve]
    rates = [line.rate for line, _ in points] or [anchor_rate]
    values = [value for _, mean in (*points, *anchor) for value in (mean.value, *mean.interval)]
    margin = 0.05 * (max(values) - min(values)) or 0.05
    lowest = min(values) - margin
    if min(values) >= 0:  # no room for what there cannot be, where nothing is below 0
        lowest = max(0.0, lowest)
    return _Frame(size, (min(rates) * 0.85, max(rates) * 1.18), (lowest, max(values) + margin))


def _axes(task: TaskSummary, quantity: Quantity, frame: _Frame) -> Iterator[str]:
    bottom, right = frame.bottom, frame.right
    for value in _linear_ticks(*frame.values):
        y, text = f"{frame.y(value):.1f}", f"{quantity.scale * value:.4g}"
        yield f'<path class="grid" d="M{_LEFT},{y}H{right}"/>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y}" dy=".35em" text-anchor="end">{text}</text>'
    for rate in _log_ticks(*frame.rates):
        x = f"{frame.x(rate):.1f}"
        yield f'<path class="grid" d="M{x},{_TOP}V{bottom}"/>'
        yield f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{rate:g}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text class="axis" x="{middle}" y="{frame.size[1] - 10}" text-anchor="middle">{escape(task.rate_unit)}</text>'
    yield (
        f'<text class="axis" transform="translate(14,{(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(quantity.label)}</text>"
    )


def _anchor(task: TaskSummary, quantity: Quantity, point: _Point, frame: _Frame) -> Iterator[str]:
    low, high = (frame.y(value) for value in point[1].interval)
    y, right = f"{frame.y(point[1].value):.1f}", frame.right
    yield f'<rect class="anchor-band" x="{_LEFT}" y="{high:.1f}" width="{right - _LEFT}" height="{low - high:.1f}"/>'
    yield f'<path class="anchor" d="M{_LEFT},{y}H{right}"><title>{_caption(point, task, quantity)}</title></path>'


def _curve(
    task: TaskSummary, quantity: Quantity, points: Sequence[_Point], frame: _Frame, number: int
) -> Iterator[str]:
    upper = [frame.point(line.rate, mean.interval[1]) for line, mean in points]
    lower = [frame.point(line.rate, mean.interval[0]) for line, mean in reversed(points)]
    places = [frame.point(line.rate, mean.value) for line, mean in points]
    yield f'<g class="series c{number}" style="{_color(number)}">'
    yield f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>'
    yield f'<polyline class="curve" {_dashes(number)} points="{" ".join(places)}"/>'
    for point, place in zip(points, places, strict=True):
        style = "point resolved" if point[1].resolved else "point"
        yield (
            f'<path class="{style}" transform="translate({place})" d="{_MARKS[number % len(_MARKS)]}">'
            f"<title>{_caption(point, task, quantity)}</title></path>"
        )
    yield "</g>"


def _caption(point: _Point, task: TaskSummary, quantity: Quantity) -> str:
    line, mean = point
    value, low, high = (f"{quantity.scale * number:.3g}" for number in (mean.value, *mean.interval))
    text = f"{line.spec}: {value}{quantity.unit} [{low}, {high}] at {line.rate:.3g} {task.rate_unit}"
    return escape(text)


def _linear_ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers between the limits."""
    step = 10 ** math.floor(math.log10(high - low))
    step = next(step * factor for factor in (1, 0.5, 0.2, 0.1) if (high - low) / (step * factor) >= 4)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade between the limits; where there are fewer than two, numbers at equal distances."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**decade for decade in decades for factor in (1, 2, 5)]
    found = [tick for tick in ticks if low <= tick <= high]
    return found if len(found) > 1 else _linear_ticks(low, high)
