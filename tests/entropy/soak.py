"""A hundred million random symbols of every type through packets, at every SIMD level: `make soak`.

usage: soak.py [SYMBOLS OF EACH TYPE]

Every array is encoded at each level, which has to give the bytes of the portable one, and decoded at each level, which has
to give the values. Alphabets go from one symbol to 256, with escapes from none to all; lengths, layouts, chunks, batches
and threads vary. Prints what was coded and ends with 1 at the first difference.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from laconic.entropy import simd
from laconic.entropy.packets import decode_array, decode_batch, encode_array, encode_batch
from laconic.entropy.tables import Table, TableSet, frequencies_of_counts

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

TYPES = ("int8", "int16", "int32", "float32", "float16", "bfloat16")
STEP = 0.5
Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Alphabet:
    """How values are drawn, and the tables that they are coded with."""

    name: str
    draw: Draw
    tables: TableSet


def table(values: np.ndarray, scale: float) -> Table:
    """A table of the values and an escape, for a Laplace density."""
    counts = np.append(np.exp(-np.abs(values) / scale), 1e-4)
    return Table(int(values[0]), tuple(frequencies_of_counts(counts).tolist()))


def rounded(scale: float) -> Draw:
    """A Laplace density, from a pool of values, which is quicker than drawing each."""
    pool = np.rint(np.random.default_rng(1).laplace(0, scale, 1 << 20)).astype(np.int32)

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        return np.resize(np.roll(pool, int(rng.integers(pool.size))), count)

    return draw


def with_outliers(draw: Draw) -> Draw:
    """The same with a value far out now and then."""

    def drawn(rng: np.random.Generator, count: int) -> np.ndarray:
        values = draw(rng, count)
        values[:: int(rng.integers(100, 3000))] = rng.integers(-120, 120)
        return values

    return drawn


def alphabets() -> list[Alphabet]:
    small, wide = np.arange(-7, 8), np.arange(-127, 128)
    return [
        Alphabet("one symbol", lambda rng, n: np.zeros(n, np.int32), TableSet((Table(0, (65535, 1)),))),
        Alphabet(
            "two symbols", lambda rng, n: rng.integers(0, 2, n, np.int32), TableSet((Table(0, (40000, 25535, 1)),))
        ),
        Alphabet("16 entries", rounded(1), TableSet((table(small, 1),))),
        Alphabet("32 entries, outliers", with_outliers(rounded(2)), TableSet((table(np.arange(-15, 16), 2),))),
        Alphabet("64 entries", rounded(5), TableSet((table(np.arange(-31, 32), 5),))),
        Alphabet("128 entries", rounded(12), TableSet((table(np.arange(-63, 64), 12),))),
        Alphabet("256 entries", rounded(24), TableSet((table(wide, 24),))),
        Alphabet(
            "256 equal entries",
            lambda rng, n: rng.integers(-127, 128, n, np.int32),
            TableSet((Table(-127, (256,) * 256),)),
        ),
        Alphabet("escapes only", lambda rng, n: rng.integers(-120, 0, n, np.int32), TableSet((Table(0, (1, 65535)),))),
        Alphabet(
            "16 tables",
            rounded(3),
            TableSet(tuple(table(wide if s > 4 else small, s) for s in np.geomspace(0.3, 40, 16))),
        ),
    ]


def typed(values: np.ndarray, kind: str, rng: np.random.Generator) -> tuple[Any, Any]:
    """Values of a type to code, and what they come back as."""
    if kind == "int8":
        values = values.clip(-128, 127)
    if kind in ("int16", "int32") and values.size:
        # The ends of the type, which are wide escapes.
        limits = np.iinfo(kind)
        values.reshape(-1)[rng.integers(0, values.size, 1 + values.size // 50_000)] = rng.choice(
            (limits.min, limits.max)
        )
    if kind.startswith("int"):
        return values.astype(kind), values.astype(kind)
    floats = values.astype(np.float32) * np.float32(STEP)
    if kind == "bfloat16":
        exact = torch.from_numpy(floats).bfloat16()
        return exact, exact
    near = floats + np.float32(STEP / 4) * np.float32(rng.choice((-1, 0, 1)))
    return near.astype(kind), floats.astype(kind)


def same(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b) if isinstance(a, np.ndarray) else torch.equal(a, b))


def empty_like(values: Any) -> Any:
    return np.empty_like(values) if isinstance(values, np.ndarray) else torch.empty_like(values)


def one_array(alphabet: Alphabet, kind: str, rng: np.random.Generator, limit: int) -> tuple[int, int, int]:
    """Code and compare one random array at each level; symbols, bytes, nanoseconds of coding."""
    rows = int(rng.choice((1, 3, 12, 64)))
    length = min(int(2 ** rng.uniform(0, 21)), max(1, limit // rows))
    values, expected = typed(alphabet.draw(rng, rows * length).reshape(rows, length), kind, rng)
    is_batch = rng.random() < 0.3
    shape = (length,) if is_batch else (rows, length)
    axes = shape[: int(rng.integers(0, 2 if is_batch else 3))]
    indices: Any = rng.integers(0, len(alphabet.tables), axes).astype(np.uint8) if axes else 0
    step = 1.0 if kind.startswith("int") else STEP
    options = {"threads": int(rng.integers(1, 3))}
    if not is_batch:
        options["chunk_symbols"] = int(2 ** rng.uniform(10, 20))
    first: Any = None
    begin = time.perf_counter_ns()
    for level in simd.available():
        simd.use(level)
        encode = encode_batch if is_batch else encode_array
        packets = encode(values, alphabet.tables, indices, step=step, **options)  # type: ignore[operator]
        first = packets if first is None else first
        out = empty_like(expected)
        decode = decode_batch if is_batch else decode_array
        decode(packets, alphabet.tables, indices, out=out, step=step, threads=options["threads"])  # type: ignore[operator]
        if packets != first or not same(out, expected):
            sys.exit(f"DIFFERENCE: {level}, {kind}, {alphabet.name}, {rows} x {length}, batch {is_batch}, {options}")
    elapsed = time.perf_counter_ns() - begin
    return rows * length, sum(map(len, first)) if is_batch else len(first), elapsed


def main() -> None:
    wanted = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**8
    begin = time.perf_counter()
    types = [kind for kind in TYPES if kind != "bfloat16" or torch is not None]
    print(f"levels: {', '.join(simd.available())}; types: {', '.join(types)}; {wanted} symbols of each")
    for kind in types:
        rng = np.random.default_rng(TYPES.index(kind))
        sets, total, num_arrays = alphabets(), 0, 0
        for number, alphabet in enumerate(sets):
            symbols = num_bytes = elapsed = 0
            goal = -(-wanted // len(sets)) if number + 1 < len(sets) else wanted - total
            while symbols < goal:
                counts = one_array(alphabet, kind, rng, goal - symbols)
                symbols, num_bytes, elapsed = symbols + counts[0], num_bytes + counts[1], elapsed + counts[2]
                num_arrays += 1
            total += symbols
            rate = 8 * num_bytes / symbols
            print(
                f"{kind:9} {alphabet.name:22} {symbols:11} symbols {rate:7.3f} bits each {elapsed / 1e9:7.1f} s",
                flush=True,
            )
        print(f"{kind:9} {total} symbols in {num_arrays} arrays: bit-exact at all levels")
    print(f"no difference; {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
