"""What a recogniser and a judge of voices make of speech that became tokens, beside Opus at 6 kbit/s, in one run.

    python benchmarks/audio/bench_tokens.py --data ../shared/data --reason "why" [--split test] [--every 1]

All utterances of AN4's folder are coded joined and cut apart again, as in `bench_words.py`. A row "tokens" has, of the
original, of Opus and of 1, 2 and 3 stages, the rate (of tokens: as equally long numbers), the share of words that
PocketSphinx gets wrong and its difference from Opus's and from the original's, the log-mel distance, and the cosine of
Resemblyzer's embeddings of the original and the decoded utterance, with 95 % intervals over utterances; of tokens also how
many times faster than the sound lasts they are made and decoded, medians of three passes over the joined sound, in
processor time of one thread. About ten minutes on one core.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import bench_words
import common
import numpy as np

from laconic.codecs.external.opus import Opus
from laconic.codecs.media import Audio
from laconic.codecs.tokens.speech_tokens import SpeechTokens
from laconic.codecs.tokens.token_model import load_token_model
from laconic.tasks.measures.rate import kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance
from laconic.tasks.mpq.intervals import compare_means
from laconic.tasks.mpq.protocol import TaskSample
from laconic.tasks.mpq.speaker import voice_embedding
from laconic.tasks.mpq.speech import Speech

OPUS_KBPS = 6
STAGES = (1, 2, 3)
_PASSES = 3
_PACKAGES = ("laconic", "numpy", "soundfile", "pocketsphinx", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="train is for choosing")
    parser.add_argument("--every", type=int, default=1, help="this one of so many utterances")
    parser.add_argument("--model", default="speech", help="a token model")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "tokens.jsonl")
    options = parser.parse_args()
    task = Speech(options.data, split=options.split)
    samples = [task.sample(key) for key in list(task.keys())[:: options.every]]
    found = []
    for row in measured(task, samples, options.model):
        print(row, flush=True)
        found.append({**row, "split": options.split, "every": options.every})
    head = common.provenance(options.reason, packages=_PACKAGES)
    common.write_rows(options.results, [{**head, **row} for row in found])


def measured(task: Speech, samples: Sequence[TaskSample[Audio]], model: str) -> Iterator[common.Row]:
    whole = bench_words.joined([sample.signal for sample in samples])
    original = bench_words.counts_of(task, samples, whole)
    scores = bench_words.scores(task, original, original, original)
    yield {"type": "tokens", "codec": "original", "utterances": len(samples), **scores}
    opus = Opus(compression_level=(256 - OPUS_KBPS) / 250)
    data = opus.encode(whole)
    anchor = opus.decode(data)
    of_opus = bench_words.counts_of(task, samples, anchor)
    row = heard(samples, whole, anchor)
    rate = kilobits_per_second(len(data), whole.duration_seconds)
    yield {**row, "codec": "opus", "kbps": rate, **bench_words.scores(task, of_opus, of_opus, original)}
    for stages in STAGES:
        codec = SpeechTokens(stages, model)
        tokens, encode_times = timed(codec.encode, whole)
        decoded, decode_times = timed(codec.decode, tokens)
        decoded = Audio(np.ascontiguousarray(decoded.samples[:, : whole.samples.shape[1]]), whole.sample_rate)
        counts = bench_words.counts_of(task, samples, decoded)
        yield {
            **heard(samples, whole, decoded),
            "codec": "tokens",
            "stages": stages,
            "model": load_token_model(model).fingerprint.hex(),
            "kbps": codec.kilobits_per_second,
            **bench_words.scores(task, counts, of_opus, original),
            "encode_times_real_time": whole.duration_seconds / encode_times,
            "decode_times_real_time": whole.duration_seconds / decode_times,
        }


def timed(work: Callable[[Any], Any], given: object) -> tuple[Any, float]:
    """The result, and the median of the processor seconds."""
    result, seconds = None, []
    for _ in range(_PASSES):
        start = time.process_time()
        result = work(given)
        seconds.append(time.process_time() - start)
    return result, statistics.median(seconds)


def heard(samples: Sequence[TaskSample[Audio]], whole: Audio, decoded: Audio) -> common.Row:
    """The scores that need no words."""
    pairs = list(zip(bench_words.parts_of(whole, samples), bench_words.parts_of(decoded, samples), strict=True))
    voices = [[voice_embedding(sound.samples[0]) for sound in pair] for pair in pairs]
    cosines = np.array([float(first @ second) for first, second in voices])
    found = compare_means(cosines, np.ones(len(cosines)), seed=0)
    return {
        "type": "tokens",
        "utterances": len(samples),
        "log_mel_db": float(np.mean([log_mel_distance(a, b, whole.sample_rate) for a, b in pairs])),
        "voice_cosine": [found.score, *found.interval],
    }


if __name__ == "__main__":
    main()
