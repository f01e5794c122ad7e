"""The integer rules of SPEC.md, section 4.3, over whole planes: level, lean and sign of every symbol, in numpy.

What a model file says is what counts, so tables are counted through the integers, not through what was optimised.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.contexts import MAX_MAGNITUDE, ContextWeights, residuals_of_context_prediction

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, Integer, UInt

LEVELS_PER_OCTAVE = 8
UNIT_LEVEL = 256  # A of a Laplace scale of one step
# Rows up and columns left of the six neighbours: left, upper, upper left, upper right, two left, two up.
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0))
_MARGIN = ((0, 0), (2, 1), (2, 1))


def symbols_of(values: Int[NDArray[np.int32], "d h w"], num_predicted: int) -> Int[NDArray[np.int32], "d h w"]:
    """(d, h, w) values with the first channels turned into prediction residuals."""
    symbols = values.copy()
    for c in range(num_predicted):
        symbols[c] = residuals_of_context_prediction(np.ascontiguousarray(values[c]))
    return symbols


def _magnitudes_of(symbols: Int[NDArray[np.int32], "d h w"]) -> UInt[NDArray[np.uint8], "d h+3 w+3"]:
    """m(symbol), with a margin of two rows above, two columns to the left, and one on the other sides."""
    # abs(-2^31) is itself in int32; read as unsigned it is right.
    magnitudes = np.minimum(np.abs(symbols).view(np.uint32), MAX_MAGNITUDE).astype(np.uint8)
    return np.pad(magnitudes, _MARGIN)


def _ring_sums(padded: UInt[NDArray[np.uint8], "d _ _"]) -> UInt[NDArray[np.uint16], "d h w"]:
    """Sum over the eight neighbours of every place, from what `_magnitudes_of` gave."""
    inner = padded[:, 1:, 1:]
    columns = inner[:, :-2].astype(np.uint16) + inner[:, 1:-1] + inner[:, 2:]
    around = columns[:, :, :-2] + columns[:, :, 1:-1] + columns[:, :, 2:]
    return np.asarray(around - inner[:, 1:-1, 1:-1], np.uint16)


def context_rule_levels(scales: Integer[NDArray[np.integer[Any]], "*shape"]) -> UInt[NDArray[np.uint8], "*shape"]:
    """Level of every A, 0 to 65535."""
    return np.asarray(_LEVELS[scales])


def context_rule_scales(
    symbols: Int[NDArray[np.int32], "d h w"], weights: ContextWeights, base: UInt[NDArray[np.uint16], " d"]
) -> Int[NDArray[np.int32], "d h w"]:
    """A of every symbol, (d, h, w), with the base (d,) of the step."""
    padded = _magnitudes_of(symbols)
    scales = np.empty(symbols.shape, np.int32)
    scales[:] = base[:, None, None]
    for j, shift in enumerate(NEIGHBOURS):
        scales += weights.neighbour_weights[:, j, None, None] * _shifted(padded, shift).astype(np.int32)
    scales += _cross_terms(padded, weights)
    return np.minimum(scales, 65535, out=scales)


def context_rule_leans(
    symbols: Int[NDArray[np.int32], "d h w"], weights: ContextWeights, scales: Int[NDArray[np.int32], "d h w"]
) -> tuple[UInt[NDArray[np.uint8], "d h w"], Bool[NDArray[np.bool_], "d h w"]]:
    """Lean of every symbol, and where its negative is coded."""
    padded = np.pad(np.clip(symbols, -MAX_MAGNITUDE, MAX_MAGNITUDE).astype(np.int16), _MARGIN)
    mean = np.zeros(symbols.shape, np.int32)
    for j, shift in enumerate(NEIGHBOURS[:4]):
        mean += weights.lean_weights[:, j, None, None] * _shifted(padded, shift).astype(np.int32)
    size = np.abs(mean)
    leans = (size > scales >> 4).astype(np.uint8) + (size > scales >> 2) + (size > scales >> 1)
    return leans, (leans > 0) & (mean < 0)


def _shifted(padded: NDArray[np.integer[Any]], shift: tuple[int, int]) -> NDArray[np.integer[Any]]:
    up, left = shift
    h, w = padded.shape[1] - 3, padded.shape[2] - 3
    return padded[:, 2 - up : 2 - up + h, 2 - left : 2 - left + w]


def _cross_terms(padded: NDArray[np.uint8], weights: ContextWeights) -> NDArray[np.int32]:
    """What the features of earlier passes add to A."""
    d, h, w = padded.shape[0], padded.shape[1] - 3, padded.shape[2] - 3
    own = padded[:, 2:-1, 2:-1].reshape(d, -1).astype(np.float32)
    ring = _ring_sums(padded).reshape(d, -1).astype(np.float32)
    terms = np.zeros((d, h * w), np.int32)
    for k, (lo, hi) in enumerate(pairwise((0, *weights.pass_ends))):
        if lo == 0:
            continue
        # Exact as long as it matters: sums below 2^24 are, and 65535 is the most that counts.
        features = weights.own_weights[k, :, :lo].astype(np.float32) @ own[:lo]
        features += weights.ring_weights[k, :, :lo].astype(np.float32) @ ring[:lo]
        for j, feature in enumerate(np.minimum(features, 65535).astype(np.uint32)):
            terms[lo:hi] += (weights.feature_weights[lo:hi, j, None].astype(np.uint32) * feature >> 16).astype(np.int32)
    return terms.reshape(d, h, w)


def _level_table() -> NDArray[np.uint8]:
    scales = np.arange(65536)
    octave = np.maximum(np.frexp(scales)[1] - 1, 4)
    levels = LEVELS_PER_OCTAVE * (octave - 4) + (scales >> (octave - 3)) % 8
    return np.where(scales < 16, 0, levels).astype(np.uint8)


_LEVELS = _level_table()
