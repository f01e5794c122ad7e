"""Brightness and colours of a picture apart, as networks get them: of latents by their bands, of pixels by the same axes.

The first colour of the model's axes is the brightness, and the two others are what a grey picture lacks. Squares of all
parts add up to those of pixels, as far as wavelets are orthonormal, so that errors of parts are errors of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.tensor_synthesis import TensorSynthesis
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.latent_bands import latent_bands_of
from laconic.tasks.heads.learning_task import InputForm
from laconic.tasks.heads.map_networks import stride_of_tokens

if TYPE_CHECKING:
    from jaxtyping import Float

_UNIT: Final = 64 / 255  # what 1 is in x of pixels, of full scale (`framing.framed_array`)


class ColorParts(Protocol):
    """A module that parts x (b, c, h, w), and puts pixels together."""

    num_luma: int
    num_chroma: int  # numbers of a token

    def luma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b luma h w"]:
        """What a network gets."""

    def chroma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        """What it is to find, for each token, in units in which it is easily found."""

    def grey(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        """What it is where red, green and blue are the same everywhere."""

    def squared(self, error: Float[Tensor, "b chroma rows columns"]) -> Float[Tensor, " b"]:
        """The mean square of what an error of chroma does to pixels, of full scale 1."""

    def pixels(
        self, x: Float[Tensor, "b c h w"], chroma: Float[Tensor, "b chroma rows columns"]
    ) -> Float[Tensor, "b 3 height width"]:
        """Red, green and blue, 0 to 1, of the brightness of x and these colours."""


def new_color_parts(form: InputForm) -> nn.Module:
    """`ColorParts` of inputs of a form. Raises `CodecError` for those without colours."""
    return _LatentColors(form) if form.arm == "latents" else _PixelColors(form)


class _LatentColors(nn.Module):
    luma_at: Tensor  # numbers of channels
    chroma_at: Tensor
    own_luma: Tensor  # of each channel of colour
    of_grey: Tensor  # what such a channel of a grey picture is of that
    scale: Tensor
    shift: Tensor

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        model = form.load_model()
        if model.num_planes != 3:
            raise CodecError(
                f"model {model.name} has no colours; allowed are latents of colour pictures, such as of rgb"
            )
        bands = latent_bands_of(model, form.channels)
        own = bands.colors[:, 0].astype(np.int64)
        is_luma = own == np.arange(form.channels)
        of_grey = bands.basis.sum(axis=1) / bands.basis[0].sum()
        color = (bands.colors == np.arange(form.channels)[:, None]).argmax(axis=1)
        self.num_luma, self.num_chroma = int(is_luma.sum()), int((~is_luma).sum())
        self.synthesis = TensorSynthesis(model)
        self.places = model.tree.factor**2
        places = {"luma_at": np.flatnonzero(is_luma), "chroma_at": np.flatnonzero(~is_luma), "own_luma": own[~is_luma]}
        for name, values in places.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        factors = {"scale": np.array(form.scale), "shift": np.array(form.shift), "of_grey": of_grey[color[~is_luma]]}
        for name, values in factors.items():
            self.register_buffer(name, torch.from_numpy(values).float()[:, None, None], persistent=False)

    def luma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b luma h w"]:
        return x[:, self.luma_at]

    def chroma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        return x[:, self.chroma_at]

    def grey(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        signal = ((x - self.shift) / self.scale)[:, self.own_luma] * self.of_grey
        return signal * self.scale[self.chroma_at] + self.shift[self.chroma_at]

    def squared(self, error: Float[Tensor, "b chroma rows columns"]) -> Float[Tensor, " b"]:
        return (error / self.scale[self.chroma_at]).square().sum(dim=1).mean(dim=(1, 2)) / (3 * self.places)

    def pixels(
        self, x: Float[Tensor, "b c h w"], chroma: Float[Tensor, "b chroma rows columns"]
    ) -> Float[Tensor, "b 3 height width"]:
        latent = (x.index_copy(1, self.chroma_at, chroma) - self.shift) / self.scale
        planes: Tensor = self.synthesis(latent)
        return (planes + 0.5).clamp(0, 1)


class _PixelColors(nn.Module):
    axes: Tensor  # rows: what brightness and colours are of red, green and blue

    def __init__(self, form: InputForm) -> None:
        super().__init__()
        self.stride = stride_of_tokens(form)
        self.num_luma, self.num_chroma = 1, 2 * self.stride[0] * self.stride[1]
        basis = latent_bands_of(load_model("rgb"), 3).basis
        axes = torch.from_numpy(basis / np.linalg.norm(basis, axis=1, keepdims=True)).float()
        self.register_buffer("axes", axes, persistent=False)

    def luma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b luma h w"]:
        return self._turned(x)[:, :1]

    def chroma(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        return self._tokens(self._turned(x)[:, 1:])

    def grey(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b chroma rows columns"]:
        shares = (self.axes.sum(dim=1) / self.axes[0].sum())[1:, None, None]
        return self._tokens(self.luma(x) * shares)

    def squared(self, error: Float[Tensor, "b chroma rows columns"]) -> Float[Tensor, " b"]:
        return (error * _UNIT).square().mean(dim=(1, 2, 3)) * 2 / 3

    def pixels(
        self, x: Float[Tensor, "b c h w"], chroma: Float[Tensor, "b chroma rows columns"]
    ) -> Float[Tensor, "b 3 height width"]:
        found = functional.pixel_shuffle(chroma, self.stride[0])[:, :, : x.shape[2], : x.shape[3]]
        turned = torch.cat([self.luma(x), found], dim=1)
        return (torch.einsum("kc,bkhw->bchw", self.axes, turned) * _UNIT + 0.5).clamp(0, 1)

    def _tokens(self, planes: Float[Tensor, "b 2 h w"]) -> Float[Tensor, "b chroma rows columns"]:
        """Those of a token side by side; 0 where it ends behind the picture."""
        rows, columns = (-size % step for size, step in zip(planes.shape[2:], self.stride, strict=True))
        return functional.pixel_unshuffle(functional.pad(planes, (0, columns, 0, rows)), self.stride[0])

    def _turned(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 h w"]:
        return torch.einsum("kc,bchw->bkhw", self.axes, x)
