"""Pictures resized by Lanczos' filter: the same bytes on every machine, whatever version of Pillow it has.

As Pillow did it up to version 12, which is several times slower; version 13 resizes some tall pictures in another order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native

if TYPE_CHECKING:
    from jaxtyping import UInt8


def lanczos_square(
    samples: UInt8[NDArray[np.uint8], "h w 3"], side: float, size: int
) -> UInt8[NDArray[np.uint8], "size size 3"]:
    """The square of `side` pixels, no more than h and w, from the centre, resized to `size`."""
    height, width = samples.shape[:2]
    left, top = (width - side) / 2, (height - side) / 2
    out = np.empty((size, size, 3), np.uint8)
    _native.resample(np.ascontiguousarray(samples), out, left, top, left + side, top + side)
    return out
