"""Normalisation of latents by the statistics of a pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument
from laconic.tasks.datasets.pack_index import PackIndex

if TYPE_CHECKING:
    from jaxtyping import Float

Scaling = Literal["common", "channel", "none"]
_SCALINGS: tuple[Scaling, ...] = ("common", "channel", "none")
# Of the largest channel's deviation: channels that are nearly always 0 are not blown up to unit variance.
_LEAST_DEVIATION = 1e-3
_LEAST_SCALE = 1e-6  # in signal units, where all are 0


def normalization_of_pack(
    index: PackIndex, channels: int, scaling: Scaling
) -> tuple[Float[NDArray[np.float32], "channels 1 1"], Float[NDArray[np.float32], "channels 1 1"]]:
    """(channels, 1, 1) each: factors and summands for values in signal units, as `LatentDataset` tells them. Raises
    `CodecError` for the scaling."""
    scaling = choice_argument("scaling", scaling, _SCALINGS)
    deviation, mean = index.std[:channels], index.mean[:channels]
    if scaling == "none":
        deviation, mean = np.ones_like(deviation), np.zeros_like(mean)
    elif scaling == "common":
        first = index.std[: index.group_ends[min(1, len(index.group_ends) - 1)]]
        deviation = np.full_like(deviation, np.sqrt(np.square(first).mean()))
    scale = 1 / np.maximum(deviation, max(_LEAST_DEVIATION * float(deviation.max()), _LEAST_SCALE))
    shift = -mean * scale
    return scale[:, None, None].astype(np.float32), shift[:, None, None].astype(np.float32)
