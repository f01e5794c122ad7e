"""A network that reads lines of print: what stands at each place along a line, from latents or from pixels.

    x (b, channels, h, w) --stem--> a grid of 4 x 4 pixels --body, halves the rows--> (b, t, c) --along the line--> outputs

A place of a latent is 8 x 8 pixels, wider than narrow letters, and its fine channels say where in it strokes are. So the
stem makes four places of it, each from all channels (a linear map, then its numbers laid out on the finer grid: sub-pixel
convolution, Shi et al., CVPR 2016); patches of pixels go through the same. Pixels at full resolution get the usual stem
in place of it, two convolutions of stride 2. From there on all are the same: a small residual network as in CRNN (Shi,
Bai, Yao, TPAMI 2017) with convolutions along the line, whose reach is some letters, in place of recurrence.

Lines of a batch differ in length. What is beyond the end of each is set to 0 before every convolution, so that a line is
read alike in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.normalization import BatchNorm
from laconic.tasks.heads.seeded_weights import seeded_network

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CELL: Final = 4  # pixels: letters of print 32 pixels high are 8 and more wide, and CTC wants two places for each
_WIDTHS: Final = (32, 64, 96)  # of the body, at 8, 4 and 2 rows of a line of 32 pixels
_ALONG: Final = 160
_REACH: Final = (1, 2, 4)  # dilations of the convolutions along the line: 31 cells each way, some ten letters


@dataclass(frozen=True)
class LineNetworkConfig:
    """`channels` of x, `outputs` of each place, `patch` of x in one token and its `place` in pixels. Raises `CodecError`
    for places that are not squares of 1, 2, 4 .. 64 pixels."""

    channels: int
    outputs: int
    patch: tuple[int, int] = (1, 1)
    place: tuple[int, int] = (8, 8)

    def __post_init__(self) -> None:
        side = self.place[0]
        if self.place != (side, side) or side not in (1, 2, 4, 8, 16, 32, 64):
            raise CodecError(f"one token covers {self.place} pixels; allowed for lines of print are 1 x 1 to 64 x 64")


class LineNetwork(nn.Module):
    """(b, channels, h, w) and the columns of each line, all w where they are not given -> (b, t, outputs)."""

    def __init__(self, config: LineNetworkConfig) -> None:
        super().__init__()
        self.config = config
        first, last = _WIDTHS[0], _WIDTHS[-1]
        self.stem = (_PlaceStem if config.place[0] >= CELL else _PixelStem)(config, first)
        self.body = nn.ModuleList([_LineBlock(first, first, rows=1)])
        self.body.extend(_LineBlock(c_in, c_out, rows=2) for c_in, c_out in pairwise(_WIDTHS))
        self.gather = nn.Sequential(nn.Conv2d(last, _ALONG, (2, 1), (2, 1), bias=False), BatchNorm(_ALONG))
        self.along = nn.ModuleList([_AlongBlock(_ALONG, dilation) for dilation in _REACH])
        self.score = nn.Linear(_ALONG, config.outputs)

    def lengths(self, columns: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """Places of the output for columns of x; all of them have some of the line."""
        patch = self.config.patch[1]
        tokens = torch.div(columns + patch - 1, patch, rounding_mode="floor")
        return torch.div(tokens * self.config.place[1] + CELL - 1, CELL, rounding_mode="floor")

    def forward(
        self, x: Float[Tensor, "b c h w"], columns: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t outputs"]:
        below, beside = (-side % patch for side, patch in zip(x.shape[2:], self.config.patch, strict=True))
        x = nn.functional.pad(x, (0, beside, 0, below))  # to whole tokens
        columns = torch.full((len(x),), x.shape[3]) if columns is None else columns
        features = self.stem(x.contiguous(memory_format=torch.channels_last), columns.to(x.device))
        inside = _inside(features, self.lengths(columns.to(x.device)))
        for block in self.body:
            features = block(features, inside)
        short = -features.shape[2] % 2
        features = torch.relu(self.gather(nn.functional.pad(features * inside, (0, 0, 0, short))))
        features = features.mean(dim=2, keepdim=True)
        for block in self.along:
            features = block(features, inside)
        outputs: Tensor = self.score(features[:, :, 0].transpose(1, 2))
        return outputs


class _PlaceStem(nn.Module):
    """Tokens of x to `width` numbers in each of their cells."""

    def __init__(self, config: LineNetworkConfig, width: int) -> None:
        super().__init__()
        finer = config.place[0] // CELL
        self.layers = nn.Sequential(
            nn.Conv2d(config.channels, width * finer**2, config.patch, config.patch, bias=False),
            nn.PixelShuffle(finer),
            BatchNorm(width),
            nn.ReLU(),
        )

    def forward(self, x: Float[Tensor, "b c h w"], columns: Int[Tensor, " b"]) -> Float[Tensor, "b width _ _"]:
        features: Tensor = self.layers(x)
        return features


class _PixelStem(nn.Module):
    """Convolutions of stride 2 until a place is a cell."""

    def __init__(self, config: LineNetworkConfig, width: int) -> None:
        super().__init__()
        halvings = (CELL // config.place[0]).bit_length() - 1
        sizes = [config.channels, *(width >> step for step in range(halvings - 1, -1, -1))]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c_in, c_out, 3, 2, 1, bias=False), BatchNorm(c_out), nn.ReLU())
            for c_in, c_out in pairwise(sizes)
        )

    def forward(self, x: Float[Tensor, "b c h w"], columns: Int[Tensor, " b"]) -> Float[Tensor, "b width _ _"]:
        for layer in self.layers:
            x = layer(x * _inside(x, columns))
            columns = torch.div(columns + 1, 2, rounding_mode="floor")
        return x


def _inside(features: Float[Tensor, "b c h t"], lengths: Int[Tensor, " b"]) -> Float[Tensor, "b 1 1 t"]:
    """1 where a line is, 0 beyond its end."""
    places = torch.arange(features.shape[3], device=features.device)
    return (places < lengths[:, None]).to(features.dtype)[:, None, None]


class _LineBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, (b, c_in, h, t) -> (b, c_out, ceil(h / rows), t)."""

    def __init__(self, c_in: int, c_out: int, *, rows: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(c_in, c_out, 3, (rows, 1), 1, bias=False), BatchNorm(c_out), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False), BatchNorm(c_out))
        changes = rows > 1 or c_in != c_out
        self.shortcut = nn.Conv2d(c_in, c_out, 1, (rows, 1), bias=False) if changes else nn.Identity()

    def forward(self, x: Float[Tensor, "b c h t"], inside: Float[Tensor, "b 1 1 t"]) -> Float[Tensor, "b _ _ t"]:
        x = x * inside
        return torch.relu(self.shortcut(x) + self.second(self.first(x) * inside))


class _AlongBlock(nn.Module):
    """A convolution over 5 cells along the line and one within each, beside a shortcut, (b, c, 1, t)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        reach = (1, dilation)
        self.along = nn.Conv2d(channels, channels, (1, 5), 1, (0, 2 * dilation), reach, bias=False)
        self.within = nn.Sequential(BatchNorm(channels), nn.ReLU(), nn.Conv2d(channels, channels, 1, bias=False))
        self.norm = BatchNorm(channels)

    def forward(self, x: Float[Tensor, "b c 1 t"], inside: Float[Tensor, "b 1 1 t"]) -> Float[Tensor, "b c 1 t"]:
        return torch.relu(x + self.norm(self.within(self.along(x * inside))))


def new_line_network(config: LineNetworkConfig, seed: int) -> LineNetwork:
    """With weights that depend on the config and the seed alone."""
    return seeded_network(lambda: LineNetwork(config), seed)
