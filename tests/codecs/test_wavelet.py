"""Packets against PyWavelets, perfect reconstruction for every size, and the promised channel order."""

from itertools import product

import numpy as np
import pytest
import pywt

from laconic.codecs.models.packet_tree import Tree, dyadic_tree, full_tree, length_padded_to_tree
from laconic.codecs.transform import wavelet
from laconic.codecs.transform.extrapolation import extrapolate
from laconic.codecs.transform.wavelet import analyze, analyze_wavelet, extend_for_wavelet, synthesize

BANDS_2D = ("aa", "da", "ad", "dd")  # low, vertical high, horizontal high, both, as pywt.dwtn names them


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def random_tree(dimensions: int, depth: int, seed: int) -> Tree:
    """Every band is split again with probability 0.6; the first one always."""
    rng = np.random.default_rng(seed)
    splits = {()}
    for level in range(1, depth):
        splits |= {
            path
            for path in product(range(1 << dimensions), repeat=level)
            if path[:-1] in splits and (not any(path) or rng.random() < 0.6)
        }
    return Tree(dimensions, depth, frozenset(splits))


def trees(dimensions: int) -> list[Tree]:
    named = [full_tree(dimensions, 2), dyadic_tree(dimensions, 3), Tree(dimensions, 2, frozenset())]
    return [*named, *(random_tree(dimensions, 3, seed) for seed in range(4))]


def oracle_split(signal: np.ndarray, dimensions: int) -> list[np.ndarray]:
    """The bands of even-sided planes, by PyWavelets: its expansive coefficients hold ours from the third on.

    A band of n / 2 coefficients starts at number (filter length - 2) / 4 = 2 of floor((n + 9) / 2).
    """
    axes = tuple(range(-dimensions, 0))
    bands = pywt.dwtn(signal.astype(np.float64), "bior4.4", mode="reflect", axes=axes)
    names = ("a", "d") if dimensions == 1 else BANDS_2D
    inside = (..., *(slice(2, 2 + signal.shape[axis] // 2) for axis in axes))
    return [bands[name][inside] for name in names]


def oracle_leaf(signal: np.ndarray, path: tuple[int, ...], dimensions: int) -> np.ndarray:
    for band in path:
        signal = oracle_split(signal, dimensions)[band]
    return signal


@pytest.mark.parametrize("length", [2, 4, 6, 10, 16, 34, 256])
def test_one_level_of_a_line_is_that_of_pywavelets(length: int) -> None:
    signal = noise((3, length))
    found = analyze_wavelet(signal, full_tree(1, 1)).reshape(2, 3, length // 2)
    assert np.abs(found - np.stack(oracle_split(signal, 1))).max() < 1e-5


@pytest.mark.parametrize("shape", [(2, 2), (2, 16), (16, 2), (10, 6), (34, 64)])
def test_one_level_of_a_plane_is_that_of_pywavelets(shape: tuple[int, int]) -> None:
    signal = noise((2, *shape))
    found = analyze(signal, full_tree(2, 1)).reshape(4, 2, shape[0] // 2, shape[1] // 2)
    assert np.abs(found - np.stack(oracle_split(signal, 2))).max() < 1e-5


@pytest.mark.parametrize("tree", [full_tree(1, 4), full_tree(1, 5)])
def test_every_packet_of_a_line_is_that_of_pywavelets(tree: Tree) -> None:
    signal = noise((1, 8 * tree.factor))
    found = analyze_wavelet(signal, tree)
    for channel, path in zip(found, tree.leaves, strict=True):
        assert np.abs(channel - oracle_leaf(signal, path, 1)).max() < 1e-5


def test_every_packet_of_a_plane_is_that_of_pywavelets() -> None:
    signal, tree = noise((1, 40, 56)), full_tree(2, 3)
    for channel, path in zip(analyze(signal, tree), tree.leaves, strict=True):
        assert np.abs(channel - oracle_leaf(signal, path, 2)).max() < 1e-5


def test_band_at_a_finer_resolution_is_regrouped_by_phase() -> None:
    """Channel (i f + j) planes + p of a leaf is the phase (i, j) of plane p."""
    signal, tree = noise((2, 48, 32)), dyadic_tree(2, 3)
    found, at = analyze(signal, tree), 0
    for path in tree.leaves:
        f = 1 << (tree.depth - len(path))
        band = oracle_leaf(signal, path, 2)
        for i, j, plane in product(range(f), range(f), range(2)):
            assert np.abs(found[at] - band[plane, i::f, j::f]).max() < 1e-5
            at += 1
    assert at == len(found)


@pytest.mark.parametrize("length", range(1, 41))
def test_line_of_every_length_is_reconstructed(length: int) -> None:
    for tree in trees(1):
        signal = noise((2, length), length)
        assert np.abs(synthesize(analyze(signal, tree), tree, 2, (length,)) - signal).max() < 1e-5


@pytest.mark.parametrize("side", range(1, 41))
def test_plane_of_every_side_is_reconstructed(side: int) -> None:
    rng = np.random.default_rng(side)
    for tree in trees(2):
        for size in ((side, int(rng.integers(1, 50))), (int(rng.integers(1, 50)), side)):
            signal = noise((1, *size), side)
            assert np.abs(synthesize(analyze(signal, tree), tree, 1, size) - signal).max() < 1e-5


@pytest.mark.parametrize("seed", range(6))
def test_planes_of_random_sizes_are_reconstructed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(1, 200)), int(rng.integers(1, 200)))
    tree = random_tree(2, 3, seed)
    signal = noise((3, *size), seed)
    assert np.abs(synthesize(analyze(signal, tree), tree, 3, size) - signal).max() < 1e-5


@pytest.mark.parametrize("dimensions", [1, 2])
def test_channels_and_grid_are_as_many_as_promised(dimensions: int) -> None:
    size = (37, 18)[:dimensions]
    for tree in trees(dimensions):
        latent = analyze(noise((3, *size)), tree)
        assert latent.dtype == np.float32
        assert latent.shape == (3 * 2 ** (dimensions * tree.depth), *(tree.places_of(n) for n in size))
        assert sum(3 * tree.channels_of(path) for path in tree.leaves) == len(latent) == sum(tree.block_sizes(3))


@pytest.mark.parametrize("dimensions", [1, 2])
def test_leaves_go_from_coarse_to_fine_with_the_low_pass_first(dimensions: int) -> None:
    for tree in trees(dimensions):
        depths = [len(path) for path in tree.leaves]
        assert depths == sorted(depths, reverse=True)
        assert not any(tree.leaves[0])
        assert len(set(tree.leaves)) == len(tree.leaves)


def test_block_sizes_are_those_of_the_resolutions() -> None:
    assert dyadic_tree(2, 3).block_sizes(3) == (3, 9, 36, 144)
    assert dyadic_tree(1, 3).block_sizes(1) == (1, 1, 2, 4)
    assert full_tree(2, 2).block_sizes(1) == (1, 15)


def test_energy_is_nearly_kept() -> None:
    """The 9/7 filters are nearly orthonormal: the frame bounds of white noise over a tree stay near 1."""
    signal = noise((1, 256, 256))
    for tree in (full_tree(2, 3), dyadic_tree(2, 3)):
        latent = analyze(signal, tree)
        assert (latent.astype(np.float64) ** 2).sum() == pytest.approx((signal.astype(np.float64) ** 2).sum(), rel=0.1)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_constant_signal_is_all_in_the_low_pass(dimensions: int) -> None:
    tree = dyadic_tree(dimensions, 3)
    latent = analyze(np.full((1, *(41, 29)[:dimensions]), 0.25, np.float32), tree)
    assert np.allclose(latent[0], 0.25 * 2 ** (dimensions * tree.depth / 2), atol=1e-5)
    assert np.abs(latent[1:]).max() < 1e-6


@pytest.mark.parametrize("length", [1, 2, 3, 5, 8, 9, 17])
def test_extension_is_whole_sample_symmetric(length: int) -> None:
    column = np.arange(length, dtype=np.float32)[None, :, None].repeat(8, axis=2)
    padded = length_padded_to_tree(length, 3)
    expected = np.pad(column, ((0, 0), (0, padded - length), (0, 0)), mode="reflect" if length > 1 else "edge")
    assert np.array_equal(extend_for_wavelet(column, dyadic_tree(2, 3)), expected)


@pytest.mark.parametrize("length", [1, 2, 3, 100, 1999, 2000])
def test_extension_of_a_line_begins_a_margin_before_it(length: int) -> None:
    signal, tree = noise((2, length)), full_tree(1, 8)
    extended = extend_for_wavelet(signal, tree)
    assert extended.shape == (2, tree.places_of(length) * 256)
    assert extended.shape[1] >= length + 2 * tree.margin > extended.shape[1] - 256
    assert np.array_equal(extended[:, 32 : 32 + length], signal)
    assert np.abs(extended).max() < 2 * np.abs(signal).max()


def test_places_of_a_line_have_room_for_both_margins() -> None:
    tree = full_tree(1, 8)
    assert [tree.places_of(n) for n in (0, 1, 192, 193, 448, 449)] == [0, 1, 1, 2, 2, 3]
    assert [dyadic_tree(2, 3).places_of(n) for n in (1, 8, 9)] == [1, 1, 2]


@pytest.mark.parametrize("frequency", [0.0, 0.003, 0.06, 0.3])
def test_line_goes_on_as_it_was(frequency: float) -> None:
    wave = np.cos(2 * np.pi * frequency * np.arange(1500) + 0.3)
    lines = np.stack([wave[:1000], 3 * wave[:1000]]).astype(np.float32)
    found = extrapolate(lines, 300)
    assert np.abs(found[0] - wave[1000:1300]).max() < 0.02
    assert np.abs(found[1] - 3 * wave[1000:1300]).max() < 0.06


def test_prediction_never_grows() -> None:
    growing = (1.01 ** np.arange(900) * np.sin(np.arange(900)))[None].astype(np.float32)
    assert np.abs(extrapolate(growing, 4000)).max() <= np.abs(growing).max()
    assert not extrapolate(np.zeros((3, 50), np.float32), 20).any()


@pytest.mark.parametrize(
    ("length", "depth", "expected"), [(1, 3, 8), (8, 3, 8), (9, 3, 16), (5, 1, 6), (4096, 12, 4096)]
)
def test_padded_length_is_the_next_multiple(length: int, depth: int, expected: int) -> None:
    assert length_padded_to_tree(length, depth) == expected


def test_split_over_odd_lines_is_refused_by_the_kernel() -> None:
    with pytest.raises(ValueError, match="even"):
        wavelet.analyze_wavelet(np.zeros((1, 7), np.float32), full_tree(1, 1))
    with pytest.raises(ValueError, match="even"):
        wavelet.analyze_wavelet(np.zeros((1, 8, 5), np.float32), full_tree(2, 1))


@pytest.mark.parametrize(
    ("dimensions", "depth", "splits"),
    [
        (3, 2, {()}),
        (0, 2, {()}),
        (2, 0, {()}),
        (2, 13, {()}),
        (2, 2, {(0,)}),
        (2, 2, {(), (4,)}),
        (1, 2, {(), (2,)}),
        (1, 2, {(), (-1,)}),
        (2, 2, {(), (0,), (0, 0)}),
        (2, 3, {(), (0, 1)}),
    ],
    ids=str,
)
def test_paths_that_are_no_tree_are_refused(dimensions: int, depth: int, splits: set[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match=r"allowed are|allowed is a whole number from|no inner node"):
        Tree(dimensions, depth, frozenset(splits))


def test_input_is_left_alone() -> None:
    signal, tree = noise((1, 16, 16)), dyadic_tree(2, 2)
    before = signal.copy()
    latent = analyze(signal, tree)
    kept = latent.copy()
    synthesize(latent, tree, 1, (16, 16))
    assert np.array_equal(signal, before)
    assert np.array_equal(latent, kept)
