"""Runs of segmentation and colourisation, from folders of pictures and masks to answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.heads.colorization import Colorization  # noqa: E402
from laconic.tasks.heads.head_training import train  # noqa: E402
from laconic.tasks.heads.predictor import Predictor  # noqa: E402
from laconic.tasks.heads.semantic_segmentation import Segmentation  # noqa: E402
from laconic.tasks.heads.task_catalog import make_learning_task  # noqa: E402
from laconic.tasks.heads.train_options import TrainOptions  # noqa: E402

TASK = Segmentation(num_classes=2, void=9, width=8)
SIZES = ((40, 56), (36, 50))


def make_streets(root: Path, *, count: int = 4) -> Path:
    """A bright or dark block on noise, and where it is; pictures of two sizes."""
    random = np.random.default_rng(1)
    for split in ("train", "test"):
        for number in range(count):
            height, width = SIZES[number % 2]
            mask = np.zeros((height, width), np.uint8)
            mask[8:24, 8 * (number + 1) : 8 * (number + 1) + 16] = 1
            mask[:, -3:] = 9
            pixels = random.normal(90, 8, (height, width, 3)) + 100 * (mask == 1)[:, :, None]
            for folder, values in (("images", pixels.clip(0, 255).astype(np.uint8)), ("masks", mask)):
                (root / split / folder).mkdir(parents=True, exist_ok=True)
                PillowImage.fromarray(values).save(root / split / folder / f"{number}.png")
    return root


def options(arm: Any = "latents", **more: Any) -> TrainOptions:
    return TrainOptions(arm, epochs=2, batch_size=2, learning_rate=1e-2, val_fraction=0.3, **more)


@pytest.mark.parametrize("arm", ["latents", "patches", "small", "pixels"])
def test_masks_follow_pictures_of_every_arm(tmp_path: Path, arm: str) -> None:
    folder = make_streets(tmp_path / "streets")
    picture = folder / "test" / "images" / "1.png"
    if arm == "latents":
        archive.pack(folder, tmp_path / "packed")
        folder = tmp_path / "packed"
    result = train(folder, tmp_path / "run", options(arm), task=TASK)
    assert result["test_items"] == 4 and 0 <= result["test_mean_iou"] <= 1
    assert result["options"]["channels"] == (48 if arm == "latents" else result["options"]["channels"])
    answer = Predictor.load(tmp_path / "run").answer(picture)
    assert answer.signals["mask"].samples.shape == ((40, 56, 1) if arm == "latents" else (36, 50, 1)) or arm == "small"
    assert set(np.unique(answer.signals["mask"].samples)) <= {0, 1}
    assert "<svg" in (tmp_path / "run" / "plot.svg").read_text()


@pytest.mark.parametrize("arm", ["latents", "patches", "small", "pixels"])
def test_colours_of_every_arm(tmp_path: Path, arm: str) -> None:
    folder = make_streets(tmp_path / "streets")
    picture = folder / "test" / "images" / "0.png"
    if arm == "latents":
        archive.pack(folder, tmp_path / "packed")
        folder = tmp_path / "packed"
    result = train(folder, tmp_path / "run", options(arm), task=Colorization(width=8))
    assert np.isfinite(result["test_psnr_gain_db"])
    samples = Predictor.load(tmp_path / "run").answer(picture).signals["picture"].samples
    assert samples.shape[2] == 3 and (arm == "small" or samples.shape[0] >= 40)


def test_masks_of_resized_pictures_are_a_sentence(tmp_path: Path) -> None:
    from laconic.tasks.datasets.pack_index import PackIndexOptions

    archive.pack(make_streets(tmp_path / "streets"), tmp_path / "packed", PackIndexOptions(size=24))
    with pytest.raises(CodecError, match=r"a map has \d+ (rows|columns), its latent 3 places of 8"):
        train(tmp_path / "packed", tmp_path / "run", options(), task=TASK)


def test_tasks_have_names() -> None:
    assert make_learning_task("segment", {"num_classes": 5}) == Segmentation(num_classes=5)
    assert make_learning_task("colourise") == Colorization()
