"""The context weights of SPEC.md, section 4.3, from training signals: gradient descent on their code length.

A symbol's A / 256 stands for the scale of a Laplace density, quantised as the signals are; the code length under it is
what is minimised, at places sampled from a ladder of steps. Passes do not depend on each other, so each is fitted alone:
weights of its features first, then, those being integers, everything else, and least squares for the lean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.contexts import MAX_LEAN_SUM, MAX_MAGNITUDE, MAX_NEIGHBOUR_SUM, NUM_STEP_BANDS, ContextWeights
from laconic.entropy.fitting.context_rules import NEIGHBOURS, UNIT_LEVEL
from laconic.entropy.fitting.sampled_places import Places, sampled_places
from laconic.entropy.fitting.table_fitting import FITTED_BANDS, ValuesOfBand

NUM_FEATURES = 3
_MAX_REACH, _SHORT_REACH = 512, 128  # earlier channels that a pass may look at
_ROWS = 2688  # places in one step of descent
_RATE = 0.2
_FIRST_FEATURES = -7.0  # before softplus; from above, weights that should vanish take long to do so
_STEPS, _FEW_STEPS = 600, 200
_USUAL_PASSES = (
    32  # of pictures and speech; where there are more, of music and cubes of many planes, each gets less time
)
_BAND_WEIGHTS = np.array([2.0 if 16 <= band <= 23 else 1.0 for band in FITTED_BANDS])
_SATURATION_BAND = 3  # sums of features may saturate in finer bands than this
_SMALLEST_BASE = 1 / 40  # in steps; below 1/16 all is level 0
# Passes that cost less than this share of all bits look at no earlier channels: most of a signal of hundreds of planes.
_QUIET_SHARE = 1e-3

Floats = NDArray[np.float32]
_Float = TypeVar("_Float", np.float32, np.float64)


class ContextFittingMap(Protocol):
    """`map`, or one over threads."""

    def __call__(
        self, function: Callable[[tuple[int, int]], _PassWeights], items: Iterable[tuple[int, int]], /
    ) -> Iterator[_PassWeights]: ...


def fit_context_weights(
    values_of_band: ValuesOfBand,
    *,
    pass_ends: tuple[int, ...],
    num_predicted: int,
    rounding: float,
    num_features: int = NUM_FEATURES,
    map_passes: ContextFittingMap = map,
    on_pass: Callable[[int], None] | None = None,
) -> ContextWeights:
    """Weights for signals of `pass_ends[-1]` channels quantised with `rounding`; the same for the same signals.

    `values_of_band(b)`: integers of all signals, (d, h, w) each, at step code 8 b + 4. `map_passes` may fit passes side by
    side, with up to 160 MB for each; `on_pass` is told the end of each that is done, in order.
    """
    d, passes = pass_ends[-1], len(pass_ends)
    places = sampled_places(values_of_band, d, num_predicted, rounding)
    base = np.empty((len(FITTED_BANDS), d))
    neighbour_weights = np.zeros((d, len(NEIGHBOURS)), np.uint8)
    lean_weights = np.zeros((d, 4), np.int8)
    feature_weights = np.zeros((d, num_features), np.uint16)
    own_weights, ring_weights = np.zeros((2, passes, num_features, d), np.uint8)
    bounds = list(pairwise((0, *pass_ends)))
    bits = _expected_bits(places)
    quiet = {(lo, hi) for lo, hi in bounds if bits[lo:hi].sum() < _QUIET_SHARE * bits.sum()}
    search = _PassSearch.of(passes, num_features)
    thrifty = replace(search, num_features=0)
    all_fitted = map_passes(lambda own: _fit_pass(places, *own, rounding, thrifty if own in quiet else search), bounds)
    for k, ((lo, hi), fitted) in enumerate(zip(bounds, all_fitted, strict=True)):
        seen = search.seen_by(lo)
        base[:, lo:hi] = fitted.base
        neighbour_weights[lo:hi] = fitted.neighbour_weights
        lean_weights[lo:hi] = fitted.lean_weights
        if (lo, hi) not in quiet:
            feature_weights[lo:hi] = fitted.feature_weights
            own_weights[k, :, seen], ring_weights[k, :, seen] = fitted.own_weights, fitted.ring_weights
        if on_pass is not None:
            on_pass(hi)
    return ContextWeights(
        pass_ends=pass_ends,
        num_predicted=num_predicted,
        base=_continued(base),
        neighbour_weights=neighbour_weights,
        lean_weights=lean_weights,
        feature_weights=feature_weights,
        own_weights=own_weights,
        ring_weights=ring_weights,
    )


def _expected_bits(places: Places) -> NDArray[np.float64]:
    """About how many a symbol of each channel takes, (d,), in the mean over bands."""
    means = np.stack(
        [one @ np.abs(symbols) for one, symbols in zip(places.weights.T, places.symbols.swapaxes(0, 1), strict=True)]
    )
    return np.asarray(np.log2(1 + 2 * means / max(len(places.weights), 1)).mean(0), np.float64)


@dataclass(frozen=True)
class _PassSearch:
    """How long a pass is descended for: `steps`, or `few_steps` where places are few; and how many earlier channels it
    looks at, where it has features."""

    num_features: int
    reach: int
    steps: int
    few_steps: int

    @classmethod
    def of(cls, num_passes: int, num_features: int) -> _PassSearch:
        if num_passes <= _USUAL_PASSES:
            return cls(num_features, _MAX_REACH, _STEPS, _FEW_STEPS)
        return cls(num_features, _SHORT_REACH, max(_STEPS * _USUAL_PASSES // num_passes, _FEW_STEPS), _FEW_STEPS)

    def seen_by(self, lo: int) -> slice:
        """The earlier channels that a pass from channel `lo` on looks at."""
        return slice(max(0, lo - self.reach), lo)

    def steps_for(self, num_rows: int) -> int:
        """Of places times bands; none without places."""
        if not num_rows:
            return 0
        return self.steps if num_rows * len(FITTED_BANDS) > 8 * _ROWS else self.few_steps


@dataclass(frozen=True, eq=False)
class _PassWeights:
    """What one pass of n channels adds to `ContextWeights`; `base` (bands, n) in units of A."""

    base: NDArray[np.float64]
    neighbour_weights: NDArray[np.uint8]
    lean_weights: NDArray[np.int8]
    feature_weights: NDArray[np.uint16]
    own_weights: NDArray[np.uint8]
    ring_weights: NDArray[np.uint8]


def _fit_pass(places: Places, lo: int, hi: int, rounding: float, search: _PassSearch) -> _PassWeights:
    """Weights of the channels lo..hi-1."""
    own, seen, num_features = slice(lo, hi), search.seen_by(lo), search.num_features
    symbols = np.ascontiguousarray(places.symbols[..., own])
    neighbours = np.ascontiguousarray(places.neighbours[..., own])
    magnitudes = np.abs(neighbours).astype(np.float32)
    scales = places.scales[:, own]
    cost = _Cost(symbols, places.weights, scales, rounding)
    n, num_seen = symbols.shape[-1], seen.stop - seen.start
    rng = np.random.default_rng(own.start)
    found = {
        "base": np.log(np.maximum(0.5 * scales, _SMALLEST_BASE)),
        "neighbours": np.full((len(NEIGHBOURS), n), -2.0),
    }
    integers = np.zeros((2 * num_seen, num_features))
    features = np.zeros((*symbols.shape[:2], 0), np.float32)
    feature_weights = np.zeros((n, num_features))
    if num_seen and num_features:
        inputs = np.empty((*symbols.shape[:2], 2 * num_seen), np.float32)
        inputs[..., :num_seen] = np.abs(places.symbols[..., seen])
        inputs[..., num_seen:] = places.rings[..., seen]
        found["mixing"] = rng.normal(-1, 0.5, (num_features, n))
        found["features"] = rng.normal(_FIRST_FEATURES, 0.5, (2 * num_seen, num_features))
        found = _descended(found, cost, magnitudes, inputs, search.steps_for(len(inputs)))
        integers, unit = _integer_features(_softplus(found.pop("features")), inputs)
        features = np.minimum(inputs @ integers.astype(np.float32), 65535) / unit
        found = _descended(found, cost, magnitudes, features, search.steps_for(len(features)))
        feature_weights = np.round(65536 * UNIT_LEVEL * _softplus(found["mixing"]).T / unit)
    else:
        found = _descended(found, cost, magnitudes, features, search.steps_for(len(features)))
    neighbour_weights = _within(_softplus(found["neighbours"]).T * UNIT_LEVEL, 255, MAX_NEIGHBOUR_SUM)
    scale = np.einsum("jsbc,cj->sbc", magnitudes, neighbour_weights.astype(np.float32)) / UNIT_LEVEL
    scale += np.exp(found["base"])
    if features.shape[-1]:
        scale += features @ _softplus(found["mixing"])
    return _PassWeights(
        base=np.exp(found["base"]) * UNIT_LEVEL,
        neighbour_weights=neighbour_weights.astype(np.uint8),
        lean_weights=_lean_weights(symbols, neighbours[:4], scale).astype(np.int8),
        feature_weights=np.minimum(feature_weights, 65535).astype(np.uint16),
        own_weights=integers[:num_seen].T.astype(np.uint8),
        ring_weights=integers[num_seen:].T.astype(np.uint8),
    )


class _Cost:
    """Code length of symbols (rows, bands, n) under quantised Laplace densities, as its slope along their scale.

    The density of magnitude m at scale a is 1 - exp(-(1 - r) / a) for m = 0, else exp(-(m - r) / a) (1 - exp(-1 / a)),
    which both have slopes (excess - unit / (exp(unit / a) - 1)) / a^2; 127 and all beyond has exp(-(127 - r) / a).
    """

    def __init__(
        self, symbols: NDArray[np.int8], weights: Floats, scales: NDArray[np.float64], rounding: float
    ) -> None:
        m = np.abs(symbols)
        self._unit = np.where(m == 0, 1 - rounding, np.where(m == MAX_MAGNITUDE, 0, 1)).astype(np.float32)
        self._excess = np.where(m == 0, 0, m - rounding).astype(np.float32)
        # A band counts by what it costs, but less than in proportion, or the finest would decide everything.
        bits = np.log2(1 + 4 * scales).mean(1)
        by_band = (_BAND_WEIGHTS / np.sqrt(bits + 1e-3) / max(m.size, 1)).astype(np.float32)
        self._weights = (weights * by_band)[..., None]

    def slope(self, rows: slice, scale: Floats) -> Floats:
        """Change of the weighted code length with the scale of each symbol."""
        unit = self._unit[rows]
        # Where the exponential overflows nothing is lost.
        slope = self._excess[rows] - unit / np.maximum(np.expm1(np.minimum(unit / scale, 80)), 1e-9)
        return np.asarray(-slope * self._weights[rows] / (scale * scale))


def _descended(
    start: dict[str, NDArray[np.float64]], cost: _Cost, magnitudes: Floats, inputs: Floats, steps: int
) -> dict[str, NDArray[np.float64]]:
    """Parameters after `steps` of Adam (Kingma and Ba, 2015) over minibatches.

    Scale = exp(base) + neighbours * magnitudes + mixing * features * inputs, all but the base through softplus;
    without "features" the inputs (rows, bands, j) are the features.
    """
    sizes = [p.size for p in start.values()]
    flat = np.concatenate([p.reshape(-1) for p in start.values()]).astype(np.float32)
    ends = np.cumsum(sizes)[:-1]
    parameters = {k: v.reshape(start[k].shape) for k, v in zip(start, np.split(flat, ends), strict=True)}
    first, second = np.zeros((2, flat.size), np.float32)
    num_rows = len(inputs)
    batch = min(max(_ROWS // len(FITTED_BANDS), 1), num_rows)
    num_batches = num_rows // batch if num_rows else 0
    for step in range(steps):
        lo = step % num_batches * batch
        rows = slice(lo, lo + batch)
        slopes = _slopes(parameters, cost, rows, magnitudes[:, rows], inputs[rows])
        slope = np.concatenate([slopes[k].reshape(-1) for k in parameters])
        first += 0.1 * (slope - first)
        second += 0.01 * (slope * slope - second)
        rate = _RATE * (1 - 0.95 * step / steps)
        flat -= rate * (first / (1 - 0.9 ** (step + 1))) / (np.sqrt(second / (1 - 0.99 ** (step + 1))) + 1e-12)
    parameters["base"] = np.maximum(parameters["base"], np.log(_SMALLEST_BASE))
    return {k: p.astype(np.float64) for k, p in parameters.items()}


def _slopes(
    parameters: dict[str, NDArray[np.float32]], cost: _Cost, rows: slice, magnitudes: Floats, inputs: Floats
) -> dict[str, Floats]:
    """Slope of the code length of some rows along each parameter."""
    base = np.exp(np.maximum(parameters["base"], np.log(_SMALLEST_BASE, dtype=np.float32)))
    neighbours = _softplus(parameters["neighbours"])
    scale = base + np.einsum("jsbc,jc->sbc", magnitudes, neighbours)
    flat = inputs.reshape(scale[..., 0].size, inputs.shape[-1])
    features, mixing = flat, np.zeros((flat.shape[1], scale.shape[-1]), np.float32)
    if "features" in parameters:
        features = flat @ _softplus(parameters["features"])
    if "mixing" in parameters:
        mixing = _softplus(parameters["mixing"])
        scale += (features @ mixing).reshape(scale.shape)
    slope = cost.slope(rows, scale)
    found = {
        "base": slope.sum(0) * base,
        "neighbours": np.einsum("jsbc,sbc->jc", magnitudes, slope) * _softplus_slope(parameters["neighbours"]),
    }
    by_place = slope.reshape(-1, slope.shape[-1])
    if "mixing" in parameters:
        found["mixing"] = (features.T @ by_place) * _softplus_slope(parameters["mixing"])
    if "features" in parameters:
        found["features"] = (flat.T @ (by_place @ mixing.T)) * _softplus_slope(parameters["features"])
    return found


def _softplus(x: NDArray[_Float]) -> NDArray[_Float]:
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


def _softplus_slope(x: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))


def _integer_features(weights: NDArray[np.float64], inputs: Floats) -> tuple[NDArray[np.float64], Floats]:
    """Weights (inputs, j) as integers up to 255, and what one is worth; smaller where sums would pass 65535 often."""
    unit = 255 / np.maximum(weights.max(0), 1e-9)
    sums = inputs[:, _SATURATION_BAND:].reshape(-1, len(weights)) @ weights.astype(np.float32)
    high = np.quantile(sums, 0.999, axis=0) if len(sums) else np.ones(weights.shape[1])
    unit = np.minimum(unit, 65535 / np.maximum(high, 1e-9))
    return np.round(weights * unit), unit.astype(np.float32)


def _within(weights: NDArray[np.float64], largest: int, total: int) -> NDArray[np.float64]:
    """Rows rounded to integers of magnitudes up to `largest`, made smaller where these would pass `total` together."""
    sums = np.abs(weights).sum(1, keepdims=True)
    smaller = weights * np.minimum(1, (total - weights.shape[1] / 2) / np.maximum(sums, 1e-9))
    return np.asarray(np.clip(np.round(smaller), -largest, largest))


def _lean_weights(symbols: NDArray[np.int8], neighbours: NDArray[np.int8], scale: Floats) -> NDArray[np.float64]:
    """Least squares of symbols by their four nearest neighbours, errors relative to the scale."""
    n = symbols.shape[-1]
    relative = (neighbours / scale).reshape(4, -1, n).transpose(2, 0, 1)
    target = (symbols / scale).reshape(-1, n).T
    gram = (relative @ relative.transpose(0, 2, 1)).astype(np.float64)
    moment = np.einsum("cji,ci->cj", relative, target).astype(np.float64)
    gram += (1e-3 * np.trace(gram, axis1=1, axis2=2)[:, None, None] / 4 + 1) * np.eye(4)
    return _within(np.linalg.solve(gram, moment[..., None])[..., 0] * UNIT_LEVEL, 127, MAX_LEAN_SUM)


def _continued(base: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Bases (fitted bands, d) of all bands; outside the fitted ones constant relative to the step's size."""
    bands = np.arange(NUM_STEP_BANDS)
    nearest = np.clip(bands, FITTED_BANDS[0], FITTED_BANDS[-1])
    whole = base[nearest - FITTED_BANDS[0]] * 2.0 ** ((nearest - bands) / 2)[:, None]
    return np.clip(np.round(whole), 1, 65535).astype(np.uint16)
