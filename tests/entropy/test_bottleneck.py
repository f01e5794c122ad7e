"""Densities learned in torch and frozen into tables, beside CompressAI's; noise and rounding; the compander."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.entropy import rans  # noqa: E402
from laconic.entropy.bottleneck import (  # noqa: E402
    FactorizedDensity,
    NoiseBottleneck,
    NormalCompander,
    round_straight_through,
)
from laconic.entropy.packets import decode_batch, encode_batch  # noqa: E402
from laconic.entropy.tables import TableSet  # noqa: E402

PICTURE = Path(__file__).parents[1] / "data" / "kodim23_crop.png"
HAS_COMPRESSAI = importlib.util.find_spec("compressai") is not None


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def density_of(channels: int, scale: float = 3.0) -> FactorizedDensity:
    """In evaluation; its channels have other shapes than those of a new density: gates, asymmetry."""
    density = FactorizedDensity(channels, scale=scale)
    for gate in density.gates:
        torch.nn.init.normal_(gate, std=0.5)
    return density.eval()


def indices_of(shape: tuple[int, ...]) -> Any:
    """The table of each value of (b, d, n)."""
    return np.ascontiguousarray(np.broadcast_to(np.arange(shape[1], dtype=np.uint8)[None, :, None], shape))


# --- the density


@pytest.mark.parametrize("scale", [0.02, 0.3, 3, 40])
def test_likelihoods_of_all_integers_sum_to_one(scale: float) -> None:
    integers = torch.arange(-3000, 3001).expand(1, 5, -1)
    sums = density_of(5, scale).double().likelihoods(integers).sum(2)
    torch.testing.assert_close(sums, torch.ones(1, 5, dtype=torch.float64), rtol=0, atol=1e-6)


def cumulative_by_the_paper(density: FactorizedDensity, channel: int, x: float) -> float:
    """Equations of appendix 6.1, one number at a time."""
    vector = np.array([x])
    for layer, (matrix, bias) in enumerate(zip(density.matrices, density.biases, strict=True)):
        vector = np.log1p(np.exp(matrix[channel].detach().numpy())) @ vector + bias[channel, :, 0].detach().numpy()
        if layer < len(density.gates):
            vector = vector + np.tanh(density.gates[layer][channel, :, 0].detach().numpy()) * np.tanh(vector)
    return float(1 / (1 + np.exp(-vector[0])))


def test_likelihoods_follow_the_paper() -> None:
    density = density_of(2).double()
    values = [-20.3, -4.0, -0.5, 0.0, 1.75, 6.0]
    expected = [
        [cumulative_by_the_paper(density, c, x + 0.5) - cumulative_by_the_paper(density, c, x - 0.5) for x in values]
        for c in range(2)
    ]
    likelihoods = density.likelihoods(torch.tensor([[values, values]], dtype=torch.float64))
    np.testing.assert_allclose(likelihoods[0].detach().numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 7), (2, 3, 4, 5), (1, 3, 2, 2, 2), (0, 3, 4)], ids=str)
def test_every_number_of_sides_is_taken(shape: tuple[int, ...]) -> None:
    density = density_of(3)
    quantized, likelihoods = density(torch.randn(shape))
    assert quantized.shape == likelihoods.shape == density.bits(quantized).shape == shape


def test_channels_do_not_see_each_other() -> None:
    density = density_of(3)
    y = torch.randn(2, 3, 5)
    other = y.clone()
    other[:, 1] += 7
    assert torch.equal(density.bits(y)[:, [0, 2]], density.bits(other)[:, [0, 2]])
    assert not torch.equal(density.bits(y)[:, 1], density.bits(other)[:, 1])


def test_bits_are_those_of_the_likelihoods() -> None:
    density, y = density_of(4), torch.randn(3, 4, 50) * 5
    torch.testing.assert_close(density.bits(y), -density.likelihoods(y).log2(), rtol=1e-5, atol=1e-5)


def test_bits_far_outside_are_finite_and_have_a_gradient() -> None:
    """A float32 difference of sigmoids is 0 there, and its gradient with it."""
    y = torch.tensor([[[-1e5, -300.0, 300.0, 1e5, 1e9]]], requires_grad=True)
    density = FactorizedDensity(1, scale=1)
    bits = density.bits(y)
    bits.sum().backward()
    torch.testing.assert_close(bits.detach()[0, 0, 1:3], torch.full((2,), 300 / math.log(2)), rtol=0.05, atol=0)
    assert bits.isfinite().all()
    assert (y.grad * y.sign() > 1).all()
    assert (density.likelihoods(y) > 0).all()


def test_gradient_of_bits_is_right() -> None:
    density = density_of(2).double()
    y = (torch.randn(2, 2, 3, dtype=torch.float64) * 4).requires_grad_()
    assert torch.autograd.gradcheck(density.bits, (y,))


def test_gradient_reaches_every_parameter_and_the_latent() -> None:
    density = density_of(3).train()
    y = torch.randn(2, 3, 8, requires_grad=True)
    noisy, _ = density(y)
    density.bits(noisy).sum().backward()
    for tensor in (y, *density.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.abs().max() > 0


def test_forward_is_noisy_in_training_and_rounds_in_evaluation() -> None:
    density, y = density_of(3), torch.randn(2, 3, 40) * 4
    quantized, likelihoods = density(y)
    assert torch.equal(quantized, y.round())
    assert torch.equal(likelihoods, density.likelihoods(y.round()))
    noisy, likelihoods = density.train()(y)
    assert 0.3 < (noisy - y).abs().max() <= 0.5
    assert torch.equal(likelihoods, density.likelihoods(noisy))


def test_offsets_shift_the_grid() -> None:
    density, y = density_of(3), torch.randn(2, 3, 40) * 4
    offsets = torch.tensor([0.25, -3.5, 0.0])
    quantized, _ = density(y, offsets)
    assert torch.equal(quantized - offsets[:, None], (y - offsets[:, None]).round())


def test_medians_halve_each_channel() -> None:
    density = density_of(6)
    with torch.no_grad():
        density.biases[0] += torch.linspace(-30, 30, 6)[:, None, None]
    medians = density.medians()
    assert medians.shape == (6,)
    assert not medians.requires_grad
    below = density.likelihoods(medians[None, :, None] - 0.5 - torch.arange(2000)).sum(2)
    torch.testing.assert_close(below, torch.full((1, 6), 0.5), rtol=0, atol=1e-4)


def test_half_floats_and_autocast_do_not_touch_the_likelihoods() -> None:
    density, y = density_of(3), (torch.randn(2, 3, 9) * 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(density.likelihoods(y), density.likelihoods(y.float()))
        assert density.bits(y).dtype == torch.float32


def test_state_dict_brings_the_density_back() -> None:
    density, other = density_of(4), FactorizedDensity(4)
    y = torch.randn(2, 4, 9)
    assert not torch.equal(density.bits(y), other.bits(y))
    other.load_state_dict(density.state_dict())
    assert torch.equal(density.bits(y), other.bits(y))
    assert other.freeze() == density.freeze()


@pytest.mark.parametrize("shape", [(3,), (2, 4, 5), ()], ids=str)
@pytest.mark.parametrize("method", ["forward", "bits", "likelihoods"])
def test_wrong_shape_is_named(method: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^a latent has the shape \(.*\); allowed is \(b, 3, ...\)$"):
        getattr(density_of(3), method)(torch.zeros(shape))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"^offsets have the shape \(3, 1\); allowed is \(3,\)$"):
        density_of(3)(torch.zeros(1, 3, 2), torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"^offsets have the shape \(2,\); allowed is \(3,\)$"):
        density_of(3).freeze(torch.zeros(2))
    for channels, scale in ((0, 1.0), (3, 0.0), (3, math.inf), (3, math.nan)):
        with pytest.raises(ValueError, match=r"^channels, scale are .*; allowed are 1 or more, and a number above 0$"):
            FactorizedDensity(channels, scale=scale)
    with pytest.raises(ValueError, match=r"^257 channels cannot make a table set; allowed are 1 to 256"):
        FactorizedDensity(257).freeze()
    broken = FactorizedDensity(2)
    broken.biases[0].data[1] = math.nan
    with pytest.raises(ValueError, match=r"^the density has parameters that are not finite"):
        broken.freeze()


# --- frozen tables


@pytest.mark.parametrize("scale", [0.02, 0.3, 3, 40, 1000])
def test_frozen_tables_code_any_integers(scale: float) -> None:
    density = density_of(5, scale)
    tables = TableSet.from_bytes(density.freeze().to_bytes())
    assert len(tables) == 5
    values = (torch.randn(2, 5, 300) * scale).round().int().numpy()
    values[0, :, :4] = [-(2**31), 2**31 - 1, 70_000, -300]
    indices = indices_of(values.shape)
    data = rans.encode(values, tables, indices, lanes=8)
    assert np.array_equal(rans.decode(data, values.size, tables, indices, lanes=8).reshape(values.shape), values)
    channels = np.arange(5, dtype=np.uint8)
    packets = encode_batch(values, tables, channels)
    assert np.array_equal(decode_batch(packets, tables, channels), values.reshape(2, -1))


@pytest.mark.parametrize("scale", [0.02, 0.3, 3, 15])
def test_frozen_tables_cost_what_the_density_says(scale: float) -> None:
    """Expected code length under the density, escapes of 16 bits more included."""
    density = density_of(4, scale).double()
    integers = torch.arange(-2000, 2001)
    probabilities = density.likelihoods(integers.expand(1, 4, -1))[0].detach().numpy()
    for table, chances in zip(density.freeze().tables, probabilities, strict=True):
        lengths = np.full(4001, 16 - math.log2(table.frequencies[-1] / 65536))
        run = slice(table.first + 2000, table.first + 2000 + len(table.frequencies) - 1)
        lengths[run] = -np.log2(np.array(table.frequencies[:-1]) / 65536)
        assert chances @ lengths <= 1.001 * -(chances @ np.log2(chances)) + 1e-4


def test_wide_channels_keep_their_most_probable_run() -> None:
    density = FactorizedDensity(2, scale=200)
    with torch.no_grad():
        density.biases[0] += torch.tensor([-2.0, 2.0])[:, None, None]  # in units of the first layer's gain
    for table, median in zip(density.freeze().tables, density.medians().tolist(), strict=True):
        assert len(table.frequencies) == 256
        assert abs(table.first + 127 - median) < 10


def test_offsets_move_tables_and_latents_alike() -> None:
    """Shifting latents and density by the offsets changes nothing."""
    density = density_of(3)
    offsets = torch.tensor([0.0, 0.3, -40.0])
    plain, shifted = density.freeze(), density.freeze(offsets)
    assert plain.tables[0] == shifted.tables[0]
    assert shifted.tables[2].first == plain.tables[2].first + 40
    assert shifted.tables[2].frequencies == plain.tables[2].frequencies
    quantized, likelihoods = density(torch.randn(4, 3, 3000) * 3, offsets)
    symbols = (quantized - offsets[:, None]).round().int().numpy()
    bits = rans.ideal_bits(symbols, shifted, indices_of(symbols.shape))
    assert bits == pytest.approx(-likelihoods.log2().sum().item(), rel=2e-3)


def test_more_than_256_channels_are_frozen_in_parts() -> None:
    density = FactorizedDensity(300)
    with torch.no_grad():
        density.biases[0] += torch.randn(300, 3, 1)
    parts = [density.freeze(channels=slice(0, 256)), density.freeze(channels=slice(256, None))]
    assert [len(part) for part in parts] == [256, 44]
    assert density.freeze(channels=slice(255, 257)).tables == (parts[0].tables[255], parts[1].tables[0])


def test_tables_are_those_of_the_parameters_now() -> None:
    """There is no state besides them, and making tables changes nothing."""
    density = density_of(2).train()
    first, random_state = density.freeze(), torch.get_rng_state()
    assert density.freeze() == first
    assert density.training
    assert torch.equal(torch.get_rng_state(), random_state)
    with torch.no_grad():
        density.biases[-1] += 1
    assert density.freeze() != first


# --- against CompressAI


def adam_steps(model: Any, latents: Any, parameters: list[Any], num_steps: int, rate: float) -> None:
    """The same batches and noise for every model of the same latents."""
    optimizer = torch.optim.Adam(parameters, rate)
    torch.manual_seed(1)
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / num_steps)
        _, likelihoods = model(latents[:, :, torch.randint(latents.shape[2], (512,))])
        optimizer.zero_grad()
        (-likelihoods.log2().sum()).backward()
        optimizer.step()


def trained_compressai(latents: Any, num_steps: int, rate: float) -> Any:
    """Its medians and tails have a loss of their own, and all depends on them: they are learned until they stand."""
    from laconic.codecs.external.compressai import zoo

    zoo()  # its import needs a stand-in for torchvision
    from compressai.entropy_models import EntropyBottleneck

    model = EntropyBottleneck(latents.shape[1])
    parameters = [parameter for name, parameter in model.named_parameters() if name != "quantiles"]
    adam_steps(model, latents, parameters, num_steps, rate)
    optimizer = torch.optim.Adam([model.quantiles], 1.0)
    for step in range(1000):
        optimizer.param_groups[0]["lr"] = 1 - step / 1000
        optimizer.zero_grad()
        model.loss().backward()
        optimizer.step()
    model.eval().update(force=True)
    return model


def laplace_latents(shift: float) -> Any:
    """(4, 12, 2048): scales from channel to channel and item to item, as latents have."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(0.1, 20, 12)[:, None] * np.exp(0.3 * rng.standard_normal((4, 1, 2048)))
    values = rng.laplace(size=(4, 12, 2048)) * scales + np.linspace(-shift, shift, 12)[:, None]
    return torch.from_numpy(values).float()


def picture_latents() -> Any:
    """(1, 24, 2240): the integers of a picture in our own codec."""
    from laconic.codecs.files import read_image
    from laconic.codecs.lcn import Lcn

    values = Lcn(quality=60).analyze(read_image(PICTURE)).values[:24]
    return torch.from_numpy(values.reshape(1, 24, -1)).float()


@pytest.mark.skipif(not HAS_COMPRESSAI, reason="compressai is not installed")
@pytest.mark.parametrize("kind", ["noise", "shifted noise", "picture"])
def test_rate_is_that_of_compressai(kind: str) -> None:
    """Estimated, and in bytes with each side's own coder, after the same steps: within 1 %."""
    latents = picture_latents() if kind == "picture" else laplace_latents(3.3 if kind == "shifted noise" else 0)
    channels, num_steps, rate = latents.shape[1], 600 if kind == "picture" else 200, 0.02
    theirs = trained_compressai(latents, num_steps, rate)
    ours = FactorizedDensity(channels)
    adam_steps(ours, latents, list(ours.parameters()), num_steps, rate)
    offsets = ours.medians() if kind == "shifted noise" else torch.zeros(channels)
    with torch.no_grad():
        quantized, likelihoods = ours.eval()(latents, offsets)
        their_bits = -theirs(latents)[1].log2().sum().item()
    assert -likelihoods.log2().sum().item() == pytest.approx(their_bits, rel=0.01)
    tables = ours.freeze(offsets)
    symbols = (quantized - offsets[:, None]).round().int().numpy()
    data = [rans.encode(item, tables, indices_of(item[None].shape)[0], lanes=4) for item in symbols]
    assert sum(map(len, data)) == pytest.approx(sum(map(len, theirs.compress(latents))), rel=0.01)


# --- noise and rounding


def test_noise_is_uniform_and_at_most_a_half() -> None:
    bottleneck, y = NoiseBottleneck(), torch.randn(100_000, dtype=torch.float64)
    noise = bottleneck(y) - y
    assert -0.5 <= noise.min() < -0.499
    assert 0.499 < noise.max() <= 0.5
    assert noise.mean().item() == pytest.approx(0, abs=0.005)
    assert noise.var().item() == pytest.approx(1 / 12, rel=0.02)
    assert not torch.equal(bottleneck(y), bottleneck(y))


def test_noise_of_a_generator_is_repeatable() -> None:
    y = torch.randn(5)
    first, second, other = (NoiseBottleneck()(y, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_noise_passes_the_gradient() -> None:
    y = torch.randn(5, requires_grad=True)
    NoiseBottleneck()(y).sum().backward()
    assert torch.equal(y.grad, torch.ones(5))


def test_evaluation_rounds_halves_to_even() -> None:
    y = torch.tensor([-1.5, -0.4, 0.5, 1.5, 2.5, 7.51])
    assert NoiseBottleneck().eval()(y).tolist() == [-2, 0, 0, 2, 2, 8]


def test_straight_through_rounds_exactly_and_passes_the_gradient() -> None:
    y = (torch.randn(10_000) * 1000).requires_grad_()
    rounded = round_straight_through(y)
    assert torch.equal(rounded, y.round())
    (rounded * torch.arange(10_000)).sum().backward()
    assert torch.equal(y.grad, torch.arange(10_000).float())


# --- the compander


def test_compander_gives_integers_of_a_byte() -> None:
    y = NormalCompander().compand(torch.tensor([-math.inf, -1e6, -1e3, 0, 1e3, 1e6, math.inf])).round()
    assert y.tolist() == [-127, -127, -127, 0, 127, 127, 127]


def test_compander_follows_the_formula() -> None:
    """By the error function of the standard library."""
    z = torch.linspace(-300, 300, 601, dtype=torch.float64)
    expected = [127.499 * math.erf(value / (127 / 1.85) / math.sqrt(2)) for value in z.tolist()]
    torch.testing.assert_close(NormalCompander().compand(z), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("compander", [NormalCompander(), NormalCompander(scale=1, limit=7.499)], ids=str)
def test_compander_round_trip(compander: NormalCompander) -> None:
    reach = 3.7 * compander.scale
    z = torch.linspace(-reach, reach, 1001, dtype=torch.float64)
    torch.testing.assert_close(compander.expand(compander.compand(z)), z)
    integers = torch.arange(-int(compander.limit), int(compander.limit) + 1)
    back = compander.compand(compander.expand(integers.float()))
    assert torch.equal(back.round(), integers.float())


def test_compander_does_not_leave_the_clamp() -> None:
    ends = NormalCompander(scale=1).expand(torch.tensor([-200.0, -127.499, 127.499, 200.0]))
    torch.testing.assert_close(ends, torch.tensor([-3.719, -3.719, 3.719, 3.719]), rtol=0, atol=1e-3)


def test_compander_spreads_normal_numbers_evenly() -> None:
    compander = NormalCompander()
    y = compander.compand(torch.randn(100_000) * compander.scale)
    shares = torch.histc(y, 10, -compander.limit, compander.limit) / len(y)
    torch.testing.assert_close(shares, torch.full((10,), 0.1), rtol=0, atol=0.005)


@pytest.mark.parametrize(("scale", "limit"), [(0, 1), (1, 0), (-1, 1), (math.inf, 1), (1, math.nan)])
def test_compander_names_wrong_constants(scale: float, limit: float) -> None:
    with pytest.raises(ValueError, match=r"^scale, limit are .*; allowed are finite numbers above 0$"):
        NormalCompander(scale, limit)


def test_names_are_found_in_the_package() -> None:
    import laconic.entropy

    assert laconic.entropy.FactorizedDensity is FactorizedDensity
    assert laconic.entropy.NormalCompander is NormalCompander
