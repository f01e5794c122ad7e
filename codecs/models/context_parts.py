"""The contexts of a model as parts of its file: rules for channels, and networks for subbands where it has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from laconic.codecs.errors import WeightsError
from laconic.codecs.models.packet_tree import is_dyadic
from laconic.entropy import ContextModel
from laconic.entropy.subbands import SubbandModel

if TYPE_CHECKING:
    from jaxtyping import Shaped

    from laconic.codecs.models.model import Model

_NETWORKS: Final = "best."  # before the names of arrays of networks


def context_config(model: Model) -> dict[str, object]:
    """What stands in the configuration; of networks only that they are there, whose structure is that of the transform."""
    contexts = model.contexts
    config: dict[str, object] = {"pass_ends": list(contexts.pass_ends), "num_predicted": contexts.num_predicted}
    if contexts.low is not None:
        config["low_pass_ends"] = list(contexts.low.pass_ends)
    if model.networks is not None:
        config["has_networks"] = True
    return config


def context_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], " ..."]]:
    """Arrays of the model file."""
    networks = {} if model.networks is None else model.networks.to_arrays()
    return {**model.contexts.to_arrays(), **{_NETWORKS + name: array for name, array in networks.items()}}


def context_digest(model: Model) -> bytes:
    """What the fingerprint is over."""
    return model.contexts.digest + (b"" if model.networks is None else model.networks.digest)


def contexts_of_parts(
    config: Mapping[str, Any], arrays: Mapping[str, Shaped[NDArray[Any], " ..."]]
) -> tuple[ContextModel, SubbandModel | None]:
    """The contexts of a model file, and its networks if it has them. Raises KeyError, ValueError, `BitstreamError`."""
    contexts = ContextModel.from_arrays(
        arrays,
        pass_ends=config["pass_ends"],
        num_predicted=config["num_predicted"],
        low_pass_ends=config.get("low_pass_ends", ()),
    )
    if not config.get("has_networks"):
        return contexts, None
    own = {name.removeprefix(_NETWORKS): array for name, array in arrays.items() if name.startswith(_NETWORKS)}
    sizes = {"num_colors": config["num_planes"], "depth": config["depth"], "low_levels": config.get("low_levels", 0)}
    return contexts, SubbandModel.from_arrays(own, **sizes)


def check_contexts(model: Model) -> None:
    """Raises `WeightsError` where contexts do not fit the transform."""
    contexts = model.contexts
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
    if model.networks is not None:
        _check_networks(model, model.networks)


def _check_networks(model: Model, networks: SubbandModel) -> None:
    found = (networks.num_colors, networks.depth, networks.low_levels)
    needed = (model.num_planes, model.tree.depth, model.low_levels)
    if model.kind != "image" or not is_dyadic(model.tree) or found != needed:
        raise WeightsError(
            f"model {model.name} has networks for subbands of {found} colours, levels and low levels; its transform is "
            f"that of {needed}, of pictures and dyadic"
        )
    if wrong := [end for end in model.group_ends if end not in networks.channel_ends]:
        raise WeightsError(f"model {model.name} has groups that end at {wrong}, inside a subband")
