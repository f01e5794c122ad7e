"""Judges of speech: keywords, speakers, quality; their features by hand and against values of the libraries they follow."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from laconic.codecs.media import Audio
from laconic.tasks.mpq import Task, evaluate, make_tasks, summarize
from laconic.tasks.mpq.keywords import keyword_features
from laconic.tasks.mpq.mel import htk_filters, slaney_filters
from laconic.tasks.mpq.speaker import mel_powers, voice_embedding
from laconic.tasks.mpq.speech_quality import overall_quality

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def needs(*modules: str) -> Any:
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    reason = f"{', '.join(absent)} not installed" if absent else f"no data at {DATA}"
    return pytest.mark.skipif(bool(absent) or not DATA.is_dir(), reason=reason)


def task(name: str) -> Task[Any]:
    return make_tasks([name], DATA, DATA / "models")[0]


@pytest.mark.parametrize(
    ("band", "bin_of_40_hz", "value"),
    [(0, 1, 0.007390209), (0, 2, 0.012404521), (5, 12, 0.006464776), (20, 50, 0.0), (39, 190, 0.001215154)],
)
def test_filters_are_those_of_librosa(band: int, bin_of_40_hz: int, value: float) -> None:
    """Values of librosa.filters.mel(sr=16000, n_fft=400, n_mels=40), librosa 0.11."""
    filters = slaney_filters(201, 40, 16_000)
    assert filters.shape == (201, 40)
    assert filters[bin_of_40_hz, band] == pytest.approx(value, rel=1e-6)


def test_filters_of_htk_peak_at_equal_steps_of_pitch() -> None:
    filters = htk_filters(100_001, 40, 16_000, (20.0, 4000.0))
    peaks_hz = filters.argmax(axis=0) * 8000 / 100_000
    assert np.diff(1127 * np.log1p(peaks_hz / 700)) == pytest.approx(
        (1127 * np.log(4700 / 700) - 1127 * np.log(720 / 700)) / 41, abs=0.2
    )
    assert filters.max(axis=0) == pytest.approx(1, abs=2e-3)
    assert not filters[0].any()


@needs("scipy")
def test_features_of_keywords_do_not_hear_loudness_or_what_follows_a_second() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    sound[0] = 1
    features = keyword_features(sound)
    assert features.shape == (49, 10)
    assert keyword_features(sound[:16_000] * 0.25) == pytest.approx(features, abs=1e-3)


def test_power_of_a_tone_is_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 1000 / 16_000 * np.arange(16_000)).astype(np.float32)
    powers = mel_powers(tone)
    assert powers.shape == (101, 40)
    assert set(powers[5:-5].argmax(axis=1)) == {int(slaney_filters(201, 40, 16_000)[25].argmax())}


@needs("ai_edge_litert", "scipy")
def test_keywords_uncompressed(tmp_path: Path) -> None:
    assert len(task("keywords").keys()) == 53
    rows = evaluate([task("keywords")], [], tmp_path / "rows.jsonl")
    assert summarize(task("keywords"), [], rows).anchor.score == pytest.approx(52 / 53)
    said = {task("keywords").sample(key).label for key in list(task("keywords").keys())}
    assert said == {"go", "no", "stop", "yes", "unknown"}


@needs("ai_edge_litert", "scipy")
def test_silence_is_no_keyword() -> None:
    sample = task("keywords").sample(task("keywords").keys()[0])
    heard = task("keywords").judge(sample, Audio(np.zeros_like(sample.signal.samples), 16_000))
    assert sample.label == "no"
    assert heard.answer in ("silence", "unknown")
    assert heard.loss is not None
    assert heard.loss > 2


@needs("torch", "resemblyzer")
def test_speakers_are_told_apart_by_their_other_utterances() -> None:
    speaker = task("speaker")
    keys = speaker.keys()
    assert len(keys) == 80
    for key in (keys[0], keys[-1]):
        sample = speaker.sample(key)
        judgement = speaker.judge(sample, sample.signal)
        assert (judgement.counts, judgement.answer) == ((1.0, 1.0), key.split("-")[1])
        assert judgement.loss == pytest.approx(0, abs=1e-6)
    first, last = speaker.sample(keys[0]), speaker.sample(keys[-1])
    taken_for = speaker.judge(first, last.signal)
    assert taken_for.answer == keys[-1].split("-")[1]
    assert taken_for.loss == pytest.approx(1 - float(first.label.embedding @ last.label.embedding), abs=1e-6)


@needs("torch", "resemblyzer")
@pytest.mark.parametrize("num_samples", [0, 100, 16_000, 80_000])
def test_embedding_of_any_length(num_samples: int) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, num_samples).astype(np.float32)
    embedding = voice_embedding(noise)
    assert embedding.shape == (256,)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-5)
    assert voice_embedding(noise * 2) == pytest.approx(embedding, abs=1e-4)


@needs("onnxruntime", "speechmos")
def test_noise_is_rated_below_speech() -> None:
    quality = task("speech-quality")
    assert len(quality.keys()) == 80
    sample = quality.sample(quality.keys()[0])
    clean = quality.judge(sample, sample.signal)
    noise = np.random.default_rng(0).normal(0, 0.1, sample.signal.samples.shape).astype(np.float32)
    noisy = quality.judge(sample, Audio(sample.signal.samples + noise, 16_000))
    assert clean.answer == "MOS 3.1"
    assert clean.loss is not None
    assert clean.loss == pytest.approx(1 - clean.counts[0])
    assert noisy.counts[0] < clean.counts[0] - 0.2


@needs("onnxruntime", "speechmos")
def test_rating_is_that_of_the_package_where_both_take_one_window() -> None:
    """speechmos.dnsmos.run rates an393-mjwl-b.flac, of 2.5 s, 3.0754791."""
    audio = task("speech-quality").sample("an393-mjwl-b.flac").signal
    assert overall_quality(audio.samples[0]) == pytest.approx(3.0754791, abs=1e-4)
