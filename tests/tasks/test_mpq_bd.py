"""BD-rate and BD-score against the bjontegaard package, and what is not concluded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_rows import AVIF, JPEG, PSNR, WEBP, Curve, MadeUp, made_up_rows

from laconic.tasks.measures.bdrate import bd_rate
from laconic.tasks.mpq.bd import BdEntry, bd_table, reference_curve
from laconic.tasks.mpq.pchip import mean_gaps
from laconic.tasks.mpq.rows import Row

OPTIONS = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}


def entries(curves: dict[str, Curve], *, n: int = 40, **options: Any) -> dict[tuple[str, str], BdEntry]:
    points, rows = made_up_rows(curves, n=n, **options)
    return {(one.curve, one.measure.name): one for one in bd_table(MadeUp(), points, rows, metrics=[PSNR])}


def split(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    rate, quality = np.transpose(curve)
    return rate, quality


@pytest.mark.parametrize(("anchor", "test"), [(JPEG, WEBP), (WEBP, AVIF), (AVIF[::3], JPEG[:2])])
def test_gaps_of_log_rate_agree_with_package_and_with_bd_rate(anchor: Curve, test: Curve) -> None:
    package = pytest.importorskip("bjontegaard")
    (rate_a, quality_a), (rate_t, quality_t) = split(anchor), split(test)
    gap = mean_gaps(quality_a[None], np.log(rate_a)[None], quality_t[None], np.log(rate_t)[None])[0]
    found = 100 * np.expm1(gap)
    assert found == pytest.approx(package.bd_rate(rate_a, quality_a, rate_t, quality_t, **OPTIONS), abs=1e-3)
    assert found == pytest.approx(bd_rate(anchor, test), abs=1e-6)


@pytest.mark.parametrize(("anchor", "test"), [(JPEG, WEBP), (WEBP, AVIF), (AVIF[::2], JPEG[:3])])
def test_gaps_of_quality_agree_with_package(anchor: Curve, test: Curve) -> None:
    package = pytest.importorskip("bjontegaard")
    (rate_a, quality_a), (rate_t, quality_t) = split(anchor), split(test)
    found = mean_gaps(np.log(rate_a)[None], quality_a[None], np.log(rate_t)[None], quality_t[None])[0]
    assert found == pytest.approx(package.bd_psnr(rate_a, quality_a, rate_t, quality_t, **OPTIONS), abs=1e-3)


def test_gaps_of_values_that_rise_and_fall_are_those_of_scipy() -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    rng = np.random.default_rng(1)
    x_a, x_b = np.sort(rng.uniform(0, 1, (50, 5))), np.sort(rng.uniform(0.2, 1.2, (50, 7)))
    y_a, y_b = rng.normal(size=(50, 5)), rng.normal(size=(50, 7))
    found = mean_gaps(x_a, y_a, x_b, y_b)
    for one, *curves in zip(found, x_a, y_a, x_b, y_b, strict=True):
        xa, ya, xb, yb = curves
        start, stop = max(xa[0], xb[0]), min(xa[-1], xb[-1])
        if start >= stop:
            assert np.isnan(one)
            continue
        areas = [interpolate.PchipInterpolator(x, y).integrate(start, stop) for x, y in ((xa, ya), (xb, yb))]
        assert one == pytest.approx((areas[1] - areas[0]) / (stop - start), abs=1e-9)


def test_curves_that_share_nothing_or_do_not_rise_have_no_gap() -> None:
    line = np.array([[0.0, 1.0]])
    assert np.isnan(mean_gaps(line, line, line + 2, line)).all()
    assert np.isnan(mean_gaps(line, line, np.array([[0.5, 0.5]]), line)).all()


@pytest.mark.parametrize("measure", ["psnr_db", "loss"])
def test_scaled_curve_gives_its_factor_with_an_interval_around_it(measure: str) -> None:
    found = entries({"lcn": AVIF, "x": [(0.9 * rate, psnr) for rate, psnr in AVIF]}, noise=0.05)["x", measure]
    assert found.reference == "lcn"
    assert found.num_used == found.num_samples == 40
    assert found.rate is not None
    low, high = found.rate.interval
    assert low < found.rate.value < high < 0
    assert low < -10 < high
    assert found.rate.value == pytest.approx(-10, abs=2)
    assert found.rate.resolved


def test_values_agree_with_the_package_where_samples_are_alike() -> None:
    package = pytest.importorskip("bjontegaard")
    found = entries({"lcn": JPEG, "webp": WEBP})
    (rate_a, quality_a), (rate_t, quality_t) = split(JPEG), split(WEBP)
    expected = package.bd_rate(rate_a, quality_a, rate_t, quality_t, **OPTIONS)
    loss_gap = package.bd_psnr(rate_a, quality_a - 40, rate_t, quality_t - 40, **OPTIONS)
    psnr, loss = found["webp", "psnr_db"], found["webp", "loss"]
    assert psnr.rate is not None and loss.rate is not None and loss.score is not None
    assert psnr.rate.value == pytest.approx(expected, abs=1e-3)
    assert psnr.score is None
    assert loss.rate.value == pytest.approx(expected, abs=1e-3)
    assert loss.score.value == pytest.approx(-loss_gap, abs=1e-3)  # more loss is less quality


def test_same_curves_are_not_resolved() -> None:
    found = entries({"lcn": AVIF, "x": AVIF}, noise=0.05, psnr_noise=0.2)
    assert all(entry.rate is None or not entry.rate.resolved for entry in found.values())
    assert found["x", "score"].score is not None
    assert not found["x", "score"].score.resolved


@pytest.mark.parametrize(("n", "given"), [(4, False), (12, False), (19, False), (20, True)])
def test_few_samples_give_no_gaps(n: int, given: bool) -> None:
    found = entries({"lcn": AVIF, "x": JPEG}, n=n)
    assert [entry.rate is not None for entry in found.values()] == [given] * 3
    assert all(entry.is_too_few is not given for entry in found.values())


def test_samples_on_which_curves_share_no_quality_are_not_used() -> None:
    points, rows = made_up_rows({"lcn": AVIF, "x": JPEG}, n=40)
    for key, row in list(rows.items()):
        if "'x'" in key[1] and key[2] in ("s3", "s4"):
            rows[key] = Row(**{**row.__dict__, "distortion": {"psnr_db": row.distortion["psnr_db"] + 90}})
    (entry,) = [one for one in bd_table(MadeUp(), points, rows, metrics=[PSNR]) if one.measure.is_distortion]
    assert (entry.num_used, entry.num_samples) == (38, 40)
    assert 0.5 < entry.shared < 1


def test_curves_that_share_no_score_have_no_bd_rate_but_a_bd_score() -> None:
    found = entries({"lcn": [(0.5, 29), (1, 31), (2, 33)], "x": [(0.5, 36), (1, 37), (2, 38)]})["x", "loss"]
    assert found.rate is None
    assert found.score is not None
    assert found.score.value == pytest.approx(-6, abs=0.5)
    assert found.shared == 0


def test_points_that_are_no_better_for_more_rate_are_pooled() -> None:
    """Of a curve with a step back, its two points count as one between them, so it is that curve with this point."""
    middle = float(np.exp((np.log(0.381) + np.log(0.602)) / 2))
    back = [*AVIF[:2], (0.381, 33.40), (0.602, 31.26), *AVIF[4:]]
    joined = [*AVIF[:2], (middle, (31.26 + 33.40) / 2), *AVIF[4:]]
    one, other = (entries({"lcn": JPEG, "x": curve})["x", "psnr_db"].rate for curve in (back, joined))
    assert one is not None and other is not None
    assert one.value == pytest.approx(other.value)
    assert one.value == pytest.approx(bd_rate(JPEG, joined))


def test_reference_is_ours_or_the_first_or_the_one_that_is_named() -> None:
    assert reference_curve(["jpeg", "lcn:profile=best", "lcn"]) == "lcn:profile=best"
    assert reference_curve(["jpeg", "webp"]) == "jpeg"
    points, rows = made_up_rows({"lcn": AVIF, "x": JPEG}, n=30)
    assert {entry.curve for entry in bd_table(MadeUp(), points, rows, reference="x")} == {"lcn"}
    with pytest.raises(ValueError, match="reference 'z' is no curve with scores; those are lcn, x"):
        bd_table(MadeUp(), points, rows, reference="z")


def test_intervals_hold_the_true_gaps_in_nine_of_ten_experiments() -> None:
    """Of 40 pictures each: files of x a tenth smaller, up to 15 % for each picture, and noisy losses."""
    curves = {"lcn": AVIF[::2], "x": [(0.9 * rate, psnr) for rate, psnr in AVIF[::2]]}
    points, rows = made_up_rows(curves, n=40)
    held = {"psnr_db": 0, "loss": 0}
    for seed in range(40):
        for entry in bd_table(MadeUp(), points, _disturbed(rows, seed), metrics=[PSNR]):
            if entry.rate is not None and entry.measure.name in held:
                held[entry.measure.name] += entry.rate.interval[0] <= -10 <= entry.rate.interval[1]
    assert min(held.values()) >= 34  # the mean of 40 is 37; of intervals half as wide it is 27


def _disturbed(rows: dict[tuple[str, str, str], Row], seed: int) -> dict[tuple[str, str, str], Row]:
    rng = np.random.default_rng(seed)
    effects = np.exp(rng.normal(0, 0.15, (2, 40)))
    return {
        key: replace(
            row,
            rate=row.rate * effects[int("'x'" in key[1]), int(key[2][1:])],
            scores={"loss": row.scores["loss"] * 0.3 + rng.normal(0, 0.3)},
        )
        for key, row in rows.items()
    }
