"""A map through the view of a latent shows the pixels that the latent shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import CodecError, Image, Lcn
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.latent_bands import latent_bands_of
from laconic.codecs.packing.latent_batch import LatentBatch, LatentViews
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.latent_augmenter import LatentAugmenter
from laconic.tasks.datasets.latent_draws import LatentDraws
from laconic.tasks.datasets.map_views import MapView

CHANNELS = 12


def smooth(height: int, width: int) -> NDArray[np.uint8]:
    """A grey picture without detail, so that every second pixel is the picture at half the scale."""
    y, x = np.mgrid[:height, :width]
    waves = 60 * np.sin(x / 23 + y / 61) + 40 * np.cos(y / 31 - x / 97)
    values: NDArray[np.uint8] = (128 + waves).round().astype(np.uint8)
    return values


def latent_of(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    pixels = np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    codec = Lcn(quality=100, effort=0, profile="best", tune="psnr")
    return codec.analyze(Image(pixels)).dequantize()[:CHANNELS]


def viewed(latent: NDArray[np.float32], window: list[int], sides: tuple[int, int]) -> NDArray[np.float32]:
    model = load_model("rgb")
    ones, bands = np.ones(CHANNELS, np.float32), latent_bands_of(model, CHANNELS)
    batch = LatentBatch(model, CHANNELS, ones, 0 * ones, bands)
    out = np.empty((1, CHANNELS, *sides), np.float32)
    batch.put(latent, out, 0, LatentViews(np.array([window], np.int32)))
    return out[0]


def view_of(window: list[int], sides: tuple[int, int], shape: tuple[int, int] = (96, 120)) -> MapView:
    return MapView(np.array(window, np.int32), (-(-shape[0] // 8), -(-shape[1] // 8)), sides)


WINDOWS = [
    ([0, 0, 0, 0, 0, 0, 0, 0], (12, 15)),
    ([3, 5, 0, 0, 0, 0, 0, 0], (7, 8)),
    ([0, 0, 1, 0, 0, 0, 0, 0], (12, 15)),
    ([2, 1, 1, 0, 0, 0, 0, 0], (8, 9)),
    ([0, 0, 0, 1, 0, 0, 0, 0], (6, 8)),
    ([0, 1, 1, 1, 0, 0, 0, 0], (6, 6)),
]


@pytest.mark.parametrize(("window", "sides"), WINDOWS)
def test_a_map_that_is_the_picture_is_what_the_latent_shows(window: list[int], sides: tuple[int, int]) -> None:
    grey = smooth(96, 120)
    found = viewed(latent_of(grey), window, sides)
    shown = latent_of(view_of(window, sides).of(grey))
    # Filters reach over the edges of a window, behind which the latent has the picture and the map nothing.
    inside = (slice(None), slice(2, -2), slice(2, -2))
    error = np.abs(found - shown)[inside].max()
    assert error < 0.1
    moved = latent_of(np.roll(view_of(window, sides).of(grey), 2, axis=1))
    assert np.abs(found - moved)[inside].max() > 3 * error


def test_windows_outside_are_filled() -> None:
    grey = smooth(96, 120)
    shown = view_of([-1, -2, 0, 0, 0, 0, 0, 0], (14, 19)).of(grey, 255)
    assert np.array_equal(shown[8:104, 16:136], grey)
    shown[8:104, 16:136] = 255
    assert (shown == 255).all()
    assert (view_of([100, 0, 1, 0, 0, 0, 0, 0], (2, 2)).of(grey, 7) == 7).all()


def test_places_that_end_behind_the_picture_are_filled() -> None:
    values = np.arange(10 * 13).reshape(10, 13)
    shown = MapView(None, (2, 2), (2, 2)).of(values, -1)
    assert shown.shape == (16, 16) and np.array_equal(shown[:10, :13], values)
    assert (shown[10:] == -1).all() and (shown[:, 13:] == -1).all()
    mirrored = view_of([0, 0, 1, 0, 0, 0, 0, 0], (2, 2), (10, 13)).of(values, -1)
    assert np.array_equal(mirrored[:10, :9], values[:, 8::-1]) and np.array_equal(mirrored[:10, 9:], values[:, 1:8])
    half = view_of([0, 0, 0, 1, 0, 0, 0, 0], (1, 1), (10, 13)).of(values, -1)
    assert np.array_equal(half[:5, :7], values[::2, ::2]) and (half[5:] == -1).all()


def test_maps_of_several_values_and_other_places() -> None:
    values = np.arange(4 * 6 * 2).reshape(4, 6, 2)
    shown = MapView(np.array([0, 1, 1, 0, 0, 0, 0, 0], np.int32), (2, 3), (2, 2), (2, 2)).of(values)
    assert np.array_equal(shown, values[:, [2, 1, 0, 1]])


def test_erased_places_keep_their_values() -> None:
    grey = smooth(96, 120)
    assert np.array_equal(view_of([0, 0, 0, 0, 1, 5, 1, 5], (12, 15)).of(grey), grey)


def test_views_that_are_drawn_are_matched() -> None:
    """Whatever an augmentation draws."""
    grey, latent = smooth(96, 120), latent_of(smooth(96, 120))
    augmenter = LatentAugmenter(Augmentation(crop=(5, 6), flip=0.5, half=0.5, shift=1), load_model("rgb"), CHANNELS)
    grids = np.array([[12, 15]] * 8)
    views = augmenter.views(LatentDraws(3, 0, np.arange(8)), grids)
    for window in views.windows:
        shown: Any = latent_of(MapView(window, (12, 15), (5, 6)).of(grey, 128))
        found = viewed(latent, window.tolist(), (5, 6))
        assert np.abs(found - shown)[0, 2:-2, 2:-2].max() < 0.02 * np.abs(latent[0]).max()


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(CodecError, match="a map has 90 columns, its latent 15 places of 8"):
        view_of([0] * 8, (12, 15)).of(smooth(96, 90))
    with pytest.raises(CodecError, match=r"a map has the shape \(96,\); allowed is a value for each pixel"):
        view_of([0] * 8, (12, 15)).of(np.zeros(96))
