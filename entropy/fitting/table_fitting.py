"""Tables from counts: the symbols of training signals at a ladder of steps, by level and lean of SPEC.md, section 4.3.

Thin counts lean on the Laplace density of their level, quantised as the signals are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.entropy import ContextModel, Table, TableSet
from laconic.entropy.contexts import MAX_MAGNITUDE, NUM_LEANS, NUM_LEVELS, NUM_STEP_BANDS, ContextWeights
from laconic.entropy.fitting.context_rules import (
    LEVELS_PER_OCTAVE,
    context_rule_leans,
    context_rule_levels,
    context_rule_scales,
    symbols_of,
)
from laconic.entropy.tables import MAX_TABLES, PROBABILITY_SUM, cheapest_table_frequencies

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

FITTED_BANDS = range(9, 30)  # step codes 72 to 239, around those of quality 1 to 100
_LEVELS_PER_BAND = LEVELS_PER_OCTAVE // 2  # a band is half an octave
_SMALLEST_SCALE_LOG2 = -4
_BEYOND = MAX_MAGNITUDE + 1  # stands for all larger magnitudes, which are escapes
_PRIOR_SYMBOLS = 30.0
_COUNTED_SYMBOLS = 5_000_000  # of one band
_WINDOW_SYMBOLS = 2_000_000  # looked at together
_MIN_SIGNALS = 16
_RARE = 2.0**-18.5  # an entry of its own costs others more than it saves

Floats = NDArray[np.float64]
Values = Sequence[NDArray[np.int32]]
ValuesOfBand = Callable[[int], Values]  # of all training signals, (d, h, w) each, at the centre of a step band


@dataclass(frozen=True, eq=False)
class FittedTables:
    """The tables of sections 4.1 and 4.3, named and shaped as there; `static_indices` of each part that they serve."""

    tables: TableSet
    table_map: UInt[NDArray[np.uint8], "4 96"]
    static_tables: TableSet
    static_indices: tuple[UInt[NDArray[np.uint8], "32 _"], ...]


@dataclass(frozen=True, eq=False)
class FittedPart:
    """Channels that tables are to serve: their integers and weights; those of the first `num_skipped` are coded
    otherwise."""

    values_of_band: ValuesOfBand
    weights: ContextWeights
    num_skipped: int = 0


def fit_context_model(part: FittedPart, rounding: float, low: FittedPart | None = None) -> ContextModel:
    """Contexts with tables for signals quantised with `rounding`; `low` is what the first channels are put apart into."""
    parts = [part] if low is None else [part, low]
    found = fit_tables(parts, rounding)
    models = [
        ContextModel(
            **vars(one.weights),
            tables=found.tables,
            static_tables=found.static_tables,
            table_map=found.table_map,
            static_index=index,
        )
        for one, index in zip(parts, found.static_indices, strict=True)
    ]
    return replace(models[0], low=None if low is None else models[1])


def fit_tables(parts: Sequence[FittedPart], rounding: float) -> FittedTables:
    """Both table sets, and which channel has which table in profile fast, for signals quantised with `rounding`."""
    counted = [_counts_of_part(part, rounding) for part in parts]
    by_channel, index = (np.concatenate([found[i] for found in counted], axis=1) for i in (1, 2))
    prior = np.stack([_laplace_magnitudes(_scale_of_level(t), rounding) for t in range(NUM_LEVELS)])
    static_tables, index = _static_tables(by_channel, index, prior)
    tables, table_map = _context_tables(np.sum([found[0] for found in counted], axis=0), prior)
    ends = np.cumsum([part.weights.num_channels for part in parts])
    indices = np.split(_continued(index), ends[:-1], axis=1)
    return FittedTables(tables, table_map, static_tables, tuple(np.ascontiguousarray(i) for i in indices))


def _counts_of_part(part: FittedPart, rounding: float) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """Of coded values by lean and level, (4, 96, 257); of magnitudes by channel, (bands, d, 129); and the level of each
    channel in profile fast, (bands, d)."""
    weights, first = part.weights, part.num_skipped
    d = weights.num_channels
    by_context = np.zeros((NUM_LEANS, NUM_LEVELS, 2 * _BEYOND + 1))
    by_channel = np.zeros((NUM_STEP_BANDS, d, _BEYOND + 1))
    index = np.zeros((NUM_STEP_BANDS, d), np.uint8)
    for band in FITTED_BANDS:
        sums = np.zeros(d)
        for symbols, inner in _windows_of(part.values_of_band(band), band, weights.num_predicted, _COUNTED_SYMBOLS):
            by_context += _context_counts(symbols, inner, weights, band, first)
            magnitudes = np.abs(symbols[inner].reshape(d, -1).astype(np.int64))
            magnitudes[:first] = 0
            sums += magnitudes.sum(1)
            keys = np.minimum(magnitudes, _BEYOND) + (_BEYOND + 1) * np.arange(d)[:, None]
            by_channel[band] += np.bincount(keys.reshape(-1), minlength=by_channel[band].size).reshape(d, -1)
        by_channel[band, :first] = 0
        index[band] = _levels_of_means((sums + 0.01) / (by_channel[band].sum(1) + 10), rounding)
    return by_context, by_channel, index


def _windows_of(
    values: Sequence[Int[NDArray[np.int32], "d h w"]], band: int, num_predicted: int, num_symbols: int
) -> Iterator[tuple[Int[NDArray[np.int32], "d h _"], tuple[slice, slice, slice]]]:
    """Symbols of signals picked at random, in pieces of columns, and the part of each piece whose neighbours are in it.

    Signals are taken until they have `num_symbols` together, and at least 16 if there are.
    """
    seen = 0
    for taken, number in enumerate(np.random.default_rng(band).permutation(len(values))):
        if taken >= _MIN_SIGNALS and seen >= num_symbols:
            return
        symbols = symbols_of(values[number], num_predicted)
        d, h, w = symbols.shape
        columns = max(_WINDOW_SYMBOLS // (d * h), 8)
        lefts = np.arange(0, w, columns)
        limit = max(num_symbols // _MIN_SIGNALS, d * h * columns)
        kept = lefts[:: max(1, -(-symbols.size // limit))]
        for left in kept:
            lo, right = max(left - 2, 0), min(left + columns, w)
            yield symbols[:, :, lo : right + 1], (slice(None), slice(None), slice(left - lo, right - lo))
            seen += d * h * (right - left)


def _laplace_magnitudes(scale: float, rounding: float) -> Float[Floats, " 129"]:
    """P(|q| = 0), P(|q| = 1), ..., P(|q| > 127) of a quantised Laplace density, `scale` in steps."""
    tails = np.exp(-(np.arange(1, _BEYOND + 1) - rounding) / scale)
    return np.concatenate([[1 - tails[0]], tails[:-1] - tails[1:], tails[-1:]])


def _scale_of_level(level: int) -> float:
    """Laplace scale, in steps, in the middle of a level."""
    return float(2.0 ** ((level + 0.5) / LEVELS_PER_OCTAVE + _SMALLEST_SCALE_LOG2))


def _laplace_means(scales: Float[Floats, "*shape"], rounding: float) -> Float[Floats, "*shape"]:
    """E|q| of quantised Laplace densities."""
    return np.asarray(np.exp(-(1 - rounding) / scales) / -np.expm1(-1 / scales))


def fitted_table_scales(means: Float[Floats, "*shape"], rounding: float) -> Float[Floats, "*shape"]:
    """Laplace scales, in steps, of symbols with these mean magnitudes; from 2^-5 to 2^12."""
    grid = 2.0 ** np.arange(-5, 12, 1 / 64)
    return np.exp(np.interp(np.log(np.maximum(means, 1e-12)), np.log(_laplace_means(grid, rounding)), np.log(grid)))


def _levels_of_means(means: Float[Floats, "*shape"], rounding: float) -> UInt[NDArray[np.uint8], "*shape"]:
    """Levels of the scales that give these mean magnitudes."""
    octaves = np.log2(fitted_table_scales(means, rounding)) - _SMALLEST_SCALE_LOG2
    return np.asarray(np.clip(np.floor(LEVELS_PER_OCTAVE * octaves), 0, NUM_LEVELS - 1), np.uint8)


def _context_counts(
    symbols: NDArray[np.int32], inner: tuple[slice, slice, slice], weights: ContextWeights, band: int, first: int
) -> Floats:
    """Number of coded values by lean, level and value, without those of the channels below `first`."""
    scales = context_rule_scales(symbols, weights, weights.base[band])
    leans, is_flipped = context_rule_leans(symbols, weights, scales)
    inner = (slice(first, None), *inner[1:])
    coded = np.clip(symbols[inner], -_BEYOND, _BEYOND)
    np.negative(coded, out=coded, where=is_flipped[inner])
    shape = (NUM_LEANS, NUM_LEVELS, 2 * _BEYOND + 1)
    keys = (
        (leans[inner].astype(np.int32) * NUM_LEVELS + context_rule_levels(scales[inner])) * shape[2] + coded + _BEYOND
    )
    return np.bincount(keys.reshape(-1), minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)


def _continued(index: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Levels of the bands that are not fitted: a finer step makes all scales larger."""
    first, last = FITTED_BANDS[0], FITTED_BANDS[-1]
    bands = np.arange(NUM_STEP_BANDS)
    nearest = np.clip(bands, first, last)
    levels = index[nearest].astype(np.int64) + _LEVELS_PER_BAND * (nearest - bands)[:, None]
    return np.clip(levels, 0, NUM_LEVELS - 1).astype(np.uint8)


def _static_tables(counts: Floats, index: NDArray[np.uint8], prior: Floats) -> tuple[TableSet, NDArray[np.uint8]]:
    """Tables by scale from counts (bands, d, 129), and for each channel the cheapest of them."""
    for _ in range(2):
        total = _PRIOR_SYMBOLS * prior
        np.add.at(total, index[FITTED_BANDS], counts[FITTED_BANDS])
        probabilities = total / total.sum(1, keepdims=True)
        costs = -np.log2(np.maximum(probabilities, 1 / PROBABILITY_SUM))
        # A channel without data keeps the level of its mean.
        pull = 1e-3 * np.abs(np.arange(NUM_LEVELS) - index[..., None])
        index = (counts @ costs.T + pull).argmin(-1).astype(np.uint8)
    return TableSet(tuple(table_of_shares(_two_sided(p)) for p in probabilities)), index


def _context_tables(counts: Floats, prior: Floats) -> tuple[TableSet, NDArray[np.uint8]]:
    """One table for each level of lean 0; the other leans share what is left, neighbouring levels first."""
    symmetric = counts[0, :, _BEYOND:].copy()
    symmetric[:, 1:] += counts[0, :, _BEYOND - 1 :: -1]
    symmetric += _PRIOR_SYMBOLS * prior
    level_shares = _two_sided(symmetric / symmetric.sum(1, keepdims=True))
    groups = _merged(counts[1:] + _PRIOR_SYMBOLS * level_shares, MAX_TABLES - NUM_LEVELS)
    table_map = np.zeros((NUM_LEANS, NUM_LEVELS), np.uint8)
    table_map[0] = np.arange(NUM_LEVELS)
    for number, (lean, levels, _) in enumerate(groups, NUM_LEVELS):
        table_map[lean + 1, levels] = number
    shares = [*level_shares, *(total / total.sum() for _, _, total in groups)]
    return TableSet(tuple(table_of_shares(p) for p in shares)), table_map


def _merged(counts: Floats, num_groups: int) -> list[tuple[int, slice, Floats]]:
    """(lean, levels, counts) of runs of levels that cost least to code with one table each."""
    leans = np.arange(len(counts)).repeat(counts.shape[1])
    firsts = np.tile(np.arange(counts.shape[1]), len(counts))
    totals = counts.reshape(-1, counts.shape[2])
    alone = _bits(totals)
    extra = _bits(totals[:-1] + totals[1:]) - alone[:-1] - alone[1:]
    extra[leans[:-1] != leans[1:]] = np.inf
    while len(totals) > num_groups:
        i = int(np.argmin(extra))
        totals[i] += totals[i + 1]
        leans, firsts, totals = np.delete(leans, i + 1), np.delete(firsts, i + 1), np.delete(totals, i + 1, 0)
        alone, extra = np.delete(alone, i + 1), np.delete(extra, i)
        alone[i] = _bits(totals[i])
        for pair in range(max(i - 1, 0), min(i + 1, len(extra))):
            same = leans[pair] == leans[pair + 1]
            joint = _bits(totals[pair] + totals[pair + 1])
            extra[pair] = joint - alone[pair] - alone[pair + 1] if same else np.inf
    ends = np.append(firsts[1:], 0)
    ends[ends == 0] = counts.shape[1]
    return [(int(k), slice(int(a), int(b)), t) for k, a, b, t in zip(leans, firsts, ends, totals, strict=True)]


def _bits(totals: Floats) -> Floats:
    """Ideal code length of counts (..., n) with a table of their own."""
    shares = totals / totals.sum(-1, keepdims=True)
    return -np.asarray((totals * np.log2(np.maximum(shares, 1e-30))).sum(-1))


def _two_sided(magnitudes: Floats) -> Floats:
    """(..., 129) shares of magnitudes -> (..., 257) shares of values, both signs alike."""
    half = magnitudes[..., 1:] / 2
    return np.concatenate([half[..., ::-1], magnitudes[..., :1], half], -1)


def table_of_shares(shares: Float[Floats, " 257"]) -> Table:
    """The table of values -127 to 127 with these shares (257); rare ones at both ends, and what is beyond, escape."""
    values = np.arange(-MAX_MAGNITUDE, MAX_MAGNITUDE + 1)
    likely = values[(shares[1:-1] > _RARE) | (values == 0)]
    first, last = int(likely[0]), int(likely[-1])
    kept = shares[first + _BEYOND : last + _BEYOND + 1]
    frequencies = cheapest_table_frequencies(np.append(kept, max(1 - kept.sum(), 0)))
    return Table(first, tuple(frequencies.tolist()))
