"""`laconic encode` to a rate or an error, of files as `laconic decode` gives them back."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.media import Cube
from laconic.codecs.models.packet_tree import full_tree
from laconic.tasks.cli import app
from laconic.tasks.measures.sound_distortion import snr_db

DATA = Path(__file__).parents[1] / "data"
PICTURE = DATA / "kodim23_crop.png"


def laconic(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture
def speech(tmp_path):
    samples, rate = soundfile.read(DATA / "ljspeech_excerpt.flac", dtype="int16", stop=30_000)
    soundfile.write(tmp_path / "speech.wav", samples, rate)
    return tmp_path / "speech.wav"


def decoded(path, dtype="int16"):
    """Samples that a file decodes to, and those of its original."""
    laconic("decode", path.with_suffix(".lcn"), "-o", path.with_name("decoded" + path.suffix), "--force")
    pair = [soundfile.read(one, dtype=dtype)[0] for one in (path.with_name("decoded" + path.suffix), path)]
    return [one.astype(np.float64) for one in pair]


def test_kbps_is_kept(speech):
    said = json.loads(laconic("encode", speech, "--kbps", 20, "--json").stdout)
    assert 18 < said["kilobits_per_second"] <= 20
    assert "snr_db" not in said


@pytest.mark.parametrize("target", [("--snr", 30), ("--prd", 4), ("--max-error", 120)])
def test_error_is_kept_and_said(target, speech):
    result = laconic("encode", speech, *target, "--json")
    said = json.loads(result.stdout)
    other, known = decoded(speech)
    assert said["snr_db"] == pytest.approx(snr_db(known, other), abs=1e-3)
    assert said["max_error"] == np.abs(known - other).max()
    assert said["prd_percent"] == pytest.approx(100 * 10 ** (-said["snr_db"] / 20), rel=1e-3)
    key = {"--snr": "snr_db", "--prd": "prd_percent", "--max-error": "max_error"}[target[0]]
    assert said[key] >= 30 if target[0] == "--snr" else said[key] <= target[1]
    line = laconic("encode", speech, *target, "--force").stdout
    assert f"SNR {said['snr_db']:.2f} dB" in line


def test_exact_samples_have_no_number_for_their_snr(speech):
    result = laconic("encode", speech, "--max-error", 0, "--json")
    said = json.loads(result.stdout)
    assert (said["snr_db"], said["prd_percent"], said["max_error"]) == (None, 0, 0)
    assert "a lossless file is often smaller: --lossless" in result.stdout
    assert np.array_equal(*decoded(speech))


def test_error_that_is_not_reached_fails_with_what_to_do(tmp_path):
    noise = np.random.default_rng(0).integers(-30_000, 30_000, 4000).astype(np.int16)
    soundfile.write(tmp_path / "noise.wav", noise, 16_000)
    result = laconic("encode", tmp_path / "noise.wav", "--max-error", 0, exit_code=1)
    assert "the best that a step reaches is a largest error of" in result.stderr
    assert "--lossless" in result.stderr
    assert not (tmp_path / "noise.lcn").exists()


def test_pictures_among_sounds_fail_alone(speech):
    shutil.copy(PICTURE, speech.parent / "picture.png")
    result = laconic("encode", speech.parent, "-o", speech.parent / "out", "--snr", 10, exit_code=1)
    assert "snr_db is for sounds and cubes, this is a picture" in result.stderr
    assert (speech.parent / "out" / "speech.lcn").exists()


def test_largest_error_of_an_array_is_kept(tmp_path):
    walk = np.cumsum(np.random.default_rng(0).normal(size=(2, 1500)), axis=1)
    leads = (300 * walk / np.abs(walk).max()).astype(np.int16)
    np.save(tmp_path / "leads.npy", leads)
    fit([Cube(leads)], "leads", FitOptions(tree=full_tree(1, 4))).save(tmp_path / "leads.safetensors")
    model = ("--model", tmp_path / "leads.safetensors")
    laconic("encode", tmp_path / "leads.npy", "--max-error", 5, *model)
    laconic("decode", tmp_path / "leads.lcn", "-o", tmp_path / "decoded.npy", *model)
    assert np.abs(np.load(tmp_path / "decoded.npy").astype(int) - leads).max() <= 5


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--snr", "30", "--prd", "3"], "--snr and --prd exclude each other"),
        (["--quality", "30", "--kbps", "3"], "--quality and --kbps exclude each other"),
        (["--max-error", "3", "--lossless"], "--lossless and --max-error exclude each other"),
        (["--kbps", "0"], "--kbps: kilobits_per_second is 0"),
        (["--snr", "nan"], "--snr: snr_db is nan"),
        (["--prd", "0"], "--prd: prd_percent is 0"),
        (["--max-error", "-1"], "--max-error: max_error is -1"),
    ],
)
def test_bad_targets_are_refused(options, what, speech):
    assert what in laconic("encode", speech, *options, exit_code=2).stderr
    assert not speech.with_suffix(".lcn").exists()
