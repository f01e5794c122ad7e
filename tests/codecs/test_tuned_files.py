"""Files of every tune and profile: what one way of reading or writing gives, every other gives, to the bit."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_files import load_module
from tuned_scene import OWN, lively_picture, save_own

from laconic.codecs.files import encode
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model, model_path
from laconic.codecs.packing.latent_batch import LatentBatch, PictureFiles
from laconic.codecs.pictures import encoder_chunks

REFERENCE = load_module("entropy/reference_decoder.py")
SIZE = (150, 203)
PICTURES = {
    "rgb": lively_picture(SIZE),
    "grey": lively_picture(SIZE, 1),
    "alpha": lively_picture(SIZE, 4),
    "deep": lively_picture(SIZE, 3, np.uint16),
}
REGIONS = [(0, 0, 203, 150), (60, 61, 9, 5), (130, 40, 73, 110), (3, 149, 200, 1)]
CASES = [(picture, profile) for picture in PICTURES for profile in ("fast", "small", "best")]

each_case = pytest.mark.parametrize(("picture", "profile"), CASES)
each_tune = pytest.mark.parametrize("tune", ["machine", OWN])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of models with the tune, by the name of the shipped one."""
    folder = tmp_path_factory.mktemp("models")
    return {name: save_own(name, folder) for name in ("rgb", "grey", "rgb_best", "grey_best")}


def codec_of(picture: str, profile: Any, tune: str, models: dict[str, str], **options: Any) -> Lcn:
    """Of small tiles. With the tune of models of our own, of a strength and offsets."""
    name = ("grey" if picture == "grey" else "rgb") + ("_best" if profile == "best" else "")
    options = {"quality": 70, "tile_log2": 3} | options
    return Lcn(profile=profile, tune=tune, model=models[name] if tune == OWN else None, **options)


@each_tune
@each_case
def test_parts_rows_and_threads_give_the_pixels_of_the_whole(
    picture: str, profile: str, tune: str, models: dict[str, str]
) -> None:
    codec = codec_of(picture, profile, tune, models)
    data = codec.encode(PICTURES[picture])
    whole = codec.decode(data)
    assert isinstance(whole, Image)
    assert np.array_equal(codec.synthesize(codec.unpack(data)).samples, whole.samples)
    for threads in (2, 3):
        other = dataclasses.replace(codec, threads=threads)
        assert np.array_equal(other.decode(data).samples, whole.samples)
        assert np.array_equal(np.concatenate(list(other.open_area(data).rows())), whole.samples)
    for region in REGIONS:
        x, y, width, height = region
        part, damage = codec.decode_area(data, region=region)
        assert damage == ()
        assert np.array_equal(part.samples, whole.samples[y : y + height, x : x + width])
        rows = np.concatenate(list(codec.open_area(data, region=region).rows()))
        assert np.array_equal(rows, part.samples)


@each_tune
@each_case
def test_smaller_pictures_and_few_channels_are_cut_alike(
    picture: str, profile: str, tune: str, models: dict[str, str]
) -> None:
    codec = codec_of(picture, profile, tune, models)
    data = codec.encode(PICTURES[picture])
    half, _ = codec.decode_area(data, scale=2)
    assert half.samples.shape[:2] == (75, 102)
    part, _ = codec.decode_area(data, scale=2, region=(64, 32, 100, 80))
    assert np.array_equal(part.samples, half.samples[16:56, 32:82])
    colors = 1 if picture == "grey" else 3
    for channels in (4 * colors, 4 * colors + 1, 16 * colors):
        latent = codec.unpack(data, channels=channels)
        assert np.array_equal(latent.dequantize(), codec.unpack(data).dequantize()[:channels])
        few, _ = codec.decode_area(data, channels=channels)
        assert np.array_equal(few.samples, codec.synthesize(latent).samples)
        area, _ = codec.decode_area(data, channels=channels, region=(61, 30, 70, 40))
        assert np.array_equal(area.samples, few.samples[30:70, 61:131])


class _Rows:
    """A picture read from the top."""

    def __init__(self, image: Image) -> None:
        self.height, self.width, self._samples, self._next = image.height, image.width, image.samples, 0

    def read_rows(self, count: int) -> np.ndarray:
        first, self._next = self._next, self._next + count
        return self._samples[first : self._next]


@each_tune
@each_case
def test_bytes_depend_on_no_threads_rows_or_chunks(
    picture: str, profile: str, tune: str, models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, image = codec_of(picture, profile, tune, models), PICTURES[picture]
    data = codec.encode(image)
    for threads in (2, 3):
        assert dataclasses.replace(codec, threads=threads).encode(image) == data
    for chunk_values in (1, 1 << 17):
        monkeypatch.setattr(encoder_chunks, "CHUNK_VALUES", chunk_values)
        assert codec.encode(image) == data
        assert dataclasses.replace(codec, threads=2).encode(image) == data
        if picture != "alpha":
            form = {"num_colors": image.samples.shape[2], "sample_type": str(image.samples.dtype)}
            depth = image.bit_depth if picture == "deep" else 0
            assert codec.encode_rows(_Rows(image), **form, bit_depth=depth) == data


@each_tune
@each_case
def test_latents_go_into_files_and_back(picture: str, profile: str, tune: str, models: dict[str, str]) -> None:
    codec, image = codec_of(picture, profile, tune, models), PICTURES[picture]
    data = codec.encode(image)
    latent = codec.unpack(data)
    assert codec.pack(latent) == data
    assert latent.tuned is not None and latent.tuned.code == codec.plan_of(image).model.tuned.code  # type: ignore[union-attr]
    assert np.array_equal(codec.analyze(image).values, latent.values)
    plain = dataclasses.replace(codec, tune="psnr").encode(image)
    assert dataclasses.replace(codec, tune="psnr").pack(latent) == data  # of whatever tune the codec is
    assert plain != data and codec.unpack(plain).tuned is None
    assert latent != dataclasses.replace(latent, tuned=None)


@pytest.mark.parametrize("effort", [0, 2])
@pytest.mark.parametrize("profile", ["small", "best"])
def test_other_efforts(profile: str, effort: int, models: dict[str, str]) -> None:
    image = PICTURES["rgb"]
    codec = codec_of("rgb", profile, OWN, models, effort=effort)
    data = codec.encode(image)
    assert dataclasses.replace(codec, threads=2).encode(image) == data
    assert np.array_equal(codec.analyze(image).values, codec.unpack(data).values)


@pytest.mark.parametrize("tile_log2", [None, 4])
@pytest.mark.parametrize("grouping", ["channels", "whole"])
@pytest.mark.parametrize("progression", ["group", "tile"])
def test_layouts_hold_the_same_integers(
    tile_log2: int | None, grouping: Any, progression: Any, models: dict[str, str]
) -> None:
    """Of profile fast, in which what integers are does not depend on tiles."""
    codec = codec_of("rgb", "fast", OWN, models)
    other = dataclasses.replace(codec, tile_log2=tile_log2, grouping=grouping, progression=progression)
    image = PICTURES["rgb"]
    data = other.encode(image)
    assert np.array_equal(codec.unpack(data).values, codec.analyze(image).values)
    assert np.array_equal(codec.decode(data).samples, codec.decode(codec.encode(image)).samples)


@pytest.mark.parametrize(
    ("picture", "profile", "tune"),
    [("rgb", "fast", "machine"), ("rgb", "small", "machine"), ("grey", "best", "machine")]
    + [(*case, OWN) for case in CASES if case[0] != "deep"],
)
def test_integers_are_those_of_the_reference_decoder(
    picture: str, profile: str, tune: str, models: dict[str, str]
) -> None:
    """Of two tiles. Files of a model's first tune say nothing of it."""
    image = PICTURES[picture]
    small = dataclasses.replace(image, samples=np.ascontiguousarray(image.samples[60:79, 120:189]))
    codec = codec_of(picture, profile, tune, models, quality=55)
    data = codec.encode(small)
    path = Path(codec.model) if codec.model else model_path(codec.plan_of(small).model.name)
    found, latent = REFERENCE.decode_file(data, path), codec.unpack(data)
    assert np.array_equal(np.array(found.values), latent.values)
    assert latent.tuned is not None and found.header.tuning == (None if tune == OWN else latent.tuned.code)
    offsets = latent.tuned.offsets
    planes = len(offsets) // 64
    of_map = found.values[planes : 4 * planes], offsets[planes : 4 * planes].tolist()
    exponents = REFERENCE.step_exponents(*of_map, latent.step_code, latent.tuned.strength)
    assert np.array_equal(latent.exponents, exponents)  # type: ignore[arg-type]
    if tune == OWN:
        return
    for changed in (16 * 15 + 15, latent.tuned.code ^ 32):
        other = _with_tuning(data, changed)
        with pytest.raises(REFERENCE.DecodeError):
            REFERENCE.decode_file(other, path)
        with pytest.raises(ValueError):
            codec.unpack(other)


def _with_tuning(data: bytes, tuning: int) -> bytes:
    """A file with another tuning byte, whose checksum is as it was."""
    at = 12 + 2 + (data[12] >= 128) + (data[13 + (data[12] >= 128)] >= 128) + 1
    return data[:at] + bytes([tuning]) + data[at + 1 :]


# Batches


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.array_equal(a.view(np.int32), b.view(np.int32))


@pytest.mark.parametrize("picture", ["rgb", "grey"])
@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_files_of_all_tunes_go_into_one_batch(picture: str, profile: str, models: dict[str, str]) -> None:
    colors, size = (1 if picture == "grey" else 3), (70, 83)
    tunes, codec = ("psnr", "balanced", "machine", OWN), codec_of(picture, profile, OWN, models, tile_log2=None)
    files = [
        dataclasses.replace(codec, tune=tune, quality=quality).encode(lively_picture(size, colors, seed=quality))
        for quality in (30, 60, 90)
        for tune in tunes
    ]
    assert len(set(files)) == len(files)
    for channels in (colors, 4 * colors, 4 * colors + 1, 16 * colors, 64 * colors):
        expected = np.stack([codec.unpack(file, channels=channels).dequantize() for file in files])
        assert same_bits(codec.dequantize_batch(files, channels=channels), expected)
        if profile == "best":
            continue
        out = np.full_like(expected, np.nan)
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        model = load_model(codec.model)  # type: ignore[arg-type]
        batch = LatentBatch(model, channels, ones, zeros)
        assert batch.decode(lambda: PictureFiles(files), out).all()
        assert same_bits(out, expected)


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_latents_of_different_tunes_are_in_the_same_units(profile: str, models: dict[str, str]) -> None:
    """At steps so small that all are near the coefficients themselves."""
    image = lively_picture((64, 80))
    own = codec_of("rgb", profile, OWN, models, step_code=60)
    tunes = ("psnr", "machine", OWN)
    found = [dataclasses.replace(own, tune=tune).analyze(image).dequantize() for tune in tunes]
    for other in found[1:]:
        assert np.abs(other - found[0]).max() < 0.02
        assert not np.array_equal(other, found[0])


def test_tunes_change_what_bits_are_spent_on(models: dict[str, str]) -> None:
    """Of the texture less is kept, of what is smooth more."""
    image = lively_picture((160, 400))
    plain, tuned = (Lcn(50, tune=tune) for tune in ("psnr", "machine"))
    errors = [np.abs(c.decode(c.encode(image)).samples.astype(float) - image.samples) for c in (plain, tuned)]
    smooth, texture = (slice(0, 40), slice(0, 100)), (slice(None), slice(300, 400))
    assert errors[1][texture].mean() > errors[0][texture].mean()
    assert errors[1][smooth].mean() <= errors[0][smooth].mean()


def test_encode_takes_a_tune() -> None:
    image = lively_picture((40, 60))
    assert encode(image, tune="machine") == Lcn(tune="machine").encode(image)
    assert len(encode(image, tune="eye", max_bytes=900)) <= 900
