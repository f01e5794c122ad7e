"""What the README shows works as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_python_of_the_readme_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace('"tests/data/', f'"{ROOT}/tests/data/')
    code += "assert latent.dequantize().shape == (12, 40, 56)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "decoded.png").exists()


def commands() -> list[list[str]]:
    lines = [line.split("#")[0] for line in README.splitlines() if line.startswith("    laconic ")]
    return [shlex.split(part) for line in lines for part in line.split(";") if part.strip()]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_options_of_the_readme_exist(command: list[str]) -> None:
    verb = command[1:3] if command[1] == "train" else command[1:2]
    run = [sys.executable, "-m", "laconic.tasks.cli", *verb, "--help"]
    shown = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    for option in command:
        assert not option.startswith("-") or re.search(rf"(^|\s){re.escape(option)}\b", shown), option
