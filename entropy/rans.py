"""The rANS coder: arrays of int8, int16 or int32 to bytes and back, exactly (SPEC.md, section 2).

Values and table indices are taken as they lie in memory; nothing is copied or converted.

>>> import numpy as np
>>> from laconic.entropy.tables import TableSet, table_of_counts
>>> tables = TableSet((table_of_counts([-1, 0, 1], [1, 6, 1]),))
>>> data = encode(np.array([0, 0, 1, -1, 0], np.int8), tables)
>>> decode(data, 5, tables).tolist()
[0, 0, 1, -1, 0]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from laconic.entropy import _native
from laconic.entropy.contexts import ContextStepRules
from laconic.entropy.errors import (
    ArgumentError,
    BitstreamError,
    ChecksumError,
    CorruptStreamError,
    LimitError,
    TruncatedError,
)
from laconic.entropy.plain_values import plain_bytes, shown, whole_number
from laconic.entropy.subbands import SubbandStepRules
from laconic.entropy.tables import TableSet, native_tables_of

if TYPE_CHECKING:
    from jaxtyping import Int, UInt

LANES = (4, 8, 16, 32, 64)
_FLUSH_BYTES_PER_LANE = 3  # of the 4 bytes of a state about one carries information
COST_UNIT_BITS = 1 / 65536
_MAX_WORD = 65535
_MAX_TABLE = 255
_MAX_COUNT = 1 << 40
_TYPES = (np.int8, np.int16, np.int32)

Indices = int | NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class RansMessage:
    """Values that are coded one after the other, with one table for all or one index for each.

    `mark` is a 16-bit word that follows the values in the stream, for a checksum that can be tested midway. `fronts`
    (uint8), where there are any, cuts the values into messages of so many values each, at most 64.
    """

    values: Int[NDArray[Any], "*shape"]
    indices: int | UInt[NDArray[np.uint8], "*shape"]
    mark: int | None = None
    fronts: UInt[NDArray[np.uint8], " fronts"] = field(default_factory=lambda: np.empty(0, np.uint8))


def encode(
    values: Int[NDArray[Any], "*shape"],
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], "*shape"] = 0,
    *,
    lanes: int | None = None,
) -> bytes:
    """Code one array. Shape is not kept; `indices` is a table number or a uint8 array with one for each value.

    Raises ValueError or TypeError for an index outside the set, wrong lanes, or another dtype.
    """
    message = RansMessage(values, indices)
    native_tables_of(tables)
    if lanes is None:
        lanes = rans_lanes_for(ideal_bits(values, tables, indices) / 8)
    return encode_rans_messages([message], tables, lanes=lanes)


def decode(
    data: bytes,
    count: int,
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
    *,
    lanes: int = 4,
    dtype: DTypeLike = np.int32,
) -> Int[NDArray[Any], " count"]:
    """The `count` values that `encode` was given. Raises `BitstreamError` for any bytes that it did not write."""
    decoder = Decoder(data, lanes)
    values = decoder.decode(count, tables, indices, dtype=dtype)
    if decoder.finish() != 0:
        raise CorruptStreamError(f"the stream of {len(data)} bytes ends with a tail that plain streams do not have")
    return values


def encode_rans_messages(messages: Sequence[RansMessage], tables: TableSet, *, lanes: int, tail: int = 0) -> bytes:
    """Code messages into one stream with shared lanes; `tail` (0..65535) is what `Decoder.finish` returns."""
    if not isinstance(messages, list | tuple) or not all(isinstance(message, RansMessage) for message in messages):
        raise ArgumentError(f"messages are {shown(messages)}; allowed is a list of Message")
    return _native.encode(
        native_tables_of(tables),
        [_values(m.values) for m in messages],
        [_index(m.indices) for m in messages],
        [-1 if m.mark is None else whole_number("a mark", m.mark, 0, _MAX_WORD) for m in messages],
        [_table_numbers("fronts", m.fronts) for m in messages],
        _lanes(lanes),
        whole_number("a tail", tail, 0, _MAX_WORD),
    )


class ValueRangeError(CorruptStreamError):
    """A value does not fit the array that it is decoded into; the stream may be right."""


class Decoder:
    """Reads the messages of one stream in order. Any bytes give values or a `BitstreamError`."""

    def __init__(self, data: bytes, lanes: int) -> None:
        with stream_errors():
            self.native = _native.Decoder(plain_bytes("data", data), _lanes(lanes))

    def decode(
        self,
        count: int,
        tables: TableSet,
        indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
        *,
        dtype: DTypeLike = np.int32,
    ) -> Int[NDArray[Any], " count"]:
        """The next `count` values. Raises `CorruptStreamError` where one does not fit `dtype`."""
        try:
            out = np.empty(whole_number("count", count, 0, _MAX_COUNT), dtype)
        except (TypeError, ValueError) as err:  # numpy's of the type, and our own
            raise ArgumentError(f"dtype is {shown(dtype)}, count {shown(count)}: {err}") from None
        except MemoryError as err:
            raise LimitError(f"count is {count}, for which there is no memory; decode fewer values") from err
        self.decode_into(out, tables, indices)
        return out

    def decode_into(
        self, out: Int[NDArray[Any], "*shape"], tables: TableSet, indices: int | UInt[NDArray[np.uint8], " ..."] = 0
    ) -> None:
        """The next `out.size` values into a contiguous int8, int16 or int32 array."""
        with stream_errors():
            self.native.decode_into(_values(out), native_tables_of(tables), _index(indices))

    def decode_contexts(
        self, rules: ContextStepRules, symbols: Int[NDArray[np.int32], "d h w"], first: int, last: int
    ) -> None:
        """Channels first .. last - 1 in profile small, into (d, h, w) symbols that hold all channels before them."""
        model = rules.model
        with stream_errors():
            self.native.decode_contexts(model.native, model.tables.native, rules.base, symbols, first, last)

    def decode_subbands(
        self,
        rules: SubbandStepRules,
        tile: _native.SubbandTile,
        planes: Int[NDArray[np.int32], "d h w"],
        first: int,
        last: int,
    ) -> None:
        """Channels first .. last - 1 in profile best, into a tile that holds all channels before them, and into planes of
        zeros, (d, h, w). Raises `CorruptStreamError` where they end inside a subband."""
        with stream_errors():
            self.native.decode_subbands(tile, rules.native, rules.model.tables.native, planes, first, last)

    def read_mark(self) -> int:
        """The mark that follows the last message."""
        with stream_errors():
            return self.native.read_mark()

    def finish(self) -> int:
        """The tail. Raises `CorruptStreamError` unless the stream ends here in a state an encoder starts from."""
        with stream_errors():
            return self.native.finish()


def decode_rans_channels(
    decoders: Sequence[Decoder],
    planes: Sequence[Int[NDArray[Any], "_ h w"]],
    tables: TableSet,
    indices: UInt[NDArray[np.uint8], " d"],
) -> None:
    """The next messages of streams into (channels, h, w) planes, channel c with table `indices[c]`.

    Streams of the same lanes are decoded side by side, which is faster. Planes are int16 or int32, all the same, with rows
    in one piece, and may have fewer channels than `indices`.
    Raises `ValueRangeError` where a value does not fit them, and `BitstreamError`, for any of the streams.
    """
    with stream_errors():
        try:
            _native.decode_channels([d.native for d in decoders], list(planes), tables.native, indices)
        except _native.StreamMisfit as err:
            raise ValueRangeError(str(err)) from err


def ideal_bits(
    values: Int[NDArray[Any], "*shape"], tables: TableSet, indices: int | UInt[NDArray[np.uint8], "*shape"] = 0
) -> float:
    """Code length of the values under the tables, escapes included, without state loss or flush.

    Computed in integers, so an encoder may decide by it and still write the same bytes everywhere.
    """
    return _native.ideal_cost(native_tables_of(tables), tables.costs, _values(values), _index(indices)) * COST_UNIT_BITS


def rans_lanes_for(payload_bytes: float, share: float = 0.01) -> int:
    """Most lanes whose flush stays below this share of the payload; at least 4, at most 64."""
    fitting = [n for n in LANES if n * _FLUSH_BYTES_PER_LANE <= share * payload_bytes]
    return max(fitting, default=LANES[0])


def _index(indices: Indices) -> int | NDArray[np.uint8]:
    """One table number, or one uint8 for each value as a flat array."""
    if isinstance(indices, np.ndarray):
        return _table_numbers("table indices", indices)
    return whole_number("a table index", indices, 0, _MAX_TABLE)


def _table_numbers(name: str, numbers: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not isinstance(numbers, np.ndarray) or numbers.dtype != np.uint8:
        raise ArgumentError(f"{name} are {shown(numbers)}; allowed are uint8, or for indices one number: convert them")
    return _flat(numbers)


def _values(array: NDArray[Any]) -> NDArray[Any]:
    """Values as the native core takes them, flat."""
    if not isinstance(array, np.ndarray) or array.dtype not in _TYPES:
        raise ArgumentError(
            f"values are {shown(array)}; allowed are arrays of int8, int16 and int32: convert them first"
        )
    return _flat(array)


def _lanes(lanes: int) -> int:
    number = whole_number("lanes", lanes, LANES[0], LANES[-1])
    if number not in LANES:
        raise ArgumentError(f"lanes is {number}; allowed are {', '.join(map(str, LANES))}")
    return number


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """The same memory as one dimension; raises ValueError where that would need a copy."""
    if not array.flags.c_contiguous:
        raise ValueError(f"an array of shape {array.shape} is not C-contiguous; pass numpy.ascontiguousarray(array)")
    return array.reshape(-1)


class stream_errors:  # noqa: N801 - a context manager that reads as a phrase
    """Turns the native errors into ours, keeping the position in the message."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _native.StreamError):
            raise rans_errors(error) from error


def rans_errors(error: _native.StreamError) -> BitstreamError:
    """Our error for one of the native core, with its message."""
    if isinstance(error, _native.StreamTruncated):
        return TruncatedError(str(error))
    if isinstance(error, _native.StreamChecksum):
        return ChecksumError(str(error))
    return CorruptStreamError(str(error))
