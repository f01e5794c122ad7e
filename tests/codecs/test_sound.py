"""Sounds and cubes through our codec: any channels and length, the shipped models, the laws, damage."""

import dataclasses
import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile

from laconic.codecs.checks import check_codec, check_latent_codec, sounds_to_check
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.files import decode, encode, read_signal, read_sound, signal_bytes
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Cube
from laconic.codecs.models.packet_tree import dyadic_tree, full_tree
from laconic.entropy import BitstreamError

SPEECH = Path(__file__).parents[1] / "data" / "ljspeech_excerpt.flac"


def noise(channels: int, length: int, rate: int = 44_100, seed: int = 0) -> Audio:
    """Brown noise, about a tenth of full scale."""
    steps = np.random.default_rng(seed).normal(size=(channels, length))
    walk = np.cumsum(steps, axis=1) if length else steps
    return Audio((0.1 * walk / max(np.abs(walk).max(initial=0), 1e-9)).astype(np.float32), rate)


def snr_db(signal: np.ndarray, other: np.ndarray) -> float:
    difference = signal.astype(np.float64) - other
    return float(10 * np.log10((signal.astype(np.float64) ** 2).sum() / (difference**2).sum()))


@pytest.mark.parametrize("channels", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("length", [0, 1, 2, 255, 257, 40_000])
def test_sound_of_any_size_keeps_its_form(channels: int, length: int) -> None:
    sound = noise(channels, length)
    data = Lcn(quality=70).encode(sound)
    decoded = Lcn().decode(data)
    assert isinstance(decoded, Audio)
    assert (decoded.samples.shape, decoded.sample_rate) == ((channels, length), 44_100)
    assert Lcn().pack(Lcn().unpack(data)) == data


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_quality_decides_the_signal_to_noise_ratio_whatever_the_level(channels: int) -> None:
    loud = noise(channels, 30_000)
    soft = Audio((loud.samples / 64).astype(np.float32), loud.sample_rate)
    ratios = []
    for quality in (20, 55, 85):
        for sound in (loud, soft):
            decoded = Lcn().decode(Lcn(quality=quality).encode(sound))
            ratios.append(snr_db(sound.samples, decoded.samples))
    assert ratios[0] + 6 < ratios[2] < ratios[4] - 6
    # Bits are dearer where the step is finer than those of the model's training, which optimised integers go by.
    assert np.abs(np.array(ratios[::2]) - ratios[1::2]).max() < 1.5


def test_shipped_models_are_chosen_by_channels_and_rate() -> None:
    found = {Lcn().analyze(sound).fingerprint for sound in (noise(1, 999, 16_000), noise(1, 999), noise(2, 999))}
    assert len(found) == 3


@pytest.mark.parametrize("sound", sounds_to_check(), ids=lambda sound: f"{sound.samples.shape}-{sound.sample_rate}")
@pytest.mark.parametrize("profile", ["small", "fast"])
def test_laws_hold_for_sounds(sound: Audio, profile: Literal["small", "fast"]) -> None:
    check_codec(Lcn(quality=60, profile=profile), [sound])
    check_latent_codec(Lcn(quality=60, profile=profile), [sound])


def test_silence_is_nearly_free() -> None:
    data = Lcn().encode(Audio(np.zeros((2, 441_000), np.float32), 44_100))
    assert len(data) < 200


def test_cut_sound_keeps_its_beginning() -> None:
    sound = noise(2, 300_000)
    data = Lcn(quality=50).encode(sound)
    whole = Lcn().decode(data)
    with pytest.raises(BitstreamError):
        Lcn().unpack(data[: len(data) // 2])
    latent = Lcn().unpack(data[: len(data) // 2], allow_partial=True)
    part = Lcn().synthesize(latent)
    assert latent.damage
    assert isinstance(whole, Audio)
    assert isinstance(part, Audio)
    kept = 256 * 128
    assert np.array_equal(part.samples[:, :kept], whole.samples[:, :kept])
    assert not part.samples[:, -kept:].any()


def test_speech_of_a_file_round_trips_through_every_door() -> None:
    sound = read_sound(SPEECH)
    data = encode(sound, max_bytes=20_000)
    assert 18_000 < len(data) <= 20_000
    decoded = read_sound(io.BytesIO(data))
    assert snr_db(sound.samples, decoded.samples) > 15
    for extension in (".wav", ".flac"):
        written = signal_bytes(decoded, extension)
        samples, rate = soundfile.read(io.BytesIO(written), dtype="float32")
        assert (samples.shape, rate) == ((sound.samples.shape[1],), sound.sample_rate)
        assert np.abs(samples - np.clip(decoded.samples[0], -1, 1)).max() <= 1 / 32768


@pytest.mark.parametrize("length", [48_000, 48_127, 48_128])
@pytest.mark.parametrize("frequency_hz", [220, 440, 997, 3000, 5000])
def test_ends_are_as_good_as_the_middle(frequency_hz: int, length: int) -> None:
    tone = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(length) / 48_000 + 0.3)
    sound = Audio(tone[None].astype(np.float32), 48_000)
    decoded = Lcn().decode(Lcn(quality=50, tune="snr").encode(sound))
    assert isinstance(decoded, Audio)
    errors = np.abs(decoded.samples - sound.samples)[0]
    assert max(errors[0], errors[-1]) < 0.05
    overall = np.sqrt((errors**2).mean())
    for end in (errors[:64], errors[-64:]):
        assert np.sqrt((end**2).mean()) < 0.015 + overall


def test_pieces_that_are_joined_do_not_jump() -> None:
    sound = read_sound(SPEECH)
    rate = sound.sample_rate
    errors = []
    for start in range(0, sound.samples.shape[1] - rate // 4, rate // 16):
        piece = Audio(np.ascontiguousarray(sound.samples[:, start : start + rate // 4]), rate)
        decoded = Lcn(quality=60).decode(Lcn(quality=60).encode(piece))
        assert isinstance(decoded, Audio)
        errors.append((decoded.samples - piece.samples)[0] / piece.samples.std())
    powers = np.square(errors).mean(axis=0)
    assert len(errors) >= 60
    assert powers[:16].mean() < 1.5 * powers.mean()
    assert powers[-16:].mean() < 1.5 * powers.mean()


def test_picture_functions_refuse_sounds_by_name() -> None:
    data = encode(noise(1, 1000))
    with pytest.raises(UnsupportedSignalError, match="of kind sound; allowed is a picture"):
        decode(data)
    with pytest.raises(CodecError, match="bits_per_pixel"):
        encode(noise(1, 1000), bits_per_pixel=1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("shape", [(5, 33, 20), (4, 700)])
def test_cube_of_a_fitted_model_round_trips(dtype: type, shape: tuple[int, ...], tmp_path: Path) -> None:
    walk = np.cumsum(np.random.default_rng(1).normal(size=shape), axis=-1)
    samples = (
        (1000 + 100 * walk / np.abs(walk).max()).astype(dtype)
        if dtype != np.uint8
        else (128 + 100 * walk / np.abs(walk).max()).astype(dtype)
    )
    cube = Cube(samples)
    tree = dyadic_tree(2, 2) if len(shape) == 3 else full_tree(1, 4)
    fit([cube], "cube", FitOptions(tree=tree)).save(tmp_path / "cube.safetensors")
    codec = Lcn(quality=90, model=str(tmp_path / "cube.safetensors"))
    decoded = codec.decode(codec.encode(cube))
    assert isinstance(decoded, Cube)
    assert (decoded.samples.dtype, decoded.samples.shape) == (samples.dtype, samples.shape)
    centred = samples - samples.mean(axis=tuple(range(1, len(shape))), keepdims=True, dtype=np.float64)
    assert snr_db(centred, decoded.samples - (samples - centred)) > 25


def test_cube_without_a_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(UnsupportedSignalError, match="fit one"):
        Lcn().encode(Cube(np.zeros((3, 8, 8), np.float32)))


def test_npy_is_a_cube_where_the_model_wants_one() -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((3, 20), np.int16))
    buffer.seek(0)
    assert isinstance(read_signal(buffer, kind="cube"), Cube)


def test_sound_with_channels_that_a_model_does_not_take_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="multiples of 2 channels, the sound has 3"):
        Lcn(model="stereo").encode(noise(3, 1000))


def test_prefix_of_channels_is_a_lowpass() -> None:
    sound = noise(1, 20_000)
    data = Lcn(quality=80, grouping="channels", progression="group").encode(sound)
    full = Lcn().unpack(data)
    head = Lcn().unpack(data, channels=16)
    assert np.array_equal(head.values, full.values[:16])
    again = dataclasses.replace(full, values=full.values[:16], shrink=full.shrink[:16])
    assert np.array_equal(Lcn().unpack(Lcn().pack(again)).values, head.values)
