"""Pictures <-> coefficients or integers, some rows at a time.

What is made of some rows is the same whatever the rows are, as long as `MARGIN` latent rows around them are taken along.
Pictures of 8 bits go through the fixed-point map of their model; others in float32, in a fixed order of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.latent import Latent
from laconic.codecs.media import Samples
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Tree, length_padded_to_tree
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform import wavelet
from laconic.codecs.transform.projection import project, unproject
from laconic.codecs.transform.quantizer import Quantizer, inverse_quantizer_step, quantize

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

Floats = NDArray[np.float32]
UNTILED: Final = 1 << 40  # side of a tile that holds everything
# Fraction bits of the rows of fixed-point synthesis, in levels; the coefficients it starts from have three less. From this
# step code on, errors of 16 levels and more may take rows of black and white noise beyond 16 bits, so they have one bit
# less.
_ROW_BITS: Final = 6
_COARSE_CODE: Final = 144


@dataclass(frozen=True)
class PictureRows:
    """Rows `first` and on of a picture of `height` rows: `samples` (rows, w, c), whose largest colour is `peak`."""

    samples: UInt[Samples, "rows w c"]
    first: int
    height: int
    peak: int


def coefficients_of_rows(
    rows: PictureRows, span: tuple[int, int], model: Model, tiles: Sequence[Float[Floats, "d h w"]], side: int = UNTILED
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
    tiles: Sequence[Int[NDArray[Any], "d h w"]],
    side: int = UNTILED,
) -> None:
    """Integers, as `quantize` makes them of what `coefficients_of_rows` gives; `tiles` are int32, or int16 where
    `integer_type` allows it."""
    if _is_fixed(rows.samples, model):
        inverse = inverse_quantizer_step(quantizer.step_code, model)
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
class PictureRowsPart:
    """Places of a picture's latent: `values` (channels, rows, columns) from place `corner` (row, column) on. `size` is
    (height, width) of the whole picture, `peak` its largest colour."""

    values: Int[NDArray[Any], "d h w"]
    corner: tuple[int, int]
    size: tuple[int, ...]
    step_code: int
    peak: int


def synthesize_picture_rows(
    part: PictureRowsPart,
    model: Model,
    out: UInt[Samples, "h w c"],
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
    rows_of_coefficients(latent.dequantize(), model, out, (y, x), peak=part.peak, scale_log2=scale_log2)


def rows_of_coefficients(
    coefficients: Float[Floats, "d _ _"],
    model: Model,
    out: UInt[Samples, "h w c"],
    corner: tuple[int, int],
    *,
    peak: int,
    scale_log2: int = 0,
) -> None:
    """Colours of the rectangle `out` (h, w, c), 0 to `peak`, by float synthesis; `corner` is that of its first pixel, from
    the coefficients' own first. Channels that are missing count as 0."""
    y, x = corner
    packets = unproject(coefficients, model)
    planes = wavelet.synthesize_wavelet(packets, model.tree, model.num_planes, scale_log2)
    planes = np.ascontiguousarray(planes[:, y : y + out.shape[0], x : x + out.shape[1]])
    _native.samples_of_planes(planes, out, peak)


def _is_fixed(samples: Samples, model: Model) -> bool:
    return samples.dtype == np.uint8 and model.fixed_map is not None


def packets_of_picture(
    samples: UInt[Samples, "h w c"], peak: int, tree: Tree, num_planes: int
) -> Float[Floats, "d _ _"]:
    """Wavelet packets of (h, w, c) samples, 0 to `peak`, before any projection: (d, h', w'); alpha is left out."""
    height, width = (length_padded_to_tree(n, tree.depth) for n in samples.shape[:2])
    planes = np.empty((num_planes, height, width), np.float32)
    _native.planes_of_samples(np.ascontiguousarray(samples), planes, peak)
    return wavelet.analyze_wavelet(planes, tree)


def _float_coefficients(rows: PictureRows, span: tuple[int, int], model: Model) -> Floats:
    top, bottom = span
    factor = model.tree.factor
    first = max(top - MARGIN, 0)
    last = min(bottom + MARGIN, -(-rows.height // factor))
    cut = rows.samples[first * factor - rows.first : min(last * factor, rows.height) - rows.first]
    packets = packets_of_picture(cut, rows.peak, model.tree, model.num_planes)
    return project(np.ascontiguousarray(packets[:, top - first : bottom - first]), model)


def _cuts(planes: Floats, side: int) -> Iterator[Floats]:
    for y in range(0, planes.shape[1], side):
        for x in range(0, planes.shape[2], side):
            yield planes[:, y : y + side, x : x + side]
