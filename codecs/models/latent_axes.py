"""The axes of a model's latents, in wavelet packets, and what its file says of the values along them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.steps import CODES_PER_OCTAVE

if TYPE_CHECKING:
    from jaxtyping import Float

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LatentStatistics:
    """`mean` (d,) and `covariance` (d, d) of all channels of latents of a model, in signal units."""

    mean: Float[Doubles, " d"]
    covariance: Float[Doubles, "d d"]


def axes_of_model(model: Model) -> Float[Doubles, "d d"]:
    """What makes the channels of `Latent.dequantize` (rows) of the wavelet packets of a place (columns)."""
    coded = np.zeros((model.num_channels, model.num_channels))
    for (lo, hi), matrix in zip(model.blocks, model.analysis, strict=True):
        coded[model.channels[lo:hi], lo:hi] = matrix
    return _turn_of_model(model) @ coded


def _turn_of_model(model: Model) -> Doubles:
    """From coded channels to those of the latent."""
    turn = np.eye(model.num_channels)
    if model.turn is not None:
        turn = np.zeros_like(turn)
        for matrix, coded, channels in model.turn.blocks_of(model.num_channels):
            turn[np.ix_(channels, coded)] = matrix
    return turn


def statistics_of_model(model: Model) -> LatentStatistics:
    """As its file says, but for one factor."""
    scales = np.exp2((model.scale_codes - model.scale_codes.max()) / CODES_PER_OCTAVE)
    turned = _turn_of_model(model) * scales
    return LatentStatistics(np.zeros(model.num_channels), turned @ turned.T)
