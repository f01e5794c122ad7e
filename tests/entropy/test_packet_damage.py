"""Damaged packets and wrong calls: a typed error, never other values and never a crash."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from laconic.entropy import simd
from laconic.entropy.container import varint
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError, LimitError, TruncatedError
from laconic.entropy.packets import decode_array, decode_batch, encode_array, encode_batch
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts

VALUES = np.arange(-80, 81)
BANK = TableSet(
    tuple(
        Table(-64, tuple(frequencies_of_counts(np.exp(-np.abs(np.arange(-64, 64)) / s)).tolist())) for s in (0.3, 1, 5)
    )
)


def draw(shape: tuple[int, ...], scale: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.rint(rng.laplace(0, scale, shape))
    values[rng.random(shape) < 0.01] = 100_000
    values[rng.random(shape) < 0.01] = -90
    return values.astype(np.int32)


class Sample:
    """A packet, what it holds, and how it is read."""

    def __init__(self, values: np.ndarray, indices: Any, **options: Any) -> None:
        self.values, self.indices = values, indices
        self.packet = encode_array(values, BANK, indices, **options)

    def decode(self, packet: bytes) -> np.ndarray:
        out = np.empty_like(self.values)
        decode_array(packet, BANK, self.indices, out=out)
        return out


SAMPLES = {
    "empty": Sample(draw((0,)), 0),
    "one": Sample(draw((1,)), 0),
    "few": Sample(draw((12,)), 1),
    "sparse": Sample(draw((900,), 0.05), 0),
    "4 lanes": Sample(draw((400,)), 1),
    "8 lanes": Sample(draw((1600,), 3), 2),
    "16 lanes": Sample(draw((3000,), 3), 2),
    "rows": Sample(draw((3, 200)), np.array([0, 1, 2], np.uint8)),
    "by symbol": Sample(draw((500,)), np.random.default_rng(0).integers(0, 3, 500).astype(np.uint8)),
    "int8": Sample((draw((800,)) % 128).astype(np.int8), 2),
    "large, with CRC": Sample(draw((9000,), 5), 2),
    "chunks": Sample(draw((700,)), 1, chunk_symbols=100),
    "chunks of rows": Sample(draw((6, 90)), np.arange(6, dtype=np.uint8) % 3, chunk_symbols=200),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_whole_packet_decodes(level: str, name: str) -> None:
    assert np.array_equal(SAMPLES[name].decode(SAMPLES[name].packet), SAMPLES[name].values)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_flipped_bit_goes_unnoticed(name: str) -> None:
    """All bits of small packets; of large ones those of the first 200 bytes and 4,000 others."""
    sample = SAMPLES[name]
    bits = np.arange(8 * len(sample.packet))
    if bits.size > 6000:
        bits = np.union1d(bits[:1600], np.random.default_rng(0).choice(bits, 4000, replace=False))
    levels = simd.available()
    before = simd.current()
    unnoticed = []
    for number, bit in enumerate(bits.tolist()):
        flipped = bytearray(sample.packet)
        flipped[bit // 8] ^= 1 << bit % 8
        simd.use(levels[number % len(levels)])
        try:
            assert np.array_equal(sample.decode(bytes(flipped)), sample.values), f"bit {bit} changes the values"
        except BitstreamError:
            continue
        unnoticed.append(bit)
    simd.use(before)
    assert not unnoticed


@pytest.mark.parametrize("name", SAMPLES)
def test_no_cut_goes_unnoticed(level: str, name: str) -> None:
    sample = SAMPLES[name]
    for length in sorted(
        {*range(min(300, len(sample.packet))), *range(0, len(sample.packet), 1 + len(sample.packet) // 600)}
    ):
        with pytest.raises(BitstreamError):
            sample.decode(sample.packet[:length])


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("tail", [b"\0", b"\0\0", b"\1", bytes(100)])
def test_bytes_after_the_packet_are_refused(name: str, tail: bytes) -> None:
    with pytest.raises(BitstreamError):
        SAMPLES[name].decode(SAMPLES[name].packet + tail)


@pytest.mark.parametrize("name", SAMPLES)
def test_two_changed_bytes_are_noticed(level: str, name: str) -> None:
    sample, rng = SAMPLES[name], np.random.default_rng(5)
    for _ in range(300):
        changed = bytearray(sample.packet)
        for at in rng.integers(0, len(changed), 2):
            changed[at] = int(rng.integers(256))
        if bytes(changed) != sample.packet:
            with pytest.raises(BitstreamError):
                sample.decode(bytes(changed))


def test_swapped_streams_are_noticed() -> None:
    values = draw((4, 40), 0.3).clip(-5, 5)
    values[1:] = values[0]  # so that all streams have one length
    packet = encode_array(values, BANK, 1, chunk_symbols=40)
    length = packet[3]
    assert packet[3:7] == bytes([length] * 4) and len(packet) == 7 + 4 * length and length < 128
    parts = [packet[7 + n * length : 7 + (n + 1) * length] for n in range(4)]
    assert np.array_equal(decode_array(packet, BANK, 1), values.reshape(-1))
    for order in ((1, 0, 2, 3), (0, 1, 3, 2), (0, 0, 2, 3)):
        with pytest.raises(BitstreamError):
            decode_array(packet[:7] + b"".join(parts[n] for n in order), BANK, 1)


def test_random_bytes_are_refused(level: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(2000):
        data = rng.integers(0, 256, rng.integers(0, 200)).astype(np.uint8).tobytes()
        with pytest.raises(BitstreamError):
            decode_array(data, BANK, 1)
    for _ in range(2000):
        data = varint(2 * 300) + rng.integers(0, 256, rng.integers(0, 400)).astype(np.uint8).tobytes()
        with pytest.raises(BitstreamError):
            decode_array(data, BANK, 1, out=np.empty(300, np.int32))


def test_other_tables_layouts_and_counts_are_noticed() -> None:
    values = draw((6, 100))
    rows = np.array([0, 1, 2, 0, 1, 2], np.uint8)
    packet = encode_array(values, BANK, rows)
    others: list[tuple[TableSet, Any, int]] = [
        (BANK, rows[::-1].copy(), 600),
        (BANK, 1, 600),
        (BANK, rows.repeat(100), 600),
        (TableSet(BANK.tables[::-1]), rows, 600),
    ]
    for tables, indices, count in others:
        shape = (6, 100) if isinstance(indices, np.ndarray) and indices.size == 6 else (count,)
        if np.array_equal(np.asarray(indices), rows.repeat(100)):
            assert np.array_equal(decode_array(packet, tables, indices), values.reshape(-1))  # the same tables
            continue
        with pytest.raises(BitstreamError):
            decode_array(packet, tables, indices, out=np.empty(shape, np.int32))
    for count in (0, 594, 606):
        with pytest.raises(CorruptStreamError, match=f"holds 600 symbols; {count} are expected"):
            decode_array(packet, BANK, 1, out=np.empty(count, np.int32))


@pytest.mark.parametrize("log2", [30, 33, 39, 40, 41, 62])
@pytest.mark.parametrize("chunked", [0, 1])
def test_bomb_costs_neither_work_nor_memory(log2: int, chunked: int, work_of: Callable[..., Any]) -> None:
    packet = varint((2 << log2) | chunked) + varint(1 + chunked) + bytes(900)

    def refused() -> None:
        with pytest.raises(LimitError if log2 <= 40 else CorruptStreamError):
            decode_array(packet, BANK)

    work = work_of(refused)
    assert 0 < work.lines < 100
    assert work.allocated_bytes < 1 << 20


def test_bomb_of_many_chunks_is_not_prepared_for(resident_growth_of: Callable[..., int]) -> None:
    """2^24 chunks of a symbol each are claimed in 900 bytes; a length for each would take 128 MB."""
    count = 1 << 24
    packet, out = varint(2 * count + 1) + varint(1) + bytes(900), np.empty(count, np.int8)

    def refused() -> None:
        with pytest.raises(TruncatedError, match="ends before its streams"):
            decode_array(packet, BANK, out=out)

    assert resident_growth_of(refused) < 16 << 20


def test_claims_of_a_batch_are_limited_together() -> None:
    with pytest.raises(LimitError, match="3 packets claim 268435456 symbols each"):
        decode_batch([varint(2 << 28) + bytes(20)] * 3, BANK)


@pytest.mark.parametrize("broken", [0, 1, 17, 36])
def test_first_broken_packet_of_a_batch_is_named(level: str, broken: int) -> None:
    packets = encode_batch(draw((37, 500)), BANK, 1)
    for n in {broken, 36}:
        changed = bytearray(packets[n])
        changed[len(changed) // 2] ^= 16
        packets[n] = bytes(changed)
    for threads in (1, 3):
        with pytest.raises(BitstreamError, match=f"packet {broken} of 37: "):
            decode_batch(packets, BANK, 1, threads=threads)


def test_kind_of_damage_is_told() -> None:
    crc = SAMPLES["large, with CRC"]
    changed = bytearray(crc.packet)
    changed[-3] ^= 1
    with pytest.raises(ChecksumError):
        crc.decode(bytes(changed))
    few = SAMPLES["few"]
    with pytest.raises(TruncatedError):
        few.decode(few.packet[:4])
    with pytest.raises(CorruptStreamError, match="form"):
        few.decode(few.packet[:1] + b"\x07" + few.packet[2:])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2.0**31, -(2.0**31) - 256])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_float_that_is_no_integer_is_refused(level: str, dtype: str, value: float) -> None:
    for count in (1, 100, 70_000):
        values = np.zeros(count, dtype)
        with np.errstate(over="ignore"):
            values[count // 2] = value
        for threads in (1, 3):
            with pytest.raises(ValueError, match=f"at place {count // 2} is no 32-bit integer"):
                encode_array(values, BANK, 1, threads=threads, chunk_symbols=20_000)
    with pytest.raises(ValueError, match="at place 1 is"):
        encode_batch(np.array([[0, value]], np.float32), BANK, 1)


NO_TENSOR = object()
ONE = np.zeros(3, np.int8)
PACKET = encode_array(ONE, BANK)


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode_array(None, BANK),
        lambda: encode_array("abc", BANK),
        lambda: encode_array(3, BANK),
        lambda: encode_array(NO_TENSOR, BANK),
        lambda: encode_array(np.array(["a"]), BANK),
        lambda: encode_array(np.zeros(3, object), BANK),
        lambda: encode_array(np.zeros(3, bool), BANK),
        lambda: encode_array(np.zeros(3, complex), BANK),
        lambda: encode_array(np.zeros(3, np.float64), BANK),
        lambda: encode_array(np.zeros(3, np.uint8), BANK),
        lambda: encode_array(np.zeros(3, ">i4"), BANK),
        lambda: encode_array(np.zeros(3, ">f4"), BANK),
        lambda: encode_array(np.zeros(3, "i4,i4"), BANK),
        lambda: encode_array(np.zeros((3, 3), np.int8).T[:2], BANK),
        lambda: encode_array(ONE, None),  # type: ignore[arg-type]
        lambda: encode_array(ONE, "tables"),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, None),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, "0"),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, 0.0),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, 256),
        lambda: encode_array(ONE, BANK, 1 << 70),
        lambda: encode_array(ONE, BANK, np.zeros(3, np.int64)),
        lambda: encode_array(ONE, BANK, np.full(3, 3, np.uint8)),
        lambda: encode_array(ONE, BANK, np.zeros(6, np.uint8)[::2]),
        lambda: encode_array(ONE, BANK, np.zeros((3, 1), np.uint8)),
        lambda: encode_array(ONE, BANK, step=-1.0),
        lambda: encode_array(ONE, BANK, step=float("nan")),
        lambda: encode_array(ONE, BANK, step=float("inf")),
        lambda: encode_array(ONE, BANK, step=1e-46),
        lambda: encode_array(ONE, BANK, step="1"),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, threads=-1),
        lambda: encode_array(ONE, BANK, threads=1 << 40),
        lambda: encode_array(ONE, BANK, threads=1.5),  # type: ignore[arg-type]
        lambda: encode_array(ONE, BANK, chunk_symbols=-5),
        lambda: encode_array(ONE, BANK, chunk_symbols=(1 << 30) + 1),
        lambda: encode_array(ONE, BANK, chunk_symbols=None),  # type: ignore[arg-type]
        lambda: encode_batch(np.int8(3), BANK),
        lambda: encode_batch(None, BANK),
        lambda: encode_batch(np.zeros((2, 3), np.int8), BANK, np.zeros(2, np.uint8)),
        lambda: decode_array(None, BANK),  # type: ignore[arg-type]
        lambda: decode_array("abc", BANK),  # type: ignore[arg-type]
        lambda: decode_array(PACKET, BANK, dtype="no type"),
        lambda: decode_array(PACKET, BANK, dtype=np.float64),
        lambda: decode_array(PACKET, BANK, dtype=object),
        lambda: decode_array(PACKET, BANK, out=[0, 0, 0]),
        lambda: decode_array(PACKET, BANK, out=np.empty(3, np.int64)),
        lambda: decode_array(PACKET, BANK, out=np.empty(2, np.int8)),
        lambda: decode_array(PACKET, BANK, out=np.empty(6, np.int8)[::2]),
        lambda: decode_array(PACKET, BANK, out=np.frombuffer(b"abc", np.int8)),
        lambda: decode_array(PACKET, BANK, np.zeros(2, np.uint8)),
        lambda: decode_array(PACKET, BANK, np.zeros(0, np.uint8)),
        lambda: decode_batch(None, BANK),  # type: ignore[arg-type]
        lambda: decode_batch([None], BANK),  # type: ignore[list-item]
        lambda: decode_batch([PACKET, None], BANK),  # type: ignore[list-item]
        lambda: decode_batch([PACKET, "abc"], BANK, out=np.empty((2, 3), np.int8)),  # type: ignore[list-item]
        lambda: decode_batch([PACKET], BANK, out=np.empty((2, 3), np.int8)),
        lambda: decode_batch([PACKET], BANK, out=np.empty((1, 4), np.int8)),
        lambda: decode_batch([PACKET], BANK, out=None, threads=0),
    ],
)
def test_wrong_call_is_a_python_error_and_no_crash(call: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)) as raised:
        call()
    assert len(str(raised.value)) > 10


def test_result_that_cannot_be_written_stays_as_it_is() -> None:
    out = np.zeros(3, np.int8)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        decode_array(encode_array(np.ones(3, np.int8), BANK), BANK, out=out)
    assert not out.any()
