"""A trained head as a task, on made-up pictures."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.tasks.mpq import evaluate, make_tasks, operating_points, summarize

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and bright pictures, train and test, and a run that learned to tell them apart."""
    from laconic.tasks.cli import app

    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 5)):
        for name, level in (("bright", 200), ("dark", 40)):
            (folder / "tones" / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(rng.normal(level, 20, (40, 48, 3)), 0, 255).astype(np.uint8)
                PillowImage.fromarray(pixels).save(folder / "tones" / split / name / f"{number}.png")
    command = ["train", "classify", str(folder / "tones"), "-o", str(folder / "run"), "--arm", "small", "--quiet"]
    how = ["--epochs", "6", "--size", "64", "--batch-size", "8", "--option", "body=residual", "--option", "mixup=0.2"]
    result = CliRunner().invoke(app, [*command, *how])
    assert result.exit_code == 0, result.output
    return folder


def test_head_is_scored_on_the_test_folder_of_its_classes(data: Path, tmp_path: Path) -> None:
    tasks = make_tasks([f"head:{data / 'run'}"], data, data)
    points = operating_points(["jpeg:quality=50"])
    summary = summarize(tasks[0], points, evaluate(tasks, points, tmp_path / "rows.jsonl"))
    assert summary.name == "head-run"
    assert summary.anchor.num_samples == 10
    assert summary.anchor.score >= 0.9
    assert summary.lines[1].score == summary.anchor.score


def test_head_judges_the_signal_itself(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file in between: nothing is written."""
    (task,) = make_tasks([f"head:{data / 'run'}"], data, data)
    sample = task.sample("dark/0.png")
    monkeypatch.setattr(Path, "write_bytes", None)
    monkeypatch.setattr("tempfile.mkdtemp", None)
    assert task.judge(sample, sample.signal).answer == "dark"


def test_head_without_a_folder_of_its_classes_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="0 folders"):
        make_tasks([f"head:{data / 'run'}"], tmp_path, tmp_path)
