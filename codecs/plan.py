"""How one signal is encoded, with nothing left to choose; and the one way from its coefficients to its integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.form import Form
from laconic.codecs.models.model import Model
from laconic.codecs.packing.layout import Layout, LayoutTile, tiles_of
from laconic.codecs.packing.place_weights import PlaceWeights
from laconic.codecs.steps import step_of_code
from laconic.codecs.transform.quantizer import (
    Quantizer,
    check_quantizer_step,
    integer_type,
    quantize,
    quantize_channels,
)
from laconic.codecs.transform.rate_distortion import (
    low_thresholds_for,
    optimize_rate_distortion,
    rate_distortion_thresholds_for,
)
from laconic.codecs.transform.subband_choice import optimize_subbands
from laconic.entropy import _native
from laconic.entropy.container import Profile
from laconic.entropy.tile_symbols import TileValues

if TYPE_CHECKING:
    from jaxtyping import Float, Int


SEARCH_EFFORT: Final = 3  # the largest
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plan:
    """How a signal of this form is encoded by a model that takes it. `grid`: sides of the latent; `layout` is resolved;
    `effort`, `threads` and `synthesis` are those of `Lcn`; with `places`, the model is for files that weigh places.
    `has_noise`: the file says how loud noise in place of zeros is, of a sound. `packed_model` is embedded in the file."""

    form: Form
    model: Model
    grid: tuple[int, int]
    step_code: int
    layout: Layout
    effort: int
    threads: int = 1
    synthesis: str = "linear"
    places: PlaceWeights | None = None
    has_noise: bool = False
    packed_model: bytes | None = None

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
    def effort_of_choice(self) -> int:
        """How often integers are gone over; in a search, 2 makes the file no better."""
        return 1 if self.searches else self.effort

    @property
    def first_mapped(self) -> int:
        """The first channel whose steps depend on what is chosen of those before; where none does, their number."""
        tuned = self.model.tuned
        return self.model.num_channels if tuned is None or not tuned.maps_steps else tuned.first_mapped

    @property
    def step(self) -> float:
        """Quantiser step of the file, of a sound or cube in units of its level."""
        return float(step_of_code(self.step_code)) * self.model.unit

    @property
    def is_alike(self) -> bool:
        """Whether all channels have the file's step everywhere."""
        return self.model.tuned is None

    @property
    def maps_steps(self) -> bool:
        """Whether there are such channels."""
        return self.first_mapped < self.model.num_channels

    @property
    def integer_type(self) -> type[np.signedinteger[Any]]:
        """What holds the integers of a picture's tiles."""
        return integer_type(self.model, self.step_code)


def planned_integers(coefficients: Float[Floats, "d h w"], plan: Plan) -> Int[NDArray[np.int32], "d h w"]:
    """Integers of all coefficients of a signal, (d, h, w) both. Raises `CodecError` where they would be too large."""
    check_quantizer_step(coefficients, plan.step_code, plan.model)
    return integers_of_tiles(coefficients, plan.tiles, plan)


def integers_of_tiles(
    coefficients: Float[Floats, "d h w"], tiles: Sequence[LayoutTile], plan: Plan
) -> Int[NDArray[np.int32], "d h w"]:
    """Integers of coefficients (d, h, w), which are made of these tiles."""
    out = np.empty(coefficients.shape, np.int32)
    # Without a map tiles are done one by one, so that there is no more than one in memory twice.
    for some in [tiles] if plan.maps_steps else [[tile] for tile in tiles]:
        cuts = [np.array(tile.cut(coefficients), np.float32, order="C") for tile in some]
        begun = [begun_tile(cut, np.empty(cut.shape, np.int32), plan) for cut in cuts]
        exponents = exponents_of_tiles(begun, some, plan)
        for tile, one, of_tile in zip(some, begun, exponents, strict=True):
            tile.cut(out)[...] = finished_tile(one, plan, of_tile).values
    return out


@dataclass(frozen=True, eq=False)
class BegunTile:
    """Coefficients of a tile as the quantiser sees them, and its integers (d, h, w): those of channels before
    `Plan.first_mapped` are chosen. `subbands`: what was found of these in profile best."""

    coefficients: Float[Floats, "d h w"]
    values: Int[NDArray[Any], "d h w"]
    subbands: _native.ChosenSubbands | None = None

    def made_of(self, plan: Plan) -> Int[NDArray[Any], "n h w"]:
        """The integers of which the map of steps is made."""
        return self.values[plan.model.num_planes : plan.first_mapped]


def begun_tile(coefficients: Float[Floats, "d h w"], out: Int[NDArray[Any], "d h w"], plan: Plan) -> BegunTile:
    """The integers of a tile that do not depend on a map, in `out`: int32, or int16 where `integer_type` is. The
    coefficients are scaled in place."""
    model, end = plan.model, min(plan.first_mapped, len(coefficients))
    if model.tuned is not None:
        model.tuned.scale(coefficients)
    is_best = plan.optimizes and plan.layout.file_profile is Profile.BEST
    seen = len(coefficients) if is_best else end  # what is likely to follow matters
    quantize(coefficients[:seen], plan.quantizer, model, out[:seen])
    if is_best:
        subbands = optimize_subbands(
            out, coefficients, plan.step_code, model, effort=plan.effort_of_choice, channels=(0, end)
        )
        return BegunTile(coefficients, out, subbands)
    if plan.optimizes:
        optimize_rate_distortion(out[:end], coefficients[:end], plan.step_code, model, effort=plan.effort_of_choice)
    return BegunTile(coefficients, out)


def finished_tile(tile: BegunTile, plan: Plan, exponents: Int[NDArray[np.int8], "h w"] | None) -> TileValues:
    """All integers of a tile: those of channels whose steps differ by the `exponents` of places are chosen now."""
    first, model = plan.first_mapped, plan.model
    if first >= len(tile.values) or exponents is None:
        return TileValues(tile.values, tile.subbands)
    assert model.tuned is not None
    values, coefficients = tile.values, tile.coefficients
    model.tuned.scale_mapped(coefficients[first:], exponents)
    quantize_channels(coefficients[first:], plan.quantizer, model, values[first:], first)
    if tile.subbands is not None:
        subbands = optimize_subbands(
            values,
            coefficients,
            plan.step_code,
            model,
            effort=plan.effort_of_choice,
            begun=tile.subbands,
            channels=(first, len(values)),
        )
        return TileValues(values, subbands)
    if plan.optimizes:
        optimize_rate_distortion(values, coefficients, plan.step_code, model, effort=plan.effort_of_choice, first=first)
    return TileValues(values)


def exponents_of_tiles(
    begun: Sequence[BegunTile],
    tiles: Sequence[LayoutTile],
    plan: Plan,
    *,
    above: Int[NDArray[Any], "n 1 w"] | None = None,
    below: Int[NDArray[Any], "n 1 w"] | None = None,
) -> list[Int[NDArray[np.int8], "h w"] | None]:
    """The exponents of the places of tiles, whole rows of them, between these rows of what the map is made of, None where
    there are none."""
    if not plan.maps_steps or not tiles:
        return [None] * len(tiles)
    assert plan.model.tuned is not None
    top, left = min(t.top for t in tiles), min(t.left for t in tiles)
    height, width = max(t.bottom for t in tiles) - top, max(t.right for t in tiles) - left
    # A row of zeros where there is none is the same as none.
    made_of = np.zeros((plan.first_mapped - plan.model.num_planes, height + 2, width), begun[0].values.dtype)
    for tile, one in zip(tiles, begun, strict=True):
        tile.moved(1 - top, -left).cut(made_of)[...] = one.made_of(plan)
    for row, outer in ((0, above), (height + 1, below)):
        if outer is not None:
            made_of[:, row] = outer[:, 0]
    found = plan.model.tuned.of_places(made_of, plan.step_code)[0][1:-1]
    if plan.places is not None:
        found = plan.places.added(found, (top, left))
    return [np.ascontiguousarray(tile.moved(-top, -left).cut(found)) for tile in tiles]
