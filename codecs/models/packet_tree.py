"""Packet trees: which bands of a wavelet transform are split again, and the order of the channels that come of it.

Sounds may be analysed by an MDCT in place of packets: its tree has all splits, and its leaves are the coefficients.

A signal of `c` planes becomes `d = c * 2**(dimensions * depth)` channels on a grid `2**depth` times coarser: bands that
the tree leaves at a finer resolution are regrouped, each place of the coarse grid taking a block of them.

Channel order: leaves from coarse to fine, those of one resolution by rising frequency (two-dimensional ones by path);
within a leaf the phases of the regrouping in raster order; within a phase the planes of the signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import Any, Final, Literal, get_args

from laconic.codecs.arguments import choice_argument, settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError

Path = tuple[int, ...]
Transform = Literal["packets", "mdct"]
_MAX_DEPTH: Final = 12
# Of `native/wavelet.hpp`: the lifting of Daubechies and Sweldens 1998, table 7.
LIFTING: Final = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
LOW_GAIN: Final = 1.149604398860241
HIGH_GAIN: Final = -0.869864451624781


@dataclass(frozen=True)
class Tree:
    """Which bands are split again: `splits` are the paths of inner nodes, `()` the signal itself.

    A path lists band numbers from the root: 0 low, 1 high in one dimension; 0 low, 1 vertical high, 2 horizontal high,
    3 both in two. Of `transform` "mdct", that of blocks of `2**depth` samples, all bands are split. Raises `CodecError`
    unless the paths form a tree no deeper than `depth`.
    """

    dimensions: int
    depth: int
    splits: frozenset[Path]
    transform: Transform = "packets"

    def __post_init__(self) -> None:
        dimensions, depth = _checked(self.dimensions, self.depth)
        settle_arguments(self, dimensions=dimensions, depth=depth)
        choice_argument("transform", self.transform, get_args(Transform))
        if self.transform == "mdct" and (dimensions != 1 or self.splits != full_tree(1, depth).splits):
            raise CodecError(
                f"the tree of an MDCT has {dimensions} dimensions; needed are one and all splits: use mdct_tree"
            )
        for path in self.splits:
            inside = all(0 <= band < self.num_bands for band in path) and len(path) < self.depth
            if not inside or (path and path[:-1] not in self.splits):
                raise CodecError(f"node {path} is no inner node of a tree of depth {self.depth}")

    @property
    def num_bands(self) -> int:
        """Bands of one split."""
        return 1 << self.dimensions

    @property
    def factor(self) -> int:
        """Samples a side that one latent place stands for."""
        return 1 << self.depth

    @property
    def margin(self) -> int:
        """Samples that are put before a one-dimensional signal, and at least as many after it, to smooth its ends."""
        if self.dimensions != 1:
            return 0
        return self.factor // (2 if self.transform == "mdct" else 8)

    def places_of(self, length: int) -> int:
        """Latent places along a side of so many samples."""
        return length_padded_to_tree(length + 2 * self.margin, self.depth) >> self.depth if length else 0

    @property
    def leaves(self) -> tuple[Path, ...]:
        """Paths of the leaves in channel order."""
        order = _by_frequency if self.dimensions == 1 else tuple
        return tuple(sorted(self._leaves_below(()), key=lambda path: (-len(path), order(path))))

    def channels_of(self, leaf: Path) -> int:
        """Latent channels that one plane of a leaf fills."""
        return int(self.num_bands ** (self.depth - len(leaf)))

    def block_sizes(self, num_planes: int) -> tuple[int, ...]:
        """Channels of each resolution, coarse to fine, the low-pass on its own: the blocks of a block-diagonal map."""
        low = (0,) * self.depth
        keyed = [(path != low, len(path), num_planes * self.channels_of(path)) for path in self.leaves]
        return tuple(sum(n for *_, n in group) for _, group in groupby(keyed, key=lambda item: item[:2]))

    def _leaves_below(self, path: Path) -> Iterator[Path]:
        if path not in self.splits:
            yield path
            return
        for band in range(self.num_bands):
            yield from self._leaves_below((*path, band))


def _by_frequency(path: Path) -> Path:
    """Sort key of a one-dimensional band. A high-pass mirrors the spectrum of what is below it: paths are Gray codes."""
    mirrored, out = 0, []
    for band in path:
        mirrored ^= band
        out.append(mirrored)
    return tuple(out)


def full_tree(dimensions: int, depth: int) -> Tree:
    """Every band is split at every level: uniform bands."""
    dimensions, depth = _checked(dimensions, depth)
    bands = range(1 << dimensions)
    paths = (path for level in range(depth) for path in product(bands, repeat=level))
    return Tree(dimensions, depth, frozenset(paths))


def mdct_tree(depth: int) -> Tree:
    """Of an MDCT of blocks of `2**depth` samples."""
    return replace(full_tree(1, depth), transform="mdct")


def tree_config(tree: Tree) -> dict[str, object]:
    """What stands in the configuration of a model."""
    splits = sorted(list(path) for path in tree.splits)
    of_shape: dict[str, object] = {"dimensions": tree.dimensions, "depth": tree.depth}
    return {**of_shape, **({"splits": splits} if tree.transform == "packets" else {"transform": tree.transform})}


def tree_of_config(config: Mapping[str, Any]) -> Tree:
    """Raises `CodecError`, KeyError, ValueError, TypeError."""
    if config.get("transform") == "mdct" and config["dimensions"] == 1:
        return mdct_tree(config["depth"])
    splits = frozenset(tuple(path) for path in config["splits"])
    return Tree(config["dimensions"], config["depth"], splits, config.get("transform", "packets"))


def dyadic_tree(dimensions: int, depth: int) -> Tree:
    """Only the low band is split again: the usual wavelet transform."""
    dimensions, depth = _checked(dimensions, depth)
    return Tree(dimensions, depth, frozenset((0,) * level for level in range(depth)))


def is_dyadic(tree: Tree) -> bool:
    """Whether a tree is `dyadic_tree` of two dimensions."""
    return tree == dyadic_tree(2, tree.depth)


def _checked(dimensions: int, depth: int) -> tuple[int, int]:
    return choice_argument("dimensions", dimensions, (1, 2)), whole_number_argument("depth", depth, 1, _MAX_DEPTH)


def length_padded_to_tree(length: int, depth: int) -> int:
    """The next multiple of 2**depth."""
    return -(-length >> depth) << depth
