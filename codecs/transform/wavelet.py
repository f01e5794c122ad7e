"""Wavelet packets: CDF 9/7, any tree (`packet_tree`), one or two dimensions, any size, perfect reconstruction; or the MDCT
(`mdct`) where the tree says so.

The filters see borders by whole-sample symmetry, so no coefficient is wasted. In one dimension, where that kink would be
heard, the signal goes on smoothly over both ends before (`extrapolation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.models.packet_tree import Path, Tree, length_padded_to_tree
from laconic.codecs.transform.extrapolation import extrapolate
from laconic.codecs.transform.mdct import analyze_mdct, synthesize_mdct

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float32]


def extend_for_wavelet(signal: Float[Floats, "c ..."], tree: Tree) -> Float[Floats, "c ..."]:
    """Extend the last axes of (c, h, w) or (c, t) to the places of the tree: by whole-sample symmetry, lines smoothly."""
    if tree.dimensions == 1:
        length = signal.shape[1]
        after = tree.places_of(length) * tree.factor - tree.margin - length
        before = continued_line(signal[:, ::-1], tree.margin, tree)[:, ::-1]
        return np.concatenate([before, signal, continued_line(signal, after, tree)], axis=1, dtype=np.float32)
    for axis in range(-tree.dimensions, 0):
        length = signal.shape[axis]
        phase = np.arange(length_padded_to_tree(length, tree.depth)) % max(2 * length - 2, 1)
        signal = signal.take(np.minimum(phase, np.abs(2 * length - 2 - phase)), axis)
    return np.ascontiguousarray(signal, np.float32)


def continued_line(lines: Float[Floats, "c t"], count: int, tree: Tree) -> Float[Floats, "c count"]:
    """What is put after the end of lines, and backwards before their beginning. For an MDCT, whose first and last blocks
    have no window at the ends, it fades out."""
    after = extrapolate(lines, count)
    if tree.transform == "mdct":
        share = np.arange(count, 0, -1) / (count + 1)
        after *= (share * share * (3 - 2 * share)).astype(np.float32)
    return after


def analyze(signal: Float[Floats, "c ..."], tree: Tree) -> Float[Floats, "d ..."]:
    """(c, h, w) or (c, t) of any size from 1 up -> (d, h', w') or (d, t'), as many places as `Tree.places_of` says."""
    return analyze_wavelet(extend_for_wavelet(signal, tree), tree)


def synthesize(
    latent: Float[Floats, "d ..."], tree: Tree, num_planes: int, size: tuple[int, ...]
) -> Float[Floats, "c ..."]:
    """The inverse of `analyze`; `size` is (h, w) or (t,)."""
    planes = synthesize_wavelet(latent, tree, num_planes)
    return planes[(slice(None), *(slice(tree.margin, tree.margin + n) for n in size))]


def analyze_wavelet(planes: Float[Floats, "c ..."], tree: Tree) -> Float[Floats, "d ..."]:
    """`analyze` for sizes that are multiples of 2**depth."""
    if tree.transform == "mdct":
        return analyze_mdct(planes, tree)
    leaves = _split_below(planes, tree, ())
    # The order is named, because concatenation may choose another where a side is 1.
    return np.ascontiguousarray(np.concatenate([_regroup(leaves[path], tree, path) for path in tree.leaves]))


def synthesize_wavelet(
    latent: Float[Floats, "d ..."], tree: Tree, num_planes: int, scale_log2: int = 0
) -> Float[Floats, "c ..."]:
    """(d, h', w') -> (c, 2**depth h', 2**depth w'); (d, t') likewise.

    With `scale_log2`, the low band so far down, in the scale of samples: a signal of 2**-scale_log2 the size.
    """
    if tree.transform == "mdct":
        return synthesize_mdct(latent, tree)
    leaves, at = {}, 0
    for path in tree.leaves:
        count = num_planes * tree.channels_of(path)
        leaves[path] = _ungroup(latent[at : at + count], tree, path)
        at += count
    low = _merge_below(leaves, tree, (0,) * scale_log2)
    # One split makes a constant sqrt(2) times as large in each dimension.
    return low * np.float32(2.0 ** (-scale_log2 * tree.dimensions / 2)) if scale_log2 else low


def _split_below(planes: Floats, tree: Tree, path: Path) -> dict[Path, Floats]:
    if path not in tree.splits:
        return {path: planes}
    half = tuple(n // 2 for n in planes.shape[1:])
    bands = np.empty((planes.shape[0], tree.num_bands, *half), np.float32)
    (_native.split1 if tree.dimensions == 1 else _native.split2)(planes, bands)
    leaves: dict[Path, Floats] = {}
    for band in range(tree.num_bands):
        leaves |= _split_below(np.ascontiguousarray(bands[:, band]), tree, (*path, band))
    return leaves


def _merge_below(leaves: dict[Path, Floats], tree: Tree, path: Path) -> Floats:
    if path not in tree.splits:
        return leaves[path]
    bands = np.stack([_merge_below(leaves, tree, (*path, band)) for band in range(tree.num_bands)], axis=1)
    planes = np.empty((bands.shape[0], *(2 * n for n in bands.shape[2:])), np.float32)
    (_native.merge1 if tree.dimensions == 1 else _native.merge2)(bands, planes)
    return planes


def _regroup(planes: Floats, tree: Tree, path: Path) -> Floats:
    """Planes at a leaf's resolution -> channels on the coarse grid."""
    f = 1 << (tree.depth - len(path))
    if tree.dimensions == 1:
        c, t = planes.shape
        return planes.reshape(c, t // f, f).transpose(2, 0, 1).reshape(f * c, t // f)
    c, h, w = planes.shape
    blocks = planes.reshape(c, h // f, f, w // f, f).transpose(2, 4, 0, 1, 3)
    return blocks.reshape(f * f * c, h // f, w // f)


def _ungroup(channels: Floats, tree: Tree, path: Path) -> Floats:
    f = 1 << (tree.depth - len(path))
    if tree.dimensions == 1:
        d, t = channels.shape
        return np.ascontiguousarray(channels.reshape(f, d // f, t).transpose(1, 2, 0).reshape(d // f, t * f))
    d, h, w = channels.shape
    blocks = channels.reshape(f, f, d // (f * f), h, w).transpose(2, 3, 0, 4, 1)
    return np.ascontiguousarray(blocks.reshape(d // (f * f), h * f, w * f))
