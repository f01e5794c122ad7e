"""Profile best: subbands, their contexts and networks, tiles as segments, wrong models, choice of integers."""

import dataclasses
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from low_scene import low_pass_ends_of, random_contexts, raw_of, reference_model
from module_files import load_module
from safetensors.numpy import save_file
from subband_scene import (
    NUM_TABLES,
    Layout,
    coding_order,
    model_of,
    pyramid_of,
    random_model,
    random_network,
    random_planes,
)

from laconic.entropy import _native, rans, simd
from laconic.entropy.container import (
    CodecNumber,
    ContainerSegment,
    Flag,
    Header,
    Profile,
    write_container_segment,
    write_header,
)
from laconic.entropy.contexts import ContextModel
from laconic.entropy.errors import ArgumentError, BitstreamError, ChecksumError, CorruptStreamError
from laconic.entropy.fitting.subband_inputs import NUM_QUIET_INPUTS, is_quiet
from laconic.entropy.planes import PlanesDecoder, PlanesEncoder, PlaneSpan, read_planes_together
from laconic.entropy.subbands import ContextNetwork, SubbandModel
from laconic.entropy.tile_symbols import TileValues

BEST = Profile.BEST
STEP = 150
LAYOUT = Layout(3, 2, 2)
MODEL = random_model(LAYOUT, seed=1)
RULES = MODEL.at_step(STEP)
BOUNDS = (0, 3, 6, 12, 28, 48)  # a cut within each level
LAYOUTS = [Layout(p, d, k) for p in (1, 2, 3) for d in (1, 2, 3, 4) for k in (0, 1, 2, 3)]
SHAPES = [(1, 1), (1, 2), (2, 1), (3, 2), (5, 7), (8, 8), (4, 13)]


REFERENCE = load_module("entropy/reference_decoder.py")


# Inputs and symbols


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda o: f"{o.colors}-{o.depth}-{o.low_levels}")
@pytest.mark.parametrize("is_extreme", [False, True])
def test_inputs_and_symbols_are_those_of_numpy(layout: Layout, is_extreme: bool) -> None:
    rules = random_model(layout, widths=(16,)).native
    for shape in SHAPES if layout.depth < 4 else SHAPES[:5]:
        planes = random_planes(layout, shape, seed=sum(shape), is_extreme=is_extreme)
        tile, pyramid = _native.SubbandTile(rules, *shape), pyramid_of(planes, layout)
        tile.load(planes, 0, len(planes))
        for level in range(layout.num_levels + 1):
            for kind in range(layout.kinds(level)):
                assert np.array_equal(tile.symbols(level, kind), pyramid.symbols(level, kind))
                expected = pyramid.inputs(level, kind)
                expected[is_quiet(expected), NUM_QUIET_INPUTS:] = 0  # which nothing looks at
                assert np.array_equal(tile.inputs(level, kind), expected), (shape, level, kind)


# Networks


def exact_outputs(network: ContextNetwork, kind: int, step_code: int, inputs: np.ndarray) -> np.ndarray:
    """The outputs (n, 3) in 64 bits; no sum, in whatever order, leaves 32."""

    def layer(values: np.ndarray, weights: np.ndarray, bias: np.ndarray, shift: int) -> np.ndarray:
        wide = weights.astype(np.int64)
        assert (np.abs(bias) + values @ np.abs(wide).T).max(initial=0) < 2**31
        return (bias + values @ wide.T) >> shift

    above = step_code - 128
    shifts = network.shifts.tolist()
    first_bias = network.first_bias[kind].astype(np.int64) + above * network.first_step.astype(np.int64)
    third_bias = network.third_bias[kind].astype(np.int64) + above * network.third_step.astype(np.int64)
    hidden = np.clip(layer(inputs.astype(np.int64), network.first, first_bias, shifts[0]), 0, 255)
    hidden = np.clip(layer(hidden, network.second, network.second_bias.astype(np.int64), shifts[1]), 0, 255)
    return layer(hidden, network.third, third_bias + (1 << shifts[2] >> 1), shifts[2])


def expected_symbols(model: SubbandModel, layout: Layout, planes: np.ndarray, step_code: int) -> tuple[np.ndarray, ...]:
    """Symbols, tables and sizes of messages of all channels."""
    pyramid = pyramid_of(planes, layout)
    order = [0, *range(layout.num_levels, 0, -1)]
    values, tables, fronts = [], [], []
    for level in order:
        found = []
        for kind in range(layout.kinds(level)):
            symbols, inputs = pyramid.symbols(level, kind).astype(np.int64), pyramid.inputs(level, kind)
            outputs = exact_outputs(model.networks[level], kind, step_code, inputs)
            scale, lean, shape = (
                np.clip(outputs[:, i], *limits) for i, limits in enumerate(((0, 47), (-3, 3), (0, 2)))
            )
            table = model.table_map[level, scale, np.abs(lean), shape]
            quiet = is_quiet(inputs)
            table[quiet] = model.quiet_tables[level, kind, step_code // 8]
            is_negated = (lean < 0) & ~quiet
            coded = np.where(is_negated.reshape(symbols.shape), -symbols, symbols)
            found.append((coded, table.reshape(symbols.shape)))
        for message in coding_order([coded.shape for coded, _ in found]):
            values += [found[p][0][y, x] for p, y, x in message]
            tables += [found[p][1][y, x] for p, y, x in message]
            fronts.append(len(message))
    return np.array(values).astype(np.int32), np.array(tables, np.uint8), np.array(fronts, np.uint8)


def assert_symbols_are_exact(model: SubbandModel, layout: Layout, planes: np.ndarray, step_code: int) -> None:
    tile = _native.SubbandTile(model.native, *planes.shape[1:])
    tile.load(planes, 0, len(planes))
    found = model.at_step(step_code).code(tile, 0, len(planes))
    for one, other in zip(found, expected_symbols(model, layout, planes, step_code), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("layout", [Layout(3, 2, 2), Layout(1, 3, 1), Layout(2, 1, 3), Layout(3, 1, 0)])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (16, 13)])
def test_symbols_and_tables_are_those_of_numpy(level: str, layout: Layout, shape: tuple[int, int]) -> None:
    for seed, step_code in enumerate((0, 150, 255)):
        assert_symbols_are_exact(random_model(layout, seed), layout, random_planes(layout, shape, seed), step_code)


def extreme_network(width: int, kinds: int, weight: int, bias: int, shifts: tuple[int, int, int]) -> ContextNetwork:
    """All weights the same, or of changing signs where `weight` is 0."""
    rng = np.random.default_rng(width)

    def weights(*shape: int) -> np.ndarray:
        return (np.full(shape, weight) if weight else rng.choice([-128, 127], shape)).astype(np.int8)

    def numbers(most: int, *shape: int) -> np.ndarray:
        return (np.full(shape, most) if weight else rng.choice([-most, most], shape)).astype(np.int32)

    sides = {"first_bias": (kinds, width), "second_bias": (width,), "third_bias": (kinds, 3)}
    return ContextNetwork(
        first=weights(width, 40),
        second=weights(width, width),
        third=weights(3, width),
        **{name: numbers(bias, *shape) for name, shape in sides.items()},
        first_step=numbers(bias >> 8, width),
        third_step=numbers(bias >> 8, 3),
        shifts=np.array(shifts, np.uint8),
    )


@pytest.mark.parametrize("shifts", [(0, 0, 0), (24, 24, 24), (13, 15, 17), (21, 21, 23), (0, 15, 24)])
@pytest.mark.parametrize("weight", [127, -127, -128, 0])
@pytest.mark.parametrize("bias", [0, 1 << 28, -(1 << 28)])
def test_largest_weights_give_what_64_bits_give(
    level: str, weight: int, bias: int, shifts: tuple[int, int, int]
) -> None:
    layout = Layout(1, 1, 1)
    for width in (16, 48, 112, 128):
        networks = [extreme_network(width, layout.kinds(i), weight, bias, shifts) for i in range(3)]
        model = model_of(layout, networks)
        for step_code in (0, 255):
            planes = random_planes(layout, (6, 7), width, is_extreme=step_code == 0)
            assert_symbols_are_exact(model, layout, planes, step_code)


# Models


NETWORK = random_network(np.random.default_rng(0), 32, 9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first": np.zeros((32, 39), np.int8)}, r"first is int8 \(32, 39\); needed is int8 \(32, 40\)"),
        ({"first": np.zeros((32, 40), np.int16)}, "first is int16"),
        ({"second": np.zeros((32, 31), np.int8)}, "second is int8"),
        ({"second": np.zeros((48, 48), np.int8)}, "needed is"),
        ({"third": np.zeros((4, 32), np.int8)}, "third is int8"),
        ({"first_bias": np.zeros((8, 32), np.int32)}, "first_bias is int32"),
        ({"first_bias": np.zeros((9, 32), np.int64)}, "first_bias is int64"),
        ({"first_bias": np.full((9, 32), 1 << 28 | 1, np.int32)}, "biases are at most 2.28"),
        ({"second_bias": np.full(32, -(1 << 28) - 1, np.int32)}, "biases are at most 2.28"),
        ({"third_bias": np.full((9, 3), -(1 << 31), np.int32)}, "biases are at most 2.28"),
        ({"first_step": np.full(32, 1 << 20 | 1, np.int32)}, "weights of the step are at most 2.20"),
        ({"third_step": np.full(3, -(1 << 20) - 1, np.int32)}, "weights of the step are at most 2.20"),
        ({"shifts": np.array([0, 25, 0], np.uint8)}, "shifts are at most 24"),
        ({"shifts": np.array([0, 0], np.uint8)}, "shifts is uint8"),
        ({"first": [[0]]}, "allowed is an array"),
    ],
)
def test_wrong_networks_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(NETWORK, **changes)


@pytest.mark.parametrize("width", [0, 1, 8, 24, 144])
def test_networks_of_other_widths_are_refused(width: int) -> None:
    with pytest.raises(ValueError, match="a multiple of 16, up to 128"):
        random_network(np.random.default_rng(0), width, 9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_colors": 4}, "num_colors is 4; allowed is a whole number from 1 to 3"),
        ({"depth": 0}, "depth is 0"),
        ({"depth": 5}, "depth is 5"),
        ({"low_levels": 4}, "low_levels is 4"),
        ({"low_levels": 1}, "needed is"),
        ({"num_colors": 2}, "needed is"),
        ({"networks": MODEL.networks[1:]}, "a network for each level"),
        ({"networks": [*MODEL.networks[:-1], MODEL.networks[0]]}, "other kinds than its level"),
        ({"networks": None}, "allowed is a tuple of ContextNetwork"),
        ({"networks": [None]}, "allowed is a tuple of ContextNetwork"),
        ({"tables": None}, "tables"),
        ({"table_map": MODEL.table_map[:, :47].copy()}, "needed is uint8"),
        ({"table_map": MODEL.table_map.astype(np.int16)}, "needed is uint8"),
        ({"table_map": None}, "table_map is None"),
        ({"table_map": np.full_like(MODEL.table_map, NUM_TABLES)}, f"names table {NUM_TABLES}; there are {NUM_TABLES}"),
        ({"quiet_tables": MODEL.quiet_tables[..., :31].copy()}, "needed is uint8"),
        ({"quiet_tables": np.full_like(MODEL.quiet_tables, 255)}, "names table 255"),
        ({"later_costs": MODEL.later_costs[1:]}, "needed is int32"),
        ({"later_costs": np.full_like(MODEL.later_costs, (1 << 22) + 1)}, "later costs go beyond"),
        ({"later_costs": np.full_like(MODEL.later_costs, -(1 << 31))}, "later costs go beyond"),
    ],
)
def test_wrong_models_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MODEL, **changes)


def test_arrays_of_a_model_make_it_again() -> None:
    arrays = MODEL.to_arrays()
    again = SubbandModel.from_arrays(arrays, num_colors=3, depth=2, low_levels=2)
    assert again.digest == MODEL.digest
    for name, array in arrays.items():
        if name == "tables":
            continue
        changed = array.copy()
        changed.reshape(-1)[-1] ^= 1
        other = SubbandModel.from_arrays({**arrays, name: changed}, num_colors=3, depth=2, low_levels=2)
        assert other.digest != MODEL.digest, name
        with pytest.raises(KeyError):
            SubbandModel.from_arrays(
                {n: a for n, a in arrays.items() if n != name}, num_colors=3, depth=2, low_levels=2
            )


def test_channels_may_end_with_subbands_only() -> None:
    assert MODEL.channel_ends == (3, *range(4, 13), *range(16, 49, 4))
    assert [MODEL.rounded_up(n) for n in (1, 3, 4, 13, 48)] == [3, 3, 4, 16, 48]
    planes = random_planes(LAYOUT, (4, 5))
    for num_channels in (1, 2, 13, 47):
        with pytest.raises(ValueError, match="end inside a subband"):
            PlanesEncoder(planes[:num_channels], RULES, BEST)
    with pytest.raises(ArgumentError, match="the model codes in best"):
        PlanesEncoder(planes, RULES, Profile.SMALL)
    with pytest.raises(CorruptStreamError, match="which its model does not code in"):
        PlanesDecoder(48, (48, 4, 5), RULES, Profile.FAST)


# Segments


def segments_of(planes: np.ndarray, lanes: int | None = None) -> tuple[ContainerSegment, list[ContainerSegment]]:
    """A segment of all groups, and one for each."""
    encoder = PlanesEncoder(planes, RULES, BEST, lanes)
    return encoder.segment(PlaneSpan(BOUNDS)), [encoder.segment(PlaneSpan(pair)) for pair in pairwise(BOUNDS)]


def decode_separate(segments: list[ContainerSegment], shape: tuple[int, int], **options: Any) -> np.ndarray:
    decoder = PlanesDecoder(48, (48, *shape), RULES, BEST, **options)
    for segment, pair in zip(segments, pairwise(BOUNDS), strict=True):
        decoder.read(segment, PlaneSpan(pair))
    return decoder.values()


def decode_joined(segment: ContainerSegment, shape: tuple[int, int], *, wanted: int = 48, **options: Any) -> np.ndarray:
    capacity = next(bound for bound in BOUNDS if bound >= wanted)
    decoder = PlanesDecoder(wanted, (capacity, *shape), RULES, BEST, **options)
    decoder.read(segment, PlaneSpan(BOUNDS))
    return decoder.values()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 9), (16, 16), (33, 18)])
def test_groups_round_trip(level: str, shape: tuple[int, int]) -> None:
    planes = random_planes(LAYOUT, shape)
    joined, separate = segments_of(planes)
    assert np.array_equal(decode_joined(joined, shape), planes)
    assert np.array_equal(decode_separate(separate, shape), planes)
    simd.use("portable")
    assert (joined, separate) == segments_of(planes)


@pytest.mark.parametrize("lanes", rans.LANES)
@pytest.mark.parametrize("layout", [Layout(1, 1, 0), Layout(2, 3, 1), Layout(3, 4, 3), Layout(1, 2, 3)])
def test_whole_spans_round_trip(level: str, layout: Layout, lanes: int) -> None:
    rules = random_model(layout, lanes).at_step(4 * lanes - 1)
    planes = random_planes(layout, (5, 6), lanes, is_extreme=lanes == 8)
    span = PlaneSpan((0, layout.num_channels))
    segment = PlanesEncoder(planes, rules, BEST, lanes).segment(span)
    decoder = PlanesDecoder(layout.num_channels, planes.shape, rules, BEST)
    decoder.read(segment, span)
    assert np.array_equal(decoder.values(), planes)


@pytest.mark.parametrize("wanted", [1, 3, 4, 6, 7, 12, 13, 28, 48])
@pytest.mark.parametrize("shape", [(5, 9), (31, 33)])
def test_prefix_of_a_joined_segment_is_that_of_all(wanted: int, shape: tuple[int, int]) -> None:
    planes = random_planes(LAYOUT, shape)
    segment, _ = segments_of(planes)
    assert segment.has_crc == (shape == (31, 33))
    assert np.array_equal(decode_joined(segment, shape, wanted=wanted), planes[:wanted])


@pytest.mark.parametrize(("used", "coded"), [(0, 0), (1, 3), (3, 3), (4, 4), (11, 11), (13, 16), (28, 28), (30, 32)])
def test_segments_end_with_the_last_subband_that_is_not_zero(used: int, coded: int) -> None:
    planes = random_planes(LAYOUT, (6, 6))
    planes[used:] = 0
    planes[:used, 0, 0] = 1
    joined, separate = segments_of(planes)
    assert joined.num_channels == coded
    assert [s.num_channels for s in separate] == [min(max(coded - a, 0), b - a) for a, b in pairwise(BOUNDS)]
    assert np.array_equal(decode_joined(joined, (6, 6)), planes)
    assert np.array_equal(decode_separate(separate, (6, 6)), planes)


def test_tiles_of_fewer_channels_round_trip() -> None:
    planes = random_planes(LAYOUT, (6, 6))[:16]
    span = PlaneSpan((0, 16))
    segment = PlanesEncoder(planes, RULES, BEST).segment(span)
    decoder = PlanesDecoder(16, (16, 6, 6), RULES, BEST)
    decoder.read(segment, span)
    assert np.array_equal(decoder.values(), planes)


def test_int16_is_coded_and_decoded_as_int32_is() -> None:
    planes = random_planes(LAYOUT, (9, 7))
    joined, separate = segments_of(planes)
    assert (joined, separate) == segments_of(planes.astype(np.int16))
    assert (joined, separate) == segments_of(np.asfortranarray(planes))
    for out in (None, np.zeros((48, 9, 7), np.int16), np.zeros((48, 12, 20), np.int16)[:, 3:, 6:13]):
        found = decode_separate(separate, (9, 7), dtype=np.int16, out=out)
        assert found.dtype == np.int16
        assert np.array_equal(found, planes)
        assert out is None or np.shares_memory(found, out)


@pytest.mark.parametrize("channel", [0, 2, 11, 47])
def test_values_beyond_int16_decode_to_int32(channel: int) -> None:
    planes = random_planes(LAYOUT, (6, 7))
    planes[channel, 3, 4] = -32769
    joined, _ = segments_of(planes)
    found = decode_joined(joined, (6, 7), dtype=np.int16, out=np.zeros((48, 6, 7), np.int16))
    assert found.dtype == np.int32
    assert np.array_equal(found, planes)


def test_size_is_near_the_ideal() -> None:
    encoder = PlanesEncoder(random_planes(LAYOUT, (40, 40)), RULES, BEST)
    ideal_bits = encoder.ideal_bits(0, 48)
    assert ideal_bits == pytest.approx(sum(encoder.ideal_bits(a, b) for a, b in pairwise(BOUNDS)))
    assert len(encoder.segment(PlaneSpan((0, 48))).payload) <= 1.01 * ideal_bits / 8 + 64


def reference_values(
    segments: list[ContainerSegment],
    model: SubbandModel,
    bounds: tuple[int, ...],
    shape: tuple[int, int],
    tuning: object = None,
) -> np.ndarray:
    """What the reference decoder makes of segments, a joined one or one a group; of a file with this tuning."""
    layout = Layout(model.num_colors, model.depth, model.low_levels)
    structure = layout.colors, layout.depth, layout.low_levels
    subbands = REFERENCE.read_subband_rules(raw_of(model.to_arrays()), *structure)
    subbands = subbands if tuning is None else subbands.tuned(tuning)
    contexts = random_contexts(layout.num_channels, num_planes=layout.colors)
    whole = reference_model(REFERENCE, contexts, num_planes=layout.colors, depth=layout.depth, subbands=subbands)
    rules = REFERENCE.Rules(whole, STEP, int(BEST))
    tile = REFERENCE.Tile(0, 0, *shape, symbols=[[0] * (shape[0] * shape[1])] * layout.num_channels)
    found = [REFERENCE.Segment(s.lanes, s.num_channels, s.has_crc, s.payload) for s in segments]
    groups = [range(*pair) for pair in pairwise(bounds)]
    if len(segments) == 1:
        REFERENCE.decode_joined(rules, found[0], tile, groups)
    else:
        for segment, group in zip(found, groups, strict=True):
            REFERENCE.decode_segment(rules, segment, tile, group)
    return np.array(tile.symbols, np.int32).reshape(layout.num_channels, *shape)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (3, 4), (6, 6)])
def test_segments_are_those_of_the_reference_decoder(shape: tuple[int, int]) -> None:
    planes = random_planes(LAYOUT, shape, is_extreme=shape == (3, 4))
    joined, separate = segments_of(planes)
    for segments in ([joined], separate):
        assert np.array_equal(reference_values(segments, MODEL, BOUNDS, shape), planes)


@pytest.mark.parametrize("layout", [Layout(p, d, k) for p in (1, 3) for d in (1, 2, 3) for k in (0, 1, 3)])
def test_layouts_are_those_of_the_reference_decoder(layout: Layout) -> None:
    model = random_model(layout, seed=7, widths=(16, 32))
    side = 24 >> layout.depth
    planes = random_planes(layout, (side, side - 1))
    planes[layout.num_channels - 1] = 0
    bounds = (0, layout.num_channels)
    segment = PlanesEncoder(planes, model.at_step(STEP), BEST).segment(PlaneSpan(bounds))
    assert np.array_equal(reference_values([segment], model, bounds, (side, side - 1)), planes)


def random_offsets(layout: Layout, rng: np.random.Generator) -> tuple[np.ndarray, Any]:
    """By level and kind, and as the reference decoder has them."""
    offsets, classes = np.zeros((layout.num_levels + 1, 3 * layout.colors), np.int16), 1 + 3 * layout.low_levels
    low = rng.integers(-64, 65, classes if layout.low_levels else 0).tolist()
    of_channels = [0 if low else int(rng.integers(-64, 65)) for _ in range(layout.colors)]
    offsets[0, : layout.colors] = low[0] if low else of_channels
    for level in range(layout.depth, 0, -1):
        offsets[level] = rng.integers(-64, 65, 3 * layout.colors)
        of_channels += offsets[level].repeat(4 ** (layout.depth - level)).tolist()
    for level in range(layout.depth + 1, layout.num_levels + 1):
        at = 1 + 3 * (layout.num_levels - level)
        offsets[level] = low[at : at + 3] * layout.colors
    return offsets, (of_channels, low)


@pytest.mark.parametrize("seed", [0, 6, 15])
@pytest.mark.parametrize("layout", [Layout(1, 1, 0), Layout(3, 2, 0), Layout(3, 2, 2), Layout(2, 3, 1)])
def test_tuned_segments_are_those_of_the_reference_decoder(layout: Layout, seed: int) -> None:
    model = random_model(layout, seed=8, widths=(16, 32))
    offsets, (of_channels, low) = random_offsets(layout, np.random.default_rng(seed))
    shape = 24 >> layout.depth, 20 >> layout.depth
    planes, bounds = random_planes(layout, shape), (0, layout.num_channels)
    tuned = model.with_offsets(offsets)
    segment = PlanesEncoder(planes, tuned.at_step(STEP), BEST).segment(PlaneSpan(bounds))
    tuning = REFERENCE.Tuning(6, of_channels, low)
    assert np.array_equal(reference_values([segment], model, bounds, shape, tuning), planes)
    plain = PlanesEncoder(planes, model.at_step(STEP), BEST).segment(PlaneSpan(bounds))
    assert plain.payload != segment.payload


def test_nothing_is_tuned_without_offsets() -> None:
    assert MODEL.with_offsets(np.zeros((len(MODEL.networks), 9), np.int16)).digest == MODEL.digest


def test_digest_is_that_of_the_reference_decoder() -> None:
    assert REFERENCE.subband_digest(raw_of(MODEL.to_arrays()), 3, 2, 2) == MODEL.digest


def test_tuned_biases_beyond_the_limit_are_refused() -> None:
    network = MODEL.networks[0]
    network = dataclasses.replace(network, first_step=np.full(len(network.second), 1 << 20, np.int32))
    bias = np.full_like(network.first_bias, (1 << 28) - (1 << 22))
    network = dataclasses.replace(network, first_bias=bias)
    with pytest.raises(CorruptStreamError, match=r"makes a bias of a network \d+; allowed are 268435456"):
        network.with_offsets(np.full(3, -64, np.int16))
    with pytest.raises(REFERENCE.CorruptError, match="bias"):
        REFERENCE._offset_biases([((1 << 28) - 1,)], (1 << 20,), [-64])


def write_model_file(path: Path, networks: SubbandModel | None, contexts: ContextModel) -> bytes:
    """A file of a model as section 9.1 has it, with a transform of nothing, and a turn. Returns its fingerprint."""
    d = contexts.num_channels
    config = {"kind": "image", "num_planes": 3, "dimensions": 2, "depth": LAYOUT.depth, "unit": 1, "rounding": 0.5}
    config |= {"group_ends": list(BOUNDS[1:]), "splits": [], "pass_ends": list(contexts.pass_ends)}
    config |= {"num_predicted": contexts.num_predicted, "low_levels": contexts.low_levels}
    config |= {"low_pass_ends": low_pass_ends_of(contexts)}
    arrays, digests = contexts.to_arrays(), contexts.digest
    if networks is not None:
        config |= {"has_networks": True}
        arrays |= {f"best.{name}": array for name, array in networks.to_arrays().items()}
        digests += networks.digest
    text = json.dumps(config, sort_keys=True)
    transform = {
        "analysis.0": np.zeros((1, 1), np.float32),
        "synthesis.0": np.ones((1, 1), np.float32),
        "shrink": np.zeros((96, 3), np.float32),
        "offsets": np.zeros(3, np.float32),
        "scale_codes": np.zeros(d, np.int16),
        "channels": np.arange(d, dtype=np.uint16),
        "low_gains": np.ones(1 + 3 * contexts.low_levels, np.float32),
        "low_scale_codes": np.zeros((1 + 3 * contexts.low_levels, 3), np.int16),
    }
    turn = {"turn.0": np.full((1, 1), 2, np.float32), "turn_channels": np.arange(d, dtype=np.uint16)}
    before, after = (b"".join(array.tobytes() for array in part.values()) for part in (transform, turn))
    fingerprint = hashlib.sha256(text.encode() + before + digests + after).digest()[:4]
    metadata = {"name": "random", "fingerprint": fingerprint.hex(), "config": text}
    save_file({**transform, **turn, **arrays}, path, metadata)
    return fingerprint


@pytest.mark.parametrize("profile", Profile, ids=lambda profile: profile.name)
def test_files_are_those_of_the_reference_decoder(tmp_path: Path, profile: Profile) -> None:
    """Tiles and groups, with all but the segments of the last tile, which is 0 from the third group on."""
    networks, contexts = random_model(LAYOUT, 2, widths=(16,)), random_contexts(48, low_levels=LAYOUT.low_levels)
    fingerprint = write_model_file(tmp_path / "random.safetensors", networks, contexts)
    planes = random_planes(LAYOUT, (9, 10))
    planes[6:, 8:, 8:] = 0
    tiles = [planes[:, y : y + 8, x : x + 8] for y in (0, 8) for x in (0, 8)]
    header = Header(CodecNumber.IMAGE, fingerprint, STEP, (35, 38), Flag.TILED, 3, profile=profile)
    rules = (networks if profile is BEST else contexts).at_step(STEP)
    encoders = PlanesEncoder.of_tiles([TileValues(tile) for tile in tiles], rules, profile)
    groups = [PlaneSpan(pair) for pair in pairwise(BOUNDS)]
    segments = [encoder.segment(group) for group in groups for encoder in encoders]
    parts = [write_container_segment(s, number, with_channels=True) for number, s in enumerate(segments)]
    latent = REFERENCE.decode_file(write_header(header) + b"".join(parts), tmp_path / "random.safetensors")
    assert np.array_equal(np.array(latent.values), planes)


def test_profile_best_of_a_model_without_networks_is_corrupt(tmp_path: Path) -> None:
    fingerprint = write_model_file(tmp_path / "random.safetensors", None, random_contexts(48, low_levels=2))
    header = Header(CodecNumber.IMAGE, fingerprint, STEP, (35, 38), Flag.JOINED, profile=BEST)
    with pytest.raises(REFERENCE.CorruptError, match="the model has no networks"):
        REFERENCE.decode_file(write_header(header), tmp_path / "random.safetensors")


# Damage


def test_every_changed_byte_of_a_segment_is_refused() -> None:
    segment, _ = segments_of(random_planes(LAYOUT, (3, 2)))
    assert not segment.has_crc
    errors = set()
    for position in range(len(segment.payload)):
        for change in (1, 16, 128, 255):
            changed = bytearray(segment.payload)
            changed[position] ^= change
            with pytest.raises(BitstreamError) as caught:
                decode_joined(dataclasses.replace(segment, payload=bytes(changed)), (3, 2))
            errors.add(caught.type)
    assert ChecksumError in errors


def test_every_cut_of_a_segment_is_refused_and_groups_before_it_are_kept() -> None:
    planes = random_planes(LAYOUT, (4, 5))
    segment, _ = segments_of(planes)
    intact = []
    for length in range(len(segment.payload)):
        decoder = PlanesDecoder(48, (48, 4, 5), RULES, BEST)
        with pytest.raises(BitstreamError):
            decoder.read(dataclasses.replace(segment, payload=segment.payload[:length]), PlaneSpan(BOUNDS))
        found = decoder.values()
        pairs = list(pairwise(BOUNDS))
        count = next(i for i, (a, b) in enumerate(pairs) if not np.array_equal(found[a:b], planes[a:b]))
        assert not found[BOUNDS[count] :].any()
        intact.append(count)
    assert intact == sorted(intact)
    assert set(intact) == set(range(5))


@pytest.mark.parametrize("num_channels", [1, 2, 13, 14, 15, 17, 47])
def test_segments_that_end_inside_a_subband_are_corrupt(num_channels: int) -> None:
    segment, _ = segments_of(random_planes(LAYOUT, (4, 5)))
    with pytest.raises(CorruptStreamError, match="end inside a subband"):
        decode_joined(dataclasses.replace(segment, num_channels=num_channels), (4, 5))


@pytest.mark.parametrize("num_channels", [3, 5, 12, 16, 44])
def test_segments_that_end_early_are_refused(num_channels: int) -> None:
    segment, _ = segments_of(random_planes(LAYOUT, (4, 5)))
    with pytest.raises(BitstreamError):
        decode_joined(dataclasses.replace(segment, num_channels=num_channels), (4, 5))
    with pytest.raises(CorruptStreamError, match="49 channels; at most 48"):
        decode_joined(dataclasses.replace(segment, num_channels=49), (4, 5))


def test_random_payloads_end_in_the_same_values_or_error_at_all_levels(level: str) -> None:
    """Also where no checksum stops them, in a group that is not the last of a segment with CRC."""
    rng = np.random.default_rng(4)
    outcomes = set()
    for _ in range(120):
        shape = (int(rng.integers(1, 12)), int(rng.integers(1, 12)))
        segment = ContainerSegment(rng.bytes(int(rng.integers(16, 4000))), 4, has_crc=True, num_channels=48)
        found = []
        for name in ("portable", level):
            simd.use(name)
            decoder = PlanesDecoder(6, (6, *shape), RULES, BEST)
            try:
                decoder.read(segment, PlaneSpan(BOUNDS))
                found.append(decoder.values().tolist())
            except BitstreamError as err:
                found.append(str(err))
        assert found[0] == found[1]
        outcomes.add(type(found[0]))
    assert outcomes == {list, str}


def test_a_group_that_was_read_can_be_read_again() -> None:
    """Callers do so where another tile is damaged, or to try other bytes."""
    planes, other = (random_planes(LAYOUT, (7, 6), seed, is_extreme=True) for seed in (0, 1))
    right, wrong = segments_of(planes)[0], segments_of(other)[0]
    decoder = PlanesDecoder(48, (48, 7, 6), RULES, BEST)
    with pytest.raises(BitstreamError):
        decoder.read(dataclasses.replace(wrong, payload=wrong.payload[:-40]), PlaneSpan(BOUNDS))
    for segment in (wrong, right, right):
        decoder.read(segment, PlaneSpan(BOUNDS))
    assert np.array_equal(decoder.values(), planes)


def test_damage_of_one_of_some_tiles_leaves_the_others() -> None:
    tiles = [random_planes(LAYOUT, (5, 6), seed) for seed in range(4)]
    segments = [segments_of(tile)[1][0] for tile in tiles]
    segments[2] = dataclasses.replace(segments[2], payload=segments[2].payload[:-2])
    decoders = [PlanesDecoder(3, (3, 5, 6), RULES, BEST, dtype=np.int16) for _ in tiles]
    with pytest.raises(BitstreamError):
        read_planes_together(decoders, segments, (0, 3))
    for i, (decoder, segment, tile) in enumerate(zip(decoders, segments, tiles, strict=True)):
        if i == 2:
            with pytest.raises(BitstreamError):
                decoder.read(segment, PlaneSpan((0, 3)))
            continue
        decoder.read(segment, PlaneSpan((0, 3)))
        assert np.array_equal(decoder.values(), tile[:3])


# Choice of integers

PRICE = 0.15
SHRINK = np.array([0.12, 0.06, 0.03], np.float32)


def optimized(
    model: SubbandModel, coefficients: np.ndarray, planes: np.ndarray, step: float = 1.0
) -> tuple[np.ndarray, _native.ChosenSubbands]:
    chosen = planes.copy()
    symbols = _native.optimize_subbands(
        model.at_step(STEP).native,
        model.tables.native,
        model.tables.costs,
        (coefficients * step).astype(np.float32),
        1 / step,
        np.tile(SHRINK, (len(planes), 1)),
        np.tile(SHRINK, (1 + 3 * model.low_levels, model.num_colors, 1)),
        PRICE,
        model.later_costs,
        chosen,
        None,
        None,
        0,
        len(planes),
    )
    return chosen, symbols


def loss(model: SubbandModel, coefficients: np.ndarray, planes: np.ndarray) -> float:
    magnitudes = np.abs(planes)
    points = magnitudes - np.concatenate([[0], SHRINK])[np.minimum(magnitudes, 3)]
    bits = PlanesEncoder(planes, model.at_step(STEP), BEST).ideal_bits(0, len(planes))
    return float(((np.abs(coefficients) - points) ** 2).sum() + PRICE * bits)


@pytest.mark.parametrize("layout", [Layout(3, 2, 2), Layout(1, 3, 1), Layout(2, 2, 0)])
def test_chosen_integers_lower_the_loss_of_rounded_ones(layout: Layout) -> None:
    model = random_model(layout, 3)
    coefficients = np.random.default_rng(5).laplace(0, 0.9, (layout.num_channels, 24, 20))
    rounded = np.rint(coefficients).astype(np.int32)
    found = []
    for name in simd.available():
        before = simd.current()
        simd.use(name)
        found.append(optimized(model, coefficients, rounded, 0.5)[0])
        simd.use(before)
    chosen = found[0]
    assert all(np.array_equal(chosen, other) for other in found)
    assert loss(model, coefficients, chosen) < 0.97 * loss(model, coefficients, rounded)
    stays = rounded == 0
    stays[: layout.colors, :: 1 << layout.low_levels, :: 1 << layout.low_levels] = True  # the low band
    assert np.array_equal(chosen[stays], rounded[stays])
    assert (chosen * rounded >= 0).all() and (np.abs(chosen) <= np.abs(rounded)).all()
    assert (np.abs(rounded) - np.abs(chosen)).max() <= 2
    if layout.low_levels:
        assert not np.array_equal(chosen[: layout.colors], rounded[: layout.colors])


def test_chosen_integers_hand_over_what_is_coded_of_them() -> None:
    """In whole groups and in parts of them, also where subbands became zeros."""
    coefficients = np.random.default_rng(6).laplace(0, 0.7, (MODEL.num_channels, 9, 11))
    coefficients[-40:] *= 0.5
    planes, symbols = optimized(MODEL, coefficients, np.rint(coefficients).astype(np.int32))
    rules, ends = MODEL.at_step(STEP), (0, *MODEL.channel_ends)
    tile = _native.SubbandTile(MODEL.native, *planes.shape[1:])
    tile.load(planes, 0, len(planes))
    for first, last in [(0, ends[-1]), (0, ends[1]), (ends[1], ends[4]), (ends[1], ends[2]), (ends[-4], ends[-1])]:
        for found, expected in zip(rules.code(symbols, first, last), rules.code(tile, first, last), strict=True):
            assert np.array_equal(found, expected)


def test_costs_of_later_symbols_count() -> None:
    dear = dataclasses.replace(MODEL, later_costs=np.full((NUM_TABLES, 4, 3), 1 << 19, np.int32))
    coefficients = np.random.default_rng(5).laplace(0, 0.9, (48, 9, 9))
    rounded = np.rint(coefficients).astype(np.int32)
    assert (
        np.abs(optimized(dear, coefficients, rounded)[0]).sum()
        < np.abs(optimized(MODEL, coefficients, rounded)[0]).sum()
    )


def test_integers_beyond_those_looked_at_stay() -> None:
    planes = random_planes(LAYOUT, (5, 5), is_extreme=True)
    chosen, _ = optimized(MODEL, planes.astype(np.float64), planes)
    far = np.abs(planes.astype(np.int64)) > 1 << 20
    assert far.any() and np.array_equal(chosen[far], planes[far])
    for num_channels in (0, 3, 16):
        assert np.array_equal(
            optimized(MODEL, planes[:num_channels] * 1.0, planes[:num_channels])[0], chosen[:num_channels]
        )
    with pytest.raises(ValueError, match="end inside a subband"):
        optimized(MODEL, planes[:14] * 1.0, planes[:14])
