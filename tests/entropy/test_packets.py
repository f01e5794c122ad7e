"""Calls with packets: types, layouts, threads, batches, and what is said of bad input. The format has its own tests."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from laconic.entropy.errors import BitstreamError, LimitError
from laconic.entropy.packets import decode_array, decode_batch, encode_array, encode_batch
from laconic.entropy.tables import Table, TableSet, table_of_probabilities

VALUES = np.arange(-100, 101)
BANK = TableSet(tuple(table_of_probabilities(VALUES, np.exp(-np.abs(VALUES) / scale)) for scale in (0.3, 1, 4)))


def draw(shape: tuple[int, ...], dtype: Any = np.int32, seed: int = 0) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).laplace(0, 1, shape)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("count", [0, 1, 2, 1000, 300_001])
def test_integers_come_back_exactly(dtype: type, count: int) -> None:
    limits = np.iinfo(dtype)
    values = draw((count,), dtype, seed=count)
    values[::97] = limits.max
    values[::89] = limits.min
    decoded = decode_array(encode_array(values, BANK, 1), BANK, 1, dtype=dtype)
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("step", [1.0, 0.25, 0.1])
def test_floats_are_rounded_to_the_step_halves_to_even(dtype: type, step: float) -> None:
    values = np.random.default_rng(1).normal(0, 3, 5000).astype(dtype)
    values[:6] = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.0]) * step
    integers = np.rint(values.astype(np.float32) * (np.float32(1) / np.float32(step))).astype(np.int32)
    packet = encode_array(values, BANK, 1, step=step)
    assert packet == encode_array(integers, BANK, 1)
    decoded = decode_array(packet, BANK, 1, dtype=dtype, step=step)
    assert np.array_equal(decoded, (integers.astype(np.float32) * np.float32(step)).astype(dtype))


def test_tensors_and_bfloat16_are_taken() -> None:
    torch = pytest.importorskip("torch")
    values = torch.randn(3, 500, generator=torch.Generator().manual_seed(0)).bfloat16()
    out = torch.empty_like(values)
    assert decode_array(encode_array(values, BANK, 1, step=0.5), BANK, 1, out=out, step=0.5) is out
    assert torch.equal(out, (torch.round(values.float() * 2) / 2).bfloat16())
    with pytest.raises(TypeError, match="uint16"):
        encode_array(values.view(torch.uint16), BANK)


@pytest.mark.parametrize("indices", [2, np.array([0, 1, 2], np.uint8), np.arange(12, dtype=np.uint8).reshape(3, 4) % 3])
def test_indices_lead_the_shape(indices: Any) -> None:
    values = draw((3, 4, 50), np.int16)
    packet = encode_array(values, BANK, indices)
    assert np.array_equal(decode_array(packet, BANK, indices, dtype=np.int16).reshape(values.shape), values)
    out = np.zeros_like(values)
    assert decode_array(packet, BANK, indices, out=out) is out
    assert np.array_equal(out, values)


@pytest.mark.parametrize("chunk_symbols", [1, 7, 1000, 1 << 20])
def test_threads_and_chunks_change_nothing(chunk_symbols: int) -> None:
    values = draw((5, 3001), np.int8)
    rows = np.array([0, 1, 2, 1, 0], np.uint8)
    packet = encode_array(values, BANK, rows, chunk_symbols=chunk_symbols)
    for threads in (2, 3):
        assert encode_array(values, BANK, rows, chunk_symbols=chunk_symbols, threads=threads) == packet
        decoded = decode_array(packet, BANK, rows, dtype=np.int8, threads=threads)
        assert np.array_equal(decoded.reshape(values.shape), values)


def test_packets_of_a_batch_decode_together_and_alone() -> None:
    values = draw((37, 12, 64), np.int8)
    rows = np.arange(12, dtype=np.uint8) % 3
    packets = encode_batch(values, BANK, rows, threads=2)
    assert np.array_equal(decode_batch(packets, BANK, rows, dtype=np.int8).reshape(values.shape), values)
    for item, packet in zip(values, packets, strict=True):
        assert np.array_equal(decode_array(packet, BANK, rows, dtype=np.int8).reshape(item.shape), item)
    mixed = [encode_array(item, BANK, rows) for item in values]  # forms of their own
    out = np.empty_like(values)
    assert np.array_equal(decode_batch(mixed, BANK, rows, out=out, threads=3), values)
    assert encode_batch(values[:0], BANK, rows) == []
    assert decode_batch([], BANK, rows).size == 0


def test_broken_packet_of_a_batch_is_named() -> None:
    packets = encode_batch(draw((9, 300)), BANK, 1)
    packets[5] = packets[5][:-1]
    with pytest.raises(BitstreamError, match="packet 5 of 9"):
        decode_batch(packets, BANK, 1)


def test_eight_threads_decode_as_one(num_packets: int = 100) -> None:
    values = [draw((2000,), seed=i) for i in range(num_packets)]
    packets = [encode_array(v, BANK, 1) for v in values]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            decoded = list(pool.map(lambda packet: decode_array(packet, BANK, 1), packets))
            assert all(np.array_equal(a, b) for a, b in zip(decoded, values, strict=True))
            assert list(pool.map(lambda v: encode_array(v, BANK, 1), values)) == packets


def test_tables_read_again_decode_the_same() -> None:
    packet = encode_array(draw((500,)), BANK, 2)
    assert np.array_equal(decode_array(packet, pickle.loads(pickle.dumps(BANK)), 2), draw((500,)))


def test_alphabets_of_one_and_of_256_symbols() -> None:
    tables = TableSet((Table(7, (65535, 1)), Table(-128, (1,) * 255 + (65281,))))
    for table, values in ((0, np.full(10_000, 7)), (0, np.arange(50)), (1, np.arange(-128, 128).repeat(3))):
        decoded = decode_array(encode_array(values.astype(np.int16), tables, table), tables, table, dtype=np.int16)
        assert np.array_equal(decoded, values)


def test_packet_that_claims_too_much_is_refused() -> None:
    packet = bytearray(encode_array(np.zeros(1, np.int8), BANK))
    claim = bytes([0x80] * 5 + [0x01]) + bytes(packet[1:])  # 2^34 symbols
    with pytest.raises(LimitError, match="claims 17179869184 symbols"):
        decode_array(claim, BANK)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e9, -3e9])
def test_float_that_is_no_integer_is_refused_with_its_place(value: float) -> None:
    values = np.zeros(5000, np.float32)
    values[4321] = value
    with pytest.raises(ValueError, match="place 4321"):
        encode_array(values, BANK)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: encode_array(np.zeros(3, np.int64), BANK), TypeError, "int64|i8"),
        (lambda: encode_array(np.zeros(3, np.uint16), BANK), TypeError, "uint16"),
        (lambda: encode_array([1, 2], BANK), TypeError, "list"),
        (lambda: encode_array(np.zeros((4, 4), np.int8)[:, ::2], BANK), ValueError, "C-contiguous"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, 3), ValueError, "index is 3; allowed is a whole number"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, -1), ValueError, "index is -1"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, np.zeros(2, np.uint8)), ValueError, "do not lead"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, np.zeros(3, np.int32)), TypeError, "int32"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, [0, 1, 2]), TypeError, "list"),
        (lambda: encode_array(np.zeros(3, np.float32), BANK, step=0.0), ValueError, "step is 0.0"),
        (lambda: encode_array(np.zeros(3, np.float32), BANK, step=1e39), ValueError, "step is 1e\\+39"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, threads=0), ValueError, "threads is 0"),
        (lambda: encode_array(np.zeros(3, np.int8), BANK, chunk_symbols=0), ValueError, "chunk"),
        (lambda: decode_array("123", BANK), TypeError, "'123'; allowed are bytes, bytearray"),  # type: ignore[arg-type]
    ],
)
def test_wrong_call_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_result_type_that_is_too_small_is_refused() -> None:
    for shape, value in (((100,), 200), ((20_000,), -129)):
        values = np.zeros(shape, np.int32)
        values[50] = value
        with pytest.raises(BitstreamError, match=f"{value} does not fit"):
            decode_array(encode_array(values, BANK, 1), BANK, 1, dtype=np.int8)


def test_truncation_at_every_byte_is_an_error() -> None:
    packet = encode_array(draw((400,)), BANK, 1)
    for length in range(len(packet)):
        with pytest.raises(BitstreamError):
            decode_array(packet[:length], BANK, 1)


def test_packets_of_any_kind_of_bytes_are_decoded() -> None:
    packet = encode_array(np.array([1, -1, 0], np.int8), BANK)
    for kind in (bytearray, memoryview):
        assert decode_array(kind(packet), BANK).tolist() == [1, -1, 0]  # type: ignore[arg-type]
        assert decode_batch([kind(packet)], BANK).tolist() == [[1, -1, 0]]  # type: ignore[list-item]
