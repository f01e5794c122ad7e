"""The best network of a run: its weights, with what is needed to use them on files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.notes import note
from laconic.tasks.heads.learning_task import InputForm, LearningTask
from laconic.tasks.heads.network_catalog import TIMM_PREFIX, make_network, network_names
from laconic.tasks.heads.task_catalog import learning_task_names, make_learning_task
from laconic.tasks.training.run_names import BEST_NAME
from laconic.tasks.training.tensor_files import load_tensors, save_tensors

_PREFIX = "weights."


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """For use: the network in evaluation mode, its task, the form of its input, and the card, which says more of these."""

    network: nn.Module
    task: LearningTask
    form: InputForm
    card: Mapping[str, Any]


def save_best_checkpoint(path: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """The weights and statistics, with a card of the task."""
    tensors = {f"{_PREFIX}{name}": value.detach().cpu() for name, value in network.state_dict().items()}
    save_tensors(path, tensors, {"card": json.dumps(card)})


def load_checkpoint_weights(network: nn.Module, path: Path) -> dict[str, Any]:
    """Set all weights and statistics of a network of that form; returns the card. Raises `WeightsError`."""
    tensors, card = _read(path)
    _set(network, tensors, path)
    return card


def start_from(network: nn.Module, run: Path | str) -> None:
    """Set what a run's best network has under the same names in the same shapes; a note says what stays as it was. Raises
    `WeightsError`, and `CodecError` where that is all."""
    tensors, _ = _read(Path(run) / BEST_NAME)
    own = network.state_dict()
    taken = {
        name: tensors[name] for name, value in own.items() if name in tensors and tensors[name].shape == value.shape
    }
    if not any(name in taken for name, _ in network.named_parameters()):
        raise CodecError(
            f"{run} has no weights for this network; allowed is a run on the same channels, such as of "
            "`laconic train pretrain` for classes of pictures"
        )
    network.load_state_dict({**own, **taken})
    if rest := [name for name, _ in network.named_parameters() if name not in taken]:
        note(f"{', '.join(rest)} of the network are not in {run}, and begin at random")


@dataclass(frozen=True)
class OwnPlaces:
    """MODULE:CLASS of a task and MODULE:FUNCTION of a network that are in no installed package's entry points. A file may
    come from anywhere, so what it names is not imported unless the caller names it as well."""

    task: str | None = None
    network: str | None = None


def load_checkpoint(run: Path | str, own: OwnPlaces | None = None) -> TrainedNetwork:
    """The best network of a run. Raises `WeightsError`, `CodecError` for a task or network that is not installed."""
    path, own = Path(run) / BEST_NAME, own or OwnPlaces()
    tensors, card = _read(path)
    try:
        task_options = dict(card["task"])
        name, form = str(task_options.pop("name")), InputForm(**card["form"])
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in task_options.items()}
        task = make_learning_task(own.task or _installed(path, "task", name, learning_task_names()), options)
        wanted = str(card["network"])
        known = (wanted,) if wanted.startswith(TIMM_PREFIX) or not wanted else network_names()
        network = make_network(own.network or _installed(path, "network", wanted, known), task, form, 0)
    except CodecError:
        raise
    except (KeyError, ValueError, TypeError) as err:
        raise _damaged(path, err) from err
    _set(network, tensors, path)
    return TrainedNetwork(network.eval(), task, form, card)


def _installed(path: Path, what: str, name: str, known: Sequence[str]) -> str:
    if name not in known:
        raise CodecError(
            f"{path} is of {what} {name!r}, which no installed package has; allowed are {', '.join(known) or 'none'}: "
            f"install its package, or name it as {what} where the run is loaded (MODULE:NAME)"
        )
    return name


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    tensors, metadata = load_tensors(path)
    try:
        card = dict(json.loads(metadata["card"]))
    except (KeyError, ValueError, TypeError) as err:
        raise _damaged(path, err) from err
    return {k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)}, card


def _set(network: nn.Module, tensors: Mapping[str, Any], path: Path) -> None:
    try:
        network.load_state_dict(tensors)
    except RuntimeError as err:
        raise _damaged(path, err) from err


def _damaged(path: Path, err: Exception) -> WeightsError:
    return WeightsError(f"{path} is no checkpoint of a run: {err}; train again")
