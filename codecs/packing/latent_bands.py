"""Which band, place and colour each channel of a picture's latent is, so that latents can be mirrored, halved and coloured.

A dyadic transform with symmetric filters mirrors a signal about a sample by mirroring its bands: low values lie on samples,
high ones between them, so that these come to lie one further. Where channels are places of single bands, mirroring moves
whole places; one more level of the low band, and the bands on a coarser grid, are the latent at half the scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Path, is_dyadic

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_LEAST_WEIGHT: Final = 1e-3  # of what a channel has of another band or place, over its own: turned matrices are rounded
Numbers = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class LatentBands:
    """Of the first channels of a latent: `mirrored`, from which channel a mirrored one is and whether it comes to lie one
    place further; `halved`, from which channel one at half the scale is, and from which row and column of each 2 x 2
    places, with `half_gains`; `colors`, the channels of the colours of its band and place; `num_low`, how many are of the
    low band.
    `basis`: rows are what these colours are of red, green and blue, or of grey; columns of a picture of 1 everywhere have
    `low_gain` times that in the low band."""

    mirrored: UInt[Numbers, "channels 2"]
    halved: UInt[Numbers, "channels 3"]
    half_gains: Float[NDArray[np.float32], " channels"]
    colors: UInt[Numbers, "channels planes"]
    num_low: int
    basis: Float[NDArray[np.float64], "planes planes"]
    low_gain: float


@dataclass(frozen=True)
class _ChannelPlace:
    """Place (`row`, `column`) of the band at the end of `path`, on a grid `phases` times finer; one of its colours."""

    path: Path
    phases: int
    row: int
    column: int
    color: int


def latent_bands_of(model: Model, channels: int) -> LatentBands:
    """Raises `CodecError` for a model whose channels are mixed of bands or places, and where the first `channels` lack a
    colour of some band."""
    by_place = _channels_by_place(model)
    places = {channel: place for place, channel in by_place.items()}
    number_of = {place: channel for place, channel in by_place.items() if channel < channels}
    planes = model.num_planes
    colors = [[by_place[_with(places[c], color=k)] for k in range(planes)] for c in range(channels)]
    sources = (
        [_mirrored(places[c]) for c in range(channels)],
        [_halved(places[c], model.tree.depth) for c in range(channels)],
    )
    lacking = max(max(row) for row in colors)
    if lacking >= channels or any(place not in number_of for place, *_ in (*sources[0], *sources[1])):
        allowed = [
            end for end in model.group_ends if set(range(end)) >= {c for row in colors for c in row if row[0] < end}
        ]
        raise CodecError(
            f"the first {channels} channels end within a band, so they cannot be mirrored; allowed are {allowed} channels"
        )
    halved = np.array([(number_of[place], row, column) for place, row, column in sources[1]], np.uint16)
    gains = _gains(model)
    half_gains = gains[:channels] / gains[halved[:, 0]] / 2  # a level of the transform makes values twice as large
    return LatentBands(
        np.array([(number_of[place], lag) for place, lag in sources[0]], np.uint16),
        halved,
        half_gains.astype(np.float32),
        np.array(colors, np.uint16),
        planes,
        _basis(model),
        2.0**model.tree.depth,
    )


def _mirrored(place: _ChannelPlace) -> tuple[_ChannelPlace, int]:
    """The channel that comes to lie here, and by how many places further it does."""
    is_high = place.path[-1] >= 2  # along a row
    if is_high:
        return _with(place, column=place.phases - 1 - place.column), 1
    return (place, 0) if place.column == 0 else (_with(place, column=place.phases - place.column), 1)


def _halved(place: _ChannelPlace, depth: int) -> tuple[_ChannelPlace, int, int]:
    """The channel of the whole latent, and the place in each 2 x 2 of it."""
    if len(place.path) == depth:
        # Of the low band, which is split once more, in place.
        band = place.path[-1]
        return _ChannelPlace((0,) * depth, 1, 0, 0, place.color), band & 1, band >> 1
    half = place.phases // 2
    path = (0, *place.path)
    return (
        _ChannelPlace(path, half, place.row % half, place.column % half, place.color),
        place.row // half,
        place.column // half,
    )


def _with(place: _ChannelPlace, *, column: int | None = None, color: int | None = None) -> _ChannelPlace:
    return _ChannelPlace(
        place.path,
        place.phases,
        place.row,
        place.column if column is None else column,
        place.color if color is None else color,
    )


@lru_cache(maxsize=16)
def _channels_by_place(model: Model) -> dict[_ChannelPlace, int]:
    if model.kind != "image" or not is_dyadic(model.tree) or model.colors is not None:
        raise CodecError(
            f"latents of model {model.name} cannot be mirrored, halved or coloured; allowed are models of pictures"
        )
    planes, found = model.num_planes, {}
    spots = [
        _ChannelPlace(leaf, phases, row, column, 0)
        for leaf in model.tree.leaves
        for phases in (1 << (model.tree.depth - len(leaf)),)
        for row in range(phases)
        for column in range(phases)
    ]
    matrices, channels = latent_axes_of(model)
    at = 0
    for matrix in matrices:
        n = len(matrix)
        weights = np.abs(matrix).reshape(n, n // planes, planes).max(axis=2)
        own = weights.argmax(axis=1)
        others = np.where(np.arange(n // planes) == own[:, None], 0, weights)
        if np.any(others > _LEAST_WEIGHT * weights.max(axis=1, keepdims=True)):
            raise CodecError(
                f"the channels of model {model.name} are mixed of several places, so its latents cannot be mirrored, "
                "halved or coloured; allowed are those of the shipped models and of models fitted with --blocks color or "
                "--axes"
            )
        for spot in range(n // planes):
            numbers = sorted(channels[at : at + n][own == spot].tolist())
            for color, number in enumerate(numbers):
                found[_with(spots[at // planes + spot], color=color)] = number
        at += n
    return found


def latent_axes_of(model: Model) -> tuple[list[Float[NDArray[np.float64], "n n"]], Int[NDArray[np.int64], " d"]]:
    """What makes the latent's channels of the packets, block by block, and the number of each row's channel, (d,)."""
    matrices = [matrix.astype(np.float64) for matrix in model.analysis]
    if model.turn is None:
        return matrices, model.channels.astype(np.int64)
    turned = [turn.astype(np.float64) @ own for turn, own in zip(model.turn.matrices, matrices, strict=True)]
    return turned, model.turn.channels.astype(np.int64)


def _gains(model: Model) -> Float[NDArray[np.float64], " d"]:
    """(d,): what a channel is multiplied by, as bands have gains of their own."""
    matrices, channels = latent_axes_of(model)
    out = np.empty(model.num_channels)
    out[channels] = np.concatenate([np.linalg.norm(matrix, axis=1) for matrix in matrices])
    return out


def _basis(model: Model) -> Float[NDArray[np.float64], "planes planes"]:
    """What the colours of the low band are of the picture's."""
    matrices, channels = latent_axes_of(model)
    planes = model.num_planes
    order = np.argsort(channels[:planes])
    found: Float[NDArray[np.float64], "planes planes"] = matrices[0][:planes, :planes][order]
    return found
