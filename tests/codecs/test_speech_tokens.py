"""Tokens of speech: golden ones, their arithmetic against definitions, and what is refused."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from module_files import load_module

from laconic.codecs import Audio, CodecError, DroppedWarning, UnknownModelError, UnsupportedSignalError, WeightsError
from laconic.codecs.notes import collect_notes
from laconic.codecs.tokens.band_filter import filtered_source
from laconic.codecs.tokens.band_logs import SCALE_LOG2, UNITS, band_logs, log_units
from laconic.codecs.tokens.code_search import found_codes, sum_of_words
from laconic.codecs.tokens.pitch_classes import UNVOICED, class_lags, pitch_classes, usual_lag_ends
from laconic.codecs.tokens.speech_samples import speech_samples
from laconic.codecs.tokens.speech_tokens import NUM_GAINS, SpeechTokens, with_all_stages
from laconic.codecs.tokens.token_files import token_bytes, tokens_of_bytes
from laconic.codecs.tokens.token_fitting import TokenFitOptions, fit_tokens
from laconic.codecs.tokens.token_model import TokenModel, load_token_model
from laconic.codecs.tokens.voice_source import samples_of_spectra, spectra, voice_source
from laconic.entropy.errors import CorruptStreamError

GOLDEN = Path(__file__).parents[1] / "golden"
EDGES = np.array([0, 3, 8, 20, 60, 256], np.int64)

make_tokens = load_module("golden/make_tokens.py")


def whole_noise(length: int, *, peak: int = 3000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-peak, peak, length)


def sound(samples: np.ndarray, rate: int = 16_000) -> Audio:
    return Audio.from_array(samples.astype(np.int16), rate)


@pytest.fixture(scope="module")
def tokens():
    return SpeechTokens().encode(make_tokens.voice())


@pytest.fixture(scope="module")
def small():
    """A model of two stages of 16 words."""
    return fit_tokens([sound(whole_noise(20_000))], TokenFitOptions(stages=2, words=16, rounds=3))


@pytest.mark.parametrize("rate", make_tokens.RATES)
@pytest.mark.filterwarnings("ignore::laconic.codecs.DroppedWarning")
def test_tokens_are_the_golden_ones(rate, level):
    golden = json.loads(make_tokens.PATH.read_text())
    assert load_token_model("speech").fingerprint.hex() == golden["model"]
    found = SpeechTokens().encode(make_tokens.voice(rate))
    assert found.dtype == np.int16
    assert found.tolist() == golden["tokens"][str(rate)]


def test_golden_voice_has_voice_noise_and_silence(tokens):
    pitch, gain = tokens[:, 0], tokens[:, 1]
    assert (pitch[2:20] != UNVOICED).all()
    assert (pitch[26:] == UNVOICED).all()
    assert gain[:20].min() > gain[-4:].max() + 10


@pytest.mark.parametrize(("threads", "kernels"), [("3", ""), ("1", "Nehalem")])
def test_tokens_do_not_depend_on_threads_or_kernels_of_libraries(threads, kernels):
    code = f"""
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("make_tokens", {str(GOLDEN / "make_tokens.py")!r})
made = importlib.util.module_from_spec(spec); spec.loader.exec_module(made)
print(json.dumps(made.SpeechTokens().encode(made.voice()).tolist()))
"""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads), "OPENBLAS_CORETYPE": kernels}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert json.loads(done.stdout) == json.loads(make_tokens.PATH.read_text())["tokens"]["16000"]


def test_logarithm_is_exact():
    values = [*range(1, 300), *(int(v) for v in whole_noise(300, peak=1 << 50) if v > 0), 1 << 52]
    for value, units in zip(values, log_units(np.array(values)).tolist(), strict=True):
        assert 1 << units <= value**UNITS < 1 << (units + 1)


def test_bands_are_powers_of_windowed_blocks():
    samples = whole_noise(4000)
    found = band_logs(samples, EDGES)
    padded = np.pad(samples, (0, -len(samples) % 256)) / 32768
    powers = np.add.reduceat(np.abs(spectra(padded)) ** 2, EDGES[:-1], axis=1) / np.diff(EDGES)
    expected = UNITS * (np.log2(powers) + SCALE_LOG2)
    assert found.shape == (16, 5)
    # Both are rounded down, the sum and the width. The first and the last block are cut, not windowed.
    assert np.abs(found - expected)[1:-1].max() < 1.01


def test_silence_is_the_floor_and_the_softest_gain():
    assert (band_logs(np.zeros(600, np.int64), EDGES) == 6 * UNITS).all()
    found = SpeechTokens().encode(sound(np.zeros(600)))
    assert (found[:, 0] == UNVOICED).all()
    assert (found[:, 1] == 0).all()
    assert np.abs(SpeechTokens().decode(found).samples).max() < 1e-2


def test_full_scale_square_stays_in_range():
    found = SpeechTokens().encode(sound(np.where(np.arange(4000) % 160 < 80, 32767, -32768)))
    assert found[:, 1].max() < NUM_GAINS
    assert np.isfinite(SpeechTokens().decode(found).samples).all()


@pytest.mark.parametrize("lag", [45, 80, 140, 230])
def test_pitch_is_that_of_pulses(lag):
    samples = whole_noise(16_000, peak=20)
    samples[::lag] += 12_000
    found = pitch_classes(samples, usual_lag_ends())[2:-2]
    assert (found != UNVOICED).mean() > 0.95
    assert np.abs(np.log2(class_lags()[np.median(found).astype(int)] / lag)) < 0.05


def test_noise_has_no_pitch():
    assert (pitch_classes(whole_noise(16_000), usual_lag_ends()) == UNVOICED).all()


def test_search_finds_the_nearest_and_of_equals_the_first():
    rng = np.random.default_rng(0)
    vectors, books = rng.integers(-50, 50, (300, 6)), rng.integers(-50, 50, (1, 40, 6)).astype(np.int16)
    books[0, 30] = books[0, 3]
    distances = np.square(vectors[:, None] - books[0].astype(np.int64)).sum(axis=2)
    found = found_codes(vectors, books)[:, 0]
    assert np.array_equal(found, distances.argmin(axis=1))
    assert 30 not in found


def test_several_candidates_are_no_worse_than_one():
    rng = np.random.default_rng(1)
    vectors, books = rng.integers(-90, 90, (200, 4)), rng.integers(-60, 60, (2, 64, 4)).astype(np.int16)
    first = found_codes(vectors, books[:1])
    rests = vectors - sum_of_words(first, books[:1])
    greedy = np.square(rests - sum_of_words(found_codes(rests, books[1:]), books[1:])).sum()
    together = np.square(vectors - sum_of_words(found_codes(vectors, books), books)).sum()
    assert together < greedy


def test_blocks_become_samples_again():
    samples = whole_noise(2560) / 32768
    assert np.allclose(samples_of_spectra(spectra(samples))[256:-256], samples[256:-256])


def test_source_is_equally_loud_throughout():
    pitch = np.repeat([5, UNVOICED, 60], 40)
    pulses, noise = voice_source(pitch)
    assert 0.6 < np.mean(pulses**2) < 1.1  # less between samples, two thirds in the mean
    assert 0.9 < np.mean(noise**2) < 1.1


def test_bands_are_as_loud_as_asked_for():
    edges = np.arange(0, 257, 8)
    wanted = np.tile(UNITS * (24 + 2 * np.sin(np.arange(32) / 2)), (60, 1))
    out = filtered_source(wanted, np.repeat([20, UNVOICED], 30), edges)
    found = band_logs(np.rint(out * 32768).astype(np.int64), edges)
    assert np.abs((found - wanted)[2:-2].mean(axis=0)).max() < UNITS / 3  # 1 dB


def test_long_sounds_are_decoded_in_parts_like_whole_ones(monkeypatch):
    levels = UNITS * (20 + np.random.default_rng(0).normal(0, 0.5, (100, 5)))
    pitch = np.repeat([20, UNVOICED], 50)
    whole = filtered_source(levels, pitch, EDGES)
    monkeypatch.setattr("laconic.codecs.tokens.band_filter._AT_A_TIME", 30)
    assert np.allclose(filtered_source(levels, pitch, EDGES), whole, atol=1e-4 * np.abs(whole).max())


def test_decoded_sound_has_the_pitch_and_the_loudness_of_its_tokens(tokens):
    again = SpeechTokens().encode(SpeechTokens().decode(tokens))
    voiced = tokens[2:20]
    assert again.shape == tokens.shape
    assert np.abs(again[2:20, 0] - voiced[:, 0]).max() <= 2
    assert np.abs(again[2:20, 1] - voiced[:, 1]).max() <= 1


def test_later_columns_may_be_dropped(tokens):
    assert np.array_equal(SpeechTokens().decode(tokens[:, :4]).samples, SpeechTokens(2).decode(tokens[:, :4]).samples)
    assert SpeechTokens().decode(tokens[:, :3]).samples.shape == (1, 256 * len(tokens))


def test_rates_are_as_stated():
    assert [SpeechTokens(n).kilobits_per_second for n in (1, 2, 3)] == [1.375, 2.0, 2.625]
    assert SpeechTokens(2).vocabulary == (64, 64, 1024, 1024)


def test_channels_rates_and_clipping_are_said():
    one = np.sin(2 * np.pi * 300 * np.arange(4410) / 44_100).astype(np.float32)
    with collect_notes() as notes:
        found = SpeechTokens().encode(Audio(np.stack([one, 1.5 * one]), 44_100))
    assert [word in " ".join(notes) for word in ("full scale", "2 channels", "44100 Hz")] == [True] * 3
    assert len(found) == 7  # 1,600 samples
    with pytest.warns(DroppedWarning, match="resampled"):
        SpeechTokens().encode(Audio(one[None], 44_100))


def test_plain_speech_is_encoded_without_notes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpeechTokens().encode(make_tokens.voice())


@pytest.mark.parametrize("rate", [8000, 11_025, 48_000])
@pytest.mark.filterwarnings("ignore::laconic.codecs.DroppedWarning")
def test_resampling_keeps_a_tone(rate):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    found = speech_samples(Audio(tone[None].astype(np.float32), rate))
    expected = 16_384 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert len(found) == 16_000
    assert np.abs(found - expected)[100:-100].max() < 30


@pytest.mark.parametrize("rate", [3999, 384_001])
def test_rates_of_no_speech_are_refused(rate):
    with pytest.raises(UnsupportedSignalError, match=f"{rate} Hz; tokens allow 4000 to 384000"):
        SpeechTokens().encode(Audio(np.zeros((1, 10), np.float32), rate))


def test_nothing_has_no_tokens():
    with pytest.raises(UnsupportedSignalError, match="0 samples"):
        SpeechTokens().encode(Audio(np.zeros((1, 0), np.float32), 16_000))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.zeros((3, 5), np.float32), "allowed are integers"),
        (np.zeros(5, np.int16), "allowed are integers"),
        ([[1, 2], [3]], "allowed are integers"),
        (np.zeros((0, 5), np.int16), "allowed are 1 to"),
        (np.zeros((3, 2), np.int16), "3 to 5 columns"),
        (np.zeros((3, 6), np.int16), "3 to 5 columns"),
        (np.full((3, 5), -1), "column 0 of the tokens has the value -1; allowed are 0 to 63"),
        ([[63, 64, 0, 0, 0]], "column 1 of the tokens has the value 64"),
        (
            [[0, 0, 0, 1024, 0]],
            "column 3 of the tokens has the value 1024; allowed are 0 to 1023",
        ),
        (np.full((3, 5), 2**63, np.uint64), "allowed are 0 to 63"),
    ],
)
def test_what_are_no_tokens_is_refused(wrong, sentence):
    with pytest.raises(UnsupportedSignalError, match=sentence):
        SpeechTokens().decode(wrong)


def test_lists_are_tokens_too(tokens):
    assert SpeechTokens().decode(tokens.tolist()) == SpeechTokens().decode(tokens)


def test_stages_beyond_those_of_the_model_are_refused():
    with pytest.raises(UnsupportedSignalError, match="stages is 4; allowed are 1 to 3"):
        SpeechTokens(4).encode(make_tokens.voice())


def test_model_that_is_absent_is_said_when_it_is_needed():
    codec = SpeechTokens(model="other")
    with pytest.raises(UnknownModelError, match="'other' is not at hand; shipped with this installation: speech"):
        codec.encode(make_tokens.voice())


def test_fitting_gives_the_same_model_again(small):
    assert (
        fit_tokens([sound(whole_noise(20_000))], TokenFitOptions(stages=2, words=16, rounds=3)).fingerprint
        == small.fingerprint
    )


def test_fitting_needs_as_many_blocks_as_words():
    with pytest.raises(UnsupportedSignalError, match="4 blocks of 16 ms; needed are 16"):
        fit_tokens([sound(whole_noise(1000))], TokenFitOptions(words=16))


def test_model_comes_back_from_its_file(small, tmp_path):
    small.save(tmp_path / "x.safetensors")
    codec = SpeechTokens(2, str(tmp_path / "x.safetensors"))
    assert TokenModel.load(tmp_path / "x.safetensors").fingerprint == small.fingerprint
    assert codec.vocabulary == (64, 64, 16, 16)
    assert with_all_stages(SpeechTokens(1, codec.model)) == codec
    assert codec.decode(codec.encode(make_tokens.voice())).samples.shape == (1, 38 * 256)


def test_damaged_models_are_refused(small, tmp_path):
    path = tmp_path / "x.safetensors"
    small.save(path)
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:-9])
    with pytest.raises(WeightsError, match="is not a token model"):
        TokenModel.load(path)
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="does not match its fingerprint"):
        TokenModel.load(path)
    with pytest.raises(WeightsError, match="does not exist"):
        TokenModel.load(tmp_path / "y.safetensors")


@pytest.mark.parametrize("file_format", ["npy", "json"])
def test_files_hold_tokens(tokens, file_format):
    codec = SpeechTokens()
    assert np.array_equal(tokens_of_bytes(token_bytes(tokens, codec, file_format), codec), tokens)


@pytest.mark.parametrize(
    ("data", "error", "sentence"),
    [
        (b"", CorruptStreamError, "neither .npy nor JSON"),
        (b"RIFFwave", CorruptStreamError, "neither .npy nor JSON"),
        (b"[" * 100_000, CorruptStreamError, "neither .npy nor JSON"),
        (b"[[1, 2, 3]]", UnsupportedSignalError, 'no "tokens"'),
        (b'{"tokens": [[1, 2], [3]]}', UnsupportedSignalError, "not equally long"),
        (b'{"tokens": [[1, 2, 3]], "model": "00000000"}', UnsupportedSignalError, "name their model with --model"),
        (b"\x93NUMPY\x01\x00", CorruptStreamError, "damaged"),
    ],
)
def test_files_of_something_else_are_refused(data, error, sentence):
    with pytest.raises(error, match=sentence):
        tokens_of_bytes(data, SpeechTokens())


def test_npy_files_of_other_arrays_are_refused(tokens, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 5)))
    with pytest.raises(UnsupportedSignalError, match="whole numbers"):
        tokens_of_bytes((tmp_path / "x.npy").read_bytes(), SpeechTokens())
    data = token_bytes(tokens, SpeechTokens(), "npy")
    with pytest.raises(CorruptStreamError, match="bytes of samples"):
        tokens_of_bytes(data[:-3], SpeechTokens())


@pytest.mark.parametrize(
    "wrong", [{"tokens": [[1, 2, 3.5]]}, {"tokens": "abc"}, {"tokens": [["a", "b", "c"]]}, {"tokens": {}}]
)
def test_json_of_other_values_is_refused(wrong):
    codec = SpeechTokens()
    with pytest.raises(CodecError, match="allowed are integers"):
        codec.decode(tokens_of_bytes(json.dumps({"tokens": wrong}).encode(), codec))
