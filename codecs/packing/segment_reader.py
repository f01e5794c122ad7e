"""Segments of an .lcn file by number: sought where the file has an index and can seek, else read in order and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

from laconic.codecs.arguments import flag_argument, settle_arguments, typed_argument, whole_number_argument
from laconic.entropy import BitstreamError, CorruptStreamError, Limits, TruncatedError
from laconic.entropy.container import ContainerSegment, Flag, Header, Source, read_container_segment

Found = ContainerSegment | BitstreamError


@dataclass(frozen=True)
class SegmentReading:
    """What of a file is wanted: the first `channels` without alpha, None for all with alpha; no more than a picture of
    2**-scale_log2 the size needs. With `allow_partial`, damaged or missing segments become zeros."""

    channels: int | None = None
    limits: Limits | None = None
    allow_partial: bool = False
    scale_log2: int = 0

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            channels=None if self.channels is None else whole_number_argument("channels", self.channels, 1),
            limits=None if self.limits is None else typed_argument("limits", self.limits, Limits, "a Limits or None"),
            allow_partial=flag_argument("allow_partial", self.allow_partial),
        )

    @property
    def may_be_head(self) -> bool:
        """Whether what is read may be the head of a longer file: it ends where the wanted channels do, at the earliest."""
        return self.channels is not None


class SegmentReader:
    """Reads what follows a header. Where partial results are allowed, a segment that cannot be read is its error."""

    def __init__(self, source: Source, header: Header, counts: tuple[int, int], reading: SegmentReading) -> None:
        """`counts`: segments of channel groups, and of alpha. Raises `BitstreamError` for an index that does not fit."""
        self._source, self._reading = source, reading
        self._num_coded, self.count = counts[0], sum(counts)
        self._joined = Flag.JOINED in header.flags
        self._starts = self._starts_by(header.index)
        self._next = 0  # segment at the source's position
        self._kept: dict[int, Found] = {}

    def fetch(self, numbers: Sequence[int]) -> dict[int, Found]:
        """These segments by number, read in the order of the file."""
        can_seek = self._starts is not None and self._source.remaining() is not None
        found: dict[int, Found] = {}
        for number in sorted(numbers):
            if can_seek:
                found[number] = self._read(number)
                continue
            for between in range(self._next, number + 1):
                self._kept[between] = self._read(between)
            found[number] = self._kept.pop(number)
        return found

    def excess(self) -> CorruptStreamError | None:
        """What is wrong where bytes follow the last segment, if that was the last one read."""
        if self._next == self.count and self._source.read_up_to(1):
            return CorruptStreamError(f"bytes follow the last segment at byte {self._source.position - 1}")
        return None

    def _starts_by(self, index: tuple[int, ...] | None) -> list[int] | None:
        """Where each segment begins and the last ends, from the index."""
        if index is None:
            return None
        starts = list(accumulate(index, initial=self._source.position))
        remaining = self._source.remaining()
        if len(index) != self.count or starts[-1] >= 1 << 63:
            raise CorruptStreamError(f"the index lists {len(index)} segments, the layout has another number")
        may_be_cut = self._reading.allow_partial or self._reading.may_be_head
        if remaining is not None and not may_be_cut and starts[-1] - starts[0] > remaining:
            raise TruncatedError(f"the index lists {starts[-1] - starts[0]} bytes, the file has {remaining} left")
        return starts

    def _read(self, number: int) -> Found:
        """Segment `number`; seeks where the source is elsewhere."""
        try:
            if self._starts is not None and self._source.position != self._starts[number]:
                if number == self._next and not self._reading.allow_partial:
                    raise CorruptStreamError(f"segment {number} is not where the index says")
                self._source.seek(self._starts[number])
            self._next = number + 1
            is_alpha = number >= self._num_coded
            allow_cut = self._reading.allow_partial and self._joined and not is_alpha
            return read_container_segment(self._source, number, with_channels=not is_alpha, allow_cut=allow_cut)
        except BitstreamError as err:
            if not self._reading.allow_partial:
                raise
            self._next = number + 1
            return err


def source_of_segments(data: bytes | BinaryIO) -> bytes | BinaryIO:
    """The same; all of a pipe, as a damaged length may lead past the next segment, from where one has to go back."""
    return data if isinstance(data, bytes) or data.seekable() else data.read()
