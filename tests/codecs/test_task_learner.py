"""A tuning for a task: low levels and steps are those of files, steps follow what a teacher sees, the result is a model."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from laconic.codecs import _native  # noqa: E402
from laconic.codecs.errors import CodecError, WeightsError  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.codecs.learning.band_rate import BandRate, TensorLowBands  # noqa: E402
from laconic.codecs.learning.task_learner import TASK_TUNE, TaskLearner, TaskOptions  # noqa: E402
from laconic.codecs.learning.task_student import load_task_student  # noqa: E402
from laconic.codecs.learning.tensor_encoder import load_tensor_encoder  # noqa: E402
from laconic.codecs.media import Image  # noqa: E402
from laconic.codecs.models.model import Model  # noqa: E402
from laconic.codecs.models.zoo import model_path  # noqa: E402

RGB = model_path("rgb")
OPTIONS = TaskOptions(batch_size=4, crop=8, width=8, student_alone=0.0, offset_learning_rate=1.0)


def mean_colors(planes: torch.Tensor) -> torch.Tensor:
    """A teacher that sees nothing but the mean of each block of 64 pixels a side, at 1/16 of the size."""
    means = torch.nn.functional.avg_pool2d(planes, 64)
    return 4 * torch.nn.functional.interpolate(means, scale_factor=4)


@cache
def rgb() -> Model:
    return Model.load(RGB)


def learner(model: Model | None = None) -> TaskLearner:
    torch.manual_seed(0)
    return TaskLearner(model or rgb(), load_tensor_encoder(RGB), mean_colors, OPTIONS)


def picture(seed: int = 0, side: int = 128) -> torch.Tensor:
    """(3, side, side) in [-0.5, 0.5]: smooth, with noise."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, 5, 5), generator=random)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")[0] - 0.5
    samples = smooth + 0.05 * torch.randn((3, side, side), generator=random)
    return ((samples + 0.5) * 255).round().clamp(0, 255) / 255 - 0.5


def image_of(planes: torch.Tensor) -> Image:
    samples = ((planes + 0.5) * 255).round().to(torch.uint8).movedim(0, 2)
    return Image(np.ascontiguousarray(samples.numpy()))


def test_low_bands_are_those_of_the_codec() -> None:
    planes = torch.randn((1, 3, 16, 24), generator=torch.Generator().manual_seed(0))
    low = TensorLowBands(torch.from_numpy(rgb().low_gains.copy()))
    bands = low.analyze(planes)
    native = planes[0].numpy().copy()
    _native.analyze_low(native, rgb().low_gains)
    places = [(0, 0, 4), (2, 0, 4), (0, 2, 4), (2, 2, 4), (1, 0, 2), (0, 1, 2), (1, 1, 2)]
    for band, (row, column, stride) in zip(bands, places, strict=True):
        assert np.allclose(band[0].numpy(), native[:, row::stride, column::stride], atol=1e-5)
    assert torch.allclose(low.synthesize(bands), planes, atol=1e-5)


def test_fine_steps_give_the_latents_of_files() -> None:
    own, code = learner(), 60
    prepared = own.cutting.prepare(picture())[None].float()
    coefficients = prepared[:, :48]
    with torch.no_grad():
        points, _ = own.module.coding(coefficients, code, torch.zeros_like(coefficients), share=0.0)
        found = torch.nn.functional.conv2d(points, own._turn[:, :, None, None])[0].numpy()
    codec = Lcn(model="rgb", step_code=code, tune="psnr")
    wanted = codec.unpack(codec.encode(image_of(picture())), channels=48).dequantize()
    assert np.abs(found - wanted).max() < 0.01  # half precision


def test_bits_fall_with_the_step_and_zeros_cost_little() -> None:
    rate = BandRate(3, 0)
    values = torch.randn((1, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    noise = torch.rand(values.shape, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.no_grad():
        bits = [
            float(rate(values / step, (values / step).round(), noise, None).mean()) for step in (0.1, 0.5, 2.0, 50.0)
        ]
    assert sorted(bits, reverse=True) == bits
    assert bits[-1] < 0.1


@cache
def trained() -> TaskLearner:
    own = learner()
    side = OPTIONS.crop
    crops = torch.stack([own.cutting.prepare(picture(seed))[:, :side, :side].float() for seed in range(4)])
    optimizer = torch.optim.Adam([{"params": g["params"], "lr": g["lr"]} for g in own.parameter_groups()])
    for step in range(40):
        loss, numbers = own.loss(own.sample(crops, torch.Generator().manual_seed(step)), step / 40)
        assert set(numbers) == {"distance", "plain_distance", "slope", "bits_per_pixel"}
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return own


def test_bits_go_where_the_teacher_looks() -> None:
    tuning = trained().tuning
    assert tuning.low_offsets[0] > tuning.low_offsets[4:].mean() + 4
    assert tuning.low_offsets[0] > tuning.offsets[3:12].mean() + 4
    assert tuning.offsets[3:12].min() >= -16
    assert (tuning.offsets[48:] == -64).all()
    assert not tuning.offsets[:3].any()


def test_result_is_a_model_with_a_tune_and_a_student(tmp_path: Path) -> None:
    path, own = tmp_path / "task.safetensors", trained()
    own.save(path, {"recipe": "task"})
    model = Model.load(path)
    assert [tuning.name for tuning in model.tunings] == [*(t.name for t in rgb().tunings), TASK_TUNE]
    assert model.card["recipe"] == "task"
    codec = Lcn(model=str(path), step_code=190, tune=TASK_TUNE)
    file = codec.encode(image_of(picture()))
    assert codec.decode(file).samples.shape == (128, 128, 3)
    latent = codec.unpack(file)
    assert not latent.values[48:].any()
    student = load_task_student(path)
    seen = torch.from_numpy(latent.dequantize()[: student.num_channels])[None]
    with torch.no_grad():
        assert torch.equal(student(seen), own.module.student(seen))
        assert student.adapted(seen).shape == (1, 16, 8, 8)


def test_validation_compares_with_the_model_as_it_was() -> None:
    found = trained().validate([picture(9)])
    assert found["plain_bits_196"] > found["plain_bits_212"] > found["plain_bits_228"] > 0
    assert np.isfinite(list(found.values())).all()
    assert set(found) == {
        f"{a}_{b}_{c}" for a in ("tuned", "plain") for b in ("distance", "bits") for c in (196, 212, 228)
    }


def test_models_without_a_student_or_low_levels_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no student"):
        load_task_student(RGB)
    with pytest.raises(WeightsError, match="does not exist"):
        load_task_student(tmp_path / "none.safetensors")
    with pytest.raises(CodecError, match="has tune task already"):
        learner(replace(rgb(), tunings=(*rgb().tunings, trained().tuning)))
    with pytest.raises(CodecError, match="learned for models of three planes"):
        learner(Model.load(model_path("grey")))
