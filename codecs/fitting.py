"""A model of your own signal in closed form: packet statistics, principal axes, histograms. No gradient descent.

1. Principal axes of the packets, block by block, channels scaled so that quantisation noise costs the same in each.
2. For a ladder of steps: activity weights by non-negative least squares, then the scale of every channel in every bucket
   of activity, as an integer code.
3. One bank of tables, by scale, from all symbols of all steps; reconstruction points from the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import wavelet
from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image
from laconic.codecs.model import Model
from laconic.codecs.quantizer import step_of_code
from laconic.codecs.transform import packets_of
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
_FITTED_BANDS = range(9, 27)  # step codes 72 to 215, around those of quality 1 to 100
_WEIGHT_BANDS = (13, 16, 18, 20, 22)
_COUNTED = 400  # magnitudes with a count of their own
_PRIOR_SYMBOLS = 30.0
_MAX_COEFFICIENTS = 40_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FitOptions:
    """Structure of the model. `pass_ends` and `group_ends` None: cut at the resolutions of the tree.

    `blocks`: "resolution" keeps each resolution to itself (cheap; the first groups are a small picture), "dense" mixes
    all channels. `rounding`: the quantiser's, 0.5 is plain rounding.
    """

    tree: Tree = field(default_factory=lambda: wavelet.dyadic_tree(2, 3))
    blocks: Literal["resolution", "dense"] = "resolution"
    pass_ends: tuple[int, ...] | None = None
    group_ends: tuple[int, ...] | None = None
    rounding: float = 0.4


def fit(images: Iterable[Image], name: str, options: FitOptions | None = None) -> Model:
    """A model fitted to images of one kind (all grey or all RGB; alpha is ignored).

    Raises `CodecError` for no images or images of different kinds.
    """
    options = options or FitOptions()
    packets = _collect(images, options.tree)
    num_planes = len(packets[0]) // options.tree.num_bands**options.tree.depth
    blocks = options.tree.block_sizes(num_planes)
    ends = tuple(int(e) for e in np.cumsum(blocks))
    analysis, synthesis = _principal_axes(packets, _noise_gains(options.tree, num_planes), blocks, options)
    coefficients = [_project(analysis, p) for p in packets]
    statistics = _Statistics(
        coefficients,
        pass_ends=options.pass_ends or ends,
        num_predicted=num_planes if options.blocks == "resolution" else 0,
        rounding=options.rounding,
    )
    return Model(
        name=name,
        num_planes=num_planes,
        tree=options.tree,
        analysis=analysis,
        synthesis=synthesis,
        group_ends=options.group_ends or ends,
        rounding=options.rounding,
        scale_codes=statistics.value_codes,
        shrink=statistics.shrink(),
        contexts=statistics.context_model(),
    )


def _collect(images: Iterable[Image], tree: Tree) -> list[NDArray[np.float32]]:
    packets: list[NDArray[np.float32]] = []
    total = 0
    for image in images:
        packets.append(packets_of(image, tree))
        if len(packets[-1]) != len(packets[0]):
            raise CodecError(f"picture {len(packets)} is {image.mode}, the first is not; fit one model for each kind")
        total += packets[-1].size
        if total > _MAX_COEFFICIENTS:
            break
    if not packets:
        raise CodecError("there is no picture to fit to; name a folder with at least one")
    return packets


def _noise_gains(tree: Tree, num_planes: int) -> Floats:
    """Root of the signal energy that unit noise in each packet channel causes (the norm of its synthesis function)."""
    d, side = tree.num_bands**tree.depth, 16
    gains = np.empty(d)
    for channel in range(d):
        impulse = np.zeros((d, *(side,) * tree.dimensions), np.float32)
        impulse[(channel, *(side // 2,) * tree.dimensions)] = 1
        gains[channel] = np.sqrt((wavelet.synthesize_extended(impulse, tree, 1).astype(np.float64) ** 2).sum())
    at, out = 0, []
    for leaf in tree.leaves:
        count = tree.channels_of(leaf)
        out.append(np.tile(gains[at : at + count], num_planes))
        at += count
    return np.concatenate(out)


def _principal_axes(
    packets: Sequence[NDArray[np.float32]], gains: Floats, blocks: tuple[int, ...], options: FitOptions
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    """Analysis matrices (axes times gains, largest variance first) and their inverses, one for each block."""
    flat = [gains[:, None] * p.reshape(len(p), -1) for p in packets]
    covariance = sum(f @ f.T for f in flat) / sum(f.shape[1] for f in flat)
    sizes = blocks if options.blocks == "resolution" else (sum(blocks),)
    analysis, synthesis, lo = [], [], 0
    for size in sizes:
        part = slice(lo, lo + size)
        _, axes = np.linalg.eigh(covariance[part, part])
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
        return np.round(_CODES_PER_OCTAVE * np.log2(np.maximum(means, 1e-9)) + _CODE_BIAS).astype(np.int16)

    def _coded(self, band: int) -> list[NDArray[np.int32]]:
        """Symbols of every training signal at the centre of a step band."""
        step = np.float32(step_of_code(_centre(band)))
        out = []
        for y in self._coefficients:
            q = (np.sign(y) * np.floor(np.abs(y) / step + self._rounding)).astype(np.int32)
            for c in range(self._num_predicted):
                plane = np.ascontiguousarray(q[c]) if q.ndim == 3 else q[c][None]
                q[c] = prediction_residuals(plane).reshape(q[c].shape)
            out.append(q)
        return out

    def _activity_weights(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        passes, d = len(self._pass_ends), self._pass_ends[-1]
        own, ring = np.zeros((2, passes, d), np.uint8)
        normal = [_NormalEquations(2 * before) for before in (0, *self._pass_ends[:-1])]
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
                    features = np.concatenate([at_place[:before], around[:before]]).astype(np.float32)
                    normal[k].add(features, np.minimum(relative[before:end].mean(0), 8))
        for k in range(1, passes):
            before = self._pass_ends[k - 1]
            weights = normal[k].solve()
            weights = np.round(255 * weights / max(weights.max(), 1e-9)).astype(np.uint8)
            own[k, :before], ring[k, :before] = weights[:before], weights[before:]
        return own, ring

    def _codes(self) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
        """Channel codes, and what every step band and bucket adds to them."""
        d = self._pass_ends[-1]
        target = np.empty((NUM_STEP_BANDS, d, NUM_BUCKETS))
        self._histograms = np.zeros((NUM_TABLES, _COUNTED + 1))
        kept = []
        for band in _FITTED_BANDS:
            sums, counts, keyed = self._bucket_statistics(self._coded(band))
            target[band] = self._codes_of_means(_smoothed_means(sums, counts, self._pass_ends)) + _centre(band)
            kept.append((band, keyed))
        target[: _FITTED_BANDS[0]] = target[_FITTED_BANDS[0]]
        target[_FITTED_BANDS[-1] + 1 :] = target[_FITTED_BANDS[-1]]
        channel = np.round(target[_WEIGHT_BANDS[0], :, 0]).astype(np.int16)
        channel[:] = np.round(np.median(target[list(_WEIGHT_BANDS)].mean(2), axis=0))
        context = np.clip(np.round(target - channel[:, None]), -128, 127).astype(np.int8)
        for band, histogram in kept:
            codes = channel[:, None] - _centre(band) + context[band].astype(np.int64)
            tables = np.clip(codes // CODES_PER_TABLE, 0, NUM_TABLES - 1)
            np.add.at(self._histograms, tables.reshape(-1), histogram.reshape(-1, _COUNTED + 1))
        return channel, context

    def _bucket_statistics(self, coded: Sequence[NDArray[np.int32]]) -> tuple[Floats, Floats, NDArray[np.float32]]:
        """Sum of magnitudes, counts, and histograms of magnitudes, by channel and bucket."""
        d = self._pass_ends[-1]
        magnitudes = np.concatenate([np.abs(q).reshape(d, -1) for q in coded], 1)
        histogram = np.zeros((d, NUM_BUCKETS, _COUNTED + 1), np.float32)
        lo = 0
        for k, hi in enumerate(self._pass_ends):
            own, ring = self._own[k, :lo], self._ring[k, :lo]
            buckets = np.concatenate([buckets_of(q, own, ring).reshape(-1) for q in coded]).astype(np.int64)
            for c in range(lo, hi):
                keys = buckets * (_COUNTED + 1) + np.minimum(magnitudes[c], _COUNTED)
                histogram[c] = np.bincount(keys, minlength=NUM_BUCKETS * (_COUNTED + 1)).reshape(NUM_BUCKETS, -1)
            lo = hi
        counts = histogram.sum(2, dtype=np.float64)
        return histogram @ np.arange(_COUNTED + 1.0), counts, histogram

    def _codes_of_means(self, means: Floats) -> Floats:
        """Code of scale / step whose Laplace symbols have these mean magnitudes."""
        codes = np.arange(len(self._mean_q))
        return np.interp(np.log(np.maximum(means, 1e-12)), np.log(self._mean_q), codes)

    def _bank(self) -> TableSet:
        magnitudes = np.arange(_COUNTED + 1)
        values = np.concatenate([-magnitudes[:0:-1], magnitudes])
        tables = []
        for t in range(NUM_TABLES):
            counts = self._histograms[t] + _PRIOR_SYMBOLS * _laplace_magnitudes(_scale_of_table(t), self._rounding)
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
