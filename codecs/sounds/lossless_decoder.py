"""A sound <- an .lcn file without loss, all of it or a stretch (SPEC.md, sections 5.5 and 6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnknownModelError
from laconic.codecs.packing.segment_reader import Found, SegmentReader, SegmentReading, source_of_segments
from laconic.codecs.registry import first_bytes
from laconic.codecs.sounds.integer_samples import IntegerSamples, samples_of_integers
from laconic.codecs.sounds.lossless_segment import (
    LosslessSegmentForm,
    decode_lossless_segment,
    residual_tables_fingerprint,
)
from laconic.entropy import BitstreamError, TruncatedError
from laconic.entropy.container import CODEC_NUMBER_AT, MAGIC, CodecNumber, Source, read_header

if TYPE_CHECKING:
    from jaxtyping import Float, Int


def is_lossless_sound(data: bytes | BinaryIO) -> bool:
    """Whether a file is a lossless sound; it stays where it is. Of a pipe that shows nothing beforehand, no."""
    head = first_bytes(data)
    is_ours = head.startswith(MAGIC) and len(head) > CODEC_NUMBER_AT
    return is_ours and head[CODEC_NUMBER_AT] & 15 == CodecNumber.LOSSLESS_SOUND


class LosslessSound:
    """Reads a file whose codec is `LOSSLESS_SOUND`, no more segments than a stretch needs; a file has to stay open."""

    def __init__(self, data: bytes | BinaryIO, reading: SegmentReading) -> None:
        """Raises `BitstreamError`, and `UnknownModelError` for tables that are not those of this release."""
        source = Source(source_of_segments(data) if reading.allow_partial else data)
        self.header = header = read_header(source, reading.limits)
        if header.fingerprint != residual_tables_fingerprint():
            raise UnknownModelError(
                f"the lossless sound was made with tables {header.fingerprint.hex()}; this release has "
                f"{residual_tables_fingerprint().hex()}: update laconic"
            )
        self._stretch = 1 << (header.tile_log2 or 0)
        count = -(-header.shape[1] // self._stretch)
        remaining = source.remaining()
        if remaining is not None and not reading.allow_partial and 2 * count > remaining:
            raise TruncatedError(
                f"the file claims {count} segments and has {remaining} bytes left for them; copy it again"
            )
        self._reading, self._count, self._source = reading, count, source
        self._segments = SegmentReader(source, header, (0, count), reading)
        self._damage: dict[int, str] = {}

    @property
    def num_bytes_read(self) -> int:
        """Of the file, so far."""
        return self._source.num_bytes_read

    @property
    def damage(self) -> tuple[str, ...]:
        """What was damaged or missing of the segments read so far, in order, and is silence."""
        return tuple(self._damage[number] for number in sorted(self._damage))

    def blocks(self, start: int, end: int) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        """Samples `start` to `end` of all channels, as segments have them. Raises `BitstreamError`."""
        numbers = range(start // self._stretch, -(-end // self._stretch) if start < end else start // self._stretch)
        for number in numbers:
            first = number * self._stretch
            values = self._values(number)[:, max(start - first, 0) : end - first]
            yield samples_of_integers(IntegerSamples(values, self.header.sound_bits))
        if end == self.header.shape[1] and (excess := self._segments.excess()):
            self._note(self._count, excess)

    def _values(self, number: int) -> Int[NDArray[np.int32], "c t"]:
        channels, length = self.header.shape
        form = LosslessSegmentForm(
            channels, min(self._stretch, length - number * self._stretch), self.header.sound_bits
        )
        found: Found = self._segments.fetch([number])[number]
        try:
            if isinstance(found, BitstreamError):
                raise found
            return decode_lossless_segment(found, form)
        except BitstreamError as err:
            self._note(number, err)
            return np.zeros((channels, form.length), np.int32)

    def _note(self, number: int, err: BitstreamError) -> None:
        if not self._reading.allow_partial:
            raise err
        self._damage[number] = f"segment {number}: {err}"
