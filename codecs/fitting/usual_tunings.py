"""The tunes of a fitted model of pictures (SPEC.md, 9.8 and 9.9), measured by EfficientNet-lite0 and MS-SSIM, whose
sensitivities differ little from one model to another: chosen on imagenet_sample/train and camvid/train. Stronger maps,
coarser finest levels and more noise go on in the same direction, at more PSNR. What they give is in benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.fitting.lost_zeros import lost_zeros
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import is_dyadic
from laconic.codecs.models.tunings import Tuning, can_map

if TYPE_CHECKING:
    from jaxtyping import UInt

_MOST_PICTURES: Final = 48  # that are looked at for what is lost in zeros


@dataclass(frozen=True)
class UsualTune:
    """`finest`: sixteenths of an octave that the finest vertical and horizontal details are finer, and the diagonal ones;
    `lowest`: all of the low levels."""

    name: str
    strength: int
    finest: tuple[int, int] = (0, 0)
    lowest: int = 0
    noise: int = 0

    def of(self, model: Model) -> Tuning:
        """For the channels of a model."""
        offsets = np.zeros(model.num_channels, np.int16)
        for path, channels in _channels_of_leaves(model):
            if len(path) == 1:
                offsets[channels] = self.finest[path == (3,)]
        low_offsets = np.full(len(model.low_gains), self.lowest, np.int16)
        return Tuning(self.name, self.strength, offsets, low_offsets, self.noise)


USUAL_TUNES: Final = (
    UsualTune("balanced", 5),
    UsualTune("machine", 5, finest=(-5, -7), noise=4),
    UsualTune("eye", 6, finest=(-3, -5), lowest=2),
)


def with_usual_tunes(model: Model, pictures: Sequence[Image]) -> Model:
    """The model with these tunes and what its zeros lose in pictures; as it is where it cannot have maps of steps."""
    sizes = [len(channels) for _, channels in _channels_of_leaves(model)]
    is_by_leaf = sizes == [len(block) for block in model.analysis]
    if not can_map(model) or not is_dyadic(model.tree) or model.tree.depth < 2 or not is_by_leaf:
        return model
    every = -(-len(pictures) // _MOST_PICTURES)
    model = replace(model, tunings=())
    return replace(
        model, zeros=lost_zeros(pictures[::every], model), tunings=tuple(tune.of(model) for tune in USUAL_TUNES)
    )


def _channels_of_leaves(model: Model) -> list[tuple[tuple[int, ...], UInt[NDArray[np.uint16], " _"]]]:
    """Paths of the leaves of the tree, and the channels in which they are coded where each is a block."""
    sizes = [model.num_planes * model.tree.channels_of(path) for path in model.tree.leaves]
    cuts = pairwise(np.cumsum([0, *sizes]).tolist())
    return [(path, model.channels[lo:hi]) for path, (lo, hi) in zip(model.tree.leaves, cuts, strict=True)]
