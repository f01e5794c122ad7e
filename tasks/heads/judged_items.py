"""What a task says of each item of a part, for scores, intervals and comparisons item by item."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from laconic.codecs.errors import WeightsError
from laconic.tasks.heads.checkpoint import load_checkpoint
from laconic.tasks.heads.comparison import wilson_interval
from laconic.tasks.heads.inputs import Data, Part, load_inputs
from laconic.tasks.heads.learning_task import LearningTask
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.training.processes import Processes
from laconic.tasks.training.tensor_files import load_tensors, save_tensors

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_NUM_RESAMPLINGS: Final = 1000


@dataclass(frozen=True, eq=False)
class JudgedItems:
    """`rows` of `LearningTask.judge`, and which samples they are of."""

    rows: Float[NDArray[np.float64], "n k"]
    sources: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ItemJudge:
    """A network of a task on data, in one of several processes."""

    task: LearningTask
    network: nn.Module
    data: Data
    processes: Processes
    device: torch.device
    loading_threads: int = 1

    @torch.no_grad()
    def of(self, part: Part) -> JudgedItems:
        """All items of a part, in order; the processes share them, unless there are too few."""
        self.network.eval()
        world, rank = self.processes.world, self.processes.rank
        is_shared = len(part) >= world > 1
        own = np.arange(len(part))[rank::world] if is_shared else np.arange(len(part))
        options = {"rank": 0, "world": 1, "num_threads": self.loading_threads}
        loader = self.data.judged_loader(replace(part, items=part.items[own]), self.task, **options)
        batches = (batch.on(self.device) for batch in self.data.batches(loader))
        found = torch.cat([self.task.judge(self.network, batch).double().cpu() for batch in batches])
        rows = torch.zeros(len(part), found.shape[1], dtype=torch.float64)
        rows[own] = found
        return JudgedItems((self.processes.total(rows) if is_shared else rows).numpy(), part.sources)


def judge_test_items(
    run: Path | str, folder: Path | str, options: TrainOptions
) -> tuple[Int[NDArray[np.int64], " n"], JudgedItems]:
    """Numbers of the test items of any data, and what the best network of a run makes of them. Raises as
    `load_checkpoint` and `load_inputs`."""
    trained = load_checkpoint(run)
    data, _ = load_inputs(folder, options, trained.task)
    judge = ItemJudge(trained.task, trained.network, data, Processes(), torch.device("cpu"))
    return data.test.items, judge.of(data.test)


def save_judged_items(path: Path, judged: JudgedItems) -> None:
    """Write them, whole or not at all."""
    save_tensors(path, {"rows": torch.from_numpy(judged.rows)}, {"sources": json.dumps(judged.sources)})


def load_judged_items(path: Path | str) -> JudgedItems:
    """Those of a finished run. Raises `WeightsError`."""
    tensors, metadata = load_tensors(Path(path))
    try:
        return JudgedItems(tensors["rows"].numpy(), tuple(json.loads(metadata["sources"])))
    except (KeyError, ValueError, TypeError) as err:
        raise WeightsError(f"{path} holds no judged items of a run: {err}; train again") from err


def score_interval(task: LearningTask, rows: Float[NDArray[np.float64], "n k"]) -> tuple[float, float]:
    """At 95 %, of the score: of shares of right answers (Wilson 1927), of others percentiles of resamplings of the items
    (Efron and Tibshirani 1993, chapter 13)."""
    if (correct := task.scores(rows).get("correct")) is not None:
        return wilson_interval(correct, len(rows))
    random = np.random.default_rng(0)
    draws = random.integers(len(rows), size=(_NUM_RESAMPLINGS, len(rows)))
    low, high = np.percentile([task.scores(rows[draw])[task.score_name] for draw in draws], (2.5, 97.5))
    return float(low), float(high)
