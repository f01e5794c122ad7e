"""The integer matrices of a model as parts of its file (`fixed_point`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import WeightsError
from laconic.codecs.models.fixed_point import FixedLeaf

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from laconic.codecs.models.model import Model


def fixed_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], " ..."]]:
    """Arrays of the model file, none where there are no such matrices."""
    if not model.fixed:
        return {}
    arrays: dict[str, NDArray[Any]] = {}
    for i, leaf in enumerate(model.fixed):
        arrays |= {f"fixed_analysis.{i}": leaf.analysis, f"fixed_synthesis.{i}": leaf.synthesis}
    bits = np.array([(leaf.analysis_bits, leaf.synthesis_bits) for leaf in model.fixed], np.uint8)
    return {**arrays, "fixed_bits": bits}


def fixed_of_parts(arrays: Mapping[str, Shaped[NDArray[Any], " ..."]]) -> tuple[FixedLeaf, ...]:
    """Those of a model file, none where it has none. Raises KeyError."""
    if "fixed_bits" not in arrays:
        return ()
    pairs = [
        (f"fixed_analysis.{i}", f"fixed_synthesis.{i}", bits) for i, bits in enumerate(arrays["fixed_bits"].tolist())
    ]
    return tuple(
        FixedLeaf(arrays[a].astype(np.int16), bits[0], arrays[s].astype(np.int16), bits[1]) for a, s, bits in pairs
    )


def check_fixed(model: Model) -> None:
    """Raises `WeightsError` for integer matrices that are not those of the leaves."""
    if not model.fixed:
        return
    if model.tree.dimensions != 2:
        raise WeightsError(
            f"model {model.name} has integer matrices and a tree of one dimension; they are for pictures"
        )
    sizes = [model.num_planes * model.tree.channels_of(path) for path in model.tree.leaves]
    expected = [(n, n) for n in sizes]
    shapes = [(f.analysis.shape, f.synthesis.shape) for f in model.fixed]
    if sizes != [len(m) for m in model.analysis] or shapes != list(zip(expected, expected, strict=True)):
        raise WeightsError(f"model {model.name} has integer matrices of shapes {shapes}; its leaves need {expected}")
    if any(not 0 <= bits <= 15 for f in model.fixed for bits in (f.analysis_bits, f.synthesis_bits)):
        raise WeightsError(f"model {model.name} has integer matrices of more than 15 fraction bits")
    try:
        _ = model.fixed_map
    except (TypeError, ValueError) as err:
        raise WeightsError(f"model {model.name} has a tree that the integer transform does not know: {err}") from err
