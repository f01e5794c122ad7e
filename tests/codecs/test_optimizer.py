"""Optimised quantisation: what it may choose, what it chooses by, and what it gains."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import open as open_picture
from laconic.codecs.errors import CodecError
from laconic.codecs.media import Audio, Image
from laconic.codecs.model import Model
from laconic.codecs.optimizer import PRICE, optimize
from laconic.codecs.quantizer import step_of_code
from laconic.codecs.sandwich import Sandwich
from laconic.codecs.transform import coefficients_of, quantize
from laconic.codecs.zoo import load_model
from laconic.entropy import rans, simd
from laconic.entropy.container import Profile
from laconic.entropy.contexts import prediction_residuals
from laconic.entropy.planes import TileEncoder

DATA = Path(__file__).parents[1] / "data"
CODE = 160

Planes = NDArray[np.int32]


@pytest.fixture(scope="module")
def picture() -> Image:
    opened = open_picture(DATA / "kodim23_crop.png")
    return Image(opened.samples[:120, :152])


def _prepared(picture: Image, code: int = CODE) -> tuple[Model, NDArray[np.float32], Planes]:
    model = load_model("rgb")
    coefficients = coefficients_of(picture, model)
    return model, coefficients, quantize(coefficients, code, model)


def _optimized(picture: Image, profile: Profile, effort: int = 1, code: int = CODE) -> tuple[Planes, Planes]:
    model, coefficients, plain = _prepared(picture, code)
    shrink = model.shrink_of(code, model.num_channels)
    before = plain.copy()
    step = float(step_of_code(code))
    chosen = optimize(plain, coefficients, step, code, model.contexts, shrink, profile, effort)
    assert np.array_equal(plain, before), "the integers that were given have changed"
    return plain, chosen


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("effort", [1, 2])
def test_integers_are_the_nearest_or_one_smaller(picture: Image, profile: Profile, effort: int) -> None:
    model, coefficients, _ = _prepared(picture)
    plain, chosen = _optimized(picture, profile, effort)
    ratios = coefficients * np.float32(1 / step_of_code(CODE))
    nearest = np.floor(np.abs(ratios) + np.float32(0.5)).astype(int)
    fixed = model.contexts.num_predicted
    assert np.array_equal(chosen[:fixed], plain[:fixed])
    magnitudes, nearest = np.abs(chosen[fixed:]), nearest[fixed:]
    assert (magnitudes <= nearest).all() and (magnitudes != nearest).any()
    assert ((magnitudes >= nearest - 1) | ((magnitudes == 0) & (nearest == 2))).all()
    assert (np.sign(chosen) * ratios >= 0).all()


def _loss(picture: Image, values: Planes, profile: Profile, code: int) -> float:
    """Distortion in squared steps and the price of all bits, as the model's reconstruction and tables have them."""
    model, coefficients, _ = _prepared(picture, code)
    ratios = np.abs(coefficients / step_of_code(code))
    magnitudes = np.abs(values)
    shrink = model.shrink_of(code, len(values))
    off = ratios - magnitudes
    for i in (1, 2, 3):
        rows = shrink[:, None, None, i - 1]
        off += np.where(magnitudes == i if i < 3 else magnitudes >= i, rows, 0)
    bits = TileEncoder(values, model.contexts.at_step(code), profile).ideal_bits(0, len(values))
    return float((off.astype(float) ** 2).sum() + PRICE * bits)


@pytest.mark.parametrize("profile", list(Profile))
@pytest.mark.parametrize("code", [120, 150, 180])
def test_less_is_lost_than_by_plain_rounding(picture: Image, profile: Profile, code: int) -> None:
    plain, chosen = _optimized(picture, profile, code=code)
    _, twice = _optimized(picture, profile, 2, code=code)
    losses = [_loss(picture, values, profile, code) for values in (plain, chosen, twice)]
    assert losses[1] < 0.99 * losses[0]
    assert losses[2] <= losses[1]


def test_static_choice_is_the_best_of_all(picture: Image) -> None:
    model, coefficients, _ = _prepared(picture)
    _, chosen = _optimized(picture, Profile.FAST)
    rules, tables = model.contexts.at_step(CODE), model.contexts.static_tables
    shrink = model.shrink_of(CODE, model.num_channels)
    ratios = coefficients * np.float32(1 / np.float32(step_of_code(CODE)))
    for c in (5, 20, 100):
        for ratio, found in zip(ratios[c].reshape(-1)[:60], chosen[c].reshape(-1), strict=False):
            nearest = int(np.floor(abs(ratio) + 0.5))
            losses = {}
            for n in {nearest, max(nearest - 1, 0), 0 if nearest == 2 else nearest}:
                off = abs(ratio) - (n - shrink[c, min(n, 3) - 1] if n else 0)
                value = np.array([n if ratio >= 0 else -n], np.int32)
                losses[n] = off**2 + PRICE * rans.ideal_bits(value, tables, int(rules.static_index[c]))
            assert losses[abs(int(found))] <= min(losses.values()) + 1e-5


def test_all_instruction_sets_choose_the_same(picture: Image) -> None:
    level = simd.current()
    try:
        files = set()
        for name in simd.available():
            simd.use(name)
            files.add(Sandwich(effort=2).encode(picture))
    finally:
        simd.use(level)
    assert len(files) == 1


def test_tiles_are_optimised_one_by_one(picture: Image) -> None:
    model, coefficients, plain = _prepared(picture)
    corner = (slice(None), slice(0, 8), slice(0, 8))
    alone = optimize(
        plain[corner],
        np.ascontiguousarray(coefficients[corner]),
        float(step_of_code(CODE)),
        CODE,
        model.contexts,
        model.shrink_of(CODE, model.num_channels),
        Profile.SMALL,
        1,
    )
    tiled, whole = (Sandwich(step_code=CODE, tile_log2=side).analyze(picture).values for side in (3, None))
    assert np.array_equal(tiled[corner], alone)
    assert not np.array_equal(tiled, whole)


def test_effort_0_rounds(picture: Image) -> None:
    _, _, plain = _prepared(picture)
    assert np.array_equal(Sandwich(step_code=CODE, effort=0).analyze(picture).values, plain)


def test_sounds_and_empty_sounds() -> None:
    time = np.arange(12_000) / 16_000
    sound = Audio((0.3 * np.sin(900 * time) + 0.01 * np.cos(5e5 * time**2))[None].astype(np.float32), 16_000)
    plain, chosen = (Sandwich(effort=effort) for effort in (0, 1))
    assert len(chosen.encode(sound)) < len(plain.encode(sound))
    empty = dataclasses.replace(sound, samples=sound.samples[:, :0])
    assert chosen.decode(chosen.encode(empty)).samples.shape == (1, 0)


def test_huge_coefficients_stay_in_range() -> None:
    model = load_model("rgb")
    coefficients = np.full((192, 2, 3), 3e38, np.float32)
    coefficients[:, 1] = -1e30
    plain = quantize(coefficients, 0, model)
    shrink = model.shrink_of(0, 192)
    for profile in Profile:
        chosen = optimize(plain, coefficients, float(step_of_code(0)), 0, model.contexts, shrink, profile, 1)
        assert np.abs(chosen.astype(np.int64)).max() <= 2**30
        symbols = prediction_residuals(chosen[0])
        assert symbols.shape == (2, 3)


@pytest.mark.parametrize("effort", [-1, 3, 1.5, None])
def test_other_efforts_are_refused(effort: object) -> None:
    with pytest.raises(CodecError, match="allowed is 0 to 2"):
        Sandwich(effort=effort)  # type: ignore[arg-type]
