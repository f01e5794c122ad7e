"""The lowest channels of a tile in profiles fast and small, put apart by the place in a block (SPEC.md, section 4).

With `levels` further wavelet levels in the order of lifting in place, a block of 2**levels by 2**levels places has one
value of the low band and three of each level. Put apart, they are channels on a grid that is so much coarser: the low band
of each plane first, then from the coarsest level on vertically high, horizontally high and both, block place by block
place, at each place all planes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Shaped


@lru_cache(maxsize=8)
def low_places(levels: int) -> tuple[tuple[int, int], ...]:
    """(row, column) in a block of each group of channels, one for each plane, in their order."""
    side = 1 << levels
    places = [(0, 0)]
    for level in range(levels - 1, -1, -1):
        near, far = range(0, side, 2 << level), range(1 << level, side, 2 << level)
        for rows, columns in ((far, near), (near, far), (far, far)):
            places += [(y, x) for y in rows for x in columns]
    return tuple(places)


@lru_cache(maxsize=8)
def low_classes(levels: int) -> tuple[int, ...]:
    """The class (SPEC.md, section 9.6) of each group of channels."""
    sizes = [1, *(1 << (2 * (levels - 1 - level)) for level in range(levels - 1, -1, -1) for _ in range(3))]
    return tuple(k for k, size in enumerate(sizes) for _ in range(size))


def low_grid(height: int, width: int, levels: int) -> tuple[int, int]:
    """Sides of the coarser grid."""
    return -(-height >> levels), -(-width >> levels)


@lru_cache(maxsize=64)
def low_runs(num_planes: int, height: int, width: int, levels: int) -> tuple[tuple[int, int, int, int], ...]:
    """Runs (first channel, last + 1, rows, columns) of channels that have as many places in (height, width)."""
    sizes = [
        tuple(max(-(-(side - at) >> levels), 0) for side, at in zip((height, width), place, strict=True))
        for place in low_places(levels)
    ]
    runs, first = [], 0
    for (rows, columns), group in groupby(sizes):
        last = first + num_planes * len(list(group))
        runs.append((first, last, rows, columns))
        first = last
    return tuple(runs)


def split_low_planes(planes: Shaped[NDArray[Any], "p h w"], levels: int) -> Shaped[NDArray[Any], "c _ _"]:
    """(p, h, w) -> (p 4**levels, ceil(h / side), ceil(w / side)), 0 where blocks lie outside."""
    count, height, width = planes.shape
    side, (rows, columns) = 1 << levels, low_grid(height, width, levels)
    padded = np.zeros((count, rows, side, columns, side), planes.dtype)
    padded.reshape(count, rows * side, columns * side)[:, :height, :width] = planes
    apart = padded.transpose(2, 4, 0, 1, 3).reshape(side * side, count, rows, columns)
    return apart[_order(levels)].reshape(-1, rows, columns)


def join_low_planes(
    apart: Shaped[NDArray[Any], "c _ _"], levels: int, height: int, width: int
) -> Shaped[NDArray[Any], "p h w"]:
    """The inverse of `split_low_planes`; what lies outside is dropped."""
    side = 1 << levels
    rows, columns = apart.shape[1:]
    blocks = np.empty((side * side, len(apart) >> (2 * levels), rows, columns), apart.dtype)
    blocks[_order(levels)] = apart.reshape(blocks.shape)
    joined = blocks.reshape(side, side, -1, rows, columns).transpose(2, 3, 0, 4, 1)
    return joined.reshape(-1, rows * side, columns * side)[:, :height, :width]


@lru_cache(maxsize=8)
def _order(levels: int) -> NDArray[np.intp]:
    return np.array([(y << levels) + x for y, x in low_places(levels)])
