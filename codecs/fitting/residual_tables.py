"""Tables of what the prediction of sounds misses, fitted to sounds (SPEC.md, section 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Audio
from laconic.codecs.sounds.integer_samples import integers_of_sound
from laconic.codecs.sounds.prediction import (
    adaptations_at,
    predicted_residuals,
    scale_of_channel,
    starts_of_residuals,
)
from laconic.entropy import _native
from laconic.entropy.fitting.table_fitting import table_of_shares
from laconic.entropy.residuals import NUM_RESIDUAL_TABLES
from laconic.entropy.tables import TableSet

if TYPE_CHECKING:
    from jaxtyping import Float

_BEYOND: Final = 128  # magnitudes from here on escape
_STRETCH: Final = 1 << 16
_NEIGHBOURS: Final = ((1, 0.3), (2, 0.1))  # tables that lend counts, and how much
_WIDTH: Final = 6  # magnitudes within a sixth of each other count for each other
_LEAST: Final = 3e-7

Counts = NDArray[np.float64]


def fit_residual_tables(sounds: Iterable[Audio]) -> TableSet:
    """Tables for sounds like these, whose samples are integers. Raises `UnsupportedSignalError` for others."""
    counts = np.zeros((NUM_RESIDUAL_TABLES, _BEYOND + 1))
    for sound in sounds:
        counts += _counts_of_sound(sound)
    return TableSet(tuple(table_of_shares(_two_sided(shares)) for shares in _smoothed(counts)))


def _counts_of_sound(sound: Audio) -> Float[Counts, "96 129"]:
    """How often each table has each magnitude."""
    integers, counts = integers_of_sound(sound), np.zeros((NUM_RESIDUAL_TABLES, _BEYOND + 1))
    for first in range(0, integers.values.shape[1], _STRETCH):
        stretch = integers.values[:, first : first + _STRETCH]
        scales = [scale_of_channel(channel) for channel in stretch]
        residuals = predicted_residuals(stretch, integers.bits, adaptations_at(sound.sample_rate)[0], scales)
        values, tables, _, _ = _native.residual_symbols(residuals, starts_of_residuals(scales))
        keys = np.minimum(np.abs(values.astype(np.int64)), _BEYOND) + (_BEYOND + 1) * tables.astype(np.int64)
        counts += np.bincount(keys, minlength=counts.size).reshape(counts.shape)
    return counts


def _smoothed(counts: Float[Counts, "96 129"]) -> Float[Counts, "96 129"]:
    """Shares of magnitudes, each table with some of the counts of its neighbours, each magnitude with those like it."""
    lent = counts.copy()
    for distance, share in _NEIGHBOURS:
        lent[distance:] += share * counts[:-distance]
        lent[:-distance] += share * counts[distance:]
    lent[:, 1:_BEYOND] /= 2  # of each sign
    smooth: Counts = lent.copy()
    for magnitude in range(1, _BEYOND):
        width = magnitude // _WIDTH
        smooth[:, magnitude] = lent[:, max(1, magnitude - width) : min(_BEYOND - 1, magnitude + width) + 1].mean(1)
    smooth[:, 1:_BEYOND] *= 2
    totals = smooth.sum(1, keepdims=True)
    shares: Counts = (smooth / np.maximum(totals, 1) + _LEAST) / (1 + (_BEYOND + 1) * _LEAST)
    return shares


def _two_sided(shares: Float[Counts, " 129"]) -> Float[Counts, " 257"]:
    half = shares[1:] / 2
    return np.concatenate([half[::-1], shares[:1], half])
