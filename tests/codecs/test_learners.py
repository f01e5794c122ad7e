"""What training needs of the learned parts: rotations stay rotations, losses fall, and files fit where they are used."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

torch = pytest.importorskip("torch")

from safetensors.numpy import load_file  # noqa: E402

from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.context_rate import ContextRate  # noqa: E402
from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions, finest_colors  # noqa: E402
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder, tensor_steps_of_codes  # noqa: E402
from laconic.codecs.learning.transform_learner import LearnedLeafRotations, TransformLearner, TransformOptions  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesisConfig, load_neural_synthesis  # noqa: E402

SYNTHESIS = SynthesisOptions(NeuralSynthesisConfig(width=8, num_blocks=1), batch_size=2, crop=8)
TRANSFORM = TransformOptions(batch_size=2, crop=8)


@cache
def encoder() -> TensorEncoderModel:
    return load_tensor_encoder(Path(zoo.__file__).parent / "rgb.safetensors")


def picture(height: int = 112, width: int = 120, seed: int = 0) -> torch.Tensor:
    """(3, height, width) in [-0.5, 0.5]: waves and noise."""
    random = torch.Generator().manual_seed(seed)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    waves = [0.25 * torch.sin(x / (5 + c) + c) + 0.15 * torch.cos(y / (9 - c) + seed) for c in range(3)]
    return (torch.stack(waves) + 0.02 * torch.randn((3, height, width), generator=random)).clamp(-0.5, 0.5)


def crops_of(learner: SynthesisLearner | TransformLearner, count: int = 2) -> torch.Tensor:
    side = learner.cutting.crop
    return torch.stack([learner.cutting.prepare(picture(seed=i))[:, :side, :side].float() for i in range(count)])


def losses(learner: SynthesisLearner | TransformLearner, steps: int, rate: float) -> list[float]:
    """Of Adam on the same crops, steps and noise over and over."""
    optimizer = torch.optim.Adam([{**g, "lr": rate * g["lr"]} for g in learner.parameter_groups()])
    crops, found = crops_of(learner), []
    for _ in range(steps):
        loss, _ = learner.loss(learner.sample(crops, torch.Generator().manual_seed(3)), 0.5)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def learners() -> list[SynthesisLearner | TransformLearner]:
    return [SynthesisLearner(encoder(), SYNTHESIS), TransformLearner(encoder(), TRANSFORM)]


@pytest.mark.parametrize("number", [0, 1], ids=["synthesis", "transform"])
def test_a_picture_of_the_least_side_has_room_for_a_crop(number: int) -> None:
    learner = learners()[number]
    cutting = learner.cutting
    for more in range(8):
        prepared = cutting.prepare(picture(cutting.least_side + more, cutting.least_side))
        assert prepared.shape[0] == 192
        assert min(prepared.shape[1:]) >= cutting.crop
        assert prepared.dtype == torch.float16


@pytest.mark.parametrize("number", [0, 1], ids=["synthesis", "transform"])
def test_loss_is_repeatable_by_its_generator(number: int) -> None:
    learner = learners()[number]
    crops = crops_of(learner)
    samples = [learner.sample(crops, torch.Generator().manual_seed(n)) for n in (1, 1, 2)]
    first, second, other = (learner.loss(sample, 0.5)[0].item() for sample in samples)
    assert first == second != other


@pytest.mark.parametrize("number", [0, 1], ids=["synthesis", "transform"])
def test_every_parameter_is_in_one_group(number: int) -> None:
    learner = learners()[number]
    grouped = [p for group in learner.parameter_groups() for p in group["params"]]
    assert len(grouped) == len({id(p) for p in grouped})
    assert {id(p) for p in grouped} == {id(p) for p in learner.module.parameters()}


# --- the projection


def turned(amount: float) -> LearnedLeafRotations:
    rotations = LearnedLeafRotations(encoder())
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for turn in rotations.turns:
            turn.copy_(amount * torch.randn(turn.shape, generator=random, dtype=torch.float64))
    return rotations


def test_rotations_start_as_the_closed_form() -> None:
    analysis, synthesis = turned(0).matrices()
    for a, s, own_a, own_s in zip(analysis, synthesis, encoder().analysis, encoder().synthesis, strict=True):
        torch.testing.assert_close(a, own_a, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(s, own_s, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("amount", [0.05, 1.0])
def test_rotations_stay_orthonormal_and_invertible(amount: float) -> None:
    rotations = turned(amount)
    analysis, synthesis = rotations.matrices()
    gains = torch.split(rotations.gains, [len(a) for a in analysis])
    for a, s, g in zip(analysis, synthesis, gains, strict=True):
        identity = torch.eye(len(a), dtype=torch.float64)
        axes = a.double() / g
        torch.testing.assert_close(axes @ axes.T, identity, rtol=0, atol=1e-5)
        torch.testing.assert_close(s.double() @ a.double(), identity, rtol=0, atol=1e-5)
    assert torch.equal(analysis[0], encoder().analysis[0])  # the lowest is left alone
    assert (analysis[1] - encoder().analysis[1]).abs().max() > 0.01


def test_energy_of_packets_is_that_of_pixels() -> None:
    """As far as packets are orthogonal: what the loss of the projection builds on."""
    learner = TransformLearner(encoder(), TRANSFORM)
    change = 0.01 * torch.randn((1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    from laconic.codecs.learning import tensor_wavelet

    energy = learner._energy(tensor_wavelet.analyze(change, encoder().tree))
    assert float(energy / change.square().sum()) == pytest.approx(1, abs=0.1)


def test_training_lowers_the_cost() -> None:
    """In bits per pixel; the loss itself is relative to the rate of the crop, so it need not fall."""
    learner = TransformLearner(encoder(), TRANSFORM)
    before = learner.validate([picture()])
    losses(learner, 8, 1.0)
    after = learner.validate([picture()])
    assert all(after[name] < 0.99 * before[name] for name in before)


def test_axes_wait_until_the_rate_knows_the_contexts() -> None:
    learner = TransformLearner(encoder(), TRANSFORM)
    for done, moves in ((0.1, False), (0.3, True)):
        sample = learner.sample(crops_of(learner), torch.Generator().manual_seed(0))
        torch.autograd.backward(learner.loss(sample, done)[0])
        assert learner.module.rate.own.grad.abs().max() > 0
        assert all((turn.grad is not None) == moves for turn in learner.module.rotations.turns)


def test_validation_of_the_projection_is_of_the_picture_alone() -> None:
    learner = TransformLearner(encoder(), TRANSFORM)
    first, second = (learner.validate([picture()]) for _ in range(2))
    assert first == second
    costs = [first[f"cost_{code}"] for code in (112, 140, 154, 168)]
    assert costs == sorted(costs, reverse=True)


def test_saved_matrices_are_those_of_the_rotations(tmp_path: Path) -> None:
    learner = TransformLearner(encoder(), TRANSFORM)
    learner.save(tmp_path / "p.safetensors", {"recipe": "transform"})
    arrays = load_file(tmp_path / "p.safetensors")
    assert sorted(arrays) == sorted(f"analysis.{i}" for i in range(len(encoder().analysis)))
    assert all(np.allclose(arrays[f"analysis.{i}"], a, atol=1e-6) for i, a in enumerate(encoder().analysis))


# --- the rate


def test_rate_is_that_of_a_density() -> None:
    """Probabilities of all integers at a place sum to 1."""
    rate = ContextRate(encoder())
    noisy = torch.zeros((1, 192, 3, 3))
    total = torch.zeros(())
    with torch.no_grad():
        for value in range(-40, 41):
            noisy[0, 191, 1, 1] = value
            total += torch.exp2(-rate(noisy, torch.tensor([0.2]))[0, 191, 1, 1])
    assert float(total) == pytest.approx(1, abs=1e-3)


def test_rate_hangs_on_what_was_decoded_before() -> None:
    rate = ContextRate(encoder())
    noisy = torch.randn((1, 192, 5, 5), generator=torch.Generator().manual_seed(0), requires_grad=True)
    bits = rate(noisy, torch.tensor([0.05]))
    (moves,) = torch.autograd.grad(bits[0, 100, 2, 2], noisy)
    passes = torch.arange(192) // 9
    assert moves[0, passes < passes[100], 2, 2].abs().min() > 0
    assert moves[0, 100, 2, 1].abs() > 0
    assert moves[0, passes > passes[100]].abs().max() == 0
    later = moves[0, 100].flatten()[2 * 5 + 3 :]
    assert later.abs().max() == 0


# --- the synthesis


def test_training_lowers_the_error() -> None:
    found = losses(SynthesisLearner(encoder(), SYNTHESIS), 12, 2.0)
    assert found[-1] < 0.99 * found[0]


def test_untrained_synthesis_gains_nothing() -> None:
    learner = SynthesisLearner(encoder(), SYNTHESIS)
    gains = learner.validate([picture()])
    assert set(gains) >= {"gain_db_126", "gain_db_12_channels"}
    assert all(gain == pytest.approx(0, abs=1e-4) for gain in gains.values())


def test_decoded_crops_lack_the_channels_that_are_cut() -> None:
    learner = SynthesisLearner(encoder(), SYNTHESIS)
    crops = crops_of(learner)
    decoded, steps = learner.decoded(crops, torch.tensor([120, 160]), torch.tensor([192, 12]))
    assert steps[0].isfinite().all()
    assert steps[1, :12].isfinite().all()
    assert steps[1, 12:].isinf().all()
    assert decoded[1, 12:].abs().max() == 0
    assert (decoded[0] - crops[0]).abs().max() < 2 * steps[0, 0]


def test_kernels_are_for_muon() -> None:
    groups = SynthesisLearner(encoder(), SYNTHESIS).parameter_groups()
    (kernels,) = (group["params"] for group in groups if group.get("muon"))
    assert [tuple(p.shape) for p in kernels] == [(8, 8, 3, 3)] * 2


def test_saved_network_names_its_model(tmp_path: Path) -> None:
    learner = SynthesisLearner(encoder(), SYNTHESIS)
    learner.sample(crops_of(learner), torch.Generator())  # what it notes of crops is not for the file
    learner.save(tmp_path / "s.safetensors", {"recipe": "synthesis"})
    network, card = load_neural_synthesis(tmp_path / "s.safetensors")
    assert card == {"recipe": "synthesis", "model_fingerprint": encoder().fingerprint}
    assert network.config == replace(SYNTHESIS.config)


# --- the encoder itself


def test_learner_of_files_sees_what_decoders_see() -> None:
    """Crops hold coefficients, the same of a file at a step, and its code; the sample takes them apart."""
    from laconic.codecs.learning.encoded_coefficients import EncodedCoefficients

    path = Path(zoo.__file__).parent / "rgb_best.safetensors"
    model, encode = load_tensor_encoder(path), EncodedCoefficients(path)
    learner = SynthesisLearner(model, SYNTHESIS, encode=encode)
    whole = picture()
    prepared = learner.cutting.prepare(whole)
    assert torch.equal(prepared, learner.cutting.prepare(whole))  # the step is drawn from the picture
    code = int(prepared[-1, 0, 0])
    assert SYNTHESIS.first_code <= code <= SYNTHESIS.last_code
    expected = encode(whole, code)[:, 2:-2, 2:-2]
    torch.testing.assert_close(prepared[192:384].float(), expected, rtol=1e-3, atol=1e-3)
    crops = prepared[None, :, :8, :8].float()
    sample = learner.sample(crops, torch.Generator().manual_seed(0))
    assert sample.coefficients.shape == sample.decoded.shape == (1, 192, 8, 8)
    there = sample.steps[0].isfinite()
    assert torch.equal(sample.decoded[0, there], crops[0, 192:384][there])
    assert sample.decoded[0, ~there].abs().sum() == 0
    learner.loss(sample, 0.5)
    assert learner.validate([whole])["gain_db_140"] == 0  # the network starts as the identity


@pytest.mark.parametrize("name", ["rgb", "rgb_best", "grey_best"])
@pytest.mark.parametrize("code", [110, 160])
def test_coefficients_are_those_of_files(name: str, code: int) -> None:
    """Of the profile that the model is for, with colours of the picture's own."""
    from laconic.codecs.learning.encoded_coefficients import EncodedCoefficients

    path = Path(zoo.__file__).parent / f"{name}.safetensors"
    with PillowImage.open(Path(__file__).parents[1] / "data" / "kodim23_crop.png") as file:
        picture = file.convert("L" if name == "grey_best" else "RGB")
    samples = np.atleast_3d(np.asarray(picture)[: picture.height // 8 * 8, : picture.width // 8 * 8])
    planes = torch.from_numpy(samples / np.float32(255) - np.float32(0.5)).movedim(2, 0)
    found = load_tensor_encoder(path).planes(EncodedCoefficients(path)(planes, code)[None])[0]
    codec = Lcn(profile="best" if name.endswith("_best") else "small", step_code=code)
    data = codec.encode(Image(np.ascontiguousarray(samples)))
    assert (codec.unpack(data).colors is not None) == (name == "rgb_best")
    decoded = codec.decode(data).samples.astype(np.float32)
    of_tensors = ((found.movedim(0, 2).numpy() + 0.5) * 255).clip(0, 255)
    assert np.abs(of_tensors - decoded).max() < 1.5


def test_finest_colours_are_left_as_they_are(tmp_path: Path) -> None:
    """Of rgb_best: 32 places of the finest level in each of two colours, whatever was learned."""
    model = load_tensor_encoder(Path(zoo.__file__).parent / "rgb_best.safetensors")
    unrepaired = finest_colors(model)
    options = replace(SYNTHESIS, unrepaired=unrepaired)
    assert len(unrepaired) == 96 and min(unrepaired) >= 48
    learner = SynthesisLearner(model, options)
    with torch.no_grad():
        learner.module.leave.bias.fill_(1)
    learner.save(tmp_path / "s.safetensors", {})
    network = load_neural_synthesis(tmp_path / "s.safetensors")[0]
    given = model.coefficients(picture()[None])
    changed = (network(given, torch.full((1, 192), 0.05)) != given).any(dim=(0, 2, 3))
    assert [c for c in range(192) if not changed[c]] == list(unrepaired)
    # A grey picture has nothing in these, nor in other colours.
    grey = model.coefficients(picture()[:1].expand(1, 3, -1, -1).contiguous())[0].abs().amax((1, 2))
    assert grey[list(unrepaired)].max() < 0.05 * grey[48:].max()


@pytest.mark.parametrize("name", ["rgb", "grey", "grey_best"])
def test_other_models_have_no_finest_colours(name: str) -> None:
    assert finest_colors(load_tensor_encoder(Path(zoo.__file__).parent / f"{name}.safetensors")) == ()


def test_file_of_a_step_is_near_the_picture() -> None:
    from laconic.codecs.learning.encoded_coefficients import EncodedCoefficients

    path = Path(zoo.__file__).parent / "grey_best.safetensors"
    model, encode = load_tensor_encoder(path), EncodedCoefficients(path)
    planes = picture()[:1]
    error = (encode(planes, 110) - model.coefficients(planes[None])[0]).square().mean().sqrt()
    step = tensor_steps_of_codes(torch.tensor([110]))[0]
    assert 0.05 * step < error < 0.4 * step


def test_grey_models_learn_of_colour_pictures() -> None:
    model = load_tensor_encoder(Path(zoo.__file__).parent / "grey.safetensors")
    config = NeuralSynthesisConfig(num_channels=64, width=8, num_blocks=1)
    learner = SynthesisLearner(model, replace(SYNTHESIS, config=config, prefixes=(1, 4, 16)))
    prepared = learner.cutting.prepare(picture())
    assert len(prepared) == 64
    sample = learner.sample(prepared[None, :, :8, :8].float(), torch.Generator().manual_seed(0))
    assert learner.loss(sample, 0.5)[0].isfinite()
    assert learner.validate([picture()])["gain_db_140"] == 0
