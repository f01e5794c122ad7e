"""Which pictures are coded in colours of their own, and in which (SPEC.md, section 9.7).

A model of profile best mixes colours by one rotation, the principal axes of the pictures that it was fitted to. What
another rotation would save is estimated from the samples: in small blocks of the details of a pyramid of means, a value of
variance e costs about log2(1 + e / noise) / 2 bits, with the noise of the quantiser. Large pictures are left out: their
rows are encoded as they are read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Samples
from laconic.codecs.models.model import Model
from laconic.codecs.models.turned_colors import NUM_COLORS, turned_model, turning_misfit
from laconic.codecs.plan import Plan
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.picture_rows import PictureRows
from laconic.entropy.container import COLOR_ONE, Profile

if TYPE_CHECKING:
    from jaxtyping import Float, UInt

MOST_PIXELS: Final = 1 << 24  # as many bytes of samples as of the coefficients that are worked on at a time
_PATCH: Final = 64  # pixels a side; a pyramid stands on each
_MOST_PATCHES: Final = 64  # that are looked at, evenly spread
_LEVELS: Final = 3
_BLOCK: Final = 8  # values a side; the coarsest level of a patch is one block
_NOISE: Final = 1 / 20  # of a squared step
_TOGETHER: Final = 12  # values whose product a double holds: each is below 2**80
# Files of 49 pictures of bsds500/val and imagenet_sample/train at quality 50 and 80 are at equal distortion smaller by 1.5
# and 1.1 times the part that is estimated (correlation 0.93 and 0.86), in bytes by 0.6 and 0.7 times. Wanted are a
# hundredth of the file, and twice the 16 bytes that the nine numbers take.
_LEAST_PART: Final = 0.01 / 1.25
_LEAST_BYTES: Final = 32 / 0.6
_SWEEPS: Final = ((np.pi / 4, 17), (np.pi / 32, 9), (np.pi / 128, 9))  # the largest angle, and how many are tried

Floats64 = NDArray[np.float64]


def may_choose_colors(plan: Plan) -> bool:
    """Whether colours are chosen by picture: where integers are chosen for networks, of pictures up to a size."""
    if not plan.optimizes or plan.layout.file_profile is not Profile.BEST or turning_misfit(plan.model):
        return False
    if plan.searches and plan.synthesis != "linear":  # networks take the model's colours
        return False
    return _axes_of(plan.model) is not None and math.prod(plan.form.size) <= MOST_PIXELS


def with_chosen_colors(plan: Plan, rows: PictureRows) -> Plan:
    """The plan with the colours of a picture, all of whose rows are there, where they save enough."""
    axes = _axes_of(plan.model) if may_choose_colors(plan) and min(plan.form.size) >= _PATCH else None
    if axes is None:
        return plan
    found = local_covariances(rows.samples[:, :, :NUM_COLORS])
    noise = _NOISE * (float(step_of_code(plan.step_code)) * plan.model.unit * rows.peak) ** 2
    chosen = color_rotation(found, axes, noise)
    before = color_bits(found, axes, noise)
    saved = before - color_bits(found, chosen, noise)
    height, width = plan.form.size
    places = 1 - 0.25**_LEVELS  # of details, for each pixel
    saved_bytes = saved / len(found) * places * height * width / 8
    if saved < _LEAST_PART * before or saved_bytes < _LEAST_BYTES:
        return plan
    numbers = np.rint(COLOR_ONE * chosen.T @ axes).astype(int)
    return replace(plan, model=turned_model(plan.model, tuple(numbers.reshape(-1).tolist())))


@lru_cache(maxsize=8)
def _axes_of(model: Model) -> Float[Floats64, "3 3"] | None:
    """The rotation of colours that all blocks of a model are made of, None of a model that mixes more than colours."""
    block = model.analysis[-1].astype(np.float64)
    axes = block[:NUM_COLORS, :NUM_COLORS]
    if not np.allclose(block, np.kron(np.eye(len(block) // NUM_COLORS), axes), atol=1e-6):
        return None
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return axes if np.allclose(axes @ axes.T, np.eye(NUM_COLORS), atol=1e-3) else None


def local_covariances(samples: UInt[Samples, "h w 3"]) -> Float[Floats64, "n 3 3"]:
    """Covariances of the colours in blocks of details, in the scale of an orthonormal transform, of pictures of at least
    one patch. Exact, since all are whole numbers times powers of two."""
    height, width = (n // _PATCH for n in samples.shape[:2])
    apart = 1
    while -(-height // apart) * -(-width // apart) > _MOST_PATCHES:
        apart += 1
    patches = samples[: height * _PATCH, : width * _PATCH].reshape(height, _PATCH, width, _PATCH, NUM_COLORS)
    patches = patches[::apart, :, ::apart].transpose(4, 0, 2, 1, 3)
    sums = np.ascontiguousarray(patches, np.int32).reshape(NUM_COLORS, -1, _PATCH, _PATCH)
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
