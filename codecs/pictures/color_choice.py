"""Which pictures are coded in colours of their own, and in which (SPEC.md, section 9.7).

A model of profile best mixes colours by one rotation, the principal axes of the pictures that it was fitted to. What
another rotation would save is estimated (`color_estimate`). Large pictures are left out: their rows are encoded as they are
read.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.models.turned_colors import NUM_COLORS, turned_model, turning_misfit
from laconic.codecs.pictures.color_estimate import (
    PATCH,
    PLACES_OF_PIXEL,
    color_bits,
    color_rotation,
    local_covariances,
)
from laconic.codecs.plan import Plan
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.picture_rows import PictureRows
from laconic.entropy.container import COLOR_ONE, Profile

if TYPE_CHECKING:
    from jaxtyping import Float

MOST_PIXELS: Final = 1 << 24  # whose samples need no more memory than the coefficients of some rows (`CHUNK_VALUES`)
_NOISE: Final = 1 / 20  # of a squared step
# Files of 49 pictures of bsds500/val and imagenet_sample/train at quality 25, 50 and 80 are at equal distortion smaller by
# 1.8, 1.5 and 1.1 times the part that is estimated (correlation 0.92, 0.93, 0.86), in bytes by 0.6 and 0.7 times at the
# last two. Wanted are a hundredth of the file, and twice the 16 bytes that the nine numbers take.
_LEAST_PART: Final = 0.01 / 1.5
_LEAST_BYTES: Final = 32 / 0.6

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
    axes = _axes_of(plan.model) if may_choose_colors(plan) and min(plan.form.size) >= PATCH else None
    if axes is None:
        return plan
    found = local_covariances(rows.samples[:, :, :NUM_COLORS])
    noise = _NOISE * (float(step_of_code(plan.step_code)) * plan.model.unit * rows.peak) ** 2
    chosen = color_rotation(found, axes, noise)
    before = color_bits(found, axes, noise)
    saved = before - color_bits(found, chosen, noise)
    height, width = plan.form.size
    saved_bytes = saved / len(found) * PLACES_OF_PIXEL * height * width / 8
    if saved < _LEAST_PART * before or saved_bytes < _LEAST_BYTES:
        return plan
    numbers = np.rint(COLOR_ONE * chosen.T @ axes).astype(int)
    return replace(plan, model=turned_model(plan.model, tuple(numbers.reshape(-1).tolist())))


@lru_cache(maxsize=8)
def _axes_of(model: Model) -> Float[Floats64, "3 3"] | None:
    """The rotation of colours that all blocks of a model are made of, None of a model that mixes more than colours."""
    block = model.analysis[-1].astype(np.float64)
    axes = block[:NUM_COLORS, :NUM_COLORS]
    if np.abs(block - np.kron(np.eye(len(block) // NUM_COLORS), axes)).max() > 1e-6:
        return None
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return axes if np.abs(axes @ axes.T - np.eye(NUM_COLORS)).max() < 1e-3 else None
