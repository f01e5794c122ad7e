"""The symbols that networks and tables of profile best are fitted to: integers of pictures at random steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.subband_tables import NUM_VALUES, value_counts
from laconic.codecs.learning.context_networks import ContextSamples
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.codecs.transform.signals import coefficients_of
from laconic.codecs.transform.subband_choice import optimize_subbands
from laconic.entropy.contexts import NUM_STEP_BANDS
from laconic.entropy.fitting.subband_inputs import NUM_ORIENTATIONS, SubbandPyramid, is_quiet, pyramid_of_planes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
_STEP_CODES: Final = (80, 192)
_CODES_PER_BAND: Final = 8


@dataclass(frozen=True)
class SampleChoice:
    """What is looked at: `shares` of the symbols of the low band and then of each level, the finest first, at `num_codes`
    steps of each picture. `roundings`: what plain quantisation adds before it rounds down, between these two; None:
    integers as an encoder chooses them."""

    shares: tuple[float, ...]
    num_codes: int
    roundings: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class SubbandSamples:
    """`levels`: the symbols that networks choose tables for, of the low band and then of each level, the finest first.
    `quiet`: numbers of the others, where all around is 0, by level, kind, step band and value."""

    levels: tuple[ContextSamples, ...]
    quiet: Float[NDArray[np.float64], "levels kinds 32 257"]


def integers_of_picture(
    coefficients: Float[Floats, "d h w"], model: Model, step_code: int, rounding: float | None = None
) -> Int[Ints, "d h w"]:
    """By plain quantisation with this rounding, or as an encoder chooses them."""
    inverse = np.float32(inverse_quantizer_step(step_code, model))
    ratios = coefficients * inverse
    added = np.full(len(coefficients), 0.5 if rounding is None else rounding, np.float32)
    added[: model.num_planes] = 0.5
    out: Ints = np.copysign(np.floor(np.abs(ratios) + added[:, None, None]), ratios).astype(np.int32)
    if rounding is None:
        optimize_subbands(out, coefficients, step_code, model)
    return out


def samples_of_pictures(
    pictures: Sequence[Image],
    model: Model,
    choice: SampleChoice,
    *,
    seed: int = 0,
    on_picture: Callable[[int], None] = lambda done: None,
) -> SubbandSamples:
    """Of the integers that the model makes of these pictures. `on_picture` is told how many are done. Raises
    `CodecError` where there is nothing to look at."""
    collector = _Collector(model, choice, seed)
    for done, picture in enumerate(pictures):
        coefficients = coefficients_of(picture, model, UNLEVELLED)
        for code in collector.random.integers(*_STEP_CODES, choice.num_codes).tolist():
            rounding = None if choice.roundings is None else float(collector.random.uniform(*choice.roundings))
            planes = integers_of_picture(coefficients, model, code, rounding)
            collector.add(pyramid_of_planes(planes, model.num_planes, model.tree.depth, model.low_levels), code)
        on_picture(done + 1)
    return collector.samples()


class _Collector:
    """Symbols of one picture after another."""

    def __init__(self, model: Model, choice: SampleChoice, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._choice, self._num_planes = choice, model.num_planes
        count = model.tree.depth + model.low_levels + 1
        self._found: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in range(count)]
        self._quiet = np.zeros((count, NUM_ORIENTATIONS * model.num_planes, NUM_STEP_BANDS, NUM_VALUES))

    def add(self, pyramid: SubbandPyramid, code: int) -> None:
        for level in range(pyramid.num_levels + 1):
            for kind in range(pyramid.num_kinds(level)):
                self._add_subband(pyramid, level, kind, code)

    def _add_subband(self, pyramid: SubbandPyramid, level: int, kind: int, code: int) -> None:
        inputs, symbols = pyramid.inputs(level, kind), pyramid.symbols(level, kind).reshape(-1)
        quiet = is_quiet(inputs)
        counts = value_counts(symbols[quiet], np.zeros(np.count_nonzero(quiet), np.int64), 1)
        self._quiet[level, kind, code // _CODES_PER_BAND] += counts[0]
        places = np.flatnonzero(~quiet)
        places = places[self.random.random(len(places)) < self._choice.shares[level]]
        same = np.ones(len(places), np.int16)
        self._found[level].append((inputs[places], symbols[places], kind * same, code * same))

    def samples(self) -> SubbandSamples:
        levels = []
        for level, parts in enumerate(self._found):
            if not any(len(symbols) for _, symbols, *_ in parts):
                where = f"level {level}" if level else "the low band"
                raise CodecError(f"the pictures have no detail in {where} to fit to; name more or larger ones")
            inputs, symbols, kinds, codes = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            num_kinds = (NUM_ORIENTATIONS if level else 1) * self._num_planes
            levels.append(ContextSamples(inputs, symbols, kinds, codes, num_kinds))
        return SubbandSamples(tuple(levels), self._quiet)
