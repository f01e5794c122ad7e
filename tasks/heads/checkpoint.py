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
from laconic.tasks.heads.inputs import Data
from laconic.tasks.heads.networks import Classifier, HeadConfig, new_classifier
from laconic.tasks.training.tensor_files import load_tensors, optimizer_tensors, restore_optimizer, save_tensors

BEST_NAME = "best.safetensors"


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
    tensors |= optimizer_tensors(optimizer)
    save_tensors(path, tensors, {"progress": json.dumps(asdict(progress))})


def save_best(path: Path, network: Classifier, data: Data, epoch: int) -> None:
    """The weights, with all that is needed to use them on files."""
    card = {"head": asdict(network.config), "recipe": dict(data.recipe), "classes": data.classes, "epoch": epoch}
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    save_tensors(path, tensors, {"card": json.dumps(card)})


def restore(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the last checkpoint where there is one."""
    if not path.exists():
        return Progress()
    tensors, metadata = load_tensors(path)
    load_weights(network, tensors)
    restore_optimizer(optimizer, tensors)
    return Progress(**json.loads(metadata["progress"]))


def load_best(run: Path | str) -> tuple[Classifier, dict[str, Any]]:
    """The best network of a run, for use, and its card: head, recipe, classes, epoch. Raises `WeightsError`."""
    path = Path(run) / BEST_NAME
    tensors, metadata = load_tensors(path)
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
