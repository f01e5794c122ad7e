"""How a line goes on past its end: by linear prediction, so that a transform of what follows costs little and leaves no
seam.

Coefficients by Burg's method (J. P. Burg, "Maximum entropy spectral analysis", 1967), which is stable. The sums are
numpy's, in an order of their own, so that every machine finds the same samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float

_ORDER: Final = 32
EXTRAPOLATION_SPAN: Final = 1024  # samples that are looked at
_NOTHING_LEFT: Final = 1e-10  # of the energy: what is not predicted is rounding, of which nothing can be learned

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def extrapolate(lines: Float[NDArray[Any], "c t"], count: int) -> Float[Floats, "c count"]:
    """The next `count` samples of lines (c, t), t at least 1: (c, count), none larger than the last ones."""
    known = np.ascontiguousarray(lines[:, -EXTRAPOLATION_SPAN:], np.float64)
    order = min(_ORDER, known.shape[1] // 3)
    reversed_weights = _prediction(known, order)[:, ::-1]
    peaks = np.abs(known).max(axis=1, keepdims=True)
    samples = np.concatenate([known[:, known.shape[1] - order :], np.zeros((len(known), count))], axis=1)
    for at in range(order, order + count):
        samples[:, at] = (reversed_weights * samples[:, at - order : at]).sum(axis=1)
    return samples[:, order:].clip(-peaks, peaks).astype(np.float32)


def _prediction(lines: Doubles, order: int) -> Doubles:
    """(c, order) weights of the last sample, of the one before, ..."""
    polynomial = np.zeros((len(lines), order + 1))
    polynomial[:, 0] = 1
    forward = backward = lines
    floor = 2 * _NOTHING_LEFT * (lines * lines).sum(axis=1)
    for n in range(1, order + 1):
        forward, backward = forward[:, 1:], backward[:, :-1]
        energy = (forward * forward).sum(axis=1) + (backward * backward).sum(axis=1)
        product = -2 * (forward * backward).sum(axis=1)
        reflection = np.divide(product, energy, out=np.zeros(len(lines)), where=energy > floor)[:, None]
        forward, backward = forward + reflection * backward, backward + reflection * forward
        polynomial[:, : n + 1] += reflection * polynomial[:, n::-1]
    return -polynomial[:, 1:]
