"""Sounds changed at random where they are bands over time: in length, pitch, place and by gaps.

What is drawn for a batch is the same in all processes that share it; what is drawn for items is that of the items' places
in the whole batch, of which loaders deal one after the other to the processes in turn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from jaxtyping import Float


def item_draws(random: np.random.Generator, count: int, draws: int) -> Float[NDArray[np.float64], "count draws"]:
    """(count, draws) in [0, 1) for the items of this process's share of a batch."""
    rank, world = 0, 1
    if distributed.is_available() and distributed.is_initialized():
        rank, world = distributed.get_rank(), distributed.get_world_size()
    return random.random((count * world, draws))[rank::world]


def stretched(
    bands: Float[Tensor, "b k h t"], random: np.random.Generator, *, time: float, pitch: float
) -> Float[Tensor, "b k h _"]:
    """Slower or faster by a factor of up to exp(time), higher or lower in bands by up to exp(pitch), one for the batch."""
    tempo, factor = np.exp(random.uniform(-1, 1, 2) * (time, pitch)).tolist()
    if tempo == factor == 1:
        return bands
    b, k, h, t = bands.shape
    frames = max(round(t * tempo), 1)
    rows = ((torch.arange(k, device=bands.device) + 0.5) * (2 * factor / k) - 1).clamp(-1, 1)
    columns = (torch.arange(frames, device=bands.device) + 0.5) * (2 / frames) - 1
    at = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1).to(bands.dtype)
    lines = bands.transpose(1, 2).reshape(b * h, 1, k, t)
    out = nn.functional.grid_sample(lines, at.expand(b * h, -1, -1, -1), padding_mode="border", align_corners=False)
    return out.reshape(b, h, k, frames).transpose(1, 2)


def rolled(bands: Float[Tensor, "b k h t"], random: np.random.Generator) -> Float[Tensor, "b k h t"]:
    """Each item begun anywhere; what is left out at its beginning follows at its end."""
    t = bands.shape[3]
    first = torch.from_numpy((item_draws(random, len(bands), 1) * t).astype(np.int64)).to(bands.device)
    at = (torch.arange(t, device=bands.device) + first) % t
    return bands.gather(3, at[:, None, None].expand_as(bands))


def gap_mask(
    shape: tuple[int, ...], random: np.random.Generator, *, gaps: int, longest: int
) -> Float[NDArray[np.float32], "b size"]:
    """(b, size) of 1, and of 0 in so many gaps of up to `longest` places in each item, for `shape` (b, size)."""
    b, size = shape
    mask = np.ones((b, size), np.float32)
    at = np.arange(size)
    for width, first in item_draws(random, b, 2 * gaps).reshape(b, gaps, 2).transpose(1, 2, 0):
        wide = np.floor(width * (min(longest, size) + 1))
        left = np.floor(first * (size - wide + 1))
        mask[(at >= left[:, None]) & (at < (left + wide)[:, None])] = 0
    return mask


def masked(
    levels: Float[Tensor, "b k h t"], random: np.random.Generator, *, times: tuple[int, int], bands: tuple[int, int]
) -> Float[Tensor, "b k h t"]:
    """Levels with gaps, whose mean is 0: (number, longest) of frames and of bands (Park et al., SpecAugment, 2019)."""
    b, k, _, t = levels.shape
    over_time = gap_mask((b, t), random, gaps=times[0], longest=times[1])
    over_bands = gap_mask((b, k), random, gaps=bands[0], longest=bands[1])
    both: Any = over_bands[:, :, None, None] * over_time[:, None, None]
    return levels * torch.from_numpy(both).to(levels.device)


def mixing_weight(random: np.random.Generator, parameter: float) -> float:
    """How much of each item stays its own, by a beta distribution; 1 where the parameter is 0."""
    return float(random.beta(parameter, parameter)) if parameter > 0 and math.isfinite(parameter) else 1.0
