"""Checkpoints of a run as safetensors files, without pickle; each is written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from laconic.codecs.errors import WeightsError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.arms import Data
from laconic.tasks.heads import Classifier, HeadConfig, new_classifier

BEST_NAME = "best.safetensors"
LAST_NAME = "last.safetensors"


@dataclass
class Progress:
    """How far a run is; part of each checkpoint."""

    epoch: int = 0
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)

    def is_best(self, row: Mapping[str, float]) -> bool:
        """Whether an epoch has a higher validation accuracy than the best so far, or the same at a lower loss."""
        if not math.isfinite(row["val_loss"]):
            return False
        best = self.history[self.best_epoch] if self.best_epoch >= 0 else {"val_accuracy": -1.0, "val_loss": 0.0}
        return (row["val_accuracy"], -row["val_loss"]) > (best["val_accuracy"], -best["val_loss"])


def save_last(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Everything that the next epoch needs; its random numbers come from its own number and the seed."""
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    _save_tensors(path, tensors, {"progress": json.dumps(asdict(progress))})


def save_best(path: Path, network: Classifier, data: Data, epoch: int) -> None:
    """The weights, with all that is needed to use them on files."""
    card = {"head": asdict(network.config), "recipe": dict(data.recipe), "classes": data.classes, "epoch": epoch}
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    _save_tensors(path, tensors, {"card": json.dumps(card)})


def restore(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the last checkpoint where there is one."""
    if not path.exists():
        return Progress()
    tensors, metadata = load_arrays(path)
    load_weights(network, tensors)
    parameters = optimizer.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            like = parameters[int(number)]
            # In the memory order of the parameter, or the same sums might round otherwise than without a stop.
            kept = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            state.setdefault(int(number), {})[key] = kept
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**json.loads(metadata["progress"]))


def _save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    atomic_write(path, save({k: v.contiguous() for k, v in tensors.items()}, metadata), force=True)


def load_arrays(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and text of a checkpoint. Raises `WeightsError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as err:
        raise WeightsError(f"{path} is no checkpoint of a run: {err}; train again") from err


def load_best(run: Path | str) -> tuple[Classifier, dict[str, Any]]:
    """The best network of a run, for use, and its card: head, recipe, classes, epoch. Raises `WeightsError`."""
    path = Path(run) / BEST_NAME
    tensors, metadata = load_arrays(path)
    try:
        card = json.loads(metadata["card"])
        network = new_classifier(HeadConfig(**card["head"]), 0)
        load_weights(network, tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as err:
        raise WeightsError(f"{path} is no checkpoint of a run: {err}; train again") from err
    return network.eval(), card


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set all weights and statistics of a network."""
    prefix = "weights."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
