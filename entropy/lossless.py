"""One integer plane <-> one segment, without loss: median edge detector, one table a row (SPEC.md, section 5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import rans
from laconic.entropy.container import ContainerSegment
from laconic.entropy.contexts import residuals_of_context_prediction, undo_context_prediction
from laconic.entropy.errors import ChecksumError
from laconic.entropy.planes import CRC_BYTES
from laconic.entropy.static_symbols import symbol_checksum
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Int

NUM_ROW_CODES = 16
_TABLES_PER_ROW_CODE = 6
_ROW_CODE_TABLE = 40


def encode_lossless(plane: Int[NDArray[np.int32], "h w"], tables: TableSet) -> ContainerSegment:
    """Code an (h, w) plane of int32."""
    residuals = residuals_of_context_prediction(np.ascontiguousarray(plane, np.int32))
    codes = _row_codes(residuals)
    steps = np.diff(codes, prepend=0).astype(np.int32)
    indices = _row_tables(codes, tables)[:, None].repeat(plane.shape[1], 1)
    step_table = min(_ROW_CODE_TABLE, len(tables) - 1)
    ideal = (rans.ideal_bits(steps, tables, step_table) + rans.ideal_bits(residuals, tables, indices)) / 8
    lanes, has_crc = rans.rans_lanes_for(ideal), ideal >= CRC_BYTES
    messages = [rans.RansMessage(steps, step_table), rans.RansMessage(residuals, indices)]
    tail = 0 if has_crc else symbol_checksum(residuals)
    return ContainerSegment(rans.encode_rans_messages(messages, tables, lanes=lanes, tail=tail), lanes, has_crc)


def decode_lossless(
    segment: ContainerSegment, height: int, width: int, tables: TableSet
) -> Int[NDArray[np.int32], "height width"]:
    """The (height, width) plane. Raises `BitstreamError`."""
    decoder = rans.Decoder(segment.payload, segment.lanes)
    steps = decoder.decode(height, tables, min(_ROW_CODE_TABLE, len(tables) - 1))
    # Wrong bytes can make any step, so codes are taken modulo their number.
    codes = np.cumsum(steps, dtype=np.int64) % NUM_ROW_CODES
    indices = _row_tables(codes, tables)[:, None].repeat(width, 1)
    residuals = np.empty((height, width), np.int32)
    decoder.decode_into(residuals, tables, indices)
    if decoder.finish() != (0 if segment.has_crc else symbol_checksum(residuals)):
        raise ChecksumError("a lossless plane does not match its checksum")
    undo_context_prediction(residuals)
    return residuals


def _row_codes(residuals: NDArray[np.int32]) -> NDArray[np.int64]:
    """Code of each row: 4/3 of log2 of sixteen times its mean magnitude, in integers."""
    mean16 = (16 * np.abs(residuals.astype(np.int64)).sum(1)) // residuals.shape[1]
    # floor(4/3 log2 m) = floor(log2(m**4) / 3), counted by the powers of two that m**4 reaches.
    thresholds = np.array([1 << (3 * k) for k in range(1, NUM_ROW_CODES)], np.object_)
    return np.array([sum(int(m) ** 4 >= t for t in thresholds) for m in mean16], np.int64)


def _row_tables(codes: NDArray[np.int64], tables: TableSet) -> NDArray[np.uint8]:
    return np.minimum(codes * _TABLES_PER_ROW_CODE, len(tables) - 1).astype(np.uint8)
