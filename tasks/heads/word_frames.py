"""Spoken words in as many frames each: cut to where they are loud and stretched, as one is said at once and fast, and the
next after a while and slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

# Of the loudest frame. Spoken digits by kernel ridge regression on the levels of such frames, in three folds of 360: 91.4 %
# right uncut, 93.6 by .01, 95.3 by .03, 96.7 by .05, 94.7 by .1.
_LOUD: Final = 0.05
_SILENCE: Final = 1e-12


def framed_words(
    energies: Float[Tensor, "b k h t"], count: int, moved: Float[Tensor, "b 2"] | None = None
) -> Float[Tensor, "b k h count"]:
    """Energies of bands over time, from the first loud frame of each item to the last, in `count` frames relative to their
    mean; between frames linearly. `moved`: how much later it begins and ends, as a share of its length."""
    b, k, h, t = energies.shape
    strength = energies.mean(dim=(1, 2))
    is_loud = strength >= _LOUD * strength.amax(dim=1, keepdim=True)
    frames = torch.arange(t, device=energies.device)
    first = torch.where(is_loud, frames, t).amin(dim=1)
    ends = torch.stack([first, torch.where(is_loud, frames, -1).amax(dim=1) + 1], 1).to(energies.dtype)
    if moved is not None:
        ends = ends + moved.to(ends) * (ends[:, 1:] - ends[:, :1])
    share = (torch.arange(count, device=energies.device) + 0.5) / count
    at = (ends[:, :1] + share * (ends[:, 1:] - ends[:, :1]) - 0.5).clamp(0, t - 1)
    low = at.floor()
    weight = (at - low)[:, None, None]
    lower, upper = (
        energies.gather(3, side.long().clamp(max=t - 1)[:, None, None].expand(b, k, h, count))
        for side in (low, low + 1)
    )
    words = torch.lerp(lower, upper, weight)
    return words / (words.mean(dim=(1, 2, 3), keepdim=True) + _SILENCE)
