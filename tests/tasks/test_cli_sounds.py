"""The command line on sounds: sample formats, channel masks and tags through `encode`, `info` and `decode`."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from laconic.codecs import Audio, Image, Lcn, SoundMetadata, encode
from laconic.codecs.files import read_sound, signal_bytes
from laconic.tasks.cli import app
from laconic.tasks.datasets.framing import Framing, read_signal

TIME = np.arange(3000) / 16_000
LOUD = Audio((1.5 * np.sin(2 * np.pi * 300 * TIME))[None].astype(np.float32), 16_000, SoundMetadata("float32"))


def laconic(*arguments, exit_code=0):
    """Run a command in this process; checks its exit code and that standard error holds sentences, no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_float_samples_beyond_full_scale_come_back(tmp_path):
    (tmp_path / "x.wav").write_bytes(signal_bytes(LOUD, ".wav"))
    laconic("encode", tmp_path / "x.wav", "-q", 90)
    result = laconic("decode", tmp_path / "x.lcn", "-o", tmp_path / "y.wav")
    found, _ = soundfile.read(tmp_path / "y.wav", dtype="float32")
    assert soundfile.info(tmp_path / "y.wav").subtype == "FLOAT"
    assert np.abs(found - LOUD.samples[0]).max() < 0.05
    assert result.stderr == ""


@pytest.mark.parametrize(("sample_format", "subtype"), [("int16", "PCM_16"), ("int24", "PCM_24"), ("float32", "FLOAT")])
def test_sample_format_is_that_of_the_option(tmp_path, sample_format, subtype):
    (tmp_path / "x.lcn").write_bytes(encode(LOUD))
    result = laconic("decode", tmp_path / "x.lcn", "--sample-format", sample_format)
    assert soundfile.info(tmp_path / "x.wav").subtype == subtype
    lines = result.stderr.splitlines()
    assert len(lines) == (sample_format != "float32")
    assert all("of 3000 samples are beyond full scale and were clipped" in line for line in lines)


def test_flac_refuses_float_by_option_and_says_it_otherwise(tmp_path):
    (tmp_path / "x.lcn").write_bytes(encode(LOUD))
    refused = laconic("decode", tmp_path / "x.lcn", "--format", "flac", "--sample-format", "float32", exit_code=1)
    assert "FLAC holds no float32 samples" in refused.stderr
    assert not (tmp_path / "x.flac").exists()
    assert "so int24 was written" in laconic("decode", tmp_path / "x.lcn", "--format", "flac").stderr
    assert soundfile.info(tmp_path / "x.flac").subtype == "PCM_24"


def test_sample_format_of_a_picture_is_refused(tmp_path):
    (tmp_path / "x.lcn").write_bytes(encode(Image(np.zeros((9, 9, 3), np.uint8))))
    result = laconic("decode", tmp_path / "x.lcn", "--sample-format", "int16", exit_code=1)
    assert "it is no sound; leave out --sample-format, for sounds only" in result.stderr
    assert laconic("decode", tmp_path / "x.lcn", "--sample-format", "pcm16", exit_code=2).stderr


def test_info_says_what_else_is_kept(tmp_path):
    metadata = SoundMetadata("int24", 0x60F, {"title": "Ein Titel\x1b[2J", "my own": "y"})
    (tmp_path / "x.lcn").write_bytes(Lcn().encode(Audio(np.zeros((6, 500), np.float32), 48_000, metadata)))
    (tmp_path / "y.lcn").write_bytes(Lcn().encode(Audio(np.zeros((1, 500), np.float32), 48_000)))
    lines = [line.split(maxsplit=2) for line in laconic("info", tmp_path / "x.lcn").stdout.splitlines()]
    assert ["sample", "format", "int24"] in lines
    assert ["channel", "mask", "0x60F"] in lines
    assert ["tags", "title='Ein", "Titel\\x1b[2J', my own='y'"] in lines  # no code that a terminal would obey
    fields = json.loads(laconic("info", "--json", tmp_path / "x.lcn").stdout)
    assert (fields["sample_format"], fields["channel_mask"], fields["tags"]) == ("int24", "0x60F", metadata.tags)
    assert not {"sample_format", "channel_mask", "tags"} & set(
        json.loads(laconic("info", "--json", tmp_path / "y.lcn").stdout)
    )


def test_mask_and_tags_come_back_in_both_formats(tmp_path):
    metadata = SoundMetadata("int16", 0x60F, {"title": "Ein Titel"})
    audio = Audio(np.zeros((6, 500), np.float32), 48_000, metadata)
    (tmp_path / "x.wav").write_bytes(signal_bytes(audio, ".wav"))
    laconic("encode", tmp_path / "x.wav")
    for suffix in ("wav", "flac"):
        laconic("decode", tmp_path / "x.lcn", "-o", tmp_path / f"y.{suffix}")
        assert read_sound(tmp_path / f"y.{suffix}") == audio


def test_packs_drop_what_they_drop_of_pictures(tmp_path):
    (tmp_path / "x.wav").write_bytes(signal_bytes(LOUD, ".wav"))
    assert read_sound(tmp_path / "x.wav").metadata == LOUD.metadata
    assert read_signal(tmp_path / "x.wav", "sound", Framing()).metadata == SoundMetadata()


def long_sound():
    """Of tiles enough for an index."""
    rng = np.random.default_rng(2)
    samples = np.cumsum(rng.standard_normal((1, 700_000)), axis=1) / 3000
    return Audio(samples.astype(np.float32), 16_000, SoundMetadata("float32"))


def samples_of(path):
    return read_sound(path).samples


def test_stretch_is_cut_from_the_whole(tmp_path):
    data = Lcn(tune="machine", quality=70).encode(long_sound())
    (tmp_path / "x.lcn").write_bytes(data)
    for fill in ("--fill", "--no-fill"):
        laconic("decode", tmp_path / "x.lcn", fill, "-f", "-o", tmp_path / "whole.wav")
        times = ("--start", 20.5, "--seconds", 3)
        result = laconic("decode", tmp_path / "x.lcn", fill, *times, "--json", "-f", "-o", tmp_path / "part.wav")
        found, whole = samples_of(tmp_path / "part.wav"), samples_of(tmp_path / "whole.wav")
        assert np.array_equal(whole, Lcn(fill=fill == "--fill").decode(data).samples)
        assert np.array_equal(found, whole[:, 328_000:376_000])
        fields = json.loads(result.stdout)
        assert fields["shape"] == [1, 48_000]
        assert fields["bytes_read"] < len(data) / 4
    laconic("decode", tmp_path / "x.lcn", "--start", 43, "-o", tmp_path / "end.wav")
    assert samples_of(tmp_path / "end.wav").shape == (1, 12_000)


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--start", "99"], 1, "start_seconds is 99.0; allowed is 0 to the 0.1875 s of the sound"),
        (["--start", "nan"], 1, "start_seconds is nan"),
        (["--seconds", "-1"], 2, "--seconds"),
    ],
)
def test_times_outside_fail(options, exit_code, message, tmp_path):
    (tmp_path / "x.lcn").write_bytes(encode(LOUD))
    assert message in laconic("decode", tmp_path / "x.lcn", *options, exit_code=exit_code).stderr
    assert not (tmp_path / "x.wav").exists()


def test_times_are_for_sounds(tmp_path):
    (tmp_path / "x.lcn").write_bytes(encode(Image(np.zeros((9, 9, 3), np.uint8))))
    result = laconic("decode", tmp_path / "x.lcn", "--start", 0, "--seconds", 1, exit_code=1)
    assert "it is no sound; leave out --start and --seconds, for sounds only" in result.stderr


def test_pipes_carry_sounds_both_ways(tmp_path):
    wav = signal_bytes(long_sound(), ".wav")
    streamed = bytearray(wav)  # as ffmpeg writes to a pipe
    at = wav.index(b"data") + 4
    streamed[4:8] = streamed[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "x.wav").write_bytes(wav)
    laconic("encode", tmp_path / "x.wav", "-o", tmp_path / "x.lcn")
    laconic("decode", tmp_path / "x.lcn", "-o", tmp_path / "y.wav")
    for given in (wav, bytes(streamed)):
        encoded = CliRunner().invoke(app, ["encode", "-", "-o", "-"], input=given)
        assert (encoded.exit_code, encoded.stderr) == (0, "")
        assert encoded.stdout_bytes == (tmp_path / "x.lcn").read_bytes()
    decoded = CliRunner().invoke(app, ["decode", "-", "--format", "wav"], input=encoded.stdout_bytes)
    assert decoded.stdout_bytes == (tmp_path / "y.wav").read_bytes()


def test_cut_recording_loses_its_end_only(tmp_path):
    data = Lcn(tune="snr").encode(long_sound())
    (tmp_path / "x.lcn").write_bytes(data[: len(data) // 2])
    assert laconic("decode", tmp_path / "x.lcn", exit_code=1).stderr
    assert not (tmp_path / "x.wav").exists()
    result = laconic("decode", tmp_path / "x.lcn", "--allow-partial")
    lines = result.stderr.splitlines()
    assert len(lines) == 6
    assert "decoded without segment" in lines[0]
    assert "more segments; --json names all" in lines[-1]
    found, whole = samples_of(tmp_path / "x.wav"), Lcn().decode(data).samples
    assert found.shape == whole.shape
    assert np.array_equal(found[:, :300_000], whole[:, :300_000])
    assert not found[:, 500_000:].any()
    piped = CliRunner().invoke(app, ["decode", "-", "--format", "wav", "--allow-partial"], input=data[: len(data) // 2])
    assert piped.stdout_bytes == (tmp_path / "x.wav").read_bytes()
