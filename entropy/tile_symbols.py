"""The symbols of one tile in the profiles: what is coded of its planes, and where to that is decoded (SPEC.md, 4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Profile
from laconic.entropy.contexts import (
    ContextStepRules,
    planes_of_contexts,
    undo_context_prediction,
)
from laconic.entropy.errors import ArgumentError, CorruptStreamError
from laconic.entropy.rans import RansMessage
from laconic.entropy.static_symbols import (
    Group,
    Planes,
    StaticPlanes,
    StaticSymbols,
    check_low_end,
    fit_planes,
    joined_symbols,
    leading_symbols,
    leading_values,
    no_leading_planes,
    num_led,
    symbol_checksum,
)
from laconic.entropy.subbands import SubbandStepRules
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Int

StepRules: TypeAlias = ContextStepRules | SubbandStepRules
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
        return symbol_checksum(self._planes[lo:hi])

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
    """Profile small: the channels as symbols, and beside them what is coded of the first, where these are put apart."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        super().__init__(planes, rules.model.tables)
        self._rules = rules
        self._leading = leading_symbols(planes, rules)
        self._num_led = num_led(rules)
        led = self._planes[: self._num_led]
        led[...] = self._leading if rules.low is None else joined_symbols(self._leading, rules, planes.shape)

    def _code(self, lo: int, hi: int) -> _Coded:
        low = self._rules.low
        if low is None or lo >= self._num_led:
            return self._rules.code(self._planes, lo, hi)
        coded = [low.code(self._leading, 0, len(self._leading))]
        if hi > self._num_led:
            coded.append(self._rules.code(self._planes, self._num_led, hi))
        values, tables, fronts = (np.concatenate(parts) for parts in zip(*coded, strict=True))
        return values, tables, fronts

    def last_used(self, lo: int, hi: int) -> int:
        hi = super().last_used(lo, hi)
        return hi if self._rules.low is None or hi == lo else max(hi, self._num_led)

    def checksum(self, lo: int, hi: int) -> int:
        return _context_checksum(self._leading, self._planes, self._rules, lo, hi)


def _context_checksum(leading: Planes, planes: Planes, rules: ContextStepRules, lo: int, hi: int) -> int:
    cut = num_led(rules)
    if rules.low is None or lo >= cut:
        return symbol_checksum(planes[lo:hi])
    return symbol_checksum(leading, planes[cut:hi])


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


class _DecodedInFronts:
    """Symbols are decoded to int32, since the contexts of later ones are found in them."""

    def __init__(self, planes: Int[Planes, "d h w"]) -> None:
        self._planes = planes
        is_apt = planes.dtype == np.int32 and planes.flags.c_contiguous
        self._symbols = planes if is_apt else np.zeros(planes.shape, np.int32)

    def clear(self, lo: int, hi: int) -> None:
        self._symbols[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return symbol_checksum(self._symbols[lo:hi])

    def widen(self) -> None:
        self._planes = self._symbols

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        used = self._symbols[:num_used]
        if self._planes is not self._symbols and not fit_planes(used, self._planes.dtype):
            self.widen()
        if self._planes is not self._symbols:
            self._planes[:num_used] = used
        return self._planes


class ContextPlanes(_DecodedInFronts):
    """Profile small."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: ContextStepRules) -> None:
        super().__init__(planes)
        self._rules = rules
        self._num_led = num_led(rules)
        self._leading = self._symbols[: self._num_led] if rules.low is None else no_leading_planes(rules, planes.shape)

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        low = self._rules.low
        if low is not None and lo < self._num_led:
            check_low_end(self._rules, hi)
            decoder.decode_contexts(low, self._leading, 0, len(self._leading))
            self._symbols[: self._num_led] = joined_symbols(self._leading, self._rules, self._symbols.shape)
            lo = self._num_led
        if hi > lo:
            decoder.decode_contexts(self._rules, self._symbols, lo, hi)

    def clear(self, lo: int, hi: int) -> None:
        super().clear(lo, hi)
        if lo < self._num_led:
            self._leading[...] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return _context_checksum(self._leading, self._symbols, self._rules, lo, hi)

    def values(self, num_used: int) -> Int[Planes, "d h w"]:
        if self._rules.low is None:
            undo_context_prediction(self._leading[:num_used])
        elif num_used:
            self._symbols[: self._num_led] = leading_values(self._leading, self._rules, self._symbols.shape)
        return super().values(num_used)


class SubbandPlanes(_DecodedInFronts):
    """Profile best: the channels are put onto the grids of their subbands as they are decoded."""

    def __init__(self, planes: Int[Planes, "d h w"], rules: SubbandStepRules) -> None:
        super().__init__(planes)
        self._rules = rules
        self._tile = _native.SubbandTile(rules.model.native, *planes.shape[1:])

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decoder.decode_subbands(self._rules, self._tile, self._symbols, lo, hi)
