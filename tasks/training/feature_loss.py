"""Features of EfficientNet-lite0 that gradients pass, for training what is to look right to networks.

Of a picture at the size that it has, at the stages that the network halves its size at; each divided by what its channel
varies over some pictures, as in `deep_features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from laconic.codecs.learning.learner import training_precision
from laconic.tasks.measures.feature_network import LITE0, parts_of_network

if TYPE_CHECKING:
    from jaxtyping import Float

_STAGES: Final = (1, 2, 3, 4, 5)  # at 1/4, 1/8, twice 1/16 and 1/32 of the size
_MEAN, _SCALE = 127.0, 128.0  # of samples from 0 to 255, by which the network was trained
_SIDE: Final = 32
_LEAST_SHARE: Final = 0.1  # of the mean variance, added to all


class FeatureLoss:
    """Pictures (b, 3, h, w) in [-0.5, 0.5] -> features (b, c, h', w') of each stage, of about unit variance over
    `pictures`. Raises `MissingDependencyError`."""

    def __init__(self, pictures: Sequence[Float[Tensor, "3 h w"]]) -> None:
        self._network, self._stages = parts_of_network(LITE0.variant)
        self._shares: list[Tensor] = [torch.ones(())] * len(_STAGES)
        self._shares = self._shares_of(pictures)

    def __call__(self, planes: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        samples = (planes + 0.5) * 255
        inputs = ((samples - _MEAN) / _SCALE).contiguous(memory_format=torch.channels_last)
        found = []
        with training_precision(planes.device):
            network = self._network
            features = network._swish(network._bn0(network._conv_stem(inputs)))
            for stage, blocks in enumerate(self._stages[: _STAGES[-1] + 1]):
                for block in blocks:
                    features = block(features)
                if stage in _STAGES:
                    found.append(features.float())
        return [features * share for features, share in zip(found, self._shares, strict=True)]

    @torch.no_grad()
    def _shares_of(self, pictures: Sequence[Float[Tensor, "3 h w"]]) -> list[Float[Tensor, "c 1 1"]]:
        """One over the deviation of each channel of each stage, each picture with the same weight."""
        moments = []
        for picture in pictures:
            height, width = (n // _SIDE * _SIDE for n in picture.shape[1:])
            features = self(picture[None, :, :height, :width])
            moments.append([torch.stack((f.mean((0, 2, 3)), f.square().mean((0, 2, 3)))) for f in features])
        shares = []
        for of_stage in zip(*moments, strict=True):
            mean, square = torch.stack(of_stage).mean(0)
            variances = square - mean.square()
            shares.append((variances + _LEAST_SHARE * variances.mean()).rsqrt()[:, None, None])
        return shares
