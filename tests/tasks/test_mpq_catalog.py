"""Tasks by name, and tasks of other packages, from outside the package to the report."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.tasks.mpq import make_tasks

# A whole package of a task of one's own: what a picture shows is its brightest colour, its label the name of its file.
PACKAGE = """
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from laconic.codecs.media import Image
from laconic.tasks.mpq import Judgement, TaskSample


@dataclass(frozen=True)
class Colors:
    folder: Path
    name: str = "colors"
    title: str = "The brightest colour of flags"
    kind: str = "image"
    score_name: str = "accuracy"
    higher_is_better: bool = True

    def keys(self):
        return sorted(path.name for path in self.folder.glob("*.png"))

    def sample(self, key):
        return TaskSample(key, Image(np.asarray(PillowImage.open(self.folder / key))), key.split("-")[0])

    def judge(self, sample, decoded):
        answer = ("red", "green", "blue")[int(decoded.samples.sum((0, 1)).argmax())]
        return Judgement((float(answer == sample.label), 1.0), answer)

    def aggregate(self, totals):
        return totals[..., 0] / totals[..., 1]


def make(data, models):
    return Colors(data / "flags")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a package of the task "colors" is installed, with data for it."""
    (tmp_path / "laconic_colors.py").write_text(PACKAGE)
    info = tmp_path / "laconic_colors-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: laconic-colors\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[laconic.tasks]\ncolors = laconic_colors:make\nimagenet = laconic_colors:make\nbroken = laconic_colors:none\n"
        "bare = builtins:max\n"
    )
    (tmp_path / "flags").mkdir()
    random = np.random.default_rng(0)
    for number in range(32):
        samples = random.integers(0, 90, (16, 16, 3), dtype=np.uint8)
        samples[..., number % 3] += 120
        PillowImage.fromarray(samples).save(tmp_path / "flags" / f"{('red', 'green', 'blue')[number % 3]}-{number}.png")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_task_of_another_package_is_evaluated_by_the_command(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "laconic.tasks.cli",
        "evaluate",
        "--codecs",
        "jpeg:quality=30|90",
        "--tasks",
        "colors",
    ]
    report = folder / "report"
    done = subprocess.run(
        [*command, "--data", str(folder), "-o", str(report)],
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (report / "summary.jsonl").read_text().splitlines()]
    assert [line["score"] for line in lines] == [1.0, 1.0, 1.0]
    assert "The brightest colour of flags" in (report / "report.md").read_text()
    assert "--codecs 'jpeg:quality=30|90' --tasks colors" in (report / "report.md").read_text()


def test_names_of_built_in_tasks_cannot_be_taken_over(folder: Path) -> None:
    with pytest.raises(CodecError, match="task imagenet finds no samples below"):
        make_tasks(["imagenet"], folder, folder)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", r"task 'broken' \(laconic_colors:none\) cannot be made: "),
        ("bare", r"task 'bare' \(builtins:max\)"),
        (
            "missing",
            "task 'missing' is unknown; known are imagenet, .*, bare, broken, colors, images and sounds",
        ),
    ],
)
def test_what_makes_no_task_is_a_sentence(name: str, sentence: str, folder: Path) -> None:
    with pytest.raises(CodecError, match=sentence):
        make_tasks([name], folder, folder)
