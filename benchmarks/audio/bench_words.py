"""What a recogniser misses of speech that went through our codec and Opus, at equal bytes, with paired intervals.

    python benchmarks/audio/bench_words.py --data ../shared/data --reason "why" [--split test] [--every 1]

All utterances of AN4's folder are coded joined, so that containers do not decide, and are cut apart again. Opus runs at 8,
12, 16 and 24 kbit/s; ours at the finest step whose file is no larger than Opus's. PocketSphinx hears each utterance
(`laconic.tasks.mpq.speech`); a row "words" has the rate, the share of words that are wrong, and its difference from Opus's
and from the original's, each with an interval over utterances; the log-mel distance is a mean over utterances. About ten
minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from joined_sounds import joined, largest_within, parts_of

from laconic.codecs.external.opus import Opus
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.tasks.measures.rate import kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance, snr_db
from laconic.tasks.mpq.intervals import compare
from laconic.tasks.mpq.protocol import TaskSample
from laconic.tasks.mpq.speech import Speech

RATES_KBPS = (8, 12, 16, 24)
MODELS = {"machine": "speech_machine", "snr": "speech_mdct"}  # by tune
PACKAGES = ("laconic", "numpy", "soundfile", "pocketsphinx")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="train is for choosing")
    parser.add_argument("--every", type=int, default=1, help="this one of so many utterances")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "words.jsonl")
    options = parser.parse_args()
    task = Speech(options.data, split=options.split)
    samples = [task.sample(key) for key in list(task.keys())[:: options.every]]
    found = []
    for row in measured(task, samples):
        print({name: value for name, value in row.items() if name != "type"}, flush=True)
        found.append({**row, "split": options.split, "every": options.every})
    common.write_rows(
        options.results, [{**common.provenance(options.reason, packages=PACKAGES), **row} for row in found]
    )


def measured(task: Speech, samples: Sequence[TaskSample[Audio]]) -> Iterator[common.Row]:
    whole = joined([sample.signal for sample in samples])
    original = counts_of(task, samples, whole)
    yield {
        "type": "words",
        "codec": "original",
        "utterances": len(samples),
        **scores(task, original, original, original),
    }
    for rate in RATES_KBPS:
        opus = Opus(compression_level=(256 - rate) / 250)
        data = opus.encode(whole)
        anchor = opus.decode(data)
        of_opus = counts_of(task, samples, anchor)
        of_rate = {"type": "words", "rate_kbps": rate}
        yield {**of_rate, "codec": "opus", **heard(task, samples, whole, anchor, len(data), of_opus, of_opus, original)}
        for tune, model in MODELS.items():
            file = largest_within(whole, len(data), Lcn(model=model, tune=tune))
            decoded = Lcn().decode(file)
            assert isinstance(decoded, Audio)
            counts = counts_of(task, samples, decoded)
            row = heard(task, samples, whole, decoded, len(file), counts, of_opus, original)
            yield {**of_rate, "codec": "laconic", "model": model, "tune": tune, **row}


def counts_of(task: Speech, samples: Sequence[TaskSample[Audio]], whole: Audio) -> np.ndarray:
    """(n, 2): wrong words and words of each utterance."""
    parts = parts_of(whole, [sample.signal for sample in samples])
    return np.array([task.judge(sample, part).counts for sample, part in zip(samples, parts, strict=True)])


def heard(
    task: Speech,
    samples: Sequence[TaskSample[Audio]],
    whole: Audio,
    decoded: Audio,
    num_bytes: int,
    counts: np.ndarray,
    of_opus: np.ndarray,
    original: np.ndarray,
) -> common.Row:
    sounds = [sample.signal for sample in samples]
    pairs = zip(sounds, parts_of(decoded, sounds), strict=True)
    log_mel = [log_mel_distance(a, b, whole.sample_rate) for a, b in pairs]
    return {
        "utterances": len(samples),
        "kbps": kilobits_per_second(num_bytes, whole.duration_seconds),
        "log_mel_db": float(np.mean(log_mel)),
        "snr_db": snr_db(whole, decoded),
        **scores(task, counts, of_opus, original),
    }


def scores(task: Speech, counts: np.ndarray, of_opus: np.ndarray, original: np.ndarray) -> common.Row:
    """Shares of words, and differences of shares, each with the ends of its interval."""
    to_opus, to_original = (compare(counts, anchor, task.aggregate, seed=0) for anchor in (of_opus, original))
    return {
        "wrong_words": [to_opus.score, *to_opus.interval],
        "more_than_opus": [to_opus.difference, *to_opus.difference_interval],
        "more_than_original": [to_original.difference, *to_original.difference_interval],
    }


if __name__ == "__main__":
    main()
