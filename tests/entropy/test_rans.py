"""The coder: exact for every dtype, lane count and value; near the ideal size; total on damaged bytes."""

import dataclasses
import struct

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic.entropy import rans
from laconic.entropy.errors import BitstreamError, CorruptStreamError, TruncatedError
from laconic.entropy.rans import Decoder, RansMessage
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts, table_of_counts

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, database=None)
DTYPES = (np.int8, np.int16, np.int32)
SCALES = (0.1, 0.5, 1.0, 3.0, 10.0, 60.0)


def laplace_table(scale: float) -> Table:
    values = np.arange(-400, 401)
    return table_of_counts(values, np.exp(-np.abs(values) / scale))


BANK = TableSet(tuple(laplace_table(s) for s in SCALES))
ONE = TableSet((laplace_table(1.0),))


def draw(rng: np.random.Generator, count: int, dtype: type = np.int32) -> tuple[np.ndarray, np.ndarray]:
    """Values and the tables that fit them."""
    indices = rng.integers(0, len(SCALES), count).astype(np.uint8)
    values = np.round(rng.laplace(0, 1, count) * np.array(SCALES)[indices])
    limits = np.iinfo(dtype)
    return np.clip(values, limits.min, limits.max).astype(dtype), indices


@pytest.mark.parametrize("lanes", rans.LANES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 3, 4, 63, 64, 65, 1000])
def test_round_trip_of_every_dtype_lanes_and_count(dtype: type, lanes: int, count: int) -> None:
    values, indices = draw(np.random.default_rng(count), count, dtype)
    data = rans.encode(values, BANK, indices, lanes=lanes)
    decoded = rans.decode(data, count, BANK, indices, lanes=lanes, dtype=dtype)
    assert decoded.dtype == dtype
    assert np.array_equal(decoded, values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_of_extreme_values(dtype: type) -> None:
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.max, limits.min + 1, limits.max - 1, 0, -1, 1] * 20, dtype)
    data = rans.encode(values, ONE, lanes=8)
    assert np.array_equal(rans.decode(data, values.size, ONE, lanes=8, dtype=dtype), values)


def test_round_trip_around_the_wide_escape() -> None:
    """Escapes take one word below zigzag code 65535 and three from there on."""
    edge = np.array([32766, 32767, 32768, -32767, -32768, -32769, 65535, -65536], np.int32)
    narrow = np.array([300, -300] * 4, np.int32)
    data = rans.encode(edge, ONE, lanes=4)
    assert np.array_equal(rans.decode(data, edge.size, ONE), edge)
    assert rans.ideal_bits(edge, ONE) - rans.ideal_bits(narrow, ONE) == 32 * (edge.size - 3)


@SETTINGS
@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(-5, 5), max_size=150),
    lanes=st.sampled_from(rans.LANES),
    seed=st.integers(0, 1000),
)
def test_round_trip_of_any_values_under_any_tables(values: list[int], lanes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables = TableSet(
        tuple(
            Table(
                int(rng.integers(-(2**30), 2**30)) if rng.random() < 0.3 else int(rng.integers(-20, 5)),
                tuple(int(f) for f in frequencies_of_counts(rng.exponential(1, size) ** 4)),
            )
            for size in rng.integers(2, 257, rng.integers(1, 9))
        )
    )
    array = np.array(values, np.int32)
    indices = rng.integers(0, len(tables), array.size).astype(np.uint8)
    data = rans.encode(array, tables, indices, lanes=lanes)
    assert np.array_equal(rans.decode(data, array.size, tables, indices, lanes=lanes), array)


def test_256_tables_of_256_entries_round_trip() -> None:
    rng = np.random.default_rng(5)
    frequencies = [frequencies_of_counts(rng.exponential(1, 256) ** 3) for _ in range(256)]
    tables = TableSet(tuple(Table(-128, tuple(int(x) for x in f)) for f in frequencies))
    values = rng.integers(-128, 128, 20_000).astype(np.int16)
    indices = rng.integers(0, 256, values.size).astype(np.uint8)
    data = rans.encode(values, tables, indices, lanes=64)
    assert np.array_equal(rans.decode(data, values.size, tables, indices, lanes=64, dtype=np.int16), values)


@pytest.mark.parametrize("lanes", rans.LANES)
def test_stream_of_nothing_is_its_initial_states(lanes: int) -> None:
    assert rans.encode(np.empty(0, np.int8), ONE, lanes=lanes) == struct.pack("<I", 1 << 16) * lanes


def test_bytes_follow_the_specification_by_hand() -> None:
    """Two entries of 49152 and 16384: one step of the encoder in lane 0 and one in lane 1, each worked out by hand."""
    tables = TableSet((Table(3, (49152, 16384)),))
    # value 3: f = 49152, s = 0:      x = 65536 -> x // f = 1, x % f = 16384 -> 65536 + 16384 + 0
    # value 4: f = 16384, s = 49152, escape: x = 65536 -> 4, 0 -> 4 * 65536 + 0 + 49152, then word zigzag(4) = 8
    expected = struct.pack("<4IH", 65536 + 16384, 4 * 65536 + 49152, 65536, 65536, 8)
    assert rans.encode(np.array([3, 4], np.int32), tables, lanes=4) == expected


def test_renormalisation_word_follows_the_specification_by_hand() -> None:
    """f = 1, s = 65535: x = 65536 has x // 2^16 = 1 >= f, so the word 0 is emitted and x = 1 -> 1 * 65536 + 65535."""
    tables = TableSet((Table(0, (65535, 1)),))
    expected = struct.pack("<4I2H", 131071, 65536, 65536, 65536, 0, 2)
    assert rans.encode(np.array([1], np.int32), tables, lanes=4) == expected


def test_messages_marks_and_tail_round_trip() -> None:
    rng = np.random.default_rng(3)
    a, ia = draw(rng, 100, np.int8)
    b, ib = draw(rng, 37, np.int32)
    messages = [
        RansMessage(a, ia, 0xBEEF),
        RansMessage(np.empty(0, np.int16), 0, 0),
        RansMessage(b, ib),
        RansMessage(a, 2, 0xFFFF),
    ]
    decoder = Decoder(rans.encode_rans_messages(messages, BANK, lanes=16, tail=0xABCD), 16)
    assert np.array_equal(decoder.decode(a.size, BANK, ia, dtype=np.int8), a)
    assert decoder.read_mark() == 0xBEEF
    assert decoder.decode(0, BANK, 0, dtype=np.int16).size == 0
    assert decoder.read_mark() == 0
    assert np.array_equal(decoder.decode(b.size, BANK, ib), b)
    assert np.array_equal(decoder.decode(a.size, BANK, 2, dtype=np.int8), a)
    assert decoder.read_mark() == 0xFFFF
    assert decoder.finish() == 0xABCD


@pytest.mark.parametrize("tail", [0, 1, 65535])
@pytest.mark.parametrize("lanes", rans.LANES)
def test_tail_comes_back(tail: int, lanes: int) -> None:
    values, indices = draw(np.random.default_rng(1), 200)
    decoder = Decoder(rans.encode_rans_messages([RansMessage(values, indices)], BANK, lanes=lanes, tail=tail), lanes)
    assert np.array_equal(decoder.decode(values.size, BANK, indices), values)
    assert decoder.finish() == tail


def test_plain_decode_refuses_a_tail() -> None:
    values = np.zeros(10, np.int32)
    with pytest.raises(CorruptStreamError, match="tail"):
        rans.decode(rans.encode_rans_messages([RansMessage(values, 0)], ONE, lanes=4, tail=7), 10, ONE)


@pytest.mark.parametrize("mark", [-7, 65536, 70000])
def test_mark_outside_16_bits_is_refused(mark: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        rans.encode_rans_messages([RansMessage(np.zeros(3, np.int8), 0, mark)], ONE, lanes=4)


@pytest.mark.parametrize("tail", [-1, 65536])
def test_tail_outside_16_bits_is_refused(tail: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        rans.encode_rans_messages([RansMessage(np.zeros(3, np.int8), 0)], ONE, lanes=4, tail=tail)


def fronts_of(rng: np.random.Generator, count: int) -> np.ndarray:
    """Sizes from 0 to 64 that sum to `count`."""
    sizes = []
    while count > 0:
        sizes.append(min(count, int(rng.integers(0, 65))))
        count -= sizes[-1]
    return np.array(sizes, np.uint8)


@pytest.mark.parametrize("lanes", rans.LANES)
@pytest.mark.parametrize("count", [1, 64, 65, 1000, 20_000])
def test_fronts_are_messages_of_their_own(level: str, lanes: int, count: int) -> None:
    """The same bytes as one message a front; a mark stands after the last."""
    rng = np.random.default_rng(count)
    values, indices = draw(rng, count)
    values[::70] = 100_000
    fronts = fronts_of(rng, count)
    ends = np.cumsum(fronts.astype(int))
    parts = [
        RansMessage(values[e - n : e], indices[e - n : e]) for n, e in zip(fronts.tolist(), ends.tolist(), strict=True)
    ]
    parts[-1] = dataclasses.replace(parts[-1], mark=0xBEEF)
    other = RansMessage(values, indices)
    whole = [RansMessage(values, indices, 0xBEEF, fronts), other]
    data = rans.encode_rans_messages(whole, BANK, lanes=lanes, tail=7)
    assert data == rans.encode_rans_messages([*parts, other], BANK, lanes=lanes, tail=7)
    decoder = Decoder(data, lanes)
    for part in parts:
        assert np.array_equal(decoder.decode(part.values.size, BANK, part.indices), part.values)
    assert decoder.read_mark() == 0xBEEF
    assert np.array_equal(decoder.decode(count, BANK, indices), values)
    assert decoder.finish() == 7


@pytest.mark.parametrize(
    "sizes", [[64, 35], [64, 37], [], [0, 0], [64, 36, 1]], ids=["less", "more", "none", "zeros", "one more"]
)
def test_fronts_that_do_not_sum_to_the_values_are_refused(sizes: list[int]) -> None:
    values, indices = draw(np.random.default_rng(0), 100)
    message = RansMessage(values, indices, fronts=np.array(sizes, np.uint8))
    if not sizes:  # a plain message
        assert rans.encode_rans_messages([message], BANK, lanes=4) == rans.encode(values, BANK, indices, lanes=4)
        return
    with pytest.raises(ValueError, match="fronts"):
        rans.encode_rans_messages([message], BANK, lanes=4)


@pytest.mark.parametrize("size", [65, 100, 255])
def test_fronts_of_more_than_64_values_are_refused(size: int) -> None:
    values, indices = draw(np.random.default_rng(0), size)
    with pytest.raises(ValueError, match="64 values at most"):
        rans.encode_rans_messages([RansMessage(values, indices, fronts=np.array([size], np.uint8))], BANK, lanes=4)


def test_fronts_of_one_table_for_all_are_refused() -> None:
    with pytest.raises(ValueError, match="a table each"):
        rans.encode_rans_messages(
            [RansMessage(np.zeros(5, np.int32), 0, fronts=np.array([5], np.uint8))], BANK, lanes=4
        )


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16, np.float32])
def test_fronts_of_another_type_are_refused(dtype: type) -> None:
    values, indices = draw(np.random.default_rng(0), 5)
    with pytest.raises((ValueError, TypeError)):
        rans.encode_rans_messages([RansMessage(values, indices, fronts=np.array([5], dtype))], BANK, lanes=4)


def test_message_can_be_read_round_by_round() -> None:
    values, indices = draw(np.random.default_rng(8), 1003)
    values[::50] = 2**31 - 1  # escapes in many rounds
    decoder = Decoder(rans.encode(values, BANK, indices, lanes=8), 8)
    parts = [decoder.decode(n, BANK, indices[at : at + n]) for at, n in ((0, 8), (8, 160), (168, 832), (1000, 3))]
    assert np.array_equal(np.concatenate(parts), values)
    assert decoder.finish() == 0


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_value_that_does_not_fit_the_result_type_is_refused(dtype: type) -> None:
    for value in (int(np.iinfo(dtype).max) + 1, int(np.iinfo(dtype).min) - 1):
        data = rans.encode(np.array([0, value, 0], np.int32), ONE, lanes=4)
        with pytest.raises(CorruptStreamError, match=f"{value} does not fit"):
            rans.decode(data, 3, ONE, dtype=dtype)


def test_entry_that_does_not_fit_the_result_type_is_refused() -> None:
    tables = TableSet((Table(120, (30000, 5000, 30535, 1)), Table(126, (1, 1, 65533, 1))))
    data = rans.encode(np.array([128], np.int32), tables, 1, lanes=4)
    with pytest.raises(CorruptStreamError, match="128 does not fit"):
        rans.decode(data, 1, tables, 1, dtype=np.int8)


@pytest.mark.parametrize("lanes", [4, 64])
def test_truncation_at_every_byte_is_a_typed_error(lanes: int) -> None:
    values, indices = draw(np.random.default_rng(0), 600)
    values[::40] = 100_000
    data = rans.encode(values, BANK, indices, lanes=lanes)
    for length in range(len(data)):
        with pytest.raises(BitstreamError):
            rans.decode(data[:length], values.size, BANK, indices, lanes=lanes)


def test_missing_states_are_named_as_truncation() -> None:
    with pytest.raises(TruncatedError, match="before its 8 states"):
        Decoder(bytes(31), 8)


def test_missing_words_are_named_as_truncation() -> None:
    values, indices = draw(np.random.default_rng(0), 600)
    data = rans.encode(values, BANK, indices, lanes=4)
    with pytest.raises(TruncatedError, match="at byte"):
        Decoder(data[:-40], 4).decode(values.size, BANK, indices)


def test_missing_mark_is_named_as_truncation() -> None:
    decoder = Decoder(rans.encode(np.zeros(4, np.int8), ONE, lanes=4), 4)
    decoder.decode(4, ONE)
    with pytest.raises(TruncatedError):
        decoder.read_mark()


@pytest.mark.parametrize("lanes", [4, 32])
def test_every_flipped_bit_of_a_stream_without_escapes_is_refused(lanes: int) -> None:
    rng = np.random.default_rng(2)
    values = np.clip(np.round(rng.laplace(0, 1, 900)), -7, 7).astype(np.int8)
    data = rans.encode(values, ONE, lanes=lanes)
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            rans.decode(bytes(flipped), values.size, ONE, lanes=lanes, dtype=np.int8)


def test_random_bytes_give_values_or_a_typed_error() -> None:
    rng = np.random.default_rng(4)
    seen = set()
    for _ in range(3000):
        data = rng.bytes(int(rng.integers(0, 120)))
        lanes = int(rng.choice(rans.LANES))
        dtype = DTYPES[rng.integers(3)]
        indices = rng.integers(0, len(BANK), 50).astype(np.uint8)
        try:
            Decoder(data, lanes).decode(50, BANK, indices, dtype=dtype)
            seen.add("values")
        except BitstreamError as err:
            seen.add(type(err).__name__)
    assert seen == {"values", "TruncatedError", "CorruptStreamError"}


def test_bytes_after_the_stream_are_refused() -> None:
    data = rans.encode(np.zeros(5, np.int8), ONE, lanes=4)
    with pytest.raises(CorruptStreamError, match="goes on"):
        rans.decode(data + b"\0\0", 5, ONE)


def test_state_below_its_minimum_is_refused() -> None:
    data = bytearray(rans.encode(np.zeros(5, np.int8), ONE, lanes=4))
    data[6:8] = b"\0\0"
    with pytest.raises(CorruptStreamError, match=r"below 2\^16 at byte 4"):
        Decoder(bytes(data), 4)


@pytest.mark.parametrize("index", [6, 255, 256, -1, 2**62])
def test_shared_index_outside_the_set_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match="index"):
        rans.encode(np.zeros(5, np.int8), BANK, index, lanes=4)
    with pytest.raises(ValueError, match="index"):
        Decoder(bytes([0, 0, 1, 0] * 4), 4).decode(5, BANK, index)


def test_index_array_with_one_outside_the_set_is_refused() -> None:
    indices = np.array([0, 1, 2, 6, 0], np.uint8)
    with pytest.raises(ValueError, match="outside the table set"):
        rans.encode(np.zeros(5, np.int8), BANK, indices, lanes=4)
    with pytest.raises(ValueError, match="outside the table set"):
        Decoder(bytes([0, 0, 1, 0] * 4), 4).decode(5, BANK, indices)
    with pytest.raises(ValueError, match="outside the table set"):
        rans.ideal_bits(np.zeros(5, np.int8), BANK, indices)


@pytest.mark.parametrize(
    "indices", [np.zeros(5, np.int64), np.zeros(5, np.int8), np.zeros(5, np.float32), 10**30], ids=repr
)
def test_indices_of_a_wrong_type_are_refused_as_documented(indices: object) -> None:
    """The docstring of `encode` promises ValueError or TypeError."""
    with pytest.raises((ValueError, TypeError)):
        rans.encode(np.zeros(5, np.int8), BANK, indices, lanes=4)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 4, 6])
def test_indices_that_differ_in_number_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="differ in number"):
        rans.encode(np.zeros(5, np.int8), BANK, np.zeros(count, np.uint8), lanes=4)


@pytest.mark.parametrize("lanes", [0, 1, 2, 3, 5, 12, 128, 2**31])
def test_wrong_lanes_are_refused(lanes: int) -> None:
    with pytest.raises(ValueError, match="lanes"):
        rans.encode(np.zeros(5, np.int8), BANK, lanes=lanes)
    with pytest.raises(ValueError, match="lanes"):
        Decoder(bytes(1024), lanes)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.bool_, ">i4", ">i2"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError):
        rans.encode(np.zeros(5, dtype), BANK, lanes=4)


def test_values_that_are_not_contiguous_are_refused() -> None:
    values = np.zeros((8, 8), np.int32)
    for view in (values[:, ::2], values.T[1:], values[:, 3]):
        with pytest.raises(ValueError, match="not C-contiguous"):
            rans.encode(view, BANK, lanes=4)
        with pytest.raises(ValueError, match="not C-contiguous"):
            Decoder(bytes([0, 0, 1, 0] * 4), 4).decode_into(view, BANK)


def test_indices_that_are_not_contiguous_are_refused() -> None:
    with pytest.raises(ValueError, match="not C-contiguous"):
        rans.encode(np.zeros(5, np.int32), BANK, np.zeros(10, np.uint8)[::2], lanes=4)


def test_result_array_that_is_read_only_is_refused() -> None:
    out = np.zeros(5, np.int32)
    out.flags.writeable = False
    with pytest.raises(TypeError):
        Decoder(bytes([0, 0, 1, 0] * 4), 4).decode_into(out, BANK)


@pytest.mark.parametrize("lanes", [4, 64])
def test_size_of_a_mebi_symbols_is_near_the_ideal(lanes: int) -> None:
    rng = np.random.default_rng(7)
    values, indices = draw(rng, 1 << 20, np.int16)
    ideal_bytes = rans.ideal_bits(values, BANK, indices) / 8
    size = len(rans.encode(values, BANK, indices, lanes=lanes))
    assert ideal_bytes <= size <= 1.002 * ideal_bytes + 4 * lanes


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_size_agrees_with_constriction(scale: float) -> None:
    """The ANS coder of constriction 0.4+ (24-bit probabilities, 64-bit state) under the same tables."""
    table = laplace_table(scale)
    rng = np.random.default_rng(11)
    probabilities = np.array(table.frequencies, np.float64) / 65536
    entries = rng.choice(probabilities.size - 1, 1 << 18, p=probabilities[:-1] / probabilities[:-1].sum()).astype(
        np.int32
    )
    coder = constriction.stream.stack.AnsCoder()
    coder.encode_reverse(entries, constriction.stream.model.Categorical(probabilities, perfect=False))
    theirs = coder.num_bits() / 8
    ours = len(rans.encode(entries + np.int32(table.first), TableSet((table,)), lanes=4))
    assert ours == pytest.approx(theirs, rel=0.003)


def test_ideal_bits_are_logarithms_with_raw_escapes() -> None:
    values, indices = draw(np.random.default_rng(9), 5000)
    values[::100] = [1000, -(2**31), 2**31 - 1, 40000, -400] * 10
    expected = 0.0
    for value, index in zip(values.tolist(), indices.tolist(), strict=True):
        table = BANK.tables[index]
        entry = value - table.first
        if not 0 <= entry < len(table.frequencies) - 1:
            entry = len(table.frequencies) - 1
            expected += 16 if (2 * value if value >= 0 else -2 * value - 1) < 65535 else 48
        expected += 16 - np.log2(table.frequencies[entry])
    assert rans.ideal_bits(values, BANK, indices) == pytest.approx(expected, rel=1e-5)


def test_encode_chooses_lanes_by_the_payload() -> None:
    values, indices = draw(np.random.default_rng(1), 25_000)
    ideal_bytes = rans.ideal_bits(values, BANK, indices) / 8
    lanes = rans.rans_lanes_for(ideal_bytes)
    assert lanes == 32  # 3 bytes times lanes stay below 1 % of some 12 KB
    assert np.array_equal(
        rans.decode(rans.encode(values, BANK, indices), values.size, BANK, indices, lanes=lanes), values
    )


@pytest.mark.parametrize(
    ("payload_bytes", "lanes"),
    [(0, 4), (1200, 4), (2399, 4), (2400, 8), (9600, 32), (19_199, 32), (19_200, 64), (1e9, 64)],
)
def test_lanes_cost_at_most_a_hundredth(payload_bytes: float, lanes: int) -> None:
    assert rans.rans_lanes_for(payload_bytes) == lanes


def test_encoding_leaves_its_input_alone() -> None:
    values, indices = draw(np.random.default_rng(0), 100)
    before = values.copy(), indices.copy()
    rans.encode(values, BANK, indices, lanes=4)
    assert np.array_equal(values, before[0])
    assert np.array_equal(indices, before[1])
