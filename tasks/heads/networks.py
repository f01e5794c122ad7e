"""Small networks on latents, and the same body on pixels.

Latents, small pictures and full pictures become the same number of tokens: a stem cuts the input into patches (one
latent place, 2 x 2 or 8 x 8 pixels) and projects them to the width of the body. The body is a residual network that
halves the grid twice; it never sees where its tokens come from, so arms differ in their input alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.normalization import BatchNorm

if TYPE_CHECKING:
    from jaxtyping import Float


@dataclass(frozen=True)
class NetworkConfig:
    """`channels` of the input, `outputs` of the last layer, `patch` (rows, columns) of one token, `width` of the stem; 44
    makes 1.1 M parameters.

    Raises `CodecError` for values outside.
    """

    channels: int
    outputs: int
    patch: tuple[int, int] = (1, 1)
    width: int = 44

    def __post_init__(self) -> None:
        object.__setattr__(self, "patch", tuple(self.patch))  # JSON has lists
        if self.channels < 1 or self.outputs < 1 or not 1 <= self.width <= 4096:
            raise CodecError(
                f"channels, outputs, width are {self.channels}, {self.outputs}, {self.width}; allowed are 1 and more, "
                "and a width to 4096"
            )
        if len(self.patch) != 2 or min(self.patch) < 1:
            raise CodecError(f"patch is {self.patch}; allowed are two numbers, at least 1")


class ClassifierNetwork(nn.Module):
    """(b, channels, h, w) -> (b, outputs) scores, or other numbers of the whole, for any h and w of at least one patch; a
    sound has h = 1."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        w = config.width
        self.config = config
        self.stem = nn.Sequential(
            nn.Conv2d(config.channels, w, config.patch, stride=config.patch, bias=False), BatchNorm(w), nn.ReLU()
        )
        self.body = nn.Sequential(
            _ResidualBlock(w, 2 * w, stride=2), _ResidualBlock(2 * w, 4 * w, stride=2), _ResidualBlock(4 * w, 4 * w)
        )
        self.score = nn.Linear(4 * w, config.outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs"]:
        features = self.body(self.stem(x.contiguous(memory_format=torch.channels_last)))
        scores: Tensor = self.score(features.mean(dim=(2, 3)))
        return scores


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, (b, c_in, h, w) -> (b, c_out, ceil(h / stride), ceil(w / stride))."""

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            BatchNorm(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            BatchNorm(c_out),
        )
        changes = stride > 1 or c_in != c_out
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride, bias=False) if changes else nn.Identity()

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        return torch.relu(self.shortcut(x) + self.convolutions(x))


def new_network(config: NetworkConfig, seed: int) -> ClassifierNetwork:
    """A classifier whose weights depend on the config and the seed alone."""
    state = torch.get_rng_state()
    try:
        torch.manual_seed(seed)
        network = ClassifierNetwork(config)
    finally:
        torch.set_rng_state(state)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def num_parameters(network: nn.Module) -> int:
    """Learned numbers, without the running statistics of the normalisation."""
    return sum(math.prod(p.shape) for p in network.parameters())
