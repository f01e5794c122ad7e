"""Packets <-> coefficients: each block of the packets through its matrix of the model, in the order of the latent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.models.model import Model

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float32]


def project(packets: Float[Floats, " d *sides"], model: Model) -> Float[Floats, " d *sides"]:
    """Packets -> coefficients."""
    stacked, out = np.empty(packets.shape, np.float32), np.empty(packets.shape, np.float32)
    flat_in, flat_out = packets.reshape(len(packets), -1), stacked.reshape(len(packets), -1)
    for (lo, hi), matrix in zip(model.blocks, model.analysis, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    out[model.channels] = stacked
    return out


def unproject(coefficients: Float[Floats, " _ *sides"], model: Model) -> Float[Floats, " d *sides"]:
    """Coefficients -> packets; channels that are missing count as 0."""
    d, *sides = coefficients.shape
    everything = np.zeros((model.num_channels, *sides), np.float32)
    everything[:d] = coefficients
    stacked, out = everything[model.channels], np.empty(everything.shape, np.float32)
    flat_in, flat_out = stacked.reshape(len(stacked), -1), out.reshape(len(out), -1)
    for (lo, hi), matrix in zip(model.blocks, model.synthesis, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    return out
