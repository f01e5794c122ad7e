"""The training of the small learned peer: its linear start, its steps, a checkpoint."""

import dataclasses
import importlib.util

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.media import Image
from laconic.codecs.registry import make_codec

if any(importlib.util.find_spec(name) is None for name in ("torch", "compressai")):
    pytest.skip("torch and compressai are needed", allow_module_level=True)
import torch
from module_files import load_module

train_factorized = load_module("../benchmarks/images/train_factorized.py")
SMALL = train_factorized.Recipe(width=48, latent_channels=64, crop=32, batch=2, lambdas=(0.05, 0.01), shares=(0.5, 0.5))


def waves(count, side=48):
    """(3, side, side) each, from 0 to 1."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    phases = rng.uniform(0, 6, (count, 3, 1, 1))
    return [torch.from_numpy(w.astype(np.float32)) for w in 0.5 + 0.4 * np.sin(x / 5 + phases) * np.cos(y / 7 + phases)]


@pytest.fixture
def run():
    run = train_factorized.Run.start(SMALL)
    train_factorized.start_linear(run.network, torch.stack(waves(8)), SMALL.lambdas[0])
    run.optimizer = train_factorized.optimizer_of(run.network, SMALL)
    return run


def decoded(network, picture):
    with torch.no_grad():
        return network.g_s(network.g_a(picture[None]).round())[0]


def test_start_brings_pictures_back_but_for_its_step(run):
    picture = waves(1)[0]
    assert (decoded(run.network, picture) - picture).square().mean() < 10 ** (-28 / 10)


def test_errors_of_the_inner_layers_are_those_of_pictures(run):
    picture = waves(1)[0]
    (signal,) = train_factorized.outer_signals(run.network, [picture])
    assert signal.shape == (48, 12, 12)
    run.network.eval()  # rounds
    with torch.no_grad():
        _, bits, error = train_factorized.loss_of(run.network, signal[None], 1.0, bfloat16=False)
        whole = run.network(picture[None])
    assert error == pytest.approx(255**2 * (whole["x_hat"][0] - picture).square().mean().item(), rel=1e-3)
    assert bits == pytest.approx(-torch.log2(whole["likelihoods"]["y"]).sum().item() / 48**2, rel=1e-5)


def test_coarser_step_keeps_the_picture_and_costs_less(run):
    picture = waves(1)[0]
    (signal,) = train_factorized.outer_signals(run.network, [picture])
    with torch.no_grad():
        exact = run.network.g_s(run.network.g_a(picture[None]))
        bits = train_factorized.loss_of(run.network.eval(), signal[None], 1.0, bfloat16=False)[1]
        train_factorized.scale_step(run.network, 2.0)
        torch.testing.assert_close(run.network.g_s(run.network.g_a(picture[None])), exact, rtol=0, atol=1e-4)
        assert train_factorized.loss_of(run.network, signal[None], 1.0, bfloat16=False)[1] < bits - 0.05


def test_steps_lower_the_loss_and_the_outer_layers_stay(run):
    data = train_factorized.batches(train_factorized.outer_signals(run.network, waves(8)), 8, SMALL, [0])
    outer = run.network.g_a[0].weight.clone()
    for group in run.optimizer.param_groups:
        group["lr"] = 3e-3 * group["speed"]
    losses = [run._step(next(data), bfloat16=False)[0] for _ in range(60)]
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert torch.equal(run.network.g_a[0].weight, outer)


def test_a_checkpoint_goes_on_and_weights_are_a_codec(run, tmp_path):
    run.begin(1)
    run.step, run.seconds = 7, 1.5
    run.save(tmp_path / "checkpoint.pt")
    other = train_factorized.Run.start(SMALL)
    other.load(tmp_path / "checkpoint.pt")
    assert (other.stage, other.step, other.seconds) == (1, 7, 1.5)
    assert [g["speed"] for g in other.optimizer.param_groups] == [g["speed"] for g in run.optimizer.param_groups]
    other.write_weights(tmp_path)
    codec = make_codec(f"compressai:checkpoint={tmp_path}/lambda_0.01.safetensors")
    samples = (waves(1)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    picture = Image(samples)
    error = codec.decode(codec.encode(picture)).samples.astype(float) - samples
    assert np.square(error).mean() < 255**2 * 10 ** (-25 / 10)


def test_another_recipe_is_refused(run, tmp_path):
    run.save(tmp_path / "checkpoint.pt")
    other = train_factorized.Run.start(dataclasses.replace(SMALL, seed=1))
    with pytest.raises(SystemExit, match="another recipe"):
        other.load(tmp_path / "checkpoint.pt")


def test_pictures_that_hold_no_crop_are_left_out(tmp_path):
    (tmp_path / "bsds500/train").mkdir(parents=True)
    for name, side in (("a", 64), ("b", 62)):
        PillowImage.new("RGB", (side, 100), "red").save(tmp_path / f"bsds500/train/{name}.jpg")
    (picture,) = train_factorized.reduced_pictures(tmp_path, SMALL)
    assert picture.shape == (3, 50, 32)
    with pytest.raises(SystemExit, match="no JPEG files"):
        train_factorized.reduced_pictures(tmp_path / "bsds500", SMALL)
