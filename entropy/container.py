"""The .lcn file: header, optional sections, segments (SPEC.md, sections 6 to 9). Pure Python, no numpy.

A file is read front to back from bytes or from a binary file object; nothing is allocated before its size was checked
against the bytes at hand and against `Limits`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from itertools import accumulate, pairwise
from math import prod
from operator import mul
from typing import Any, BinaryIO

from laconic.entropy import _native
from laconic.entropy.errors import (
    ChecksumError,
    CorruptStreamError,
    LimitError,
    TruncatedError,
    UnsupportedVersionError,
)
from laconic.entropy.plain_values import whole_number

MAGIC = b"\x8bLCN"
VERSION = 1
CODEC_NUMBER_AT = 6  # byte of the header whose low four bits are the codec number
MIN_INDEXED_SEGMENTS = 16
_MAX_VARINT_BITS = 63
_MAX_HEADER_SECTIONS_BYTES = 1 << 26
_LANES_LOG2_MIN = 2
_MAX_LANES_CODE = 4


class CodecNumber(IntEnum):
    """What the segments mean. Numbers are never reused."""

    IMAGE = 1
    SOUND = 2
    CUBE = 3
    LOSSLESS_SOUND = 4


SAMPLE_TYPES = ("uint8", "uint16", "int16", "float32")  # of cubes, by their number in the header
MAX_LOSSLESS_CHANNELS = 1 << 12
MAX_LOSSLESS_SEGMENT = 1 << 22  # samples, of all channels
_MAX_LOSSLESS_BITS = 24
_SOUNDS = (CodecNumber.SOUND, CodecNumber.LOSSLESS_SOUND)
MAX_LEVELS = 1 << 16
MAX_LEVEL_CODE = 4096


class Flag(IntFlag):
    """Header flags, all critical."""

    SECTIONS = 1
    JOINED = 2  # one segment holds all groups of a tile
    WHOLE = 4  # one group holds all channels
    TILE_MAJOR = 8  # segments run tile by tile; otherwise group by group
    TILED = 16
    ALPHA = 32
    DEEP = 64  # 16-bit samples
    TUNED = 128  # a byte says how steps differ between channels and places


MAX_BLOCK_LOG2 = 6  # of the blocks whose places have one weight
MAX_STRETCH_LOG2 = 6  # of the places that have one level of noise
_STORED_DEPTHS = range(9, 16)  # bits of samples of 16 of which fewer are used
COLOR_ONE = 127  # the numbers of colour axes are in units of its inverse
_MOST_OFF_COLOR_AXES = 1024  # products of their rows, from those of axes at right angles, all of length 127


class SectionNumber(IntEnum):
    """Optional sections are even, critical ones odd. Numbers are never reused."""

    CHANNELS = 1
    ICC = 2
    BIT_DEPTH = 3
    EXIF = 4
    COLOR_AXES = 5
    INDEX = 6
    PLACE_WEIGHTS = 7
    SOUND = 8
    NOISE_LEVELS = 11
    MODEL = 12


_RETIRED_LEVELS = 10  # the section of levels of bands in units of the step, which no release wrote
# The sections whose bytes stand in `Header.metadata`, in the order of a file.
_METADATA_SECTIONS = ((SectionNumber.ICC, "icc"), (SectionNumber.EXIF, "exif"), (SectionNumber.SOUND, "sound"))


@dataclass(frozen=True)
class Limits:
    """What a reader is ready to allocate for. Raise them to read larger files. Raises `ArgumentError` for no numbers."""

    max_pixels: int = 1 << 29
    max_metadata_bytes: int = 1 << 24

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_metadata_bytes"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), 0))


class Profile(IntEnum):
    """How the symbols of a file are coded: by static tables, fastest, by contexts, or by networks, smallest."""

    FAST = 1
    SMALL = 2
    BEST = 3


# Plain dictionaries and numbers of what every header is asked for: enumerations take longer to ask.
_CODEC_NUMBERS = {int(one): one for one in CodecNumber}
_PROFILES = {int(one): one for one in Profile}
_TILED, _TUNED = int(Flag.TILED), int(Flag.TUNED)


@dataclass(frozen=True)
class Header:
    """Everything a reader must know before the segments.

    `shape`: (height, width) of a picture, (channels, samples) of a sound, all sides of a cube. The colour planes are not
    stored: the model knows them. `stored_channels` is None when all channels of the model are there. `tile_log2`: log2
    of the tile side in latent places, None for one tile. `sample_rate` in Hz, of a sound; `sample_type` of a cube.
    `level_codes` of a sound or cube: one for all channels or planes, or one for each; `offset_codes` of a cube's planes.
    `stored_depth`: bits of the colours of a 16-bit picture, 9 to 15, None where all are used. `color_axes`: nine numbers,
    -128 to 127, of a picture whose colours are not in the axes of its model (SPEC.md, section 9.7). `tuning`: 16 times
    the strength of a picture's map of steps, and the number of its set of offsets; None for what is usual with its model
    (9.8). `place_weights` of a picture: log2 of the side of blocks, and a byte for each, of what its weight differs from
    its prediction (6.4). `sound_bits` of a sample of a lossless sound, whose tiles are stretches of
    it. `noise_levels` of a sound: the bytes of that section (6.5). `packed_model`: the bytes of the section that holds the
    file of the model (6.7), to be unpacked by `unpacked_section`; None where it is to be had elsewhere.
    """

    codec: CodecNumber
    fingerprint: bytes
    step_code: int
    shape: tuple[int, ...]
    flags: Flag = Flag(0)
    tile_log2: int | None = None
    stored_channels: int | None = None
    profile: Profile = Profile.SMALL
    metadata: Mapping[str, bytes] = field(default_factory=dict)
    index: tuple[int, ...] | None = None
    sample_rate: int = 0
    sample_type: str = "uint8"
    level_codes: tuple[int, ...] = (0,)
    offset_codes: tuple[int, ...] = ()
    stored_depth: int | None = None
    color_axes: tuple[int, ...] | None = None
    tuning: int | None = None
    place_weights: tuple[int, bytes] | None = None
    noise_levels: bytes | None = None
    sound_bits: int = 0
    packed_model: bytes | None = None

    @property
    def has_alpha(self) -> bool:
        return Flag.ALPHA in self.flags

    @property
    def bit_depth(self) -> int:
        """Bits of the colours: 8 to 16."""
        return self.stored_depth or (16 if Flag.DEEP in self.flags else 8)


@dataclass(frozen=True)
class ContainerSegment:
    """One rANS stream. `num_channels` counts the channels that are coded, where the layout stores it."""

    payload: bytes
    lanes: int
    has_crc: bool
    num_channels: int = 0


class Source:
    """Reads forward from bytes or a binary file; a short read is an error that names the position."""

    def __init__(self, data: bytes | BinaryIO) -> None:
        self._bytes = data if isinstance(data, bytes) else None
        self._file = None if isinstance(data, bytes) else data
        self.position = 0
        self.num_bytes_read = 0

    def read(self, count: int, what: str) -> bytes:
        found = self.read_up_to(count)
        if len(found) != count:
            raise TruncatedError(
                f"{what} needs {count} bytes at byte {self.position - len(found)}, the file has {len(found)} left; "
                "copy the file again or decode it with partial results allowed"
            )
        return found

    def read_up_to(self, count: int) -> bytes:
        """Up to `count` bytes. A file is read in blocks, so that a false length allocates nothing."""
        if self._bytes is not None:
            found = self._bytes[self.position : self.position + count]
        else:
            assert self._file is not None
            blocks = []
            while count > 0 and (block := self._file.read(min(count, 1 << 20))):
                blocks.append(block)
                count -= len(block)
            found = b"".join(blocks)
        self.position += len(found)
        self.num_bytes_read += len(found)
        return found

    def remaining(self) -> int | None:
        """Bytes to the end of the file, None where it cannot tell."""
        if self._bytes is not None:
            return len(self._bytes) - self.position
        assert self._file is not None
        if not self._file.seekable():
            return None
        here = self._file.tell()
        end = self._file.seek(0, 2)
        self._file.seek(here)
        return end - here

    def seek(self, position: int) -> None:
        """Go on reading at a byte of the file."""
        if self._file is not None:
            self._file.seek(position - self.position, 1)
        self.position = position

    def varint(self, what: str) -> int:
        """LEB128, at most 9 bytes."""
        value = shift = 0
        for byte in self._bytes[self.position : self.position + 4] if self._bytes is not None else b"":
            # Nearly all of them are this short, so that there is no need for the calls below.
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 and (byte > 0 or shift == 7):
                self.position += shift // 7
                self.num_bytes_read += shift // 7
                return value
            if byte == 0:
                break
        value = shift = 0
        while True:
            byte = self.read(1, what)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise CorruptStreamError(f"{what} is not in its shortest form at byte {self.position - 1}")
                return value
            shift += 7
            if shift >= _MAX_VARINT_BITS:
                raise CorruptStreamError(f"{what} has a number of more than 9 bytes at byte {self.position}")


def varint(value: int) -> bytes:
    """LEB128 of a number from 0 to 2**63 - 1."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_header(header: Header) -> bytes:
    """Header and sections, ready to be followed by segments."""
    sections = _write_sections(header)
    flags = header.flags
    if sections:
        flags |= Flag.SECTIONS
    if header.tile_log2 is not None:
        flags |= Flag.TILED
    if header.tuning is not None:
        flags |= Flag.TUNED
    head = MAGIC + bytes([VERSION, flags, header.profile << 4 | header.codec])
    head += header.fingerprint + bytes([header.step_code]) + _write_shape(header)
    head += b"".join(bytes([number]) for number in (header.tile_log2, header.tuning) if number is not None)
    return head + struct.pack("<H", _native.crc32c(head) & 0xFFFF) + sections


def _write_shape(header: Header) -> bytes:
    if header.codec is CodecNumber.IMAGE:
        return varint(header.shape[1]) + varint(header.shape[0])
    sides = b"".join(varint(n) for n in header.shape)
    if header.codec is CodecNumber.SOUND:
        return sides + varint(header.sample_rate) + _write_levels(header.level_codes)
    if header.codec is CodecNumber.LOSSLESS_SOUND:
        return sides + varint(header.sample_rate) + bytes([header.sound_bits])
    offsets = b"".join(_signed_varint(n) for n in header.offset_codes)
    what = bytes([SAMPLE_TYPES.index(header.sample_type), len(header.shape)])
    return what + sides + _write_levels(header.level_codes) + offsets


def _write_levels(codes: Sequence[int]) -> bytes:
    """The first with a bit that says whether others follow; those as differences."""
    first = varint(_zigzag(codes[0]) << 1 | (len(codes) > 1))
    return first + b"".join(_signed_varint(code - before) for before, code in pairwise(codes))


def _zigzag(value: int) -> int:
    """0, -1, 1, -2, ... as 0, 1, 2, 3, ..."""
    return -2 * value - 1 if value < 0 else 2 * value


def _signed_varint(value: int) -> bytes:
    return varint(_zigzag(value))


def read_header(source: Source, limits: Limits | None = None) -> Header:
    """Parse a file up to its first segment. Raises `BitstreamError`."""
    head, header = _read_fixed(source)
    (found,) = struct.unpack("<H", source.read(2, "the header checksum"))
    if found != _native.crc32c(head) & 0xFFFF:
        raise ChecksumError("the header does not match its checksum; copy the file again")
    _check_header(header, limits or Limits())
    if Flag.SECTIONS in header.flags:
        return _read_sections(source, header, limits or Limits())
    return header


def _read_fixed(source: Source) -> tuple[bytes, Header]:
    head = source.read(len(MAGIC), "the magic number")
    if head != MAGIC:
        raise CorruptStreamError(f"the file starts with {head!r}, an .lcn file with {MAGIC!r}; check the file type")
    version = source.read(1, "the version")
    if version[0] != VERSION:
        raise UnsupportedVersionError(
            f"the file has format version {version[0]}; this release reads version {VERSION}: update laconic"
        )
    fixed = source.read(7, "the header")
    flags, kind, fingerprint, step_code = struct.unpack("<BB4sB", fixed)
    if kind & 15 not in _CODEC_NUMBERS:
        raise UnsupportedVersionError(f"the file has codec number {kind & 15}, unknown here: update laconic")
    if kind >> 4 not in _PROFILES:
        raise UnsupportedVersionError(
            f"the file has profile {kind >> 4}; known are 1 (fast), 2 (small) and 3 (best): update laconic"
        )
    codec = _CODEC_NUMBERS[kind & 15]
    shape = _read_shape(source, codec)
    tile = source.read(1, "the tile size") if flags & _TILED else b""
    tuning = source.read(1, "the tuning") if flags & _TUNED else b""
    header = Header(
        codec=codec,
        profile=_PROFILES[kind >> 4],
        fingerprint=fingerprint,
        step_code=step_code,
        flags=Flag(flags),
        tile_log2=tile[0] if tile else None,
        tuning=tuning[0] if tuning else None,
        **shape,
    )
    return head + version + fixed + _write_shape(header) + tile + tuning, header


def _read_shape(source: Source, codec: CodecNumber) -> dict[str, Any]:
    """The shape and what follows from the codec, as fields of the header."""
    if codec is CodecNumber.IMAGE:
        width, height = source.varint("the width"), source.varint("the height")
        return {"shape": (height, width)}
    if codec in _SOUNDS:
        channels, length = source.varint("the channels"), source.varint("the length")
        rate = source.varint("the sample rate")
        if codec is CodecNumber.LOSSLESS_SOUND:
            bits = source.read(1, "the bits of a sample")[0]
            return {"shape": (channels, length), "sample_rate": rate, "sample_type": "float32", "sound_bits": bits}
        levels = _read_levels(source, channels)
        return {"shape": (channels, length), "sample_rate": rate, "sample_type": "float32", "level_codes": levels}
    type_number, num_sides = source.read(2, "the sample type")
    if type_number >= len(SAMPLE_TYPES) or num_sides not in (2, 3):
        raise CorruptStreamError(
            f"the cube has sample type {type_number} and {num_sides} sides; allowed are types 0 to 3 and 2 or 3 sides"
        )
    shape = tuple(source.varint("a side") for _ in range(num_sides))
    levels = _read_levels(source, shape[0])
    if shape[0] > MAX_LEVELS:
        raise CorruptStreamError(f"the cube has {shape[0]} planes; allowed are {MAX_LEVELS}")
    offsets = tuple(_read_signed(source, "an offset") for _ in range(shape[0]))
    sample_type = SAMPLE_TYPES[type_number]
    return {"shape": shape, "sample_type": sample_type, "level_codes": levels, "offset_codes": offsets}


def _read_levels(source: Source, num_planes: int) -> tuple[int, ...]:
    number = source.varint("the level")
    codes = [_unzigzag(number >> 1)]
    if number & 1:
        if not 2 <= num_planes <= MAX_LEVELS:
            raise CorruptStreamError(f"the file has levels of {num_planes} channels; allowed are 2 to {MAX_LEVELS}")
        codes += (_read_signed(source, "a level") for _ in range(num_planes - 1))
        codes = list(accumulate(codes))
    return tuple(codes)


def _read_signed(source: Source, what: str) -> int:
    return _unzigzag(source.varint(what))


def _unzigzag(value: int) -> int:
    return -(value + 1 >> 1) if value & 1 else value >> 1


def _check_header(header: Header, limits: Limits) -> None:
    if header.codec is not CodecNumber.IMAGE and header.has_alpha:
        raise CorruptStreamError("the file has an alpha plane, which only pictures have; it is damaged")
    if header.tuning is not None and header.codec is not CodecNumber.IMAGE:
        raise CorruptStreamError("the file has a tuning, which only pictures have; it is damaged")
    sides = header.shape[:1] if header.codec in _SOUNDS else header.shape  # a sound may be empty
    if 0 in sides:
        raise CorruptStreamError(f"the signal is {_size_text(header)}; no side may be 0")
    if header.tile_log2 is not None and not 3 <= header.tile_log2 <= 16:
        raise CorruptStreamError(f"the tile side is 2^{header.tile_log2}; allowed is 2^3 to 2^16")
    if header.codec in _SOUNDS and not 1 <= header.sample_rate < 1 << 31:
        raise CorruptStreamError(f"the sample rate is {header.sample_rate} Hz; allowed is 1 to 2147483647")
    if header.codec is CodecNumber.LOSSLESS_SOUND:
        _check_lossless_sound(header)
    if max(map(abs, header.level_codes)) > MAX_LEVEL_CODE:
        raise CorruptStreamError(
            f"the level codes run from {min(header.level_codes)} to {max(header.level_codes)}; "
            f"allowed is -{MAX_LEVEL_CODE} to {MAX_LEVEL_CODE}"
        )
    if prod(header.shape) > limits.max_pixels:
        raise LimitError(
            f"the signal has {_size_text(header)} samples, over the limit of {limits.max_pixels}; "
            "raise max_pixels to decode it"
        )


def _check_lossless_sound(header: Header) -> None:
    channels, stretch = header.shape[0], 1 << (header.tile_log2 or 0)
    if header.flags & ~(Flag.SECTIONS | Flag.TILED) or header.tile_log2 is None:
        raise CorruptStreamError(f"the lossless sound has flags {int(header.flags)}; allowed are TILED and SECTIONS")
    if not 1 <= header.sound_bits <= _MAX_LOSSLESS_BITS:
        raise CorruptStreamError(f"samples have {header.sound_bits} bits; allowed is 1 to {_MAX_LOSSLESS_BITS}")
    if channels > MAX_LOSSLESS_CHANNELS or channels * stretch > MAX_LOSSLESS_SEGMENT:
        raise CorruptStreamError(
            f"the lossless sound has {channels} channels in stretches of {stretch}; allowed are {MAX_LOSSLESS_CHANNELS}, "
            f"and {MAX_LOSSLESS_SEGMENT} samples in all"
        )


def _size_text(header: Header) -> str:
    return " x ".join(str(n) for n in header.shape)


def _write_sections(header: Header) -> bytes:
    out = b""
    if header.stored_channels is not None:
        out += _section(SectionNumber.CHANNELS, varint(header.stored_channels))
    if header.stored_depth is not None:
        out += _section(SectionNumber.BIT_DEPTH, bytes([header.stored_depth]))
    if header.color_axes is not None:
        out += _section(SectionNumber.COLOR_AXES, struct.pack("<9b", *header.color_axes))
    if header.place_weights is not None:
        block_log2, residuals = header.place_weights
        out += _section(SectionNumber.PLACE_WEIGHTS, bytes([block_log2]) + packed_section(residuals))
    if header.noise_levels is not None:
        out += _section(SectionNumber.NOISE_LEVELS, header.noise_levels)
    if header.index is not None:
        out += _section(SectionNumber.INDEX, b"".join(varint(n) for n in header.index))
    for number, name in _METADATA_SECTIONS:
        if name in header.metadata:
            out += _section(number, packed_section(header.metadata[name]))
    if header.packed_model is not None:
        out += _section(SectionNumber.MODEL, header.packed_model)
    if not out:
        return b""
    out += varint(0)
    return out + struct.pack("<I", _native.crc32c(out))


def _section(number: SectionNumber, payload: bytes) -> bytes:
    return varint(number) + varint(len(payload)) + payload


def packed_section(data: bytes) -> bytes:
    """Bytes as a section holds them that is said to be packed (6.1)."""
    packed = zlib.compress(data, 9)
    return b"\x01" + packed if len(packed) < len(data) else b"\x00" + data


def unpacked_section(data: bytes, limits: Limits) -> bytes:
    """The bytes that `packed_section` got. Raises `LimitError`, `CorruptStreamError`."""
    out = _unpacked(data, limits.max_metadata_bytes, "a metadata section")
    if out is None:
        raise LimitError(
            f"a metadata section is larger than {limits.max_metadata_bytes} bytes; raise max_metadata_bytes"
        )
    return out


def _unpacked(data: bytes, most: int, what: str) -> bytes | None:
    """What is packed in a section, None where it has more bytes than `most`."""
    if data[:1] == b"\x00":
        return data[1:] if len(data) - 1 <= most else None
    inflater = zlib.decompressobj()
    try:
        out = inflater.decompress(data[1:], most + 1)  # 0 would mean no limit
    except zlib.error as err:
        raise CorruptStreamError(f"{what} cannot be inflated: {err}") from err
    if len(out) > most:
        return None
    if data[:1] != b"\x01" or not inflater.eof or inflater.unused_data:
        raise CorruptStreamError(f"{what} is neither stored nor complete deflate data")
    return out


def _read_sections(source: Source, header: Header, limits: Limits) -> Header:
    parts: list[bytes] = []
    found: dict[int, bytes] = {}
    total = 0
    while number := source.varint("a section number"):
        length = source.varint("a section length")
        total += length
        if total > _MAX_HEADER_SECTIONS_BYTES:
            raise LimitError(f"a section claims {length} bytes; allowed are {_MAX_HEADER_SECTIONS_BYTES} in all")
        payload = source.read(length, f"section {number}")
        parts += (varint(number), varint(length), payload)
        if number in found:
            raise CorruptStreamError(f"section {number} is there twice")
        found[number] = payload
    raw = b"".join((*parts, varint(0)))
    if struct.unpack("<I", source.read(4, "the section checksum"))[0] != _native.crc32c(raw):
        raise ChecksumError("the sections do not match their checksum; copy the file again")
    if _RETIRED_LEVELS in found:
        raise UnsupportedVersionError(
            f"the file has section {_RETIRED_LEVELS}, levels of bands as they were before the first release; encode the "
            "sound again"
        )
    if unknown := [n for n in found if n % 2 and n not in tuple(SectionNumber)]:
        raise UnsupportedVersionError(f"the file has critical section {unknown[0]}, unknown here: update laconic")
    return _with_sections(header, found, limits)


def _with_sections(header: Header, found: Mapping[int, bytes], limits: Limits) -> Header:
    if SectionNumber.SOUND in found and header.codec not in _SOUNDS:
        raise CorruptStreamError("the file has the metadata of a sound, and is none; it is damaged")
    if SectionNumber.NOISE_LEVELS in found and header.codec is not CodecNumber.SOUND:
        raise CorruptStreamError("the file has levels of noise, which only sounds have; it is damaged")
    if SectionNumber.MODEL in found and header.codec is CodecNumber.LOSSLESS_SOUND:
        raise CorruptStreamError("the file has the section of a model, and lossless sounds need none; it is damaged")
    channels = index = None
    if SectionNumber.CHANNELS in found:
        section = Source(found[SectionNumber.CHANNELS])
        channels = section.varint("the channel count")
        if channels == 0 or section.remaining() or header.codec is CodecNumber.LOSSLESS_SOUND:
            raise CorruptStreamError(
                f"the section of stored channels says {channels}; needed is one number, at least 1, and a latent"
            )
    if SectionNumber.INDEX in found:
        source = Source(found[SectionNumber.INDEX])
        sizes = []
        while source.position < len(found[SectionNumber.INDEX]):
            sizes.append(source.varint("the index"))
        index = tuple(sizes)
    metadata = {name: unpacked_section(found[number], limits) for number, name in _METADATA_SECTIONS if number in found}
    depth = _stored_depth(header, found[SectionNumber.BIT_DEPTH]) if SectionNumber.BIT_DEPTH in found else None
    axes = _color_axes(header, found[SectionNumber.COLOR_AXES]) if SectionNumber.COLOR_AXES in found else None
    weights = found.get(SectionNumber.PLACE_WEIGHTS)
    return replace(
        header,
        stored_channels=channels,
        index=index,
        metadata=metadata,
        stored_depth=depth,
        color_axes=axes,
        place_weights=None if weights is None else _place_weights(header, weights),
        noise_levels=found.get(SectionNumber.NOISE_LEVELS),
        packed_model=found.get(SectionNumber.MODEL),
    )


def _stored_depth(header: Header, section: bytes) -> int:
    if header.codec is not CodecNumber.IMAGE or Flag.DEEP not in header.flags:
        raise CorruptStreamError("the file has a section of the bit depth, which only pictures of 16 bits have")
    if len(section) != 1 or section[0] not in _STORED_DEPTHS:
        raise CorruptStreamError(f"the section of the bit depth is {section[:8]!r}; allowed is one byte, 9 to 15")
    return section[0]


def _color_axes(header: Header, section: bytes) -> tuple[int, ...]:
    if header.codec is not CodecNumber.IMAGE:
        raise CorruptStreamError("the file has a section of colour axes, which only pictures have")
    if len(section) != 9:
        raise CorruptStreamError(f"the section of colour axes has {len(section)} bytes; needed are 9")
    axes = struct.unpack("<9b", section)
    if reason := color_axes_misfit(axes):
        raise CorruptStreamError(reason)
    return axes


def _place_weights(header: Header, section: bytes) -> tuple[int, bytes]:
    if header.codec is not CodecNumber.IMAGE:
        raise CorruptStreamError("the file has a section of weights of places, which only pictures have")
    if not section or section[0] > MAX_BLOCK_LOG2:
        raise CorruptStreamError(
            f"the section of weights of places begins with {section[:1]!r}; allowed is a byte, 0 to {MAX_BLOCK_LOG2}"
        )
    residuals = _unpacked(section[1:], prod(header.shape), "the section of weights of places")
    if residuals is None:
        raise CorruptStreamError(f"the file has more weights of places than its {_size_text(header)} pixels")
    return section[0], residuals


def color_axes_misfit(axes: Sequence[int]) -> str | None:
    """Why nine numbers are no colour axes, None where they are: rows at right angles, nearly, of nearly the length 127."""
    rows = [axes[i : i + 3] for i in (0, 3, 6)]
    products = [sum(map(mul, rows[i], rows[j])) - (i == j) * COLOR_ONE**2 for i in range(3) for j in range(i + 1)]
    if max(map(abs, products)) <= _MOST_OFF_COLOR_AXES:
        return None
    return f"the colour axes are {list(axes)}; needed are three rows at right angles, each of length 127, nearly"


def write_container_segment(segment: ContainerSegment, number: int, *, with_channels: bool) -> bytes:
    """A segment with its length, lanes and, where it has one, CRC. `number` is its place in the file, from 0."""
    lanes_code = segment.lanes.bit_length() - 1 - _LANES_LOG2_MIN
    head = varint(len(segment.payload) << 4 | segment.has_crc << 3 | lanes_code)
    if with_channels:
        head += varint(segment.num_channels)
    if segment.has_crc:
        head += struct.pack("<I", _segment_crc(number, head, segment.payload))
    return head + segment.payload


def read_container_segment(
    source: Source, number: int, *, with_channels: bool, allow_cut: bool = False
) -> ContainerSegment:
    """The next segment. With `allow_cut`, one without CRC may end with the file: its first groups may still decode.

    Raises `TruncatedError` or `ChecksumError`.
    """
    head, length, lanes, has_crc, channels = _read_segment_head(source, with_channels)
    what = f"segment {number}"
    if not has_crc:
        payload = source.read_up_to(length) if allow_cut else source.read(length, what)
        return ContainerSegment(payload, lanes, has_crc, channels)
    (crc,) = struct.unpack("<I", source.read(4, f"the checksum of {what}"))
    payload = source.read(length, what)
    if crc != _segment_crc(number, head, payload):
        raise ChecksumError(f"{what} does not match its checksum; copy the file again")
    return ContainerSegment(payload, lanes, has_crc, channels)


def _read_segment_head(source: Source, with_channels: bool) -> tuple[bytes, int, int, bool, int]:
    word = source.varint("a segment length")
    length, has_crc, lanes_code = word >> 4, bool(word & 8), word & 7
    if lanes_code > _MAX_LANES_CODE:
        raise CorruptStreamError(f"a segment has lane code {lanes_code}; allowed is 0 to {_MAX_LANES_CODE}")
    head = varint(word)
    channels = 0
    if with_channels:
        channels = source.varint("the channels of a segment")
        head += varint(channels)
        if channels == 0 and word:
            raise CorruptStreamError(f"a segment of no channels has head {word}; it must be empty, with head 0")
    return head, length, 1 << (lanes_code + _LANES_LOG2_MIN), has_crc, channels


def _segment_crc(number: int, head: bytes, payload: bytes) -> int:
    """The number goes in first, so that segments cannot change places."""
    return _native.crc32c(payload, _native.crc32c(varint(number) + head))


def container_segment_order(num_tiles: int, num_groups: int, *, tile_major: bool) -> Iterator[tuple[int, int]]:
    """(tile, group) of each segment in file order."""
    if tile_major:
        yield from ((t, g) for t in range(num_tiles) for g in range(num_groups))
    else:
        yield from ((t, g) for g in range(num_groups) for t in range(num_tiles))


def index_of(sizes: Sequence[int]) -> tuple[int, ...] | None:
    """The index that a file with these segment sizes carries: none for few segments."""
    return tuple(sizes) if len(sizes) >= MIN_INDEXED_SEGMENTS else None
