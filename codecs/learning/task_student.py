"""A small network on the leading channels of latents that gives the features a large network finds in the pixels.

It was trained with the steps of its model (`task_learner`) and stands in its file, beside what the codec needs: an adapter
between latents and a head. What it gives last are the features of its teacher, what it gives before is as good for heads.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor, nn
from torch.nn import functional

from laconic.codecs.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float

_PREFIX: Final = "student."
_NUM_BLOCKS: Final = 2  # at half the resolution of latents


class TaskStudent(nn.Module):
    """Latents (b, channels, h, w), h and w even, in the axes of `Latent.dequantize` -> (b, outputs, h / 2, w / 2). `scales`
    (channels,) are what each channel is divided by."""

    scales: Tensor

    def __init__(self, scales: Float[Tensor, " channels"], outputs: int, width: int = 64) -> None:
        super().__init__()
        self.register_buffer("scales", scales)
        self.stem = nn.Conv2d(len(scales), width, 1)
        self.fine = _StudentBlock(width)
        self.halving = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.coarse = nn.Sequential(*(_StudentBlock(2 * width) for _ in range(_NUM_BLOCKS)))
        self.leave = nn.Conv2d(2 * width, outputs, 1)

    @property
    def num_channels(self) -> int:
        return len(self.scales)

    def adapted(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k _ _"]:
        """What the last layer sees, (b, 2 width, h / 2, w / 2)."""
        found = self.stem(latents / self.scales[:, None, None])
        found = self.halving(self.fine(functional.relu(found)))
        adapted: Tensor = functional.relu(self.coarse(functional.relu(found)))
        return adapted

    def forward(self, latents: Float[Tensor, "b c h w"]) -> Float[Tensor, "b outputs _ _"]:
        features: Tensor = self.leave(self.adapted(latents))
        return features

    def parameter_groups(self, rate: float, kernel_rate: float) -> list[dict[str, Any]]:
        """For the optimiser: the blocks' convolutions are for Muon."""
        kernels = [p for name, p in self.named_parameters() if p.ndim == 4 and ".convolutions." in name]
        chosen = {id(p) for p in kernels}
        others = [p for p in self.parameters() if id(p) not in chosen]
        return [{"params": others, "lr": rate}, {"params": kernels, "lr": kernel_rate, "muon": True}]


class _StudentBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which do nothing at first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.convolutions = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), last)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        found: Tensor = x + self.convolutions(x)
        return found


def student_arrays(student: TaskStudent) -> dict[str, Float[Tensor, "*sides"]]:
    """What stands of it in a model file, by name."""
    return {_PREFIX + name: tensor.detach().contiguous() for name, tensor in student.state_dict().items()}


def load_task_student(path: Path | str) -> TaskStudent:
    """That of a model file. Raises `WeightsError` for a file without one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(_PREFIX)]  # noqa: SIM118 - not a mapping
            state = {name.removeprefix(_PREFIX): file.get_tensor(name) for name in names}
        return _student_of(state)
    except FileNotFoundError as err:
        raise WeightsError(f"model file {path} does not exist") from err
    except (SafetensorError, LookupError, RuntimeError, ValueError, OSError) as err:
        raise WeightsError(
            f"model file {path} has no student that can be read ({err}); train one: laconic train codec --recipe task"
        ) from err


def _student_of(state: Mapping[str, Tensor]) -> TaskStudent:
    outputs, width = len(state["leave.weight"]), len(state["stem.weight"])
    student = TaskStudent(state["scales"], outputs, width)
    student.load_state_dict(dict(state))
    return student.eval()
