"""Samples of a stretch stored as they are, where prediction is of no use, as of noise (SPEC.md, section 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.sounds.integer_samples import IntegerSamples
from laconic.entropy import ChecksumError, CorruptStreamError
from laconic.entropy.container import Source
from laconic.entropy.static_symbols import symbol_checksum

if TYPE_CHECKING:
    from jaxtyping import Int

STORED: Final = 0  # first byte of such a segment's payload


def stored_payload(stretch: IntegerSamples, zeros: int) -> bytes:
    """The payload of (c, t) samples, of all of which the lowest `zeros` bits are 0."""
    left = np.arange(stretch.bits - zeros)
    bits = (stretch.values.T[..., None] >> zeros >> left & 1).astype(np.uint8)
    checksum = symbol_checksum(stretch.values).to_bytes(2, "little")
    return bytes([STORED, zeros]) + checksum + np.packbits(bits, bitorder="little").tobytes()


def stored_samples(source: Source, shape: tuple[int, int], num_bits: int) -> Int[NDArray[np.int32], "c t"]:
    """Samples of this shape (c, t), of all that is left of a payload behind its first byte. Raises `BitstreamError`."""
    zeros, checksum = source.read(1, "the zero bits")[0], source.read(2, "the checksum of samples")
    if zeros >= num_bits:
        raise CorruptStreamError(f"stored samples have {zeros} zero bits; allowed are fewer than {num_bits}")
    width = num_bits - zeros
    count = shape[0] * shape[1] * width
    bits = np.unpackbits(np.frombuffer(source.read(-(-count // 8), "stored samples"), np.uint8), bitorder="little")
    if source.remaining() or bits[count:].any():
        raise CorruptStreamError("the stored samples of a segment go on after the last of them")
    values = bits[:count].reshape(shape[1], shape[0], width).astype(np.int32) @ (1 << np.arange(width, dtype=np.int32))
    values -= (values >> (width - 1)) << width
    samples = np.ascontiguousarray(values.T << zeros, np.int32)
    if symbol_checksum(samples).to_bytes(2, "little") != checksum:
        raise ChecksumError("the stored samples of a segment do not match their checksum; copy the file again")
    return samples
