"""MS-SSIM of tensors, which gradients pass: as `tasks.measures.picture_distortion.ms_ssim`, in float32.

Sources: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, equation
7; window and constants: Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional

from laconic.codecs.errors import UnsupportedSignalError

if TYPE_CHECKING:
    from jaxtyping import Float

_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1, _C2 = 0.01**2, 0.03**2
_NUM_TAPS, _SIGMA = 11, 1.5
LEAST_SIDE: Final = (_NUM_TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1  # the coarsest scale must still hold one window
_LEAST_SIMILARITY: Final = 1e-6  # powers have no slope at 0


def ms_ssim_distance(original: Float[Tensor, "b c h w"], decoded: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
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
        found = _similarity(original, decoded, with_luminance=scale == len(_WEIGHTS) - 1)
        product = product * found.clamp(min=_LEAST_SIMILARITY) ** weight
    return 1 - product.mean()


def _similarity(x: Tensor, y: Tensor, *, with_luminance: bool) -> Float[Tensor, "b c"]:
    """Mean over places of contrast times structure, times luminance where asked."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    found = (2 * (_blurred(x * y) - mean_x * mean_y) + _C2) / (var_x + var_y + _C2)
    if with_luminance:
        found = found * (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return found.mean((2, 3))


def _blurred(planes: Tensor) -> Tensor:
    """By a Gaussian window, only where it fits."""
    offsets = torch.arange(_NUM_TAPS, dtype=planes.dtype) - _NUM_TAPS // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    taps = (window / window.sum()).expand(planes.shape[1], 1, 1, -1)
    along = functional.conv2d(planes, taps, groups=planes.shape[1])
    return functional.conv2d(along, taps.mT, groups=planes.shape[1])


def _halved(planes: Tensor) -> Tensor:
    """Means of 2x2 pixels; before an odd side stands a line of zeros."""
    return functional.avg_pool2d(planes, 2, padding=[side % 2 for side in planes.shape[2:]])
