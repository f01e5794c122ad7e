"""The fixed-point transform against a twin in numpy, written from the text of SPEC.md, section 9.2: the same numbers for
any size, tree and instruction set, no wrap-around for any picture, and next to nothing lost against floats."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import pairwise, product
from pathlib import Path as File
from typing import Any, cast

import numpy as np
import pytest
from low_scene import without_low_levels
from numpy.typing import NDArray
from PIL import Image as PillowImage
from safetensors import safe_open
from safetensors.numpy import save_file

from laconic.codecs import _native
from laconic.codecs.errors import WeightsError
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models import fixed_point
from laconic.codecs.models.fixed_point import FixedLeaf, fixed_leaves, fixed_point_map
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Path, Tree, dyadic_tree, full_tree
from laconic.codecs.models.zoo import load_model
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.picture_rows import (
    UNTILED,
    PictureRows,
    PictureRowsPart,
    integers_of_rows,
    synthesize_picture_rows,
)
from laconic.codecs.transform.quantizer import Quantizer, integer_type, quantize
from laconic.codecs.transform.rate_distortion import rate_distortion_thresholds_for
from laconic.codecs.transform.signals import coefficients_of
from laconic.entropy import simd
from laconic.entropy.container import Profile

DATA = File(__file__).parents[1] / "data"
KODAK = File(__file__).parents[2].parent / "shared" / "data" / "kodak"
STEP_A, STEP_B, STEP_C, STEP_D = -25987, -3472, 14466, 29066
LOW_SHRINK, LOW_GROWTH, LARGEST_LOW = 21653, 16821, 21652

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


# The twin. Everything is int64; `Sixteen` says what becomes of what 16 bits cannot hold.


class Sixteen:
    """Values modulo 2**16."""

    def __call__(self, values: Ints) -> Ints:
        return ((values + 0x8000) & 0xFFFF) - 0x8000

    def sums(self, values: Ints) -> Ints:
        return ((values + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


class Unlimited(Sixteen):
    """Values as they are; the largest of rows, in units of 2**15, and of sums, in units of 2**31, are noted."""

    def __init__(self) -> None:
        self.largest, self.largest_sum = 0.0, 0.0

    def __call__(self, values: Ints) -> Ints:
        self.largest = max(self.largest, float(np.maximum(values, -1 - values).max() + 1) / (1 << 15))
        return values

    def sums(self, values: Ints) -> Ints:
        self.largest_sum = max(self.largest_sum, float(np.maximum(values, -1 - values).max() + 1) / (1 << 31))
        return values


def mulhrs(values: Ints, factor: int) -> Ints:
    return ((values * factor >> 14) + 1) >> 1


def before(values: Ints) -> Ints:
    """The high value before each low one."""
    return np.concatenate([values[..., :1], values[..., :-1]], axis=-1)


def after(values: Ints) -> Ints:
    """The low value after each high one."""
    return np.concatenate([values[..., 1:], values[..., -1:]], axis=-1)


def split_line(line: Ints, keep: Sixteen) -> tuple[Ints, Ints]:
    e, o = line[..., 0::2], line[..., 1::2]
    o = keep(((o + 1) >> 1) + mulhrs(e, STEP_A) + mulhrs(after(e), STEP_A))
    e = keep(e + mulhrs(before(o), STEP_B) + mulhrs(o, STEP_B))
    o = keep(o + mulhrs(e, STEP_C) + mulhrs(after(e), STEP_C))
    e = keep(e + mulhrs(keep(before(o) + o), STEP_D))
    return e, o


def merge_line(e: Ints, o: Ints, keep: Sixteen) -> Ints:
    e = keep(e - mulhrs(keep(before(o) + o), STEP_D))
    o = keep(o - mulhrs(e, STEP_C) - mulhrs(after(e), STEP_C))
    e = keep(e - mulhrs(before(o), STEP_B) - mulhrs(o, STEP_B))
    o = keep(2 * (o - mulhrs(e, STEP_A) - mulhrs(after(e), STEP_A)))
    return np.stack([e, o], axis=-1).reshape(*e.shape[:-1], -1)


def columns(values: Ints) -> Ints:
    return values.swapaxes(-1, -2)


def split_plane(plane: NDArray[Any], split: Callable[..., Any]) -> list[NDArray[Any]]:
    """Low, vertical high, horizontal high, both."""
    halves = [split(columns(half)) for half in split(plane)]
    return [columns(band) for half in halves for band in half]


def merge_plane(bands: Sequence[NDArray[Any]], merge: Callable[..., Any]) -> NDArray[Any]:
    low, high = (columns(merge(*map(columns, bands[i : i + 2]))) for i in (0, 2))
    merged: NDArray[Any] = merge(low, high)
    return merged


def blocks_of(plane: NDArray[Any], grid: tuple[int, int]) -> NDArray[Any]:
    """Planes of a leaf -> its packets on the grid, (n, h', w')."""
    f = plane.shape[1] // grid[0]
    blocks = plane.reshape(-1, grid[0], f, grid[1], f).transpose(2, 4, 0, 1, 3)
    return blocks.reshape(-1, *grid)


def plane_of(packets: NDArray[Any], num_planes: int) -> NDArray[Any]:
    """The inverse."""
    n, h, w = packets.shape
    f = round((n // num_planes) ** 0.5)
    return packets.reshape(f, f, num_planes, h, w).transpose(2, 3, 0, 4, 1).reshape(num_planes, h * f, w * f)


@dataclasses.dataclass(frozen=True, eq=False)
class Transform:
    """What `fixed_point_map` and the twin need of a model."""

    tree: Tree
    num_planes: int
    fixed: tuple[FixedLeaf, ...]
    channels: NDArray[np.uint16]

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    @property
    def blocks(self) -> tuple[tuple[int, int], ...]:
        ends = np.cumsum([0, *(len(leaf.analysis) for leaf in self.fixed)]).tolist()
        return tuple(pairwise(ends))

    @property
    def native(self) -> _native.FixedMap:
        return fixed_point_map(cast(Model, self))


def extended(samples: NDArray[np.uint8], tree: Tree) -> Ints:
    """(c, h, w) rows of samples, mirrored on to the tree's grid."""
    values = 64 * samples.transpose(2, 0, 1).astype(np.int64) - 8160
    height, width = (-n % tree.factor for n in samples.shape[:2])
    for axis, more in ((1, height), (2, width)):
        length = values.shape[axis]
        phase = np.arange(length + more) % max(2 * length - 2, 1)
        values = values.take(np.minimum(phase, np.abs(2 * length - 2 - phase)), axis)
    return values


def analyze(samples: NDArray[np.uint8], of: Transform, keep: Sixteen) -> tuple[Ints, Floats]:
    """Sums and coefficients (d, h', w')."""
    bands: dict[Path, Ints] = {(): extended(samples[:, :, : of.num_planes], of.tree)}
    for path in sorted(of.tree.splits, key=len):
        plane = keep(mulhrs(bands[path], LOW_SHRINK)) if path else bands[path]
        bands |= {(*path, i): band for i, band in enumerate(split_plane(plane, partial(split_line, keep=keep)))}
    grid = (bands[()].shape[1] // of.tree.factor, bands[()].shape[2] // of.tree.factor)
    sums, coefficients = np.empty((of.num_channels, *grid), np.int64), np.empty((of.num_channels, *grid), np.float32)
    for path, leaf, (lo, hi) in zip(of.tree.leaves, of.fixed, of.blocks, strict=True):
        rows = keep.sums(np.tensordot(leaf.analysis.astype(np.int64), blocks_of(bands[path], grid), 1))
        sums[of.channels[lo:hi]] = rows
        unit = np.float32(2.0 ** -(leaf.analysis_bits + 6) / 255)
        coefficients[of.channels[lo:hi]] = rows.astype(np.float32) * unit
    return sums, coefficients


def row_bits_of(step_code: int) -> int:
    """Fraction bits of the rows of synthesis."""
    return 6 if step_code < 144 else 5


def scale_of(step_code: int) -> np.float32:
    """The step in units of 2**(3 - bits) level."""
    return np.float32(step_of_code(step_code) * np.float32(255 * 2 ** (row_bits_of(step_code) - 3)))


def scales_of(step_code: int, num_channels: int) -> Floats:
    """The same of channels that are all alike."""
    return np.full(num_channels, scale_of(step_code))


def dequantize(values: NDArray[Any], scale: NDArray[Any], shrink: Floats) -> Ints:
    """`scale`, of all channels or (c, 1, 1)."""
    magnitudes = np.abs(values.astype(np.float32))
    column = np.clip(np.abs(values.astype(np.int64)), 1, 3) - 1
    less = shrink[np.arange(len(values))[:, None, None], column]
    exact = (magnitudes - less) * scale + np.float32(0.5)
    integers = np.trunc(np.minimum(exact, np.float32(32767))).astype(np.int64)
    return np.where(values == 0, 0, np.sign(values.astype(np.int64)) * integers)


def weighed(integers: Ints, exponents: NDArray[np.int8]) -> Ints:
    """Coefficients of places whose steps differ (SPEC.md, section 9.8)."""
    exact = np.floor(2.0**14 * 2.0 ** (-exponents.astype(np.float64) / 16) + 0.5).astype(np.int64)
    return np.clip(2 * integers, -32768, 32767) * np.minimum(exact, 32767) + (1 << 14) >> 15


def synthesize(
    values: NDArray[Any], step_code: int, shrink: Floats, of: Transform, keep: Sixteen, level: int = 0
) -> Ints:
    """(h, w, c) samples on the grid, at 2**-level of the size."""
    integers = np.zeros((of.num_channels, *values.shape[1:]), np.int64)
    integers[: len(values)] = dequantize(values, scale_of(step_code), shrink)
    return samples_of(integers, row_bits_of(step_code), of, keep, level)


def samples_of(integers: Ints, bits: int, of: Transform, keep: Sixteen, level: int = 0) -> Ints:
    """The same of coefficients of all channels, in rows of so many fraction bits."""
    bands = {}
    for path, leaf, (lo, hi) in zip(of.tree.leaves, of.fixed, of.blocks, strict=True):
        half = (1 << leaf.synthesis_bits) >> 1
        sums = keep.sums(np.tensordot(leaf.synthesis.astype(np.int64), integers[of.channels[lo:hi]], 1))
        rows = np.clip(keep.sums(sums + half) >> leaf.synthesis_bits, -32768, 32767)
        bands[path] = plane_of(rows, of.num_planes)
    for path in sorted(of.tree.splits, key=len, reverse=True):
        if path[:level] != (0,) * min(level, len(path)) or len(path) < level:
            continue
        plane = merge_plane([bands[*path, i] for i in range(4)], partial(merge_line, keep=keep))
        if len(path) > level:
            kept = np.clip(plane, -LARGEST_LOW, LARGEST_LOW)
            plane = kept + mulhrs(kept, LOW_GROWTH)
        bands[path] = plane
    plane = bands[(0,) * level]
    if (0,) * level not in of.tree.splits:
        plane = mulhrs(plane, LOW_SHRINK)
    return np.clip((plane + 128 * 2**bits) >> bits, 0, 255).transpose(1, 2, 0)


# Transforms and pictures to try.


@cache
def transform_of(tree: Tree, num_planes: int) -> Transform:
    """Random rotations of the packets of each leaf, channels in a random order."""
    rng = np.random.default_rng(len(tree.splits))
    sizes = [num_planes * tree.channels_of(path) for path in tree.leaves]
    axes = [np.linalg.qr(rng.normal(size=(n, n)))[0].astype(np.float32) for n in sizes]
    fixed = fixed_leaves(tree, num_planes, axes, [a.T for a in axes])
    assert len(fixed) == len(sizes)
    return Transform(tree, num_planes, fixed, rng.permutation(sum(sizes)).astype(np.uint16))


def transform_of_model(model: Model) -> Transform:
    return Transform(model.tree, model.num_planes, model.fixed, model.channels)


TREES = {
    "dyadic 1": dyadic_tree(2, 1),
    "dyadic 2": dyadic_tree(2, 2),
    "dyadic 3": dyadic_tree(2, 3),
    "dyadic 4": dyadic_tree(2, 4),
    "full 2": full_tree(2, 2),
    "full 3": full_tree(2, 3),
    "high 3": Tree(2, 3, frozenset([(), (2,), (3,), (3, 1), (2, 0)])),
}
SIZES = [(1, 1), (1, 30), (30, 1), (7, 5), (8, 8), (33, 47), (200, 136)]


def random_samples(size: tuple[int, int], num_channels: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise; in every other place the extremes."""
    rng = np.random.default_rng(seed)
    samples = rng.integers(0, 256, (*size, num_channels))
    extremes = 255 * rng.integers(0, 2, samples.shape)
    return np.where(rng.integers(0, 2, samples.shape), samples, extremes).astype(np.uint8)


def native_coefficients(samples: NDArray[np.uint8], of: Transform) -> Floats:
    h, w = (-(-n // of.tree.factor) for n in samples.shape[:2])
    out = np.full((of.num_channels, h, w), np.nan, np.float32)
    _native.fixed_coefficients(of.native, samples, 0, len(samples), 0, h, UNTILED, [out])
    return out


def native_integers(
    samples: NDArray[np.uint8], of: Transform, step: float, thresholds: Floats, dtype: type = np.int32
) -> NDArray[Any]:
    h, w = (-(-n // of.tree.factor) for n in samples.shape[:2])
    out = np.full((of.num_channels, h, w), 77, dtype)
    inverse = float(np.float32(1 / step))
    _native.fixed_integers(of.native, samples, 0, len(samples), 0, h, UNTILED, [out], inverse, thresholds)
    return out


def native_samples(
    values: NDArray[Any], step_code: int, shrink: Floats, of: Transform, level: int = 0
) -> NDArray[np.uint8]:
    """All samples of the grid."""
    side = of.tree.factor >> level
    out = np.full((values.shape[1] * side, values.shape[2] * side, of.num_planes), 77, np.uint8)
    scale = (row_bits_of(step_code), scales_of(step_code, len(values)))
    _native.fixed_samples(of.native, values, 0, values.shape[1], *scale, shrink, level, out, 0, 0)
    return out


def plain_thresholds(num_channels: int, rounding: float = 0.375) -> Floats:
    return np.tile(np.array([1 - rounding, rounding], np.float32), (num_channels, 1))


def random_shrink(num_channels: int) -> Floats:
    return np.random.default_rng(3).uniform(-0.2, 0.2, (num_channels, 3)).astype(np.float32)


# Against the twin.


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("num_planes", [1, 2, 3, 4])
@pytest.mark.parametrize("tree", TREES)
def test_coefficients_are_those_of_the_twin(tree: str, num_planes: int, size: tuple[int, int], level: str) -> None:
    of, samples = transform_of(TREES[tree], num_planes), random_samples(size, num_planes)
    _, expected = analyze(samples, of, Sixteen())
    assert np.array_equal(native_coefficients(samples, of), expected)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("num_planes", [1, 2, 3, 4])
@pytest.mark.parametrize("tree", TREES)
def test_samples_are_those_of_the_twin(tree: str, num_planes: int, size: tuple[int, int], level: str) -> None:
    of, samples, code = transform_of(TREES[tree], num_planes), random_samples(size, num_planes), 140
    code += size[0] % 2 * 10
    shrink = random_shrink(of.num_channels)
    values = native_integers(samples, of, float(step_of_code(code)), plain_thresholds(of.num_channels))
    for scale_log2 in range(of.tree.depth + 1):
        if scale_log2 and (0,) * (scale_log2 - 1) not in of.tree.splits:
            break
        expected = synthesize(values, code, shrink, of, Sixteen(), scale_log2)
        assert np.array_equal(native_samples(values, code, shrink, of, scale_log2), expected)
        assert np.array_equal(native_samples(values.astype(np.int16), code, shrink, of, scale_log2), expected)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 47), (40, 300)], ids=str)
@pytest.mark.parametrize("num_planes", [1, 3])
@pytest.mark.parametrize("tree", ["dyadic 2", "high 3"])
def test_samples_of_tuned_steps_are_those_of_the_twin(
    tree: str, num_planes: int, size: tuple[int, int], level: str
) -> None:
    """Of channels with steps of their own, and places with theirs."""
    of, rng = transform_of(TREES[tree], num_planes), np.random.default_rng(size[1])
    samples, shrink = random_samples(size, num_planes), random_shrink(of.num_channels)
    values = native_integers(samples, of, 0.05, plain_thresholds(of.num_channels), np.int16)
    values.reshape(-1)[:: max(values.size // 9, 1)] = 32000  # beyond what coefficients hold
    exponents = rng.integers(-16, 17, values.shape[1:]).astype(np.int8)
    scales = (scale_of(140) * rng.uniform(0.5, 2, of.num_channels)).astype(np.float32)
    for first in (0, 4 * num_planes, of.num_channels):
        integers = dequantize(values, scales[:, None, None], shrink)
        integers[first:] = weighed(integers[first:], exponents)
        expected = samples_of(integers, 6, of, Sixteen())
        for part in (values, values.astype(np.int32)):
            out = np.full(expected.shape, 77, np.uint8)
            rows = (0, values.shape[1], 6, scales, shrink, 0)
            _native.fixed_samples(of.native, part, *rows, out, 0, 0, exponents=exponents, first_mapped=first)
            assert np.array_equal(out, expected)


def test_rows_of_tuned_steps_are_those_of_the_whole() -> None:
    """Exponents are those of all places that are there, from whatever row samples are made."""
    of, rng = transform_of(TREES["dyadic 2"], 1), np.random.default_rng(2)
    values = rng.integers(-40, 40, (16, 23, 9)).astype(np.int16)
    exponents = rng.integers(-16, 17, (23, 9)).astype(np.int8)
    scales, shrink = scales_of(130, 16), random_shrink(16)

    def made(first: int, last: int) -> NDArray[np.uint8]:
        out = np.empty((4 * (last - first), 36, 1), np.uint8)
        rows = (first, last - first, 6, scales, shrink, 0)
        _native.fixed_samples(of.native, values, *rows, out, 0, 0, exponents=exponents, first_mapped=4)
        return out

    margin = fixed_point.MARGIN
    assert np.array_equal(made(3, 20)[4 * margin : -4 * margin], made(0, 23)[4 * (3 + margin) : 4 * (20 - margin)])


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_shipped_models_code_as_the_twin(name: str, level: str) -> None:
    model, code = without_low_levels(load_model(name)), 120
    of = transform_of_model(model)
    samples = random_samples((61, 83), model.num_planes)
    _, expected = analyze(samples, of, Sixteen())
    assert np.array_equal(coefficients_of(Image(samples), model), expected)
    thresholds = plain_thresholds(model.num_channels)
    values = np.empty(expected.shape, integer_type(model, code))
    quantizer = Quantizer(code, thresholds)
    integers_of_rows(PictureRows(samples, 0, 61, 255), (0, expected.shape[1]), model, quantizer, [values])
    assert np.array_equal(values, quantize(expected, quantizer, model))
    shrink = model.shrink_of(code, model.num_channels)
    for channels in (1, 5, model.num_channels):
        out = np.empty_like(samples)
        part = PictureRowsPart(values[:channels], (0, 0), (61, 83), code, 255)
        synthesize_picture_rows(part, model, out, (0, 0))
        assert np.array_equal(out, synthesize(values[:channels], code, shrink, of, Sixteen())[:61, :83])


@pytest.mark.parametrize("num_planes", [1, 2, 3])
def test_channels_beyond_the_planes_are_left_alone(num_planes: int, level: str) -> None:
    of = transform_of(TREES["dyadic 2"], num_planes)
    shrink, thresholds = random_shrink(of.num_channels), plain_thresholds(of.num_channels)
    scales = np.full(of.num_channels, 20, np.float32)
    for num_channels in range(num_planes, 5):
        samples = random_samples((13, 70), num_channels)
        expected = native_coefficients(np.ascontiguousarray(samples[:, :, :num_planes]), of)
        assert np.array_equal(native_coefficients(samples, of), expected)
        values = native_integers(samples, of, 0.01, thresholds)
        out = np.full((16, 72, num_channels), 77, np.uint8)
        _native.fixed_samples(of.native, values, 0, 4, 6, scales, shrink, 0, out, 0, 0)
        alone = np.empty((16, 72, num_planes), np.uint8)
        _native.fixed_samples(of.native, values, 0, 4, 6, scales, shrink, 0, alone, 0, 0)
        assert np.array_equal(out[:, :, :num_planes], alone)
        assert (out[:, :, num_planes:] == 77).all()


@pytest.mark.parametrize("tree", TREES)
def test_parts_are_those_of_the_whole(tree: str) -> None:
    """Any rows of the latent from the rows of samples around them; any rectangle from the places around it."""
    of, margin = transform_of(TREES[tree], 1), fixed_point.MARGIN
    f = of.tree.factor
    samples = random_samples((25 * f - 1, 11 * f + 1), 1)
    whole = native_coefficients(samples, of)
    for first, last in ((0, 3), (6, 7), (9, 16), (22, 25)):
        top, bottom = max(first - margin, 0) * f, min((last + margin) * f, len(samples))
        cut = np.ascontiguousarray(samples[top:bottom])
        columns = [slice(x, x + 8) for x in range(0, whole.shape[2], 8)]
        expected = [whole[:, y : min(y + 8, last), x] for y in range(first, last, 8) for x in columns]
        tiles = [np.empty(tile.shape, np.float32) for tile in expected]
        _native.fixed_coefficients(of.native, cut, top, len(samples), first, last, 8, tiles)
        for found, tile in zip(tiles, expected, strict=True):
            assert np.array_equal(found, tile)
    values, shrink = np.rint(whole * 20).astype(np.int16), random_shrink(of.num_channels)
    everything = native_samples(values, 130, shrink, of)
    scale = scales_of(130, of.num_channels)
    for y, x in ((0, 0), (9, 3), (20, 7)):
        top, left, bottom, right = max(y - margin, 0), max(x - margin, 0), y + 5 + margin, x + 2 + margin
        part = np.ascontiguousarray(values[:, :, left:right])
        inside = np.empty((5 * f, 2 * f, 1), np.uint8)
        rows = min(bottom, values.shape[1]) - top
        _native.fixed_samples(of.native, part, top, rows, 6, scale, shrink, 0, inside, (y - top) * f, (x - left) * f)
        assert np.array_equal(inside, everything[y * f : (y + 5) * f, x * f : (x + 2) * f])


# The quantiser, alone: a leaf of one packet whose value is a sum that can be chosen.


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_quantiser_is_that_of_floats_for_extreme_sums(dtype: type, level: str) -> None:
    tree = dyadic_tree(2, 1)
    matrix = np.array([[32767]], np.int16)
    of = Transform(tree, 1, (FixedLeaf(matrix, 0, matrix, 14),) * 4, np.arange(4, dtype=np.uint16))
    samples = random_samples((128, 70), 1)
    sums, coefficients = analyze(samples, of, Sixteen())
    assert np.abs(sums).max() > 1 << 29
    assert (sums == 0).any() or np.abs(sums).min() < 1 << 22
    for zero_below, rounding in ((0.0, 0.0), (0.5, 0.5), (0.625, 0.375), (1.4, 0.1), (2.0, 0.0)):
        thresholds = np.tile(np.array([zero_below, rounding], np.float32), (4, 1))
        for step in (1e-9, 0.03, 1.0, 4.1, 5e4, 1e9):
            inverse = np.float32(1 / step)
            magnitudes = np.abs(coefficients) * inverse
            up = np.minimum(magnitudes + np.float32(rounding), np.float32(1 << 30)).astype(np.int64)
            integers = np.where(magnitudes < np.float32(zero_below), 0, np.maximum(up, 1))
            expected = np.where(sums < 0, -integers, integers).astype(dtype)
            assert np.array_equal(native_integers(samples, of, step, thresholds, dtype), expected)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_dequantiser_takes_any_integer(dtype: type, level: str) -> None:
    of = transform_of(TREES["dyadic 1"], 1)
    limits = np.iinfo(dtype)
    extremes = [0, 1, -1, 2, -2, 3, -3, 4, limits.max, limits.max - 1, limits.min, limits.min + 1, 255, -256]
    values = np.random.default_rng(0).choice(np.array(extremes, dtype), (4, 9, 41))
    shrinks = [np.zeros((4, 3), np.float32), random_shrink(4), np.full((4, 3), [0.9, -1, 1], np.float32)]
    for code, shrink in product((0, 40, 160, 255), shrinks):
        expected = synthesize(values, code, shrink, of, Sixteen())
        assert np.array_equal(native_samples(values, code, shrink, of), expected)
    for shrink_row in np.concatenate([load_model(name).shrink for name in ("grey", "rgb")]):
        shrink = np.tile(shrink_row, (4, 1))
        expected = synthesize(values, 100, shrink, of, Sixteen())
        assert np.array_equal(native_samples(values, 100, shrink, of), expected)


# No picture makes rows wrap around.

SIDE = 96
PERIODS = (*range(1, 9), 11, 16)
# Finer ones first: rounding by the nearest integer, which profile small begins from, errs by most.
STEP_CODES = (60, 84, 100, 120, 132, 140, 143, 144, 150, 160, 170, 180, 190)


def middle(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Those of the value in the middle of a line."""
    row = weights[len(weights) // 2]
    return row[row.nonzero()[0][0] : row.nonzero()[0][-1] + 1]


def worst_signs(tree: Tree) -> Iterator[NDArray[np.bool_]]:
    """For each step of the lifting of each node, in both directions: where its result weighs the samples positively."""
    for path in sorted(tree.splits, key=len):
        v, h = fixed_point._directions(path)
        vertical, horizontal = (fixed_point._steps(fixed_point._band(direction)) for direction in (v, h))
        pairs = [(fixed_point._band(v), horizontal[step]) for step in horizontal]
        pairs += [(vertical[step], horizontal[half]) for step in vertical for half in ("low", "high")]
        for one, other in pairs:
            yield np.outer(middle(one), middle(other)) >= 0


def black_and_white(tree: Tree) -> Iterator[NDArray[np.bool_]]:
    y, x = np.mgrid[:SIDE, :SIDE]
    for p in PERIODS:
        yield from ((x // p + y // p) % 2 > 0, x // p % 2 > 0, y // p % 2 > 0, (x + y) // p % 2 > 0)
    rng = np.random.default_rng(1)
    for block in (1, 1, 2, 3, 4):
        yield rng.integers(0, 2, (SIDE // block, SIDE // block)).repeat(block, 0).repeat(block, 1) > 0
    for signs in worst_signs(tree):
        h, w = signs.shape
        yield signs[(y + h // 2) % h, (x + w // 2) % w]
        alone = np.zeros((SIDE, SIDE), bool)
        top, left = (SIDE - h) // 16 * 8 + h % 8, (SIDE - w) // 16 * 8 + w % 8
        alone[top : top + h, left : left + w] = signs[: SIDE - top, : SIDE - left]
        yield alone


@cache
def extreme_pictures(model: str) -> list[NDArray[np.uint8]]:
    """Black and white; of three planes one is the negative of the others or not."""
    found, signs = [], ((1,),) if model == "grey" else ((1, 1, 1), (1, -1, 1), (1, 1, -1), (1, -1, -1))
    for number, white in enumerate(black_and_white(load_model(model).tree)):
        planes = [white if sign > 0 else ~white for sign in signs[number % len(signs)]]
        samples = np.stack(planes, axis=-1).astype(np.uint8) * np.uint8(255)
        found += [samples, 255 - samples]
    return found


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_bound_of_every_node_is_below_16_bits(name: str) -> None:
    assert max(fixed_point._largest_in_node(path) for path in load_model(name).tree.splits) < 500


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_analysis_of_extreme_pictures_does_not_wrap_around(name: str) -> None:
    model, keep = load_model(name), Unlimited()
    of = transform_of_model(model)
    for samples in extreme_pictures(name):
        _, expected = analyze(samples, of, keep)
        assert np.array_equal(native_coefficients(samples, of), expected)
    bound = max(fixed_point._largest_in_node(path) for path in model.tree.splits) / 512
    assert 0.97 * bound < keep.largest < bound + 0.001, "the pictures are not the worst"
    assert 0.5 < keep.largest_sum < 1


@pytest.mark.parametrize("code", STEP_CODES)
@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_synthesis_of_extreme_pictures_does_not_wrap_around(name: str, code: int) -> None:
    model, keep = load_model(name), Unlimited()
    of, d = transform_of_model(model), model.num_channels
    shrink = model.shrink_of(code, d)
    for number, samples in enumerate(extreme_pictures(name)):
        choices = ((Profile.SMALL, 1), (Profile.SMALL, 0), (Profile.FAST, 1))
        thresholds = rate_distortion_thresholds_for(model, code, *choices[number % 3])
        values = native_integers(samples, of, float(step_of_code(code)), thresholds)
        found = native_samples(values, code, shrink, of)
        assert np.array_equal(found, synthesize(values, code, shrink, of, keep)), f"picture {number} wraps around"
    assert keep.largest < 1
    assert keep.largest_sum < 0.5


# What 16 bits cost.


def float_split(line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """CDF 9/7 by the lifting of Daubechies and Sweldens (1998), in float64."""
    e, o = line[..., 0::2], line[..., 1::2]
    o = o - 1.586134342059924 * (e + after(e))
    e = e - 0.052980118572961 * (before(o) + o)
    o = o + 0.882911075530934 * (e + after(e))
    e = e + 0.443506852043971 * (before(o) + o)
    return [e * 1.149604398860241, o / -1.149604398860241]


def float_merge(e: NDArray[np.float64], o: NDArray[np.float64]) -> NDArray[np.float64]:
    e, o = e / 1.149604398860241, o * -1.149604398860241
    e = e - 0.443506852043971 * (before(o) + o)
    o = o - 0.882911075530934 * (e + after(e))
    e = e + 0.052980118572961 * (before(o) + o)
    o = o + 1.586134342059924 * (e + after(e))
    return np.stack([e, o], axis=-1).reshape(*e.shape[:-1], -1)


def float_analyze(samples: NDArray[np.uint8], model: Model) -> NDArray[np.float64]:
    bands = {(): extended(samples, model.tree) / (64 * 255)}
    for path in sorted(model.tree.splits, key=len):
        bands |= {(*path, i): band for i, band in enumerate(split_plane(bands[path], float_split))}
    grid = (bands[()].shape[1] // model.tree.factor, bands[()].shape[2] // model.tree.factor)
    packets = np.concatenate([blocks_of(bands[path], grid) for path in model.tree.leaves])
    coefficients = np.empty_like(packets)
    for (lo, hi), matrix in zip(model.blocks, model.analysis, strict=True):
        coefficients[model.channels[lo:hi]] = np.tensordot(matrix.astype(np.float64), packets[lo:hi], 1)
    return coefficients


def float_synthesize(coefficients: NDArray[np.float64], model: Model) -> NDArray[np.float64]:
    """(h, w, c) samples, neither rounded nor clipped."""
    stacked, bands = coefficients[model.channels], {}
    for path, (lo, hi), matrix in zip(model.tree.leaves, model.blocks, model.synthesis, strict=True):
        bands[path] = plane_of(np.tensordot(matrix.astype(np.float64), stacked[lo:hi], 1), model.num_planes)
    for path in sorted(model.tree.splits, key=len, reverse=True):
        bands[path] = merge_plane([bands[*path, i] for i in range(4)], float_merge)
    return 255 * bands[()].transpose(1, 2, 0) + 127.5


def squared_errors(samples: NDArray[np.uint8], model: Model, code: int) -> tuple[float, float]:
    """Mean squared error in levels, of the fixed-point transform and of one in float64."""
    height, width = samples.shape[:2]
    step, shrink = float(step_of_code(code)), model.shrink_of(code, model.num_channels).astype(np.float64)
    exact = float_analyze(samples, model)
    integers = np.floor(np.abs(exact) / step + model.rounding)
    less = shrink[np.arange(len(shrink))[:, None, None], np.clip(integers.astype(int), 1, 3) - 1]
    points = np.where(integers > 0, np.sign(exact) * (integers - less) * step, 0)
    by_floats = np.clip(np.rint(float_synthesize(points, model)), 0, 255)[:height, :width]
    values = np.empty(exact.shape, np.int32)
    quantizer = Quantizer(code, plain_thresholds(len(shrink), model.rounding))
    integers_of_rows(PictureRows(samples, 0, height, 255), (0, exact.shape[1]), model, quantizer, [values])
    found = np.empty_like(samples)
    synthesize_picture_rows(PictureRowsPart(values, (0, 0), (height, width), code, 255), model, found, (0, 0))
    return ((found - samples.astype(float)) ** 2).mean(), ((by_floats - samples) ** 2).mean()


def losses_db(pictures: Sequence[NDArray[np.uint8]], model: Model, code: int) -> tuple[float, float]:
    """Peak signal-to-noise ratio over all pictures, and what it is below that of float64."""
    fixed, exact = np.mean([squared_errors(picture, model, code) for picture in pictures], axis=0)
    return float(10 * np.log10(255**2 / fixed)), float(10 * np.log10(fixed / exact))


def opened(path: File, mode: str) -> NDArray[np.uint8]:
    with PillowImage.open(path) as picture:
        return Image.from_pillow(picture.convert(mode)).samples[:256, :320]


@pytest.mark.parametrize(("name", "mode"), [("grey", "L"), ("rgb", "RGB")])
def test_less_than_a_thirtieth_of_a_decibel_is_lost(name: str, mode: str) -> None:
    pictures = [opened(DATA / f"kodim{number}_crop.png", mode) for number in ("05", "23")]
    model = without_low_levels(load_model(name))
    found = [losses_db(pictures, model, code) for code in range(92, 160, 6)]
    tested = [(psnr_db, loss_db) for psnr_db, loss_db in found if psnr_db < 45.5]
    assert tested[0][0] > 44
    assert tested[-1][0] < 36
    assert max(loss_db for _, loss_db in tested) <= 0.03, tested


@pytest.mark.skipif(not KODAK.is_dir(), reason="needs the pictures beside the project")
def test_less_than_a_thirtieth_of_a_decibel_is_lost_on_kodak() -> None:
    pictures = [opened(path, "RGB") for path in sorted(KODAK.glob("*.png"))[::3]]
    for code in (107, 120, 140, 150):  # 45.0 to 33.6 dB
        psnr_db, loss_db = losses_db(pictures, without_low_levels(load_model("rgb")), code)
        assert loss_db <= 0.03, f"{loss_db:.4f} dB at {psnr_db:.1f} dB"


# Models.


@cache
def fitted() -> Model:
    return fit([Image(opened(DATA / "kodim23_crop.png", "L"))], "mine", FitOptions(tree=dyadic_tree(2, 2)))


@pytest.mark.parametrize("model", [load_model("grey"), load_model("rgb"), fitted()], ids=lambda model: model.name)
def test_integer_matrices_are_those_of_the_float_matrices(model: Model) -> None:
    expected = fixed_leaves(model.tree, model.num_planes, model.analysis, model.synthesis)
    assert len(model.fixed) == len(model.tree.leaves)
    for found, leaf in zip(model.fixed, expected, strict=True):
        assert (found.analysis_bits, found.synthesis_bits) == (leaf.analysis_bits, leaf.synthesis_bits)
        assert np.array_equal(found.analysis, leaf.analysis)
        assert np.array_equal(found.synthesis, leaf.synthesis)
    model = without_low_levels(model)
    by_floats = coefficients_of(Image(random_samples((40, 50), model.num_planes)), dataclasses.replace(model, fixed=()))
    by_integers = coefficients_of(Image(random_samples((40, 50), model.num_planes)), model)
    assert 0 < np.abs(by_integers - by_floats).max() < 0.004


@pytest.mark.parametrize("model", [load_model("grey"), load_model("rgb"), fitted()], ids=lambda model: model.name)
def test_no_coefficient_exceeds_what_16_bits_are_chosen_by(model: Model) -> None:
    flat = [np.full((96, 96, model.num_planes), value, np.uint8) for value in (0, 255)]
    extremes = extreme_pictures(model.name) if model.name != "mine" else [random_samples((96, 96), 1)]
    largest = max(np.abs(coefficients_of(Image(samples), model)).max() for samples in (*flat, *extremes))
    bound = fixed_point.largest_fixed_coefficient(model.fixed)
    assert 0.05 * bound < largest < bound
    for code in range(256):
        assert integer_type(model, code) is (np.int16 if bound / float(step_of_code(code)) < 32767 else np.int32)
    assert integer_type(model, 60) is np.int16
    assert integer_type(dataclasses.replace(model, fixed=()), 60) is np.int32


def changed(leaf: int, **parts: Any) -> tuple[FixedLeaf, ...]:
    fixed = list(fitted().fixed)
    fixed[leaf] = dataclasses.replace(fixed[leaf], **parts)
    return tuple(fixed)


@pytest.mark.parametrize(
    "fixed",
    [
        lambda: fitted().fixed[:-1],
        lambda: (*fitted().fixed, fitted().fixed[0]),
        lambda: fitted().fixed[::-1],
        lambda: changed(0, analysis=np.zeros((2, 2), np.int16)),
        lambda: changed(5, synthesis=np.zeros((4, 3), np.int16)),
        lambda: changed(5, synthesis=np.zeros(16, np.int16)),
        lambda: changed(5, analysis=np.zeros((4, 4), np.int32)),
        lambda: changed(1, analysis_bits=16),
        lambda: changed(1, synthesis_bits=-1),
        lambda: changed(1, synthesis_bits=3.5),
    ],
    ids=["one missing", "one more", "another order", "size", "oblong", "flat", "32 bits", "bits 16", "bits -1", "half"],
)
def test_integer_matrices_that_fit_nothing_are_refused(fixed: Callable[[], tuple[FixedLeaf, ...]]) -> None:
    with pytest.raises(WeightsError):
        dataclasses.replace(fitted(), fixed=fixed())


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("fixed_bits", np.zeros((7, 1), np.uint8)),
        ("fixed_bits", np.zeros(7, np.uint8)),
        ("fixed_bits", np.array(7, np.uint8)),
        ("fixed_bits", np.full((7, 2), 255, np.uint8)),
        ("fixed_bits", np.full((8, 2), 9, np.uint8)),
        ("fixed_bits", np.zeros((0, 2), np.uint8)),
        ("fixed_analysis.3", np.zeros((1, 2), np.int16)),
        ("fixed_synthesis.6", np.zeros((4, 4, 1), np.int16)),
        ("fixed_synthesis.6", None),
        ("shrink", np.full((96, 3), np.nan, np.float32)),
        ("shrink", np.full((96, 3), 1e30, np.float32)),
    ],
)
def test_model_file_of_damaged_integer_matrices_is_refused(name: str, array: Any, tmp_path: File) -> None:
    fitted().save(tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", framework="np") as file:
        arrays, metadata = {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata())  # noqa: SIM118
    arrays.pop(name)
    if array is not None:
        arrays[name] = array
    save_file(arrays, tmp_path / "m.safetensors", metadata=metadata)
    with pytest.raises(WeightsError):
        Model.load(tmp_path / "m.safetensors")


def test_integer_matrices_change_the_fingerprint() -> None:
    leaf = fitted().fixed[2]
    others = [
        changed(2, analysis=leaf.analysis + np.int16(1)),
        changed(2, synthesis=leaf.synthesis - np.int16(1)),
        changed(2, analysis_bits=leaf.analysis_bits - 1),
        changed(2, synthesis_bits=leaf.synthesis_bits - 1),
        (),
    ]
    prints = {dataclasses.replace(fitted(), fixed=fixed).fingerprint for fixed in (fitted().fixed, *others)}
    assert len(prints) == 1 + len(others)


def test_trees_that_the_kernels_cannot_take_have_no_integer_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves(tree: Tree, num_planes: int) -> tuple[FixedLeaf, ...]:
        matrices = [np.eye(num_planes * tree.channels_of(path), dtype=np.float32) for path in tree.leaves]
        return fixed_leaves(tree, num_planes, matrices, matrices)

    assert leaves(dyadic_tree(2, 4), 4)
    assert not leaves(dyadic_tree(2, 5), 1)
    assert not leaves(dyadic_tree(2, 2), 5)
    assert not leaves(dyadic_tree(1, 3), 1)
    assert not leaves(Tree(2, 3, frozenset()), 1)
    assert not fixed_leaves(dyadic_tree(2, 1), 1, [np.eye(4, dtype=np.float32)], [np.eye(4, dtype=np.float32)])
    monkeypatch.setattr(fixed_point, "_LARGEST_SAMPLE", 127.5 * 512 / 479)
    assert not leaves(dyadic_tree(2, 2), 1), "rows are beyond 16 bits"


@pytest.mark.parametrize(
    "options",
    [FitOptions(tree=dyadic_tree(2, 5)), FitOptions(tree=dyadic_tree(2, 2), blocks="resolution")],
    ids=["depth 5", "resolution"],
)
def test_model_without_integer_matrices_codes_8_bits_by_floats(options: FitOptions, tmp_path: File) -> None:
    image = Image(opened(DATA / "kodim23_crop.png", "L")[:96, :128])
    model = fit([image], "floats", options)
    assert model.fixed == ()
    assert model.fixed_map is None
    model.save(tmp_path / "m.safetensors")
    codec = Lcn(quality=95, model=str(tmp_path / "m.safetensors"))
    found = codec.decode(codec.encode(image)).samples
    assert ((found - image.samples.astype(float)) ** 2).mean() < 4
    assert np.array_equal(Model.load(tmp_path / "m.safetensors").channels, model.channels)


def test_16_bits_are_the_same_with_every_instruction_set(levels: Iterator[str]) -> None:
    samples = np.random.default_rng(0).integers(0, 1 << 16, (61, 83, 3)).astype(np.uint16)
    coefficients, decoded = set(), set()
    for _ in levels:
        coefficients.add(coefficients_of(Image(samples), load_model("rgb")).tobytes())
        decoded.add(Lcn(quality=80).decode(Lcn(quality=80).encode(Image(samples))).samples.tobytes())
    assert (len(coefficients), len(decoded)) == (1, 1)


def test_8_bits_are_the_same_with_every_instruction_set(levels: Iterator[str]) -> None:
    samples, files, decoded = random_samples((161, 283), 3), set(), set()
    for _ in levels:
        files.add(Lcn(quality=60).encode(Image(samples)))
        decoded.add(Lcn().decode(min(files)).samples.tobytes())
    assert (len(files), len(decoded)) == (1, 1)


# The kernels refuse what they cannot take.


def arguments(**changes: Any) -> dict[str, Any]:
    of = transform_of(TREES["dyadic 2"], 2)
    return {
        "map": of.native,
        "samples": np.zeros((16, 24, 3), np.uint8),
        "first_row": 0,
        "height": 16,
        "first": 0,
        "last": 4,
        "side": 8,
        "tiles": [np.zeros((32, 4, 6), np.int32)],
        "inverse_step": 10.0,
        "thresholds": plain_thresholds(32),
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"first_row": 1},
        {"first_row": 2**64 - 1},
        {"height": 0},
        {"height": 12},
        {"height": 17},
        {"height": 2**63 + 1},
        {"height": 2**64 - 1},
        {"first": 4},
        {"first": 2**64 - 1},
        {"last": 5},
        {"last": 2**64 - 1},
        {"side": 0},
        {"side": 4},
        {"side": 24},
        {"side": 2**64 - 8},
        {"tiles": []},
        {"tiles": [np.zeros((32, 4, 6), np.int32)] * 2},
        {"tiles": [np.zeros((32, 4, 7), np.int32)]},
        {"tiles": [np.zeros((31, 4, 6), np.int32)]},
        {"tiles": [np.zeros((32, 3, 6), np.int32)]},
        {"tiles": [np.zeros((32, 4, 12), np.int32)[:, :, ::2]]},
        {"tiles": [np.zeros((32, 4, 6), np.int64)]},
        {"tiles": [np.zeros((32, 4, 6), np.float32)]},
        {"samples": np.zeros((16, 24, 1), np.uint8)},
        {"samples": np.zeros((16, 24, 5), np.uint8)},
        {"samples": np.zeros((16, 0, 3), np.uint8)},
        {"samples": np.zeros((0, 24, 3), np.uint8)},
        {"samples": np.zeros((15, 24, 3), np.uint8)},
        {"inverse_step": np.nan},
        {"inverse_step": -1.0},
        {"thresholds": plain_thresholds(31)},
        {"thresholds": np.zeros((32, 3), np.float32)},
        {"thresholds": np.full((32, 2), np.nan, np.float32)},
        {"thresholds": np.full((32, 2), -1e30, np.float32)},
    ],
    ids=str,
)
def test_analysis_of_what_is_not_there_is_refused(changes: dict[str, Any]) -> None:
    _native.fixed_integers(**arguments())
    with pytest.raises((ValueError, IndexError, TypeError)):
        _native.fixed_integers(**arguments(**changes))


@pytest.mark.parametrize("changes", [{"inverse_step": np.inf}, {"inverse_step": 0.0}], ids=str)
def test_steps_of_0_and_infinity_end_at_the_limits(changes: dict[str, Any]) -> None:
    given = arguments(samples=random_samples((16, 24), 3), **changes)
    _native.fixed_integers(**given)
    assert set(np.unique(np.abs(given["tiles"][0]))) <= {0, 1 << 30}


def synthesis_arguments(**changes: Any) -> dict[str, Any]:
    of = transform_of(TREES["high 3"], 2)
    return {
        "map": of.native,
        "values": np.ones((128, 3, 4), np.int16),
        "row": 0,
        "num_rows": 3,
        "row_bits": 6,
        "scales": np.full(128, 20, np.float32),
        "shrink": np.zeros((128, 3), np.float32),
        "level": 0,
        "out": np.zeros((24, 32, 3), np.uint8),
        "y": 0,
        "x": 0,
    } | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"row": 1},
        {"row": 2**64 - 3},
        {"row": 2**64 - 1, "num_rows": 1},
        {"num_rows": 0},
        {"num_rows": 4},
        {"num_rows": 2**63},
        {"y": 1},
        {"x": 1},
        {"y": 2**64 - 1},
        {"x": 2**64 - 1},
        {"x": 2**64 - 32},
        {"row_bits": 7},
        {"scales": np.full(128, np.nan, np.float32)},
        {"scales": np.full(128, -1, np.float32)},
        {"scales": np.full(128, np.inf, np.float32)},
        {"scales": np.full(127, 20, np.float32)},
        {"exponents": np.zeros((3, 3), np.int8)},
        {"exponents": np.zeros((2, 4), np.int8)},
        {"shrink": np.zeros((127, 3), np.float32)},
        {"shrink": np.zeros((128, 2), np.float32)},
        {"shrink": np.full((128, 3), np.nan, np.float32)},
        {"shrink": np.full((128, 3), 1e30, np.float32)},
        {"values": np.zeros((129, 3, 4), np.int16)},
        {"values": np.zeros((128, 3, 0), np.int16)},
        {"level": 1},
        {"level": 2, "out": np.zeros((6, 8, 3), np.uint8)},
        {"level": 4, "out": np.zeros((1, 2, 3), np.uint8)},
        {"level": 2**64 - 1},
        {"out": np.zeros((24, 32, 1), np.uint8)},
        {"out": np.zeros((24, 32, 5), np.uint8)},
        {"out": np.zeros((25, 32, 3), np.uint8)},
    ],
    ids=str,
)
def test_synthesis_of_what_is_not_there_is_refused(changes: dict[str, Any]) -> None:
    _native.fixed_samples(**synthesis_arguments())
    with pytest.raises((ValueError, IndexError)):
        _native.fixed_samples(**synthesis_arguments(**changes))


def test_no_channels_are_an_even_picture() -> None:
    given = synthesis_arguments(values=np.zeros((0, 3, 4), np.int16))
    _native.fixed_samples(**given)
    assert (given["out"][:, :, :2] == 128).all()


def test_maps_that_are_no_trees_are_refused() -> None:
    matrix, samples = np.ones((4, 4), np.int16), np.zeros((4, 4, 1), np.uint8)

    def analyzed(depth: int, nodes: Sequence[tuple[int, tuple[int, ...]]], channels: Sequence[int] = range(4)) -> None:
        tree = _native.FixedMap(1, depth)
        for _ in range(4):
            tree.add_leaf(1, matrix, 0, matrix, 0, list(channels))
        for node_depth, children in nodes:
            tree.add_node(node_depth, children)
        out = np.zeros((16, 1, 1), np.float32)
        _native.fixed_coefficients(tree, samples, 0, 4, 0, 1, 8, [out])

    analyzed(2, [(0, (-1, -2, -3, -4))])
    for nodes in (
        [],
        [(0, (0, -2, -3, -4))],
        [(0, (1, -2, -3, -4))],
        [(0, (-5, -2, -3, -4))],
        [(0, (-(2**31), -2, -3, -4))],
        [(0, (2**31 - 1, -2, -3, -4))],
        [(1, (-1, -2, -3, -4))],
        [(0, (1, -2, -3, -4)), (1, (-1, -2, -3, -4))],
        [(0, (1, -2, -3, -4)), (0, (-1, -2, -3, -4))],
        [(2, (-1, -2, -3, -4))],
    ):
        with pytest.raises(ValueError):
            analyzed(2, nodes)
    with pytest.raises(ValueError, match="a channel is not there"):
        analyzed(2, [(0, (-1, -2, -3, -4))], (0, 1, 2, 16))
    for planes, depth in ((0, 1), (5, 1), (1, 0), (1, 5)):
        with pytest.raises(ValueError, match="are supported"):
            _native.FixedMap(planes, depth)
    with pytest.raises(ValueError, match="fraction bits"):
        _native.FixedMap(1, 2).add_leaf(1, matrix, 16, matrix, 0, [0, 1, 2, 3])
    with pytest.raises(ValueError, match="do not fit the leaf"):
        _native.FixedMap(1, 2).add_leaf(1, matrix, 0, matrix, 0, [0, 1, 2])
    with pytest.raises(ValueError, match="too coarse or fine"):
        _native.FixedMap(1, 2).add_leaf(0, matrix, 0, matrix, 0, [0, 1, 2, 3])


def test_unknown_instruction_sets_are_refused() -> None:
    before = simd.current()
    assert not _native.use_simd("no such")
    assert _native.use_simd(before)
