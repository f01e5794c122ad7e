"""Results of runs and their comparison in one table. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from laconic.codecs.errors import CodecError

RESULT_NAME = "result.json"


def read_result(run: Path | str) -> dict[str, Any]:
    """The result of a finished run. Raises `CodecError` where there is none."""
    path = Path(run) / RESULT_NAME
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        _ = [result[name] for name in ("arm", "test_accuracy", "seconds_per_epoch", "train_bytes_per_epoch")]
    except FileNotFoundError as err:
        raise CodecError(f"{run} holds no finished run; finish it with the same `laconic train` command") from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise CodecError(f"{path} is no result of a run: {err}; train again") from err
    return result


def comparison_table(results: Sequence[Mapping[str, Any]]) -> str:
    """One Markdown table of several runs; runs that differ in their seed alone are one row."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["input"], result["options"]["epochs"]), []).append(result)
    lines = [
        "| input | test accuracy | 95 % interval | seeds | epochs | parameters | load s/epoch | compute s/epoch | "
        "MiB read/epoch |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (name, epochs), runs in groups.items():
        correct, total = (sum(run[key] for run in runs) for key in ("test_correct", "test_items"))
        accuracies = [100 * run["test_accuracy"] for run in runs]
        # Runs share the test items, so their number does not narrow the interval.
        low, high = wilson_interval(correct / len(runs), total / len(runs))
        spread = f" ± {np.std(accuracies, ddof=1):.1f}" if len(runs) > 1 else ""
        seconds = {key: np.median([run["seconds_per_epoch"][key] for run in runs]) for key in ("loading", "compute")}
        cells = [
            name,
            f"{np.mean(accuracies):.1f} %{spread}",
            f"{100 * low:.1f} to {100 * high:.1f}",
            str(len(runs)),
            str(epochs),
            f"{runs[0]['parameters']:,}",
            f"{seconds['loading']:.2f}",
            f"{seconds['compute']:.2f}",
            f"{runs[0]['train_bytes_per_epoch'] / 2**20:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % interval of a share of `correct` in `total` (Wilson 1927).

    >>> [round(x, 3) for x in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    z = 1.959964
    share, factor = correct / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / factor
    half = z / factor * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return middle - half, middle + half
