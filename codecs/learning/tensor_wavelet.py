"""Wavelet packets of tensors, which gradients pass: the same CDF 9/7 packets as `wavelet` has natively.

Files of our own codecs are made by the native transform; these are for training, and for codecs of others, whose borders
may be periodic: with "periodic" borders a split is PyWavelets' `dwt2(..., "bior4.4", mode="periodization")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from laconic.codecs.models.packet_tree import HIGH_GAIN, LIFTING, LOW_GAIN

if TYPE_CHECKING:
    from jaxtyping import Float

    from laconic.codecs.models.packet_tree import Tree

Border = Literal["symmetric", "periodic"]  # what stands beyond the ends: a mirror image, or the other end


def analyze(planes: Float[Tensor, "b c _ _"], tree: Tree, border: Border = "symmetric") -> Float[Tensor, "b d _ _"]:
    """(b, c, h, w) -> packets (b, d, h', w') in the order of `wavelet`; h and w are multiples of 2**depth."""
    leaves: dict[tuple[int, ...], Tensor] = {}
    pending: list[tuple[tuple[int, ...], Tensor]] = [((), planes)]
    while pending:
        path, band = pending.pop()
        if path not in tree.splits:
            leaves[path] = band
            continue
        low, high = _split(band, -1, border)
        quarters = (*_split(low, -2, border), *_split(high, -2, border))
        pending += [((*path, i), quarter) for i, quarter in enumerate(quarters)]
    return torch.cat([_regroup(leaves[path], 1 << (tree.depth - len(path))) for path in tree.leaves], 1)


def synthesize(
    packets: Float[Tensor, "b d _ _"], tree: Tree, num_planes: int, border: Border = "symmetric"
) -> Float[Tensor, "b c _ _"]:
    """The inverse of `analyze`."""
    sizes = [num_planes * tree.channels_of(path) for path in tree.leaves]
    parts = zip(tree.leaves, torch.split(packets, sizes, 1), strict=True)
    bands = {path: _ungroup(part, 1 << (tree.depth - len(path))) for path, part in parts}
    for path in sorted(tree.splits, key=len, reverse=True):
        low, high = (_merge(bands[*path, 2 * i], bands[*path, 2 * i + 1], -2, border) for i in range(2))
        bands[path] = _merge(low, high, -1, border)
    return bands[()]


def _split(signal: Tensor, axis: int, border: Border) -> tuple[Tensor, Tensor]:
    a, b, c, d = LIFTING
    even, odd = torch.unflatten(signal, axis, (-1, 2)).unbind(axis)
    odd = odd + a * _with_next(even, axis, border)
    even = even + b * _with_previous(odd, axis, border)
    odd = odd + c * _with_next(even, axis, border)
    even = even + d * _with_previous(odd, axis, border)
    return even * LOW_GAIN, odd * HIGH_GAIN


def _merge(low: Tensor, high: Tensor, axis: int, border: Border) -> Tensor:
    a, b, c, d = LIFTING
    even, odd = low / LOW_GAIN, high / HIGH_GAIN
    even = even - d * _with_previous(odd, axis, border)
    odd = odd - c * _with_next(even, axis, border)
    even = even - b * _with_previous(odd, axis, border)
    odd = odd - a * _with_next(even, axis, border)
    return torch.stack((even, odd), axis if axis > 0 else axis + even.ndim + 1).flatten(axis - 1, axis)


def _with_next(even: Tensor, axis: int, border: Border) -> Tensor:
    """x[n] + x[n + 1]; after the last comes the last again, by symmetry around the odd sample behind it, or the first."""
    beyond = even.narrow(axis, -1 if border == "symmetric" else 0, 1)
    return even + torch.cat((even.narrow(axis, 1, even.shape[axis] - 1), beyond), axis)


def _with_previous(odd: Tensor, axis: int, border: Border) -> Tensor:
    """x[n - 1] + x[n]; before the first stands the first again, by symmetry, or the last."""
    beyond = odd.narrow(axis, 0 if border == "symmetric" else -1, 1)
    return odd + torch.cat((beyond, odd.narrow(axis, 0, odd.shape[axis] - 1)), axis)


def _regroup(band: Tensor, f: int) -> Tensor:
    """A band at its leaf's resolution -> channels on the coarse grid, phase by phase."""
    b, c, h, w = band.shape
    return band.reshape(b, c, h // f, f, w // f, f).permute(0, 3, 5, 1, 2, 4).reshape(b, f * f * c, h // f, w // f)


def _ungroup(channels: Tensor, f: int) -> Tensor:
    b, d, h, w = channels.shape
    c = d // (f * f)
    return channels.reshape(b, f, f, c, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c, h * f, w * f)
