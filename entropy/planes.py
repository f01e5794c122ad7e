"""Integer planes <-> segments: one tile, (d, h, w) int16 or int32, as rANS streams of channel groups (SPEC.md, section 5).

A segment holds some consecutive channel groups of one tile in one stream. After the symbols of each group but the last
stands a mark, and the last group has the tail: the low 16 bits of the CRC-32C of the group's symbols. Large segments
carry the CRC-32C of their bytes instead and have no marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from laconic.entropy import rans
from laconic.entropy.container import ContainerSegment, Profile
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.static_symbols import Group, Planes, StaticPlanes, decode_static_tile_symbols
from laconic.entropy.tile_symbols import StepRules, TileValues, planes_of_profile, symbols_of

if TYPE_CHECKING:
    from jaxtyping import Int

_LANES_SHARES = {Profile.FAST: 0.03, Profile.SMALL: 0.01, Profile.BEST: 0.01}
CRC_BYTES = 4096  # payloads expected to reach this carry a CRC-32C


@dataclass(frozen=True)
class PlaneSpan:
    """Channel groups by their bounds: (0, 3, 12) are two groups, of channels 0..2 and 3..11."""

    bounds: tuple[int, ...]

    @property
    def groups(self) -> list[Group]:
        return list(pairwise(self.bounds))


class PlanesEncoder:
    """Codes one tile: (d, h, w) int16 or int32 values, which must not change meanwhile.

    `lanes`: of every stream; None takes as many as cost little in a stream of its size (`rans.rans_lanes_for`), in profile
    fast three times as much.
    """

    def __init__(
        self, values: Int[Planes, "d h w"], rules: StepRules, profile: Profile, lanes: int | None = None
    ) -> None:
        self._lanes, self._share = lanes, _LANES_SHARES[profile]
        self._symbols = symbols_of([TileValues(values)], rules, profile)[0]

    @classmethod
    def of_tiles(
        cls, tiles: Sequence[TileValues], rules: StepRules, profile: Profile, lanes: int | None = None
    ) -> list[PlanesEncoder]:
        """One for each of some tiles with the same number of channels, sooner than one by one where they are large."""
        encoders = []
        for symbols in symbols_of(tiles, rules, profile):
            encoder = cls.__new__(cls)
            encoder._lanes, encoder._share, encoder._symbols = lanes, _LANES_SHARES[profile], symbols
            encoders.append(encoder)
        return encoders

    def ideal_bits(self, lo: int, hi: int) -> float:
        """Code length of channels lo..hi-1 under the model's tables."""
        return self._symbols.ideal_bits(lo, hi)

    def segment(self, span: PlaneSpan) -> ContainerSegment:
        """The groups of `span` as one segment, without the channels that are zero to the end of the span."""
        lo = span.bounds[0]
        hi = self._symbols.last_used(lo, span.bounds[-1])
        if hi == lo:
            return ContainerSegment(payload=b"", lanes=rans.LANES[0], has_crc=False, num_channels=0)
        groups = [(a, min(b, hi)) for a, b in span.groups if a < hi]
        ideal_bytes = sum(self._symbols.ideal_bits(a, b) for a, b in groups) / 8
        has_crc = ideal_bytes >= CRC_BYTES
        checks = [] if has_crc else [self._symbols.checksum(a, b) for a, b in groups]
        lanes = self._lanes or rans.rans_lanes_for(ideal_bytes, self._share)
        payload = self._symbols.encode(groups, checks, lanes)
        return ContainerSegment(payload=payload, lanes=lanes, has_crc=has_crc, num_channels=hi - lo)


class PlanesDecoder:
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
        out: Int[Planes, "d h w"] | None = None,
    ) -> None:
        self.is_intact = True  # set by the caller: later groups cannot be decoded without the earlier ones
        self._wanted = wanted
        self._num_used = 0
        self._symbols = planes_of_profile(np.zeros(shape, dtype) if out is None else out, rules, profile)

    @property
    def num_used(self) -> int:
        """Leading channels among the wanted ones that anything was decoded of; the others are 0."""
        return min(self._num_used, self._wanted)

    def read(self, segment: ContainerSegment, span: PlaneSpan) -> None:
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

    def _read_groups(self, segment: ContainerSegment, groups: list[Group]) -> None:
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

    def values(self) -> Int[Planes, "d h w"]:
        """(wanted, h, w) decoded values, prediction undone: `out`, or int32 where they do not fit. Call once, at last."""
        return self._symbols.values(self.num_used)[: self._wanted]


def read_planes_together(decoders: Sequence[PlanesDecoder], segments: Sequence[ContainerSegment], group: Group) -> None:
    """Decode a group of several tiles as `TileDecoder.read` does for each; in profile fast side by side, which is faster.

    Raises `BitstreamError` where any segment is damaged; to find out which, and to have the others, read each alone.
    """
    span = PlaneSpan(group)
    ends = [_end_of(segment, span) for segment in segments]
    coded = [(d, s, end) for d, s, end in zip(decoders, segments, ends, strict=True) if end > group[0]]
    tiles = [d._symbols for d, _, _ in coded if isinstance(d._symbols, StaticPlanes)]
    if len(tiles) < len(coded) or len({tile.dtype for tile in tiles}) != 1:
        for decoder, segment, _ in coded:
            decoder.read(segment, span)
        return
    streams = [rans.Decoder(s.payload, s.lanes) for _, s, _ in coded]
    try:
        decode_static_tile_symbols(tiles, streams, [(group[0], end) for _, _, end in coded])
    except rans.ValueRangeError:
        for decoder, segment, _ in coded:
            decoder.read(segment, span)
        return
    for (decoder, segment, end), stream in zip(coded, streams, strict=True):
        decoder._verify(stream, (group[0], end), last=True, has_crc=segment.has_crc)
        decoder._num_used = max(decoder._num_used, end)


def _end_of(segment: ContainerSegment, span: PlaneSpan) -> int:
    """Last channel + 1 that a segment holds. Raises `CorruptStreamError` where that lies beyond its groups."""
    lo, end = span.bounds[0], span.bounds[-1]
    if lo + segment.num_channels > end:
        raise CorruptStreamError(f"a segment claims {segment.num_channels} channels; at most {end - lo} fit its groups")
    return lo + segment.num_channels
