"""Coefficients as files give them back, by the encoder itself: where its choice cannot be modelled well enough.

Of profile best, integers are chosen by networks and the lowest channels go through low levels. A neural synthesis that was
trained on `tensor_encoder`'s integers gains 0.2 dB on such, and nothing on those of files. Needs the extension.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.picture_rows import PictureRowsPart, points_of_part

if TYPE_CHECKING:
    from jaxtyping import Float


class EncodedCoefficients:
    """Of the model in a file, by its usual profile."""

    def __init__(self, path: Path | str) -> None:
        self._model = load_model(Path(path).resolve())
        self._codec = Lcn(model=str(Path(path).resolve()))

    def __call__(self, planes: Float[Tensor, "c h w"], step_code: int) -> Float[Tensor, "d _ _"]:
        """(c, h, w) in [-0.5, 0.5] -> dequantised coefficients (d, h', w') of its file at a step."""
        samples = ((planes + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).movedim(0, 2)
        image = Image(np.ascontiguousarray(samples.numpy()))
        latent = self._codec.analyze_steps(image, (step_code,))[0]
        part = PictureRowsPart(latent.values, (0, 0), latent.size, step_code, 255).with_low(self._model)
        return torch.from_numpy(points_of_part(latent.values, part.low, step_code, self._model))
