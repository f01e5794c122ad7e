"""CompressAI's entropy models coded by us: the tensors that its own coder gives, in about as many bytes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from laconic.entropy.compressai import CompressAIBottleneckCoder, CompressAIGaussianCoder
from laconic.entropy.errors import BitstreamError

INSTALLED = importlib.util.find_spec("compressai") is not None and importlib.util.find_spec("torch") is not None
pytestmark = pytest.mark.skipif(not INSTALLED, reason="compressai is not installed")

FEWEST_SYMBOLS = 4  # CompressAI's encoder writes past its buffer, and ends the process, when a string has fewer than 2


@pytest.fixture(scope="module")
def models() -> Any:
    """CompressAI's entropy models; its import needs a stand-in for torchvision."""
    from laconic.codecs.external.compressai import zoo

    zoo()
    import compressai.entropy_models

    return compressai.entropy_models


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def bottleneck_of(models: Any, channels: int, widest: float = 20) -> Any:
    """Updated; its quantiles, and with them tables and medians, differ from channel to channel."""
    import torch

    bottleneck = models.EntropyBottleneck(channels)
    low, middle, high = -torch.rand(channels) * widest - 1, torch.randn(channels) * 3, torch.rand(channels) * widest + 1
    bottleneck.quantiles.data = torch.stack([low + middle, middle, high + middle], dim=1)[:, None]
    bottleneck.update(force=True)
    return bottleneck


def conditional_of(models: Any, largest: float = 20, count: int = 64) -> Any:
    conditional = models.GaussianConditional(np.geomspace(0.11, largest, count).tolist())
    conditional.update()
    return conditional


def gaussian_latent(conditional: Any, *shape: int) -> tuple[Any, Any, Any]:
    """(latent, indexes, means)"""
    import torch

    scales = torch.exp(torch.randn(shape)).clamp(0.11, 60)
    means = torch.randn(shape) * 4
    return torch.randn(shape) * scales + means, conditional.build_indexes(scales), means


@pytest.mark.parametrize("channels", [1, 192, 256, 257, 320, 600])
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (0, 3), (11,), ()], ids=str)
def test_bottleneck_gives_the_tensor_of_compressai(models: Any, channels: int, size: tuple[int, ...]) -> None:
    import torch

    bottleneck = bottleneck_of(models, channels)
    coder = CompressAIBottleneckCoder(bottleneck)
    latent = torch.randn(2, channels, *size) * 6 + bottleneck.quantiles[:, 0, 1].reshape(-1, *[1] * len(size))
    strings = coder.compress(latent)
    assert [type(string) for string in strings] == [bytes, bytes]
    decoded = coder.decompress(strings, size)
    medians = bottleneck.quantiles[:, 0, 1].detach().reshape(-1, *[1] * len(size))
    expected = bottleneck.quantize(latent, "dequantize", medians)
    if latent[0].numel() >= FEWEST_SYMBOLS:
        assert torch.equal(bottleneck.decompress(bottleneck.compress(latent), size), expected)
    assert decoded.dtype == expected.dtype
    assert decoded.shape == expected.shape
    assert torch.equal(decoded, expected)


@pytest.mark.parametrize("with_means", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 8), (3, 0, 4), (2, 192, 16, 12)], ids=str)
def test_gaussian_gives_the_tensor_of_compressai(models: Any, shape: tuple[int, ...], with_means: bool) -> None:
    import torch

    conditional = conditional_of(models)
    coder = CompressAIGaussianCoder(conditional)
    latent, indexes, means = gaussian_latent(conditional, *shape)
    means = means if with_means else None
    expected = conditional.quantize(latent, "dequantize", means) + 0.0  # CompressAI's decoder gives no negative zeros
    if latent[0].numel() >= FEWEST_SYMBOLS:
        theirs = conditional.compress(latent, indexes, means)
        assert torch.equal(conditional.decompress(theirs, indexes, means=means), expected)
    decoded = coder.decompress(coder.compress(latent, indexes, means), indexes, means=means)
    assert decoded.dtype == expected.dtype
    assert torch.equal(decoded, expected)


def test_gaussian_takes_means_for_a_whole_channel(models: Any) -> None:
    import torch

    conditional = conditional_of(models)
    coder = CompressAIGaussianCoder(conditional)
    latent, indexes, means = gaussian_latent(conditional, 2, 3, 5, 7)
    means = means[:, :, :1, :1]
    expected = conditional.decompress(conditional.compress(latent, indexes, means), indexes, means=means)
    assert torch.equal(coder.decompress(coder.compress(latent, indexes, means), indexes, means=means), expected)


def test_values_far_outside_every_table_come_back(models: Any) -> None:
    import torch

    bottleneck, conditional = bottleneck_of(models, 3), conditional_of(models)
    latent = torch.tensor([0.0, 40_000, -70_000, 1e6, -1e6, 2.5, 3.5, -2.5, 0.49]).repeat(1, 3, 1)
    coder = CompressAIBottleneckCoder(bottleneck)
    assert torch.equal(
        coder.decompress(coder.compress(latent), (9,)), bottleneck.decompress(bottleneck.compress(latent), (9,))
    )
    indexes = torch.arange(27).reshape(1, 3, 9)
    gaussian = CompressAIGaussianCoder(conditional)
    decoded = gaussian.decompress(gaussian.compress(latent, indexes), indexes)
    assert torch.equal(decoded, torch.round(latent))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64"])
def test_other_float_types_give_the_tensor_of_compressai(models: Any, kind: str) -> None:
    import torch

    dtype = getattr(torch, kind)
    conditional, bottleneck = conditional_of(models), bottleneck_of(models, 7).to(dtype)
    latent, indexes, means = gaussian_latent(conditional, 2, 7, 9)
    latent, means = latent.to(dtype), means.to(dtype)
    coder = CompressAIGaussianCoder(conditional)
    expected = conditional.decompress(conditional.compress(latent, indexes, means), indexes, means=means)
    decoded = coder.decompress(coder.compress(latent, indexes, means), indexes, means=means)
    assert decoded.dtype == dtype
    assert torch.equal(decoded, expected)
    plain = coder.decompress(coder.compress(latent, indexes), indexes, dtype)
    assert torch.equal(plain, conditional.decompress(conditional.compress(latent, indexes), indexes, dtype))
    of_bottleneck = CompressAIBottleneckCoder(bottleneck)
    expected = bottleneck.decompress(bottleneck.compress(latent), (9,))
    decoded = of_bottleneck.decompress(of_bottleneck.compress(latent), (9,))
    assert decoded.dtype == dtype
    assert torch.equal(decoded, expected)


def test_latents_of_a_training_step_and_of_other_strides_are_taken(models: Any) -> None:
    import torch

    conditional = conditional_of(models)
    coder = CompressAIGaussianCoder(conditional)
    latent, indexes, _ = gaussian_latent(conditional, 2, 6, 8, 4)
    latent = torch.nn.Parameter(latent).transpose(1, 2) * 1
    indexes = indexes.transpose(1, 2)
    decoded = coder.decompress(coder.compress(latent, indexes), indexes)
    assert torch.equal(decoded, torch.round(latent.detach()))


@pytest.mark.parametrize("shape", [(1, 192, 4, 6), (1, 320, 16, 24), (4, 192, 32, 48)], ids=str)
def test_bottleneck_sizes_are_those_of_compressai(models: Any, shape: tuple[int, ...]) -> None:
    """Where tables cover the values, as those of trained models do. A value outside costs 16 bits, and 8 or more there."""
    import torch

    bottleneck = models.EntropyBottleneck(shape[1])
    bottleneck.update()
    latent = torch.randn(shape) * 2
    for ours, theirs in zip(
        CompressAIBottleneckCoder(bottleneck).compress(latent), bottleneck.compress(latent), strict=True
    ):
        assert len(ours) <= 1.005 * len(theirs) + 16 * (1 + (shape[1] > 256))


@pytest.mark.parametrize("shape", [(1, 192, 4, 6), (2, 320, 16, 24)], ids=str)
def test_gaussian_sizes_are_those_of_compressai(models: Any, shape: tuple[int, ...]) -> None:
    conditional = conditional_of(models)
    latent, indexes, means = gaussian_latent(conditional, *shape)
    pairs = zip(
        CompressAIGaussianCoder(conditional).compress(latent, indexes, means),
        conditional.compress(latent, indexes, means),
        strict=True,
    )
    for ours, theirs in pairs:
        assert len(ours) <= 1.005 * len(theirs) + 16


@pytest.mark.parametrize("model", ["bmshj2018-factorized", "bmshj2018-hyperprior", "mbt2018-mean"])
def test_models_go_on_as_they_are_with_our_coders_in_place(models: Any, model: str) -> None:
    import torch

    from laconic.codecs.external.compressai import zoo

    network = zoo()[model](quality=8 if model == "mbt2018-mean" else 1, pretrained=False).eval()
    network.update(force=True)
    picture = torch.rand(1, 3, 64, 128)
    with torch.no_grad():
        theirs = network.compress(picture)
        expected = network.decompress(theirs["strings"], theirs["shape"])["x_hat"]
        coders = [(network.entropy_bottleneck, CompressAIBottleneckCoder)]
        coders += (
            [(network.gaussian_conditional, CompressAIGaussianCoder)]
            if hasattr(network, "gaussian_conditional")
            else []
        )
        for entropy_model, kind in coders:
            coder = kind(entropy_model)
            entropy_model.compress, entropy_model.decompress = coder.compress, coder.decompress
        ours = network.compress(picture)
        decoded = network.decompress(ours["strings"], ours["shape"])["x_hat"]
    assert ours["strings"] != theirs["strings"]
    assert torch.equal(decoded, expected)


def test_large_items_are_cut_for_threads_with_the_same_bytes(models: Any) -> None:
    import torch

    bottleneck, conditional = bottleneck_of(models, 4), conditional_of(models)
    latent, indexes, _ = gaussian_latent(conditional, 2, 4, 300, 301)
    for one, two, arguments, last in (
        (
            CompressAIBottleneckCoder(bottleneck),
            CompressAIBottleneckCoder(bottleneck, threads=2),
            (latent,),
            (300, 301),
        ),
        (
            CompressAIGaussianCoder(conditional),
            CompressAIGaussianCoder(conditional, threads=2),
            (latent, indexes),
            indexes,
        ),
    ):
        strings = one.compress(*arguments)  # type: ignore[attr-defined]
        assert strings == two.compress(*arguments)  # type: ignore[attr-defined]
        assert torch.equal(one.decompress(strings, last), two.decompress(strings, last))  # type: ignore[attr-defined]


def test_damaged_strings_are_refused(models: Any) -> None:
    import torch

    for channels in (3, 300):
        coder = CompressAIBottleneckCoder(bottleneck_of(models, channels))
        (string,) = coder.compress(torch.randn(1, channels, 4) * 5)
        for changed in (string[:-1], string[:1], b"", string + b"\0", string[:-1] + bytes([string[-1] ^ 64])):
            with pytest.raises(BitstreamError):
                coder.decompress([changed], (4,))
        with pytest.raises(BitstreamError):
            coder.decompress([string], (5,))


def test_wrong_arguments_are_refused(models: Any) -> None:
    import torch

    with pytest.raises(ValueError, match="call its update"):
        CompressAIBottleneckCoder(models.EntropyBottleneck(3))
    with pytest.raises(ValueError, match="257 cdfs"):
        CompressAIGaussianCoder(conditional_of(models, 5, 257))
    coder, gaussian = (
        CompressAIBottleneckCoder(bottleneck_of(models, 3)),
        CompressAIGaussianCoder(conditional_of(models)),
    )
    with pytest.raises(ValueError, match=r"shape \(1, 4, 2\)"):
        coder.compress(torch.zeros(1, 4, 2))
    with pytest.raises(ValueError, match="no 32-bit integer"):
        coder.compress(torch.full((1, 3, 2), 1e12))
    zeros = torch.zeros(1, 3, 2)
    with pytest.raises(ValueError, match="must agree"):
        gaussian.compress(zeros, torch.zeros(1, 3, 3, dtype=torch.int32))
    with pytest.raises(ValueError, match="must agree"):
        gaussian.decompress([b"", b""], zeros.int())
    for wrong in (-1, 64, 256, 65536):
        with pytest.raises(ValueError, match="allowed is 0 to 63"):
            gaussian.compress(zeros, torch.full((1, 3, 2), wrong))


def test_rows_of_more_than_256_entries_are_cut(models: Any) -> None:
    """Scales and quantiles too wide for a table: dearer, but the tensors are the same."""
    import torch

    conditional, bottleneck = conditional_of(models, 256), bottleneck_of(models, 5, 400)
    assert conditional.cdf_length.max() > 3000
    latent = torch.randn(1, 5, 30, 30) * 150
    indexes = torch.full(latent.shape, 60)
    coder = CompressAIGaussianCoder(conditional)
    assert torch.equal(coder.decompress(coder.compress(latent, indexes), indexes), torch.round(latent))
    of_bottleneck = CompressAIBottleneckCoder(bottleneck)
    expected = bottleneck.decompress(bottleneck.compress(latent), (30, 30))
    assert torch.equal(of_bottleneck.decompress(of_bottleneck.compress(latent), (30, 30)), expected)
