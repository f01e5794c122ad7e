"""Packets as SPEC.md describes them: the reference decoder and the native one read what each form allows, and nothing else.

Forms that our encoder never chooses come from the plain encoder below, written from section 10 as well.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from module_files import load_module

from laconic.entropy.errors import BitstreamError
from laconic.entropy.packets import decode_array, encode_array
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts

SETTINGS = settings(max_examples=150, deadline=None, derandomize=True, database=None)
LANES = (4, 8, 16, 32, 64)


reference = load_module("entropy/reference_decoder.py")


def random_tables(rng: np.random.Generator, count: int) -> TableSet:
    """Tables of 2 to 256 entries around 0, some steep, some flat."""
    tables = []
    for size in rng.integers(2, 257, count):
        frequencies = frequencies_of_counts(rng.exponential(1, size) ** rng.integers(1, 7))
        tables.append(Table(-int(rng.integers(0, size)), tuple(int(f) for f in frequencies)))
    return TableSet(tuple(tables))


BANK = random_tables(np.random.default_rng(1), 6)
# One value in 65536 is escaped, the others take next to nothing: words are few, and states stay small.
CERTAIN = TableSet((Table(0, (65535, 1)),))
ONE_BIT = TableSet((Table(0, (32767, 32767, 2)),))


@dataclass(frozen=True)
class Form:
    """What an encoder chooses for a stream."""

    lanes: int = 4
    folded: int = 0
    has_crc: bool = False


@dataclass(frozen=True)
class Problem:
    """Values with their tables; `indices` are as for `encode_array`."""

    values: np.ndarray[Any, Any]
    tables: TableSet
    indices: Any = 0

    @property
    def layout(self) -> Any:
        tables, _ = reference.read_tables(self.tables.to_bytes())
        numbers = np.atleast_1d(self.indices).reshape(-1)
        is_single = isinstance(self.indices, np.ndarray) and numbers.size == self.values.size
        return reference.Layout(self.values.size, [tables[number] for number in numbers], is_single)

    def decode(self, data: bytes) -> list[int]:
        """With the native decoder."""
        out = np.empty(self.values.shape, np.int32)
        decoded: list[int] = decode_array(data, self.tables, self.indices, out=out).reshape(-1).tolist()
        return decoded

    def refer(self, data: bytes) -> list[int]:
        """With the reference decoder."""
        decoded: list[int] = reference.decode_packet(data, self.layout)
        return decoded

    def check(self, data: bytes) -> None:
        """Both decoders give the values."""
        expected = self.values.reshape(-1).tolist()
        assert self.refer(data) == expected
        assert self.decode(data) == expected


def problem(kind: str, shape: tuple[int, int], seed: int = 0, tables: TableSet = BANK) -> Problem:
    """Rows of random values, a table for all of them, for each row or for each value."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.laplace(0, 4, shape)).astype(np.int32)
    values[rng.random(shape) < 0.01] = 2**31 - 1
    values[rng.random(shape) < 0.01] = -40_000
    choice = {"one": 0, "rows": shape[:1], "single": shape}[kind]
    indices = rng.integers(0, len(tables), choice).astype(np.uint8) if choice else len(tables) - 1
    return Problem(values, tables, indices)


# A plain encoder


@dataclass
class Writer:
    """Section 2 backwards: words in the order of encoding."""

    states: list[int]
    words: list[int]

    def message(self, values: list[int], tables: list[Any]) -> None:
        lanes = len(self.states)
        for begin in reversed(range(0, len(values), lanes)):
            part = list(enumerate(zip(values[begin : begin + lanes], tables[begin : begin + lanes], strict=True)))
            for _, (value, table) in reversed(part):
                if entry_of(table, value) == len(table.starts) - 1:
                    code = 2 * value if value >= 0 else -2 * value - 1
                    self.words += [code >> 16, code & 0xFFFF, 0xFFFF] if code >= 0xFFFF else [code]
            for lane, (value, table) in reversed(part):
                self._put(lane, table, entry_of(table, value))

    def _put(self, lane: int, table: Any, entry: int) -> None:
        state, frequency = self.states[lane], table.frequencies[entry]
        if state >> 16 >= frequency:
            self.words.append(state & 0xFFFF)
            state >>= 16
        self.states[lane] = (state // frequency << 16) + state % frequency + table.starts[entry]


def entry_of(table: Any, value: int) -> int:
    """The entry that codes a value."""
    return value - table.first if 0 <= value - table.first < len(table.starts) - 1 else len(table.starts) - 1


def plain_packet(problem: Problem, form: Form, chunk_size: int | None = None) -> bytes:
    """A packet whose streams all have this form."""
    layout, values = problem.layout, problem.values.reshape(-1).tolist()
    opening: bytes = reference.varint(2 * len(values) + (chunk_size is not None))
    chunks = [range(len(values))]
    if chunk_size is not None:
        opening += reference.varint(chunk_size)
        chunks = layout.chunks(chunk_size)
    streams = [
        plain_stream(values, layout, places, form, opening + reference.varint(number))
        for number, places in enumerate(chunks)
    ]
    lengths = b"" if chunk_size is None else b"".join(reference.varint(len(stream)) for stream in streams)
    return opening + lengths + b"".join(streams)


def plain_stream(values: list[int], layout: Any, places: range, form: Form, opening: bytes) -> bytes:
    """One stream."""
    folded = min(form.folded, len(places))
    cut = places.stop - folded
    fields: bytes = bytes([LANES.index(form.lanes) + 8 * form.has_crc]) + reference.varint(folded)
    check = 0 if form.has_crc else symbol_check(values, layout, places, opening + fields)
    writer = Writer([65536 + check], [])
    write_runs(writer, values, layout, range(cut, places.stop))
    moved = min(form.lanes - 1, len(writer.words))
    others = [65536 + word for word in reversed(writer.words[len(writer.words) - moved :])]
    writer.states += others + [65536] * (form.lanes - 1 - moved)
    writer.words = writer.words[: len(writer.words) - moved]
    write_runs(writer, values, layout, range(places.start, cut))
    flags = sum((state < 1 << 24) << lane for lane, state in enumerate(writer.states))
    body = flags.to_bytes((form.lanes + 7) // 8, "little")
    body += b"".join(state.to_bytes(3 if state < 1 << 24 else 4, "little") for state in writer.states)
    body += struct.pack(f"<{len(writer.words)}H", *reversed(writer.words))
    return fields + (struct.pack("<I", reference.crc32c(opening + fields + body)) if form.has_crc else b"") + body


def write_runs(writer: Writer, values: list[int], layout: Any, places: range) -> None:
    end = places.stop
    for tables in reversed(layout.runs(places)):
        writer.message(values[end - len(tables) : end], tables)
        end -= len(tables)


def symbol_check(values: list[int], layout: Any, places: range, opening: bytes) -> int:
    tables = [table for run in layout.runs(places) for table in run]
    coded = list(zip(values[places.start : places.stop], tables, strict=True))
    entries = bytes(entry_of(table, value) for value, table in coded)
    escaped = [value for (value, table), entry in zip(coded, entries, strict=True) if entry == len(table.starts) - 1]
    codes = b"".join(struct.pack("<I", 2 * value if value >= 0 else -2 * value - 1) for value in escaped)
    check: int = reference.crc32c(opening + entries + codes) & 0xFFFF
    return check


# What decoders accept


@pytest.mark.parametrize("kind", ["one", "rows", "single"])
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("has_crc", [False, True])
def test_decoders_take_every_form(kind: str, lanes: int, has_crc: bool) -> None:
    numbers, shapes = (0, 1, lanes - 1, 3 * lanes + 1, 16 * lanes), ((0, 5), (1, 1), (7, 45), (3, 700))
    for folded, shape in itertools.product(numbers, shapes):
        given_ = problem(kind, shape, seed=folded)
        given_.check(plain_packet(given_, Form(lanes, folded, has_crc)))


@pytest.mark.parametrize("kind", ["one", "rows", "single"])
@pytest.mark.parametrize("chunk_size", [1, 7, 44, 45, 46, 100, 314])
def test_decoders_take_every_chunk_size(kind: str, chunk_size: int) -> None:
    given_ = problem(kind, (7, 45), seed=chunk_size)
    for form in (Form(4, 0), Form(8, 9), Form(16, 256, True)):
        given_.check(plain_packet(given_, form, chunk_size))


@pytest.mark.parametrize("tables", [CERTAIN, ONE_BIT], ids=["nearly certain", "one bit"])
@pytest.mark.parametrize("lanes", LANES)
def test_decoders_take_folded_values_that_need_few_words(tables: TableSet, lanes: int) -> None:
    for value, folded, count in itertools.product((0, 1), (0, 5, 60), (1, 60, 1000)):
        given_ = Problem(np.full(count, value, np.int32), tables)
        given_.check(plain_packet(given_, Form(lanes, folded)))


@pytest.mark.parametrize("kind", ["one", "rows", "single"])
@pytest.mark.parametrize("chunk_size", [1 << 18, 100, 17])
def test_our_encoder_writes_what_the_plain_one_writes(kind: str, chunk_size: int) -> None:
    """With the form that ours chose for a stream, the bytes of both are the same."""
    for shape in ((1, 1), (5, 31), (9, 40), (2, 1500)):
        given_ = problem(kind, shape, seed=shape[0])
        data = encode_array(given_.values, given_.tables, given_.indices, chunk_symbols=chunk_size)
        given_.check(data)
        forms = stream_forms(data, given_.layout)
        is_chunked = given_.values.size > chunk_size
        for form in forms:
            plain = plain_packet(given_, form, chunk_size if is_chunked else None)
            mine, theirs = (streams(packet, given_.layout) for packet in (data, plain))
            assert [a for a, f in zip(mine, forms, strict=True) if f == form] == [
                b for b, f in zip(theirs, forms, strict=True) if f == form
            ]


def streams(data: bytes, layout: Any) -> list[bytes]:
    """The streams of a packet."""
    reader = reference.Reader(data)
    if reader.varint() % 2 == 0:
        return [data[reader.position :]]
    lengths = [reader.varint() for _ in layout.chunks(reader.varint())]
    taken: list[bytes] = [reader.take(length) for length in lengths]
    assert reader.at_end
    return taken


def stream_forms(data: bytes, layout: Any) -> list[Form]:
    """The forms of a packet's streams."""
    forms = []
    for stream in streams(data, layout):
        reader = reference.Reader(stream, 1)
        forms.append(Form(4 << (stream[0] & 7), reader.varint(), bool(stream[0] & 8)))
    return forms


# What decoders refuse


SMALL = {
    "check": (problem("rows", (3, 9)), Form(4, 5), None),
    "crc": (problem("single", (3, 9)), Form(8, 11, True), None),
    "chunked": (problem("one", (4, 12)), Form(4, 7, True), 25),
    "nothing": (problem("one", (0, 0)), Form(4), None),
    "unused words": (Problem(np.zeros(9, np.int32), CERTAIN), Form(8, 6), None),
}


def refuses(decode: Callable[[bytes], list[int]], data: bytes, error: type[Exception]) -> bool:
    try:
        decode(data)
    except error:
        return True
    return False


@pytest.mark.parametrize("name", SMALL)
def test_both_decoders_notice_every_flipped_bit(name: str) -> None:
    given_, form, chunk_size = SMALL[name]
    data = plain_packet(given_, form, chunk_size)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert refuses(given_.refer, bytes(changed), reference.DecodeError), f"reference, bit {bit}"
        assert refuses(given_.decode, bytes(changed), BitstreamError), f"native, bit {bit}"


def test_both_decoders_refuse_a_short_state_in_four_bytes() -> None:
    given_ = Problem(np.empty(0, np.int32), ONE_BIT)
    data = plain_packet(given_, Form(4))
    assert data[3] == 0b1111  # after head, form and folded
    changed = data[:3] + bytes([0b0111]) + data[4:] + b"\0"
    assert refuses(given_.refer, changed, reference.DecodeError)
    assert refuses(given_.decode, changed, BitstreamError)


@pytest.mark.parametrize("name", SMALL)
def test_both_decoders_notice_every_truncation_and_an_added_byte(name: str) -> None:
    given_, form, chunk_size = SMALL[name]
    data = plain_packet(given_, form, chunk_size)
    for changed in [data[:length] for length in range(len(data))] + [data + b"\0", data + b"\0\0"]:
        assert refuses(given_.refer, changed, reference.DecodeError), f"reference, {len(changed)} bytes"
        assert refuses(given_.decode, changed, BitstreamError), f"native, {len(changed)} bytes"


@SETTINGS
@given(data=st.binary(max_size=80), seed=st.integers(0, 3))
def test_both_decoders_agree_on_any_bytes(data: bytes, seed: int) -> None:
    given_ = problem(("one", "rows", "single")[seed % 3], (2, 3), seed)
    for candidate in (data, b"\x0c" + data, b"\x0d\x04\x14\x14" + data, b"\x0c\x00\x00" + data):
        refused = refuses(given_.refer, candidate, reference.DecodeError)
        assert refused == refuses(given_.decode, candidate, BitstreamError)
        assert refused or given_.refer(candidate) == given_.decode(candidate)


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1), flips=st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
def test_both_decoders_agree_on_damaged_packets(seed: int, flips: list[int]) -> None:
    rng = np.random.default_rng(seed)
    given_ = problem(("one", "rows", "single")[seed % 3], (int(rng.integers(1, 5)), int(rng.integers(1, 60))), seed)
    form = Form(LANES[seed % 5], int(rng.integers(0, 65)), bool(rng.integers(2)))
    data = bytearray(plain_packet(given_, form))
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    refused = refuses(given_.refer, bytes(data), reference.DecodeError)
    assert refused == refuses(given_.decode, bytes(data), BitstreamError)
    assert refused or given_.refer(bytes(data)) == given_.decode(bytes(data))
