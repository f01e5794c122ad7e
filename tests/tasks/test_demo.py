"""The demo of the README does what it says, on the data that come with the project."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "tasks" / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_demo_of_files_writes_files_and_the_comparison(tmp_path: Path) -> None:
    shown = run("demo.py", tmp_path)
    assert "JPEG at equal bytes" in shown
    assert "kbit/s" in shown
    assert len(list(tmp_path.glob("*.lcn"))) == 3
    assert (tmp_path / "side_by_side.png").stat().st_size > 100_000
    assert (tmp_path / "speech.wav").stat().st_size > 100_000


def test_demo_of_learning_trains_two_arms_and_writes_a_report(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shown = run("demo_learning.py", tmp_path, "1")
    latents, pixels = (line for line in shown.splitlines() if "right of 112 photographs, 1 seeds" in line)
    assert "12 latent channels" in latents and "pixels 128x128 in 8x8 patches" in pixels
    assert "Latents are" in shown and "95 % interval" in shown
    assert "<svg" in (tmp_path / "report" / "report.html").read_text()
