"""Which levels of bands a file says: those that it predicts, where these are near enough to what was found.

Predictions run along time and bands, so levels are chosen of a whole sound; in 16 bits, to take little memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Int, UInt

EIGHTHS: Final = 8  # of a level, in which energies are compared
_KEPT: Final = 6  # eighths within which the predicted level is taken


def kept_levels(
    eighths: Int[NDArray[np.int16], "rows bands stretches"],
) -> UInt[NDArray[np.uint8], "rows bands stretches"]:
    """Levels that are what the file predicts (SPEC.md, section 4) where that is near enough.

    A prediction needs what is left, above and both: all cells of a diagonal are found at once.
    """
    rows, stretches = eighths.shape[0] * eighths.shape[1], eighths.shape[2]
    wanted = _skewed(eighths.reshape(rows, -1))
    found = np.zeros((2 + len(wanted), rows), np.int16)  # two diagonals of nothing before the first
    for at in range(len(wanted)):
        left, above, corner = found[at + 1], np.roll(found[at + 1], 1), np.roll(found[at], 1)
        low, high = np.minimum(left, above), np.maximum(left, above)
        predicted = np.clip(left + above - corner, low, high)
        predicted[0] = left[0]
        if at < rows:
            predicted[at] = above[at] if at else 0
        is_near = np.abs(wanted[at] - EIGHTHS * predicted) <= _KEPT
        found[at + 2] = np.where(is_near, predicted, (wanted[at] + EIGHTHS // 2) // EIGHTHS)
    out = np.stack([found[row + 2 : row + 2 + stretches, row] for row in range(rows)]).astype(np.uint8)
    return out.reshape(eighths.shape)


def _skewed(plane: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns) as (diagonals, rows): row r of diagonal k is column k - r, 0 where there is none."""
    rows, columns = plane.shape
    out = np.zeros((rows + columns - 1, rows), plane.dtype)
    for row in range(rows):
        out[row : row + columns, row] = plane[row]
    return out
