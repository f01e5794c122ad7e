"""MS-SSIM of tensors, which gradients pass: as `tasks.measures.picture_distortion.ms_ssim`, in float32.

A window along one axis is a banded matrix, so that matrix products do the sums.

Sources: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, equation
7; window and constants: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from laconic.codecs.errors import UnsupportedSignalError

if TYPE_CHECKING:
    from jaxtyping import Float

_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_NUM_TAPS, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
LEAST_SIDE: Final = (_NUM_TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1  # the coarsest scale must still hold one window
_LEAST_SIMILARITY: Final = 1e-4  # powers have no slope at 0


def ms_ssim_losses(original: Float[Tensor, "b c h w"], decoded: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """1 - MS-SSIM of pictures (b, c, h, w) from 0 to 1, mean over colours. Raises `UnsupportedSignalError` for sides below
    161 pixels."""
    if min(original.shape[2:]) < LEAST_SIDE:
        raise UnsupportedSignalError(
            f"picture has {tuple(original.shape[2:])} pixels; MS-SSIM needs {LEAST_SIDE} a side: give larger ones"
        )
    product = original.new_ones(original.shape[:2])
    for scale, weight in enumerate(_WEIGHTS):
        if scale:
            original, decoded = _halved(original), _halved(decoded)
        similarity = _similarities(original, decoded, with_luminance=scale == len(_WEIGHTS) - 1)
        product = product * similarity.clamp(min=_LEAST_SIMILARITY) ** weight
    return 1 - product.mean(1)


def _similarities(x: Tensor, y: Tensor, *, with_luminance: bool) -> Float[Tensor, "b c"]:
    """Mean over places of contrast times structure, times luminance where asked: see `picture_distortion`."""
    sums, differences = x + y, x - y
    moments = torch.stack((sums, differences, sums.square(), differences.square()))
    down, across = (_window(n).to(x) for n in x.shape[-2:])
    mean_sum, mean_difference, square_sum, square_difference = down @ moments @ across.T
    varied = square_difference - mean_difference.square()
    unlike = varied / (square_sum - mean_sum.square() + varied + 2 * _C2)
    if with_luminance:
        dark = mean_difference.square()
        dark = dark / (mean_sum.square() + dark + 2 * _C1)
        unlike = unlike + dark - 2 * dark * unlike
    similarities: Tensor = 1 - 2 * unlike.mean((2, 3))
    return similarities


@lru_cache(maxsize=32)
def _window(side: int) -> Float[Tensor, "n side"]:
    """Gaussian means of all stretches that the window fits into."""
    places = torch.arange(_NUM_TAPS) - _NUM_TAPS // 2
    taps = torch.exp(-places.square() / (2 * _SIGMA**2))
    rows = torch.zeros((side - _NUM_TAPS + 1, side))
    for i, tap in enumerate(taps / taps.sum()):
        rows.diagonal(i).fill_(tap)
    return rows


def _halved(planes: Tensor) -> Tensor:
    """Means of 2x2 pixels; before an odd side stands a line of zeros."""
    return functional.avg_pool2d(planes, 2, padding=[side % 2 for side in planes.shape[2:]])
