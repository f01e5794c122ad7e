"""The MDCT against its definition and perfect reconstruction; trees and models that have it."""

import numpy as np
import pytest

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import Tree, full_tree, mdct_tree
from laconic.codecs.sounds.sound_part import decode_sound
from laconic.codecs.transform.wavelet import analyze, analyze_wavelet, synthesize, synthesize_wavelet

RATE = 16_000


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32)


def transform_by_definition(line: np.ndarray, size: int) -> np.ndarray:
    """(size, blocks): products with windowed cosines, of double precision; lines go on with zeros, and at their ends blocks
    are cut instead of windowed."""
    num_blocks = len(line) // size
    at = np.arange(-(size // 2), size + size // 2)  # a block and half of those beside it
    cosines = np.cos(np.pi / size * np.outer(np.arange(size) + 0.5, at + 0.5)) * np.sqrt(2 / size)
    window = np.sin(np.pi * (np.arange(2 * size) + 0.5) / (2 * size))
    out = np.empty((size, num_blocks))
    for b in range(num_blocks):
        here = window.copy()
        if b == 0:
            here[: size // 2], here[size // 2 : size] = 0, 1
        if b == num_blocks - 1:
            here[size : size + size // 2], here[size + size // 2 :] = 1, 0
        places = at + b * size
        samples = np.where((places >= 0) & (places < len(line)), line[places.clip(0, len(line) - 1)], 0)
        out[:, b] = cosines @ (here * samples)
    return out


@pytest.mark.parametrize("depth", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("num_blocks", [1, 2, 17])
def test_the_transform_is_that_of_its_definition(depth: int, num_blocks: int) -> None:
    lines, tree = noise(3, num_blocks << depth), mdct_tree(depth)
    found = analyze_wavelet(lines, tree).reshape(1 << depth, 3, num_blocks)
    for i, line in enumerate(lines):
        expected = transform_by_definition(line.astype(np.float64), 1 << depth)
        np.testing.assert_allclose(found[:, i], expected, atol=2e-6)


@pytest.mark.parametrize("length", [1, 2, 31, 255, 256, 257, 4000])
@pytest.mark.parametrize("depth", [1, 5, 8, 10])
def test_every_length_comes_back(length: int, depth: int) -> None:
    signal, tree = noise(2, length), mdct_tree(depth)
    coefficients = analyze(signal, tree)
    assert coefficients.shape == (2 << depth, tree.places_of(length))
    np.testing.assert_allclose(synthesize(coefficients, tree, 2, (length,)), signal, atol=2e-6)


def test_the_energy_stays() -> None:
    lines, tree = noise(1, 40 << 7), mdct_tree(7)
    found = analyze_wavelet(lines, tree)
    assert np.square(found).sum() == pytest.approx(np.square(lines).sum(), rel=1e-5)
    np.testing.assert_allclose(synthesize_wavelet(found, tree, 1), lines, atol=2e-6)


def test_a_tone_is_in_few_coefficients() -> None:
    line = np.sin(np.arange(64 * 256) * 0.4).astype(np.float32)[None]
    energies = np.square(analyze_wavelet(line, mdct_tree(8))[:, 30])
    assert np.sort(energies)[-4:].sum() > 0.99 * energies.sum()


def test_blocks_do_not_depend_on_what_is_far() -> None:
    lines, tree = noise(1, 20 << 6), mdct_tree(6)
    found, later = analyze_wavelet(lines, tree), analyze_wavelet(lines[:, 5 << 6 :], tree)
    assert np.array_equal(found[:, 6:], later[:, 1:])


@pytest.mark.parametrize(
    "shapes", [((1, 24), (3, 1, 8)), ((1, 16), (8, 1, 3)), ((2, 16), (8, 1, 2)), ((1, 0), (8, 1, 0))]
)
def test_what_does_not_fit_is_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    lines, coefficients = (np.zeros(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError):
        _native.mdct(lines, coefficients)
    with pytest.raises(ValueError):
        _native.inverse_mdct(coefficients, lines)


def test_trees_of_an_mdct_have_all_splits() -> None:
    assert mdct_tree(3).leaves == full_tree(1, 3).leaves
    for dimensions, splits in ((2, full_tree(2, 2).splits), (1, frozenset({()}))):
        with pytest.raises(CodecError, match="mdct_tree"):
            Tree(dimensions, 2, splits, "mdct")
    with pytest.raises(CodecError, match="transform"):
        Tree(1, 2, full_tree(1, 2).splits, "dct")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model() -> Model:
    tones = [
        Audio((np.sin(np.arange(9000) * f) * 0.3 + noise(1, 9000) / 30).astype(np.float32), RATE) for f in (0.1, 0.7)
    ]
    return fit(tones, "tones", FitOptions(tree=mdct_tree(6)))


def test_a_fitted_model_is_saved_and_codes(model: Model, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("models") / "tones.safetensors"
    model.save(path)
    sound = Audio(np.sin(np.arange(20_000) * 0.3)[None].astype(np.float32), RATE)
    codec = Lcn(model=str(path), quality=80)
    data = codec.encode(sound)
    decoded = codec.decode(data)
    assert np.abs(decoded.samples - sound.samples).mean() < 0.02
    part = decode_sound(data, start_seconds=0.25, seconds=0.5, model=str(path))
    assert np.array_equal(part.samples, decoded.samples[:, 4000:12_000])


def test_models_with_packets_and_with_an_mdct_are_different(model: Model) -> None:
    tones = [Audio(noise(1, 4000), RATE)]
    packets = fit(tones, "packets", FitOptions(tree=full_tree(1, 6)))
    assert packets.fingerprint != model.fingerprint
    assert packets.tree.splits == model.tree.splits
