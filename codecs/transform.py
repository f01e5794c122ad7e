"""Pictures <-> latent coefficients: samples, packets, projection, quantiser. All float32 in a fixed order of
operations (no BLAS, no libm, no contraction), so every machine finds the same integers and the same pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native, wavelet
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.latent import Latent
from laconic.codecs.media import Image
from laconic.codecs.model import Model
from laconic.codecs.quantizer import step_of_code

Floats = NDArray[np.float32]


def coefficients_of(image: Image, model: Model) -> Floats:
    """(d, ceil(h / 8), ceil(w / 8)) latent coefficients in signal units, alpha left out."""
    if num_colors(image) != model.num_planes:
        raise UnsupportedSignalError(
            f"model {model.name} takes {model.num_planes} colour planes, the picture has {num_colors(image)}; "
            "convert the picture or choose another model"
        )
    return _apply_blocks(model.analysis, packets_of(image, model.tree), model)


def packets_of(image: Image, tree: wavelet.Tree) -> Floats:
    """Wavelet packets of the colour planes, before any projection: (d, ceil(h / 8), ceil(w / 8))."""
    height, width = (wavelet.padded_length(n, tree.depth) for n in (image.height, image.width))
    planes = np.empty((num_colors(image), height, width), np.float32)
    _native.planes_of_samples(np.ascontiguousarray(image.samples), planes, _peak(image.bit_depth))
    return wavelet.analyze_extended(planes, tree)


def quantize(coefficients: Floats, step_code: int, model: Model) -> NDArray[np.int32]:
    """Integers of the coefficients at a step."""
    out = np.empty(coefficients.shape, np.int32)
    d = len(coefficients)
    inverse = float(np.float32(1) / step_of_code(step_code))
    _native.quantize(coefficients.reshape(d, -1), out.reshape(d, -1), inverse, model.rounding)
    return out


def image_of(latent: Latent, model: Model) -> Image:
    """Linear synthesis; channels that the latent lacks count as 0. Alpha and metadata are put back."""
    d, h, w = latent.values.shape
    coefficients = np.zeros((model.num_channels, h, w), np.float32)
    coefficients[:d] = latent.dequantize()
    packets = _apply_blocks(model.synthesis, coefficients, model)
    planes = wavelet.synthesize_extended(packets, model.tree, model.num_planes)
    dtype = np.uint8 if latent.bit_depth == 8 else np.uint16
    num_channels = model.num_planes + (latent.alpha is not None)
    samples = np.empty((*latent.size, num_channels), dtype)
    _native.samples_of_planes(planes, samples, _peak(latent.bit_depth))
    if latent.alpha is not None:
        samples[:, :, -1] = latent.alpha
    return Image(samples, latent.metadata)


def num_colors(image: Image) -> int:
    """Colour planes without alpha: 1 or 3."""
    return image.samples.shape[2] - has_alpha(image)


def has_alpha(image: Image) -> bool:
    return image.samples.shape[2] in (2, 4)


def fill_transparent(image: Image) -> Image:
    """The picture with the colour under alpha 0 replaced by a smooth continuation of what is visible.

    That colour is never seen, so it may cost as little as possible: each level of a pyramid of means fills the holes of
    the finer one.
    """
    visible = image.samples[:, :, -1] > 0
    if visible.all():
        return image
    colors = image.samples[:, :, :-1].astype(np.float32) * visible[:, :, None]
    filled = _push_pull(colors, visible.astype(np.float32))
    samples = image.samples.copy()
    samples[:, :, :-1][~visible] = np.floor(filled[~visible] + np.float32(0.5)).astype(samples.dtype)
    return Image(samples, image.metadata)


def _push_pull(sums: Floats, weights: Floats) -> Floats:
    """Means (h, w, c) of weighted sums, holes filled from coarser and coarser means."""
    h, w = weights.shape
    if h == 1 and w == 1:
        return sums / np.maximum(weights, 1)[:, :, None]
    padding = ((0, h % 2), (0, w % 2))
    s = np.pad(sums, (*padding, (0, 0)))
    n = np.pad(weights, padding)
    coarse_sums = s[0::2, 0::2] + s[0::2, 1::2] + s[1::2, 0::2] + s[1::2, 1::2]
    coarse_weights = n[0::2, 0::2] + n[0::2, 1::2] + n[1::2, 0::2] + n[1::2, 1::2]
    coarse = _push_pull(coarse_sums, coarse_weights).repeat(2, 0).repeat(2, 1)[:h, :w]
    here = weights[:, :, None] > 0
    return np.where(here, sums / np.maximum(weights, 1)[:, :, None], coarse)


def _apply_blocks(matrices: tuple[Floats, ...], values: Floats, model: Model) -> Floats:
    out = np.empty_like(values)
    flat_in, flat_out = values.reshape(len(values), -1), out.reshape(len(values), -1)
    for (lo, hi), matrix in zip(model.blocks, matrices, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    return out


def _peak(bit_depth: int) -> float:
    return float((1 << bit_depth) - 1)
