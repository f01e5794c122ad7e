"""Frequency tables: always valid, exactly serialised, refused by name when they are not."""

import dataclasses
import hashlib
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laconic.entropy import rans
from laconic.entropy.errors import ChecksumError, CorruptStreamError, TruncatedError
from laconic.entropy.tables import (
    PROBABILITY_SUM,
    Table,
    TableSet,
    cheapest_table_frequencies,
    frequencies_of_counts,
    table_of_counts,
    table_of_probabilities,
    table_set,
    tables_of_cdfs,
)

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
SMALL = TableSet((Table(-1, (1000, 60000, 4535, 1)), Table(5, (65535, 1))))


def laplace(scale: float, largest: int = 400) -> tuple[np.ndarray, np.ndarray]:
    values = np.arange(-largest, largest + 1)
    return values, np.exp(-np.abs(values) / scale)


@SETTINGS
@given(st.lists(st.floats(0, 1e12), min_size=2, max_size=256))
def test_frequencies_of_any_counts_are_a_valid_table(counts: list[float]) -> None:
    frequencies = frequencies_of_counts(counts)
    assert frequencies.min() >= 1
    assert frequencies.sum() == 65536
    TableSet((Table(0, tuple(int(f) for f in frequencies)),))


def test_frequencies_are_proportional_to_counts() -> None:
    counts = np.array([5.0, 80.0, 15.0, 0.0])
    frequencies = frequencies_of_counts(counts)
    assert np.abs(frequencies - (1 + counts / 100 * (65536 - 4))).max() <= 1


def test_frequencies_of_zero_counts_are_uniform() -> None:
    assert frequencies_of_counts(np.zeros(4)).tolist() == [16384] * 4


@pytest.mark.parametrize(
    "counts", [[1.0], [1.0] * 257, [1.0, -1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]], []], ids=str
)
def test_counts_that_make_no_table_are_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="cannot make a table"):
        frequencies_of_counts(counts)


@pytest.mark.parametrize("scale", [0.1, 0.7, 3.0, 20.0, 100.0])
def test_table_of_counts_is_the_smallest_within_its_tolerance(scale: float) -> None:
    values, counts = laplace(scale)
    table = table_of_counts(values, counts)

    def cost(size: int) -> float:
        first = -(size // 2 - 1)
        inside = (values >= first) & (values < first + size - 1)
        weights = np.append(counts[inside], counts[~inside].sum())
        return float(-(weights * np.log2(frequencies_of_counts(weights) / 65536)).sum() + 16 * weights[-1])

    best = min(cost(size) for size in (16, 32, 64, 128, 256))
    fitting = [size for size in (16, 32, 64, 128, 256) if cost(size) <= best * 1.0005 + 1e-9]
    assert len(table.frequencies) == fitting[0]
    assert table.first == -(fitting[0] // 2 - 1)


def test_table_of_counts_escapes_what_lies_far_away() -> None:
    table = table_of_counts([0, 100_000], [99, 1])
    assert table.frequencies[-1] == pytest.approx(656, abs=2)


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (Table(0, (65535,)), "table 1 has 1 entries"),
        (Table(0, tuple([1] * 256 + [65280])), "table 1 has 257 entries"),
        (Table(0, (65536 - 3, 1, 1)), "table 1 sums to 65535"),
        (Table(0, (65535, 1, 1)), "table 1 sums to 65537"),
        (Table(0, (65535, 0, 1)), "table 1 has a frequency of 0"),
        (Table(0, (65536, 1)), "frequency is"),
        (Table(0, (-1, 65537)), "frequency is"),
        (Table(2**30 + 1, (65535, 1)), "table 1 starts at"),
        (Table(-(2**30) - 1, (65535, 1)), "table 1 starts at"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_table_is_refused_by_name(table: Table, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        TableSet((SMALL.tables[0], table))


@pytest.mark.parametrize("first", [2**31, -(2**31) - 1])
def test_first_value_beyond_int32_is_refused_as_a_value_error(first: int) -> None:
    with pytest.raises(ValueError, match="table 0 starts at"):
        TableSet((Table(first, (65535, 1)),))


@pytest.mark.parametrize("count", [0, 257])
def test_number_of_tables_outside_1_to_256_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} tables"):
        TableSet(SMALL.tables[:1] * count)


def test_canonical_bytes_are_those_of_the_specification() -> None:
    body = (
        struct.pack("<H", 2) + struct.pack("<iH4H", -1, 4, 1000, 60000, 4535, 1) + struct.pack("<iH2H", 5, 2, 65535, 1)
    )
    assert SMALL.to_bytes() == body + hashlib.sha256(body).digest()


def test_bytes_round_trip() -> None:
    tables = table_set([table_of_counts(*laplace(s)) for s in (0.2, 1.0, 30.0)])
    assert TableSet.from_bytes(tables.to_bytes()) == tables
    assert TableSet.from_bytes(tables.to_bytes()).digest == tables.digest


def test_truncation_at_every_byte_is_refused() -> None:
    data = SMALL.to_bytes()
    for length in range(len(data)):
        with pytest.raises((TruncatedError, ChecksumError)):
            TableSet.from_bytes(data[:length])


def test_every_flipped_bit_is_refused() -> None:
    data = SMALL.to_bytes()
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(ChecksumError):
            TableSet.from_bytes(bytes(flipped))


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<H", 0),
        struct.pack("<H", 65535),
        struct.pack("<HiH2H", 1, 0, 2, 65535, 1) + b"\0",
        struct.pack("<HiH2H", 2, 0, 2, 65535, 1),
        struct.pack("<HiH2H", 1, 0, 2, 65535, 2),
        struct.pack("<HiH", 1, 0, 65535),
        struct.pack("<HiH2H", 1, 2**31 - 1, 2, 65535, 1),
    ],
    ids=["no tables", "too many", "trailing byte", "one missing", "wrong sum", "huge size", "first beyond 2^30"],
)
def test_invalid_tables_with_a_right_digest_are_refused(body: bytes) -> None:
    with pytest.raises(CorruptStreamError):
        TableSet.from_bytes(body + hashlib.sha256(body).digest())


def test_pickled_set_decodes_what_the_original_encoded() -> None:
    values = np.array([-1, 0, 1, 0, 7], np.int32)
    copy = pickle.loads(pickle.dumps(SMALL))
    assert copy == SMALL
    assert np.array_equal(rans.decode(rans.encode(values, SMALL), values.size, copy), values)


def test_set_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SMALL.tables = ()  # type: ignore[misc]


def test_costs_are_logarithms_of_the_frequencies() -> None:
    rng = np.random.default_rng(0)
    frequencies = frequencies_of_counts(rng.exponential(1, 256) ** 6)
    tables = TableSet((Table(0, tuple(int(f) for f in frequencies)),))
    for entry in range(255):
        bits = rans.ideal_bits(np.array([entry], np.int32), tables)
        assert bits == pytest.approx(16 - np.log2(frequencies[entry]), abs=2**-15)


def padded_cdf(frequencies: np.ndarray, length: int) -> np.ndarray:
    """As learned codecs keep it: rows of one length, zeros at the end."""
    cdf = np.zeros(length, np.int32)
    cdf[1 : frequencies.size + 1] = np.cumsum(frequencies)
    return cdf


@SETTINGS
@given(sizes=st.lists(st.integers(2, 256), min_size=1, max_size=20), seed=st.integers(0, 2**32 - 1))
def test_cdfs_of_up_to_256_entries_become_their_tables(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    frequencies = [frequencies_of_counts(rng.exponential(1, size) ** 4) for size in sizes]
    offsets = rng.integers(-(2**30), 2**30, len(sizes)).astype(np.int32)
    cdfs = np.stack([padded_cdf(f, 260) for f in frequencies])
    tables = tables_of_cdfs(cdfs, np.array(sizes, np.int32) + 1, offsets)
    expected = [Table(int(first), tuple(f.tolist())) for first, f in zip(offsets, frequencies, strict=True)]
    assert tables == table_set(expected)


def test_cdfs_may_be_lists_of_their_own_lengths() -> None:
    tables = tables_of_cdfs([[0, 1000, 61000, 65535, 65536], [0, 65535, 65536]], [5, 3], [-1, 5])
    assert tables == SMALL


@pytest.mark.parametrize("peak", [0, 40, 150, 299])
@pytest.mark.parametrize("size", [257, 300, 3000])
def test_longer_cdfs_keep_their_most_probable_run(peak: int, size: int) -> None:
    frequencies = np.ones(size, np.int64)
    frequencies[np.clip(np.arange(peak, peak + 31), 0, size - 2)] += 1500
    frequencies[-1] += 65536 - frequencies.sum()
    (table,) = tables_of_cdfs([padded_cdf(frequencies, size + 5)], [size + 1], [-100]).tables
    begin = table.first + 100
    assert 0 <= begin <= size - 1 - 255
    assert table.frequencies[:-1] == tuple(frequencies[begin : begin + 255])
    assert sum(table.frequencies) == 65536
    sums = [frequencies[at : at + 255].sum() for at in range(size - 255)]
    assert sum(table.frequencies[:-1]) == max(sums)


def test_cdf_of_an_escape_alone_becomes_a_table_that_escapes_nearly_all() -> None:
    tables = tables_of_cdfs([[0, 65536]], [2], [7])
    assert tables == TableSet((Table(7, (1, 65535)),))
    values = np.array([7, 8, -3, 100_000], np.int32)
    assert np.array_equal(rans.decode(rans.encode(values, tables), values.size, tables), values)


@pytest.mark.parametrize(
    ("cdf", "size", "match"),
    [
        ([0, 5, 5, 65536], 4, "table 1 runs from 0 to 65536"),
        ([0, 9, 5, 65536], 4, "table 1 runs"),
        ([1, 9, 65536], 3, "table 1 runs from 1"),
        ([0, 9, 65535], 3, "table 1 runs from 0 to 65535"),
        ([0, 65536, 0], 3, "table 1 runs"),
        ([0, 9, 65536], 1, "table 1 has 1 of"),
        ([0, 9, 65536], 4, "table 1 has 4 of"),
        ([0, 9, 65536], -3, "table 1 has -3 of"),
        ([0.0, 9.0, 65536.0], 3, "float64"),
        ([[0, 9, 65536]], 3, "table 1 has"),
        ([], 0, "table 1 has"),
    ],
    ids=str,
)
def test_cdf_that_is_none_is_refused_by_name(cdf: list[int], size: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        tables_of_cdfs([[0, 65535, 65536], cdf], [3, size], [0, 0])


@pytest.mark.parametrize("count", [0, 257])
def test_number_of_cdfs_outside_1_to_256_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} cdfs"):
        tables_of_cdfs([[0, 65535, 65536]] * count, [3] * count, [0] * count)


def test_cdfs_need_a_size_and_an_offset_each() -> None:
    with pytest.raises(ValueError, match="1 cdfs have 2 sizes and 1 offsets"):
        tables_of_cdfs([[0, 65535, 65536]], [3, 3], [0])
    with pytest.raises(ValueError, match="table 0 starts at"):
        tables_of_cdfs([[0, 65535, 65536]], [3], [2**31])


@SETTINGS
@given(st.lists(st.floats(0, 1) | st.floats(0, 1e-6), min_size=2, max_size=40))
def test_cheapest_frequencies_cannot_be_improved_by_moving_one_slot(weights: list[float]) -> None:
    """Code length is convex in the frequencies, so that no better exchange of one means no better choice at all."""
    frequencies = cheapest_table_frequencies(weights)
    shares = np.array(weights) / sum(weights) if sum(weights) > 0 else np.full(len(weights), 1 / len(weights))
    assert frequencies.min() >= 1
    assert frequencies.sum() == PROBABILITY_SUM
    gains = shares * np.log2(1 + 1 / frequencies)
    losses = np.where(frequencies > 1, shares * -np.log2(1 - 1 / np.maximum(frequencies, 2)), np.inf)
    assert gains.max() <= losses.min() + 1e-9


@pytest.mark.parametrize("scale", [0.05, 0.5, 3.0, 40.0])
def test_table_of_probabilities_is_no_longer_than_one_of_counts(scale: float) -> None:
    values = np.arange(-300, 301)
    probabilities = np.exp(-np.abs(values) / scale)

    def cost(table: Table) -> float:
        inside = (values >= table.first) & (values < table.first + len(table.frequencies) - 1)
        entries = np.where(inside, values - table.first, len(table.frequencies) - 1)
        bits = 16 - np.log2(np.array(table.frequencies)[entries]) + np.where(inside, 0, 16)
        return float((probabilities / probabilities.sum() * bits).sum())

    best = table_of_probabilities(values, probabilities)
    assert cost(best) <= cost(table_of_counts(values, probabilities * 1e9)) + 1e-12
    smaller = table_of_probabilities(values, probabilities, tolerance=0.01)
    assert len(smaller.frequencies) <= len(best.frequencies)
    assert cost(smaller) <= cost(best) * 1.01 + 1e-9
