"""Triangular filters on the mel scale, in the two forms that models are trained with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float

_Scale = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def htk_filters(
    num_bins: int, num_filters: int, sample_rate: int, edges_hz: tuple[float, float]
) -> Float[NDArray[np.float64], "bins filters"]:
    """TensorFlow's (tf.signal.linear_to_mel_weight_matrix): triangles on HTK's mel scale, peaks of 1, nothing of 0 Hz."""
    mels = _htk(np.linspace(0, sample_rate / 2, num_bins))
    low, high = _htk(np.array(edges_hz))
    filters = _triangles(mels, np.linspace(low, high, num_filters + 2))
    filters[0] = 0
    return filters


def slaney_filters(num_bins: int, num_filters: int, sample_rate: int) -> Float[NDArray[np.float64], "bins filters"]:
    """Librosa's (librosa.filters.mel): triangles in Hz with corners on Slaney's mel scale from 0 Hz on, areas of 1 Hz."""
    top = float(_slaney(np.array(sample_rate / 2)))
    corners = _hz_of_slaney(np.linspace(0, top, num_filters + 2))
    return _triangles(np.linspace(0, sample_rate / 2, num_bins), corners) * 2 / (corners[2:] - corners[:-2])


def _triangles(positions: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    at = positions[:, None]
    return np.maximum(0, np.minimum((at - left) / (peak - left), (right - at) / (right - peak)))


def _htk(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(hz / 700)


# Slaney, "Auditory toolbox", 1998: a mel is 200/3 Hz up to 1 kHz, from where on 27 of them are a factor of 6.4.
_HZ_OF_MEL = 200 / 3
_CORNER_HZ, _CORNER_MEL, _STEP = 1000.0, 15.0, np.log(6.4) / 27


def _slaney(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _CORNER_MEL + np.log(np.maximum(hz, _CORNER_HZ) / _CORNER_HZ) / _STEP
    return np.where(hz < _CORNER_HZ, hz / _HZ_OF_MEL, above)


def _hz_of_slaney(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _CORNER_HZ * np.exp(_STEP * (np.maximum(mels, _CORNER_MEL) - _CORNER_MEL))
    return np.where(mels < _CORNER_MEL, mels * _HZ_OF_MEL, above)
