"""The encoder in tensors against the encoder: coefficients, reconstruction points, and integers as it chooses them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

torch = pytest.importorskip("torch")

from low_scene import without_low_levels  # noqa: E402

from laconic.codecs.errors import WeightsError  # noqa: E402
from laconic.codecs.fitting.closed_form import FitOptions, fit  # noqa: E402
from laconic.codecs.latent import Latent  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.tensor_encoder import TensorEncoderModel, load_tensor_encoder, tensor_steps_of_codes  # noqa: E402
from laconic.codecs.media import Cube, Image  # noqa: E402
from laconic.codecs.models import zoo  # noqa: E402
from laconic.codecs.models.low_levels import LOW_STEP  # noqa: E402
from laconic.codecs.models.packet_tree import dyadic_tree  # noqa: E402
from laconic.codecs.models.zoo import load_model  # noqa: E402
from laconic.codecs.steps import step_of_code  # noqa: E402
from laconic.codecs.transform.signals import coefficients_of  # noqa: E402

DATA = Path(__file__).parents[1] / "data"
PHOTOGRAPHS = Path(__file__).parents[2].parent / "shared" / "data" / "bsds500" / "val"
CROPS = [DATA / "kodim05_crop.png", DATA / "kodim23_crop.png"]
SMALL = [*CROPS, *sorted((DATA / "clothing").rglob("*.jpg"))[::10]]
MODELS = Path(zoo.__file__).parent


@cache
def encoder(name: str = "rgb") -> TensorEncoderModel:
    return load_tensor_encoder(MODELS / f"{name}.safetensors")


def samples_of(path: Path) -> np.ndarray:
    """(h, w, 3), sides cut to multiples of 8."""
    with PillowImage.open(path) as file:
        samples = np.array(file.convert("RGB"))
    height, width = (n // 8 * 8 for n in samples.shape[:2])
    return np.ascontiguousarray(samples[:height, :width])


def planes_of(samples: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(samples).movedim(2, 0)[None].float() / 255 - 0.5


@pytest.mark.parametrize("path", CROPS, ids=lambda path: path.stem)
def test_coefficients_are_those_of_the_float_transform(path: Path) -> None:
    samples, model = samples_of(path), without_low_levels(load_model("rgb"))
    deep = Image(samples.astype(np.uint16) * 257)  # 16 bits are transformed in floats
    found = encoder().coefficients(planes_of(samples))[0].numpy()
    np.testing.assert_allclose(found, coefficients_of(deep, model), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", CROPS, ids=lambda path: path.stem)
def test_coefficients_are_near_those_of_the_fixed_point_transform(path: Path) -> None:
    samples = samples_of(path)
    found = encoder().coefficients(planes_of(samples))[0].numpy()
    error = np.abs(found - coefficients_of(Image(samples), without_low_levels(load_model("rgb"))))
    assert error.max() < 0.006  # the finest step that is trained is 0.009
    assert np.sqrt(np.square(error).mean()) < 0.001


def test_planes_invert_coefficients() -> None:
    planes = planes_of(samples_of(CROPS[0]))
    torch.testing.assert_close(encoder().planes(encoder().coefficients(planes)), planes, rtol=0, atol=2e-6)


def test_steps_and_scales_are_those_of_the_codes() -> None:
    steps = tensor_steps_of_codes(torch.arange(256))
    np.testing.assert_allclose(steps.numpy(), [float(step_of_code(code)) for code in range(256)], rtol=1e-6)
    magnitudes = encoder().coefficients(planes_of(samples_of(CROPS[0])))[0, 3:].abs().mean((1, 2))
    ratios = magnitudes / encoder().scales[3:]
    assert 0.3 < ratios.median() < 3


def test_leaves_of_channels_are_those_of_their_rows() -> None:
    model, at = encoder(), 0
    for number, matrix in enumerate(model.analysis):
        channels = model.channels[at : at + len(matrix)]
        assert (model.leaf_of_channel[channels] == number).all()
        at += len(matrix)
    assert sorted(model.channels.tolist()) == list(range(192))


@pytest.mark.parametrize("code", [0, 96, 154, 200, 255])
def test_points_are_those_of_the_latent(code: int) -> None:
    model, random = load_model("rgb"), np.random.default_rng(code)
    values = random.integers(-5, 6, (192, 3, 4)).astype(np.int32) * random.integers(0, 2, (192, 3, 4), np.int32)
    values[:, 0, 0] = 3000
    latent = Latent(values, code, model.fingerprint, model.shrink_of(code, 192), (24, 32))
    codes = torch.tensor([154, code])  # each of a batch at its own step
    points = encoder().points(torch.from_numpy(values).float().expand(2, -1, -1, -1), codes)[1]
    found = points * tensor_steps_of_codes(codes)[1]
    np.testing.assert_allclose(found.numpy(), latent.dequantize(), rtol=1e-6, atol=0)


def deviations(paths: list[Path], code: int, codec: Lcn, first: int = 0) -> tuple[float, float, float]:
    """Of the model's integers from the encoder's, of channels from `first` on: share that is not 0, mean magnitude, squared
    error; relative. Channels with low levels are plainly rounded on both sides."""
    name = "rgb_best" if codec.profile == "best" else "rgb"
    model, codes, sums = load_model(name), torch.tensor([code]), np.zeros((2, 3))
    for path in paths:
        image = Image(samples_of(path))
        latent, coefficients = replace(codec, step_code=code).analyze(image), coefficients_of(image, model)
        in_steps = torch.from_numpy(coefficients)[None] / tensor_steps_of_codes(codes)[:, None, None, None]
        integers = encoder(name).integers(in_steps, codes)
        assert torch.equal(integers, integers.round())
        points = encoder(name).points(integers, codes) * tensor_steps_of_codes(codes)[:, None, None, None]
        chosen, restored = latent.values.copy(), latent.points()
        chosen[:3], restored[:3] = integers[0, :3].numpy(), points[0, :3].numpy()
        pairs = (chosen, restored), (integers[0].numpy(), points[0].numpy())
        for row, (values, decoded) in zip(sums, pairs, strict=True):
            error = np.square((decoded - coefficients)[first:]).sum()
            row += np.count_nonzero(values[first:]), np.abs(values[first:]).sum(), error
    share, total, error = sums[1] / sums[0] - 1
    return share, (1 + total) / (1 + share) - 1, error


@pytest.mark.parametrize("code", [126, 154, 180])
def test_integers_are_like_the_encoders(code: int) -> None:
    share, magnitude, error = deviations(SMALL, code, Lcn(tune="psnr"))
    assert abs(share) < 0.03
    assert abs(magnitude) < 0.02
    assert abs(error) < 0.05


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the pictures beside the project")
@pytest.mark.parametrize("code", [98, 140, 180])
def test_integers_of_photographs_are_as_near_as_claimed(code: int) -> None:
    share, magnitude, error = deviations(sorted(PHOTOGRAPHS.glob("*.jpg")), code, Lcn(tune="psnr"))
    assert abs(share) < 0.03
    assert abs(magnitude) < 0.03
    assert abs(error) < 0.04


# --- profile best, whose lowest channels have low levels

BEST = Lcn(profile="best", tune="psnr")


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the pictures beside the project")
@pytest.mark.parametrize("code", [98, 140, 168])
def test_integers_of_profile_best_are_as_near_as_claimed(code: int) -> None:
    share, magnitude, error = deviations(sorted(PHOTOGRAPHS.glob("*.jpg")), code, BEST, first=3)
    assert abs(share) < 0.09
    assert abs(magnitude) < 0.03
    assert abs(error) < 0.07


@pytest.mark.parametrize("code", [98, 140, 168])
def test_low_levels_leave_about_the_error_of_plain_rounding(code: int) -> None:
    model, codes, errors = encoder("rgb_best"), torch.tensor([code]), np.zeros(2)
    for path in SMALL:
        image = Image(samples_of(path))
        coefficients = model.coefficients(planes_of(image.samples))[:, :3]
        latent = replace(BEST, step_code=code).analyze(image)
        assert latent.low is not None
        low = latent.low.values(latent.values[:3], latent.step) * LOW_STEP
        rest = torch.zeros((1, 189, *coefficients.shape[2:]))
        in_steps = torch.cat((coefficients, rest), 1) / tensor_steps_of_codes(codes)[:, None, None, None]
        integers = model.integers(in_steps, codes)[:, :3]
        assert torch.equal(integers, in_steps[:, :3].round())
        errors += np.square(low - coefficients[0].numpy()).mean(), (integers - in_steps[:, :3]).square().mean()
    squared_step = float(step_of_code(code)) ** 2
    assert 0.6 < errors[0] / squared_step / errors[1] < 1.15


def test_flat_pictures_have_no_integers_but_those_of_means() -> None:
    coefficients = encoder().coefficients(torch.full((1, 3, 32, 32), 0.25))
    for code in (84, 154, 200):
        codes = torch.tensor([code])
        integers = encoder().integers(coefficients / tensor_steps_of_codes(codes)[:, None, None, None], codes)
        assert integers[:, 0].abs().min() > 0
        assert integers[:, 3:].abs().max() == 0


# --- other files


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        load_tensor_encoder(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["speech", "stereo"])
def test_model_of_sounds_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="a block for each leaf"):
        load_tensor_encoder(MODELS / f"{name}.safetensors")


def test_model_of_cubes_is_refused(tmp_path: Path) -> None:
    cube = Cube(np.random.default_rng(0).normal(0, 900, (1, 32, 40)).astype(np.int16))
    fit([cube], "cube").save(tmp_path / "cube.safetensors")
    with pytest.raises(WeightsError, match="not of pictures"):
        load_tensor_encoder(tmp_path / "cube.safetensors")


def test_model_whose_blocks_are_no_leaves_is_refused(tmp_path: Path) -> None:
    grey = Image(np.ascontiguousarray(samples_of(CROPS[0])[:, :, :1]))
    fit([grey], "m", FitOptions(tree=dyadic_tree(2, 2), blocks="resolution")).save(tmp_path / "m.safetensors")
    with pytest.raises(WeightsError, match="a block for each leaf"):
        load_tensor_encoder(tmp_path / "m.safetensors")


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"no model")
    with pytest.raises(WeightsError, match="no picture model"):
        load_tensor_encoder(path)
