"""Networks that answer for every place of a picture, on latents and on pixels: `MapNetwork`.

    x -> stem -> tokens of 8 x 8 pixels -> residual blocks on their grid, on one twice and one four times as coarse, with
    the mean of the whole as context, and back -> features of every token -> a finer grid -> outputs

Fine channels of a latent hold what lies within a place: one layer brings them to the finer grid, beside what the body made
of all. The body never sees where its tokens come from, so arms differ in their input alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.normalization import BatchNorm
from laconic.tasks.heads.residual_block import ResidualBlock
from laconic.tasks.heads.seeded_weights import seeded_network

if TYPE_CHECKING:
    from jaxtyping import Float

TOKEN: Final = 8  # pixels on a side, of all arms
_STAGES: Final = (1, 1.5, 2)  # of the width, on grids of 1, 2 and 4 tokens
_FINE: Final = 16  # channels that come from x to the finer grid


@dataclass(frozen=True)
class MapNetworkConfig:
    """`outputs` numbers for each of `finer` x `finer` parts of a token of 8 x 8 pixels; `width`: features of a token.
    Raises `CodecError` for values outside."""

    outputs: int
    finer: int = 2
    width: int = 48

    def __post_init__(self) -> None:
        if min(self.outputs, self.finer) < 1 or not 8 <= self.width <= 4096:
            raise CodecError(
                f"outputs, finer, width are {self.outputs}, {self.finer}, {self.width}; allowed are 1 and more, and a "
                "width of 8 to 4096"
            )


class MapNetwork(nn.Module):
    """(b, channels, h, w) of any h and w -> (b, outputs, rows, columns), `finer` of each token that is there in part."""

    def __init__(self, form: InputForm, config: MapNetworkConfig) -> None:
        super().__init__()
        self.config = config
        stride = stride_of_tokens(form)
        stem = _PyramidStem if form.arm == "pixels" else _PatchStem
        self.stem = stem(form.channels, config, stride)
        self.body = _EncoderDecoder(config.width)
        self.raise_features = _raised(config.width, config.width // 2, config.finer)
        width = config.width // 2 + _FINE
        self.head = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            BatchNorm(width),
            nn.ReLU(),
            nn.Conv2d(width, config.outputs, 1),
        )
        self.stride = stride

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs rows columns"]:
        rows, columns = (-size % step for size, step in zip(x.shape[2:], self.stride, strict=True))
        if rows or columns:
            x = functional.pad(x, (0, columns, 0, rows))
        tokens, fine = self.stem(x.contiguous(memory_format=torch.channels_last))
        out: Tensor = self.head(torch.cat([self.raise_features(self.body(tokens)), fine], dim=1))
        return out


def stride_of_tokens(form: InputForm) -> tuple[int, int]:
    """Rows and columns of x in a token of 8 x 8 pixels. Raises `CodecError` for an arm whose tokens are others."""
    if form.arm == "pixels":
        return TOKEN, TOKEN
    if form.place != (TOKEN, TOKEN):
        raise CodecError(f"place is {form.place}; allowed for networks of maps is {(TOKEN, TOKEN)}")
    return form.patch


class _PatchStem(nn.Module):
    """Tokens are patches of x."""

    def __init__(self, channels: int, config: MapNetworkConfig, stride: tuple[int, int]) -> None:
        super().__init__()
        self.scale = BatchNorm(channels)
        self.tokens = nn.Sequential(
            nn.Conv2d(channels, config.width, stride, stride, bias=False), BatchNorm(config.width), nn.ReLU()
        )
        self.fine = nn.Sequential(
            nn.Conv2d(channels, _FINE * config.finer**2, stride, stride), nn.PixelShuffle(config.finer)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b _ _ _"], Float[Tensor, "b _ _ _"]]:
        x = self.scale(x)
        return self.tokens(x), self.fine(x)


class _PyramidStem(nn.Module):
    """As networks on pixels usually begin: three layers, each of which halves the grid."""

    def __init__(self, channels: int, config: MapNetworkConfig, stride: tuple[int, int]) -> None:
        super().__init__()
        assert stride == (TOKEN, TOKEN)
        self.quarter = nn.Sequential(*_halving(channels, 16), *_halving(16, 32))
        self.tokens = nn.Sequential(*_halving(32, config.width))
        self.fine = _raised(32, _FINE, 1) if config.finer == 2 else _raised(config.width, _FINE, config.finer)
        self.takes_quarter = config.finer == 2

    def forward(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b _ _ _"], Float[Tensor, "b _ _ _"]]:
        quarter = self.quarter(x)
        tokens = self.tokens(quarter)
        return tokens, self.fine(quarter if self.takes_quarter else tokens)


def _halving(c_in: int, c_out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(c_in, c_out, 3, 2, 1, bias=False), BatchNorm(c_out), nn.ReLU()


def _raised(c_in: int, c_out: int, finer: int) -> nn.Sequential:
    """To a grid so many times as fine."""
    return nn.Sequential(nn.Conv2d(c_in, c_out * finer**2, 1), nn.PixelShuffle(finer))


class _EncoderDecoder(nn.Module):
    """(b, width, h, w) -> the same shape, each place knowing of all others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second, third = (round(share * width) for share in _STAGES)
        self.first = ResidualBlock(first, first)
        self.second = nn.Sequential(ResidualBlock(first, second, stride=2), ResidualBlock(second, second))
        self.third = nn.Sequential(ResidualBlock(second, third, stride=2), ResidualBlock(third, third))
        self.context = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(third, third, 1), nn.ReLU(), nn.Conv2d(third, third, 1)
        )
        self.last = ResidualBlock(third, third)
        self.to_second, self.to_first = nn.Conv2d(third, second, 1), nn.Conv2d(second, first, 1)
        self.join_second, self.join_first = ResidualBlock(second, second), ResidualBlock(first, first)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        first = self.first(x)
        second = self.second(first)
        third = self.third(second)
        third = self.last(third + self.context(third))
        second = self.join_second(second + _enlarged(self.to_second(third), second))
        out: Tensor = self.join_first(first + _enlarged(self.to_first(second), first))
        return out


def _enlarged(x: Float[Tensor, "b c h w"], like: Float[Tensor, "b c h2 w2"]) -> Float[Tensor, "b c h2 w2"]:
    return functional.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def new_map_network(form: InputForm, config: MapNetworkConfig, seed: int) -> MapNetwork:
    """Weights depend on form, config and seed alone."""
    return seeded_network(lambda: MapNetwork(form, config), seed)
