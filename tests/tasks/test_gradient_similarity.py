"""GMSD against its equations written out in loops, and against piq where that is at hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.tasks.measures.gradient_similarity import gmsd

Pictures = NDArray[np.uint8]


def pair(*shape: int) -> tuple[Pictures, Pictures]:
    random = np.random.default_rng(0)
    x = random.integers(0, 256, shape, dtype=np.uint8)
    return x, np.clip(x + random.integers(-60, 60, shape), 0, 255).astype(np.uint8)


def slow_gmsd(x: Pictures, y: Pictures) -> float:
    """One place at a time; sides are even."""

    def gradient(picture: Pictures) -> dict[tuple[int, int], float]:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        plane = {}
        for row in range(height):
            for column in range(width):
                four = picture[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(4, -1).astype(float)
                luma = four @ (0.299, 0.587, 0.114) if four.shape[1] == 3 else four[:, 0]
                plane[row, column] = luma.mean() / 255
        magnitudes = {}
        for row, column in plane:
            down = along = 0.0
            for step in (-1, 0, 1):
                down += plane.get((row + 1, column + step), 0) - plane.get((row - 1, column + step), 0)
                along += plane.get((row + step, column + 1), 0) - plane.get((row + step, column - 1), 0)
            magnitudes[row, column] = math.hypot(down / 3, along / 3)
        return magnitudes

    one, two = gradient(x), gradient(y)
    k = 170 / 255**2
    values = [(2 * one[place] * two[place] + k) / (one[place] ** 2 + two[place] ** 2 + k) for place in one]
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


@pytest.mark.parametrize("shape", [(4, 4, 3), (16, 30, 3), (22, 18, 1)])
def test_gmsd_agrees_with_its_equations(shape: tuple[int, ...]) -> None:
    x, y = pair(*shape)
    assert gmsd(x, y) == pytest.approx(slow_gmsd(x, y), rel=1e-4)
    assert gmsd(x, y) > 0


@pytest.mark.parametrize("shape", [(40, 64, 3), (41, 63, 3), (40, 63, 3), (64, 31, 1)])
def test_gmsd_agrees_with_piq(shape: tuple[int, ...]) -> None:
    torch, piq = pytest.importorskip("torch"), pytest.importorskip("piq", exc_type=ImportError)
    x, y = pair(*shape)
    one, two = (torch.from_numpy(np.moveaxis(samples, -1, 0)[None].astype(np.float64)) for samples in (x, y))
    assert gmsd(x, y) == pytest.approx(float(piq.gmsd(one, two, data_range=255)), abs=1e-6)


def test_gmsd_of_equal_pictures_is_0_whatever_their_alpha() -> None:
    samples, other = pair(20, 20, 4)
    other[:, :, :3] = samples[:, :, :3]
    assert gmsd(Image(samples), Image(other)) == 0


def test_gmsd_of_16_bits_uses_their_peak() -> None:
    x, y = pair(24, 24, 3)
    assert gmsd(x.astype(np.uint16) * 257, y.astype(np.uint16) * 257) == pytest.approx(gmsd(x, y), rel=1e-5)
    assert gmsd(x[:, :, 0], y[:, :, 0]) == gmsd(x[:, :, :1], y[:, :, :1])


def test_what_gmsd_does_not_take_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match=r"\(3, 9, 3\); GMSD allows .*4 pixels a side"):
        gmsd(*pair(3, 9, 3))
    with pytest.raises(UnsupportedSignalError, match="has 4 channels; GMSD allows 1 and 3"):
        gmsd(*pair(9, 9, 4))
