"""What the training loop (`tasks.codec_training`) needs of a part that is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

_MARGIN: Final = 2  # places at the sides of a picture that know its border


@dataclass(frozen=True)
class LearnerCutting:
    """How a learner wants its crops: `prepare` makes of a signal, (3, h, w) in [-0.5, 0.5] for a picture, (c, t) for a
    sound, what they are cut from, (c, h', w') or (c, t'); `crop` is their side along each axis there, `least_side` that
    of the signal, in pixels or samples, which has room for one."""

    prepare: Callable[[Tensor], Tensor]
    crop: int
    least_side: int


def cutting_for_learner(transform: Callable[[Tensor], Tensor], *, crop: int, factor: int) -> LearnerCutting:
    """Crops of `crop` places a side of what `transform` makes of signals (1, c, *n), each of n a multiple of `factor`, on a
    grid so much coarser; without the places that know the border, in half precision."""

    def prepare(signal: Tensor) -> Tensor:
        whole = tuple(slice(n // factor * factor) for n in signal.shape[1:])
        places = transform(signal[(slice(None), *whole)][None].contiguous())[0]
        return places[(slice(None), *(slice(_MARGIN, -_MARGIN) for _ in whole))].half()

    return LearnerCutting(prepare, crop, (crop + 2 * _MARGIN + 1) * factor)


def training_precision(device: torch.device) -> torch.autocast:
    """Products in bfloat16, but on processors without instructions for it, where it takes ten times as long."""
    slow = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
    return torch.autocast(device.type, torch.bfloat16, enabled=not slow)


class Learner(Protocol):
    """A part that is learned, and how its loss comes of crops."""

    @property
    def module(self) -> nn.Module:
        """All that is trained; in buffers, what else a step depends on."""
        ...

    @property
    def cutting(self) -> LearnerCutting: ...

    @property
    def batch_size(self) -> int: ...

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Of the optimiser, each with its peak learning rate as "lr"; with "muon", of kernels for Muon."""
        ...

    def sample(self, crops: Float[Tensor, "b c *sides"], generator: torch.Generator) -> Any:
        """What a step needs of crops (b, c, crop, ...), with as many axes as the signals have, without gradients: made
        beside the step before."""
        ...

    def loss(self, sample: Any, done: float) -> tuple[Float[Tensor, ""], dict[str, float]]:
        """Of a sample, with numbers to log; `done`: the share of the run that is over."""
        ...

    def validate(self, signals: Sequence[Float[Tensor, " c *sides"]], /) -> dict[str, float]:
        """Numbers to log, of signals as `cutting` takes them."""
        ...

    def save(self, path: Path, card: dict[str, str]) -> None:
        """A safetensors file of what was trained."""
        ...
