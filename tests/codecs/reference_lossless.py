"""A decoder of lossless sounds in plain Python, written from entropy/SPEC.md (sections 5.5, 6.6 and 9.11) alone.

Its floats are those of IEEE 754, operation by operation; all else is integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

OWN, OTHER, BLOCK = 16, 8, 64
TAPS = (256, 32, 16)


def limit(number: int, least: int = -32768, most: int = 32767) -> int:
    return min(max(number, least), most)


class Filter:
    def __init__(self, taps: int, step: int) -> None:
        self.step = step
        self.v, self.h = [0] * taps, [0] * taps

    def part(self) -> int:
        s = sum(map(int.__mul__, self.v, self.h)) % 2**32
        return (s - 2**32 if s >= 2**31 else s) >> 15

    def learn(self, y: int, q: int) -> int:
        g = limit(y - q)
        dividend, divisor = g * self.step * 2**20, sum(x * x for x in self.h) + 256 * len(self.h)
        rate = limit(abs(dividend) // divisor * (1 if dividend >= 0 else -1), -32767)
        self.v = [limit(v + (rate * h + 2**14) // 2**15) for v, h in zip(self.v, self.h, strict=True)]
        self.h = [y, *self.h[:-1]]
        return g


@dataclass
class Channel:
    bits: int
    zeros: int
    shift: int
    keep: float
    steps: bytes
    has_other: bool
    means: list[int] = field(init=False)
    x: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.means = [2 ** (23 + self.shift)] * 2
        self.n = OWN + OTHER * self.has_other
        self.r = [[0.0] * (self.n + 1) for _ in range(self.n + 1)]
        self.w = [0] * (self.n + 1)
        self.filters = [Filter(taps, step) for taps, step in zip(TAPS, self.steps, strict=True)]
        self.block: list[list[int]] = []

    def table(self) -> tuple[int, int]:
        a = sum(self.means) // 2 + 16
        t = a.bit_length() - 1
        level = 8 * (t - 4) + (a // 2 ** (t - 3)) % 8
        return (level, 0) if level < 96 else (88 + level % 8, (level - 96) // 8 + 1)

    def count(self, e: int) -> None:
        fast, slow = self.means
        self.means = [fast + (4096 * abs(e) - fast) // 8, slow + (4096 * abs(e) - slow) // 32]

    def restore(self, e: int, others: list[int]) -> None:
        """`others`: the last samples of the other channel, the newest first."""
        u = [self.x[-i] if i <= len(self.x) else 0 for i in range(1, OWN + 1)]
        u += (others + [0] * OTHER)[:OTHER] if self.has_other else []
        linear = sum(map(int.__mul__, self.w[1:], u))
        parts = [one.part() for one in self.filters]
        unit, peak = 2 ** (16 + self.shift), 2 ** (self.bits - self.zeros - 1)
        x = e + limit((linear + sum(parts) * unit + 2**15) // 2**16, -peak, peak - 1)
        assert -peak <= x < peak
        y = limit((65536 * x - linear + unit // 2) // unit)
        for one, part in zip(self.filters, parts, strict=True):
            y = one.learn(y, part)
        self.x.append(x)
        self.block.append([x, *u])
        if len(self.block) == BLOCK:
            self.learn()

    def learn(self) -> None:
        n, r = self.n, self.r
        for i in range(n + 1):
            for j in range(i, n + 1):
                r[i][j] = r[i][j] * self.keep + float(sum(u[i] * u[j] for u in self.block))
        self.block = []
        a = [row.copy() for row in r]
        z, d = r[0].copy(), [0.0] * (n + 1)
        ratios = [[0.0] * (n + 1) for _ in range(n + 1)]
        for i in range(1, n + 1):
            a[i][i] = r[i][i] * (1 + 2.0**-22) + 1
        for k in range(1, n + 1):
            d[k] = max(a[k][k], (r[k][k] + 1) * 2.0**-30)
            for i in range(k + 1, n + 1):
                ratios[k][i] = a[k][i] / d[k]
            for j in range(k + 1, n + 1):
                for i in range(j, n + 1):
                    a[j][i] -= ratios[k][i] * a[k][j]
            for i in range(k + 1, n + 1):
                z[i] -= ratios[k][i] * z[k]
        for i in range(1, n + 1):
            z[i] /= d[i]
        for k in range(n, 0, -1):
            for i in range(1, k):
                z[i] -= ratios[i][k] * z[k]
        self.w = [0, *(math.floor(z[i] * 65536 + 0.5) if -128 < z[i] < 128 else 0 for i in range(1, n + 1))]


class Bits:
    def __init__(self, data: bytes) -> None:
        self.number, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        assert count <= self.left
        bits = self.number % 2**count
        self.number, self.left = self.number >> count, self.left - count
        return bits


def decode_segment(
    plain: ModuleType, segment: tuple[bytes, int], shape: tuple[int, int], bits: int, tables: Path
) -> list[list[int]]:
    """The samples of a segment's payload with so many lanes; `plain` is entropy/reference_decoder.py."""
    reader = plain.Reader(segment[0])
    forget = reader.unsigned(1)
    if forget == 0:
        return stored_segment(plain, reader, shape, bits)
    keep, steps = (256 - forget) / 256, reader.take(3)
    scales = [(reader.unsigned(1), reader.unsigned(1)) for _ in range(shape[0])]
    channels = [Channel(bits, zeros, shift - 256 * (shift > 127), keep, steps, shape[0] > 1) for zeros, shift in scales]
    low = Bits(reader.take(reader.varint()))
    stream = plain.Stream.of_payload(reader.take(len(reader.data) - reader.position), segment[1])
    set_of_tables, _ = plain.read_tables(tables.read_bytes())
    for _ in range(shape[1]):
        residuals = []
        for first in range(0, len(channels), 64):
            chosen = [channel.table() for channel in channels[first : first + 64]]
            values = stream.message([set_of_tables[table] for table, _ in chosen])
            residuals += [value * 2**k + low.take(k) for value, (_, k) in zip(values, chosen, strict=True)]
        for c, (channel, e) in enumerate(zip(channels, residuals, strict=True)):
            channel.count(e)
            other = channels[c - 1 if c else min(1, len(channels) - 1)].x
            channel.restore(e, other[: -OTHER - 1 : -1])
    assert low.left < 8 and low.number == 0
    samples = [[x << channel.zeros for x in channel.x] for channel in channels]
    assert stream.finish() == checksum(plain, samples)
    return samples


def stored_segment(plain: ModuleType, reader: Any, shape: tuple[int, int], bits: int) -> list[list[int]]:
    zeros, tail = reader.unsigned(1), reader.unsigned(2)
    packed, width = Bits(reader.take(len(reader.data) - reader.position)), bits - zeros
    samples: list[list[int]] = [[] for _ in range(shape[0])]
    for _ in range(shape[1]):
        for channel in samples:
            x = packed.take(width)
            channel.append((x - 2**width if x >= 2 ** (width - 1) else x) << zeros)
    assert packed.left < 8 and packed.number == 0
    assert tail == checksum(plain, samples)
    return samples


def checksum(plain: ModuleType, samples: list[list[int]]) -> int:
    raw = b"".join(x.to_bytes(4, "little", signed=True) for channel in samples for x in channel)
    return plain.crc32c(raw) % 65536
