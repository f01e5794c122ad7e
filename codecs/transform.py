"""Signals <-> latent coefficients: samples, packets, projection, quantiser. All float32 in a fixed order of operations
(no BLAS, no libm, no contraction), so every machine finds the same integers and the same samples.

A signal is laid out as *rows* of planes: a picture and a cube are one row; a sound with more channels than its model has
planes is several, one under the other in the latent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native, wavelet
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.latent import Latent
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.model import Model
from laconic.codecs.quantizer import step_of_code

Floats = NDArray[np.float32]
Kind = Literal["image", "sound", "cube"]


@dataclass(frozen=True)
class Form:
    """What a file says of a signal beside its integers."""

    kind: Kind
    size: tuple[int, ...]
    sample_type: str
    sample_rate: int


def form_of(signal: Signal) -> Form:
    """Kind, size and sample type of a signal, alpha left out."""
    match signal:
        case Image():
            return Form("image", (signal.height, signal.width), str(signal.samples.dtype), 0)
        case Audio():
            return Form("sound", signal.samples.shape, "float32", signal.sample_rate)
        case Cube():
            return Form("cube", signal.samples.shape, str(signal.samples.dtype), 0)
        case _:
            assert_never(signal)


def coefficients_of(signal: Signal, model: Model) -> Floats:
    """(d, h, w) latent coefficients in signal units, alpha left out. Raises `UnsupportedSignalError`."""
    _check_fits(signal, model)
    packets = packets_of(signal, model.tree, model.num_planes, model.offsets)
    return _apply_blocks(model.analysis, packets, model)


def packets_of(signal: Signal, tree: wavelet.Tree, num_planes: int, offsets: Floats | None = None) -> Floats:
    """Wavelet packets before any projection: (d, h, w), for one-dimensional signals (d, rows, t)."""
    if isinstance(signal, Image):
        height, width = (wavelet.padded_length(n, tree.depth) for n in (signal.height, signal.width))
        planes = np.empty((num_planes, height, width), np.float32)
        _native.planes_of_samples(np.ascontiguousarray(signal.samples), planes, _peak(str(signal.samples.dtype)))
        return wavelet.analyze_extended(planes, tree)
    samples = signal.samples.astype(np.float32)
    rows = len(samples) // num_planes
    if offsets is not None:
        samples -= np.tile(offsets, rows).reshape(-1, *(1,) * (samples.ndim - 1))
    if samples.shape[1] == 0:
        return np.empty((num_planes * tree.num_bands**tree.depth, rows, 0), np.float32)
    packets = wavelet.analyze(samples, tree)
    if tree.dimensions == 2:
        return packets
    # (bands, rows, planes, t) -> (bands, planes, rows, t)
    bands = packets.reshape(-1, rows, num_planes, packets.shape[-1]).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(bands).reshape(-1, rows, packets.shape[-1])


def quantize(coefficients: Floats, step_code: int, model: Model) -> NDArray[np.int32]:
    """Integers of the coefficients at a step."""
    out = np.empty(coefficients.shape, np.int32)
    d = len(coefficients)
    inverse = float(np.float32(1) / (step_of_code(step_code) * np.float32(model.unit)))
    _native.quantize(coefficients.reshape(d, -1), out.reshape(d, -1), inverse, model.rounding)
    return out


def latent_of(signal: Signal, values: NDArray[np.int32], step_code: int, model: Model) -> Latent:
    """The latent of a signal with these integers, (d, h, w)."""
    form = form_of(signal)
    alpha, metadata = None, {}
    if isinstance(signal, Image):
        alpha, metadata = signal.samples[:, :, -1] if has_alpha(signal) else None, dict(signal.metadata)
    return Latent(
        values=values,
        step_code=step_code,
        fingerprint=model.fingerprint,
        shrink=model.shrink_of(step_code, model.num_channels),
        size=form.size,
        sample_type=form.sample_type,
        unit=model.unit,
        sample_rate=form.sample_rate,
        alpha=alpha,
        metadata=metadata,
    )


def signal_of(latent: Latent, model: Model) -> Signal:
    """Linear synthesis; channels that the latent lacks count as 0. Alpha and metadata are put back."""
    d, h, w = latent.values.shape
    coefficients = np.zeros((model.num_channels, h, w), np.float32)
    coefficients[:d] = latent.dequantize()
    packets = _apply_blocks(model.synthesis, coefficients, model)
    if model.kind == "image":
        return _image_of(packets, latent, model)
    if latent.size[1] == 0:
        samples = np.zeros(latent.size, np.float32)
    else:
        samples = _planes_of(packets, latent, model)
        samples += np.tile(model.offsets, h if model.tree.dimensions == 1 else 1).reshape(
            -1, *(1,) * (samples.ndim - 1)
        )
    if model.kind == "sound":
        return Audio(samples, latent.sample_rate)
    return Cube(_as_type(samples, latent.sample_type))


def num_colors(image: Image) -> int:
    """Colour planes without alpha: 1 or 3."""
    return int(image.samples.shape[2]) - has_alpha(image)


def has_alpha(image: Image) -> bool:
    return image.samples.shape[2] in (2, 4)


def grid_of(form: Form, model: Model) -> tuple[int, int]:
    """Sides of the latent grid."""
    factor = model.tree.factor
    if form.kind == "image":
        return -(-form.size[0] // factor), -(-form.size[1] // factor)
    if model.tree.dimensions == 1:
        return form.size[0] // model.num_planes, -(-form.size[1] // factor)
    return -(-form.size[1] // factor), -(-form.size[2] // factor)


def misfit(form: Form, model: Model) -> str | None:
    """Why a model cannot take a signal of this form, or None where it can; colour planes are not looked at."""
    if form.kind != model.kind:
        return f"it is for signals of kind {model.kind}, this is one of kind {form.kind}"
    if form.kind == "sound" and form.size[0] % model.num_planes:
        return f"it takes multiples of {model.num_planes} channels, the sound has {form.size[0]}"
    if form.kind == "cube" and (form.size[0] != model.num_planes or len(form.size) != model.tree.dimensions + 1):
        sides = "(c, h, w)" if model.tree.dimensions == 2 else "(c, t)"
        return f"it takes {sides} with c = {model.num_planes}, the cube is {form.size}"
    return None


def _check_fits(signal: Signal, model: Model) -> None:
    reason = misfit(form_of(signal), model)
    if reason is None and isinstance(signal, Image) and num_colors(signal) != model.num_planes:
        reason = f"it takes {model.num_planes} colour planes, the picture has {num_colors(signal)}"
    if reason:
        raise UnsupportedSignalError(f"model {model.name} does not fit: {reason}; choose another or convert the signal")


def _image_of(packets: Floats, latent: Latent, model: Model) -> Image:
    planes = wavelet.synthesize_extended(packets, model.tree, model.num_planes)
    num_channels = model.num_planes + (latent.alpha is not None)
    samples = np.empty((*latent.size, num_channels), np.dtype(latent.sample_type))
    _native.samples_of_planes(planes, samples, _peak(latent.sample_type))
    if latent.alpha is not None:
        samples[:, :, -1] = latent.alpha
    return Image(samples, latent.metadata)


def _planes_of(packets: Floats, latent: Latent, model: Model) -> Floats:
    """(channels, ...) samples of a sound or cube, before offsets."""
    num_planes = latent.size[0]
    if model.tree.dimensions == 1:
        rows = packets.shape[1]
        bands = packets.reshape(-1, model.num_planes, rows, packets.shape[-1]).transpose(0, 2, 1, 3)
        packets = np.ascontiguousarray(bands).reshape(-1, packets.shape[-1])
    return np.ascontiguousarray(wavelet.synthesize(packets, model.tree, num_planes, latent.size[1:]))


def _as_type(samples: Floats, sample_type: str) -> NDArray[Any]:
    """Rounded and clipped where the type is an integer."""
    dtype = np.dtype(sample_type)
    if dtype.kind == "f":
        return samples
    limits = np.iinfo(dtype)
    rounded: NDArray[Any] = np.clip(np.floor(samples + np.float32(0.5)), limits.min, limits.max).astype(dtype)
    return rounded


def _apply_blocks(matrices: tuple[Floats, ...], values: Floats, model: Model) -> Floats:
    out = np.empty(values.shape, np.float32)
    flat_in, flat_out = values.reshape(len(values), -1), out.reshape(len(values), -1)
    for (lo, hi), matrix in zip(model.blocks, matrices, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    return out


def _peak(sample_type: str) -> float:
    return 255.0 if sample_type == "uint8" else 65535.0
