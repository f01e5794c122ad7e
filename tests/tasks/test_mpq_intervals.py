from __future__ import annotations

import numpy as np
import pytest

from laconic.tasks.mpq.intervals import compare


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
    anchor = [1] * 8
    worse = [0] * changed + anchor[changed:]
    assert compare(counts(worse), counts(anchor), accuracy, seed=0).resolved is resolved


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="allowed is that of the anchor"):
        compare(counts([1]), counts([1, 1]), accuracy, seed=0)
