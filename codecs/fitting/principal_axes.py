"""The projection of packets: their principal axes, or matrices that were trained elsewhere, and the order of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.models.packet_tree import Tree
from laconic.codecs.transform import wavelet

if TYPE_CHECKING:
    from jaxtyping import Float, UInt


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
    """Analysis matrices and their inverses, one for each block."""

    analysis: tuple[Float[NDArray[np.float32], "n n"], ...]
    synthesis: tuple[Float[NDArray[np.float32], "n n"], ...]


def noise_gains_of_axes(tree: Tree, num_planes: int) -> Float[NDArray[np.float64], " d"]:
    """Root of the signal energy that unit noise in each packet channel causes (the norm of its synthesis function)."""
    d, side = tree.num_bands**tree.depth, 16
    gains = np.empty(d)
    for channel in range(d):
        impulse = np.zeros((d, *(side,) * tree.dimensions), np.float32)
        impulse[(channel, *(side // 2,) * tree.dimensions)] = 1
        gains[channel] = np.sqrt((wavelet.synthesize_wavelet(impulse, tree, 1).astype(np.float64) ** 2).sum())
    return gains.repeat(num_planes)


def principal_axes(
    packets: Sequence[Float[NDArray[np.float32], "d h w"]],
    gains: Float[NDArray[np.float64], " d"],
    blocks: tuple[int, ...],
    *,
    symmetric: bool,
) -> PrincipalAxes:
    """Axes times gains, largest variance first, and their inverses, for packets (d, h, w) of all signals.

    `symmetric`: the two planes of each band count as exchangeable, which makes the axes mid and side.
    """
    flat = np.concatenate([p.reshape(len(p), -1) for p in packets], axis=1)
    analysis, synthesis, lo = [], [], 0
    for size in blocks:
        part = slice(lo, lo + size)
        scaled = gains[part, None] * flat[part]
        covariance = scaled @ scaled.T / scaled.shape[1]
        if symmetric:
            covariance = covariance + covariance[::-1, ::-1]
        _, axes = np.linalg.eigh(covariance)
        axes = axes[:, ::-1].T
        axes *= np.sign(axes[np.arange(size), np.abs(axes).argmax(1)])[:, None]
        analysis.append(np.ascontiguousarray(axes * gains[part], np.float32))
        synthesis.append(np.ascontiguousarray((axes / gains[part]).T, np.float32))
        lo += size
    return PrincipalAxes(tuple(analysis), tuple(synthesis))


def trained_axes(projection: tuple[Float[NDArray[np.float32], "n n"], ...], blocks: tuple[int, ...]) -> PrincipalAxes:
    """Given analysis matrices and their inverses. Raises `CodecError` where they are not the blocks' or have no inverse."""
    shapes = [m.shape for m in projection]
    if shapes != [(n, n) for n in blocks]:
        raise CodecError(f"the projection has matrices of shapes {shapes}; the tree needs sides {list(blocks)}")
    if not all(np.isfinite(m).all() for m in projection):
        raise CodecError("a matrix of the projection holds NaN or infinity; train it again")
    try:
        inverses = [np.linalg.inv(m.astype(np.float64)) for m in projection]
    except np.linalg.LinAlgError as err:
        raise CodecError("a matrix of the projection has no inverse; train it again") from err
    return PrincipalAxes(tuple(m.astype(np.float32) for m in projection), tuple(m.astype(np.float32) for m in inverses))


def channels_by_variance(
    analysis: tuple[Float[NDArray[np.float32], "n n"], ...],
    packets: Sequence[Float[NDArray[np.float32], "d h w"]],
    sizes: tuple[int, ...],
) -> UInt[NDArray[np.uint16], " d"]:
    """The latent channel of each row of the projection: by falling variance, run by run."""
    rows = np.arange(sum(sizes), dtype=np.uint16)
    flat = [project(analysis, rows, p).reshape(len(rows), -1) for p in packets]
    energies = sum(np.square(f, dtype=np.float64).sum(1) for f in flat)
    channels, lo = np.empty_like(rows), 0
    for size in sizes:
        order = np.argsort(-energies[lo : lo + size], kind="stable")
        channels[lo + order] = rows[lo : lo + size]
        lo += size
    return channels


def project(
    analysis: tuple[Float[NDArray[np.float32], "n n"], ...],
    channels: UInt[NDArray[np.uint16], " d"],
    packets: Float[NDArray[np.float32], "d h w"],
) -> Float[NDArray[np.float32], "d h w"]:
    """The coefficients (d, h, w) of packets, each row of the projection at its latent channel."""
    ends = np.cumsum([len(m) for m in analysis])[:-1]
    out = np.empty_like(packets)
    parts = [np.tensordot(m, p, 1) for m, p in zip(analysis, np.split(packets, ends), strict=True)]
    out[channels] = np.concatenate(parts)
    return out
