"""What the README shows works as it stands there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as PillowImage

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


# What must hold after each piece of Python, in order.
CHECKS = (
    "from pathlib import Path\nassert latent.dequantize().shape == (12, 40, 56) and Path('decoded.png').exists()\n",
    "assert loss.isfinite() and dataset.shape == (12, 28, 28) and x.shape[1:] == (12, 24, 24)\n",
)
PIECES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_every_piece_of_python_is_checked() -> None:
    assert len(PIECES) == len(CHECKS)


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


@pytest.mark.parametrize(("code", "check"), list(zip(PIECES, CHECKS, strict=False)), ids=["files", "training"])
def test_python_of_the_readme_runs(code: str, check: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "data" / "kodim23_crop.png", tmp_path / "photo.png")
    for name in ("one", "other"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        with PillowImage.open(tmp_path / "photo.png") as picture:
            picture.transpose(PillowImage.Transpose.ROTATE_180).save(tmp_path / "pictures" / name / "1.jpg")
    done = subprocess.run(
        [sys.executable, "-c", code + check], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_files_and_folders_that_it_names_exist() -> None:
    named = re.findall(r"(?<=[`(])(?:entropy|codecs|tasks|tests|benchmarks)/[^`) ]*", README)
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / name).exists()] == []


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
