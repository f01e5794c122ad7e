"""Residuals of several channels over time <-> bytes: tables by how large the last ones were (SPEC.md, section 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import _native, rans
from laconic.entropy.container import Source, varint
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Int, UInt

NUM_RESIDUAL_TABLES: Final = 96


def encode_residuals(
    residuals: Int[NDArray[np.int32], "c t"],
    starts: UInt[NDArray[np.uint8], " c"],
    tables: TableSet,
    *,
    lanes: int = rans.LANES[0],
    tail: int = 0,
) -> bytes:
    """Code (c, t) residuals, contiguous, of at most 2^26 in magnitude. `starts`, 0 to 40: log2 of 4096 times how large the
    first ones of a channel are likely to be. `tail`, 0 to 65535, is what decoding returns beside them."""
    values, indices, fronts, low_bits = _native.residual_symbols(residuals, starts)
    message = rans.RansMessage(values, indices, fronts=fronts)
    stream = rans.encode_rans_messages([message] if values.size else [], tables, lanes=lanes, tail=tail)
    return varint(len(low_bits)) + low_bits + stream


def decode_residuals(
    source: Source,
    shape: tuple[int, int],
    starts: UInt[NDArray[np.uint8], " c"],
    tables: TableSet,
    *,
    lanes: int = rans.LANES[0],
) -> tuple[Int[NDArray[np.int32], "c t"], int]:
    """Residuals of this shape (c, t), and the tail, from all that is left of bytes. Raises `BitstreamError`."""
    low_bits = source.read(source.varint("the length of low bits"), "the low bits of residuals")
    stream = source.read(source.remaining() or 0, "the residuals")
    residuals = np.empty(shape, np.int32)
    with rans.stream_errors():
        tail = _native.decode_residuals(tables.native, stream, low_bits, residuals, starts, lanes)
    return residuals, tail
