"""Optimised quantisation: what it may choose, what it chooses by, and what it gains."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import open as open_picture
from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import load_model
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.quantizer import Quantizer, quantize
from laconic.codecs.transform.rate_distortion import (
    PRICE,
    low_shrink_of,
    low_thresholds_for,
    optimize_rate_distortion,
    rate_distortion_thresholds_for,
    static_rate_distortion_thresholds,
)
from laconic.codecs.transform.signals import coefficients_of
from laconic.codecs.transform.subband_choice import SUBBAND_PRICE
from laconic.entropy import rans
from laconic.entropy.container import Profile
from laconic.entropy.planes import PlanesEncoder

DATA = Path(__file__).parents[1] / "data"
CODE = 160

Planes = NDArray[np.int32]


@pytest.fixture(scope="module")
def picture() -> Image:
    opened = open_picture(DATA / "kodim23_crop.png")
    return Image(opened.samples[:120, :152])


def _name(profile: Profile) -> str:
    return "rgb_best" if profile is Profile.BEST else "rgb"


def _prepared(
    picture: Image, code: int = CODE, profile: Profile = Profile.SMALL
) -> tuple[Model, NDArray[np.float32], Planes]:
    model = load_model(_name(profile))
    coefficients = coefficients_of(picture, model)
    return (
        model,
        coefficients,
        quantize(coefficients, Quantizer(code, rate_distortion_thresholds_for(model, code, profile, 0)), model),
    )


def _ratios(picture: Image, profile: Profile, code: int = CODE) -> NDArray[np.float32]:
    return coefficients_of(picture, load_model(_name(profile))) * np.float32(1 / step_of_code(code))


def _kept(model: Model, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where integers are not chosen: in predicted channels, and in the low band of low levels."""
    kept = np.zeros(shape, bool)
    kept[: model.contexts.num_predicted] = True
    if model.low_levels:
        kept[: model.num_planes, :: 1 << model.low_levels, :: 1 << model.low_levels] = True
    return kept


def _optimized(picture: Image, profile: Profile, effort: int = 1, code: int = CODE) -> tuple[Planes, Planes]:
    _, _, plain = _prepared(picture, code, profile)
    codec = Lcn(step_code=code, profile=profile.name.lower(), effort=effort, tune="psnr")  # type: ignore[arg-type]
    return plain, codec.analyze(picture).values


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("effort", [1, 2])
def test_integers_are_the_nearest_or_one_smaller(picture: Image, profile: Profile, effort: int) -> None:
    plain, chosen = _optimized(picture, profile, effort)
    ratios = _ratios(picture, profile)
    nearest = np.floor(np.abs(ratios) + np.float32(0.5)).astype(int)
    kept = _kept(load_model(_name(profile)), chosen.shape)
    rounded = np.copysign(nearest, ratios) if load_model(_name(profile)).low_levels else plain
    assert np.array_equal(chosen[kept], rounded[kept])
    magnitudes, nearest = np.abs(chosen[~kept]), nearest[~kept]
    assert (magnitudes <= nearest).all() and (magnitudes != nearest).any()
    smallest = nearest - 1 if profile is Profile.SMALL else np.where(nearest == 2, 0, nearest - 1)
    assert (magnitudes >= smallest).all()
    assert (np.sign(chosen) * ratios >= 0).all()


def _loss(picture: Image, values: Planes, profile: Profile, code: int) -> float:
    """Distortion in squared steps and the price of all bits, as the model's reconstruction and tables have them."""
    model, coefficients, _ = _prepared(picture, code, profile)
    ratios = np.abs(coefficients / step_of_code(code))
    magnitudes = np.abs(values)
    shrink = model.shrink_of(code, len(values))
    off = ratios - magnitudes
    for i in (1, 2, 3):
        rows = np.broadcast_to(shrink[:, None, None, i - 1], values.shape).copy()
        if low := model.low_at(code):
            rows[: model.num_planes] = np.moveaxis(low.shrink[_classes(model, values.shape[1:]), :, i - 1], -1, 0)
        off += np.where(magnitudes == i if i < 3 else magnitudes >= i, rows, 0)
    bits = PlanesEncoder(values, model.rules_at(code, profile), profile).ideal_bits(0, len(values))
    price = SUBBAND_PRICE if profile is Profile.BEST else PRICE
    return float((off.astype(float) ** 2).sum() + price * bits)


def _classes(model: Model, grid: tuple[int, ...]) -> NDArray[np.int64]:
    """Of each place of the low levels: SPEC.md, section 9.6."""
    classes = np.zeros(grid, int)
    for level in range(1, model.low_levels + 1):
        side, first = 1 << level, 1 + 3 * (model.low_levels - level)
        for k, (y, x) in enumerate(((1, 0), (0, 1), (1, 1))):
            classes[y * side // 2 :: side, x * side // 2 :: side] = first + k
    return classes


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("code", [120, 150, 180])
def test_less_is_lost_than_by_plain_rounding(profile: Profile, code: int) -> None:
    # What successors cost is an estimate, so that a second time may lose some hundredths of a per cent on a small crop.
    picture = open_picture(DATA / "kodim23_crop.png")
    plain, chosen = _optimized(picture, profile, code=code)
    _, twice = _optimized(picture, profile, 2, code=code)
    losses = [_loss(picture, values, profile, code) for values in (plain, chosen, twice)]
    assert losses[1] < 0.99 * losses[0]
    assert losses[2] <= losses[1] * (1.001 if profile is Profile.BEST else 1)


def test_static_thresholds_are_where_the_cheapest_integer_changes() -> None:
    model = load_model("rgb")
    contexts, tables = model.contexts, model.contexts.static_tables
    shrink = model.shrink_of(CODE, model.num_channels)
    zero_below, rounding = static_rate_distortion_thresholds(contexts, CODE, shrink)
    index = contexts.at_step(CODE).static_index

    def loss(c: int, ratio: float, n: int) -> float:
        values = np.array([n, -n], np.int32)
        point = n - float(shrink[c, n - 1]) if n else 0.0
        return (ratio - point) ** 2 + PRICE * rans.ideal_bits(values, tables, int(index[c])) / 2

    free = {1: 0, 2: 0}
    for c in range(model.num_channels):
        for n, at in ((1, float(zero_below[c])), (2, float(2 - rounding[c]))):
            assert n - 0.5 <= at <= 2
            free[n] += n - 0.5 < at < 2
            if at > n - 0.5:
                assert loss(c, at - 1e-4, n - 1) < loss(c, at - 1e-4, n)
            if at < 2:
                assert loss(c, at + 1e-4, n) < loss(c, at + 1e-4, n - 1)
    assert min(free.values()) > 50, "limits hide what is tested"


def test_thresholds_are_applied_as_they_are_described() -> None:
    model, step_1 = load_model("rgb"), 192
    ratios = np.array([0.0, 0.69, 0.7, -0.7, 1.59, -1.6, 2.61, 3e38, -1.2], np.float32)[None, None]
    chosen = quantize(ratios, Quantizer(step_1, np.array([[0.7, 0.4]], np.float32)), model)
    assert chosen.ravel().tolist() == [0, 0, 1, -1, 1, -2, 3, 1 << 30, -1]
    sparse = quantize(ratios, Quantizer(step_1, np.array([[1.25, 0.4]], np.float32)), model)
    assert sparse.ravel().tolist() == [0, 0, 0, 0, 1, -2, 3, 1 << 30, 0]


@pytest.mark.parametrize("profile", list(Profile))
def test_thresholds_of_low_channels_and_of_effort_0_are_those_of_plain_rounding(profile: Profile) -> None:
    model = load_model(_name(profile))
    plain = np.tile(np.array([1 - model.rounding, model.rounding], np.float32), (192, 1))
    if profile is Profile.BEST:  # the low channels are rounded to the nearest
        plain[:3] = 0.5
    assert np.array_equal(rate_distortion_thresholds_for(model, CODE, profile, 0), plain)
    assert low_thresholds_for(model, CODE, profile, 0) is None
    chosen, low = (f(model, CODE, profile, 1) for f in (rate_distortion_thresholds_for, low_thresholds_for))
    if profile is not Profile.FAST:
        assert (chosen == 0.5).all()
        assert low is None
        return
    assert (chosen[:3] == 0.5).all()
    static = static_rate_distortion_thresholds(model.contexts, CODE, model.shrink_of(CODE, 192))
    assert np.array_equal(chosen[3:], np.stack(static, axis=1)[3:])
    assert low is not None and model.contexts.low is not None
    assert (low[:3] == 0.5).all()
    static = static_rate_distortion_thresholds(model.contexts.low, CODE, low_shrink_of(model, CODE))
    assert np.array_equal(low[3:], np.stack(static, axis=1)[3:])


def test_low_planes_are_quantised_by_thresholds_of_their_own(picture: Image) -> None:
    model = load_model("rgb")
    coefficients = coefficients_of(picture, model)
    low = np.tile(np.array([[0.5, 0.5]], np.float32), (48, 1))
    low[3 * 5] = 1e9, 0.5  # of plane 0, at place (1, 2) of 4 x 4
    found = quantize(coefficients, Quantizer(CODE, np.full((192, 2), 0.5, np.float32), low), model)
    nearest = quantize(coefficients, Quantizer(CODE, np.full((192, 2), 0.5, np.float32)), model)
    assert nearest[0, 1::4, 2::4].any()
    nearest[0, 1::4, 2::4] = 0
    assert np.array_equal(found, nearest)


def _small_choice(model: Model, coefficients: NDArray[np.float32], code: int, dtype: type = np.int32) -> NDArray[Any]:
    nearest = Quantizer(code, np.full((len(coefficients), 2), 0.5, np.float32))
    values = quantize(coefficients, nearest, model).astype(dtype)
    optimize_rate_distortion(values, coefficients, code, model, effort=1)
    return values


@pytest.mark.parametrize("code", [20, CODE])
def test_16_bits_serve_as_well(picture: Image, code: int) -> None:
    model, coefficients, _ = _prepared(picture)
    wide = _small_choice(model, coefficients, code)
    narrow = _small_choice(model, coefficients, code, np.int16)
    assert narrow.dtype == np.int16
    assert np.abs(wide).max() > (127 if code < CODE else 0)
    assert np.array_equal(narrow, wide)


def test_the_largest_of_16_bits_stays_in_range() -> None:
    model = load_model("rgb")
    coefficients = np.full((192, 3, 4), 32767.6 * step_of_code(0), np.float32)
    values = np.full((192, 3, 4), 32767, np.int16)
    optimize_rate_distortion(values, coefficients, 0, model, effort=2)
    assert values.min() >= 32766


def test_a_choice_of_one_place_is_the_cheapest() -> None:
    model, code, c = load_model("rgb"), 150, 20
    shrink = model.shrink_of(code, 192)
    for ratio in np.arange(0.5, 3.5, 0.0625, dtype=np.float32):
        coefficients = np.zeros((192, 1, 1), np.float32)
        coefficients[c] = -ratio * step_of_code(code)
        (chosen,) = _small_choice(model, coefficients, code)[c].ravel()
        losses = {}
        for n in (int(ratio + 0.5) - 1, int(ratio + 0.5)):
            values = np.zeros((192, 1, 1), np.int32)
            values[c] = -n
            off = ratio - (n - shrink[c, min(n, 3) - 1] if n else 0)
            # Later channels are not looked ahead to.
            bits = PlanesEncoder(values, model.contexts.at_step(code), Profile.SMALL).ideal_bits(0, c + 1)
            losses[-n] = float(off) ** 2 + PRICE * bits
        assert losses[int(chosen)] <= min(losses.values()) + 1e-5


def test_all_instruction_sets_choose_the_same(picture: Image, levels: Iterator[str]) -> None:
    files = set()
    for _ in levels:
        small = [Lcn(effort=2, quality=quality).encode(picture) for quality in (1, 50, 99)]
        files.add(b"".join((*small, *(Lcn(profile=profile).encode(picture) for profile in ("fast", "best")))))
    assert len(files) == 1


def test_tiles_are_optimised_one_by_one(picture: Image) -> None:
    tiled, whole = (Lcn(step_code=CODE, tile_log2=side, tune="psnr").analyze(picture).values for side in (3, None))
    model, coefficients, plain = _prepared(picture)
    corner = (slice(None), slice(0, 8), slice(8, 16))
    cut = np.ascontiguousarray(coefficients[corner])
    alone = quantize(cut, Quantizer(CODE, np.full((len(plain), 2), 0.5, np.float32)), model)
    fixed = model.contexts.num_predicted
    alone[:fixed] = plain[corner][:fixed]
    optimize_rate_distortion(alone, cut, CODE, model, effort=1)
    assert np.array_equal(tiled[corner], alone)
    assert not np.array_equal(tiled, whole)


def test_effort_0_rounds(picture: Image) -> None:
    _, _, plain = _prepared(picture)
    assert np.array_equal(Lcn(step_code=CODE, effort=0, tune="psnr").analyze(picture).values, plain)


def test_sounds_and_empty_sounds() -> None:
    time = np.arange(12_000) / 16_000
    sound = Audio((0.3 * np.sin(900 * time) + 0.01 * np.cos(5e5 * time**2))[None].astype(np.float32), 16_000)
    plain, chosen = (Lcn(effort=effort) for effort in (0, 1))
    assert len(chosen.encode(sound)) < len(plain.encode(sound))
    empty = dataclasses.replace(sound, samples=sound.samples[:, :0])
    assert chosen.decode(chosen.encode(empty)).samples.shape == (1, 0)


def test_huge_coefficients_stay_in_range() -> None:
    model = load_model("rgb")
    coefficients = np.full((192, 2, 3), 3e38, np.float32)
    coefficients[:, 1] = -1e30
    values = np.full((192, 2, 3), 1 << 30, np.int32)
    values[:, 1] *= -1
    optimize_rate_distortion(values, coefficients, 0, model, effort=1)
    assert np.abs(values.astype(np.int64)).max() == 1 << 30
    assert np.abs(values.astype(np.int64)).min() >= (1 << 30) - 1


def test_planes_and_coefficients_must_fit() -> None:
    model = load_model("speech")
    values = np.zeros((256, 2, 3), np.int32)
    with pytest.raises(ValueError, match="differ in shape"):
        optimize_rate_distortion(values, np.zeros((256, 2, 2), np.float32), 0, model, effort=1)


@pytest.mark.parametrize("place", [(0, 1), (1, 0)])
def test_what_a_symbol_tells_those_after_it_counts(place: tuple[int, int]) -> None:
    model, code, c = load_model("rgb"), 150, 5

    def kept(after: float) -> int:
        count = 0
        for ratio in np.arange(0.5, 1.5, 1 / 64):
            ratios = np.zeros((192, 2, 2), np.float32)
            ratios[c, 0, 0], ratios[c][place] = ratio, after
            count += int(_small_choice(model, ratios * step_of_code(code), code)[c, 0, 0] != 0)
        return count

    assert kept(6.0) > kept(0.0)


@pytest.mark.parametrize("effort", [-1, 4, 1.5, None])
def test_other_efforts_are_refused(effort: object) -> None:
    with pytest.raises(CodecError, match="allowed is a whole number from 0 to 3"):
        Lcn(effort=effort)  # type: ignore[arg-type]
