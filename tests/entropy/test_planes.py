"""Tiles as segments: exact for any groups, any prefix of channels, refused when damaged."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from low_scene import reference_model
from module_files import load_module

from laconic.entropy import _native, rans, simd
from laconic.entropy.container import ContainerSegment, Profile
from laconic.entropy.contexts import ContextModel
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.planes import CRC_BYTES, PlanesDecoder, PlanesEncoder, PlaneSpan, read_planes_together
from laconic.entropy.static_symbols import symbol_checksum
from laconic.entropy.tables import TableSet, table_of_counts
from laconic.entropy.tile_symbols import TileValues

STEP = 150
BOUNDS = (0, 3, 7, 12)


def table_set(scales: np.ndarray, lean: float = 0) -> TableSet:
    values = np.arange(-100, 101)
    return TableSet(tuple(table_of_counts(values, np.exp(-np.abs(values - lean * s) / s)) for s in scales))


def model() -> ContextModel:
    rng = np.random.default_rng(12)
    leaning = (table_set(2.0 ** np.arange(-3, 6), lean) for lean in (0, 0.2, 0.4, 0.7))
    level = np.arange(96) * 9 // 96
    return ContextModel(
        tables=TableSet(tuple(table for tables in leaning for table in tables.tables)),
        static_tables=table_set(2.0 ** np.arange(-2, 6)),
        pass_ends=(2, 5, 12),  # other bounds than those of the groups
        num_predicted=2,
        static_index=rng.integers(2, 7, (32, 12)).astype(np.uint8),
        base=rng.integers(10, 100, (32, 12)).astype(np.uint16),
        neighbour_weights=rng.integers(0, 60, (12, 6)).astype(np.uint8),
        lean_weights=rng.integers(-60, 60, (12, 4)).astype(np.int8),
        feature_weights=rng.integers(0, 9000, (12, 3)).astype(np.uint16),
        own_weights=rng.integers(0, 90, (3, 3, 12)).astype(np.uint8),
        ring_weights=rng.integers(0, 30, (3, 3, 12)).astype(np.uint8),
        table_map=np.stack([9 * lean + level for lean in range(4)]).astype(np.uint8),
    )


MODEL = model()
RULES = MODEL.at_step(STEP)
REFERENCE = load_module("entropy/reference_decoder.py")


@pytest.fixture(params=(Profile.FAST, Profile.SMALL), ids=lambda profile: profile.name)
def profile(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.param
    return found


def values_of(shape: tuple[int, int], scale: float = 3, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.laplace(0, scale, (12, *shape)))
    values[0] += np.arange(shape[1])
    values.reshape(-1)[:: max(values.size // 7, 1)] = 5000  # escapes
    return values.astype(np.int32)


def decode(
    segments: list[ContainerSegment],
    spans: list[PlaneSpan],
    shape: tuple[int, int],
    profile: Profile,
    *,
    wanted: int = 12,
) -> np.ndarray:
    """The wanted channels. Segments of one group are those of trimmed groups."""
    capacity = next(e for span in spans for e in span.bounds[1:] if e >= wanted)
    decoder = PlanesDecoder(wanted, (capacity, *shape), RULES, profile)
    for segment, span in zip(segments, spans, strict=True):
        if span.bounds[0] < wanted:
            decoder.read(segment, span)
    return decoder.values()


def joined(values: np.ndarray, profile: Profile) -> ContainerSegment:
    return PlanesEncoder(values, RULES, profile).segment(PlaneSpan(BOUNDS))


def separate(values: np.ndarray, profile: Profile) -> list[ContainerSegment]:
    encoder = PlanesEncoder(values, RULES, profile)
    return [encoder.segment(span) for span in SPANS]


def reference_values(segments: list[ContainerSegment], shape: tuple[int, int], profile: Profile) -> np.ndarray:
    """What the reference decoder makes of segments, a joined one or one a group."""
    rules = REFERENCE.Rules(reference_model(REFERENCE, MODEL, num_planes=3, depth=1), STEP, int(profile))
    tile = REFERENCE.Tile(0, 0, *shape, symbols=[[0] * (shape[0] * shape[1])] * 12)
    found = [REFERENCE.Segment(s.lanes, s.num_channels, s.has_crc, s.payload) for s in segments]
    groups = [range(*bounds) for bounds in pairwise(BOUNDS)]
    if len(segments) == 1:
        REFERENCE.decode_joined(rules, found[0], tile, groups)
    else:
        for segment, group in zip(found, groups, strict=True):
            REFERENCE.decode_segment(rules, segment, tile, group)
    return np.array(rules.values(tile), np.int32).reshape(12, *shape)


SPANS = [PlaneSpan(pair) for pair in pairwise(BOUNDS)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (5, 9), (9, 5), (16, 16)])
def test_joined_groups_round_trip(shape: tuple[int, int], profile: Profile) -> None:
    values = values_of(shape)
    assert np.array_equal(decode([joined(values, profile)], [PlaneSpan(BOUNDS)], shape, profile), values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 9), (9, 5), (40, 50)])
def test_separate_groups_round_trip(shape: tuple[int, int], profile: Profile) -> None:
    values = values_of(shape)
    assert np.array_equal(decode(separate(values, profile), SPANS, shape, profile), values)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (6, 3), (4, 13), (30, 30)])
def test_segments_are_those_of_the_reference_decoder(shape: tuple[int, int], profile: Profile) -> None:
    values = values_of(shape)
    for segments in ([joined(values, profile)], separate(values, profile)):
        assert np.array_equal(reference_values(segments, shape, profile), values)


@pytest.mark.parametrize("shape", [(6, 7), (33, 31)])
def test_all_levels_write_and_read_the_same_segments(level: str, shape: tuple[int, int], profile: Profile) -> None:
    values = values_of(shape, scale=10)
    segments = [joined(values, profile), *separate(values, profile)]
    simd.use("portable")
    assert segments == [joined(values, profile), *separate(values, profile)]
    simd.use(level)
    assert np.array_equal(decode(segments[:1], [PlaneSpan(BOUNDS)], shape, profile), values)
    assert np.array_equal(decode(segments[1:], SPANS, shape, profile), values)


def test_extreme_values_round_trip(profile: Profile) -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([-(2**31), 2**31 - 1, 0, -1], (12, 6, 6)).astype(np.int32)
    segments = [joined(values, profile)]
    assert np.array_equal(decode(segments, [PlaneSpan(BOUNDS)], (6, 6), profile), values)
    assert np.array_equal(reference_values(segments, (6, 6), profile), values)


def test_values_that_are_not_contiguous_round_trip(profile: Profile) -> None:
    values = values_of((6, 10))
    for view in (np.asfortranarray(values), np.repeat(values, 2, 2)[:, :, ::2]):
        assert joined(view, profile) == joined(values, profile)


def test_profiles_differ() -> None:
    values = values_of((16, 16))
    fast, small = (joined(values, profile).payload for profile in (Profile.FAST, Profile.SMALL))
    assert fast != small
    with pytest.raises(BitstreamError):
        decode([joined(values, Profile.FAST)], [PlaneSpan(BOUNDS)], (16, 16), Profile.SMALL)


@pytest.mark.parametrize("wanted", range(1, 13))
def test_prefix_of_a_joined_segment_is_that_of_all(wanted: int, profile: Profile) -> None:
    values = values_of((5, 9))
    found = decode([joined(values, profile)], [PlaneSpan(BOUNDS)], (5, 9), profile, wanted=wanted)
    assert np.array_equal(found, values[:wanted])


@pytest.mark.parametrize("wanted", range(1, 13))
@pytest.mark.parametrize("shape", [(61, 67), (67, 61)])
def test_prefix_of_segments_with_crc_is_that_of_all(wanted: int, shape: tuple[int, int], profile: Profile) -> None:
    """Groups are read whole, as far as wanted, in rounds of lanes that fit no row or plane."""
    values = values_of(shape, scale=20)
    segments = separate(values, profile)
    assert all(s.has_crc and s.lanes > 16 for s in segments)
    assert np.array_equal(decode(segments, SPANS, shape, profile, wanted=wanted), values[:wanted])


@pytest.mark.parametrize(
    ("zero_from", "stored"), [(5, [3, 2, 0]), (8, [3, 4, 1]), (6, [3, 3, 0]), (0, [0, 0, 0]), (1, [1, 0, 0])]
)
def test_channels_without_symbols_at_the_end_are_left_out(zero_from: int, stored: list[int], profile: Profile) -> None:
    """A pass that is cut so has fewer channels side by side."""
    values = values_of((6, 6))
    values[zero_from:] = 0
    segments = separate(values, profile)
    assert [s.num_channels for s in segments] == stored
    assert all(bool(s.payload) == bool(s.num_channels) for s in segments)
    assert np.array_equal(decode(segments, SPANS, (6, 6), profile), values)
    assert np.array_equal(reference_values(segments, (6, 6), profile), values)


def test_channels_without_symbols_between_others_are_kept(profile: Profile) -> None:
    values = values_of((6, 6))
    values[[0, 3, 4, 7, 9]] = 0
    assert [s.num_channels for s in separate(values, profile)] == [3, 4, 5]
    assert np.array_equal(decode(separate(values, profile), SPANS, (6, 6), profile), values)


def test_ideal_bits_of_groups_sum_to_the_whole(profile: Profile) -> None:
    encoder = PlanesEncoder(values_of((9, 9)), RULES, profile)
    assert sum(encoder.ideal_bits(a, b) for a, b in pairwise(BOUNDS)) == pytest.approx(encoder.ideal_bits(0, 12))


def test_segment_carries_a_crc_from_its_limit_on(profile: Profile) -> None:
    for side in (8, 32):
        encoder = PlanesEncoder(values_of((side, side)), RULES, profile)
        segment = encoder.segment(PlaneSpan((0, 12)))
        assert segment.has_crc == (encoder.ideal_bits(0, 12) / 8 >= CRC_BYTES)
        assert segment.has_crc == (side == 32)


def test_marks_take_two_bytes_a_group_but_the_last() -> None:
    """In profile fast the same messages stand between them, however the groups are cut."""
    encoder = PlanesEncoder(values_of((8, 8)), RULES, Profile.FAST)
    one, three = (encoder.segment(PlaneSpan(bounds)) for bounds in ((0, 12), BOUNDS))
    assert not one.has_crc
    assert len(three.payload) == len(one.payload) + 2 * 2


def test_size_is_near_the_ideal(profile: Profile) -> None:
    encoder = PlanesEncoder(values_of((64, 64), 8), RULES, profile)
    segment = encoder.segment(PlaneSpan((0, 12)))
    assert len(segment.payload) <= 1.01 * encoder.ideal_bits(0, 12) / 8 + 64


def test_every_changed_byte_of_a_segment_without_crc_is_refused(profile: Profile) -> None:
    segment = joined(values_of((4, 5)), profile)
    assert not segment.has_crc
    for position in range(len(segment.payload)):
        for change in (1, 2, 16, 128, 255):
            changed = bytearray(segment.payload)
            changed[position] ^= change
            damaged = dataclasses.replace(segment, payload=bytes(changed))
            with pytest.raises(BitstreamError):
                decode([damaged], [PlaneSpan(BOUNDS)], (4, 5), profile)


def test_every_cut_of_a_segment_is_refused(profile: Profile) -> None:
    segment = joined(values_of((4, 5)), profile)
    for length in range(len(segment.payload)):
        damaged = dataclasses.replace(segment, payload=segment.payload[:length])
        with pytest.raises(BitstreamError):
            decode([damaged], [PlaneSpan(BOUNDS)], (4, 5), profile)


def test_random_payloads_end_in_values_or_a_typed_error(level: str, profile: Profile) -> None:
    """The same at every level: also where no checksum stops it, in a group that is not the last of a segment with CRC."""
    rng = np.random.default_rng(4)
    outcomes = set()
    for _ in range(300):
        shape = (int(rng.integers(1, 12)), int(rng.integers(1, 12)))
        payload = rng.bytes(int(rng.integers(16, 2000)))
        segment = ContainerSegment(payload, 4, has_crc=True, num_channels=12)
        found = []
        for name in ("portable", level):
            simd.use(name)
            decoder = PlanesDecoder(3, (3, *shape), RULES, profile)
            try:
                decoder.read(segment, PlaneSpan(BOUNDS))
                found.append(decoder.values().tolist())
            except BitstreamError as err:
                found.append(str(err))
        assert found[0] == found[1]
        outcomes.add(type(found[0]))
    assert outcomes == {list, str}


def test_groups_before_a_cut_are_kept_and_later_ones_are_zero(profile: Profile) -> None:
    values = values_of((12, 12))
    segment = joined(values, profile)
    intact = []
    for length in range(0, len(segment.payload), 3):
        decoder = PlanesDecoder(12, (12, 12, 12), RULES, profile)
        with pytest.raises(BitstreamError):
            decoder.read(dataclasses.replace(segment, payload=segment.payload[:length]), PlaneSpan(BOUNDS))
        found = decoder.values()
        count = next((i for i, (a, b) in enumerate(pairwise(BOUNDS)) if not np.array_equal(found[a:b], values[a:b])), 3)
        assert not found[BOUNDS[count] :].any()
        intact.append(count)
    assert intact == sorted(intact)
    assert set(intact) == {0, 1, 2}


def test_wrong_mark_names_its_channels(profile: Profile) -> None:
    values = values_of((8, 8))
    right, wrong = joined(values, profile), values.copy()
    wrong[4, 3, 3] += 1
    # The payload of other values with the same length cannot be had, so the checksum itself is checked.
    assert symbol_checksum(values[3:7]) != symbol_checksum(wrong[3:7])
    payload = bytearray(right.payload)
    raised = set()
    for position in range(len(payload)):
        payload[position] ^= 1
        try:
            decode([dataclasses.replace(right, payload=bytes(payload))], [PlaneSpan(BOUNDS)], (8, 8), profile)
        except ChecksumError as err:
            raised.add(str(err).split(" of a tile")[0])
        except BitstreamError:
            pass
        payload[position] ^= 1
    assert raised >= {"channels 0 to 2", "channels 3 to 6"}


def test_more_channels_than_the_group_has_are_refused(profile: Profile) -> None:
    segment = PlanesEncoder(values_of((4, 4)), RULES, profile).segment(SPANS[0])
    decoder = PlanesDecoder(3, (3, 4, 4), RULES, profile)
    with pytest.raises(CorruptStreamError, match="4 channels; at most 3"):
        decoder.read(dataclasses.replace(segment, num_channels=4), SPANS[0])


def test_encoding_leaves_its_input_alone(profile: Profile) -> None:
    values = values_of((6, 6))
    before = values.copy()
    joined(values, profile)
    assert np.array_equal(values, before)


def as_tile_of_more(values: np.ndarray) -> np.ndarray:
    """The same values with others around them."""
    d, h, w = values.shape
    more = np.full((d, h + 3, w + 5), 7, values.dtype)
    more[:, 2:-1, 4:-1] = values
    return more[:, 2:-1, 4:-1]


@pytest.mark.parametrize("shape", [(1, 1), (6, 7), (33, 64), (70, 31)])
def test_int16_and_tiles_of_larger_planes_are_coded_as_int32_is(
    level: str, shape: tuple[int, int], profile: Profile
) -> None:
    values = values_of(shape, scale=10)
    values[[3, 9, 10, 11]] = 0
    simd.use("portable")
    segments = separate(values, profile)
    small = values.astype(np.int16)
    simd.use(level)
    for same in (small, as_tile_of_more(small), as_tile_of_more(values), values.astype(np.int64)):
        assert separate(same, profile) == segments
    encoders = PlanesEncoder.of_tiles(
        [TileValues(tile) for tile in (small, as_tile_of_more(values), small[:, :1])], RULES, profile
    )
    for encoder, tile in zip(encoders, (small, values, values[:, :1]), strict=True):
        assert [encoder.segment(span) for span in SPANS] == separate(tile, profile)
        assert encoder.ideal_bits(0, 12) == PlanesEncoder(tile, RULES, profile).ideal_bits(0, 12)


def test_joined_int16_is_coded_as_int32_is(level: str, profile: Profile) -> None:
    simd.use(level)
    values = values_of((7, 9))
    assert not joined(values, profile).has_crc
    assert joined(values.astype(np.int16), profile) == joined(values, profile)


def test_length_of_static_channels_is_that_of_their_symbols(level: str) -> None:
    simd.use(level)
    values = values_of((9, 31), scale=30)
    values[5] = 0
    values[7, 0, :3] = [-32768, 32767, 20000]
    static = MODEL.static_tables
    for array in (values, values.astype(np.int16)):
        encoder = PlanesEncoder(array, RULES, Profile.FAST)
        for c in range(2, 12):
            assert encoder.ideal_bits(c, c + 1) == rans.ideal_bits(values[c], static, int(RULES.static_index[c]))


def tables_from(first: int) -> ContextModel:
    """A model whose static tables do not hold 0, or reach beyond int16."""
    table = table_of_counts(range(first, first + 9), [1] * 9)
    return dataclasses.replace(MODEL, static_tables=TableSet((table,)), static_index=np.zeros((32, 12), np.uint8))


@pytest.mark.parametrize("first", [3, -32768, 32763, 32764, -40000, 100000])
def test_any_table_codes_int16(level: str, first: int) -> None:
    simd.use(level)
    rules = tables_from(first).at_step(STEP)
    rng = np.random.default_rng(3)
    values = rng.integers(-32768, 32768, (12, 5, 7))
    values[:, 1:] = np.clip(first + rng.integers(-2, 12, (12, 4, 7)), -32768, 32767)
    values[4] = 0
    segment = PlanesEncoder(values.astype(np.int16), rules, Profile.FAST).segment(PlaneSpan(BOUNDS))
    assert segment == PlanesEncoder(values, rules, Profile.FAST).segment(PlaneSpan(BOUNDS))
    decoder = PlanesDecoder(12, values.shape, rules, Profile.FAST, dtype=np.int16)
    decoder.read(segment, PlaneSpan(BOUNDS))
    found = decoder.values()
    assert found.dtype == np.int16
    assert np.array_equal(found, values)


def decoder_of(shape: tuple[int, int], profile: Profile, out: np.ndarray | None = None) -> PlanesDecoder:
    return PlanesDecoder(12, (12, *shape), RULES, profile, dtype=np.int16, out=out)


@pytest.mark.parametrize("shape", [(1, 1), (6, 7), (33, 64)])
def test_tiles_decode_to_int16(level: str, shape: tuple[int, int], profile: Profile) -> None:
    simd.use(level)
    values = values_of(shape, scale=10)
    for segments, spans in (([joined(values, profile)], [PlaneSpan(BOUNDS)]), (separate(values, profile), SPANS)):
        for out in (None, as_tile_of_more(np.zeros(values.shape, np.int16))):
            decoder = decoder_of(shape, profile, out)
            for segment, span in zip(segments, spans, strict=True):
                decoder.read(segment, span)
            found = decoder.values()
            assert found.dtype == np.int16
            assert np.array_equal(found, values)
            assert out is None or np.shares_memory(found, out)


@pytest.mark.parametrize("channel", [0, 1, 2, 11])
@pytest.mark.parametrize("value", [-32769, 32768, 2**31 - 1])
def test_values_beyond_int16_decode_to_int32(level: str, channel: int, value: int, profile: Profile) -> None:
    simd.use(level)
    values = values_of((6, 7))
    values[channel, 3, 4] = value
    for segments, spans in (([joined(values, profile)], [PlaneSpan(BOUNDS)]), (separate(values, profile), SPANS)):
        out = np.zeros(values.shape, np.int16)
        decoder = decoder_of((6, 7), profile, out)
        for segment, span in zip(segments, spans, strict=True):
            decoder.read(segment, span)
        found = decoder.values()
        assert found.dtype == np.int32
        assert np.array_equal(found, values)


def test_residuals_beyond_int16_of_values_within_decode_to_int16(profile: Profile) -> None:
    values = values_of((6, 7))
    values[0] = np.where(np.arange(42).reshape(6, 7) % 2, 32767, -32768)
    decoder = decoder_of((6, 7), profile)
    decoder.read(PlanesEncoder(values.astype(np.int16), RULES, profile).segment(PlaneSpan(BOUNDS)), PlaneSpan(BOUNDS))
    found = decoder.values()
    assert found.dtype == np.int16
    assert np.array_equal(found, values)


@pytest.mark.parametrize(("used", "wanted", "reported"), [(0, 12, 0), (1, 12, 1), (5, 12, 5), (9, 8, 8), (12, 12, 12)])
def test_used_channels_are_reported(used: int, wanted: int, reported: int, profile: Profile) -> None:
    values = values_of((6, 7))
    values[used:] = 0
    for segments, spans in (([joined(values, profile)], [PlaneSpan(BOUNDS)]), (separate(values, profile), SPANS)):
        decoder = PlanesDecoder(wanted, (12, 6, 7), RULES, profile)
        for segment, span in zip(segments, spans, strict=True):
            decoder.read(segment, span)
        assert decoder.num_used == reported
        assert np.array_equal(decoder.values(), values[:wanted])


def test_damaged_groups_are_not_reported_as_used(profile: Profile) -> None:
    segments = separate(values_of((6, 7)), profile)
    decoder = decoder_of((6, 7), profile)
    decoder.read(segments[0], SPANS[0])
    with pytest.raises(BitstreamError):
        decoder.read(dataclasses.replace(segments[1], payload=segments[1].payload[:-2]), SPANS[1])
    assert decoder.num_used == 3
    assert not decoder.values()[3:].any()


TILE_SHAPES = [(16, 16)] * 23 + [(16, 5), (1, 16), (40, 41), (16, 15)]


@pytest.mark.parametrize("lanes", [None, *rans.LANES])
def test_tiles_read_together_are_those_read_alone(level: str, lanes: int | None, profile: Profile) -> None:
    simd.use(level)
    tiles = [values_of(shape, scale=1 + seed % 9, seed=seed) for seed, shape in enumerate(TILE_SHAPES)]
    for i, tile in enumerate(tiles):
        tile[12 - i % 7 :] = 0
    tiles[4][:] = 0
    tiles[6][8, 2, 2] = 70000  # beyond int16
    encoders = [PlanesEncoder(tile, RULES, profile, lanes) for tile in tiles]
    decoders = [decoder_of(shape, profile) for shape in TILE_SHAPES]
    for bounds in pairwise(BOUNDS):
        read_planes_together(decoders, [encoder.segment(PlaneSpan(bounds)) for encoder in encoders], bounds)
    for decoder, tile in zip(decoders, tiles, strict=True):
        assert decoder.num_used == max((c + 1 for c in range(12) if tile[c].any()), default=0)
        found = decoder.values()
        assert found.dtype == (np.int32 if tile is tiles[6] else np.int16)
        assert np.array_equal(found, tile)


def test_tiles_of_zeros_are_read_together(profile: Profile) -> None:
    segment = PlanesEncoder(values_of((4, 4)) * 0, RULES, profile).segment(SPANS[0])
    decoders = [decoder_of((4, 4), profile) for _ in range(3)]
    read_planes_together(decoders, [segment] * 3, (0, 3))
    read_planes_together([], [], (0, 3))
    assert [decoder.num_used for decoder in decoders] == [0, 0, 0]
    assert not any(decoder.values().any() for decoder in decoders)


def test_damage_of_one_of_some_tiles_is_found_and_the_others_can_be_read_alone(level: str, profile: Profile) -> None:
    simd.use(level)
    tiles = [values_of((9, 9), seed=seed) for seed in range(6)]
    right = [PlanesEncoder(tile, RULES, profile).segment(SPANS[0]) for tile in tiles]
    for wrong in (
        dataclasses.replace(right[2], payload=right[2].payload[:-2]),
        dataclasses.replace(right[2], payload=b"\xff" * len(right[2].payload)),
        dataclasses.replace(right[2], payload=b""),
        dataclasses.replace(right[2], num_channels=4),
    ):
        segments = [*right[:2], wrong, *right[3:]]
        decoders = [PlanesDecoder(3, (3, 9, 9), RULES, profile, dtype=np.int16) for _ in tiles]
        with pytest.raises(BitstreamError):
            read_planes_together(decoders, segments, (0, 3))
        for i, (decoder, segment) in enumerate(zip(decoders, segments, strict=True)):
            if i == 2:
                with pytest.raises(BitstreamError):
                    decoder.read(segment, SPANS[0])
            else:
                decoder.read(segment, SPANS[0])
                assert np.array_equal(decoder.values(), tiles[i][:3])


def test_random_payloads_decode_to_the_same_int16_or_error_at_all_levels(level: str, profile: Profile) -> None:
    rng = np.random.default_rng(9)
    for _ in range(100):
        shape = (int(rng.integers(1, 12)), int(rng.integers(1, 12)))
        segments = [
            ContainerSegment(
                rng.bytes(int(rng.integers(40, 2000))), 8, has_crc=True, num_channels=int(rng.integers(1, 4))
            )
            for _ in range(20)
        ]
        found = []
        for name, dtype in (("portable", np.int32), (level, np.int16), (level, np.int32)):
            simd.use(name)
            outcomes = []
            for segment in segments:
                decoder = PlanesDecoder(3, (3, *shape), RULES, profile, dtype=dtype)
                try:
                    decoder.read(segment, PlaneSpan((0, 3, 12)))
                    outcomes.append(decoder.values().tolist())
                except BitstreamError as err:
                    outcomes.append(str(err))
            found.append(outcomes)
        assert found[0] == found[1] == found[2]


def test_checksum_of_int16_is_that_of_int32(level: str) -> None:
    simd.use(level)
    values = values_of((70, 67))
    for same in (values.astype(np.int16), as_tile_of_more(values), as_tile_of_more(values.astype(np.int16))):
        assert symbol_checksum(same) == symbol_checksum(values)
        assert symbol_checksum(same[:2], same[2:]) == symbol_checksum(values)
    assert symbol_checksum(values) == _native.crc32c(values.astype("<i4").tobytes()) & 0xFFFF
