"""Signals <-> latent coefficients: samples, packets, projection, quantiser. All float32 in a fixed order of operations
(no BLAS, no libm, no contraction), so every machine finds the same integers and the same samples.

A signal is laid out as *rows* of planes: a picture and a cube are one row; a sound with more channels than its model has
planes is several, one under the other in the latent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native, wavelet
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.fixed_point import MARGIN, largest_coefficient
from laconic.codecs.latent import Latent
from laconic.codecs.media import Audio, Cube, Image, Samples, Signal
from laconic.codecs.model import Model
from laconic.codecs.packet_tree import Tree, padded_length
from laconic.codecs.quantizer import step_of_code

Floats = NDArray[np.float32]
Kind = Literal["image", "sound", "cube"]
UNTILED: Final = 1 << 40  # side of a tile that holds everything
# Fraction bits of the rows of fixed-point synthesis, in levels; the coefficients it starts from have three less. From this
# step code on, errors of 16 levels and more may take rows of black and white noise beyond 16 bits, so they have one bit
# less.
_ROW_BITS: Final = 6
_COARSE_CODE: Final = 144


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
    check_fits(signal, model)
    if isinstance(signal, Image):
        rows = PictureRows(signal.samples, 0, signal.height)
        out = np.empty((model.num_channels, *grid_of(form_of(signal), model)), np.float32)
        coefficients_of_rows(rows, (0, out.shape[1]), model, [out])
        return out
    return _apply_blocks(packets_of(signal, model.tree, model.num_planes, model.offsets), model)


@dataclass(frozen=True)
class PictureRows:
    """Rows `first` and on of a picture of `height` rows: `samples` (rows, w, c)."""

    samples: Samples
    first: int
    height: int


def coefficients_of_rows(
    rows: PictureRows, span: tuple[int, int], model: Model, tiles: Sequence[Floats], side: int = UNTILED
) -> None:
    """Coefficients of rows `span` of the latent, as (d, h, w) `tiles` of `side` places, in raster order.

    `rows` must hold `MARGIN` latent rows more on both sides, as far as the picture has them.
    """
    if _is_fixed(rows.samples, model):
        samples = np.ascontiguousarray(rows.samples)
        _native.fixed_coefficients(model.fixed_map, samples, rows.first, rows.height, *span, side, list(tiles))
        return
    whole = _float_coefficients(rows, span, model)
    for tile, cut in zip(tiles, _cuts(whole, side), strict=True):
        tile[...] = cut


def integers_of_rows(
    rows: PictureRows,
    span: tuple[int, int],
    model: Model,
    quantizer: Quantizer,
    tiles: Sequence[NDArray[Any]],
    side: int = UNTILED,
) -> None:
    """Integers, as `quantize` makes them of what `coefficients_of_rows` gives; `tiles` are int32, or int16 where
    `integer_type` allows it."""
    if _is_fixed(rows.samples, model):
        inverse = _inverse_step(quantizer.step_code, model)
        thresholds = np.ascontiguousarray(quantizer.thresholds)
        samples = np.ascontiguousarray(rows.samples)
        _native.fixed_integers(
            model.fixed_map, samples, rows.first, rows.height, *span, side, list(tiles), inverse, thresholds
        )
        return
    whole = _float_coefficients(rows, span, model)
    for tile, cut in zip(tiles, _cuts(whole, side), strict=True):
        tile[...] = quantize(np.ascontiguousarray(cut), quantizer, model)


@dataclass(frozen=True)
class Quantizer:
    """`thresholds` (d, 2) float32 of the channels, in steps: |y| / step below the first gives 0, else at least 1 and what
    the second is added to, rounded down."""

    step_code: int
    thresholds: Floats


def integer_type(model: Model, step_code: int) -> type[np.signedinteger[Any]]:
    """int16 where it holds every integer of an 8-bit picture at this step, else int32."""
    fits = model.fixed and largest_coefficient(model.fixed) / float(step_of_code(step_code)) < 32767
    return np.int16 if fits else np.int32


def _float_coefficients(rows: PictureRows, span: tuple[int, int], model: Model) -> Floats:
    top, bottom = span
    factor = model.tree.factor
    first = max(top - MARGIN, 0)
    last = min(bottom + MARGIN, -(-rows.height // factor))
    cut = rows.samples[first * factor - rows.first : min(last * factor, rows.height) - rows.first]
    packets = packets_of(Image(cut), model.tree, model.num_planes)
    return _apply_blocks(np.ascontiguousarray(packets[:, top - first : bottom - first]), model)


def _cuts(planes: Floats, side: int) -> Iterator[Floats]:
    for y in range(0, planes.shape[1], side):
        for x in range(0, planes.shape[2], side):
            yield planes[:, y : y + side, x : x + side]


def packets_of(signal: Signal, tree: Tree, num_planes: int, offsets: Floats | None = None) -> Floats:
    """Wavelet packets before any projection: (d, h, w), for one-dimensional signals (d, rows, t)."""
    if isinstance(signal, Image):
        height, width = (padded_length(n, tree.depth) for n in (signal.height, signal.width))
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


def quantize(coefficients: Floats, quantizer: Quantizer, model: Model, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Integers of coefficients (d, h, w), int32 or in `out`, int16 or int32."""
    out = np.empty(coefficients.shape, np.int32) if out is None else out
    d = len(coefficients)
    _native.quantize(
        coefficients.reshape(d, -1),
        out.reshape(d, -1),
        _inverse_step(quantizer.step_code, model),
        np.ascontiguousarray(quantizer.thresholds[:d]),
    )
    return out


def _inverse_step(step_code: int, model: Model) -> float:
    return float(np.float32(1) / (step_of_code(step_code) * np.float32(model.unit)))


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
    if model.kind == "image":
        height, width = latent.size
        part = LatentPart(latent.values, (0, 0), latent.size, latent.step_code, np.dtype(latent.sample_type))
        samples = np.empty((height, width, model.num_planes + (latent.alpha is not None)), part.sample_type)
        synthesize_part(part, model, samples, (0, 0))
        if latent.alpha is not None:
            samples[:, :, -1] = latent.alpha
        return Image(samples, latent.metadata)
    if latent.size[1] == 0:
        samples = np.zeros(latent.size, np.float32)
    else:
        packets = _packets_of_coefficients(latent.dequantize(), model)
        samples = _planes_of(packets, latent, model)
        samples += np.tile(model.offsets, latent.values.shape[1] if model.tree.dimensions == 1 else 1).reshape(
            -1, *(1,) * (samples.ndim - 1)
        )
    if model.kind == "sound":
        return Audio(samples, latent.sample_rate)
    return Cube(_as_type(samples, latent.sample_type))


@dataclass(frozen=True)
class LatentPart:
    """Places of a picture's latent: `values` (channels, rows, columns) from place `corner` (row, column) on. `size` is
    (height, width) of the whole picture."""

    values: NDArray[Any]
    corner: tuple[int, int]
    size: tuple[int, ...]
    step_code: int
    sample_type: np.dtype[Any]


def synthesize_part(
    part: LatentPart,
    model: Model,
    out: Samples,
    corner: tuple[int, int],
    scale_log2: int = 0,
    rows: slice = slice(None),
) -> None:
    """Colours of the rectangle `out` (h, w, c) of the picture at 2**-scale_log2 of its size, from pixel `corner` (y, x) on.

    Around the rectangle's own places, the part needs `MARGIN` more, as far as the picture has them. `rows`: of the part's
    places, those to use. A channel of `out` beyond the colours is left alone.
    """
    top, bottom, _ = rows.indices(part.values.shape[1])
    side = model.tree.factor >> scale_log2
    y, x = corner[0] - (part.corner[0] + top) * side, corner[1] - part.corner[1] * side
    shrink = model.shrink_of(part.step_code, model.num_channels)
    if _is_fixed(out, model):
        row_bits = _ROW_BITS - (part.step_code >= _COARSE_CODE)
        scale = float(step_of_code(part.step_code) * np.float32(255 << row_bits >> 3))
        values = np.ascontiguousarray(part.values)
        extent = (top, bottom - top, row_bits, scale, shrink, scale_log2)
        _native.fixed_samples(model.fixed_map, values, *extent, out, y, x)
        return
    values = np.ascontiguousarray(part.values[:, top:bottom], np.int32)
    latent = Latent(values, part.step_code, model.fingerprint, shrink[: len(values)], part.size, unit=model.unit)
    samples_of_coefficients(latent.dequantize(), model, out, (y, x), scale_log2)


def samples_of_coefficients(
    coefficients: Floats, model: Model, out: Samples, corner: tuple[int, int], scale_log2: int = 0
) -> None:
    """Colours of the rectangle `out` (h, w, c) by float synthesis; `corner` is that of its first pixel, from the
    coefficients' own first. Channels that are missing count as 0."""
    y, x = corner
    packets = _packets_of_coefficients(coefficients, model)
    planes = wavelet.synthesize_extended(packets, model.tree, model.num_planes, scale_log2)
    planes = np.ascontiguousarray(planes[:, y : y + out.shape[0], x : x + out.shape[1]])
    _native.samples_of_planes(planes, out, _peak(str(out.dtype)))


def _is_fixed(samples: Samples, model: Model) -> bool:
    return samples.dtype == np.uint8 and model.fixed_map is not None


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


def check_fits(signal: Signal, model: Model) -> None:
    check_form_fits(form_of(signal), num_colors(signal) if isinstance(signal, Image) else model.num_planes, model)


def check_form_fits(form: Form, num_planes: int, model: Model) -> None:
    reason = misfit(form, model)
    if reason is None and num_planes != model.num_planes:
        reason = f"it takes {model.num_planes} colour planes, the picture has {num_planes}"
    if reason:
        raise UnsupportedSignalError(f"model {model.name} does not fit: {reason}; choose another or convert the signal")


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


def _apply_blocks(packets: Floats, model: Model) -> Floats:
    """Packets -> coefficients."""
    stacked, out = np.empty(packets.shape, np.float32), np.empty(packets.shape, np.float32)
    flat_in, flat_out = packets.reshape(len(packets), -1), stacked.reshape(len(packets), -1)
    for (lo, hi), matrix in zip(model.blocks, model.analysis, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    out[model.channels] = stacked
    return out


def _packets_of_coefficients(coefficients: Floats, model: Model) -> Floats:
    """Coefficients -> packets; channels that are missing count as 0."""
    d, *sides = coefficients.shape
    everything = np.zeros((model.num_channels, *sides), np.float32)
    everything[:d] = coefficients
    stacked, out = everything[model.channels], np.empty(everything.shape, np.float32)
    flat_in, flat_out = stacked.reshape(len(stacked), -1), out.reshape(len(out), -1)
    for (lo, hi), matrix in zip(model.blocks, model.synthesis, strict=True):
        _native.project(matrix, flat_in[lo:hi], flat_out[lo:hi])
    return out


def _peak(sample_type: str) -> float:
    return 255.0 if sample_type == "uint8" else 65535.0
