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

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from laconic.entropy import _native
from laconic.entropy.errors import BitstreamError, CorruptStreamError, LimitError
from laconic.entropy.rans import stream_errors
from laconic.entropy.tables import TableSet

CHUNK_SYMBOLS = 1 << 18
MAX_SYMBOLS = 1 << 29  # unless the caller gives the shape

_DTYPES = (np.int8, np.int16, np.int32, np.float32, np.float16)
_MAX_CHUNK = 1 << 30

Tables = int | NDArray[np.uint8]


def encode_array(
    values: Any,
    tables: TableSet,
    indices: Tables = 0,
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
    array, _ = _native_array(values)
    rows, by_symbol = _rows(indices, array.shape)
    (packet,) = _native.encode_packets(
        tables.native, array.reshape(-1), 1, rows, by_symbol, _step(step), _chunk(chunk_symbols), _threads(threads)
    )
    return packet


def decode_array(
    data: bytes,
    tables: TableSet,
    indices: Tables = 0,
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
    if out is None:
        with stream_errors():
            count = _native.packet_count(data)
        if count > max(MAX_SYMBOLS, indices.size if isinstance(indices, np.ndarray) else 0):
            raise LimitError(f"a packet claims {count} symbols; at most {MAX_SYMBOLS} are decoded unless out is given")
        out = np.empty(_shape_of_count(count, indices), dtype)
        return _decode([data], out, out.shape, tables, indices, step, threads).reshape(-1)
    return _decode([data], out, tuple(out.shape), tables, indices, step, threads)


def encode_batch(
    values: Any, tables: TableSet, indices: Tables = 0, *, step: float = 1.0, threads: int = 1
) -> list[bytes]:
    """Code many small arrays of one shape, (b, ...), as one packet each; they go through the coder side by side.

    `indices` is what `encode_array` takes for one of them; a packet decodes alone as well.
    """
    array, _ = _native_array(values)
    if array.ndim < 1:
        raise ValueError("a batch needs an axis for its items; the array given has none")
    rows, by_symbol = _rows(indices, array.shape[1:])
    if array.shape[0] == 0:
        return []
    packets: list[bytes] = _native.encode_packets(
        tables.native, array.reshape(-1), len(array), rows, by_symbol, _step(step), _MAX_CHUNK, _threads(threads)
    )
    return packets


def decode_batch(
    packets: Sequence[bytes],
    tables: TableSet,
    indices: Tables = 0,
    *,
    dtype: DTypeLike = np.int32,
    out: Any = None,
    step: float = 1.0,
    threads: int = 1,
) -> Any:
    """The arrays of packets that `encode_batch` or `encode_array` made, all of one size: (b, n), or `out` of (b, ...).

    Raises `BitstreamError` as `decode_array` does; the message names the first broken packet.
    """
    packets = list(packets)
    if not packets:
        return np.empty((0, 0), dtype) if out is None else out
    if out is None:
        with stream_errors():
            count = _native.packet_count(packets[0])
        if count * len(packets) > MAX_SYMBOLS:
            raise LimitError(f"{len(packets)} packets claim {count} symbols each; at most {MAX_SYMBOLS} in all: give out")
        out = np.empty((len(packets), *_shape_of_count(count, indices)), dtype)
        return _decode(packets, out, out.shape[1:], tables, indices, step, threads).reshape(len(packets), -1)
    if len(out) != len(packets):
        raise ValueError(f"out has {len(out)} items for {len(packets)} packets; give one for each")
    return _decode(packets, out, tuple(out.shape[1:]), tables, indices, step, threads)


def _decode(
    packets: list[bytes], out: Any, shape: tuple[int, ...], tables: TableSet, indices: Tables, step: float, threads: int
) -> Any:
    array, _ = _native_array(out)
    rows, by_symbol = _rows(indices, shape)
    arguments = (rows, by_symbol, _step(step), _threads(threads))
    flat = array.reshape(-1)
    try:
        with stream_errors():
            _native.decode_packets(tables.native, packets, flat, *arguments)
    except BitstreamError as err:
        if len(packets) == 1:
            raise
        scratch = np.empty(flat.size // len(packets), flat.dtype)
        for number, packet in enumerate(packets):
            try:
                with stream_errors():
                    _native.decode_packets(tables.native, [packet], scratch, *arguments)
            except BitstreamError as cause:
                raise type(cause)(f"packet {number} of {len(packets)}: {cause}") from err
        raise
    return out


def _shape_of_count(count: int, indices: Tables) -> tuple[int, ...]:
    """A shape of `count` values over which `indices` go."""
    if not isinstance(indices, np.ndarray) or indices.size == count:
        return (count,) if not isinstance(indices, np.ndarray) else indices.shape
    if indices.size == 0 or count % indices.size:
        raise CorruptStreamError(f"a packet holds {count} symbols, which do not divide into {indices.size} rows")
    return (*indices.shape, count // indices.size)


def _native_array(values: Any) -> tuple[NDArray[Any], bool]:
    """The same memory as a numpy array that the native core takes; bfloat16 as uint16."""
    is_bfloat16 = False
    if not isinstance(values, np.ndarray):
        if type(values).__module__ != "torch":
            raise TypeError(f"values are a {type(values).__name__}; allowed are numpy arrays and torch tensors")
        values = values.detach()
        is_bfloat16 = str(values.dtype) == "torch.bfloat16"
        values = (values.view(_torch_int16()) if is_bfloat16 else values).numpy()
        values = values.view(np.uint16) if is_bfloat16 else values
    if not is_bfloat16 and values.dtype not in _DTYPES:
        raise TypeError(
            f"values are {values.dtype}; allowed are int8, int16, int32, float32, float16 and, as a tensor, bfloat16"
        )
    if not values.flags.c_contiguous:
        raise ValueError(f"an array of shape {values.shape} is not C-contiguous; pass numpy.ascontiguousarray(array)")
    return values, is_bfloat16


def _torch_int16() -> Any:
    import torch  # a tensor was given, so it is loaded

    return torch.int16


def _rows(indices: Tables, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], bool]:
    """Table numbers as a flat array, and whether they are those of single symbols rather than rows."""
    if not isinstance(indices, np.ndarray):
        if not 0 <= indices <= 255:
            raise ValueError(f"a table index is {indices}; allowed is 0 to 255")
        return np.array([indices], np.uint8), False
    if indices.dtype != np.uint8:
        raise TypeError(f"table indices are {indices.dtype}; allowed are one number or uint8: convert them first")
    if indices.shape != shape[: indices.ndim]:
        raise ValueError(f"table indices of shape {indices.shape} do not lead values of shape {shape}")
    if not indices.flags.c_contiguous:
        raise ValueError("table indices are not C-contiguous; pass numpy.ascontiguousarray(indices)")
    by_symbol = indices.size == prod(shape)
    return indices.reshape(-1), by_symbol


def _step(step: float) -> float:
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"a step is {step}; allowed are finite numbers above 0")
    return float(step)


def _chunk(chunk_symbols: int) -> int:
    if not 1 <= chunk_symbols <= _MAX_CHUNK:
        raise ValueError(f"a chunk has {chunk_symbols} symbols; allowed are 1 to 2^30")
    return chunk_symbols


def _threads(threads: int) -> int:
    if not 1 <= threads <= 1024:
        raise ValueError(f"the number of threads is {threads}; allowed are 1 to 1024")
    return threads
