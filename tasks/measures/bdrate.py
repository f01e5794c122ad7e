"""Bjøntegaard delta rate: how much smaller or larger one codec's files are than another's, at equal quality.

A curve is a sequence of (rate, quality) points of one codec. Between points the logarithm of the rate is a piecewise
cubic of the quality (PCHIP), which never overshoots, unlike the single cubic of the original proposal.

Sources: G. Bjøntegaard, VCEG-M33, 2001; the piecewise cubic as in JCTVC-L1100 and ITU-T HSTP-VID-WPOM, 2020.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import shown

Curve = Sequence[tuple[float, float]]


def bd_rate(anchor: Curve, test: Curve, *, low: float = 0.0, high: float = math.inf) -> float:
    """Mean difference in rate of `test` against `anchor` at equal quality, in percent; negative: `test` is smaller.

    The mean is over the qualities of `quality_interval`: only where both curves lie within the rates `low` to `high`
    (in the unit of the curves), and never beyond a curve's points. So `low=0.15, high=1.5` on curves in bits per pixel
    is "BD-rate over 0.15-1.5 bpp". Without limits it is the usual BD-rate over all qualities that both curves reach.

    Each curve has at least two points, in any order, and more rate must mean more quality. Raises `ValueError` for
    other curves, and where the curves share no quality within the limits.

    >>> round(bd_rate([(0.5, 30), (1.0, 34), (2.0, 38)], [(0.4, 30), (0.8, 34), (1.6, 38)]), 6)
    -20.0
    """
    start, stop = quality_interval(anchor, test, low=low, high=high)
    integrals = [_LogRate.through(curve).integral(start, stop) for curve in (anchor, test)]
    return 100 * math.expm1((integrals[1] - integrals[0]) / (stop - start))


def quality_interval(anchor: Curve, test: Curve, *, low: float = 0.0, high: float = math.inf) -> tuple[float, float]:
    """The qualities over which `bd_rate` integrates: from the best of the curves at `low` to the worst at `high`.

    That is (max over curves of the quality at rate `low`, min over curves of the quality at rate `high`), both
    interpolated; a curve that starts above `low` or ends below `high` counts with its first or last point.
    Raises like `bd_rate`.
    """
    limits: tuple[object, object] = low, high
    if not all(isinstance(limit, Real) for limit in limits) or not 0 <= low < high:
        raise ValueError(
            f"rate limits are {shown(low)} to {shown(high)}; allowed is 0 <= low < high: swap or correct them"
        )
    curves = [_LogRate.through(curve) for curve in (anchor, test)]
    start = max(curve.quality_at(low) for curve in curves)
    stop = min(curve.quality_at(high) for curve in curves)
    if not start < stop:
        raise ValueError(
            f"the curves share no quality at rates {low} to {high}: the better starts at {start:.4g}, the worse ends "
            f"at {stop:.4g}; allowed are curves that overlap: add operating points or widen the limits"
        )
    return start, stop


@dataclass(frozen=True)
class _LogRate:
    """ln(rate) over quality: values and slopes at strictly increasing knots, cubic in between."""

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    slopes: NDArray[np.float64]

    @classmethod
    def through(cls, curve: Curve) -> _LogRate:
        try:
            points = np.array(sorted(map(tuple, curve)), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"the curve is {shown(curve)}; allowed are (rate, quality) points, all numbers") from None
        if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] != 2:
            raise ValueError(
                f"the curve has shape {points.shape}; allowed are 2 and more (rate, quality) points: "
                "add operating points"
            )
        if not np.isfinite(points).all() or points[0, 0] <= 0:
            raise ValueError(
                f"the curve holds {points.tolist()}; allowed are finite numbers, rates above 0: drop lossless points"
            )
        if np.any(np.diff(points, axis=0) <= 0):
            raise ValueError(
                f"the curve {points.tolist()} does not gain quality with every step of rate; allowed are strictly "
                "rising curves: drop the points that do not pay"
            )
        knots, values = points[:, 1], np.log(points[:, 0])
        return cls(knots, values, _pchip_slopes(knots, values))

    def at(self, quality: NDArray[np.float64]) -> NDArray[np.float64]:
        """ln(rate) at qualities within the knots (cubic Hermite form)."""
        k = np.clip(np.searchsorted(self.knots, quality, side="right") - 1, 0, len(self.knots) - 2)
        step = self.knots[k + 1] - self.knots[k]
        t = (quality - self.knots[k]) / step
        left = (1 + 2 * t) * (1 - t) ** 2 * self.values[k] + t * (1 - t) ** 2 * step * self.slopes[k]
        right = t**2 * (3 - 2 * t) * self.values[k + 1] - t**2 * (1 - t) * step * self.slopes[k + 1]
        result: NDArray[np.float64] = left + right
        return result

    def integral(self, start: float, stop: float) -> float:
        """Of ln(rate) from quality `start` to `stop`; exact, because Simpson's rule is for cubics."""
        inside = self.knots[(self.knots > start) & (self.knots < stop)]
        ends = np.concatenate([[start], inside, [stop]])
        a, b = ends[:-1], ends[1:]
        return float(np.sum((b - a) / 6 * (self.at(a) + 4 * self.at((a + b) / 2) + self.at(b))))

    def quality_at(self, rate: float) -> float:
        """The quality where the curve has `rate`, by bisection; beyond the ends, the end's quality."""
        bottom, top = float(self.knots[0]), float(self.knots[-1])
        target = math.log(rate) if rate > 0 else -math.inf
        if target <= self.values[0]:
            return bottom
        if target >= self.values[-1]:
            return top
        for _ in range(60):  # 60 halvings of any interval leave less than its rounding error
            middle = (bottom + top) / 2
            if self.at(np.array([middle]))[0] < target:
                bottom = middle
            else:
                top = middle
        return (bottom + top) / 2


def _pchip_slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,), (n,) strictly increasing -> (n,) slopes of the monotone cubic interpolant.

    Source: F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5(2), 1984: inside, a weighted harmonic mean of the
    two secants; at the ends, the three-point formula, kept in the range where the cubic stays monotone.
    """
    steps = np.diff(x)
    secants = np.diff(y) / steps
    if len(x) == 2:
        return np.full(2, secants[0])
    weights_left, weights_right = 2 * steps[1:] + steps[:-1], steps[1:] + 2 * steps[:-1]
    inner = (weights_left + weights_right) / (weights_left / secants[:-1] + weights_right / secants[1:])
    first = _end_slope(steps[0], steps[1], secants[0], secants[1])
    last = _end_slope(steps[-1], steps[-2], secants[-1], secants[-2])
    return np.concatenate([[first], inner, [last]])


def _end_slope(step: float, next_step: float, secant: float, next_secant: float) -> float:
    slope = ((2 * step + next_step) * secant - step * next_secant) / (step + next_step)
    # All secants are positive here, so the rule for a change of sign is not needed.
    return max(0.0, slope)
