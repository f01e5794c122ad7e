"""The symbols of one tile in the profiles: what is coded of its planes, and where to that is decoded (SPEC.md, 4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Profile
from laconic.entropy.contexts import (
    ContextStepRules,
    planes_of_contexts,
    residuals_of_context_prediction,
    undo_context_prediction,
)
from laconic.entropy.errors import ArgumentError, CorruptStreamError
from laconic.entropy.rans import RansMessage
from laconic.entropy.subbands import SubbandStepRules
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Int

Planes = NDArray[Any]  # int16 or int32
Group = tuple[int, int]  # of channels: the first, and the last + 1
StepRules = ContextStepRules | SubbandStepRules
_Coded = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class TileValues:
    """What is to be coded of a tile: `values` (d, h, w) int16 or int32, which must not change meanwhile. `subbands`: what
    was found of them in profile best while they were chosen."""

    values: Int[Planes, "d h w"]
    subbands: _native.ChosenSubbands | None = None


class Symbols(Protocol):
    """What is coded of one tile."""

    def ideal_bits(self, lo: int, hi: int) -> float: ...

    def last_used(self, lo: int, hi: int) -> int:
        """Last channel + 1 of those below `hi` that are not 0 everywhere, at least `lo`."""

    def checksum(self, lo: int, hi: int) -> int: ...

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        """A stream of groups with their checksums, or none."""


def symbols_of(tiles: Sequence[TileValues], rules: StepRules, profile: Profile) -> Sequence[Symbols]:
    """Of tiles with as many channels. Raises `ArgumentError` for rules that are not those of the profile."""
    if isinstance(rules, SubbandStepRules):
        _check_profile(profile, Profile.BEST)
        return [SubbandSymbols(tile, rules) for tile in tiles]
    if profile is Profile.FAST:
        return StaticSymbols.of_tiles([planes_of_contexts(tile.values) for tile in tiles], rules)
    _check_profile(profile, Profile.SMALL)
    return [ContextSymbols(planes_of_contexts(tile.values), rules) for tile in tiles]


def planes_of_profile(planes: Int[Planes, "d h w"], rules: StepRules, profile: Profile) -> DecodedTileSymbols:
    """Where to decode a tile: zeros. Raises `CorruptStreamError` for rules that are not those of the profile."""
    if isinstance(rules, SubbandStepRules) != (profile is Profile.BEST):
        raise CorruptStreamError(f"the file has profile {profile.name.lower()}, which its model does not code in")
    if isinstance(rules, SubbandStepRules):
        return SubbandPlanes(planes, rules)
    return StaticPlanes(planes, rules) if profile is Profile.FAST else ContextPlanes(planes, rules)


def _check_profile(profile: Profile, needed: Profile) -> None:
    if profile is not needed:
        raise ArgumentError(f"profile is {profile.name.lower()}; the model codes in {needed.name.lower()}")


class StaticSymbols:
    """Profile fast: everything is found in one go over the planes."""

    def __init__(
        self,
        planes: Int[Planes, "d h w"],
        residuals: Int[NDArray[np.int32], "_ h w"],
        tables: TableSet,
        native: _native.ChannelSymbols,
    ) -> None:
        self._planes = planes
        self._residuals = residuals
        self._tables = tables  # which the native symbols borrow
        self._native = native
        self._costs = native.costs()

    @classmethod
    def of_tiles(cls, tiles: Sequence[Int[Planes, "d h w"]], rules: ContextStepRules) -> list[StaticSymbols]:
        if not tiles:
            return []
        tables, indices = rules.model.static_tables, rules.static_index[: len(tiles[0])]
        residuals = [residuals_of_context_prediction(tile[: rules.model.num_predicted]) for tile in tiles]
        natives = _native.channel_symbols(tables.native, tables.costs, list(tiles), residuals, indices)
        return [cls(t, r, tables, n) for t, r, n in zip(tiles, residuals, natives, strict=True)]

    def ideal_bits(self, lo: int, hi: int) -> float:
        return sum(self._costs[lo:hi]) * rans.COST_UNIT_BITS

    def last_used(self, lo: int, hi: int) -> int:
        return self._native.last_used(lo, hi)

    def checksum(self, lo: int, hi: int) -> int:
        num_predicted = len(self._residuals)
        return checksum(self._residuals[lo:hi], self._planes[max(lo, num_predicted) : hi])

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        return self._native.encode(list(groups), list(checks[:-1]), lanes, checks[-1] if checks else 0)


class _CodedInFronts(ABC):
    """What a group codes is found when it is asked for, of int32 `planes`."""

    def __init__(self, planes: Int[Planes, "d h w"], tables: TableSet) -> None:
        self._tables = tables
        self._planes = np.empty(planes.shape, np.int32)
        self._are_used = _native.widen_planes(planes, self._planes)
        self._messages: dict[Group, RansMessage] = {}  # that are not encoded yet

    @abstractmethod
    def _code(self, lo: int, hi: int) -> _Coded:
        """Symbols in coding order, their tables, and the number in each front."""

    def ideal_bits(self, lo: int, hi: int) -> float:
        message = self._message(lo, hi)
        return rans.ideal_bits(message.values, self._tables, message.indices)

    def last_used(self, lo: int, hi: int) -> int:
        while hi > lo and not self._are_used[hi - 1]:
            hi -= 1
        return hi

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._planes[lo:hi])

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        messages = [self._message(a, b) for a, b in groups]
        for group in groups:
            del self._messages[group]
        for i, mark in enumerate(checks[:-1]):
            messages[i] = replace(messages[i], mark=mark)
        return rans.encode_rans_messages(messages, self._tables, lanes=lanes, tail=checks[-1] if checks else 0)

    def _message(self, lo: int, hi: int) -> RansMessage:
        if (lo, hi) not in self._messages:
            values, tables, fronts = self._code(lo, hi)
            self._messages[lo, hi] = RansMessage(values, tables, fronts=fronts)
        return self._messages[lo, hi]


class ContextSymbols(_CodedInFronts):
    """Profile small."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        super().__init__(planes, rules.model.tables)
        self._rules = rules
        num_predicted = min(rules.model.num_predicted, len(planes))
        self._planes[:num_predicted] = residuals_of_context_prediction(planes[:num_predicted])

    def _code(self, lo: int, hi: int) -> _Coded:
        return self._rules.code(self._planes, lo, hi)


class SubbandSymbols(_CodedInFronts):
    """Profile best: the channels are put onto the grids of their subbands at once."""

    def __init__(self, tile: TileValues, rules: SubbandStepRules) -> None:
        planes = planes_of_contexts(tile.values)
        end = rules.model.rounded_up(len(planes))
        if len(planes) not in (0, end):
            raise ArgumentError(f"{len(planes)} channels end inside a subband; pass {end} in profile best")
        super().__init__(planes, rules.model.tables)
        self._rules = rules
        self._tile: _native.SubbandTile | _native.ChosenSubbands
        if tile.subbands is None:
            self._tile = loaded = _native.SubbandTile(rules.model.native, *planes.shape[1:])
            loaded.load(self._planes, 0, len(planes))
        else:
            self._tile = tile.subbands

    def _code(self, lo: int, hi: int) -> _Coded:
        return self._rules.code(self._tile, lo, hi)

    def last_used(self, lo: int, hi: int) -> int:
        hi = super().last_used(lo, hi)
        return hi if hi == lo else self._rules.model.rounded_up(hi)


class DecodedTileSymbols(Protocol):
    """Where the symbols of one tile are decoded to."""

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None: ...

    def clear(self, lo: int, hi: int) -> None:
        """Set channels to 0."""

    def checksum(self, lo: int, hi: int) -> int: ...

    def widen(self) -> None:
        """Hold int32 from now on."""

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        """All channels, of which the first `num_used` may not be 0."""


class StaticPlanes:
    """Profile fast: residuals are kept as int32 and the rest as what the values are to be."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        self._rules = rules
        self._planes = planes
        self._residuals = np.zeros(planes[: rules.model.num_predicted].shape, np.int32)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._planes.dtype

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decode_static_tile_symbols([self], [decoder], [(lo, hi)])

    def clear(self, lo: int, hi: int) -> None:
        self._residuals[lo:hi] = 0
        self._planes[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._residuals[lo:hi], self._planes[max(lo, len(self._residuals)) : hi])

    def widen(self) -> None:
        self._planes = self._planes.astype(np.int32)

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        predicted = self._residuals[:num_used]
        if not _native.put_predicted(predicted, self._planes[: len(predicted)]):
            self.widen()
            self._planes[: len(predicted)] = predicted
        return self._planes


def decode_static_tile_symbols(
    tiles: Sequence[StaticPlanes], decoders: Sequence[rans.Decoder], groups: Sequence[Group]
) -> None:
    """Decode a group, which may end earlier in some tiles, in all of them; they have one model, step and dtype."""
    rules, cut, lo = tiles[0]._rules, len(tiles[0]._residuals), groups[0][0]
    tables, indices = rules.model.static_tables, rules.static_index
    if lo < cut:
        residuals = [tile._residuals[lo:hi] for tile, (_, hi) in zip(tiles, groups, strict=True)]
        rans.decode_rans_channels(decoders, residuals, tables, indices[lo:cut])
    lo = max(lo, cut)
    if any(hi > lo for _, hi in groups):
        planes = [tile._planes[lo : max(lo, hi)] for tile, (_, hi) in zip(tiles, groups, strict=True)]
        rans.decode_rans_channels(decoders, planes, tables, indices[lo:])


class _DecodedInFronts:
    """Symbols are decoded to int32, since the contexts of later ones are found in them."""

    def __init__(self, planes: Int[Planes, "d h w"]) -> None:
        self._planes = planes
        is_apt = planes.dtype == np.int32 and planes.flags.c_contiguous
        self._symbols = planes if is_apt else np.zeros(planes.shape, np.int32)

    def clear(self, lo: int, hi: int) -> None:
        self._symbols[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._symbols[lo:hi])

    def widen(self) -> None:
        self._planes = self._symbols

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        used = self._symbols[:num_used]
        if self._planes is not self._symbols and not _fits(used, self._planes.dtype):
            self.widen()
        if self._planes is not self._symbols:
            self._planes[:num_used] = used
        return self._planes


class ContextPlanes(_DecodedInFronts):
    """Profile small."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        super().__init__(planes)
        self._rules = rules

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decoder.decode_contexts(self._rules, self._symbols, lo, hi)

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        undo_context_prediction(self._symbols[:num_used][: self._rules.model.num_predicted])
        return super().values(num_used)


class SubbandPlanes(_DecodedInFronts):
    """Profile best: the channels are put onto the grids of their subbands as they are decoded."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: SubbandStepRules) -> None:
        super().__init__(planes)
        self._rules = rules
        self._tile = _native.SubbandTile(rules.model.native, *planes.shape[1:])

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decoder.decode_subbands(self._rules, self._tile, self._symbols, lo, hi)


def _fits(values: NDArray[np.int32], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return values.size == 0 or bool(limits.min <= values.min() and values.max() <= limits.max)


def checksum(*symbols: Int[Planes, "*d _ _"]) -> int:
    """Low 16 bits of the CRC-32C of (h, w) or (d, h, w) symbols, one array after the other, as little-endian int32."""
    crc = 0
    for part in symbols:
        crc = _native.crc32c_planes(planes_of_contexts(part), crc)
    return crc & 0xFFFF
