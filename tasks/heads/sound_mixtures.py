"""Mixtures for training made of stems, in any domain that is linear in the signal: samples, or latents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from laconic.tasks.heads.band_augmentation import item_draws

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_SILENCE = 1e-12


def mixed_stems(
    x: Float[Tensor, "b c h w"],
    labels: Int[Tensor, " b"],
    stems: Sequence[int],
    random: np.random.Generator,
    *,
    level_db: float,
    step: int,
) -> Float[Tensor, "n stems c h w"]:
    """Stems of as many mixtures as the batch has items of its most frequent class of `stems`; of the others, items serve
    again. Each is begun anywhere (by `step` values of x), may be upside down, and is as loud as the others but for up to
    `level_db`; the first stem as loud as all others together. 0 where the batch has none of a class. Processes mix
    what they have of a batch."""
    draws = item_draws(random, len(x), 3)
    items = _changed(x, draws, level_db, step)
    places = [torch.nonzero(labels == number).flatten() for number in stems]
    count = max((len(found) for found in places), default=0)
    out = items.new_zeros((count, len(stems), *x.shape[1:]))
    for number, found in enumerate(places):
        if len(found):
            out[:, number] = items[found[(torch.arange(count, device=x.device) + number) % len(found)]]
    rest = out[:, 1:].sum(dim=1)
    loudness = rest.square().sum(dim=(1, 2, 3)).sqrt()
    # Where there is nothing else, the first stem is as it is.
    out[:, 0] *= torch.where(loudness > 0, loudness, 1.0)[:, None, None, None]
    return out


def is_there(stems: Float[Tensor, "n stems c h w"]) -> Bool[Tensor, "n stems"]:
    """Which stems are not silent."""
    return stems.square().sum(dim=(2, 3, 4)) > _SILENCE


def tensor_si_sdr_db(
    references: Float[Tensor, "n stems c h w"], others: Float[Tensor, "n stems c h w"]
) -> Float[Tensor, "n stems"]:
    """As `measures.sound_distortion.si_sdr_db` finds it, but finite and with gradients, between -60 and 60 dB or so."""
    x, y = references.flatten(2).float(), others.flatten(2).float()
    energy = x.square().sum(dim=2)
    target = ((x * y).sum(dim=2) / (energy + _SILENCE))[:, :, None] * x
    floor = 1e-6 * energy + _SILENCE
    return 10 * torch.log10((target.square().sum(dim=2) + floor) / ((target - y).square().sum(dim=2) + floor))


def _changed(x: Tensor, draws: NDArray[np.float64], level_db: float, step: int) -> Tensor:
    """Each item begun anywhere, of either sign, and of unit energy but for its level."""
    width = x.shape[3]
    first = torch.from_numpy((draws[:, 0] * (width // step)).astype(np.int64) * step)
    at = (torch.arange(width) + first[:, None]) % width
    turned = x.gather(3, at[:, None, None].to(x.device).expand_as(x))
    gains = np.where(draws[:, 1] < 0.5, -1, 1) * 10 ** ((2 * draws[:, 2] - 1) * level_db / 20)
    energy = turned.square().sum(dim=(1, 2, 3))
    scale = torch.from_numpy(gains).to(x) * torch.where(energy > _SILENCE, energy.clamp(min=_SILENCE).rsqrt(), 0.0)
    return turned * scale[:, None, None, None]
