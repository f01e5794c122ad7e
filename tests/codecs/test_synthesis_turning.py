"""The network of one model turned into the axes of another: the same function where that is linear, else a start."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

torch = pytest.importorskip("torch")

from laconic.codecs.errors import WeightsError  # noqa: E402
from laconic.codecs.learning.synthesis_learner import SynthesisLearner, SynthesisOptions  # noqa: E402
from laconic.codecs.learning.synthesis_turning import turned_synthesis  # noqa: E402
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, load_neural_synthesis_for  # noqa: E402
from laconic.codecs.models.zoo import model_path, synthesis_path  # noqa: E402

CROP = Path(__file__).parents[1] / "data" / "kodim05_crop.png"


@cache
def encoder(name: str) -> TensorEncoderModel:
    return load_tensor_encoder(model_path(name))


@cache
def network() -> NeuralSynthesis:
    path = synthesis_path(bytes.fromhex(encoder("rgb").fingerprint))
    assert path is not None
    return load_neural_synthesis_for(path, encoder("rgb").fingerprint)


def gain_db(turned: NeuralSynthesis, code: int) -> float:
    """Over the linear synthesis, of coefficients of a photograph."""
    with PillowImage.open(CROP) as file:
        planes = torch.from_numpy(np.array(file.convert("RGB"))).movedim(2, 0).float() / 255 - 0.5
    learner = SynthesisLearner(encoder("rgb_best"), SynthesisOptions(), start=turned)
    coefficients = learner.cutting.prepare(planes)[None].float()
    decoded, steps = learner.decoded(coefficients, torch.tensor([code]), torch.tensor([192]))
    with torch.no_grad():
        ratio = (turned(decoded, steps) - coefficients).square().mean() / (decoded - coefficients).square().mean()
    return float(-10 * torch.log10(ratio))


def test_turn_into_its_own_axes_changes_nothing() -> None:
    same = turned_synthesis(network(), encoder("rgb"), encoder("rgb"))
    for name, tensor in network().state_dict().items():
        torch.testing.assert_close(same.state_dict()[name], tensor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("code", [140, 168])
def test_turned_network_repairs_from_the_start(code: int) -> None:
    turned = turned_synthesis(network(), encoder("rgb"), encoder("rgb_best"))
    assert torch.equal(turned.scales, encoder("rgb_best").scales)
    assert gain_db(turned, code) > 0.03


def test_models_of_other_trees_are_refused() -> None:
    with pytest.raises(WeightsError, match="only where their trees and planes agree"):
        turned_synthesis(network(), encoder("rgb"), encoder("grey"))
    other = replace(encoder("rgb"), num_planes=1)
    with pytest.raises(WeightsError, match="agree"):
        turned_synthesis(network(), encoder("rgb"), other)
