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
from laconic.codecs.models.tunings import DEFAULT_TUNE, tuned_model, tuning_code_of
from laconic.codecs.models.zoo import load_model
from laconic.codecs.pictures.color_choice import with_chosen_colors
from laconic.codecs.plan import planned_integers
from laconic.codecs.steps import CODE_OF_UNIT_STEP
from laconic.codecs.transform.picture_rows import PictureRows, PictureRowsPart, points_of_part
from laconic.codecs.transform.signals import coefficients_of

if TYPE_CHECKING:
    from jaxtyping import Float


class EncodedCoefficients:
    """Of a tune of the model in a file, by profile best where it has networks, else by profile small."""

    def __init__(self, path: Path | str, tune: str = DEFAULT_TUNE) -> None:
        name = str(Path(path).resolve())
        self._model = load_model(name)
        self._tune = tune
        self._codec = Lcn(model=name, profile="small" if self._model.networks is None else "best", tune=tune)

    @property
    def step_shares(self) -> Float[Tensor, " d"]:
        """(d,) of the file's step, of each channel, before any map."""
        tuned = tuned_model(self._model, tuning_code_of(self._model, self._tune))
        return torch.from_numpy(tuned.steps_at(CODE_OF_UNIT_STEP) / np.float32(tuned.unit))

    def __call__(self, planes: Float[Tensor, "c h w"], step_code: int) -> Float[Tensor, "d _ _"]:
        """(c, h, w) in [-0.5, 0.5] -> dequantised coefficients (d, h', w') of its file at a step, in the colours of the
        model."""
        return self.with_exponents(planes, step_code)[0]

    def with_exponents(
        self, planes: Float[Tensor, "c h w"], step_code: int
    ) -> tuple[Float[Tensor, "d _ _"], Float[Tensor, "_ _"]]:
        """The same, and the exponents (h', w') of the local steps, 0 where there is no map."""
        samples = ((planes + 0.5) * 255).round().clamp(0, 255).to(torch.uint8).movedim(0, 2)
        image = Image(np.ascontiguousarray(samples.numpy()))
        plan = self._codec.plan_of(image, step_code)
        plan = with_chosen_colors(plan, PictureRows(image.samples, 0, image.height, image.peak))
        values = planned_integers(coefficients_of(image, plan.model), plan)
        part = PictureRowsPart(values, (0, 0), plan.form.size, step_code, image.peak).with_map(plan.model)
        points = points_of_part(part.with_low(plan.model), plan.model)
        exponents = np.zeros(points.shape[1:], np.int8) if part.exponents is None else part.exponents
        upright = points if plan.model.colors is None else plan.model.colors.to_model(points)
        return torch.from_numpy(upright), torch.from_numpy(exponents).float()
