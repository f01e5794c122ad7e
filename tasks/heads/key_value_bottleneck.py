"""A classifier that learns class after class and forgets little: discrete keys that stay, and a value at each of them
(Träuble et al. 2023, "Discrete Key-Value Bottleneck").

A latent is pooled over the cells of a coarse grid. Each cell has a codebook: keys, the k-means of that cell's features over
training samples, without labels. A sample finds the nearest key in each cell, and its scores are the mean of the values
there. Learning changes values alone, and only those that its samples found: what was learned elsewhere stays as it was.

    keys = fit_keys(pooled_pieces(latents), num_keys=128, seed=0)
    head = KeyValueHead(keys, num_outputs=10)
    for group in groups:
        learn_values(head, head.codes(pooled_pieces(group.latents)), group.labels)
    head.scores(head.codes(pooled_pieces(others))).argmax(1)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from laconic.codecs.arguments import positive_number_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_LEAST_DEVIATION: Final = 1e-6
_NUM_ROUNDS: Final = 25  # of k-means; hardly anything moves after


@dataclass(frozen=True, eq=False)
class CodebookKeys:
    """`keys` (pieces, num_keys, k) of features that were made alike by `mean` and `deviation`, (pieces, 1, k)."""

    keys: Float[Tensor, "p m k"]
    mean: Float[Tensor, "p 1 k"]
    deviation: Float[Tensor, "p 1 k"]

    def codes(self, pieces: Float[Tensor, "n p k"]) -> Int[Tensor, "n p"]:
        """The number of the nearest key of each piece. Raises `CodecError` for pieces of another shape."""
        if pieces.shape[1:] != (self.keys.shape[0], self.keys.shape[2]):
            raise CodecError(
                f"pieces have shape {tuple(pieces.shape)}; needed is (n, {self.keys.shape[0]}, {self.keys.shape[2]})"
            )
        alike = (pieces.transpose(0, 1) - self.mean) / self.deviation
        return torch.cdist(alike, self.keys).argmin(2).T


@dataclass(frozen=True)
class ValueLearning:
    """Plain gradient descent on cross-entropy over all samples of a step, as a momentum would go on changing values that
    are not found any more. Few steps, as more take back what other classes learned at the same keys: 200 at a rate of 30
    lost 3 points on a held-out quarter of clothing10's training pictures, 20 at 10 none. Raises `CodecError` for values
    outside.
    """

    num_steps: int = 20
    learning_rate: float = 10.0

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            num_steps=whole_number_argument("num_steps", self.num_steps, 1, 1 << 20),
            learning_rate=positive_number_argument("learning_rate", self.learning_rate),
        )


def pooled_pieces(x: Float[Tensor, "n c h w"], num_cells: int = 4) -> Float[Tensor, "n p k"]:
    """Mean and log energy of each channel in the cells of a grid of `num_cells` x `num_cells`: (n, cells, 2 c). Raises
    `CodecError` for a grid that is finer than x."""
    num_cells = whole_number_argument("num_cells", num_cells, 1, min(x.shape[2:]))
    means = nn.functional.adaptive_avg_pool2d(x, num_cells)
    energies = nn.functional.adaptive_avg_pool2d(x.square(), num_cells)
    return torch.cat([means, torch.log(energies + 1e-4)], 1).flatten(2).transpose(1, 2)


def fit_keys(pieces: Float[Tensor, "n p k"], num_keys: int = 128, seed: int = 0) -> CodebookKeys:
    """Keys of each piece: k-means of it over the samples, from samples drawn by the seed. Raises `CodecError` for more keys
    than samples."""
    num_keys = whole_number_argument("num_keys", num_keys, 1, len(pieces))
    generator = torch.Generator().manual_seed(whole_number_argument("seed", seed, 0, 2**63 - 1))
    values = pieces.transpose(0, 1)
    mean, deviation = (
        values.mean(1, keepdim=True),
        values.std(1, keepdim=True, correction=0).clamp(min=_LEAST_DEVIATION),
    )
    alike = (values - mean) / deviation
    first = [torch.randperm(len(pieces), generator=generator)[:num_keys] for _ in alike]
    keys = torch.stack([samples[numbers] for samples, numbers in zip(alike, first, strict=True)])
    for _ in range(_NUM_ROUNDS):
        found = nn.functional.one_hot(torch.cdist(alike, keys).argmin(2), num_keys).to(alike.dtype)
        counts = found.sum(1)[..., None]
        keys = torch.where(counts > 0, found.transpose(1, 2) @ alike / counts.clamp(min=1), keys)
    return CodebookKeys(keys, mean, deviation)


class KeyValueHead(nn.Module):
    """Codes of pieces -> scores: the mean of the values at these keys, which are 0 before anything is learned."""

    def __init__(self, keys: CodebookKeys, num_outputs: int) -> None:
        super().__init__()
        num_outputs = whole_number_argument("num_outputs", num_outputs, 1, 1 << 20)
        self.keys = keys
        self.values = nn.Parameter(torch.zeros(*keys.keys.shape[:2], num_outputs))

    def codes(self, pieces: Float[Tensor, "n p k"]) -> Int[Tensor, "n p"]:
        """The number of the nearest key of each piece."""
        return self.keys.codes(pieces)

    def forward(self, codes: Int[Tensor, "n p"]) -> Float[Tensor, "n outputs"]:
        return self.values[torch.arange(codes.shape[1]), codes].mean(1)

    @torch.no_grad()
    def scores(self, codes: Int[Tensor, "n p"]) -> Float[Tensor, "n outputs"]:
        """The same for use."""
        found: Tensor = self(codes)
        return found


def learn_values(
    head: KeyValueHead, codes: Int[Tensor, "n p"], labels: Int[Tensor, " n"], how: ValueLearning | None = None
) -> None:
    """Change the values that these samples find, so that their classes score highest."""
    how = how or ValueLearning()
    for _ in range(how.num_steps):
        loss = nn.functional.cross_entropy(head(codes), labels)
        (gradient,) = torch.autograd.grad(loss, [head.values])
        with torch.no_grad():
            head.values.sub_(gradient, alpha=how.learning_rate)
