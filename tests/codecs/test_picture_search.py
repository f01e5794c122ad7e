"""Effort 3: valid files that are better at their size, the same twice; what it is not for is a sentence."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs import CodecError, Image, Lcn  # noqa: E402
from laconic.codecs.errors import MissingDependencyError, UnsupportedSignalError  # noqa: E402
from laconic.codecs.files import read_image  # noqa: E402
from laconic.codecs.learning import decoder_gradient  # noqa: E402
from laconic.codecs.learning.decoder_gradient import DecoderGradient  # noqa: E402
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder  # noqa: E402
from laconic.codecs.media import Audio  # noqa: E402
from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis  # noqa: E402
from laconic.codecs.models.zoo import load_model, model_path  # noqa: E402
from laconic.codecs.pictures import encoder_chunks  # noqa: E402
from laconic.codecs.progress import progress_told_to  # noqa: E402
from laconic.tasks.measures.picture_distortion import psnr  # noqa: E402

CROP = Path(__file__).parents[1] / "data" / "kodim05_crop.png"
SEARCH = Lcn(quality=45, profile="best", effort=3)


@pytest.fixture(scope="module")
def photograph() -> Image:
    return Image(np.ascontiguousarray(read_image(CROP).samples[:120, :121]))


def rates(codec: Lcn, image: Image) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and PSNR at three qualities."""
    files = [(c := replace(codec, quality=q), c.encode(image)) for q in (35, 45, 55)]
    return np.array([len(d) for _, d in files]), np.array([psnr(image, c.decode(d)) for c, d in files])


@pytest.mark.parametrize(("profile", "synthesis"), [("best", "linear"), ("small", "linear"), ("small", "neural")])
def test_files_are_smaller_at_the_same_error(photograph: Image, profile: str, synthesis: str) -> None:
    codec = Lcn(profile=profile, synthesis=synthesis)
    sizes, errors = rates(codec, photograph)
    searched_sizes, searched_errors = rates(replace(codec, effort=3), photograph)
    expected = np.interp(searched_errors[1], errors, np.log(sizes))
    assert np.log(searched_sizes[1]) < expected - 0.005


def test_bytes_are_the_same_twice_and_those_of_the_latent(photograph: Image) -> None:
    data = SEARCH.encode(photograph)
    assert SEARCH.encode(photograph) == data
    assert SEARCH.pack(SEARCH.analyze(photograph)) == data
    assert data != replace(SEARCH, effort=1).encode(photograph)


def test_bytes_do_not_depend_on_threads_or_rows(photograph: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture that is searched in several parts."""
    monkeypatch.setattr(encoder_chunks, "CHUNK_VALUES", 1)
    image = Image(np.tile(photograph.samples, (3, 1, 1)))
    codec = replace(SEARCH, tile_log2=3)
    data = codec.encode(image)
    assert replace(codec, threads=3).encode(image) == data

    class Rows:
        height, width = image.height, image.width
        done = 0

        def read_rows(self, count: int) -> np.ndarray:
            self.done += count
            return image.samples[self.done - count : self.done]

    assert codec.encode_rows(Rows(), num_colors=3, sample_type="uint8") == data
    assert codec.pack(codec.unpack(data)) == data


@pytest.mark.parametrize(
    ("size", "channels", "dtype"),
    [((1, 1), 3, np.uint8), ((9, 70), 1, np.uint8), ((33, 20), 4, np.uint8), ((40, 41), 3, np.uint16)],
    ids=str,
)
@pytest.mark.parametrize("profile", ["small", "best"])
def test_pictures_of_every_kind_are_valid_files(
    size: tuple[int, int], channels: int, dtype: type, profile: str
) -> None:
    random = np.random.default_rng(0)
    image = Image(random.integers(0, np.iinfo(dtype).max, (*size, channels), dtype, endpoint=True))
    codec = replace(SEARCH, profile=profile, quality=70)
    found = codec.decode(codec.encode(image))
    assert isinstance(found, Image)
    assert found.samples.shape == image.samples.shape
    if channels == 4:
        assert np.array_equal(found.samples[:, :, 3], image.samples[:, :, 3])


def test_decoder_of_a_file_is_searched_for(photograph: Image, tmp_path: Path) -> None:
    encoder = load_tensor_encoder(model_path("rgb_best"))
    torch.manual_seed(0)
    network = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=1), encoder.scales)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    save_neural_synthesis(network, tmp_path / "n.safetensors", {"model_fingerprint": encoder.fingerprint})
    codec = replace(SEARCH, synthesis=str(tmp_path / "n.safetensors"))
    plain = replace(SEARCH, effort=1).encode(photograph)
    assert psnr(photograph, codec.decode(codec.encode(photograph))) > psnr(photograph, codec.decode(plain)) + 0.2


def test_progress_is_told(photograph: Image) -> None:
    shares: list[float] = []
    with progress_told_to(shares.append):
        SEARCH.encode(photograph)
        told = len(shares)
        replace(SEARCH, effort=1).encode(photograph)
    assert told == len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1


# --- gradients


def test_aim_is_where_the_error_says() -> None:
    """One half of the slope of the squared error, by differences."""
    random = np.random.default_rng(0)
    gradient = DecoderGradient(load_model("rgb_best"), None, 150)
    points = random.normal(0, 0.1, (192, 5, 6)).astype(np.float32)
    pixels = random.normal(0, 0.1, (3, 37, 44)).astype(np.float32)
    slope = points - gradient.aims(points, pixels)
    model = load_tensor_encoder(model_path("rgb_best"))

    def error(moved: np.ndarray) -> float:
        decoded = model.planes(torch.from_numpy(moved)[None])[0, :, :37, :44].double().numpy()
        return float(np.square(decoded - pixels).sum())

    for place in ((0, 2, 2), (40, 1, 3), (100, 3, 1)):
        up, down = points.copy(), points.copy()
        up[place] += 0.05
        down[place] -= 0.05
        assert slope[place] == pytest.approx((error(up) - error(down)) / 0.2, rel=0.02, abs=1e-3)


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    gradient = DecoderGradient(load_model("rgb_best"), None, 150)
    points = random.normal(0, 0.1, (192, 30, 41)).astype(np.float32)
    pixels = random.normal(0, 0.1, (3, 237, 328)).astype(np.float32)
    whole = gradient.aims(points, pixels)
    monkeypatch.setattr(decoder_gradient, "_BLOCK", 16)
    np.testing.assert_allclose(gradient.aims(points, pixels), whole, rtol=0, atol=1e-5)


# --- what it is not for


def test_profile_fast_is_refused() -> None:
    with pytest.raises(CodecError, match="effort 3 is for profiles small and best, this is fast; choose effort 1"):
        Lcn(profile="fast", effort=3)


def test_sounds_are_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="effort 3 is for pictures, this is Audio; choose effort 2"):
        Lcn(effort=3).encode(Audio(np.zeros((1, 800), np.float32), 8000))


def test_absent_torch_is_a_sentence(photograph: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        MissingDependencyError, match=r"effort 3 needs it: pip install laconic\[torch\], or choose effort 2"
    ):
        SEARCH.encode(photograph)
