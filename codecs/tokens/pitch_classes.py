"""How high is a voice, block by block? Found by comparing the sound with itself some samples later, in integers.

Normalised correlations, and a path through them that does not jump. Source: Talkin, "A robust algorithm for pitch tracking
(RAPT)", 1995; constants chosen on training utterances of AN4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.tokens.band_logs import BLOCK

if TYPE_CHECKING:
    from jaxtyping import Float, Int

LAGS: Final = (40, 256)  # 400 to 62.5 Hz
UNVOICED: Final = 63  # the class of blocks without a pitch; the others are lags, equal steps of their logarithm apart
NUM_CLASSES: Final = 64
_ONE: Final = 1024  # of correlations
_SMOOTHED: Final = 3  # binary digits: a running mean of 8 samples hides what is above 2 kHz
_BEFORE: Final = 192  # samples before a block where its stretch of two blocks begins
_SOFT: Final = float((2 * BLOCK * 30**2) ** 2)  # sounds softer than 30 of 32,768 have no pitch
_LAG_PRICE: Final = 154  # of the longest lag, so that half the pitch is not taken for it
_UNVOICED_PRICE: Final = 358
_CHANGE_PRICE: Final = 256  # between voiced and unvoiced
_STEP_PRICE, _FREE_STEP, _LARGEST_PRICE = 80, 92, 819  # of a class further


def pitch_classes(
    samples: Int[NDArray[np.int64], " t"], lag_ends: Int[NDArray[np.int64], " k"]
) -> Int[NDArray[np.int64], " n"]:
    """The class of each block of 256 samples of 16 bits: which of the 63 groups of lags that end at `lag_ends`, or
    `UNVOICED`."""
    scores = _scores(samples)
    starts = np.concatenate([[0], lag_ends[:-1] - LAGS[0]])
    best = np.maximum.reduceat(scores, starts, axis=1)
    costs = np.concatenate([_ONE - best, np.full((len(best), 1), _UNVOICED_PRICE)], axis=1)
    return _cheapest_path(costs)


def usual_lag_ends() -> Int[NDArray[np.int64], " 63"]:
    """Where the lags of each class end: those that are nearest to its own."""
    low, high = LAGS
    middles = low * (high / low) ** ((np.arange(UNVOICED - 1) + 0.5) / (UNVOICED - 1))
    return np.append(np.floor(middles) + 1, high + 1).astype(np.int64)


def class_lags() -> Float[NDArray[np.float64], " 63"]:
    """The lag, in samples, for which a class stands."""
    low, high = LAGS
    return np.asarray(low * (high / low) ** (np.arange(UNVOICED) / (UNVOICED - 1)), np.float64)


def _scores(samples: NDArray[np.int64]) -> Int[NDArray[np.int64], "n l"]:
    """Correlations of two blocks around each with themselves, by lag, less the price of the lag."""
    low, high = LAGS
    num_blocks = -(-len(samples) // BLOCK)
    sums = np.cumsum(np.pad(samples, (8, -len(samples) % BLOCK)))
    smooth = np.pad((sums[8:] - sums[:-8]) >> _SMOOTHED, (_BEFORE, BLOCK + high))
    length = (num_blocks + 1) * BLOCK
    squares = np.concatenate([[0], np.cumsum(smooth * smooth)])
    own = _two_blocks(np.diff(squares[: length + 1 : BLOCK]))
    out = np.empty((num_blocks, high + 1 - low), np.int64)
    for column, lag in enumerate(range(low, high + 1)):
        products = (smooth[:length] * smooth[lag : lag + length]).reshape(-1, BLOCK).sum(axis=1)
        later = _two_blocks(np.diff(squares[lag : lag + length + 1 : BLOCK]))
        # Whole numbers below 2^53, then a product, a root and a quotient, which round alike everywhere.
        ratio = _two_blocks(products) / np.sqrt(own.astype(np.float64) * later + _SOFT)
        out[:, column] = np.rint(ratio * (_ONE - _LAG_PRICE * lag // high)).astype(np.int64)
    return out


def _two_blocks(of_each: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(of_each[:-1] + of_each[1:])


def _cheapest_path(costs: Int[NDArray[np.int64], "n k"]) -> Int[NDArray[np.int64], " n"]:
    """Of equally cheap ones that of the lower classes."""
    steps = np.abs(np.subtract.outer(np.arange(UNVOICED), np.arange(UNVOICED)))
    prices = np.full((NUM_CLASSES, NUM_CLASSES), _CHANGE_PRICE)
    prices[:UNVOICED, :UNVOICED] = (_STEP_PRICE * steps - _FREE_STEP).clip(0, _LARGEST_PRICE)
    prices[UNVOICED, UNVOICED] = 0
    path = np.empty(len(costs), np.int64)
    befores = np.empty(costs.shape, np.int64)
    total = np.zeros(NUM_CLASSES, np.int64)
    for block, cost in enumerate(costs):
        reached = total[:, None] + prices if block else np.zeros_like(prices)
        befores[block] = reached.argmin(axis=0)
        total = reached.min(axis=0) + cost
    last = int(total.argmin()) if len(costs) else 0
    for block in reversed(range(len(costs))):
        path[block] = last
        last = int(befores[block, last])
    return path
