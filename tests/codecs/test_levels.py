"""Levels: what a quality means depends on the loudness of a sound and the unit of a cube no more."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.form import form_of
from laconic.codecs.lcn import Lcn
from laconic.codecs.levels import Levels, levels_of
from laconic.codecs.media import Audio, Cube, Image
from laconic.codecs.models.packet_tree import dyadic_tree, full_tree
from laconic.codecs.plan import planned_integers
from laconic.entropy.container import MAX_LEVEL_CODE

RATE_HZ = 48_000
NO_MIDDLES = np.zeros(1, np.float32)


def snr_db(samples: NDArray[np.floating], decoded: NDArray[np.floating]) -> float:
    reference = samples.astype(np.float64)
    return float(10 * np.log10((reference**2).sum() / ((reference - decoded) ** 2).sum()))


def through(samples: NDArray[np.float32], quality: int = 50) -> tuple[int, NDArray[np.float32]]:
    """Bytes of a sound and what comes out."""
    data = Lcn(quality=quality, tune="snr").encode(Audio(samples, RATE_HZ))
    decoded = Lcn().decode(data)
    assert isinstance(decoded, Audio)
    return len(data), decoded.samples


def music(channels: int = 1, length: int = 40_000, seed: int = 3) -> NDArray[np.float32]:
    """Some partials that die away and begin again, with noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(length) / RATE_HZ
    envelope = np.exp(-6 * (t % 0.2))
    tones = [envelope * np.sin(2 * np.pi * 330 * k * t + k) / k for k in range(1, 9)]
    mixed = np.stack([np.tensordot(rng.uniform(0.5, 1, 8), tones, 1) for _ in range(channels)])
    return (0.2 * mixed + 1e-4 * rng.normal(size=mixed.shape)).astype(np.float32)


@pytest.mark.parametrize("quality", [20, 50, 80, 100])
@pytest.mark.parametrize("what", ["click", "dither"])
def test_sounds_below_a_16_bit_step_are_no_silence(what: str, quality: int) -> None:
    samples = np.zeros((1, RATE_HZ), np.float32)
    if what == "click":
        samples[0, 20_000] = 124 / 32768
    else:
        samples[0] = np.random.default_rng(0).integers(-1, 2, RATE_HZ) / 32768
    _, decoded = through(samples, quality)
    assert snr_db(samples, decoded) > {20: 8, 50: 20, 80: 40, 100: 50}[quality]


@pytest.mark.parametrize("scale", [1e-36, 1e-6, 3.7e8, 1e30])
def test_quality_means_the_same_at_any_level(scale: float) -> None:
    samples = music(2)
    for quality in (50, 100):
        num_bytes, decoded = through(samples, quality)
        num_scaled, scaled = through(samples * np.float32(scale), quality)
        assert abs(num_scaled / num_bytes - 1) < 0.03
        assert abs(snr_db(samples * np.float32(scale), scaled) - snr_db(samples, decoded)) < 0.5


def test_a_power_of_two_changes_nothing_but_the_level() -> None:
    loud, soft = (Lcn().analyze(Audio(music(2) * np.float32(scale), RATE_HZ)) for scale in (1, 2.0**-7))
    assert np.array_equal(loud.values, soft.values)
    assert soft.levels == Levels((loud.levels.codes[0] - 7 * 16,))
    assert np.array_equal(loud.points(), soft.points())
    assert np.array_equal(loud.dequantize() * np.float32(2.0**-7), soft.dequantize())


def test_dequantized_latents_are_in_signal_units_whatever_the_level() -> None:
    samples = music()
    latents = [Lcn(quality=90).analyze(Audio(samples * np.float32(gain), RATE_HZ)) for gain in (1, 0.3)]
    loud, soft = (latent.dequantize().astype(np.float64) for latent in latents)
    assert latents[0].levels != latents[1].levels
    assert snr_db(loud * 0.3, soft) > 40


def test_largest_samples_stay_finite() -> None:
    largest = np.finfo(np.float32).max
    samples = np.where(np.random.default_rng(0).uniform(size=(1, 5000)) < 0.5, -largest, largest).astype(np.float32)
    _, decoded = through(samples, 90)
    assert np.isfinite(decoded).all()
    assert snr_db(samples, decoded) > 20


@pytest.mark.parametrize("model", ["stereo", "mono"])
def test_a_quiet_channel_keeps_its_detail(model: str) -> None:
    samples = music(2)
    samples[1] = samples[0, ::-1] * np.float32(10 ** (-48 / 20))
    codec = Lcn(quality=50, model=model, tune="snr")
    latent = codec.unpack(codec.encode(Audio(samples, RATE_HZ)))
    decoded = codec.synthesize(latent)
    loud, quiet = latent.levels.codes
    assert abs((loud - quiet) * 6.02 / 16 - 48) < 1
    assert min(snr_db(a, b) for a, b in zip(samples, decoded.samples, strict=True)) > 20


def test_channels_within_20_db_share_a_level_and_silent_ones_need_none() -> None:
    samples = music(4)
    samples *= np.float32([[1], [0.11], [0.02], [0]])
    loud, near, far, silent = levels_of(Audio(samples, RATE_HZ), NO_MIDDLES).codes
    assert loud == near == silent > far + 53
    assert len(levels_of(Audio(samples[:2], RATE_HZ), NO_MIDDLES).codes) == 1


@pytest.mark.parametrize("noise_db", [None, -65])
@pytest.mark.parametrize("is_before", [False, True])
def test_silence_costs_little_and_takes_nothing_away(noise_db: float | None, *, is_before: bool) -> None:
    samples = music(1, 4 * RATE_HZ)
    silence = np.zeros((1, 30 * RATE_HZ), np.float32)
    if noise_db is not None:
        noise = np.random.default_rng(1).normal(size=silence.shape)
        silence += (noise * samples.std() * 10 ** (noise_db / 20)).astype(np.float32)
    whole = np.concatenate([silence, samples] if is_before else [samples, silence], axis=1)
    (num_bytes, alone), (num_whole, decoded) = through(samples), through(whole)
    part = decoded[:, -samples.shape[1] :] if is_before else decoded[:, : samples.shape[1]]
    assert num_bytes < num_whole < 1.05 * num_bytes + 250
    assert snr_db(samples, part) > snr_db(samples, alone) - 0.3


def test_level_is_the_root_mean_square_in_sixteenths_of_an_octave() -> None:
    rng = np.random.default_rng(5)
    for _ in range(50):
        samples = rng.normal(size=(1, 3000)) * 10 ** rng.uniform(-30, 30)
        samples = samples.astype(np.float32)
        (code,) = levels_of(Audio(samples, RATE_HZ), NO_MIDDLES).codes
        exact = 16 * np.log2(np.sqrt((samples.astype(np.float64) ** 2).mean()))
        assert -0.001 < exact - (code - 54) < 1.001


def test_pictures_and_silence_have_no_level() -> None:
    assert levels_of(Image(np.zeros((3, 3, 1), np.uint8)), NO_MIDDLES) == Levels()
    for length in (0, 1, 5000):
        assert levels_of(Audio(np.zeros((2, length), np.float32), RATE_HZ), NO_MIDDLES) == Levels()


def test_a_latent_with_levels_that_no_file_holds_is_refused() -> None:
    latent = Lcn().analyze(Audio(music(2), RATE_HZ))
    for levels in (Levels((0, 0, 0)), Levels((MAX_LEVEL_CODE + 1,)), Levels((0,), (0, 0))):
        with pytest.raises(CodecError, match=r"^the latent has Levels"):
            Lcn().pack(dataclasses.replace(latent, levels=levels))


def test_a_step_too_fine_for_the_integers_is_refused() -> None:
    plan = Lcn(step_code=0).plan_of(Audio(music(), RATE_HZ))
    largest = 2.0**30 * 2.0**-12 / 32
    coefficients = np.full((256, 1, 1), largest, np.float32)
    assert planned_integers(coefficients * np.float32(0.99), plan).max() > 0.9 * 2**30
    with pytest.raises(CodecError, match=r"step code 0 is too small for this signal.*choose 1 or more"):
        planned_integers(coefficients * np.float32(1.02), plan)


# --- Cubes ---


def counts(seed: int = 0, shape: tuple[int, ...] = (3, 40, 36)) -> NDArray[np.float64]:
    """Smooth planes about 1000 with deviations about 30."""
    rng = np.random.default_rng(seed)
    field = rng.normal(size=shape)
    for axis in range(1, len(shape)):
        field = np.cumsum(field, axis=axis)
    field -= field.mean(axis=tuple(range(1, len(shape))), keepdims=True)
    planes: NDArray[np.float64] = 1000 + 30 * field / field.std()
    return planes


@pytest.fixture(scope="module", params=[(3, 40, 36), (3, 900)], ids=["planes", "lines"])
def model_and_shape(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, tuple[int, ...]]:
    """A model of counts."""
    shape = request.param
    tree = dyadic_tree(2, 2) if len(shape) == 3 else full_tree(1, 4)
    path = tmp_path_factory.mktemp("models") / "counts.safetensors"
    signals = [Cube(counts(seed, shape).astype(np.int16)) for seed in range(3)]
    fit(signals, "counts", FitOptions(tree=tree)).save(path)
    return str(path), shape


def of_cube(samples: NDArray[np.generic], model: str, quality: int = 80) -> NDArray[np.generic]:
    codec = Lcn(quality=quality, model=model)
    decoded = codec.decode(codec.encode(Cube(samples)))
    assert isinstance(decoded, Cube)
    assert decoded.samples.dtype == samples.dtype
    return decoded.samples


def relative_error(samples: NDArray[np.generic], decoded: NDArray[np.generic]) -> NDArray[np.float64]:
    """Root mean square error over the deviation, plane by plane."""
    planes, found = (x.astype(np.float64).reshape(len(x), -1) for x in (samples, decoded))
    errors: NDArray[np.float64] = np.sqrt(((planes - found) ** 2).mean(axis=1)) / planes.std(axis=1)
    return errors


@pytest.mark.parametrize("scale, shift", [(1, 0), (1e-3, 0), (1e-3, -1), (1e9, -3e11), (1e-30, 0), (2, 5e4)])
def test_a_model_of_counts_serves_any_unit(
    model_and_shape: tuple[str, tuple[int, ...]], scale: float, shift: float
) -> None:
    model, shape = model_and_shape
    samples = (counts(9, shape) * scale + shift).astype(np.float32)
    expected = relative_error(samples, of_cube(counts(9, shape).astype(np.float32), model)) if scale == 1 else 0.1
    assert (relative_error(samples, of_cube(samples, model)) <= expected).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("value", [0, 1, 77, 255])
def test_planes_of_one_value_come_back_exactly(
    model_and_shape: tuple[str, tuple[int, ...]], dtype: type, value: int
) -> None:
    model, shape = model_and_shape
    samples = np.full(shape, value, dtype)
    assert np.array_equal(of_cube(samples, model), samples)


@pytest.mark.parametrize("value", [-0.1, 3.14159, 1e-40, -2.5e38, 1e-9])
def test_one_constant_plane_among_others_comes_back_exactly(
    model_and_shape: tuple[str, tuple[int, ...]], value: float
) -> None:
    model, shape = model_and_shape
    samples = counts(4, shape).astype(np.float32)
    samples[1] = value
    decoded = of_cube(samples, model)
    assert np.array_equal(decoded[1], samples[1])
    assert relative_error(samples[::2], decoded[::2]).max() < 0.1


def test_planes_of_different_scale_keep_their_detail(model_and_shape: tuple[str, tuple[int, ...]]) -> None:
    model, shape = model_and_shape
    scales = np.array([1, 1e-4, 1e5]).reshape(-1, *(1,) * (len(shape) - 1))
    samples = (counts(6, shape) * scales).astype(np.float32)
    assert relative_error(samples, of_cube(samples, model)).max() < 0.1


def test_latents_of_cubes_come_back_with_their_levels(model_and_shape: tuple[str, tuple[int, ...]]) -> None:
    model, shape = model_and_shape
    samples = counts(6, shape).astype(np.float32)
    samples[2] *= 1000
    codec = Lcn(model=model)
    latent = codec.analyze(Cube(samples))
    assert len(latent.levels.codes) == len(latent.levels.offset_codes) == 3
    assert codec.unpack(codec.pack(latent)) == latent
    assert form_of(Cube(samples)).size == latent.size


def test_model_files_of_cubes_are_of_no_unit(tmp_path: Path) -> None:
    fingerprints = set()
    for scale in (1, 2.0**-20):
        signals = [Cube((counts(seed) * scale).astype(np.float32)) for seed in range(2)]
        fingerprints.add(fit(signals, "any", FitOptions(tree=dyadic_tree(2, 2))).fingerprint)
    assert len(fingerprints) == 1


def test_quiet_planes_of_integers_are_coded_in_whole_steps_and_in_tune_snr_with_the_loudest(tmp_path: Path) -> None:
    """A plane 60 dB below another: rounding drops what is finer than 1; for both planes together it hardly matters."""
    rng = np.random.default_rng(6)
    loud = 3000 * rng.normal(size=4000)
    samples = np.stack([loud, 3 * rng.normal(size=4000)]).clip(-32768, 32767).round().astype(np.int16)
    found = {}
    for tune, levels in ((None, "own"), ("snr", "joint")):
        path = tmp_path / f"{levels}.safetensors"
        fit([Cube(samples)], "two", FitOptions(tree=full_tree(1, 2), levels=levels)).save(path)  # type: ignore[arg-type]
        codec = Lcn(quality=90, model=str(path), tune=tune)
        data = codec.encode(Cube(samples))
        decoded = codec.decode(data)
        assert isinstance(decoded, Cube)
        found[tune] = len(data), codec.plan_of(Cube(samples)), relative_error(samples, decoded.samples)
    own, joint = found[None][1], found["snr"][1]
    assert len(own.form.levels.codes) == 2 and len(joint.form.levels.codes) == 1
    assert 1 <= own.step * 2 ** (own.form.levels.codes[1] / 16) < 1.05
    assert found["snr"][0] < 0.8 * found[None][0]
    assert found["snr"][2][0] < 0.05 and found[None][2][1] < 0.2
    codec = Lcn(model=str(path))
    for code, latent in zip((60, 120), codec.analyze_steps(Cube(samples), (60, 120)), strict=True):
        assert latent.levels == codec.plan_of(Cube(samples), code).form.levels
