"""The contexts of a fitted model: weights, then tables, for its integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from laconic.codecs.fitting.fitted_integers import FittedIntegers
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.threads import threaded_map
from laconic.entropy import ContextModel
from laconic.entropy.contexts import ContextWeights
from laconic.entropy.fitting.context_fitting import ContextFittingMap, fit_context_weights
from laconic.entropy.fitting.table_fitting import FittedPart, ValuesOfBand, fit_context_model

PASS_CHANNELS: Final = 8  # about as many in each pass
_PASSES_SHARE, _LOW_SHARE = 0.85, 0.1  # of the time of contexts: of all passes, and of those of low planes
_CHANNELS_OF_ANY_PASS: Final = 85  # the time of a pass without earlier channels, in that of earlier channels


@dataclass(frozen=True)
class ContextCoding:
    """How channels are coded: by `pass_ends`, the first `num_predicted` as residuals. With `low_levels`, the first
    `num_planes` channels have these."""

    pass_ends: tuple[int, ...]
    num_predicted: int
    rounding: float
    num_planes: int
    low_levels: int


def fit_contexts(
    coding: ContextCoding, threads: int, integers: FittedIntegers, on_progress: Callable[[float], None]
) -> ContextModel:
    """Weights and tables for integers; see `fit_context_weights`, `fit_context_model`. `on_progress` is told the share
    done."""
    planes, rounding = coding.num_planes, coding.rounding
    with threaded_map(threads) as run:
        if not coding.low_levels:
            passes = _Passes(run, rounding, on_progress, 0, _PASSES_SHARE)
            weights = passes.weights(integers.values, coding.pass_ends, coding.num_predicted)
            return fit_context_model(FittedPart(integers.values, weights), rounding)
        low_ends = pass_ends_of_groups(tuple(planes << (2 * level) for level in range(coding.low_levels + 1)))
        low = _Passes(run, rounding, on_progress, 0, _LOW_SHARE).weights(integers.low_values, low_ends, planes)
        passes = _Passes(run, rounding, on_progress, _LOW_SHARE, _PASSES_SHARE)
        weights = passes.weights(integers.in_place, coding.pass_ends, 0)
    parts = FittedPart(integers.in_place, weights, planes), FittedPart(integers.low_values, low)
    return fit_context_model(parts[0], rounding, parts[1])


@dataclass(frozen=True)
class _Passes:
    """The fit of some passes, which takes the time from `start` to `end`, shares of that of all contexts."""

    run: ContextFittingMap
    rounding: float
    on_progress: Callable[[float], None]
    start: float
    end: float

    def weights(self, values: ValuesOfBand, pass_ends: tuple[int, ...], num_predicted: int) -> ContextWeights:
        # A pass takes longer the more channels it looks at, and tables less than all passes.
        times = np.cumsum(np.array((0, *pass_ends[:-1])) + _CHANNELS_OF_ANY_PASS)
        shares = self.start + (self.end - self.start) * times / times[-1]
        share_at = dict(zip(pass_ends, shares.tolist(), strict=True))
        return fit_context_weights(
            values,
            pass_ends=pass_ends,
            num_predicted=num_predicted,
            rounding=self.rounding,
            map_passes=self.run,
            on_pass=lambda end: self.on_progress(share_at[end]),
        )


def pass_ends_of_groups(group_ends: tuple[int, ...]) -> tuple[int, ...]:
    """Ends of about equal passes of each group."""
    ends: list[int] = []
    for lo, hi in pairwise((0, *group_ends)):
        num_passes = max(1, round((hi - lo) / PASS_CHANNELS))
        ends += [lo + round((hi - lo) * i / num_passes) for i in range(1, num_passes + 1)]
    return tuple(ends)


def pass_ends_of_subbands(tree: Tree, num_planes: int) -> tuple[int, ...]:
    """Passes of up to 8 places of one subband; of the coarsest level, one colour's three."""
    ends = [num_planes]
    for level in range(tree.depth):
        places = 1 << (2 * level)
        size = 3 if places == 1 else min(places, PASS_CHANNELS)
        ends += range(ends[-1] + size, (num_planes * places << 2) + 1, size)
    return tuple(ends)
