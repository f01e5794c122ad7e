"""Small networks on latents, and the same body on pixels.

Latents, small pictures and full pictures become the same number of tokens: a stem cuts the input into patches (one
latent place, 2 x 2 or 8 x 8 pixels) and projects them to the width of the body. The body is a residual network that
halves the grid twice; it never sees where its tokens come from, so arms differ in their input alone.

Of latents of pictures, channels of fine bands are places of a grid 2 or 4 times finer than that of the others
(`LevelStem`): they are put back there, so that neighbours in the picture are neighbours for a convolution.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.normalization import BatchNorm
from laconic.tasks.heads.residual_block import ResidualBlock
from laconic.tasks.heads.seeded_weights import seeded_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

_FINE_WIDTH = 16  # of a level that is halved more than once
_FINEST = 64
_RESNET = 4


@dataclass(frozen=True)
class NetworkConfig:
    """`channels` of the input, `outputs` of the last layer, `patch` (rows, columns) of one token, `width` of the stem; 44
    makes 1.1 M parameters. `levels` of latents: up to which channel a level goes and how many times finer its grid is,
    coarse to fine, such as (12, 1), (48, 2), (192, 4) of the shipped models of pictures (`latent_levels`); none where
    channels are places of one grid. `refine`: how many times finer than the latent the grid of the stem's output is, for
    small pictures. `reduction`: 4 where the stem is that of a ResNet, a convolution of 7 x 7 and a maximum, each of which
    halves the grid, as is usual for pixels of large pictures; else 1.

    Raises `CodecError` for values outside.
    """

    channels: int
    outputs: int
    patch: tuple[int, int] = (1, 1)
    width: int = 44
    levels: tuple[tuple[int, int], ...] = ()
    refine: int = 1
    reduction: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "patch", tuple(self.patch))  # JSON has lists
        object.__setattr__(self, "levels", tuple(tuple(level) for level in self.levels))
        if self.channels < 1 or self.outputs < 1 or not 1 <= self.width <= 4096:
            raise CodecError(
                f"channels, outputs, width are {self.channels}, {self.outputs}, {self.width}; allowed are 1 and more, "
                "and a width to 4096"
            )
        if len(self.patch) != 2 or min(self.patch) < 1:
            raise CodecError(f"patch is {self.patch}; allowed are two numbers, at least 1")
        if self.reduction not in (1, _RESNET) or (self.reduction != 1 and (self.levels or self.patch != (1, 1))):
            raise CodecError(f"reduction is {self.reduction}; allowed are 1, and {_RESNET} without levels and patches")
        if self.levels:
            _check_levels(self)
        elif self.refine != 1:
            raise CodecError(f"refine is {self.refine} without levels; allowed is 1, or give levels")


def _check_levels(config: NetworkConfig) -> None:
    """Raises `CodecError` for levels that are no partition of the channels, or beside patches."""
    ends = [0, *(end for end, _ in config.levels)]
    sizes = [b - a for a, b in itertools.pairwise(ends)]
    factors = [factor for _, factor in config.levels]
    fits = all(
        1 <= factor <= _FINEST and factor.bit_count() == 1 and size > 0 and size % factor**2 == 0
        for size, factor in zip(sizes, factors, strict=True)
    )
    if not fits or ends[-1] != config.channels or config.patch != (1, 1):
        raise CodecError(
            f"levels are {config.levels} of {config.channels} channels in patches of {config.patch}; allowed are levels "
            "(end, factor) that end with the last channel, of factors 1, 2, 4 and so on and a multiple of factor x factor "
            "channels each, in patches of (1, 1)"
        )
    if not 1 <= config.refine <= _FINEST or config.refine.bit_count() != 1:
        raise CodecError(f"refine is {config.refine}; allowed are 1, 2, 4 and so on to {_FINEST}")


def latent_levels(group_ends: Sequence[int], channels: int) -> tuple[tuple[int, int], ...]:
    """Levels of the first `channels` of a picture's latent whose channel groups end so: each group after the second is on
    a grid twice as fine as the one before. What is left of a group that is cut is on the coarse grid, as no place of the
    finer one is whole.

    >>> latent_levels((3, 12, 48, 192), 48)
    ((12, 1), (48, 2))
    """
    levels: list[tuple[int, int]] = []
    factor, start = 1, 0
    for end in group_ends[1:] or group_ends:
        if start >= channels:
            break
        if end > channels and factor > 1:
            return (*levels, (channels, 1))
        levels.append((min(end, channels), factor))
        factor, start = 2 * factor, end
    return tuple(levels)


class LevelStem(nn.Module):
    """Latents in levels -> (b, width, refine h, refine w).

    Each level is normalised by itself, as fine channels are many times smaller than coarse ones, put back on its own grid,
    and brought to that of the output by strided or transposed convolutions; the sum of them is the output.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        starts = [0, *(end for end, _ in config.levels)][:-1]
        self._levels = [(start, end, factor) for start, (end, factor) in zip(starts, config.levels, strict=True)]
        self.norms = nn.ModuleList(BatchNorm((e - s) // f**2, affine=False) for s, e, f in self._levels)
        self.embeddings = nn.ModuleList(
            _level_embedding((e - s) // f**2, config.width, f, config.refine) for s, e, f in self._levels
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b width _ _"]:
        total: Tensor | None = None
        for (start, end, factor), norm, embedding in zip(self._levels, self.norms, self.embeddings, strict=True):
            part = embedding(norm(nn.functional.pixel_shuffle(x[:, start:end], factor)))
            total = part if total is None else total + part
        assert total is not None  # a config has no empty levels here
        return torch.relu(total)


def _level_embedding(channels: int, width: int, factor: int, refine: int) -> nn.Sequential:
    """From a grid `factor` times finer than that of places to one `refine` times finer, (b, channels, factor h, factor w)
    -> (b, width, refine h, refine w)."""
    layers: list[nn.Module] = []
    while factor > 2 * refine:
        layers += [nn.Conv2d(channels, _FINE_WIDTH, 3, 2, 1, bias=False), BatchNorm(_FINE_WIDTH), nn.ReLU()]
        channels, factor = _FINE_WIDTH, factor // 2
    if factor >= refine:
        layers.append(nn.Conv2d(channels, width, 3, factor // refine, 1, bias=False))
    else:
        times = refine // factor
        layers.append(nn.ConvTranspose2d(channels, width, times, times, bias=False))
    return nn.Sequential(*layers, BatchNorm(width))


class ClassifierNetwork(nn.Module):
    """(b, channels, h, w) -> (b, outputs) scores, or other numbers of the whole, for any h and w of at least one patch; a
    sound has h = 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        w = config.width
        self.config = config
        self.stem = LevelStem(config) if config.levels else _patch_stem(config)
        self.body = nn.Sequential(
            ResidualBlock(w, 2 * w, stride=2), ResidualBlock(2 * w, 4 * w, stride=2), ResidualBlock(4 * w, 4 * w)
        )
        self.score = nn.Linear(4 * w, config.outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs"]:
        features = self.body(self.stem(x.contiguous(memory_format=torch.channels_last)))
        scores: Tensor = self.score(features.mean(dim=(2, 3)))
        return scores


def _patch_stem(config: NetworkConfig) -> nn.Sequential:
    if config.reduction == _RESNET:
        convolution = nn.Conv2d(config.channels, config.width, 7, 2, 3, bias=False)
        return nn.Sequential(convolution, BatchNorm(config.width), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    convolution = nn.Conv2d(config.channels, config.width, config.patch, stride=config.patch, bias=False)
    return nn.Sequential(convolution, BatchNorm(config.width), nn.ReLU())


def new_network(config: NetworkConfig, seed: int) -> ClassifierNetwork:
    """A classifier whose weights depend on the config and the seed alone."""
    return seeded_network(lambda: ClassifierNetwork(config), seed)


def num_parameters(network: nn.Module) -> int:
    """Learned numbers, without the running statistics of the normalisation."""
    return sum(math.prod(p.shape) for p in network.parameters())
