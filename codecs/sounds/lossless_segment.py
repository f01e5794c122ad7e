"""A stretch of all channels of a sound, as integers <-> one segment (SPEC.md, section 5.5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.sounds.integer_samples import IntegerSamples
from laconic.codecs.sounds.prediction import (
    MAX_FORGET,
    SHIFTS,
    Adaptation,
    ChannelScale,
    predicted_residuals,
    restore_predicted,
    scale_of_channel,
    starts_of_residuals,
)
from laconic.codecs.sounds.stored_samples import STORED, stored_payload, stored_samples
from laconic.entropy import ChecksumError, CorruptStreamError
from laconic.entropy.container import ContainerSegment, Source
from laconic.entropy.planes import CRC_BYTES
from laconic.entropy.rans import LANES
from laconic.entropy.residuals import decode_residuals, encode_residuals
from laconic.entropy.static_symbols import symbol_checksum
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Int

_TABLES_FILE: Final = Path(__file__).parents[1] / "models" / "residuals.tables"
_FINGERPRINT_BYTES: Final = 4


@lru_cache(maxsize=1)
def residual_tables() -> TableSet:
    """The tables of residuals, of which all files have the same."""
    return TableSet.from_bytes(_TABLES_FILE.read_bytes())


def residual_tables_fingerprint() -> bytes:
    """What a file names its tables by."""
    return residual_tables().digest[:_FINGERPRINT_BYTES]


@dataclass(frozen=True)
class LosslessSegmentForm:
    """What the file says of a segment: samples of each channel, their bits, how many channels."""

    channels: int
    length: int
    bits: int


def encode_lossless_segment(stretch: IntegerSamples, adaptations: Sequence[Adaptation]) -> ContainerSegment:
    """(c, t) samples, at most 2^16 of a channel, with the adaptation that takes the fewest bytes, or as they are."""
    scales = [scale_of_channel(channel) for channel in stretch.values]
    payload = min((_payload(stretch, one, scales) for one in adaptations), key=len)
    zeros = min(scale.zeros for scale in scales)
    if 8 * len(payload) > stretch.values.size * (stretch.bits - zeros):
        payload = min(payload, stored_payload(stretch, zeros), key=len)
    return ContainerSegment(payload, LANES[0], len(payload) >= CRC_BYTES)


def _payload(stretch: IntegerSamples, adaptation: Adaptation, scales: Sequence[ChannelScale]) -> bytes:
    residuals = predicted_residuals(stretch.values, stretch.bits, adaptation, scales)
    head = bytes([adaptation.forget, *adaptation.steps])
    head += b"".join(struct.pack("<Bb", scale.zeros, scale.shift) for scale in scales)
    tail = symbol_checksum(stretch.values)
    return head + encode_residuals(residuals, starts_of_residuals(scales), residual_tables(), tail=tail)


def decode_lossless_segment(
    segment: ContainerSegment, form: LosslessSegmentForm
) -> Int[NDArray[np.int32], "channels length"]:
    """(channels, length) samples. Raises `BitstreamError`."""
    source, shape = Source(segment.payload), (form.channels, form.length)
    forget = source.read(1, "how a sound is predicted")[0]
    if forget == STORED:
        return stored_samples(source, shape, form.bits)
    steps = source.read(3, "steps of filters")
    packed = source.read(2 * form.channels, "the scales of channels")
    scales = [ChannelScale(*one) for one in struct.iter_unpack("<Bb", packed)]
    for scale in scales:
        if scale.zeros >= form.bits or scale.shift not in SHIFTS:
            raise CorruptStreamError(
                f"a channel has {scale.zeros} zero bits and shift {scale.shift}; allowed are fewer than {form.bits} bits, "
                f"and {SHIFTS[0]} to {SHIFTS[-1]}"
            )
    if forget > MAX_FORGET:
        raise CorruptStreamError(f"a segment forgets {forget} of 256; allowed is up to {MAX_FORGET}")
    starts = starts_of_residuals(scales)
    samples, tail = decode_residuals(source, shape, starts, residual_tables(), lanes=segment.lanes)
    restore_predicted(samples, form.bits, Adaptation(forget, (steps[0], steps[1], steps[2])), scales)
    if tail != symbol_checksum(samples):
        raise ChecksumError("the samples of a segment do not match their checksum; copy the file again")
    return samples
