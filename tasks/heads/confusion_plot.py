"""How often each class was taken for each, as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Int

_CELL, _MARGIN, _LETTER = 24, 12, 7  # pixels; a letter of the class names is about so wide
_MAX_NAMED = 40  # classes


def confusion_plot(table: Int[NDArray[np.int64], "true taken"], classes: Sequence[str]) -> str:
    """An SVG file: each class in a row, what it was taken for in columns, the darker the larger the share of the row."""
    names = classes if len(classes) == len(table) <= _MAX_NAMED else ("",) * len(table)
    left = _MARGIN + _LETTER * max(map(len, names), default=0)
    side = left + _CELL * len(names) + _MARGIN
    drawing = [_cells(row, left, _MARGIN + _CELL * number) for number, row in enumerate(table)]
    labels = [
        f'<text x="{left - 4}" y="{_MARGIN + _CELL * number + 16}" text-anchor="end">{escape(name)}</text>'
        for number, name in enumerate(names)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{2 * _MARGIN + _CELL * len(names)}" '
        'font-family="sans-serif" font-size="12">' + "".join([*drawing, *labels]) + "</svg>\n"
    )


def _cells(row: Int[NDArray[np.int64], " taken"], left: int, top: int) -> str:
    shares = row / max(row.sum(), 1)
    return "".join(
        f'<rect x="{left + _CELL * i}" y="{top}" width="{_CELL}" height="{_CELL}" fill="rgb({shade},{shade},255)" '
        f'stroke="#ccc"/><text x="{left + _CELL * i + _CELL // 2}" y="{top + 16}" text-anchor="middle">{int(count)}</text>'
        for i, (count, shade) in enumerate(zip(row, (255 - 160 * shares).round().astype(int), strict=True))
    )
