"""`laconic tokens`, `laconic untokens` and `laconic train tokens`."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from laconic.codecs import Audio
from laconic.codecs.files import signal_bytes
from laconic.codecs.tokens.speech_tokens import SpeechTokens
from laconic.tasks.cli import app


def laconic(*arguments, exit_code=0):
    """Run a command in this process; checks its exit code and that standard error holds sentences, no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def spoken(tmp_path):
    samples = np.random.default_rng(0).normal(0, 0.1, (1, 5000)).astype(np.float32)
    path = tmp_path / "x.wav"
    path.write_bytes(signal_bytes(Audio(samples, 16_000), ".wav"))
    return path


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_sound_becomes_tokens_and_sound(spoken, suffix):
    made = spoken.with_suffix(suffix)
    said = json.loads(laconic("tokens", spoken, "-o", made, "--json").stdout)
    assert (said["shape"], said["kilobits_per_second"]) == ([20, 5], 2.625)
    assert laconic("untokens", made, "-o", spoken.with_name("y.wav")).stdout.endswith("0.320 s at 16000 Hz\n")
    assert soundfile.info(spoken.with_name("y.wav")).frames == 20 * 256


def test_tokens_are_those_of_the_library(spoken):
    laconic("tokens", spoken, "--stages", 2)
    samples, _ = soundfile.read(spoken, dtype="float32")
    expected = SpeechTokens(2).encode(Audio(samples[None], 16_000))
    assert np.array_equal(np.load(spoken.with_suffix(".npy")), expected)


def test_folders_keep_their_names(spoken, tmp_path):
    laconic("tokens", tmp_path, "-o", tmp_path / "out", "--format", "json")
    assert len(json.loads((tmp_path / "out" / "x.json").read_text())["tokens"]) == 20
    laconic("untokens", tmp_path / "out", "-o", tmp_path / "back")
    assert (tmp_path / "back" / "x.wav").exists()


def test_what_is_changed_is_said(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(signal_bytes(Audio(np.zeros((2, 8000), np.float32), 8000), ".wav"))
    said = laconic("tokens", path).stderr
    assert "2 channels were mixed to one" in said
    assert "resampled from 8000 Hz" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("tokens", "x.wav", "-o", "x.wav2"), 2, "written as .npy and .json"),
        (("tokens", "x.wav", "-o", "x.npy", "--format", "json"), 2, "differ"),
        (("tokens", "x.wav", "--stages", "4"), 2, "allowed are 1 to 3"),
        (("tokens", "x.wav", "--model", "none.safetensors"), 2, "does not exist"),
        (("tokens", "absent.wav"), 1, "No such file"),
        (("untokens", "x.wav"), 1, "x.wav is an input"),
        (("untokens", "x.wav", "-o", "y.wav"), 1, "neither .npy nor JSON"),
        (("untokens", "x.wav", "-o", "y.png"), 2, "sounds are written as"),
        (("train", "tokens", "x.wav", "-o", "y.txt"), 2, "a model is a file"),
        (("train", "tokens", "x.wav", "-o", "y.safetensors"), 1, "20 blocks of 16 ms; needed are 1024"),
    ],
)
def test_bad_input_gets_a_sentence(spoken, monkeypatch, arguments, code, sentence):
    monkeypatch.chdir(spoken.parent)
    assert sentence in " ".join(laconic(*arguments, exit_code=code).stderr.replace("│", " ").split())


def test_tokens_beyond_the_range_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.full((4, 5), 70, np.int16))
    assert "column 0 of the tokens has the value 70" in laconic("untokens", tmp_path / "x.npy", exit_code=1).stderr


def test_model_of_own_recordings(spoken, tmp_path):
    model = tmp_path / "own.safetensors"
    laconic("train", "tokens", spoken, "-o", model, "--words", 8, "--stages", 1)
    laconic("tokens", spoken, "--model", model, "--stages", 1, "--format", "json")
    assert json.loads((tmp_path / "x.json").read_text())["vocabulary"] == [64, 64, 8]
    laconic("untokens", tmp_path / "x.json", "--model", model, "-o", tmp_path / "y.wav")
    refused = laconic("untokens", tmp_path / "x.json", "-o", tmp_path / "z.wav", exit_code=1)
    assert "name their model with --model" in refused.stderr
