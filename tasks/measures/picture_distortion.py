"""How far a decoded picture is from its original: PSNR and MS-SSIM.

Both take `Image` values or arrays. Of an `Image` only the colour channels count: alpha is transparency, not light.
Arrays are taken whole. The peak is that of the reference's bit depth, of an array that of its sample type (255 or 65,535).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image, Samples

if TYPE_CHECKING:
    from jaxtyping import UInt

# Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, section 3.2.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B: the window and the constants.
_NUM_TAPS = 11
_SIGMA = 1.5
_K1, _K2 = 0.01, 0.03
# The coarsest scale, after four halvings, must still hold one window: 161 -> 81 -> 41 -> 21 -> 11.
_MIN_SIDE = (_NUM_TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1
_BLOCK = 64  # outputs per matrix product; 32 to 128 are about equally fast


def psnr(reference: Image | UInt[Samples, "*shape"], other: Image | UInt[Samples, "*shape"]) -> float:
    """Peak signal-to-noise ratio in dB, over all samples; `inf` for equal pictures.

    Arrays may have any shape. Raises `ValueError` where shape or sample type differ, `UnsupportedSignalError` where
    the samples are not uint8 or uint16.

    >>> round(psnr(np.zeros((2, 2), np.uint8), np.full((2, 2), 51, np.uint8)), 3)
    13.979
    """
    x, y, peak = _checked_pair(reference, other)
    difference = x.astype(np.int64) - y
    squared_error = int(np.sum(difference * difference))  # exact, so equal on every machine
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(peak * peak * x.size / squared_error)


def ms_ssim(reference: Image | UInt[Samples, "h w *c"], other: Image | UInt[Samples, "h w *c"]) -> float:
    """Multi-scale structural similarity, at most 1 (equal pictures): five scales, mean over colour channels.

    Arrays are (h, w) or (h, w, c) and at least 161 a side. A scale whose similarity is negative counts as 0. Halving
    averages 2×2 samples; an odd side is extended by a zero line in front, as in pytorch-msssim, whose values these
    are. Raises like `psnr`, and `UnsupportedSignalError` for a smaller picture.

    Source: Wang, Simoncelli, Bovik 2003, equation 7.
    """
    x, y, peak = _checked_pair(reference, other)
    if x.ndim not in (2, 3) or min(x.shape[:2]) < _MIN_SIDE:
        raise UnsupportedSignalError(
            f"picture has shape {x.shape}; MS-SSIM allows (height, width) or (height, width, channels), "
            f"{_MIN_SIDE} pixels a side and more: use psnr, or a larger crop"
        )
    num_channels = 1 if x.ndim == 2 else x.shape[2]
    channels = zip(
        np.moveaxis(x.reshape(*x.shape[:2], num_channels), -1, 0),
        np.moveaxis(y.reshape(*y.shape[:2], num_channels), -1, 0),
        strict=True,
    )
    return sum(_channel_ms_ssim(one, two, peak) for one, two in channels) / num_channels


def _checked_pair(reference: Image | Samples, other: Image | Samples) -> tuple[Samples, Samples, int]:
    x, y = _colour(reference), _colour(other)
    if x.dtype not in (np.uint8, np.uint16):
        raise UnsupportedSignalError(f"samples are {x.dtype}; allowed are uint8 and uint16: convert them first")
    if x.shape != y.shape or x.dtype != y.dtype:
        raise ValueError(
            f"the picture to compare is {y.dtype} of shape {y.shape}; allowed is what the reference has, "
            f"{x.dtype} of shape {x.shape}: decode to the same size, channels and sample type"
        )
    if x.size == 0:
        raise ValueError(f"the pictures have shape {x.shape}; allowed is at least one sample: pass non-empty arrays")
    return x, y, reference.peak if isinstance(reference, Image) else int(np.iinfo(x.dtype).max)


def _colour(picture: Image | Samples) -> Samples:
    if not isinstance(picture, Image):
        return typed_argument("the picture", picture, np.ndarray, "an Image or an array")
    return picture.samples[:, :, : 1 if picture.mode.startswith("L") else 3]


def _channel_ms_ssim(samples_x: Samples, samples_y: Samples, peak: int) -> float:
    """One channel, (h, w), at a time: its maps stay in the processor's cache.

    Single precision is 3 times as fast as double and differs from it by less than 1e-5.
    """
    x, y = samples_x.astype(np.float32, order="C"), samples_y.astype(np.float32, order="C")
    product = 1.0
    for scale, weight in enumerate(_WEIGHTS):
        if scale > 0:
            x, y = _halved(x), _halved(y)
        similarity = _similarity(x, y, peak, with_luminance=scale == len(_WEIGHTS) - 1)
        product *= max(similarity, 0.0) ** weight
    return product


def _similarity(x: NDArray[np.float32], y: NDArray[np.float32], peak: int, *, with_luminance: bool) -> float:
    """Mean over the positions of (h, w) of contrast times structure, times luminance where asked."""
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    offset = x.mean()  # variances do not see it, and without it less of them is lost to rounding
    x, y = x - offset, y - offset
    mean_x, mean_y = _blurred(x), _blurred(y)
    mean_squares = _blurred(x * x + y * y)  # the squares are needed as a sum only: one map less to blur
    similarity = (2 * (_blurred(x * y) - mean_x * mean_y) + c2) / (
        mean_squares - (mean_x * mean_x + mean_y * mean_y) + c2  # bracketed: exactly 1 where x is y
    )
    if with_luminance:
        mean_x, mean_y = mean_x + offset, mean_y + offset
        similarity *= (2 * mean_x * mean_y + c1) / (mean_x * mean_x + mean_y * mean_y + c1)
    return float(similarity.mean())


def _blurred(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) -> (h - 10, w - 10): Gaussian window along both axes, where it fits.

    A block of outputs is a banded matrix times a slightly longer block of inputs, so that BLAS does the sums.
    """
    return _blurred_down(_blurred_down(plane).T).T


def _blurred_down(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) -> (h - 10, w)."""
    num_outputs = plane.shape[0] - _NUM_TAPS + 1
    blurred = np.empty((num_outputs, plane.shape[1]), np.float32)
    for start in range(0, num_outputs, _BLOCK):
        stop = min(start + _BLOCK, num_outputs)
        part = _BAND[: stop - start, : stop - start + _NUM_TAPS - 1]
        np.matmul(part, plane[start : stop + _NUM_TAPS - 1], out=blurred[start:stop])
    return blurred


def _band() -> NDArray[np.float32]:
    """(64, 74): row i holds the window, of sum 1, from column i on."""
    offsets = np.arange(_NUM_TAPS) - _NUM_TAPS // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    band = np.zeros((_BLOCK, _BLOCK + _NUM_TAPS - 1), np.float32)
    for row in range(_BLOCK):
        band[row, row : row + _NUM_TAPS] = window / window.sum()
    band.flags.writeable = False
    return band


_BAND = _band()


def _halved(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) -> (ceil(h / 2), ceil(w / 2)): means of 2×2, an odd side starting with a zero line."""
    padded = np.pad(plane, [(side % 2, 0) for side in plane.shape])
    rows = padded[::2] + padded[1::2]
    return ((rows[:, ::2] + rows[:, 1::2]) / 4).astype(np.float32)
