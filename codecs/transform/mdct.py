"""The modified discrete cosine transform of sounds (`native/mdct.hpp`), as many channels as packets of the same tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.models.packet_tree import Tree

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float32]


def analyze_mdct(lines: Float[Floats, "c t"], tree: Tree) -> Float[Floats, "d p"]:
    """Channel `k c + i` holds coefficient k of the blocks of line i; t is a multiple of the factor of the tree."""
    c, length = lines.shape
    out = np.empty((tree.factor, c, length >> tree.depth), np.float32)
    _native.mdct(np.ascontiguousarray(lines), out)
    return out.reshape(tree.factor * c, -1)


def synthesize_mdct(coefficients: Float[Floats, "d p"], tree: Tree) -> Float[Floats, "c t"]:
    """The inverse."""
    blocks = np.ascontiguousarray(coefficients).reshape(tree.factor, -1, coefficients.shape[1])
    out = np.empty((blocks.shape[1], blocks.shape[2] << tree.depth), np.float32)
    _native.inverse_mdct(blocks, out)
    return out
