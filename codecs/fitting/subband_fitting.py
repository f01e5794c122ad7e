"""A model of profile best from pictures: colours by principal axes, networks by training, tables by counting.

1. The transform, and networks for the integers of plain quantisation (`context_networks`), with their tables.
2. Networks and tables again for the integers that an encoder chooses by these, what symbols cost later ones, and
   reconstruction points: means of what it makes each integer of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.fitting.subband_axes import low_noise_gains, principal_colors, subband_axes, subband_channels
from laconic.codecs.fitting.subband_tables import (
    gathered_tables,
    later_costs_by_size,
    symmetric,
    table_sizes,
    value_counts,
)
from laconic.codecs.learning.context_networks import (
    NUM_CHOICES,
    NUM_LEANS,
    NUM_SCALES,
    NUM_SHAPES,
    ContextSamples,
    chosen_tables,
    train_context_network,
)
from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.fixed_point import fixed_leaves
from laconic.codecs.models.model import NUM_SCALES as NUM_SHRINK_SCALES
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import dyadic_tree
from laconic.codecs.steps import CODE_OF_UNIT_SCALE, CODES_PER_OCTAVE, CODES_PER_SCALE
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.codecs.transform.signals import coefficients_of, packets_of
from laconic.codecs.transform.subband_choice import optimize_subbands
from laconic.entropy import _native, rans
from laconic.entropy.fitting.subband_inputs import is_quiet, pyramid_of_planes
from laconic.entropy.subbands import NUM_FOLLOWINGS, NUM_STEP_BANDS, ContextNetwork, SubbandModel
from laconic.entropy.tables import Table, TableSet

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
DEPTH: Final = 3
LOW_LEVELS: Final = 2
_ROUNDING: Final = 0.36
_STEP_CODES: Final = (80, 192)  # of the samples that networks are trained on
_PRIOR_SYMBOLS: Final = 20.0
_TRIAL_CODES: Final = (108, 124, 140, 156)
_TRIAL_SHARE: Final = 0.03  # of the symbols that are changed at once
_TRIAL_SIDE: Final = 160
_EITHER: Final = 0.14  # so much below the nearest integer, in steps, a symbol may be that or the one below


@dataclass(frozen=True)
class SubbandFitOptions:
    """`widths`: units of the networks, of the low band and then of each level, the finest first. `shares` of the symbols that
    are looked at, in the same order. `steps_each`: steps of training of each network. `files_steps`: step codes drawn for
    each picture. `low_gain`: how much finer the low band is quantised."""

    widths: tuple[int, ...] = (32, 32, 96, 96, 64, 64)
    shares: tuple[float, ...] = (1.0, 0.05, 0.14, 0.4, 1.0, 1.0)
    num_steps: int = 12_000
    codes_each: int = 3
    low_gain: float = 1.0


@dataclass(frozen=True, eq=False)
class _Counts:
    """Of what is looked at for tables: `samples` by level, and counts of symbols where all around is 0."""

    samples: list[ContextSamples]
    quiet: NDArray[np.float64]  # (levels + 1, kinds, step bands, 257)


def subband_model(pictures: Sequence[Image], name: str, low_gain: float = 1.0) -> Model:
    """The transform for such pictures, with contexts that say nothing."""
    tree, num_planes = dyadic_tree(2, DEPTH), pictures[0].samples.shape[2]
    packets = [packets_of(p, tree, UNLEVELLED, np.zeros(num_planes, np.float32)) for p in pictures]
    axes = subband_axes(principal_colors(packets, tree, num_planes), tree)
    gains = low_noise_gains(tree, LOW_LEVELS)
    gains[0] *= low_gain
    d = num_planes << (2 * DEPTH)
    model = Model(
        name=name,
        num_planes=num_planes,
        tree=tree,
        analysis=axes.analysis,
        synthesis=axes.synthesis,
        group_ends=tuple(num_planes << (2 * level) for level in range(DEPTH + 1)),
        rounding=_ROUNDING,
        scale_codes=np.zeros(d, np.int16),
        shrink=np.zeros((NUM_SHRINK_SCALES, 3), np.float32),
        contexts=_silent_contexts(num_planes),
        offsets=np.zeros(num_planes, np.float32),
        channels=subband_channels(tree, num_planes),
        fixed=fixed_leaves(tree, num_planes, axes.analysis, axes.synthesis),
        low_levels=LOW_LEVELS,
        low_gains=gains,
        low_scale_codes=np.zeros((1 + 3 * LOW_LEVELS, num_planes), np.int16),
    )
    coefficients = [coefficients_of(p, model, UNLEVELLED) for p in pictures]
    return replace(model, **_scales(coefficients, model))


def fit_subband_contexts(
    pictures: Sequence[Image],
    model: Model,
    options: SubbandFitOptions,
    *,
    seed: int = 0,
    is_first: bool,
    log: Callable[[str], None] = lambda text: None,
) -> Model:
    """The model with networks, tables and reconstruction points for the integers that it makes of these pictures: by plain
    quantisation where it `is_first`, else as an encoder chooses them."""
    counts = _looked_at(pictures, model, options, seed, is_first=is_first)
    log(f"symbols: {[len(s.symbols) for s in counts.samples]}")
    networks, cells, priors = [], [], []
    for level, (samples, width) in enumerate(zip(counts.samples, options.widths, strict=True)):
        network, densities = train_context_network(samples, width, options.num_steps, seed=seed)
        networks.append(ContextNetwork(**network.integers()))  # type: ignore[arg-type]
        cells.append(_counted(network, samples) / options.shares[level])
        priors.append(densities.priors())
        log(f"level {level}: {len(samples.symbols)} symbols, {_bits_each(cells[-1]):.4f} bits with ideal tables")
    contexts = _with_tables(model, networks, np.stack(cells), np.stack(priors), counts.quiet)
    model = replace(model, contexts=contexts)
    chosen = [pictures[i] for i in np.random.default_rng(seed).permutation(len(pictures))[:24]]
    model = replace(model, contexts=replace(contexts, later_costs=_later_costs(chosen, model)))
    return replace(model, shrink=_shrink(chosen, model))


def integers_of_picture(
    coefficients: Float[Floats, "d h w"], model: Model, step_code: int, rounding: float | None = None
) -> Int[Ints, "d h w"]:
    """By plain quantisation with this rounding, or as an encoder chooses them."""
    inverse = np.float32(inverse_quantizer_step(step_code, model))
    ratios = coefficients * inverse
    added = np.full(len(coefficients), 0.5 if rounding is None else rounding, np.float32)
    added[: model.num_planes] = 0.5
    out = np.copysign(np.floor(np.abs(ratios) + added[:, None, None]), ratios).astype(np.int32)
    if rounding is None:
        optimize_subbands(out, coefficients, step_code, model)
    return out


def _looked_at(
    pictures: Sequence[Image], model: Model, options: SubbandFitOptions, seed: int, *, is_first: bool
) -> _Counts:
    random, num_levels = np.random.default_rng(seed), DEPTH + model.low_levels
    found: list[list[tuple[NDArray[Any], ...]]] = [[] for _ in range(num_levels + 1)]
    quiet = np.zeros((num_levels + 1, 3 * model.num_planes, NUM_STEP_BANDS, 257))
    for picture in pictures:
        coefficients = coefficients_of(picture, model, UNLEVELLED)
        for code in random.integers(*_STEP_CODES, options.codes_each).tolist():
            rounding = float(random.uniform(0.28, 0.42)) if is_first else None
            planes = integers_of_picture(coefficients, model, code, rounding)
            pyramid = pyramid_of_planes(planes, model.num_planes, DEPTH, model.low_levels)
            for level in range(num_levels + 1):
                for kind in range(pyramid.num_kinds(level)):
                    inputs, symbols = pyramid.inputs(level, kind), pyramid.symbols(level, kind).reshape(-1)
                    silent = is_quiet(inputs)
                    quiet[level, kind, code // 8] += value_counts(symbols[silent], np.zeros(silent.sum(), np.int64), 1)[
                        0
                    ]
                    places = np.flatnonzero(~silent)
                    places = places[random.random(len(places)) < options.shares[level]]
                    same = np.ones(len(places), np.int16)
                    found[level].append((inputs[places], symbols[places], kind * same, code * same))
    samples = []
    for level, parts in enumerate(found):
        arrays = [np.concatenate(a) for a in zip(*parts, strict=True)]
        samples.append(ContextSamples(*arrays, num_kinds=(3 if level else 1) * model.num_planes))
    return _Counts(samples, quiet)


def _counted(network: Any, samples: ContextSamples) -> NDArray[np.float64]:
    """Numbers of symbols by table and value."""
    import torch

    total = np.zeros((NUM_CHOICES, 257))
    for lo, hi in pairwise([*range(0, len(samples.symbols), 1 << 18), len(samples.symbols)]):
        with torch.no_grad():
            known = (samples.inputs[lo:hi], samples.kinds[lo:hi].astype(np.int64), samples.step_codes[lo:hi])
            inputs, kinds, codes = (torch.from_numpy(a) for a in known)
            outputs = network(inputs.float(), kinds, codes.float())
            choices, symbols = chosen_tables(outputs, torch.from_numpy(samples.symbols[lo:hi]))
        total += value_counts(symbols.numpy(), choices.numpy(), NUM_CHOICES)
    return total


def _with_tables(
    model: Model,
    networks: Sequence[ContextNetwork],
    cells: NDArray[np.float64],
    priors: NDArray[np.float64],
    quiet: NDArray[np.float64],
) -> SubbandModel:
    """Contexts with the tables of all cells together."""
    levels = len(networks)
    lean = np.arange(NUM_CHOICES) // NUM_SHAPES % NUM_LEANS
    cells[:, lean == 0] = symmetric(cells[:, lean == 0])
    priors = _PRIOR_SYMBOLS * priors / priors.sum(-1, keepdims=True)
    quiet = symmetric(quiet)
    # Step bands without symbols are as those next to them.
    seen = quiet.sum(-1) > 0
    alike = quiet.sum(2, keepdims=True) / np.maximum(quiet.sum((2, 3), keepdims=True), 1)
    bare = np.zeros(257)
    bare[128], bare[127], bare[129] = 0.98, 0.01, 0.01
    quiet_prior = np.where(seen.any(2)[..., None, None], alike, bare) * _PRIOR_SYMBOLS
    quiet_prior = np.broadcast_to(quiet_prior, quiet.shape) + 1e-3 * bare
    counts = np.concatenate([cells.reshape(-1, 257), quiet.reshape(-1, 257)])
    prior = np.concatenate([priors.reshape(-1, 257), quiet_prior.reshape(-1, 257)])
    tables, of_cell = gathered_tables(counts, prior)
    cut = levels * NUM_CHOICES
    return SubbandModel(
        num_colors=model.num_planes,
        depth=DEPTH,
        low_levels=model.low_levels,
        networks=tuple(networks),
        tables=tables,
        static_tables=model.contexts.static_tables,
        table_map=of_cell[:cut].reshape(levels, NUM_SCALES, NUM_LEANS, NUM_SHAPES).astype(np.uint8),
        quiet_tables=of_cell[cut:].reshape(quiet.shape[:3]).astype(np.uint8),
        later_costs=np.zeros((len(tables), NUM_FOLLOWINGS, 3), np.int32),
    )


def _later_costs(pictures: Sequence[Image], model: Model) -> NDArray[np.int32]:
    """What symbols cost later ones, by trial: some that could be either of two integers are the smaller one, and what that
    saves beyond themselves is shared among them."""
    contexts = model.contexts
    assert isinstance(contexts, SubbandModel)
    sizes = table_sizes(contexts.tables)
    trials = list(_trials(pictures, model))
    random = np.random.default_rng(0)

    def cost_of(magnitude: int, following: int, low: float, high: float) -> Iterator[tuple[float, float]]:
        for trial in trials:
            size = sizes[trial.tables]
            fits = trial.nearest >= 3 if magnitude == 3 else trial.nearest == magnitude
            fits &= (size >= low) & (size < high) & (trial.followings == following)
            fits &= random.random(fits.shape) < _TRIAL_SHARE
            if (count := int(fits.sum())) < 4:
                continue
            larger, smaller = (
                np.where(fits, trial.signs * (trial.nearest - k), trial.planes).astype(np.int32) for k in (0, 1)
            )
            own = [_own_bits(planes[fits], trial.tables[fits], contexts) for planes in (larger, smaller)]
            whole = [_bits(planes, trial.code, contexts)[0] for planes in (larger, smaller)]
            yield whole[0] - whole[1] - (own[0] - own[1]), count

    return later_costs_by_size(sizes, cost_of)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A part of a picture: its integers, their tables, what follows; `nearest` magnitudes of those that could be either of
    two integers, 0 of others, and the signs."""

    planes: Ints
    code: int
    tables: NDArray[np.uint8]
    followings: NDArray[np.uint8]
    nearest: NDArray[np.int64]
    signs: NDArray[np.int64]


def _trials(pictures: Sequence[Image], model: Model) -> Iterator[_Trial]:
    contexts = model.contexts
    assert isinstance(contexts, SubbandModel)
    for i, picture in enumerate(pictures):
        code = _TRIAL_CODES[i % len(_TRIAL_CODES)]
        samples = np.ascontiguousarray(picture.samples[:_TRIAL_SIDE, :_TRIAL_SIDE])
        coefficients = coefficients_of(Image(samples), model, UNLEVELLED)
        planes = integers_of_picture(coefficients, model, code, _ROUNDING)
        ratios = coefficients * np.float32(inverse_quantizer_step(code, model))
        nearest = np.floor(np.abs(ratios) + 0.5).astype(np.int64)
        nearest[nearest - np.abs(ratios) < _EITHER] = 0
        nearest[: model.num_planes] = 0
        followings = _native.subband_followings(contexts.native, np.minimum(np.abs(planes), 255))
        yield _Trial(
            planes, code, _bits(planes, code, contexts)[1], followings, nearest, np.sign(ratios).astype(np.int64)
        )


def _own_bits(symbols: Ints, tables: NDArray[np.uint8], contexts: SubbandModel) -> float:
    """Of symbols, whichever their sign."""
    both = (np.ascontiguousarray(s, np.int32) for s in (symbols, -symbols))
    return sum(rans.ideal_bits(s, contexts.tables, np.ascontiguousarray(tables)) for s in both) / 2


def _bits(planes: Ints, step_code: int, contexts: SubbandModel) -> tuple[float, NDArray[np.uint8]]:
    """The ideal bits of a picture, and the table of each symbol in (d, h, w)."""
    rules = contexts.at_step(step_code)
    tile = _native.SubbandTile(contexts.native, *planes.shape[1:])
    tile.load(planes, 0, len(planes))
    values, tables, _ = rules.code(tile, 0, len(planes))
    return rans.ideal_bits(values, contexts.tables, tables), tile.tables(rules.native, contexts.tables.native)


def _bits_each(counts: NDArray[np.float64]) -> float:
    """Ideal bits a symbol with a table of its own for each row of counts."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return float(-(counts * np.log2(np.maximum(shares, 1e-30))).sum() / counts.sum())


def _scales(coefficients: Sequence[Floats], model: Model) -> Mapping[str, NDArray[np.int16]]:
    """Scale codes: of a Laplace density with the mean magnitude of each subband, and of each class of the low ones."""
    planes, levels = model.num_planes, model.low_levels
    means = np.mean([np.abs(c).mean((1, 2), dtype=np.float64) for c in coefficients], 0)
    lo = planes
    for level in range(1, DEPTH + 1):
        size, places = 3 * planes, 1 << (2 * level - 2)
        part = means[lo : lo + size * places].reshape(size, places)
        means[lo : lo + size * places] = part.mean(1).repeat(places)
        lo += size * places
    low = np.empty((1 + 3 * levels, planes))
    for k in range(levels):
        far, near = slice(1 << k, None, 2 << k), slice(None, None, 2 << k)
        for o, (rows, columns) in enumerate(((far, near), (near, far), (far, far))):
            low[1 + 3 * (levels - 1 - k) + o] = _mean_magnitude([c[:planes, rows, columns] for c in coefficients])
    lowest = slice(None, None, 1 << levels)
    low[0] = _mean_magnitude([c[:planes, lowest, lowest] for c in coefficients])
    means[:planes] = low[0]
    return {"scale_codes": _codes(means), "low_scale_codes": _codes(low)}


def _mean_magnitude(parts: Sequence[Floats]) -> NDArray[np.float64]:
    sums = sum(np.abs(p).sum((1, 2), dtype=np.float64) for p in parts)
    return np.asarray(sums / max(sum(p[0].size for p in parts), 1))


def _codes(means: NDArray[np.float64]) -> NDArray[np.int16]:
    codes = np.round(CODES_PER_OCTAVE * np.log2(np.maximum(means, 1e-9)) + CODE_OF_UNIT_SCALE)
    return np.asarray(codes, np.int16)


def _shrink(pictures: Sequence[Image], model: Model) -> NDArray[np.float32]:
    """(96, 3): mean of |q| - |y| / step by scale and magnitude of the integers that an encoder chooses, without those of the
    low channels. Pulled to 0 where data is thin."""
    sums, counts = np.zeros((2, NUM_SHRINK_SCALES, 4))
    planes = model.num_planes
    for picture in pictures:
        coefficients = coefficients_of(picture, model, UNLEVELLED)
        for code in range(76, 180, 8):
            q = np.abs(integers_of_picture(coefficients, model, code))[planes:]
            rows = np.clip((model.scale_codes[planes:].astype(int) - code) // CODES_PER_SCALE, 0, NUM_SHRINK_SCALES - 1)
            keys = (np.minimum(q, 3) + 4 * rows[:, None, None]).reshape(-1)
            lost = q - np.abs(coefficients[planes:]) * np.float32(inverse_quantizer_step(code, model))
            sums += np.bincount(keys, lost.reshape(-1), sums.size).reshape(sums.shape)
            counts += np.bincount(keys, minlength=counts.size).reshape(counts.shape)
    return (sums[:, 1:] / (counts[:, 1:] + 30.0)).astype(np.float32)


def _silent_contexts(num_planes: int) -> SubbandModel:
    """One table, and networks that say nothing."""
    levels = DEPTH + LOW_LEVELS

    def network(kinds: int) -> ContextNetwork:
        shapes = {"first": (16, 40), "second": (16, 16), "third": (3, 16)}
        zeros = {name: np.zeros(shape, np.int8) for name, shape in shapes.items()}
        biases = {
            "first_bias": (kinds, 16),
            "second_bias": (16,),
            "third_bias": (kinds, 3),
            "first_step": (16,),
            "third_step": (3,),
        }
        zeros |= {name: np.zeros(shape, np.int32) for name, shape in biases.items()}
        return ContextNetwork(**zeros, shifts=np.zeros(3, np.uint8))  # type: ignore[arg-type]

    tables = TableSet((Table(-1, (16384, 32768, 16383, 1)),))
    return SubbandModel(
        num_planes,
        DEPTH,
        LOW_LEVELS,
        tuple(network((3 if level else 1) * num_planes) for level in range(levels + 1)),
        tables,
        tables,
        np.zeros((levels + 1, NUM_SCALES, NUM_LEANS, NUM_SHAPES), np.uint8),
        np.zeros((levels + 1, 3 * num_planes, NUM_STEP_BANDS), np.uint8),
        np.zeros((1, NUM_FOLLOWINGS, 3), np.int32),
    )
