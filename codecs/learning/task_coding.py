"""Coding of a picture model's leading channels as tensors, with steps that are learned: what `task_learner` trains.

Steps are finer than the file's by offsets in sixteenths of an octave, one for each class of the low levels and for each
further channel, as a tuning has them (`models.tunings`). Integers are rounded with a dead zone, with straight-through
gradients; their bits are those of `band_rate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.learning.band_rate import BandRate, TensorLowBands
from laconic.codecs.models.tunings import MAX_COARSER
from laconic.codecs.steps import CODE_OF_UNIT_STEP, CODES_PER_OCTAVE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

_ROUNDING: Final = 0.36
_LARGEST_MAGNITUDE: Final = 40.0
MOST_FINER: Final = 40.0  # sixteenths of an octave


class TaskCoding(nn.Module):
    """Of the first 16 p channels of a model of p planes whose low levels have these `gains`: a low band, its levels, the
    next 3 p channels and the next 12 p."""

    least: Tensor

    def __init__(self, num_planes: int, gains: Float[Tensor, " classes"]) -> None:
        super().__init__()
        self.num_planes, p = num_planes, num_planes
        self.low_offsets = nn.Parameter(torch.zeros(len(gains)))
        self.offsets = nn.Parameter(torch.zeros(15 * p))
        self._bands = TensorLowBands(gains)
        low = [BandRate(p, 0), *(BandRate(p, p) for _ in range(len(gains) - 1))]
        self._rates = nn.ModuleList([*low, BandRate(3 * p, p), BandRate(12 * p, 4 * p)])
        least = torch.full((15 * p,), -MOST_FINER)
        least[: 3 * p] = -MAX_COARSER  # of which the map of steps is made
        self.register_buffer("least", least, persistent=False)

    @property
    def num_channels(self) -> int:
        return 16 * self.num_planes

    @property
    def used_offsets(self) -> tuple[Float[Tensor, " classes"], Float[Tensor, " d"]]:
        """Of the low levels and of the channels after them, as far as files can have them."""
        low = self.low_offsets.clamp(-MOST_FINER, MOST_FINER)
        return low, torch.maximum(self.offsets, self.least).clamp(max=MOST_FINER)

    def forward(
        self, coefficients: Float[Tensor, "b d h w"], step_code: int, noise: Float[Tensor, "b d h w"], *, share: float
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, " b"]]:
        """What is decoded of coefficients at the step of a file, and the bits of each; `share` of the offsets is used."""
        low_offsets, offsets = (share * values for values in self.used_offsets)
        p, step = self.num_planes, 2.0 ** ((step_code - CODE_OF_UNIT_STEP) / CODES_PER_OCTAVE)
        low, bits, parent = self._low_levels(coefficients[:, :p], step * _finer(low_offsets), noise[:, :p])
        steps = (step * _finer(offsets))[:, None, None]
        points, in_steps, integers = _quantised(coefficients[:, p:], steps)
        near, far = slice(0, 3 * p), slice(3 * p, 15 * p)
        for rate, part in zip(self._rates[-2:], (near, far), strict=True):
            found = rate(in_steps[:, part], integers[:, part], noise[:, p:][:, part], parent)
            bits = bits + found.sum((1, 2, 3))
            parent = torch.cat((parent, integers[:, near].abs().clamp(max=_LARGEST_MAGNITUDE)), 1)
        return torch.cat((low, points), 1), bits

    def _low_levels(self, planes: Tensor, steps: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The planes decoded, bits, and magnitudes of the finest level at the places of the planes."""
        decoded: list[Tensor] = []
        magnitudes: list[Tensor] = []
        bits = torch.zeros(len(planes))
        noises = _like_bands(noise, (len(steps) - 1) // 3)
        for number, band in enumerate(self._bands.analyze(planes)):
            points, in_steps, integers = _quantised(band, steps[number], _ROUNDING if number else 0.5)
            if number == 0:
                guess = _predicted(integers)
                in_steps, integers = band / steps[0] - guess, integers - guess
            found = self._rates[number](in_steps, integers, noises[number], _parent(magnitudes))
            bits = bits + found.sum((1, 2, 3))
            decoded.append(points)
            magnitudes.append(integers.abs().clamp(max=_LARGEST_MAGNITUDE))
        finest = functional.interpolate(torch.stack(magnitudes[-3:]).sum(0), scale_factor=2)
        return self._bands.synthesize(decoded), bits, finest


def _finer(offsets: Tensor) -> Tensor:
    return torch.exp2(-offsets / CODES_PER_OCTAVE)


def _quantised(values: Tensor, steps: Tensor, rounding: float = _ROUNDING) -> tuple[Tensor, Tensor, Tensor]:
    """Points with straight-through gradients, values in steps, integers without gradients."""
    in_steps = values / steps
    integers = torch.copysign(torch.floor(in_steps.detach().abs() + rounding), in_steps.detach())
    return (in_steps + (integers - in_steps).detach()) * steps, in_steps, integers


def _predicted(integers: Tensor) -> Tensor:
    """Of the lowest band, from the left and from above: the median of both and of the plane through them."""
    around = functional.pad(integers, (1, 0, 1, 0), mode="replicate")
    left, above, corner = around[:, :, 1:, :-1], around[:, :, :-1, 1:], around[:, :, :-1, :-1]
    return (left + above - corner).clamp(torch.minimum(left, above), torch.maximum(left, above))


def _parent(magnitudes: Sequence[Tensor]) -> Tensor | None:
    """Of the band after these: what is at the same places of the level below, and the band before in its level."""
    number = len(magnitudes)
    if not number:
        return None
    coarser = magnitudes[0] if number < 4 else functional.interpolate(magnitudes[number - 3], scale_factor=2)
    return coarser + magnitudes[-1] if (number - 1) % 3 else coarser


def _like_bands(noise: Tensor, levels: int) -> list[Tensor]:
    """Values of planes (b, p, h, w), shared out to the bands of so many low levels."""
    low, bands = noise, list[Tensor]()
    for _ in range(levels):
        bands = [low[..., 1::2, ::2], low[..., ::2, 1::2], low[..., 1::2, 1::2], *bands]
        low = low[..., ::2, ::2]
    return [low, *bands]
