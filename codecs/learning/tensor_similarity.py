"""MS-SSIM of tensors, which gradients pass: the measure `picture_distortion.ms_ssim`, of each picture of a batch.

A window along one axis is a banded matrix, so that matrix products do the sums, as in `windowed_moments`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float

# Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, section 3.2.
_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B: window and constants, of samples that span 1.
_NUM_TAPS, _SPREAD = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
LEAST_SIDE: Final = (_NUM_TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1
_LEAST_SIMILARITY: Final = 1e-4  # below, a scale has no gradient


def ms_ssim_losses(planes: Float[Tensor, "b c h w"], others: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
    """1 - MS-SSIM of pictures in [-0.5, 0.5] whose sides are `LEAST_SIDE` and more, mean over colours."""
    product = planes.new_ones(planes.shape[:2])
    for scale, weight in enumerate(_WEIGHTS):
        if scale > 0:
            planes, others = (functional.avg_pool2d(p, 2, ceil_mode=True) for p in (planes, others))
        similarity = _similarities(planes, others, with_luminance=scale == len(_WEIGHTS) - 1)
        product = product * similarity.clamp(min=_LEAST_SIMILARITY) ** weight
    return 1 - product.mean(1)


def _similarities(x: Tensor, y: Tensor, *, with_luminance: bool) -> Float[Tensor, "b c"]:
    """Mean over positions of contrast times structure, times luminance where asked: see `picture_distortion`."""
    sums, differences = x + y, x - y
    moments = torch.stack((sums, differences, sums.square(), differences.square()))
    down, across = (_window(n).to(x) for n in x.shape[-2:])
    mean_sum, mean_difference, square_sum, square_difference = down @ moments @ across.T
    varied = square_difference - mean_difference.square()
    unlike = varied / (square_sum - mean_sum.square() + varied + 2 * _C2)
    if with_luminance:
        dark = mean_difference.square()
        dark = dark / ((mean_sum + 1).square() + dark + 2 * _C1)  # samples from 0 on: 0.5 more of each
        unlike = unlike + dark - 2 * dark * unlike
    similarities: Tensor = 1 - 2 * unlike.mean((2, 3))
    return similarities


@lru_cache(maxsize=32)
def _window(side: int) -> Float[Tensor, "n side"]:
    """Gaussian means of all stretches that the window fits into."""
    places = torch.arange(_NUM_TAPS) - _NUM_TAPS // 2
    taps = torch.exp(-places.square() / (2 * _SPREAD**2))
    rows = torch.zeros((side - _NUM_TAPS + 1, side))
    for i, tap in enumerate(taps / taps.sum()):
        rows.diagonal(i).fill_(tap)
    return rows
