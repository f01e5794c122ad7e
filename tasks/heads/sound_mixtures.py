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
_KNOTS = 9  # of a curve of gains over frequency


def mixed_stems(
    x: Float[Tensor, "b c h w"],
    labels: Int[Tensor, " b"],
    stems: Sequence[int],
    random: np.random.Generator,
    *,
    level_db: float,
    equalize_db: float,
    step: int,
) -> Float[Tensor, "n stems c h w"]:
    """Stems of as many mixtures as the batch has items of its most frequent class of `stems`; of the others, items serve
    again. Each is begun anywhere (by `step` values of x), may be upside down, has frequencies louder and softer by up to
    `equalize_db`, smoothly, and is as loud as the others but for up to `level_db`; the first stem as loud as all others
    together. 0 where the batch has none of a class. Processes mix what they have of a batch."""
    draws = item_draws(random, len(x), 3 + _KNOTS)
    items = _changed(equalized(x, draws[:, 3:], equalize_db), draws, level_db, step)
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


def equalized(
    x: Float[Tensor, "b c h w"], draws: Float[NDArray[np.float64], "b knots"], most_db: float
) -> Float[Tensor, "b c h w"]:
    """Each item with gains over frequency that its draws of 0 to 1 say, up to `most_db` up and down. Channels of
    latents are bands of rising frequency; samples, in one channel, are changed in their spectrum."""
    if most_db == 0:
        return x
    is_latent = x.shape[1] > 1
    bands = x if is_latent else torch.fft.rfft(x.movedim(3, 1), dim=1)
    knots = torch.from_numpy((2 * draws - 1) * (most_db / 20)).to(x)[:, None]
    curves = torch.nn.functional.interpolate(knots, size=bands.shape[1], mode="linear", align_corners=True)
    changed = bands * (10 ** curves[:, 0])[:, :, None, None]
    return changed if is_latent else torch.fft.irfft(changed, x.shape[3], dim=1).movedim(1, 3)


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
