"""What every benchmark needs: one core, the best of a few timings, where a number comes from, rows of JSON.

Scripts in the folders below put this folder on `sys.path` and import `common` before numpy, so that its thread limits
hold for numpy's BLAS.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

BENCHMARKS = Path(__file__).resolve().parent
RESULTS = BENCHMARKS / "results"

# Read by BLAS libraries when they are loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

Row = dict[str, Any]
T = TypeVar("T")


def save_figure(figure: Any, path: Path, *, dpi: int = 150) -> None:
    """Draw the panels of a pyplot figure as all of ours are, with a grid and two sides, and write it."""
    from matplotlib import pyplot

    for panel in figure.axes:
        panel.grid(color="0.9")
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    pyplot.close(figure)


def pin_to_one_core() -> None:
    """Keep this process, and the threads that any codec starts, on one core; a no-op where the system cannot."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # core 0 has the interrupts


def best_seconds(call: Callable[[], T], *, num_runs: int = 2, enough_seconds: float = 0.25) -> tuple[T, float]:
    """The result of `call` and its shortest time; fewer runs once they have taken `enough_seconds` together."""
    times: list[float] = []
    while not times or (len(times) < num_runs and sum(times) < enough_seconds):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return result, min(times)


def provenance(reason: str, *, packages: Iterable[str] = ("laconic", "numpy", "pillow")) -> Row:
    """When, where, why and with what a number was measured; part of every row."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "reason": reason,
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
    }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by one JSON object per line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Add one JSON object to the end of the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The JSON objects of the file, in order."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _commit() -> str:
    """Short commit hash, "+dirty" where anything but results differs from it; "unknown" outside a repository."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        changes = _git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+dirty" if changes else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(BENCHMARKS.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
