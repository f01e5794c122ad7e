"""The search for a step: it ends at the last within, in few trials, whatever the excess does in between."""

import math

import numpy as np
import pytest

from laconic.codecs.progress import progress_told_to, tell_progress
from laconic.codecs.step_search import StepSearch, StepTrial
from laconic.codecs.steps import NUM_STEP_CODES

SLOPE = 1 / 16


class Trials:
    """Those of an excess for each code, in the order in which they were asked for."""

    def __init__(self, excesses: np.ndarray) -> None:
        self.excesses, self.codes = excesses, []

    def __call__(self, code: int) -> StepTrial[int]:
        assert code not in self.codes
        self.codes.append(code)
        tell_progress(1.0)
        return StepTrial(code, float(self.excesses[code]))


def line(crossing: float, slope: float) -> np.ndarray:
    return slope * (np.arange(NUM_STEP_CODES) - crossing)


@pytest.mark.parametrize("crossing", [-0.5, 0, 3.2, 100, 177.9, 254.5, 255, 300])
@pytest.mark.parametrize("slope", [0.2, 1.0, 1.7])
def test_search_ends_at_the_last_within_in_few_trials(crossing: float, slope: float) -> None:
    trials = Trials(line(crossing, slope * SLOPE))
    search = StepSearch(trials, octaves_per_code=SLOPE)
    found = search.search()
    if crossing < 0:
        assert found is None
        assert search.nearest_miss.found == 0
    else:
        assert found is not None
        assert found.found == min(math.floor(crossing), NUM_STEP_CODES - 1)
    assert len(trials.codes) <= 9


@pytest.mark.parametrize("crossing", [-1, 0, 40, 255])
def test_search_in_reverse_ends_at_the_first_within(crossing: float) -> None:
    trials = Trials(line(crossing, -0.03))
    found = StepSearch(trials, octaves_per_code=-0.03).search()
    assert found is not None
    assert found.found == max(crossing, 0)


@pytest.mark.parametrize("crossing", range(0, 250, 7))
def test_search_of_jumps_ends_too(crossing: int) -> None:
    """As of silence, where all or nothing is kept."""
    trials = Trials(np.where(np.arange(NUM_STEP_CODES) <= crossing, -math.inf, math.inf))
    found = StepSearch(trials, octaves_per_code=SLOPE).search()
    assert found is not None
    assert found.found == crossing
    assert len(trials.codes) <= 10


def test_further_places_are_looked_at_where_asked_for() -> None:
    excesses = line(100, SLOPE)
    excesses[103] = -0.1
    assert StepSearch(Trials(excesses), octaves_per_code=SLOPE).search(num_further=2).found == 103  # type: ignore[union-attr]
    assert StepSearch(Trials(excesses), octaves_per_code=SLOPE).search().found == 100  # type: ignore[union-attr]
    assert StepSearch(Trials(line(-3, SLOPE)), octaves_per_code=SLOPE).search(num_further=3) is None


def test_progress_rises_through_all_trials() -> None:
    told: list[float] = []
    with progress_told_to(told.append):
        StepSearch(Trials(line(60, SLOPE)), octaves_per_code=SLOPE).search()
    assert told == sorted(told)
    assert len(set(told)) == len(told) >= 2
    assert 0 < told[0] < told[-1] < 1
