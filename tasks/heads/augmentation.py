"""Training samples changed at random, in ways that latents allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float


def shifted(
    x: Float[Tensor, "b c h w"], patch: tuple[int, int], max_shift: int, random: np.random.Generator
) -> Float[Tensor, "b c h w"]:
    """(b, c, h, w), each item moved by up to `max_shift` whole tokens both ways, zeros where nothing comes in."""
    if not max_shift:
        return x
    out = torch.zeros_like(x)
    h, w = x.shape[2:]
    reach = [0 if side < 4 * max_shift * p else max_shift for side, p in zip((h, w), patch, strict=True)]
    for source, target in zip(x, out, strict=True):
        dy, dx = (int(random.integers(-r, r + 1)) * p for r, p in zip(reach, patch, strict=True))
        moved = source[:, max(-dy, 0) : h - max(dy, 0), max(-dx, 0) : w - max(dx, 0)]
        target[:, max(dy, 0) : h - max(-dy, 0), max(dx, 0) : w - max(-dx, 0)] = moved
    return out
