"""A model as what its file holds: arrays by name, and its structure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.models.context_parts import context_arrays, context_config
from laconic.codecs.models.fixed_parts import fixed_arrays
from laconic.codecs.models.latent_turn import turn_arrays
from laconic.codecs.models.low_levels import low_arrays, low_config
from laconic.codecs.models.packet_tree import tree_config
from laconic.codecs.models.tunings import tuning_arrays, tuning_config

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from laconic.codecs.models.model import Model


def model_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], " ..."]]:
    """The arrays of a model file."""
    arrays: dict[str, NDArray[np.generic]] = {
        "offsets": model.offsets,
        "channels": model.channels,
        "scale_codes": model.scale_codes,
        "shrink": model.shrink,
        **low_arrays(model),
        **context_arrays(model),
        **turn_arrays(model),
        **tuning_arrays(model),
        **fixed_arrays(model),
    }
    for i, (a, s) in enumerate(zip(model.analysis, model.synthesis, strict=True)):
        arrays |= {f"analysis.{i}": np.ascontiguousarray(a), f"synthesis.{i}": np.ascontiguousarray(s)}
    return arrays


def model_config(model: Model) -> dict[str, object]:
    """The structure as JSON; part of the fingerprint, so the name is not in it."""
    return {
        "kind": model.kind,
        "unit": model.unit,
        "num_planes": model.num_planes,
        **tree_config(model.tree),
        "group_ends": list(model.group_ends),
        "rounding": model.rounding,
        **context_config(model),
        **low_config(model),
        **tuning_config(model),
    }
