"""The package passes `mypy --strict`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
ROOT = Path(__file__).parents[1]


def test_package_is_typed_strictly(tmp_path: Path) -> None:
    """In a folder of links, as mypy would take our `codecs` for the standard module of that name."""
    (tmp_path / "laconic").mkdir()
    for layer in ("codecs", "entropy", "tasks"):
        (tmp_path / "laconic" / layer).symlink_to(ROOT / layer, target_is_directory=True)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "-p", "laconic"]
    cache = ["--cache-dir", str(tmp_path / "cache"), "--no-error-summary", "--namespace-packages"]
    # An installed or otherwise reachable copy must not be checked instead.
    paths = {**os.environ, "MYPYPATH": str(tmp_path), "PYTHONPATH": ""}
    done = subprocess.run([*command, *cache], cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
