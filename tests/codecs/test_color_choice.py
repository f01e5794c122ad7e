"""Which pictures get colours of their own, and that this depends on the picture alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from color_scene import tinted, waves
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.form import form_of
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.pictures import color_choice
from laconic.codecs.size_search import best_within
from laconic.entropy.container import Source, read_header
from laconic.tasks.cli import app

BEST = Lcn(profile="best", quality=70)
DATA = Path(__file__).parents[1] / "data"


def axes_of(data: bytes) -> tuple[int, ...] | None:
    return read_header(Source(data)).color_axes


def psnr_db(first: Image, second: Image) -> float:
    peak = np.iinfo(first.samples.dtype).max
    return float(10 * np.log10(peak**2 / np.square(first.samples.astype(float) - second.samples).mean()))


class Rows:
    """A source of rows."""

    def __init__(self, samples: np.ndarray) -> None:
        self.height, self.width, _ = samples.shape
        self._samples, self._next = samples, 0

    def read_rows(self, count: int) -> np.ndarray:
        self._next += count
        return self._samples[self._next - count : self._next]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_file_of_a_tinted_picture_is_smaller(dtype: type) -> None:
    image = tinted(128, 192, dtype)
    data, as_model = BEST.encode(image), BEST.pack(BEST.analyze(image))
    assert axes_of(data) is not None
    assert axes_of(as_model) is None
    loss = psnr_db(image, BEST.decode(as_model)) - psnr_db(image, BEST.decode(data))
    assert len(data) < 0.96 * len(as_model)
    assert loss < 0.1


def test_picture_in_the_colours_of_the_model_keeps_them() -> None:
    """Noise along each axis of the model, and none between them."""
    axes = color_choice._axes_of(load_model("rgb_best"))
    assert axes is not None
    noise = np.random.default_rng(0).normal(0, (25, 8, 4), (128, 128, 3))
    image = Image((128 + noise @ axes).clip(0, 255).astype(np.uint8))
    assert axes_of(BEST.encode(image)) is None
    other = Image(image.samples[:, :, [2, 0, 1]])
    assert axes_of(BEST.encode(other)) is not None


@pytest.mark.parametrize(
    "codec",
    [
        replace(BEST, effort=0),
        replace(BEST, profile="small"),
        replace(BEST, profile="fast"),
    ],
)
def test_colours_are_chosen_with_networks_and_effort_only(codec: Lcn) -> None:
    assert axes_of(codec.encode(tinted(128, 192))) is None


def test_small_pictures_keep_the_colours_of_the_model() -> None:
    assert axes_of(BEST.encode(tinted(63, 192))) is None
    assert axes_of(replace(BEST, quality=1).encode(tinted(64, 64))) is None  # the nine numbers cost more


def test_large_pictures_keep_the_colours_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    image = tinted(128, 192)
    monkeypatch.setattr(color_choice, "MOST_PIXELS", 128 * 192)
    assert axes_of(BEST.encode(image)) is not None
    monkeypatch.setattr(color_choice, "MOST_PIXELS", 128 * 192 - 1)
    assert axes_of(BEST.encode(image)) is None


def test_grey_pictures_have_no_colours() -> None:
    image = Image(tinted(128, 192).samples[:, :, :1])
    assert axes_of(BEST.encode(image)) is None


def test_invisible_colours_do_not_count() -> None:
    image = tinted(128, 192, alpha=True)
    assert axes_of(BEST.encode(image)) is not None
    samples = image.samples.copy()
    samples[:, :, 3] = 0
    assert axes_of(BEST.encode(Image(samples))) is None


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("dtype", "bit_depth"), [(np.uint8, 8), (np.uint16, 16), (np.uint16, 12)])
def test_rows_give_the_same_file(dtype: type, bit_depth: int, threads: int) -> None:
    samples = tinted(128, 192, dtype).samples
    image = Image(samples >> (16 - bit_depth) if dtype == np.uint16 else samples, bit_depth=bit_depth)
    codec = replace(BEST, tile_log2=3, threads=threads)
    data = codec.encode_rows(
        Rows(image.samples), num_colors=3, sample_type=form_of(image).sample_type, bit_depth=bit_depth
    )
    assert data == replace(codec, threads=1).encode(image)
    assert axes_of(data) is not None


def test_bit_depth_does_not_change_the_colours() -> None:
    deep = tinted(128, 192, np.uint16)
    assert axes_of(BEST.encode(deep)) == axes_of(BEST.encode(tinted(128, 192)))


def test_info_says_the_axes(tmp_path: Path) -> None:
    for name, data in (("own", BEST.encode(tinted(128, 192))), ("as_model", Lcn().encode(waves(20, 20)))):
        (tmp_path / f"{name}.lcn").write_bytes(data)
    axes = axes_of((tmp_path / "own.lcn").read_bytes())
    assert axes is not None
    run = CliRunner()
    as_json = run.invoke(app, ["info", str(tmp_path / "own.lcn"), "--json"]).stdout
    assert json.loads(as_json)["color_axes"] == list(axes)
    assert f"color axes      {', '.join(map(str, axes))}" in run.invoke(app, ["info", str(tmp_path / "own.lcn")]).stdout
    assert "color axes      none" in run.invoke(app, ["info", str(tmp_path / "as_model.lcn")]).stdout


def test_colours_make_room_for_a_finer_step() -> None:
    image = tinted(128, 192)
    limit = len(BEST.encode(image)) + 20
    data = best_within(image, limit, BEST)
    assert len(data) <= limit
    assert axes_of(data) is not None
    code = read_header(Source(data)).step_code
    assert len(replace(BEST, step_code=code - 1).encode(image)) > limit
    assert len(BEST.pack(BEST.analyze_steps(image, (code,))[0])) > limit


def test_axes_are_those_of_models_that_mix_colours_alone() -> None:
    axes = color_choice._axes_of(load_model("rgb_best"))
    assert axes is not None
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-5)
    assert np.all(axes[0] > 0.5)  # lightness
    assert color_choice._axes_of(load_model("rgb")) is None


@pytest.mark.parametrize("name", ["kodim05_crop.png", "kodim23_crop.png"])
def test_photograph_is_never_much_worse(name: str) -> None:
    with PillowImage.open(DATA / name) as picture:
        image = Image(np.asarray(picture.convert("RGB")))
    data, as_model = BEST.encode(image), BEST.pack(BEST.analyze(image))
    gain_db = psnr_db(image, BEST.decode(data)) - psnr_db(image, BEST.decode(as_model))
    assert len(data) / len(as_model) - gain_db * 0.12 < 1.005  # a decibel is about 12 % of the bytes
