"""Frozen integer frequency tables: how probable each value is, the same on every machine.

A `TableSet` holds 1 to 256 tables. Each covers a run of values and ends with an escape entry for all others; its
frequencies are at least 1 and sum to 2**16 (SPEC.md, section 3). `TableSet` objects are immutable, may be shared between
threads, and keep the prepared native tables, so that nothing is rebuilt per call.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from laconic.entropy import _native
from laconic.entropy.errors import ArgumentError, ChecksumError, CorruptStreamError, TruncatedError
from laconic.entropy.plain_values import plain_bytes, real_number, shown, whole_number

if TYPE_CHECKING:
    from jaxtyping import Int, Integer

PROBABILITY_SUM = 1 << 16
MAX_TABLES = 256
MAX_ENTRIES = 256
TABLE_SIZES = (16, 32, 64, 128, 256)
_SIZE_TOLERANCE = 0.0005  # a smaller table is taken when it costs at most this much more (ENTROPY design, point 8)
_ESCAPE_BITS = 16.0
_DIGEST_BYTES = 32
_INT64 = 1 << 63


@dataclass(frozen=True)
class Table:
    """One distribution: `frequencies[i]` belongs to the value `first + i`, the last one to the escape."""

    first: int
    frequencies: tuple[int, ...]


@dataclass(frozen=True)
class TableSet:
    """Tables addressed by index. Raises ValueError, naming the table, when one is not valid."""

    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        _ = self.native  # the native side checks every table

    @cached_property
    def native(self) -> _native.TableSet:
        """The prepared tables of the native coder."""
        if not isinstance(self.tables, tuple) or not all(isinstance(table, Table) for table in self.tables):
            raise ArgumentError(f"tables are {shown(self.tables)}; allowed is a tuple of Table")
        for number, table in enumerate(self.tables):
            first = whole_number(f"the first value of table {number}", table.first, -_INT64, _INT64)
            if abs(first) > 1 << 30:
                raise ValueError(f"table {number} starts at {first}; allowed is -2^30 to 2^30")
            if _whole_numbers(f"frequencies of table {number}", table.frequencies).ndim != 1:
                raise ArgumentError(f"frequencies of table {number} are {shown(table.frequencies)}; allowed is a tuple")
        firsts = np.array([t.first for t in self.tables], np.int32)
        sizes = np.array([len(t.frequencies) for t in self.tables], np.int32)
        flat = [f for t in self.tables for f in t.frequencies]
        if flat and not 0 <= min(flat) <= max(flat) < PROBABILITY_SUM:
            raise ValueError(f"a frequency is {min(flat)} or {max(flat)}; allowed is 1 to 65535")
        return _native.TableSet(firsts, sizes, np.array(flat, np.uint16))

    @cached_property
    def costs(self) -> _native.CostTables:
        """Code length of every entry, for `rans.ideal_bits`."""
        return _native.CostTables(self.native)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the tables' canonical bytes (SPEC.md, section 3.2)."""
        return hashlib.sha256(self._body()).digest()

    def __reduce__(self) -> tuple[object, ...]:
        return TableSet, (self.tables,)

    def __len__(self) -> int:
        return len(self.tables)

    def to_bytes(self) -> bytes:
        """Canonical bytes followed by their digest."""
        return self._body() + self.digest

    @classmethod
    def from_bytes(cls, data: bytes) -> TableSet:
        """Read what `to_bytes` wrote. Raises `BitstreamError` unless the bytes are whole, unchanged and valid."""
        data = plain_bytes("data", data)
        if len(data) < _DIGEST_BYTES + 2:
            raise TruncatedError(f"a table set has {len(data)} bytes; at least {_DIGEST_BYTES + 2} are needed")
        body, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
        if hashlib.sha256(body).digest() != digest:
            raise ChecksumError("a table set does not match its digest; read it again from its source")
        try:
            return cls(tuple(_parse_tables(body)))
        except (struct.error, ValueError) as err:
            raise CorruptStreamError(f"a table set is not valid: {err}") from err

    def _body(self) -> bytes:
        parts = [struct.pack("<H", len(self.tables))]
        for table in self.tables:
            size = len(table.frequencies)
            parts.append(struct.pack(f"<iH{size}H", table.first, size, *table.frequencies))
        return b"".join(parts)


def _parse_tables(body: bytes) -> list[Table]:
    (count,) = struct.unpack_from("<H", body)
    at, tables = 2, []
    for _ in range(count):
        first, size = struct.unpack_from("<iH", body, at)
        tables.append(Table(first, struct.unpack_from(f"<{size}H", body, at + 6)))
        at += 6 + 2 * size
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes follow the last table")
    return tables


def frequencies_of_counts(counts: ArrayLike) -> Int[NDArray[np.int64], " entries"]:
    """Integer frequencies, each at least 1, summing to 2**16, in proportion to `counts` (largest remainder).

    Raises ValueError for fewer than 2 or more than 256 counts, or a negative or non-finite one.
    """
    weights = _checked_weights(counts)
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(weights.size, 1 / weights.size)
    exact = shares * (PROBABILITY_SUM - weights.size)
    frequencies: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    missing = PROBABILITY_SUM - weights.size - int(frequencies.sum())
    order = np.argsort(-(exact - frequencies), kind="stable")
    frequencies[order[:missing]] += 1
    frequencies += 1
    return frequencies


def _checked_weights(counts: ArrayLike) -> NDArray[np.float64]:
    weights = _numbers("counts", counts)
    if weights.ndim != 1 or not 2 <= weights.size <= 256 or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"counts of shape {weights.shape} cannot make a table; allowed are 2 to 256 counts >= 0")
    return weights


def table_of_counts(values: ArrayLike, counts: ArrayLike) -> Table:
    """The smallest table (16 to 256 entries, centred on 0) within 0.05 % of the cheapest for these counts.

    `values` are distinct integers, `counts` their weights. Values outside the run are escaped at 16 bits more.
    """
    v, n = _distribution(values, counts)
    candidates = [_table_of_size(v, n, size) for size in TABLE_SIZES]
    cheapest = min(cost for _, cost in candidates)
    return next(table for table, cost in candidates if cost <= cheapest * (1 + _SIZE_TOLERANCE) + 1e-9)


def cheapest_table_frequencies(probabilities: ArrayLike) -> Int[NDArray[np.int64], " entries"]:
    """Integer frequencies, each at least 1, summing to 2**16, that give the shortest expected code.

    What is rarer than one in 2**16 gets 1, the rest shares what is left in proportion, and single slots go where they
    save most. Raises ValueError as `frequencies_of_counts` does.
    """
    weights = _checked_weights(probabilities)
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(weights.size, 1 / weights.size)
    is_rare = np.zeros(weights.size, bool)
    while True:
        scaled = shares * (PROBABILITY_SUM - is_rare.sum()) / shares[~is_rare].sum()
        newly_rare = ~is_rare & (scaled < 1)
        if not newly_rare.any():
            break
        is_rare |= newly_rare
    frequencies: NDArray[np.int64] = np.where(is_rare, 1, np.floor(scaled)).astype(np.int64)
    for _ in range(PROBABILITY_SUM - int(frequencies.sum())):
        frequencies[np.argmax(_gains(shares, frequencies))] += 1
    # Rounding down may have taken from small ones what large ones need less; the code length is convex, so that moving
    # single slots leads to the best choice.
    while True:
        gains = _gains(shares, frequencies)
        losses = np.where(frequencies > 1, _gains(shares, np.maximum(frequencies - 1, 1)), np.inf)
        to, origin = int(np.argmax(gains)), int(np.argmin(losses))
        if gains[to] <= losses[origin]:
            return frequencies
        frequencies[to] += 1
        frequencies[origin] -= 1


def _gains(shares: NDArray[np.float64], frequencies: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bits that one more slot saves."""
    gains: NDArray[np.float64] = shares * np.log2(1 + 1 / frequencies)
    return gains


def table_of_probabilities(values: ArrayLike, probabilities: ArrayLike, *, tolerance: float = 0.0) -> Table:
    """The table, around 0 and of any size, with the shortest expected code for a known distribution.

    Search takes one step for each doubling of the size, so that among the best tables of at most 16, 32, 64, 128 and 256
    entries the smallest within `tolerance` (a fraction of the code length) of the shortest is taken.
    """
    v, p = _distribution(values, probabilities)
    tolerance = real_number("tolerance", tolerance, lowest=0)
    best: list[tuple[float, Table]] = []
    for limit in TABLE_SIZES:
        reach = min(int(np.abs(v).max(initial=1)), limit // 2 - 1)
        best.append(min((_table_of_reach(v, p, r) for r in _reaches(v, p, reach)), key=lambda found: found[0]))
    shortest = min(cost for cost, _ in best)
    return next(table for cost, table in best if cost <= shortest * (1 + tolerance) + 1e-12)


def _reaches(values: NDArray[np.int64], probabilities: NDArray[np.float64], largest: int) -> range:
    """Largest magnitudes worth an entry of their own: not far below one in 2**20."""
    likely = np.abs(values[probabilities > 2.0**-14 * probabilities.sum()]).max(initial=0)
    return range(max(min(int(likely), largest), 0), largest + 1)


def _table_of_reach(values: NDArray[np.int64], probabilities: NDArray[np.float64], reach: int) -> tuple[float, Table]:
    """The table of the values -reach to reach, and its expected code length."""
    entries = np.where(np.abs(values) <= reach, values + reach, 2 * reach + 1)
    weights = np.bincount(entries, probabilities, minlength=2 * reach + 2)
    frequencies = cheapest_table_frequencies(weights)
    cost = float(-(weights * np.log2(frequencies / PROBABILITY_SUM)).sum() + _ESCAPE_BITS * weights[-1])
    return cost, Table(-reach, tuple(int(f) for f in frequencies))


def _distribution(values: ArrayLike, weights: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Values and their weights as arrays. Raises `ArgumentError` unless they are integers and as many numbers >= 0."""
    v, w = _whole_numbers("values", values), _numbers("weights", weights)
    if v.ndim != 1 or v.shape != w.shape or not v.size or not np.isfinite(w).all() or (w < 0).any():
        raise ArgumentError(
            f"values of shape {v.shape} have weights of shape {w.shape}; allowed is one finite number >= 0 for each"
        )
    return v, w


def _whole_numbers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values) if isinstance(values, np.ndarray | Sequence | int) else None
    if array is None or (array.dtype.kind not in "iu" and array.size):
        found = "" if array is None else f" of {array.dtype}"
        raise ArgumentError(f"{name} are {shown(values)}{found}; allowed are whole numbers")
    return array.astype(np.int64)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return array.astype(np.float64)
    except ValueError:  # lists of unequal length
        pass
    raise ArgumentError(f"{name} are {shown(values)}; allowed are numbers")


def native_tables_of(tables: TableSet) -> _native.TableSet:
    """The native tables of what a caller passed as tables. Raises `ArgumentError`."""
    if not isinstance(tables, TableSet):
        raise ArgumentError(f"tables are {shown(tables)}; allowed is a TableSet")
    return tables.native


def _table_of_size(values: NDArray[np.int64], counts: NDArray[np.float64], size: int) -> tuple[Table, float]:
    first = -(size // 2 - 1)
    entries = np.where((values >= first) & (values < first + size - 1), values - first, size - 1)
    weights = np.bincount(entries, counts, minlength=size)
    frequencies = frequencies_of_counts(weights)
    cost = float(-(weights * np.log2(frequencies / PROBABILITY_SUM)).sum() + _ESCAPE_BITS * weights[-1])
    return Table(first, tuple(int(f) for f in frequencies)), cost


def table_set(tables: Sequence[Table]) -> TableSet:
    """A `TableSet` of these tables, in order."""
    return TableSet(tuple(tables))


def tables_of_cdfs(
    cdfs: Sequence[ArrayLike] | Integer[NDArray[Any], "tables entries"], sizes: ArrayLike, offsets: ArrayLike
) -> TableSet:
    """The tables of 1 to 256 cumulative distributions of 16 bits, as learned codecs keep them.

    `cdfs[t]` ascends strictly from 0 to 65536 over its first `sizes[t]` numbers (2 or more); what follows is padding.
    Interval `i` belongs to the value `offsets[t] + i`, the last one to all values outside: our escape. Up to 256
    intervals nothing is lost. Of more, the most probable run of 255 values keeps its intervals and the others join the
    escape, where a value costs 16 bits beside it: for Gaussians +0.2 % at a standard deviation of 32, +1.5 % at 52,
    +6 % at 66, +21 % at 108, +37 % at 256. Raises ValueError, naming the table.
    """
    numbers, firsts = _whole_numbers("sizes", sizes), _whole_numbers("offsets", offsets)
    if not isinstance(cdfs, Sequence | np.ndarray) or isinstance(cdfs, str | bytes) or np.ndim(firsts) == 0:
        raise ArgumentError(f"cdfs are {shown(cdfs)}; allowed is a sequence of them, and of sizes and offsets")
    if not len(cdfs) == numbers.size == firsts.size:
        raise ValueError(f"{len(cdfs)} cdfs have {numbers.size} sizes and {firsts.size} offsets; allowed is one each")
    if not 1 <= len(cdfs) <= MAX_TABLES:
        raise ValueError(f"{len(cdfs)} cdfs cannot make a table set; allowed are 1 to {MAX_TABLES}: make several sets")
    entries = zip(cdfs, numbers.reshape(-1).tolist(), firsts.reshape(-1).tolist(), strict=True)
    return table_set([_table_of_cdf(f"table {t}", *entry) for t, entry in enumerate(entries)])


def _table_of_cdf(name: str, cdf: ArrayLike, size: int, offset: int) -> Table:
    whole = _whole_numbers(name, cdf)
    if whole.dtype.kind not in "iu" or whole.ndim != 1 or not 2 <= size <= whole.size:
        raise ValueError(f"{name} has {size} of {whole.shape} numbers of {whole.dtype}; allowed are 2 or more integers")
    bounds = whole[:size].astype(np.int64)
    frequencies = np.diff(bounds)
    if bounds[0] != 0 or bounds[-1] != PROBABILITY_SUM or frequencies.min() < 1:
        raise ValueError(f"{name} runs from {bounds[0]} to {bounds[-1]}; allowed is a strict ascent from 0 to 65536")
    if frequencies.size == 1:  # an escape alone, which lends a value the least that there is
        return Table(offset, (1, PROBABILITY_SUM - 1))
    begin = 0
    if frequencies.size > MAX_ENTRIES:
        run = MAX_ENTRIES - 1
        begin = int(np.argmax(bounds[run:-1] - bounds[: -run - 1]))
        kept = frequencies[begin : begin + run]
        frequencies = np.append(kept, PROBABILITY_SUM - kept.sum())
    return Table(offset + begin, tuple(frequencies.tolist()))
