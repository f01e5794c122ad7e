"""BD-rate against the bjontegaard package (scipy's PCHIP below it), and laws."""

import numpy as np
import pytest

from laconic.tasks.measures.bdrate import Curve, bd_rate, quality_interval

# Means over Kodak of Pillow's encoders: rate in bits per pixel, PSNR in dB.
JPEG = [(0.508, 29.15), (0.906, 32.17), (1.368, 34.52), (2.346, 38.03)]
WEBP = [(0.234, 28.33), (0.513, 31.44), (0.824, 33.97), (1.520, 37.78)]
AVIF = [(0.105, 26.78), (0.189, 28.60), (0.381, 31.26), (0.602, 33.40), (1.005, 36.13), (1.425, 38.24)]
JPEG2000 = [(0.299, 29.94), (0.599, 33.06), (1.199, 37.14), (2.398, 42.27)]
PAIRS = [(JPEG, WEBP), (WEBP, JPEG), (AVIF, WEBP), (WEBP, AVIF), (JPEG2000, AVIF), (AVIF[::3], JPEG[:2])]


def by_package(anchor: Curve, test: Curve) -> float:
    package = pytest.importorskip("bjontegaard")
    (rate_a, quality_a), (rate_t, quality_t) = np.transpose(anchor), np.transpose(test)
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    return float(package.bd_rate(rate_a, quality_a, rate_t, quality_t, **options))


def cut(curve: Curve, low: float, high: float) -> Curve:
    """The curve between two qualities, resampled so densely that interpolating it again changes nothing."""
    interpolate = pytest.importorskip("scipy.interpolate")
    rate, quality = np.transpose(curve)
    dense = np.linspace(low, high, 500)
    return list(zip(np.exp(interpolate.PchipInterpolator(quality, np.log(rate))(dense)), dense, strict=True))


@pytest.mark.parametrize(("anchor", "test"), PAIRS)
def test_bd_rate_agrees_with_package(anchor: Curve, test: Curve) -> None:
    assert bd_rate(anchor, test) == pytest.approx(by_package(anchor, test), abs=1e-6)


@pytest.mark.parametrize(("anchor", "test"), PAIRS[:-1])
def test_bd_rate_within_limits_agrees_with_package_on_cut_curves(anchor: Curve, test: Curve) -> None:
    start, stop = quality_interval(anchor, test, low=0.45, high=1.3)
    expected = by_package(cut(anchor, start, stop), cut(test, start, stop))
    assert bd_rate(anchor, test, low=0.45, high=1.3) == pytest.approx(expected, abs=0.01)
    assert bd_rate(anchor, test, low=0.45, high=1.3) != pytest.approx(bd_rate(anchor, test), abs=0.1)


def test_quality_interval_lies_within_the_limits_on_both_curves() -> None:
    start, stop = quality_interval(JPEG, AVIF, low=0.6, high=1.2)
    for curve in (JPEG, AVIF):
        rates = [rate for rate, _ in cut(curve, start, stop)]
        assert 0.6 - 1e-9 <= min(rates) < max(rates) <= 1.2 + 1e-9
    assert cut(AVIF, start, stop)[0][0] == pytest.approx(0.6)  # AVIF is the better one: its start counts,
    assert cut(JPEG, start, stop)[-1][0] == pytest.approx(1.2)  # and JPEG's end


def test_quality_interval_ends_where_a_curve_ends() -> None:
    assert quality_interval(JPEG, WEBP, low=0.001, high=100) == (29.15, 37.78)


def test_bd_rate_of_same_curve_is_zero_and_of_scaled_curve_its_factor() -> None:
    assert bd_rate(AVIF, AVIF, low=0.15, high=1.5) == 0
    assert bd_rate(AVIF, [(0.9 * rate, quality) for rate, quality in AVIF]) == pytest.approx(-10)
    assert bd_rate(AVIF, WEBP[::-1]) == bd_rate(AVIF, WEBP)


def test_swapped_curves_give_the_inverse_ratio() -> None:
    there, back = bd_rate(JPEG, WEBP, low=0.15, high=1.5), bd_rate(WEBP, JPEG, low=0.15, high=1.5)
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ([(0.5, 30.0)], "2 and more"),
        ([], "2 and more"),
        ([(0.5, 30.0), (0.6, float("inf"))], "finite"),
        ([(0.0, 30.0), (0.6, 31.0)], "above 0"),
        ([(0.5, 30.0), (0.6, 29.0)], "does not gain quality"),
        ([(0.5, 30.0), (0.5, 30.0)], "does not gain quality"),
    ],
)
def test_bad_curve_is_refused(curve: Curve, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bd_rate(JPEG, curve)


def test_limits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="share no quality"):
        bd_rate(JPEG, AVIF, low=0.9, high=0.95)
    with pytest.raises(ValueError, match="low < high"):
        bd_rate(JPEG, AVIF, low=1.5, high=0.15)
