"""What colours cost in other axes, from the samples of a picture (for `color_choice`).

In small blocks of the details of a pyramid of means, a value of variance e costs about log2(1 + e / noise) / 2 bits, with
the noise of the quantiser. Blocks adapt as contexts do: what is best for the sums over a picture is not best for its parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Samples
from laconic.codecs.models.turned_colors import NUM_COLORS

if TYPE_CHECKING:
    from jaxtyping import Float, UInt

PATCH: Final = 64  # pixels a side; a pyramid stands on each
_MOST_PATCHES: Final = 64  # that are looked at, evenly spread
_LEVELS: Final = 3
_BLOCK: Final = 8  # values a side; the coarsest level of a patch is one block
PLACES_OF_PIXEL: Final = 1 - 0.25**_LEVELS  # of details
_SWEEPS: Final = ((np.pi / 4, 17), (np.pi / 32, 9), (np.pi / 128, 9))  # the largest angle, and how many are tried
_TOGETHER: Final = 12  # values whose product a double holds: each is below 2**80

Floats64 = NDArray[np.float64]


def local_covariances(samples: UInt[Samples, "h w 3"]) -> Float[Floats64, "n 3 3"]:
    """Covariances of the colours in blocks of details, in the scale of an orthonormal transform, of pictures of at least
    one patch. Exact, since all are whole numbers times powers of two."""
    height, width = (n // PATCH for n in samples.shape[:2])
    apart = 1
    while -(-height // apart) * -(-width // apart) > _MOST_PATCHES:
        apart += 1
    patches = samples[: height * PATCH, : width * PATCH].reshape(height, PATCH, width, PATCH, NUM_COLORS)
    patches = patches[::apart, :, ::apart].transpose(4, 0, 2, 1, 3)
    sums = np.ascontiguousarray(patches, np.int32).reshape(NUM_COLORS, -1, PATCH, PATCH)
    found = []
    for level in range(1, _LEVELS + 1):
        low, high = sums[:, :, ::2] + sums[:, :, 1::2], sums[:, :, ::2] - sums[:, :, 1::2]
        bands = (high[..., ::2] + high[..., 1::2], high[..., ::2] - high[..., 1::2], low[..., ::2] - low[..., 1::2])
        found += [_covariances_of_blocks(band * 0.5**level) for band in bands]
        sums = low[..., ::2] + low[..., 1::2]
    return np.concatenate(found)


def _covariances_of_blocks(band: Float[Floats64, "3 n side side"]) -> Float[Floats64, "m 3 3"]:
    side = band.shape[-1]
    out = np.empty((band.shape[1] * (side // _BLOCK) ** 2, NUM_COLORS, NUM_COLORS))
    for p in range(NUM_COLORS):
        for q in range(p + 1):
            rows = (band[p] * band[q]).reshape(-1, side // _BLOCK, _BLOCK, side).sum(2)
            out[:, p, q] = out[:, q, p] = rows.reshape(-1, _BLOCK).sum(1) / _BLOCK**2
    return out


def color_bits(covariances: Float[Floats64, "n 3 3"], axes: Float[Floats64, "3 3"], noise: float) -> float:
    """About what the values of the blocks cost in these axes, in bits for each place of a block."""
    variances = np.einsum("kp,npq,kq->nk", axes, covariances, axes)
    return float(np.log2(1 + variances / noise).sum() / 2)


def color_rotation(
    covariances: Float[Floats64, "n 3 3"], axes: Float[Floats64, "3 3"], noise: float
) -> Float[Floats64, "3 3"]:
    """Axes of fewer bits, from these on: each pair is turned by the best of some angles, which become finer."""
    axes = axes.copy()
    for widest, num_angles in _SWEEPS:
        angles = np.linspace(-widest, widest, num_angles)
        for p, q in ((0, 1), (0, 2), (1, 2)):
            first, mixed, second = (
                np.einsum("p,npq,q->n", axes[a], covariances, axes[b]) for a, b in ((p, p), (p, q), (q, q))
            )
            half, less = 1 + (first + second) / (2 * noise), (first - second) / (2 * noise)
            more = np.outer(np.cos(2 * angles), less) + np.outer(np.sin(2 * angles), mixed / noise)
            angle = angles[_sum_of_logarithms(half**2 - more**2).argmin()]
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            axes[[p, q]] = turn @ axes[[p, q]]
    return axes


def _sum_of_logarithms(values: Float[Floats64, "n m"]) -> Float[Floats64, " n"]:
    """Over the last axis, of values from 1 on: of products of some, because a logarithm costs more than they do."""
    starts = np.arange(0, values.shape[1], _TOGETHER)
    sums: Floats64 = np.log2(np.multiply.reduceat(values, starts, axis=1)).sum(1)
    return sums
