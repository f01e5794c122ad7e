"""Integer planes <-> segments: one tile, (d, h, w) int32, as rANS streams of channel groups (SPEC.md, section 5).

A segment holds some consecutive channel groups of one tile in one stream. After the symbols of each group but the last
stands a mark, and the last group has the tail: the low 16 bits of the CRC-32C of the group's symbols. Large segments
carry the CRC-32C of their bytes instead and have no marks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Profile, Segment
from laconic.entropy.contexts import ContextModel, StepRules, prediction_residuals, undo_prediction
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.rans import Message
from laconic.entropy.tables import TableSet

CRC_BYTES = 4096  # payloads expected to reach this carry a CRC-32C

Planes = NDArray[np.int32]


@dataclass(frozen=True)
class Span:
    """Channel groups by their bounds: (0, 3, 12) are two groups, of channels 0..2 and 3..11."""

    bounds: tuple[int, ...]

    @property
    def groups(self) -> list[tuple[int, int]]:
        return list(pairwise(self.bounds))


class TileEncoder:
    """Codes one tile: (d, h, w) int32 values. What channels code is found when a segment needs it.

    `lanes`: of every stream; None takes as many as cost little in a stream of its size (`rans.lanes_for`).
    """

    def __init__(self, values: Planes, rules: StepRules, profile: Profile, lanes: int | None = None) -> None:
        self._rules = rules
        self._profile = profile
        self._lanes = lanes
        self._symbols = np.ascontiguousarray(values, np.int32).copy()
        for c in range(min(rules.model.num_predicted, len(values))):
            self._symbols[c] = prediction_residuals(values[c])

    def ideal_bits(self, lo: int, hi: int) -> float:
        """Code length of channels lo..hi-1 under the model's tables."""
        return sum(rans.ideal_bits(m.values, self._tables, m.indices) for m in self._messages(lo, hi))

    def segment(self, span: Span) -> Segment:
        """The groups of `span` as one segment, without the channels that are zero to the end of the span."""
        lo = span.bounds[0]
        hi = self._last_used_channel(lo, span.bounds[-1])
        if hi == lo:
            return Segment(payload=b"", lanes=rans.LANES[0], has_crc=False, num_channels=0)
        groups = [(a, min(b, hi)) for a, b in span.groups if a < hi]
        coded = [self._messages(a, b) for a, b in groups]
        ideal_bytes = sum(rans.ideal_bits(m.values, self._tables, m.indices) for group in coded for m in group) / 8
        has_crc = ideal_bytes >= CRC_BYTES
        if not has_crc:
            for group, (a, b) in zip(coded[:-1], groups[:-1], strict=True):
                group[-1] = replace(group[-1], mark=checksum(self._symbols[a:b]))
        tail = 0 if has_crc else checksum(self._symbols[groups[-1][0] : groups[-1][1]])
        lanes = self._lanes or rans.lanes_for(ideal_bytes)
        payload = rans.encode_messages([m for group in coded for m in group], self._tables, lanes=lanes, tail=tail)
        return Segment(payload=payload, lanes=lanes, has_crc=has_crc, num_channels=hi - lo)

    @property
    def _tables(self) -> TableSet:
        return tables_of(self._rules.model, self._profile)

    def _messages(self, lo: int, hi: int) -> list[Message]:
        if self._profile is Profile.FAST:
            return [Message(self._symbols[c], int(self._rules.static_index[c])) for c in range(lo, hi)]
        values, tables, fronts = self._rules.code(self._symbols, lo, hi)
        return [Message(values, tables, fronts=fronts)]

    def _last_used_channel(self, lo: int, hi: int) -> int:
        used = np.flatnonzero(self._symbols[lo:hi].reshape(hi - lo, -1).any(1))
        return lo + int(used[-1]) + 1 if used.size else lo


class TileDecoder:
    """Decodes the first `wanted` channels of one tile, group by group in order; what is not read stays 0.

    `shape` is (capacity, h, w): `capacity` is the last channel + 1 of the group that holds channel `wanted` - 1, since a
    group is read whole.
    """

    def __init__(self, wanted: int, shape: tuple[int, int, int], rules: StepRules, profile: Profile) -> None:
        self.is_intact = True  # set by the caller: later groups cannot be decoded without the earlier ones
        self._wanted = wanted
        self._rules = rules
        self._profile = profile
        self._symbols = np.zeros(shape, np.int32)

    def read(self, segment: Segment, span: Span) -> None:
        """Decode the wanted groups of a segment. Raises `BitstreamError`; groups before the damage are kept."""
        lo, end = span.bounds[0], span.bounds[-1]
        stored = lo + segment.num_channels
        if stored > end:
            raise CorruptStreamError(f"a segment claims {stored - lo} channels; at most {end - lo} fit its groups")
        groups = [(a, min(b, stored)) for a, b in span.groups if a < stored]
        if not groups:
            return
        decoder = rans.Decoder(segment.payload, segment.lanes)
        for a, b in groups:
            if a >= self._wanted:
                return
            try:
                self._decode_group(decoder, a, b)
                self._verify(decoder, (a, b), last=b == groups[-1][1], has_crc=segment.has_crc)
            except BitstreamError:
                self._symbols[a:b] = 0
                raise

    def _decode_group(self, decoder: rans.Decoder, lo: int, hi: int) -> None:
        if self._profile is Profile.SMALL:
            decoder.decode_contexts(self._rules, self._symbols, lo, hi)
            return
        tables = tables_of(self._rules.model, self._profile)
        for c in range(lo, hi):
            decoder.decode_into(self._symbols[c], tables, int(self._rules.static_index[c]))

    def _verify(self, decoder: rans.Decoder, group: tuple[int, int], *, last: bool, has_crc: bool) -> None:
        expected = 0 if has_crc else checksum(self._symbols[group[0] : group[1]])
        if not last and has_crc:
            return
        found = decoder.finish() if last else decoder.read_mark()
        if found != expected:
            raise ChecksumError(f"channels {group[0]} to {group[1] - 1} of a tile do not match their checksum")

    def values(self) -> Planes:
        """(wanted, h, w) decoded values, prediction undone. Call once, after the last `read`."""
        for c in range(min(self._rules.model.num_predicted, self._wanted)):
            undo_prediction(self._symbols[c])
        return self._symbols[: self._wanted]


def tables_of(model: ContextModel, profile: Profile) -> TableSet:
    """The set that a profile codes with."""
    return model.static_tables if profile is Profile.FAST else model.tables


def checksum(symbols: Planes) -> int:
    """Low 16 bits of the CRC-32C of the symbols as little-endian int32."""
    return _native.crc32c_array(symbols.astype("<i4", copy=False).reshape(-1).view(np.uint8)) & 0xFFFF
