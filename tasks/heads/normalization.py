"""Batch normalisation and dropout over all processes that share a batch, so that several of them train as one does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from jaxtyping import Float


class BatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose statistics in training are those of the shares of all processes, also on the CPU, where
    torch's own has none."""

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        _, world = _own_process()
        if world == 1 or not self.training:
            out: Tensor = super().forward(input)
            return out
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        x = input.float()
        moments = torch.stack([x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))])
        mean, square = _summed_over_processes(moments) / world
        variance = (square - mean.square()).clamp(min=0)
        count = x.numel() / x.shape[1] * world
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = torch.rsqrt(variance + self.eps) * (1 if self.weight is None else self.weight)
        shift = (0 if self.bias is None else self.bias) - mean * scale
        out = x * scale[:, None, None] + shift[:, None, None]
        return out.to(input.dtype)


def _summed_over_processes(values: Float[Tensor, "2 c"]) -> Float[Tensor, "2 c"]:
    total: Tensor = _SummedOverProcesses.apply(values)  # type: ignore[no-untyped-call]
    return total


class _SummedOverProcesses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total


class Dropout(nn.Dropout):
    """`nn.Dropout` of (b, ...) that drops in each share of a batch what one process would drop in the whole; torch's random
    numbers are to be the same in all processes."""

    def forward(self, input: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        rank, world = _own_process()
        if world == 1 or not self.training:
            out: Tensor = super().forward(input)
            return out
        whole = nn.functional.dropout(input.new_ones(len(input) * world, *input.shape[1:]), self.p)
        return input * whole[rank::world]


def _own_process() -> tuple[int, int]:
    """The number of this process, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
