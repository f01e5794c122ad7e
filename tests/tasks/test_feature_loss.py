"""Features to train by: those of the measure, with gradients."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite_pytorch")

from laconic.codecs.media import Image  # noqa: E402
from laconic.tasks.measures.feature_network import LITE0  # noqa: E402
from laconic.tasks.training.feature_loss import FeatureLoss  # noqa: E402


def picture(seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 8, 8), generator=random)
    return torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bicubic")[0].clamp(0, 1) - 0.5


def test_features_are_those_of_the_measure() -> None:
    samples = ((picture() + 0.5) * 255).round()
    found = FeatureLoss([picture(1), picture(2)])(samples[None] / 255 - 0.5)
    image = Image(samples.to(torch.uint8).movedim(0, 2).contiguous().numpy())
    measured = LITE0.features(image, ["n1", "n3", "n4"])
    for features, depth in ((found[0], "n1"), (found[2], "n3"), (found[3], "n4")):
        own = torch.from_numpy(measured[depth])
        of_loss = features[0].flatten(1)
        scale = (of_loss * own).sum(1) / own.square().sum(1).clamp(min=1e-6)  # what the channel is divided by
        error = (of_loss - scale[:, None] * own).square().mean() / of_loss.square().mean()
        assert error < 2e-3, depth


def test_features_of_many_pictures_vary_by_about_one() -> None:
    pictures = [picture(i) for i in range(6)]
    for features in FeatureLoss(pictures)(torch.stack(pictures)):
        assert 0.4 < float(features.var((0, 2, 3)).mean()) < 1.1


def test_pixels_have_gradients_and_the_network_has_none() -> None:
    planes = picture()[None].requires_grad_()
    loss = FeatureLoss([picture(1)])
    torch.autograd.backward(sum(f.square().mean() for f in loss(planes)))
    assert planes.grad is not None and planes.grad.abs().max() > 0
