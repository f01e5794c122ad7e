"""A second decoder of .lcn files and of packets, written from entropy/SPEC.md alone.

It shares no code with the package and uses the standard library only, so that a file that both decode to the same
integers was decoded as the document says. It is meant to be read beside that document, section by section, and is slow
(some two hundred thousand symbols a second). It stops at the integers and the exponents of 9.8: the rest of section 9 from
the dequantisation on is left out, and so are floats in packets.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import mul
from pathlib import Path
from typing import Any

SECTIONS, JOINED, WHOLE, TILE_MAJOR, TILED, ALPHA, DEEP, TUNED = (1 << bit for bit in range(8))
KINDS = {1: "image", 2: "sound", 3: "cube"}  # by codec number
FAST, SMALL, BEST = 1, 2, 3  # profiles
MAX_PIXELS, MAX_SECTION_BYTES, MAX_UNPACKED_BYTES = 1 << 29, 1 << 26, 1 << 24


class DecodeError(ValueError):
    """The bytes are not a file that this decoder can read (section 11)."""


class TruncatedError(DecodeError):
    """The bytes end early."""


class ChecksumError(DecodeError):
    """The bytes are complete but changed."""


class UnsupportedError(DecodeError):
    """A version, flag, codec, profile, model or critical section that is not known here."""


class CorruptError(DecodeError):
    """What no encoder writes."""


class LimitError(DecodeError):
    """More than is allowed."""


# 1. Numbers and checksums


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """CRC-32C of Castagnoli.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(number: int) -> bytes:
    """`number` as LEB128."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def int32(number: int) -> int:
    """`number` modulo 2^32, signed."""
    return (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def _check(good: bool, kind: type[DecodeError], message: str) -> None:
    if not good:
        raise kind(message)


@dataclass
class Reader:
    """Bytes and a position in them."""

    data: bytes
    position: int = 0

    def take(self, num_bytes: int) -> bytes:
        end = self.position + num_bytes
        _check(end <= len(self.data), TruncatedError, f"the bytes end at {len(self.data)}, {end} are needed")
        taken, self.position = self.data[self.position : end], end
        return taken

    def unsigned(self, num_bytes: int) -> int:
        return int.from_bytes(self.take(num_bytes), "little")

    def varint(self) -> int:
        number = 0
        for shift in range(0, 63, 7):
            byte = self.unsigned(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                _check(byte > 0 or shift == 0, CorruptError, "a varint is longer than it has to be")
                return number
        raise CorruptError("a varint is longer than 9 bytes")

    @property
    def at_end(self) -> bool:
        return self.position == len(self.data)


# 2. The stream and 3. its tables


@dataclass(frozen=True)
class Table:
    """One table: the values from `first` on, the last entry being the escape."""

    first: int
    frequencies: tuple[int, ...]
    starts: tuple[int, ...]


def read_tables(data: bytes) -> tuple[list[Table], bytes]:
    """The tables of section 3.2 and their digest."""
    reader = Reader(data)
    tables = []
    num_tables = reader.unsigned(2)
    _check(1 <= num_tables <= 256, CorruptError, f"{num_tables} tables")
    for _ in range(num_tables):
        first, size = struct.unpack("<iH", reader.take(6))
        _check(2 <= size <= 256 and abs(first) <= 1 << 30, CorruptError, f"a table of size {size} from {first}")
        frequencies = struct.unpack(f"<{size}H", reader.take(2 * size))
        _check(min(frequencies) >= 1 and sum(frequencies) == 65536, CorruptError, "frequencies do not add up")
        tables.append(Table(first, frequencies, tuple(sum(frequencies[:entry]) for entry in range(size))))
    digest = hashlib.sha256(data[: reader.position]).digest()
    _check(reader.take(32) == digest, ChecksumError, "the tables' digest is wrong")
    _check(reader.at_end, CorruptError, "bytes after the tables")
    return tables, digest


class Stream:
    """One rANS stream of section 2; `entries` and `escaped` gather what a packet's check covers."""

    def __init__(self, states: list[int], words: Reader) -> None:
        _check(min(states) >= 65536, CorruptError, "an initial state is below 2^16")
        _check((len(words.data) - words.position) % 2 == 0, CorruptError, "half a word")
        self.states = states
        self.entries = bytearray()
        self.escaped: list[int] = []
        self._words = words

    @staticmethod
    def of_payload(payload: bytes, num_lanes: int) -> Stream:
        """A stream whose states have four bytes each."""
        reader = Reader(payload)
        return Stream([reader.unsigned(4) for _ in range(num_lanes)], reader)

    def word(self) -> int:
        return self._words.unsigned(2)

    def message(self, tables: list[Table]) -> list[int]:
        """The values of one message, one for each of the `tables`."""
        values: list[int] = []
        num_lanes = len(self.states)
        for begin in range(0, len(tables), num_lanes):
            escaped = []
            for lane, table in enumerate(tables[begin : begin + num_lanes]):
                entry = self._entry(lane, table)
                if entry == len(table.starts) - 1:
                    escaped.append(begin + lane)
                values.append(table.first + entry)
            for index in escaped:
                values[index] = self._escape()
        return values

    def _entry(self, lane: int, table: Table) -> int:
        high, slot = divmod(self.states[lane], 65536)
        entry = bisect_right(table.starts, slot) - 1
        state = table.frequencies[entry] * high + slot - table.starts[entry]
        self.states[lane] = state if state >= 65536 else state << 16 | self.word()
        self.entries.append(entry)
        return entry

    def _escape(self) -> int:
        number = self.word()
        if number == 0xFFFF:
            number = self.word() + (self.word() << 16)
        self.escaped.append(number)
        return int32(-(number + 1) // 2 if number & 1 else number // 2)

    def finish(self) -> int:
        """The tail."""
        _check(self._words.at_end, CorruptError, "words are left over")
        _check(all(state == 65536 for state in self.states[1:]), ChecksumError, "a lane does not end in 2^16")
        _check(65536 <= self.states[0] < 131072, ChecksumError, "lane 0 ends in no tail")
        return self.states[0] - 65536


# 9. The model's file


@dataclass(frozen=True)
class Network:
    """The network of one level (section 4.4)."""

    first: list[tuple[int, ...]]  # (n, 40)
    second: list[tuple[int, ...]]  # (n, n)
    third: list[tuple[int, ...]]  # (3, n)
    first_bias: list[tuple[int, ...]]  # (k, n)
    second_bias: tuple[int, ...]
    third_bias: list[tuple[int, ...]]  # (k, 3)
    first_step: tuple[int, ...]
    third_step: tuple[int, ...]
    shifts: tuple[int, ...]

    def with_offsets(self, offsets: list[int]) -> Network:
        """The network of a file with these offsets of its subbands (section 9.8)."""
        first = _offset_biases(self.first_bias, self.first_step, offsets)
        third = _offset_biases(self.third_bias, self.third_step, offsets)
        return replace(self, first_bias=first, third_bias=third)

    def outputs(self, k: int, step_code: int, x: list[int]) -> list[int]:
        """The outputs for a symbol of subband `k` with inputs `x`."""
        above, (one, two, three) = step_code - 128, self.shifts
        firsts = zip(self.first_bias[k], self.first_step, self.first, strict=True)
        a = [_clip(bias + above * step + sum(map(mul, row, x)) >> one) for bias, step, row in firsts]
        b = [
            _clip(bias + sum(map(mul, row, a)) >> two) for bias, row in zip(self.second_bias, self.second, strict=True)
        ]
        thirds = zip(self.third_bias[k], self.third_step, self.third, strict=True)
        return [bias + above * step + sum(map(mul, row, b)) + 2**three // 2 >> three for bias, step, row in thirds]


def _clip(number: int) -> int:
    return min(max(number, 0), 255)


def _offset_biases(biases: list[tuple[int, ...]], steps: tuple[int, ...], offsets: list[int]) -> list[tuple[int, ...]]:
    parts = [
        tuple(bias - offset * step for bias, step in zip(row, steps, strict=True))
        for row, offset in zip(biases, offsets, strict=True)
    ]
    _check(all(abs(bias) <= 1 << 28 for row in parts for bias in row), CorruptError, "a tuned bias is beyond 2^28")
    return parts


@dataclass(frozen=True)
class SubbandRules:
    """What profile best has in place of the arrays of section 4.3."""

    num_planes: int
    depth: int
    low_levels: int
    tables: list[Table]
    networks: list[Network]
    table_map: list[tuple[int, ...]]  # (levels + 1, 48 * 4 * 3)
    quiet_tables: list[list[tuple[int, ...]]]  # (levels + 1, 3 P, 32)

    def tuned(self, tuning: Tuning) -> SubbandRules:
        """The rules of a file with this tuning."""
        kinds = [range(self.num_planes * (3 if level else 1)) for level in range(len(self.networks))]
        offsets = [[self._offset(tuning, level, k) for k in ks] for level, ks in enumerate(kinds)]
        networks = [one.with_offsets(own) for one, own in zip(self.networks, offsets, strict=True)]
        quiet = [
            [
                tuple(row[offset_step_code(band, o) // 8] for band in range(32))
                for row, o in zip(rows, own, strict=False)
            ]
            for rows, own in zip(self.quiet_tables, offsets, strict=True)
        ]
        return replace(self, networks=networks, quiet_tables=quiet)

    def _offset(self, tuning: Tuning, level: int, k: int) -> int:
        """That of a subband."""
        if 1 <= level <= self.depth:
            return tuning.offsets[(self.num_planes + k) << 2 * (self.depth - level)]
        if level == 0:
            return tuning.low_offsets[0] if self.low_levels else tuning.offsets[k]
        return tuning.low_offsets[1 + 3 * (self.depth + self.low_levels - level) + k % 3]


NETWORK_ARRAYS = (
    "first",
    "second",
    "third",
    "first_bias",
    "second_bias",
    "third_bias",
    "first_step",
    "third_step",
    "shifts",
)


def read_subband_rules(raw: dict[str, bytes], num_planes: int, depth: int, low_levels: int) -> SubbandRules:
    """The rules of these arrays, whose names are without `best.`."""
    num_levels, networks = depth + low_levels + 1, []
    for level in range(num_levels):
        arrays = {name: raw[f"network.{level}.{name}"] for name in NETWORK_ARRAYS}
        width, num_kinds = len(arrays["second_bias"]) // 4, num_planes * (3 if level else 1)
        networks.append(
            Network(
                first=_rows(arrays["first"], "b", width),
                second=_rows(arrays["second"], "b", width),
                third=_rows(arrays["third"], "b", 3),
                first_bias=_rows(arrays["first_bias"], "i", num_kinds),
                second_bias=_rows(arrays["second_bias"], "i", 1)[0],
                third_bias=_rows(arrays["third_bias"], "i", num_kinds),
                first_step=_rows(arrays["first_step"], "i", 1)[0],
                third_step=_rows(arrays["third_step"], "i", 1)[0],
                shifts=_rows(arrays["shifts"], "B", 1)[0],
            )
        )
    quiet, num_kinds = _rows(raw["quiet_tables"], "B", num_levels * 3 * num_planes), 3 * num_planes
    return SubbandRules(
        num_planes,
        depth,
        low_levels,
        read_tables(raw["tables"])[0],
        networks,
        table_map=_rows(raw["table_map"], "B", num_levels),
        quiet_tables=[quiet[level * num_kinds : (level + 1) * num_kinds] for level in range(num_levels)],
    )


def subband_digest(raw: dict[str, bytes], num_planes: int, depth: int, low_levels: int) -> bytes:
    """The digest of networks."""
    networks = read_tables(raw["tables"])[1] + struct.pack("<3H", num_planes, depth, low_levels)
    for level in range(depth + low_levels + 1):
        networks += struct.pack("<H", len(raw[f"network.{level}.second_bias"]) // 4)
        networks += b"".join(raw[f"network.{level}.{name}"] for name in NETWORK_ARRAYS)
    return hashlib.sha256(networks + raw["table_map"] + raw["quiet_tables"] + raw["later_costs"]).digest()


CONTEXT_ARRAYS = (
    "static_index",
    "base",
    "neighbour_weights",
    "lean_weights",
    "feature_weights",
    "own_weights",
    "ring_weights",
    "table_map",
)


@dataclass(frozen=True)
class Contexts:
    """The numbers of profiles fast and small for `d` channels, or low planes: arrays as lists along their first axes, the
    last axis as tuples."""

    pass_ends: list[int]
    num_predicted: int
    static_index: list[tuple[int, ...]]  # (32, d)
    base: list[tuple[int, ...]]  # (32, d)
    neighbour_weights: list[tuple[int, ...]]  # (d, 6)
    lean_weights: list[tuple[int, ...]]  # (d, 4)
    feature_weights: list[tuple[int, ...]]  # (d, J)
    own_weights: list[list[tuple[int, ...]]]  # (passes, J, d)
    ring_weights: list[list[tuple[int, ...]]]  # (passes, J, d)
    table_map: list[tuple[int, ...]]  # (4, 96)

    def tuned(self, offsets: list[int]) -> Contexts:
        """Those of a file with these offsets of channels, or low planes (section 9.8)."""
        static, base = (_at_offsets(rows, offsets) for rows in (self.static_index, self.base))
        return replace(self, static_index=static, base=base)

    @property
    def num_channels(self) -> int:
        return self.pass_ends[-1]

    def passes(self) -> list[range]:
        return [range(begin, end) for begin, end in zip([0, *self.pass_ends], self.pass_ends, strict=False)]


def read_contexts(raw: dict[str, bytes], pass_ends: list[int], num_predicted: int, prefix: str = "") -> Contexts:
    """The numbers of the arrays whose names begin with `prefix`."""
    arrays = {name: raw[prefix + name] for name in CONTEXT_ARRAYS}
    num_channels, num_passes = pass_ends[-1], len(pass_ends)
    num_features = len(arrays["feature_weights"]) // 2 // num_channels
    weights = {}
    for name in ("own_weights", "ring_weights"):
        rows = _rows(arrays[name], "B", num_passes * num_features) if num_features else []
        weights[name] = [rows[k * num_features : (k + 1) * num_features] for k in range(num_passes)]
    return Contexts(
        pass_ends=pass_ends,
        num_predicted=num_predicted,
        static_index=_rows(arrays["static_index"], "B", 32),
        base=_rows(arrays["base"], "H", 32),
        neighbour_weights=_rows(arrays["neighbour_weights"], "B", num_channels),
        lean_weights=_rows(arrays["lean_weights"], "b", num_channels),
        feature_weights=_rows(arrays["feature_weights"], "H", num_channels),
        own_weights=weights["own_weights"],
        ring_weights=weights["ring_weights"],
        table_map=_rows(arrays["table_map"], "B", 4),
    )


def context_digest(raw: dict[str, bytes], pass_ends: list[int], num_predicted: int, low_pass_ends: list[int]) -> bytes:
    """The context digest, with that of the low planes where `low_pass_ends` are any."""
    low = _part_digest(raw, low_pass_ends, pass_ends[0], "low.") if low_pass_ends else b""
    return _part_digest(raw, pass_ends, num_predicted, "", low)


def _part_digest(
    raw: dict[str, bytes], pass_ends: list[int], num_predicted: int, prefix: str, low: bytes = b""
) -> bytes:
    digests = read_tables(raw["tables"])[1] + read_tables(raw["static_tables"])[1]
    numbers = struct.pack(f"<{len(pass_ends) + 2}H", len(pass_ends), *pass_ends, num_predicted)
    arrays = b"".join(raw[prefix + name] for name in CONTEXT_ARRAYS)
    return hashlib.sha256(digests + numbers + arrays + low).digest()


@dataclass(frozen=True)
class Tuning:
    """The strength of a map, and offsets of channels and of the classes of low levels (section 9.8)."""

    strength: int
    offsets: list[int]
    low_offsets: list[int]


@dataclass(frozen=True)
class Model:
    """What the integers need of a model."""

    fingerprint: bytes
    kind: str
    num_planes: int
    dimensions: int
    depth: int
    group_ends: list[int]
    tables: list[Table]
    static_tables: list[Table]
    contexts: Contexts
    has_integer_matrices: bool
    margin: int = 0  # of one dimension
    low_levels: int = 0
    low: Contexts | None = None  # of the low planes, of a model with low levels
    subbands: SubbandRules | None = None  # of a model with networks
    tunings: list[Tuning] = field(default_factory=list)

    @property
    def num_channels(self) -> int:
        return self.num_planes << self.dimensions * self.depth

    def tuning(self, byte: int | None) -> Tuning:
        """That of a file with this tuning byte, 0 for none, or without one."""
        if byte is None and self.tunings:
            return self.tunings[0]
        byte = byte or 0
        strength, number = divmod(byte, 16)
        _check(number <= len(self.tunings), CorruptError, f"the model has no set {number} of offsets")
        _check(strength == 0 or self.num_planes <= 3, CorruptError, "a map of more than 3 planes")
        if number:
            return replace(self.tunings[number - 1], strength=strength)
        return Tuning(strength, [0] * self.num_channels, [0] * num_classes(self.low_levels))

    def tuned(self, byte: int | None) -> Model:
        """What the integers of files with this tuning byte need."""
        tuning, low = self.tuning(byte), self.low
        if low is not None:
            of_places = [
                tuning.low_offsets[low_class(*place, self.low_levels)] for place in low_places(2**self.low_levels)
            ]
            low = low.tuned([offset for offset in of_places for _ in range(self.num_planes)])
        subbands = None if self.subbands is None else self.subbands.tuned(tuning)
        return replace(self, contexts=self.contexts.tuned(tuning.offsets), low=low, subbands=subbands)


def _rows(data: bytes, code: str, num_rows: int) -> list[tuple[int, ...]]:
    """An array of `num_rows` rows of numbers of a type that `struct` knows by this code."""
    length = len(data) // struct.calcsize(code) // num_rows
    rows: list[tuple[int, ...]] = list(struct.iter_unpack(f"<{length}{code}", data)) if length else [()] * num_rows
    _check(len(rows) == num_rows, CorruptError, f"{len(rows)} rows where {num_rows} are needed")
    return rows


def read_model(path: Path) -> Model:
    """The model of a safetensors file: u64 length of a JSON header, that header, the arrays."""
    reader = Reader(path.read_bytes())
    header = json.loads(reader.take(reader.unsigned(8)))
    body = reader.take(len(reader.data) - reader.position)
    text = header.pop("__metadata__")
    raw = {name: body[slice(*entry["data_offsets"])] for name, entry in header.items()}
    config = json.loads(text["config"])
    fingerprint = _fingerprint(config, raw)
    _check(fingerprint.hex() == text["fingerprint"], ChecksumError, "the fingerprint is wrong")
    num_planes, depth, low_levels = config["num_planes"], config["depth"], config.get("low_levels", 0)
    low = subbands = None
    if low_levels:
        low = read_contexts(raw, config["low_pass_ends"], num_planes, "low.")
    if config.get("has_networks"):
        subbands = read_subband_rules(_arrays_of_networks(raw), num_planes, depth, low_levels)
    return Model(
        fingerprint=fingerprint,
        kind=config["kind"],
        num_planes=num_planes,
        dimensions=config["dimensions"],
        depth=depth,
        group_ends=config["group_ends"],
        tables=read_tables(raw["tables"])[0],
        static_tables=read_tables(raw["static_tables"])[0],
        contexts=read_contexts(raw, config["pass_ends"], config["num_predicted"]),
        has_integer_matrices="fixed_bits" in raw,
        margin=(1 << depth) // (2 if config.get("transform") == "mdct" else 8),
        low_levels=low_levels,
        low=low,
        subbands=subbands,
        tunings=read_tunings(config, raw),
    )


def num_classes(low_levels: int) -> int:
    """Of the places of low levels."""
    return 1 + 3 * low_levels if low_levels else 0


def read_tunings(config: dict[str, Any], raw: dict[str, bytes]) -> list[Tuning]:
    """Those of a model, checked."""
    named, num_planes, low_levels = config.get("tunings", []), config["num_planes"], config.get("low_levels", 0)
    if not named:
        return []
    names = {name for name, _, _ in named}
    _check(len(named) <= 15 and len(names) == len(named), CorruptError, f"tunings {named}")
    rows = _rows(raw["tuning_offsets"], "b", len(named))
    low_rows = _rows(raw["low_tuning_offsets"], "b", len(named))
    _check({len(row) for row in rows} == {config["group_ends"][-1]}, CorruptError, "offsets of other channels")
    _check({len(row) for row in low_rows} == {num_classes(low_levels)}, CorruptError, "offsets of other classes")
    for (_, strength, noise), offsets, low_offsets in zip(named, rows, low_rows, strict=True):
        _check(0 <= noise <= (31 if "zeros" in raw else 0), CorruptError, f"noise {noise}")
        _check(config["kind"] == "image" and 0 <= strength <= 15, CorruptError, f"strength {strength}")
        _check(all(abs(offset) <= 64 for offset in offsets + low_offsets), CorruptError, "offsets are beyond 64")
        _check(min(offsets[num_planes : 4 * num_planes]) >= -16, CorruptError, "the map is made of coarse channels")
        _check(not low_levels or not any(offsets[:num_planes]), CorruptError, "low channels have offsets")
        if config.get("has_networks"):
            sizes = [4**level for level in range(config["depth"]) for _ in range(3 * num_planes)]
            cuts = [num_planes + sum(sizes[:k]) for k in range(len(sizes))]
            subbands = [set(offsets[at : at + size]) for at, size in zip(cuts, sizes, strict=True)]
            _check(all(len(own) == 1 for own in subbands), CorruptError, "one subband has several offsets")
    return [
        Tuning(strength, list(offsets), list(low_offsets))
        for (_, strength, _), offsets, low_offsets in zip(named, rows, low_rows, strict=True)
    ]


def _arrays_of_networks(raw: dict[str, bytes]) -> dict[str, bytes]:
    return {name.removeprefix("best."): data for name, data in raw.items() if name.startswith("best.")}


def _fingerprint(config: dict[str, Any], raw: dict[str, bytes]) -> bytes:
    parts = [json.dumps(config, sort_keys=True).encode()]
    for side in ("analysis", "synthesis"):
        parts += _numbered(raw, side)
    parts += [raw["shrink"], raw["offsets"]]
    bits = raw.get("fixed_bits", b"")
    for k in range(len(bits) // 2):
        parts += [bits[2 * k : 2 * k + 2], raw[f"fixed_analysis.{k}"], raw[f"fixed_synthesis.{k}"]]
    parts += [raw[name] for name in ("scale_codes", "channels", "low_gains", "low_scale_codes") if name in raw]
    parts.append(context_digest(raw, config["pass_ends"], config["num_predicted"], config.get("low_pass_ends", [])))
    if config.get("has_networks"):
        structure = config["num_planes"], config["depth"], config.get("low_levels", 0)
        parts.append(subband_digest(_arrays_of_networks(raw), *structure))
    if "turn_channels" in raw:
        parts += [*_numbered(raw, "turn"), raw["turn_channels"]]
    if "zeros" in raw:
        parts.append(raw["zeros"])
    if config.get("tunings"):
        parts += [raw["tuning_offsets"], raw["low_tuning_offsets"]]
    return hashlib.sha256(b"".join(parts)).digest()[:4]


def _numbered(raw: dict[str, bytes], name: str) -> list[bytes]:
    """The arrays NAME.0, NAME.1, ..."""
    return [raw[f"{name}.{k}"] for k in range(sum(other.startswith(f"{name}.") for other in raw))]


# 6. The header and the sections


@dataclass(frozen=True)
class Header:
    """The fields of a file's first bytes. `shape` is (height, width) of a picture, else as in the file."""

    kind: str
    flags: int
    profile: int
    fingerprint: bytes
    step_code: int
    shape: tuple[int, ...]
    sample_rate: int
    sample_type: int
    level_codes: list[int]
    offset_codes: list[int]
    tile_log2: int | None
    tuning: int | None

    def grid(self, model: Model) -> tuple[int, int]:
        """gh and gw of the latent, of a signal that the model takes."""
        fits = self.kind == model.kind
        if fits and self.kind == "sound":
            fits = self.shape[0] % model.num_planes == 0
        elif fits and self.kind == "cube":
            fits = self.shape[0] == model.num_planes and len(self.shape) == model.dimensions + 1
        _check(fits, CorruptError, "the model is for other signals")
        scale = 1 << model.depth
        if model.dimensions == 2:
            return -(-self.shape[-2] // scale), -(-self.shape[-1] // scale)
        length = self.shape[1]
        return self.shape[0] // model.num_planes, -(-(length + 2 * model.margin) // scale) if length else 0

    def bit_depth(self, section: bytes | None) -> int:
        """Of the colours of a picture, by section 3, where the file has it; 0 of other signals."""
        is_deep_picture = self.kind == "image" and self.flags & DEEP
        if section is None:
            return (16 if is_deep_picture else 8) if self.kind == "image" else 0
        _check(bool(is_deep_picture), CorruptError, "only pictures of 16 bits say their bit depth")
        _check(len(section) == 1 and 9 <= section[0] <= 15, CorruptError, f"bit depth {section!r}")
        return section[0]

    @property
    def max_sample(self) -> int:
        return 65535 if self.flags & DEEP else 255


def read_header(reader: Reader) -> Header:
    """The header of section 6, checked."""
    _check(reader.take(4) == b"\x8bLCN", CorruptError, "the magic number is not that of a .lcn file")
    version, flags, codec = reader.take(3)
    _check(version == 1, UnsupportedError, f"version {version}")
    _check(codec % 16 in KINDS, UnsupportedError, f"codec {codec % 16}")
    _check(codec // 16 in (FAST, SMALL, BEST), UnsupportedError, f"profile {codec // 16}")
    fingerprint, step_code, kind = reader.take(4), reader.unsigned(1), KINDS[codec % 16]
    shape, sample_rate, sample_type = _read_shape(reader, kind)
    level_codes = [0] if kind == "image" else _read_levels(reader, shape[0])
    _check(kind != "cube" or shape[0] <= 65536, CorruptError, f"{shape[0]} planes")
    header = Header(
        kind=kind,
        flags=flags,
        profile=codec // 16,
        fingerprint=fingerprint,
        step_code=step_code,
        shape=shape,
        sample_rate=sample_rate,
        sample_type=sample_type,
        level_codes=level_codes,
        offset_codes=[signed_varint(reader) for _ in range(shape[0])] if kind == "cube" else [],
        tile_log2=reader.unsigned(1) if flags & TILED else None,
        tuning=reader.unsigned(1) if flags & TUNED else None,
    )
    crc = crc32c(reader.data[: reader.position]) & 0xFFFF
    _check(reader.unsigned(2) == crc, ChecksumError, "the header's checksum is wrong")
    _check(0 not in (shape[:1] if kind == "sound" else shape), CorruptError, "the signal has no samples")
    _check(kind == "image" or not flags & (ALPHA | TUNED), CorruptError, "alpha or tuning of what is no picture")
    _check(kind != "sound" or 1 <= sample_rate < 1 << 31, CorruptError, f"{sample_rate} Hz")
    _check(all(abs(code) <= 4096 for code in level_codes), CorruptError, f"level codes {level_codes}")
    _check(header.tile_log2 is None or 3 <= header.tile_log2 <= 16, CorruptError, f"tile_log2 {header.tile_log2}")
    _check(math.prod(shape) <= MAX_PIXELS, LimitError, "too many samples")
    return header


def _read_shape(reader: Reader, kind: str) -> tuple[tuple[int, ...], int, int]:
    """The shape, the sample rate of a sound, the sample type of a cube."""
    if kind == "image":
        width, height = reader.varint(), reader.varint()
        return (height, width), 0, 0
    if kind == "sound":
        return (reader.varint(), reader.varint()), reader.varint(), 0
    sample_type, num_sides = reader.take(2)
    _check(sample_type < 4 and num_sides in (2, 3), CorruptError, f"type {sample_type}, {num_sides} sides")
    return tuple(reader.varint() for _ in range(num_sides)), 0, sample_type


def signed_varint(reader: Reader) -> int:
    """A number of either sign (section 6)."""
    return _signed(reader.varint())


def _signed(number: int) -> int:
    return -(number + 1) // 2 if number & 1 else number // 2


def _read_levels(reader: Reader, num_planes: int) -> list[int]:
    """The level codes of section 6.2."""
    number = reader.varint()
    codes = [_signed(number // 2)]
    if number & 1:
        _check(2 <= num_planes <= 65536, CorruptError, f"levels of {num_planes} channels")
        for _ in range(num_planes - 1):
            codes.append(codes[-1] + signed_varint(reader))
    return codes


def read_sections(reader: Reader) -> dict[int, bytes]:
    """The payloads of the sections by number; unknown even numbers are left out."""
    sections: dict[int, bytes] = {}
    begin = reader.position
    while number := reader.varint():
        _check(number not in sections, CorruptError, f"section {number} stands twice")
        length = reader.varint()
        _check(reader.position - begin + length <= MAX_SECTION_BYTES, LimitError, "too many bytes of sections")
        sections[number] = reader.take(length)
    crc = crc32c(reader.data[begin : reader.position])
    _check(reader.unsigned(4) == crc, ChecksumError, "the sections' checksum is wrong")
    for number in sections:
        known = number != 10 if number % 2 == 0 else number in (1, 3, 5, 7, 11)
        _check(known, UnsupportedError, f"section {number}")
    return {number: payload for number, payload in sections.items() if number in (1, 2, 3, 4, 5, 6, 7, 8)}


def read_color_axes(section: bytes) -> tuple[int, ...]:
    """The nine numbers of section 9.7, checked."""
    _check(len(section) == 9, CorruptError, f"{len(section)} bytes of colour axes")
    axes = struct.unpack("<9b", section)
    for p in range(3):
        for q in range(3):
            r = sum(axes[3 * p + i] * axes[3 * q + i] for i in range(3))
            _check(-1024 <= r - (127**2 if p == q else 0) <= 1024, CorruptError, f"colour axes {axes}")
    return axes


def read_place_weights(section: bytes, gh: int, gw: int) -> list[list[int]]:
    """The weight of each place of the grid, by section 6.4."""
    _check(len(section) > 0 and section[0] <= 6, CorruptError, f"blocks of {section[:1]!r}")
    side = 1 << section[0]
    rows, columns = -(-gh // side), -(-gw // side)
    residuals = unpack_bytes(section[1:])
    _check(len(residuals) == rows * columns, CorruptError, f"{len(residuals)} weights of {rows}x{columns} blocks")
    weights = undo_prediction(list(struct.unpack(f"{len(residuals)}b", residuals)), columns)
    _check(all(abs(weight) <= 32 for weight in weights), CorruptError, "a weight of a place is out of range")
    return [[weights[y // side * columns + x // side] for x in range(gw)] for y in range(gh)]


def unpack_bytes(payload: bytes) -> bytes:
    """The bytes of a packed section."""
    _check(payload[:1] in (b"\0", b"\1"), CorruptError, "a section is packed in an unknown way")
    if payload[0] == 0:
        _check(len(payload) <= MAX_UNPACKED_BYTES + 1, LimitError, "an unpacked section is too long")
        return payload[1:]
    stream = zlib.decompressobj()
    try:
        unpacked = stream.decompress(payload[1:], MAX_UNPACKED_BYTES + 1)
    except zlib.error as err:
        raise CorruptError("a section's zlib stream is damaged") from err
    _check(len(unpacked) <= MAX_UNPACKED_BYTES, LimitError, "an unpacked section is too long")
    _check(stream.eof and not stream.unused_data, CorruptError, "a section's zlib stream does not end with it")
    return unpacked


def unpack_varints(payload: bytes) -> list[int]:
    """All varints of a payload."""
    reader = Reader(payload)
    numbers = []
    while not reader.at_end:
        numbers.append(reader.varint())
    return numbers


def read_sound_metadata(section: bytes) -> tuple[int, int, dict[str, str]]:
    """Sample format, channel mask and tags of section 6.3."""
    reader, tags = Reader(section), {}
    sample_format, mask, size = reader.unsigned(1), reader.varint(), 0
    _check(sample_format < 4 and mask < 1 << 32, CorruptError, "the sample format or the channel mask is unknown")
    while not reader.at_end:
        name = reader.take(reader.varint())
        text = reader.take(reader.varint())
        is_name = 1 <= len(name) <= 255 and all(0x20 <= c <= 0x7D and c != 0x3D and not 65 <= c <= 90 for c in name)
        _check(is_name and 0 not in text, CorruptError, "a tag has another name or text than allowed")
        _check(name.decode() not in tags, CorruptError, "a tag stands twice")
        try:
            tags[name.decode()] = text.decode()
        except UnicodeDecodeError as err:
            raise CorruptError("a tag is no UTF-8") from err
        size += len(name) + len(text)
    _check(len(tags) <= 1024 and size <= 1 << 20, CorruptError, "there are too many tags")
    return sample_format, mask, tags


# 4. Contexts and prediction


def undo_prediction(residuals: list[int], w: int) -> list[int]:
    """The values of one plane of rows of `w`."""
    values: list[int] = []
    for place, residual in enumerate(residuals):
        y, x = divmod(place, w)
        a = values[place - 1] if x else 0
        b = values[place - w] if y else 0
        c = values[place - w - 1] if x and y else 0
        values.append(int32(residual + _predicted(a, b, c, y, x)))
    return values


def _predicted(a: int, b: int, c: int, y: int, x: int) -> int:
    """The prediction of place (y, x) from the left, upper and upper left neighbours."""
    if not y or not x:
        return a if not y else b
    if c >= max(a, b):
        return min(a, b)
    return max(a, b) if c <= min(a, b) else a + b - c


def at_step(rows: list[tuple[int, ...]], step_code: int) -> list[int]:
    """Numbers stored for 32 step bands, at one step."""
    band, f = divmod(step_code - 4, 8)
    pairs = zip(rows[max(band, 0)], rows[min(band + 1, 31)], strict=True)
    return [((8 - f) * below + f * above + 4) // 8 for below, above in pairs]


def offset_step_code(band: int, offset: int) -> int:
    """The step code whose numbers replace those stored for a band (section 9.8)."""
    return min(max(8 * band + 4 - offset, 0), 255)


def _at_offsets(rows: list[tuple[int, ...]], offsets: list[int]) -> list[tuple[int, ...]]:
    """Numbers stored for 32 step bands, (32, d), as those of channels with these offsets."""
    replaced = []
    for band in range(32):
        by_offset = {offset: at_step(rows, offset_step_code(band, offset)) for offset in set(offsets)}
        replaced.append(tuple(by_offset[offset][c] for c, offset in enumerate(offsets)))
    return replaced


class StepContexts:
    """Contexts at one step: a table for each channel in profile fast, and what profile small needs."""

    def __init__(self, contexts: Contexts, model: Model, step_code: int) -> None:
        self.contexts, self.tables = contexts, model.tables
        self.static_tables = [model.static_tables[index] for index in at_step(contexts.static_index, step_code)]
        self.base = at_step(contexts.base, step_code)


class Rules:
    """A model at one step, in one profile."""

    def __init__(self, model: Model, step_code: int, profile: int) -> None:
        self.is_fast, self.is_best = profile == FAST, profile == BEST
        _check(not self.is_best or model.subbands is not None, CorruptError, "the model has no networks")
        self.model = model
        self.step_code = step_code
        self.channels = StepContexts(model.contexts, model, step_code)
        has_low = model.low is not None and not self.is_best
        self.low = StepContexts(model.low, model, step_code) if has_low else None

    def values(self, tile: Tile) -> list[list[int]]:
        """What the symbols of a tile stand for, channel by channel."""
        if self.is_best:
            return tile.symbols
        if self.low is None or tile.low is None:
            num_predicted = self.model.contexts.num_predicted
            return [undo_prediction(s, tile.w) if c < num_predicted else s for c, s in enumerate(tile.symbols)]
        num_planes = self.model.num_planes
        apart = [undo_prediction(plane, tile.low.w) for plane in tile.low.symbols[:num_planes]]
        return self.in_place([*apart, *tile.low.symbols[num_planes:]], tile) + tile.symbols[num_planes:]

    def in_place(self, low_planes: list[list[int]], tile: Tile) -> list[list[int]]:
        """Numbers of all low planes of a tile, at the places of the first channels that they were taken from."""
        num_planes, g = self.model.num_planes, 2**self.model.low_levels
        planes = [[0] * (tile.h * tile.w) for _ in range(num_planes)]
        for k, (i, j) in enumerate(low_places(g)):
            for p, plane in enumerate(planes):
                for place, number in enumerate(low_planes[num_planes * k + p]):
                    y, x = divmod(place, -(-tile.w // g))
                    if g * y + i < tile.h and g * x + j < tile.w:
                        plane[(g * y + i) * tile.w + g * x + j] = number
        return planes


def low_places(g: int) -> list[tuple[int, int]]:
    """(i, j) of the low planes, each for all colour planes."""
    places, s = [(0, 0)], g // 2
    while s:
        steps = range(0, g, s)
        for parities in ((1, 0), (0, 1), (1, 1)):
            places += [(i, j) for i in steps for j in steps if (i // s % 2, j // s % 2) == parities]
        s //= 2
    return places


def low_class(i: int, j: int, low_levels: int) -> int:
    """The class (section 9.6) of the places of a low plane."""
    for level in range(1, low_levels + 1):
        parities = (i >> level - 1) % 2, (j >> level - 1) % 2
        if parities != (0, 0):
            return 1 + 3 * (low_levels - level) + {(1, 0): 0, (0, 1): 1, (1, 1): 2}[parities]
    return 0


def fronts_of(num_channels: int, h: int, w: int) -> list[list[tuple[int, int]]]:
    """The places (row, column) of each front that has any, in their order."""
    side_by_side = max(1, min(64 // num_channels, h, w // 2))  # R
    fronts: dict[int, list[tuple[int, int]]] = {}
    for row_in_band in range(side_by_side):
        for r in range(row_in_band, h, side_by_side):
            for x in range(w):
                fronts.setdefault(r // side_by_side * w + x + 2 * row_in_band, []).append((r, x))
    return [fronts[number] for number in sorted(fronts)]


def features(contexts: Contexts, pass_number: int, symbols: list[list[int]], h: int, w: int) -> list[list[int]]:
    """The features of a pass at every place of a tile, from the symbols of all channels before the pass."""
    num_features, before = len(contexts.own_weights[pass_number]), range(contexts.passes()[pass_number].start)
    own, ring = ([[0] * num_features for _ in range(h * w)] for _ in range(2))
    for c in before:
        weights = [(own_row[c], ring_row[c]) for own_row, ring_row in _weight_rows(contexts, pass_number)]
        for place, symbol in enumerate(symbols[c]):
            if symbol:
                magnitude = min(abs(symbol), 127)
                for j, (own_weight, ring_weight) in enumerate(weights):
                    own[place][j] += own_weight * magnitude
                    ring[place][j] += ring_weight * magnitude
    for y in range(h):
        for x in range(w):
            for row in range(max(y - 1, 0), min(y + 2, h)):
                for column in range(max(x - 1, 0), min(x + 2, w)):
                    if (row, column) != (y, x):
                        sums = own[y * w + x]
                        own[y * w + x] = [a + b for a, b in zip(sums, ring[row * w + column], strict=True)]
    return [[min(65535, total) for total in sums] for sums in own]


def _weight_rows(contexts: Contexts, pass_number: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    return zip(contexts.own_weights[pass_number], contexts.ring_weights[pass_number], strict=True)


def level_of(strength: int) -> int:
    """The level of `A`, 0 to 95."""
    if strength < 16:
        return 0
    t = strength.bit_length() - 1
    return 8 * (t - 4) + (strength >> t - 3) % 8


class SmallPass:
    """One pass, or the part of it that is coded, of one tile or its low planes in profile small.

    Its symbols, cut to -127 to 127, stand in planes with two columns of 0 before, one after, and two rows above the tile.
    """

    def __init__(self, rules: StepContexts, pass_number: int, channels: range, tile: Tile) -> None:
        self.rules, self.channels, self.tile = rules, channels, tile
        self.features = features(rules.contexts, pass_number, tile.symbols, tile.h, tile.w)
        self.stride = tile.w + 3
        self.cut = {c: [0] * (self.stride * (tile.h + 2)) for c in channels}
        for c in channels:
            tile.symbols[c] = [0] * (tile.h * tile.w)

    def decode(self, stream: Stream) -> None:
        """Decode all its fronts."""
        for places in fronts_of(len(self.channels), self.tile.h, self.tile.w):
            chosen = [(r, x, c, *self.table(r, x, c)) for r, x in places for c in self.channels]
            values = stream.message([table for *_, table, _ in chosen])
            for value, (r, x, c, _, is_negated) in zip(values, chosen, strict=True):
                symbol = int32(-value) if is_negated else value
                self.tile.symbols[c][r * self.tile.w + x] = symbol
                self.cut[c][(r + 2) * self.stride + x + 2] = min(max(symbol, -127), 127)

    def table(self, r: int, x: int, c: int) -> tuple[Table, bool]:
        """The table of one symbol, and whether its negative is coded."""
        contexts, plane = self.rules.contexts, self.cut[c]
        at = (r + 2) * self.stride + x + 2
        above = at - self.stride
        left, up, up_left, up_right = plane[at - 1], plane[above], plane[above - 1], plane[above + 1]
        n0, n1, n2, n3, n4, n5 = contexts.neighbour_weights[c]
        strength = self.rules.base[c] + n0 * abs(left) + n1 * abs(up) + n2 * abs(up_left) + n3 * abs(up_right)
        strength += n4 * abs(plane[at - 2]) + n5 * abs(plane[above - self.stride])
        for weight, feature in zip(contexts.feature_weights[c], self.features[r * self.tile.w + x], strict=True):
            strength += weight * feature >> 16
        strength = min(65535, strength)
        g0, g1, g2, g3 = contexts.lean_weights[c]
        m = g0 * left + g1 * up + g2 * up_left + g3 * up_right
        lean = (abs(m) > strength // 16) + (abs(m) > strength // 4) + (abs(m) > strength // 2)
        return self.rules.tables[contexts.table_map[lean][level_of(strength)]], lean > 0 and m < 0


# 4.4 Subbands


def log_code(number: int) -> int:
    """`L(n)`."""
    number = min(number, 2040)
    t = (number + 1).bit_length() - 1
    return 16 * t + (16 * (number + 1) >> t) - 16


def sign_code(number: int) -> int:
    """`S(n)`."""
    return 128 + 24 * min(max(number, -5), 5)


class Band:
    """The symbols of one subband, or the values of a low band."""

    def __init__(self, h: int, w: int) -> None:
        self.h, self.w = h, w
        self.numbers = [0] * (h * w)

    def has(self, y: int, x: int) -> bool:
        return 0 <= y < self.h and 0 <= x < self.w

    def __call__(self, y: int, x: int) -> int:
        return self.numbers[y * self.w + x] if self.has(y, x) else 0

    def m(self, y: int, x: int) -> int:
        return log_code(min(abs(self(y, x)), 255))

    def r(self, y: int, x: int) -> int:
        if not self.has(y, x):
            return 0
        around = [(row, column) for row in (y - 1, y, y + 1) for column in (x - 1, x, x + 1) if (row, column) != (y, x)]
        return log_code(sum(min(abs(self(*place)), 255) for place in around))

    def s(self, y: int, x: int) -> int:
        return sign_code(self(y, x))


class Subbands:
    """The subbands of one tile in profile best."""

    def __init__(self, rules: SubbandRules, h: int, w: int) -> None:
        self.rules = rules
        self.coarsest = rules.depth + rules.low_levels
        self.bands = {}
        for level in range(self.coarsest + 1):
            for k in range(rules.num_planes * (3 if level else 1)):
                self.bands[level, k] = Band(*self._size(level, k, h, w))
        self.values = [Band(band.h, band.w) for band in (self.bands[0, p] for p in range(rules.num_planes))]

    def place(self, level: int, k: int, y: int, x: int) -> tuple[int, int, int]:
        """Channel, row and column of place (y, x) of a subband."""
        depth = self.rules.depth
        if 1 <= level <= depth:
            f = 2 ** (depth - level)
            return (self.rules.num_planes + k) * f * f + y % f * f + x % f, y // f, x // f
        if level == 0:
            return k, y << self.rules.low_levels, x << self.rules.low_levels
        g, (i, j) = 2 ** (level - depth - 1), ((1, 0), (0, 1), (1, 1))[k % 3]
        return k // 3, (2 * y + i) * g, (2 * x + j) * g

    def _size(self, level: int, k: int, h: int, w: int) -> tuple[int, int]:
        """The rows and columns whose places lie in a tile of `h` by `w`."""
        scale = 2 ** max(self.rules.depth - level, 0)
        rows = sum(self.place(level, k, y, 0)[1] < h for y in range(h * scale))
        return rows, sum(self.place(level, k, 0, x)[2] < w for x in range(w * scale))

    def stages(self, channels: range) -> list[tuple[int, range]]:
        """Level and subbands of the stages of a group's coded channels."""
        num_planes, stages, found = self.rules.num_planes, [], 0
        if channels.start < num_planes:
            _check(channels.start == 0 and channels.stop >= num_planes, CorruptError, "channels end inside a subband")
            stages = [(0, range(num_planes))]
            stages += [(level, range(3 * num_planes)) for level in range(self.coarsest, self.rules.depth, -1)]
            found = num_planes
        for level in range(self.rules.depth, 0, -1):
            size = 4 ** (self.rules.depth - level)
            firsts = [(num_planes + k) * size for k in range(3 * num_planes)]
            ks = [k for k, c in enumerate(firsts) if channels.start <= c and c + size <= channels.stop]
            found += len(ks) * size
            if ks:
                stages.append((level, range(ks[0], ks[-1] + 1)))
        _check(found == len(channels), CorruptError, "channels end inside a subband")
        return stages

    def _other(self, level: int, k: int) -> Band:
        return self.bands.get((level, k), Band(0, 0))

    def inputs(self, level: int, k: int, y: int, x: int) -> list[int]:
        """The 40 inputs of a symbol."""
        p, o = (k // 3, k % 3) if level else (k, 0)
        same = self.bands[level, k]
        out = [0] * 29 + ([0, 0] if level else [128, 128]) + [128] * 9
        out[:4] = [same.m(y, x - 3), same.m(y, x - 2), same.m(y, x - 1), same.m(y - 3, x)]
        out[4:8] = [same.m(y - 1, x + i) for i in range(-2, 2)]
        out[8:13] = [same.m(y - 2, x + i) for i in range(-2, 3)]
        out[31:35] = [same.s(y, x - 1), same.s(y - 1, x - 1), same.s(y - 1, x), same.s(y - 1, x + 1)]
        for i in range(o):
            band = self.bands[level, 3 * p + i]
            out[15 + 2 * i], out[16 + 2 * i], out[36 + i] = band.m(y, x), band.r(y, x), band.s(y, x)
        for i in range(p):
            band = self.bands[level, 3 * i + o if level else i]
            out[19 + 2 * i], out[20 + 2 * i], out[38 + i] = band.m(y, x), band.r(y, x), band.s(y, x)
            out[29 + i] = self._largest(level, i, o, y, x) if level else sign_code(band(y, x) // 8)
        if level == 0:
            self._put_low(self.values[p], y, x, out)
        elif level == self.coarsest:
            self._put_coarsest(self.values[p], y, x, out)
        else:
            self._put_family(level, k, y, x, out)
        return out

    def _largest(self, level: int, p: int, o: int, y: int, x: int) -> int:
        """The larger `M` of the two other orientations."""
        return max(self.bands[level, 3 * p + other].m(y, x) for other in range(3) if other != o)

    def _put_low(self, v: Band, y: int, x: int, out: list[int]) -> None:
        out[13] = log_code(abs(v(y, x - 1) - v(y - 1, x - 1)))
        out[14] = log_code(abs(v(y - 1, x) - v(y - 1, x - 1)))
        out[23] = log_code(abs(v(y - 1, x) - v(y - 1, x + 1)))

    def _put_coarsest(self, v: Band, y: int, x: int, out: list[int]) -> None:
        a, b = abs(v(y - 1, x) - v(y + 1, x)), abs(v(y, x + 1) - v(y, x - 1))
        out[13], out[14], out[23] = log_code(a), log_code(b), log_code(a + b)
        out[24] = sign_code((v(y, x - 1) + v(y, x + 1) - 2 * v(y, x)) // 2)
        out[35] = sign_code((v(y - 1, x) + v(y + 1, x) - 2 * v(y, x)) // 2)

    def _put_family(self, level: int, k: int, y: int, x: int, out: list[int]) -> None:
        parent, grandparent, half = self.bands[level + 1, k], self._other(level + 2, k), (y // 2, x // 2)
        out[13], out[14], out[35] = parent.m(*half), parent.r(*half), parent.s(*half)
        if not parent.has(*half):
            return
        out[23] = self._largest(level + 1, k // 3, k % 3, *half)
        out[24], out[25] = grandparent.m(y // 4, x // 4), grandparent.r(y // 4, x // 4)
        near_y, near_x = (n // 2 + (1 if n % 2 else -1) for n in (y, x))
        out[26:29] = [parent.m(near_y, x // 2), parent.m(y // 2, near_x), parent.m(near_y, near_x)]

    def predicted(self, p: int, y: int, x: int) -> int:
        """What is predicted of the low band of a plane."""
        v = self.values[p]
        return _predicted(v(y, x - 1), v(y - 1, x), v(y - 1, x - 1), y, x)


class BestStage:
    """One stage of one tile."""

    def __init__(self, rules: Rules, tile: Tile, level: int, ks: range) -> None:
        assert tile.subbands is not None
        self.rules, self.tile, self.level, self.ks, self.subbands = rules, tile, level, ks, tile.subbands

    def messages(self) -> Iterator[list[tuple[int, int, int]]]:
        """The subband, row and column of the symbols of each message."""
        fronts: dict[int, list[tuple[int, int, int]]] = {}
        for q, k in enumerate(self.ks):
            band = self.subbands.bands[self.level, k]
            for y in range(band.h):
                for x in range(band.w):
                    fronts.setdefault(x + 2 * y + 4 * q, []).append((k, y, x))
        for number in sorted(fronts):
            for begin in range(0, len(fronts[number]), 64):
                yield fronts[number][begin : begin + 64]

    def decode(self, stream: Stream) -> None:
        """Decode all its messages."""
        for places in self.messages():
            chosen = [self.table(*place) for place in places]
            values = stream.message([table for table, _ in chosen])
            for place, value, (_, is_negated) in zip(places, values, chosen, strict=True):
                self.put(*place, int32(-value) if is_negated else value)

    def table(self, k: int, y: int, x: int) -> tuple[Table, bool]:
        """The table of one symbol, and whether its negative is coded."""
        rules, step_code = self.subbands.rules, self.rules.step_code
        inputs = self.subbands.inputs(self.level, k, y, x)
        if not any(inputs[:23]):
            return rules.tables[rules.quiet_tables[self.level][k][step_code // 8]], False
        first, second, third = rules.networks[self.level].outputs(k, step_code, inputs)
        scale, lean, shape = min(max(first, 0), 47), min(max(second, -3), 3), min(max(third, 0), 2)
        return rules.tables[rules.table_map[self.level][(scale * 4 + abs(lean)) * 3 + shape]], lean < 0

    def put(self, k: int, y: int, x: int, symbol: int) -> None:
        """Keep a symbol, and its value where the channels have it."""
        band = self.subbands.bands[self.level, k]
        band.numbers[y * band.w + x] = value = symbol
        if self.level == 0:
            value = int32(symbol + self.subbands.predicted(k, y, x))
            self.subbands.values[k].numbers[y * band.w + x] = value
        c, row, column = self.subbands.place(self.level, k, y, x)
        self.tile.symbols[c][row * self.tile.w + column] = value


# 5. Segments


@dataclass(frozen=True)
class Segment:
    """A segment as it stands in the file; `num_channels` is None where the file does not give it."""

    num_lanes: int
    num_channels: int | None
    has_crc: bool
    payload: bytes

    def check(self, stream: Stream, checked: list[int], mark: int | None = None) -> None:
        """Compare the checksum of these symbols with the `mark`, or with the stream's tail if that is None."""
        found = stream.finish() if mark is None else mark
        expected = 0 if self.has_crc else crc32c(struct.pack(f"<{len(checked)}i", *checked)) & 0xFFFF
        _check(found == expected, ChecksumError, "the checksum of a segment's symbols is wrong")


def read_segment(reader: Reader, number: int, with_channels: bool) -> Segment:
    """Segment `number` of the file, its CRC checked."""
    head = reader.varint()
    num_channels = reader.varint() if with_channels else None
    has_crc, lane_code = bool(head & 8), head & 7
    _check(lane_code <= 4, CorruptError, f"lane code {lane_code}")
    crc = reader.unsigned(4) if has_crc else 0
    payload = reader.take(head // 16)
    if has_crc:
        channels = b"" if num_channels is None else varint(num_channels)
        expected = crc32c(varint(number) + varint(head) + channels + payload)
        _check(crc == expected, ChecksumError, f"the checksum of segment {number} is wrong")
    return Segment(4 << lane_code, num_channels, has_crc, payload)


@dataclass
class Tile:
    """A rectangle of the grid and the symbols of all stored channels in it, 0 where there is no other.

    In profile best `symbols` are the values of the channels, and `subbands` has the symbols. `low` are the low planes once
    they are decoded, as a tile on their own grid; `symbols` has theirs too.
    """

    top: int
    left: int
    h: int
    w: int
    symbols: list[list[int]] = field(default_factory=list)
    subbands: Subbands | None = None
    low: Tile | None = None


def cut(gh: int, gw: int, side: int) -> list[Tile]:
    """The tiles of a grid in raster order."""
    corners = [(top, left) for top in range(0, gh, side) for left in range(0, gw, side)]
    return [Tile(top, left, min(side, gh - top), min(side, gw - left)) for top, left in corners]


def decode_group(rules: Rules, stream: Stream, tile: Tile, channels: range) -> list[int]:
    """The messages of one group: its `channels` of the tile's symbols are filled in. Returns what is checked, in order."""
    if rules.is_best:
        return decode_best_group(rules, stream, tile, channels)
    checked = []
    if rules.low is not None and channels.start == 0:
        num_planes, g = rules.model.num_planes, 2**rules.model.low_levels
        _check(len(channels) >= num_planes, CorruptError, "channels end inside those with low levels")
        low = Tile(0, 0, -(-tile.h // g), -(-tile.w // g), [[] for _ in range(num_planes * g * g)])
        if rules.is_fast:
            checked = decode_fast_low_planes(rules.low, stream, tile, low, num_planes, g)
        else:
            decode_planes(rules.low, stream, low, range(num_planes * g * g), is_fast=False)
            checked = [symbol for plane in low.symbols for symbol in plane]
        tile.low = low
        tile.symbols[:num_planes] = rules.in_place(low.symbols, tile)
        channels = channels[num_planes:]
    decode_planes(rules.channels, stream, tile, channels, is_fast=rules.is_fast)
    return checked + [symbol for c in channels for symbol in tile.symbols[c]]


def decode_fast_low_planes(
    rules: StepContexts, stream: Stream, tile: Tile, low: Tile, num_planes: int, g: int
) -> list[int]:
    """The messages of low planes in profile fast, of the places that lie in the tile. Returns what is checked."""
    checked = []
    for n in range(num_planes * g * g):
        i, j = low_places(g)[n // num_planes]
        h, w = (max(-(-(side - at) // g), 0) for side, at in ((tile.h, i), (tile.w, j)))
        values = stream.message([rules.static_tables[n]] * (h * w))
        low.symbols[n] = [values[y * w + x] if y < h and x < w else 0 for y in range(low.h) for x in range(low.w)]
        checked += values
    return checked


def decode_planes(rules: StepContexts, stream: Stream, tile: Tile, channels: range, *, is_fast: bool) -> None:
    """The messages of channels, or of low planes, in profiles fast and small."""
    if is_fast:
        for c in channels:
            tile.symbols[c] = stream.message([rules.static_tables[c]] * (tile.h * tile.w))
        return
    for pass_number, pass_channels in enumerate(rules.contexts.passes()):
        part = range(max(channels.start, pass_channels.start), min(channels.stop, pass_channels.stop))
        if part:
            SmallPass(rules, pass_number, part, tile).decode(stream)


def decode_best_group(rules: Rules, stream: Stream, tile: Tile, channels: range) -> list[int]:
    """The stages of one group in profile best."""
    assert rules.model.subbands is not None
    tile.subbands = tile.subbands or Subbands(rules.model.subbands, tile.h, tile.w)
    stages = tile.subbands.stages(channels)
    for c in channels:
        tile.symbols[c] = [0] * (tile.h * tile.w)
    for level, ks in stages:
        BestStage(rules, tile, level, ks).decode(stream)
    return [symbol for c in channels for symbol in tile.symbols[c]]


def decode_segment(rules: Rules, segment: Segment, tile: Tile, group: range) -> None:
    """A segment of one group of one tile."""
    num_channels = segment.num_channels
    assert num_channels is not None
    _check(num_channels <= len(group), CorruptError, f"{num_channels} channels of a group of {len(group)}")
    if num_channels == 0:
        _check(not segment.payload, CorruptError, "a payload without channels")
        return
    stream = Stream.of_payload(segment.payload, segment.num_lanes)
    segment.check(stream, decode_group(rules, stream, tile, group[:num_channels]))


def decode_joined(rules: Rules, segment: Segment, tile: Tile, groups: list[range]) -> None:
    """A segment of all groups."""
    num_channels = segment.num_channels or 0
    last = groups[-1].stop
    _check(num_channels <= last, CorruptError, f"{num_channels} channels in groups of {last}")
    groups = [group[: max(num_channels - group.start, 0)] for group in groups if group.start < num_channels]
    if not groups:
        _check(not segment.payload, CorruptError, "a payload without channels")
        return
    stream = Stream.of_payload(segment.payload, segment.num_lanes)
    for group in groups:
        coded = decode_group(rules, stream, tile, group)
        if group is groups[-1]:
            segment.check(stream, coded)
        elif not segment.has_crc:
            segment.check(stream, coded, stream.word())


def decode_alpha(model: Model, segment: Segment, h: int, w: int, max_sample: int) -> list[int]:
    """The pixels of one tile's alpha plane."""
    stream = Stream.of_payload(segment.payload, segment.num_lanes)
    last = len(model.static_tables) - 1
    tables: list[Table] = []
    code = 0
    for step in stream.message([model.static_tables[min(40, last)]] * h):
        code = (code + step) % 16
        tables += [model.static_tables[min(6 * code, last)]] * w
    residuals = stream.message(tables)
    segment.check(stream, residuals)
    values = undo_prediction(residuals, w)
    _check(all(0 <= value <= max_sample for value in values), CorruptError, "an alpha value is out of range")
    return values


# The whole file


@dataclass(frozen=True)
class ReferenceLatent:
    """The integers of a file: `values[channel][row][column]` of all d channels, `alpha[row][column]` in pixels."""

    header: Header
    values: list[list[list[int]]]
    num_stored: int
    alpha: list[list[int]] | None
    bit_depth: int
    icc_profile: bytes | None
    exif: bytes | None
    sound: tuple[int, int, dict[str, str]]
    color_axes: tuple[int, ...] | None
    place_weights: list[list[int]] | None


def decode_file(data: bytes, model_path: Path) -> ReferenceLatent:
    """Decode a file with the model at `model_path`; raise `DecodeError` whatever is wrong with the bytes."""
    return decode(data, read_model(model_path))


def decode(data: bytes, model: Model) -> ReferenceLatent:
    """The same with a model that was read before."""
    reader = Reader(data)
    header = read_header(reader)
    _check(header.fingerprint == model.fingerprint, UnsupportedError, f"model {header.fingerprint.hex()}")
    sections = read_sections(reader) if header.flags & SECTIONS else {}
    stored = unpack_varints(sections.get(1, varint(model.num_channels)))
    _check(len(stored) == 1 and 1 <= stored[0] <= model.num_channels, CorruptError, f"stored channels: {stored}")
    bit_depth = header.bit_depth(sections.get(3))
    _check(8 not in sections or header.kind == "sound", CorruptError, "the metadata of a sound are those of another")
    axes = read_color_axes(sections[5]) if 5 in sections else None
    can_turn = header.kind == "image" and model.num_planes == 3 and model.has_integer_matrices
    _check(axes is None or can_turn, CorruptError, "these colours have no axes")
    weights = None
    if 7 in sections:
        _check(header.kind == "image" and model.num_planes <= 3, CorruptError, "these places have no weights")
        weights = read_place_weights(sections[7], *header.grid(model))
    values, alpha, sizes = _decode_segments(model.tuned(header.tuning), header, stored[0], reader)
    _check(reader.at_end, CorruptError, "bytes after the last segment")
    _check(6 not in sections or unpack_varints(sections[6]) == sizes, CorruptError, "the index is wrong")
    return ReferenceLatent(
        header,
        values,
        stored[0],
        alpha,
        bit_depth,
        icc_profile=unpack_bytes(sections[2]) if 2 in sections else None,
        exif=unpack_bytes(sections[4]) if 4 in sections else None,
        sound=read_sound_metadata(unpack_bytes(sections[8])) if 8 in sections else (0, 0, {}),
        color_axes=axes,
        place_weights=weights,
    )


def _decode_segments(
    model: Model, header: Header, num_stored: int, reader: Reader
) -> tuple[list[list[list[int]]], list[list[int]] | None, list[int]]:
    """The values, the alpha plane and the size of every segment in bytes."""
    scale = 1 << model.depth
    gh, gw = header.grid(model)
    ends = [] if header.flags & WHOLE else [end for end in model.group_ends if end < num_stored]
    groups = [range(begin, end) for begin, end in zip([0, *ends], [*ends, num_stored], strict=True)]
    tiles = cut(gh, gw, max(gh, gw, 1) if header.tile_log2 is None else 1 << header.tile_log2)
    for tile in tiles:
        tile.symbols = [[0] * (tile.h * tile.w)] * num_stored  # planes are replaced, never changed
    rules = Rules(model, header.step_code, header.profile)
    sizes: list[int] = []

    def next_segment(with_channels: bool) -> Segment:
        begin = reader.position
        segment = read_segment(reader, len(sizes), with_channels)
        sizes.append(reader.position - begin)
        return segment

    if header.flags & JOINED:
        _check(len(tiles) == 1, CorruptError, "a joined file has several tiles")
        decode_joined(rules, next_segment(True), tiles[0], groups)
    elif header.flags & TILE_MAJOR:
        for tile in tiles:
            for group in groups:
                decode_segment(rules, next_segment(True), tile, group)
    else:
        for group in groups:
            for tile in tiles:
                decode_segment(rules, next_segment(True), tile, group)

    values = [[[0] * gw for _ in range(gh)] for _ in range(model.num_channels)]
    for tile in tiles:
        for c, plane in enumerate(rules.values(tile)):
            _paste(values[c], plane, tile.top, tile.left, tile.w)
    if not header.flags & ALPHA:
        return values, None, sizes

    height, width = header.shape
    alpha = [[0] * width for _ in range(height)]
    for tile in tiles:
        top, left = tile.top * scale, tile.left * scale
        h, w = min(tile.h * scale, height - top), min(tile.w * scale, width - left)
        _paste(alpha, decode_alpha(model, next_segment(False), h, w, header.max_sample), top, left, w)
    return values, alpha, sizes


def _paste(plane: list[list[int]], part: list[int], top: int, left: int, w: int) -> None:
    """Lay the rows of `part` into a plane."""
    for y in range(len(part) // w):
        plane[top + y][left : left + w] = part[y * w : (y + 1) * w]


# 9.8 Exponents of places


def step_exponents(planes: list[list[list[int]]], offsets: list[int], step_code: int, strength: int) -> list[list[int]]:
    """The exponents of all places, by the `planes` of channels `P` to `4 P - 1` and their offsets, at the file's step."""
    weights = [math.floor(64 * 2 ** (-offset / 8) + 0.5) for offset in offsets]
    height, width = len(planes[0]), len(planes[0][0])
    energy = [
        [
            sum(w * min(abs(plane[y][x]), 255) ** 2 for w, plane in zip(weights, planes, strict=True))
            for x in range(width)
        ]
        for y in range(height)
    ]
    exponents = []
    for y in range(height):
        rows = energy[max(y - 1, 0) : y + 2]
        exponents.append(
            [_exponent(sum(sum(row[max(x - 1, 0) : x + 2]) for row in rows), step_code, strength) for x in range(width)]
        )
    return exponents


def weighed_exponents(exponents: list[list[int]], weights: list[list[int]]) -> list[list[int]]:
    """Those of a file with these weights of places."""
    pairs = [zip(*rows, strict=True) for rows in zip(exponents, weights, strict=True)]
    return [[min(max(e + r, -16), 16) for e, r in row] for row in pairs]


def _exponent(energy: int, step_code: int, strength: int) -> int:
    a = 778 + energy
    t = a.bit_length() - 1
    x = 16 * t + (a >> t - 4) + 2 * step_code - 504
    return min(max((16 - strength * x) // 32, -16), 16)


# 10. Packets


@dataclass(frozen=True)
class Layout:
    """Which table codes which of `num_values` values: one a row, or, if `is_single`, one a value."""

    num_values: int
    tables: list[Table]
    is_single: bool = False

    @property
    def row_length(self) -> int:
        return self.num_values // len(self.tables) if self.tables else 0

    def chunks(self, chunk_size: int) -> list[range]:
        """The places of each chunk of a packet that is chunked."""
        rows = [range(self.num_values)]
        if not self.is_single and self.row_length >= chunk_size:
            rows = [range(at, at + self.row_length) for at in range(0, self.num_values, self.row_length)]
        elif not self.is_single:
            chunk_size = chunk_size // self.row_length * self.row_length
        return [row[at : at + chunk_size] for row in rows for at in range(0, len(row), chunk_size)]

    def runs(self, places: range) -> list[list[Table]]:
        """The tables of the values at these places, run by run."""
        if self.is_single or not places:
            return [self.tables[places.start : places.stop]]
        length = self.row_length
        rows = range(places.start // length, (places.stop - 1) // length + 1)
        ends = [(max(row * length, places.start), min((row + 1) * length, places.stop)) for row in rows]
        return [[self.tables[row]] * (end - begin) for row, (begin, end) in zip(rows, ends, strict=True)]


def decode_packet(data: bytes, layout: Layout) -> list[int]:
    """The values of a packet."""
    reader = Reader(data)
    num_values, is_chunked = divmod(reader.varint(), 2)
    _check(num_values == layout.num_values, CorruptError, f"{num_values} values, {layout.num_values} are expected")
    chunk_size = reader.varint() if is_chunked else 0
    opening = data[: reader.position]
    if not is_chunked:
        return decode_chunk(reader, len(data), opening + varint(0), layout, range(num_values))
    _check(1 <= chunk_size <= 1 << 30 and chunk_size < num_values, CorruptError, f"chunks of {chunk_size} values")
    chunks = layout.chunks(chunk_size)
    _check(len(chunks) <= len(data) // 2, TruncatedError, f"{len(chunks)} streams in {len(data)} bytes")
    lengths = [reader.varint() for _ in chunks]
    values: list[int] = []
    for number, (length, places) in enumerate(zip(lengths, chunks, strict=True)):
        values += decode_chunk(reader, reader.position + length, opening + varint(number), layout, places)
    _check(reader.at_end, CorruptError, "bytes after the last stream")
    return values


def decode_chunk(reader: Reader, end: int, opening: bytes, layout: Layout, places: range) -> list[int]:
    """The values of the stream that begins here and ends at `end`."""
    begin = reader.position
    stream = Reader(reader.take(end - begin))
    form = stream.unsigned(1)
    has_crc, num_lanes = bool(form & 8), 4 << (form & 7)
    _check(form < 16 and form & 7 <= 4, CorruptError, f"form {form}")
    num_folded = stream.varint()
    _check(num_folded <= min(len(places), 16 * num_lanes), CorruptError, f"{num_folded} folded values")
    fields = stream.data[: stream.position]
    if has_crc:
        crc = stream.unsigned(4)
        expected = crc32c(opening + fields + stream.data[stream.position :])
        _check(crc == expected, ChecksumError, "the checksum of a stream is wrong")
    cut = places.stop - num_folded
    main, folded = (layout.runs(part) for part in (range(places.start, cut), range(cut, places.stop)))
    coded = _decode_runs(stream, num_lanes, main, folded)
    check = 0
    if not has_crc:
        escaped = struct.pack(f"<{len(coded.escaped)}I", *coded.escaped)
        check = crc32c(opening + fields + bytes(coded.entries) + escaped) & 0xFFFF
    _check(coded.state == 65536 + check, ChecksumError, "the check of a stream is wrong")
    return coded.values


@dataclass(frozen=True)
class CodedChunk:
    """What decoding gives; `state` is that of lane 0 at the end."""

    values: list[int]
    entries: bytes
    escaped: list[int]
    state: int


def _decode_runs(reader: Reader, num_lanes: int, main: list[list[Table]], folded: list[list[Table]]) -> CodedChunk:
    """The runs before the folded values, then those of the folded ones."""
    flags = reader.unsigned((num_lanes + 7) // 8)
    _check(flags >> num_lanes == 0, CorruptError, "a flag of no lane is set")
    are_short = [bool(flags >> lane & 1) for lane in range(num_lanes)]
    states = [reader.unsigned(3 if is_short else 4) for is_short in are_short]
    _check([state < 1 << 24 for state in states] == are_short, CorruptError, "a flag is wrong")
    first = Stream(states, reader)
    values = [value for run in main for value in first.message(run)]
    lows = b"".join(struct.pack("<I", state)[:2] for state in states[1:])
    _check(all(state < 131072 for state in states[1:]), CorruptError, "a lane ends in a wrong state")
    words = Reader(lows + reader.take(len(reader.data) - reader.position))
    second = Stream(states[:1], words)
    values += [value for run in folded for value in second.message(run)]
    left = words.data[words.position :]
    _check(not left if len(words.data) > len(lows) else not any(left), CorruptError, "words are left over")
    return CodedChunk(values, bytes(first.entries + second.entries), first.escaped + second.escaped, second.states[0])


def main() -> None:
    """Print what a file holds: `python reference_decoder.py FILE MODEL`."""
    latent = decode_file(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]))
    num_nonzero = sum(value != 0 for plane in latent.values for row in plane for value in row)
    print(f"{latent.header}, {latent.num_stored} channels, {num_nonzero} integers other than 0")


if __name__ == "__main__":
    main()
