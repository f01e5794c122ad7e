"""Pixels and samples changed as latents are by the same draws: what `LatentAugmenter` does, where signals are compared.

Windows count in places, each of which stands for `place` values, so that all arms see the same part of a sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.color_matrices import hue_matrices, saturation_matrices
from laconic.tasks.datasets.framing import FULL_SCALE
from laconic.tasks.datasets.latent_augmenter import drawn_windows
from laconic.tasks.datasets.latent_draws import LatentDraws
from laconic.tasks.datasets.map_views import MapView, map_views

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float32]


class SignalAugmenter:
    """Of signals in which a place of a latent is `place` (rows, columns) of values. What is of latents alone,
    `frequency_masks` and `channel_swap`, is left out."""

    def __init__(self, augmentation: Augmentation, place: tuple[int, int]) -> None:
        self._wanted, self._place = augmentation, place

    def changed(
        self, signals: list[Float[Floats, "c _ _"]], draws: LatentDraws
    ) -> tuple[list[Float[Floats, "c _ _"]], list[MapView]]:
        """Signals (c, h, w) after augmentation, and what is seen of each."""
        grids = np.array([[-(-side // p) for side, p in zip(x.shape[1:], self._place, strict=True)] for x in signals])
        crop = self._wanted.crop
        if crop is not None:
            crop = (min(crop[0], int(grids[:, 0].min())), crop[1])  # sounds have one row of places
        windows = drawn_windows(self._wanted, draws, grids, crop)
        sides = grids if crop is None else np.broadcast_to(np.array(crop), grids.shape)
        views = map_views(windows, grids, sides, self._place)
        recolored = [self._recolored(x, draws, i) for i, x in enumerate(signals)]
        return [self._viewed(x, view) for x, view in zip(recolored, views, strict=True)], views

    def _recolored(self, x: Floats, draws: LatentDraws, item: int) -> Floats:
        wanted = self._wanted
        own = LatentDraws(draws.seed, draws.epoch, draws.places[item : item + 1])
        gain = (1 + own.between(13, wanted.contrast)) * 10 ** (own.between(14, wanted.gain_db) / 20)
        x = np.asarray(x * np.float32(gain[0]), np.float32)
        if wanted.has_colors:
            matrix = saturation_matrices(1 + own.between(10, wanted.saturation), len(x)) @ hue_matrices(
                own.between(11, wanted.hue), len(x)
            )
            added = np.float32(own.between(12, wanted.brightness)[0] * FULL_SCALE)
            x = np.einsum("ij,jhw->ihw", matrix[0].astype(np.float32), x) + added
        return x

    def _viewed(self, x: Floats, view: MapView) -> Floats:
        """What a window shows; 0 outside and where it is erased."""
        assert view.window is not None
        if view.window[3]:
            x = _softened(x)
        out = np.moveaxis(view.of(np.moveaxis(x, 0, -1)), -1, 0)
        box = view.window[4:] * np.repeat(self._place, 2)
        out[:, box[0] : box[1], box[2] : box[3]] = 0
        return out


def _softened(x: Floats) -> Floats:
    """Of each value and the next ones the mean of 2 x 2, of which half the scale takes every second."""
    held = np.pad(x, ((0, 0), (0, 1), (0, 1)), mode="edge")
    return np.asarray((held[:, :-1, :-1] + held[:, 1:, :-1] + held[:, :-1, 1:] + held[:, 1:, 1:]) / 4, np.float32)
