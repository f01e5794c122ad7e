"""Every example runs as it is, and on a picture or folder that is named."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
EXAMPLES = {
    "compressai_coder": DATA / "kodim05_crop.png",
    "entropy_coder": None,
    "encode_decode": DATA / "kodim05_crop.png",
    "own_model": DATA,
    "own_task": DATA / "clothing",
    "pillow_plugin": DATA / "kodim05_crop.png",
    "read_latents": DATA / "kodim05_crop.png",
}
NEEDS = {"compressai_coder": "compressai", "own_task": "torch"}


@pytest.mark.parametrize(
    ("name", "is_named"),
    [(name, named) for name, path in EXAMPLES.items() for named in (False, True) if path or not named],
)
def test_example_runs(name, is_named, tmp_path):
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    command = [sys.executable, "-W", "error", ROOT / "tasks" / "examples" / f"{name}.py"]
    done = subprocess.run(
        [*command, *([EXAMPLES[name]] if is_named else [])], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert 2 <= len(done.stdout.splitlines()) <= 10
    assert not list(tmp_path.iterdir())  # they leave nothing behind
