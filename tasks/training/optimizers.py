"""The optimiser of all trainings: AdamW, and Muon for the matrices of hidden convolutions.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) gives every direction of a matrix the same step.
For the neural synthesis it needs half the steps of AdamW for the same loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from laconic.codecs.errors import MissingDependencyError
from laconic.tasks.training.tensor_files import optimizer_tensors, read_optimizer_tensors

if TYPE_CHECKING:
    from jaxtyping import Shaped

_BETAS: Final = (0.9, 0.98)
_MOMENTUM: Final = 0.95


class Optimizers:
    """One step for all groups of a learner; those with "muon" true are matrices, or kernels that count as such.
    `betas` and `weight_decay` of AdamW."""

    def __init__(
        self,
        groups: Sequence[Mapping[str, Any]],
        *,
        betas: tuple[float, float] = _BETAS,
        weight_decay: float = 0.0,
    ) -> None:
        plain = [{"params": g["params"], "lr": g["lr"]} for g in groups if not g.get("muon")]
        kernels = [(p, float(g["lr"])) for g in groups if g.get("muon") for p in g["params"]]
        self._parameters = [p for g in groups for p in g["params"]]
        adam = torch.optim.AdamW(plain, betas=betas, weight_decay=weight_decay)
        self._all: dict[str, torch.optim.Optimizer] = {"adam": adam}
        # The same memory as matrices.
        self._matrices = [(p, p.detach().view(len(p), -1)) for p, _ in kernels]
        if kernels:
            self._all["muon"] = _muon([(m, lr) for (_, m), (_, lr) in zip(self._matrices, kernels, strict=True)])
        self._peaks = [float(g["lr"]) for g in self._groups]

    def step(self, rate: float) -> None:
        """Move all parameters by their gradients, at this share of the peak learning rates, and drop the gradients."""
        for group, peak in zip(self._groups, self._peaks, strict=True):
            group["lr"] = peak * rate
        for kernel, matrix in self._matrices:
            matrix.grad = None if kernel.grad is None else kernel.grad.reshape(matrix.shape)
        for optimizer in self._all.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        for parameter in self._parameters:
            parameter.grad = None

    @property
    def _groups(self) -> list[dict[str, Any]]:
        """As they are now: restoring a state replaces them."""
        return [group for optimizer in self._all.values() for group in optimizer.param_groups]

    def tensors(self) -> dict[str, Shaped[Tensor, " ..."]]:
        """The state, for a checkpoint."""
        return {f"{k}.{name}": t for k, one in self._all.items() for name, t in optimizer_tensors(one).items()}

    def restore(self, tensors: Mapping[str, Shaped[Tensor, " ..."]]) -> None:
        """Set the state from a checkpoint's tensors."""
        for kind, optimizer in self._all.items():
            prefix = f"{kind}."
            read_optimizer_tensors(
                optimizer, {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
            )


def _muon(matrices: Sequence[tuple[Tensor, float]]) -> torch.optim.Optimizer:
    if not hasattr(torch.optim, "Muon"):
        raise MissingDependencyError(
            f"torch {torch.__version__} has no optimiser Muon; training a neural synthesis needs torch 2.9 or newer"
        )
    groups = [{"params": [matrix], "lr": rate} for matrix, rate in matrices]
    return torch.optim.Muon(groups, momentum=_MOMENTUM, weight_decay=0.0)
