"""Mean gaps between many pairs of curves at once, each a piecewise cubic through its points, for BD-rate and BD-score.

The interpolant is that of `laconic.tasks.measures.bdrate`, of many curves at a time and of values that may fall as well.

Source: F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5(2), 1984, with the rules of scipy's PchipInterpolator at the
ends and where the secants change sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

Array = NDArray[np.float64]


def mean_gaps(
    x_anchor: Float[Array, "b p"], y_anchor: Float[Array, "b p"], x: Float[Array, "b q"], y: Float[Array, "b q"]
) -> Float[Array, " b"]:
    """(b,) means of y minus the anchor's y over the x that both curves reach, each curve a cubic through its points.

    NaN where they share no x, where the x of a curve do not strictly rise, and where a number is not finite. At least two
    points for each curve.
    """
    gaps = np.full(len(x), np.nan)
    start, stop = np.maximum(x_anchor[:, 0], x[:, 0]), np.minimum(x_anchor[:, -1], x[:, -1])
    usable = _rises(x_anchor, y_anchor) & _rises(x, y) & (start < stop)
    if usable.any():
        ends = start[usable, None], stop[usable, None]
        knots = np.sort(np.concatenate([x_anchor[usable], x[usable], *ends], axis=1), axis=1)
        nodes = np.clip(knots, *ends)  # those outside fall upon the ends and bound pieces of no width
        means = [_integrals(*curve, nodes) for curve in ((x_anchor[usable], y_anchor[usable]), (x[usable], y[usable]))]
        gaps[usable] = (means[1] - means[0]) / (stop - start)[usable]
    return gaps


def _rises(x: Float[Array, "b p"], y: Float[Array, "b p"]) -> Bool[NDArray[Any], " b"]:
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1))
    finite[finite] = (np.diff(x[finite], axis=1) > 0).all(axis=1)
    return finite


def _integrals(x: Float[Array, "b p"], y: Float[Array, "b p"], nodes: Float[Array, "b m"]) -> Float[Array, " b"]:
    """(b,) from the first to the last of the nodes, which hold all knots between; exact: Simpson's rule is for cubics."""
    slopes = _slopes(x, y)
    left, right = nodes[:, :-1], nodes[:, 1:]
    ends, middles = _values(x, y, slopes, nodes), _values(x, y, slopes, (left + right) / 2)
    pieces = (right - left) / 6 * (ends[:, :-1] + 4 * middles + ends[:, 1:])
    return np.asarray(pieces.sum(axis=1))


def _values(
    x: Float[Array, "b p"], y: Float[Array, "b p"], slopes: Float[Array, "b p"], at: Float[Array, "b m"]
) -> Float[Array, "b m"]:
    """Cubic Hermite form, at places within the knots."""
    piece = np.clip((at[:, :, None] >= x[:, None, :]).sum(axis=2) - 1, 0, x.shape[1] - 2)
    x0, x1, y0, y1, d0, d1 = (
        np.take_along_axis(of, piece + shift, axis=1) for of in (x, y, slopes) for shift in (0, 1)
    )
    step = x1 - x0
    t = (at - x0) / step
    left = (1 + 2 * t) * (1 - t) ** 2 * y0 + t * (1 - t) ** 2 * step * d0
    right = t**2 * (3 - 2 * t) * y1 - t**2 * (1 - t) * step * d1
    return np.asarray(left + right)


def _slopes(x: Float[Array, "b p"], y: Float[Array, "b p"]) -> Float[Array, "b p"]:
    """Inside, a weighted harmonic mean of the two secants, 0 where their signs differ; at the ends, three points."""
    steps = np.diff(x, axis=1)
    secants = np.diff(y, axis=1) / steps
    if x.shape[1] == 2:
        return np.repeat(secants, 2, axis=1)
    before, after = secants[:, :-1], secants[:, 1:]
    weights = 2 * steps[:, 1:] + steps[:, :-1], steps[:, 1:] + 2 * steps[:, :-1]
    agree = before * after > 0
    one = np.ones_like(before)
    sums = weights[0] / np.where(agree, before, one) + weights[1] / np.where(agree, after, one)
    # Where the signs differ the two summands may cancel; what is divided then is not used.
    inner = np.where(agree, (weights[0] + weights[1]) / np.where(agree, sums, one), 0.0)
    first = _end_slope(steps[:, 0], steps[:, 1], secants[:, 0], secants[:, 1])
    last = _end_slope(steps[:, -1], steps[:, -2], secants[:, -1], secants[:, -2])
    return np.concatenate([first[:, None], inner, last[:, None]], axis=1)


def _end_slope(
    step: Float[Array, " b"], next_step: Float[Array, " b"], secant: Float[Array, " b"], next_secant: Float[Array, " b"]
) -> Float[Array, " b"]:
    slope = ((2 * step + next_step) * secant - step * next_secant) / (step + next_step)
    turns = (secant * next_secant < 0) & (np.abs(slope) > 3 * np.abs(secant))
    return np.where(slope * secant <= 0, 0.0, np.where(turns, 3 * secant, slope))
