"""Tensors of a run as safetensors files, without pickle; each is written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from laconic.codecs.errors import WeightsError
from laconic.codecs.whole_files import atomic_write

if TYPE_CHECKING:
    from jaxtyping import Shaped


def save_tensors(path: Path, tensors: Mapping[str, Shaped[Tensor, " ..."]], metadata: dict[str, str]) -> None:
    """Write a checkpoint, whole or not at all."""
    from safetensors.torch import save

    atomic_write(path, save({k: v.contiguous() for k, v in tensors.items()}, metadata), force=True)


def load_tensors(path: Path) -> tuple[dict[str, Shaped[Tensor, " ..."]], dict[str, str]]:
    """Tensors and text of a checkpoint. Raises `WeightsError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as err:
        raise WeightsError(f"{path} is no checkpoint of a run: {err}; train again") from err


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Shaped[Tensor, " ..."]]:
    """The state as tensors "optimizer.<number>.<name>", for a checkpoint."""
    states = optimizer.state_dict()["state"].items()
    return {f"optimizer.{number}.{name}": value for number, state in states for name, value in state.items()}


def read_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Shaped[Tensor, " ..."]]) -> None:
    """Set the state from what `optimizer_tensors` gave."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            like = parameters[int(number)]
            # In the memory order of the parameter, or the same sums might round otherwise than without a stop.
            kept = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            state.setdefault(int(number), {})[key] = kept
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
