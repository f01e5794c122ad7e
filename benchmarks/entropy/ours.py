"""Our coder in the entropy benchmark, through its Python API."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from coders import Coder
from data import DataSet
from numpy.typing import NDArray

from laconic.entropy import packets, rans, simd
from laconic.entropy.tables import TableSet, table_of_probabilities

PLANE, CHUNK = 1 << 21, 1 << 18  # symbols: more than a plane of (a), and the default
_LEVELS = ("portable", "avx2", "avx512")


def name_of(level: str, *, dtype: str = "int8", layout: str = "plane", threads: int = 1) -> str:
    """What a row of ours is called."""
    counted = "1 thread" if threads == 1 else f"{threads} threads"
    return f"laconic {level}, {dtype}, {layout}, {counted}"


def levels() -> list[str]:
    """The SIMD levels that run here, slowest first."""
    return [level for level in _LEVELS if level in simd.available()]


def best_level() -> str:
    """The fastest SIMD level that runs here."""
    return levels()[-1]


def tables_of(data: DataSet) -> TableSet:
    """Tables made of the unrounded models."""
    return TableSet(tuple(table_of_probabilities(data.support, model, tolerance=0.0002) for model in data.models))


def plane_coders(data: DataSet) -> list[Coder]:
    """(a): each level by plane and by chunks; float32 and two threads at the best level."""
    tables, best = tables_of(data), best_level()
    coders = [
        _array_coder(data, tables, level=level, layout=layout)
        for level in reversed(levels())
        for layout in ("plane", "256 Ki")
    ]
    coders.append(_array_coder(data, tables, level=best, dtype="float32"))
    if (os.cpu_count() or 1) > 1:
        coders += [_array_coder(data, tables, level=best, layout=layout, threads=2) for layout in ("plane", "256 Ki")]
    return coders


def hyperprior_coders(data: DataSet) -> list[Coder]:
    """(b): each level; float32 and two threads at the best level."""
    tables, best = tables_of(data), best_level()
    coders = [_array_coder(data, tables, level=level, layout="256 Ki") for level in reversed(levels())]
    coders.append(_array_coder(data, tables, level=best, layout="256 Ki", dtype="float32"))
    if (os.cpu_count() or 1) > 1:
        coders.append(_array_coder(data, tables, level=best, layout="256 Ki", threads=2))
    return coders


def blob_coders(blobs: Sequence[DataSet]) -> list[Coder]:
    """(c): each level in one batch call, and one call per blob."""
    tables = tables_of(blobs[0])
    return [make(blobs, tables, level) for level in reversed(levels()) for make in (_batch_coder, _single_coder)]


def size_of(data: DataSet, tables: TableSet, chunk_symbols: int) -> int:
    """Bytes of the packet."""
    return len(packets.encode_array(data.values, tables, data.indices, chunk_symbols=chunk_symbols))


def fixed_bytes(data: DataSet, tables: TableSet, chunk_symbols: int) -> int:
    """Bytes of header and flush, which do not grow with the payload: what the packet costs more in two halves.

    Lanes follow the payload up to 64 of them (native/packets.hpp); a half that has fewer makes the number too small.
    """
    half = data.values.shape[-1] // 2
    halves = (replace(data, values=data.values[..., :half]), replace(data, values=data.values[..., half:]))
    whole = size_of(data, tables, chunk_symbols)
    return sum(size_of(part, tables, chunk_symbols) for part in halves) - whole


def table_ideal_bytes(data: DataSet, tables: TableSet) -> float:
    """Ideal code length under the tables as they are."""
    values = np.ascontiguousarray(data.values).ravel()
    return rans.ideal_bits(values, tables, np.ascontiguousarray(data.symbol_indices()).ravel()) / 8


def _array_coder(
    data: DataSet, tables: TableSet, *, level: str, dtype: str = "", layout: str = "plane", threads: int = 1
) -> Coder:
    values = data.values.astype(dtype or data.values.dtype)
    chunk_symbols = PLANE if layout == "plane" else CHUNK
    out = np.zeros_like(values)

    def encode() -> bytes:
        return packets.encode_array(values, tables, data.indices, threads=threads, chunk_symbols=chunk_symbols)

    def decode(packet: bytes) -> Any:
        return packets.decode_array(packet, tables, data.indices, dtype=values.dtype, out=out, threads=threads)

    def is_input(decoded: NDArray[Any]) -> bool:
        same = np.array_equal(decoded, values)
        out[...] = 0
        return same

    return Coder(
        name_of(level, dtype=str(values.dtype), layout=layout, threads=threads),
        values.size,
        data.ideal_bits(),
        encode,
        decode,
        num_bytes=len,
        is_input=is_input,
        prepare=partial(_prepare, level, threads),
    )


def _batch_coder(blobs: Sequence[DataSet], tables: TableSet, level: str) -> Coder:
    values = np.stack([blob.values for blob in blobs])
    indices, out = blobs[0].indices, np.zeros_like(values)
    return Coder(
        f"laconic {level}, one batch call",
        values.size,
        sum(blob.ideal_bits() for blob in blobs),
        encode=lambda: packets.encode_batch(values, tables, indices),
        decode=lambda coded: packets.decode_batch(coded, tables, indices, dtype=values.dtype, out=out),
        num_bytes=lambda coded: sum(map(len, coded)),
        is_input=lambda decoded: np.array_equal(decoded, values),
        prepare=partial(_prepare, level, 1),
        num_messages=len(blobs),
    )


def _single_coder(blobs: Sequence[DataSet], tables: TableSet, level: str) -> Coder:
    messages, indices = [blob.values for blob in blobs], blobs[0].indices
    out = np.zeros_like(messages[0])
    decode_one: Callable[[bytes], Any] = partial(
        packets.decode_array, tables=tables, indices=indices, dtype=out.dtype, out=out
    )

    def is_input(decoded: list[NDArray[Any]]) -> bool:
        del decoded  # all are the one buffer; decoded again below
        coded = [packets.encode_array(message, tables, indices) for message in messages]
        return all(np.array_equal(decode_one(c), m) for c, m in zip(coded, messages, strict=True))

    batch = _batch_coder(blobs, tables, level)
    return replace(
        batch,
        name=f"laconic {level}, one call per blob",
        encode=lambda: [packets.encode_array(message, tables, indices) for message in messages],
        decode=lambda coded: [decode_one(c) for c in coded],
        is_input=is_input,
    )


def _prepare(level: str, threads: int) -> None:
    simd.use(level)
    if threads > 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
