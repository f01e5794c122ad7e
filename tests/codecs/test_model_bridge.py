"""A latent of one model as that of another: exact where all channels are read, the least mean square where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.latent_axes import LatentStatistics, axes_of_model
from laconic.codecs.models.latent_turn import LatentTurn
from laconic.codecs.models.model import Model
from laconic.codecs.models.model_bridge import ModelBridge, bridge_of_models
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.signals import coefficients_of


def turned_model_of(name: str, seed: int = 3) -> Model:
    """A model of the same packets in axes that have nothing to do with those of the given one, within its blocks."""
    model, random = load_model(name), np.random.default_rng(seed)
    turns = [np.linalg.qr(random.normal(size=(len(m), len(m))))[0] for m in model.analysis]
    analysis = [(t @ m).astype(np.float32) for t, m in zip(turns, model.analysis, strict=True)]
    synthesis = [(m @ t.T).astype(np.float32) for t, m in zip(turns, model.synthesis, strict=True)]
    return replace(model, name="turned", analysis=tuple(analysis), synthesis=tuple(synthesis), fixed=(), turn=None)


def noise_picture(seed: int = 0) -> Image:
    random = np.random.default_rng(seed)
    coarse = np.kron(random.integers(0, 256, (10, 12, 3)), np.ones((8, 8, 1)))
    return Image.from_array((coarse + random.normal(0, 9, coarse.shape)).clip(0, 255).astype(np.uint8))


def axes_of_signal(signal: Image | Audio, model: Model) -> NDArray[np.float32]:
    """The unquantised channels that `Latent.dequantize` gives."""
    coefficients = coefficients_of(signal, model)
    return coefficients if model.turn is None else model.turn.applied(coefficients, model.num_channels)


@pytest.mark.parametrize(("old", "new"), [("rgb", "rgb_best"), ("rgb_best", "rgb"), ("grey", "grey_best")])
def test_shipped_models_have_the_same_axes(old: str, new: str) -> None:
    bridge = bridge_of_models(load_model(old), load_model(new))
    assert np.allclose(bridge.matrix, np.eye(len(bridge.matrix)), atol=1e-6)
    assert not bridge.shift.any() and bridge.lost_share == 0


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize("channels", [3, 12, 48, 192])
def test_unquantised_latents_are_mapped_exactly(channels: int, is_back: bool) -> None:
    models = load_model("rgb"), turned_model_of("rgb")
    old, new = models[::-1] if is_back else models
    found, wanted = axes_of_signal(noise_picture(), new), axes_of_signal(noise_picture(), old)
    bridge = bridge_of_models(old, new, channels)
    assert bridge.channels_new == channels  # the turn mixes blocks of one band, which are whole groups
    got = bridge.apply(found[: bridge.channels_new])
    assert np.abs(got - wanted[:channels]).max() < 0.02  # of values to 10; the shipped one is in integers
    assert np.abs(found[:channels] - wanted[:channels]).max() > 0.1


def test_quantised_latents_are_mapped_to_within_their_steps() -> None:
    old, new = load_model("rgb"), load_model("rgb_best")
    latents = [Lcn(model=model.name, quality=95, effort=0).analyze(noise_picture()) for model in (old, new)]
    got = bridge_of_models(old, new, 12).apply(latents[1].dequantize()[:12])
    error = got - latents[0].dequantize()[:12]
    assert np.sqrt(np.square(error).mean()) < max(latent.step for latent in latents)


def test_sounds_of_other_rates_share_their_axes() -> None:
    bridge = bridge_of_models(load_model("mono"), load_model("speech"), 16)
    assert np.array_equal(bridge.matrix, np.eye(16, dtype=np.float32))


def mixing_model() -> Model:
    """In axes of which the first channels are made of all: coded channels of a file and channels of a latent differ."""
    model, random = load_model("rgb_best"), np.random.default_rng(4)
    d = model.num_channels
    matrices = tuple(np.linalg.qr(random.normal(size=(len(m), len(m))))[0].astype(np.float32) for m in model.analysis)
    ends = [lo for lo, _ in model.blocks[1:]]
    order = np.concatenate([model.channels[: ends[0]], random.permutation(model.channels[ends[0] :])]).astype(np.uint16)
    assert sorted(order) == [*range(d)]
    return replace(model, name="mixing", turn=LatentTurn(matrices, model.channels, order), fixed=())


def test_as_many_channels_are_read_as_are_needed() -> None:
    old, new = load_model("rgb_best"), mixing_model()
    bridge = bridge_of_models(old, new, 12)
    assert bridge.channels_new > 12
    got = bridge.apply(axes_of_signal(noise_picture(), new)[: bridge.channels_new])
    assert np.abs(got - axes_of_signal(noise_picture(), old)[:12]).max() < 0.02


def moments(latent: NDArray[np.float32]) -> LatentStatistics:
    flat = latent.reshape(len(latent), -1).astype(np.float64)
    return LatentStatistics(flat.mean(1), np.cov(flat))


def squared_error(bridge: ModelBridge, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    got = bridge.apply(found[: bridge.channels_new])
    return float(np.square(got - wanted[: len(got)]).mean())


def test_missing_channels_are_the_least_mean_square() -> None:
    old, new = load_model("rgb_best"), mixing_model()
    found, wanted = axes_of_signal(noise_picture(), new), axes_of_signal(noise_picture(), old)
    plain = bridge_of_models(old, new, 12, 12)
    estimated = bridge_of_models(old, new, 12, 12, statistics=moments(found))
    assert 0 < estimated.lost_share < 1 and 0 < plain.lost_share < 1
    # The regression of what is wanted on what is there, which is the least that a linear map can reach.
    known = np.concatenate([found[:12].reshape(12, -1), np.ones((1, found[0].size), np.float32)]).astype(np.float64)
    flat = wanted[:12].reshape(12, -1)
    least = float(np.square(np.linalg.lstsq(known.T, flat.T, rcond=None)[0].T @ known - flat).mean())
    assert squared_error(estimated, found, wanted) == pytest.approx(least, rel=1e-3)
    assert least < squared_error(plain, found, wanted)


def test_axes_are_those_of_the_codec() -> None:
    model, sizes = load_model("rgb"), load_model("rgb").num_channels
    axes = axes_of_model(model)
    assert axes.shape == (sizes, sizes)
    assert np.linalg.cond(axes) < 10


def test_models_of_other_signals_are_a_sentence() -> None:
    with pytest.raises(CodecError, match="allowed are models of the same"):
        bridge_of_models(load_model("rgb"), load_model("grey"))
    with pytest.raises(CodecError, match="decode the file"):
        bridge_of_models(load_model("speech"), load_model("rgb"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0,), "channels_old"), ((12, 193), "channels_new"), ((1.5,), "channels_old"), (("x",), "channels_old")],
)
def test_wrong_numbers_of_channels_are_a_sentence(arguments: tuple[int, ...], message: str) -> None:
    model = load_model("rgb")
    with pytest.raises(CodecError, match=message):
        bridge_of_models(model, model, *arguments)


def test_wrong_statistics_and_latents_are_a_sentence() -> None:
    model = load_model("rgb")
    with pytest.raises(CodecError, match="needed are finite ones"):
        bridge_of_models(model, model, 12, 12, statistics=LatentStatistics(np.zeros(3), np.eye(3)))
    with pytest.raises(CodecError, match="allowed are floats"):
        bridge_of_models(model, model, 12).apply(np.zeros((3, 4, 4), np.float32))
