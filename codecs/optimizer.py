"""Rate-distortion optimised quantisation: integers that cost fewer bits for the distortion they cause. Decoders do not
change.

One after the other, each coefficient becomes the nearest integer or a smaller one, whichever has the least

    (|coefficient| / step - reconstruction)^2 + PRICE * bits

with the bits, by the model's own tables, of the symbol in its context and of those whose contexts it is part of. At high
rates the slope of a uniform quantiser is 2 ln 2 / 12 = 0.1155 squared steps a bit; Kodak's is flat from there to 0.15.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.lcn import tiles_of
from laconic.entropy import ContextModel, _native
from laconic.entropy.container import Profile
from laconic.entropy.contexts import prediction_residuals

DEFAULT_EFFORT: Final = 1
MAX_EFFORT: Final = 2
PRICE: Final = 0.125

Floats = NDArray[np.float32]


def optimize(
    values: NDArray[np.int32],
    coefficients: Floats,
    step: float,
    step_code: int,
    contexts: ContextModel,
    shrink: Floats,
    profile: Profile,
    effort: int,
    tile_log2: int | None = None,
) -> NDArray[np.int32]:
    """Integers of coefficients, (d, h, w) both, for files in tiles of this size.

    `values` are those of plain quantisation, which predicted channels keep. `step` in the unit of the coefficients,
    `shrink` (d, 3) as in `Model`. `effort`, at least 1: how often contexts are gone over.
    """
    rules = contexts.at_step(step_code)
    fixed = contexts.num_predicted
    out = np.empty_like(values)
    with np.errstate(over="ignore"):  # the native core limits them, as plain quantisation does
        ratios = coefficients * np.float32(1 / np.float32(step))
    for tile in tiles_of(values.shape[1], values.shape[2], tile_log2):
        symbols = tile.cut(values).copy()
        for c in range(min(fixed, len(symbols))):
            symbols[c] = prediction_residuals(symbols[c])
        tile_ratios = np.ascontiguousarray(tile.cut(ratios))
        if profile is Profile.SMALL:
            tables = contexts.tables
            _native.optimize_contexts(
                contexts.native,
                tables.native,
                tables.costs,
                rules.base,
                tile_ratios,
                shrink,
                symbols,
                fixed,
                PRICE,
                effort,
            )
        else:
            tables = contexts.static_tables
            _native.optimize_static(
                tables.native, tables.costs, rules.static_index, tile_ratios, shrink, symbols, fixed, PRICE
            )
        symbols[:fixed] = tile.cut(values)[:fixed]
        tile.cut(out)[...] = symbols
    return out
