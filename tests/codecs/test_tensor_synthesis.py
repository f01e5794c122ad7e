"""Pixels of latents in tensors are those that the codec decodes, before these are rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs import CodecError, Image, Lcn  # noqa: E402
from laconic.codecs.learning.tensor_synthesis import TensorSynthesis  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402


def picture(height: int, width: int, planes: int) -> Image:
    y, x = np.mgrid[:height, :width]
    waves = [120 + 50 * np.sin(x / (4 + i) + y / 9) + 20 * np.cos(x * y / 200) for i in range(planes)]
    return Image(np.stack(waves, axis=-1).round().astype(np.uint8))


def are_pixels(planes: Any, decoded: Any) -> bool:
    """But for rounding, of pixels and of the integers that they are made with."""
    error = np.abs((planes.permute(1, 2, 0).numpy() + 0.5) * 255 - decoded.samples)
    return bool(error.max() < 0.8 and error.mean() < 0.27)


@pytest.mark.parametrize(("model", "planes"), [("rgb", 3), ("rgb_best", 3), ("grey", 1)])
def test_pixels_of_all_channels_are_those_of_the_codec(model: str, planes: int) -> None:
    codec = Lcn(model=model, quality=60, fill=False, profile="best" if model == "rgb_best" else "small")
    file = codec.encode(picture(48, 64, planes))
    latent = torch.from_numpy(codec.unpack(file).dequantize())[None]
    assert are_pixels(TensorSynthesis(load_model(model))(latent)[0], codec.decode(file))


def test_missing_channels_count_as_nothing_and_gradients_pass() -> None:
    codec, synthesis = Lcn(), TensorSynthesis(load_model("rgb"))
    whole = torch.from_numpy(codec.unpack(codec.encode(picture(40, 40, 3))).dequantize())[None]
    few = whole[:, :12].clone().requires_grad_()
    found = synthesis(few)
    whole[:, 12:] = 0
    assert torch.equal(found, synthesis(whole))
    found.square().sum().backward()
    assert few.grad is not None and (few.grad != 0).all()


def test_other_signals_are_refused() -> None:
    with pytest.raises(CodecError, match="model speech is for sounds; allowed are models of pictures"):
        TensorSynthesis(load_model("speech"))
