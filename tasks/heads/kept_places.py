"""A network that gets some places of a latent: those on which most bits were spent, or as many by lot.

What costs almost no bits carries little: sky, walls, a plain background. The bits of a place are those of its integers, of
which there are estimates without any network: logarithms of their sizes. The low band is left out, as it is coded
beside its neighbours. Other places are 0, as normalised latents are in the mean.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.tasks.heads.learning_task import InputForm

if TYPE_CHECKING:
    from jaxtyping import Float

KeepBy = Literal["bits", "lot"]
_STEP: Final = 0.02  # of full scale, about that of usual qualities


class KeptPlaces(nn.Module):
    """`share` of the places of each item, at least one, go on to the network: those of most bits, or drawn by a hash of
    place and content, which is the same whenever an item is seen as it is. Raises `CodecError` for other inputs than
    latents in groups, and shares outside."""

    shift: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, form: InputForm, share: float, by: KeepBy) -> None:
        super().__init__()
        if form.arm != "latents" or form.channels <= form.group_ends[0]:
            raise CodecError(
                f"keep is {share} for {form.channels} channels of arm {form.arm}; allowed are latents of more than the "
                f"{form.group_ends[0] if form.group_ends else 'first'} channels of the low band"
            )
        self.network, self.share, self.by = network, share, by
        self.num_low = form.group_ends[0]
        self.register_buffer("scale", torch.tensor(form.scale)[:, None, None], persistent=False)
        self.register_buffer("shift", torch.tensor(form.shift)[:, None, None], persistent=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b ..."]:
        out: Tensor = self.network(x * self.kept(x))
        return out

    def kept(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 h w"]:
        """1 at the places that go on, else 0."""
        ranks = self.bits(x) if self.by == "bits" else _lots(x)
        count = max(math.ceil(self.share * ranks.shape[1]), 1)
        chosen = ranks.argsort(dim=1, descending=True, stable=True)[:, :count]
        return torch.zeros_like(ranks).scatter_(1, chosen, 1.0).reshape(len(x), 1, *x.shape[2:]).to(x.dtype)

    def bits(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b places"]:
        """About what was spent on each place, row by row."""
        fine = ((x.float() - self.shift) / self.scale)[:, self.num_low :]
        return torch.log2(1 + fine.abs() / _STEP).sum(dim=1).flatten(1)


def _lots(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b places"]:
    """Numbers that look drawn, of places and what an item has in all."""
    places = torch.arange(x.shape[2] * x.shape[3], device=x.device, dtype=torch.float64)
    content = x.double().abs().sum(dim=(1, 2, 3))
    return ((12.9898 * places + 78.233 * content[:, None]).sin() * 43758.5453).frac().abs().float()
