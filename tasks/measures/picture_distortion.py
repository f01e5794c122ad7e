"""How far a decoded picture is from its original: PSNR, SSIM and MS-SSIM.

All take `Image` values or arrays. Of an `Image` only the colour channels count: alpha is transparency, not light.
Arrays are taken whole. The peak is that of the reference's bit depth, of an array that of its sample type (255 or 65,535).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image, Samples
from laconic.tasks.measures.windowed_moments import NUM_TAPS, windowed_moments

if TYPE_CHECKING:
    from jaxtyping import UInt

# Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003, section 3.2.
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B: the window and the constants.
_K1, _K2 = 0.01, 0.03
# The coarsest scale, after four halvings, must still hold one window: 161 -> 81 -> 41 -> 21 -> 11.
_MIN_SIDE = (NUM_TAPS - 1) * 2 ** (len(_WEIGHTS) - 1) + 1
_PSNR_BLOCK = 1 << 16  # samples; squares of 16-bit differences are below 2**32


def psnr(reference: Image | UInt[Samples, "*shape"], other: Image | UInt[Samples, "*shape"]) -> float:
    """Peak signal-to-noise ratio in dB, over all samples; `inf` for equal pictures.

    Arrays may have any shape. Raises `ValueError` where shape or sample type differ, `UnsupportedSignalError` where
    the samples are not uint8 or uint16.

    >>> round(psnr(np.zeros((2, 2), np.uint8), np.full((2, 2), 51, np.uint8)), 3)
    13.979
    """
    x, y, peak = checked_pair(reference, other)
    squared_error = _squared_error(x.reshape(-1), y.reshape(-1))
    if squared_error == 0:
        return math.inf
    return 10 * math.log10(peak * peak * x.size / squared_error)


def ssim(reference: Image | UInt[Samples, "h w *c"], other: Image | UInt[Samples, "h w *c"]) -> float:
    """Structural similarity at full size, at most 1 (equal pictures): mean over positions and colour channels.

    Arrays are (h, w) or (h, w, c) and at least 11 a side; only places count where the window fits. Raises like `psnr`,
    and `UnsupportedSignalError` for a smaller picture.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, equation 13.
    """
    x, y, peak = checked_pair(reference, other)
    check_sides(x, NUM_TAPS, "SSIM")
    return float(np.mean([_similarity(pair, peak, with_luminance=True) for pair in _sums_and_differences(x, y)]))


def ms_ssim(reference: Image | UInt[Samples, "h w *c"], other: Image | UInt[Samples, "h w *c"]) -> float:
    """Multi-scale structural similarity, at most 1 (equal pictures): five scales, mean over colour channels.

    Arrays are (h, w) or (h, w, c) and at least 161 a side. A scale whose similarity is negative counts as 0. Halving
    averages 2×2 samples; an odd side is extended by a zero line in front, as in pytorch-msssim, whose values these
    are. Raises like `psnr`, and `UnsupportedSignalError` for a smaller picture.

    Source: Wang, Simoncelli, Bovik 2003, equation 7.
    """
    x, y, peak = checked_pair(reference, other)
    check_sides(x, _MIN_SIDE, "MS-SSIM")
    return float(np.mean([_channel_ms_ssim(pair, peak) for pair in _sums_and_differences(x, y)]))


def checked_pair(
    reference: Image | UInt[Samples, "*shape"], other: Image | UInt[Samples, "*shape"]
) -> tuple[UInt[Samples, "*shape"], UInt[Samples, "*shape"], int]:
    """The colours of both as arrays, and their peak. Raises as the metrics."""
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


def _squared_error(x: Samples, y: Samples) -> int:
    """Of (n,): in double precision, which is exact here, so equal on every machine: no sum of a block reaches 2**53."""
    total = 0
    for start in range(0, x.size, _PSNR_BLOCK):
        part = slice(start, start + _PSNR_BLOCK)
        difference = np.subtract(x[part], y[part], dtype=np.int32).astype(np.float64)
        total += int(np.dot(difference, difference))
    return total


def check_sides(x: UInt[Samples, "*shape"], least: int, metric: str) -> None:
    """Raises `UnsupportedSignalError` for a picture that is smaller, or none."""
    if x.ndim not in (2, 3) or min(x.shape[:2]) < least:
        raise UnsupportedSignalError(
            f"picture has shape {x.shape}; {metric} allows (height, width) or (height, width, channels), "
            f"{least} pixels a side and more: use psnr, or a larger crop"
        )


def _sums_and_differences(x: Samples, y: Samples) -> Iterator[NDArray[np.float32]]:
    """(h, w) or (h, w, c) of two pictures -> of one channel at a time (2, h, w): x + y and x - y.

    Single precision is 3 times as fast as double, and the similarities differ by less than 1e-5.
    """
    height, width = x.shape[:2]
    channels = zip(*(np.moveaxis(one.reshape(height, width, -1), -1, 0) for one in (x, y)), strict=True)
    for pair in channels:
        one, other = (samples.astype(np.float32) for samples in pair)
        yield np.stack([one + other, one - other])


def _channel_ms_ssim(pair: NDArray[np.float32], peak: int) -> float:
    product = 1.0
    for scale, weight in enumerate(_WEIGHTS):
        if scale > 0:
            pair = _halved(pair)
        similarity = _similarity(pair, peak, with_luminance=scale == len(_WEIGHTS) - 1)
        product *= max(similarity, 0.0) ** weight
    return product


def _similarity(pair: NDArray[np.float32], peak: int, *, with_luminance: bool) -> float:
    """Mean over the positions of (2, h, w) of contrast times structure, times luminance where asked.

    Of the sum s and the difference d of two planes x and y, which have four moments that matter where x and y have five:
    var s + var d = 2 (var x + var y) and var s - var d = 4 cov(x, y), so that

        (2 cov(x, y) + c2) / (var x + var y + c2) = 1 - 2 var d / (var s + var d + 2 c2),

    exactly 1 where x is y; the luminance likewise, with squared means for variances.
    """
    c1, c2 = (np.float32(2 * (k * peak) ** 2) for k in (_K1, _K2))
    offset = pair[0].mean()  # variances do not see it, and without it less of them is lost to rounding
    total, count = 0.0, 0
    for ((sums, differences), (sums_2, differences_2)), inside in windowed_moments(pair, offset):
        sums_2 -= sums * sums
        squared = differences * differences
        differences_2 -= squared
        sums_2 += differences_2
        sums_2 += c2
        unlike = np.divide(differences_2, sums_2, out=differences_2)
        if with_luminance:
            sums += offset
            dark = squared / (sums * sums + squared + c1)
            unlike += dark - 2 * dark * unlike  # 1 - 2 (a + b - 2 a b) = (1 - 2 a) (1 - 2 b)
        total, count = total + float(unlike[inside].sum(axis=1).sum(dtype=np.float64)), count + unlike[inside].size
    return 1 - 2 * total / count


def _halved(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, h, w) -> (n, ceil(h / 2), ceil(w / 2)): means of 2×2, an odd side starting with a zero line."""
    _, height, width = planes.shape
    if height % 2 or width % 2:
        planes = np.pad(planes, [(0, 0), (height % 2, 0), (width % 2, 0)])
    rows = planes[:, ::2] + planes[:, 1::2]
    halved = rows[..., ::2] + rows[..., 1::2]
    halved *= np.float32(0.25)
    return halved
