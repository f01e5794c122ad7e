"""Colours by picture: a model whose colour planes are turned into those of one file (SPEC.md, section 9.7).

Nine numbers, row by row a 3 x 3 matrix in units of 1/127, make the colours of the picture of those that the model
synthesises, alike in every packet, so only the matrices of the model change. The matrix is nearly orthonormal: steps and
distortion are those of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.fixed_point import FixedLeaf
from laconic.codecs.models.latent_turn import LatentTurn, products
from laconic.entropy.container import COLOR_ONE, color_axes_misfit

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.codecs.models.model import Model

NUM_COLORS: Final = 3
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TurnedColors:
    """`numbers` are the nine of a file, `fingerprint` is that of its model, `turn` is from the channels of the file to
    those of the model. Two are equal where the first two are."""

    numbers: tuple[int, ...]
    fingerprint: bytes
    turn: LatentTurn = field(compare=False)

    def to_model(self, points: Float[Floats, "c h w"]) -> Float[Floats, "c h w"]:
        """Coefficients (c, h, w) of the first channels, in those of the model; channels that are missing count as 0."""
        return self.turn.applied(points, len(points))


@lru_cache(maxsize=32)
def turned_model(model: Model, numbers: tuple[int, ...]) -> Model:
    """The model with its colours turned; its fingerprint stays. Raises `CodecError` where it cannot be, or for numbers that
    turn nothing."""
    if reason := turning_misfit(model):
        raise CodecError(f"the colours of model {model.name} cannot be turned: {reason}")
    if reason := color_axes_misfit(numbers):
        raise CodecError(reason)
    turn = np.array(numbers, np.int64).reshape(NUM_COLORS, NUM_COLORS)
    back = np.asarray(np.linalg.inv(turn / COLOR_ONE), np.float64)
    synthesis = tuple(_turned(s, turn) for s in model.synthesis)
    to_model = LatentTurn(products(model.analysis, synthesis), model.channels, model.channels)
    return replace(
        model,
        analysis=tuple(_before(a.astype(np.float64), back).astype(np.float32) for a in model.analysis),
        synthesis=synthesis,
        fixed=tuple(_turned_leaf(leaf, turn, back) for leaf in model.fixed),
        colors=TurnedColors(numbers, model.fingerprint, to_model),
    )


def turning_misfit(model: Model) -> str | None:
    """Why files of a model cannot turn its colours, None where they can."""
    if model.colors is not None:
        return "they are turned already"
    if model.num_planes != NUM_COLORS or not model.fixed:
        return f"it has {model.num_planes} planes; needed are 3, and integer matrices"
    return None


def _turned(synthesis: Float[Floats, "n n"], turn: Int[NDArray[np.int64], "3 3"]) -> Float[Floats, "n n"]:
    """Each operation is rounded to float32."""
    colors = synthesis.reshape(-1, NUM_COLORS, len(synthesis))
    t, one = turn.astype(np.float32), np.float32(COLOR_ONE)
    rows = [((t[p, 0] * colors[:, 0] + t[p, 1] * colors[:, 1]) + t[p, 2] * colors[:, 2]) / one for p in range(3)]
    return np.ascontiguousarray(np.stack(rows, axis=1).reshape(synthesis.shape))


def _before(
    analysis: Float[NDArray[np.float64], "n n"], back: Float[NDArray[np.float64], "3 3"]
) -> Float[NDArray[np.float64], "n n"]:
    """Analysis of colours that are turned back before."""
    return (analysis.reshape(-1, NUM_COLORS) @ back).reshape(analysis.shape)


def _turned_leaf(
    leaf: FixedLeaf, turn: Int[NDArray[np.int64], "3 3"], back: Float[NDArray[np.float64], "3 3"]
) -> FixedLeaf:
    """Integer matrices of a leaf. Those of the analysis have one fraction bit less: turned back, no colour is twice as
    large, so neither entries nor sums exceed what they may."""
    bits = max(leaf.analysis_bits - 1, 0)
    scaled = _before(leaf.analysis.astype(np.float64), back) * 2.0 ** (bits - leaf.analysis_bits)
    analysis = np.rint(scaled).astype(np.int64)
    colors = leaf.synthesis.astype(np.int64).reshape(-1, NUM_COLORS, len(leaf.synthesis))
    sums = np.einsum("pq,iqc->ipc", turn, colors).reshape(leaf.synthesis.shape)
    synthesis, less = _rounded(sums, 1), 0
    if leaf.synthesis_bits and not _fits(synthesis):
        synthesis, less = _rounded(sums, 2), 1
    return FixedLeaf(_limited(analysis), bits, _limited(synthesis), leaf.synthesis_bits - less)


def _rounded(sums: Int[NDArray[np.int64], "n n"], divisor: int) -> Int[NDArray[np.int64], "n n"]:
    return (2 * sums + divisor * COLOR_ONE) // (2 * divisor * COLOR_ONE)


def _fits(matrix: Int[NDArray[np.int64], "n n"]) -> bool:
    return bool(matrix.min() >= -(1 << 15) and matrix.max() < 1 << 15)


def _limited(matrix: Int[NDArray[np.int64], "n n"]) -> Int[NDArray[np.int16], "n n"]:
    limits = np.iinfo(np.int16)
    return np.clip(matrix, limits.min, limits.max).astype(np.int16)
