"""Integer planes <-> segments: one tile, (d, h, w) int32, as rANS streams of channel groups (SPEC.md, section 5).

A segment holds some consecutive channel groups of one tile in one stream. After the symbols of each group but the last
stands a mark, and the last group has the tail: the low 16 bits of the CRC-32C of the group's symbols. Large segments
carry the CRC-32C of their bytes instead and have no marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Segment
from laconic.entropy.contexts import ContextModel, prediction_residuals, undo_prediction
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.rans import Message

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
    """Codes one tile: (d, h, w) int32 values. The tables of all symbols are found once, groups are cut from them."""

    def __init__(self, values: Planes, step_code: int, model: ContextModel) -> None:
        self._model = model
        self._coded = np.ascontiguousarray(values, np.int32).copy()
        for c in range(min(model.num_predicted, len(values))):
            self._coded[c] = prediction_residuals(values[c])
        lookup = model.lookup(step_code)
        self._indices = np.empty(self._coded.shape, np.uint8)
        for number, lo, hi in model.passes(len(values)):
            self._indices[lo:hi] = model.pass_indices(self._coded, number, lookup[lo:hi])

    def ideal_bits(self, lo: int, hi: int) -> float:
        """Code length of channels lo..hi-1 under the model's tables."""
        return rans.ideal_bits(self._coded[lo:hi], self._model.tables, self._indices[lo:hi])

    def segment(self, span: Span, *, trim: bool) -> Segment:
        """The groups of `span` as one segment; `trim` leaves out channels that are zero to the end of the span."""
        lo, end = span.bounds[0], span.bounds[-1]
        hi = self._last_used_channel(lo, end) if trim else end
        if hi == lo:
            return Segment(payload=b"", lanes=rans.LANES[0], has_crc=False, num_channels=0)
        ideal_bytes = self.ideal_bits(lo, hi) / 8
        has_crc = ideal_bytes >= CRC_BYTES
        lanes = rans.lanes_for(ideal_bytes)
        groups = [(a, min(b, hi)) for a, b in span.groups if a < hi]
        messages = [m for a, b in groups for m in self._messages(a, b, marked=not has_crc and b != groups[-1][1])]
        tail = 0 if has_crc else checksum(self._coded[groups[-1][0] : groups[-1][1]])
        payload = rans.encode_messages(messages, self._model.tables, lanes=lanes, tail=tail)
        return Segment(payload=payload, lanes=lanes, has_crc=has_crc, num_channels=hi - lo)

    def _messages(self, lo: int, hi: int, *, marked: bool) -> list[Message]:
        """One message for each pass in the group, the last with the group's mark."""
        cuts = [lo, *(e for e in self._model.pass_ends if lo < e < hi), hi]
        mark = checksum(self._coded[lo:hi]) if marked else None
        return [Message(self._coded[a:b], self._indices[a:b], mark if b == hi else None) for a, b in pairwise(cuts)]

    def _last_used_channel(self, lo: int, hi: int) -> int:
        used = np.flatnonzero(self._coded[lo:hi].reshape(hi - lo, -1).any(1))
        return lo + int(used[-1]) + 1 if used.size else lo


class TileDecoder:
    """Decodes the first `wanted` channels of one tile, group by group in order; what is not read stays 0.

    `capacity` is the last channel + 1 of the group that holds channel `wanted` - 1: a group without CRC is read whole,
    because its checksum covers all of it. `lookup` is that of the model at the file's step.
    """

    def __init__(
        self, wanted: int, shape: tuple[int, int, int], lookup: NDArray[np.uint8], model: ContextModel
    ) -> None:
        self.is_intact = True  # set by the caller: later groups cannot be decoded without the earlier ones
        self._wanted = wanted
        self._model = model
        self._coded = np.zeros(shape, np.int32)  # (capacity, h, w)
        self._lookup = lookup

    def read(self, segment: Segment, span: Span, *, trimmed: bool) -> None:
        """Decode the wanted groups of a segment. Raises `BitstreamError`; groups before the damage are kept."""
        lo, end = span.bounds[0], span.bounds[-1]
        stored = lo + segment.num_channels if trimmed else end
        if stored > end:
            raise CorruptStreamError(f"a segment claims {stored - lo} channels; at most {end - lo} fit its groups")
        groups = [(a, min(b, stored)) for a, b in span.groups if a < stored]
        if not groups:
            return
        decoder = rans.Decoder(segment.payload, segment.lanes)
        for a, b in groups:
            if a >= self._wanted:
                return
            stop = min(b, self._wanted) if segment.has_crc else b
            try:
                self._decode_group(decoder, segment.lanes, (a, stop, b))
                if stop == b:
                    self._verify(decoder, (a, b), last=b == groups[-1][1], has_crc=segment.has_crc)
            except BitstreamError:
                self._coded[a:b] = 0
                raise

    def _decode_group(self, decoder: rans.Decoder, lanes: int, bounds: tuple[int, int, int]) -> None:
        """Channels lo..stop-1 of a group that ends before `end`."""
        lo, stop, end = bounds
        places = self._coded[0].size
        flat = self._coded.reshape(-1)
        for number, first, last in self._model.passes(end):
            a = max(first, lo)
            if a >= min(last, stop):
                continue
            # Escapes follow the rounds of `lanes` symbols, so that a read ends with a round or with the message.
            count = min(-(-(min(last, stop) - a) * places // lanes) * lanes, (last - a) * places)
            rows = -(-count // places)
            indices = self._model.pass_indices(self._coded, number, self._lookup[a : a + rows])
            symbols = flat[a * places : a * places + count]
            decoder.decode_into(symbols, self._model.tables, indices.reshape(-1)[:count])

    def _verify(self, decoder: rans.Decoder, group: tuple[int, int], *, last: bool, has_crc: bool) -> None:
        expected = 0 if has_crc else checksum(self._coded[group[0] : group[1]])
        if not last and has_crc:
            return
        found = decoder.finish() if last else decoder.read_mark()
        if found != expected:
            raise ChecksumError(f"channels {group[0]} to {group[1] - 1} of a tile do not match their checksum")

    def values(self) -> Planes:
        """(wanted, h, w) decoded values, prediction undone. Call once, after the last `read`."""
        for c in range(min(self._model.num_predicted, self._wanted)):
            undo_prediction(self._coded[c])
        return self._coded[: self._wanted]


def checksum(symbols: Planes) -> int:
    """Low 16 bits of the CRC-32C of the symbols as little-endian int32."""
    return _native.crc32c_array(symbols.astype("<i4", copy=False).reshape(-1).view(np.uint8)) & 0xFFFF
