"""The network of the neural synthesis: it starts as the identity, takes missing channels, and its file comes back."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.errors import WeightsError  # noqa: E402
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder, tensor_steps_of_codes  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.neural_synthesis import (  # noqa: E402
    NeuralSynthesis,
    NeuralSynthesisConfig,
    load_neural_synthesis,
    save_neural_synthesis,
)

RGB = Path(zoo.__file__).parent / "rgb.safetensors"
SMALL = NeuralSynthesisConfig(num_channels=12, width=8, num_blocks=2)
SCALES = torch.logspace(-8, 1, 12, base=2)


def network_of(config: NeuralSynthesisConfig = SMALL, *, seed: int | None = 0) -> NeuralSynthesis:
    """With weights as training starts, or random ones of a seed."""
    network = NeuralSynthesis(config, SCALES[: config.num_channels])
    if seed is not None:
        torch.manual_seed(seed)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, 0, 0.2)
    return network


def latent(size: int = 10, *, codes: tuple[int, ...] = (100, 180), seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Coefficients in whole steps, and their steps."""
    random = torch.Generator().manual_seed(seed)
    steps = tensor_steps_of_codes(torch.tensor(codes))[:, None].expand(-1, len(SCALES))
    values = torch.randn((len(codes), len(SCALES), size, size), generator=random) * SCALES[:, None, None]
    return (values / steps[:, :, None, None]).round() * steps[:, :, None, None], steps


def test_start_is_the_identity() -> None:
    coefficients, steps = latent()
    assert torch.equal(network_of(seed=None)(coefficients, steps), coefficients)


def test_default_network_is_small(tmp_path: Path) -> None:
    network = NeuralSynthesis(NeuralSynthesisConfig(), load_tensor_encoder(RGB).scales)
    assert 1e6 < network.num_parameters <= 1.5e6
    save_neural_synthesis(network, tmp_path / "s.safetensors", {"model_fingerprint": "00"})
    assert (tmp_path / "s.safetensors").stat().st_size <= 6e6


def test_every_weight_learns() -> None:
    network, (coefficients, steps) = network_of(), latent()
    torch.autograd.backward((network(coefficients, steps) - coefficients - 1).square().mean())
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_first_step_from_the_identity_has_a_gradient() -> None:
    network, (coefficients, steps) = network_of(seed=None), latent()
    torch.autograd.backward((network(coefficients, steps) - coefficients - 1).square().mean())
    assert network.leave.weight.grad.abs().max() > 0


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_missing_channels_give_finite_coefficients(kept: int) -> None:
    network, (coefficients, steps) = network_of(), latent()
    steps = steps.clone()
    coefficients[:, kept:], steps[:, kept:] = 0, torch.inf
    repaired = network(coefficients, steps)
    assert repaired.isfinite().all()
    assert repaired[:, kept:].abs().max() > 0  # guessed from the others
    torch.autograd.backward(repaired.square().mean())
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_coarsest_and_finest_steps_give_finite_coefficients() -> None:
    coefficients, steps = latent(codes=(0, 255))
    assert network_of()(coefficients, steps).isfinite().all()


def test_reach_is_a_step_or_what_the_channel_holds() -> None:
    coefficients, steps = latent(codes=(40, 190))
    network = network_of(seed=None)
    with torch.no_grad():
        network.leave.bias.fill_(1)
        change = (network(0 * coefficients, steps) - 0 * coefficients).amax((2, 3))
    assert (change <= steps).all()
    assert (change <= 2 * SCALES).all()
    assert (change >= 0.3 * torch.minimum(steps, 2 * SCALES)).all()


@pytest.mark.parametrize("num_blocks", [1, 3])
def test_coefficients_hang_on_the_halo_alone(num_blocks: int) -> None:
    network = network_of(replace(SMALL, num_blocks=num_blocks))
    halo = network.config.halo
    coefficients, steps = latent(size=2 * halo + 4, codes=(140,))
    at = halo + 1
    moved = coefficients.clone()
    moved[:, :, at, at] += 1
    with torch.no_grad():
        differs = (network(moved, steps) - network(coefficients, steps)).abs().amax((0, 1)) > 1e-6
    rows, columns = differs.nonzero().T
    assert (int(rows.min()), int(rows.max())) == (at - halo, at + halo)
    assert (int(columns.min()), int(columns.max())) == (at - halo, at + halo)


# --- files


def test_file_comes_back(tmp_path: Path) -> None:
    network, (coefficients, steps) = network_of(), latent()
    save_neural_synthesis(network, tmp_path / "s.safetensors", {"model_fingerprint": "0123abcd", "minutes": "3"})
    loaded, card = load_neural_synthesis(tmp_path / "s.safetensors")
    assert card == {"model_fingerprint": "0123abcd", "minutes": "3"}
    assert loaded.config == SMALL
    assert not loaded.training
    assert torch.equal(loaded.scales, SCALES)  # exact, the others are of half precision
    for name, weight in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], weight, rtol=1e-3, atol=1e-6)
    change = (loaded(coefficients, steps) - network(coefficients, steps)).abs().amax((2, 3))
    assert (change < 0.05 * steps).all()
    save_neural_synthesis(loaded, tmp_path / "t.safetensors", card)
    again, _ = load_neural_synthesis(tmp_path / "t.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), loaded.parameters(), strict=True))


def test_smallest_scales_survive_half_precision(tmp_path: Path) -> None:
    network = NeuralSynthesis(SMALL, torch.full((12,), 1e-9))
    save_neural_synthesis(network, tmp_path / "s.safetensors", {"model_fingerprint": "00"})
    assert (load_neural_synthesis(tmp_path / "s.safetensors")[0].scales == 1e-9).all()


def write(path: Path, tensors: dict[str, torch.Tensor], config: object) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, {"config": config if isinstance(config, str) else json.dumps(config)})


@pytest.mark.parametrize(
    "config",
    [
        {**asdict(SMALL), "width": 9},
        {**asdict(SMALL), "width": 4096},
        {**asdict(SMALL), "num_blocks": 0},
        {**asdict(SMALL), "num_blocks": 10**9},
        {**asdict(SMALL), "num_channels": 13},
        {**asdict(SMALL), "width": "8"},
        {**asdict(SMALL), "depth": 1},
        [1, 2],
        7,
        "no JSON",
    ],
    ids=str,
)
def test_config_that_does_not_fit_is_refused(config: object, tmp_path: Path) -> None:
    write(tmp_path / "s.safetensors", network_of().state_dict(), config)
    with pytest.raises(WeightsError):
        load_neural_synthesis(tmp_path / "s.safetensors")


@pytest.mark.parametrize("missing", ["scales", "leave.weight"])
def test_missing_tensor_is_refused(missing: str, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in network_of().state_dict().items() if name != missing}
    write(tmp_path / "s.safetensors", tensors, asdict(SMALL))
    with pytest.raises(WeightsError, match=missing):
        load_neural_synthesis(tmp_path / "s.safetensors")


def test_files_that_are_no_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load_neural_synthesis(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="is no neural synthesis"):
        load_neural_synthesis(RGB)
    data = tmp_path / "s.safetensors"
    save_neural_synthesis(network_of(), data, {"model_fingerprint": "00"})
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="is no neural synthesis"):
        load_neural_synthesis(data)


def test_scales_of_another_model_are_refused() -> None:
    with pytest.raises(WeightsError, match="the network has 12 channels"):
        NeuralSynthesis(SMALL, torch.ones(13))


@pytest.mark.parametrize("field", ["num_channels", "width", "num_blocks"])
def test_config_outside_its_range_is_refused(field: str) -> None:
    with pytest.raises(WeightsError, match=f"{field} of a neural synthesis is 0; allowed are 1 to 4096"):
        replace(SMALL, **{field: 0})


# --- local steps


def test_exponents_of_nothing_change_nothing() -> None:
    network, (coefficients, steps) = network_of(), latent()
    assert torch.equal(network(coefficients, steps, torch.zeros((2, 10, 10))), network(coefficients, steps))


def test_exponents_of_an_octave_double_the_steps_of_mapped_channels_alone() -> None:
    """As the convolutions and the condition see it: the condition knows the channel's step."""
    config = NeuralSynthesisConfig(num_channels=64, width=8, num_blocks=1)
    network = NeuralSynthesis(config, torch.ones(64))
    torch.nn.init.ones_(network.leave.bias)
    coefficients, steps = torch.zeros((1, 64, 5, 6)), torch.full((1, 64), 0.01)
    exponents = torch.full((1, 5, 6), -16.0)
    exponents[:, :, 3:] = 0
    change = network(coefficients, steps, exponents)[0]
    plain = network(coefficients, steps)[0]
    assert config.first_mapped == 4
    assert torch.equal(change[:4], plain[:4])
    torch.testing.assert_close(change[4:, :, :3] / plain[4:, :, :3], torch.full((60, 5, 3), 2.0), rtol=0.01, atol=0)
    assert torch.equal(change[4:, :, 3:], plain[4:, :, 3:])


def test_factors_scale_what_is_small_in_steps() -> None:
    network = NeuralSynthesis(replace(SMALL, num_outputs=2), SCALES)
    with torch.no_grad():
        network.leave.bias[12:] = 0.5
    coefficients, steps = latent()
    steps = steps.clone()
    steps[:, 7:], coefficients[:, 7:] = torch.inf, 0
    change = network(coefficients, steps) - coefficients
    in_steps = (coefficients / steps[:, :, None, None])[:, :7]
    expected = 0.5 * torch.asinh(in_steps) * steps[:, :7, None, None]
    torch.testing.assert_close(change[:, :7], expected, rtol=1e-3, atol=1e-5)
    assert torch.equal(change[:, 7:], torch.zeros_like(change[:, 7:]))


def test_outputs_are_one_or_two() -> None:
    with pytest.raises(WeightsError, match="num_outputs of a neural synthesis is 3; allowed are 1 and 2"):
        NeuralSynthesisConfig(num_outputs=3)


@torch.no_grad()
def test_fine_steps_are_left_alone() -> None:
    network, (coefficients, _) = network_of(replace(SMALL, finest_code=108)), latent()
    coefficients[:, 9:] = 0
    shares = []
    for code in (90, 108, 116, 124, 180):
        steps = tensor_steps_of_codes(torch.tensor([code, code]))[:, None].repeat(1, 12)
        steps[:, 9:] = torch.inf
        change, full = (n(coefficients, steps) - coefficients for n in (network, network_of()))
        shares.append(float(change.norm() / full.norm()))
    assert shares == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-3)
