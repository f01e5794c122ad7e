"""A task and a network of one's own: classes that are grades in order, answered by one number.

    python tasks/examples/own_task.py [FOLDER]

In a package, two lines of its pyproject.toml make `laconic train grades DATA --network tiny` work:

    [project.entry-points."laconic.learning_tasks"]
    grades = "package.module:Grades"
    [project.entry-points."laconic.networks"]
    tiny = "package.module:tiny_network"
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from laconic.tasks.datasets import PackIndexOptions, pack
from laconic.tasks.heads.head_training import train
from laconic.tasks.heads.learning_task import Answer, Batch, InputForm, TaskRecipe
from laconic.tasks.heads.train_options import TrainOptions


@dataclass(frozen=True)
class Grades:
    name, score_name, unit, higher_is_better = "grades", "error", "grades", False
    best_by: ClassVar[Literal["score", "loss"]] = "score"
    kinds: ClassVar[tuple[Literal["image", "sound"], ...]] = ("image", "sound")
    targets, judged_targets, maps, has_sizes = ("cls",), ("cls",), (), False

    def recipe(self, form: InputForm) -> TaskRecipe:
        return TaskRecipe(epochs=20, channels=12)

    def num_outputs(self, form: InputForm) -> int:
        return 1

    def network(self, form: InputForm, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return tiny_network(form, 1)

    def judge(self, network: nn.Module, batch: Batch) -> Tensor:
        errors: Tensor = (network(batch.x) - batch.targets[0][:, None]).abs()
        return errors

    def loss(self, network: nn.Module, batch: Batch, random: np.random.Generator) -> Tensor:
        return self.judge(network, batch).square().mean()

    def scores(self, rows: NDArray[np.float64]) -> dict[str, float]:
        return {"loss": float(np.square(rows).mean()), "error": float(rows.mean())}

    def plot(self, rows: NDArray[np.float64], form: InputForm) -> str:
        return f"<svg xmlns='http://www.w3.org/2000/svg'><title>error {rows.mean():.2f} grades</title></svg>\n"

    def answers(self, network: nn.Module, batch: Batch, form: InputForm) -> list[Answer]:
        return [Answer(f"grade {grade:.1f}", {"grade": grade}) for grade in network(batch.x)[:, 0].tolist()]


def tiny_network(form: InputForm, num_outputs: int) -> nn.Module:
    """(b, channels, h, w) -> (b, num_outputs)."""
    body = nn.Conv2d(form.channels, 16, form.patch, form.patch), nn.GELU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*body, nn.Flatten(), nn.Linear(16, num_outputs))


def main() -> None:
    default = Path(__file__).parents[2] / "tests" / "data" / "clothing"
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(sys.argv[1]) if len(sys.argv) > 1 else default
        pack(source, Path(temporary, "packed"), PackIndexOptions(size=64))
        result = train(Path(temporary, "packed"), Path(temporary, "run"), TrainOptions(epochs=5), task=Grades())
        for epoch, row in enumerate(result["history"]):
            print(f"epoch {epoch}: validation error {row['val_error']:.2f} grades")
        print(f"{result['test_items']} pictures, error {result['test_error']:.2f} grades")


if __name__ == "__main__":
    main()
