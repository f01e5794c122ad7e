"""Latents that a network made -> sounds, by the codec's linear synthesis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.codecs.transform.projection import unproject
from laconic.codecs.transform.wavelet import synthesize

if TYPE_CHECKING:
    from jaxtyping import Float


def sounds_of_latents(
    latents: Float[NDArray[Any], "n d t"], model: Model, num_samples: int | None = None
) -> Float[NDArray[np.float32], "n samples"]:
    """(n, samples) float32 of latents in signal units; channels that they lack count as 0. As many samples as the places
    stand for, or the first `num_samples` of them. Raises `CodecError` for a model of other signals than mono sounds."""
    if model.kind != "sound" or model.num_planes != 1:
        raise CodecError(f"latents are of model {model.name}; allowed are models of sounds of one channel")
    n, _, places = latents.shape
    packets = unproject(np.ascontiguousarray(latents.transpose(1, 0, 2), np.float32), model)
    most = places * model.tree.factor - 2 * model.tree.margin
    size = most if num_samples is None else min(num_samples, most)
    # Sounds stand in place of the planes of one: all bands of one resolution are regrouped alike.
    return np.ascontiguousarray(synthesize(packets.reshape(-1, places), model.tree, n, (size,)))
