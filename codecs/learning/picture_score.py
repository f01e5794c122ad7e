"""A score that a tuning is fitted to: how far a decoded picture is from its original, by code of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from laconic.codecs.errors import CodecError, sentence_of_error

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.media import Image

_NUM_COLORS = 3


@dataclass(frozen=True)
class PictureScore:
    """`function` of an original and a decoded picture, both (1, 3, h, w) float32 from 0 to 1, gives one number that is
    smaller the nearer they are, and passes gradients to the second. All methods raise `CodecError` where it does not."""

    name: str
    function: Callable[[Tensor, Tensor], Any]

    def gradient(
        self, original: Float[Tensor, "1 3 h w"], decoded: Float[Tensor, "1 3 h w"], variables: Float[Tensor, "*sides"]
    ) -> Float[Tensor, "*sides"]:
        """Of its number by what `decoded` was made of."""
        loss = self._number(original, decoded)
        found = None
        if loss.requires_grad:
            (found,) = torch.autograd.grad(loss, variables, allow_unused=True)
        if found is None or not torch.isfinite(found).all():
            what = "no gradient" if found is None else "a gradient that is not finite"
            raise CodecError(
                f"score {self.name} gives {what}; allowed is a function of torch that passes one from its second argument: "
                "leave out detach, item and no_grad"
            )
        return found

    def value(self, original: Float[Tensor, "1 3 h w"], decoded: Float[Tensor, "1 3 h w"]) -> float:
        """Its number alone."""
        with torch.no_grad():
            return float(self._number(original, decoded))

    def _number(self, original: Tensor, decoded: Tensor) -> Tensor:
        try:
            found = self.function(original, decoded)
        except CodecError:
            raise
        except Exception as err:  # code of others
            raise CodecError(
                f"score {self.name} fails on pictures of shape {tuple(original.shape)}: "
                f"{sentence_of_error(err, is_ours=False)}"
            ) from err
        if not isinstance(found, Tensor) or found.numel() != 1:
            what = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
            raise CodecError(f"score {self.name} gives {what}; allowed is a tensor of one number, a distance")
        if not torch.isfinite(found).all():
            raise CodecError(f"score {self.name} gives {found.item()}; allowed are finite numbers")
        return found.reshape(())


def tensor_of_picture(image: Image) -> Float[Tensor, "1 3 h w"]:
    """(1, 3, h, w) from 0 to 1; grey three times."""
    planes = image.samples.transpose(2, 0, 1).astype(np.float32) / np.float32(image.peak)
    return with_three_colors(torch.from_numpy(np.ascontiguousarray(planes))[None])


def with_three_colors(planes: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 3 h w"]:
    """Of one colour or three."""
    return planes.expand(-1, _NUM_COLORS, -1, -1)
