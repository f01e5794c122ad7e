"""Latents changed at random as their signals would be: windows, mirroring, scale, colours, gain, masks, mixing.

Everything is drawn from a seed, an epoch and the place of an item in the epoch's order, so that batches do not depend on
threads, processes or where a run was interrupted. Native code does it while it decodes (`codecs.packing.latent_batch`).

What is exact: windows, shifts and mirroring are those of the signal but at its edges (9/7 filters reach 4 values of each
level further), where it is mirrored about a sample and not between two. The latent at half the scale is that of the linearly
reduced signal. Colours are exact before pixels are rounded and clipped to their range, which is not modelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    real_number_argument,
    settle_arguments,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.codecs.packing.latent_bands import LatentBands, latent_bands_of
from laconic.codecs.packing.latent_batch import LatentViews

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_LUMA: Final = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
_FARTHEST: Final = 1 << 16  # places
_NUM_STREAMS: Final = 64
_MOST_MASKS: Final = 10
_OF_PICTURES: Final = ("flip", "half", "brightness", "saturation", "hue")
_OF_SOUNDS: Final = ("gain_db", "channel_swap", "frequency_masks")
_HIGHEST: Final = {
    **dict.fromkeys(("flip", "half", "erase", "brightness", "contrast", "saturation", "channel_swap"), 1.0),
    "hue": 0.5,
    **dict.fromkeys(("gain_db", "mixup", "cutmix"), 100.0),
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Augmentation:
    """What may happen to a latent in training; 0 and None leave it out.

    `crop`: a window of so many places (rows, columns), or both, at random; of the whole latent where it is None. `shift`: by
    up to so many places each way, 0 where nothing comes in; of sounds, in time. `flip`: how often mirrored left to right.
    `half`: how often at half the scale, which a crop needs. `erase`: how often a box of 2 to 33 % of the places is 0.
    `brightness`: up to so much is added, full scale is 1. `contrast`, `saturation`: times 1 - c to 1 + c, contrast about
    mid-grey. `hue`: turned by up to so much of the circle, .5 at most. Of sounds: `gain_db` up or down; `channel_swap`, how
    often left and right change places; `frequency_masks`, so many times up to an eighth of the channels are 0.
    `mixup`, `cutmix`: the parameter of a beta distribution of how much of a latent is another of its batch, of all places or
    of a box; half of the batches each where both are given. Raises `CodecError` for values outside.

    >>> Augmentation(crop=24, flip=0.5, saturation=0.4).crop
    (24, 24)
    """

    crop: tuple[int, int] | None = None
    shift: int = 0
    flip: float = 0
    half: float = 0
    erase: float = 0
    brightness: float = 0
    contrast: float = 0
    saturation: float = 0
    hue: float = 0
    gain_db: float = 0
    channel_swap: float = 0
    frequency_masks: int = 0
    mixup: float = 0
    cutmix: float = 0

    def __post_init__(self) -> None:
        if self.crop is not None:
            sides = (self.crop, self.crop) if isinstance(self.crop, int) else self.crop
            crop = whole_numbers_argument("crop", sides)
            if len(crop) != 2 or min(crop) < 1:
                raise CodecError(
                    f"crop is {self.crop!r}; allowed are rows and columns of 1 and more, or one number for both"
                )
            settle_arguments(self, crop=tuple(crop))
        for name, highest in _HIGHEST.items():
            settle_arguments(self, **{name: real_number_argument(name, getattr(self, name), lowest=0, highest=highest)})
        settle_arguments(
            self,
            shift=whole_number_argument("shift", self.shift, 0, _FARTHEST),
            frequency_masks=whole_number_argument("frequency_masks", self.frequency_masks, 0, _MOST_MASKS),
        )
        if self.half and self.crop is None:
            raise CodecError("half needs a crop, as latents at half the scale have half as many places; pass crop")

    @property
    def needs_bands(self) -> bool:
        """Whether bands, places and colours must be told apart."""
        return any((self.flip, self.half, self.has_colors))

    @property
    def has_colors(self) -> bool:
        return any((self.brightness, self.saturation, self.hue))

    def check_kind(self, kind: str) -> None:
        """Raises `CodecError` for what signals of a kind do not have."""
        foreign = _OF_SOUNDS if kind == "image" else _OF_PICTURES
        if named := [name for name in foreign if getattr(self, name)]:
            raise CodecError(
                f"{', '.join(named)} given for latents of kind {kind}; allowed for these is {_allowed(foreign)}"
            )


def _allowed(foreign: tuple[str, ...]) -> str:
    return ", ".join(field.name for field in fields(Augmentation) if field.name not in foreign)


@dataclass(frozen=True, eq=False)
class LatentDraws:
    """Random numbers of the items of a batch: by seed, epoch and place in the epoch's order."""

    seed: int
    epoch: int
    places: Int[NDArray[np.int64], " n"]

    def uniform(self, stream: int) -> Float[Floats, " n"]:
        """(n,) in [0, 1): number `stream`, below 64, of each item."""
        return self._table[stream]

    @cached_property
    def _table(self) -> Float[Floats, "streams n"]:
        """SplitMix64 (Steele et al. 2014) as a hash."""
        with np.errstate(over="ignore"):
            key = _mixed(np.array([self.seed & 0xFFFFFFFFFFFFFFFF], np.uint64)) + np.uint64(self.epoch)
            items = _mixed(_mixed(key) + self.places.astype(np.uint64))
            values = _mixed(items + np.arange(_NUM_STREAMS, dtype=np.uint64)[:, None])
        return (values >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, stream: int, most: float) -> Float[Floats, " n"]:
        """(n,) from -most to most."""
        return (2 * self.uniform(stream) - 1) * most

    def whole(self, stream: int, count: Int[NDArray[np.int64], " n"]) -> Int[NDArray[np.int64], " n"]:
        """(n,) of 0 to count - 1."""
        return np.minimum((self.uniform(stream) * count).astype(np.int64), count - 1)


def _mixed(values: UInt[NDArray[np.uint64], "*shape"]) -> UInt[NDArray[np.uint64], "*shape"]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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

    def views(self, draws: LatentDraws, grids: Int[NDArray[np.int64], "n 2"]) -> LatentViews:
        """For latents of these rows and columns."""
        wanted, n = self._wanted, len(grids)
        windows = np.zeros((n, 8), np.int32)
        windows[:, 2] = draws.uniform(0) < wanted.flip
        windows[:, 3] = draws.uniform(1) < wanted.half
        own = np.where(windows[:, 3:4] > 0, -(-grids // 2), grids)
        out = own if self._crop is None else np.broadcast_to(np.array(self._crop), (n, 2))
        for axis in range(2):
            rest = own[:, axis] - out[:, axis]
            if self._crop is not None:
                windows[:, axis] = np.sign(rest) * draws.whole(2 + axis, np.abs(rest) + 1)
            if wanted.shift:
                reach = np.minimum(wanted.shift, grids[:, axis] - 1)
                windows[:, axis] += (draws.whole(4 + axis, 2 * reach + 1) - reach).astype(np.int32)
        if wanted.erase:
            windows[:, 4:] = _erased(draws, out, wanted.erase)
        return LatentViews(windows, self._colors(draws), self._factors(draws))

    def _colors(self, draws: LatentDraws) -> Float[NDArray[np.float32], "n colours more"] | None:
        wanted, bands = self._wanted, self.bands
        if not wanted.has_colors:
            return None
        assert bands is not None
        planes = len(bands.basis)
        matrix = _saturations(1 + draws.between(10, wanted.saturation), planes) @ _hues(
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


def _saturations(factors: Float[Floats, " n"], planes: int) -> Float[Floats, "n planes planes"]:
    grey = np.tile(np.array(_LUMA), (3, 1)) if planes == 3 else np.eye(planes)
    return factors[:, None, None] * np.eye(planes) + (1 - factors)[:, None, None] * grey


def _hues(turns: Float[Floats, " n"], planes: int) -> Float[Floats, "n planes planes"]:
    """Turns of the colours around grey that keep luma: in the plane of the colour differences of NTSC."""
    if planes != 3:
        return np.broadcast_to(np.eye(planes), (len(turns), planes, planes))
    to_yiq = np.array([_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)])
    out = np.zeros((len(turns), 3, 3))
    cosine, sine = np.cos(2 * math.pi * turns), np.sin(2 * math.pi * turns)
    out[:, 0, 0] = 1
    out[:, 1, 1] = out[:, 2, 2] = cosine
    out[:, 1, 2], out[:, 2, 1] = -sine, sine
    turned: Float[Floats, "n 3 3"] = np.linalg.inv(to_yiq) @ out @ to_yiq
    return turned


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
            f"channel_swap given for latents of model {model.name}; allowed are models of two channels whose latents are sums and "
            "differences of these, such as stereo"
        )
    signs[model.channels[other]] = -1
    return signs[:channels]


def mixing_of(
    augmentation: Augmentation, draws: LatentDraws, grid: tuple[int, int]
) -> tuple[float, tuple[int, int, int, int]] | None:
    """How the latents of a batch are mixed in pairs: own weight in a box (first row, last, first column, last), or None. The
    first item's place in the epoch decides."""
    if not augmentation.mixup and not augmentation.cutmix or not len(draws.places):
        return None
    first = LatentDraws(draws.seed, draws.epoch, draws.places[:1])
    is_cut = augmentation.cutmix > 0 and (not augmentation.mixup or bool(first.uniform(40)[0] < 0.5))
    seed = int(first.uniform(41)[0] * 2**53)
    weight = float(np.random.default_rng(seed).beta(*[augmentation.cutmix if is_cut else augmentation.mixup] * 2))
    if not is_cut:
        return weight, (0, grid[0], 0, grid[1])
    high, wide = (round(side * math.sqrt(1 - weight)) for side in grid)
    top = int(first.uniform(42)[0] * (grid[0] - high + 1))
    left = int(first.uniform(43)[0] * (grid[1] - wide + 1))
    return 0.0, (top, top + high, left, left + wide)
