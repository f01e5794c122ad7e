"""Regions of interest: weights of places in files, what makes them, and that every way of reading follows them."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_files import load_module
from PIL import Image as PillowImage
from tuned_scene import OWN, lively_picture, save_own
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.files import encode, read_image
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.tunings import tuned_model, weighing_places
from laconic.codecs.models.zoo import load_model, model_path
from laconic.codecs.packing.place_weights import PlaceWeights, unpacked_place_weights
from laconic.codecs.pictures import encoder_chunks
from laconic.codecs.pictures.region_of_interest import place_weights_of, region_argument
from laconic.codecs.plan import planned_integers
from laconic.codecs.registry import make_codec
from laconic.codecs.size_search import best_within
from laconic.codecs.steps import CODE_OF_UNIT_STEP, step_of_code
from laconic.codecs.streams import encode_file
from laconic.codecs.transform.signals import coefficients_of
from laconic.entropy.container import Header, Source, read_header, write_header
from laconic.entropy.errors import BitstreamError, CorruptStreamError
from laconic.tasks.cli import app

REFERENCE = load_module("entropy/reference_decoder.py")
PHOTOGRAPHS = Path(__file__).parents[2].parent / "shared" / "data" / "bsds500" / "val"
SIZE = (150, 203)
PICTURES = {
    "rgb": lively_picture(SIZE),
    "grey": lively_picture(SIZE, 1),
    "alpha": lively_picture(SIZE, 4),
    "deep": lively_picture(SIZE, 3, np.uint16),
}
REGIONS = [(60, 61, 9, 5), (130, 40, 73, 110), (3, 149, 200, 1)]
CASES = [("rgb", "fast"), ("rgb", "small"), ("rgb", "best"), ("grey", "small"), ("grey", "best")]
CASES += [("alpha", "fast"), ("alpha", "best"), ("deep", "small"), ("deep", "best")]

each_case = pytest.mark.parametrize(("picture", "profile"), CASES)
each_tune = pytest.mark.parametrize("tune", ["psnr", OWN])


def mask_of(size: tuple[int, int]) -> np.ndarray:
    """A disc that matters, fading out, and a place of half importance."""
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.clip(1.5 - 4 * np.hypot(y / size[0] - 0.4, x / size[1] - 0.6), 0, 1)
    mask[: size[0] // 4, : size[1] // 4] = 0.5
    return mask


MASK = mask_of(SIZE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of models with the tune, by the name of the shipped one."""
    folder = tmp_path_factory.mktemp("models")
    return {name: save_own(name, folder) for name in ("rgb", "grey", "rgb_best", "grey_best")}


def codec_of(picture: str, profile: Any, tune: str, models: dict[str, str], **options: Any) -> Lcn:
    """Of small tiles."""
    name = ("grey" if picture == "grey" else "rgb") + ("_best" if profile == "best" else "")
    options = {"quality": 70, "tile_log2": 3, "roi": MASK} | options
    return Lcn(profile=profile, tune=tune, model=models[name] if tune == OWN else None, **options)


# Files


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
    other = dataclasses.replace(codec, threads=2)
    assert np.array_equal(other.decode(data).samples, whole.samples)
    assert np.array_equal(np.concatenate(list(other.open_area(data).rows())), whole.samples)
    for x, y, width, height in REGIONS:
        part, damage = codec.decode_area(data, region=(x, y, width, height))
        assert damage == ()
        assert np.array_equal(part.samples, whole.samples[y : y + height, x : x + width])
    for scale in (2, 4, 16):
        small, _ = codec.decode_area(data, scale=scale)
        part, _ = codec.decode_area(data, scale=scale, region=(64, 32, 96, 80))
        y, x = 32 // scale, 64 // scale
        assert np.array_equal(part.samples, small.samples[y : y + 80 // scale, x : x + 96 // scale])
    colors = 1 if picture == "grey" else 3
    for channels in (4 * colors, 16 * colors):
        latent = codec.unpack(data, channels=channels)
        assert np.array_equal(latent.dequantize(), codec.unpack(data).dequantize()[:channels])
        few, _ = codec.decode_area(data, channels=channels, region=REGIONS[1])
        assert np.array_equal(few.samples, codec.synthesize(latent).samples[40:150, 130:203])


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
    monkeypatch.setattr(encoder_chunks, "CHUNK_VALUES", 1 << 15)
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
    plain = dataclasses.replace(codec, roi=None, tune="psnr")
    assert plain.pack(latent) == data  # whatever the codec is
    assert latent == codec.analyze(image)
    assert latent != dataclasses.replace(latent, places=None)
    assert codec.pack(plain.analyze(image)) == plain.encode(image)
    assert read_header(Source(data)).tuning == plain_tuning(codec, image)


def plain_tuning(codec: Lcn, image: Image) -> int:
    return read_header(Source(dataclasses.replace(codec, roi=None).encode(image))).tuning


@pytest.mark.parametrize("effort", [0, 2])
@pytest.mark.parametrize("profile", ["small", "best"])
def test_other_efforts(profile: str, effort: int, models: dict[str, str]) -> None:
    codec = codec_of("rgb", profile, "psnr", models, effort=effort)
    data = codec.encode(PICTURES["rgb"])
    assert dataclasses.replace(codec, threads=2).encode(PICTURES["rgb"]) == data
    assert np.array_equal(codec.analyze(PICTURES["rgb"]).values, codec.unpack(data).values)


@each_tune
@pytest.mark.parametrize(("picture", "profile"), [case for case in CASES if case[0] != "deep"])
def test_integers_and_exponents_are_those_of_the_reference_decoder(
    picture: str, profile: str, tune: str, models: dict[str, str]
) -> None:
    image = PICTURES[picture]
    small = dataclasses.replace(image, samples=np.ascontiguousarray(image.samples[60:79, 100:169]))
    codec = codec_of(picture, profile, tune, models, quality=55, roi=mask_of((19, 69)))
    data = codec.encode(small)
    path = Path(codec.model) if codec.model else model_path(codec.plan_of(small).model.name)
    found, latent = REFERENCE.decode_file(data, path), codec.unpack(data)
    assert np.array_equal(np.array(found.values), latent.values)
    assert latent.tuned is not None
    offsets, strength = latent.tuned.offsets, latent.tuned.strength
    planes = len(offsets) // 64
    of_map = found.values[planes : 4 * planes], offsets[planes : 4 * planes].tolist()
    exponents = REFERENCE.step_exponents(*of_map, latent.step_code, strength)
    assert strength or not np.any(exponents)
    expected = REFERENCE.weighed_exponents(exponents, found.place_weights)
    assert np.array_equal(latent.exponents, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_dequantised_places_are_in_steps_of_their_own(profile: Any) -> None:
    codec = Lcn(60, profile=profile, tune="psnr", roi=MASK)
    latent = codec.unpack(codec.encode(PICTURES["rgb"]))
    assert latent.places is not None and latent.exponents is not None and latent.tuned is not None
    alike = dataclasses.replace(latent, places=None, tuned=None, turn=None, colors=None)
    factors = np.array([step_of_code(CODE_OF_UNIT_STEP - e) for e in range(-16, 17)], np.float32)
    expected = alike.dequantize()
    expected[12:] *= factors[latent.exponents + 16]
    assert np.array_equal(dataclasses.replace(alike, places=latent.places, tuned=latent.tuned).dequantize(), expected)
    side = 1 << latent.places.block_log2
    spread = np.kron(latent.places.weights, np.ones((side, side), np.int8))[:19, :26]
    assert np.array_equal(latent.exponents, spread)


def test_neural_regions_are_those_of_the_whole() -> None:
    pytest.importorskip("torch")
    codec = Lcn(50, roi=MASK, synthesis="neural", tile_log2=3)
    data = codec.encode(PICTURES["rgb"])
    whole = codec.decode(data)
    assert isinstance(whole, Image)
    part, _ = codec.decode_area(data, region=REGIONS[1])
    assert np.array_equal(part.samples, whole.samples[40:150, 130:203])


def test_the_search_for_decoded_pixels_takes_weights() -> None:
    pytest.importorskip("torch")
    image = lively_picture((60, 80))
    codec = Lcn(50, roi=mask_of((60, 80)), effort=3)
    latent = codec.unpack(codec.encode(image))
    assert np.array_equal(latent.values, codec.analyze(image).values)
    assert latent.places is not None
    assert not np.array_equal(latent.values, dataclasses.replace(codec, effort=1).analyze(image).values)


def test_coefficients_are_quantised_at_these_steps() -> None:
    """At effort 0 and a fine step, integers of places that matter all are twice as large, nearly."""
    image, mask = PICTURES["rgb"], np.ones(SIZE)
    mask[:, :96] = 0
    codec = Lcn(step_code=60, effort=0, tune="psnr", roi=mask)
    plan = codec.plan_of(image)
    coefficients = coefficients_of(image, plan.model)[12:]
    steps = np.float32(step_of_code(60) * plan.model.unit) * 2.0 ** (-np.where(np.arange(26) < 12, -8, 16) / 16)
    values = planned_integers(coefficients_of(image, plan.model), plan)[12:]
    assert np.abs(values - coefficients / steps).max() < 0.75


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_files_go_into_batches(profile: Any) -> None:
    """Beside files without weights."""
    image = lively_picture((70, 83))
    codec = Lcn(60, profile=profile, roi=mask_of((70, 83)), tile_log2=None)
    codecs = (codec, dataclasses.replace(codec, roi=None), dataclasses.replace(codec, tune="machine"))
    files = [one.encode(image) for one in codecs]
    for channels in (3, 13, 192):
        expected = np.stack([codec.unpack(file, channels=channels).dequantize() for file in files])
        assert np.array_equal(codec.dequantize_batch(files, channels=channels), expected)
    assert not np.array_equal(expected[0], expected[1])


def test_damage_leaves_the_weights() -> None:
    """Where the map is lost, the exponents are those of a file without one."""
    image = lively_picture((256, 384))
    codec = Lcn(60, roi=mask_of((256, 384)), tune="machine", tile_log2=3)
    data = bytearray(codec.encode(image))
    source = Source(bytes(data))
    header = read_header(source)
    assert header.index is not None
    data[source.position + sum(header.index[:30]) - 2] ^= 1  # of the second group, in some tile
    whole, found = codec.unpack(codec.encode(image)), codec.unpack(bytes(data), allow_partial=True)
    assert found.damage and found.unmapped is not None and found.places is not None
    alone = found.places.added(np.zeros((32, 48), np.int8), (0, 0))
    assert found.exponents is not None and whole.exponents is not None
    assert np.array_equal(found.exponents, np.where(found.unmapped, alone, whole.exponents))
    pixels, _ = codec.decode_area(bytes(data), allow_partial=True)
    assert np.array_equal(codec.synthesize(found).samples, pixels.samples)
    part, _ = codec.decode_area(bytes(data), allow_partial=True, region=(50, 30, 200, 100))
    assert np.array_equal(part.samples, pixels.samples[30:130, 50:250])


def test_maps_that_are_alike_everywhere_write_nothing() -> None:
    image = PICTURES["rgb"]
    plain = Lcn(60).encode(image)
    for value in (0, 0.3, 1):
        assert Lcn(60, roi=np.full(SIZE, float(value))).encode(image) == plain
    assert Lcn(60, roi=np.zeros((1, 1), bool)).encode(image) == plain


def test_quality_goes_where_it_matters() -> None:
    """At equal bytes, of a photograph."""
    files = sorted(PHOTOGRAPHS.glob("*.jpg"))
    if not files:
        pytest.skip(f"needs {PHOTOGRAPHS}")
    for profile in ("small", "best"):
        image = read_image(files[7])
        mask = np.zeros((image.height, image.width), bool)
        mask[80:240, 120:300] = True
        plain = Lcn(50, profile=profile)  # type: ignore[arg-type]
        data = plain.encode(image)
        weighed = best_within(image, len(data), dataclasses.replace(plain, roi=mask))
        inner, outer = (
            [psnr(plain.decode(d).samples, image, where) for d in (data, weighed)] for where in (mask, ~mask)
        )
        assert 0.95 * len(data) < len(weighed) <= len(data)
        assert inner[1] > inner[0] + 2
        assert outer[1] < outer[0] - 0.3


def psnr(samples: np.ndarray, image: Image, where: np.ndarray) -> float:
    errors = samples[where].astype(float) - image.samples[where]
    return float(10 * np.log10(255**2 / np.mean(errors**2)))


# The section


def test_weights_are_packed_and_unpacked() -> None:
    rng = np.random.default_rng(0)
    for grid in ((1, 1), (1, 9), (17, 5), (64, 65)):
        for block_log2 in range(7):
            shape = [-(-n // 2**block_log2) for n in grid]
            weights = rng.integers(-32, 33, shape).astype(np.int8)
            places = PlaceWeights(block_log2, weights)
            assert unpacked_place_weights(places.packed(), grid) == places
            section = bytes([block_log2]) + b"\0" + places.packed()[1]
            found, side = REFERENCE.read_place_weights(section, *grid), 1 << block_log2
            assert np.array_equal(found, np.kron(weights, np.ones((side, side), int))[: grid[0], : grid[1]])


def test_added_weights_are_cut_like_places_and_end_at_16() -> None:
    rng = np.random.default_rng(1)
    places = PlaceWeights(2, rng.integers(-32, 33, (5, 7)).astype(np.int8))
    exponents = rng.integers(-16, 17, (19, 26)).astype(np.int8)
    whole = places.added(exponents, (0, 0))
    spread = np.kron(places.weights.astype(int), np.ones((4, 4), int))[:19, :26]
    assert np.array_equal(whole, (exponents + spread).clip(-16, 16))
    assert np.array_equal(places.added(exponents[3:11, 5:6], (3, 5)), whole[3:11, 5:6])


def small_file() -> tuple[bytes, Header, bytes]:
    """A file, its header and what follows."""
    data = Lcn(60, roi=mask_of((64, 80))).encode(lively_picture((64, 80)))
    source = Source(data)
    header = read_header(source)
    return data, header, data[source.position :]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((7, bytes(6)), "allowed is a byte, 0 to 6"),
        ((2, bytes(5)), "has 5 weights of places; its 2x3 blocks need as many"),
        ((2, bytes(7)), "has 7 weights of places"),
        ((2, b""), "has 0 weights of places"),
        ((1, bytes(6)), "its 4x5 blocks need as many"),
        ((2, bytes([33, *bytes(5)])), "run from 33 to 33; allowed is -32 to 32"),
        ((2, bytes([223, *bytes(5)])), "run from -33 to -33"),
        ((2, bytes([127] * 6)), "allowed is -32 to 32"),
        ((2, bytes(64 * 80 + 1)), "more weights of places than its 64 x 80 pixels"),
    ],
    ids=str,
)
def test_weights_that_cannot_be_are_refused(weights: tuple[int, bytes], message: str) -> None:
    _, header, rest = small_file()
    data = write_header(dataclasses.replace(header, place_weights=weights)) + rest
    for read in (Lcn().unpack, Lcn().decode, lambda d: Lcn().unpack(d, channels=3)):
        with pytest.raises(CorruptStreamError, match=message):
            read(data)
    with pytest.raises(REFERENCE.CorruptError):
        REFERENCE.decode_file(data, model_path("rgb"))


def test_sections_that_are_cut_or_changed_are_refused() -> None:
    data, header, rest = small_file()
    end = len(data) - len(rest)
    for at in range(end - 60, end):
        for bit in (1, 16, 128):
            with pytest.raises(BitstreamError):
                Lcn().unpack(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
        with pytest.raises(BitstreamError):
            Lcn().unpack(data[:at])
    assert header.place_weights is not None


def test_random_weights_are_read_or_refused() -> None:
    """As the reference decoder does, whatever the bytes."""
    _, header, rest = small_file()
    rng, read = np.random.default_rng(0), 0
    for _ in range(60):
        residuals = rng.integers(-14, 15, 6).astype(np.int8).tobytes()
        data = write_header(dataclasses.replace(header, place_weights=(2, residuals))) + rest
        try:
            found = Lcn().unpack(data).places
        except CorruptStreamError:
            with pytest.raises(REFERENCE.CorruptError):
                REFERENCE.read_place_weights(b"\2\0" + residuals, 8, 10)
            continue
        read += 1
        assert found is not None
        expected = REFERENCE.read_place_weights(b"\2\0" + residuals, 8, 10)
        assert np.array_equal(np.repeat(np.repeat(found.weights, 4, 0), 4, 1)[:8, :10], expected)
    assert 10 < read < 60


def test_weights_of_other_signals_are_refused() -> None:
    sound = Audio(np.zeros((1, 4000), np.float32), 8000)
    source = Source(Lcn().encode(sound))
    header = dataclasses.replace(read_header(source), place_weights=(2, bytes(6)))
    with pytest.raises(CorruptStreamError, match="which only pictures have"):
        read_header(Source(write_header(header)))
    with pytest.raises(CorruptStreamError, match="those of model mono cannot"):
        weighing_places(load_model("mono"))


def test_models_that_weigh_places_keep_what_they_are() -> None:
    model = load_model("rgb")
    plain, tuned = weighing_places(model), weighing_places(tuned_model(model, 96))
    assert plain.fingerprint == tuned.fingerprint == model.fingerprint
    assert plain is weighing_places(model)
    assert plain.tuned is not None and plain.tuned.code == 0 and plain.tuned.maps_steps
    assert tuned.tuned is not None and tuned.tuned.code == 96
    assert np.array_equal(plain.steps_at(150), model.steps_at(150))


# Maps of importance


def weights_of(roi: object, size: tuple[int, int], image: Image | None = None) -> PlaceWeights | None:
    return place_weights_of(region_argument(roi), size, load_model("rgb"), image)


def test_maps_are_arrays_of_any_library() -> None:
    torch = pytest.importorskip("torch")
    shares = np.random.default_rng(0).random(SIZE)
    found, wanted = weights_of(torch.from_numpy(shares), SIZE), weights_of(shares, SIZE)
    assert found is not None and wanted is not None and found == wanted


def test_codecs_by_name_have_no_maps() -> None:
    assert make_codec("lcn:roi=none,quality=9") == Lcn(9)
    with pytest.raises(CodecError, match=r"option roi of codec 'lcn' is 'mask\.png'"):
        make_codec("lcn:roi=mask.png")


@pytest.mark.parametrize("shape", [SIZE, (75, 102), (19, 26), (3, 4)], ids=str)
def test_weights_are_means_of_the_map(shape: tuple[int, int]) -> None:
    roi = np.random.default_rng(0).random(shape)
    found = weights_of(roi, SIZE)
    assert found is not None and found.block_log2 == 2
    fine = 20  # each pixel as so many, of the cell that its middle lies in
    rows = ((np.arange(SIZE[0] * fine) + 0.5) * shape[0] / (SIZE[0] * fine)).astype(int)
    columns = ((np.arange(SIZE[1] * fine) + 0.5) * shape[1] / (SIZE[1] * fine)).astype(int)
    spread, side = roi[np.ix_(rows, columns)], 32 * fine
    for (y, x), weight in np.ndenumerate(found.weights):
        mean = spread[y * side : (y + 1) * side, x * side : (x + 1) * side].mean()
        assert abs(24 * mean - 8 - weight) < 0.55


def test_maps_of_other_types_are_the_same() -> None:
    roi = MASK > 0.5
    expected = weights_of(roi, SIZE)
    assert expected is not None
    assert expected.weights.max() <= 16 and expected.weights.min() == -8
    for same in (roi.astype(np.uint8) * np.uint8(255), roi.astype(np.float32), roi.astype(np.float16)):
        assert weights_of(same, SIZE) == expected
    image = PICTURES["rgb"]
    assert weights_of(lambda picture: roi[: picture.height], SIZE, image) == expected
    everything = np.zeros(SIZE, np.uint8)
    everything[:128, :160] = 255
    found = weights_of(everything, SIZE)
    assert found is not None and set(found.weights[:4, :5].ravel().tolist()) == {16}


def test_large_pictures_have_larger_blocks() -> None:
    def side(height: int, width: int) -> int:
        found = weights_of(np.eye(64)[:, : 64 * width // height], (height, width))
        assert found is not None
        return found.block_log2

    assert [side(1448, 1448), side(1449, 1449), side(2896, 2896), side(2897, 2897)] == [2, 3, 3, 4]


@pytest.mark.parametrize(
    ("roi", "message"),
    [
        ("mask.png", "allowed is an array"),
        ([[0.5, 1]], "allowed is an array"),
        (np.zeros(5), "allowed is an array"),
        (np.zeros((0, 4)), "allowed is an array"),
        (np.zeros((4, 4, 1)), "allowed is an array"),
        (np.zeros((4, 4), np.int32), "an array of int32; allowed is"),
        (np.zeros((4, 4), np.uint16), "an array of uint16; allowed is"),
        (np.full((4, 4), np.nan), "runs from nan to nan; allowed are 0 to 1"),
        (np.full((4, 4), 1.5), "runs from 1.5 to 1.5; allowed are 0 to 1"),
        (np.full((4, 4), -0.5), "runs from -0.5 to -0.5"),
        (np.array([[0, np.inf]]), "runs from 0.0 to inf"),
    ],
    ids=str,
)
def test_what_is_no_map_is_refused(roi: Any, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        Lcn(roi=roi)
    with pytest.raises(CodecError, match=message):
        Lcn(roi=lambda image: roi).encode(PICTURES["rgb"])


@pytest.mark.parametrize("shape", [(203, 150), (50, 50), (151, 203), (300, 406), (19, 35)], ids=str)
def test_maps_of_other_aspect_or_larger_size_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(CodecError, match=f"roi is {shape[1]}x{shape[0]}, the picture 203x150; allowed is that size"):
        Lcn(roi=np.zeros(shape)).encode(PICTURES["rgb"])


def test_smaller_maps_are_of_either_rounding() -> None:
    for divisor in range(1, 150):
        for rows in {150 // divisor, -(-150 // divisor)}:
            for columns in {203 // divisor, -(-203 // divisor)}:
                assert weights_of(np.zeros((rows, columns)), SIZE) is None


def test_maps_are_for_pictures() -> None:
    with pytest.raises(UnsupportedSignalError, match="roi is for pictures, this is a signal of kind sound"):
        Lcn(roi=MASK).encode(Audio(np.zeros((1, 4000), np.float32), 8000))


def test_functions_need_whole_pictures(tmp_path: Path) -> None:
    image = PICTURES["rgb"]
    codec = Lcn(roi=lambda picture: MASK)
    with pytest.raises(CodecError, match="roi is a function, which needs all of a picture"):
        codec.encode_rows(_Rows(image), num_colors=3, sample_type="uint8")
    PillowImage.fromarray(image.samples).save(tmp_path / "x.ppm")
    data, _ = encode_file(tmp_path / "x.ppm", codec)
    assert data == encode_file(tmp_path / "x.ppm", Lcn(roi=MASK))[0] == codec.encode(image)


def test_codecs_with_equal_maps_are_equal() -> None:
    assert Lcn(roi=MASK) == Lcn(roi=MASK.copy()) == dataclasses.replace(Lcn(), roi=MASK)
    assert hash(Lcn(roi=MASK)) == hash(Lcn(roi=MASK.copy()))
    assert Lcn(roi=MASK) != Lcn() and Lcn(roi=MASK) != Lcn(roi=1 - MASK)
    assert repr(Lcn(roi=MASK)) == "Lcn(quality=50, roi=<map of 150x203>)"


def test_encode_takes_a_map() -> None:
    image = PICTURES["grey"]
    assert encode(image, roi=MASK) == Lcn(roi=MASK).encode(image)
    data = encode(image, roi=MASK, max_bytes=2000)
    assert len(data) <= 2000 and read_header(Source(data)).place_weights is not None


# The command line


def laconic(*arguments: object, exit_code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def save(samples: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(samples).save(path)
    return path


@pytest.fixture
def mask() -> np.ndarray:
    return (MASK * 255).astype(np.uint8)


def test_a_mask_of_one_picture(tmp_path: Path, mask: np.ndarray) -> None:
    image = PICTURES["rgb"]
    source, path = save(image.samples, tmp_path / "x.png"), save(mask, tmp_path / "mask.png")
    expected = Lcn(roi=mask / 255).encode(image)
    assert laconic("encode", source, "--roi", path, "-o", tmp_path / "x.lcn").stderr == ""
    assert (tmp_path / "x.lcn").read_bytes() == expected
    save(np.dstack([mask] * 3), path)
    laconic("encode", source, "--roi", path, "-o", tmp_path / "x.lcn", "--force")
    assert (tmp_path / "x.lcn").read_bytes() == expected
    laconic("encode", source, "--roi", path, "-o", tmp_path / "small.lcn", "--max-bytes", 3000)
    assert read_header(Source((tmp_path / "small.lcn").read_bytes())).place_weights is not None


def test_a_folder_of_masks(tmp_path: Path, mask: np.ndarray) -> None:
    for name in ("a.png", "b.jpg", "deep/c.ppm", "deep/d.ppm"):
        save(PICTURES["rgb"].samples, tmp_path / "in" / name)
    save(mask, tmp_path / "masks" / "a.png")
    save(mask[::2, ::2], tmp_path / "masks" / "deep" / "c.png")
    result = laconic("encode", tmp_path / "in", "--roi", tmp_path / "masks", "-o", tmp_path / "out")
    notes = [line for line in result.stderr.splitlines() if "no mask" in line]
    assert len(notes) == 2
    assert notes[0].endswith("in/b.jpg: " + f"{tmp_path / 'masks'} has no mask b.*; all of it was encoded alike")
    assert "in/deep/d.ppm: " in notes[1]
    weighed = {
        path.stem: read_header(Source(path.read_bytes())).place_weights is not None
        for path in (tmp_path / "out").rglob("*.lcn")
    }
    assert weighed == {"a": True, "b": False, "c": True, "d": False}
    quiet = laconic("encode", tmp_path / "in", "--roi", tmp_path / "masks", "-o", tmp_path / "quiet", "--quiet")
    assert quiet.stderr == ""


def test_a_mask_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    source, path = save(PICTURES["rgb"].samples, tmp_path / "x.png"), tmp_path / "mask.png"
    path.write_bytes(b"")
    result = laconic("encode", source, "--roi", path, "-o", tmp_path / "x.lcn", exit_code=1)
    assert result.stderr == f"laconic: {source}: the mask {path}: the file is empty; a picture is needed\n"
    result = laconic("encode", source, "--roi", "", "-o", tmp_path / "x.lcn", exit_code=2)
    assert "--roi is empty; name a picture or a folder of pictures" in " ".join(result.stderr.split())


def _other_size(mask: np.ndarray) -> np.ndarray:
    return mask.T.copy()


def _in_colors(mask: np.ndarray) -> np.ndarray:
    return np.dstack([mask, mask, 255 - mask])


def _with_alpha(mask: np.ndarray) -> np.ndarray:
    return np.dstack([mask, mask])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_size, "roi is 150x203, the picture 203x150"),
        (_in_colors, "mask.png has colours or alpha; allowed is a grey picture"),
        (_with_alpha, "mask.png has colours or alpha; allowed is a grey picture"),
    ],
)
def test_masks_that_do_not_fit(
    tmp_path: Path, mask: np.ndarray, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    source, path = save(PICTURES["rgb"].samples, tmp_path / "x.png"), save(change(mask), tmp_path / "mask.png")
    result = laconic("encode", source, "--roi", path, "-o", tmp_path / "x.lcn", exit_code=1)
    assert message in result.stderr and len(result.stderr.splitlines()) == 1


def test_masks_that_cannot_be_meant(tmp_path: Path, mask: np.ndarray) -> None:
    source, path = save(PICTURES["rgb"].samples, tmp_path / "x.png"), save(mask, tmp_path / "masks" / "x.png")
    assert "does not exist" in laconic("encode", source, "--roi", tmp_path / "none.png", exit_code=2).stderr
    other = save(PICTURES["rgb"].samples, tmp_path / "y.png")
    assert "the mask of one input" in laconic("encode", source, other, "--roi", path, exit_code=2).stderr
    save(mask, tmp_path / "masks" / "x.bmp")
    assert "allowed is one" in laconic("encode", source, "--roi", path.parent, exit_code=1).stderr


def test_info_says_how_many_weights_there_are(tmp_path: Path) -> None:
    for name, roi in (("weighed", MASK), ("plain", None)):
        (tmp_path / f"{name}.lcn").write_bytes(Lcn(roi=roi).encode(PICTURES["rgb"]))
    text = laconic("info", tmp_path / "weighed.lcn").stdout
    assert "roi             35 weights of 4x4 places" in text
    assert json.loads(laconic("info", tmp_path / "plain.lcn", "--json").stdout)["roi"] == "none"
