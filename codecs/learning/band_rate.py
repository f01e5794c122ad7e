"""The low levels of a picture's lowest channels as tensors, and the rate of bands of integers, with gradients.

The rate stands in for the code length of profile small: a Laplace density for each coefficient, whose scale is mixed from
the magnitudes decoded before it. Unlike `context_rate` it holds where nearly all integers are 0: coefficients are shrunk
towards 0, as an encoder that weighs bits shrinks them, before they get the noise that stands for rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.learning import tensor_wavelet
from laconic.codecs.models.packet_tree import dyadic_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

_ONE_LEVEL: Final = dyadic_tree(2, 1)
_WINDOW: Final = 5
_LARGEST_MAGNITUDE: Final = 40.0
_LEAST_SCALE, _LARGEST_SCALE = 0.002, 60.0
_LEAST_PROBABILITY: Final = 1e-9
_SHRINK: Final = 0.2  # of a step


class TensorLowBands(nn.Module):
    """Planes (b, p, h, w) <-> their low levels by class (SPEC.md, section 9.6), the low band first: h and w are multiples
    of 2**levels. `gains` (classes,) are the model's."""

    gains: Tensor

    def __init__(self, gains: Float[Tensor, " classes"]) -> None:
        super().__init__()
        self.register_buffer("gains", gains)
        self._levels = (len(gains) - 1) // 3

    def analyze(self, planes: Float[Tensor, "b p h w"]) -> list[Float[Tensor, "b p _ _"]]:
        """As the quantiser sees them."""
        low, bands = planes, list[Tensor]()
        for _ in range(self._levels):
            low, *details = torch.chunk(tensor_wavelet.analyze(low, _ONE_LEVEL), 4, 1)
            bands = [*details, *bands]
        return [band * gain for band, gain in zip([low, *bands], self.gains, strict=True)]

    def synthesize(self, bands: Sequence[Float[Tensor, "b p _ _"]]) -> Float[Tensor, "b p h w"]:
        """The inverse of `analyze`."""
        low: Tensor
        low, *details = [band / gain for band, gain in zip(bands, self.gains, strict=True)]
        for level in range(self._levels):
            quarters = torch.cat((low, *details[3 * level : 3 * level + 3]), 1)
            low = tensor_wavelet.synthesize(quarters, _ONE_LEVEL, low.shape[1])
        return low


class BandRate(nn.Module):
    """Bits of bands (b, c, h, w) of coefficients in steps. Scales are mixed from the integers before each in its band, from
    those of the band's channels before, and from `num_parents` magnitudes (b, num_parents, h, w) of other bands."""

    seen: Tensor
    earlier: Tensor

    def __init__(self, num_channels: int, num_parents: int) -> None:
        super().__init__()
        c = num_channels
        # As softplus sees them.
        self.own = nn.Parameter(torch.full((c, 1, _WINDOW, _WINDOW), -3.0))
        self.others = nn.Parameter(torch.full((c, c, 1, 1), -4.0))
        self.parents = nn.Parameter(torch.full((c, num_parents, 1, 1), -4.0)) if num_parents else None
        self.floor = nn.Parameter(torch.full((c,), -4.0))
        seen = torch.zeros((_WINDOW, _WINDOW))
        seen[: _WINDOW // 2] = 1
        seen[_WINDOW // 2, : _WINDOW // 2] = 1
        self.register_buffer("seen", seen)
        self.register_buffer("earlier", torch.ones((c, c)).tril(-1)[:, :, None, None])

    def forward(
        self,
        in_steps: Float[Tensor, "b c h w"],
        integers: Float[Tensor, "b c h w"],
        noise: Float[Tensor, "b c h w"],
        parents: Float[Tensor, "b k h w"] | None,
    ) -> Float[Tensor, "b c h w"]:
        """Of the interval of one step around each value with its `noise`, -0.5 to 0.5; `integers` are what is decoded."""
        scale = self._scale(integers.abs().clamp(max=_LARGEST_MAGNITUDE), parents)
        shrunk = torch.copysign((in_steps.abs() - _SHRINK).clamp(min=0), in_steps)
        magnitude = (shrunk + noise).abs()
        inside = 1 - 0.5 * (torch.exp(-(0.5 - magnitude).clamp(min=0) / scale) + torch.exp(-(0.5 + magnitude) / scale))
        outside = 0.5 * torch.exp(-(magnitude - 0.5).clamp(min=0) / scale) * (1 - torch.exp(-1 / scale))
        probability = torch.where(magnitude < 0.5, inside, outside)
        return -torch.log2(probability.clamp(min=_LEAST_PROBABILITY))

    def _scale(self, magnitudes: Tensor, parents: Tensor | None) -> Tensor:
        half = _WINDOW // 2
        wide = functional.pad(magnitudes, (half, half, half, half), mode="replicate")
        mixed = functional.conv2d(wide, functional.softplus(self.own) * self.seen, groups=magnitudes.shape[1])
        mixed = mixed + functional.conv2d(magnitudes, functional.softplus(self.others) * self.earlier)
        if parents is not None and self.parents is not None:
            mixed = mixed + functional.conv2d(parents, functional.softplus(self.parents))
        return (mixed + functional.softplus(self.floor)[:, None, None]).clamp(_LEAST_SCALE, _LARGEST_SCALE)
