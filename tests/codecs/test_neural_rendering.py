"""Neural decoding: areas, rows, threads and blocks give one picture; what lacks a network is a sentence, or linear."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from color_scene import TURNED, turned_file  # noqa: E402

from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis  # noqa: E402
from laconic.codecs.pictures import neural_rendering  # noqa: E402

MODELS = Path(zoo.__file__).parent
TILE_LOG2 = 3  # 64 pixels a side: many tiles in a small picture
NEURAL = Lcn(tile_log2=TILE_LOG2, effort=0, synthesis="neural")


def picture(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> Image:
    """Waves and noise, with an alpha channel that falls from left to right."""
    random = np.random.default_rng(height)
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 60 * np.sin(x / (5 + c) + c) + 40 * np.cos(y / (9 - c)) for c in range(channels)]
    samples = np.stack(planes, 2) + random.normal(0, 6, (height, width, channels))
    if channels == 4:
        samples[:, :, 3] = 255 - x % 256
    return Image((np.clip(samples, 0, 255) * (1 if dtype == np.uint8 else 257)).astype(dtype))


def crop(samples: np.ndarray, region: tuple[int, int, int, int], scale: int = 1) -> np.ndarray:
    x, y, w, h = region
    return samples[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]


@pytest.fixture(scope="module")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of random weights that changes pictures by some levels."""
    encoder = load_tensor_encoder(MODELS / "rgb.safetensors")
    torch.manual_seed(0)
    network = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=1), encoder.scales)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    path = tmp_path_factory.mktemp("models") / "synthesis" / "rgb.safetensors"
    path.parent.mkdir()
    save_neural_synthesis(network, path, {"model_fingerprint": encoder.fingerprint})
    return path


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch):
    """Use networks of the folder "synthesis" in another one."""

    def use(folder: Path) -> None:
        monkeypatch.setattr(zoo, "_FOLDER", folder)
        zoo._syntheses.cache_clear()

    yield use
    monkeypatch.undo()
    zoo._syntheses.cache_clear()
    neural_rendering._load.cache_clear()


@pytest.fixture
def network(models, network_file: Path) -> None:
    zoo.shipped_models()  # found before the folder is another
    models(network_file.parents[1])


@pytest.fixture(params=[1, 1 << 30], ids=["row by row", "at once"])
def small_blocks(network: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Many blocks in a small picture, its tiles decoded a row at a time, or all together."""
    monkeypatch.setattr(neural_rendering, "BLOCK", 8)
    monkeypatch.setattr("laconic.codecs.pictures.picture_decoder.CHUNK_VALUES", request.param)


def test_network_changes_the_picture(network: None) -> None:
    data = NEURAL.encode(picture(70, 90))
    change = np.abs(NEURAL.decode(data).samples.astype(int) - Lcn().decode(data).samples)
    assert 0.2 < change.mean() < 20


def test_identity_is_the_linear_picture_but_for_rounding(models, tmp_path: Path) -> None:
    encoder = load_tensor_encoder(MODELS / "rgb.safetensors")
    (tmp_path / "synthesis").mkdir()
    network = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=1), encoder.scales)
    card = {"model_fingerprint": encoder.fingerprint}
    save_neural_synthesis(network, tmp_path / "synthesis" / "rgb.safetensors", card)
    zoo.shipped_models()
    models(tmp_path)
    for dtype, most in ((np.uint8, 1), (np.uint16, 0)):
        data = NEURAL.encode(picture(70, 90, dtype=dtype))
        change = NEURAL.decode(data).samples.astype(int) - Lcn().decode(data).samples
        assert np.abs(change).max() <= most
        turned = turned_file(picture(70, 90, dtype=dtype), TURNED, NEURAL)
        change = NEURAL.decode(turned).samples.astype(int) - Lcn().decode(turned).samples
        assert np.abs(change).max() <= most + 1  # turned back, the rounding of matrices is another


# --- areas, rows, threads, blocks


def test_a_region_is_the_crop_of_the_whole(small_blocks: None) -> None:
    data = NEURAL.encode(picture(203, 187))
    whole = NEURAL.decode(data).samples
    random = np.random.default_rng(0)
    starts = [(int(random.integers(187)), int(random.integers(203))) for _ in range(8)]
    drawn = [(x, y, int(random.integers(1, 188 - x)), int(random.integers(1, 204 - y))) for x, y in starts]
    for region in ((0, 0, 1, 1), (186, 202, 1, 1), (63, 63, 2, 1), *drawn):
        found, damage = NEURAL.decode_area(data, region=region)
        assert np.array_equal(found.samples, crop(whole, region)), region
        assert damage == ()


def test_a_region_may_start_anywhere_in_a_block(small_blocks: None) -> None:
    data = NEURAL.encode(picture(203, 60))
    whole = NEURAL.decode(data).samples
    for top in range(40, 203, 8):
        region = (9, top, 40, 203 - top)
        assert np.array_equal(NEURAL.decode_area(data, region=region)[0].samples, crop(whole, region)), region


def test_tall_pictures_are_what_their_parts_are(network: None) -> None:
    height = 8 * neural_rendering.BLOCK * 3 + 40  # four rows of blocks of the real size, decoded at once
    image = Image(np.random.default_rng(0).integers(0, 255, (height, 24, 3), np.uint8))
    data, codec = Lcn(quality=30).encode(image), Lcn(synthesis="neural")
    whole = codec.decode(data).samples
    parts = [codec.decode_area(data, region=(0, y, 24, min(700, height - y)))[0] for y in range(0, height, 700)]
    np.testing.assert_array_equal(np.concatenate([part.samples for part in parts]), whole)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_scaled_region_is_the_crop_of_the_scaled(small_blocks: None, scale: int) -> None:
    data = NEURAL.encode(picture(150, 130))
    whole = NEURAL.decode_area(data, scale=scale)[0].samples
    assert whole.shape == (-(-150 // scale), -(-130 // scale), 3)
    for region in ((70, 66, 30, 80), (0, 149, 130, 1)):
        found = NEURAL.decode_area(data, region=region, scale=scale)[0].samples
        assert np.array_equal(found, crop(whole, region, scale)), region


def test_few_channels_are_repaired_too(small_blocks: None) -> None:
    data = NEURAL.encode(picture(150, 130))
    whole, region = NEURAL.decode_area(data, channels=12)[0].samples, (70, 66, 30, 80)
    assert np.array_equal(NEURAL.decode_area(data, region=region, channels=12)[0].samples, crop(whole, region))
    linear = Lcn().decode_area(data, channels=12)[0].samples
    assert 0.2 < np.abs(whole.astype(int) - linear).mean() < 20


@pytest.mark.parametrize(("channels", "dtype"), [(4, np.uint8), (3, np.uint16)], ids=["alpha", "16 bits"])
def test_rows_are_the_whole(small_blocks: None, channels: int, dtype: type) -> None:
    image = picture(203, 90, channels, dtype)
    data = NEURAL.encode(image)
    rows = np.concatenate([part.copy() for part in NEURAL.open_area(data).rows()])
    whole = NEURAL.decode(data).samples
    assert whole.dtype == dtype
    assert np.array_equal(rows, whole)
    if channels == 4:
        assert np.array_equal(whole[:, :, 3], image.samples[:, :, 3])


def test_threads_change_nothing(small_blocks: None) -> None:
    data = NEURAL.encode(picture(203, 90))
    one, three = (replace(NEURAL, threads=n).decode(data) for n in (1, 3))
    assert one == three


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_size_of_blocks_does_not_matter(network: None, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    data = NEURAL.encode(picture(203, 187, dtype=dtype))
    whole = NEURAL.decode(data).samples.astype(int)  # one block
    for block in (1, 5, 16):
        monkeypatch.setattr(neural_rendering, "BLOCK", block)
        assert np.abs(NEURAL.decode(data).samples - whole).max() <= 1, block


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (8, 8)])
def test_tiny_pictures_are_repaired(network: None, size: tuple[int, int]) -> None:
    data = NEURAL.encode(picture(*size))
    whole = NEURAL.decode(data).samples
    assert whole.shape == (*size, 3)
    assert np.array_equal(NEURAL.decode_area(data, region=(0, 0, 1, 1))[0].samples, whole[:1, :1])


# --- without a network, or torch


def test_model_without_a_network_is_a_sentence(network: None) -> None:
    data = NEURAL.encode(picture(30, 40, 1))
    with pytest.raises(CodecError, match="model grey has no neural synthesis; allowed are linear, auto and"):
        NEURAL.decode(data)


def test_auto_is_linear_without_a_network(network: None) -> None:
    data = NEURAL.encode(picture(30, 40, 1))
    assert Lcn(synthesis="auto").decode(data) == Lcn().decode(data)


def test_network_of_ones_own_is_named_by_its_path(network_file: Path, network: None) -> None:
    data = NEURAL.encode(picture(30, 40))
    assert replace(NEURAL, synthesis=str(network_file)).decode(data) == NEURAL.decode(data)


def test_network_of_another_model_is_refused(network_file: Path) -> None:
    data = NEURAL.encode(picture(30, 40, 1))
    with pytest.raises(WeightsError, match=r"is for model .*, not for .*; name the one"):
        replace(NEURAL, synthesis=str(network_file)).decode(data)
    with pytest.raises(WeightsError, match="does not exist"):
        replace(NEURAL, synthesis=str(network_file.with_name("none.safetensors"))).decode(data)


def test_auto_is_neural_with_a_network(network: None) -> None:
    data = NEURAL.encode(picture(30, 40))
    assert Lcn(synthesis="auto").decode(data) == NEURAL.decode(data)


def test_without_torch_auto_is_linear_and_neural_a_sentence(network: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = NEURAL.encode(picture(30, 40))
    monkeypatch.setitem(sys.modules, "torch", None)
    assert Lcn(synthesis="auto").decode(data) == Lcn().decode(data)
    with pytest.raises(MissingDependencyError, match=r"pip install laconic\[torch\], or decode with linear"):
        NEURAL.decode(data)


def test_damaged_network_is_a_sentence(models, tmp_path: Path) -> None:
    zoo.shipped_models()
    (tmp_path / "synthesis").mkdir()
    (tmp_path / "synthesis" / "rgb.safetensors").write_bytes(b"no network")
    models(tmp_path)
    with pytest.raises(WeightsError, match="is no neural synthesis"):
        NEURAL.decode(NEURAL.encode(picture(30, 40)))


def test_other_words_are_refused() -> None:
    with pytest.raises(CodecError, match="synthesis is 'nearest'; allowed are linear, neural, auto and the path"):
        Lcn(synthesis="nearest")
