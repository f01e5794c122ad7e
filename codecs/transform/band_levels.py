"""How loud are the bands of a sound? Their levels in a file, found in integers, the same on every machine.

Found on speech (AN4, training utterances, 8 to 24 kbit/s): bands of 250 Hz and more by 32 ms; levels are what the file
predicts while that is near enough, which saves a sixth of their bits at the same log-mel distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import NOISE_TUNE
from laconic.codecs.packing.noise_levels import MAX_NOISE_LEVEL, UNIT_NOISE_LEVEL, NoiseCells, NoiseLevels
from laconic.codecs.transform.kept_levels import EIGHTHS, kept_levels

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_WIDTH: Final = 8
_GROWTH: Final = 4
_STRETCH_LOG2: Final = 9  # at least, with that of the packets
_POWER: Final = 6
_GAIN: Final = 13
_OFFSET: Final = 6  # sixteenths of an octave for each octave that a band is wider
_UNIT: Final = 256  # of a step: coefficients become integers
_LARGEST: Final = 1 << 23
_FLOOR: Final = 2.0**-16  # in units of the sound's level: what is softer counts as this
_SILENCE: Final = 2.0**-20  # what is softer is none


def stores_noise(model: Model, tune: str | None) -> bool:
    """Whether files of a tune have such levels: of sounds, for recognisers, which is the usual one."""
    return model.kind == "sound" and tune in (None, NOISE_TUNE)


def noise_levels_of(coefficients: Float[NDArray[np.float32], "d rows t"], step: float, model: Model) -> NoiseLevels:
    """The levels of a sound whose file has this step."""
    return noise_levels_of_measures([measured_levels(coefficients, step, model)], model)


def noise_levels_of_measures(
    measures: Sequence[Int[NDArray[np.int16], "rows bands stretches"]], model: Model
) -> NoiseLevels:
    """The levels of a sound, of stretches that follow each other."""
    cells = _cells_of(model)
    offsets = [_OFFSET * (int(width).bit_length() - _WIDTH.bit_length()) for width in np.diff(cells.edges)]
    levels = kept_levels(np.concatenate(measures, axis=2))
    return NoiseLevels(cells, levels, _POWER, _GAIN, np.array(offsets, np.int8))


def measured_levels(
    coefficients: Float[NDArray[np.float32], "d rows t"], step: float, model: Model
) -> Int[NDArray[np.int16], "rows bands stretches"]:
    """In eighths, of a sound, or of some places of it that begin and end, but for its end, where cells do."""
    cells = _cells_of(model)
    scaled = np.minimum(np.rint(np.abs(coefficients) * np.float32(_UNIT / step)), np.float32(_LARGEST)).astype(np.int64)
    eighths = _eighths_of(cells.sums(scaled * scaled) / cells.sizes(*coefficients.shape[1:]) / _UNIT**2)
    floor, silence = (int(_eighths_of(np.array((rms / step) ** 2))) for rms in (_FLOOR, _SILENCE))
    heard = np.where(eighths < silence, 0, np.maximum(eighths, floor))
    return heard.clip(0, EIGHTHS * MAX_NOISE_LEVEL).astype(np.int16)


def _cells_of(model: Model) -> NoiseCells:
    stretch_log2 = max(0, _STRETCH_LOG2 - model.tree.depth)
    return NoiseCells(_WIDTH, _GROWTH, stretch_log2, model.num_channels // model.num_planes, model.num_planes)


def _eighths_of(ratios: Float[NDArray[np.float64], "*n"]) -> Int[NDArray[np.int64], "*n"]:
    """Levels, in eighths, of mean squares in squares of the step; far below 0 for none."""
    mantissas, exponents = np.frexp(ratios)
    roots = np.sqrt(np.sqrt(np.sqrt(np.ldexp(1.0, np.arange(EIGHTHS) - EIGHTHS))))  # 2^((k - 8) / 8)
    phases = np.searchsorted(roots, mantissas, side="right") - 1
    found: NDArray[np.int64] = EIGHTHS * (exponents.astype(np.int64) - 1 + UNIT_NOISE_LEVEL) + phases
    return np.where(ratios == 0, -(1 << 20), found)
