"""Training of the neural synthesis by pixels and features: what a sample holds, losses that fall, files that fit."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.learning.perceptual_synthesis import (  # noqa: E402
    PerceptualOptions,
    PerceptualSynthesisLearner,
    TunedEncode,
    grown_synthesis,
)
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder, tensor_steps_of_codes  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.neural_synthesis import (  # noqa: E402
    NeuralSynthesis,
    NeuralSynthesisConfig,
    load_neural_synthesis,
)

SHARES = torch.cat((torch.ones(48), torch.full((144,), 1.5)))


@cache
def encoder() -> TensorEncoderModel:
    return load_tensor_encoder(Path(zoo.__file__).parent / "rgb_best.safetensors")


def picture(height: int = 264, width: int = 256, seed: int = 0) -> torch.Tensor:
    """(3, height, width) in [-0.5, 0.5]: waves and noise."""
    random = torch.Generator().manual_seed(seed)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    waves = [0.25 * torch.sin(x / (5 + c) + c) + 0.15 * torch.cos(y / (9 - c) + seed) for c in range(3)]
    return (torch.stack(waves) + 0.02 * torch.randn((3, height, width), generator=random)).clamp(-0.5, 0.5)


def encode(planes: torch.Tensor, code: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Plain rounding, at local steps."""
    coefficients = encoder().coefficients(planes[None])[0]
    exponents = (torch.arange(coefficients.shape[1])[:, None] % 17 - 8).expand(coefficients.shape[1:]).float()
    steps = tensor_steps_of_codes(torch.tensor([code])) * SHARES[:, None, None]
    steps = torch.cat((steps[:12].expand(-1, *exponents.shape), steps[12:] * torch.exp2(-exponents / 16)))
    return (coefficients / steps).round() * steps, exponents


def features(planes: torch.Tensor) -> list[torch.Tensor]:
    return [planes[..., ::2, ::2] - planes[..., 1::2, 1::2], torch.nn.functional.avg_pool2d(planes, 8)]


def learner(*, unrepaired: tuple[int, ...] = ()) -> PerceptualSynthesisLearner:
    torch.manual_seed(0)
    start = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=1, num_outputs=2), encoder().scales)
    options = PerceptualOptions(batch_size=2, crop=26, reductions=(1.0, 1.25), unrepaired=unrepaired)
    tuning = TunedEncode(encode, SHARES)
    return PerceptualSynthesisLearner(encoder(), options, start=start, tunings=(tuning, tuning), features=features)


def crops_of(learned: PerceptualSynthesisLearner) -> torch.Tensor:
    return torch.stack([learned.cutting.prepare(picture(seed=i))[:, :26, :26].float() for i in range(2)])


def test_a_sample_holds_pixels_and_steps_of_its_crops() -> None:
    learned = learner()
    crops = crops_of(learned)
    sample = learned.sample(crops, torch.Generator().manual_seed(2))
    assert sample.target.pixels.shape == (2, 3, 176, 176)
    # A margin of two places and an edge of two.
    torch.testing.assert_close(sample.target.pixels[0], picture()[:, 32:208, 32:208], rtol=0, atol=1e-3)
    assert torch.equal(sample.steps[:, :48], sample.steps[:, :1].expand(-1, 48))
    torch.testing.assert_close(sample.steps[:, 48:], 1.5 * sample.steps[:, :1].expand(-1, 144))
    in_steps = sample.decoded[:, :12] / sample.steps[:, :12, None, None]
    assert (in_steps - in_steps.round()).abs().max() < 0.05  # half precision
    assert sample.linear.shape == sample.typical.shape == (2, 4)


def test_sample_is_repeatable_by_its_generator() -> None:
    learned = learner()
    crops = crops_of(learned)
    first, second = (learned.sample(crops, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first.linear, second.linear) and first.target.reduction == second.target.reduction


def test_start_is_as_good_as_the_linear_synthesis() -> None:
    learned = learner()
    sample = learned.sample(crops_of(learned), torch.Generator().manual_seed(1))
    loss, numbers = learned.loss(sample, 0.0)
    assert all(abs(value - 1) < 1e-3 for value in numbers.values())
    assert abs(float(loss.detach()) - 1) < 0.2
    validated = learned.validate([picture()])
    assert len(validated) == 9
    assert all(abs(value - 1) < 1e-3 for value in validated.values())


def test_loss_falls() -> None:
    learned = learner()
    optimizer = torch.optim.Adam([{**g, "lr": 2 * g["lr"]} for g in learned.parameter_groups()])
    sample = learned.sample(crops_of(learned), torch.Generator().manual_seed(1))
    found = []
    for _ in range(8):
        loss, _ = learned.loss(sample, 0.5)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        found.append(float(loss.detach()))
    assert found[-1] < 0.99 * found[0]


def test_file_leaves_channels_and_names_the_model(tmp_path: Path) -> None:
    learned = learner(unrepaired=(5, 180))
    with torch.no_grad():
        learned.module.leave.bias.fill_(1)
    learned.save(tmp_path / "s.safetensors", {"recipe": "machine_synthesis"})
    network, card = load_neural_synthesis(tmp_path / "s.safetensors")
    assert card == {"recipe": "machine_synthesis", "model_fingerprint": encoder().fingerprint, "files": "tuned"}
    given = encoder().coefficients(picture()[None])
    changed = (network(given, torch.full((1, 192), 0.05)) != given).any(dim=(0, 2, 3))
    assert [c for c in range(192) if not changed[c]] == [5, 180]


def test_grown_network_does_the_same() -> None:
    torch.manual_seed(0)
    network = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=2), encoder().scales)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    grown = grown_synthesis(network, replace(network.config, num_blocks=3, num_outputs=2))
    coefficients, exponents = encode(picture(64, 64), 150)
    given = coefficients[None], 0.1 * SHARES[None], exponents[None]
    with torch.no_grad():
        torch.testing.assert_close(grown(*given), network(*given), rtol=1e-5, atol=1e-6)
