"""Rate-distortion optimised quantisation for profile best: integers that cost fewer bits for the distortion they cause.

Symbols are chosen in coding order, each with the bits, by the model's own network, of the symbol in the context that it
will have in the file, and with an estimate of what it costs those whose contexts it is part of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.model import Model
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.entropy import _native

if TYPE_CHECKING:
    from jaxtyping import Float, Int

SUBBAND_PRICE: Final = 0.125  # of a bit, in squared steps


def optimize_subbands(
    values: Int[NDArray[Any], "d h w"],
    coefficients: Float[NDArray[np.float32], "d h w"],
    step_code: int,
    model: Model,
    *,
    effort: int = 1,
    begun: _native.ChosenSubbands | None = None,
    channels: tuple[int, int] | None = None,
) -> _native.ChosenSubbands:
    """Better integers of the coefficients of one tile, (d, h, w) both, in place: `values`, int32 or int16, are the nearest
    ones. Those of the low band stay, and so do zeros.
    `effort`, at least 1: how often they are chosen, after the first time knowing what is likely to follow. `channels`: the
    first and the last + 1 of those to choose, all by default; `begun` is what was found of those before.

    Returns what will be coded of them, so that it need not be found again.
    """
    networks = model.networks
    assert networks is not None
    low = model.low_at(step_code)
    shrink = model.shrink_of(step_code, len(values))
    low_shrink = np.zeros((1, model.num_planes, 3), np.float32) if low is None else low.shrink
    nearest = values.astype(np.int32)
    likely: NDArray[np.int32] | None = None
    first, last = channels or (0, len(values))
    for _ in range(effort):
        planes = nearest.copy()
        chosen = _native.optimize_subbands(
            networks.at_step(step_code).native,
            networks.tables.native,
            networks.tables.costs,
            np.ascontiguousarray(coefficients),
            inverse_quantizer_step(step_code, model),
            np.ascontiguousarray(shrink),
            np.ascontiguousarray(low_shrink),
            SUBBAND_PRICE,
            np.ascontiguousarray(networks.later_costs),
            planes,
            likely,
            begun,
            first,
            last,
        )
        likely = planes
    values[...] = planes
    return chosen
