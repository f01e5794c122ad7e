"""Weights of places: how much finer or coarser steps are in blocks of a picture, as files say (SPEC.md, section 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.entropy.contexts import residuals_of_context_prediction, undo_context_prediction
from laconic.entropy.errors import CorruptStreamError

if TYPE_CHECKING:
    from jaxtyping import Int

MAX_WEIGHT: Final = 32  # sixteenths of an octave


@dataclass(frozen=True, eq=False)
class PlaceWeights:
    """`weights`, (rows, columns), of blocks of 2^`block_log2` by as many places: by how many sixteenths of an octave their
    steps are finer, -32 to 32. Two are equal where these are."""

    block_log2: int
    weights: Int[NDArray[np.int8], "rows columns"]

    def added(self, exponents: Int[NDArray[np.int8], "h w"], corner: tuple[int, int]) -> Int[NDArray[np.int8], "h w"]:
        """The exponents of places from `corner` (row, column) on, without weights, with them."""
        blocks = (np.arange(at, at + n) >> self.block_log2 for at, n in zip(corner, exponents.shape, strict=True))
        most = _native.MAX_EXPONENT
        out: NDArray[np.int8] = np.clip(exponents + self.weights[np.ix_(*blocks)], -most, most).astype(np.int8)
        return out

    def packed(self) -> tuple[int, bytes]:
        """As `Header.place_weights`."""
        residuals = residuals_of_context_prediction(self.weights.astype(np.int32))
        return self.block_log2, residuals.astype(np.int8).tobytes()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PlaceWeights):
            return NotImplemented
        return self.block_log2 == other.block_log2 and np.array_equal(self.weights, other.weights)


def unpacked_place_weights(packed: tuple[int, bytes], grid: tuple[int, int]) -> PlaceWeights:
    """Those of a picture whose latent has these sides, from `Header.place_weights`. Raises `CorruptStreamError`."""
    block_log2, residuals = packed
    rows, columns = blocks_of_grid(grid, block_log2)
    if len(residuals) != rows * columns:
        raise CorruptStreamError(
            f"the file has {len(residuals)} weights of places; its {rows}x{columns} blocks need as many"
        )
    weights: NDArray[Any] = np.frombuffer(residuals, np.int8).astype(np.int32).reshape(rows, columns)
    undo_context_prediction(weights)
    if np.abs(weights).max() > MAX_WEIGHT:
        raise CorruptStreamError(
            f"weights of places run from {weights.min()} to {weights.max()}; allowed is -{MAX_WEIGHT} to {MAX_WEIGHT}"
        )
    return PlaceWeights(block_log2, weights.astype(np.int8))


def blocks_of_grid(grid: tuple[int, int], block_log2: int) -> tuple[int, int]:
    """Rows and columns of blocks that the places of a latent lie in."""
    return -(-grid[0] >> block_log2), -(-grid[1] >> block_log2)
