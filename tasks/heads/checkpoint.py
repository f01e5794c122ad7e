"""The best network of a run: its weights, with what is needed to use them on files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from laconic.codecs.errors import WeightsError
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.networks import ClassifierNetwork, NetworkConfig, new_network
from laconic.tasks.training.run_names import BEST_NAME
from laconic.tasks.training.tensor_files import load_tensors, save_tensors

_PREFIX = "weights."


def save_best_checkpoint(path: Path, network: nn.Module, card: Mapping[str, Any]) -> None:
    """The weights and statistics, with a card of the task."""
    tensors = {f"{_PREFIX}{name}": value for name, value in network.state_dict().items()}
    save_tensors(path, tensors, {"card": json.dumps(card)})


def load_checkpoint_weights(network: nn.Module, path: Path) -> dict[str, Any]:
    """Set all weights and statistics of a network of that form; returns the card. Raises `WeightsError`."""
    tensors, card = _read(path)
    _set(network, tensors, path)
    return card


def load_checkpoint(run: Path | str) -> tuple[ClassifierNetwork, dict[str, Any]]:
    """The best network of a run of classification, for use, and its card: head, recipe, classes, epoch. Raises
    `WeightsError`."""
    path = Path(run) / BEST_NAME
    tensors, card = _read(path)
    if card.get("task") != Classification.name:
        raise WeightsError(f"{path} is of task {card.get('task')!r}; allowed is {Classification.name!r}: train again")
    try:
        network = new_network(NetworkConfig(**card["head"]), 0)
    except (KeyError, ValueError, TypeError) as err:
        raise _damaged(path, err) from err
    _set(network, tensors, path)
    return network.eval(), card


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
