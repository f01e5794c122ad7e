"""Laws of packets, for every type, layout, shape and instruction set: exact, the same bytes, alone as in a batch."""

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic.entropy import simd
from laconic.entropy.packets import decode_array, decode_batch, encode_array, encode_batch
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts

try:
    import torch
except ImportError:  # the core does not need it
    torch = None  # type: ignore[assignment]

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
needs_torch = pytest.mark.skipif(torch is None, reason="needs torch")
INTEGERS = ("int8", "int16", "int32")
DTYPES = (*INTEGERS, "float32", "float16", pytest.param("bfloat16", marks=needs_torch))
STEP = 0.25
# 2, 3, 16, 17, 64, 100, 128, 200 and 256 entries: kernels search them with four to eight steps.
SIZES = (2, 3, 16, 17, 64, 100, 128, 200, 256)
SHAPES = (
    (0,),
    (1,),
    (2,),
    (63,),
    (64,),
    (1000,),
    (0, 4),
    (3, 0),
    (1, 1, 1),
    (4, 6),
    (2, 3, 64),
    (3, 4, 700),
    (2, 2, 9, 33),
    (5, 9001),
)


def bank() -> TableSet:
    rng = np.random.default_rng(7)
    return TableSet(
        tuple(
            Table(-(size // 2), tuple(frequencies_of_counts(rng.exponential(1, size) ** 3).tolist())) for size in SIZES
        )
    )


BANK = bank()


def integers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Small numbers, with some far out: as far as the type goes, or as it is exact."""
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, 6, shape))
    far = {"int8": (-128, 127), "int16": (-32768, 32767), "int32": (-(2**31), 2**31 - 1), "float32": (-(2**24), 2**24)}
    low, high = far.get(dtype, (-120, 120))
    values = values.clip(low, high)
    out = rng.random(shape)
    values[out < 0.003] = low
    values[out > 0.997] = high
    return values.astype(np.int32)


def typed(values: np.ndarray, dtype: str) -> Any:
    """Integers as values of a type."""
    if dtype in INTEGERS:
        return values.astype(dtype)
    floats = (values * np.float32(STEP)).astype(np.float32)
    return torch.from_numpy(floats).bfloat16() if dtype == "bfloat16" else floats.astype(dtype)


def step_of(dtype: str) -> float:
    return 1.0 if dtype in INTEGERS else STEP


def empty_like(values: Any) -> Any:
    return np.zeros_like(values) if isinstance(values, np.ndarray) else torch.zeros_like(values)


def same(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else torch.equal(a, b)


def layouts(shape: tuple[int, ...]) -> list[Any]:
    """One table, or one for each row under one or two leading axes, or one for each value."""
    rng = np.random.default_rng(len(shape))
    leading = [shape[:n] for n in range(1, min(len(shape), 3))] + [shape]
    return [3, *(rng.integers(0, len(SIZES), axes).astype(np.uint8) for axes in leading)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_type_layout_and_shape_comes_back(level: str, dtype: str, shape: tuple[int, ...]) -> None:
    values, step = typed(integers(shape, dtype), dtype), step_of(dtype)
    for indices in layouts(shape):
        packet = encode_array(values, BANK, indices, step=step)
        simd.use("portable")
        assert packet == encode_array(values, BANK, indices, step=step)
        simd.use(level)
        out = empty_like(values)
        assert decode_array(packet, BANK, indices, out=out, step=step) is out
        assert same(out, values)
        if dtype != "bfloat16":
            flat = decode_array(packet, BANK, indices, dtype=dtype, step=step)
            assert flat.dtype == np.dtype(dtype)
            assert same(flat, values.reshape(-1))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chunk_symbols", [1, 2, 7, 64, 700, 701, 2100, 10_000])
def test_chunks_and_threads_of_every_type_come_back(level: str, dtype: str, chunk_symbols: int) -> None:
    shape = (3, 4, 175)
    values, step = typed(integers(shape, dtype, chunk_symbols), dtype), step_of(dtype)
    for indices in layouts(shape):
        packet = encode_array(values, BANK, indices, step=step, chunk_symbols=chunk_symbols)
        for threads in (2, 3):
            assert (
                encode_array(values, BANK, indices, step=step, chunk_symbols=chunk_symbols, threads=threads) == packet
            )
        for threads in (1, 2, 3):
            out = empty_like(values)
            decode_array(packet, BANK, indices, out=out, step=step, threads=threads)
            assert same(out, values)


@pytest.mark.parametrize("table", range(len(SIZES)))
@pytest.mark.parametrize("dtype", ["int8", "int32", "float32"])
@pytest.mark.parametrize("count", [300, 20_000, 400_000])
def test_every_size_of_table_comes_back(level: str, dtype: str, table: int, count: int) -> None:
    values, step = typed(integers((count,), dtype, table), dtype), step_of(dtype)
    packet = encode_array(values, BANK, table, step=step)
    assert same(decode_array(packet, BANK, table, dtype=dtype, step=step), values)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("num_items", [1, 2, 5, 16, 33])
@pytest.mark.parametrize("item", [(), (1,), (50,), (3, 100), (2, 3, 900)], ids=str)
def test_batches_come_back_together_and_alone(level: str, dtype: str, num_items: int, item: tuple[int, ...]) -> None:
    values, step = typed(integers((num_items, *item), dtype), dtype), step_of(dtype)
    for indices in layouts(item) if item else [2]:
        packets = encode_batch(values, BANK, indices, step=step)
        assert encode_batch(values, BANK, indices, step=step, threads=3) == packets
        out = empty_like(values)
        assert decode_batch(packets, BANK, indices, out=out, step=step, threads=2) is out
        assert same(out, values)
        alone = empty_like(values[-1:])
        decode_array(packets[-1], BANK, indices, out=alone[0] if item else alone, step=step)
        assert same(alone, values[-1:])


def test_batch_of_one_or_of_equal_items_is_what_singles_are(level: str) -> None:
    """Packets of a batch have one form, chosen for all of them: that of the single where all items are the same."""
    for count in (0, 1, 40, 3000):
        item = integers((count,), "int16", count).astype(np.int16)
        single = encode_array(item, BANK, 5)
        assert encode_batch(item[None], BANK, 5) == [single]
        assert encode_batch(np.repeat(item[None], 21, 0), BANK, 5) == [single] * 21


@SETTINGS
@given(
    shape=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    dtype=st.sampled_from((*INTEGERS, "float32", "float16")),
    axes=st.integers(0, 4),
    chunk_symbols=st.integers(1, 5000),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_array_comes_back(
    shape: list[int], dtype: str, axes: int, chunk_symbols: int, threads: int, seed: int
) -> None:
    values, step = typed(integers(tuple(shape), dtype, seed), dtype), step_of(dtype)
    leading = tuple(shape[: min(axes, len(shape))])
    indices = (
        np.random.default_rng(seed).integers(0, len(SIZES), leading).astype(np.uint8) if axes else seed % len(SIZES)
    )
    packet = encode_array(values, BANK, indices, step=step, chunk_symbols=chunk_symbols, threads=threads)
    out = np.empty_like(values)
    decode_array(packet, BANK, indices, out=out, step=step, threads=threads)
    assert np.array_equal(out, values)
    assert np.array_equal(decode_array(packet, BANK, indices, dtype=dtype, step=step).reshape(values.shape), values)


@SETTINGS
@given(
    floats=st.lists(st.floats(width=32, allow_nan=False, min_value=-1e6, max_value=1e6), max_size=80),
    step=st.floats(2**-7, 100, width=32),
)
def test_any_float_becomes_the_nearest_multiple(floats: list[float], step: float) -> None:
    values = np.array(floats, np.float32)
    decoded = decode_array(encode_array(values, BANK, 4, step=step), BANK, 4, dtype=np.float32, step=step)
    expected = np.rint(values * (np.float32(1) / np.float32(step))).astype(np.int32).astype(np.float32) * np.float32(
        step
    )
    assert np.array_equal(decoded, expected)


def test_any_int32_can_be_coded(level: str) -> None:
    edges = np.array([0, 1, -1, 127, 128, -128, -129, 32766, 32767, 32768, -32768, -32769, 65535, 2**31 - 1, -(2**31)])
    values = edges.repeat(5).astype(np.int32)
    for table in range(len(SIZES)):
        assert np.array_equal(decode_array(encode_array(values, BANK, table), BANK, table), values)


def test_256_tables_of_256_entries(level: str) -> None:
    rng = np.random.default_rng(1)
    tables = TableSet(
        tuple(Table(-128, tuple(frequencies_of_counts(rng.exponential(1, 256) ** 4).tolist())) for _ in range(256))
    )
    values = integers((256, 300), "int8").astype(np.int8)
    for indices in (np.arange(256, dtype=np.uint8), rng.integers(0, 256, values.shape).astype(np.uint8)):
        decoded = decode_array(encode_array(values, tables, indices), tables, indices, dtype=np.int8)
        assert np.array_equal(decoded.reshape(values.shape), values)


def test_constant_array_costs_next_to_nothing(level: str) -> None:
    tables = TableSet((Table(0, (65535, 1)),))
    values = np.zeros(1_000_000, np.int8)
    packet = encode_array(values, tables)
    assert len(packet) < 300
    assert np.array_equal(decode_array(packet, tables, dtype=np.int8), values)


def test_bytes_follow_from_the_values_alone() -> None:
    """Neither memory around an array nor an earlier call leaves a trace."""
    values = integers((50_000,), "int16").astype(np.int16)
    packet = encode_array(values, BANK, 6)
    padded = np.full(values.size + 64, 99, np.int16)
    for offset in (0, 1, 31):
        padded[offset : offset + values.size] = values
        encode_array(integers((1000,), "int32", offset), BANK, 1)
        assert encode_array(padded[offset : offset + values.size], BANK, 6) == packet


def test_nothing_is_written_beside_the_result(level: str) -> None:
    for dtype in (*INTEGERS, "float32", "float16"):
        for count in (1, 63, 65, 2049, 40_000):
            values, step = typed(integers((count,), dtype), dtype), step_of(dtype)
            around = np.full(count + 128, 77, dtype)
            decode_array(encode_array(values, BANK, 4, step=step), BANK, 4, out=around[64 : 64 + count], step=step)
            assert np.array_equal(around[64 : 64 + count], values)
            assert (around[:64] == 77).all() and (around[64 + count :] == 77).all()


def test_others_run_while_the_coder_works() -> None:
    values = np.zeros(60_000_000, np.int8)
    worker = threading.Thread(target=encode_array, args=(values, BANK, 1))
    worker.start()
    steps = 0
    while worker.is_alive():
        steps += 1
    worker.join()
    assert steps > 1000  # with the lock held there would be next to none


def test_threads_that_code_different_things_do_not_disturb_each_other(level: str) -> None:
    jobs = [(integers((37 * n % 5000,), "int32", n), n % len(SIZES)) for n in range(160)]
    packets = [encode_array(values, BANK, table) for values, table in jobs]

    def work(number: int) -> bool:
        values, table = jobs[number]
        packet = encode_array(values, BANK, table, threads=1 + number % 2)
        return packet == packets[number] and np.array_equal(decode_array(packet, BANK, table), values)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(len(jobs))))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_processes_read_packets_with_the_tables_they_are_sent(method: str) -> None:
    values = integers((3000,), "int32")
    packet = encode_array(values, BANK, 5, threads=2)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert np.array_equal(pool.submit(decode_array, packet, BANK, 5).result(), values)
        assert pool.submit(encode_array, values, BANK, 5).result() == packet
