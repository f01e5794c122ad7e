"""What the bodies of several networks are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from laconic.tasks.heads.normalization import BatchNorm

if TYPE_CHECKING:
    from jaxtyping import Float


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, (b, c_in, h, w) -> (b, c_out, ceil(h / stride), ceil(w / stride)). The
    shortcut may be of one's own."""

    def __init__(self, c_in: int, c_out: int, *, stride: int = 1, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False),
            BatchNorm(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False),
            BatchNorm(c_out),
        )
        if shortcut is None:
            changes = stride > 1 or c_in != c_out
            shortcut = nn.Conv2d(c_in, c_out, 1, stride, bias=False) if changes else nn.Identity()
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "b _ _ _"]) -> Float[Tensor, "b _ _ _"]:
        return torch.relu(self.shortcut(x) + self.convolutions(x))
