"""Low levels: the lowest channels of a picture in two further wavelet levels. Lifting equals a plain reference bit for bit;
files round trip, in parts and by rows; pictures are as good as without."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from low_scene import random_contexts
from numpy.typing import NDArray

from laconic.codecs import CodecError, Image, Lcn, _native
from laconic.codecs.errors import WeightsError
from laconic.codecs.files import read_image
from laconic.codecs.models.low_bounds import largest_low_coefficient
from laconic.codecs.models.low_levels import LowSynthesis, no_low_gains, no_low_scale_codes
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import HIGH_GAIN, LIFTING, LOW_GAIN
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.picture_rows import PictureRowsPart, margin_of, synthesize_picture_rows
from laconic.codecs.transform.quantizer import integer_type
from laconic.codecs.transform.signals import coefficients_of

KODAK = Path(__file__).parents[2].parent / "shared" / "data" / "kodak"
SIZES = [(1, 1), (1, 9), (8, 8), (9, 17), (33, 47), (200, 300)]
KINDS = tuple(itertools.product((np.uint8, np.uint16), (1, 2, 3, 4)))
KIND_IDS = [f"{np.dtype(kind).name}-{channels}" for kind, channels in KINDS]
GAINS = np.array([1.5, 1.25, 0.75, 0.5, 1, 2, 0.875], np.float32)

Floats = NDArray[np.float32]
A, B, C, D = (np.float32(f) for f in LIFTING)
LOW, HIGH, LOW_BACK, HIGH_BACK = (np.float32(f) for f in (LOW_GAIN, HIGH_GAIN, -HIGH_GAIN, -LOW_GAIN))


# --- the law, a value at a time


def odd_steps(x: Floats, factor: np.float32) -> None:
    n = len(x)
    for i in range(1, n, 2):
        x[i] += factor * (x[i - 1] + x[i + 1 if i + 1 < n else i - 1])


def even_steps(x: Floats, factor: np.float32) -> None:
    n = len(x)
    for i in range(0, n, 2):
        x[i] += factor * (x[i + 1 if i + 1 < n else i - 1] + x[i - 1 if i > 0 else 1])


def analyzed_line(line: Floats) -> Floats:
    x = line.copy()
    if len(x) > 1:
        odd_steps(x, A)
        even_steps(x, B)
        odd_steps(x, C)
        even_steps(x, D)
        x[0::2] *= LOW
        x[1::2] *= HIGH
    return x


def synthesized_line(line: Floats) -> Floats:
    x = line.copy()
    if len(x) > 1:
        x[0::2] *= LOW_BACK
        x[1::2] *= HIGH_BACK
        even_steps(x, -D)
        odd_steps(x, -C)
        even_steps(x, -B)
        odd_steps(x, -A)
    return x


def classes_of(height: int, width: int, levels: int) -> NDArray[np.int64]:
    """The class of every place."""
    out = np.zeros((height, width), np.int64)
    for level in range(levels):  # from the finest
        s, base = 1 << level, 1 + 3 * (levels - 1 - level)
        out[s :: 2 * s, :: 2 * s] = base
        out[:: 2 * s, s :: 2 * s] = base + 1
        out[s :: 2 * s, s :: 2 * s] = base + 2
    return out


def analyzed(plane: Floats, gains: Floats) -> Floats:
    out, levels = plane.copy(), len(gains) // 3
    for level in range(levels):
        band = out[:: 1 << level, :: 1 << level]
        band[...] = np.apply_along_axis(analyzed_line, 1, band)
        band[...] = np.apply_along_axis(analyzed_line, 0, band)
    return out * gains[classes_of(*plane.shape, levels)]


def undone(plane: Floats, levels: int, skipped: int = 0) -> Floats:
    out = plane.copy()
    for level in reversed(range(skipped, levels)):
        band = out[:: 1 << level, :: 1 << level]
        band[...] = np.apply_along_axis(synthesized_line, 0, band)
        band[...] = np.apply_along_axis(synthesized_line, 1, band)
    return out[:: 1 << skipped, :: 1 << skipped]


def synthesized(integers: NDArray[np.int32], step: np.float32, rule: LowSynthesis, skipped: int) -> NDArray[np.int64]:
    """Values of one plane."""
    levels = len(rule.inverse) // 3
    classes = classes_of(*integers.shape, levels)
    magnitudes = np.abs(integers)
    less = rule.shrink[classes, 0, np.clip(magnitudes, 1, 3) - 1] * (magnitudes > 0)
    points = (magnitudes.astype(np.float32) - less) * step * rule.inverse[classes]
    planes = undone(np.where(integers < 0, -points, points), levels, skipped)
    factor = np.float32(2048)
    for level in range(skipped):
        splits = sum(-(-length >> level) > 1 for length in integers.shape)
        factor *= np.float32((1, 0.70710678, 0.5)[splits])
    return np.floor(planes * factor + np.float32(0.5)).clip(-32767, 32767).astype(np.int64)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("size", [*itertools.product(range(1, 8), repeat=2), (31, 64), (40, 77)], ids=str)
def test_lifting_is_the_reference(size: tuple[int, int], levels: int) -> None:
    random = np.random.default_rng(size[0])
    planes, gains = random.normal(0, 3, (2, *size)).astype(np.float32), GAINS[: 1 + 3 * levels]
    found = planes.copy()
    _native.analyze_low(found, gains)
    for plane, expected in zip(found, planes, strict=True):
        assert np.array_equal(plane, analyzed(expected, gains))


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("size", [*itertools.product(range(1, 6), repeat=2), (31, 64), (40, 77)], ids=str)
def test_synthesis_is_the_reference(size: tuple[int, int], levels: int, dtype: type) -> None:
    random = np.random.default_rng(size[0])
    classes, step = 1 + 3 * levels, np.float32(0.0371)
    integers = (random.laplace(0, 12, (2, *size)) * (random.random(size) < 0.7)).astype(dtype)
    shrink = random.uniform(0, 0.4, (classes, 3, 3)).astype(np.float32)
    rule = LowSynthesis(1 / GAINS[:classes], shrink)
    for skipped in range(levels + 1):
        found = rule.values(integers, float(step), skipped)
        for p, plane in enumerate(found):
            of_plane = LowSynthesis(rule.inverse, shrink[:, p : p + 1])
            assert np.array_equal(plane, synthesized(integers[p].astype(np.int32), step, of_plane, skipped))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (37, 41)])
def test_what_is_not_quantised_is_reconstructed(size: tuple[int, int]) -> None:
    plane = np.random.default_rng(1).uniform(-1, 1, size).astype(np.float32)
    found = undone(analyzed(plane, GAINS) / GAINS[classes_of(*size, 2)], 2)
    np.testing.assert_allclose(found, plane, rtol=0, atol=1e-5)


def test_constants_are_in_the_low_band_alone() -> None:
    planes = np.full((1, 21, 30), 0.3, np.float32)
    _native.analyze_low(planes, np.ones(7, np.float32))
    np.testing.assert_allclose(planes[0, ::4, ::4], 4 * 0.3, rtol=1e-5)
    planes[0, ::4, ::4] = 0
    assert np.abs(planes).max() < 1e-5


def test_parts_depend_on_no_more_than_the_margin() -> None:
    random = np.random.default_rng(2)
    whole = random.normal(0, 1, (1, 80, 96)).astype(np.float32)
    part = whole[:, 20:76, 12:92].copy()
    _native.analyze_low(whole, GAINS)
    _native.analyze_low(part, GAINS)
    m = _native.LOW_MARGIN
    assert np.array_equal(part[:, m:-m, m:-m], whole[:, 20 + m : 76 - m, 12 + m : 92 - m])
    integers = random.integers(-200, 200, (1, 80, 96)).astype(np.int32)
    rule = LowSynthesis(1 / GAINS, np.zeros((7, 1, 3), np.float32))
    some, all_of = rule.values(integers[:, 20:76, 12:92], 0.01), rule.values(integers, 0.01)
    assert np.array_equal(some[:, m:-m, m:-m], all_of[:, 20 + m : 76 - m, 12 + m : 92 - m])


def test_values_are_limited() -> None:
    rule = LowSynthesis(np.ones(7, np.float32), np.zeros((7, 1, 3), np.float32))
    for extreme in (np.iinfo(np.int32).min, np.iinfo(np.int32).max):
        found = rule.values(np.full((1, 9, 9), extreme, np.int32), 15.0)
        assert abs(int(found[0, 0, 0])) == 32767


# --- models


def low_model(name: str, levels: int = 2, gains: Floats | None = None) -> Model:
    """A shipped model with such low levels, all classes in the scale of their channel, and with its contexts where they
    fit."""
    model = load_model(name)
    classes, contexts = 1 + 3 * levels, model.contexts
    if contexts.low_levels != levels:
        contexts = random_contexts(model.num_channels, num_planes=model.num_planes, low_levels=levels)
    return dataclasses.replace(
        model,
        name="low",
        low_levels=levels,
        low_gains=np.ones(classes, np.float32) if gains is None else gains,
        low_scale_codes=np.tile(model.scale_codes[: model.num_planes], (classes, 1)),
        contexts=contexts,
        tunings=(),
    )


def plain_model(name: str) -> Model:
    """A shipped model without its low levels."""
    model = load_model(name)
    return dataclasses.replace(
        model,
        name="plain",
        low_levels=0,
        low_gains=no_low_gains(),
        low_scale_codes=no_low_scale_codes(),
        contexts=dataclasses.replace(model.contexts, low=None),
        tunings=(),
    )


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Model files by their number of colour planes."""
    folder = tmp_path_factory.mktemp("models")
    low_model("rgb").save(folder / "rgb.safetensors")
    low_model("grey", gains=GAINS).save(folder / "grey.safetensors")
    return {1: str(folder / "grey.safetensors"), 3: str(folder / "rgb.safetensors")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """File of a model of colours without low levels."""
    path = tmp_path_factory.mktemp("plain") / "plain.safetensors"
    plain_model("rgb").save(path)
    return str(path)


def test_a_model_file_holds_low_levels(paths: dict[int, str]) -> None:
    model, loaded = low_model("grey", gains=GAINS), load_model(paths[1])
    assert (loaded.low_levels, loaded.fingerprint) == (2, model.fingerprint)
    assert np.array_equal(loaded.low_gains, GAINS)
    assert np.array_equal(loaded.low_scale_codes, model.low_scale_codes)


def test_each_part_changes_the_fingerprint() -> None:
    codes = low_model("grey").low_scale_codes + np.int16(1)
    models = [
        plain_model("grey"),
        low_model("grey", 1),
        low_model("grey"),
        low_model("grey", gains=GAINS),
        dataclasses.replace(low_model("grey"), low_scale_codes=codes),
    ]
    assert len({model.fingerprint for model in models}) == len(models)


def test_models_without_low_levels_do_not_mention_them(tmp_path: Path) -> None:
    from safetensors import safe_open

    plain_model("grey").save(tmp_path / "grey.safetensors")
    with safe_open(tmp_path / "grey.safetensors", framework="np") as file:
        assert "low_levels" not in json.loads(file.metadata()["config"])
        assert not [key for key in file.keys() if key.startswith("low_")]  # noqa: SIM118 - not a mapping


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"low_levels": 3}, "has 3 low levels; allowed are 0 to 2"),
        ({"low_levels": 2.0}, "has 2.0 low levels"),
        ({"low_levels": 0}, "needed are"),
        ({"low_gains": np.ones(4, np.float32)}, r"gains of shape \(4,\)"),
        ({"low_gains": np.zeros(7, np.float32)}, "allowed are 1/256 to 256"),
        ({"low_gains": np.full(7, np.nan, np.float32)}, "allowed are 1/256 to 256"),
        ({"low_scale_codes": np.zeros((7, 2), np.int16)}, r"scale codes of \(7, 2\)"),
        ({"channels": np.arange(64, dtype=np.uint16)[::-1].copy()}, "first block is not the low band"),
    ],
)
def test_low_levels_that_do_not_fit_are_refused(changes: dict[str, object], match: str) -> None:
    with pytest.raises(WeightsError, match=match):
        dataclasses.replace(low_model("grey"), **changes)  # type: ignore[arg-type]


def test_sounds_have_no_low_levels() -> None:
    with pytest.raises(WeightsError, match="they are for pictures"):
        low_model("mono")


def test_a_model_file_that_lacks_arrays_is_refused(paths: dict[int, str], tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(paths[1], framework="np") as file:
        metadata, arrays = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    del arrays["low_gains"]
    save_file(arrays, tmp_path / "less.safetensors", metadata=metadata)
    with pytest.raises(WeightsError, match="is not a laconic model"):
        Model.load(tmp_path / "less.safetensors")


@pytest.mark.parametrize("name", ["rgb", "grey"])
def test_no_picture_has_larger_coefficients_than_the_type_is_chosen_for(name: str) -> None:
    model = low_model(name, gains=GAINS)
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 2, (97, 131, model.num_planes)) * 255 for _ in range(3)]
    pictures += [
        np.broadcast_to((np.mgrid[0:97, 0:131][0] // s % 2 * 255)[..., None], pictures[0].shape) for s in (8, 16)
    ]
    for samples in pictures:
        found = coefficients_of(Image(np.ascontiguousarray(samples, np.uint8)), model)[: model.num_planes]
        assert np.abs(found).max() <= largest_low_coefficient(model)
    for quality_code in (84, 154):  # 100 and 50
        assert integer_type(model, quality_code) is np.int16


# --- pictures


def picture(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> Image:
    """Waves, slopes and noise; an alpha channel has opaque, clear and half clear places."""
    random = np.random.default_rng(height)
    y, x = np.mgrid[0:height, 0:width]
    planes = [120 + 70 * np.sin(x / (15 + c) + c) + 50 * np.cos(y / (29 - c)) for c in range(channels)]
    samples = np.stack(planes, 2) + random.normal(0, 6, (height, width, channels))
    if channels in (2, 4):
        samples[..., -1] = np.where(x + 2 * y < 50, 0, np.where(x > width // 2, 255, samples[..., -1]))
    return Image((np.clip(samples, 0, 255) * (1 if dtype == np.uint8 else 257)).astype(dtype))


def codec_for(paths: dict[int, str], channels: int = 3, **options: object) -> Lcn:
    model = paths[1 if channels < 3 else 3]
    return Lcn(**{"tile_log2": 3, "effort": 0, "model": model, **options})  # type: ignore[arg-type]


def regions(height: int, width: int, count: int = 6) -> Iterator[tuple[int, int, int, int]]:
    random = np.random.default_rng(height)
    yield from ((0, 0, 1, 1), (width - 1, height - 1, 1, 1))
    for _ in range(count):
        x, y = int(random.integers(width)), int(random.integers(height))
        yield x, y, int(random.integers(1, width - x + 1)), int(random.integers(1, height - y + 1))


def crop(samples: NDArray[np.generic], region: tuple[int, int, int, int], scale: int = 1) -> NDArray[np.generic]:
    x, y, w, h = region
    return samples[y // scale : -(-(y + h) // scale), x // scale : -(-(x + w) // scale)]


def psnr(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.fixture(params=[1, 1 << 24], ids=["a row of tiles at a time", "at once"])
def spans(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for module in ("picture_decoder", "encoder_chunks"):
        monkeypatch.setattr(f"laconic.codecs.pictures.{module}.CHUNK_VALUES", request.param)


@pytest.mark.parametrize("tile_log2", [None, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_files_round_trip(paths: dict[int, str], size: tuple[int, int], tile_log2: int | None) -> None:
    image = picture(*size)
    for profile, effort in (("small", 0), ("small", 1), ("fast", 1)):
        codec = codec_for(paths, tile_log2=tile_log2, profile=profile, effort=effort)
        data = codec.encode(image)
        latent = codec.unpack(data)
        assert latent == codec.analyze(image)
        assert codec.pack(latent) == data
        decoded = codec.decode(data)
        assert isinstance(decoded, Image)
        assert decoded == codec.synthesize(latent)
        assert psnr(decoded.samples, image.samples) > 25


@pytest.mark.parametrize(("dtype", "channels"), KINDS, ids=KIND_IDS)
def test_spans_threads_and_rows_change_nothing(paths: dict[int, str], spans: None, dtype: type, channels: int) -> None:
    image = picture(333, 290, channels, dtype)
    for effort, profile in ((0, "fast"), (1, "small")):
        codec = codec_for(paths, channels, effort=effort, profile=profile)
        data = codec.pack(codec.analyze(image))  # by no rows
        assert codec.encode(image) == data
        assert dataclasses.replace(codec, threads=3).encode(image) == data
    whole = codec.synthesize(codec.unpack(data))
    assert codec.decode(data) == dataclasses.replace(codec, threads=3).decode(data) == whole
    rows = np.concatenate([part.copy() for part in codec.open_area(data).rows()])
    assert Image(rows) == whole


class Rows:
    """A source of rows."""

    def __init__(self, samples: NDArray[np.generic]) -> None:
        self.height, self.width, _ = samples.shape
        self._samples, self._next = samples, 0

    def read_rows(self, count: int) -> NDArray[np.generic]:
        self._next += count
        return self._samples[self._next - count : self._next]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (333, 290), (1030, 70)])
@pytest.mark.parametrize(("dtype", "channels"), [k for k in KINDS if k[1] in (1, 3)])
def test_rows_give_the_same_file(
    paths: dict[int, str], spans: None, dtype: type, channels: int, size: tuple[int, int]
) -> None:
    image = picture(*size, channels, dtype)
    codec = codec_for(paths, channels)
    found = codec.encode_rows(
        Rows(image.samples),  # type: ignore[arg-type]
        num_colors=channels,
        sample_type=str(image.samples.dtype),
        bit_depth=image.bit_depth,
    )
    assert found == codec.encode(image)


@pytest.mark.parametrize("scale", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize(("dtype", "channels"), KINDS, ids=KIND_IDS)
def test_a_region_is_the_crop(paths: dict[int, str], spans: None, dtype: type, channels: int, scale: int) -> None:
    codec = codec_for(paths, channels)
    data = codec.encode(picture(403, 287, channels, dtype))
    whole = codec.decode_area(data, scale=scale)[0].samples
    for region in regions(403, 287):
        found, _ = codec.decode_area(data, region=region, scale=scale)
        assert np.array_equal(found.samples, crop(whole, region, scale)), region


@pytest.mark.parametrize("scale", [16, 32])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8), (33, 47), (63, 65), (200, 300)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_small_pictures_are_the_low_band(paths: dict[int, str], dtype: type, size: tuple[int, int], scale: int) -> None:
    codec = codec_for(paths, quality=80)
    data = codec.encode(picture(*size, dtype=dtype))
    found, latent, model = codec.decode_area(data, scale=scale)[0].samples, codec.unpack(data), load_model(paths[3])
    assert found.shape == (-(-size[0] // scale), -(-size[1] // scale), 3)
    assert latent.low is not None
    values = latent.low.values(latent.values[:3], latent.step, scale.bit_length() - 4)
    levels = np.einsum("rc,chw->hwr", model.synthesis[0].astype(np.float64), values / 2048 / 8) + 0.5
    peak = 255 if dtype == np.uint8 else 65535
    error = found - np.clip(levels * peak, 0, peak)
    assert np.abs(error).max() <= (0.8 if dtype == np.uint8 else 1.1)
    assert np.array_equal(
        found, dataclasses.replace(codec, synthesis="neural").decode_area(data, scale=scale)[0].samples
    )


@pytest.mark.parametrize("color", [(255, 255, 255), (0, 0, 0), (200, 30, 90)])
def test_small_pictures_keep_the_colour(paths: dict[int, str], color: tuple[int, int, int]) -> None:
    codec = codec_for(paths, quality=100)
    data = codec.encode(Image(np.tile(np.array(color, np.uint8), (203, 187, 1))))
    for scale in (16, 32):
        found = codec.decode_area(data, scale=scale)[0].samples
        assert np.abs(found.astype(int) - color).max() <= 1


def test_scales_go_as_far_as_the_levels(plain: str, tmp_path: Path) -> None:
    low_model("rgb", 1).save(tmp_path / "one.safetensors")
    codec = codec_for({3: str(tmp_path / "one.safetensors")})
    data = codec.encode(picture(70, 90))
    assert codec.decode_area(data, scale=16)[0].samples.shape == (5, 6, 3)
    with pytest.raises(
        CodecError, match=r"the scale is 1/32; .* of model low ends before: allowed are 1, 2, 4, 8, 16$"
    ):
        codec.decode_area(data, scale=32)
    with pytest.raises(CodecError, match=r"model plain ends before: allowed are 1, 2, 4, 8$"):
        Lcn(model=plain).decode_area(Lcn(model=plain).encode(picture(70, 90)), scale=16)


@pytest.mark.parametrize("channels", [1, 2, 3, 12, 192])
def test_few_channels_are_the_head_of_the_latent(paths: dict[int, str], channels: int) -> None:
    codec = codec_for(paths)
    data = codec.encode(picture(203, 187))
    whole, some = codec.unpack(data), codec.unpack(data, channels=channels)
    assert np.array_equal(some.dequantize(), whole.dequantize()[:channels])
    picture_of_few = codec.decode_area(data, channels=channels)[0]
    count = len(some.values)  # that the channels are made of
    coded = dataclasses.replace(whole, values=whole.values[:count], shrink=whole.shrink[:count])
    assert picture_of_few == codec.synthesize(coded)
    region = (40, 70, 90, 80)
    found = codec.decode_area(data, channels=channels, region=region)[0].samples
    assert np.array_equal(found, crop(picture_of_few.samples, region))


def test_latents_hold_the_small_picture(paths: dict[int, str], plain: str) -> None:
    image = picture(203, 187)
    codecs = (codec_for(paths, quality=90), Lcn(quality=90, model=plain, effort=0))
    low, expected = (codec.analyze(image) for codec in codecs)
    assert np.abs(low.dequantize() - expected.dequantize())[:3].max() < 0.1
    assert np.array_equal(low.points()[:3] * 2048, np.rint(low.points()[:3] * 2048))
    assert np.array_equal(low.values[3:], expected.values[3:])


def test_edited_latents_keep_their_low_levels(paths: dict[int, str]) -> None:
    codec = codec_for(paths)
    latent = codec.analyze(picture(90, 70))
    values = latent.values.copy()
    values[0, 3, 5] += 3
    edited = dataclasses.replace(latent, values=values)
    back = codec.unpack(codec.pack(edited))
    assert back == edited
    assert np.array_equal(back.dequantize(), edited.dequantize())
    assert back.low is not None


def test_a_part_without_low_values_is_synthesised_too(paths: dict[int, str]) -> None:
    codec, image = dataclasses.replace(codec_for(paths), tune="psnr"), picture(90, 70)
    model, latent = load_model(paths[3]), codec.analyze(image)
    part = PictureRowsPart(latent.values, (0, 0), (90, 70), latent.step_code, 255)
    found = np.empty((90, 70, 3), np.uint8)
    synthesize_picture_rows(part, model, found, (0, 0))
    assert Image(found) == codec.synthesize(latent)
    assert margin_of(model) == _native.MARGIN + _native.LOW_MARGIN


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("name", ["kodim05.png", "kodim20.png"])
def test_photographs_are_as_good(plain: str, tmp_path: Path, name: str, levels: int) -> None:
    if not (KODAK / name).exists():
        pytest.skip("no photographs here")
    low_model("rgb", levels).save(tmp_path / "low.safetensors")
    image = read_image(KODAK / name)
    codecs = (Lcn(model=model, effort=0) for model in (str(tmp_path / "low.safetensors"), plain))
    found, expected = (codec.decode(codec.encode(image)) for codec in codecs)
    assert isinstance(found, Image)
    assert isinstance(expected, Image)
    assert psnr(found.samples, image.samples) > psnr(expected.samples, image.samples) - 0.3


def saturated(kind: str) -> NDArray[np.uint8]:
    colors = {"white": (255,) * 3, "black": (0,) * 3, "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    if kind in colors:
        return np.tile(np.array(colors[kind], np.uint8), (75, 101, 1))
    y, x = np.mgrid[0:75, 0:101] // int(kind)
    return np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("kind", ["white", "black", "red", "green", "blue", "1", "8", "16"])
def test_saturated_pictures_are_as_good(paths: dict[int, str], plain: str, kind: str, dtype: type) -> None:
    image = Image(saturated(kind).astype(dtype) * dtype(1 if dtype == np.uint8 else 257))
    codecs = (codec_for(paths, quality=100), Lcn(quality=100, model=plain, effort=0))
    decoded = [codec.decode(codec.encode(image)).samples for codec in codecs]
    scale = 1 if dtype == np.uint8 else 257
    quality, expected = (psnr(samples / scale, image.samples / scale) for samples in decoded)
    assert quality >= min(expected, 60) - 0.05


def test_a_network_gives_regions_rows_and_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from laconic.codecs.learning.tensor_encoder import load_tensor_encoder
    from laconic.codecs.models import zoo
    from laconic.codecs.models.neural_synthesis import NeuralSynthesis, NeuralSynthesisConfig, save_neural_synthesis
    from laconic.codecs.pictures import neural_rendering

    model = low_model("rgb")
    model.save(tmp_path / "low.safetensors")
    torch.manual_seed(0)
    scales = load_tensor_encoder(Path(zoo.__file__).parent / "rgb.safetensors").scales
    network = NeuralSynthesis(NeuralSynthesisConfig(width=8, num_blocks=1), scales)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    save_neural_synthesis(network, tmp_path / "net.safetensors", {"model_fingerprint": model.fingerprint.hex()})
    linear = codec_for({3: str(tmp_path / "low.safetensors")})
    codec = dataclasses.replace(linear, synthesis=str(tmp_path / "net.safetensors"))
    monkeypatch.setattr(neural_rendering, "BLOCK", 8)
    data = codec.encode(picture(403, 287))
    whole = codec.decode(data)
    assert isinstance(whole, Image)
    change = np.abs(whole.samples.astype(int) - linear.decode(data).samples)  # type: ignore[union-attr]
    assert 0.2 < change.mean() < 20
    assert dataclasses.replace(codec, threads=3).decode(data) == whole
    monkeypatch.setattr("laconic.codecs.pictures.picture_decoder.CHUNK_VALUES", 1)
    assert codec.decode(data) == whole
    for region in regions(403, 287):
        assert np.array_equal(codec.decode_area(data, region=region)[0].samples, crop(whole.samples, region)), region
