"""Neural decoding of profile best, whose lowest channels have low levels: areas, rows, threads and scales, one picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs import Image, Lcn  # noqa: E402
from laconic.codecs.files import read_image  # noqa: E402
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis  # noqa: E402
from laconic.codecs.models.zoo import model_path  # noqa: E402
from laconic.codecs.pictures import neural_rendering  # noqa: E402
from laconic.tasks.measures.picture_distortion import psnr  # noqa: E402

BEST = Lcn(quality=60, profile="best", tile_log2=3, effort=0)  # 64 pixels a side: many tiles in a small picture
SIZE = (203, 187)


def picture(height: int, width: int, channels: int) -> Image:
    """Waves and noise."""
    random = np.random.default_rng(height)
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 60 * np.sin(x / (5 + c) + c) + 40 * np.cos(y / (9 - c)) for c in range(channels)]
    samples = np.stack(planes, 2) + random.normal(0, 6, (height, width, channels))
    return Image(np.clip(samples, 0, 255).astype(np.uint8))


def crop(samples: np.ndarray, region: tuple[int, int, int, int], scale: int = 1) -> np.ndarray:
    x, y, w, h = region
    return samples[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]


@pytest.fixture(scope="module", params=[1, 3], ids=["grey", "rgb"])
def colors(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(scope="module")
def codec(colors: int, tmp_path_factory: pytest.TempPathFactory) -> Lcn:
    """With a small network of random weights that changes pictures by some levels."""
    encoder = load_tensor_encoder(model_path("rgb_best" if colors == 3 else "grey_best"))
    torch.manual_seed(0)
    config = NeuralSynthesisConfig(len(encoder.channels), width=8, num_blocks=1)
    network = NeuralSynthesis(config, encoder.scales)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    path = tmp_path_factory.mktemp("networks") / "best.safetensors"
    save_neural_synthesis(network, path, {"model_fingerprint": encoder.fingerprint})
    return replace(BEST, synthesis=str(path))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks in a small picture, its tiles decoded a row at a time."""
    monkeypatch.setattr(neural_rendering, "BLOCK", 8)
    monkeypatch.setattr("laconic.codecs.pictures.picture_decoder.CHUNK_VALUES", 1)


def test_network_changes_the_picture(codec: Lcn, colors: int) -> None:
    data = codec.encode(picture(*SIZE, colors))
    change = np.abs(codec.decode(data).samples.astype(int) - BEST.decode(data).samples)
    assert 0.2 < change.mean() < 20


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_a_region_is_the_crop_of_the_whole(codec: Lcn, colors: int, scale: int, small_blocks: None) -> None:
    data = codec.encode(picture(*SIZE, colors))
    whole = codec.decode_area(data, scale=scale)[0].samples
    for region in ((0, 0, 1, 1), (186, 202, 1, 1), (63, 63, 2, 1), (70, 66, 30, 80), (0, 120, 187, 83)):
        found = codec.decode_area(data, region=region, scale=scale)[0].samples
        assert np.array_equal(found, crop(whole, region, scale)), region


def test_scales_below_the_grid_are_linear(codec: Lcn, colors: int) -> None:
    data = codec.encode(picture(*SIZE, colors))
    for scale in (16, 32):
        assert codec.decode_area(data, scale=scale)[0] == BEST.decode_area(data, scale=scale)[0]


def test_few_channels_are_repaired_too(codec: Lcn, colors: int, small_blocks: None) -> None:
    data, channels = codec.encode(picture(*SIZE, colors)), 4 * colors
    whole, region = codec.decode_area(data, channels=channels)[0].samples, (70, 66, 30, 80)
    found = codec.decode_area(data, region=region, channels=channels)[0].samples
    assert np.array_equal(found, crop(whole, region))
    linear = BEST.decode_area(data, channels=channels)[0].samples
    assert 0.2 < np.abs(whole.astype(int) - linear).mean() < 20


def test_rows_and_threads_are_the_whole(codec: Lcn, colors: int, small_blocks: None) -> None:
    data = codec.encode(picture(*SIZE, colors))
    whole = codec.decode(data)
    rows = np.concatenate([part.copy() for part in codec.open_area(data).rows()])
    assert np.array_equal(rows, whole.samples)
    assert replace(codec, threads=3).decode(data) == whole


@pytest.mark.parametrize(("quality", "least_db"), [(25, 0.02), (50, 0.02), (80, 0.02)])
def test_shipped_network_repairs_photographs(quality: int, least_db: float) -> None:
    codec, gains = Lcn(quality=quality, profile="best", tune="psnr"), []
    for name in ("kodim05_crop", "kodim23_crop"):
        image = read_image(Path(__file__).parents[1] / "data" / f"{name}.png")
        data = codec.pack(codec.analyze(image))  # in the model's colours, as in training
        gains.append(psnr(image, replace(codec, synthesis="neural").decode(data)) - psnr(image, codec.decode(data)))
    assert sum(gains) / len(gains) > least_db, gains
