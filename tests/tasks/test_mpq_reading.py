"""Reading of receipts: lines, texts, errors; and the recogniser where it is installed."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from laconic.codecs.errors import MissingDependencyError, WeightsError
from laconic.codecs.media import Image
from laconic.tasks.mpq import Task, TaskSample, make_tasks
from laconic.tasks.mpq.onnx_models import run_onnx
from laconic.tasks.mpq.packaged_models import packaged_file
from laconic.tasks.mpq.reading import Line, Reading, Recognizer, read_by_tesseract, read_lines

DATA = Path(__file__).parents[2].parent / "shared" / "data"
INSTALLED = all(importlib.util.find_spec(name) for name in ("onnxruntime", "rapidocr_onnxruntime"))
needs_recognizer = pytest.mark.skipif(not INSTALLED or not DATA.is_dir(), reason="no recogniser or no data")


def reading(name: str = "read") -> Task[Any]:
    return make_tasks([name], DATA, DATA / "models")[0]


def test_lines_hold_commas_and_tilted_boxes(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("5,2,40,3,40,20,6,19,12, JALAN TAMPOI 7/4,JOHOR\n\n1,2,3,4,5,6,7,8,x\n")
    first, second = read_lines(tmp_path / "1.csv")
    assert first == Line((5, 2, 40, 20), "12, JALAN TAMPOI 7/4,JOHOR")
    assert second == Line((1, 2, 7, 8), "x")


def test_errors_are_counted_on_what_was_decoded_without_case_and_spaces(tmp_path: Path) -> None:
    """Of a recogniser that says how bright a line is."""
    texts = {10: ("To tal", None), 20: ("9.0", None), 0: ("", None)}
    task = Reading(tmp_path, Recognizer("bright", "a toy", lambda cut: [texts[int(one.max())] for one in cut]))
    samples = np.zeros((8, 8, 3), np.uint8)
    samples[:4], samples[4:] = 10, 20
    lines = [Line((0, 0, 8, 4), "TOTAL"), Line((0, 4, 8, 8), "9.00")]
    sample = TaskSample("1", Image(samples), lines)
    read = task.judge(sample, sample.signal)
    assert (read.counts, read.answer, read.probabilities) == ((1.0, 9.0), "To tal / 9.0", None)
    assert read.loss == pytest.approx(1 / 9)
    assert task.judge(sample, Image(np.zeros_like(samples))).counts == (9.0, 9.0)


@needs_recognizer
def test_receipts_are_read() -> None:
    task = reading()
    assert len(task.keys()) == 40
    sample = task.sample(task.keys()[0])
    read = task.judge(sample, sample.signal)
    assert len(sample.label) == 10
    assert read.counts == (3.0, 77.0)
    assert read.answer.startswith("tan woon yann / ")
    assert read.probabilities is not None
    assert read.probabilities.sum(axis=-1) == pytest.approx(1, abs=1e-3)
    again = task.judge(sample, sample.signal)
    assert (again.counts, again.answer, again.loss) == (read.counts, read.answer, read.loss)


@needs_recognizer
def test_blank_paper_has_no_text() -> None:
    task = reading()
    sample = task.sample(task.keys()[0])
    blank = task.judge(sample, Image(np.full_like(sample.signal.samples, 255)))
    assert blank.counts == (77.0, 77.0)


@pytest.mark.skipif(shutil.which("tesseract") is None or not DATA.is_dir(), reason="no tesseract or no data")
def test_receipts_are_read_by_tesseract() -> None:
    task = reading("read-tesseract")
    sample = task.sample(task.keys()[0])
    read = task.judge(sample, sample.signal)
    assert read.counts[1] == 77.0
    assert read.counts[0] < 10
    assert len(read.answer.split(" / ")) == 10
    blank = task.judge(sample, Image(np.full_like(sample.signal.samples, 255)))
    assert blank.counts[0] > 60  # it sees an "O" in blank paper


def test_absent_tesseract_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependencyError, match="tesseract is not on PATH; install it: apt-get install"):
        read_by_tesseract([np.zeros((4, 4, 3), np.uint8)])


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no data at {DATA}")
@pytest.mark.parametrize(
    ("codec", "task"), [("jpeg", "read"), ("jpeg", "detect"), ("flac", "speech-quality"), ("flac", "speaker")]
)
def test_command_says_what_to_install_in_one_line(
    codec: str, task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from laconic.tasks.cli import app

    monkeypatch.setattr("laconic.tasks.mpq.packaged_models.find_spec", lambda name: None)
    command = ["evaluate", "--codecs", codec, "--tasks", task, "--data", str(DATA), "-j", "1", "--limit", "1"]
    result = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "report")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "is not installed; install it: pip install --no-deps" in result.stderr


def test_absent_package_and_file_are_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"no_such_package.* is not installed; install it: pip install x"):
        packaged_file("no_such_package", "a.onnx", install="pip install x")
    with pytest.raises(MissingDependencyError, match=r"json in .* has no a\.onnx; install a release"):
        packaged_file("json", "a.onnx", install="pip install x")


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_broken_onnx_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"m\.onnx is no ONNX model"):
        run_onnx(tmp_path / "m.onnx", np.zeros(1))
