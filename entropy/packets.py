"""Packets: arrays of integers or floats as bytes that describe and check themselves (SPEC.md, section 10).

`encode_array` cuts large arrays into chunks, which threads share; `encode_batch` codes many small arrays at once. Floats
are quantised and dequantised on the way, inside the native call.

>>> import numpy as np
>>> from laconic.entropy.tables import TableSet, table_of_counts
>>> tables = TableSet((table_of_counts([-1, 0, 1], [1, 6, 1]), table_of_counts([-1, 0, 1], [1, 1, 1])))
>>> latent = np.array([[0, 0, 1, 0], [-1, 1, 0, -1]], np.int8)
>>> packet = encode_array(latent, tables, np.array([0, 1], np.uint8))  # one table for each row
>>> decode_array(packet, tables, np.array([0, 1], np.uint8), dtype=np.int8).tolist()
[0, 0, 1, 0, -1, 1, 0, -1]
>>> latent = np.array([0.26, -0.6, 0.1], np.float32)
>>> decode_array(encode_array(latent, tables, step=0.5), tables, dtype=np.float32, step=0.5).tolist()
[0.5, -0.5, 0.0]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import DTypeLike, NDArray

from laconic.entropy import _native
from laconic.entropy.errors import ArgumentError, BitstreamError, CorruptStreamError, LimitError
from laconic.entropy.plain_values import plain_bytes, real_number, shown, whole_number
from laconic.entropy.rans import rans_errors
from laconic.entropy.tables import TableSet, native_tables_of

if TYPE_CHECKING:
    from jaxtyping import UInt

CHUNK_SYMBOLS = 1 << 18
MAX_SYMBOLS = 1 << 29  # unless the caller gives the shape

_DTYPES = ("int8", "int16", "int32", "float32", "float16", "bfloat16")
_MAX_CHUNK = 1 << 30
_MAX_THREADS = 1024
_SMALLEST_STEP, _LARGEST_STEP = 1.2e-38, 3.4e38  # of float32
_UINT16 = "H"  # numpy's code; for the native core such an array is bfloat16, so none may come from outside

Tables = int | NDArray[np.uint8]


def encode_array(
    values: Any,
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
    *,
    step: float = 1.0,
    threads: int = 1,
    chunk_symbols: int = CHUNK_SYMBOLS,
) -> bytes:
    """Code one array; its shape is not kept.

    `values`: a C-contiguous array or torch tensor of int8, int16, int32, or of float32, float16 or bfloat16, which is
    divided by `step` and rounded, halves to even. `indices`: a table number for all; a uint8 array over the leading axes,
    one number for each row of what is left; or one for each value. Any int32 can be coded, whatever the tables. The same
    bytes come out for any number of threads and on every machine.

    Raises ValueError or TypeError for another dtype, a float that is no int32 when divided, or an index outside the set.
    """
    return _encode(values, tables, indices, False, step, chunk_symbols, threads)[0]


def decode_array(
    data: bytes,
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
    *,
    dtype: DTypeLike = np.int32,
    out: Any = None,
    step: float = 1.0,
    threads: int = 1,
) -> Any:
    """The values that `encode_array` was given, with the same tables and indices; integers come back exactly.

    The result is flat, of `dtype`, or it is `out`: a C-contiguous array or tensor of the right size. Floats are the
    integers times `step`. Raises `BitstreamError` for bytes that `encode_array` did not write or that were changed, and
    `LimitError` for a packet of more than 2^29 symbols where neither `out` nor `indices` says that many.
    """
    data = plain_bytes("a packet", data)
    if out is None:
        count = _count(data)
        if count > max(MAX_SYMBOLS, indices.size if isinstance(indices, np.ndarray) else 0):
            raise LimitError(f"a packet claims {count} symbols; at most {MAX_SYMBOLS} are decoded unless out is given")
        out = _empty(_shape_of_count(count, indices), dtype)
        return _decode([data], out, tables, indices, False, step, threads).reshape(-1)
    return _decode([data], out, tables, indices, False, step, threads)


def encode_batch(
    values: Any,
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
    *,
    step: float = 1.0,
    threads: int = 1,
) -> list[bytes]:
    """Code many small arrays of one shape, (b, ...), as one packet each; they go through the coder side by side.

    `indices` is what `encode_array` takes for one of them; a packet decodes alone as well.
    """
    if not getattr(values, "shape", ()):
        raise ArgumentError(f"values are {shown(values)}; allowed are arrays and tensors of at least one axis")
    if len(values) == 0:
        return []
    return _encode(values, tables, indices, True, step, _MAX_CHUNK, threads)


def decode_batch(
    packets: Sequence[bytes],
    tables: TableSet,
    indices: int | UInt[NDArray[np.uint8], " ..."] = 0,
    *,
    dtype: DTypeLike = np.int32,
    out: Any = None,
    step: float = 1.0,
    threads: int = 1,
) -> Any:
    """The arrays of packets that `encode_batch` or `encode_array` made, all of one size: (b, n), or `out` of (b, ...).

    Raises `BitstreamError` as `decode_array` does; the message names the first broken packet.
    """
    packets = _packets(packets)
    if not packets:
        return _empty((0, 0), dtype) if out is None else out
    if out is None:
        count = _count(packets[0])
        if count * len(packets) > MAX_SYMBOLS:
            raise LimitError(
                f"{len(packets)} packets claim {count} symbols each; at most {MAX_SYMBOLS} in all: give out"
            )
        out = _empty((len(packets), *_shape_of_count(count, indices)), dtype)
        return _decode(packets, out, tables, indices, True, step, threads).reshape(len(packets), -1)
    if not getattr(out, "shape", ()) or len(out) != len(packets):
        raise ValueError(f"out is {shown(out)} for {len(packets)} packets; give one for each")
    return _decode(packets, out, tables, indices, True, step, threads)


def _encode(
    values: Any, tables: TableSet, indices: Tables, is_batch: bool, step: float, chunk: int, threads: int
) -> list[bytes]:
    array = values if isinstance(values, np.ndarray) and values.dtype.char != _UINT16 else _array_of_tensor(values)
    try:
        packets: list[bytes] = _native.encode_packets(
            native_tables_of(tables), array, indices, is_batch, step, chunk, threads
        )
    except (TypeError, ValueError):
        _explain(array, tables, indices, is_batch, step, threads, chunk)
        raise
    return packets


def _decode(
    packets: list[bytes], out: Any, tables: TableSet, indices: Tables, is_batch: bool, step: float, threads: int
) -> Any:
    array = out if isinstance(out, np.ndarray) and out.dtype.char != _UINT16 else _array_of_tensor(out)
    try:
        _native.decode_packets(native_tables_of(tables), packets, array, indices, is_batch, step, threads)
    except _native.StreamError as err:
        raise _named(packets, array, tables, indices, step) or rans_errors(err) from err
    except (TypeError, ValueError):
        for packet in packets:
            _count(packet)
        if not array.flags.writeable:
            raise ValueError(f"out of shape {array.shape} is read-only; pass an array that can be written") from None
        _explain(array, tables, indices, is_batch, step, threads)
        raise
    return out


def _named(
    packets: list[bytes], array: NDArray[Any], tables: TableSet, indices: Tables, step: float
) -> BitstreamError | None:
    """The error of the first broken packet of a batch, with its number; None for a lone packet."""
    if len(packets) < 2:
        return None
    scratch = np.empty(array.shape[1:], array.dtype)
    for number, packet in enumerate(packets):
        try:
            _native.decode_packets(tables.native, [packet], scratch, indices, False, step, 1)
        except _native.StreamError as err:
            cause = rans_errors(err)
            return type(cause)(f"packet {number} of {len(packets)}: {cause}")
    return None


def _packets(packets: object) -> list[bytes]:
    if not isinstance(packets, Sequence) or isinstance(packets, str | bytes):
        raise ArgumentError(f"packets are {shown(packets)}; allowed is a list of bytes")
    return [plain_bytes("a packet", packet) for packet in packets]


def _empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (TypeError, ValueError):
        raise ArgumentError(f"dtype is {shown(dtype)}; allowed are {', '.join(_DTYPES)}") from None


def _count(packet: bytes) -> int:
    try:
        return _native.packet_count(packet)
    except _native.StreamError as err:
        raise rans_errors(err) from err


def _shape_of_count(count: int, indices: Tables) -> tuple[int, ...]:
    """A shape of `count` values over which `indices` go."""
    if not isinstance(indices, np.ndarray) or indices.size == count:
        return (count,) if not isinstance(indices, np.ndarray) else indices.shape
    if indices.size == 0 or count % indices.size:
        raise CorruptStreamError(f"a packet holds {count} symbols, which do not divide into {indices.size} rows")
    return (*indices.shape, count // indices.size)


def _array_of_tensor(values: Any) -> NDArray[Any]:
    """The same memory as a numpy array; bfloat16, which numpy lacks, as uint16."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(values, torch.Tensor):
        what = values.dtype if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
        raise ArgumentError(f"values are {what}; allowed are numpy arrays and torch tensors of {', '.join(_DTYPES)}")
    values = values.detach()
    if values.dtype == torch.bfloat16:
        return values.view(torch.int16).numpy().view(np.uint16)  # type: ignore[no-any-return]
    array: NDArray[Any] = values.numpy()
    if array.dtype.char == _UINT16:
        raise ArgumentError(f"values are {values.dtype}; allowed are {', '.join(_DTYPES)}: convert them first")
    return array


def _explain(
    values: NDArray[Any],
    tables: TableSet,
    indices: Tables,
    is_batch: bool,
    step: float,
    threads: int,
    chunk: int = CHUNK_SYMBOLS,
) -> None:
    """Raises a clear error for what the native call refused, where that is one of the usual mistakes."""
    native_tables_of(tables)
    if values.dtype.name not in (*_DTYPES, "uint16") or not values.dtype.isnative:
        raise ArgumentError(
            f"values are {values.dtype.str}; allowed are {', '.join(_DTYPES)}, native: convert them first"
        )
    if not values.flags.c_contiguous:
        raise ValueError(f"an array of shape {values.shape} is not C-contiguous; pass numpy.ascontiguousarray(array)")
    real_number("a step", step, lowest=_SMALLEST_STEP, highest=_LARGEST_STEP)
    whole_number("the number of threads", threads, 1, _MAX_THREADS)
    whole_number("chunk_symbols", chunk, 1, _MAX_CHUNK)
    if isinstance(indices, np.ndarray):
        _explain_indices(indices, values.shape[1:] if is_batch else values.shape)
    else:
        if not isinstance(indices, SupportsIndex):
            raise ArgumentError(f"table indices are a {type(indices).__name__}; allowed are an int or a uint8 array")
        whole_number("a table index", indices, 0, len(tables) - 1)
    last = int(np.max(indices, initial=0))
    if last >= len(tables):
        raise ValueError(f"a table index is {last}; the set has {len(tables)}")


def _explain_indices(indices: NDArray[Any], shape: tuple[int, ...]) -> None:
    if indices.dtype != np.uint8:
        raise ArgumentError(f"table indices are {indices.dtype}; allowed are one number or uint8: convert them first")
    if not indices.flags.c_contiguous:
        raise ValueError("table indices are not C-contiguous; pass numpy.ascontiguousarray(indices)")
    if indices.shape != shape[: indices.ndim]:
        raise ValueError(f"table indices of shape {indices.shape} do not lead values of shape {shape}")
