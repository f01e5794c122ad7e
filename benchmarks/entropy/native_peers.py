"""C and C++ coders from shared libraries, for the entropy benchmark.

A library below PEERS/lib, other than compressai_core.so, holds coders numbered from 0 behind these C functions (sizes
in bytes; `encode` and `decode` return 0 on failure; buffers are aligned to 64 bytes):

    const char *peer_name(int coder);                    // NULL past the last
    int peer_table_bits(int coder);                      // 0: it counts and makes its tables inside encode
    int peer_tables(int coder, int num_tables, const uint32_t *frequencies);  // num_tables x 256, sums 1 << bits; 0: fine
    void peer_select(int coder);                         // before each turn, not timed
    size_t peer_bound(int coder, size_t num_symbols);
    size_t peer_encode(int coder, int table, const uint8_t *in, size_t n, uint8_t *out, size_t capacity);
    size_t peer_decode(int coder, int table, const uint8_t *in, size_t size, uint8_t *out, size_t n);  // returns n

compressai_core.so is what build_peers.py makes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from coders import Coder
from data import DataSet
from numpy.typing import DTypeLike, NDArray

CORE = "CompressAI core, no Python lists"
_CORE_LIBRARY = "compressai_core.so"
_PRECISION_BITS = 16
_TAIL = 1e-9  # CompressAI's tail_mass: less likely values are escaped
_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int


def plane_coders(folder: Path, data: DataSet) -> Iterator[Coder]:
    """Every coder of every library on planes of int8, one call per plane. Raises FileNotFoundError without any."""
    paths = [path for path in sorted(folder.glob("*.so")) if path.name != _CORE_LIBRARY]
    if not paths:
        raise FileNotFoundError(
            f"{folder} holds no library with a C coder; native_peers.py tells what one has to offer"
        )
    planes = _Planes(data)
    for path in paths:
        library = _load(path)
        number = 0
        while name := library.peer_name(number):
            yield _plane_coder(library, number, name.decode(), planes)
            number += 1


def core_coder(folder: Path, data: DataSet) -> Coder:
    """CompressAI's C++ coder. Raises FileNotFoundError when it is not built."""
    path = folder / _CORE_LIBRARY
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; run build_peers.py")
    library = ctypes.PyDLL(str(path))
    library.core_open.restype = _POINTER
    library.core_open.argtypes = (_INT, _INT, _POINTER, _POINTER, _POINTER)
    library.core_load.argtypes = (_POINTER, _POINTER, _POINTER, _SIZE)
    library.core_encode.restype, library.core_encode.argtypes = _SIZE, (_POINTER,)
    library.core_decode.restype, library.core_decode.argtypes = _POINTER, (_POINTER,)
    tables = compressai_tables(data)
    handle = library.core_open(*tables.cdfs.shape, _at(tables.cdfs), _at(tables.sizes), _at(tables.offsets))
    symbols = np.ascontiguousarray(data.values, np.int32)
    indexes = np.ascontiguousarray(data.symbol_indices(), np.int32)
    library.core_load(handle, _at(symbols), _at(indexes), symbols.size)

    def is_input(address: int) -> bool:
        numbers = ctypes.cast(address, ctypes.POINTER(ctypes.c_int32))
        return np.array_equal(np.ctypeslib.as_array(numbers, shape=(symbols.size,)), symbols.ravel())

    return Coder(
        CORE,
        symbols.size,
        data.ideal_bits(),
        encode=partial(library.core_encode, handle),
        decode=lambda _: library.core_decode(handle),
        num_bytes=int,
        is_input=is_input,
    )


@dataclass(frozen=True)
class CompressAITables:
    """Cumulative frequencies as CompressAI keeps them: one padded row per table, the last entry the escape."""

    cdfs: NDArray[np.int32]
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int32]


def compressai_tables(data: DataSet) -> CompressAITables:
    """The models of the data set at 16 bits."""
    rows, offsets = [], []
    for model in data.models:
        (inside,) = np.nonzero(model >= _TAIL)
        kept = model[inside[0] : inside[-1] + 1]
        frequencies = rounded(np.append(kept, max(1 - kept.sum(), _TAIL)), 1 << _PRECISION_BITS)
        rows.append(np.concatenate(([0], np.cumsum(frequencies))))
        offsets.append(data.first + int(inside[0]))
    sizes = [len(row) for row in rows]
    cdfs = np.zeros((len(rows), max(sizes)), np.int32)
    for padded, row in zip(cdfs, rows, strict=True):
        padded[: len(row)] = row
    return CompressAITables(cdfs, np.array(sizes, np.int32), np.array(offsets, np.int32))


def rounded(weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Integers in proportion to the weights with this sum; 0 where the weight is 0, else at least 1."""
    possible = weights > 0
    exact = weights / weights.sum() * (total - possible.sum())
    frequencies: NDArray[np.int64] = np.floor(exact).astype(np.int64) + possible
    missing = total - int(frequencies.sum())
    remainders = np.where(possible, exact - np.floor(exact), -1.0)
    frequencies[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return frequencies


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros whose first byte is at a multiple of 64."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffer = np.zeros(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


class _Planes:
    """Planes as bytes, each starting at a multiple of 64, and room for the output."""

    def __init__(self, data: DataSet) -> None:
        self.count, self.length = data.values.shape
        self.stride = -(-self.length // 64) * 64
        self.data = data
        self.source = aligned((self.count, self.stride), np.uint8)
        self.source[:, : self.length] = data.values.view(np.uint8)
        self.decoded = aligned((self.count, self.stride), np.uint8)
        self.ideal_bits = data.ideal_bits()

    def frequencies(self, bits: int) -> NDArray[np.uint32]:
        """The models, by byte, at this precision: the values that occur."""
        weights = np.zeros((self.count, 256))
        weights[:, self.data.support.astype(np.int8).view(np.uint8)] = self.data.models
        counts = np.stack([np.bincount(row[: self.length], minlength=256) for row in self.source])
        return np.stack([rounded(row, 1 << bits) for row in np.where(counts > 0, weights, 0)]).astype(np.uint32)

    def is_input(self, sizes: list[int]) -> bool:
        same = np.array_equal(self.source[:, : self.length], self.decoded[:, : self.length])
        self.decoded[:] = 0
        return same and sizes == [self.length] * self.count


def _plane_coder(library: ctypes.CDLL, number: int, name: str, planes: _Planes) -> Coder:
    bits = library.peer_table_bits(number)
    if bits and library.peer_tables(number, planes.count, _at(planes.frequencies(bits))) != 0:
        raise RuntimeError(f"{name} does not take its tables")
    room = library.peer_bound(number, planes.length)
    encoded = aligned((planes.count, -(-room // 64) * 64), np.uint8)
    inputs, packets, outputs = ([_at(row) for row in rows] for rows in (planes.source, encoded, planes.decoded))
    length = planes.length

    def encode() -> list[int]:
        return [
            library.peer_encode(number, table, source, length, packet, room)
            for table, (source, packet) in enumerate(zip(inputs, packets, strict=True))
        ]

    def decode(sizes: list[int]) -> list[int]:
        return [
            library.peer_decode(number, table, packet, size, output, length)
            for table, (packet, size, output) in enumerate(zip(packets, sizes, outputs, strict=True))
        ]

    return Coder(
        name,
        planes.count * length,
        planes.ideal_bits,
        encode,
        decode,
        num_bytes=sum,
        is_input=planes.is_input,
        prepare=partial(library.peer_select, number),
        note=f"tables of {bits} bits given" if bits else "makes and stores its own tables",
    )


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path.resolve()))
    library.peer_name.restype = ctypes.c_char_p
    library.peer_tables.argtypes = (_INT, _INT, _POINTER)
    library.peer_bound.restype, library.peer_bound.argtypes = _SIZE, (_INT, _SIZE)
    for function in (library.peer_encode, library.peer_decode):
        function.restype = _SIZE
        function.argtypes = (_INT, _INT, _POINTER, _SIZE, _POINTER, _SIZE)
    return library


def _at(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(_POINTER)  # keeps the array alive
