"""The transform of models whose subbands are coded on their own grids: only colours are mixed, everywhere alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.fitting.principal_axes import PrincipalAxes, noise_gains_of_axes
from laconic.codecs.models.low_levels import LOW_STEP
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.transform import wavelet

if TYPE_CHECKING:
    from jaxtyping import Float, UInt

_SIDE: Final = 64  # of the grid on which norms are measured, a multiple of the coarsest step


def principal_colors(
    packets: Sequence[Float[NDArray[np.float32], "d _ _"]], tree: Tree, num_planes: int
) -> Float[NDArray[np.float64], "p p"]:
    """Principal axes of the colours of detail, (planes, planes), the first the strongest; each leaf counts alike."""
    sums = np.zeros((num_planes, num_planes))
    for lo, hi in _leaf_bounds(tree, num_planes)[1:]:
        parts = [p[lo:hi].reshape(-1, num_planes, p[0].size).astype(np.float64) for p in packets]
        covariance = sum(np.einsum("kcn,kdn->cd", part, part) for part in parts)
        sums += covariance / np.trace(covariance)
    _, axes = np.linalg.eigh(sums)
    axes = axes[:, ::-1].T
    return axes * np.sign(axes.sum(1, keepdims=True) + 1e-9)


def subband_axes(colors: Float[NDArray[np.float64], "p p"], tree: Tree) -> PrincipalAxes:
    """Matrices of the leaves that mix colours in each place, scaled so that noise costs the same in each channel."""
    gains = noise_gains_of_axes(tree, len(colors))
    analysis, synthesis = [], []
    for lo, hi in _leaf_bounds(tree, len(colors)):
        places = np.eye((hi - lo) // len(colors))
        analysis.append(np.ascontiguousarray(np.kron(places, colors) * gains[lo:hi], np.float32))
        synthesis.append(np.ascontiguousarray((np.kron(places, colors) / gains[lo:hi]).T, np.float32))
    return PrincipalAxes(tuple(analysis), tuple(synthesis))


def subband_channels(tree: Tree, num_planes: int) -> UInt[NDArray[np.uint16], " d"]:
    """The latent channel of each row: level by level, colour by colour, orientation by orientation, place by place."""
    channels: list[int] = []
    for path in tree.leaves:
        places = tree.channels_of(path)
        for row in range(places * num_planes):
            place, color = divmod(row, num_planes)
            if path == (0,) * tree.depth:
                channels.append(color)
            else:
                channels.append(num_planes * places + (3 * color + path[-1] - 1) * places + place)
    return np.array(channels, np.uint16)


def low_noise_gains(tree: Tree, low_levels: int) -> Float[NDArray[np.float32], " classes"]:
    """For each class of the low levels, the norm of its synthesis function over that of the low band."""
    classes = 1 + 3 * low_levels
    ones = np.ones(classes, np.float32)
    shrink = np.zeros((classes, 1, 3), np.float32)
    norms = []
    for place in _places_of_classes(low_levels):
        integers = np.zeros((1, _SIDE, _SIDE), np.int32)
        integers[0, place[0], place[1]] = 1
        out = np.empty((1, _SIDE, _SIDE), np.int16)
        _native.synthesize_low(integers, out, 1.0, shrink, ones, 0)
        packets = np.zeros((tree.num_bands**tree.depth, _SIDE, _SIDE), np.float32)
        packets[0] = out[0] * LOW_STEP
        norms.append(np.linalg.norm(wavelet.synthesize_wavelet(packets, tree, 1)))
    return (np.array(norms) / noise_gains_of_axes(tree, 1)[0]).astype(np.float32)


def _places_of_classes(low_levels: int) -> list[tuple[int, int]]:
    """A place of each class in the middle of the grid."""
    middle = _SIDE // 2
    places = [(middle, middle)]
    for level in range(low_levels - 1, -1, -1):
        far = middle + (1 << level)
        places += [(far, middle), (middle, far), (far, far)]
    return places


def _leaf_bounds(tree: Tree, num_planes: int) -> list[tuple[int, int]]:
    ends = np.cumsum([0, *(num_planes * tree.channels_of(path) for path in tree.leaves)]).tolist()
    return list(pairwise(ends))
