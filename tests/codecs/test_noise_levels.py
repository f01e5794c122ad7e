"""Noise in place of a sound's zeros (SPEC.md, sections 6.5 and 9.10)."""

import dataclasses
import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.codecs.files import read_sound, signal_bytes
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.packet_tree import mdct_tree
from laconic.codecs.models.zoo import load_model, load_model_of
from laconic.codecs.packing.noise_levels import NoiseCells, NoiseLevels, unpacked_noise_levels
from laconic.codecs.sounds.sound_part import decode_sound
from laconic.codecs.steps import MANTISSAS
from laconic.codecs.transform.band_levels import BandMeter
from laconic.codecs.transform.signals import coefficients_of
from laconic.entropy import BitstreamError, CorruptStreamError
from laconic.entropy.container import Source, read_header, write_header
from laconic.tasks.cli import app

GOLDEN = 0x9E3779B9
WHOLE = 0xFFFFFFFF


def breath(channels: int = 1, length: int = 20_000, rate: int = 16_000) -> Audio:
    """Tones under noise that comes and goes, in the order of a thousandth of full scale."""
    random, t = np.random.default_rng(3), np.arange(length)
    tones = 0.2 * np.sin(t * 0.1) + 0.1 * np.sin(t * 0.31)
    noise = random.normal(0, 0.002, (channels, length)) * (1 + t // 3000 % 3)
    return Audio((tones + noise).astype(np.float32), rate)


def noisy(sound: Audio, quality: int = 20) -> bytes:
    return Lcn(quality, tune="machine").encode(sound)


def mixed(key: int) -> int:
    key = ((key ^ key >> 16) * 0x7FEB352D) & WHOLE
    key = ((key ^ key >> 15) * 0x846CA68B) & WHOLE
    return key ^ key >> 16


def noise_of(channel: int, row: int, place: int) -> int:
    number = mixed((mixed((mixed(GOLDEN * channel & WHOLE) + row) & WHOLE) + GOLDEN * place) & WHOLE) >> 16
    return number - 65536 if number >= 32768 else number


def test_bands_are_wider_where_hearing_is_coarser() -> None:
    assert NoiseCells(8, 4, 1, 256, 1).edges == [0, 8, 16, 24, 32, 40, 50, 62, 77, 96, 120, 150, 187, 233, 256]
    assert NoiseCells(255, 255, 0, 3, 2).edges == [0, 3]
    assert NoiseCells(1, 1, 0, 9, 1).edges == [0, 1, 2, 4, 8, 9]


@pytest.mark.parametrize(("channels", "rate"), [(1, 16_000), (2, 44_100), (3, 44_100)])
def test_file_keeps_levels_beside_integers(channels: int, rate: int) -> None:
    sound = breath(channels, rate=rate)
    data = noisy(sound)
    latent = Lcn().unpack(data)
    assert latent.noise is not None and latent.noise.levels.max() > 0
    assert Lcn().unpack(Lcn(20, tune="snr").encode(sound)).noise is None
    assert latent == Lcn(20, tune="machine").analyze(sound)
    assert Lcn().pack(latent) == data


def test_levels_are_those_of_the_coefficients() -> None:
    sound = breath(2, 30_000, 44_100)
    latent = Lcn(40, tune="machine").analyze(sound)
    assert latent.noise is not None
    cells, model = latent.noise.cells, load_model_of(latent.fingerprint, None)
    coefficients = coefficients_of(sound, model, latent.levels)
    num_bands = len(cells.edges) - 1
    for plane, band in np.ndindex(2, num_bands):
        rows = slice(2 * cells.edges[band] + plane, 2 * cells.edges[band + 1], 2)
        for stretch in range(latent.noise.levels.shape[2]):
            places = slice(stretch << cells.stretch_log2, (stretch + 1) << cells.stretch_log2)
            mean = float(np.abs(coefficients[rows, 0, places], dtype=np.float64).mean())
            expected = 38 + 2 * math.log2(max(mean * math.sqrt(math.pi / 2), 2.0**-16) / model.unit)
            assert latent.noise.levels[0, plane * num_bands + band, stretch] == pytest.approx(expected, abs=0.9)


def test_steps_follow_levels_and_the_width_of_mel_bands() -> None:
    meter = BandMeter.of_model(load_model("speech_machine"), 16_000)
    loud = np.full((128, 1, 40), 0.1, np.float32)
    quiet, louder = meter.levels(loud / 4), meter.levels(loud)
    assert (louder.levels - quiet.levels == 4).all()
    octaves = louder.offsets / 16
    middles = (np.array(meter.cells.edges[1:]) + meter.cells.edges[:-1]) / 2 * 62.5
    assert np.allclose(octaves, 1.25 * np.log2((700 + middles) / 1700), atol=1 / 16)
    assert meter.cells.edges[:4] == [0, 8, 16, 24] and meter.cells.stretch_log2 == 1
    high = BandMeter.of_model(load_model("mono_machine"), 44_100).levels(np.ones((512, 1, 8), np.float32)).offsets
    assert len(set(high[-3:].tolist())) == 1


def test_without_filling_there_is_no_noise() -> None:
    data = noisy(breath())
    latent = Lcn().unpack(data)
    assert latent.noise is not None
    silent = dataclasses.replace(latent, noise=dataclasses.replace(latent.noise, gain=0))
    assert Lcn(fill=False).decode(data) == Lcn().synthesize(silent) != Lcn().decode(data)
    assert Lcn(fill=False).synthesize(latent) == Lcn().synthesize(silent)
    assert Lcn().synthesize(latent) == Lcn().decode(data)
    assert np.array_equal(latent.dequantize(), silent.dequantize())


TABLE = [1215, 1416, 1632, 1851, 2060, 2242, 2388, 2495, 2569, 2618, 2648, 2667, 2679, 2686, 2690, 2692, 2694]


def step_factor(exponent: int) -> float:
    return float(MANTISSAS[exponent % 16]) * 2.0 ** (exponent // 16)


def amplitude(above: int) -> float:
    if above < -40:
        return TABLE[0] * step_factor(above + 40) / 4096
    j, k = divmod(above + 40, 4)
    return TABLE[16] / 4096 if above >= 24 else ((4 - k) * TABLE[j] + k * TABLE[j + 1]) / 16384


@pytest.mark.parametrize(("channels", "rate", "quality"), [(3, 44_100, 20), (2, 44_100, 50), (1, 16_000, 5)])
def test_steps_and_noise_are_those_of_the_document(channels: int, rate: int, quality: int) -> None:
    latent = Lcn().unpack(noisy(breath(channels, 6000, rate), quality))
    noise = latent.noise
    assert noise is not None
    planes, edges = noise.cells.num_planes, noise.cells.edges
    plain = dataclasses.replace(latent, noise=None).points()
    points = latent.points()
    filled = points.copy()
    noise.fill(filled, latent.values, latent.step_code, latent.step)
    for c, y, x in np.random.default_rng(1).integers(0, latent.values.shape, (400, 3)).tolist():
        band = next(b for b in range(len(edges)) if edges[b + 1] > c // planes)
        row = c % planes * (len(edges) - 1) + band
        level = int(noise.levels[y, row, x >> noise.cells.stretch_log2])
        exponent = (noise.power * (level - 38) // 2 if level else 0) + int(noise.offsets[row])
        factor = np.float32(step_factor(exponent))
        assert points[c, y, x] == plain[c, y, x] * factor
        expected = points[c, y, x]
        if latent.values[c, y, x] == 0:
            largest = min(amplitude(8 * (level - 38) - (latent.step_code - 192) - exponent) * noise.gain / 16, 0.625)
            loudest = np.float32(largest) * factor * np.float32(latent.step)
            expected = np.float32(noise_of(c, y, x)) * np.float32(2**-15) * loudest * bool(level)
        assert filled[c, y, x] == pytest.approx(expected, rel=1e-6)


def test_noise_makes_up_for_what_was_lost() -> None:
    sound = breath(length=60_000)
    codec, latent = Lcn(20, tune="machine"), Lcn(20, tune="machine").analyze(sound)
    assert latent.noise is not None
    coefficients = coefficients_of(sound, load_model_of(latent.fingerprint, None), latent.levels)
    filled = latent.points()
    is_high = (latent.values == 0) & (np.arange(len(filled))[:, None, None] > 60)
    latent.noise.fill(filled, latent.values, latent.step_code, latent.step)
    lost, given = ((array[is_high].astype(float) ** 2).mean() for array in (coefficients, filled))
    assert -4 < 10 * math.log10(given / lost) < 0
    assert codec.decode(codec.encode(sound)) == codec.synthesize(latent)


def test_samples_are_the_same_on_every_machine() -> None:
    latent = dataclasses.replace(Lcn(model="stereo", step_code=184).analyze(breath(2, 4000, 44_100)), size=(2, 4000))
    cells = NoiseCells(8, 4, 1, 256, 2)
    levels = (16 + np.arange(28 * 8) % 30).astype(np.uint8).reshape(1, 28, 8)
    noise = NoiseLevels(cells, levels, 7, 13, np.arange(28, dtype=np.int8))
    latent = dataclasses.replace(latent, values=np.zeros((512, 1, 16), np.int32), noise=noise)
    sound = Lcn(model="stereo").synthesize(latent)
    assert isinstance(sound, Audio)
    assert hashlib.sha256(sound.samples.astype("<f4").tobytes()).hexdigest()[:16] == "b9aa9fdadd416783"


def test_fewer_channels_are_filled_as_they_are() -> None:
    data = noisy(breath())
    few, all_ = Lcn().unpack(data, channels=50), Lcn().unpack(data)
    assert few.noise == all_.noise
    zeros = np.concatenate([all_.values[:50], np.zeros((78, *all_.values.shape[1:]), np.int32)])
    points, whole = few.points(), dataclasses.replace(all_, values=zeros).points()
    for out, values in ((points, few.values), (whole, zeros)):
        assert few.noise is not None
        few.noise.fill(out, values, few.step_code, few.step)
    assert np.array_equal(points, whole[:50])


def test_parts_are_cut_from_the_whole() -> None:
    sound = breath(2, 90_000, 44_100)
    data = noisy(sound)
    whole = Lcn().decode(data).samples
    for start, seconds in ((0.0, 0.3), (0.71, 0.2), (1.3, 5.0)):
        part = decode_sound(data, start_seconds=start, seconds=seconds)
        first = round(start * 44_100)
        assert np.array_equal(part.samples, whole[:, first : first + round(seconds * 44_100)])


@pytest.mark.parametrize("length", [0, 1, 3])
def test_short_sounds_keep_their_form(length: int) -> None:
    sound = breath(length=length)
    decoded = Lcn().decode(noisy(sound))
    assert isinstance(decoded, Audio) and decoded.samples.shape == (1, length)
    assert (Lcn().unpack(noisy(sound)).noise is None) == (length == 0)


def test_silence_needs_no_levels() -> None:
    silence = Audio(np.zeros((2, 5000), np.float32), 44_100)
    assert Lcn().unpack(noisy(silence)).noise is None


def with_section(data: bytes, section: bytes) -> bytes:
    source = Source(data)
    header = read_header(source)
    return write_header(dataclasses.replace(header, noise_levels=section)) + source.read(
        source.remaining() or 0, "rest"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:2], "the section of noise has 2 bytes; needed are 5, one for each band, and a segment"),
        (lambda s: b"\0" + s[1:], r"the section of noise begins with \[0, 6, 1, 13, 13\]"),
        (
            lambda s: s[:2] + b"\7" + s[3:],
            r"begins with \[8, 6, 7, 13, 13\] .*; allowed are two numbers from 1",
        ),
        (lambda s: s[:3] + b"\x11" + s[4:], r"begins with \[8, 6, 1, 17, 13\]"),
        (lambda s: s[:5] + b"\x80" + s[6:], r"has offsets \[-128, .*; needed are 13 of up to 64"),
        (lambda s: s[:9], "has offsets .*; needed are 13"),
        (lambda s: s + b"\0", "the section of noise has 1 bytes after its segment"),
        (lambda s: s[:-3], "segment 0 needs"),
        (lambda s: s[:2] + b"\2" + s[3:], "checksum|stream|lanes|ends"),
    ],
)
def test_damaged_levels_are_refused(change: object, message: str) -> None:
    data = noisy(breath())
    section = read_header(Source(data)).noise_levels
    assert section is not None and callable(change)
    with pytest.raises(BitstreamError, match=message):
        Lcn().unpack(with_section(data, change(section)))


def test_levels_beyond_the_largest_are_refused() -> None:
    model, latent = load_model("speech_machine"), Lcn().unpack(noisy(breath()))
    assert latent.noise is not None
    loud = dataclasses.replace(latent.noise, levels=np.full_like(latent.noise.levels, 64))
    packed = loud.packed(model.contexts.static_tables)
    with pytest.raises(CorruptStreamError, match="levels of noise run from 64 to 64; allowed is 0 to 63"):
        unpacked_noise_levels(packed, (1, latent.values.shape[2]), model)


def test_levels_of_a_picture_are_refused() -> None:
    data = Lcn().encode(Image(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(CorruptStreamError, match="levels of noise, which only sounds have"):
        Lcn().unpack(with_section(data, b"\x08\x04\x01\x06\x0d"))


def test_command_line_encodes_tells_and_leaves_out(tmp_path: Path) -> None:
    sound, file, run = tmp_path / "a.wav", tmp_path / "a.lcn", CliRunner().invoke
    sound.write_bytes(signal_bytes(breath(), ".wav"))
    assert run(app, ["encode", str(sound), "--tune", "machine", "-q", "20"]).exit_code == 0
    assert run(app, ["decode", str(file), "-o", str(tmp_path / "filled.wav")]).exit_code == 0
    assert run(app, ["decode", str(file), "-o", str(tmp_path / "plain.wav"), "--no-fill"]).exit_code == 0
    assert "tune            machine" in run(app, ["info", str(file)]).stdout
    filled, plain = (read_sound(tmp_path / f"{name}.wav") for name in ("filled", "plain"))
    assert np.abs(filled.samples - plain.samples).max() > 1e-4


def test_contexts_are_fitted_to_the_tune(tmp_path: Path) -> None:
    sounds = [breath(length=30_000), breath(length=31_000)]
    sizes = {}
    for tune in ("machine", "snr", None):
        path = tmp_path / f"{tune}.safetensors"
        fit(sounds, "breath", FitOptions(tree=mdct_tree(6), tune=tune)).save(path)
        sizes[tune] = len(Lcn(60, model=str(path), tune="machine").encode(sounds[0]))
    assert sizes["machine"] == sizes[None] < sizes["snr"]


def test_pictures_are_fitted_without_a_tune_of_sounds() -> None:
    picture = Image(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(CodecError, match="tune is machine for signals of kind image, which have one way; leave it out"):
        fit([picture], "picture", FitOptions(tune="machine"))


def test_levels_that_do_not_fit_the_latent_are_refused() -> None:
    latent = Lcn().unpack(noisy(breath()))
    assert isinstance(latent, Latent)
    with pytest.raises(CodecError, match="noise is 3; allowed is a NoiseLevels or None"):
        dataclasses.replace(latent, noise=3)
    assert latent.noise is not None
    short = dataclasses.replace(latent.noise, levels=latent.noise.levels[:, :, 1:])
    with pytest.raises(CodecError, match=r"of shape \(1, 13, 78\) with 13 offsets; needed is \(1, 13, 79\) with 13"):
        Lcn().pack(dataclasses.replace(latent, noise=short))
    picture = Lcn().analyze(Image(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(CodecError, match="levels of noise, which only sounds have"):
        Lcn().pack(dataclasses.replace(picture, noise=latent.noise))
