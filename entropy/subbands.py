"""Which table codes which symbol of a picture's subbands, by small integer networks (SPEC.md, section 4.4).

The channels of a tile, (d, h, w) integers, are put back onto the grids of their subbands. Each symbol's table is chosen by
a network from what is decoded around it: in its own subband, in coarser ones, in other orientations and in other colours.
Symbols go in fronts that cross several subbands at once.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native
from laconic.entropy.contexts import NUM_STEP_BANDS, STEPS_PER_BAND, offset_step_codes
from laconic.entropy.errors import ArgumentError, CorruptStreamError
from laconic.entropy.plain_values import shown, whole_number
from laconic.entropy.tables import TableSet, native_tables_of

if TYPE_CHECKING:
    from jaxtyping import Int, Integer, Shaped, UInt

NUM_SCALES: Final = 48
NUM_LEANS: Final = 4
NUM_SHAPES: Final = 3
MAX_LATER_COST: Final = 1 << 22
_MAX_BIAS: Final = 1 << 28
NUM_FOLLOWINGS: Final = 4
_NUM_ORIENTATIONS: Final = 3
_MOST_COLORS, _MOST_DEPTH, _MOST_LOW_LEVELS = 3, 4, 3

# The arrays of a network in the order of the digest: type and axes.
_ARRAYS: Final[Mapping[str, tuple[type[np.integer[Any]], tuple[str, ...]]]] = {
    "first": (np.int8, ("units", "inputs")),
    "second": (np.int8, ("units", "units")),
    "third": (np.int8, ("outputs", "units")),
    "first_bias": (np.int32, ("kinds", "units")),
    "second_bias": (np.int32, ("units",)),
    "third_bias": (np.int32, ("kinds", "outputs")),
    "first_step": (np.int32, ("units",)),
    "third_step": (np.int32, ("outputs",)),
    "shifts": (np.uint8, ("layers",)),
}


@dataclass(frozen=True, eq=False)
class ContextNetwork:
    """The network of one level: numbers of SPEC.md, section 4.4, named and shaped as there. Raises `ValueError`."""

    first: Int[NDArray[np.int8], "units 40"]
    second: Int[NDArray[np.int8], "units units"]
    third: Int[NDArray[np.int8], "3 units"]
    first_bias: Int[NDArray[np.int32], "kinds units"]
    second_bias: Int[NDArray[np.int32], " units"]
    third_bias: Int[NDArray[np.int32], "kinds 3"]
    first_step: Int[NDArray[np.int32], " units"]
    third_step: Int[NDArray[np.int32], " 3"]
    shifts: UInt[NDArray[np.uint8], " 3"]

    def __post_init__(self) -> None:
        for name in _ARRAYS:
            if not isinstance(getattr(self, name), np.ndarray):
                raise ArgumentError(f"{name} is {shown(getattr(self, name))}; allowed is an array")
        units = self.second.shape[0] if self.second.ndim else 0
        kinds = self.third_bias.shape[0] if self.third_bias.ndim else 0
        sizes = {"units": units, "inputs": 40, "outputs": 3, "kinds": kinds, "layers": 3}
        for name, (dtype, axes) in _ARRAYS.items():
            array, shape = getattr(self, name), tuple(sizes[axis] for axis in axes)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; needed is {np.dtype(dtype)} {shape}")
        _ = self.native  # refuses what could leave 32 bits

    @property
    def arrays(self) -> dict[str, Integer[NDArray[Any], " ..."]]:
        """The arrays by name, in the order of the digest."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def with_offsets(self, offsets: Int[NDArray[np.int16], " kinds"]) -> ContextNetwork:
        """The network of kinds whose step codes are so much smaller. Raises `CorruptStreamError` where its sums could leave
        32 bits then."""
        own = -offsets[: len(self.third_bias), None].astype(np.int64)
        first, third = self.first_bias + own * self.first_step, self.third_bias + own * self.third_step
        largest = max(int(np.abs(biases).max()) for biases in (first, third))
        if largest > _MAX_BIAS:
            raise CorruptStreamError(f"the file's tuning makes a bias of a network {largest}; allowed are {_MAX_BIAS}")
        return replace(self, first_bias=first.astype(np.int32), third_bias=third.astype(np.int32))

    @cached_property
    def native(self) -> _native.NetworkWeights:
        arrays = [np.ascontiguousarray(array) for array in self.arrays.values()]
        return _native.NetworkWeights(len(self.second), len(self.third_bias), *arrays)


@dataclass(frozen=True, eq=False)
class SubbandModel:
    """Networks and tables for the subbands of pictures of `num_colors` colours, 1 to 3.

    `depth`: levels whose subbands are channels of their own, 1 to 4; `low_levels`: further ones, 0 to 3, in the first
    channels. `networks`: of the low band, then of each level, the finest first. `tables`: what they choose from.
    `table_map` (levels + 1, 48, 4, 3) uint8: table by level, scale, lean and shape. `quiet_tables` (levels + 1, 3 colours,
    32) uint8: table by level, kind and step band where all around is 0. `later_costs` (tables, 4, 3) int32, for encoders:
    what a magnitude of 1, 2, or 3 or more costs later symbols more than the one below it, in 2^-16 bits, by the symbol's
    own table and by how much follows it. Raises ValueError where they do not fit together.
    """

    num_colors: int
    depth: int
    low_levels: int
    networks: tuple[ContextNetwork, ...]
    tables: TableSet
    table_map: UInt[NDArray[np.uint8], "networks 48 4 3"]
    quiet_tables: UInt[NDArray[np.uint8], "networks kinds 32"]
    later_costs: Int[NDArray[np.int32], "tables 4 3"]

    num_predicted: ClassVar[int] = 0  # prediction is part of the coding here

    def __post_init__(self) -> None:
        for name, most, least in (
            ("num_colors", _MOST_COLORS, 1),
            ("depth", _MOST_DEPTH, 1),
            ("low_levels", _MOST_LOW_LEVELS, 0),
        ):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least, most))
        if not isinstance(self.networks, tuple | list) or not all(isinstance(n, ContextNetwork) for n in self.networks):
            raise ArgumentError(f"networks are {shown(self.networks)}; allowed is a tuple of ContextNetwork")
        native_tables_of(self.tables)
        num_kinds = _NUM_ORIENTATIONS * self.num_colors
        shapes: dict[str, tuple[type[np.integer[Any]], tuple[int, ...]]] = {
            "table_map": (np.uint8, (self.num_levels + 1, NUM_SCALES, NUM_LEANS, NUM_SHAPES)),
            "quiet_tables": (np.uint8, (self.num_levels + 1, num_kinds, NUM_STEP_BANDS)),
            "later_costs": (np.int32, (len(self.tables), NUM_FOLLOWINGS, 3)),
        }
        for name, (dtype, shape) in shapes.items():
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {shown(array)}; needed is {np.dtype(dtype)} {shape}")
        for name in ("table_map", "quiet_tables"):
            if (most := getattr(self, name).max()) >= len(self.tables):
                raise ValueError(f"{name} names table {most}; there are {len(self.tables)}")
        if np.abs(self.later_costs.astype(np.int64)).max() > MAX_LATER_COST:
            raise ValueError(f"later costs go beyond {MAX_LATER_COST}, 64 bits")
        _ = self.native

    @property
    def num_levels(self) -> int:
        return self.depth + self.low_levels

    @property
    def num_channels(self) -> int:
        return self.num_colors << (2 * self.depth)

    @property
    def channel_ends(self) -> tuple[int, ...]:
        """Last channel + 1 of the low channels together, then of each subband: where coded channels may end."""
        ends = [self.num_colors]
        for level in range(self.depth, 0, -1):
            ends += [ends[-1] + (k << (2 * (self.depth - level))) for k in range(1, 3 * self.num_colors + 1)]
        return tuple(ends)

    def rounded_up(self, num_channels: int) -> int:
        """The channels, whole subbands, that hold the first `num_channels`."""
        return next((end for end in self.channel_ends if end >= num_channels), self.num_channels)

    def to_arrays(self) -> dict[str, Integer[NDArray[Any], " ..."]]:
        """All but the numbers, as arrays to store: those of the networks by number, the tables as bytes."""
        networks = {f"network.{i}.{k}": a for i, network in enumerate(self.networks) for k, a in network.arrays.items()}
        maps = {name: getattr(self, name) for name in ("table_map", "quiet_tables", "later_costs")}
        return {"tables": np.frombuffer(self.tables.to_bytes(), np.uint8), **networks, **maps}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, Shaped[NDArray[Any], " ..."]], *, num_colors: int, depth: int, low_levels: int
    ) -> SubbandModel:
        """Of what `to_arrays` gave, among others. Raises KeyError, ValueError, `BitstreamError`."""
        networks = range(whole_number("depth", depth, 0) + whole_number("low_levels", low_levels, 0) + 1)
        return cls(
            num_colors,
            depth,
            low_levels,
            tuple(ContextNetwork(*(arrays[f"network.{i}.{name}"] for name in _ARRAYS)) for i in networks),
            TableSet.from_bytes(arrays["tables"].tobytes()),
            arrays["table_map"],
            arrays["quiet_tables"],
            arrays["later_costs"],
        )

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of everything that decides a table: equal digests decode each other's streams."""
        sha = hashlib.sha256(self.tables.digest)
        sha.update(struct.pack("<3H", self.num_colors, self.depth, self.low_levels))
        for network in self.networks:
            sha.update(struct.pack("<H", len(network.second)))
            for array in network.arrays.values():
                sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        sha.update(self.table_map.tobytes() + self.quiet_tables.tobytes() + self.later_costs.astype("<i4").tobytes())
        return sha.digest()

    @cached_property
    def native(self) -> _native.SubbandRules:
        maps = np.ascontiguousarray(self.table_map), np.ascontiguousarray(self.quiet_tables)
        return _native.SubbandRules(
            self.num_colors, self.depth, self.low_levels, [network.native for network in self.networks], *maps
        )

    def at_step(self, step_code: int) -> SubbandStepRules:
        """What the rules are at one step."""
        return _rules_at(self, step_code)

    def with_offsets(self, offsets: Int[NDArray[np.int16], "networks kinds"]) -> SubbandModel:
        """The rules of a file whose subbands, by level and kind, have step codes so much smaller than its own (SPEC.md,
        section 9.8). Raises `CorruptStreamError` where sums of networks could leave 32 bits then."""
        quiet = self.quiet_tables.copy()
        for level, kind in np.argwhere(offsets):
            bands = np.array(offset_step_codes(int(offsets[level, kind]))) // STEPS_PER_BAND
            quiet[level, kind] = self.quiet_tables[level, kind, bands]
        networks = tuple(one.with_offsets(of) for one, of in zip(self.networks, offsets, strict=True))
        return replace(self, networks=networks, quiet_tables=quiet)


class SubbandStepRules:
    """A `SubbandModel` at one step."""

    def __init__(self, model: SubbandModel, step_code: int) -> None:
        self.model = model
        self.native = _native.StepSubbandRules(model.native, step_code)

    def code(
        self, tile: _native.SubbandTile | _native.ChosenSubbands, first: int, last: int
    ) -> tuple[Int[NDArray[np.int32], " n"], UInt[NDArray[np.uint8], " n"], UInt[NDArray[np.uint8], " fronts"]]:
        """What is coded of channels first .. last - 1, whole subbands, of a tile that holds these and those before them.

        Returns the symbols in coding order, negated where they are coded so, the table of each, and the number of symbols
        in each front.
        """
        return tile.coded(self.native, self.model.tables.native, first, last)


@lru_cache(maxsize=64)
def _rules_at(model: SubbandModel, step_code: int) -> SubbandStepRules:
    return SubbandStepRules(model, step_code)
