"""The picture benchmarks: what they read, and the numbers they make of what was measured."""

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


def test_both_of_ours_are_compared_with_every_peer() -> None:
    from bench_rd import bd_rows_of

    def curve(label: str, factor: float) -> list[dict[str, object]]:
        points = ((0.1, 28), (0.5, 32), (1.0, 35), (2.0, 39))
        return [
            {"label": label, "bpp": bpp * factor, "psnr_db": quality, "ms_ssim_db": quality} for bpp, quality in points
        ]

    rows = bd_rows_of([*curve("laconic", 0.8), *curve("laconic linear", 1), *curve("webp", 1)])
    found = {(row["test"], row["anchor"]): row["bd_rate_psnr_db_percent"] for row in rows}
    assert found == {
        ("laconic", "laconic linear"): pytest.approx(-20),
        ("laconic", "webp"): pytest.approx(-20),
        ("laconic linear", "webp"): pytest.approx(0),
    }
    assert bd_rows_of(curve("webp", 1)) == []
