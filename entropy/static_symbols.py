"""Profile fast: the symbols of one tile, each channel of which has one table (SPEC.md, section 4.1).

What is coded of the first channels, in profile small too, are not their values: residuals of their prediction, or, where
they have further levels, the planes that these are put apart into, those of the low band as residuals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.contexts import (
    ContextStepRules,
    planes_of_contexts,
    residuals_of_context_prediction,
    undo_context_prediction,
)
from laconic.entropy.errors import CorruptStreamError
from laconic.entropy.low_planes import join_low_planes, low_grid, low_runs, split_low_planes

if TYPE_CHECKING:
    from jaxtyping import Int, UInt

    from laconic.entropy.tables import TableSet

Planes = NDArray[Any]  # int16 or int32
Integers = NDArray[np.int32]
Group = tuple[int, int]  # of channels: the first, and the last + 1


def num_led(rules: ContextStepRules) -> int:
    """First channels that others are coded for."""
    return rules.model.num_predicted if rules.low is None else rules.low.model.num_predicted


def leading_symbols(planes: Int[Planes, "d h w"], rules: ContextStepRules) -> Int[Integers, "n _ _"]:
    """What is coded of the first channels of (d, h, w)."""
    first = planes[: num_led(rules)]
    if rules.low is None or not len(first):
        return residuals_of_context_prediction(first)
    apart = split_low_planes(first, rules.model.low_levels).astype(np.int32)
    count = rules.low.model.num_predicted
    apart[:count] = residuals_of_context_prediction(np.ascontiguousarray(apart[:count]))
    return apart


def in_place_symbols(planes: Int[Planes, "d h w"], rules: ContextStepRules) -> Int[Integers, "n h w"]:
    """What is coded of the first channels of (d, h, w), where their values stand, as contexts of others see it."""
    leading = leading_symbols(planes, rules)
    return leading if rules.low is None else joined_symbols(leading, rules, planes.shape)


def joined_symbols(
    leading: Int[Integers, "n _ _"], rules: ContextStepRules, shape: tuple[int, ...]
) -> Int[Integers, "p h w"]:
    """(n, h, w): planes that were put apart, of a tile of shape (d, h, w), where their values stand."""
    return join_low_planes(leading, rules.model.low_levels, shape[1], shape[2])


def no_leading_planes(rules: ContextStepRules, shape: tuple[int, ...]) -> Int[Integers, "n _ _"]:
    """Zeros for what is coded of the first channels of a tile of shape (d, h, w)."""
    if rules.low is None:
        return np.zeros((min(shape[0], num_led(rules)), *shape[1:]), np.int32)
    height, width = low_grid(shape[1], shape[2], rules.model.low_levels)
    return np.zeros((rules.low.model.num_channels, height, width), np.int32)


def leading_values(
    symbols: Int[Integers, "n _ _"], rules: ContextStepRules, shape: tuple[int, ...]
) -> Int[Integers, "_ h w"]:
    """(n, h, w): the first channels of a tile of shape (d, h, w), with further levels, of what is coded of them; residuals
    among `symbols` become values."""
    assert rules.low is not None
    undo_context_prediction(symbols[: rules.low.model.num_predicted])
    return joined_symbols(symbols, rules, shape)


def check_low_end(rules: ContextStepRules, hi: int) -> None:
    """Raises `CorruptStreamError` where coded channels end among those with further levels, which go together."""
    if rules.low is not None and hi < (least := num_led(rules)):
        raise CorruptStreamError(f"coded channels end at {hi}; the first {least} are coded together")


class StaticSymbols:
    """Profile fast: everything is found in one go over the planes."""

    def __init__(
        self,
        leading: Int[Integers, "n _ _"],
        planes: Int[Planes, "d h w"],
        rules: ContextStepRules,
        native: _native.ChannelSymbols,
    ) -> None:
        self._leading = leading
        self._planes = planes
        self._numbers = _Numbers(rules)
        self._tables = rules.model.static_tables  # which the native symbols borrow
        self._native = native
        self._costs = native.costs()

    @classmethod
    def of_tiles(cls, tiles: Sequence[Int[Planes, "d h w"]], rules: ContextStepRules) -> list[StaticSymbols]:
        if not tiles:
            return []
        tables, numbers = rules.model.static_tables, _Numbers(rules)
        indices = numbers.indices[: numbers.end_of(len(tiles[0]))]
        leading = [leading_symbols(tile, rules) for tile in tiles]
        end = numbers.num_leading
        runs = [
            [*numbers.runs(first, tile.shape, 0, end), tile[numbers.num_led :]]
            for first, tile in zip(leading, tiles, strict=True)
        ]
        natives = _native.channel_symbols(tables.native, tables.costs, runs, np.ascontiguousarray(indices))
        return [cls(r, t, rules, n) for r, t, n in zip(leading, tiles, natives, strict=True)]

    def ideal_bits(self, lo: int, hi: int) -> float:
        return sum(self._costs[slice(*self._numbers.of(lo, hi))]) * rans.COST_UNIT_BITS

    def last_used(self, lo: int, hi: int) -> int:
        return self._numbers.channels(self._native.last_used(*self._numbers.of(lo, hi)), lo)

    def checksum(self, lo: int, hi: int) -> int:
        return _checksum(self._leading, self._planes, self._numbers, lo, hi)

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        bounds = [self._numbers.of(*group) for group in groups]
        return self._native.encode(bounds, list(checks[:-1]), lanes, checks[-1] if checks else 0)


class _Numbers:
    """Numbers of what is coded in profile fast: of the first channels what `leading_symbols` gives, then the others."""

    def __init__(self, rules: ContextStepRules) -> None:
        self._low, self._low_levels = rules.low, rules.model.low_levels
        self.num_led = num_led(rules)
        self.num_leading = self.num_led if rules.low is None else rules.low.model.num_channels
        own = rules.static_index
        self.indices: UInt[NDArray[np.uint8], " n"] = (
            own if rules.low is None else np.concatenate([rules.low.static_index, own[self.num_led :]])
        )

    def runs(self, leading: Integers, shape: tuple[int, ...], start: int, end: int) -> list[Integers]:
        """What is coded of `leading` of a tile of shape (d, h, w), planes `start` to `end` - 1: of low planes those places
        that lie in the tile, in runs of as large planes."""
        if self._low is None:
            return [leading[start:end]]
        runs = low_runs(self.num_led, shape[1], shape[2], self._low_levels)
        return [leading[a:b, :rows, :columns] for a, b, rows, columns in runs if start <= a and b <= end]

    def end_of(self, channels: int) -> int:
        """Where what is coded of so many channels ends."""
        return channels if self._low is None or not channels else max(channels - self.num_led, 0) + self.num_leading

    def of(self, lo: int, hi: int) -> tuple[int, int]:
        """Bounds of what is coded of the channels lo..hi-1."""
        return self.end_of(lo), self.end_of(hi)

    def channels(self, end: int, lo: int) -> int:
        """Last channel + 1 of what is coded up to `end`, from channel `lo` on."""
        if self._low is None or end <= self.end_of(lo):
            return max(lo, end) if self._low is None else lo
        return max(end - self.num_leading, 0) + self.num_led


def _checksum(leading: Integers, planes: Planes, numbers: _Numbers, lo: int, hi: int) -> int:
    cut = numbers.num_led
    start, end = (min(bound, len(leading)) for bound in numbers.of(lo, hi))
    return symbol_checksum(*numbers.runs(leading, planes.shape, start, end), planes[max(lo, cut) : max(hi, cut)])


class StaticPlanes:
    """Profile fast: what is coded of the first channels is kept as int32 and the rest as what the values are to be."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        self._rules = rules
        self._numbers = _Numbers(rules)
        self._planes = planes
        self._leading = no_leading_planes(rules, planes.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._planes.dtype

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decode_static_tile_symbols([self], [decoder], [(lo, hi)])

    def clear(self, lo: int, hi: int) -> None:
        self._leading[slice(*self._numbers.of(lo, hi))] = 0
        self._planes[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return _checksum(self._leading, self._planes, self._numbers, lo, hi)

    def widen(self) -> None:
        self._planes = self._planes.astype(np.int32)

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        if not num_used:
            return self._planes
        first = self._planes[: min(num_used, self._numbers.num_led)]
        if self._rules.low is not None:
            predicted = leading_values(self._leading, self._rules, self._planes.shape)[: len(first)]
            put = fit_planes(predicted, self._planes.dtype)
            if put:
                first[...] = predicted
        else:
            predicted = self._leading[:num_used]
            put = _native.put_predicted(predicted, first)
        if not put:
            self.widen()
            self._planes[: len(first)] = predicted
        return self._planes


def decode_static_tile_symbols(
    tiles: Sequence[StaticPlanes], decoders: Sequence[rans.Decoder], groups: Sequence[Group]
) -> None:
    """Decode a group, which may end earlier in some tiles, in all of them; they have one model, step and dtype."""
    rules, numbers, lo = tiles[0]._rules, tiles[0]._numbers, groups[0][0]
    tables, indices, cut = rules.model.static_tables, numbers.indices, numbers.num_leading
    for _, hi in groups:
        check_low_end(rules, hi)
    bounds = [numbers.of(lo, hi) for _, hi in groups]
    start = bounds[0][0]
    if start < cut:
        runs = [
            numbers.runs(tile._leading, tile._planes.shape, start, min(end, cut))
            for tile, (_, end) in zip(tiles, bounds, strict=True)
        ]
        if len({tuple(len(run) for run in of_tile) for of_tile in runs}) == 1:
            _decode_runs(decoders, runs, tables, indices[start:cut])
        else:
            for decoder, of_tile in zip(decoders, runs, strict=True):
                _decode_runs([decoder], [of_tile], tables, indices[start:cut])
    lo = max(lo, numbers.num_led)
    if any(hi > lo for _, hi in groups):
        planes = [tile._planes[lo : max(lo, hi)] for tile, (_, hi) in zip(tiles, groups, strict=True)]
        rans.decode_rans_channels(decoders, planes, tables, indices[max(start, cut) :])


def _decode_runs(
    decoders: Sequence[rans.Decoder], runs: Sequence[list[Integers]], tables: TableSet, indices: NDArray[np.uint8]
) -> None:
    """Into runs of planes of several tiles, which have as many planes each."""
    at = 0
    for together in zip(*runs, strict=True):
        count = len(together[0])
        if together[0].size or len(together) > 1:
            rans.decode_rans_channels(decoders, together, tables, indices[at : at + count])
        at += count


def fit_planes(values: Int[Integers, "*d _ _"], dtype: np.dtype[Any]) -> bool:
    """Whether a type holds all of these values."""
    limits = np.iinfo(dtype)
    return values.size == 0 or bool(limits.min <= values.min() and values.max() <= limits.max)


def symbol_checksum(*symbols: Int[Planes, "*d _ _"]) -> int:
    """Low 16 bits of the CRC-32C of (h, w) or (d, h, w) symbols, one array after the other, as little-endian int32."""
    crc = 0
    for part in symbols:
        crc = _native.crc32c_planes(planes_of_contexts(part), crc)
    return crc & 0xFFFF
