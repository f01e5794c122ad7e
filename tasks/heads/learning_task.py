"""What a network learns: to training what `mpq/protocol.py` is to evaluation. A new task is one file beside this one.

The loop (`head_training`) and the inputs know only this: which target files of a sample a task reads, what network it
wants, and how outputs are judged. It knows nothing of files, codecs and folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.tasks.heads.inputs import Data


class LearningTask(Protocol):
    """A frozen dataclass of what decides a result of the task, beside `TrainOptions`; small and picklable."""

    @property
    def name(self) -> str:
        """As results are told apart ("classification")."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Suffixes of the target files of a sample that it reads ("cls",), see `datasets.targets`."""

    @property
    def score_name(self) -> str:
        """The key in `scores` by which epochs and runs are compared ("accuracy")."""

    @property
    def unit(self) -> str:
        """Of that score; "%" for shares, where 1 is 100 %, and "" for plain numbers."""

    @property
    def higher_is_better(self) -> bool: ...

    def target(self, values: Mapping[str, Any]) -> Any:
        """Of the decoded target files, by suffix, what a batch is made of: a number, an array or a tensor."""

    def network(self, data: Data, seed: int) -> nn.Module:
        """Untrained, with weights that depend on the form of the data and the seed alone."""

    def card(self, data: Data) -> dict[str, Any]:
        """As JSON: what is needed, beside how inputs are made, to build and use the network again."""

    def loss(
        self, network: nn.Module, x: Float[Tensor, "b c h w"], targets: Any, random: np.random.Generator
    ) -> Float[Tensor, ""]:
        """The mean loss of a training batch x (b, channels, h, w), augmented at will from `random`."""

    def counts(self, outputs: Float[Tensor, "b ..."], targets: Any) -> Float[Tensor, " k"]:
        """(k,) float64 numbers of a batch that may be added over batches: correct items and all, sums of errors."""

    def scores(self, totals: Float[Tensor, " k"]) -> dict[str, float]:
        """Of added counts: "loss", `score_name` and what else belongs into a curve."""

    def interval(self, totals: Float[Tensor, " k"]) -> tuple[float, float] | None:
        """At 95 %, of the score; None where the counts do not tell."""

    def plot(self, totals: Float[Tensor, " k"], data: Data) -> str:
        """The answers on the test split as one drawing, an SVG file."""


def description_of_learning_task(task: LearningTask) -> dict[str, Any]:
    """The task as JSON, for the options of a run."""
    return {"name": task.name, **asdict(cast("Any", task))}


def best_epoch_of_task(rows: list[dict[str, float]], task: LearningTask) -> int | None:
    """That of the best validation score, then of the least loss, then the first; None where no loss is finite."""
    finite = [epoch for epoch, row in enumerate(rows) if np.isfinite(row["val_loss"])]
    sign = 1 if task.higher_is_better else -1
    return max(finite, key=lambda i: (sign * rows[i][f"val_{task.score_name}"], -rows[i]["val_loss"]), default=None)
