"""Predictions and context rules against slow versions written from SPEC.md, section 4."""

import dataclasses
import hashlib
import struct
from itertools import pairwise

import numpy as np
import pytest

from laconic.entropy import rans
from laconic.entropy.contexts import (
    CONTEXT_ARRAYS,
    MAX_FEATURES,
    MAX_LEAN_SUM,
    MAX_NEIGHBOUR_SUM,
    ContextModel,
    residuals_of_context_prediction,
    undo_context_prediction,
)
from laconic.entropy.tables import TableSet, table_of_counts

SHAPES = ((1, 1), (1, 9), (9, 1), (2, 2), (7, 11), (16, 3))
EXTREMES = (-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 2, 2**31 - 1)
VALUES = np.arange(-100, 101)
TABLES = TableSet(tuple(table_of_counts(VALUES, np.exp(-np.abs(VALUES) / s)) for s in (0.1, 0.2, 0.5, 1, 2, 5, 10, 30)))


def wrapped(value: int) -> int:
    """As two's complement i32."""
    return (value + 2**31) % 2**32 - 2**31


def slow_prediction(plane: list[list[int]], y: int, x: int) -> int:
    if y == 0 and x == 0:
        return 0
    if y == 0:
        return plane[0][x - 1]
    if x == 0:
        return plane[y - 1][0]
    a, b, c = plane[y][x - 1], plane[y - 1][x], plane[y - 1][x - 1]
    if c >= max(a, b):
        return min(a, b)
    if c <= min(a, b):
        return max(a, b)
    return wrapped(a + b - c)


def at(plane: np.ndarray, down: int, right: int) -> np.ndarray:
    """At each place the neighbour so far down and to the right, 0 outside the plane."""
    h, w = plane.shape
    return np.pad(plane, 2)[2 + down : 2 + down + h, 2 + right : 2 + right + w]


def slow_features(m: ContextModel, number: int, before: int, magnitudes: np.ndarray) -> list[np.ndarray]:
    features = []
    for own, ring in zip(m.own_weights[number].astype(int), m.ring_weights[number].astype(int), strict=True):
        total = np.zeros(magnitudes.shape[1:], np.int64)
        for c in range(before):
            around = sum(at(magnitudes[c], y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))
            total += own[c] * magnitudes[c] + ring[c] * around
        features.append(np.minimum(total, 65535))
    return features


def slow_level(strength: int) -> int:
    if strength < 16:
        return 0
    t = strength.bit_length() - 1
    return 8 * (t - 4) + strength // 2 ** (t - 3) % 8


def slow_choice(
    m: ContextModel, base: int, c: int, plane: np.ndarray, features: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The table of each symbol of channel c, and whether its negative is coded."""
    k = np.clip(plane.astype(np.int64), -127, 127)
    reach = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)]
    neighbours = [at(k, *step) for step in reach]
    strength = np.full(k.shape, base, np.int64)
    for weight, neighbour in zip(m.neighbour_weights[c].tolist(), neighbours, strict=True):
        strength += weight * np.abs(neighbour)
    for weight, feature in zip(m.feature_weights[c].tolist(), features, strict=True):
        strength += weight * feature // 2**16
    strength = np.minimum(strength, 65535)
    leaning = sum(g * n for g, n in zip(m.lean_weights[c].tolist(), neighbours[:4], strict=True))
    lean = sum((np.abs(leaning) > strength // part).astype(int) for part in (16, 4, 2))
    level = np.array([[slow_level(int(a)) for a in row] for row in strength]).reshape(k.shape)
    return m.table_map[lean, level], (lean > 0) & (leaning < 0)


def slow_code(
    m: ContextModel, base: np.ndarray, symbols: np.ndarray, first: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `StepRules.code` says of itself, by SPEC.md 4.2 and 4.3."""
    _, h, w = symbols.shape
    magnitudes = np.minimum(np.abs(symbols.astype(np.int64)), 127)
    parts = []
    for number, (begin, end) in enumerate(pairwise((0, *m.pass_ends))):
        channels = range(max(begin, first), min(end, last))
        if not channels:
            continue
        features = slow_features(m, number, begin, magnitudes)
        num_rows = max(1, min(64 // len(channels), h, w // 2))
        y, x = np.mgrid[:h, :w]
        front = (y // num_rows) * w + x + 2 * (y % num_rows)
        order = np.lexsort((y.ravel() % num_rows, front.ravel()))
        chosen = [slow_choice(m, int(base[c]), c, symbols[c], features) for c in channels]
        values = np.stack([symbols[c].ravel()[order] for c in channels], 1).ravel()
        tables = np.stack([table.ravel()[order] for table, _ in chosen], 1).ravel()
        negated = np.stack([flag.ravel()[order] for _, flag in chosen], 1).ravel()
        sizes = np.unique(front, return_counts=True)[1] * len(channels)
        parts.append((np.where(negated, -values, values), tables, sizes))  # the negative of -2^31 is itself
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]


def assert_coded_as_slowly(m: ContextModel, step_code: int, symbols: np.ndarray, first: int, last: int) -> None:
    rules = m.at_step(step_code)
    for found, expected in zip(
        rules.code(symbols, first, last), slow_code(m, rules.base, symbols, first, last), strict=True
    ):
        assert np.array_equal(found, expected)


def planes(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "extreme":
        return rng.choice(EXTREMES, shape).astype(np.int32)
    if kind == "small":
        return rng.integers(-3, 4, shape).astype(np.int32)
    if kind == "zero":
        return np.zeros(shape, np.int32)
    if kind == "around 127":
        return rng.choice([-129, -128, -127, -126, 0, 126, 127, 128, 129], shape).astype(np.int32)
    return rng.integers(-(2**31), 2**31, shape).astype(np.int32)


def split(rng: np.random.Generator, total: int, parts: int) -> list[int]:
    """`parts` numbers from 0 on that sum to `total`."""
    return np.diff([0, *np.sort(rng.integers(0, total + 1, parts - 1)), total]).tolist()


def model(*, sizes: tuple[int, ...] = (2, 1, 4), features: int = 3, seed: int = 12, **changes: object) -> ContextModel:
    """A random model with passes of these sizes; weights of all channels are small, some or all of what is allowed."""
    rng = np.random.default_rng(seed)
    d, passes = sum(sizes), len(sizes)
    neighbours = np.array([split(rng, MAX_NEIGHBOUR_SUM if c % 3 == 0 else 60, 6) for c in range(d)])
    leans = np.array([split(rng, MAX_LEAN_SUM if c % 2 == 0 else 40, 4) for c in range(d)])
    leans = np.clip(leans * rng.choice([-1, 1], leans.shape), -128, 127)
    cross = (rng.choice([0, 0, 1, 9, 255], (passes, features, d)) for _ in range(2))
    sound = ContextModel(
        tables=TABLES,
        static_tables=TableSet(TABLES.tables[:6]),
        pass_ends=tuple(np.cumsum(sizes).tolist()),
        num_predicted=1,
        static_index=rng.integers(0, 6, (32, d)).astype(np.uint8),
        base=rng.choice([0, 3, 15, 16, 100, 256, 5000, 65535], (32, d)).astype(np.uint16),
        neighbour_weights=np.minimum(neighbours, 255).astype(np.uint8),
        lean_weights=leans.astype(np.int8),
        feature_weights=rng.choice([0, 1, 300, 20000, 65535], (d, features)).astype(np.uint16),
        own_weights=next(cross).astype(np.uint8),
        ring_weights=next(cross).astype(np.uint8),
        table_map=rng.integers(0, len(TABLES), (4, 96)).astype(np.uint8),
    )
    return dataclasses.replace(sound, **changes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["small", "any", "extreme"])
def test_residuals_are_those_of_the_slow_predictor(kind: str, shape: tuple[int, int]) -> None:
    plane = planes(kind, shape)
    rows = plane.tolist()
    expected = [[wrapped(v - slow_prediction(rows, y, x)) for x, v in enumerate(row)] for y, row in enumerate(rows)]
    assert residuals_of_context_prediction(plane).tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["small", "any", "extreme"])
def test_prediction_is_undone_exactly(kind: str, shape: tuple[int, int]) -> None:
    plane = planes(kind, shape)
    residuals = residuals_of_context_prediction(plane)
    undo_context_prediction(residuals)
    assert np.array_equal(residuals, plane)


def test_prediction_of_a_gradient_leaves_its_slope() -> None:
    y, x = np.mgrid[:20, :20]
    residuals = residuals_of_context_prediction((5 * y - 3 * x).astype(np.int32))
    assert (residuals[1:, 1:] == 0).mean() == 1
    assert set(residuals[0, 1:].tolist()) == {-3}


@pytest.mark.parametrize("order", ["F", "strided"])
def test_residuals_of_a_plane_that_is_not_contiguous(order: str) -> None:
    plane = planes("any", (6, 10))
    view = np.asfortranarray(plane) if order == "F" else np.repeat(plane, 2, 1)[:, ::2]
    assert np.array_equal(residuals_of_context_prediction(view), residuals_of_context_prediction(plane))


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (1, 2), (1, 9), (1, 130), (9, 1), (6, 2), (6, 3), (5, 4), (11, 5), (2, 64), (64, 2), (13, 17), (40, 33)],
    ids=lambda shape: f"{shape[0]}x{shape[1]}",
)
@pytest.mark.parametrize("sizes", [(1,), (2, 1, 4), (7, 16), (20, 13, 31), (3, 64), (1, 40)], ids=str)
def test_coded_symbols_are_those_of_the_slow_rules(level: str, sizes: tuple[int, ...], shape: tuple[int, int]) -> None:
    m, d = model(sizes=sizes), sum(sizes)
    for kind in ("small", "any", "around 127") if d * shape[0] * shape[1] < 5000 else ("small",):
        assert_coded_as_slowly(m, 150, planes(kind, (d, *shape)), 0, d)


@pytest.mark.parametrize("num_channels", range(1, 65))
def test_passes_of_every_size_are_those_of_the_slow_rules(level: str, num_channels: int) -> None:
    m = model(sizes=(1, num_channels), features=1)
    assert_coded_as_slowly(m, 100, planes("small", (1 + num_channels, 6, 14)), 0, 1 + num_channels)


@pytest.mark.parametrize("features", range(MAX_FEATURES + 1))
def test_features_are_those_of_the_slow_rules(level: str, features: int) -> None:
    m = model(sizes=(5, 9, 3), features=features)
    for kind in ("small", "extreme", "zero"):
        assert_coded_as_slowly(m, 7, planes(kind, (17, 9, 10)), 0, 17)


@pytest.mark.parametrize(("first", "last"), [(0, 1), (0, 6), (0, 17), (5, 14), (5, 9), (14, 17)])
def test_cut_passes_are_those_of_the_slow_rules(level: str, first: int, last: int) -> None:
    m = model(sizes=(5, 9, 3))
    assert_coded_as_slowly(m, 200, planes("small", (17, 12, 13)), first, last)


@pytest.mark.parametrize(("first", "last"), [(3, 5), (3, 17), (7, 10), (13, 17), (16, 17)])
def test_passes_begun_earlier_are_those_of_the_slow_rules(level: str, first: int, last: int) -> None:
    """A group may begin inside a pass; features still count the channels before the pass only."""
    m = model(sizes=(5, 9, 3))
    assert_coded_as_slowly(m, 200, planes("small", (17, 12, 13)), first, last)


@pytest.mark.parametrize("kind", ["any", "around 127", "extreme"])
def test_sums_stay_at_65535(level: str, kind: str) -> None:
    """All weights at their most, over loud symbols: every sum would overflow 16 bits, most would 32."""
    d, symbols = 130, planes(kind, (130, 8, 9))
    most = {"own_weights": 255, "ring_weights": 255, "feature_weights": 65535}
    for base in (0, 65535):
        m = model(sizes=(40, 40, 50), features=8)
        full = {name: np.full_like(getattr(m, name), value) for name, value in (most | {"base": base}).items()}
        assert_coded_as_slowly(dataclasses.replace(m, **full), 0, symbols, 0, d)


def test_every_level_is_reached_at_its_bounds(level: str) -> None:
    """One symbol to the left with weight 1 and a base beside each power of two."""
    distinct = TableSet(tuple(TABLES.tables[0] for _ in range(96)))
    table_map = np.tile(np.arange(96, dtype=np.uint8), (4, 1))
    steps = [2**t + part * 2**t // 8 for t in range(4, 16) for part in range(8)]
    for base, expected in zip(steps, range(96), strict=True):
        m = model(sizes=(1,), features=0, tables=distinct, table_map=table_map)
        weights, none = np.zeros((1, 6), np.uint8), np.zeros((1, 4), np.int8)
        weights[0, 0] = 1
        m = dataclasses.replace(
            m, base=np.full((32, 1), base - 1, np.uint16), neighbour_weights=weights, lean_weights=none
        )
        _, tables, _ = m.at_step(0).code(np.array([[[1, 0]]], np.int32), 0, 1)
        assert tables.tolist() == [max(expected - 1, 0), expected]


def test_leans_are_those_of_their_bounds(level: str) -> None:
    """M = 127 g against A / 16, A / 4 and A / 2, by the table that the lean alone decides."""
    table_map = np.repeat(np.arange(4, dtype=np.uint8)[:, None], 96, 1)
    for weight, base, lean in [
        (1, 127 * 16 + 15, 0),
        (1, 127 * 16 - 1, 1),
        (-1, 127 * 16 - 1, 1),
        (2, 254 * 4 + 3, 1),
        (2, 254 * 4 - 1, 2),
        (-100, 12700 * 2 + 1, 2),
        (-100, 12700 * 2 - 1, 3),
        (127, 0, 3),
        (0, 0, 0),
    ]:
        leans = np.zeros((1, 4), np.int8)
        leans[0, 0] = weight
        m = dataclasses.replace(
            model(sizes=(1,), features=0, table_map=table_map),
            base=np.full((32, 1), base, np.uint16),
            neighbour_weights=np.zeros((1, 6), np.uint8),
            lean_weights=leans,
        )
        values, tables, fronts = m.at_step(0).code(np.array([[[127, 5]]], np.int32), 0, 1)
        assert tables.tolist() == [0, lean]
        assert values.tolist() == [127, -5 if weight < 0 else 5]
        assert fronts.tolist() == [1, 1]


def test_tables_do_not_depend_on_the_symbols_of_their_front_or_later() -> None:
    m, symbols = model(sizes=(5, 9, 3)), planes("small", (17, 6, 9))
    places = np.arange(symbols.size, dtype=np.int32).reshape(symbols.shape)
    order, _, fronts = dataclasses.replace(m, lean_weights=np.zeros((17, 4), np.int8)).at_step(60).code(places, 0, 17)
    ends = np.cumsum(fronts.astype(int))
    _, tables, _ = m.at_step(60).code(symbols, 0, 17)
    for position in range(0, symbols.size, 13):
        changed = symbols.copy()
        changed.reshape(-1)[order[position]] += 50
        end = ends[np.searchsorted(ends, position, "right")]
        assert np.array_equal(m.at_step(60).code(changed, 0, 17)[1][:end], tables[:end])


def test_code_leaves_its_input_alone() -> None:
    symbols = planes("any", (7, 5, 6))
    before = symbols.copy()
    model().at_step(100).code(symbols, 0, 7)
    assert np.array_equal(symbols, before)


@pytest.mark.parametrize(("first", "last"), [(3, 2), (0, 8), (7, 8)])
def test_channels_outside_the_planes_are_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="channels do not fit"):
        model().at_step(100).code(planes("small", (7, 5, 6)), first, last)


def decoder_of(symbols: np.ndarray, step_code: int = 100) -> rans.Decoder:
    """Of a stream of all channels."""
    values, tables, fronts = model().at_step(step_code).code(symbols, 0, len(symbols))
    return rans.Decoder(
        rans.encode_rans_messages([rans.RansMessage(values, tables, fronts=fronts)], TABLES, lanes=4), 4
    )


def test_decoding_undoes_coding(level: str) -> None:
    symbols = planes("small", (7, 9, 8))
    decoder, found = decoder_of(symbols), np.zeros_like(symbols)
    decoder.decode_contexts(model().at_step(100), found, 0, 7)
    assert decoder.finish() == 0
    assert np.array_equal(found, symbols)


@pytest.mark.parametrize("shape", [(7, 0, 5), (7, 4, 0), (7, 0, 0)])
def test_planes_without_places_have_no_symbols(level: str, shape: tuple[int, int, int]) -> None:
    symbols = np.zeros(shape, np.int32)
    assert [part.size for part in model().at_step(100).code(symbols, 0, 7)] == [0, 0, 0]
    decoder = decoder_of(symbols)
    decoder.decode_contexts(model().at_step(100), symbols, 0, 7)
    assert decoder.finish() == 0


@pytest.mark.parametrize(("first", "last"), [(3, 2), (0, 8), (7, 8)])
def test_decoding_outside_the_planes_is_refused(first: int, last: int) -> None:
    symbols = planes("small", (7, 5, 6))
    with pytest.raises(ValueError, match="channels do not fit"):
        decoder_of(symbols).decode_contexts(model().at_step(100), symbols, first, last)


@pytest.mark.parametrize("kind", ["int64", "float32", "F", "strided", "flat", "read-only"])
def test_decoding_into_other_arrays_is_refused(kind: str) -> None:
    """A copy would keep what is decoded to itself."""
    symbols = planes("small", (7, 5, 6))
    others = {
        "int64": symbols.astype(np.int64),
        "float32": symbols.astype(np.float32),
        "F": np.asfortranarray(symbols),
        "strided": np.repeat(symbols, 2, 2)[:, :, ::2],
        "flat": symbols.reshape(7, 30),
        "read-only": symbols.copy(),
    }
    others["read-only"].flags.writeable = False
    with pytest.raises((TypeError, ValueError)):
        decoder_of(symbols).decode_contexts(model().at_step(100), others[kind], 0, 7)


def test_more_planes_than_the_rules_have_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels do not fit"):
        model().at_step(100).code(planes("small", (9, 5, 6)), 0, 9)


@pytest.mark.parametrize("name", ["base", "static_index"])
def test_numbers_between_bands_are_interpolated(name: str) -> None:
    m = model()
    bands = getattr(m, name).astype(int)
    for step_code in range(256):
        band, phase = divmod(step_code - 4, 8)
        below, above = bands[max(band, 0)], bands[min(band + 1, 31)]
        found = getattr(m.at_step(step_code), name)
        assert found.dtype == getattr(m, name).dtype
        assert np.array_equal(found, ((8 - phase) * below + phase * above + 4) // 8)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pass_ends": (2, 2, 7)}, "must ascend"),
        ({"pass_ends": (0, 3, 7)}, "must ascend"),
        ({"pass_ends": ()}, "must ascend"),
        ({"pass_ends": (2, 67)}, "1 to 64 channels"),
        ({"pass_ends": tuple(range(64, 70_000, 64))}, "at most 65535"),
        ({"num_predicted": 8}, "predicted"),
        ({"num_predicted": -1}, "predicted"),
        ({"static_index": np.zeros((31, 7), np.uint8)}, "static_index"),
        ({"static_index": np.full((32, 7), 6, np.uint8)}, "names table 6; there are 6"),
        ({"base": np.zeros((32, 7), np.int32)}, "base"),
        ({"neighbour_weights": np.zeros((7, 5), np.uint8)}, "neighbour_weights"),
        ({"neighbour_weights": np.full((7, 6), 87, np.uint8)}, "sum to 522"),
        ({"lean_weights": np.zeros((7, 4), np.uint8)}, "lean_weights"),
        ({"lean_weights": np.full((7, 4), -64, np.int8)}, "sum to 256"),
        ({"feature_weights": np.zeros((6, 3), np.uint16)}, "feature_weights"),
        ({"feature_weights": np.zeros((7, 9), np.uint16)}, "9 features"),
        ({"feature_weights": np.zeros((7, 2), np.uint16)}, "own_weights"),
        ({"own_weights": np.zeros((2, 3, 7), np.uint8)}, "own_weights"),
        ({"ring_weights": np.zeros((3, 3, 7), np.int8)}, "ring_weights"),
        ({"table_map": np.zeros((4, 95), np.uint8)}, "table_map"),
        ({"table_map": np.full((4, 96), 8, np.uint8)}, "names table 8; there are 8"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        model(**changes)


def test_feature_weights_without_axes_are_refused() -> None:
    with pytest.raises(ValueError):
        model(feature_weights=np.zeros((), np.uint16))


@pytest.mark.parametrize("changes", [{"pass_ends": (2.0, 3, 7)}, {"pass_ends": (2, 3, 7.0)}, {"num_predicted": 1.5}])
def test_numbers_that_are_no_integers_are_refused(changes: dict[str, object]) -> None:
    """As they may stand in a model file; the digest could not hold them."""
    with pytest.raises((ValueError, TypeError)):
        model(**changes)


def test_weights_at_their_most_are_taken() -> None:
    model(neighbour_weights=np.full((7, 6), 86, np.uint8), lean_weights=np.full((7, 4), -63, np.int8))
    model(lean_weights=np.tile(np.array([-128, 127, 0, 0], np.int8), (7, 1)))


@pytest.mark.parametrize("name", CONTEXT_ARRAYS)
def test_digest_changes_with_every_array(name: str) -> None:
    for place in (0, -1):
        changed = getattr(model(), name).copy()
        flat = changed.reshape(-1)
        flat[place] = flat[place] - 1 if flat[place] > 0 else flat[place] + 1
        assert model(**{name: changed}).digest != model().digest


def test_digest_changes_with_the_structure() -> None:
    digests = {
        model(**changes).digest
        for changes in (
            {},
            {"pass_ends": (1, 3, 7)},
            {"num_predicted": 0},
            {"tables": TableSet((*TABLES.tables[:7], TABLES.tables[0]))},
            {"static_tables": TableSet(TABLES.tables[:7])},
        )
    }
    assert len(digests) == 5
    assert model().digest == model().digest


def test_digest_is_that_of_the_specification() -> None:
    m = model()
    expected = m.tables.digest + m.static_tables.digest + struct.pack("<5H", 3, 2, 3, 7, 1)
    expected += m.static_index.tobytes() + m.base.astype("<u2").tobytes() + m.neighbour_weights.tobytes()
    expected += m.lean_weights.tobytes() + m.feature_weights.astype("<u2").tobytes()
    expected += m.own_weights.tobytes() + m.ring_weights.tobytes() + m.table_map.tobytes()
    assert m.digest == hashlib.sha256(expected).digest()


def test_digest_does_not_depend_on_how_arrays_lie_in_memory() -> None:
    m = model()
    turned = {name: np.asfortranarray(getattr(m, name)) for name in CONTEXT_ARRAYS}
    other = dataclasses.replace(m, **turned)
    assert other.digest == m.digest
    symbols = planes("small", (7, 8, 9))
    for a, b in zip(m.at_step(99).code(symbols, 0, 7), other.at_step(99).code(symbols, 0, 7), strict=True):
        assert np.array_equal(a, b)
