"""Which table codes which symbol: integer rules over what is already decoded (SPEC.md, section 4).

The planes of a tile, (d, h, w) integers, are coded in one of two profiles. `fast` gives each channel one table at each
step. `small` estimates a scale for every symbol from its decoded neighbours in the channel and from earlier channels at
the place and around it; the channels of a *pass* go side by side, in *fronts* that cross the plane, so that a front is
one round of many lanes.

The first `num_predicted` channels are coded as residuals of the median edge detector. Where the lowest channels have
further wavelet levels, they are put apart (`low_planes`) and have rules of their own.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native
from laconic.entropy.errors import ArgumentError
from laconic.entropy.plain_values import shown, whole_number
from laconic.entropy.tables import TableSet, native_tables_of

if TYPE_CHECKING:
    from jaxtyping import Int, Integer, Shaped, UInt

NUM_STEP_BANDS: Final = 32
STEPS_PER_BAND: Final = 8
NUM_LEVELS: Final = 96
NUM_LEANS: Final = 4
NUM_NEIGHBOURS: Final = 6
_NUM_LEANING: Final = 4  # neighbours that have a lean weight, the first ones
MAX_PASS_CHANNELS: Final = 64
MAX_CHANNELS: Final = 65535
MAX_FEATURES: Final = 8
MAX_NEIGHBOUR_SUM: Final = 516
MAX_LEAN_SUM: Final = 255
MAX_MAGNITUDE: Final = 127  # a neighbour counts for no more

# The arrays of a context model in the order of its digest: type and axes.
_ARRAYS: Final[Mapping[str, tuple[type[np.integer[Any]], tuple[str, ...]]]] = {
    "static_index": (np.uint8, ("bands", "channels")),
    "base": (np.uint16, ("bands", "channels")),
    "neighbour_weights": (np.uint8, ("channels", "neighbours")),
    "lean_weights": (np.int8, ("channels", "leaning")),
    "feature_weights": (np.uint16, ("channels", "features")),
    "own_weights": (np.uint8, ("passes", "features", "channels")),
    "ring_weights": (np.uint8, ("passes", "features", "channels")),
    "table_map": (np.uint8, ("leans", "levels")),
}
CONTEXT_ARRAYS: Final = tuple(_ARRAYS)


@dataclass(frozen=True, eq=False)
class ContextWeights:
    """The numbers of SPEC.md, section 4.3, for d channels, J features, named and shaped as there.

    `pass_ends`: last channel + 1 of each pass, ascending, ending with d, at most 64 channels a pass. `num_predicted`:
    leading channels coded as prediction residuals. `base` (32, d) uint16: by step band, the channel's level where all
    around is 0. `neighbour_weights` (d, 6) uint8: left, up, up-left, up-right, two left, two up. `lean_weights` (d, 4)
    int8: the first four of these. `feature_weights` (d, J) uint16. `own_weights`, `ring_weights` (passes, J, d) uint8.
    """

    pass_ends: tuple[int, ...]
    num_predicted: int
    base: UInt[NDArray[np.uint16], "32 d"]
    neighbour_weights: UInt[NDArray[np.uint8], "d 6"]
    lean_weights: Int[NDArray[np.int8], "d 4"]
    feature_weights: UInt[NDArray[np.uint16], "d features"]
    own_weights: UInt[NDArray[np.uint8], "passes features d"]
    ring_weights: UInt[NDArray[np.uint8], "passes features d"]

    @property
    def num_channels(self) -> int:
        return self.pass_ends[-1]


@dataclass(frozen=True, eq=False)
class ContextModel(ContextWeights):
    """Integer tables and rules for the planes of one model.

    `tables`: those of profile small, `static_tables` those of profile fast. `static_index` (32, d) uint8: by step band,
    the channel's table. `table_map` (4, 96) uint8: table by lean and level. `low`: rules, with the same tables, for the
    first pass where it has further levels; its `num_predicted` are the planes of that pass, of which each has 4**levels
    channels. Raises ValueError where they do not fit together.
    """

    tables: TableSet
    static_tables: TableSet
    static_index: UInt[NDArray[np.uint8], "32 d"]
    table_map: UInt[NDArray[np.uint8], "4 96"]
    low: ContextModel | None = None

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_arrays()
        if self.low is not None:
            if not isinstance(self.low, ContextModel):
                raise ArgumentError(f"low is {shown(self.low)}; allowed is a ContextModel or None")
            self._check_low(self.low)

    def _check_low(self, low: ContextModel) -> None:
        planes = low.num_predicted
        share, rest = divmod(low.num_channels, max(planes, 1))
        if low.low is not None or self.num_predicted or self.pass_ends[0] != planes or rest or share not in (4, 16):
            raise ValueError(
                f"low contexts have {low.num_channels} channels of {planes} planes, the first pass {self.pass_ends[0]} "
                f"channels and {self.num_predicted} predicted; needed are 4 or 16 for each plane, as many planes as "
                "channels in the first pass, and none predicted but there"
            )
        if low.tables is not self.tables or low.static_tables is not self.static_tables:
            raise ValueError("low contexts have tables of their own; needed are those of the others")

    @property
    def low_levels(self) -> int:
        """Further levels of the first pass."""
        return 0 if self.low is None else 1 if self.low.num_channels == 4 * self.low.num_predicted else 2

    def _check_numbers(self) -> None:
        object.__setattr__(self, "num_predicted", whole_number("num_predicted", self.num_predicted, 0))
        if not isinstance(self.pass_ends, tuple | list) or not all(type(number) is int for number in self.pass_ends):
            raise ArgumentError(f"pass ends are {shown(self.pass_ends)}; allowed is a tuple of integers")
        sizes = [b - a for a, b in pairwise((0, *self.pass_ends))]
        if not sizes or min(sizes) < 1 or max(sizes) > MAX_PASS_CHANNELS:
            raise ValueError(f"pass ends are {self.pass_ends}; they must ascend by 1 to {MAX_PASS_CHANNELS} channels")
        if self.num_channels > MAX_CHANNELS:
            raise ValueError(f"passes end at {self.num_channels}; allowed is at most {MAX_CHANNELS}")
        if not 0 <= self.num_predicted <= self.num_channels:
            raise ValueError(f"{self.num_predicted} predicted channels; allowed is 0 to {self.num_channels}")

    def _check_arrays(self) -> None:
        for name in CONTEXT_ARRAYS:
            if not isinstance(getattr(self, name), np.ndarray):
                raise ArgumentError(f"{name} is {shown(getattr(self, name))}; allowed is an array")
        for tables in (self.tables, self.static_tables):
            native_tables_of(tables)
        features = self.feature_weights.shape[-1] if self.feature_weights.ndim else 0
        if features > MAX_FEATURES:
            raise ValueError(f"{features} features; allowed is 0 to {MAX_FEATURES}")
        sizes = {"bands": NUM_STEP_BANDS, "channels": self.num_channels, "passes": len(self.pass_ends)}
        sizes |= {"neighbours": NUM_NEIGHBOURS, "leaning": _NUM_LEANING, "features": features}
        sizes |= {"leans": NUM_LEANS, "levels": NUM_LEVELS}
        for name, (dtype, axes) in _ARRAYS.items():
            array, shape = getattr(self, name), tuple(sizes[axis] for axis in axes)
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} is {array.dtype} {array.shape}; needed is {np.dtype(dtype)} {shape}")
        for name, axis_sum, most in (
            ("neighbour_weights", self.neighbour_weights.sum(1, dtype=int), MAX_NEIGHBOUR_SUM),
            ("lean_weights", np.abs(self.lean_weights.astype(int)).sum(1), MAX_LEAN_SUM),
        ):
            if axis_sum.max() > most:
                raise ValueError(f"{name} of a channel sum to {axis_sum.max()}; allowed is at most {most}")
        for name, used, tables in (
            ("table_map", self.table_map, self.tables),
            ("static_index", self.static_index, self.static_tables),
        ):
            if used.max() >= len(tables):
                raise ValueError(f"{name} names table {used.max()}; there are {len(tables)}")

    @property
    def arrays(self) -> dict[str, Integer[NDArray[Any], " ..."]]:
        """The arrays by name, in the order of the digest."""
        return {name: getattr(self, name) for name in CONTEXT_ARRAYS}

    def to_arrays(self) -> dict[str, Integer[NDArray[Any], " ..."]]:
        """All but the numbers, as arrays to store: `arrays`, and the bytes of both sets of tables."""
        tables = {"tables": self.tables, "static_tables": self.static_tables}
        low = {} if self.low is None else {f"low.{name}": array for name, array in self.low.arrays.items()}
        return {**{name: np.frombuffer(one.to_bytes(), np.uint8) for name, one in tables.items()}, **self.arrays, **low}

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, Shaped[NDArray[Any], " ..."]],
        *,
        pass_ends: Sequence[int],
        num_predicted: int,
        low_pass_ends: Sequence[int] = (),
    ) -> ContextModel:
        """Of what `to_arrays` gave, among others; `low_pass_ends` are those of `low`. Raises KeyError, ValueError,
        `BitstreamError`."""
        tables = TableSet.from_bytes(arrays["tables"].tobytes())
        static_tables = TableSet.from_bytes(arrays["static_tables"].tobytes())

        def part(ends: Sequence[int], predicted: int, prefix: str) -> ContextModel:
            own: dict[str, Any] = {name: arrays[prefix + name] for name in CONTEXT_ARRAYS}
            return cls(
                pass_ends=tuple(ends), num_predicted=predicted, tables=tables, static_tables=static_tables, **own
            )

        whole = part(pass_ends, num_predicted, "")
        return replace(whole, low=part(low_pass_ends, pass_ends[0], "low.")) if low_pass_ends else whole

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of everything that decides a table: equal digests decode each other's streams."""
        sha = hashlib.sha256(self.tables.digest + self.static_tables.digest)
        numbers = (len(self.pass_ends), *self.pass_ends, self.num_predicted)
        sha.update(struct.pack(f"<{len(numbers)}H", *numbers))
        for array in self.arrays.values():
            sha.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        if self.low is not None:
            sha.update(self.low.digest)
        return sha.digest()

    @cached_property
    def native(self) -> _native.ContextRules:
        """The rules of profile small as the native core holds them."""
        return _native.ContextRules(
            self.pass_ends,
            self.feature_weights.shape[1],
            np.ascontiguousarray(self.neighbour_weights),
            np.ascontiguousarray(self.lean_weights),
            np.ascontiguousarray(self.feature_weights),
            np.ascontiguousarray(self.own_weights),
            np.ascontiguousarray(self.ring_weights),
            np.ascontiguousarray(self.table_map),
        )

    def at_step(self, step_code: int) -> ContextStepRules:
        """What the rules are at one step."""
        return _rules_at(self, step_code)

    def with_offsets(
        self, offsets: Int[NDArray[np.int16], " d"], low_offsets: Int[NDArray[np.int16], " low"] | None = None
    ) -> ContextModel:
        """The rules of a file whose channels have step codes so much smaller than its own (SPEC.md, section 9.8)."""
        low = self.low
        return replace(
            self,
            base=_with_offsets(self.base, offsets),
            static_index=_with_offsets(self.static_index, offsets),
            low=low if low is None or low_offsets is None else low.with_offsets(low_offsets),
        )


class ContextStepRules:
    """A `ContextModel` at one step: `base` (d,) uint16 and `static_index` (d,) uint8; `low` likewise of its low part."""

    def __init__(self, model: ContextModel, step_code: int) -> None:
        self.model = model
        self.low = None if model.low is None else model.low.at_step(step_code)
        self.base = _between_bands(model.base, step_code)
        self.static_index = _between_bands(model.static_index, step_code)

    def code(
        self, symbols: Int[NDArray[np.int32], "d h w"], first: int, last: int
    ) -> tuple[Int[NDArray[np.int32], " n"], UInt[NDArray[np.uint8], " n"], UInt[NDArray[np.uint8], " fronts"]]:
        """Profile small: what is coded of channels first .. last - 1 of (d, h, w) symbols.

        Returns the symbols in coding order, negated where they are coded so, the table of each, and the number of
        symbols in each front.
        """
        return _native.coded_symbols(self.model.native, self.model.tables.native, self.base, symbols, first, last)


@lru_cache(maxsize=64)
def _rules_at(model: ContextModel, step_code: int) -> ContextStepRules:
    return ContextStepRules(model, step_code)


def residuals_of_context_prediction(planes: Integer[NDArray[Any], "*d h w"]) -> Int[NDArray[np.int32], "*d h w"]:
    """Residuals of the median edge detector over (h, w) or (d, h, w) int16 or int32; wraps modulo 2**32."""
    residuals = np.empty(planes.shape, np.int32)
    _native.prediction_residuals(planes_of_contexts(planes), planes_of_contexts(residuals))
    return residuals


def undo_context_prediction(residuals: Int[NDArray[np.int32], "*d h w"]) -> None:
    """Turn the residuals of contiguous (h, w) or (d, h, w) planes into their values, in place."""
    _native.undo_prediction(residuals if residuals.ndim == 3 else residuals[None])


def planes_of_contexts(array: Integer[NDArray[Any], "*d h w"]) -> Int[NDArray[Any], "_ h w"]:
    """(h, w) or (d, h, w) as (d, h, w), int16 or int32, with rows in one piece: the same memory where that goes."""
    if array.dtype not in (np.int16, np.int32):
        array = array.astype(np.int32)
    if array.strides[-1] != array.itemsize:
        array = np.ascontiguousarray(array)
    return array if array.ndim == 3 else array[None]


def offset_step_codes(offset: int) -> list[int]:
    """The step codes, 0 to 255, whose numbers stand for those of the middles of the bands at such an offset."""
    middles = range(STEPS_PER_BAND // 2, NUM_STEP_BANDS * STEPS_PER_BAND, STEPS_PER_BAND)
    return [min(max(middle - offset, 0), NUM_STEP_BANDS * STEPS_PER_BAND - 1) for middle in middles]


def _with_offsets(numbers: NDArray[Any], offsets: NDArray[np.int16]) -> NDArray[Any]:
    """Numbers stored for bands, (32, d), of channels with these offsets."""
    out = numbers.copy()
    for offset in set(offsets.tolist()) - {0}:
        alike = offsets == offset
        out[:, alike] = [_between_bands(numbers[:, alike], code) for code in offset_step_codes(offset)]
    return out


def _between_bands(numbers: NDArray[Any], step_code: int) -> NDArray[Any]:
    """Numbers stored for bands, (32, d), at one step: those of the middle of a band, linear between two middles."""
    band, phase = divmod(step_code - STEPS_PER_BAND // 2, STEPS_PER_BAND)
    below = numbers[max(band, 0)].astype(np.int64)
    above = numbers[min(band + 1, NUM_STEP_BANDS - 1)].astype(np.int64)
    mixed = ((STEPS_PER_BAND - phase) * below + phase * above + STEPS_PER_BAND // 2) // STEPS_PER_BAND
    return np.ascontiguousarray(mixed.astype(numbers.dtype))
