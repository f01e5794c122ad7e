"""Scores of arms and their differences, with intervals over items and seeds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Scores = Callable[[Rows], float]
RESAMPLES = 2000


@dataclass(frozen=True)
class ScoreInterval:
    """The mean over seeds, and the middle 95 % of resamplings of items and seeds."""

    mean: float
    low: float
    high: float

    @property
    def values(self) -> list[float]:
        return [self.mean, self.low, self.high]


def score_intervals(
    arms: Mapping[str, Sequence[Rows]], anchor: str, scores: Scores, scenes: Sequence[Hashable] | None = None
) -> tuple[dict[str, ScoreInterval], dict[str, ScoreInterval]]:
    """Of each arm its score, and by how much that of the arm `anchor` is higher. `arms`: for each seed (items, k), the same
    items in the same order. The same items are drawn for all arms, those of one scene together where
    `scenes` are given; seeds are drawn for each arm of its own, as runs of one seed have nothing in common but their
    folds."""
    random = np.random.default_rng(0)
    count = len(next(iter(arms.values()))[0])
    blocks: dict[Hashable, list[int]] = {}
    for item, scene in enumerate(range(count) if scenes is None else scenes):
        blocks.setdefault(scene, []).append(item)
    drawable = [np.array(items) for items in blocks.values()]
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(RESAMPLES):
        items = np.concatenate([drawable[i] for i in random.integers(len(drawable), size=len(drawable))])
        for name, seeds in arms.items():
            drawn = random.integers(len(seeds), size=len(seeds))
            found[name].append(float(np.mean([scores(seeds[i][items]) for i in drawn])))
    means = {name: float(np.mean([scores(rows) for rows in seeds])) for name, seeds in arms.items()}
    draws = {name: np.array(values) for name, values in found.items()}
    own = {name: _interval(means[name], draws[name]) for name in arms}
    differences = {
        name: _interval(means[anchor] - means[name], draws[anchor] - draws[name]) for name in arms if name != anchor
    }
    return own, differences


def _interval(mean: float, draws: NDArray[np.float64]) -> ScoreInterval:
    low, high = np.percentile(draws, (2.5, 97.5))
    return ScoreInterval(mean, float(low), float(high))
