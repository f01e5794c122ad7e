"""Files that keep to a rate, a size or an error: promised, kept, and close to what was allowed; odd signals; memory."""

import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from laconic.codecs.encoding_target import EncodingTarget
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.files import encode, read_sound, signal_bytes
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube, Image, Signal
from laconic.codecs.models.packet_tree import full_tree
from laconic.codecs.notes import collect_hints
from laconic.codecs.sample_errors import SampleErrors, sample_errors
from laconic.codecs.sound_metadata import SoundMetadata
from laconic.codecs.sounds.sound_part import decode_sound
from laconic.codecs.streams import encode_file, encode_file_to_target
from laconic.codecs.target_search import encode_to_target

SPEECH = Path(__file__).parents[1] / "data" / "ljspeech_excerpt.flac"
RATE = 16_000
INT16 = SoundMetadata("int16")


def sound_of(integers: np.ndarray) -> Audio:
    return Audio((np.atleast_2d(integers) / 32768).astype(np.float32), RATE, INT16)


def integers_of(audio: Audio) -> np.ndarray:
    """As `laconic decode` writes them."""
    return np.clip(np.rint(audio.samples.astype(np.float64) * 32768), -32768, 32767)


def errors_of(known: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """SNR in dB, PRD in percent, the largest error."""
    errors = found.astype(np.float64) - known
    power, energy = (errors**2).sum(), (known.astype(np.float64) ** 2).sum()
    if not power:
        return math.inf, 0.0, 0.0
    return 10 * np.log10(energy / power), 100 * np.sqrt(power / energy), np.abs(errors).max()


@pytest.fixture(scope="module")
def speech() -> Audio:
    whole = read_sound(SPEECH)
    return Audio(whole.samples[:, 20_000:60_000], whole.sample_rate, whole.metadata)


@pytest.fixture(scope="module")
def cube_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "leads.safetensors"
    fit([leads()], "leads", FitOptions(tree=full_tree(1, 4))).save(path)
    return str(path)


def leads(dtype: type = np.int16) -> Cube:
    walk = np.cumsum(np.random.default_rng(2).normal(size=(3, 2000)), axis=1)
    return Cube((500 + 400 * walk / np.abs(walk).max()).astype(dtype))


def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=9000)


ODD = {
    "silence": sound_of(np.zeros((2, 5000))),
    "no samples": sound_of(np.zeros((1, 0))),
    "one sample": sound_of(np.array([1234])),
    "a constant": sound_of(np.full(5000, -7000)),
    "an impulse": sound_of(np.eye(1, 5000, 2500) * 32767),
    "clipping noise": sound_of(np.clip(np.rint(30_000 * noise()), -32768, 32767)),
    "soft noise": sound_of(np.rint(2 * noise())),
    "a silent channel": sound_of(np.stack([np.rint(3000 * noise()), np.zeros(9000)])),
    "24 bits": Audio((np.rint(2e5 * noise()) / 2**23).astype(np.float32)[None], RATE, SoundMetadata("int24")),
    "floats beyond full scale": Audio((3 * noise()).astype(np.float32)[None], RATE),
}


@pytest.mark.parametrize("kbps", [12, 40, 150])
@pytest.mark.parametrize("tune", [None, "snr"])
def test_rate_of_a_sound_is_kept_and_used(kbps: float, tune: str | None, speech: Audio) -> None:
    data = encode(speech, kilobits_per_second=kbps, tune=tune)
    assert 0.95 * kbps < 8 * len(data) / 1000 / speech.duration_seconds <= kbps
    assert encode(speech, max_bytes=int(kbps * 125 * speech.duration_seconds), tune=tune) == data


@pytest.mark.parametrize("db", [0, 12.5, 30, 70])
def test_snr_is_kept_by_the_coarsest_step(db: float, speech: Audio) -> None:
    data = encode(speech, snr_db=db)
    known = integers_of(speech)
    found = errors_of(known, integers_of(decode_sound(data)))[0]
    assert db <= found < db + 0.6 or db == 0  # a step is 0.38 dB; 0 is kept by the coarsest of all
    code = Lcn().unpack(data).step_code
    assert data == Lcn(step_code=code, tune="snr").encode(speech)
    if code < 255:
        coarser = Lcn(step_code=code + 1, tune="snr").encode(speech)
        assert errors_of(known, integers_of(decode_sound(coarser)))[0] < db


@pytest.mark.parametrize("percent", [0.5, 9, 40])
def test_prd_is_kept_and_used(percent: float, speech: Audio) -> None:
    data = encode(speech, prd_percent=percent)
    assert 0.93 * percent < errors_of(integers_of(speech), integers_of(decode_sound(data)))[1] <= percent


@pytest.mark.parametrize("largest", [0, 1, 30, 1000])
def test_largest_error_is_kept_by_no_larger_file_than_a_step_nearby(largest: float, speech: Audio) -> None:
    known = integers_of(speech)
    data = encode(speech, max_error=largest)
    assert errors_of(known, integers_of(decode_sound(data)))[2] <= largest
    code = Lcn().unpack(data).step_code
    for other in (code + 1, code + 3, min(code + 25, 255)):
        coarser = Lcn(step_code=other, tune="snr").encode(speech)
        assert errors_of(known, integers_of(decode_sound(coarser)))[2] > largest


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "target",
    [
        EncodingTarget(snr_db=20),
        EncodingTarget(prd_percent=2),
        EncodingTarget(max_error=0.5),
        EncodingTarget(max_error=1.5),
    ],
    ids=str,
)
def test_errors_are_kept_or_refused_on_odd_signals(name: str, target: EncodingTarget) -> None:
    sound = ODD[name]
    try:
        found = encode_to_target(sound, target, Lcn())
    except CodecError as err:
        assert target.max_error is not None
        is_integer = sound.metadata.sample_format is not None
        reason = (
            "full scale 1" if not is_integer and target.max_error >= 1 else "the best that a step reaches is a largest"
        )
        assert reason in str(err)
        assert ("--lossless" in str(err)) == is_integer
        return
    decoded = decode_sound(found.data)
    width = {"int16": 16, "int24": 24}.get(sound.metadata.sample_format or "")
    known, got = sound.samples.astype(np.float64), decoded.samples.astype(np.float64)
    if width:
        scale = 2 ** (width - 1)
        known, got = known * scale, np.clip(np.rint(got * scale), -scale, scale - 1)
    snr_db, prd_percent, largest = errors_of(known, got) if known.size else (math.inf, 0, 0)
    assert snr_db >= (target.snr_db or -math.inf)
    assert prd_percent <= (target.prd_percent or math.inf)
    assert largest <= (math.inf if target.max_error is None else target.max_error)
    assert found.errors is not None
    assert found.errors.max_error == largest


@pytest.mark.parametrize("name", [name for name in ODD if name != "no samples"])
def test_rates_are_kept_or_refused_on_odd_signals(name: str) -> None:
    sound = ODD[name]
    limit = int(3000 * 125 * sound.duration_seconds)
    if limit < 100:
        with pytest.raises(CodecError, match=f"the smallest possible file has .* over the limit of {limit}"):
            encode(sound, kilobits_per_second=3000)
    else:
        assert len(encode(sound, kilobits_per_second=3000)) <= limit


def test_sound_without_samples_has_no_rate_but_a_size() -> None:
    with pytest.raises(CodecError, match="this one has none; give max_bytes"):
        encode(ODD["no samples"], kilobits_per_second=10)
    assert len(encode(ODD["no samples"], max_bytes=200)) <= 200


def test_error_that_no_step_reaches_says_the_best_and_what_to_do() -> None:
    with pytest.raises(CodecError, match=r"a largest error of \d+; allow that, or every sample: lossless=True"):
        encode(ODD["clipping noise"], max_error=0)
    with pytest.raises(CodecError, match=r"an SNR of \d+\.\d+ dB; allow that$"):
        encode(ODD["floats beyond full scale"], snr_db=200)
    with pytest.raises(CodecError, match=r"a PRD of .* %; allow that, choose tune snr, or every sample"):
        encode(ODD["clipping noise"], prd_percent=1e-4, tune="machine")


def test_errors_imply_tune_snr_and_sizes_do_not(speech: Audio) -> None:
    assert Lcn().unpack(encode(speech, snr_db=10)).noise is None
    assert Lcn().unpack(encode(speech, snr_db=5, tune="machine")).noise is not None
    assert Lcn().unpack(encode(speech, kilobits_per_second=20)).noise is not None


def test_errors_of_floats_are_of_full_scale(speech: Audio) -> None:
    floats = Audio(speech.samples, speech.sample_rate)
    decoded = decode_sound(encode(floats, max_error=0.01))
    assert 0.002 < np.abs(decoded.samples - floats.samples).max() <= 0.01
    for largest in (1, 300):
        with pytest.raises(CodecError, match=rf"max_error is {largest}, .* full scale 1; allowed is below 1"):
            encode(floats, max_error=largest)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
@pytest.mark.parametrize(
    "target", [{"snr_db": 40}, {"prd_percent": 1.5}, {"max_error": 4}, {"max_error": 0.5}], ids=str
)
def test_errors_of_cubes_are_kept(dtype: type, target: dict[str, float], cube_model: str) -> None:
    cube = leads(np.int16) if dtype != np.uint8 else Cube((leads().samples // 8).astype(np.uint8))
    cube = Cube(cube.samples.astype(dtype))
    decoded = Lcn(model=cube_model).decode(encode(cube, model=cube_model, **target))
    snr_db, prd_percent, largest = errors_of(cube.samples.astype(np.float64), decoded.samples)
    assert snr_db >= target.get("snr_db", 0)
    assert prd_percent <= target.get("prd_percent", 100)
    assert largest <= target.get("max_error", math.inf)


@pytest.mark.parametrize("samples", [np.zeros((3, 400)), np.full((3, 400), 9), np.eye(3, 400, 200) * 30_000], ids=len)
def test_largest_error_of_odd_cubes_is_kept(samples: np.ndarray, cube_model: str) -> None:
    cube = Cube(samples.astype(np.int16))
    decoded = Lcn(model=cube_model).decode(encode(cube, model=cube_model, max_error=3))
    assert np.abs(decoded.samples.astype(int) - cube.samples).max() <= 3


def test_cube_that_no_step_is_fine_enough_for_says_what_to_do(cube_model: str) -> None:
    cube = Cube(np.random.default_rng(0).normal(size=(3, 500)).astype(np.float32))
    with pytest.raises(CodecError, match=r"a largest error of .*; allow that, or keep the array as .npy"):
        encode(cube, model=cube_model, max_error=0)


@pytest.mark.parametrize(
    ("signal", "target", "what"),
    [
        (Image(np.zeros((8, 8, 3), np.uint8)), {"snr_db": 30}, "snr_db is for sounds and cubes, this is a picture"),
        (Image(np.zeros((8, 8, 3), np.uint8)), {"max_error": 3}, "max_error is for sounds and cubes"),
        (Image(np.zeros((8, 8, 3), np.uint8)), {"kilobits_per_second": 3}, "is for sounds, this is a picture"),
        (leads(), {"kilobits_per_second": 3}, "kilobits_per_second is for sounds, this is a cube; give max_bytes"),
        (ODD["silence"], {"bits_per_pixel": 3}, "bits_per_pixel is for pictures, this is a sound; give max_bytes"),
    ],
)
def test_targets_of_other_signals_are_refused(signal: Signal, target: dict[str, float], what: str) -> None:
    with pytest.raises(CodecError, match=what):
        encode(signal, **target)  # type: ignore[arg-type]


NAMES = ("bits_per_pixel", "max_bytes", "kilobits_per_second", "snr_db", "prd_percent", "max_error")


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(NAMES, 2)))
def test_two_targets_are_refused(one: str, other: str) -> None:
    with pytest.raises(CodecError, match=f"{one} and {other} exclude each other; give one of them"):
        EncodingTarget(**{one: 1, other: 1})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, "1", True])
def test_bad_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(CodecError, match=f"{name} is .*; allowed is a"):
        EncodingTarget(**{name: value})


def test_errors_go_by_what_was_asked() -> None:
    errors = sample_errors([(np.array([3.0, 4.0]), np.array([3.0, 4.5])), (np.array([[0]]), np.array([[0]]))])
    assert errors == SampleErrors(25.0, 0.25, 0.5)
    assert errors.snr_db == pytest.approx(20)
    assert errors.prd_percent == pytest.approx(10)
    assert errors.excess_of(EncodingTarget(snr_db=26.0206)) == pytest.approx(1, abs=1e-5)
    assert errors.excess_of(EncodingTarget(prd_percent=20)) == pytest.approx(-1)
    assert errors.excess_of(EncodingTarget(max_error=0.125)) == 2
    assert errors.excess_of(EncodingTarget(max_error=0.5)) == 0
    assert errors.excess_of(EncodingTarget(max_error=0)) == math.inf
    silent = SampleErrors(0.0, 1.0, 1.0)
    assert (silent.snr_db, silent.prd_percent) == (-math.inf, math.inf)
    assert SampleErrors(0.0, 0.0, 0.0).excess_of(EncodingTarget(snr_db=99)) == -math.inf


@pytest.mark.parametrize(
    "target",
    [
        EncodingTarget(max_bytes=5000),
        EncodingTarget(kilobits_per_second=30),
        EncodingTarget(snr_db=20),
        EncodingTarget(max_error=200),
    ],
    ids=str,
)
def test_file_that_is_read_by_blocks_gives_the_bytes_of_the_whole(target: EncodingTarget, speech: Audio) -> None:
    file = io.BytesIO(signal_bytes(speech, ".wav"))
    found, form = encode_file_to_target(file, Lcn(), target)
    assert found == encode_to_target(speech, target, Lcn())
    assert form.size == speech.samples.shape


def test_target_that_says_nothing_leaves_it_to_the_quality(speech: Audio) -> None:
    file = io.BytesIO(signal_bytes(speech, ".wav"))
    found, form = encode_file_to_target(file, Lcn(quality=30), EncodingTarget())
    assert (found.data, form) == encode_file(file, Lcn(quality=30))
    assert found.errors is None


def test_dear_files_hint_at_lossless_ones(speech: Audio) -> None:
    with collect_hints() as hints:
        encode(speech, max_error=0)
    assert hints == ["so near to the samples a lossless file is often smaller: --lossless"]
    with collect_hints() as hints:
        encode(speech, snr_db=20)
    assert not hints


def test_picture_of_a_file_goes_by_its_size() -> None:
    image = Image(np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8))
    file = io.BytesIO(signal_bytes(image, ".png"))
    found, form = encode_file_to_target(file, Lcn(), EncodingTarget(bits_per_pixel=2))
    assert found.data == encode(image, bits_per_pixel=2)
    assert form.kind == "image"
    with pytest.raises(UnsupportedSignalError, match="this is a picture"):
        encode_file_to_target(file, Lcn(), EncodingTarget(snr_db=2))
