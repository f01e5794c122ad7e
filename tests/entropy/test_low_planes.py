"""Low planes in profiles fast and small: how channels are put apart, tiles as segments, what is refused."""

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from low_scene import random_contexts, reference_model
from module_files import load_module

from laconic.entropy import simd
from laconic.entropy.container import ContainerSegment, Profile
from laconic.entropy.contexts import ContextModel, residuals_of_context_prediction
from laconic.entropy.errors import BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.low_planes import join_low_planes, low_classes, low_grid, low_places, split_low_planes
from laconic.entropy.planes import PlanesDecoder, PlanesEncoder, PlaneSpan, read_planes_together
from laconic.entropy.static_symbols import in_place_symbols, leading_symbols
from laconic.entropy.tables import TableSet
from laconic.entropy.tile_symbols import TileValues

STEP = 150
NUM_PLANES, NUM_CHANNELS = 3, 12
BOUNDS = (0, 3, 7, 12)  # other bounds than those of the passes, which end at 3, 8 and 12
SPANS = [PlaneSpan(pair) for pair in pairwise(BOUNDS)]
WHOLE = PlaneSpan(BOUNDS)
SHAPES = [(1, 1), (1, 5), (5, 1), (3, 5), (8, 8), (33, 47)]
MODELS = {levels: random_contexts(NUM_CHANNELS, low_levels=levels, seed=levels) for levels in (1, 2)}


REFERENCE = load_module("entropy/reference_decoder.py")

OFFSETS = np.array([0] * NUM_PLANES + [5, -16, 64, -64, 0, 1, -3, 30, 7] * 9, np.int16)[:NUM_CHANNELS]
LOW_OFFSETS = np.array([-64, 3, 0, 64, -7, 12, -30], np.int16)  # of the classes

each_profile = pytest.mark.parametrize(
    "profile", [Profile.FAST, Profile.SMALL], ids=lambda profile: profile.name.lower()
)
each_depth = pytest.mark.parametrize("levels", [1, 2])


def values_of(shape: tuple[int, int], seed: int = 0, *, is_extreme: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.round(rng.laplace(0, 3, (NUM_CHANNELS, *shape))).astype(np.int32)
    values[:NUM_PLANES, ::4, ::4] += rng.integers(-90, 90, values[:NUM_PLANES, ::4, ::4].shape).astype(np.int32)
    values.reshape(-1)[:: max(values.size // 7, 1)] = 5000  # escapes
    if is_extreme:
        places = rng.random(values.shape) < 0.4
        values[places] = rng.choice([-(2**31), 2**31 - 1, 1 - 2**31, 0, -1], int(places.sum()))
    return values


def segments_of(values: np.ndarray, levels: int, profile: Profile) -> tuple[ContainerSegment, list[ContainerSegment]]:
    """A segment of all groups, and one for each."""
    encoder = PlanesEncoder(values, MODELS[levels].at_step(STEP), profile)
    return encoder.segment(WHOLE), [encoder.segment(span) for span in SPANS]


def decode(
    segments: list[ContainerSegment],
    levels: int,
    profile: Profile,
    shape: tuple[int, int],
    *,
    wanted: int = NUM_CHANNELS,
    **options: Any,
) -> np.ndarray:
    """Of segments of all groups, or of one each."""
    capacity = next(bound for bound in BOUNDS[1:] if bound >= wanted)
    decoder = PlanesDecoder(wanted, (capacity, *shape), MODELS[levels].at_step(STEP), profile, **options)
    for segment, span in zip(segments, [WHOLE] if len(segments) == 1 else SPANS, strict=True):
        if span.bounds[0] < wanted:
            decoder.read(segment, span)
    return decoder.values()


def reference_values(
    segments: list[ContainerSegment], levels: int, profile: Profile, shape: tuple[int, int], tuning: int = 0
) -> np.ndarray:
    """Of a file with a tuning byte, whose offsets are `OFFSETS` and those of `LOW_OFFSETS`."""
    model = reference_model(REFERENCE, MODELS[levels], num_planes=NUM_PLANES, depth=1)
    own = REFERENCE.Tuning(0, OFFSETS.tolist(), LOW_OFFSETS[: 1 + 3 * levels].tolist())
    model = dataclasses.replace(model, tunings=[own]).tuned(tuning)
    rules = REFERENCE.Rules(model, STEP, int(profile))
    tile = REFERENCE.Tile(0, 0, *shape, symbols=[[0] * (shape[0] * shape[1])] * NUM_CHANNELS)
    found = [REFERENCE.Segment(s.lanes, s.num_channels, s.has_crc, s.payload) for s in segments]
    groups = [range(*pair) for pair in pairwise(BOUNDS)]
    if len(segments) == 1:
        REFERENCE.decode_joined(rules, found[0], tile, groups)
    else:
        for segment, group in zip(found, groups, strict=True):
            REFERENCE.decode_segment(rules, segment, tile, group)
    return np.array(rules.values(tile), np.int32).reshape(NUM_CHANNELS, *shape)


# Putting apart


def test_order_of_one_and_two_levels_is_that_of_the_specification() -> None:
    assert low_places(1) == ((0, 0), (1, 0), (0, 1), (1, 1))
    coarse = ((0, 0), (2, 0), (0, 2), (2, 2))
    rows, columns = ((1, 0), (1, 2), (3, 0), (3, 2)), ((0, 1), (0, 3), (2, 1), (2, 3))
    assert low_places(2) == (*coarse, *rows, *columns, (1, 1), (1, 3), (3, 1), (3, 3))
    assert low_classes(1) == (0, 1, 2, 3)
    assert low_classes(2) == (0, 1, 2, 3, *(4,) * 4, *(5,) * 4, *(6,) * 4)


@each_depth
@pytest.mark.parametrize("num_planes", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_planes_put_apart_are_those_of_a_loop(shape: tuple[int, int], num_planes: int, levels: int) -> None:
    planes = np.arange(1, 1 + num_planes * shape[0] * shape[1], dtype=np.int32).reshape(num_planes, *shape)
    g, rows, columns = 1 << levels, *low_grid(*shape, levels)
    expected = np.zeros((num_planes * g * g, rows, columns), np.int32)
    for k, (i, j) in enumerate(low_places(levels)):
        for p in range(num_planes):
            for y in range(i, shape[0], g):
                for x in range(j, shape[1], g):
                    expected[num_planes * k + p, y // g, x // g] = planes[p, y, x]
    apart = split_low_planes(planes, levels)
    assert np.array_equal(apart, expected)
    assert np.array_equal(join_low_planes(apart, levels, *shape), planes)


@each_depth
def test_low_band_is_coded_as_residuals_and_the_rest_as_it_is(levels: int) -> None:
    values, rules = values_of((9, 7)), MODELS[levels].at_step(STEP)
    apart, leading = split_low_planes(values[:NUM_PLANES], levels), leading_symbols(values, rules)
    assert np.array_equal(leading[NUM_PLANES:], apart[NUM_PLANES:])
    assert np.array_equal(
        leading[:NUM_PLANES], residuals_of_context_prediction(np.ascontiguousarray(apart[:NUM_PLANES]))
    )
    in_place = in_place_symbols(values, rules)
    is_low = np.zeros((9, 7), bool)
    is_low[:: 1 << levels, :: 1 << levels] = True
    assert np.array_equal(in_place[:, ~is_low], values[:NUM_PLANES, ~is_low])
    assert np.array_equal(in_place[:, is_low].reshape(NUM_PLANES, -1), leading[:NUM_PLANES].reshape(NUM_PLANES, -1))


# Segments


@each_depth
@each_profile
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("is_extreme", [False, True])
def test_segments_round_trip(shape: tuple[int, int], is_extreme: bool, profile: Profile, levels: int) -> None:
    values = values_of(shape, is_extreme=is_extreme)
    joined, separate = segments_of(values, levels, profile)
    assert np.array_equal(decode([joined], levels, profile, shape), values)
    assert np.array_equal(decode(separate, levels, profile, shape), values)


@each_depth
@each_profile
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 5), (8, 8), (9, 6)])
def test_segments_are_those_of_the_reference_decoder(shape: tuple[int, int], profile: Profile, levels: int) -> None:
    values = values_of(shape, is_extreme=shape == (3, 5))
    joined, separate = segments_of(values, levels, profile)
    for segments in ([joined], separate):
        assert np.array_equal(reference_values(segments, levels, profile, shape), values)


@each_depth
@each_profile
@pytest.mark.parametrize("shape", [(1, 5), (8, 8), (9, 6)])
def test_tuned_segments_are_those_of_the_reference_decoder(
    shape: tuple[int, int], profile: Profile, levels: int
) -> None:
    values, plain = values_of(shape), MODELS[levels]
    of_places = LOW_OFFSETS[list(low_classes(levels))].repeat(NUM_PLANES)
    tuned = plain.with_offsets(OFFSETS, of_places)
    segments = [PlanesEncoder(values, model.at_step(STEP), profile).segment(WHOLE) for model in (tuned, plain)]
    assert segments[0].payload != segments[1].payload
    assert np.array_equal(reference_values(segments[:1], levels, profile, shape, tuning=1), values)


@each_profile
def test_all_levels_write_and_read_the_same_segments(level: str, profile: Profile) -> None:
    values = values_of((33, 47), is_extreme=True)
    simd.use("portable")
    expected = segments_of(values, 2, profile)
    simd.use(level)
    joined, separate = segments_of(values, 2, profile)
    assert (joined, separate) == expected
    assert np.array_equal(decode(separate, 2, profile, (33, 47)), values)


@each_depth
@each_profile
@pytest.mark.parametrize("wanted", range(1, NUM_CHANNELS + 1))
def test_prefix_is_that_of_all(wanted: int, profile: Profile, levels: int) -> None:
    """Also inside the channels that are coded together."""
    values = values_of((5, 9))
    joined, separate = segments_of(values, levels, profile)
    for segments in ([joined], separate):
        assert np.array_equal(decode(segments, levels, profile, (5, 9), wanted=wanted), values[:wanted])


@each_depth
@each_profile
@pytest.mark.parametrize(("used", "coded"), [(0, 0), (1, 3), (3, 3), (4, 4), (9, 9), (12, 12)])
def test_segments_end_with_the_last_channel_that_is_not_zero(
    used: int, coded: int, profile: Profile, levels: int
) -> None:
    values = values_of((6, 6))
    values[used:] = 0
    joined, separate = segments_of(values, levels, profile)
    assert joined.num_channels == coded
    assert [s.num_channels for s in separate] == [min(max(coded - a, 0), b - a) for a, b in pairwise(BOUNDS)]
    for segments in ([joined], separate):
        assert np.array_equal(decode(segments, levels, profile, (6, 6)), values)
        assert np.array_equal(reference_values(segments, levels, profile, (6, 6)), values)


@each_depth
@each_profile
def test_tiles_are_coded_together_as_alone(profile: Profile, levels: int) -> None:
    rules = MODELS[levels].at_step(STEP)
    shapes = [(8, 8), (8, 3), (1, 8), (5, 5), (8, 8)]
    tiles = [values_of(shape, seed) for seed, shape in enumerate(shapes)]
    tiles[4][:] = 0
    tiles[3][1, 2, 2] = 70_000  # beyond int16
    encoders = PlanesEncoder.of_tiles([TileValues(tile) for tile in tiles], rules, profile)
    decoders = [PlanesDecoder(NUM_CHANNELS, (NUM_CHANNELS, *shape), rules, profile, dtype=np.int16) for shape in shapes]
    for span in SPANS:
        segments = [encoder.segment(span) for encoder in encoders]
        assert segments == [PlanesEncoder(tile, rules, profile).segment(span) for tile in tiles]
        read_planes_together(decoders, segments, span.bounds)
    for decoder, tile in zip(decoders, tiles, strict=True):
        found = decoder.values()
        assert found.dtype == (np.int32 if tile is tiles[3] else np.int16)
        assert np.array_equal(found, tile)


@each_depth
@each_profile
def test_int16_is_coded_and_decoded_as_int32_is(profile: Profile, levels: int) -> None:
    values = values_of((9, 7))
    joined, separate = segments_of(values, levels, profile)
    assert (joined, separate) == segments_of(values.astype(np.int16), levels, profile)
    for out in (None, np.zeros((NUM_CHANNELS, 12, 20), np.int16)[:, 3:, 6:13]):
        found = decode(separate, levels, profile, (9, 7), dtype=np.int16, out=out)
        assert found.dtype == np.int16
        assert np.array_equal(found, values)
        assert out is None or np.shares_memory(found, out)


@each_profile
@pytest.mark.parametrize("channel", [0, 2, 3, 11])
@pytest.mark.parametrize("place", [(0, 0), (3, 4)])
def test_values_beyond_int16_decode_to_int32(channel: int, place: tuple[int, int], profile: Profile) -> None:
    values = values_of((6, 7))
    values[(channel, *place)] = -32769
    joined, _ = segments_of(values, 2, profile)
    out = np.zeros(values.shape, np.int16)
    found = decode([joined], 2, profile, (6, 7), dtype=np.int16, out=out)
    assert found.dtype == np.int32
    assert np.array_equal(found, values)


@each_depth
@each_profile
def test_ideal_bits_of_groups_sum_to_the_whole_and_are_the_size(profile: Profile, levels: int) -> None:
    encoder = PlanesEncoder(values_of((64, 64)), MODELS[levels].at_step(STEP), profile)
    ideal_bits = encoder.ideal_bits(0, NUM_CHANNELS)
    assert sum(encoder.ideal_bits(a, b) for a, b in pairwise(BOUNDS)) == pytest.approx(ideal_bits)
    assert len(encoder.segment(PlaneSpan((0, NUM_CHANNELS))).payload) <= 1.01 * ideal_bits / 8 + 64


# Damage


@each_depth
@each_profile
def test_every_changed_byte_and_cut_is_refused(profile: Profile, levels: int) -> None:
    joined, _ = segments_of(values_of((3, 5)), levels, profile)
    assert not joined.has_crc
    errors = set()
    for position in range(len(joined.payload)):
        flipped = bytearray(joined.payload)
        flipped[position] ^= 1 << position % 8
        for payload in (bytes(flipped), joined.payload[:position]):
            with pytest.raises(BitstreamError) as caught:
                decode([dataclasses.replace(joined, payload=payload)], levels, profile, (3, 5))
            errors.add(caught.type)
    assert ChecksumError in errors


@each_profile
def test_a_damaged_group_is_zero_and_can_be_read_again(profile: Profile) -> None:
    values, rules = values_of((9, 9)), MODELS[2].at_step(STEP)
    _, separate = segments_of(values, 2, profile)
    decoder = PlanesDecoder(NUM_CHANNELS, values.shape, rules, profile)
    with pytest.raises(BitstreamError):
        decoder.read(dataclasses.replace(separate[0], payload=separate[0].payload[:-2]), SPANS[0])
    assert not decoder.values().any()
    decoder = PlanesDecoder(NUM_CHANNELS, values.shape, rules, profile)
    with pytest.raises(BitstreamError):
        decoder.read(dataclasses.replace(separate[0], payload=separate[0].payload[:-2]), SPANS[0])
    for segment, span in zip(separate, SPANS, strict=True):
        decoder.read(segment, span)
    assert np.array_equal(decoder.values(), values)


@each_depth
@each_profile
@pytest.mark.parametrize("num_channels", [1, 2])
def test_segments_that_end_inside_the_low_channels_are_corrupt(
    num_channels: int, profile: Profile, levels: int
) -> None:
    joined, separate = segments_of(values_of((4, 5)), levels, profile)
    for segments in ([joined], separate):
        wrong = [dataclasses.replace(segments[0], num_channels=num_channels), *segments[1:]]
        with pytest.raises(
            CorruptStreamError, match=f"coded channels end at {num_channels}; the first 3 are coded together"
        ):
            decode(wrong, levels, profile, (4, 5))
        with pytest.raises(REFERENCE.CorruptError, match="end inside those with low levels"):
            reference_values(wrong, levels, profile, (4, 5))


@each_profile
def test_random_payloads_end_in_the_same_values_or_error_at_all_levels(level: str, profile: Profile) -> None:
    rng = np.random.default_rng(4)
    outcomes = set()
    for _ in range(120):
        shape = (int(rng.integers(1, 12)), int(rng.integers(1, 12)))
        segment = ContainerSegment(rng.bytes(int(rng.integers(16, 2500))), 4, has_crc=True, num_channels=NUM_CHANNELS)
        found = []
        for name in ("portable", level):
            simd.use(name)
            try:
                found.append(decode([segment], 2, profile, shape, wanted=3).tolist())
            except BitstreamError as err:
                found.append(str(err))
        assert found[0] == found[1]
        outcomes.add(type(found[0]))
    assert outcomes == {list, str}


# Models


def test_low_levels_of_a_model_are_told() -> None:
    assert [random_contexts(NUM_CHANNELS, low_levels=levels).low_levels for levels in (0, 1, 2)] == [0, 1, 2]


def low_with(**changes: Any) -> ContextModel:
    low = MODELS[2].low
    assert low is not None
    return dataclasses.replace(low, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_predicted": 1}, "the first pass 3 channels and 1 predicted"),
        ({"low": low_with(num_predicted=2)}, "low contexts have 48 channels of 2 planes"),
        ({"low": low_with(num_predicted=0)}, "low contexts have 48 channels of 0 planes"),
        ({"low": MODELS[2]}, "low contexts have 12 channels of 0 planes"),
        ({"low": low_with(tables=TableSet(MODELS[2].tables.tables))}, "low contexts have tables of their own"),
        ({"pass_ends": (2, 8, 12)}, "the first pass 2 channels"),
    ],
)
def test_low_contexts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MODELS[2], **changes)


def test_arrays_of_a_model_make_it_again() -> None:
    for contexts in MODELS.values():
        arrays = contexts.to_arrays()
        assert contexts.low is not None
        numbers = {"pass_ends": contexts.pass_ends, "num_predicted": 0, "low_pass_ends": contexts.low.pass_ends}
        again = ContextModel.from_arrays(arrays, **numbers)
        assert again.digest == contexts.digest
        for name, array in arrays.items():
            if name in ("tables", "static_tables"):
                continue
            changed = array.copy()
            flat = changed.reshape(-1)
            flat[-1] = flat[-1] - 1 if flat[-1] > 0 else flat[-1] + 1
            assert ContextModel.from_arrays({**arrays, name: changed}, **numbers).digest != contexts.digest, name
            with pytest.raises(KeyError):
                ContextModel.from_arrays({n: a for n, a in arrays.items() if n != name}, **numbers)
