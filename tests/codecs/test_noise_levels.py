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
from laconic.codecs.latent import Latent
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio, Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.noise_levels import NoiseCells, NoiseLevels, unpacked_noise_levels
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
    assert NoiseCells(8, 4, 1).edges(256) == [0, 8, 16, 24, 32, 40, 50, 62, 77, 96, 120, 150, 187, 233, 256]
    assert NoiseCells(255, 255, 0).edges(3) == [0, 3]
    assert NoiseCells(1, 1, 0).edges(9) == [0, 1, 2, 4, 8, 9]


@pytest.mark.parametrize(("channels", "rate"), [(1, 16_000), (2, 44_100), (3, 44_100)])
def test_file_keeps_levels_beside_the_same_integers(channels: int, rate: int) -> None:
    sound = breath(channels, rate=rate)
    data = noisy(sound)
    latent, plain = Lcn().unpack(data), Lcn().unpack(Lcn(20).encode(sound))
    assert latent.noise is not None and latent.noise.levels.max() > 0
    assert plain.noise is None and np.array_equal(latent.values, plain.values)
    assert np.array_equal(latent.dequantize(), plain.dequantize())
    assert latent == Lcn(20, tune="machine").analyze(sound) != plain
    assert Lcn().pack(latent) == data


def test_without_filling_samples_are_those_of_a_file_without_levels() -> None:
    sound = breath()
    data = noisy(sound)
    plain = Lcn().decode(Lcn(20).encode(sound))
    assert Lcn(fill=False).decode(data) == plain != Lcn().decode(data)
    assert Lcn(fill=False).synthesize(Lcn().unpack(data)) == plain
    assert Lcn().synthesize(Lcn().unpack(data)) == Lcn().decode(data)


def test_noise_is_that_of_the_document() -> None:
    latent = Lcn().unpack(noisy(breath(3, 6000)))
    assert latent.noise is not None
    model, cells = load_model("mono"), latent.noise.cells
    edges = cells.edges(256)
    points = latent.points()
    filled = points.copy()
    latent.noise.fill(filled, latent.values, latent.step, model)
    for c, y, x in np.random.default_rng(1).integers(0, latent.values.shape, (400, 3)).tolist():
        band = next(b for b in range(len(edges)) if edges[b + 1] > c)
        level = int(latent.noise.levels[y, band, x >> cells.stretch_log2])
        expected = points[c, y, x]
        if latent.values[c, y, x] == 0 and level:
            odd = np.float32(math.sqrt(2)) if level % 2 else np.float32(1)
            largest = np.float32(2.0 ** ((level - 10) // 2)) * odd * np.float32(latent.step)
            expected = np.float32(noise_of(c, y, x)) * np.float32(2**-15) * largest
        assert filled[c, y, x] == expected


def test_noise_has_the_energy_of_what_was_lost_but_for_what_is_softer() -> None:
    sound = breath(length=60_000)
    codec, latent = Lcn(20, tune="machine"), Lcn(20, tune="machine").analyze(sound)
    assert latent.noise is not None
    model = load_model("speech")
    coefficients = coefficients_of(sound, model, latent.levels)
    filled = latent.points()
    latent.noise.fill(filled, latent.values, latent.step, model)
    is_high = (latent.values == 0) & (np.arange(256)[:, None, None] > 60)
    lost, given = ((array[is_high].astype(float) ** 2).mean() for array in (coefficients, filled))
    assert -10 < 10 * math.log10(given / lost) < -3
    assert codec.decode(codec.encode(sound)) == codec.synthesize(latent)


def test_samples_are_the_same_on_every_machine() -> None:
    latent = dataclasses.replace(Lcn().unpack(noisy(breath(2, 4000, 44_100))), values=np.zeros((512, 1, 16), np.int32))
    levels = (np.arange(14 * 8) % 16).astype(np.uint8).reshape(1, 14, 8)
    latent = dataclasses.replace(latent, noise=NoiseLevels(NoiseCells(8, 4, 1), levels), size=(2, 4000))
    sound = Lcn().synthesize(latent)
    assert isinstance(sound, Audio)
    assert hashlib.sha256(sound.samples.astype("<f4").tobytes()).hexdigest()[:16] == "32f8898fef41461a"


def test_fewer_channels_are_filled_as_they_are() -> None:
    data = noisy(breath())
    few, all_ = Lcn().unpack(data, channels=100), Lcn().unpack(data)
    assert few.noise == all_.noise
    zeros = np.concatenate([all_.values[:100], np.zeros((156, *all_.values.shape[1:]), np.int32)])
    points, whole = few.points(), dataclasses.replace(all_, values=zeros).points()
    for out, values in ((points, few.values), (whole, zeros)):
        assert few.noise is not None
        few.noise.fill(out, values, few.step, load_model("speech"))
    assert np.array_equal(points, whole[:100])


@pytest.mark.parametrize("length", [0, 1, 3])
def test_short_sounds_keep_their_form(length: int) -> None:
    sound = breath(length=length)
    decoded = Lcn().decode(noisy(sound))
    assert isinstance(decoded, Audio) and decoded.samples.shape == (1, length)
    assert (Lcn().unpack(noisy(sound)).noise is None) == (length == 0)


def test_silence_needs_no_levels() -> None:
    silence = Audio(np.zeros((2, 5000), np.float32), 44_100)
    assert noisy(silence) == Lcn(20).encode(silence)


def with_section(data: bytes, section: bytes) -> bytes:
    source = Source(data)
    header = read_header(source)
    return write_header(dataclasses.replace(header, noise_levels=section)) + source.read(
        source.remaining() or 0, "rest"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[:2], "the section of noise has 2 bytes; needed are 3 and a segment"),
        (lambda s: b"\0" + s[1:], r"the section of noise begins with \[0, 4, 1\]"),
        (lambda s: s[:2] + b"\7" + s[3:], r"begins with \[8, 4, 7\] .*; allowed are two numbers from 1 to 255, then"),
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
    model, latent = load_model("speech"), Lcn().unpack(noisy(breath()))
    assert latent.noise is not None
    loud = NoiseLevels(latent.noise.cells, np.full_like(latent.noise.levels, 16))
    packed = loud.packed(model.contexts.static_tables)
    with pytest.raises(CorruptStreamError, match="levels of noise run from 16 to 16; allowed is 0 to 15"):
        unpacked_noise_levels(packed, (1, latent.values.shape[2]), model)


def test_levels_of_a_picture_are_refused() -> None:
    data = Lcn().encode(Image(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(CorruptStreamError, match="levels of noise, which only sounds have"):
        Lcn().unpack(with_section(data, b"\x08\x04\x01"))


def test_command_line_encodes_tells_and_leaves_out(tmp_path: Path) -> None:
    sound, file, run = tmp_path / "a.wav", tmp_path / "a.lcn", CliRunner().invoke
    sound.write_bytes(signal_bytes(breath(), ".wav"))
    assert run(app, ["encode", str(sound), "--tune", "machine", "-q", "20"]).exit_code == 0
    assert run(app, ["decode", str(file), "-o", str(tmp_path / "filled.wav")]).exit_code == 0
    assert run(app, ["decode", str(file), "-o", str(tmp_path / "plain.wav"), "--no-fill"]).exit_code == 0
    assert "tune            machine" in run(app, ["info", str(file)]).stdout
    filled, plain = (read_sound(tmp_path / f"{name}.wav") for name in ("filled", "plain"))
    assert np.abs(filled.samples - plain.samples).max() > 1e-4


def test_levels_that_do_not_fit_the_latent_are_refused() -> None:
    latent = Lcn().unpack(noisy(breath()))
    assert isinstance(latent, Latent)
    with pytest.raises(CodecError, match="noise is 3; allowed is a NoiseLevels or None"):
        dataclasses.replace(latent, noise=3)
    assert latent.noise is not None
    short = dataclasses.replace(latent.noise, levels=latent.noise.levels[:, :, 1:])
    with pytest.raises(
        CodecError, match=r"the latent has levels of noise of shape \(1, 14, 39\); needed is \(1, 14, 40\)"
    ):
        Lcn().pack(dataclasses.replace(latent, noise=short))
    picture = Lcn().analyze(Image(np.zeros((9, 9, 3), np.uint8)))
    with pytest.raises(CodecError, match="levels of noise, which only sounds have"):
        Lcn().pack(dataclasses.replace(picture, noise=latent.noise))
