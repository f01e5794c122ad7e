"""What is drawn for the latents of a batch."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.codecs.packing.latent_bands import latent_bands_of
from laconic.codecs.packing.latent_batch import LatentViews
from laconic.tasks.datasets.augmentation import OF_BANDS, Augmentation
from laconic.tasks.datasets.color_matrices import hue_matrices, saturation_matrices
from laconic.tasks.datasets.latent_draws import LatentDraws

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float64]


class LatentAugmenter:
    """Draws the views of batches of latents of a model's first `channels` channels."""

    def __init__(self, augmentation: Augmentation, model: Model, channels: int) -> None:
        augmentation.check_kind(model.kind)
        self._wanted, self._channels = augmentation, channels
        self._crop = (
            augmentation.crop if model.kind == "image" or augmentation.crop is None else (1, augmentation.crop[1])
        )
        self.bands = latent_bands_of(model, channels) if augmentation.needs_bands else None
        self._sides = _sides_of(model, channels) if augmentation.channel_swap else None

    def sides(self, grids: Int[NDArray[np.int64], "n 2"]) -> Int[NDArray[np.int64], "n 2"]:
        """Rows and columns of what the views of such latents show."""
        return grids if self._crop is None else np.broadcast_to(np.array(self._crop), grids.shape)

    def check_grids(self, grids: Int[NDArray[np.int64], "n 2"]) -> None:
        """Raises `CodecError` where a crop is larger than one of these latents."""
        if self._crop is None:
            return
        least = -(-grids // 2) if self._wanted.half else grids
        if (small := (least < np.array(self._crop)).any(axis=1)).any():
            rows, columns = least[small][0].tolist()
            raise CodecError(
                f"crop is {self._crop[0]} x {self._crop[1]} places, a latent has {rows} x {columns}"
                + (" at half the scale" if self._wanted.half else "")
                + "; allowed is no more than that: places are not pixels, of which each stands for several"
            )

    def views(self, draws: LatentDraws, grids: Int[NDArray[np.int64], "n 2"]) -> LatentViews:
        """For latents of these rows and columns."""
        windows = drawn_windows(self._wanted, draws, grids, self._crop)
        return LatentViews(windows, self._colors(draws), self._factors(draws))

    def _colors(self, draws: LatentDraws) -> Float[NDArray[np.float32], "n colours more"] | None:
        wanted, bands = self._wanted, self.bands
        if not wanted.has_colors:
            return None
        assert bands is not None
        planes = len(bands.basis)
        matrix = saturation_matrices(1 + draws.between(10, wanted.saturation), planes) @ hue_matrices(
            draws.between(11, wanted.hue), planes
        )
        turned = bands.basis @ matrix @ np.linalg.inv(bands.basis)
        added = draws.between(12, wanted.brightness)[:, None] * bands.basis.sum(axis=1) * bands.low_gain
        return np.concatenate([turned, added[:, :, None]], axis=2).astype(np.float32)

    def _factors(self, draws: LatentDraws) -> Float[NDArray[np.float32], "n channels"] | None:
        wanted = self._wanted
        if not any((wanted.contrast, wanted.gain_db, wanted.channel_swap, wanted.frequency_masks)):
            return None
        gains = (1 + draws.between(13, wanted.contrast)) * 10 ** (draws.between(14, wanted.gain_db) / 20)
        factors = np.repeat(gains[:, None], self._channels, axis=1)
        if self._sides is not None:
            factors *= np.where(draws.uniform(15)[:, None] < wanted.channel_swap, self._sides, 1)
        for i in range(wanted.frequency_masks):
            width = draws.whole(20 + 2 * i, np.full(len(factors), self._channels // 8 + 1))
            first = draws.whole(21 + 2 * i, self._channels - width + 1)
            numbers = np.arange(self._channels)
            factors[(numbers >= first[:, None]) & (numbers < (first + width)[:, None])] = 0
        return factors.astype(np.float32)


def drawn_windows(
    wanted: Augmentation,
    draws: LatentDraws,
    grids: Int[NDArray[np.int64], "n 2"],
    crop: tuple[int, int] | None,
) -> Int[NDArray[np.int32], "n 8"]:
    """Windows of samples of these rows and columns, as `LatentViews` has them; `crop` as it is for such samples."""
    n = len(grids)
    windows = np.zeros((n, 8), np.int32)
    windows[:, 2] = draws.uniform(0) < wanted.flip
    windows[:, 3] = draws.uniform(1) < wanted.half
    own = np.where(windows[:, 3:4] > 0, -(-grids // 2), grids)
    out = own if crop is None else np.broadcast_to(np.array(crop), (n, 2))
    for axis in range(2):
        rest = own[:, axis] - out[:, axis]
        if crop is not None:
            windows[:, axis] = draws.whole(2 + axis, np.maximum(rest, 0) + 1)
        if wanted.shift:
            reach = np.minimum(wanted.shift, grids[:, axis] - 1)
            windows[:, axis] += (draws.whole(4 + axis, 2 * reach + 1) - reach).astype(np.int32)
    if wanted.erase:
        windows[:, 4:] = _erased(draws, out, wanted.erase)
    return windows


def _erased(draws: LatentDraws, sides: Int[NDArray[np.int64], "n 2"], often: float) -> Int[NDArray[np.int32], "n 4"]:
    """Boxes of 2 to 33 % of the places, from three times as high as wide to the other way round (Zhong et al. 2020)."""
    area = (0.02 + 0.31 * draws.uniform(6)) * sides.prod(axis=1)
    ratio = 3.0 ** draws.between(7, 1)
    high = np.clip(np.rint(np.sqrt(area * ratio)), 1, sides[:, 0]).astype(np.int64)
    wide = np.clip(np.rint(area / high), 1, sides[:, 1]).astype(np.int64)
    top, left = draws.whole(8, sides[:, 0] - high + 1), draws.whole(9, sides[:, 1] - wide + 1)
    boxes = np.stack([top, top + high, left, left + wide], axis=1)
    boxes[draws.uniform(16) >= often] = 0
    return boxes.astype(np.int32)


def _sides_of(model: Model, channels: int) -> Float[Floats, " channels"]:
    """What channels are multiplied by where left and right change places: -1 for differences of both.

    Raises `CodecError` for models of other than two channels, or whose channels are no sums or differences.
    """
    signs = np.ones(model.num_channels)
    rows = (
        np.concatenate(model.analysis)
        if model.num_planes == 2 and model.analysis[0].shape == (2, 2)
        else np.empty((0, 2))
    )
    same, other = np.isclose(rows[:, 0], rows[:, 1], rtol=1e-3), np.isclose(rows[:, 0], -rows[:, 1], rtol=1e-3)
    if len(rows) != model.num_channels or not np.all(same | other):
        raise CodecError(
            f"channel_swap given for latents of model {model.name}; allowed are models of two channels whose latents are "
            "sums and differences of these, such as stereo"
        )
    signs[model.channels[other]] = -1
    return signs[:channels]


def mixing_of(
    augmentation: Augmentation, draws: LatentDraws, grid: tuple[int, int]
) -> tuple[float, tuple[int, int, int, int]] | None:
    """How the latents of a batch are mixed in pairs: own weight in a box (first row, last, first column, last), or
    None. The first item's place in the epoch decides."""
    if not augmentation.mixes or not len(draws.places):
        return None
    first = LatentDraws(draws.seed, draws.epoch, draws.places[:1])
    is_cut = augmentation.cutmix > 0 and (not augmentation.mixup or bool(first.uniform(40)[0] < 0.5))
    seed = int(first.uniform(41)[0] * 2**53)
    parameter = augmentation.cutmix if is_cut else augmentation.mixup
    weight = float(np.random.default_rng(seed).beta(parameter, parameter))
    if not is_cut:
        return weight, (0, grid[0], 0, grid[1])
    high, wide = (round(side * math.sqrt(1 - weight)) for side in grid)
    top = int(first.uniform(42)[0] * (grid[0] - high + 1))
    left = int(first.uniform(43)[0] * (grid[1] - wide + 1))
    return 0.0, (top, top + high, left, left + wide)


def fitting_augmentation(wanted: Augmentation, model: Model, channels: int) -> Augmentation:
    """What of an augmentation the first channels of a model's latents allow: all of it, or what needs no bands to be told
    apart."""
    try:
        LatentAugmenter(wanted, model, channels)
    except CodecError:
        return replace(wanted, **dict.fromkeys(OF_BANDS, 0))  # type: ignore[arg-type]
    return wanted
