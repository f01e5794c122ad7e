"""Noise in place of zeros (SPEC.md, section 9.9)."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import Image, Lcn
from laconic.codecs.errors import WeightsError
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import Tuning, tuned_model
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.picture_rows import PictureRowsPart, filled_points, points_of_part

NOISE = 9
TUNE = "noisy"


def noisy_model(name: str, strength: int = 5) -> Model:
    model = load_model(name)
    zeros = np.zeros((model.num_channels, 16), np.uint8)
    first = 4 * model.num_planes
    zeros[first:] = np.random.default_rng(1).integers(0, 200, (model.num_channels - first, 16))
    zeros[first::3] = 0  # some channels have none
    tuning = Tuning(
        TUNE, strength, np.zeros(model.num_channels, np.int16), np.zeros(len(model.low_gains), np.int16), NOISE
    )
    return dataclasses.replace(model, zeros=zeros, tunings=(tuning,))


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name in ("rgb", "grey", "rgb_best"):
        found[name] = str(folder / f"{name}.safetensors")
        noisy_model(name).save(found[name])
    noisy_model("rgb", strength=0).save(folder / "flat.safetensors")
    return {**found, "flat": str(folder / "flat.safetensors")}


def picture(height: int = 150, width: int = 203, channels: int = 3, dtype: Any = np.uint8) -> Image:
    random = np.random.default_rng(7)
    waves = np.add.outer(np.sin(np.arange(height) / 9), np.cos(np.arange(width) / 13))[..., None]
    samples = 0.5 + 0.2 * waves + random.normal(0, 0.06, (height, width, channels)) * (waves > 0)
    peak = np.iinfo(dtype).max
    return Image.from_array((np.clip(samples, 0, 1) * peak).astype(dtype))


def mixed(key: int) -> int:
    key = ((key ^ key >> 16) * 0x7FEB352D) & 0xFFFFFFFF
    key = ((key ^ key >> 15) * 0x846CA68B) & 0xFFFFFFFF
    return key ^ key >> 16


def noise(channel: int, y: int, x: int) -> int:
    golden, whole = 0x9E3779B9, 0xFFFFFFFF
    row = mixed((mixed(golden * channel & whole) + y) & whole)
    number = mixed((row + golden * x) & whole) >> 16
    return number - 65536 if number >= 32768 else number


def classes(values: NDArray[np.int32], planes: int) -> NDArray[np.int64]:
    squares = (np.minimum(np.abs(values[planes : 4 * planes].astype(np.int64)), 255) ** 2).sum(0)
    padded = np.pad(squares, 1)
    h, w = squares.shape
    around = sum(padded[i : i + h, j : j + w] for i in range(3) for j in range(3))
    return np.array([[min(int(n).bit_length(), 15) for n in row] for row in around])


def test_points_have_the_noise_of_the_specification(paths: dict[str, str]) -> None:
    image = picture(60, 70)
    codec = Lcn(model=paths["rgb"], tune=TUNE, quality=40)
    latent = codec.unpack(codec.encode(image))
    model = tuned_model(Model.load(paths["rgb"]), 5 << 4 | 1)
    values = np.ascontiguousarray(latent.values[:, 2:, 3:])  # a part
    part = PictureRowsPart(values, (2, 3), image.samples.shape[:2], latent.step_code, 255).with_map(model)
    found, plain = filled_points(part, model), points_of_part(part, model)
    of_places = classes(values, 3)
    exponents = part.exponents
    assert exponents is not None
    steps = model.steps_at(latent.step_code)
    for c in (3, 12, 13, 47, 60, 191):
        for y, x in ((0, 0), (1, 3), (4, 5)):
            expected = plain[c, y, x]
            if values[c, y, x] == 0 and c >= 12:
                share = np.float32(model.zeros[c, of_places[y, x]]) * np.float32(NOISE / 8192)
                expected = np.float32(noise(c, y + 2, x + 3)) * np.float32(2.0**-15) * (share * steps[c])
                expected *= np.float32(2.0 ** (-int(exponents[y, x]) / 16))
            assert found[c, y, x] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert (found != plain).any()


@pytest.mark.parametrize(
    ("name", "profile"), [("rgb", "small"), ("rgb", "fast"), ("rgb_best", "best"), ("flat", "small")]
)
def test_parts_are_cut_from_the_whole(paths: dict[str, str], name: str, profile: Any) -> None:
    codec = Lcn(model=paths[name], tune=TUNE, quality=35, profile=profile, tile_log2=3)
    data = codec.encode(picture())
    whole = codec.decode(data)
    assert isinstance(whole, Image)
    for region in ((0, 0, 203, 150), (65, 43, 70, 60), (100, 1, 1, 1), (180, 120, 23, 30)):
        x, y, w, h = region
        area, _ = codec.decode_area(data, region=region)
        assert np.array_equal(area.samples, whole.samples[y : y + h, x : x + w])
    assert np.array_equal(np.concatenate(list(codec.open_area(data).rows())), whole.samples)
    assert np.array_equal(dataclasses.replace(codec, threads=3).decode(data).samples, whole.samples)
    synthesized = codec.synthesize(codec.unpack(data))
    assert np.array_equal(synthesized.samples, whole.samples)
    half, _ = codec.decode_area(data, scale=2)
    part, _ = codec.decode_area(data, scale=2, region=(64, 48, 80, 60))
    assert np.array_equal(part.samples, half.samples[24:54, 32:72])


def test_noise_is_in_pixels_alone(paths: dict[str, str]) -> None:
    image, codec = picture(), Lcn(model=paths["rgb"], tune=TUNE, quality=35)
    data = codec.encode(image)
    bare = dataclasses.replace(codec, fill=False).decode(data)
    assert (codec.decode(data).samples != bare.samples).mean() > 0.1
    plain = Lcn(model=paths["rgb"], tune="balanced", step_code=codec.unpack(data).step_code)
    expected = plain.encode(image)
    assert np.array_equal(plain.decode(expected).samples, bare.samples)
    latents = (plain.unpack(expected).dequantize(), codec.unpack(data).dequantize())
    assert np.array_equal(*latents)
    assert len(data) == len(expected) - 1  # what is usual with the model takes no byte


@pytest.mark.parametrize("channels", [1, 4])
def test_pictures_of_any_kind_have_noise(paths: dict[str, str], channels: int) -> None:
    name = "grey" if channels == 1 else "rgb"
    for dtype in (np.uint8, np.uint16):
        image = picture(70, 90, channels, dtype)
        codec = Lcn(model=paths[name], tune=TUNE, quality=35)
        data = codec.encode(image)
        found, bare = codec.decode(data), dataclasses.replace(codec, fill=False).decode(data)
        colors = slice(0, 1 if channels == 1 else 3)
        assert (found.samples[..., colors] != bare.samples[..., colors]).any()
        if channels == 4:
            assert np.array_equal(found.samples[..., 3], image.samples[..., 3])


def test_noise_without_zeros_is_refused() -> None:
    model = load_model("rgb")
    tuning = Tuning(TUNE, 0, np.zeros(192, np.int16), np.zeros(7, np.int16), 1)
    with pytest.raises(WeightsError, match="noise 1; allowed is 0 to 31"):
        dataclasses.replace(model, zeros=np.zeros((0, 16), np.uint8), tunings=(tuning,))
    with pytest.raises(WeightsError, match="zeros of shape"):
        dataclasses.replace(model, zeros=np.zeros((12, 16), np.uint8))


def test_models_keep_zeros(tmp_path: Path) -> None:
    model = noisy_model("rgb")
    model.save(tmp_path / "m.safetensors")
    found = Model.load(tmp_path / "m.safetensors")
    assert np.array_equal(found.zeros, model.zeros)
    assert found.tunings[0].noise == NOISE
    changed = model.zeros.copy()
    changed[50, 3] += 1
    assert dataclasses.replace(model, zeros=changed).fingerprint != model.fingerprint
