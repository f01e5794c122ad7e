"""The symbols that networks and tables of profile best are fitted to: integers of pictures at random steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.subband_tables import NUM_VALUES, value_counts
from laconic.codecs.learning.context_networks import ContextSamples
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import TunedSteps, Tuning, tuned_model
from laconic.codecs.steps import NUM_STEP_CODES
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
# Of tunings at random: strengths of maps, and offsets in sixteenths of an octave, of diagonals half as much again.
_STRENGTHS: Final = (3, 9)
_PLAIN_SHARE: Final = 0.3  # without offsets
_FINEST, _SECOND, _LOWEST = (-10, 1), (-4, 2), (0, 9)


@dataclass(frozen=True)
class SampleChoice:
    """What is looked at: `shares` of the symbols of the low band and then of each level, the finest first, at `num_codes`
    steps of each picture. `roundings`: what plain quantisation adds before it rounds down, between these two; None:
    integers as an encoder chooses them. `tuned_share` of the steps have a tuning at random, the others none."""

    shares: tuple[float, ...]
    num_codes: int
    roundings: tuple[float, float] | None
    tuned_share: float = 0.0


@dataclass(frozen=True, eq=False)
class SubbandSamples:
    """`levels`: the symbols that networks choose tables for, of the low band and then of each level, the finest first.
    `quiet`: numbers of the others, where all around is 0, by level, kind, step band and value."""

    levels: tuple[ContextSamples, ...]
    quiet: Float[NDArray[np.float64], "levels kinds 32 257"]


def integers_of_picture(
    coefficients: Float[Floats, "d h w"], model: Model, step_code: int, rounding: float | None = None
) -> Int[Ints, "d h w"]:
    """By plain quantisation with this rounding, or as an encoder chooses them; of a tuned model in its steps."""
    added = np.full(len(coefficients), 0.5 if rounding is None else rounding, np.float32)
    added[: model.num_planes] = 0.5
    out = _plainly(coefficients, step_code, model, added)
    if model.tuned is None:
        if rounding is None:
            optimize_subbands(out, coefficients, step_code, model)
        return out
    seen, first = coefficients.copy(), model.tuned.first_mapped
    model.tuned.scale(seen)
    out = _plainly(seen, step_code, model, added)
    begun = None if rounding is not None else optimize_subbands(out, seen, step_code, model, channels=(0, first))
    exponents = model.tuned.exponents(out, step_code)
    if exponents is not None:
        model.tuned.scale_mapped(seen[first:], exponents)
        out[first:] = _plainly(seen[first:], step_code, model, added[first:])
    if begun is not None:
        optimize_subbands(out, seen, step_code, model, begun=begun, channels=(first, len(out)))
    return out


def _plainly(coefficients: Floats, step_code: int, model: Model, added: Floats) -> Ints:
    ratios = coefficients * np.float32(inverse_quantizer_step(step_code, model))
    out: Ints = np.copysign(np.floor(np.abs(ratios) + added[:, None, None]), ratios).astype(np.int32)
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
            own = model if collector.random.random() >= choice.tuned_share else randomly_tuned(model, collector.random)
            planes = integers_of_picture(coefficients, own, code, rounding)
            pyramid = pyramid_of_planes(planes, model.num_planes, model.tree.depth, model.low_levels)
            collector.add(pyramid, code, own.tuned)
        on_picture(done + 1)
    return collector.samples()


def randomly_tuned(model: Model, random: np.random.Generator) -> Model:
    """For files of a map of some strength, most with the finest levels coarser and the lowest finer by some sixteenths of
    an octave."""
    strength = int(random.integers(*_STRENGTHS))
    if random.random() < _PLAIN_SHARE:
        return tuned_model(model, strength << 4)
    finest, second, lowest = (int(random.integers(*some)) for some in (_FINEST, _SECOND, _LOWEST))
    offsets = np.zeros(model.num_channels, np.int16)
    assert model.networks is not None
    for i, (lo, hi) in enumerate(pairwise(model.networks.channel_ends)):
        level, is_diagonal = model.tree.depth - i // (3 * model.num_planes), i % 3 == 2
        offsets[lo:hi] = {1: finest, 2: second}.get(level, 0) * (3 if is_diagonal else 2) // 2
    low = np.full(len(model.low_gains), lowest, np.int16)
    return tuned_model(replace(model, tunings=(Tuning("random", strength, offsets, low),)), strength << 4 | 1)


class _Collector:
    """Symbols of one picture after another."""

    def __init__(self, model: Model, choice: SampleChoice, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self._choice, self._num_planes = choice, model.num_planes
        count = model.tree.depth + model.low_levels + 1
        self._found: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in range(count)]
        self._quiet = np.zeros((count, NUM_ORIENTATIONS * model.num_planes, NUM_STEP_BANDS, NUM_VALUES))

    def add(self, pyramid: SubbandPyramid, code: int, tuned: TunedSteps | None) -> None:
        for level in range(pyramid.num_levels + 1):
            for kind in range(pyramid.num_kinds(level)):
                offset = 0 if tuned is None or tuned.by_subband is None else int(tuned.by_subband[level, kind])
                own = min(max(code - offset, 0), NUM_STEP_CODES - 1)
                self._add_subband(pyramid, level, kind, (own, 0 if tuned is None else tuned.strength))

    def _add_subband(self, pyramid: SubbandPyramid, level: int, kind: int, steps: tuple[int, int]) -> None:
        code, strength = steps
        inputs, symbols = pyramid.inputs(level, kind), pyramid.symbols(level, kind).reshape(-1)
        quiet = is_quiet(inputs)
        counts = value_counts(symbols[quiet], np.zeros(np.count_nonzero(quiet), np.int64), 1)
        self._quiet[level, kind, code // _CODES_PER_BAND] += counts[0]
        places = np.flatnonzero(~quiet)
        places = places[self.random.random(len(places)) < self._choice.shares[level]]
        same = np.ones(len(places), np.int16)
        self._found[level].append((inputs[places], symbols[places], kind * same, code * same, strength * same))

    def samples(self) -> SubbandSamples:
        levels = []
        for level, parts in enumerate(self._found):
            if not any(len(symbols) for _, symbols, *_ in parts):
                where = f"level {level}" if level else "the low band"
                raise CodecError(f"the pictures have no detail in {where} to fit to; name more or larger ones")
            inputs, symbols, kinds, codes, strengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            num_kinds = (NUM_ORIENTATIONS if level else 1) * self._num_planes
            levels.append(ContextSamples(inputs, symbols, kinds, codes, strengths, num_kinds))
        return SubbandSamples(tuple(levels), self._quiet)
