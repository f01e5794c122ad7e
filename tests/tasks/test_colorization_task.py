"""Colourisation as a learning task: brightness and colours apart, what a network may see, errors of pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs import CodecError, Image, Lcn  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402
from laconic.tasks.datasets.framing import framed_array  # noqa: E402
from laconic.tasks.heads.color_parts import new_color_parts  # noqa: E402
from laconic.tasks.heads.colorization import Colorization  # noqa: E402
from laconic.tasks.heads.learning_task import Batch, InputForm  # noqa: E402

CHANNELS = 12
RGB = load_model("rgb")
LATENTS = InputForm(
    "latents",
    "image",
    CHANNELS,
    None,
    scale=tuple(np.linspace(0.5, 1, CHANNELS).tolist()),
    shift=tuple(np.linspace(-0.3, 0.2, CHANNELS).tolist()),
    fingerprint=RGB.fingerprint.hex(),
)
PIXELS = InputForm("patches", "image", 3, None, patch=(8, 8))
TASK = Colorization(width=8)


def picture(seed: int, height: int = 32, width: int = 40) -> Image:
    """Smooth; what is bright is red, what is dark is blue."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    bright = np.sin(x / 9 + random.uniform(0, 6)) + np.cos(y / 7 + random.uniform(0, 6))
    samples = np.stack([110 + 40 * bright, 110 + 0 * bright, 110 - 30 * bright], axis=-1)
    return Image(samples.round().astype(np.uint8))


def latents(pictures: list[Image], channels: int = CHANNELS) -> Any:
    """As packs of good quality give them."""
    values = np.stack([Lcn(quality=90).analyze(one).dequantize()[:channels] for one in pictures])
    scale, shift = (np.array(part)[:, None, None] for part in (LATENTS.scale, LATENTS.shift))
    return torch.from_numpy(values * scale + shift).float()


def pixels(pictures: list[Image]) -> Any:
    return torch.from_numpy(np.stack([framed_array(one) for one in pictures]))


ARMS = [(LATENTS, latents), (PIXELS, pixels), (replace(PIXELS, arm="pixels", patch=(1, 1)), pixels)]
ARMS += [(replace(PIXELS, arm="small", patch=(2, 2)), pixels)]


@pytest.mark.parametrize(("form", "inputs"), ARMS)
def test_parts_put_together_are_the_picture(form: InputForm, inputs: Any) -> None:
    pictures = [picture(seed) for seed in range(2)]
    x, parts = inputs(pictures), new_color_parts(form)
    found = parts.pixels(x, parts.chroma(x)).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(found - np.stack([one.samples for one in pictures])).mean() < 2
    grey = parts.pixels(x, parts.grey(x))
    assert (grey.amax(dim=1) - grey.amin(dim=1)).max() < 1e-5
    error = (grey - parts.pixels(x, parts.chroma(x))).square().mean(dim=(1, 2, 3))
    assert torch.allclose(parts.squared(parts.grey(x) - parts.chroma(x)), error, rtol=0.3)


@pytest.mark.parametrize(("form", "inputs"), ARMS)
def test_a_network_sees_no_colours(form: InputForm, inputs: Any) -> None:
    network = TASK.network(form, 0).eval()
    x = inputs([picture(0)])
    grey = x.clone()
    parts = network.parts
    if form.arm == "latents":
        grey[:, parts.chroma_at] = parts.grey(x)
    else:
        grey = (parts.pixels(x, parts.grey(x)) - 0.5) * 255 / 64
    assert not torch.allclose(grey, x, atol=0.1)
    assert torch.allclose(network(grey), network(x), atol=1e-4)
    assert network(x).shape == (1, TASK.num_outputs(form), 4 * 8 // 8, 5 * 8 // 8) or form.arm == "small"


def test_it_learns_which_colours_go_with_what_brightness() -> None:
    random = np.random.default_rng(0)
    train, held = (Batch(latents([picture(seed) for seed in seeds]), ()) for seeds in (range(8), range(8, 12)))
    network = TASK.network(LATENTS, 0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        TASK.loss(network.train(), train, random).backward()
        optimizer.step()
    scores = TASK.scores(TASK.judge(network.eval(), held).detach().numpy())
    assert scores["psnr_gain_db"] > 3
    assert scores["psnr_gain_db"] == pytest.approx(scores["psnr_db"] - scores["grey_psnr_db"])


def test_scores_are_decibels_of_each_picture() -> None:
    rows = np.array([[-3.0, 1e-3, 1e-2], [-5.0, 1e-4, 1e-4], [-9.0, 0.0, 1e-3]])
    found = TASK.scores(rows)
    best = 10 * np.log10(12 * 255**2)
    assert found["psnr_db"] == pytest.approx((30 + 40 + best) / 3)
    assert found["grey_psnr_db"] == pytest.approx((20 + 40 + 30) / 3)
    assert found["loss"] == pytest.approx(-17 / 3)


def test_the_loss_is_the_mean_over_items_and_padding_is_not_judged() -> None:
    network = TASK.network(LATENTS, 0).eval()
    small, large = latents([picture(0)]), latents([picture(1, 40, 48)])
    padded = torch.zeros(2, CHANNELS, 5, 6)
    padded[:1, :, :4, :5], padded[1:] = small, large
    both = TASK.judge(network, Batch(padded, (), torch.tensor([[4, 5], [5, 6]])))
    assert torch.equal(both[:1], TASK.judge(network, Batch(small, ())))
    assert torch.equal(both[1:], TASK.judge(network, Batch(large, ())))
    random = np.random.default_rng(0)
    with torch.no_grad():
        whole = TASK.loss(network, Batch(padded, ()), random)
        halves = [TASK.loss(network, Batch(padded[i : i + 1], ()), random) for i in range(2)]
    assert float(whole) == pytest.approx(float(sum(halves)) / 2, rel=1e-5)


@pytest.mark.parametrize("form, inputs", [(LATENTS, latents), (PIXELS, pixels)])
def test_pixels_of_the_grey_picture_are_judged_alike_in_bfloat16(form: InputForm, inputs: Any) -> None:
    network, batch = TASK.network(form, 0).eval(), Batch(inputs([picture(2)]), ())
    with torch.no_grad():
        exact = TASK.judge(network, batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = TASK.judge(network, batch)
    assert torch.equal(mixed[:, 2], exact[:, 2])


def test_answers_are_pictures() -> None:
    network = TASK.network(LATENTS, 0).eval()
    with torch.no_grad():
        (answer,) = TASK.answers(network, Batch(latents([picture(3)]), ()), LATENTS)
    samples = answer.signals["picture"].samples
    assert samples.shape == (32, 40, 3) and answer.line == "mean colour #{:02x}{:02x}{:02x}".format(
        *answer.values["mean_color"]
    )


def test_drawing_has_a_bar_for_each_picture() -> None:
    rows = np.array([[0, 1e-3, 1e-2], [0, 1e-2, 1e-3], [0, 1e-3, 1e-3]], np.float64)
    nodes = list(ElementTree.fromstring(TASK.plot(rows, LATENTS)).iter())
    heights = [float(node.attrib["height"]) for node in nodes if node.tag.endswith("rect")]
    assert heights == [100, 0, 100]
    assert [node.text for node in nodes if node.tag.endswith("text")] == ["+10.0 dB", "-10.0 dB, 3 pictures"]


def test_latents_without_colours_are_refused() -> None:
    grey = replace(LATENTS, fingerprint=load_model("grey").fingerprint.hex(), channels=4)
    with pytest.raises(CodecError, match="model grey has no colours; allowed are latents of colour pictures"):
        TASK.network(grey, 0)
    with pytest.raises(CodecError, match="width"):
        Colorization(width=2)
