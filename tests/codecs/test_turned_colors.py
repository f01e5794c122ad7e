"""Files in colours of their own: the matrices of SPEC 9.7 written out, what latents say, and pictures in parts."""

import pickle
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from color_scene import TURNED, rotation, turned_file, waves

from laconic.codecs.errors import CodecError
from laconic.codecs.form import form_of
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.turned_colors import turned_model
from laconic.codecs.models.zoo import load_model
from laconic.codecs.transform.projection import project, unproject
from laconic.entropy import CorruptStreamError
from laconic.entropy.container import Source, read_header, write_header

MODELS = ("rgb", "rgb_best")
KINDS = [(model, dtype) for model in MODELS for dtype in (np.uint8, np.uint16)]
UPRIGHT = (127, 0, 0, 0, 127, 0, 0, 0, 127)
each_model = pytest.mark.parametrize("name", MODELS)
each_kind = pytest.mark.parametrize(("name", "dtype"), KINDS)


def codec_of(name: str, **options: object) -> Lcn:
    return Lcn(**{"quality": 80, "tile_log2": 3, "profile": "best" if name == "rgb_best" else "small", **options})


def with_larger_matrices(model: Model) -> Model:
    """As large as 16 bits hold: turned, they need a bit less."""
    leaves = []
    for leaf in model.fixed:
        larger = leaf.synthesis * (32767 / np.abs(leaf.synthesis).max())
        leaves.append(replace(leaf, synthesis=larger.astype(np.int16)))
    return replace(model, fixed=tuple(leaves))


@each_model
@pytest.mark.parametrize("numbers", [TURNED, rotation(0.7, -0.5, 2.0), rotation(3.1, 0.2, 0.1)])
@pytest.mark.parametrize("larger", [False, True])
def test_integer_matrices_are_those_of_the_specification(name: str, numbers: tuple[int, ...], larger: bool) -> None:
    model = with_larger_matrices(load_model(name)) if larger else load_model(name)
    for leaf, turned in zip(model.fixed, turned_model(model, numbers).fixed, strict=True):
        n = np.zeros(leaf.synthesis.shape, object)
        for row, q in product(range(len(n)), range(3)):
            n[row] += numbers[row % 3 * 3 + q] * leaf.synthesis[row // 3 * 3 + q].astype(object)
        plain = (2 * n + 127) // 254
        is_held = plain.min() >= -32768 and plain.max() <= 32767
        assert turned.synthesis_bits == leaf.synthesis_bits - (not is_held)
        assert np.array_equal(turned.synthesis, plain if is_held else (2 * n + 254) // 508)


@pytest.mark.parametrize("less", [0, 1])
def test_turned_matrices_need_a_bit_less_where_they_are_large(less: int) -> None:
    """So that both cases of the rule are tested above."""
    model = with_larger_matrices(load_model("rgb_best")) if less else load_model("rgb_best")
    turned = turned_model(model, rotation(0.7, -0.5, 2.0))
    assert all(a.synthesis_bits - b.synthesis_bits == less for a, b in zip(model.fixed, turned.fixed, strict=True))


@each_model
def test_float_matrices_are_those_of_the_specification(name: str) -> None:
    model = load_model(name)
    t = [np.float32(number) for number in TURNED]
    for S, turned in zip(model.synthesis, turned_model(model, TURNED).synthesis, strict=True):
        for row in range(0, len(S), 7):
            i, p = row // 3, row % 3
            for column in range(0, len(S), 5):
                first = t[3 * p] * S[3 * i, column] + t[3 * p + 1] * S[3 * i + 1, column]
                entry = (first + t[3 * p + 2] * S[3 * i + 2, column]) / np.float32(127)
                assert turned[row, column] == entry


@each_model
def test_analysis_is_the_inverse(name: str) -> None:
    turned = turned_model(load_model(name), TURNED)
    for a, s in zip(turned.analysis, turned.synthesis, strict=True):
        np.testing.assert_allclose(a @ s, np.eye(len(a)), atol=1e-5)


@each_model
def test_upright_colours_are_those_of_the_model(name: str) -> None:
    model, image = load_model(name), waves(40, 50)
    turned = turned_model(model, UPRIGHT)
    for leaf, same in zip(model.fixed, turned.fixed, strict=True):
        assert np.array_equal(leaf.synthesis, same.synthesis)
    latent = codec_of(name).unpack(turned_file(image, UPRIGHT, codec_of(name)))
    as_ever = replace(latent, colors=None)
    assert np.array_equal(codec_of(name).synthesize(latent).samples, codec_of(name).synthesize(as_ever).samples)
    np.testing.assert_allclose(latent.dequantize(), as_ever.dequantize(), atol=1e-6)


@each_kind
def test_picture_comes_back_about_as_exactly(name: str, dtype: type) -> None:
    image, codec = waves(75, 90, dtype), codec_of(name)
    errors = []
    for numbers in (UPRIGHT, TURNED):
        decoded = codec.decode(turned_file(image, numbers, codec))
        errors.append(np.square(decoded.samples.astype(float) - image.samples).mean())
    assert errors[1] < 1.4 * errors[0]


@each_model
def test_largest_colours_do_not_overflow(name: str) -> None:
    """Sums of the analysis are those of any samples: at the least step, black and white give themselves."""
    y, x, c = np.indices((48, 56, 3))
    hard = Image(((y // 8 + x // 8 + c * (x // 16)) % 2 * 255).astype(np.uint8))
    for numbers in (TURNED, rotation(0.9, 0.9, 0.9), rotation(-2.2, 0.4, 1.0)):
        codec = codec_of(name, step_code=40, effort=0)
        decoded = codec.decode(turned_file(hard, numbers, codec)).samples
        assert np.abs(decoded.astype(int) - hard.samples).max() <= 2


# --- latents


@each_kind
def test_latent_says_the_coefficients_of_the_model(name: str, dtype: type) -> None:
    image, codec, model = waves(64, 48, dtype), codec_of(name), load_model(name)
    latent = codec.unpack(turned_file(image, TURNED, codec))
    turned = turned_model(model, TURNED)
    points = latent.points()
    axes = points if latent.turn is None else latent.turn.applied(points, len(points))
    assert np.array_equal(latent.dequantize(), axes)
    packets = unproject(replace(latent, colors=None).points(), turned)
    np.testing.assert_allclose(unproject(points, model), packets, atol=2e-5)
    np.testing.assert_allclose(project(packets, model), points, atol=2e-5)


@each_model
@pytest.mark.parametrize("channels", [1, 3, 4, 12, 60])
def test_few_channels_are_the_first_of_all(name: str, channels: int) -> None:
    """All that they are made of is read."""
    codec = codec_of(name)
    data = turned_file(waves(64, 48), TURNED, codec)
    few = codec.unpack(data, channels=channels)
    assert few.num_channels == channels <= len(few.values)
    np.testing.assert_array_equal(few.dequantize(), codec.unpack(data).dequantize()[:channels])


@each_model
@pytest.mark.parametrize("channels", [3, 12, 48])
def test_missing_channels_count_as_0(name: str, channels: int) -> None:
    codec = codec_of(name)
    whole = codec.unpack(turned_file(waves(64, 48), TURNED, codec))
    few = replace(whole, values=whole.values[:channels], shrink=whole.shrink[:channels])
    values = np.where(np.arange(192)[:, None, None] < channels, whole.values, 0).astype(np.int32)
    np.testing.assert_array_equal(few.dequantize(), replace(whole, values=values).dequantize()[:channels])


@pytest.mark.parametrize("channels", [3, 12, 48])
def test_first_channels_of_whole_levels_are_those_of_the_whole_latent(channels: int) -> None:
    codec = codec_of("rgb_best")
    data = turned_file(waves(64, 48), TURNED, codec)
    few, whole = codec.unpack(data, channels=channels), codec.unpack(data)
    np.testing.assert_allclose(few.dequantize(), whole.dequantize()[:channels], atol=1e-6)


@each_kind
def test_latent_is_packed_as_it_is(name: str, dtype: type) -> None:
    image, codec = waves(75, 90, dtype), codec_of(name)
    data = turned_file(image, TURNED, codec)
    latent = codec.unpack(data)
    assert latent.colors is not None and latent.colors.numbers == TURNED
    assert codec.pack(latent) == data
    assert latent != replace(latent, colors=None)
    copied = pickle.loads(pickle.dumps(latent))
    assert copied == latent
    assert np.array_equal(copied.dequantize(), latent.dequantize())
    assert np.array_equal(codec.synthesize(copied).samples, codec.decode(data).samples)


def test_fingerprint_is_that_of_the_model() -> None:
    model = load_model("rgb")
    turned = turned_model(model, TURNED)
    assert turned.fingerprint == model.fingerprint
    assert codec_of("rgb").unpack(turned_file(waves(16, 16), TURNED, codec_of("rgb"))).fingerprint == model.fingerprint


# --- parts


@each_kind
def test_regions_and_scales_and_threads(name: str, dtype: type) -> None:
    image, codec = waves(150, 170, dtype), codec_of(name)
    data = turned_file(image, TURNED, codec)
    assert data == turned_file(image, TURNED, replace(codec, threads=3))
    whole = codec.decode(data).samples
    assert np.array_equal(replace(codec, threads=3).decode(data).samples, whole)
    assert np.array_equal(codec.decode_area(data, region=(37, 21, 90, 77))[0].samples, whole[21:98, 37:127])
    assert np.array_equal(np.concatenate(list(codec.open_area(data).rows())), whole)
    upright = turned_file(image, UPRIGHT, codec)
    for scale in (2, 4, 8, *((16,) if name == "rgb_best" else ())):
        small, _ = codec.decode_area(data, scale=scale)
        expected, _ = codec.decode_area(upright, scale=scale)
        error = np.abs(small.samples.astype(float) - expected.samples).mean() / np.iinfo(dtype).max
        assert error < 0.01
        part, _ = codec.decode_area(data, scale=scale, region=(64, 32, 64, 96))
        cut = small.samples[32 // scale : 128 // scale, 64 // scale : 128 // scale]
        assert np.array_equal(part.samples, cut)


def test_files_are_the_same_by_any_instructions(levels) -> None:
    codec = codec_of("rgb_best")
    files = [turned_file(waves(50, 70), TURNED, codec) for _ in levels]
    assert len(set(files)) == 1


def test_pixels_of_a_file_are_the_same_by_any_instructions(levels) -> None:
    codec = codec_of("rgb_best")
    data = turned_file(waves(50, 70), TURNED, codec)
    assert len({codec.decode(data).samples.tobytes() for _ in levels}) == 1


# --- refusals


def test_model_of_other_planes_is_refused() -> None:
    with pytest.raises(CodecError, match="model grey cannot be turned: it has 1 planes; needed are 3"):
        turned_model(load_model("grey"), TURNED)
    codec = Lcn(model="grey")
    data = codec.encode(Image(waves(20, 20).samples[:, :, :1]))
    header = read_header(Source(data))
    with_axes = write_header(replace(header, color_axes=TURNED)) + data[len(write_header(header)) :]
    with pytest.raises(CorruptStreamError, match="the file turns the colours of model grey, which cannot be: it has 1"):
        codec.decode(with_axes)


def test_numbers_that_turn_nothing_are_refused() -> None:
    with pytest.raises(CodecError, match="needed are three rows at right angles"):
        turned_model(load_model("rgb"), (1,) * 9)


def test_model_is_turned_once() -> None:
    model: Model = turned_model(load_model("rgb"), TURNED)
    with pytest.raises(CodecError, match="they are turned already"):
        turned_model(model, TURNED)


def test_form_of_a_file_does_not_change() -> None:
    image = waves(20, 30)
    header = read_header(Source(turned_file(image, TURNED, codec_of("rgb"))))
    assert (header.color_axes, header.shape) == (TURNED, form_of(image).size)
