"""Rank correlations against scipy, and what is not concluded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_up_rows import AVIF, JPEG, PSNR, WEBP, MadeUp, made_up_rows

from laconic.tasks.mpq.correlations import Correlation, average_ranks, correlate_measures
from laconic.tasks.mpq.rows import UNCOMPRESSED
from laconic.tasks.mpq.sample_values import TaskValues, task_values


def made_up(n: int, *, noise: float, curves: Any = None) -> TaskValues:
    """PSNR that is off by `noise` dB for each sample and point."""
    points, rows = made_up_rows(curves or {"lcn": AVIF, "jpeg": JPEG, "webp": WEBP}, n=n, psnr_noise=noise)
    return task_values(MadeUp(), points, rows, [PSNR])


def correlations(n: int, *, noise: float, curves: Any = None) -> dict[str, Correlation]:
    return {one.measure.name: one for one in correlate_measures(made_up(n, noise=noise, curves=curves))}


def test_ranks_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).integers(0, 5, (20, 9))
    assert np.array_equal(average_ranks(values) + 1, stats.rankdata(values, axis=1))


@pytest.mark.parametrize("measure", ["score", "loss"])
def test_correlation_across_points_is_scipys_of_the_means(measure: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    values = made_up(40, noise=3)
    found = {one.measure.name: one for one in correlate_measures(values)}[measure].across_points
    (score, *_), ones = [one for one in values.measures if one.name == measure], np.ones((1, 40))
    means = [np.concatenate([values.means(c, m, ones)[0] for c in values.curves]) for m in (score, values.measures[-1])]
    expected = score.sign * stats.spearmanr(*means).statistic
    assert found is not None
    assert found.value == pytest.approx(expected)
    assert found.interval[0] <= found.value + 1e-9 and found.value - 1e-9 <= found.interval[1]


def test_correlation_of_one_samples_points_is_scipys() -> None:
    """30 times the same sample: within it, Spearman's of its points."""
    stats = pytest.importorskip("scipy.stats")
    points, rows = made_up_rows({"lcn": AVIF, "jpeg": JPEG}, n=30, psnr_noise=2)
    alike = {key: replace(rows[(key[0], key[1], "s0")], sample=key[2]) for key in rows}
    (found,) = [
        one for one in correlate_measures(task_values(MadeUp(), points, alike, [PSNR])) if one.measure.name == "loss"
    ]
    first = [row for key, row in rows.items() if key[2] == "s0" and key[1] != UNCOMPRESSED]
    expected = -stats.spearmanr([r.scores["loss"] for r in first], [r.distortion["psnr_db"] for r in first]).statistic
    assert found.within_samples is not None
    assert found.within_samples.value == pytest.approx(expected)
    assert found.within_samples.interval == pytest.approx((expected, expected))


def test_hard_samples_count_for_nothing_within_samples() -> None:
    """A loss that is by sample, and no other thing, correlates with nothing."""
    points, rows = made_up_rows({"lcn": AVIF, "jpeg": JPEG}, n=30)
    by_sample = {key: replace(row, scores={"loss": float(key[2][1:])}) for key, row in rows.items()}
    found = {one.measure.name: one for one in correlate_measures(task_values(MadeUp(), points, by_sample, [PSNR]))}
    assert (found["loss"].across_points, found["loss"].within_samples) == (None, None)
    assert found["score"].within_samples is not None


def test_metric_that_foretells_the_loss_correlates_more_than_a_noisy_one() -> None:
    exact, noisy = (correlations(40, noise=noise)["loss"] for noise in (0.0, 6.0))
    assert exact.across_points is not None and exact.across_points.value == pytest.approx(1.0)
    assert exact.within_samples is not None and exact.within_samples.value == pytest.approx(1.0)
    assert noisy.within_samples is not None
    assert 0.2 < noisy.within_samples.interval[0] < noisy.within_samples.interval[1] < 0.9
    assert (noisy.num_points, noisy.num_samples) == (14, 40)


@pytest.mark.parametrize("n", [4, 12, 19])
def test_few_samples_have_no_correlations(n: int) -> None:
    found = correlations(n, noise=1)["loss"]
    assert found.is_too_few
    assert (found.across_points, found.within_samples) == (None, None)


def test_few_points_have_no_correlations() -> None:
    assert correlations(30, noise=1, curves={"lcn": JPEG})["loss"].is_too_few
    assert not correlations(30, noise=1, curves={"lcn": AVIF})["loss"].is_too_few


def test_equal_signals_rank_first_and_are_left_out_of_means() -> None:
    points, rows = made_up_rows({"lcn": [*AVIF, (4.0, 45.0)]}, n=30)
    last = points[-1].key
    lossless = {k: replace(row, distortion={"psnr_db": None}) if k[1] == last else row for k, row in rows.items()}
    found = {one.measure.name: one for one in correlate_measures(task_values(MadeUp(), points, lossless, [PSNR]))}
    assert found["loss"].num_points == 6  # of 7: the seventh has no finite mean
    assert found["loss"].within_samples is not None


def test_metric_that_is_defined_nowhere_counts_no_samples() -> None:
    points, rows = made_up_rows({"lcn": AVIF}, n=30)
    small = {key: replace(row, distortion={}) for key, row in rows.items()}
    found = correlate_measures(task_values(MadeUp(), points, small, [PSNR]))
    assert {(one.num_samples, one.num_points, one.across_points) for one in found} == {(0, 0, None)}
