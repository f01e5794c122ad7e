"""Contexts of profile best from pictures: networks by training, tables by counting, for a model with its transform.

Two rounds make them for a fitted model: the first for the integers of plain quantisation, the second for those that an
encoder chooses by the networks of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.fitting.subband_later_costs import later_costs_of_pictures
from laconic.codecs.fitting.subband_samples import SampleChoice, integers_of_picture, samples_of_pictures
from laconic.codecs.fitting.subband_tables import NUM_VALUES, gathered_tables, symmetric, value_counts
from laconic.codecs.fitting.usual_tunings import with_usual_tunes
from laconic.codecs.learning.context_networks import (
    NUM_CHOICES,
    ContextSamples,
    chosen_tables,
    train_context_network,
)
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.model import NUM_SCALES as NUM_SHRINK_SCALES
from laconic.codecs.models.model import Model
from laconic.codecs.steps import CODES_PER_SCALE
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.codecs.transform.signals import coefficients_of
from laconic.entropy.contexts import MAX_MAGNITUDE
from laconic.entropy.subbands import NUM_FOLLOWINGS, NUM_LEANS, NUM_SCALES, NUM_SHAPES, ContextNetwork, SubbandModel

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float64]
_PRIOR_SYMBOLS: Final = 20.0
_PRIOR_SHRINK: Final = 30.0  # symbols without an error
_QUIET_SHARES: Final = (0.01, 0.98, 0.01)  # of -1, 0 and 1 where nothing was seen
_SHRINK_CODES: Final = range(76, 180, 8)
_TRIED_PICTURES: Final = 24  # for later costs and reconstruction points
# What the parts of a round take, in seconds on one core: for the time that is left.
_SECONDS_PLAIN, _SECONDS_CHOSEN = 0.05, 0.13  # of one picture at one step
_SECONDS_UNIT, _SECONDS_STEP = 1.8e-4, 4.6e-3  # of a step of training: for each unit, and besides
_SECONDS_TRIED: Final = 1.3  # of a picture


@dataclass(frozen=True)
class SubbandFitOptions:
    """`widths`: units of the networks, of the low band and then of each level, the finest first. `shares` of the symbols
    that are looked at, in the same order. `num_steps`: of the training of each network. `num_codes`: steps drawn for each
    picture. `roundings`: what plain quantisation adds, between these two; None: integers as an encoder chooses them."""

    num_steps: int
    num_codes: int
    roundings: tuple[float, float] | None = None
    widths: tuple[int, ...] = (32, 32, 96, 96, 64, 64)
    shares: tuple[float, ...] = (1.0, 0.05, 0.14, 0.4, 1.0, 1.0)


FIRST_ROUND: Final = SubbandFitOptions(num_steps=1_500, num_codes=1, roundings=(0.28, 0.42))
SECOND_ROUND: Final = SubbandFitOptions(num_steps=14_000, num_codes=3)


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """The network of a level with what its tables are made of: numbers of symbols by scale, lean and shape together and by
    value (`subband_tables`), and what the training thinks that their shares are."""

    network: ContextNetwork
    counts: Float[Floats, "choices 257"]
    priors: Float[Floats, "choices 257"]

    @property
    def bits_per_symbol(self) -> float:
        """With a table of its own for each row of counts, of the same symbols."""
        shares = self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)
        return abs(float((self.counts * np.log2(np.maximum(shares, 1e-30))).sum() / self.counts.sum()))


def fit_subband_contexts(
    pictures: Sequence[Image],
    model: Model,
    options: SubbandFitOptions,
    *,
    seed: int = 0,
    fitted: Sequence[FittedNetwork] = (),
    on_network: Callable[[FittedNetwork], None] = lambda network: None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Model:
    """The model with networks, tables and reconstruction points for the integers that it makes of these pictures.

    `fitted`: the first networks, where an interrupted fit of the same pictures, model, options and seed left them;
    `on_network` is given each further one, `on_progress` the share that is done of what there is to do, up to 1. Raises
    `CodecError` for pictures without detail.
    """
    work = _Work(_seconds_of_parts(len(pictures), options, len(fitted)), on_progress)
    choice = SampleChoice(options.shares, options.num_codes, options.roundings)
    samples = samples_of_pictures(
        pictures, model, choice, seed=seed, on_picture=lambda done: work.tell(0, done / len(pictures))
    )
    networks = list(fitted)
    for level in range(len(fitted), len(options.widths)):
        tell = partial(work.tell, 1 + level - len(fitted))
        networks.append(_fitted_network(samples.levels[level], level, options, seed, tell))
        on_network(networks[-1])
    made = _networks(model, networks, samples.quiet)
    model = replace(model, networks=made)
    order = np.random.default_rng(seed).permutation(len(pictures))
    tried = [pictures[i] for i in order[:_TRIED_PICTURES]]
    model = replace(model, networks=replace(made, later_costs=later_costs_of_pictures(tried, model)))
    model = with_usual_tunes(replace(model, shrink=_shrink(tried, model)), pictures)
    on_progress(1.0)
    return model


def seconds_of_fit(num_pictures: int, options: SubbandFitOptions, num_fitted: int = 0) -> float:
    """About how long a round takes on one core from `num_fitted` networks on."""
    return sum(_seconds_of_parts(num_pictures, options, num_fitted))


def _seconds_of_parts(num_pictures: int, options: SubbandFitOptions, num_fitted: int) -> list[float]:
    """Of the samples, of each network that is left, and of the rest."""
    each = _SECONDS_CHOSEN if options.roundings is None else _SECONDS_PLAIN
    steps = [_SECONDS_UNIT * width + _SECONDS_STEP for width in options.widths[num_fitted:]]
    tried = min(num_pictures, _TRIED_PICTURES)
    return [each * num_pictures * options.num_codes, *(options.num_steps * s for s in steps), _SECONDS_TRIED * tried]


class _Work:
    """The share of all that is done, from that of a part."""

    def __init__(self, seconds: Sequence[float], on_progress: Callable[[float], None]) -> None:
        self._seconds, self._on_progress = seconds, on_progress
        self._ends = list(accumulate(seconds))

    def tell(self, part: int, share: float) -> None:
        self._on_progress((self._ends[part] - self._seconds[part] * (1 - share)) / self._ends[-1])


def _fitted_network(
    samples: ContextSamples, level: int, options: SubbandFitOptions, seed: int, on_progress: Callable[[float], None]
) -> FittedNetwork:
    learner, densities = train_context_network(
        samples,
        options.widths[level],
        options.num_steps,
        seed=seed,
        on_step=lambda step, bits: on_progress((step + 1) / options.num_steps),
    )
    counts = np.zeros((NUM_CHOICES, NUM_VALUES))
    for choices, symbols in chosen_tables(learner, samples):
        counts += value_counts(symbols, choices, NUM_CHOICES)
    return FittedNetwork(learner.integers(), counts / options.shares[level], densities.priors())


def _networks(model: Model, networks: Sequence[FittedNetwork], quiet: Floats) -> SubbandModel:
    """With tables of all that chooses one, in every level."""
    counts = np.stack([network.counts for network in networks])
    priors = np.stack([network.priors for network in networks])
    lean = np.arange(NUM_CHOICES) // NUM_SHAPES % NUM_LEANS
    counts[:, lean == 0] = symmetric(counts[:, lean == 0])
    priors = _PRIOR_SYMBOLS * priors / priors.sum(-1, keepdims=True)
    quiet = symmetric(quiet)
    tables, of_cell = gathered_tables(
        *(
            np.concatenate([cells.reshape(-1, NUM_VALUES), of_quiet.reshape(-1, NUM_VALUES)])
            for cells, of_quiet in ((counts, quiet), (priors, _priors_of_quiet(quiet)))
        )
    )
    levels, cut = len(networks), len(networks) * NUM_CHOICES
    return SubbandModel(
        num_colors=model.num_planes,
        depth=model.tree.depth,
        low_levels=model.low_levels,
        networks=tuple(network.network for network in networks),
        tables=tables,
        table_map=of_cell[:cut].reshape(levels, NUM_SCALES, NUM_LEANS, NUM_SHAPES).astype(np.uint8),
        quiet_tables=of_cell[cut:].reshape(quiet.shape[:3]).astype(np.uint8),
        later_costs=np.zeros((len(tables), NUM_FOLLOWINGS, 3), np.int32),
    )


def _priors_of_quiet(quiet: Floats) -> Floats:
    """Step bands without symbols are as all of their level and kind, these as `_QUIET_SHARES`."""
    seen = quiet.sum(-1) > 0
    alike = quiet.sum(2, keepdims=True) / np.maximum(quiet.sum((2, 3), keepdims=True), 1)
    bare = np.zeros(NUM_VALUES)
    bare[MAX_MAGNITUDE : MAX_MAGNITUDE + 3] = _QUIET_SHARES
    prior = np.where(seen.any(2)[..., None, None], alike, bare) * _PRIOR_SYMBOLS
    return np.broadcast_to(prior, quiet.shape) + 1e-3 * bare


def _shrink(pictures: Sequence[Image], model: Model) -> NDArray[np.float32]:
    """(96, 3): mean of |q| - |y| / step by scale and magnitude of the integers that an encoder chooses, without those of
    the low channels. Pulled to 0 where data is thin."""
    sums, counts = np.zeros((2, NUM_SHRINK_SCALES, 4))
    planes = model.num_planes
    for picture in pictures:
        coefficients = coefficients_of(picture, model, UNLEVELLED)
        for code in _SHRINK_CODES:
            q = np.abs(integers_of_picture(coefficients, model, code))[planes:]
            rows = np.clip((model.scale_codes[planes:].astype(int) - code) // CODES_PER_SCALE, 0, NUM_SHRINK_SCALES - 1)
            keys = (np.minimum(q, 3) + 4 * rows[:, None, None]).reshape(-1)
            lost = q - np.abs(coefficients[planes:]) * np.float32(inverse_quantizer_step(code, model))
            sums += np.bincount(keys, lost.reshape(-1), sums.size).reshape(sums.shape)
            counts += np.bincount(keys, minlength=counts.size).reshape(counts.shape)
    return np.asarray(sums[:, 1:] / (counts[:, 1:] + _PRIOR_SHRINK), np.float32)
