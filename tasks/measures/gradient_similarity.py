"""GMSD: how unevenly a decoded picture keeps the edges of its original."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image, Samples
from laconic.tasks.measures.picture_distortion import check_sides, checked_pair

if TYPE_CHECKING:
    from jaxtyping import UInt

_LUMA: Final = np.array((0.299, 0.587, 0.114), np.float32)  # of ITU-R BT.601, as the source's code has it
_STABILITY: Final = 170.0  # of samples to 255, section III-C of the source
_LEAST_SIDE: Final = 4  # two places of the halved picture each way


def gmsd(reference: Image | UInt[Samples, "h w *c"], other: Image | UInt[Samples, "h w *c"]) -> float:
    """Gradient magnitude similarity deviation, at least 0 (equal pictures); pictures with more of it look worse.

    The standard deviation over positions of (2 g1 g2 + k) / (g1**2 + g2**2 + k) with k = 170 / 255**2, where g are the
    magnitudes of Prewitt gradients of the luma to 1, of which each 2×2 samples were averaged (odd sides end with a zero
    line each, as in piq, whose values these are). Arrays are (h, w), (h, w, 1) or (h, w, 3), at least 4 a side. Raises
    `ValueError` where shape or sample type differ, `UnsupportedSignalError` for other samples and smaller pictures.

    Source: Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014, equations 1 to 6.
    """
    x, y, peak = checked_pair(reference, other)
    check_sides(x, _LEAST_SIDE, "GMSD")
    if x.ndim == 3 and x.shape[2] not in (1, 3):
        raise UnsupportedSignalError(
            f"picture has {x.shape[2]} channels; GMSD allows 1 and 3, of which it takes the luma: pass colours alone"
        )
    one, two = (_squared_gradient(_halved_luma(samples) / np.float32(peak)) for samples in (x, y))
    stability = np.float32(_STABILITY / 255**2)
    similarity = (2 * np.sqrt(one * two) + stability) / (one + two + stability)
    return float(np.std(similarity, dtype=np.float64))


def _halved_luma(samples: Samples) -> NDArray[np.float32]:
    """(h, w) or (h, w, c) -> (h / 2, w / 2); where a side is odd, both get a zero line at their end and the rest that
    fills no pair is left out."""
    height, width = samples.shape[:2]
    flat = samples.reshape(height, width, -1)
    luma = flat[:, :, 0].astype(np.float32) if flat.shape[2] == 1 else flat.astype(np.float32) @ _LUMA
    odd = max(height % 2, width % 2)
    luma = np.pad(luma, (0, odd))[: (height + odd) // 2 * 2, : (width + odd) // 2 * 2]
    return np.asarray((luma[::2, ::2] + luma[1::2, ::2] + luma[::2, 1::2] + luma[1::2, 1::2]) / 4, np.float32)


def _squared_gradient(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) -> (h, w), zeros around the plane."""
    padded = np.pad(plane, 1)
    down = padded[:-2] + padded[1:-1] + padded[2:]
    along = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.asarray((np.square(down[:, 2:] - down[:, :-2]) + np.square(along[2:] - along[:-2])) / 9, np.float32)
