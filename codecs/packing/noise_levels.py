"""Levels of noise in place of a sound's zeros, as files say them (SPEC.md, sections 6.5 and 9.10).

Zeros are silence between the harmonics of speech, which recognisers and ears miss more than the waveform. A level says how
loud the noise is that stands for the zeros of one band in one stretch of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.entropy.container import MAX_STRETCH_LOG2, Source, read_container_segment, write_container_segment
from laconic.entropy.errors import CorruptStreamError
from laconic.entropy.lossless import decode_lossless, encode_lossless
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

MAX_NOISE_LEVEL: Final = 15
UNIT_NOISE_LEVEL: Final = 10  # at which the largest noise is one step
_HALF_OCTAVE: Final = np.sqrt(np.float32(2))
_HEAD_BYTES: Final = 3
_GOLDEN: Final = 0x9E3779B9  # of the generator, for each channel

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class NoiseCells:
    """Bands of packets by stretches of `2**stretch_log2` places. A band that begins at packet `e` has `width` packets, or
    `e // growth` where that is more; the last ends with the packets."""

    width: int
    growth: int
    stretch_log2: int

    def edges(self, num_packets: int) -> list[int]:
        """Where bands begin, and where the last ends."""
        found = [0]
        while found[-1] < num_packets:
            found.append(min(found[-1] + max(self.width, found[-1] // self.growth), num_packets))
        return found

    def num_stretches(self, num_places: int) -> int:
        return -(-num_places >> self.stretch_log2)


@dataclass(frozen=True, eq=False)
class NoiseLevels:
    """`levels` (rows, bands, stretches), 0 to 15: half octaves, 10 meaning that the noise is at most one step; 0 is none.
    `first`: the place at which the latent begins, of a part of a sound. Two are equal where cells, levels and that are."""

    cells: NoiseCells
    levels: UInt[NDArray[np.uint8], "rows bands stretches"]
    first: int = 0

    def packed(self, tables: TableSet) -> bytes:
        """As `Header.noise_levels`."""
        plane = self.levels.reshape(-1, self.levels.shape[2]).astype(np.int32)
        segment = write_container_segment(encode_lossless(plane, tables), 0, with_channels=False)
        return bytes([self.cells.width, self.cells.growth, self.cells.stretch_log2]) + segment

    def fill(
        self, points: Float[Floats, "d rows t"], values: Int[NDArray[np.int32], "d rows t"], step: float, model: Model
    ) -> None:
        """Puts noise into points where values are 0, the first channels of a latent; `step` and `points` in one unit."""
        values = np.ascontiguousarray(values)
        d, _, length = values.shape
        edges = self.cells.edges(model.num_channels // model.num_planes)
        largest = _largest_noise(step)
        stretch = 1 << self.cells.stretch_log2
        first = self.first // stretch  # of the stretches that are met
        levels = self.levels[:, :, first : -(-(self.first + length) // stretch)]
        for band, ends in enumerate(pairwise(edges)):
            lo, hi = (min(end * model.num_planes, d) for end in ends)
            if lo == hi or not levels[:, band].any():
                continue
            classes = levels[:, band].repeat(stretch, axis=1)[:, self.first - first * stretch :][:, :length]
            of_channels = np.tile(largest, (hi - lo, 1))
            seed = _GOLDEN * lo & 0xFFFFFFFF
            _native.fill_points(
                values[lo:hi], np.ascontiguousarray(classes), of_channels, seed, 0, self.first, points[lo:hi]
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NoiseLevels):
            return NotImplemented
        return (self.cells, self.first) == (other.cells, other.first) and np.array_equal(self.levels, other.levels)


def check_noise_levels(noise: NoiseLevels, grid: tuple[int, int], model: Model) -> None:
    """Raises `CodecError` where they are not those of a sound whose latent has these sides."""
    if model.kind != "sound":
        raise CodecError("the latent has levels of noise, which only sounds have; leave them out")
    needed = _shape_of(noise.cells, grid, model)
    if noise.levels.shape != needed:
        raise CodecError(f"the latent has levels of noise of shape {noise.levels.shape}; needed is {needed}")


def _shape_of(cells: NoiseCells, grid: tuple[int, int], model: Model) -> tuple[int, int, int]:
    num_bands = len(cells.edges(model.num_channels // model.num_planes)) - 1
    return grid[0], num_bands, cells.num_stretches(grid[1])


def unpacked_noise_levels(packed: bytes, grid: tuple[int, int], model: Model) -> NoiseLevels:
    """Those of a sound whose latent has these sides, from `Header.noise_levels`. Raises `BitstreamError`."""
    if len(packed) < _HEAD_BYTES:
        raise CorruptStreamError(
            f"the section of noise has {len(packed)} bytes; needed are {_HEAD_BYTES} and a segment"
        )
    cells = NoiseCells(*packed[:_HEAD_BYTES])
    if not cells.width or not cells.growth or cells.stretch_log2 > MAX_STRETCH_LOG2 or not grid[1]:
        raise CorruptStreamError(
            f"the section of noise begins with {list(packed[:_HEAD_BYTES])} for {grid[1]} places; allowed are two numbers "
            f"from 1 to 255, then one up to {MAX_STRETCH_LOG2}, for at least one place"
        )
    rows, bands, stretches = _shape_of(cells, grid, model)
    source = Source(packed)
    source.seek(_HEAD_BYTES)
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
    return NoiseLevels(cells, plane.astype(np.uint8).reshape(rows, bands, stretches))


def _largest_noise(step: float) -> Float[Floats, " 16"]:
    """Of each level, in the unit of the step; products of float32 alone, the same on every machine."""
    exponents, odd = np.divmod(np.arange(MAX_NOISE_LEVEL + 1) - UNIT_NOISE_LEVEL, 2)
    factors = np.where(odd, _HALF_OCTAVE, np.float32(1))
    largest = np.ldexp(factors, exponents).astype(np.float32) * np.float32(step)
    largest[0] = 0
    return largest
