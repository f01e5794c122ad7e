"""Damaged files: a typed error or what is intact, never a silent change (RELIABILITY promises 2 to 5)."""

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, UnknownModelError
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model
from laconic.entropy import BitstreamError, _native
from laconic.entropy.container import (
    CodecNumber,
    Flag,
    Header,
    Profile,
    Source,
    read_container_segment,
    read_header,
    varint,
    write_container_segment,
    write_header,
)
from laconic.entropy.lossless import encode_lossless
from laconic.entropy.planes import PlanesEncoder, PlaneSpan

DATA = Path(__file__).parents[1] / "data"
ERRORS = (BitstreamError, UnknownModelError)
GROUPS = (0, *load_model("rgb").group_ends)
BEST_GROUPS = (0, *load_model("rgb_best").group_ends)


@cache
def photo() -> Image:
    with PillowImage.open(DATA / "kodim05_crop.png") as picture:
        return Image(np.array(picture.convert("RGB")))


def part(rows: int, columns: int, *, alpha: bool = False, dtype: type = np.uint8) -> Image:
    samples = photo().samples[:rows, :columns].astype(dtype) * (257 if dtype is np.uint16 else 1)
    if alpha:
        ramp = np.broadcast_to(np.linspace(0, np.iinfo(dtype).max, columns), (rows, columns)).astype(dtype)
        samples = np.dstack([samples, ramp])
    return Image(samples)


@cache
def files() -> dict[str, bytes]:
    """One for each layout: one segment, several with CRC, tiled with index, 16 bits, grey, with alpha and sections; and of
    profile best."""
    grey = Image(np.ascontiguousarray(part(90, 120).samples[:, :, 1:2]))
    icc = Image(part(64, 64, alpha=True).samples, {"icc": bytes(range(256)) * 2, "exif": b"Exif\0\0MM"})
    return {
        "joined": Lcn(50).encode(part(64, 64)),
        "groups": Lcn(97).encode(part(120, 128)),
        "tiles": Lcn(95, tile_log2=3, grouping="whole").encode(part(120, 170)),
        "tile-major": Lcn(97, tile_log2=3, progression="tile").encode(part(120, 170)),
        "deep alpha": Lcn(80).encode(part(40, 50, alpha=True, dtype=np.uint16)),
        "grey": Lcn(90).encode(grey),
        "sections": Lcn(60).encode(icc),
        "best": Lcn(60, profile="best").encode(part(64, 64)),
        "best groups": Lcn(99, profile="best").encode(part(100, 128)),
        "best tiles": Lcn(60, profile="best", tile_log2=3).encode(icc),
        "few channels": Lcn(70).pack(Lcn(70).unpack(Lcn(70).encode(part(64, 80)), channels=20)),
    }


def outcome(data: bytes, **options: bool) -> Latent | None:
    """The latent, or None for a documented error; other exceptions pass through and fail the test."""
    try:
        return Lcn().unpack(data, **options)
    except ERRORS:
        return None


def segment_ends(data: bytes, count: int) -> list[int]:
    """Where the header and each segment of a file without JOINED end."""
    source = Source(data)
    read_header(source)
    ends = [source.position]
    for number in range(count):
        read_container_segment(source, number, with_channels=True)
        ends.append(source.position)
    return ends


@pytest.mark.parametrize("name", files())
def test_undamaged_file_decodes(name: str) -> None:
    latent = Lcn().unpack(files()[name])
    assert latent.damage == ()
    assert latent.values.any()


@pytest.mark.parametrize("name", files())
def test_no_flipped_bit_goes_unnoticed(name: str) -> None:
    """400 random bits of each of these files, and every bit of the first 64 bytes."""
    data = files()[name]
    rng = np.random.default_rng(0)
    positions = {*range(8 * 64), *rng.integers(0, 8 * len(data), 400).tolist()}
    silent = []
    for position in sorted(positions):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        if outcome(bytes(flipped)) is not None:
            silent.append(position)
    assert not silent


def test_no_flipped_bit_of_an_empty_segment_goes_unnoticed() -> None:
    """Segments of 0 channels are two bytes, of which each bit must count."""
    samples = np.full((256, 256, 3), 120, np.uint8)
    samples[:128, :128] = photo().samples[:128, :128]
    data = Lcn(95, tile_log2=3).encode(Image(samples))
    source, silent, num_empty = Source(data), [], 0
    header = read_header(source)
    assert header.index is not None
    for number in range(len(header.index)):
        start = source.position
        if read_container_segment(source, number, with_channels=True).num_channels:
            continue
        num_empty += 1
        for position in range(8 * start, 8 * source.position):
            flipped = bytearray(data)
            flipped[position // 8] ^= 1 << position % 8
            if outcome(bytes(flipped)) is not None:
                silent.append((number, position - 8 * start))
    assert num_empty > 5
    assert not silent


@pytest.mark.parametrize("name", ["joined", "sections", "few channels", "deep alpha", "grey", "best"])
def test_cut_is_a_typed_error(name: str) -> None:
    data = files()[name]
    every = max(1, len(data) // 700)  # each byte of the small ones and of every head
    for length in sorted({*range(min(200, len(data))), *range(0, len(data), every), len(data) - 1}):
        with pytest.raises(BitstreamError):
            Lcn().unpack(data[:length])


@pytest.mark.parametrize(("name", "groups"), [("joined", GROUPS), ("best", BEST_GROUPS)])
def test_cut_of_a_joined_file_leaves_the_groups_before_it(name: str, groups: tuple[int, ...]) -> None:
    data = files()[name]
    whole = Lcn().unpack(data)
    source = Source(data)
    read_header(source)
    seen = []
    for length in range(source.position + 3, len(data), 2):
        found = Lcn().unpack(data[:length], allow_partial=True)
        intact = next(
            (
                i
                for i, (a, b) in enumerate(pairwise(groups))
                if not np.array_equal(found.values[a:b], whole.values[a:b])
            ),
            len(groups) - 1,
        )
        assert not found.values[groups[intact] :].any()
        assert found.damage
        seen.append(intact)
    assert seen == sorted(seen)
    assert set(seen) == set(range(len(groups) - 1))


@pytest.mark.parametrize(("name", "groups"), [("groups", GROUPS), ("best groups", BEST_GROUPS)])
def test_cut_of_a_file_of_segments_leaves_the_groups_before_it(name: str, groups: tuple[int, ...]) -> None:
    data = files()[name]
    whole, ends = Lcn().unpack(data), segment_ends(data, len(groups) - 1)
    assert ends[-1] == len(data)
    for length in sorted({*range(ends[0], len(data), 97), *(e + d for e in ends[1:-1] for d in (-1, 0, 1))}):
        found = Lcn().unpack(data[:length], allow_partial=True)
        stop = groups[sum(length >= end for end in ends[1:])]
        assert np.array_equal(found.values[:stop], whole.values[:stop])
        assert not found.values[stop:].any()
        assert len(found.damage) == sum(length < end for end in ends[1:])


def test_cut_of_a_tile_major_file_leaves_the_tiles_before_it() -> None:
    data = files()["tile-major"]
    whole = Lcn().unpack(data)
    found = Lcn().unpack(data[: len(data) // 2], allow_partial=True)
    same = (found.values == whole.values).all(0)
    assert same[:8, :8].all()
    assert not same[8:, 16:].all()
    assert found.damage


@pytest.mark.parametrize("length", [0, 3, 10, 15])
def test_cut_in_the_header_is_an_error_even_where_parts_are_allowed(length: int) -> None:
    with pytest.raises(BitstreamError):
        Lcn().unpack(files()["joined"][:length], allow_partial=True)


def test_damaged_tile_leaves_the_others() -> None:
    """The index finds what follows a segment whose length is wrong. 2 x 3 tiles, 4 groups; the second tile is hit."""
    data = bytearray(Lcn(95, tile_log2=3).encode(part(120, 170)))
    whole = Lcn().unpack(bytes(data))
    source = Source(bytes(data))
    header = read_header(source)
    assert header.index is not None
    data[source.position + header.index[0]] ^= 0x70
    found = Lcn().unpack(bytes(data), allow_partial=True)
    assert not found.values[:, :8, 8:16].any()
    assert np.array_equal(np.delete(found.values, range(8, 16), 2), np.delete(whole.values, range(8, 16), 2))
    assert np.array_equal(found.values[:, 8:, 8:16], whole.values[:, 8:, 8:16])
    assert [line.split(":")[0] for line in found.damage] == ["segment 1", "segment 7", "segment 13", "segment 19"]


def test_damaged_alpha_is_opaque_and_leaves_the_picture() -> None:
    data = bytearray(files()["deep alpha"])
    whole = Lcn().unpack(bytes(data))
    data[-20] ^= 1
    found = Lcn().unpack(bytes(data), allow_partial=True)
    assert np.array_equal(found.values, whole.values)
    assert found.alpha is not None
    assert (found.alpha == 65535).all()
    assert len(found.damage) == 1


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("channels", [None, 3, 8, 11, 12, 14, 30, 60])
def test_groups_after_a_damaged_one_are_zero_not_wrong(channels: int | None, profile: str) -> None:
    """Their contexts are lost with it, so what decodes from whole bytes is not what was written."""
    with PillowImage.open(DATA / "kodim23_crop.png") as picture:
        original = Lcn(90, profile=profile).encode(Image(np.array(picture.convert("RGB"))))
    start, end = segment_ends(original, 1)
    data = bytearray(original)
    data[(start + end) // 2] ^= 1
    whole = Lcn().unpack(original)
    found = Lcn().unpack(bytes(data), channels=channels, allow_partial=True)
    assert found.damage
    wrong = [c for c, v in enumerate(found.values) if v.any() and not np.array_equal(v, whole.values[c])]
    assert not wrong


@pytest.mark.parametrize("name", files())
@pytest.mark.parametrize("tail", [b"\0", b"\0\0", b"trailing", bytes(5000)], ids=len)
def test_trailing_bytes_are_refused(name: str, tail: bytes) -> None:
    with pytest.raises(BitstreamError):
        Lcn().unpack(files()[name] + tail)


@pytest.mark.parametrize("name", files())
def test_two_files_in_a_row_are_refused(name: str) -> None:
    with pytest.raises(BitstreamError):
        Lcn().unpack(files()[name] * 2)


def test_random_bytes_after_the_magic_are_a_typed_error() -> None:
    rng = np.random.default_rng(1)
    for _ in range(3000):
        data = b"\x8bLCN\x01" + rng.bytes(int(rng.integers(0, 80)))
        assert outcome(data) is None
        assert outcome(data, allow_partial=True) is None


def valid_header(shape: tuple[int, int] = (64, 64), **options: object) -> bytes:
    """Of a file of a shipped RGB model, without segments."""
    fingerprint = load_model("rgb_best" if options.get("profile") is Profile.BEST else "rgb").fingerprint
    return write_header(Header(codec=CodecNumber.IMAGE, fingerprint=fingerprint, step_code=150, shape=shape, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", list(Profile))
def test_random_bytes_after_a_valid_header_are_a_typed_error(profile: Profile) -> None:
    rng = np.random.default_rng(2)
    flags = (Flag.JOINED, Flag.WHOLE, Flag.TILE_MAJOR, Flag.ALPHA, Flag.DEEP)
    for _ in range(400):
        chosen = Flag(sum(f for f in flags if rng.random() < 0.5))
        tile_log2 = 3 if rng.random() < 0.5 else None
        shape = (int(rng.integers(1, 100)), int(rng.integers(1, 100)))
        head = valid_header(shape, flags=chosen, tile_log2=tile_log2, profile=profile)
        data = head + rng.bytes(int(rng.integers(0, 300)))
        assert outcome(data) is None
        try:
            found = Lcn().unpack(data, allow_partial=True)
        except BitstreamError:
            continue
        assert found.damage


@pytest.mark.parametrize("name", ["groups", "best groups"])
def test_mutated_segments_with_repaired_lengths_and_checksums_are_a_typed_error(name: str) -> None:
    """What reaches the decoder of symbols: payloads changed under a right length, lane count and CRC."""
    rng = np.random.default_rng(3)
    source, right = Source(files()[name]), Lcn().unpack(files()[name])
    header = read_header(source)
    segments = [read_container_segment(source, n, with_channels=True) for n in range(4)]
    for _ in range(300):
        changed = list(segments)
        n = int(rng.integers(4))
        payload = bytearray(segments[n].payload)
        for _ in range(int(rng.integers(1, 4))):
            payload[int(rng.integers(len(payload)))] ^= 1 << int(rng.integers(8))
        changed[n] = type(segments[n])(bytes(payload), segments[n].lanes, True, segments[n].num_channels)
        body = b"".join(write_container_segment(s, i, with_channels=True) for i, s in enumerate(changed))
        latent = outcome(write_header(header) + body)
        assert latent is None or not np.array_equal(latent.values, right.values)


def test_profile_best_of_a_model_without_networks_is_refused() -> None:
    header = Header(CodecNumber.IMAGE, load_model("rgb").fingerprint, 150, (64, 64), profile=Profile.BEST)
    with pytest.raises(BitstreamError, match="the file has profile best, for which model rgb has no networks"):
        Lcn().unpack(write_header(header) + bytes(50))
    with pytest.raises(BitstreamError, match="has no networks"):
        Lcn().unpack(write_header(header) + bytes(50), allow_partial=True)


def test_stored_channels_that_end_inside_a_subband_are_zeros_or_refused() -> None:
    """SPEC.md, 5.3: a writer has whole subbands only; of those that are stored less than whole nothing can be coded."""
    source = Source(files()["best"])
    header = read_header(source)
    segment = read_container_segment(source, 0, with_channels=True)
    for stored in (1, 13, 191):
        for channels in {0, *(c for c in (3, 12, stored) if c <= stored)}:
            payload = b"" if channels == 0 else segment.payload
            one = replace(segment, payload=payload, num_channels=channels, has_crc=channels > 0 and segment.has_crc)
            data = write_header(replace(header, stored_channels=stored)) + write_container_segment(
                one if channels else replace(one, lanes=4), 0, with_channels=True
            )
            found = outcome(data)
            assert (found is None) == (channels > 0), (stored, channels)
            assert found is None or (found.num_channels == stored and not found.values.any())


def test_more_channels_than_the_model_has_are_refused() -> None:
    with pytest.raises(BitstreamError, match="193 channels"):
        Lcn().unpack(valid_header(stored_channels=193) + bytes(50))


def test_joined_segment_of_several_tiles_is_refused() -> None:
    """SPEC.md, section 5.2: with flag JOINED there is one tile."""
    contexts = load_model("rgb").contexts
    encoder = PlanesEncoder(np.zeros((192, 8, 8), np.int32), contexts.at_step(150), Profile.SMALL)
    segment = encoder.segment(PlaneSpan(GROUPS))
    body = b"".join(write_container_segment(segment, n, with_channels=True) for n in range(4))
    with pytest.raises(BitstreamError):
        Lcn().unpack(valid_header((128, 128), flags=Flag.JOINED, tile_log2=3) + body)


def test_index_that_lists_another_number_of_segments_is_refused() -> None:
    with pytest.raises(BitstreamError, match="index"):
        Lcn().unpack(valid_header(index=(2, 2, 2)) + bytes(8))


@pytest.mark.parametrize("opened", [bytes, io.BytesIO], ids=["bytes", "file"])
@pytest.mark.parametrize("length", [2**31, 2**60, 2**63 - 1])
def test_index_of_absurd_lengths_is_damage_and_no_crash(length: int, opened: type) -> None:
    data = valid_header(index=(length,) * 4) + bytes(8)
    with pytest.raises(BitstreamError):
        Lcn().unpack(opened(data))
    try:
        found = Lcn().unpack(opened(data), allow_partial=True)
    except BitstreamError:
        return
    assert found.damage
    assert not found.values.any()


def test_index_makes_reading_parts_no_more_work(work_of: Callable[..., Any]) -> None:
    """A reader that adds up the lengths before each of 4,096 segments is quadratic, and kept busy by a small file."""
    side, count = 64 * 32, 4 * 32**2

    def read(index: tuple[int, ...] | None) -> None:
        data = valid_header((side, side), tile_log2=3, index=index) + bytes(2 * count)
        assert Lcn().unpack(data, channels=13, allow_partial=True).damage == ()

    read(None)  # what is loaded once is loaded
    without, indexed = work_of(partial(read, None)), work_of(partial(read, (2,) * count))
    assert count < indexed.lines < 1.5 * without.lines
    assert indexed.allocated_bytes < 1.5 * without.allocated_bytes


@pytest.mark.parametrize("flags", [Flag(0), Flag.JOINED, Flag.ALPHA, Flag.TILE_MAJOR | Flag.ALPHA | Flag.DEEP], ids=str)
@pytest.mark.parametrize("tile_log2", [None, 3])
def test_bomb_over_the_limit_is_refused_at_once(
    tile_log2: int | None, flags: Flag, work_of: Callable[..., Any]
) -> None:
    head = valid_header((2**32, 2**32), flags=flags, tile_log2=tile_log2)
    data = head + bytes(1024 - len(head))

    def refused() -> None:
        with pytest.raises(BitstreamError, match="limit"):
            Lcn().unpack(data)

    work = work_of(refused)
    assert 0 < work.lines <= 1000
    assert work.allocated_bytes <= 1 << 20


@pytest.mark.parametrize("tile_log2", [3, 6])
def test_work_of_a_bomb_below_the_limit_follows_its_bytes(tile_log2: int, work_of: Callable[..., Any]) -> None:
    """2^28 pixels in a file of 40 bytes: what its first bytes do not hold is not prepared for."""
    data = valid_header((2**14, 2**14), tile_log2=tile_log2) + b"\xff" * 8

    def refused() -> None:
        with pytest.raises(BitstreamError):
            Lcn().unpack(data)

    work = work_of(refused)
    assert work.peak_bytes <= 64 << 20
    assert 0 < work.lines <= 5000


def test_zero_bytes_are_a_typed_error() -> None:
    for data in (b"", bytes(1), bytes(5000)):
        with pytest.raises(BitstreamError):
            Lcn().unpack(data)


def test_unknown_fingerprint_is_named() -> None:
    header = Header(codec=CodecNumber.IMAGE, fingerprint=b"\xde\xad\xbe\xef", step_code=150, shape=(8, 8))
    with pytest.raises(UnknownModelError, match="deadbeef"):
        Lcn().unpack(write_header(header) + bytes(50))


def test_damaged_header_is_not_mistaken_for_an_unknown_model() -> None:
    data = bytearray(files()["joined"])
    data[8] ^= 1
    with pytest.raises(BitstreamError, match="checksum"):
        Lcn().unpack(bytes(data))


def test_stored_channels_limit_what_may_be_asked_for() -> None:
    with pytest.raises(CodecError, match="40 that the file stores"):  # what 20 of the latent's axes are made of
        Lcn().unpack(files()["few channels"], channels=41)


def test_alpha_beyond_its_largest_sample_is_refused() -> None:
    """Though every checksum is right."""
    contexts = load_model("rgb").contexts
    encoder = PlanesEncoder(np.zeros((192, 1, 1), np.int32), contexts.at_step(150), Profile.SMALL)
    body = write_container_segment(encoder.segment(PlaneSpan(GROUPS)), 0, with_channels=True)
    for value, accepted in ((255, True), (256, False), (-1, False)):
        alpha = write_container_segment(
            encode_lossless(np.full((8, 8), value, np.int32), contexts.static_tables), 1, with_channels=False
        )
        data = valid_header((8, 8), flags=Flag.JOINED | Flag.ALPHA) + body + alpha
        assert (outcome(data) is not None) == accepted


def test_two_flipped_bits_of_a_header_are_noticed() -> None:
    """Of a header of 16 bytes, the checksum included."""
    data = files()["joined"]
    rng = np.random.default_rng(4)
    for _ in range(1500):
        flipped = bytearray(data)
        a, b = rng.choice(8 * 16, 2, replace=False)
        flipped[a // 8] ^= 1 << a % 8
        flipped[b // 8] ^= 1 << b % 8
        assert outcome(bytes(flipped)) is None


def test_length_that_is_not_canonical_is_refused_or_harmless() -> None:
    """SPEC.md: a varint has no more bytes than its number needs."""
    data = files()["joined"]
    source = Source(data)
    read_header(source)
    start = source.position
    word = source.varint("the length")
    canonical = varint(word)
    assert data[start : start + len(canonical)] == canonical
    longer = canonical[:-1] + bytes([canonical[-1] | 0x80, 0])
    with pytest.raises(BitstreamError):
        Lcn().unpack(data[:start] + longer + data[start + len(canonical) :])


def test_header_checksum_is_16_bits_of_the_crc() -> None:
    """Guards the layout that the tests above rely on: 16 bytes, of which the last two are the checksum."""
    source = Source(files()["joined"])
    read_header(source)
    head = files()["joined"][: source.position]
    assert struct.unpack("<H", head[-2:])[0] == _native.crc32c(head[:-2]) & 0xFFFF
