"""Levels: how loud a sound or a cube is. Samples are coded in units of their level, so that a quality means the same for a
whisper and a shout, for counts and millivolts (SPEC.md, sections 6.2 and 8).

A level is the root mean square of what is no silence (`loudness`), in sixteenths of an octave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.loudness import SampleReading, joined_codes, level_codes_of, peaks_of_planes, reading_of_planes
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.steps import CODES_PER_OCTAVE, MANTISSAS
from laconic.entropy.container import MAX_LEVEL_CODE, MAX_LEVELS

if TYPE_CHECKING:
    from jaxtyping import Float, Num

OFFSETS_PER_UNIT: Final = 16
_SOUND_BIAS: Final = 54  # level 0 is a root mean square near a tenth
_CUBE_BIAS: Final = 32  # and of cubes a quarter, near that of pictures
_CONSTANT_BITS: Final = 20
_LARGEST: Final = np.finfo(np.float32).max

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Levels:
    """`codes`: one for all channels of a sound or planes of a cube, or one for each. `offset_codes`: of a cube's planes, in
    sixteenths of the octave below their level, over what the model has as the middle of such planes."""

    codes: tuple[int, ...] = (0,)
    offset_codes: tuple[int, ...] = ()

    def fit(self, num_planes: int, *, has_offsets: bool) -> bool:
        """Whether a file of so many channels or planes can say them."""
        in_range = all(abs(code) <= MAX_LEVEL_CODE for code in self.codes)
        most = num_planes if num_planes <= MAX_LEVELS else 1
        return in_range and len(self.codes) in (1, most) and len(self.offset_codes) == num_planes * has_offsets

    def normalize(
        self, samples: Num[NDArray[Any], " c *sides"], middles: Float[Floats, " planes"]
    ) -> Float[Floats, " c *sides"]:
        """Samples (planes, ...) in units of their level, about 0. `middles`: those of a model for cubes."""
        octaves, mantissas, offsets = self._columns(samples, middles)
        normalized: Floats = (np.ldexp(samples.astype(np.float32), -octaves) - offsets) / mantissas
        return normalized

    def restore(
        self, normalized: Float[Floats, " c *sides"], middles: Float[Floats, " planes"]
    ) -> Float[Floats, " c *sides"]:
        """The inverse of `normalize`, finite."""
        octaves, mantissas, offsets = self._columns(normalized, middles)
        with np.errstate(over="ignore"):
            samples: Floats = np.ldexp(normalized * mantissas + offsets, octaves)
        return samples.clip(-_LARGEST, _LARGEST)

    def gains(self, num_rows: int) -> Float[Floats, " rows"]:
        """What values in units of the level are to be multiplied by, one for all or for each of so many rows of channels:
        the largest of its levels."""
        largest = np.array(self.codes).reshape(1 if len(self.codes) == 1 else num_rows, -1).max(axis=1)
        octaves, mantissas = _parts(largest)
        with np.errstate(over="ignore"):
            gains: Floats = np.ldexp(mantissas, octaves)
        return gains.clip(max=_LARGEST)

    def _columns(self, samples: NDArray[Any], middles: Floats) -> tuple[NDArray[np.int32], Floats, Floats]:
        """Octave, mantissa, offset of each plane, to be used with samples."""
        octaves, mantissas = _parts(np.array(self.codes))
        offsets = np.zeros(1, np.float32)
        if self.offset_codes:
            codes = np.array(self.offset_codes, np.float64)
            offsets = (codes / OFFSETS_PER_UNIT + middles).astype(np.float32)
        column = (-1, *(1,) * (samples.ndim - 1))
        return octaves.reshape(column), mantissas.reshape(column), offsets.reshape(column)


UNLEVELLED: Final = Levels()


def _parts(codes: NDArray[Any]) -> tuple[NDArray[np.int32], Floats]:
    octaves, phases = np.divmod(codes, CODES_PER_OCTAVE)
    return octaves.astype(np.int32), np.array(MANTISSAS, np.float32)[phases]


def levels_of(
    signal: Signal, middles: Float[Floats, " planes"], step: float = 0.0, *, is_joint: bool = False
) -> Levels:
    """The levels at which an encoder codes a signal; pictures have none.

    Channels share one within 20 dB of the loudest; others have their own, as planes of one value do. `middles`: those of
    the model, for cubes. `step`: the quantiser's, in units of the level; planes of integers with levels of their own are
    coded in steps of 1 at least, since finer ones would be spent on what rounding drops. `is_joint`, of cubes: all planes
    share that of the loudest, but for those of one value.
    """
    match signal:
        case Image():
            return Levels()
        case Audio():
            return levels_of_sound(reading_of_planes(signal.samples), peaks_of_planes(signal.samples))
        case Cube():
            return _levels_of_cube(signal, middles, step, is_joint)


def levels_of_sound(read: SampleReading, peaks: Float[NDArray[np.float64], " c"]) -> Levels:
    """The same of the channels of a sound that can be read as often as needed, and their peaks."""
    return Levels(level_codes_of(read, peaks, _SOUND_BIAS))


def _levels_of_cube(cube: Cube, middles: Floats, step: float, is_joint: bool) -> Levels:
    planes = cube.samples.reshape(len(cube.samples), -1)
    means = planes.mean(axis=1, dtype=np.float64)
    about = planes.astype(np.float32) - means.astype(np.float32)[:, None]
    codes = list(level_codes_of(reading_of_planes(about), peaks_of_planes(about), _CUBE_BIAS))
    if is_joint:
        codes = [max(codes)]
    elif step and len(codes) > 1 and cube.samples.dtype.kind in "iu":
        least = math.ceil(-CODES_PER_OCTAVE * math.log2(step))
        codes = [min(max(code, least), max(codes)) for code in codes]
    is_constant = planes.min(axis=1) == planes.max(axis=1)
    if is_constant.any():
        codes = codes * (len(planes) // len(codes))
        for plane in np.flatnonzero(is_constant):
            codes[plane] = _code_of_constant(float(means[plane]))
    octaves = np.floor_divide(codes, CODES_PER_OCTAVE)
    units = np.ldexp(means, -octaves) - middles
    offsets = np.rint(units * OFFSETS_PER_UNIT).astype(np.int64)
    offsets[means == 0 & is_constant] = 0
    return Levels(joined_codes(codes), tuple(offsets.tolist()))


def _code_of_constant(value: float) -> int:
    """A level that is fine enough for the offset to be the value; the least, at which all is 0, for 0."""
    if value == 0:
        return -MAX_LEVEL_CODE
    return CODES_PER_OCTAVE * (int(np.frexp(value)[1]) - _CONSTANT_BITS)
