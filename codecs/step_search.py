"""The step of a file that is just inside what is allowed, found by making files of some steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from laconic.codecs.progress import progress_of_part
from laconic.codecs.steps import NUM_STEP_CODES

_FIRST_CODE = 176  # between the middle qualities of sounds and pictures
_MOST_BY_LINES = 4  # trials between two others
_SHARE_LEFT = 0.75  # of the work that is left, after a trial: most searches have four to six

T = TypeVar("T")


@dataclass(frozen=True)
class StepTrial(Generic[T]):
    """What a step gives, and how many octaves of size or error that is over what is allowed: not above 0 where it is
    within."""

    found: T
    excess: float


class StepSearch(Generic[T]):
    """Step codes on a line on which the excess rises: as they are, or with `octaves_per_code` below 0 in reverse.

    Trials close in from both sides by the line through two, whose slope is `octaves_per_code` where there is one; by halves
    where that closes in too slowly.
    """

    def __init__(self, attempt: Callable[[int], StepTrial[T]], *, octaves_per_code: float) -> None:
        self._attempt, self._slope = attempt, abs(octaves_per_code)
        self._is_reversed = octaves_per_code < 0
        self._excesses: dict[int, float] = {}
        self._low, self._high = -1, NUM_STEP_CODES  # of places: within, and beyond
        self._num_between = 0
        self._within: StepTrial[T] | None = None
        self._missed: StepTrial[T] | None = None

    def search(self, *, num_further: int = 0) -> StepTrial[T] | None:
        """The trial at the end of what is allowed, None where there is none; with `num_further` the last that is within of
        so many places further on, for an excess that does not rise steadily."""
        while self._high - self._low > 1:
            self._try(self._next_place())
        for place in range(self._high + 1, min(self._high + 1 + num_further, NUM_STEP_CODES)):
            if self._within is not None:
                self._try(place)
        return self._within

    @property
    def nearest_miss(self) -> StepTrial[T]:
        """Of the trials that are not within, of which there is one where nothing is, the one of the least excess."""
        assert self._missed is not None
        return self._missed

    def _try(self, place: int) -> None:
        num_before = len(self._excesses)
        with progress_of_part(*(1 - _SHARE_LEFT ** (num_before + i) for i in (0, 1))):
            trial = self._attempt(self._code(place))
        self._excesses[place] = trial.excess
        if trial.excess <= 0:
            self._low, self._within = place, trial
            return
        self._high = min(self._high, place)
        if self._missed is None or trial.excess < self._missed.excess:
            self._missed = trial

    def _code(self, place: int) -> int:
        return NUM_STEP_CODES - 1 - place if self._is_reversed else place

    def _next_place(self) -> int:
        low, high = self._low, self._high
        if not self._excesses:
            return self._code(_FIRST_CODE)
        self._num_between += self._has_both
        guess = None if self._num_between > _MOST_BY_LINES else self._crossing()
        return (low + high) // 2 if guess is None else min(max(guess, low + 1), high - 1)

    @property
    def _has_both(self) -> bool:
        return self._low in self._excesses and self._high in self._excesses

    def _crossing(self) -> int | None:
        """Where the line is through 0, rounded down, or up where nothing is beyond so far; None where trials make none."""
        place = self._low if self._low in self._excesses else self._high
        excess, slope = self._excesses[place], self._steepness()
        if not math.isfinite(excess) or not 0 < slope < math.inf:
            return None
        return place + math.floor(-excess / slope) + (self._high not in self._excesses)

    def _steepness(self) -> float:
        """Octaves for each place: between the nearest trials of both sides, or the last two of one."""
        if len(self._excesses) < 2:
            return self._slope
        first, second = (self._low, self._high) if self._has_both else list(self._excesses)[-2:]
        return (self._excesses[second] - self._excesses[first]) / (second - first)
