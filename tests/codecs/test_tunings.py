"""Tuned steps (SPEC.md, section 9.8): exponents against the reference decoder, what a tuned model is, models with tunings,
damage."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from low_scene import without_low_levels
from module_files import load_module
from tuned_scene import OWN, bare_model, lively_picture, own_model, own_tuning, save_own

from laconic.codecs import _native
from laconic.codecs.errors import CodecError, UnsupportedSignalError, WeightsError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.codecs.models.fixed_point import MARGIN
from laconic.codecs.models.low_levels import LOW_MARGIN, LowSynthesis
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import Tuning, tuned_model, tuning_code_of
from laconic.codecs.models.zoo import load_model
from laconic.codecs.steps import CODE_OF_UNIT_STEP, step_of_code
from laconic.entropy.container import Header, Source, read_header, write_header
from laconic.entropy.errors import CorruptStreamError

REFERENCE = load_module("entropy/reference_decoder.py")
SIZES = [(1, 1), (1, 7), (5, 1), (33, 47)]
RGB = bare_model("rgb")


# Exponents


def random_integers(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    """Some are beyond what counts, some as far out as they go."""
    rng = np.random.default_rng(seed)
    values = np.round(rng.laplace(0, 1, shape) * 10.0 ** rng.uniform(-1, 3, (1, *shape[1:])))
    values = values.clip(-32768, 32767).astype(dtype)
    out = rng.random(shape) < 0.02
    limits = np.iinfo(dtype)
    values[out] = rng.choice([255, -255, 256, -256, limits.max, limits.min], int(out.sum()))
    return values


def native_exponents(
    values: np.ndarray, offsets: list[int], step_code: int, strength: int, first: int = 0
) -> np.ndarray:
    weights = np.floor(64 * 2 ** (-np.array(offsets, np.float64) / 8) + 0.5).astype(np.uint32)
    out = np.full(values.shape[1:], 99, np.int8)
    _native.step_exponents(values, first, weights, step_code, strength, out)
    return out


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_exponents_are_those_of_the_reference_decoder(size: tuple[int, int], dtype: type) -> None:
    found = set()
    for strength in range(1, 16):
        rng = np.random.default_rng(strength)
        values, code = random_integers((9, *size), dtype, strength), int(rng.integers(0, 256))
        offsets = rng.integers(-16, 65, 9).tolist()
        expected = np.array(REFERENCE.step_exponents(values.tolist(), offsets, code, strength))
        assert np.array_equal(native_exponents(values, offsets, code, strength), expected)
        found |= set(expected.reshape(-1).tolist())
    assert len(found) > (20 if size == (33, 47) else 1)


def test_exponents_of_grey_pictures_and_of_later_channels() -> None:
    values = random_integers((9, 12, 10), np.int32)
    for first, count in ((0, 3), (1, 3), (3, 6), (8, 1)):
        offsets = [0, 5, -16, 64, -1, 8][:count]
        expected = REFERENCE.step_exponents(values[first : first + count].tolist(), offsets, 150, 7)
        assert np.array_equal(native_exponents(values, offsets, 150, 7, first), np.array(expected))


def test_exponents_fall_as_more_goes_on_and_end_at_16() -> None:
    values = np.zeros((9, 1, 400), np.int32)
    values[:, 0, ::3] = np.arange(134)  # ever more, no two side by side
    of_places = native_exponents(values, [0] * 9, 160, 15)[0, ::3].tolist()
    assert of_places == sorted(of_places, reverse=True)
    assert of_places[-1] == -16
    assert native_exponents(np.zeros((9, 2, 2), np.int32), [0] * 9, 0, 15).tolist() == [[16, 16], [16, 16]]
    assert not native_exponents(values, [0] * 9, 160, 0).any()  # no map


@pytest.mark.parametrize(
    "changes",
    [
        {"first": 1},
        {"first": 2**63},
        {"weights": np.full(9, 257, np.uint32)},
        {"weights": np.ones(10, np.uint32), "values": np.zeros((10, 2, 3), np.int32)},
        {"step_code": 256},
        {"step_code": -1},
        {"strength": 16},
        {"strength": -1},
        {"out": np.zeros((2, 2), np.int8)},
    ],
    ids=str,
)
def test_exponents_of_what_is_not_there_are_refused(changes: dict[str, Any]) -> None:
    good = {"values": np.zeros((9, 2, 3), np.int32), "first": 0, "weights": np.full(9, 64, np.uint32)}
    good |= {"step_code": 150, "strength": 6, "out": np.zeros((2, 3), np.int8)}
    _native.step_exponents(**good)
    with pytest.raises(ValueError):
        _native.step_exponents(**good | changes)


def test_coefficients_are_multiplied_by_gains_and_by_factors_of_places() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 9, (5, 4, 6)).astype(np.float32)
    gains = rng.uniform(0.5, 2, 5).astype(np.float32)
    factors = np.linspace(0.5, 2, 33).astype(np.float32)
    exponents = rng.integers(-16, 17, (4, 6)).astype(np.int8)
    found = values.copy()
    _native.scale_coefficients(found, gains, exponents, factors, 3)
    expected = values * gains[:, None, None]
    expected[3:] *= factors[exponents + 16]
    assert np.array_equal(found, expected)
    for wrong in (exponents[:3], np.full((4, 6), 17, np.int8), np.full((4, 6), -17, np.int8)):
        with pytest.raises(ValueError):
            _native.scale_coefficients(found, gains, np.ascontiguousarray(wrong), factors, 3)
    for arguments in ((gains[:4], exponents, factors), (gains, exponents, factors[:32])):
        with pytest.raises(ValueError):
            _native.scale_coefficients(found, *arguments, 3)


# Tuned models


def code_of(strength: int, number: int) -> int:
    return 16 * strength + number


def test_tunes_of_a_model_without_tunings_are_maps_alone() -> None:
    codes = {tune: tuning_code_of(RGB, tune) for tune in ("psnr", "balanced", "machine", "eye")}
    assert codes["psnr"] == 0
    assert all(code % 16 == 0 and code > 0 for tune, code in codes.items() if tune != "psnr")


def test_tunes_of_a_model_are_its_tunings() -> None:
    plain = Tuning("machine", 9, np.zeros(192, np.int16), np.zeros(7, np.int16))
    model = dataclasses.replace(
        RGB, tunings=(plain, own_tuning(RGB, 11), dataclasses.replace(own_tuning(RGB), name="psnr"))
    )
    assert tuning_code_of(model, "machine") == code_of(9, 0)  # offsets of 0 are those of no set
    assert tuning_code_of(model, OWN) == code_of(11, 2)
    assert tuning_code_of(model, "psnr") == code_of(6, 3)
    assert tuning_code_of(model, "eye") == tuning_code_of(RGB, "eye")


def test_unknown_tunes_are_named() -> None:
    picture = lively_picture((16, 16))
    with pytest.raises(CodecError, match=r"tune is 'nice'; model rgb knows psnr, balanced, machine, eye$"):
        Lcn(tune="nice").encode(picture)
    with pytest.raises(CodecError, match=r"knows psnr, balanced, machine, eye, own$"):
        tuning_code_of(own_model("rgb"), "nice")
    with pytest.raises(CodecError, match="tune is 5"):
        Lcn(tune=5)  # type: ignore[arg-type]


def test_sounds_have_two_tunes() -> None:
    sound = Audio(np.random.default_rng(1).normal(0, 0.1, (1, 4000)).astype(np.float32), 16_000)
    assert Lcn(5, tune="machine").encode(sound) == Lcn(5).encode(sound) != Lcn(5, tune="snr").encode(sound)
    with pytest.raises(
        UnsupportedSignalError, match="tune is 'eye'; allowed for signals of kind sound is snr or machine"
    ):
        Lcn(tune="eye").encode(sound)


@pytest.mark.parametrize("code", [code_of(0, 2), code_of(6, 3), code_of(15, 15)])
def test_sets_that_a_model_lacks_are_corrupt(code: int, tmp_path: Path) -> None:
    codec = Lcn(model=save_own("rgb", tmp_path), tune=OWN)
    data = codec.encode(lively_picture((16, 24)))
    source = Source(data)
    header = read_header(source)
    other = write_header(dataclasses.replace(header, tuning=code)) + data[source.position :]
    with pytest.raises(CorruptStreamError, match=f"tuning {code // 16} of set {code % 16}; model rgb has 1 sets"):
        codec.unpack(other)
    with pytest.raises(CorruptStreamError, match="model rgb has 1 sets"):
        codec.decode(other)
    with pytest.raises(CorruptStreamError, match="model rgb has 1 sets"):
        codec.dequantize_batch([other, other], channels=3)


def test_tuned_models_keep_their_fingerprint_and_are_kept() -> None:
    tuned = tuned_model(RGB, code_of(6, 0))
    assert tuned.fingerprint == RGB.fingerprint
    assert tuned_model(RGB, code_of(6, 0)) is tuned
    assert tuned_model(RGB, 0) is RGB
    assert tuned.contexts.digest == RGB.contexts.digest  # without offsets
    best = bare_model("rgb_best")
    of_map = tuned_model(best, code_of(6, 0))
    assert best.networks is not None and of_map.networks is not None
    assert of_map.networks.digest == best.networks.digest  # it knows of no maps


def expected_points(model: Model, tuning: Tuning, step_code: int, values: np.ndarray) -> np.ndarray:
    """Those of the channels that have no low levels, as section 9 says, with exponents of the reference decoder."""
    planes = model.num_planes
    codes = step_code - tuning.offsets.astype(np.int64)
    rows = np.clip((model.scale_codes - codes) // 2, 0, 95)
    magnitudes = np.abs(values.astype(np.float32))
    columns = np.clip(np.abs(values), 1, 3) - 1
    less = model.shrink[rows[:, None, None], columns]
    steps = np.array([step_of_code(int(code)) for code in codes], np.float32)
    points = (
        np.where(values == 0, np.float32(0), np.sign(values).astype(np.float32) * (magnitudes - less))
        * steps[:, None, None]
    )
    if tuning.strength:
        of_map = values[planes : 4 * planes].tolist(), tuning.offsets[planes : 4 * planes].tolist()
        exponents = np.array(REFERENCE.step_exponents(*of_map, step_code, tuning.strength))
        factors = np.array([step_of_code(CODE_OF_UNIT_STEP - e) for e in range(-16, 17)], np.float32)
        points[4 * planes :] *= factors[exponents + 16]
    return points.astype(np.float32)


@pytest.mark.parametrize("strength", [0, 5, 15])
@pytest.mark.parametrize("name", ["rgb_best", "grey_best"])
def test_points_are_those_of_the_specification(name: str, strength: int, tmp_path: Path) -> None:
    base = load_model(name)
    model = dataclasses.replace(base, tunings=(own_tuning(base, strength),))
    model.save(tmp_path / "own.safetensors")
    codec = Lcn(60, model=str(tmp_path / "own.safetensors"), profile="small", tune=OWN)
    latent = codec.analyze(lively_picture((90, 130), 3 if base.num_planes == 3 else 1))
    latent = dataclasses.replace(latent, colors=None)
    points, planes, tuning = latent.points(), base.num_planes, model.tunings[0]
    expected = expected_points(base, tuning, latent.step_code, latent.values)
    assert np.array_equal(points[planes:], expected[planes:])
    gains = np.array([step_of_code(CODE_OF_UNIT_STEP + int(o)) for o in tuning.low_offsets], np.float32)
    rows = np.clip((base.low_scale_codes + tuning.low_offsets[:, None] - latent.step_code) // 2, 0, 95)
    low = LowSynthesis(np.float32(1) / (base.low_gains * gains), base.shrink[rows])
    expected_low = low.values(latent.values[:planes], float(step_of_code(latent.step_code)))
    assert np.array_equal(points[:planes], expected_low * np.float32(2.0**-11))
    if strength:
        assert latent.exponents is not None and len(np.unique(latent.exponents)) > 8
    else:
        assert latent.exponents is None


# Models with tunings


def test_tunings_are_saved_with_a_model(tmp_path: Path) -> None:
    for name in ("rgb", "rgb_best"):
        model = own_model(name)
        again = Model.load(save_own(name, tmp_path))
        assert again.fingerprint == model.fingerprint != bare_model(name).fingerprint
        assert [(t.name, t.strength) for t in again.tunings] == [(OWN, 6)]
        assert np.array_equal(again.tunings[0].offsets, model.tunings[0].offsets)
        assert np.array_equal(again.tunings[0].low_offsets, model.tunings[0].low_offsets)
        assert REFERENCE.read_model(tmp_path / f"{name}.safetensors").fingerprint == model.fingerprint


def test_tunings_of_a_model_without_low_levels_are_saved(tmp_path: Path) -> None:
    model = dataclasses.replace(without_low_levels(RGB), turn=None)
    offsets = np.full(192, -7, np.int16)
    model = dataclasses.replace(model, tunings=(Tuning("flat", 3, offsets, np.zeros(0, np.int16)),))
    model.save(tmp_path / "plain.safetensors")
    assert np.array_equal(Model.load(tmp_path / "plain.safetensors").tunings[0].offsets, offsets)


def test_every_number_of_a_tuning_changes_the_fingerprint() -> None:
    tuning = own_tuning(RGB)
    found = {RGB.fingerprint, dataclasses.replace(RGB, tunings=(tuning,)).fingerprint}
    changes: list[dict[str, Any]] = [{"name": "other"}, {"strength": 7}]
    for name, at in (("offsets", 4), ("offsets", 191), ("low_offsets", 0), ("low_offsets", 6)):
        numbers = getattr(tuning, name).copy()
        numbers[at] += 1
        changes.append({name: numbers})
    for change in changes:
        found.add(dataclasses.replace(RGB, tunings=(dataclasses.replace(tuning, **change),)).fingerprint)
    second = dataclasses.replace(tuning, name="second")
    found |= {dataclasses.replace(RGB, tunings=pair).fingerprint for pair in ((tuning, second), (second, tuning))}
    assert len(found) == 2 + len(changes) + 2


def with_offsets(places: slice, offset: int) -> dict[str, np.ndarray]:
    offsets = np.zeros(192, np.int16)
    offsets[places] = offset
    return {"offsets": offsets}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strength": 16}, "has strength 16; allowed is 0 to 15"),
        ({"strength": -1}, "has strength -1; allowed is 0 to 15"),
        ({"strength": 6.0}, "has strength 6.0; allowed is 0 to 15"),
        ({"offsets": np.zeros(191, np.int16)}, r"has offsets of shapes \(191,\) and \(7,\), which do not fit it"),
        ({"low_offsets": np.zeros(6, np.int16)}, r"has offsets of shapes \(192,\) and \(6,\), which do not fit it"),
        (with_offsets(slice(48, 192), 65), "has offsets beyond 64, four octaves"),
        (with_offsets(slice(48, 192), -65), "has offsets beyond 64, four octaves"),
        ({"low_offsets": np.full(7, 65, np.int16)}, "has offsets beyond 64, four octaves"),
        (with_offsets(slice(3, 4), -17), r"has offsets \[0, 0, 0, -17, .*\] of the first channels, which none has"),
        (with_offsets(slice(0, 1), 1), r"has offsets \[1, 0, .*\] of the first channels, which none has"),
        (with_offsets(slice(190, 192), 3), "has different offsets in one subband, which profile best codes as one"),
    ],
)
def test_tunings_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    model = load_model("rgb_best")
    tuning = Tuning("wrong", 6, np.zeros(192, np.int16), np.zeros(7, np.int16))
    assert dataclasses.replace(model, tunings=(tuning,)).tunings
    with pytest.raises(WeightsError, match=f"tune wrong of model rgb_best {message}"):
        dataclasses.replace(model, tunings=(dataclasses.replace(tuning, **changes),))


def test_names_of_tunings_are_different_and_few() -> None:
    tuning = own_tuning(RGB)
    many = tuple(dataclasses.replace(tuning, name=f"tune {i}") for i in range(16))
    assert len(dataclasses.replace(RGB, tunings=many[:15]).tunings) == 15
    for wrong in ((tuning, tuning), many, (dataclasses.replace(tuning, name=""),)):
        with pytest.raises(WeightsError, match="allowed are 15 different names"):
            dataclasses.replace(RGB, tunings=wrong)


def test_models_of_sounds_have_no_tunings() -> None:
    speech = load_model("speech")
    tuning = Tuning("loud", 0, np.zeros(speech.num_channels, np.int16), np.zeros(0, np.int16))
    with pytest.raises(WeightsError, match="tune loud of model speech has offsets of shapes"):
        dataclasses.replace(speech, tunings=(tuning,))


# Damage


DAMAGED_TILE = 7  # of 4 x 6 tiles of 8 x 8 places
TILED = Lcn(80, tune="machine", tile_log2=3)


def damaged_file(group: int) -> tuple[bytes, bytes]:
    """A file of many tiles, whole and with a wrong byte in a segment of one tile."""
    data = TILED.encode(lively_picture((256, 384)))
    source = Source(data)
    header: Header = read_header(source)
    assert header.index is not None and len(header.index) == 96
    number = 24 * group + DAMAGED_TILE
    at = source.position + sum(header.index[:number]) + header.index[number] // 2
    return data, data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize("group", [0, 1])
def test_places_around_a_tile_without_its_map_have_exponent_0(group: int) -> None:
    data, damaged = damaged_file(group)
    whole, found = Lcn().unpack(data), Lcn().unpack(damaged, allow_partial=True)
    assert whole.damage == () and len(found.damage) == 4 - group
    assert whole.exponents is not None and found.exponents is not None
    around = np.zeros((32, 48), bool)
    around[7:17, 7:17] = True
    assert np.array_equal(found.unmapped, around)
    assert np.array_equal(found.exponents, np.where(around, 0, whole.exponents))
    assert whole.exponents[around].any()


@pytest.mark.parametrize("group", [2, 3])
def test_damage_of_later_channels_leaves_the_map(group: int) -> None:
    data, damaged = damaged_file(group)
    whole, found = Lcn().unpack(data), Lcn().unpack(damaged, allow_partial=True)
    assert found.damage and found.unmapped is None
    assert np.array_equal(found.exponents, whole.exponents)  # type: ignore[arg-type]


@pytest.mark.parametrize("group", [0, 1, 3])
def test_pixels_far_from_damage_are_those_of_the_whole(group: int) -> None:
    """And those of the damaged part are the same from latents, in rows and in regions."""
    data, damaged = damaged_file(group)
    expected, far = Lcn().decode(data).samples, np.ones((256, 384), bool)
    reach = 8 * (MARGIN + (LOW_MARGIN if group == 0 else 1))
    far[max(64 - reach, 0) : 128 + reach, max(64 - reach, 0) : 128 + reach] = False
    image, damage = Lcn().decode_area(damaged, allow_partial=True)
    assert damage == Lcn().unpack(damaged, allow_partial=True).damage
    assert far.any() and np.array_equal(image.samples[far], expected[far])
    assert not np.array_equal(image.samples, expected)
    latent = Lcn().unpack(damaged, allow_partial=True)
    assert np.array_equal(Lcn().synthesize(latent).samples, image.samples)
    rows = Lcn(threads=2).open_area(damaged, allow_partial=True).rows()
    assert np.array_equal(np.concatenate(list(rows)), image.samples)
    for x, y, width, height in ((50, 50, 90, 90), (129, 70, 20, 9), (0, 130, 384, 20)):
        area, _ = Lcn().decode_area(damaged, region=(x, y, width, height), allow_partial=True)
        assert np.array_equal(area.samples, image.samples[y : y + height, x : x + width])


def test_a_file_that_is_cut_off_has_no_map_where_it_ends() -> None:
    data, _ = damaged_file(1)
    source = Source(data)
    header = read_header(source)
    assert header.index is not None
    end = source.position + sum(header.index[: 24 + DAMAGED_TILE])
    found = Lcn().unpack(data[:end], allow_partial=True)
    assert found.damage and found.unmapped is not None
    lacking = np.ones((32, 48), bool)
    lacking[:7] = lacking[:15, :7] = False
    assert np.array_equal(found.unmapped, lacking)
