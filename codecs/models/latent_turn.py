"""From the axes that a model codes in to those in which latents are given, where these differ.

Profiles fast and small gain by mixing the places of a block before coding, profile best codes bands as they are. Models of
both kinds may agree on one set of axes: then `Latent.dequantize` gives the same channels, whichever coded the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import WeightsError

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped, UInt

    from laconic.codecs.models.model import Model

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LatentTurn:
    """`matrices` (n, n) float32, one for each block of a model: rows of the block's coded channels -> channels of the
    latent's axes. `coded` (d,) uint16 are the coded channels of all rows, `channels` (d,) those of the axes."""

    matrices: tuple[Float[Floats, "n n"], ...]
    coded: UInt[NDArray[np.uint16], " d"]
    channels: UInt[NDArray[np.uint16], " d"]

    @cached_property
    def _blocks(self) -> tuple[tuple[int, int], ...]:
        ends = np.cumsum([0, *(len(m) for m in self.matrices)]).tolist()
        return tuple(pairwise(ends))

    @cached_property
    def _reach(self) -> tuple[tuple[int, int], ...]:
        """Of each block, the first channel of the axes that it makes, and the last coded channel that it needs."""
        return tuple((int(self.channels[lo:hi].min()), int(self.coded[lo:hi].max())) for lo, hi in self._blocks)

    def coded_for(self, num_channels: int) -> int:
        """How many leading coded channels the first `num_channels` of the axes are made of."""
        return 1 + max(last for first, last in self._reach if first < num_channels)

    def blocks_of(
        self, num_channels: int
    ) -> list[tuple[Float[Floats, "k n"], UInt[NDArray[np.uint16], " n"], UInt[NDArray[np.uint16], " k"]]]:
        """The first channels of the axes, block by block: what makes them of which coded channels, and which they are."""
        blocks = []
        for (lo, hi), matrix in zip(self._blocks, self.matrices, strict=True):
            rows = np.flatnonzero(self.channels[lo:hi] < num_channels)
            if len(rows):
                blocks.append(
                    (np.ascontiguousarray(matrix[rows]), self.coded[lo:hi].copy(), self.channels[lo:hi][rows])
                )
        return blocks

    def applied(self, coefficients: Float[Floats, "c h w"], num_channels: int) -> Float[Floats, "num_channels h w"]:
        """The first channels of the axes from the leading coded ones; missing ones count as 0."""
        num_coded, sides = self.coded_for(num_channels), coefficients.shape[1:]
        if len(coefficients) < num_coded:
            missing = np.zeros((num_coded - len(coefficients), *sides), np.float32)
            coefficients = np.concatenate([coefficients, missing])
        used = [i for i, (first, _) in enumerate(self._reach) if first < num_channels]
        rows = np.concatenate([np.arange(*self._blocks[i]) for i in used])
        values = coefficients[self.coded[rows]].reshape(len(rows), -1)
        made, start = np.empty_like(values), 0
        for i in used:
            end = start + len(self.matrices[i])
            _native.project(self.matrices[i], values[start:end], made[start:end])
            start = end
        out = np.empty((len(self.channels), *sides), np.float32)  # of which the first are all made
        out[self.channels[rows]] = made.reshape(len(rows), *sides)
        return out[:num_channels]


def turn_to_axes(
    synthesis: Sequence[Float[Floats, "n n"]], coded: UInt[NDArray[np.uint16], " d"], axes: Model
) -> LatentTurn:
    """From what these matrices are the synthesis of to the axes of a model. Raises `WeightsError` where that has others
    blocks, or axes that are not its own."""
    shapes = [matrix.shape for matrix in axes.analysis]
    if axes.turn is not None or [matrix.shape for matrix in synthesis] != shapes:
        raise WeightsError(f"model {axes.name} has blocks of shapes {shapes}, or a turn: it has no axes for this model")
    return LatentTurn(products(axes.analysis, synthesis), coded, axes.channels)


def products(
    analysis: Sequence[Float[Floats, "n n"]], synthesis: Sequence[Float[Floats, "n n"]]
) -> tuple[Float[Floats, "n n"], ...]:
    """What the analysis makes of the synthesis, block by block: each sum in float64."""
    pairs = zip(analysis, synthesis, strict=True)
    return tuple((a.astype(np.float64) @ s.astype(np.float64)).astype(np.float32) for a, s in pairs)


def coded_channels_for(model: Model, num_channels: int) -> int:
    """How many leading channels of a file the first `num_channels` of `Latent.dequantize` are made of."""
    if model.turn is not None:
        num_channels = model.turn.coded_for(num_channels)
    return num_channels if model.colors is None else model.colors.turn.coded_for(num_channels)


def turn_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], " ..."]]:
    """Arrays of the model file, none where there is no turn."""
    if model.turn is None:
        return {}
    matrices = {f"turn.{i}": np.ascontiguousarray(matrix) for i, matrix in enumerate(model.turn.matrices)}
    return {**matrices, "turn_channels": model.turn.channels}


def turn_bytes(model: Model) -> bytes:
    """What the fingerprint is over, nothing where there is no turn."""
    if model.turn is None:
        return b""
    matrices = b"".join(np.ascontiguousarray(matrix, "<f4").tobytes() for matrix in model.turn.matrices)
    return matrices + model.turn.channels.astype("<u2").tobytes()


def turn_of_parts(arrays: Mapping[str, Shaped[NDArray[Any], " ..."]]) -> LatentTurn | None:
    """The turn of a model file, None where it has none. Raises KeyError."""
    if "turn_channels" not in arrays:
        return None
    blocks = range(sum(1 for name in arrays if name.startswith("turn.")))
    matrices = tuple(arrays[f"turn.{i}"].astype(np.float32) for i in blocks)
    return LatentTurn(matrices, arrays["channels"].astype(np.uint16), arrays["turn_channels"].astype(np.uint16))


def check_turn(model: Model) -> None:
    """Raises `WeightsError` for a turn that does not fit the model."""
    turn = model.turn
    if turn is None:
        return
    shapes = [matrix.shape for matrix in turn.matrices]
    d = model.num_channels
    if shapes != [matrix.shape for matrix in model.analysis] or not all(np.isfinite(m).all() for m in turn.matrices):
        raise WeightsError(f"model {model.name} has a turn of shapes {shapes}; needed are finite ones, as its blocks'")
    if turn.channels.shape != (d,) or not np.array_equal(np.sort(turn.channels), np.arange(d)):
        raise WeightsError(f"model {model.name} has a turn to an order of channels that is none of 0 to {d - 1}")
    if model.kind != "image" or (
        model.low_levels and sorted(turn.channels[: model.num_planes]) != [*range(model.num_planes)]
    ):
        raise WeightsError(f"model {model.name} has a turn that does not keep the small picture in the first channels")
