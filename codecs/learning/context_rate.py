"""The rate of latents as training sees it: a Laplace density for each coefficient, its scale from decoded neighbours.

The encoder's contexts in tensors, with gradients: magnitudes around in the channel that were decoded before, and those
of earlier passes at the same place and around it, in learned positive mixtures. It stands in for the code length, it is
never stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.learning.tensor_encoder import TensorEncoderModel

if TYPE_CHECKING:
    from jaxtyping import Float

_PASS_CHANNELS: Final = 9
_WINDOW: Final = 5
_LARGEST_MAGNITUDE: Final = 40.0
_LEAST_SCALE, _LARGEST_SCALE = 0.04, 60.0
_LEAST_PROBABILITY: Final = 1e-9


class ContextRate(nn.Module):
    """Bits of latents in steps, (b, d, h, w), at steps (b,)."""

    seen: Tensor
    earlier: Tensor
    scales: Tensor

    def __init__(self, encoder: TensorEncoderModel) -> None:
        super().__init__()
        d = len(encoder.channels)
        # As softplus sees them: near 0.05 for each neighbour, less for each of the many other channels.
        self.own = nn.Parameter(torch.full((d, 1, _WINDOW, _WINDOW), -3.0))
        self.others = nn.Parameter(torch.full((d, 2 * d, 1, 1), -7.0))
        self.floor = nn.Parameter(torch.full((d,), -2.0))
        self.spread = nn.Parameter(torch.full((d,), -2.0))
        seen = torch.zeros((_WINDOW, _WINDOW))
        seen[: _WINDOW // 2] = 1
        seen[_WINDOW // 2, : _WINDOW // 2] = 1
        number = torch.arange(d) // _PASS_CHANNELS
        self.register_buffer("seen", seen)
        self.register_buffer("earlier", (number[:, None] > number[None]).float().repeat(1, 2)[:, :, None, None])
        self.register_buffer("scales", encoder.scales)

    def forward(self, noisy: Float[Tensor, "b d h w"], steps: Float[Tensor, " b"]) -> Float[Tensor, "b d h w"]:
        """Bits of each value: of the interval of one step around it."""
        scale = self._scale(noisy.abs().clamp(max=_LARGEST_MAGNITUDE), steps)
        magnitude = noisy.abs()
        inside = 1 - 0.5 * (torch.exp(-(0.5 - magnitude).clamp(min=0) / scale) + torch.exp(-(0.5 + magnitude) / scale))
        outside = 0.5 * torch.exp(-(magnitude - 0.5).clamp(min=0) / scale) * (1 - torch.exp(-1 / scale))
        probability = torch.where(magnitude < 0.5, inside, outside)
        return -torch.log2(probability.clamp(min=_LEAST_PROBABILITY))

    def _scale(self, magnitudes: Tensor, steps: Tensor) -> Tensor:
        d, half = magnitudes.shape[1], _WINDOW // 2
        own = functional.softplus(self.own) * self.seen
        around = functional.pad(magnitudes, (1, 1, 1, 1), mode="replicate")
        both = torch.cat((magnitudes, functional.avg_pool2d(around, 3, 1)), 1)
        mixed = functional.conv2d(both, functional.softplus(self.others) * self.earlier)
        wide = functional.pad(magnitudes, (half, half, half, half), mode="replicate")
        mixed = mixed + functional.conv2d(wide, own, groups=d)
        typical = self.scales / steps[:, None]
        base = 0.3 * functional.softplus(self.floor) + functional.softplus(self.spread) * typical / (1 + 0.2 * typical)
        return (mixed + base[:, :, None, None]).clamp(_LEAST_SCALE, _LARGEST_SCALE)
