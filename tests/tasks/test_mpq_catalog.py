"""Tasks by name, and tasks of other packages, from outside the package to the report."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.tasks.mpq import make_metrics, make_tasks

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

# Others, that do all that a task, metric or codec must not.
FAULTY = """
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from laconic.codecs.media import Image
from laconic_colors import Colors


class Unjudged(Colors):
    def judge(self, sample, decoded):
        raise ValueError("no answer")


class Unfound(Colors):
    def judge(self, sample, decoded):
        return Path("model.bin").read_bytes()


class Twice(Colors):
    def keys(self):
        return ["red-0.png", "red-0.png"]


class Unlisted(Colors):
    def keys(self):
        raise ValueError("no list")


@dataclass(frozen=True)
class Failing:
    name = "failing"

    def encode(self, signal: Image) -> bytes:
        raise ValueError("full")

    def decode(self, data):
        return None


@dataclass(frozen=True)
class Picky(Failing):
    name = "picky"

    def encode(self, signal: Image) -> bytes:
        if signal.height == 16:
            raise ValueError("small")
        return b"x"

    def decode(self, data):
        return Image(np.zeros((32, 32, 3), np.uint8))


class Large(Colors):
    def sample(self, key):
        sample = super().sample(key)
        return replace(sample, signal=Image(np.kron(sample.signal.samples, np.ones((2, 2, 1), np.uint8))))


class Metric:
    name, kind, heads, higher_is_better = "clash", "image", {"psnr_db": "mine"}, True

    def measure(self, original, decoded):
        return {"psnr_db": 1.0}


def metric(name, **changes):
    made = Metric()
    made.name = name
    for member, value in changes.items():
        setattr(made, member, value)
    return lambda models: made


clash, headless, kindless = metric("clash"), metric("headless", heads=["a"]), metric("kindless", kind="picture")


def make(name, cls=Colors, kind="image"):
    return lambda data, models: cls(data / "flags", name=name, kind=kind)


unjudged, unfound, twice, unlisted = (
    make(name, cls)
    for name, cls in (("unjudged", Unjudged), ("unfound", Unfound), ("twice", Twice), ("unlisted", Unlisted))
)
large = make("large", Large)
noise, strange = make("noise", kind="sound"), make("strange", kind="images")
"""


FAULTY_TASKS = "unjudged", "unfound", "twice", "unlisted", "noise", "strange", "large"


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
        + "".join(f"{name} = laconic_faulty:{name}\n" for name in FAULTY_TASKS)
        + "[laconic.metrics]\n"
        + "".join(f"{name} = laconic_faulty:{name}\n" for name in ("clash", "headless", "kindless"))
        + "[laconic.codecs]\nfailing = laconic_faulty:Failing\npicky = laconic_faulty:Picky\n"
    )
    (tmp_path / "laconic_faulty.py").write_text(FAULTY)
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


def evaluate_command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "laconic.tasks.cli",
        "evaluate",
        "--data",
        str(folder),
        "-o",
        str(folder / "report"),
    ]
    environment = {"PYTHONPATH": str(folder), "PATH": ""}
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--codecs", "jpeg", "--tasks", ","], "no task is named; known are imagenet, "),
        (["--codecs", "mp3", "--tasks", "colors"], "codec mp3 is for sounds, and the tasks for images"),
        (
            ["--codecs", "jpeg", "--codecs", "mp3", "--tasks", "colors"],
            "codec mp3 is for sounds, and the tasks for images",
        ),
        (["--codecs", "jpeg", "--tasks", "colors,noise"], "task noise is for sounds, and none of the codecs is"),
        (["--codecs", "jpeg", "--tasks", "colors", "--margin", "nan"], "--margin is nan; allowed is a number from 0"),
    ],
)
def test_what_would_measure_nothing_is_refused(folder: Path, words: list[str], sentence: str) -> None:
    done = evaluate_command(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in " ".join(done.stderr.split())


def test_command_says_what_failed_and_reports_the_rest(folder: Path) -> None:
    words = "--codecs", "failing", "--codecs", "jpeg:quality=90", "--tasks", "unjudged,colors"
    done = evaluate_command(folder, *words, "--limit", "3")
    assert done.returncode == 1
    assert (
        "laconic: colors: failing has no score: 3 of 3 samples failed, the first, blue-11.png: ValueError: full"
        in done.stderr
    )
    assert (
        "laconic: no sample of unjudged can be judged; the first is blue-11.png: ValueError: no answer" in done.stderr
    )
    assert "Traceback" not in done.stderr
    report = (folder / "report" / "report.md").read_text()
    assert "- failing has no score: 3 of 3 samples failed" in report
    assert "| jpeg:quality=90 |" in report


def test_codec_that_refuses_one_of_the_tasks_is_said_and_no_failure(folder: Path) -> None:
    done = evaluate_command(folder, "--codecs", "picky", "--tasks", "colors,large", "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert (
        "laconic: colors: picky has no score: 2 of 2 samples failed, the first, blue-11.png: ValueError: small"
        in done.stderr
    )


def test_file_that_lacks_is_named(folder: Path) -> None:
    done = evaluate_command(folder, "--codecs", "jpeg:quality=90", "--tasks", "unfound", "--limit", "3")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("laconic: model.bin: No such file or directory")


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
            "task 'missing' is unknown; known are imagenet, .*, bare, broken, colors, .*, images and sounds",
        ),
        ("strange", r"task 'strange' \(laconic_faulty:strange\) is of kind 'images'; allowed are image and sound"),
        ("twice", "task twice has keys that are no texts, or the same one twice"),
        ("unlisted", "task unlisted cannot list its samples: ValueError: no list"),
    ],
)
def test_what_makes_no_task_is_a_sentence(name: str, sentence: str, folder: Path) -> None:
    with pytest.raises(CodecError, match=sentence):
        make_tasks([name], folder, folder)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["psnr", "clash"], "metrics 'psnr' and 'clash' both give 'psnr_db'"),
        (["headless"], r"metric 'headless' \(laconic_faulty:headless\) has the heads \['a'\]"),
        (
            ["kindless"],
            r"metric 'kindless' \(laconic_faulty:kindless\) is of kind 'picture'; allowed are image and sound",
        ),
    ],
)
def test_metric_that_is_none_is_a_sentence(names: list[str], sentence: str, folder: Path) -> None:
    with pytest.raises(CodecError, match=sentence):
        make_metrics(names, folder)
