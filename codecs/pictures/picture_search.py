"""Effort 3: coefficients of a picture moved so that the integers chosen of them are good for its decoded pixels.

In rounds: integers are chosen as with effort 1; their decoder, linear or neural, says where each coefficient would have to
be for the pixels to be nearer (`decoder_gradient`); coefficients move there by a share. A decoder of any kind reads the
file. The bytes depend on how torch adds, so on its version and number of threads, and on the machine.

On crops of bsds500/val, files of profile best are 1.5 % smaller at equal PSNR for the linear decoder, those of profile
small 1.3 %, and for the neural decoder 2 to 3 %; more rounds, or effort 2 in them, gain nothing. On one core a million
pixels take 6 seconds for the linear decoder, 16 for the neural one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, missing_torch_error
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import LayoutTile
from laconic.codecs.plan import Plan, integers_of_tiles
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.picture_rows import (
    PictureRows,
    PictureRowsPart,
    analyze_low_channels,
    coefficients_of_rows,
    points_of_part,
)

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.models.neural_synthesis import NeuralSynthesis

SEARCH_MARGIN: Final = 16  # latent rows around a part that are searched with it; a multiple of 8
_SHARES: Final = (0.5, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)  # of the way to the aim, by round
_LARGEST_MOVE: Final = 1.0  # steps

Floats = NDArray[np.float32]


def searched_coefficients(
    rows: PictureRows, span: tuple[int, int], plan: Plan, on_round: Callable[[float], None]
) -> Float[Floats, "d h w"]:
    """Coefficients of rows `span` of the latent, whole rows of tiles, as the integers of effort 3 are chosen of.

    `rows` must hold `SEARCH_MARGIN` and the model's margin of latent rows more, as far as the picture has them. `on_round`
    is given the share of the work that is done. Raises `CodecError`, `MissingDependencyError`.
    """
    missing_torch_error("effort 3", instead="choose effort 2")
    from laconic.codecs.learning.decoder_gradient import DecoderGradient

    model = plan.model
    gradient = DecoderGradient(model, _network_of(plan), plan.step_code)
    first, last = max(span[0] - SEARCH_MARGIN, 0), min(span[1] + SEARCH_MARGIN, plan.grid[0])
    start = np.empty((model.num_channels, last - first, plan.grid[1]), np.float32)
    coefficients_of_rows(rows, (first, last), model, [start])
    tiles = [tile.moved(-first, 0) for tile in plan.tiles if span[0] <= tile.top < span[1]]
    for top, bottom in ((0, span[0] - first), (span[1] - first, last - first)):
        tiles += [LayoutTile(top, 0, bottom, plan.grid[1])] if bottom > top else []
    pixels = _pixels_of(rows, (first, last), model)
    reach = np.float32(_LARGEST_MOVE * float(step_of_code(plan.step_code)) * model.unit)
    moved = start.copy()
    for number, share in enumerate(_SHARES):
        aims = gradient.aims(_points_of(moved, tiles, first, plan), pixels)
        if model.low_levels:
            low = aims[: model.num_planes].copy()
            analyze_low_channels(low, model)
            aims[: model.num_planes] = low
        moved += np.float32(share) * (aims - moved)
        np.clip(moved, start - reach, start + reach, out=moved)
        on_round((number + 1) / len(_SHARES))
    return np.ascontiguousarray(moved[:, span[0] - first : span[1] - first])


def _network_of(plan: Plan) -> NeuralSynthesis | None:
    """That of the decoder that is searched for, None for the linear one."""
    if plan.synthesis == "linear":
        return None
    from laconic.codecs.pictures.neural_rendering import rendering_network_at, rendering_network_of

    if plan.synthesis == "neural":
        return rendering_network_of(plan.model)
    if plan.synthesis != "auto":
        return rendering_network_at(plan.synthesis, plan.model)
    try:
        return rendering_network_of(plan.model)
    except (CodecError, MissingDependencyError):
        return None


def _points_of(coefficients: Floats, tiles: list[LayoutTile], first: int, plan: Plan) -> Float[Floats, "d h w"]:
    """What a decoder makes of the integers of these coefficients, tile by tile; row 0 is row `first` of the latent."""
    values = integers_of_tiles(coefficients, tiles, plan)
    part = PictureRowsPart(values, (first, 0), plan.form.size, plan.step_code, plan.form.peak, places=plan.places)
    return points_of_part(part.with_map(plan.model).with_low(plan.model), plan.model)


def _pixels_of(rows: PictureRows, span: tuple[int, int], model: Model) -> Float[Floats, "c h w"]:
    """Colours of these rows of the latent, as planes in [-0.5, 0.5]."""
    factor = model.tree.factor
    samples = rows.samples[span[0] * factor - rows.first : min(span[1] * factor, rows.height) - rows.first]
    planes = samples[:, :, : model.num_planes].transpose(2, 0, 1).astype(np.float32)
    return np.ascontiguousarray(planes / np.float32(rows.peak) - np.float32(0.5))
