"""Processes that share one training run, as `torchrun` starts them; without it, there is one.

Every process works on its share of each batch, gradients are averaged, and all hold the same weights at all times. The
first process alone writes files and reports.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Shaped


@dataclass(frozen=True)
class Processes:
    """`rank` of this one among `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def average_gradients(self, module: nn.Module) -> None:
        """Of trained parameters, over all processes."""
        self._average([p.grad for p in module.parameters() if p.requires_grad and p.grad is not None])

    def average_buffers(self, module: nn.Module) -> None:
        """Running statistics, of which each process has those of its share."""
        self._average([buffer for buffer in module.buffers() if buffer.is_floating_point()])

    def total(self, values: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
        """Summed over all processes."""
        if self.world > 1:
            values = values.clone()
            torch.distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            torch.distributed.barrier()

    @torch.no_grad()
    def _average(self, tensors: list[Tensor]) -> None:
        """In place, in one message for all."""
        if self.world == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        for tensor, part in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.reshape(tensor.shape) / self.world)


def join_processes() -> Processes:
    """This process among those that `torchrun` started; waits for the others. It leaves them when it ends."""
    if "WORLD_SIZE" not in os.environ:
        return Processes()
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
        atexit.register(_leave_processes)
    return Processes(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _leave_processes() -> None:
    """Threads of a group that is still there when the process ends may end it with an abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
