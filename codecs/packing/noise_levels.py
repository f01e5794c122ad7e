"""Levels of the bands of a sound, as files say them (SPEC.md, sections 6.5 and 9.10): how loud each is, and when.

Of them two things are made. Steps are coarser where it is louder, as recognisers and ears see errors beside what is there.
And where integers are 0, noise makes up for what they lack of the level: zeros are silence between the harmonics of speech,
which recognisers and ears miss more than the waveform.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import NUM_CLASSES
from laconic.codecs.packing.layout import LayoutTile
from laconic.codecs.steps import CODE_OF_UNIT_STEP, CODES_PER_OCTAVE, step_of_code
from laconic.entropy.container import MAX_STRETCH_LOG2, Source, read_container_segment, write_container_segment
from laconic.entropy.errors import CorruptStreamError
from laconic.entropy.lossless import decode_lossless, encode_lossless
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

MAX_NOISE_LEVEL: Final = 63
UNIT_NOISE_LEVEL: Final = 38  # of a band whose root mean square is the model's unit
MAX_POWER: Final = 16
MAX_BAND_OFFSET: Final = 64
_MAX_EXPONENT: Final = 128
_HEAD_BYTES: Final = 5
_GAIN_UNIT: Final = 16
_LARGEST: Final = 0.625  # steps: larger values would not have become 0
_GOLDEN: Final = 0x9E3779B9  # of the generator, for each channel
_FACTORS: Final = np.array([step_of_code(CODE_OF_UNIT_STEP + x) for x in range(-_MAX_EXPONENT, _MAX_EXPONENT + 1)])
# The largest of uniform noise with the energy of what became 0, in 4096ths of a step, by quarters of an octave of the root
# mean square of all from 2^-2.5 steps on: (x^-3 + 0.38^-3)^(-1/3), as found on speech, times the square root of 3.
_AMPLITUDES: Final = np.array(
    [1215, 1416, 1632, 1851, 2060, 2242, 2388, 2495, 2569, 2618, 2648, 2667, 2679, 2686, 2690, 2692, 2694]
)
_FIRST_AMPLITUDE: Final = -40  # of a root mean square of so many sixteenths of an octave
_AMPLITUDE_STEP: Final = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class NoiseCells:
    """Bands of packets, of a channel of each of `num_planes`, by stretches of `2**stretch_log2` places: a cell of each
    plane. A band that begins at packet `e` has `width` packets, or `e // growth` where that is more; the last ends with
    all."""

    width: int
    growth: int
    stretch_log2: int
    num_packets: int
    num_planes: int

    @property
    def edges(self) -> list[int]:
        """The packets where bands begin, and where the last ends."""
        found = [0]
        while found[-1] < self.num_packets:
            found.append(min(found[-1] + max(self.width, found[-1] // self.growth), self.num_packets))
        return found

    def rows_of_bands(self, num_channels: int) -> list[slice]:
        """The channels of all planes of each band, of the first so many."""
        return [slice(*(min(end * self.num_planes, num_channels) for end in ends)) for ends in pairwise(self.edges)]

    def num_stretches(self, num_places: int) -> int:
        return -(-num_places >> self.stretch_log2)

    def sums(self, places: Int[NDArray[np.int64], "d rows t"]) -> Int[NDArray[np.int64], "rows bands stretches"]:
        """Over the cells, of all channels."""
        d, rows, length = places.shape
        columns = np.arange(0, length, 1 << self.stretch_log2)
        of_stretches = np.add.reduceat(places, columns, axis=2).reshape(d // self.num_planes, -1, rows, len(columns))
        found = np.add.reduceat(of_stretches, self.edges[:-1], axis=0).transpose(2, 1, 0, 3)
        return np.ascontiguousarray(found).reshape(rows, -1, len(columns))

    def sizes(self, length: int) -> Int[NDArray[np.int64], "bands stretches"]:
        """The coefficients of each cell, of a latent of so many places."""
        of_bands = np.tile(np.diff(self.edges), self.num_planes)
        begins = np.arange(self.num_stretches(length)) << self.stretch_log2
        found: Int[NDArray[np.int64], "bands stretches"] = of_bands[:, None] * np.minimum(
            length - begins, 1 << self.stretch_log2
        )
        return found


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """`levels` (rows, bands, stretches), all bands of a plane, then of the next, 0 to 63: half octaves, 38 for a root mean
    square of one unit of the model; at 0 there is no noise. Steps of a cell are coarser by `power` sixteenths of the
    octaves that its level is above 38, and by `offsets`, (bands,), in sixteenths of an octave. `gain`: of noise, in
    sixteenths. `first`: the place at which the latent begins, of a part of a sound, a multiple of a stretch. Two are equal
    where all of that is."""

    cells: NoiseCells
    levels: UInt[NDArray[np.uint8], "rows bands stretches"]
    power: int
    gain: int
    offsets: Int[NDArray[np.int8], " bands"]
    first: int = 0

    def packed(self, tables: TableSet) -> bytes:
        """As `Header.noise_levels`."""
        plane = self.levels.reshape(-1, self.levels.shape[2]).astype(np.int32)
        segment = write_container_segment(encode_lossless(plane, tables), 0, with_channels=False)
        cells = self.cells
        head = bytes([cells.width, cells.growth, cells.stretch_log2, self.power, self.gain])
        return head + self.offsets.tobytes() + segment

    def scale(self, points: Float[Floats, "d rows t"], *, finer: bool = False) -> None:
        """Points of the first channels from steps of the file to those of the cells, in place; `finer`: to what a quantiser
        with the step of the file is to see."""
        if not self.power and not self.offsets.any():
            return
        exponents = self._exponents(self._levels_of(points.shape[2]))
        factors = _FACTORS[(-exponents if finer else exponents) + _MAX_EXPONENT]
        for band, rows in enumerate(self.cells.rows_of_bands(len(points))):
            points[rows] *= self._spread(factors, band, points[rows].shape)

    def fill(
        self,
        points: Float[Floats, "d rows t"],
        values: Int[NDArray[np.int32], "d rows t"],
        step_code: int,
        step: float,
    ) -> None:
        """Puts noise into points where values are 0, the first channels of a latent; `points` and the `step` of the file,
        with this code, in one unit."""
        levels = self._levels_of(points.shape[2])
        exponents = self._exponents(levels)
        of_cells = self._amplitudes(levels, exponents, step_code)
        largest = of_cells * _FACTORS[exponents + _MAX_EXPONENT] * np.float32(step)
        for band, rows in enumerate(self.cells.rows_of_bands(len(points))):
            part = np.ascontiguousarray(values[rows])
            amplitudes = self._spread(largest, band, part.shape)
            if not amplitudes.any():
                continue
            noise = np.zeros(part.shape, np.float32)
            unit, everywhere = np.ones((len(part), NUM_CLASSES), np.float32), np.zeros(part.shape[1:], np.uint8)
            seed = _GOLDEN * rows.start & 0xFFFFFFFF
            _native.fill_points(part, everywhere, unit, seed, 0, self.first, noise)
            noise *= amplitudes
            np.copyto(points[rows], noise, where=part == 0)

    def without(self, tiles: Iterable[LayoutTile], grid: tuple[int, int]) -> NoiseLevels:
        """Levels 0 in stretches all of which are in these tiles, of a whole sound with these sides."""
        places = np.zeros(grid, np.bool_)
        for tile in tiles:
            tile.cut(places)[...] = True
        begins = np.arange(0, grid[1], 1 << self.cells.stretch_log2)
        is_left_out = np.logical_and.reduceat(places, begins, axis=1)
        return replace(self, levels=np.where(is_left_out[:, None], np.uint8(0), self.levels))

    def _levels_of(self, length: int) -> UInt[NDArray[np.uint8], "rows bands stretches"]:
        """Of a latent of so many places that begins at `first`."""
        begin = self.first >> self.cells.stretch_log2
        return self.levels[:, :, begin : begin + self.cells.num_stretches(length)]

    def _exponents(
        self, levels: UInt[NDArray[np.uint8], "rows bands stretches"]
    ) -> Int[NDArray[np.int64], "rows bands stretches"]:
        """By how many sixteenths of an octave the steps of cells are coarser than the file's."""
        above = np.where(levels == 0, 0, levels.astype(np.int64) - UNIT_NOISE_LEVEL)
        found: NDArray[np.int64] = (self.power * above >> 1) + self.offsets[:, None]
        return found.clip(-_MAX_EXPONENT, _MAX_EXPONENT)

    def _amplitudes(
        self,
        levels: UInt[NDArray[np.uint8], "rows bands stretches"],
        exponents: Int[NDArray[np.int64], "rows bands stretches"],
        step_code: int,
    ) -> Float[Floats, "rows bands stretches"]:
        """Of the noise of each cell, in its steps: as loud as what becomes 0 where a band has its level."""
        above = 8 * (levels.astype(np.int64) - UNIT_NOISE_LEVEL) - (step_code - CODE_OF_UNIT_STEP) - exponents
        found = _amplitudes_of(above) * (self.gain / _GAIN_UNIT)
        out: Float[Floats, "rows bands stretches"] = np.minimum(found, _LARGEST).astype(np.float32)
        out[levels == 0] = 0
        return out

    def _spread(
        self, of_cells: Float[Floats, "rows bands stretches"], band: int, shape: tuple[int, ...]
    ) -> Float[Floats, "n rows t"]:
        """What a band has at each of its channels and places."""
        channels, _, length = shape
        planes = np.arange(channels) % self.cells.num_planes
        own = of_cells[:, planes * (len(self.cells.edges) - 1) + band].transpose(1, 0, 2)
        return own.repeat(1 << self.cells.stretch_log2, axis=2)[..., :length]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoiseLevels):
            return NotImplemented
        mine, its = ((n.cells, n.power, n.gain, n.first, n.offsets.tobytes()) for n in (self, other))
        return mine == its and np.array_equal(self.levels, other.levels)


def _amplitudes_of(above: Int[NDArray[np.int64], "*n"]) -> Float[NDArray[np.float64], "*n"]:
    """Of root mean squares so many sixteenths of an octave above a step: linear in them where all of a band becomes 0,
    between points of a table elsewhere."""
    softer = (above - _FIRST_AMPLITUDE).clip(max=0)
    soft = np.ldexp(_AMPLITUDES[0] * _FACTORS[softer % CODES_PER_OCTAVE + _MAX_EXPONENT], softer // CODES_PER_OCTAVE)
    index, rest = np.divmod(
        (above - _FIRST_AMPLITUDE).clip(0, _AMPLITUDE_STEP * (len(_AMPLITUDES) - 1)), _AMPLITUDE_STEP
    )
    next_one = _AMPLITUDES[np.minimum(index + 1, len(_AMPLITUDES) - 1)]
    louder = ((_AMPLITUDE_STEP - rest) * _AMPLITUDES[index] + rest * next_one) / _AMPLITUDE_STEP
    found: Float[NDArray[np.float64], "*n"] = np.where(above < _FIRST_AMPLITUDE, soft, louder) / 4096
    return found


def check_noise_levels(noise: NoiseLevels, grid: tuple[int, int], model: Model) -> None:
    """Raises `CodecError` where they are not those of a sound whose latent has these sides."""
    if model.kind != "sound":
        raise CodecError("the latent has levels of noise, which only sounds have; leave them out")
    cells = noise.cells
    if (cells.num_packets, cells.num_planes) != (_num_packets(model), model.num_planes):
        raise CodecError(
            f"the latent has levels of {cells.num_packets} packets of {cells.num_planes} planes; its model has "
            f"{_num_packets(model)} of {model.num_planes}"
        )
    needed = _shape_of(cells, grid)
    if noise.levels.shape != needed or noise.offsets.shape != needed[1:2]:
        raise CodecError(
            f"the latent has levels of noise of shape {noise.levels.shape} with {len(noise.offsets)} offsets; needed is "
            f"{needed} with {needed[1]}"
        )


def _num_packets(model: Model) -> int:
    return model.num_channels // model.num_planes


def _shape_of(cells: NoiseCells, grid: tuple[int, int]) -> tuple[int, int, int]:
    return grid[0], (len(cells.edges) - 1) * cells.num_planes, cells.num_stretches(grid[1])


def unpacked_noise_levels(packed: bytes, grid: tuple[int, int], model: Model) -> NoiseLevels:
    """Those of a sound whose latent has these sides, from `Header.noise_levels`. Raises `BitstreamError`."""
    if len(packed) < _HEAD_BYTES:
        raise CorruptStreamError(
            f"the section of noise has {len(packed)} bytes; needed are {_HEAD_BYTES}, one for each band, and a segment"
        )
    width, growth, stretch_log2, power, gain = packed[:_HEAD_BYTES]
    cells = NoiseCells(width, growth, stretch_log2, _num_packets(model), model.num_planes)
    is_known = cells.width and cells.growth and cells.stretch_log2 <= MAX_STRETCH_LOG2 and power <= MAX_POWER
    if not is_known or not grid[1]:
        raise CorruptStreamError(
            f"the section of noise begins with {list(packed[:_HEAD_BYTES])} for {grid[1]} places; allowed are two numbers "
            f"from 1 to 255, then one up to {MAX_STRETCH_LOG2}, one up to {MAX_POWER}, and any, for at least one place"
        )
    rows, bands, stretches = _shape_of(cells, grid)
    offsets = np.frombuffer(packed[_HEAD_BYTES : _HEAD_BYTES + bands], np.int8)
    if len(offsets) < bands or np.abs(offsets.astype(np.int16)).max() > MAX_BAND_OFFSET:
        raise CorruptStreamError(
            f"the section of noise has offsets {offsets.tolist()}; needed are {bands} of up to {MAX_BAND_OFFSET}"
        )
    source = Source(packed)
    source.seek(_HEAD_BYTES + bands)
    segment = read_container_segment(source, 0, with_channels=False)
    if source.remaining():
        raise CorruptStreamError(
            f"the section of noise has {source.remaining()} bytes after its segment; needed is none"
        )
    plane = decode_lossless(segment, rows * bands, stretches, model.contexts.static_tables)
    if plane.min() < 0 or plane.max() > MAX_NOISE_LEVEL:
        raise CorruptStreamError(
            f"levels of noise run from {plane.min()} to {plane.max()}; allowed is 0 to {MAX_NOISE_LEVEL}"
        )
    levels = plane.astype(np.uint8).reshape(rows, bands, stretches)
    return NoiseLevels(cells, levels, power, gain, offsets)
