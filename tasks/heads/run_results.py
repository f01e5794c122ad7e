"""What a finished run says of itself."""

from __future__ import annotations

import resource
import sys
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from torch import nn

from laconic.tasks.heads.inputs import Data, input_name
from laconic.tasks.heads.judged_items import JudgedItems, score_interval
from laconic.tasks.heads.learning_task import LearningTask, description_of_learning_task
from laconic.tasks.heads.networks import num_parameters
from laconic.tasks.heads.train_options import TrainOptions

_TIMES: Final = ("loading", "compute", "loading_processor", "compute_processor")


@dataclass(frozen=True, eq=False)
class RunSubject:
    """What was learned, from what, how, and by which network."""

    task: LearningTask
    data: Data
    options: TrainOptions
    network: nn.Module


def result_of_run(subject: RunSubject, rows: list[dict[str, float]], best: int, judged: JudgedItems) -> dict[str, Any]:
    """As JSON: the subject, its score, and what an epoch takes. `rows` of the epochs, of which `best` validated best."""
    task, data, options = subject.task, subject.data, subject.options
    parts = {"train": data.train, "val": data.val, "test": data.test}
    val_name = f"val_{task.score_name}"
    return {
        "task": task.name,
        "score_name": task.score_name,
        "unit": task.unit,
        "higher_is_better": task.higher_is_better,
        "arm": options.arm,
        "input": input_name(data.form, options),
        "options": {**asdict(options), "model": None, "task": description_of_learning_task(task)},
        "classes": data.form.classes,
        "parameters": num_parameters(subject.network),
        **{f"{name}_items": len(part) for name, part in parts.items()},
        "best_epoch": best,
        val_name: rows[best][val_name],
        **{f"test_{name}": value for name, value in task.scores(judged.rows).items()},
        "test_interval_95": list(score_interval(task, judged.rows)),
        "seconds_per_epoch": _seconds_per_epoch(rows),
        **{f"{name}_bytes_per_epoch": part.num_bytes for name, part in parts.items()},
        "peak_memory_bytes": peak_memory_bytes(),
        "history": rows,
    }


def _seconds_per_epoch(rows: list[dict[str, float]]) -> dict[str, float]:
    """Medians, without the first epoch, which warms caches, where there are more."""
    steady = rows[1:] or rows
    return {name: float(np.median([row[f"{name}_seconds"] for row in steady])) for name in _TIMES}


def peak_memory_bytes() -> int:
    """The most memory that this process had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
