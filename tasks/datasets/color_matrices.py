"""Changes of colours as matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float

_LUMA: Final = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
Floats = NDArray[np.float64]


def saturation_matrices(factors: Float[Floats, " n"], planes: int) -> Float[Floats, "n planes planes"]:
    grey = np.tile(np.array(_LUMA), (3, 1)) if planes == 3 else np.eye(planes)
    return factors[:, None, None] * np.eye(planes) + (1 - factors)[:, None, None] * grey


def hue_matrices(turns: Float[Floats, " n"], planes: int) -> Float[Floats, "n planes planes"]:
    """Turns of the colours around grey that keep luma: in the plane of the colour differences of NTSC."""
    if planes != 3:
        return np.broadcast_to(np.eye(planes), (len(turns), planes, planes))
    to_yiq = np.array([_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    out = np.zeros((len(turns), 3, 3))
    cosine, sine = np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)
    out[:, 0, 0] = 1
    out[:, 1, 1] = out[:, 2, 2] = cosine
    out[:, 1, 2], out[:, 2, 1] = -sine, sine
    turned: Float[Floats, "n 3 3"] = np.linalg.inv(to_yiq) @ out @ to_yiq
    return turned
