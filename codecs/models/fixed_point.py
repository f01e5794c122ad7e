"""The fixed-point transform of 8-bit pictures: its integer matrices, made once when a model is fitted, and its kernels
(SPEC.md, section 9.2).

Rows of samples and of bands are 16-bit integers in units of 2**-6 level; lifting leaves out its gains, halves high values,
and low values go down the tree in the scale of samples. The matrices take all of that over, in 16 bits with as many
fraction bits as a leaf's sums allow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.models.packet_tree import HIGH_GAIN, LIFTING, LOW_GAIN, Path, Tree

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from laconic.codecs.models.model import Model

MARGIN: Final = _native.MARGIN  # latent places that a part needs around it
_LEVELS: Final = 255
_ROW_UNITS: Final = 64  # of a level
_COEFFICIENT_UNITS: Final = 8
_LARGEST_SAMPLE: Final = 127.5
_MAX_BITS: Final = 14
_MAX_DEPTH: Final = 4
_MAX_PLANES: Final = 4
_A, _B, _C, _D = LIFTING
_LOW_SCALE: Final = 2 / LOW_GAIN**2  # of a split band's low values to its samples

Ints16 = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class FixedLeaf:
    """Square int16 matrices of one leaf: from its packets to its latent channels, 2**-bits a unit, and back."""

    analysis: Int[Ints16, "n n"]
    analysis_bits: int
    synthesis: Int[Ints16, "n n"]
    synthesis_bits: int


def fixed_leaves(
    tree: Tree,
    num_planes: int,
    analysis: Sequence[Float[NDArray[np.float32], "n n"]],
    synthesis: Sequence[Float[NDArray[np.float32], "n n"]],
) -> tuple[FixedLeaf, ...]:
    """Integer matrices of a model whose blocks are the leaves of its tree; none where rows could exceed 16 bits or the
    kernels do not go so far."""
    if tree.dimensions != 2 or num_planes > _MAX_PLANES or tree.depth > _MAX_DEPTH or min(map(len, tree.leaves)) == 0:
        return ()
    sizes = [num_planes * tree.channels_of(path) for path in tree.leaves]
    if sizes != [len(m) for m in analysis] or max(tree.channels_of(path) for path in tree.leaves) > 64:
        return ()
    if max(_largest_in_node(path) for path in tree.splits) * _ROW_UNITS >= 1 << 15:
        return ()
    leaves = []
    for path, a, s in zip(tree.leaves, analysis, synthesis, strict=True):
        gain = _gain(path)
        forward = a.astype(np.float64) * gain
        backward = s.astype(np.float64) / gain * (_ROW_UNITS / _COEFFICIENT_UNITS)
        largest_sum = _largest_sum(forward, path, tree.depth, num_planes) * _ROW_UNITS
        bits = min(_bits(np.abs(forward).max(), 15), _bits(largest_sum, 31))
        back_bits = _bits(np.abs(backward).max(), 15)
        leaves.append(FixedLeaf(_rounded(forward, bits), bits, _rounded(backward, back_bits), back_bits))
    return tuple(leaves)


def fixed_point_map(model: Model) -> _native.FixedMap:
    """The kernels' form of a model's transform."""
    tree = model.tree
    out = _native.FixedMap(model.num_planes, tree.depth)
    numbers: dict[Path, int] = {}
    for i, (path, leaf, (lo, hi)) in enumerate(zip(tree.leaves, model.fixed, model.blocks, strict=True)):
        channels = model.channels[lo:hi].tolist()
        out.add_leaf(len(path), leaf.analysis, leaf.analysis_bits, leaf.synthesis, leaf.synthesis_bits, channels)
        numbers[path] = ~i
    splits = sorted(tree.splits, key=len)
    numbers |= {path: i for i, path in enumerate(splits)}
    for path in splits:
        out.add_node(len(path), tuple(numbers[*path, band] for band in range(4)))
    return out


def largest_fixed_coefficient(leaves: Sequence[FixedLeaf]) -> float:
    """What no coefficient exceeds, full scale = 1: sums are below 2**31."""
    return 2.0**31 / _ROW_UNITS / _LEVELS / 2.0 ** min(leaf.analysis_bits for leaf in leaves)


def _rounded(matrix: NDArray[np.float64], bits: int) -> Ints16:
    return np.ascontiguousarray(np.rint(matrix * 2.0**bits), np.int16)


def _bits(largest: float, width: int) -> int:
    """The most fraction bits with which numbers up to `largest` stay below 2**width."""
    bits = _MAX_BITS
    while largest * 2.0**bits >= 2.0**width - 1:
        bits -= 1
    return bits


def _gain(path: Path) -> float:
    """Orthonormal packets are so many times what the rows of a leaf hold."""
    gain = _LOW_SCALE ** (len(path) - 1)
    for band in path:
        for is_high in (band & 1, band >> 1):
            gain *= 2 * HIGH_GAIN if is_high else LOW_GAIN
    return gain


def _largest_in_node(path: Path) -> float:
    """The largest value, in levels, while a band is split: any samples, every step of the lifting, both directions."""
    v, h = _directions(path)
    inside = max(
        _norms(h)["largest"] * _norms(v)["input"],
        max(_norms(h)["low"], _norms(h)["high"]) * _norms(v)["largest"],
    )
    return _LARGEST_SAMPLE * inside / _LOW_SCALE ** len(path)


def _largest_sum(matrix: NDArray[np.float64], path: Path, depth: int, num_planes: int) -> float:
    """The largest result, in levels, of a leaf's matrix for any samples: the sum of the magnitudes of its weights there."""
    count = 1 << (depth - len(path))
    v, h = (_weights(direction, count) for direction in _directions(path))
    packets = np.einsum("iy,jx->ijyx", v, h).reshape(count * count, -1) / _LOW_SCALE ** (len(path) - 1)
    by_plane = matrix.reshape(len(matrix), count * count, num_planes)
    sums = sum(np.abs(by_plane[:, :, p] @ packets).sum(1) for p in range(num_planes))
    return float(_LARGEST_SAMPLE * sums.max())


def _directions(path: Path) -> tuple[Path, Path]:
    """The vertical and the horizontal path of a band."""
    return tuple(band & 1 for band in path), tuple(band >> 1 for band in path)


@cache
def _norms(path: Path) -> dict[str, float]:
    """Sums of the magnitudes of the weights of the samples, in one direction: of a band, its low and high values, and the
    most of any step while it is split. High values are halved."""
    band = _band(path)
    found = _steps(band)
    middle = len(found["low"]) // 2
    norms = {name: float(np.abs(step[middle]).sum()) for name, step in found.items()}
    return {
        "input": float(np.abs(band[len(band) // 2]).sum()),
        "low": norms["low"],
        "high": norms["high"],
        "largest": max(norms.values()),
    }


def _weights(path: Path, count: int) -> NDArray[np.float64]:
    """Weights of the samples in `count` neighbouring values of a band, (count, samples that count)."""
    band = _band(path)
    rows = band[len(band) // 2 : len(band) // 2 + count]
    return rows[:, rows.any(0)]


def _band(path: Path) -> NDArray[np.float64]:
    """Weights of a line of samples, far from its ends, in the values of a band in one direction."""
    band = np.eye(64 << len(path))
    for is_high in path:
        band = _steps(band)["high" if is_high else "low"]
    return band


def _steps(rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Weights after each step of the lifting, and of the sum that step d multiplies."""
    even, odd = rows[0::2], rows[1::2]
    first = odd / 2 + _A / 2 * (even + np.roll(even, -1, 0))
    second = even + 2 * _B * (first + np.roll(first, 1, 0))
    high = first + _C / 2 * (second + np.roll(second, -1, 0))
    pair = high + np.roll(high, 1, 0)
    return {"even": even, "a": first, "b": second, "high": high, "pair": pair, "low": second + 2 * _D * pair}
