"""The picture benchmarks: what they read, and the numbers they make of what was measured."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

IMAGES = Path(__file__).resolve().parents[2] / "benchmarks" / "images"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(IMAGES))
    monkeypatch.syspath_prepend(str(IMAGES.parent))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # as `common` does, but not for the tests that follow


def save(path: Path, width: int, height: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(np.full((height, width, 3), 100, np.uint8)).save(path)


def test_unseen_pictures_are_halved_where_they_were_jpegs(tmp_path: Path) -> None:
    from picture_sets import pictures_of

    save(tmp_path / "imagenet_sample" / "test" / "a.JPEG", 401, 323)
    save(tmp_path / "imagenet_sample" / "test" / "small.JPEG", 401, 321)
    save(tmp_path / "clic_sample" / "test" / "b.png", 170, 200)
    shapes = [picture.read().samples.shape for picture in pictures_of("unseen", tmp_path)]
    assert shapes == [(161, 200, 3), (200, 170, 3)]
    with pytest.raises(FileNotFoundError, match="holds no pictures of kodak"):
        pictures_of("kodak", tmp_path)


def test_ours_are_compared_with_every_peer() -> None:
    from bench_rd import bd_rows_of

    def curve(label: str, factor: float) -> list[dict[str, object]]:
        points = ((0.1, 28), (0.5, 32), (1.0, 35), (2.0, 39))
        return [
            {"label": label, "bpp": bpp * factor, "psnr_db": quality, "ms_ssim_db": quality} for bpp, quality in points
        ]

    ours = [*curve("laconic", 0.8), *curve("laconic linear", 1), *curve("laconic best", 0.9)]
    ours += curve("laconic best neural", 0.75)
    rows = bd_rows_of([*ours, *curve("webp", 1)])
    found = {(row["test"], row["anchor"]): row["bd_rate_psnr_db_percent"] for row in rows}
    assert found == {
        ("laconic", "laconic linear"): pytest.approx(-20),
        ("laconic", "webp"): pytest.approx(-20),
        ("laconic linear", "webp"): pytest.approx(0),
        ("laconic best", "laconic linear"): pytest.approx(-10),
        ("laconic best", "webp"): pytest.approx(-10),
        ("laconic best neural", "laconic linear"): pytest.approx(-25),
        ("laconic best neural", "laconic best"): pytest.approx(100 * (0.75 / 0.9 - 1), abs=1e-3),
        ("laconic best neural", "webp"): pytest.approx(-25),
    }
    assert bd_rows_of(curve("webp", 1)) == []


def test_interpolation_stays_within_the_curve() -> None:
    from bench_walloc import psnr_at, rate_at

    points = [(0.25, 28.0), (0.5, 30.0), (1.0, 31.0), (2.0, 30.9)]
    assert psnr_at(points, 0.5) == pytest.approx(30)
    assert psnr_at(points, 0.5 * 2**0.5) == pytest.approx(30.5)
    assert psnr_at(points, 0.2) is None and psnr_at(points, 2.1) is None
    assert rate_at(points, 29) == pytest.approx(0.5 / 2**0.5)
    assert rate_at(points, 30.95) == pytest.approx(2**-0.05)
    assert rate_at(points, 27.9) is None and rate_at(points, 31.1) is None


def test_baseline_of_12_channels_meets_our_12_channels_and_others_only_all() -> None:
    from bench_walloc import comparison_rows

    def ours(label: str, channels: int, best: float) -> list[dict[str, object]]:
        points = ((0.1, best - 6), (1.0, best))
        return [
            {"type": "ours", "label": label, "channels": channels, "bpp": bpp, "psnr_db": quality}
            for bpp, quality in points
        ]

    rows: list[dict[str, object]] = [
        {"type": "walloc", "label": "here", "channels": 12, "bpp": 1.0, "psnr_db": 29.0},
        {"type": "published", "label": "f8c48", "bpp": 2.0, "psnr_db": 34.0, "target_db": 2.5},
    ]
    for label in ("laconic", "laconic linear"):
        rows += [*ours(label, 192, 35.0), *ours(label, 12, 25.0)]
    on_all = [{**row, "type": "rd"} for label in ("laconic", "laconic linear") for row in ours(label, 192, 33.0)]
    for row in on_all:
        del row["channels"]
    found = {(row["against"], row["ours"], row["channels"]): row for row in comparison_rows(rows, on_all)}
    assert list(found) == [
        ("here", "laconic", 192),
        ("here", "laconic linear", 192),
        ("here", "laconic", 12),
        ("here", "laconic linear", 12),
        ("f8c48", "laconic", 192),
        ("f8c48", "laconic linear", 192),
    ]
    assert found["here", "laconic", 192]["gain_db"] == 6 and found["here", "laconic", 192]["bytes_percent"] == -90
    assert found["here", "laconic", 12]["gain_db"] == -4 and found["here", "laconic", 12]["bytes_percent"] is None
    assert found["f8c48", "laconic", 192]["psnr_db_at_bytes"] is None
    assert found["f8c48", "laconic", 192]["reach"]["psnr_db"] == [27.0, 33.0]  # of all pictures
    assert [row["target_db"] for row in found.values()] == [None] * 4 + [2.5, None]


def test_first_channels_alone_are_in_the_file() -> None:
    from first_channels import FirstChannels

    from laconic.codecs.lcn import Lcn
    from laconic.codecs.media import Image

    picture = Image(np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))
    sizes = []
    for channels in (3, 12, 192):
        codec = FirstChannels(Lcn(quality=60), channels)
        data = codec.encode(picture)
        assert codec.codec.unpack(data).num_channels == channels
        assert codec.decode(data).samples.shape == picture.samples.shape
        sizes.append(len(data))
    assert sizes == sorted(sizes)
    assert data == Lcn(quality=60).encode(picture)


def test_quality_nearest_to_a_rate_is_found() -> None:
    from crops import nearest

    from laconic.codecs.media import Image

    class Fake:
        def __init__(self, quality: int) -> None:
            self.quality = quality

        def encode(self, _: Image) -> bytes:
            return bytes(10 * self.quality)

    picture = Image(np.zeros((10, 80, 3), np.uint8))
    codec, data = nearest(Fake, picture, 3.14)  # 100 bytes are a bit per pixel
    assert (codec.quality, len(data)) == (31, 310)
    assert nearest(Fake, picture, 99)[0].quality == 100 and nearest(Fake, picture, 0.01)[0].quality == 1


def test_curves_of_trainings_are_copied_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [{"step": step, "minutes": 0.5 * step, "cost_140": 4 / step, "loss": 1} for step in (1, 2)]
    curve = tmp_path / "curve.jsonl"
    curve.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    script = [sys.executable, str(IMAGES / "training_curves.py"), "--results", str(tmp_path)]
    subprocess.run([*script, "--curves", f"mine={curve}", "--plot", str(tmp_path / "x.png")], check=True)
    assert (tmp_path / "training_mine.jsonl").read_bytes() == curve.read_bytes()
    assert (tmp_path / "x.png").exists()
    done = subprocess.run([*script, "--curves", "mine=absent"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "names no file" in done.stderr and "Traceback" not in done.stderr


def test_cost_is_shown_in_percent_of_its_first_value() -> None:
    from training_curves import validated

    rows = [{"step": 1, "cost_140": 4.0, "gain": 1}, {"step": 2, "cost_140": 3.0}]
    assert validated(rows) == ("cost, % of the first", {"cost_140": [(1, 100), (2, 75)]})
    with pytest.raises(ValueError, match="has none of the values"):
        validated([{"step": 1, "loss": 1.0}])
