from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from laconic.tasks.mpq.intervals import LEAST_SAMPLES, compare, compare_means, percentiles, resampling_weights


def accuracy(totals: np.ndarray) -> np.ndarray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def counts(correct: list[int]) -> np.ndarray:
    return np.array([(value, 1) for value in correct], float)


def test_same_seed_gives_the_same_intervals() -> None:
    one, other = counts([1, 0] * 20), counts([1] * 40)
    assert compare(one, other, accuracy, seed=3) == compare(one, other, accuracy, seed=3)


def test_interval_is_near_the_binomial_one() -> None:
    found = compare(counts([1] * 80 + [0] * 20), counts([1] * 100), accuracy, seed=0)
    # Standard error .04, so 1.96 of them around .8.
    assert found.interval == pytest.approx((0.7216, 0.8784), abs=0.012)
    assert found.difference == pytest.approx(-0.2)
    assert found.resolved


def test_pairing_makes_small_differences_visible() -> None:
    anchor = [1, 0] * 100
    worse = [0] * 20 + anchor[20:]
    found = compare(counts(worse), counts(anchor), accuracy, seed=0)
    assert found.interval[1] > 0.5  # the unpaired intervals overlap
    assert found.resolved


def test_equal_answers_are_not_resolved() -> None:
    found = compare(counts([1, 0, 1]), counts([1, 0, 1]), accuracy, seed=0)
    assert (found.difference, found.difference_interval, found.resolved) == (0.0, (0.0, 0.0), False)


@pytest.mark.parametrize(("changed", "resolved"), [(1, False), (5, False), (6, True)])
def test_few_changed_samples_are_not_resolved(changed: int, resolved: bool) -> None:
    anchor = [1] * LEAST_SAMPLES
    worse = [0] * changed + anchor[changed:]
    assert compare(counts(worse), counts(anchor), accuracy, seed=0).resolved is resolved


def test_few_samples_resolve_nothing() -> None:
    n = LEAST_SAMPLES - 1
    assert not compare(counts([0] * n), counts([1] * n), accuracy, seed=0).resolved


@pytest.mark.parametrize(
    ("right", "n", "low", "high"), [(40, 40, 0.9124, 1.0), (0, 40, 0.0, 0.0876), (35, 40, 0.7389, 0.9454)]
)
def test_intervals_of_shares_are_wilsons(right: int, n: int, low: float, high: float) -> None:
    """Against statsmodels' proportion_confint(method="wilson"); resamplings of all right have no width."""
    found = compare(counts([1] * right + [0] * (n - right)), counts([1] * n), accuracy, seed=0)
    assert found.interval == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("n", [LEAST_SAMPLES, 24, 60])
def test_intervals_of_few_samples_hold_the_mean_as_often_as_they_say(n: int) -> None:
    """Of a number as skewed as losses are; percentiles that ignore n hold it in 88 to 93 %."""
    random, held = np.random.default_rng(n), 0
    for seed in range(400):
        found = compare_means(random.gamma(2.0, 0.5, n), np.zeros(n), seed=seed)
        held += found.interval[0] <= 1 <= found.interval[1]
    assert 0.92 <= held / 400 <= 0.98


@pytest.mark.parametrize(("n", "upper"), [(2, 0.975), (20, 0.975), (150, 0.95)])
def test_percentiles_are_as_wide_as_students(n: int, upper: float) -> None:
    """On resamplings that are normal; t from tables."""
    student = {(2, 0.975): 12.706, (20, 0.975): 2.0930, (150, 0.95): 1.6551}[n, upper]
    values = np.array([NormalDist().inv_cdf((number + 0.5) / 100_000) for number in range(100_000)])
    low, high = percentiles(values * ((n - 1) / n) ** 0.5, n, upper)
    assert high == pytest.approx(student, rel=0.002 if n > 2 else 0.9)
    assert low == pytest.approx(-high)


def test_scores_that_are_no_answers_have_bounds_of_resamplings_alone() -> None:
    """Character errors: no single sample can lose all."""
    random = np.random.default_rng(0)
    errors, length = random.integers(1, 4, 40), np.full(40, 100)
    found = compare(np.stack([errors, length], 1), np.stack([errors * 0, length], 1), accuracy, seed=0)
    assert found.difference == pytest.approx(errors.mean() / 100)
    assert found.bounds[1] < 0.025


@pytest.mark.parametrize(("n", "most"), [(30, 0.0950), (150, 0.0198), (1000, 0.0030)])
def test_what_no_sample_showed_is_not_excluded(n: int, most: float) -> None:
    """The rule of three: 3 / n."""
    found = compare(counts([1] * n), counts([1] * n), accuracy, seed=0)
    assert found.bounds == pytest.approx((-most, most), abs=1e-4)


def test_bounds_hold_the_true_loss_in_19_of_20_samples() -> None:
    """Of pictures of which the codec spoils 4 %."""
    random, held = np.random.default_rng(0), 0
    for seed in range(200):
        spoiled = random.random(150) < 0.04
        found = compare(counts([int(not s) for s in spoiled]), counts([1] * 150), accuracy, seed=seed)
        held += -found.bounds[0] >= 0.04
    assert held >= 186  # the mean is 190; a binomial of 200 and .95 is below in less than 1 of 10


def test_means_of_a_number_have_intervals_like_the_normal_ones() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    found = compare_means(values, values - 0.5, seed=0)
    half = 1.96 * values.std() / 20
    assert found.interval == pytest.approx((values.mean() - half, values.mean() + half), abs=0.02)
    assert found.difference_interval == pytest.approx((0.5, 0.5))
    assert found.resolved


def test_means_that_are_0_or_1_by_chance_are_no_shares() -> None:
    zeros = np.zeros(40)
    assert compare_means(zeros, zeros, seed=0).interval == (0.0, 0.0)


def test_resamplings_are_the_same_for_the_same_numbers_and_hold_all_samples() -> None:
    weights = resampling_weights(7, 3, 50)
    assert np.array_equal(weights, resampling_weights(7, 3, 50))
    assert (weights.sum(axis=1) == 7).all()
    assert not np.array_equal(weights, resampling_weights(7, 4, 50))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="allowed is that of the anchor"):
        compare(counts([1]), counts([1, 1]), accuracy, seed=0)


def test_no_share_can_lose_more_than_all() -> None:
    found = compare(counts([0] * 30), counts([1] * 30), accuracy, seed=0)
    assert found.bounds[0] == -1


def test_resamplings_that_say_nothing_are_left_out() -> None:
    words = np.array(
        [(1.0, 2.0), *[(0.0, 0.0)] * 5]
    )  # of six samples one has words: a third of the resamplings have none
    with np.errstate(invalid="ignore"):
        found = compare(words, words, accuracy, seed=0)
    assert found.interval == (0.5, 0.5)
