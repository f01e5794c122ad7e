"""How loud are the bands of a sound? Their levels in a file, found in integers, the same on every machine.

Found on speech (AN4, training utterances, 8 to 24 kbit/s): bands of 250 Hz and more by 32 ms; levels are what the file
predicts while that is near enough, which halves their bits at the same log-mel distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import NOISE_TUNE
from laconic.codecs.packing.noise_levels import MAX_NOISE_LEVEL, UNIT_NOISE_LEVEL, NoiseCells, NoiseLevels

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_WIDTH: Final = 8
_GROWTH: Final = 4
_STRETCH_LOG2: Final = 9  # at least, with that of the packets
_POWER: Final = 6
_GAIN: Final = 13
_OFFSET: Final = 6  # sixteenths of an octave for each octave that a band is wider
_EIGHTHS: Final = 8  # of a level, in which energies are compared
_KEPT: Final = 10  # eighths within which the predicted level is taken
_UNIT: Final = 256  # of a step: coefficients become integers
_LARGEST: Final = 1 << 23
_FLOOR: Final = 2.0**-16  # in units of the sound's level: what is softer counts as this
_SILENCE: Final = 2.0**-20  # what is softer is none


def stores_noise(model: Model, tune: str | None) -> bool:
    """Whether files of a tune have such levels: of sounds, for recognisers, which is the usual one."""
    return model.kind == "sound" and tune in (None, NOISE_TUNE)


def noise_levels_of(coefficients: Float[NDArray[np.float32], "d rows t"], step: float, model: Model) -> NoiseLevels:
    """The levels of a sound whose file has this step."""
    num_packets = model.num_channels // model.num_planes
    stretch_log2 = max(0, _STRETCH_LOG2 - model.tree.depth)
    cells = NoiseCells(_WIDTH, _GROWTH, stretch_log2, num_packets, model.num_planes)
    scaled = np.minimum(np.rint(np.abs(coefficients) * np.float32(_UNIT / step)), np.float32(_LARGEST)).astype(np.int64)
    sizes = cells.sizes(*coefficients.shape[1:])
    eighths = _eighths_of(cells.sums(scaled * scaled) / sizes / _UNIT**2)
    floor, silence = (int(_eighths_of(np.array((rms / step) ** 2))) for rms in (_FLOOR, _SILENCE))
    eighths = np.where(eighths < silence, 0, np.maximum(eighths, floor)).clip(0, _EIGHTHS * MAX_NOISE_LEVEL)
    widths = np.diff(cells.edges)
    offsets = [_OFFSET * (int(width).bit_length() - _WIDTH.bit_length()) for width in widths]
    return NoiseLevels(cells, _kept_levels(eighths), _POWER, _GAIN, np.array(offsets, np.int8))


def _eighths_of(ratios: Float[NDArray[np.float64], "*n"]) -> Int[NDArray[np.int64], "*n"]:
    """Levels, in eighths, of mean squares in squares of the step; far below 0 for none."""
    mantissas, exponents = np.frexp(ratios)
    roots = np.sqrt(np.sqrt(np.sqrt(np.ldexp(1.0, np.arange(_EIGHTHS) - _EIGHTHS))))  # 2^((k - 8) / 8)
    phases = np.searchsorted(roots, mantissas, side="right") - 1
    found: NDArray[np.int64] = _EIGHTHS * (exponents.astype(np.int64) - 1 + UNIT_NOISE_LEVEL) + phases
    return np.where(ratios == 0, -(1 << 20), found)


def _kept_levels(eighths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Levels that are what the file predicts (SPEC.md, section 4) where that is near enough.

    A prediction needs what is left, above and both: all cells of a diagonal are found at once.
    """
    rows, stretches = eighths.shape[0] * eighths.shape[1], eighths.shape[2]
    wanted = _skewed(eighths.reshape(rows, -1))
    found = np.zeros((2 + len(wanted), rows), np.int64)  # two diagonals of nothing before the first
    for at in range(len(wanted)):
        left, above, corner = found[at + 1], np.roll(found[at + 1], 1), np.roll(found[at], 1)
        low, high = np.minimum(left, above), np.maximum(left, above)
        predicted = np.clip(left + above - corner, low, high)
        predicted[0] = left[0]
        if at < rows:
            predicted[at] = above[at] if at else 0
        is_near = np.abs(wanted[at] - _EIGHTHS * predicted) <= _KEPT
        rounded = (wanted[at] + _EIGHTHS // 2) // _EIGHTHS
        found[at + 2] = np.where(is_near, predicted, rounded)
    columns = np.arange(stretches)[None] + np.arange(rows)[:, None] + 2
    out: NDArray[np.uint8] = found[columns, np.arange(rows)[:, None]].astype(np.uint8)
    return out.reshape(eighths.shape)


def _skewed(plane: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns) as (diagonals, rows): row r of diagonal k is column k - r, 0 where there is none."""
    rows, columns = plane.shape
    out = np.zeros((rows + columns - 1, rows), plane.dtype)
    out[np.arange(columns)[None] + np.arange(rows)[:, None], np.arange(rows)[:, None]] = plane
    return out
