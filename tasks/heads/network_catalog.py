"""Names of networks -> networks of a task: its own, one of timm's, or one of another package.

""                        the task's own
"timm:NAME"               of the package timm, for one answer a sample (`timm_network`)
"MODULE:FUNCTION"         function(form: InputForm, num_outputs: int) -> torch.nn.Module
a name                    an entry point of the group "laconic.networks", the same function
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final

from torch import nn

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.codecs.named_functions import is_function_name, named_function
from laconic.tasks.heads.learning_task import InputForm, LearningTask
from laconic.tasks.heads.seeded_weights import weights_of_seed
from laconic.tasks.heads.timm_networks import timm_network

NETWORK_GROUP: Final = "laconic.networks"
TIMM_PREFIX: Final = "timm:"


def network_names() -> tuple[str, ...]:
    """Of networks in other packages."""
    return tuple(sorted(entry.name for entry in entry_points(group=NETWORK_GROUP)))


def make_network(name: str, task: LearningTask, form: InputForm, seed: int) -> nn.Module:
    """The network, with weights that depend on name, task, form and seed alone; torch's random numbers stay as they were.
    Raises `CodecError` for an unknown name, and for what is no network."""
    if not name:
        return task.network(form, seed)
    with weights_of_seed(seed):
        network = _made(name, form, task.num_outputs(form))
    if not isinstance(network, nn.Module):
        raise CodecError(f"network {name} gives {type(network).__name__}; allowed is a torch.nn.Module")
    return network


def _made(name: str, form: InputForm, num_outputs: int) -> nn.Module:
    if name.startswith(TIMM_PREFIX):
        return timm_network(name.removeprefix(TIMM_PREFIX), form, num_outputs)
    found = {entry.name: entry.value for entry in entry_points(group=NETWORK_GROUP)}
    place = found.get(name, name)
    if not is_function_name(place):
        raise CodecError(
            f"the network is {name!r}; allowed are timm:NAME, MODULE:FUNCTION, and names of other packages: "
            f"{', '.join(sorted(found)) or 'none is installed'}"
        )
    make = named_function(place, "the form of the input and the number of outputs")
    try:
        network: nn.Module = make(form, num_outputs)
    except CodecError:
        raise
    except Exception as err:  # code of others
        raise CodecError(f"network {name} cannot be made: {sentence_of_error(err)}") from err
    return network
