"""A small network on how strong the bands of a picture are, for few samples: `BandNetwork`.

As in histograms of gradients (Dalal and Triggs 2005), what counts is where edges of a direction are, not how strong the
light is: magnitudes of each band are averaged over the cells of a coarse grid and divided by those of all bands around.
The lowest band is split twice more, for coarser edges, and taken relative to its own mean and deviation. Two dense layers
know where each cell is. On a few hundred pictures this learns more than convolutions, in a tenth of the time. Latents
have the bands; of pixels, a convolution learns as many filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.framing import FULL_SCALE
from laconic.tasks.heads.dense_layers import DROPPED, dense_layers
from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.networks import latent_levels
from laconic.tasks.heads.normalization import BatchNorm, Dropout
from laconic.tasks.heads.seeded_weights import seeded_network

if TYPE_CHECKING:
    from jaxtyping import Float

# Of full scale: about what noise and quantisation make; smaller contrast is not blown up.
_LEAST_MAGNITUDE: Final = 0.02
_LEAST_DEVIATION: Final = 0.2
_LOW_GAIN: Final = 8  # of the low band of latents over means of pixels, so that one least deviation fits both
_OPPONENT: Final = ((0.577, 0.577, 0.577), (0.707, 0, -0.707), (0.408, -0.816, 0.408))  # of RGB: brightness, colours
_DIRECTIONS: Final = 3  # bands of a level: across, down, diagonal
_COARSER: Final = 2  # levels below those of the latent
_WEIGHT_OF_WHOLE: Final = 16.0  # few numbers, to count as much as more than a thousand


@dataclass(frozen=True)
class BandConfig:
    """`cells` of the grid along a side, `hidden` units between the two layers."""

    outputs: int
    cells: int = 8
    hidden: int = 384


class BandNetwork(nn.Module):
    """(b, channels, h, w) -> (b, outputs), for pictures of any size."""

    def __init__(self, form: InputForm, config: BandConfig) -> None:
        super().__init__()
        self.config = config
        self.bands = _LatentBandStem(form) if form.arm == "latents" else _PixelBandStem(form)
        count = self.bands.num_magnitudes + (1 + _DIRECTIONS * _COARSER) * self.bands.num_low
        self.norm = BatchNorm(count, affine=False)
        self.whole_norm = BatchNorm(2 * self.bands.num_low, affine=False)
        self.dropout = Dropout(DROPPED)
        count = count * config.cells**2 + 2 * self.bands.num_low
        self.head = dense_layers(count, config.hidden, config.outputs)

    @property
    def num_cell_features(self) -> int:
        """Of all cells together."""
        return self.norm.num_features * self.config.cells**2

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs"]:
        return self.answer(*self.features(x))

    def features(self, x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b k cells cells"], Float[Tensor, "b m"]]:
        """Strengths of bands in each cell, and light and contrast of the whole, both normalised."""
        low, *groups = self.bands(x.float())
        mean, deviation = self._pooled(low).mean((2, 3), keepdim=True), self._pooled(low).std((2, 3), keepdim=True)
        parts = [(self._pooled(low) - mean) / (deviation + _LEAST_DEVIATION)]
        for group in [*groups, *_coarser_bands(low)]:
            strength = self._pooled(group.abs())
            around = nn.functional.avg_pool2d(strength.sum(1, keepdim=True), 3, 1, 1, count_include_pad=False)
            parts.append(strength / (around + _LEAST_MAGNITUDE))
        whole = _WEIGHT_OF_WHOLE * self.whole_norm(torch.cat([mean, deviation], 1)).flatten(1)
        return self.norm(torch.cat(parts, 1)), whole

    def answer(
        self, cells: Float[Tensor, "b k cells cells"], whole: Float[Tensor, "b m"]
    ) -> Float[Tensor, "b outputs"]:
        """Of such features."""
        scores: Tensor = self.head(torch.cat([self.dropout(cells.flatten(1)), whole], 1))
        return scores

    def _pooled(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c cells cells"]:
        return nn.functional.adaptive_avg_pool2d(x, self.config.cells)


class _LatentBandStem(nn.Module):
    """Latents in signal units: the low band, then of each level the bands of brightness, and those of colour."""

    scale: Tensor
    shift: Tensor

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        self.num_low = form.group_ends[0]
        levels = latent_levels(form.group_ends, form.channels)
        if form.channels < form.group_ends[1] or levels[-1] == (form.channels, 1) != levels[0]:
            raise CodecError(
                f"channels is {form.channels}, within a band; allowed are {', '.join(map(str, form.group_ends[1:]))}"
            )
        starts = (0, *(end for end, _ in levels[:-1]))
        self._levels = [(start, *level) for start, level in zip(starts, levels, strict=True)]
        self.num_magnitudes = len(levels) * _DIRECTIONS * self.num_low
        for name, values in (("scale", form.scale), ("shift", form.shift)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        x = (x - self.shift) / self.scale
        found = [x[:, : self.num_low]]
        for start, end, times in self._levels:
            level = nn.functional.pixel_shuffle(x[:, max(start, self.num_low) : end], times)
            found += _by_color(level)
        return found


class _PixelBandStem(nn.Module):
    """Pixels: brightness and colours of patches, and as many filters of them as 12 channels of latents have bands."""

    colors: Tensor

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        self.num_low, self._patch = form.channels, form.patch if form.patch != (1, 1) else form.place
        self.num_magnitudes = _DIRECTIONS * form.channels
        self.filters = nn.Conv2d(form.channels, self.num_magnitudes, self._patch, self._patch, bias=False)
        colors = torch.tensor(_OPPONENT) if form.channels == len(_OPPONENT) else torch.eye(form.channels)
        self.register_buffer("colors", colors, persistent=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        x = x / FULL_SCALE
        low = torch.einsum("kc,bchw->bkhw", self.colors, nn.functional.avg_pool2d(x, self._patch))
        return [_LOW_GAIN * low, *_by_color(self.filters(x))]


def _by_color(bands: Float[Tensor, "b _ h w"]) -> list[Float[Tensor, "b _ h w"]]:
    """Those of brightness, and those of colour, where there are any."""
    return [part for part in (bands[:, :_DIRECTIONS], bands[:, _DIRECTIONS:]) if part.shape[1]]


def _coarser_bands(low: Float[Tensor, "b c h w"]) -> list[Float[Tensor, "b _ _ _"]]:
    """Haar's bands of two further levels, by colour; odd sides repeat their last place."""
    found: list[Tensor] = []
    for _ in range(_COARSER):
        low = nn.functional.pad(low, (0, low.shape[3] % 2, 0, low.shape[2] % 2), mode="replicate")
        a, b, c, d = (low[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1))
        bands = torch.stack([a - b + c - d, a + b - c - d, a - b - c + d], 2) / 2
        found += _by_color(bands.flatten(1, 2))
        low = (a + b + c + d) / 2
    return found


def new_band_network(form: InputForm, config: BandConfig, seed: int) -> BandNetwork:
    """A network whose weights depend on form, config and seed alone. Raises `CodecError` for latents whose channels end
    within a band."""
    return seeded_network(lambda: BandNetwork(form, config), seed)
