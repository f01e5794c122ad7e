"""How one signal is encoded, with nothing left to choose; and the one way from its coefficients to its integers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import Form
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import Layout, LayoutTile, tiles_of
from laconic.codecs.transform.quantizer import Quantizer, check_quantizer_step, integer_type, quantize
from laconic.codecs.transform.rate_distortion import (
    low_thresholds_for,
    optimize_rate_distortion,
    rate_distortion_thresholds_for,
)
from laconic.codecs.transform.subband_choice import optimize_subbands
from laconic.entropy.container import Profile
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Float, Int


SEARCH_EFFORT: Final = 3  # the largest


@dataclass(frozen=True, eq=False)
class Plan:
    """How a signal of this form is encoded by a model that takes it. `grid`: sides of the latent; `layout` is resolved;
    `effort`, `threads` and `synthesis` are those of `Lcn`."""

    form: Form
    model: Model
    grid: tuple[int, int]
    step_code: int
    layout: Layout
    effort: int
    threads: int = 1
    synthesis: str = "linear"

    @cached_property
    def tiles(self) -> list[LayoutTile]:
        """Of the latent in raster order; none of an empty sound."""
        return tiles_of(*self.grid, self.layout.tile_log2) if self.grid[1] else []

    @cached_property
    def quantizer(self) -> Quantizer:
        """What integers begin from, and end with unless `optimizes`."""
        choice = self.model, self.step_code, self.layout.file_profile, self.effort
        return Quantizer(self.step_code, rate_distortion_thresholds_for(*choice), low_thresholds_for(*choice))

    @property
    def optimizes(self) -> bool:
        """Whether integers are chosen by their bits in context."""
        return self.effort > 0 and self.layout.file_profile is not Profile.FAST

    @property
    def searches(self) -> bool:
        """Whether coefficients are moved first, so that integers are chosen for decoded pixels (`picture_search`)."""
        return self.optimizes and self.effort == SEARCH_EFFORT

    @property
    def integer_type(self) -> type[np.signedinteger[Any]]:
        """What holds the integers of a picture's tiles."""
        return integer_type(self.model, self.step_code)


def planned_integers(coefficients: Float[NDArray[np.float32], "d h w"], plan: Plan) -> Int[NDArray[np.int32], "d h w"]:
    """Integers of all coefficients of a signal, (d, h, w) both. Raises `CodecError` where they would be too large."""
    check_quantizer_step(coefficients, plan.step_code, plan.model)
    out = np.empty(coefficients.shape, np.int32)
    for tile in plan.tiles:
        cut = np.ascontiguousarray(tile.cut(coefficients))
        tile.cut(out)[...] = planned_tile(cut, plan, np.empty(cut.shape, np.int32)).values
    return out


def planned_tile(
    coefficients: Float[NDArray[np.float32], "d h w"], plan: Plan, out: Int[NDArray[Any], "d h w"]
) -> TileValues:
    """The integers of one tile, (d, h, w), in `out`: int32, or int16 where `integer_type` is."""
    quantize(coefficients, plan.quantizer, plan.model, out)
    effort = 1 if plan.searches else plan.effort  # in a search, 2 makes the file no better
    if plan.optimizes and plan.layout.file_profile is Profile.BEST:
        return TileValues(out, optimize_subbands(out, coefficients, plan.step_code, plan.model, effort=effort))
    if plan.optimizes:
        optimize_rate_distortion(out, coefficients, plan.step_code, plan.model, effort=effort)
    return TileValues(out)
