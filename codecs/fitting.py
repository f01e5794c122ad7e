"""A model of your own signal in closed form: packet statistics, principal axes, histograms. No gradient descent.

1. Principal axes of the packets, block by block, channels scaled so that quantisation noise costs the same in each.
2. For a ladder of steps: activity weights by non-negative least squares, then the scale of every channel in every bucket
   of activity, as an integer code.
3. One bank of tables, by scale, from all symbols of all steps; reconstruction points from the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import wavelet
from laconic.codecs.errors import CodecError
from laconic.codecs.media import Audio, Image, Signal
from laconic.codecs.model import Model
from laconic.codecs.quantizer import step_of_code
from laconic.codecs.transform import form_of, num_colors, packets_of
from laconic.codecs.wavelet import Tree
from laconic.entropy import ContextModel, TableSet, table_of_counts
from laconic.entropy.contexts import (
    CODES_PER_TABLE,
    NUM_BUCKETS,
    NUM_STEP_BANDS,
    STEPS_PER_BAND,
    activity_magnitudes,
    buckets_of,
    prediction_residuals,
    ring_sums,
)

NUM_TABLES = 96
_CODES_PER_OCTAVE = 16
_SMALLEST_SCALE_LOG2 = -4  # scale / step of table 0
_CODE_OF_UNIT_STEP = 12 * _CODES_PER_OCTAVE  # step code of step 1 (quantizer.py)
_CODE_BIAS = _CODE_OF_UNIT_STEP - _SMALLEST_SCALE_LOG2 * _CODES_PER_OCTAVE
_FITTED_BANDS = range(9, 30)  # step codes 72 to 239, around those of quality 1 to 100
_WEIGHT_BANDS = (13, 16, 18, 20, 22)
_COUNTED = 400  # magnitudes with a count of their own
_PRIOR_SYMBOLS = 30.0
_MAX_SAMPLES = 40_000_000
_SOUND_UNIT = 1 / 32
_MAX_CUTS = 16
_MAX_REACH = 512  # earlier channels that a pass may look at

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FitOptions:
    """Structure of the model. `pass_ends` and `group_ends` None: cut at the blocks, and at 64 of them at most.

    `tree` None: three dyadic levels for pictures, two for cubes (c, h, w), eight full ones for sound, five for cubes
    (c, t). `blocks`: "resolution" keeps each resolution to itself (cheap; the first groups are a small picture), "band"
    mixes only the planes of each band, "dense" mixes all channels; None: "resolution" for pictures, else "band".
    `rounding`: the quantiser's, 0.5 is plain rounding.
    """

    tree: Tree | None = None
    blocks: Literal["resolution", "band", "dense"] | None = None
    pass_ends: tuple[int, ...] | None = None
    group_ends: tuple[int, ...] | None = None
    rounding: float = 0.375


def fit(signals: Iterable[Signal], name: str, options: FitOptions | None = None) -> Model:
    """A model fitted to signals of one kind: all grey pictures, all RGB (alpha is ignored), all sounds with as many
    channels, or all cubes with as many planes.

    Raises `CodecError` for no signals or signals of different kinds.
    """
    options = options or FitOptions()
    kept = _kept(signals)
    kind, num_planes = form_of(kept[0]).kind, _num_planes(kept[0])
    tree = options.tree or _default_tree(kept[0])
    offsets, unit = _normalisation(kept, kind, num_planes)
    packets = [packets_of(signal, tree, num_planes, offsets) / np.float32(unit) for signal in kept]
    num_channels = num_planes * tree.num_bands**tree.depth
    for what, chosen in (("pass_ends", options.pass_ends), ("group_ends", options.group_ends)):
        if chosen and chosen[-1] != num_channels:
            raise CodecError(
                f"{what} end with {chosen[-1]}; they must end with the {num_channels} channels of the tree"
            )
    blocks = _block_sizes(tree, num_planes, options.blocks or ("resolution" if kind == "image" else "band"))
    ends = _cuts(blocks)
    gains = _noise_gains(tree, num_planes)
    analysis, synthesis = _principal_axes(packets, gains, blocks, symmetric=kind == "sound" and num_planes == 2)
    statistics = _Statistics(
        [_project(analysis, p) for p in packets],
        pass_ends=options.pass_ends or ends,
        num_predicted=num_planes if tree.dimensions == 2 and blocks[0] == num_planes else 0,
        rounding=options.rounding,
    )
    return Model(
        name=name,
        num_planes=num_planes,
        tree=tree,
        analysis=analysis,
        synthesis=synthesis,
        group_ends=options.group_ends or ends,
        rounding=options.rounding,
        scale_codes=statistics.value_codes,
        shrink=statistics.shrink(),
        contexts=statistics.context_model(),
        offsets=offsets,
        unit=unit,
        kind=kind,
    )


def _kept(signals: Iterable[Signal]) -> list[Signal]:
    """As many signals as the fit has room for, all of one kind."""
    kept: list[Signal] = []
    total = 0
    for signal in signals:
        kept.append(signal)
        if (form_of(signal).kind, _num_planes(signal)) != (form_of(kept[0]).kind, _num_planes(kept[0])):
            raise CodecError(
                f"signal {len(kept)} has {_num_planes(signal)} planes, kind {form_of(signal).kind}, the first has "
                f"{_num_planes(kept[0])}, kind {form_of(kept[0]).kind}; fit one model for each kind"
            )
        total += signal.samples.size
        if total > _MAX_SAMPLES:
            break
    if not kept:
        raise CodecError("there is no signal to fit to; name a folder with at least one")
    return kept


def _num_planes(signal: Signal) -> int:
    return num_colors(signal) if isinstance(signal, Image) else len(signal.samples)


def _default_tree(signal: Signal) -> Tree:
    if isinstance(signal, Image):
        return wavelet.dyadic_tree(2, 3)
    if isinstance(signal, Audio):
        return wavelet.full_tree(1, 8)
    return wavelet.dyadic_tree(2, 2) if signal.samples.ndim == 3 else wavelet.full_tree(1, 5)


def _normalisation(signals: Sequence[Signal], kind: str, num_planes: int) -> tuple[NDArray[np.float32], float]:
    """Offsets of the planes and the unit of steps. A cube's unit is near four times its deviation, as a picture's is."""
    if kind == "image":
        return np.zeros(num_planes, np.float32), 1.0
    if kind == "sound":
        return np.zeros(num_planes, np.float32), _SOUND_UNIT
    planes = np.concatenate([s.samples.reshape(num_planes, -1).astype(np.float64) for s in signals], axis=1)
    offsets = planes.mean(1).astype(np.float32)
    deviation = float(np.sqrt(planes.var(1).mean()))
    return offsets, float(2.0 ** round(math.log2(4 * deviation))) if deviation > 0 else 1.0


def _block_sizes(tree: Tree, num_planes: int, blocks: str) -> tuple[int, ...]:
    """Channels that the projection mixes."""
    num_bands = tree.num_bands**tree.depth
    if blocks == "resolution":
        return tree.block_sizes(num_planes)
    return (num_planes,) * num_bands if blocks == "band" else (num_planes * num_bands,)


def _cuts(blocks: tuple[int, ...]) -> tuple[int, ...]:
    """Ends of passes and groups: those of the blocks, thinned to 16 where there are many."""
    ends = [int(e) for e in np.cumsum(blocks)]
    every = -(-len(ends) // _MAX_CUTS)
    return tuple(ends[every - 1 :: every]) if len(ends) % every == 0 else (*ends[every - 1 : -1 : every], ends[-1])


def _noise_gains(tree: Tree, num_planes: int) -> Floats:
    """Root of the signal energy that unit noise in each packet channel causes (the norm of its synthesis function)."""
    d, side = tree.num_bands**tree.depth, 16
    gains = np.empty(d)
    for channel in range(d):
        impulse = np.zeros((d, *(side,) * tree.dimensions), np.float32)
        impulse[(channel, *(side // 2,) * tree.dimensions)] = 1
        gains[channel] = np.sqrt((wavelet.synthesize_extended(impulse, tree, 1).astype(np.float64) ** 2).sum())
    return gains.repeat(num_planes)


def _principal_axes(
    packets: Sequence[NDArray[np.float32]], gains: Floats, blocks: tuple[int, ...], *, symmetric: bool
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    """Analysis matrices (axes times gains, largest variance first) and their inverses, one for each block.

    `symmetric`: the two planes of each band count as exchangeable, which makes the axes mid and side.
    """
    flat = np.concatenate([p.reshape(len(p), -1) for p in packets], axis=1)
    analysis, synthesis, lo = [], [], 0
    for size in blocks:
        part = slice(lo, lo + size)
        scaled = gains[part, None] * flat[part]
        covariance = scaled @ scaled.T / scaled.shape[1]
        if symmetric:
            covariance = covariance + covariance[::-1, ::-1]
        _, axes = np.linalg.eigh(covariance)
        axes = axes[:, ::-1].T
        axes *= np.sign(axes[np.arange(size), np.abs(axes).argmax(1)])[:, None]
        analysis.append(np.ascontiguousarray(axes * gains[part], np.float32))
        synthesis.append(np.ascontiguousarray((axes / gains[part]).T, np.float32))
        lo += size
    return tuple(analysis), tuple(synthesis)


def _project(analysis: tuple[NDArray[np.float32], ...], packets: NDArray[np.float32]) -> NDArray[np.float32]:
    ends = np.cumsum([len(m) for m in analysis])[:-1]
    parts = np.split(packets, ends)
    return np.concatenate([np.tensordot(m, p, 1) for m, p in zip(analysis, parts, strict=True)])


class _Statistics:
    """Symbols of the training signals at a ladder of steps, reduced to what a `ContextModel` holds."""

    def __init__(
        self,
        coefficients: Sequence[NDArray[np.float32]],
        *,
        pass_ends: tuple[int, ...],
        num_predicted: int,
        rounding: float,
    ) -> None:
        self._coefficients = coefficients
        self._pass_ends = pass_ends
        self._num_predicted = num_predicted
        self._rounding = rounding
        d = pass_ends[-1]
        self._flat = np.concatenate([c.reshape(d, -1) for c in coefficients], axis=1)
        self._mean_q = _laplace_mean_magnitude(rounding)
        self.value_codes = self._value_codes()
        self._own, self._ring = self._activity_weights()
        self._channel_codes, self._context_codes = self._codes()

    def context_model(self) -> ContextModel:
        """The integer tables and rules."""
        return ContextModel(
            tables=self._bank(),
            pass_ends=self._pass_ends,
            num_predicted=self._num_predicted,
            channel_codes=self._channel_codes,
            context_codes=self._context_codes,
            own_weights=self._own,
            ring_weights=self._ring,
        )

    def shrink(self) -> NDArray[np.float32]:
        """(tables, 3): mean of |q| - |y| / step by scale and magnitude, pulled to the Laplace value where data is thin."""
        sums, counts = np.zeros((NUM_TABLES, 3)), np.zeros((NUM_TABLES, 3))
        for band in _FITTED_BANDS:
            step = float(step_of_code(_centre(band)))
            tables = np.clip((self.value_codes - _centre(band)) // CODES_PER_TABLE, 0, NUM_TABLES - 1)
            for c, table in enumerate(tables):
                ratio = np.abs(self._flat[c]) / step
                q = np.floor(ratio + self._rounding)
                kind = np.minimum(q, 3).astype(np.int64)
                sums[table] += np.bincount(kind, q - ratio, 4)[1:]
                counts[table] += np.bincount(kind, minlength=4)[1:]
        prior = np.array([_laplace_shrink(_scale_of_table(t), self._rounding) for t in range(NUM_TABLES)])[:, None]
        return ((sums + _PRIOR_SYMBOLS * prior) / (counts + _PRIOR_SYMBOLS)).astype(np.float32)

    def _value_codes(self) -> NDArray[np.int16]:
        """Scale of each channel's values: that of a Laplace density with their mean magnitude."""
        means = np.abs(self._flat).mean(1, dtype=np.float64)
        codes: NDArray[np.int16] = np.round(_CODES_PER_OCTAVE * np.log2(np.maximum(means, 1e-9)) + _CODE_BIAS).astype(
            np.int16
        )
        return codes

    def _coded(self, band: int) -> list[NDArray[np.int32]]:
        """Symbols of every training signal at the centre of a step band."""
        step = np.float32(step_of_code(_centre(band)))
        out = []
        for y in self._coefficients:
            q = (np.sign(y) * np.floor(np.abs(y) / step + self._rounding)).astype(np.int32)
            for c in range(self._num_predicted):
                q[c] = prediction_residuals(np.ascontiguousarray(q[c]))
            out.append(q)
        return out

    def _activity_weights(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        passes, d = len(self._pass_ends), self._pass_ends[-1]
        own, ring = np.zeros((2, passes, d), np.uint8)
        normal = [_NormalEquations(2 * min(before, _MAX_REACH)) for before in (0, *self._pass_ends[:-1])]
        for band in _WEIGHT_BANDS:
            coded = self._coded(band)
            scale = np.maximum(np.concatenate([np.abs(q).reshape(d, -1) for q in coded], 1).mean(1), 0.02)
            for q in coded[:: max(1, len(coded) // 64)]:
                magnitudes = activity_magnitudes(q)
                relative = np.abs(q).reshape(d, -1) / scale[:, None]
                around = ring_sums(magnitudes).reshape(d, -1)
                at_place = magnitudes.reshape(d, -1)
                for k in range(1, passes):
                    before, end = self._pass_ends[k - 1], self._pass_ends[k]
                    seen = slice(max(0, before - _MAX_REACH), before)
                    features = np.concatenate([at_place[seen], around[seen]]).astype(np.float32)
                    normal[k].add(features, np.minimum(relative[before:end].mean(0), 8))
        for k in range(1, passes):
            before = self._pass_ends[k - 1]
            weights = normal[k].solve()
            weights = np.round(255 * weights / max(weights.max(), 1e-9)).astype(np.uint8)
            reach = len(weights) // 2
            own[k, before - reach : before], ring[k, before - reach : before] = weights[:reach], weights[reach:]
        return own, ring

    def _codes(self) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
        """Channel codes, and what every step band and bucket adds to them."""
        d = self._pass_ends[-1]
        target = np.empty((NUM_STEP_BANDS, d, NUM_BUCKETS))
        for band in _FITTED_BANDS:
            sums, counts = self._bucket_sums(self._coded(band))
            target[band] = self._codes_of_means(_smoothed_means(sums, counts, self._pass_ends)) + _centre(band)
        target[: _FITTED_BANDS[0]] = target[_FITTED_BANDS[0]]
        target[_FITTED_BANDS[-1] + 1 :] = target[_FITTED_BANDS[-1]]
        channel = np.round(np.median(target[list(_WEIGHT_BANDS)].mean(2), axis=0)).astype(np.int16)
        return channel, np.clip(np.round(target - channel[:, None]), -128, 127).astype(np.int8)

    def _bucket_sums(self, coded: Sequence[NDArray[np.int32]]) -> tuple[Floats, Floats]:
        """Sum of magnitudes, and number of symbols, by channel and bucket."""
        sums, counts = np.zeros((2, self._pass_ends[-1], NUM_BUCKETS))
        for c, magnitudes, buckets in self._by_channel(coded):
            sums[c] = np.bincount(buckets, magnitudes, NUM_BUCKETS)
            counts[c] = np.bincount(buckets, minlength=NUM_BUCKETS)
        return sums, counts

    def _table_histograms(self) -> Floats:
        """Number of symbols by table and magnitude, over all steps."""
        total = np.zeros(NUM_TABLES * (_COUNTED + 1))
        for band in _FITTED_BANDS:
            codes = self._channel_codes[:, None] - _centre(band) + self._context_codes[band].astype(np.int64)
            tables = np.clip(codes // CODES_PER_TABLE, 0, NUM_TABLES - 1)
            for c, magnitudes, buckets in self._by_channel(self._coded(band)):
                keys = tables[c][buckets] * (_COUNTED + 1) + magnitudes
                total += np.bincount(keys, minlength=total.size)
        return total.reshape(NUM_TABLES, _COUNTED + 1)

    def _by_channel(
        self, coded: Sequence[NDArray[np.int32]]
    ) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
        """(channel, magnitudes up to the largest counted, buckets) of all symbols."""
        lo = 0
        for k, hi in enumerate(self._pass_ends):
            own, ring = self._own[k, :lo], self._ring[k, :lo]
            buckets = np.concatenate([buckets_of(q, own, ring).reshape(-1) for q in coded]).astype(np.int64)
            for c in range(lo, hi):
                magnitudes = np.concatenate([np.abs(q[c]).reshape(-1) for q in coded]).astype(np.int64)
                yield c, np.minimum(magnitudes, _COUNTED), buckets
            lo = hi

    def _codes_of_means(self, means: Floats) -> Floats:
        """Code of scale / step whose Laplace symbols have these mean magnitudes."""
        codes = np.arange(len(self._mean_q))
        return np.interp(np.log(np.maximum(means, 1e-12)), np.log(self._mean_q), codes)

    def _bank(self) -> TableSet:
        magnitudes = np.arange(_COUNTED + 1)
        values = np.concatenate([-magnitudes[:0:-1], magnitudes])
        tables = []
        for t, seen in enumerate(self._table_histograms()):
            counts = seen + _PRIOR_SYMBOLS * _laplace_magnitudes(_scale_of_table(t), self._rounding)
            half = counts[1:] / 2
            tables.append(table_of_counts(values, np.concatenate([half[::-1], counts[:1], half])))
        return TableSet(tuple(tables))


class _NormalEquations:
    """Weighted least squares with coefficients >= 0, accumulated over batches of (features, n) -> (n,)."""

    def __init__(self, num_features: int) -> None:
        self._gram = np.zeros((num_features, num_features))
        self._moment = np.zeros(num_features)

    def add(self, features: NDArray[np.float32], target: NDArray[np.floating[Any]]) -> None:
        # Quiet places decide the rate, so errors count relative to the level of activity.
        weights = 1 / (0.3 + np.sqrt(features.sum(0)))
        weighted = features * weights
        self._gram += weighted @ weighted.T
        self._moment += weighted @ (target * weights)

    def solve(self) -> Floats:
        """By coordinate descent."""
        n = len(self._moment)
        if not self._gram.any():
            return np.zeros(n)  # nothing but silence
        gram = self._gram + 1e-3 * np.trace(self._gram) / max(n, 1) * np.eye(n)
        weights = np.zeros(n)
        for _ in range(100):
            for j in range(n):
                weights[j] = max(0.0, weights[j] + (self._moment[j] - gram[j] @ weights) / gram[j, j])
        return weights


def _centre(band: int) -> int:
    return band * STEPS_PER_BAND + STEPS_PER_BAND // 2


def _scale_of_table(table: int) -> float:
    """Scale / step in the middle of a table's codes."""
    code = table * CODES_PER_TABLE + (CODES_PER_TABLE - 1) / 2
    return float(2.0 ** (code / _CODES_PER_OCTAVE + _SMALLEST_SCALE_LOG2))


def _smoothed_means(sums: Floats, counts: Floats, pass_ends: tuple[int, ...]) -> Floats:
    """Mean magnitude by channel and bucket; a thin cell leans on its channel's mean times its bucket's effect."""
    channel = (sums.sum(1) + 0.01) / (counts.sum(1) + 10)
    means = np.empty_like(sums)
    lo = 0
    for hi in pass_ends:
        part = slice(lo, hi)
        expected = (counts[part] * channel[part, None]).sum(0)
        effect = (sums[part].sum(0) + 0.01) / (expected + 0.01)
        seen = counts[part].sum(0) > 0
        effect = np.interp(np.arange(NUM_BUCKETS), np.flatnonzero(seen), effect[seen])
        prior = channel[part, None] * effect
        means[part] = (sums[part] + _PRIOR_SYMBOLS * prior) / (counts[part] + _PRIOR_SYMBOLS)
        lo = hi
    return means


def _laplace_mean_magnitude(rounding: float) -> Floats:
    """E|q| of a quantised Laplace density, by code of scale / step."""
    scale = 2.0 ** (np.arange(NUM_TABLES * CODES_PER_TABLE) / _CODES_PER_OCTAVE + _SMALLEST_SCALE_LOG2)
    return np.asarray(np.exp(-(1 - rounding) / scale) / -np.expm1(-1 / scale))


def _laplace_magnitudes(scale: float, rounding: float) -> Floats:
    """P(|q| = 0), P(|q| = 1), ... of a quantised Laplace density."""
    tails = np.exp(-(np.arange(1, _COUNTED + 1) - rounding) / scale)
    return np.concatenate([[1 - tails[0]], tails[:-1] - tails[1:], tails[-1:]])


def _laplace_shrink(scale: float, rounding: float) -> float:
    """|q| less the mean of |y| / step in a cell of a Laplace density."""
    return float(rounding - scale + 1 / np.expm1(1 / scale)) if scale < 50 else rounding - 0.5
