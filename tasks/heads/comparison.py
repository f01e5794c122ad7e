"""Results of runs and their comparison in one table. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from laconic.codecs.errors import CodecError
from laconic.tasks.training.run_names import RESULT_NAME

# What results said before there was more than one task.
_FIRST_TASK = {"task": "classification", "score_name": "accuracy", "unit": "%", "higher_is_better": True}


def read_result(run: Path | str) -> dict[str, Any]:
    """The result of a finished run. Raises `CodecError` where there is none."""
    path = Path(run) / RESULT_NAME
    try:
        result: dict[str, Any] = _FIRST_TASK | json.loads(path.read_bytes())
        names = ("arm", f"test_{result['score_name']}", "seconds_per_epoch", "train_bytes_per_epoch")
        _ = [result[name] for name in names]
    except FileNotFoundError as err:
        raise CodecError(f"{run} holds no finished run; finish it with the same `laconic train` command") from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise CodecError(f"{path} is no result of a run: {err}; train again") from err
    return result


def comparison_table(results: Sequence[Mapping[str, Any]]) -> str:
    """One Markdown table of several runs; runs that differ in their seed alone are one row. Raises `CodecError` for runs
    of different tasks."""
    results = [{**_FIRST_TASK, **result} for result in results]
    tasks = sorted({result["task"] for result in results})
    if len(tasks) > 1:
        raise CodecError(f"the runs are of the tasks {', '.join(tasks)}; allowed is one task in a table")
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["input"], result["options"]["epochs"]), []).append(result)
    score_name = results[0]["score_name"] if results else _FIRST_TASK["score_name"]
    lines = [
        f"| input | test {score_name} | 95 % interval | seeds | epochs | parameters | load s/epoch | compute s/epoch | "
        "MiB read/epoch |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [_row(name, epochs, runs) for (name, epochs), runs in groups.items()]
    return "\n".join(lines) + "\n"


def _row(name: str, epochs: int, runs: Sequence[Mapping[str, Any]]) -> str:
    is_share = runs[0]["unit"] == "%"
    scores = [(100 if is_share else 1) * run[f"test_{run['score_name']}"] for run in runs]
    figure = ".1f" if is_share else ".4g"
    unit = f" {runs[0]['unit']}" if runs[0]["unit"] else ""
    spread = f" ± {np.std(scores, ddof=1):{figure}}" if len(runs) > 1 else ""
    seconds = {key: np.median([run["seconds_per_epoch"][key] for run in runs]) for key in ("loading", "compute")}
    cells = [
        name,
        f"{np.mean(scores):{figure}}{unit}{spread}",
        _interval(runs),
        str(len(runs)),
        str(epochs),
        f"{runs[0]['parameters']:,}",
        f"{seconds['loading']:.2f}",
        f"{seconds['compute']:.2f}",
        f"{runs[0]['train_bytes_per_epoch'] / 2**20:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _interval(runs: Sequence[Mapping[str, Any]]) -> str:
    """Of the mean share, where items were counted."""
    if not all("test_correct" in run for run in runs):
        return ""
    correct, total = (sum(run[key] for run in runs) for key in ("test_correct", "test_items"))
    # Runs share the test items, so their number does not narrow the interval.
    low, high = wilson_interval(correct / len(runs), total / len(runs))
    return f"{100 * low:.1f} to {100 * high:.1f}"


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % interval of a share of `correct` in `total` (Wilson 1927).

    >>> [round(x, 3) for x in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    z = 1.959964
    share, factor = correct / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / factor
    half = z / factor * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(middle - half, 0.0), min(middle + half, 1.0)
