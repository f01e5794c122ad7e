"""Pixels of latents as tensors, which gradients pass: linear synthesis of the channels that `Latent.dequantize` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.codecs.learning import tensor_wavelet
from laconic.codecs.models.model import Model
from laconic.codecs.packing.latent_bands import latent_axes_of

if TYPE_CHECKING:
    from jaxtyping import Float


class TensorSynthesis(nn.Module):
    """(b, channels, h, w) in signal units, the first channels of a model's latents -> planes (b, planes, height, width), a
    place is 2**depth pixels on a side, in [-.5, .5] but for what coding adds. Channels that are missing count as 0.

    Raises `CodecError` for a model of other signals than pictures.
    """

    channels: Tensor  # of the rows of all blocks

    def __init__(self, model: Model) -> None:
        super().__init__()
        if model.kind != "image":
            raise CodecError(f"model {model.name} is for {model.kind}s; allowed are models of pictures")
        matrices, channels = latent_axes_of(model)
        self.tree, self.num_planes, self.num_channels = model.tree, model.num_planes, model.num_channels
        self._sizes = [len(matrix) for matrix in matrices]
        self.register_buffer("channels", torch.from_numpy(channels), persistent=False)
        for number, matrix in enumerate(matrices):
            inverse = torch.from_numpy(np.linalg.inv(matrix).astype(np.float32))
            self.register_buffer(f"inverse{number}", inverse[:, :, None, None], persistent=False)

    def forward(self, latent: Float[Tensor, "b channels h w"]) -> Float[Tensor, "b planes height width"]:
        missing = latent.new_zeros(len(latent), self.num_channels - latent.shape[1], *latent.shape[2:])
        rows = torch.cat([latent, missing], dim=1)[:, self.channels]
        parts = torch.split(rows, self._sizes, dim=1)
        packets = [nn.functional.conv2d(part, self._inverse(number)) for number, part in enumerate(parts)]
        return tensor_wavelet.synthesize(torch.cat(packets, dim=1), self.tree, self.num_planes)

    def _inverse(self, number: int) -> Float[Tensor, "n n 1 1"]:
        found: Tensor = getattr(self, f"inverse{number}")
        return found
