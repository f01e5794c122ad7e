"""Resizing against Pillow, one axis at a time, which all its versions do alike."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs import _native
from laconic.codecs.pictures.lanczos import lanczos_square

LANCZOS = PillowImage.Resampling.LANCZOS


def by_pillow(samples: np.ndarray, side: float, size: int) -> np.ndarray:
    """Rows first."""
    height, width = samples.shape[:2]
    left, top = (width - side) / 2, (height - side) / 2
    narrow = PillowImage.fromarray(samples).resize((size, height), LANCZOS, box=(left, 0, left + side, height))
    return np.array(narrow.resize((size, size), LANCZOS, box=(0, top, size, top + side)))


@pytest.mark.parametrize("seed", range(40))
def test_resized_is_what_pillow_makes(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width, size = (int(number) for number in random.integers(1, 200, 3))
    samples = random.integers(0, 256, (height, width, 3), np.uint8)
    if seed % 3 == 0:
        samples = (samples & 128) // 128 * np.uint8(255)  # steps, whose overshoots are cut off
    side = min(height, width) * (1.0, 0.875, 0.3)[seed % 3]
    assert np.array_equal(lanczos_square(samples, side, size), by_pillow(samples, side, size))


def test_the_same_size_changes_nothing() -> None:
    samples = np.random.default_rng(1).integers(0, 256, (30, 30, 3), np.uint8)
    assert np.array_equal(lanczos_square(samples, 30.0, 30), samples)


@pytest.mark.parametrize(
    "box", [(-1, 0, 5, 5), (0, 0, 11, 5), (0, 0, 5, 8.5), (5, 0, 5, 5), (0, 3, 5, 2), (float("nan"), 0, 5, 5)]
)
def test_boxes_outside_of_the_picture_are_refused(box: tuple[float, float, float, float]) -> None:
    samples, out = np.zeros((8, 10, 3), np.uint8), np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="the box is not within the picture"):
        _native.resample(samples, out, *box)
    with pytest.raises(ValueError, match="a picture has no pixels"):
        _native.resample(samples[:0], out, 0, 0, 1, 1)
