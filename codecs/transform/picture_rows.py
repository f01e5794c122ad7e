"""Pictures <-> coefficients or integers, some rows at a time.

What is made of some rows is the same whatever the rows are, as long as `margin_of(model)` latent rows around them are taken
along.
Pictures of 8 bits go through the fixed-point map of their model; others in float32, in a fixed order of operations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.media import Samples
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.low_levels import LOW_MARGIN, LOW_STEP, LOW_STEP_LOG2
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Tree, length_padded_to_tree
from laconic.codecs.models.tunings import has_noise
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform import wavelet
from laconic.codecs.transform.projection import project, unproject
from laconic.codecs.transform.quantizer import Quantizer, inverse_quantizer_step, quantize

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, UInt

    from laconic.codecs.packing.place_weights import PlaceWeights

Floats = NDArray[np.float32]
UNTILED: Final = 1 << 40  # side of a tile that holds everything
# Fraction bits of the rows of fixed-point synthesis, in levels; the coefficients it starts from have three less. From this
# step code on, errors of 16 levels and more may take rows of black and white noise beyond 16 bits, so they have one bit
# less.
_ROW_BITS: Final = 6
_COARSE_CODE: Final = 144


def margin_of(model: Model) -> int:
    """Latent places around a part of a picture that it depends on."""
    return MARGIN + (LOW_MARGIN if model.low_levels else map_margin_of(model))


def map_margin_of(model: Model) -> int:
    """Places around those whose steps and noise are wanted that these depend on."""
    return 1 if model.tuned is not None and (model.tuned.strength or has_noise(model)) else 0


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

    `rows` must hold `margin_of(model)` latent rows more on both sides, as far as the picture has them; spans of models with
    low levels begin at multiples of 8.
    """
    if not _is_fixed(rows.samples, model):
        whole = _float_coefficients(rows, span, model)
        for tile, cut in zip(tiles, _cuts(whole, side), strict=True):
            tile[...] = cut
        return
    low, first = _low_room(rows, span, model)
    samples = np.ascontiguousarray(rows.samples)
    _native.fixed_coefficients(model.fixed_map, samples, rows.first, rows.height, *span, side, list(tiles), low, first)
    if low is not None:
        for tile, cut in zip(tiles, _cuts(_low_coefficients(low, first, span, model), side), strict=True):
            tile[: len(cut)] = cut


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
    if not _is_fixed(rows.samples, model):
        _quantize_cuts(_float_coefficients(rows, span, model), model, quantizer, tiles, side)
        return
    low, first = _low_room(rows, span, model)
    inverse = inverse_quantizer_step(quantizer.step_code, model)
    thresholds = np.ascontiguousarray(quantizer.thresholds)
    samples = np.ascontiguousarray(rows.samples)
    _native.fixed_integers(
        model.fixed_map, samples, rows.first, rows.height, *span, side, list(tiles), inverse, thresholds, low, first
    )
    if low is not None:
        _quantize_cuts(_low_coefficients(low, first, span, model), model, quantizer, tiles, side)


def _quantize_cuts(
    planes: Floats, model: Model, quantizer: Quantizer, tiles: Sequence[NDArray[Any]], side: int
) -> None:
    """Integers of the first channels of the tiles of some rows, those of `planes`."""
    for tile, cut in zip(tiles, _cuts(planes, side), strict=True):
        quantize(np.ascontiguousarray(cut), quantizer, model, tile[: len(cut)])


def _low_room(rows: PictureRows, span: tuple[int, int], model: Model) -> tuple[Floats | None, int]:
    """Where analysis puts the lowest channels of rows of the latent and of those that their further levels depend on, and
    the first of these rows; None for a model without low levels."""
    if not model.low_levels:
        return None, 0
    first, last = _low_span(rows, span, model)
    return np.empty((model.num_planes, last - first, model.tree.places_of(rows.samples.shape[1])), np.float32), first


def _low_span(rows: PictureRows, span: tuple[int, int], model: Model) -> tuple[int, int]:
    margin = LOW_MARGIN if model.low_levels else 0
    return max(span[0] - margin, 0), min(span[1] + margin, model.tree.places_of(rows.height))


def _low_coefficients(low: Floats, first: int, span: tuple[int, int], model: Model) -> Floats:
    """The same in their further levels, of rows `span` alone, from those of rows from `first` on; in place."""
    analyze_low_channels(low, model)
    return low[:, span[0] - first : span[1] - first]


def analyze_low_channels(low: Float[Floats, "p h w"], model: Model) -> None:
    """Planes of the lowest channels to coefficients of their further levels, in place, of a model that has these."""
    _native.analyze_low(low, model.low_gains)


@dataclass(frozen=True)
class PictureRowsPart:
    """Places of a picture's latent: `values` (channels, rows, columns) from place `corner` (row, column) on. `size` is
    (height, width) of the whole picture, `peak` its largest colour. `low` stands for the first values of a model with low
    levels, synthesised, in units of 2**-11; those of the part's outer `LOW_MARGIN` places are none. `exponents` are those
    of the places of a tuned picture (`Latent.exponents`), `classes` say how much goes on around places, where there is
    noise instead of zeros; those of the part's outer places are none, and where `unmapped` is true they are 0, but for the
    weights of `places`, of the whole picture."""

    values: Int[NDArray[Any], "d h w"]
    corner: tuple[int, int]
    size: tuple[int, ...]
    step_code: int
    peak: int
    low: Int[NDArray[np.int16], "p h w"] | None = None
    unmapped: Bool[NDArray[np.bool_], "h w"] | None = None
    places: PlaceWeights | None = None
    exponents: Int[NDArray[np.int8], "h w"] | None = None
    classes: UInt[NDArray[np.uint8], "h w"] | None = None

    def with_map(self, model: Model) -> PictureRowsPart:
        """The same with `exponents` and `classes`, where files of the model have these."""
        if model.tuned is None:
            return self
        found, classes = model.tuned.exponents_and_classes(self.values, self.step_code)
        for one in (found, classes):
            if one is not None and self.unmapped is not None:
                one[self.unmapped] = 0
        if found is not None and self.places is not None:
            found = self.places.added(found, self.corner)
        return replace(self, exponents=found, classes=classes)

    def with_low(self, model: Model, skipped: int = 0) -> PictureRowsPart:
        """The same with `low`, where the model has low levels; the corner is then at multiples of 4.

        With the finest `skipped` levels left as they are, at least 1, places of the grid that is so much coarser, with the
        lowest channels alone.
        """
        rule = model.low_at(self.step_code)
        if rule is None or self.low is not None:
            return self
        step = float(step_of_code(self.step_code)) * model.unit
        low = rule.values(self.values[: model.num_planes], step, skipped)
        if not skipped:
            return replace(self, low=low)
        return replace(self, values=low, corner=(self.corner[0] >> skipped, self.corner[1] >> skipped), low=low)


def points_of_part(part: PictureRowsPart, model: Model) -> Float[Floats, "d h w"]:
    """Coefficients (d, h, w) of a part that has its low values and exponents, as far as the model has these."""
    d = len(part.values)
    points = np.empty(part.values.shape, np.float32)
    integers = np.ascontiguousarray(part.values, np.int32).reshape(d, -1)
    steps = np.ascontiguousarray(model.steps_at(part.step_code)[:d])
    shrink = np.ascontiguousarray(model.shrink_of(part.step_code, d))
    _native.dequantize(integers, points.reshape(d, -1), steps, shrink)
    if part.low is not None:
        points[: len(part.low)] = part.low * LOW_STEP
    if part.exponents is not None:
        assert model.tuned is not None
        model.tuned.unscale_mapped(points, part.exponents)
    return points


def filled_points(part: PictureRowsPart, model: Model) -> Float[Floats, "d h w"]:
    """The same with noise in place of zeros, where the part has classes."""
    if part.classes is None:
        return points_of_part(part, model)
    assert model.tuned is not None and model.tuned.largest_noise is not None
    out, d = points_of_part(replace(part, exponents=None), model), len(part.values)
    largest = model.tuned.largest_noise[:d] * model.steps_at(part.step_code)[:d, None]
    integers = np.ascontiguousarray(part.values, np.int32)
    _native.fill_points(integers, part.classes, largest, 0, *part.corner, out)
    if part.exponents is not None:
        model.tuned.unscale_mapped(out, part.exponents)
    return out


def _largest_noise(scales: Float[Floats, " d"], model: Model) -> Int[NDArray[np.int16], "d classes"]:
    """In the units of fixed-point coefficients, in which the steps of channels are these `scales`."""
    assert model.tuned is not None and model.tuned.largest_noise is not None
    exact = model.tuned.largest_noise * scales[:, None] + np.float32(0.5)
    whole: NDArray[np.int16] = np.minimum(np.floor(exact), np.float32(32767)).astype(np.int16)
    return whole


def cut_of_part(part: PictureRowsPart, cut: tuple[slice, slice]) -> PictureRowsPart:
    """Some places of a part that has its low values, exponents and classes."""
    return replace(
        part,
        values=part.values[:, *cut],
        corner=(part.corner[0] + (cut[0].start or 0), part.corner[1] + (cut[1].start or 0)),
        low=None if part.low is None else part.low[:, *cut],
        exponents=None if part.exponents is None else np.ascontiguousarray(part.exponents[cut]),
        classes=None if part.classes is None else np.ascontiguousarray(part.classes[cut]),
    )


def synthesize_picture_rows(
    part: PictureRowsPart,
    model: Model,
    out: UInt[Samples, "h w c"],
    corner: tuple[int, int],
    scale_log2: int = 0,
    rows: slice = slice(None),
) -> None:
    """Colours of the rectangle `out` (h, w, c) of the picture at 2**-scale_log2 of its size, from pixel `corner` (y, x) on.

    Around the rectangle's places, the part needs `margin_of(model)` more, as far as the picture has them. `rows`: of the
    part's places, those to use, `MARGIN` more around where `low` is there. A channel of `out` beyond the colours is left
    alone.
    """
    top, bottom, _ = rows.indices(part.values.shape[1])
    side = model.tree.factor >> scale_log2
    y, x = corner[0] - (part.corner[0] + top) * side, corner[1] - part.corner[1] * side
    part = part.with_low(model)
    if part.exponents is None and part.classes is None:
        part = part.with_map(model)
    low = None if part.low is None else np.ascontiguousarray(part.low)
    shrink = model.shrink_of(part.step_code, model.num_channels)
    if _is_fixed(out, model):
        row_bits = _ROW_BITS - (part.step_code >= _COARSE_CODE)
        scales = model.steps_at(part.step_code) * np.float32(255 << row_bits >> 3)
        values = np.ascontiguousarray(part.values)
        extent = (top, bottom - top, row_bits, scales, shrink, scale_log2)
        low_scale = float((255 << row_bits >> 3) * 2.0**LOW_STEP_LOG2)
        first_mapped = 0 if model.tuned is None else model.tuned.first_mapped
        noise = () if part.classes is None else (part.classes, _largest_noise(scales, model), 0, *part.corner)
        _native.fixed_samples(
            model.fixed_map, values, *extent, out, y, x, low, low_scale, part.exponents, first_mapped, *noise
        )
        return
    points = filled_points(cut_of_part(part, (slice(top, bottom), slice(None))), model)
    rows_of_coefficients(points, model, out, (y, x), peak=part.peak, scale_log2=scale_log2)


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
    factor = model.tree.factor
    top, bottom = _low_span(rows, span, model)
    first = max(top - MARGIN, 0)
    last = min(bottom + MARGIN, -(-rows.height // factor))
    cut = rows.samples[first * factor - rows.first : min(last * factor, rows.height) - rows.first]
    packets = packets_of_picture(cut, rows.peak, model.tree, model.num_planes)
    out = project(np.ascontiguousarray(packets[:, top - first : bottom - first]), model)
    if model.low_levels:
        _native.analyze_low(out[: model.num_planes], model.low_gains)
    return out[:, span[0] - top : span[1] - top]


def _cuts(planes: Floats, side: int) -> Iterator[Floats]:
    for y in range(0, planes.shape[1], side):
        for x in range(0, planes.shape[2], side):
            yield planes[:, y : y + side, x : x + side]
