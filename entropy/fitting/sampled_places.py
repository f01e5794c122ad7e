"""Places of training signals, sampled from a ladder of steps, with what the contexts of their symbols look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.contexts import MAX_MAGNITUDE
from laconic.entropy.fitting.context_rules import NEIGHBOURS, symbols_of
from laconic.entropy.fitting.table_fitting import FITTED_BANDS, ValuesOfBand, fitted_table_scales

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_PLACES = 4096  # of each band
_SAMPLE_BYTES = 200_000_000
_MIN_SIGNALS = 24
_QUIET_CHANCE = 0.3  # of a place without activity, relative to the mean one

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Places:
    """Sampled places, all magnitudes at most 127.

    `symbols` (n, bands, d) int8, `neighbours` (6, n, bands, d) int8, `rings` (n, bands, d) uint16, `weights` (n, bands):
    how many places one stands for, relative to others; and `scales` (bands, d), of all symbols as a Laplace density's.
    """

    symbols: Int[NDArray[np.int8], "n bands d"]
    neighbours: Int[NDArray[np.int8], "6 n bands d"]
    rings: UInt[NDArray[np.uint16], "n bands d"]
    weights: Float[Floats, "n bands"]
    scales: Float[NDArray[np.float64], "bands d"]


def sampled_places(values_of_band: ValuesOfBand, d: int, num_predicted: int, rounding: float) -> Places:
    """Places of the signals of each fitted band, of d channels; the same for the same signals."""
    bands = len(FITTED_BANDS)
    areas = [v.shape[1] * v.shape[2] for v in values_of_band(FITTED_BANDS[0])]
    num_places = min(_PLACES, sum(areas), max(_SAMPLE_BYTES // (10 * d * bands), 1))
    symbols = np.empty((num_places, bands, d), np.int8)
    neighbours = np.empty((len(NEIGHBOURS), num_places, bands, d), np.int8)
    rings = np.empty((num_places, bands, d), np.uint16)
    weights = np.empty((num_places, bands), np.float32)
    scales = np.empty((bands, d))
    for number, band in enumerate(FITTED_BANDS):
        rng = np.random.default_rng(band)
        values = values_of_band(band)
        picked = rng.permutation(len(values))
        enough = int(np.searchsorted(np.cumsum([areas[i] for i in picked]), num_places)) + 1
        signals, sums = [], np.zeros(d)
        for i in picked[: max(enough, _MIN_SIGNALS)]:
            signal = symbols_of(values[i], num_predicted)
            sums += np.abs(signal.reshape(d, -1)).sum(1, dtype=np.float64)
            signals.append(np.clip(signal, -MAX_MAGNITUDE, MAX_MAGNITUDE).astype(np.int8))
        seen = sum(signal[0].size for signal in signals)
        scales[number] = fitted_table_scales((sums + 0.01) / (seen + 10), rounding)
        chosen, stands_for = _chosen(signals, num_places, rng)
        order, lo, start = rng.permutation(num_places), 0, 0
        for planes in signals:
            hi = int(np.searchsorted(chosen, start + planes[0].size))
            at = np.divmod(chosen[lo:hi] - start, planes.shape[2])
            part = order[lo:hi]
            symbols[part, number] = _at(planes, *at, 0, 0)
            for j, (up, left) in enumerate(NEIGHBOURS):
                neighbours[j, part, number] = _at(planes, *at, up, left)
            around = [(up, left) for up in (-1, 0, 1) for left in (-1, 0, 1) if up or left]
            rings[part, number] = sum(np.abs(_at(planes, *at, *shift).astype(np.int16)) for shift in around)
            weights[part, number] = stands_for[lo:hi]
            lo, start = hi, start + planes[0].size
    return Places(symbols, neighbours, rings, weights, scales)


def _chosen(
    signals: list[NDArray[np.int8]], num_places: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Floats]:
    """Ascending numbers of places, those with much to code more often than quiet ones, and what each stands for."""
    activity = np.concatenate([np.zeros(0), *((signal != 0).sum(0).reshape(-1) for signal in signals)])
    chance = np.sqrt(activity) + _QUIET_CHANCE * np.sqrt(activity).mean() + 1e-6 if activity.size else activity
    bounds = np.cumsum(chance)
    if not num_places:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    at = (np.arange(num_places) + rng.random()) * (bounds[-1] / num_places)
    chosen = np.minimum(np.searchsorted(bounds, at), activity.size - 1)
    weights = 1 / chance[chosen]
    return chosen, (weights / weights.mean()).astype(np.float32)


def _at(
    planes: NDArray[np.int8], rows: NDArray[np.int64], columns: NDArray[np.int64], up: int, left: int
) -> NDArray[np.int8]:
    """(places, d) of (d, h, w), so far up and left of the places; 0 outside."""
    h, w = planes.shape[1:]
    y, x = rows - up, columns - left
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    return np.asarray((planes[:, np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)] * inside).T)
