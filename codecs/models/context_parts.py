"""The contexts of a model, of either kind, as parts of its file: rules for channels, or networks for subbands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from laconic.codecs.errors import WeightsError
from laconic.entropy import ContextModel
from laconic.entropy.subbands import SubbandModel

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from laconic.codecs.models.model import Model

Contexts = ContextModel | SubbandModel


def context_config(contexts: Contexts) -> dict[str, object]:
    """What stands in the configuration; of subbands nothing, whose structure is that of the transform."""
    if isinstance(contexts, SubbandModel):
        return {}
    low = {} if contexts.low is None else {"low_pass_ends": list(contexts.low.pass_ends)}
    return {"pass_ends": list(contexts.pass_ends), "num_predicted": contexts.num_predicted, **low}


def contexts_of_parts(config: Mapping[str, Any], arrays: Mapping[str, Shaped[NDArray[Any], " ..."]]) -> Contexts:
    """The contexts of a model file. Raises KeyError, ValueError, `BitstreamError`."""
    if "pass_ends" in config:
        return ContextModel.from_arrays(
            arrays,
            pass_ends=config["pass_ends"],
            num_predicted=config["num_predicted"],
            low_pass_ends=config.get("low_pass_ends", ()),
        )
    low_levels = config.get("low_levels", 0)
    return SubbandModel.from_arrays(
        arrays, num_colors=config["num_planes"], depth=config["depth"], low_levels=low_levels
    )


def check_contexts(model: Model) -> None:
    """Raises `WeightsError` where contexts do not fit the transform."""
    contexts = model.contexts
    if isinstance(contexts, ContextModel):
        _check_low_contexts(model, contexts)
        return
    dyadic = {(0,) * level for level in range(model.tree.depth)}
    found = (contexts.num_colors, contexts.depth, contexts.low_levels)
    needed = (model.num_planes, model.tree.depth, model.low_levels)
    if model.kind != "image" or set(model.tree.splits) != dyadic or found != needed:
        raise WeightsError(
            f"model {model.name} has contexts for subbands of {found} colours, levels and low levels; its transform is "
            f"that of {needed}, of pictures and dyadic"
        )
    if wrong := [end for end in model.group_ends if end not in contexts.channel_ends]:
        raise WeightsError(f"model {model.name} has groups that end at {wrong}, inside a subband")


def _check_low_contexts(model: Model, contexts: ContextModel) -> None:
    planes = 0 if contexts.low is None else contexts.low.num_predicted
    needed = model.num_planes if model.low_levels else 0
    if (contexts.low_levels, planes) != (model.low_levels, needed):
        raise WeightsError(
            f"model {model.name} has contexts for {contexts.low_levels} low levels of {planes} planes; its transform has "
            f"{model.low_levels} of {needed}"
        )
    if model.low_levels and model.group_ends[0] < planes:
        raise WeightsError(
            f"model {model.name} has a group that ends at {model.group_ends[0]}, inside the low channels"
        )
