"""Pictures of many rows of blocks are decoded by a neural synthesis as their parts are."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.neural_rendering import BLOCK  # noqa: E402
from laconic.codecs.sandwich import Sandwich  # noqa: E402
from laconic.codecs.synthesis import NeuralSynthesis, SynthesisConfig, save_synthesis  # noqa: E402
from laconic.codecs.zoo import load_model  # noqa: E402


@pytest.fixture
def network(tmp_path: Path) -> str:
    """A small random one, for the shipped model."""
    torch.manual_seed(0)
    network = NeuralSynthesis(SynthesisConfig(width=8, num_blocks=1), torch.full((192,), 0.1))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path / "network.safetensors"
    save_synthesis(network, path, {"model_fingerprint": load_model("rgb").fingerprint.hex()})
    return str(path)


def test_tall_pictures_are_what_their_parts_are(network: str) -> None:
    height = 8 * BLOCK * 3 + 40  # four rows of blocks, decoded at once
    picture = Image(np.random.default_rng(0).integers(0, 255, (height, 24, 3), np.uint8))
    data = Sandwich(quality=30).encode(picture)
    codec = Sandwich(synthesis=network)
    whole = codec.decode(data).samples
    assert np.any(whole != Sandwich().decode(data).samples)
    parts = [codec.decode_area(data, region=(0, y, 24, min(700, height - y)))[0] for y in range(0, height, 700)]
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), whole)
