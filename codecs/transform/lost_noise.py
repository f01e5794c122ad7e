"""How loud is what a sound's zeros lose? Levels of noise in its place, found in integers, the same on every machine.

Found on speech (AN4, training utterances, 8 to 16 kbit/s): cells of 14 bands by 32 ms; levels are what the file predicts
while that is near enough, which halves their bits at the same log-mel distance. Where half of the values are 0, few of them
lost most of the energy: noise that is 6 dB softer is nearer to the rest, in log-mel distance and to a recogniser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import NOISE_TUNE
from laconic.codecs.packing.noise_levels import MAX_NOISE_LEVEL, UNIT_NOISE_LEVEL, NoiseCells, NoiseLevels
from laconic.codecs.transform.kept_levels import EIGHTHS, kept_levels

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt

CELLS: Final = NoiseCells(width=8, growth=4, stretch_log2=1)
_SOFTER: Final = 16  # eighths
_UNIT: Final = 256  # of a step: coefficients become integers
_LARGEST: Final = 4 * _UNIT  # zeros are below; what is beyond counts as this


def stores_noise(model: Model, tune: str | None) -> bool:
    """Whether files of a tune have such levels: of sounds, for recognisers."""
    return model.kind == "sound" and tune == NOISE_TUNE


@dataclass(frozen=True, eq=False)
class NoiseMeasures:
    """Of cells (rows, bands, stretches): `eighths` of a level, of the energy that was lost there, and whether one
    `is_needed`, since at least half of the values are 0."""

    eighths: UInt[NDArray[np.uint8], "rows bands stretches"]
    is_needed: Bool[NDArray[np.bool_], "rows bands stretches"]


def noise_levels_of(
    coefficients: Float[NDArray[np.float32], "d rows t"],
    values: Int[NDArray[np.int32], "d rows t"],
    step: float,
    model: Model,
) -> NoiseLevels:
    """The levels of a sound: in cells where at least half of the values are 0, the energy that these lost."""
    return noise_levels_of_measures([measured_noise(coefficients, values, step, model)])


def noise_levels_of_measures(measures: Sequence[NoiseMeasures]) -> NoiseLevels:
    """The levels of a sound, of stretches that follow each other."""
    eighths = np.concatenate([one.eighths for one in measures], axis=2)
    is_needed = np.concatenate([one.is_needed for one in measures], axis=2)
    return NoiseLevels(CELLS, kept_levels(eighths, is_needed))


def measured_noise(
    coefficients: Float[NDArray[np.float32], "d rows t"],
    values: Int[NDArray[np.int32], "d rows t"],
    step: float,
    model: Model,
) -> NoiseMeasures:
    """What is lost of a sound, or of some places of it that begin and end, but for its end, where cells do."""
    starts = np.array(CELLS.edges(model.num_channels // model.num_planes)[:-1]) * model.num_planes
    is_zero = values == 0
    lost = np.minimum(np.rint(np.abs(coefficients) * np.float32(_UNIT / step)), np.float32(_LARGEST)).astype(np.int64)
    lost *= is_zero
    energies = _cell_sums(lost * lost, starts)
    counts = _cell_sums(is_zero.astype(np.int64), starts)
    sizes = _cell_sums(np.ones((len(values), 1, values.shape[2]), np.int64), starts)
    return NoiseMeasures(_eighths_of(energies, counts).astype(np.uint8), 2 * counts >= sizes)


def _cell_sums(places: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows, bands, stretches)."""
    columns = np.arange(0, places.shape[2], 1 << CELLS.stretch_log2)
    return np.add.reduceat(np.add.reduceat(places, starts, axis=0), columns, axis=2).transpose(1, 0, 2)


def _eighths_of(energies: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Levels in eighths, of energies of so many places. Uniform noise of at most `a` has the energy a**2 / 3 a place."""
    ratios = 3 * energies / np.maximum(counts, 1) / _UNIT**2
    mantissas, exponents = np.frexp(ratios)
    roots = np.sqrt(np.sqrt(np.sqrt(np.ldexp(1.0, np.arange(EIGHTHS) - EIGHTHS))))  # 2^((k - 8) / 8)
    phases = np.searchsorted(roots, mantissas, side="right") - 1
    found: NDArray[np.int64] = EIGHTHS * (exponents.astype(np.int64) - 1 + UNIT_NOISE_LEVEL) + phases
    return np.where(energies == 0, 0, found - _SOFTER).clip(0, EIGHTHS * MAX_NOISE_LEVEL)
