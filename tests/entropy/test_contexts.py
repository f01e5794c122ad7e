"""Predictions, activities and table rules against slow versions written from SPEC.md, section 4."""

import dataclasses

import numpy as np
import pytest

from laconic.entropy.contexts import (
    ContextModel,
    activity_magnitudes,
    buckets_of,
    prediction_residuals,
    ring_sums,
    undo_prediction,
)
from laconic.entropy.tables import TableSet, table_of_counts

SHAPES = ((1, 1), (1, 9), (9, 1), (2, 2), (7, 11), (16, 3))
EXTREMES = (-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 2, 2**31 - 1)


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


def slow_bucket(activity: int) -> int:
    if activity < 8:
        return 0
    t = activity.bit_length() - 1
    return min(2 * t + (activity >> (t - 1) & 1) - 5, 31)


def slow_buckets(coded: np.ndarray, own: np.ndarray, ring: np.ndarray) -> np.ndarray:
    _, h, w = coded.shape
    magnitude = [[[min(abs(int(v)), 15) for v in row] for row in plane] for plane in coded]
    out = np.zeros((h, w), np.uint8)
    for y in range(h):
        for x in range(w):
            activity = 0
            for c in range(len(own)):
                activity += int(own[c]) * magnitude[c][y][x]
                for j in range(max(y - 1, 0), min(y + 2, h)):
                    for i in range(max(x - 1, 0), min(x + 2, w)):
                        activity += int(ring[c]) * magnitude[c][j][i] * ((j, i) != (y, x))
            out[y, x] = slow_bucket(activity)
    return out


def planes(kind: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if kind == "extreme":
        return rng.choice(EXTREMES, shape).astype(np.int32)
    if kind == "small":
        return rng.integers(-3, 4, shape).astype(np.int32)
    return rng.integers(-(2**31), 2**31, shape).astype(np.int32)


def model(**changes: object) -> ContextModel:
    rng = np.random.default_rng(12)
    values = np.arange(-100, 101)
    tables = TableSet(tuple(table_of_counts(values, np.exp(-np.abs(values) / s)) for s in (0.2, 1.0, 5.0, 30.0)))
    sound = ContextModel(
        tables=tables,
        pass_ends=(2, 3, 7),
        num_predicted=1,
        channel_codes=rng.integers(150, 170, 7).astype(np.int16),
        context_codes=rng.integers(-20, 20, (32, 7, 32)).astype(np.int8),
        own_weights=rng.integers(0, 256, (3, 7)).astype(np.uint8),
        ring_weights=rng.integers(0, 256, (3, 7)).astype(np.uint8),
    )
    return dataclasses.replace(sound, **changes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["small", "any", "extreme"])
def test_residuals_are_those_of_the_slow_predictor(kind: str, shape: tuple[int, int]) -> None:
    plane = planes(kind, shape)
    rows = plane.tolist()
    expected = [[wrapped(v - slow_prediction(rows, y, x)) for x, v in enumerate(row)] for y, row in enumerate(rows)]
    assert prediction_residuals(plane).tolist() == expected


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["small", "any", "extreme"])
def test_prediction_is_undone_exactly(kind: str, shape: tuple[int, int]) -> None:
    plane = planes(kind, shape)
    residuals = prediction_residuals(plane)
    undo_prediction(residuals)
    assert np.array_equal(residuals, plane)


def test_prediction_of_a_gradient_leaves_its_slope() -> None:
    y, x = np.mgrid[:20, :20]
    residuals = prediction_residuals((5 * y - 3 * x).astype(np.int32))
    assert (residuals[1:, 1:] == 0).mean() == 1
    assert set(residuals[0, 1:].tolist()) == {-3}


@pytest.mark.parametrize("order", ["F", "strided"])
def test_residuals_of_a_plane_that_is_not_contiguous(order: str) -> None:
    plane = planes("any", (6, 10))
    view = np.asfortranarray(plane) if order == "F" else np.repeat(plane, 2, 1)[:, ::2]
    assert np.array_equal(prediction_residuals(view), prediction_residuals(plane))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["small", "any", "extreme"])
def test_buckets_are_those_of_the_slow_activity(kind: str, shape: tuple[int, int]) -> None:
    coded = planes(kind, (5, *shape))
    rng = np.random.default_rng(1)
    own, ring = (rng.choice([0, 1, 2, 40, 255], 3).astype(np.uint8) for _ in range(2))
    assert np.array_equal(buckets_of(coded, own, ring), slow_buckets(coded, own, ring))


def test_bucket_boundaries_at_every_half_octave() -> None:
    """One channel at weight 1 gives single steps, channels at 255 the large activities."""
    weights = np.array([1] * 17 + [255] * 80, np.uint8)
    coded = np.zeros((97, 1, 1200), np.int32)
    rng = np.random.default_rng(2)
    coded[:, 0] = rng.integers(0, 16, (97, 1200)) * (rng.random((97, 1200)) < np.linspace(0, 1, 1200) ** 3)
    coded[17:, 0, :256] = 0
    coded[:, 0, -50:] = 15
    for place in range(256):  # every activity from 0 to 255
        coded[:17, 0, place] = np.clip(place - 15 * np.arange(17), 0, 15)
    buckets = buckets_of(coded, weights, np.zeros(97, np.uint8))
    activities = np.tensordot(weights.astype(int), coded, 1)[0]
    assert activities[:256].tolist() == list(range(256))
    assert buckets[0].tolist() == [slow_bucket(int(a)) for a in activities]
    assert buckets.max() == 31


def test_first_pass_has_no_activity() -> None:
    none = np.zeros(0, np.uint8)
    assert not buckets_of(planes("any", (3, 4, 5)), none, none).any()


@pytest.mark.parametrize("kind", ["small", "any"])
def test_training_helpers_agree_with_the_buckets(kind: str) -> None:
    """`activity_magnitudes` and `ring_sums`, which the fit uses, count what the coder counts."""
    coded = planes(kind, (2, 9, 8))
    own, ring = np.array([3, 7], np.uint8), np.array([5, 1], np.uint8)
    magnitudes = activity_magnitudes(coded)
    activity = np.tensordot(own.astype(int), magnitudes, 1) + np.tensordot(ring.astype(int), ring_sums(magnitudes), 1)
    assert buckets_of(coded, own, ring).tolist() == [[slow_bucket(int(a)) for a in row] for row in activity]


@pytest.mark.parametrize("step_code", [0, 7, 8, 100, 150, 158, 255])
def test_tables_of_a_pass_follow_the_rule(step_code: int) -> None:
    m, coded = model(), planes("small", (7, 6, 5))
    for number, lo, hi in m.passes(7):
        indices = m.pass_indices(coded, number, m.lookup(step_code)[lo:hi])
        buckets = slow_buckets(coded, m.own_weights[number, :lo], m.ring_weights[number, :lo])
        for c in range(lo, hi):
            for place in np.ndindex(6, 5):
                band, phase = divmod(step_code - 4, 8)
                below, above = (int(m.context_codes[b, c, buckets[place]]) for b in (max(band, 0), min(band + 1, 31)))
                context = ((8 - phase) * below + phase * above + 4) // 8
                code = int(m.channel_codes[c]) - step_code + context
                assert indices[(c - lo, *place)] == min(max(code // 2, 0), 3)


def test_tables_of_a_pass_do_not_depend_on_later_channels() -> None:
    m, coded = model(), planes("small", (7, 6, 5))
    before = m.pass_indices(coded, 2, m.lookup(150)[3:7])
    coded[3:] = 99
    assert np.array_equal(m.pass_indices(coded, 2, m.lookup(150)[3:7]), before)


@pytest.mark.parametrize(
    ("num_channels", "expected"),
    [
        (1, [(0, 0, 1)]),
        (2, [(0, 0, 2)]),
        (3, [(0, 0, 2), (1, 2, 3)]),
        (5, [(0, 0, 2), (1, 2, 3), (2, 3, 5)]),
        (7, [(0, 0, 2), (1, 2, 3), (2, 3, 7)]),
    ],
)
def test_passes_end_with_the_wanted_channels(num_channels: int, expected: list[tuple[int, int, int]]) -> None:
    assert model().passes(num_channels) == expected


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pass_ends": (2, 2, 7)}, "must ascend"),
        ({"pass_ends": (0, 3, 7)}, "must ascend"),
        ({"pass_ends": ()}, "must ascend|at least"),
        ({"num_predicted": 3}, "predicted"),
        ({"num_predicted": -1}, "predicted"),
        ({"channel_codes": np.zeros(7, np.int32)}, "channel_codes"),
        ({"context_codes": np.zeros((32, 7, 31), np.int8)}, "context_codes"),
        ({"own_weights": np.zeros((2, 7), np.uint8)}, "own_weights"),
        ({"ring_weights": np.zeros((3, 7), np.int8)}, "ring_weights"),
    ],
    ids=lambda value: str(next(iter(value.items()))[:1]) if isinstance(value, dict) else "",
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        model(**changes)


@pytest.mark.parametrize("name", ["channel_codes", "context_codes", "own_weights", "ring_weights"])
def test_digest_changes_with_every_array(name: str) -> None:
    changed = getattr(model(), name).copy()
    changed.reshape(-1)[-1] ^= 1
    assert model(**{name: changed}).digest != model().digest


def test_digest_changes_with_the_structure() -> None:
    digests = {model(**c).digest for c in ({}, {"pass_ends": (1, 3, 7)}, {"num_predicted": 0})}
    assert len(digests) == 3
    assert model().digest == model().digest
