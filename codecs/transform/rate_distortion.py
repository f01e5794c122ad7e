"""Rate-distortion optimised quantisation: integers that cost fewer bits for the distortion they cause. Decoders do not
change.

Each coefficient becomes the nearest integer or the one below, whichever has the least

    (|coefficient| / step - reconstruction)^2 + PRICE * bits

For profile small they are chosen one after the other, with the bits, by the model's own tables, of the symbol in its
context and of those whose contexts it is part of. For profile fast, whose tables depend on the channel only, the choice is
a matter of thresholds, and what is below 2 may become 0. At high rates the slope of a uniform quantiser is
2 ln 2 / 12 = 0.1155 squared steps a bit; Kodak's is flat from there to 0.15.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.entropy import ContextModel, _native
from laconic.entropy.container import Profile
from laconic.entropy.contexts import MAX_MAGNITUDE, ContextStepRules, residuals_of_context_prediction
from laconic.entropy.low_planes import join_low_planes, low_classes, split_low_planes
from laconic.entropy.rans import COST_UNIT_BITS
from laconic.entropy.static_symbols import in_place_symbols

if TYPE_CHECKING:
    from jaxtyping import Float, Int

DEFAULT_EFFORT: Final = 1
PRICE: Final = 0.125

Floats = NDArray[np.float32]


def optimize_rate_distortion(
    values: Int[NDArray[Any], "d h w"],
    coefficients: Float[Floats, "d h w"],
    step_code: int,
    model: Model,
    *,
    effort: int,
    first: int = 0,
) -> None:
    """Better integers of the coefficients of one tile, (d, h, w) both, for files of profile small; in place. Those of
    channels before `first` are chosen already.

    `values`, int32 or int16, are the nearest integers, of predicted channels and those with low levels what the file has.
    These stay, and so do zeros. `effort`, at least 1: how often contexts are gone over.
    """
    rules = model.contexts.at_step(step_code)
    inverse_step = inverse_quantizer_step(step_code, model)
    if rules.low is not None and not first:
        optimize_low_planes(values, coefficients, step_code, model, effort=effort)
    num_kept = min(_num_kept(model), len(values))
    symbols = np.ascontiguousarray(values)
    kept = symbols[:num_kept].copy()
    symbols[:num_kept] = in_place_symbols(kept, rules).clip(-MAX_MAGNITUDE, MAX_MAGNITUDE)
    shrink, fixed = model.shrink_of(step_code, len(values)), max(num_kept, first)
    _optimize(rules, np.ascontiguousarray(coefficients), inverse_step, shrink, symbols, fixed, effort)
    symbols[:num_kept] = kept
    if symbols is not values:
        values[...] = symbols


def optimize_low_planes(
    values: Int[NDArray[Any], "d h w"],
    coefficients: Float[Floats, "d h w"],
    step_code: int,
    model: Model,
    *,
    effort: int,
) -> None:
    """The same for the channels with low levels alone, but for their low band, whose values stay."""
    low = model.contexts.at_step(step_code).low
    assert low is not None
    planes, levels = model.num_planes, model.low_levels
    inverse_step = inverse_quantizer_step(step_code, model)
    apart = split_low_planes(values[:planes], levels)
    kept = apart[:planes].copy()
    residuals = residuals_of_context_prediction(kept.astype(np.int32))
    apart[:planes] = residuals.clip(-MAX_MAGNITUDE, MAX_MAGNITUDE)
    by_place = split_low_planes(coefficients[:planes], levels)
    _optimize(low, by_place, inverse_step, low_shrink_of(model, step_code), apart, planes, effort)
    apart[:planes] = kept
    values[:planes] = join_low_planes(apart, levels, *values.shape[1:])


def _optimize(
    rules: ContextStepRules,
    coefficients: Floats,
    inverse_step: float,
    shrink: Floats,
    symbols: NDArray[Any],
    fixed: int,
    effort: int,
) -> None:
    contexts = rules.model
    tables = contexts.tables
    _native.optimize_contexts(
        contexts.native,
        tables.native,
        tables.costs,
        rules.base,
        coefficients,
        inverse_step,
        shrink,
        symbols,
        fixed,
        PRICE,
        effort,
    )


def low_shrink_of(model: Model, step_code: int) -> Float[Floats, "n 3"]:
    """What reconstruction takes off the integers of the low planes put apart (`split_low_planes`)."""
    low = model.low_at(step_code)
    assert low is not None
    return np.ascontiguousarray(low.shrink[list(low_classes(model.low_levels))].reshape(-1, 3))


def _num_kept(model: Model) -> int:
    """Leading channels whose integers are rounded plainly, or chosen apart: others depend on them beyond their contexts."""
    return max(model.contexts.num_predicted, model.num_planes if model.low_levels else 0)


def rate_distortion_thresholds_for(model: Model, step_code: int, profile: Profile, effort: int) -> Float[Floats, "d 2"]:
    """Thresholds (d, 2) of every channel, as `transform.quantize` takes them: of plain rounding for effort 0, predicted
    channels and those with low levels, else of the cheapest integers for profile fast; for `optimize_rate_distortion` to
    begin from, the nearest. In profile best, the low channels are rounded to the nearest. Read-only."""
    return _thresholds_for(model, step_code, profile, effort)


@lru_cache(maxsize=64)
def _thresholds_for(model: Model, step_code: int, profile: Profile, effort: int) -> Float[Floats, "d 2"]:
    d, fixed = model.num_channels, _num_kept(model)
    plain = np.float32(model.rounding)
    out = np.tile(np.array([1 - plain, plain], np.float32), (d, 1))
    if profile is Profile.BEST:
        out[: fixed if effort == 0 else d] = 0.5
    elif effort > 0 and profile is Profile.FAST:
        chosen = static_rate_distortion_thresholds(model.contexts, step_code, model.shrink_of(step_code, d))
        out[fixed:] = np.stack(chosen, axis=1)[fixed:]
    elif effort > 0:
        out[fixed:] = 0.5
    if model.low_levels and effort > 0:
        out[:fixed] = 0.5
    out.flags.writeable = False
    return out


@lru_cache(maxsize=64)
def low_thresholds_for(model: Model, step_code: int, profile: Profile, effort: int) -> Float[Floats, "n 2"] | None:
    """Thresholds (n, 2) of the low planes put apart, where profile fast has some of their own; the low band is rounded to
    the nearest."""
    low = model.contexts.low
    if low is None or profile is not Profile.FAST or effort == 0:
        return None
    chosen = static_rate_distortion_thresholds(low, step_code, low_shrink_of(model, step_code))
    out = np.stack(chosen, axis=1)
    out[: model.num_planes] = 0.5
    out.flags.writeable = False
    return out


def static_rate_distortion_thresholds(
    contexts: ContextModel, step_code: int, shrink: Float[Floats, "d 3"], price: float = PRICE
) -> tuple[Float[Floats, " d"], Float[Floats, " d"]]:
    """Where the cheapest integer for profile fast changes: `zero_below` and `rounding`, (d,) both, d that of `shrink`.

    The integer of a ratio r, a coefficient in steps, is 0 if |r| < zero_below, else max(1, floor(|r| + rounding)) with
    the sign of r. Its bits are the mean of those of n and -n.

    Between n - 1 and n, reconstructed as a and b, losses are equal where (t - a)^2 + price bits(n - 1) =
    (t - b)^2 + price bits(n), that is at t = (a + b + price (bits(n) - bits(n - 1)) / (b - a)) / 2. This is held between
    n - 1/2 and 2: no integer is above the nearest, and 2 is never 0. The threshold between 1 and 2 stands for all above.
    """
    tables = contexts.static_tables
    values = np.array([0, 1, 2, 0, -1, -2], np.int32)
    costs = np.empty((len(tables), len(values)), np.uint32)
    _native.symbol_costs(tables.native, tables.costs, values, costs)
    bits = (costs[:, :3].astype(np.float64) + costs[:, 3:]) * (COST_UNIT_BITS / 2)
    more_bits = np.diff(bits)[contexts.at_step(step_code).static_index[: len(shrink)]]
    n = np.array([1.0, 2.0])
    points = np.pad(n - shrink[:, :2], ((0, 0), (1, 0)))
    distances = np.fmax(np.diff(points), 0.5)  # no shipped model has one below 0.95
    thresholds = (points[:, :-1] + points[:, 1:] + price * more_bits / distances) / 2
    thresholds = np.fmax(np.fmin(thresholds, 2), n - 0.5)  # where a number is not one, 2
    return thresholds[:, 0].astype(np.float32), (2 - thresholds[:, 1]).astype(np.float32)
