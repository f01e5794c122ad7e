"""Samples by blocks -> coefficients of stretches of a sound's latent, bit for bit those of the whole.

The packet transform is local: a place depends on samples near its own only. So a stretch is analysed with the samples of
`REACH_PLACES` more on each side. Ends go on by extrapolation, which looks at few samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.levels import Levels
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import UNTILED_SIDE
from laconic.codecs.plan import Plan
from laconic.codecs.transform import wavelet
from laconic.codecs.transform.extrapolation import EXTRAPOLATION_SPAN
from laconic.codecs.transform.projection import project
from laconic.codecs.transform.signals import packets_in_rows

if TYPE_CHECKING:
    from jaxtyping import Float

# The 9-tap filter of CDF 9/7 reaches over 4 samples; over all levels, 4 (1 + 2 + 4 + ...) of them, less than 4 places.
REACH_PLACES: Final = 8
_STRETCH_VALUES: Final = 1 << 19  # of a latent that are worked on at a time, unless one column of tiles has more

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SampleStretch:
    """What places from `left` to `right` are analysed of: `samples` (channels, t) in units of their level, of the places
    from `first` on."""

    samples: Float[Floats, "c t"]
    first: int
    left: int
    right: int


def stretches_of(blocks: Iterable[Float[Floats, "c t"]], plan: Plan) -> Iterator[SampleStretch]:
    """All of a sound that comes by blocks, of which the first has `EXTRAPOLATION_SPAN` samples or all: whole columns of
    tiles."""
    factor, num_places = plan.model.tree.factor, plan.grid[1]
    stream = _SampleStream(_extended(blocks, plan.form.size[1], plan.model, plan.form.levels))
    for left, right in _spans_of(plan):
        first, end = max(left - REACH_PLACES, 0), min(right + REACH_PLACES, num_places)
        yield SampleStretch(stream.cut(first * factor, end * factor), first, left, right)


def coefficients_of_stretch(stretch: SampleStretch, model: Model) -> Float[Floats, "d rows w"]:
    """(d, rows, places) of the places of a stretch."""
    packets = wavelet.analyze_wavelet(stretch.samples, model.tree)
    packets = packets[:, stretch.left - stretch.first : stretch.right - stretch.first]
    return project(packets_in_rows(packets, len(stretch.samples) // model.num_planes, model.num_planes), model)


def _spans_of(plan: Plan) -> list[tuple[int, int]]:
    """Places from left to right of what is encoded together."""
    height, width = plan.grid
    tile_log2 = plan.layout.tile_log2
    side = UNTILED_SIDE if tile_log2 is None else 1 << tile_log2
    step = side * max(1, _STRETCH_VALUES // (plan.model.num_channels * height * side))
    return [(left, min(left + step, width)) for left in range(0, width, step)]


def _extended(
    blocks: Iterable[Float[Floats, "c t"]], length: int, model: Model, levels: Levels
) -> Iterator[Float[Floats, "c t"]]:
    """Samples in units of their levels, with those that are put before and after (`wavelet.extend_for_wavelet`)."""
    tree, last = model.tree, None
    for block in blocks:
        samples = levels.normalize(block, model.offsets)
        if last is None:
            yield wavelet.continued_line(samples[:, ::-1], tree.margin, tree)[:, ::-1]
        last = samples if last is None else np.concatenate([last, samples], axis=1)
        last = last[:, -EXTRAPOLATION_SPAN:].copy()
        yield samples
    if last is not None:
        yield wavelet.continued_line(last, tree.places_of(length) * tree.factor - tree.margin - length, tree)


class _SampleStream:
    """Samples that come by blocks, of which some are kept: looked at from the first to the last."""

    def __init__(self, blocks: Iterator[Float[Floats, "c t"]]) -> None:
        self._blocks = blocks
        self._kept: list[Floats] = []
        self._start = self._end = 0  # of what is kept

    def cut(self, start: int, end: int) -> Float[Floats, "c t"]:
        """Samples from `start` to `end`, neither before those of the last call."""
        while self._end < end:
            block = next(self._blocks)
            self._kept.append(block)
            self._end += block.shape[1]
        joined = np.concatenate(self._kept, axis=1)[:, start - self._start :].copy()
        self._kept, self._start = [joined], start
        return np.ascontiguousarray(joined[:, : end - start])
