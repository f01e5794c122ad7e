"""What networks see at equal bytes: values at equal rates, intervals over blocks of frames, the change of probabilities."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up_rows import AVIF, PSNR, MadeUp, made_up_rows

from laconic.codecs.media import Image
from laconic.tasks.mpq.intervals import percentiles
from laconic.tasks.mpq.metrics import SingleMetric
from laconic.tasks.mpq.sample_values import task_values

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
MODELS = BENCHMARKS.parents[1] / "shared" / "data" / "models"
MINUS = "\N{MINUS SIGN}"
MS_SSIM = SingleMetric("ms-ssim", "image", "ms_ssim", "MS-SSIM", True, lambda original, decoded: 0.0)


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "machine_quality"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # as `common` does, but not for the tests that follow


def test_blocks_are_neighbours_of_one_video() -> None:
    from equal_rates import neighbour_blocks

    names = [f"a_{frame}" for frame in range(6)] + [f"b_f{frame:03}" for frame in range(9)]
    blocks = neighbour_blocks(names, 4)
    assert [len(block) for block in blocks] == [3, 3, 3, 3, 3]
    assert np.concatenate(blocks).tolist() == list(range(15))


@pytest.mark.parametrize(("likeness", "least"), [(0.0, 0.9), (0.6, 0.82)])
def test_intervals_over_blocks_hold_the_truth_where_frames_are_alike(likeness: float, least: float) -> None:
    """Of a process of known mean 0; a resampling of single frames is far too sure of itself."""
    from equal_rates import block_weights, neighbour_blocks, single_blocks

    rng = np.random.default_rng(2)
    num_frames, num_runs = 24, 400
    frames = rng.normal(size=(num_runs, num_frames))
    for frame in range(1, num_frames):
        frames[:, frame] = likeness * frames[:, frame - 1] + (1 - likeness**2) ** 0.5 * frames[:, frame]
    covered = []
    for blocks in (neighbour_blocks([f"a_{frame}" for frame in range(num_frames)], 4), single_blocks(num_frames)):
        weights = block_weights(blocks, num_frames)
        means = weights @ frames.T / weights.sum(axis=1, keepdims=True)
        limits = np.array([percentiles(run, len(blocks)) for run in means[1:].T])
        covered.append(np.mean((limits[:, 0] <= 0) & (limits[:, 1] >= 0)))
    assert least <= covered[0] <= 0.97
    assert covered[1] < 0.75 if likeness else covered[1] > 0.9


def test_values_between_points_are_linear_in_the_logarithm_of_the_rate() -> None:
    from equal_rates import interpolated

    rates, values = np.array([[0.1, 0.4, 1.6], [0.3, 0.4, 0.6]]), np.array([[3.0, 1.0, 0.0], [8.0, 4.0, 2.0]])
    found = interpolated(rates, values, [0.2, 0.4, 0.8])
    assert found == pytest.approx(np.array([[2.0, 1.0, 0.5], [np.nan, 4.0, np.nan]]), nan_ok=True)


def test_differences_at_equal_rates_are_paired() -> None:
    """Both curves have the same samples, so that what is always one more is so in every resampling."""
    from equal_rates import single_blocks, values_at_rates

    points, rows = made_up_rows({"peer": [(rate, psnr + 1) for rate, psnr in AVIF[1:]], "avif": AVIF}, n=24)
    values = task_values(MadeUp(), points, rows, [PSNR])
    (measure,) = values.of_metrics
    found = values_at_rates(values, measure, single_blocks(24), reference="avif", rates=(0.15, 0.4, 9.0))
    assert [(one.curve, one.rate) for one in found] == [("avif", 0.15), ("avif", 0.4), ("peer", 0.4)]
    assert found[0].difference is found[1].difference is None
    gap = found[2].difference
    assert gap is not None and (gap.value, *gap.interval) == pytest.approx((1, 1, 1))
    assert found[2].value == pytest.approx(found[1].value + 1)


def test_rows_say_what_was_fitted_and_leave_out_what_was_not_measured() -> None:
    from bench_machine import rows_of

    points, rows = made_up_rows({"avif": AVIF, "lcn": [(rate / 2, psnr) for rate, psnr in AVIF]}, n=24)
    (row,) = (
        row for row in rows_of(task_values(MadeUp(), points, rows, [PSNR, MS_SSIM])) if row.get("measure") == "psnr_db"
    )
    assert (row["curve"], row["reference"], row["fitted"], row["num_used"]) == ("lcn", "avif", False, 24)
    assert row["rate"]["value"] == pytest.approx(-50)
    assert row["rate"]["interval"] == pytest.approx([-50, -50])
    for row in rows.values():
        if row.distortion and row.sample != "s0":
            row.distortion["ms_ssim"] = row.distortion["psnr_db"]
    (row,) = (
        row for row in rows_of(task_values(MadeUp(), points, rows, [PSNR, MS_SSIM])) if row.get("measure") == "ms_ssim"
    )
    assert (row["fitted"], row["num_used"]) == (True, 23)


def test_rows_of_pictures_hold_all_that_was_measured() -> None:
    from bench_machine import picture_rows

    points, rows = made_up_rows({"avif": AVIF}, n=5)
    rows["made-up", points[0].key, "s3"].distortion["psnr_db"] = float("inf")
    names, *found = picture_rows(task_values(MadeUp(), points, rows, [PSNR]))
    assert names["samples"] == [f"s{number}" for number in range(5)]
    assert [len(row["rate"]) for row in found] == [5] * len(AVIF)
    assert [row["psnr_db"].index(None) if None in row["psnr_db"] else -1 for row in found] == [3] + [-1] * (
        len(AVIF) - 1
    )
    assert found[1]["rate"][2] == pytest.approx(rows["made-up", points[1].key, "s2"].rate, rel=1e-3)


def test_change_of_probabilities_is_none_of_equal_pictures_and_two_at_most() -> None:
    pytest.importorskip("ai_edge_litert")
    from probability_change import ProbabilityChange

    if not (MODELS / "imagenet_tflite").is_dir():
        pytest.skip("the models are not at hand")
    metric = pickle.loads(pickle.dumps(ProbabilityChange(MODELS)))
    ramp = np.tile(np.linspace(0, 255, 90).astype(np.uint8)[:, None, None], (1, 100, 3))
    noise = np.random.default_rng(0).integers(0, 256, ramp.shape, np.uint8)
    assert metric.measure(Image(ramp), Image(ramp)) == {"mobilenet_l1": 0}
    assert 0.2 < metric.measure(Image(ramp), Image(noise))["mobilenet_l1"] <= 2


def test_table_has_both_sets_and_differences_at_equal_rates(tmp_path: Path) -> None:
    source = {"date": "2026-01-02T03:04:05+00:00", "commit": "abc", "reference": "avif"}
    gap = {"value": -12.34, "interval": [-15.0, 1.26]}
    bd = {"type": "bd", "curve": "lcn:tune=machine", "num_used": 24, "rate": gap}
    at = {"type": "at_rate", "rate": 0.25, "num_blocks": 7}
    rows = [
        bd | {"task": "imagenet", "measure": "psnr_db"},
        bd | {"task": "imagenet", "measure": "ms_ssim", "rate": None},
        bd | {"task": "imagenet", "measure": "ssimulacra2", "num_used": 20},
        bd | {"task": "imagenet", "measure": "loss", "curve": "jpeg"},
        bd | {"task": "segmentation", "measure": "loss"},
        at | {"task": "segmentation", "measure": "score", "curve": "avif", "value": 0.3, "difference": None},
        at
        | {"task": "segmentation", "measure": "score", "curve": "jpeg", "value": 0.25}
        | {"difference": {"value": -0.05, "interval": [-0.081, 0.0]}},
        at | {"task": "imagenet", "measure": "mobilenet_l1", "curve": "avif", "value": 0.4321, "difference": None},
    ]
    (tmp_path / "machine.jsonl").write_text("".join(json.dumps(row | source) + "\n" for row in rows), encoding="utf-8")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- table:machine_tuning -->\n<!-- /table -->\n", encoding="utf-8")
    command = [sys.executable, str(BENCHMARKS / "readme_tables.py"), "--readme", str(readme), "--results"]
    subprocess.run([*command, str(tmp_path)], check=True)
    text = readme.read_text(encoding="utf-8")
    cell = f"{MINUS}12.3 [{MINUS}15.0, +1.3]"
    assert "| ImageNet (n = 24) | PSNR | MS-SSIM* | SSIMULACRA2 | MobileNet V2 loss |\n" in text
    assert f"| lcn:tune=machine | {cell} |  | {cell} |  |\n| jpeg |  |  |  | {cell} |\n" in text
    assert f"| CamVid (n = 24) | DeepLab wrong pixels |\n|---|--:|\n| lcn:tune=machine | {cell} |\n" in text
    assert "| codec | mean IoU %, CamVid, 0.25 bpp | L1, ImageNet, 0.25 bpp |\n" in text
    assert f"| avif | 30.0 | 0.432 |\n| jpeg | 25.0 ({MINUS}5.0 [{MINUS}8.1, +0.0]) |  |\n" in text
    assert "SSIMULACRA2 of 20 pictures." in text and "over 7 blocks of neighbouring frames" in text
