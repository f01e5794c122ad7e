"""How loud are the bands of a sound? Their levels in a file, found in integers, the same on every machine.

Found on speech (AN4, training utterances, 9 to 16 kbit/s) by log-mel distance: bands of 500 Hz and more by 16 ms; steps
that follow levels nearly as they are, so that quiet bands are heard as well as loud ones, and that are as much coarser as
mel bands are wider, up to 8 kHz, since what is asked of a band is the sum of what falls into it. A level is that of the
mean magnitude: the mean square is that of a band's loudest moment. Music is served by the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.binary_logs import binary_logs
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.models.tunings import NOISE_TUNE
from laconic.codecs.packing.noise_levels import (
    MAX_BAND_OFFSET,
    MAX_NOISE_LEVEL,
    UNIT_NOISE_LEVEL,
    NoiseCells,
    NoiseLevels,
)
from laconic.codecs.steps import CODE_OF_UNIT_STEP, step_of_code
from laconic.codecs.transform.kept_levels import EIGHTHS, kept_levels

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_WIDTH: Final = 8
_GROWTH: Final = 6
_STRETCH_LOG2_SAMPLES: Final = 8  # at rates up to the first, of 16 ms at 16 kHz
_RATES_HZ: Final = (16_000, 32_000, 64_000, 128_000)  # above each, stretches of twice as many samples
_POWER: Final = 13
_GAIN: Final = 13
_LOWEST_HZ: Final = 700  # of the mel scale: log2(1 + f / 700), as in HTK
_MIDDLE_HZ: Final = 1000  # of a band with the step of the file
_HIGHEST_HZ: Final = 8000
_UNIT: Final = 256  # of that of the model: coefficients become integers
_LARGEST: Final = 1 << 23
_EIGHTHS_LOG2: Final = EIGHTHS.bit_length() - 1
_FLOOR: Final = 2.0**-16  # in units of the sound's level: what is softer counts as this
_SILENCE: Final = 2.0**-20  # what is softer is none
_GAUSSIAN: Final = 1.5707963267948966  # mean square over squared mean magnitude of a normal density, pi / 2


def stores_noise(model: Model, tune: str | None) -> bool:
    """Whether files of a tune have such levels: of sounds, for recognisers, which is the usual one."""
    return model.kind == "sound" and tune in (None, NOISE_TUNE)


@dataclass(frozen=True)
class BandMeter:
    """What measures a sound's levels: the cells of a model's latents, its unit, and the rate of the sound."""

    cells: NoiseCells
    unit: float
    sample_rate: int

    @classmethod
    def of_tree(cls, tree: Tree, num_planes: int, unit: float, sample_rate: int) -> BandMeter:
        stretch_log2 = _STRETCH_LOG2_SAMPLES + sum(sample_rate > rate for rate in _RATES_HZ)
        cells = NoiseCells(_WIDTH, _GROWTH, max(0, stretch_log2 - tree.depth), tree.num_bands**tree.depth, num_planes)
        return cls(cells, unit, sample_rate)

    @classmethod
    def of_model(cls, model: Model, sample_rate: int) -> BandMeter:
        return cls.of_tree(model.tree, model.num_planes, model.unit, sample_rate)

    def levels(self, coefficients: Float[NDArray[np.float32], "d rows t"]) -> NoiseLevels:
        """Those of a sound."""
        return self.levels_of_measures([self.measured(coefficients)])

    def levels_of_measures(self, measures: Sequence[Int[NDArray[np.int16], "rows bands stretches"]]) -> NoiseLevels:
        """Those of a sound, of stretches that follow each other."""
        levels = kept_levels(np.concatenate(measures, axis=2))
        return NoiseLevels(self.cells, levels, _POWER, _GAIN, np.tile(self._offsets(), self.cells.num_planes))

    def measured(
        self, coefficients: Float[NDArray[np.float32], "d rows t"]
    ) -> Int[NDArray[np.int16], "rows bands stretches"]:
        """In eighths, of a sound, or of some places of it that begin and end, but for its end, where cells do."""
        scaled = np.minimum(np.rint(np.abs(coefficients) * np.float32(_UNIT / self.unit)), np.float32(_LARGEST))
        means = self.cells.sums(scaled.astype(np.int64)) / self.cells.sizes(coefficients.shape[2]) / _UNIT
        eighths = _eighths_of(means * means * _GAUSSIAN)
        floor, silence = (int(_eighths_of(np.array((rms / self.unit) ** 2))) for rms in (_FLOOR, _SILENCE))
        heard = np.where(eighths < silence, 0, np.maximum(eighths, floor))
        return heard.clip(0, EIGHTHS * MAX_NOISE_LEVEL).astype(np.int16)

    def _offsets(self) -> Int[NDArray[np.int8], " bands"]:
        """Sixteenths of an octave: 20 for each octave of the width of mel bands."""
        edges = np.array(self.cells.edges)
        middles_hz = (edges[:-1] + edges[1:]) * (self.sample_rate / (4 * self.cells.num_packets))
        ratios = (_LOWEST_HZ + np.minimum(middles_hz, _HIGHEST_HZ)) / (_LOWEST_HZ + _MIDDLE_HZ)
        powers = ratios * np.sqrt(np.sqrt(ratios))
        steps = np.array([step_of_code(CODE_OF_UNIT_STEP + x) for x in range(-MAX_BAND_OFFSET, MAX_BAND_OFFSET)])
        found: Int[NDArray[np.int8], " bands"] = (np.searchsorted(steps, powers) - MAX_BAND_OFFSET).astype(np.int8)
        return found


def _eighths_of(ratios: Float[NDArray[np.float64], "*n"]) -> Int[NDArray[np.int64], "*n"]:
    """Levels, in eighths, of mean squares in squares of the unit; far below 0 for none."""
    found = EIGHTHS * UNIT_NOISE_LEVEL + binary_logs(ratios, _EIGHTHS_LOG2)
    return np.where(ratios == 0, -(1 << 20), found)
