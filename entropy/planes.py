"""Integer planes <-> segments: one tile, (d, h, w) int16 or int32, as rANS streams of channel groups (SPEC.md, section 5).

A segment holds some consecutive channel groups of one tile in one stream. After the symbols of each group but the last
stands a mark, and the last group has the tail: the low 16 bits of the CRC-32C of the group's symbols. Large segments
carry the CRC-32C of their bytes instead and have no marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Profile, Segment
from laconic.entropy.contexts import StepRules, as_planes, prediction_residuals, undo_prediction
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.rans import Message
from laconic.entropy.tables import TableSet

_LANES_SHARES = {Profile.FAST: 0.03, Profile.SMALL: 0.01}
CRC_BYTES = 4096  # payloads expected to reach this carry a CRC-32C

Planes = NDArray[Any]  # int16 or int32
Group = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """Channel groups by their bounds: (0, 3, 12) are two groups, of channels 0..2 and 3..11."""

    bounds: tuple[int, ...]

    @property
    def groups(self) -> list[Group]:
        return list(pairwise(self.bounds))


class TileEncoder:
    """Codes one tile: (d, h, w) int16 or int32 values, which must not change meanwhile.

    `lanes`: of every stream; None takes as many as cost little in a stream of its size (`rans.lanes_for`), in profile fast
    three times as much.
    """

    def __init__(self, values: Planes, rules: StepRules, profile: Profile, lanes: int | None = None) -> None:
        self._lanes, self._share = lanes, _LANES_SHARES[profile]
        self._symbols = _symbols_of([as_planes(values)], rules, profile)[0]

    @classmethod
    def of_tiles(
        cls, tiles: Sequence[Planes], rules: StepRules, profile: Profile, lanes: int | None = None
    ) -> list[TileEncoder]:
        """One for each of some tiles with the same number of channels, sooner than one by one where they are large."""
        encoders = []
        for symbols in _symbols_of([as_planes(tile) for tile in tiles], rules, profile):
            encoder = cls.__new__(cls)
            encoder._lanes, encoder._share, encoder._symbols = lanes, _LANES_SHARES[profile], symbols
            encoders.append(encoder)
        return encoders

    def ideal_bits(self, lo: int, hi: int) -> float:
        """Code length of channels lo..hi-1 under the model's tables."""
        return self._symbols.ideal_bits(lo, hi)

    def segment(self, span: Span) -> Segment:
        """The groups of `span` as one segment, without the channels that are zero to the end of the span."""
        lo = span.bounds[0]
        hi = self._symbols.last_used(lo, span.bounds[-1])
        if hi == lo:
            return Segment(payload=b"", lanes=rans.LANES[0], has_crc=False, num_channels=0)
        groups = [(a, min(b, hi)) for a, b in span.groups if a < hi]
        ideal_bytes = sum(self._symbols.ideal_bits(a, b) for a, b in groups) / 8
        has_crc = ideal_bytes >= CRC_BYTES
        checks = [] if has_crc else [self._symbols.checksum(a, b) for a, b in groups]
        lanes = self._lanes or rans.lanes_for(ideal_bytes, self._share)
        payload = self._symbols.encode(groups, checks, lanes)
        return Segment(payload=payload, lanes=lanes, has_crc=has_crc, num_channels=hi - lo)


class _Symbols(Protocol):
    """What is coded of one tile."""

    def ideal_bits(self, lo: int, hi: int) -> float: ...

    def last_used(self, lo: int, hi: int) -> int:
        """Last channel + 1 of those below `hi` that are not 0 everywhere, at least `lo`."""

    def checksum(self, lo: int, hi: int) -> int: ...

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        """A stream of groups with their checksums, or none."""


def _symbols_of(tiles: Sequence[Planes], rules: StepRules, profile: Profile) -> Sequence[_Symbols]:
    if profile is Profile.FAST:
        return _StaticSymbols.of_tiles(tiles, rules)
    return [_ContextSymbols(tile, rules) for tile in tiles]


class _StaticSymbols:
    """Profile fast: everything is found in one go over the planes."""

    def __init__(
        self, planes: Planes, residuals: NDArray[np.int32], tables: TableSet, native: _native.ChannelSymbols
    ) -> None:
        self._planes = planes
        self._residuals = residuals
        self._tables = tables  # which the native symbols borrow
        self._native = native
        self._costs = native.costs()

    @classmethod
    def of_tiles(cls, tiles: Sequence[Planes], rules: StepRules) -> list[_StaticSymbols]:
        if not tiles:
            return []
        tables, indices = rules.model.static_tables, rules.static_index[: len(tiles[0])]
        residuals = [prediction_residuals(tile[: rules.model.num_predicted]) for tile in tiles]
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


class _ContextSymbols:
    """Profile small: what a group codes is found when it is asked for."""

    def __init__(self, planes: Planes, rules: StepRules) -> None:
        self._rules = rules
        self._symbols = np.empty(planes.shape, np.int32)
        self._are_used = _native.widen_planes(planes, self._symbols)
        num_predicted = min(rules.model.num_predicted, len(planes))
        self._symbols[:num_predicted] = prediction_residuals(planes[:num_predicted])
        self._messages: dict[Group, Message] = {}  # that are not encoded yet

    def ideal_bits(self, lo: int, hi: int) -> float:
        message = self._message(lo, hi)
        return rans.ideal_bits(message.values, self._rules.model.tables, message.indices)

    def last_used(self, lo: int, hi: int) -> int:
        while hi > lo and not self._are_used[hi - 1]:
            hi -= 1
        return hi

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._symbols[lo:hi])

    def encode(self, groups: Sequence[Group], checks: Sequence[int], lanes: int) -> bytes:
        messages = [self._message(a, b) for a, b in groups]
        for group in groups:
            del self._messages[group]
        for i, mark in enumerate(checks[:-1]):
            messages[i] = replace(messages[i], mark=mark)
        tail = checks[-1] if checks else 0
        return rans.encode_messages(messages, self._rules.model.tables, lanes=lanes, tail=tail)

    def _message(self, lo: int, hi: int) -> Message:
        if (lo, hi) not in self._messages:
            values, tables, fronts = self._rules.code(self._symbols, lo, hi)
            self._messages[lo, hi] = Message(values, tables, fronts=fronts)
        return self._messages[lo, hi]


class TileDecoder:
    """Decodes the first `wanted` channels of one tile, group by group in order; what is not read stays 0.

    `shape` is (capacity, h, w): `capacity` is the last channel + 1 of the group that holds channel `wanted` - 1, since a
    group is read whole. `dtype`, int16 or int32: of the values; where one does not fit int16, they become int32. `out`:
    zeros of this shape and dtype, rows in one piece, where the values are put that fit.
    """

    def __init__(
        self,
        wanted: int,
        shape: tuple[int, int, int],
        rules: StepRules,
        profile: Profile,
        *,
        dtype: DTypeLike = np.int32,
        out: Planes | None = None,
    ) -> None:
        self.is_intact = True  # set by the caller: later groups cannot be decoded without the earlier ones
        self._wanted = wanted
        self._num_used = 0
        symbols = _StaticPlanes if profile is Profile.FAST else _ContextPlanes
        self._symbols: _DecodedSymbols = symbols(np.zeros(shape, dtype) if out is None else out, rules)

    @property
    def num_used(self) -> int:
        """Leading channels among the wanted ones that anything was decoded of; the others are 0."""
        return min(self._num_used, self._wanted)

    def read(self, segment: Segment, span: Span) -> None:
        """Decode the wanted groups of a segment. Raises `BitstreamError`; groups before the damage are kept."""
        stored = _end_of(segment, span)
        groups = [(a, min(b, stored)) for a, b in span.groups if a < stored]
        if not groups:
            return
        try:
            self._read_groups(segment, groups)
        except rans.ValueRangeError:
            self._symbols.widen()
            self._read_groups(segment, groups)

    def _read_groups(self, segment: Segment, groups: list[Group]) -> None:
        decoder = rans.Decoder(segment.payload, segment.lanes)
        for a, b in groups:
            if a >= self._wanted:
                return
            try:
                self._symbols.decode(decoder, a, b)
                self._verify(decoder, (a, b), last=b == groups[-1][1], has_crc=segment.has_crc)
            except BitstreamError:
                self._symbols.clear(a, b)
                raise
            self._num_used = max(self._num_used, b)

    def _verify(self, decoder: rans.Decoder, group: Group, *, last: bool, has_crc: bool) -> None:
        expected = 0 if has_crc else self._symbols.checksum(*group)
        if not last and has_crc:
            return
        found = decoder.finish() if last else decoder.read_mark()
        if found != expected:
            raise ChecksumError(f"channels {group[0]} to {group[1] - 1} of a tile do not match their checksum")

    def values(self) -> Planes:
        """(wanted, h, w) decoded values, prediction undone: `out`, or int32 where they do not fit. Call once, at last."""
        return self._symbols.values(self.num_used)[: self._wanted]


def read_together(decoders: Sequence[TileDecoder], segments: Sequence[Segment], group: Group) -> None:
    """Decode a group of several tiles as `TileDecoder.read` does for each; in profile fast side by side, which is faster.

    Raises `BitstreamError` where any segment is damaged; to find out which, and to have the others, read each alone.
    """
    span = Span(group)
    ends = [_end_of(segment, span) for segment in segments]
    coded = [(d, s, end) for d, s, end in zip(decoders, segments, ends, strict=True) if end > group[0]]
    tiles = [d._symbols for d, _, _ in coded if isinstance(d._symbols, _StaticPlanes)]
    if len(tiles) < len(coded) or len({tile.dtype for tile in tiles}) != 1:
        for decoder, segment, _ in coded:
            decoder.read(segment, span)
        return
    streams = [rans.Decoder(s.payload, s.lanes) for _, s, _ in coded]
    try:
        _decode_static(tiles, streams, [(group[0], end) for _, _, end in coded])
    except rans.ValueRangeError:
        for decoder, segment, _ in coded:
            decoder.read(segment, span)
        return
    for (decoder, segment, end), stream in zip(coded, streams, strict=True):
        decoder._verify(stream, (group[0], end), last=True, has_crc=segment.has_crc)
        decoder._num_used = max(decoder._num_used, end)


def _end_of(segment: Segment, span: Span) -> int:
    """Last channel + 1 that a segment holds. Raises `CorruptStreamError` where that lies beyond its groups."""
    lo, end = span.bounds[0], span.bounds[-1]
    if lo + segment.num_channels > end:
        raise CorruptStreamError(f"a segment claims {segment.num_channels} channels; at most {end - lo} fit its groups")
    return lo + segment.num_channels


class _DecodedSymbols(Protocol):
    """Where the symbols of one tile are decoded to."""

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None: ...

    def clear(self, lo: int, hi: int) -> None:
        """Set channels to 0."""

    def checksum(self, lo: int, hi: int) -> int: ...

    def widen(self) -> None:
        """Hold int32 from now on."""

    def values(self, num_used: int) -> Planes:
        """All channels, of which the first `num_used` may not be 0."""


class _StaticPlanes:
    """Profile fast: residuals are kept as int32 and the rest as what the values are to be."""

    def __init__(self, planes: Planes, rules: StepRules) -> None:
        self._rules = rules
        self._planes = planes
        self._residuals = np.zeros(planes[: rules.model.num_predicted].shape, np.int32)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._planes.dtype

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        _decode_static([self], [decoder], [(lo, hi)])

    def clear(self, lo: int, hi: int) -> None:
        self._residuals[lo:hi] = 0
        self._planes[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._residuals[lo:hi], self._planes[max(lo, len(self._residuals)) : hi])

    def widen(self) -> None:
        self._planes = self._planes.astype(np.int32)

    def values(self, num_used: int) -> Planes:
        predicted = self._residuals[:num_used]
        if not _native.put_predicted(predicted, self._planes[: len(predicted)]):
            self.widen()
            self._planes[: len(predicted)] = predicted
        return self._planes


def _decode_static(tiles: Sequence[_StaticPlanes], decoders: Sequence[rans.Decoder], groups: Sequence[Group]) -> None:
    """Decode a group, which may end earlier in some tiles, in all of them; they have one model, step and dtype."""
    rules, cut, lo = tiles[0]._rules, len(tiles[0]._residuals), groups[0][0]
    tables, indices = rules.model.static_tables, rules.static_index
    if lo < cut:
        residuals = [tile._residuals[lo:hi] for tile, (_, hi) in zip(tiles, groups, strict=True)]
        rans.decode_channels(decoders, residuals, tables, indices[lo:cut])
    lo = max(lo, cut)
    if any(hi > lo for _, hi in groups):
        planes = [tile._planes[lo : max(lo, hi)] for tile, (_, hi) in zip(tiles, groups, strict=True)]
        rans.decode_channels(decoders, planes, tables, indices[lo:])


class _ContextPlanes:
    """Profile small: the contexts of later channels are found in int32 symbols."""

    def __init__(self, planes: Planes, rules: StepRules) -> None:
        self._rules = rules
        self._planes = planes
        is_apt = planes.dtype == np.int32 and planes.flags.c_contiguous
        self._symbols = planes if is_apt else np.zeros(planes.shape, np.int32)

    def decode(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        decoder.decode_contexts(self._rules, self._symbols, lo, hi)

    def clear(self, lo: int, hi: int) -> None:
        self._symbols[lo:hi] = 0

    def checksum(self, lo: int, hi: int) -> int:
        return checksum(self._symbols[lo:hi])

    def widen(self) -> None:
        self._planes = self._symbols

    def values(self, num_used: int) -> Planes:
        used = self._symbols[:num_used]
        undo_prediction(used[: self._rules.model.num_predicted])
        if self._planes is not self._symbols and not _fits(used, self._planes.dtype):
            self.widen()
        if self._planes is not self._symbols:
            self._planes[:num_used] = used
        return self._planes


def _fits(values: NDArray[np.int32], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return values.size == 0 or bool(limits.min <= values.min() and values.max() <= limits.max)


def checksum(*symbols: Planes) -> int:
    """Low 16 bits of the CRC-32C of (h, w) or (d, h, w) symbols, one array after the other, as little-endian int32."""
    crc = 0
    for part in symbols:
        crc = _native.crc32c_planes(as_planes(part), crc)
    return crc & 0xFFFF
