"""What a fit says of low levels (`models.low_levels`): coefficients in them, and the scales of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.steps import CODE_OF_UNIT_SCALE, CODES_PER_OCTAVE

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
_MOST_LEVELS = 5  # of the tree and of the low ones together, where nothing else is asked for


def default_low_levels(tree: Tree, most: int) -> int:
    """Further levels for the low band of pictures: up to `most`, five levels in all."""
    return min(max(_MOST_LEVELS - tree.depth, 0), most) if tree.leaves[0] == (0,) * tree.depth else 0


def analyze_low_of(coefficients: Sequence[Float[Floats, "d _ _"]], num_planes: int, gains: Float[Floats, " k"]) -> None:
    """Puts the first channels of each into their low levels, in place."""
    for one in coefficients:
        _native.analyze_low(one[:num_planes], gains)


def low_scale_codes_of(
    coefficients: Sequence[Float[Floats, "d _ _"]], num_planes: int, levels: int
) -> Int[NDArray[np.int16], "k p"]:
    """Scale code of each class of low coefficients and each plane: of a Laplace density with their mean magnitude."""
    low = np.empty((1 + 3 * levels, num_planes))
    for k in range(levels):
        far, near = slice(1 << k, None, 2 << k), slice(None, None, 2 << k)
        for o, (rows, columns) in enumerate(((far, near), (near, far), (far, far))):
            low[1 + 3 * (levels - 1 - k) + o] = _mean_magnitude([c[:num_planes, rows, columns] for c in coefficients])
    lowest = slice(None, None, 1 << levels)
    low[0] = _mean_magnitude([c[:num_planes, lowest, lowest] for c in coefficients])
    return scale_codes_of_means(low)


def scale_codes_of_means(means: Float[NDArray[np.float64], "*n"]) -> Int[NDArray[np.int16], "*n"]:
    """Scale codes of Laplace densities with these mean magnitudes."""
    codes = np.round(CODES_PER_OCTAVE * np.log2(np.maximum(means, 1e-9)) + CODE_OF_UNIT_SCALE)
    return np.asarray(codes, np.int16)


def _mean_magnitude(parts: Sequence[Floats]) -> NDArray[np.float64]:
    sums = sum(np.abs(p).sum((1, 2), dtype=np.float64) for p in parts)
    return np.asarray(sums / max(sum(p[0].size for p in parts), 1))
