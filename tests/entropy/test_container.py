"""The file's frame: every field comes back, later versions are refused by name, hostile lengths cost nothing."""

import dataclasses
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from laconic.entropy import _native
from laconic.entropy.container import (
    MAGIC,
    MAX_LEVEL_CODE,
    VERSION,
    CodecNumber,
    ContainerSegment,
    Flag,
    Header,
    Limits,
    Profile,
    Source,
    container_segment_order,
    index_of,
    packed_section,
    read_container_segment,
    read_header,
    unpacked_section,
    varint,
    write_container_segment,
    write_header,
)
from laconic.entropy.errors import (
    BitstreamError,
    ChecksumError,
    CorruptStreamError,
    LimitError,
    TruncatedError,
    UnsupportedVersionError,
)

SETTINGS = settings(max_examples=300, deadline=None, derandomize=True, database=None)
PLAIN = Header(codec=CodecNumber.IMAGE, fingerprint=b"abcd", step_code=160, shape=(33, 300))
ICC = bytes(range(256)) * 20
SMALL_PICTURE = 1 + 16 * 2  # codec and profile
FULL = dataclasses.replace(
    PLAIN,
    flags=Flag.JOINED | Flag.WHOLE | Flag.TILE_MAJOR | Flag.ALPHA | Flag.DEEP,
    tile_log2=5,
    tuning=255,
    stored_channels=48,
    color_axes=(120, -40, 5, 40, 120, 7, -7, -5, 127),
    place_weights=(3, bytes([16, 0, 240])),
    profile=Profile.FAST,
    metadata={"icc": ICC, "exif": b"Exif\0\0"},
    index=(5, 700, 0, 1 << 40),
    packed_model=b"\x00a model",
)
SOUND = Header(
    CodecNumber.SOUND, b"abcd", 100, (4, 9000), sample_rate=44_100, sample_type="float32", level_codes=(5, -90, 7, 7)
)
CUBE = Header(
    CodecNumber.CUBE,
    b"abcd",
    100,
    (3, 20, 30),
    sample_type="int16",
    level_codes=(-4096,),
    offset_codes=(0, -(1 << 40), 77),
)
TUNED = dataclasses.replace(PLAIN, tuning=0x61)
each_kind = pytest.mark.parametrize(
    "header", [PLAIN, FULL, TUNED, SOUND, CUBE], ids=["plain", "full", "tuned", "sound", "cube"]
)


def read(data: bytes, limits: Limits | None = None) -> Header:
    return read_header(Source(data), limits)


def sealed(head: bytes) -> bytes:
    """A head with the checksum it should have."""
    return head + struct.pack("<H", _native.crc32c(head) & 0xFFFF)


def head(
    *, version: int = VERSION, flags: int = 0, kind: int = SMALL_PICTURE, sides: bytes = b"\x08\x08", tile: bytes = b""
) -> bytes:
    return sealed(MAGIC + bytes([version, flags, kind]) + b"abcd" + b"\xa0" + sides + tile)


def with_sections(sections: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(varint(number) + varint(len(payload)) + payload for number, payload in sections) + b"\0"
    return head(flags=Flag.SECTIONS) + body + struct.pack("<I", _native.crc32c(body))


def without_sections_flag(header: Header) -> Header:
    return dataclasses.replace(header, flags=header.flags & ~(Flag.SECTIONS | Flag.TILED | Flag.TUNED))


@each_kind
@pytest.mark.parametrize("opened", [bytes, io.BytesIO], ids=["bytes", "file"])
def test_header_round_trip(header: Header, opened: type) -> None:
    source = Source(opened(write_header(header) + b"rest"))
    assert without_sections_flag(read_header(source)) == header
    assert source.read(4, "the rest") == b"rest"


@SETTINGS
@given(
    fingerprint=st.binary(min_size=4, max_size=4),
    step_code=st.integers(0, 255),
    profile=st.sampled_from(Profile),
    shape=st.tuples(st.integers(1, 1 << 14), st.integers(1, 1 << 14)),
    flags=st.sets(st.sampled_from([Flag.JOINED, Flag.WHOLE, Flag.TILE_MAJOR, Flag.ALPHA, Flag.DEEP])),
    tile_log2=st.none() | st.integers(3, 16),
    tuning=st.none() | st.integers(0, 255),
    stored_channels=st.none() | st.integers(1, 70_000),
    metadata=st.dictionaries(st.sampled_from(["icc", "exif"]), st.binary(max_size=300)),
    index=st.none() | st.lists(st.integers(0, 2**63 - 1), max_size=20).map(tuple),
)
def test_header_round_trip_of_any_fields(flags: set[Flag], **fields: object) -> None:
    header = Header(codec=CodecNumber.IMAGE, flags=Flag(sum(flags)), **fields)  # type: ignore[arg-type]
    assert without_sections_flag(read(write_header(header))) == header


def test_plain_header_is_that_of_the_specification() -> None:
    expected = b"\x8bLCN" + bytes([1, 0, 0x21]) + b"abcd" + bytes([160]) + b"\xac\x02" + b"\x21"
    assert write_header(PLAIN) == sealed(expected)


def test_header_of_a_sound_is_that_of_the_specification() -> None:
    levels = bytes([4 * 5 + 1]) + varint(2 * 95 - 1) + varint(2 * 97) + b"\0"
    expected = b"\x8bLCN" + bytes([1, 0, 0x22]) + b"abcd" + bytes([100, 4]) + varint(9000) + varint(44_100)
    assert write_header(SOUND) == sealed(expected + levels)


def test_header_of_a_cube_is_that_of_the_specification() -> None:
    sides = bytes([2, 3, 3, 20, 30])
    levels = varint(2 * (2 * 4096 - 1)) + b"\0" + varint((2 << 40) - 1) + varint(2 * 77)
    assert write_header(CUBE) == sealed(b"\x8bLCN" + bytes([1, 0, 0x23]) + b"abcd" + bytes([100]) + sides + levels)


@SETTINGS
@given(
    codes=st.lists(st.integers(-MAX_LEVEL_CODE, MAX_LEVEL_CODE), min_size=2, max_size=9),
    offsets=st.lists(st.integers(-(1 << 61), 1 << 61), min_size=9, max_size=9),
    is_unequal=st.booleans(),
)
def test_levels_and_offsets_of_any_size_come_back(codes: list[int], offsets: list[int], is_unequal: bool) -> None:
    planes = len(codes)
    levels = tuple(codes) if is_unequal else (codes[0],)
    sound = dataclasses.replace(SOUND, shape=(planes, 100), level_codes=levels)
    cube = dataclasses.replace(CUBE, shape=(planes, 5, 6), level_codes=levels, offset_codes=tuple(offsets[:planes]))
    assert read(write_header(sound)) == sound
    assert read(write_header(cube)) == cube


def sound_head(levels: bytes, channels: int = 4) -> bytes:
    return sealed(MAGIC + bytes([1, 0, 0x22]) + b"abcd\x64" + varint(channels) + varint(100) + varint(8000) + levels)


def test_levels_out_of_range_are_refused() -> None:
    assert read(sound_head(varint(4 * MAX_LEVEL_CODE))).level_codes == (MAX_LEVEL_CODE,)
    with pytest.raises(CorruptStreamError, match="level codes run from 4097 to 4097"):
        read(sound_head(varint(4 * MAX_LEVEL_CODE + 4)))
    with pytest.raises(CorruptStreamError, match="levels of 1 channels"):
        read(sound_head(b"\1", channels=1))
    with pytest.raises(CorruptStreamError, match="levels of 65537 channels"):
        read(sound_head(b"\1" + bytes(65_536), channels=65_537))


def test_a_cube_of_more_planes_than_any_model_has_is_refused_before_its_offsets() -> None:
    sides = bytes([2, 2]) + varint(1 << 40) + b"\1"
    with pytest.raises(CorruptStreamError, match="1099511627776 planes; allowed are 65536"):
        read(sealed(MAGIC + bytes([1, 0, 0x23]) + b"abcd\x64" + sides + b"\0"))


@each_kind
def test_cut_header_is_truncated_at_every_byte(header: Header) -> None:
    data = write_header(header)
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            read(data[:length])


@each_kind
def test_every_flipped_bit_of_a_header_is_refused(header: Header) -> None:
    data = write_header(header) + bytes(100)
    for position in range(8 * (len(data) - 100)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(BitstreamError):
            read(bytes(flipped))


def test_other_file_type_is_named() -> None:
    with pytest.raises(CorruptStreamError, match="PNG"):
        read(b"\x89PNG\r\n\x1a\n" + bytes(50))


@pytest.mark.parametrize("version", [0, 2, 255])
def test_unknown_version_is_refused_by_name(version: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"format version {version};"):
        read(head(version=version))


@pytest.mark.parametrize("tuning", [0, 1, 0x60, 0xF5, 255])
def test_tuning_follows_the_tile_size(tuning: int) -> None:
    assert read(head(flags=Flag.TUNED, tile=bytes([tuning]))).tuning == tuning
    data = head(flags=Flag.TUNED | Flag.TILED, tile=bytes([5, tuning]))
    header = read(data)
    assert (header.tile_log2, header.tuning) == (5, tuning)
    assert write_header(header) == data


@pytest.mark.parametrize("header", [SOUND, CUBE], ids=["sound", "cube"])
def test_tunings_of_other_signals_are_corrupt(header: Header) -> None:
    with pytest.raises(CorruptStreamError, match="the file has a tuning, which only pictures have"):
        read(write_header(dataclasses.replace(header, tuning=96)))


@pytest.mark.parametrize("codec", [0, 15])
def test_unknown_codec_is_refused_by_name(codec: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"codec number {codec},"):
        read(head(kind=codec + 2 * 16))


@pytest.mark.parametrize("profile", [0, 4, 15])
def test_unknown_profile_is_refused_by_name(profile: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"profile {profile};"):
        read(head(kind=1 + profile * 16))


@pytest.mark.parametrize(("number", "profile"), [(1, Profile.FAST), (2, Profile.SMALL), (3, Profile.BEST)])
def test_profile_is_that_of_the_specification(number: int, profile: Profile) -> None:
    assert read(head(kind=1 + number * 16)).profile is profile


@pytest.mark.parametrize("number", [9, 13, 99, 2**40 + 1])
def test_unknown_critical_section_is_refused_by_name(number: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"section {number},"):
        read(with_sections([(number, b"x")]))


@pytest.mark.parametrize("number", [14, 100, 2**40])
def test_unknown_optional_section_is_skipped(number: int) -> None:
    header = read(with_sections([(number, b"whatever"), (2, b"\0profile"), (number + 2, b"")]))
    assert header.metadata == {"icc": b"profile"}


def test_metadata_of_a_sound_in_a_picture_are_refused() -> None:
    with pytest.raises(CorruptStreamError, match="the metadata of a sound, and is none"):
        read(with_sections([(8, b"\0\1\0")]))


def test_levels_of_noise_in_a_picture_are_refused() -> None:
    with pytest.raises(CorruptStreamError, match="levels of noise, which only sounds have"):
        read(with_sections([(11, b"\10\4\1")]))


def test_levels_of_before_the_first_release_are_refused() -> None:
    with pytest.raises(UnsupportedVersionError, match=r"section 10, levels of bands .*; encode the sound again"):
        read(with_sections([(10, b"\10\4\1")]))


@pytest.mark.parametrize("axes", [(0, 127, 0, 0, 0, -128, 127, 0, 0), (-127, 0, 0, 0, 123, -4, 0, 4, 127)])
def test_colour_axes_are_those_of_the_specification(axes: tuple[int, ...]) -> None:
    header = read(with_sections([(5, struct.pack("<9b", *axes))]))
    assert header.color_axes == axes
    assert write_header(header) == with_sections([(5, struct.pack("<9b", *axes))])


@pytest.mark.parametrize(
    "axes",
    [(0,) * 9, (1,) * 9, (127,) * 9, (127, 0, 0, 127, 0, 0, 0, 0, 127), (127, 0, 0, 0, 122, 0, 0, 0, 127)],
    ids=["none", "small", "all one", "two alike", "one short"],
)
def test_axes_that_are_not_at_right_angles_are_refused(axes: tuple[int, ...]) -> None:
    with pytest.raises(CorruptStreamError, match=r"needed are three rows at right angles, each of length 127, nearly"):
        read(with_sections([(5, struct.pack("<9b", *axes))]))


def test_colour_axes_of_other_length_or_signal_are_refused() -> None:
    with pytest.raises(CorruptStreamError, match="has 8 bytes; needed are 9"):
        read(with_sections([(5, bytes(8))]))
    axes = (127, 0, 0, 0, 127, 0, 0, 0, 127)
    with pytest.raises(CorruptStreamError, match="which only pictures have"):
        read(write_header(dataclasses.replace(SOUND, color_axes=axes)))


def test_weights_of_places_are_packed() -> None:
    for residuals in (b"", bytes(50), b"\xf8\1\2"):
        header = read(write_header(dataclasses.replace(PLAIN, place_weights=(2, residuals))))
        assert header.place_weights == (2, residuals)
    assert len(write_header(header)) > len(write_header(PLAIN))
    assert read(with_sections([(7, b"\6\0abc")])).place_weights == (6, b"abc")


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "begins with b''; allowed is a byte, 0 to 6"),
        (b"\7\0abc", "begins with b'\\\\x07'"),
        (b"\2", "neither stored nor complete"),
        (b"\2\2abc", "cannot be inflated|neither stored"),
        (b"\2\1abc", "cannot be inflated"),
        (b"\2\1" + zlib.compress(bytes(65)), "more weights of places than its 8 x 8 pixels"),
        (b"\2\0" + bytes(65), "more weights of places"),
        (b"\2\1" + zlib.compress(bytes(9))[:-2], "neither stored nor complete"),
    ],
    ids=str,
)
def test_bad_weights_of_places_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(CorruptStreamError, match=message):
        read(with_sections([(7, payload)]))
    with pytest.raises(CorruptStreamError, match="which only pictures have"):
        read(write_header(dataclasses.replace(SOUND, place_weights=(2, b"abc"))))


def test_section_that_stands_twice_is_refused() -> None:
    with pytest.raises(CorruptStreamError, match="section 2 is there twice"):
        read(with_sections([(2, b"\0a"), (2, b"\0a")]))


@pytest.mark.parametrize(
    "payload",
    [b"", b"\2abc", b"\1abc", b"\1" + zlib.compress(b"abc" * 50)[:-5], b"\1"],
    ids=["empty", "kind 2", "no zlib", "cut zlib", "no bytes"],
)
def test_bad_packed_section_is_refused(payload: bytes) -> None:
    with pytest.raises(CorruptStreamError):
        read(with_sections([(2, payload)]))


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\0"], ids=["empty", "cut", "zero"])
def test_bad_channel_count_is_refused(payload: bytes) -> None:
    with pytest.raises(BitstreamError):
        read(with_sections([(1, payload)]))


@pytest.mark.parametrize("tile", [0, 2, 17, 255])
def test_tile_side_outside_its_range_is_refused(tile: int) -> None:
    with pytest.raises(CorruptStreamError, match=f"2\\^{tile};"):
        read(head(flags=Flag.TILED, tile=bytes([tile])))


@pytest.mark.parametrize("sides", [b"\0\1", b"\1\0", b"\0\0"])
def test_empty_picture_is_refused(sides: bytes) -> None:
    with pytest.raises(CorruptStreamError):
        read(head(sides=sides))


def test_pixel_limit_is_exact_and_can_be_raised() -> None:
    at, over = (head(sides=varint(1 << 14) + varint((1 << 15) + n)) for n in (0, 1))
    assert read(at).shape == ((1 << 15), 1 << 14)
    with pytest.raises(LimitError, match="max_pixels"):
        read(over)
    assert read(over, Limits(max_pixels=1 << 30)).shape[0] == (1 << 15) + 1


@pytest.mark.parametrize(
    "data",
    [
        head(sides=varint(1 << 32) * 2),
        head(sides=varint(2**63 - 1) * 2),
        head(sides=varint(1) + varint(1 << 32)),
        head(sides=varint(1 << 32) * 2, flags=Flag.TILED | Flag.ALPHA, tile=b"\3"),
        head(flags=Flag.SECTIONS) + varint(2) + varint(1 << 40) + bytes(900),
        head(flags=Flag.SECTIONS) + varint(2) + varint(1 << 25) + bytes(900),
        with_sections([(2, b"\1" + zlib.compress(zlib.compress(bytes(1 << 29), 9), 9))]),
    ],
    ids=["2^32 x 2^32", "2^63 x 2^63", "1 x 2^32", "tiles", "section of 2^40", "section of 2^25", "zlib in zlib"],
)
@pytest.mark.parametrize("opened", [bytes, io.BytesIO], ids=["bytes", "file"])
def test_bomb_costs_neither_work_nor_memory(data: bytes, opened: type, work_of: Callable[..., Any]) -> None:
    assert len(data) <= 1024
    limits = Limits(max_metadata_bytes=1 << 16)

    def refused() -> None:
        with pytest.raises(BitstreamError):
            read_header(Source(opened(data)), limits)

    work = work_of(refused)
    assert 0 < work.lines <= 1000
    assert work.allocated_bytes <= 1 << 20


def test_inflating_stops_at_the_limit() -> None:
    bomb = with_sections([(2, b"\1" + zlib.compress(bytes(1 << 26), 9))])
    tracemalloc.start()
    with pytest.raises(LimitError, match="max_metadata_bytes"):
        read(bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes <= 48 << 20


@pytest.mark.parametrize(
    "packed", [b"\0" + bytes(5000), b"\1" + zlib.compress(bytes(5000))], ids=["stored", "deflated"]
)
@pytest.mark.parametrize("limit", [0, 4999])
def test_metadata_over_the_limit_is_refused_however_packed(packed: bytes, limit: int) -> None:
    with pytest.raises(LimitError):
        read(with_sections([(2, packed)]), Limits(max_metadata_bytes=limit))


@pytest.mark.parametrize(
    "packed", [b"\0" + bytes(5000), b"\1" + zlib.compress(bytes(5000))], ids=["stored", "deflated"]
)
def test_metadata_at_the_limit_is_read(packed: bytes) -> None:
    assert read(with_sections([(2, packed)]), Limits(max_metadata_bytes=5000)).metadata["icc"] == bytes(5000)


def test_work_of_reading_sections_grows_linearly(work_of: Callable[..., Any]) -> None:
    """Ten times as many sections are about ten times the work; a quadratic reader can be kept busy by a small file."""
    few, many = (
        work_of(partial(read, with_sections([(2 * n + 100, b"") for n in range(count)]))) for count in (1000, 10_000)
    )
    assert few.lines > 1000 and many.lines < 12 * few.lines
    assert many.allocated_bytes < 15 * few.allocated_bytes


@SETTINGS
@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_after_the_magic_raise_only_bitstream_errors(tail: bytes) -> None:
    for data in (MAGIC + tail, MAGIC + b"\1" + tail, sealed(MAGIC + b"\1" + tail) + tail, head(flags=1) + tail):
        try:
            read(data)
        except BitstreamError:
            continue
        assert data.startswith(MAGIC + b"\1")


@SETTINGS
@given(st.lists(st.tuples(st.integers(1, 12), st.binary(max_size=40)), max_size=4))
def test_any_sealed_sections_raise_only_bitstream_errors(sections: list[tuple[int, bytes]]) -> None:
    try:
        header = read(with_sections(sections))
    except BitstreamError:
        return
    assert all(number % 2 == 0 or number == 1 for number, _ in sections)
    assert header.shape == (8, 8)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**32, 2**63 - 1])
def test_varint_round_trip(value: int) -> None:
    data = varint(value)
    assert len(data) == max(1, -(-value.bit_length() // 7))
    assert Source(data).varint("a number") == value


def test_varint_of_more_than_nine_bytes_is_refused() -> None:
    with pytest.raises(CorruptStreamError, match="more than 9 bytes"):
        Source(b"\xff" * 9 + b"\1").varint("a number")


@pytest.mark.parametrize("length", range(9))
def test_cut_varint_is_truncated(length: int) -> None:
    with pytest.raises(TruncatedError):
        Source(b"\x80" * length).varint("a number")


def test_varint_with_a_needless_byte_is_refused() -> None:
    """SPEC.md: no more bytes than the number needs. A width of 8 written as 88 00."""
    with pytest.raises(BitstreamError):
        read(head(sides=b"\x88\x00\x08"))


@pytest.mark.parametrize("lanes", [4, 8, 16, 32, 64])
@pytest.mark.parametrize("has_crc", [False, True])
@pytest.mark.parametrize("with_channels", [False, True])
def test_segment_round_trip(lanes: int, has_crc: bool, with_channels: bool) -> None:
    segment = ContainerSegment(bytes(range(200)), lanes, has_crc, 300 if with_channels else 0)
    data = write_container_segment(segment, 7, with_channels=with_channels)
    source = Source(data + b"next")
    assert read_container_segment(source, 7, with_channels=with_channels) == segment
    assert source.read(4, "the next") == b"next"


def test_segment_with_crc_is_that_of_the_specification() -> None:
    start = varint(16 * 3 + 8 + 2) + varint(5)
    crc = _native.crc32c(varint(200) + start + b"xyz")
    expected = start + struct.pack("<I", crc) + b"xyz"
    assert (
        write_container_segment(ContainerSegment(b"xyz", 16, has_crc=True, num_channels=5), 200, with_channels=True)
        == expected
    )


def test_every_flipped_bit_of_a_segment_with_crc_is_refused() -> None:
    data = write_container_segment(ContainerSegment(bytes(50), 4, has_crc=True, num_channels=3), 0, with_channels=True)
    unchecked = set()
    for position in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            assert not read_container_segment(Source(bytes(flipped)), 0, with_channels=True).has_crc
            unchecked.add(position)
        except BitstreamError:
            pass
    assert unchecked == {3}  # the CRC bit itself; what is then read as a payload is checked by its decoder


def test_segments_cannot_change_places() -> None:
    data = write_container_segment(ContainerSegment(bytes(50), 4, has_crc=True), 0, with_channels=False)
    with pytest.raises(ChecksumError, match="segment 1"):
        read_container_segment(Source(data), 1, with_channels=False)


@pytest.mark.parametrize("code", [5, 6, 7])
def test_unknown_lane_code_is_refused(code: int) -> None:
    with pytest.raises(CorruptStreamError, match=f"lane code {code}"):
        read_container_segment(Source(bytes([code])), 0, with_channels=False)


def test_payload_of_no_channels_is_refused() -> None:
    data = write_container_segment(
        ContainerSegment(b"\1\2\3\4", 4, has_crc=False, num_channels=0), 0, with_channels=True
    )
    with pytest.raises(CorruptStreamError, match="no channels"):
        read_container_segment(Source(data), 0, with_channels=True)


@pytest.mark.parametrize("code", range(1, 5))
def test_lanes_of_no_payload_are_refused(code: int) -> None:
    """A segment of no channels has one form, so that a flipped bit in it is noticed."""
    with pytest.raises(BitstreamError):
        read_container_segment(Source(bytes([code, 0])), 0, with_channels=True)


@pytest.mark.parametrize("has_crc", [False, True])
def test_cut_segment_is_truncated(has_crc: bool) -> None:
    data = write_container_segment(ContainerSegment(bytes(50), 4, has_crc), 0, with_channels=False)
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            read_container_segment(Source(data[:length]), 0, with_channels=False)


def test_cut_segment_without_crc_may_be_allowed() -> None:
    data = write_container_segment(ContainerSegment(bytes(range(50)), 4, has_crc=False), 0, with_channels=False)
    assert read_container_segment(Source(data[:-20]), 0, with_channels=False, allow_cut=True).payload == bytes(
        range(30)
    )


@pytest.mark.parametrize("has_crc", [0, 8])
def test_segment_that_claims_2_to_the_50_bytes_costs_nothing(has_crc: int) -> None:
    data = varint((1 << 54) + has_crc) + bytes(500)
    tracemalloc.start()
    with pytest.raises(TruncatedError):
        read_container_segment(Source(io.BytesIO(data)), 0, with_channels=False)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes <= 4 << 20


def test_order_runs_by_group_or_by_tile() -> None:
    by_group = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]
    assert list(container_segment_order(3, 2, tile_major=False)) == by_group
    assert list(container_segment_order(3, 2, tile_major=True)) == sorted(by_group)


def test_index_is_written_from_16_segments_on() -> None:
    assert index_of([3] * 15) is None
    assert index_of([3] * 16) == (3,) * 16


def test_source_reads_files_that_give_few_bytes_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 3))

    assert without_sections_flag(read_header(Source(Slow(write_header(FULL))))) == FULL


def test_source_seeks_from_where_the_file_stood() -> None:
    file = io.BytesIO(b"before" + bytes(range(100)))
    file.seek(6)
    source = Source(file)
    source.read(10, "ten")
    source.seek(50)
    assert source.read(1, "one") == bytes([50])
    source.seek(2)
    assert source.read(1, "one") == bytes([2])


def test_crc32c_has_its_check_value() -> None:
    assert _native.crc32c(b"123456789") == 0xE3069283
    assert _native.crc32c(b"6789", _native.crc32c(b"12345")) == 0xE3069283
    words = np.frombuffer(b"123456789ABC", "<i4").astype(np.int32).reshape(1, 1, 3)
    assert _native.crc32c_planes(words[..., 1:], _native.crc32c_planes(words[..., :1])) == _native.crc32c(
        b"123456789ABC"
    )


def test_sections_are_packed_where_that_is_shorter() -> None:
    for data in (b"", b"a", bytes(1000)):
        packed = packed_section(data)
        assert unpacked_section(packed, Limits()) == data
        assert packed[0] == (len(data) > 100)
    with pytest.raises(LimitError, match="larger than 999 bytes"):
        unpacked_section(packed_section(bytes(1000)), Limits(max_metadata_bytes=999))


def test_a_lossless_sound_with_a_model_is_refused() -> None:
    sound = Header(CodecNumber.LOSSLESS_SOUND, b"abcd", 0, (1, 90), tile_log2=5, sample_rate=8000, sound_bits=16)
    assert read(write_header(sound)).sound_bits == 16
    with pytest.raises(CorruptStreamError, match="lossless sounds need none"):
        read(write_header(dataclasses.replace(sound, packed_model=b"\x00")))
