"""How speech that went through our codec and Opus sounds, at equal bytes, by the usual scores, with paired intervals.

    python benchmarks/audio/bench_speech_scores.py --data ../shared/data --reason "why" [--split test] [--every 1]

All utterances of AN4's folder are coded joined, so that containers do not decide, and are cut apart again. Opus runs at 8,
12, 16 and 24 kbit/s; ours at the finest step whose file is no larger than Opus's. A row "speech_scores" has the rate and,
as means over utterances with intervals: PESQ (wideband), STOI, DNSMOS (overall, without the original), log-mel distance
and multi-resolution STFT distance, and the difference of each from Opus's. Packages that are not installed leave their
score out, and are said on stderr. Some minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from joined_sounds import joined, largest_within, parts_of

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.external.opus import Opus
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Audio
from laconic.tasks.measures.rate import kilobits_per_second
from laconic.tasks.measures.sound_distortion import log_mel_distance
from laconic.tasks.measures.spectral_distance import stft_distance
from laconic.tasks.measures.speech_scores import pesq_mos, stoi
from laconic.tasks.mpq.intervals import compare_means
from laconic.tasks.mpq.sounds import read_bare, read_transcripts
from laconic.tasks.mpq.speech_quality import overall_quality

RATES_KBPS = (8, 12, 16, 24)
TUNES = ("machine", "snr")
PACKAGES = ("laconic", "numpy", "soundfile", "pesq", "pystoi", "speechmos", "onnxruntime")
Score = Callable[[Audio, Audio], float]
SCORES: Mapping[str, Score] = {
    "pesq_mos": lambda a, b: pesq_mos(a.samples[0], b.samples[0]),
    "stoi": lambda a, b: stoi(a.samples[0], b.samples[0], a.sample_rate),
    "dnsmos": lambda a, b: overall_quality(b.samples[0]),
    "log_mel_db": lambda a, b: log_mel_distance(a, b, a.sample_rate),
    "stft_distance": stft_distance,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="train is for choosing")
    parser.add_argument("--every", type=int, default=1, help="this one of so many utterances")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "speech_scores.jsonl")
    options = parser.parse_args()
    folder = options.data / "an4" / options.split
    sounds = [read_bare(folder / name) for name in list(read_transcripts(folder))[:: options.every]]
    scores = scores_that_can_be_had(sounds[0])
    found = []
    for row in measured(sounds, scores):
        print(row, flush=True)
        found.append({**row, "split": options.split, "every": options.every})
    common.write_rows(
        options.results, [{**common.provenance(options.reason, packages=PACKAGES), **row} for row in found]
    )


def scores_that_can_be_had(sound: Audio) -> Mapping[str, Score]:
    """Those whose packages are installed; the others are said."""
    found = {}
    for name, score in SCORES.items():
        try:
            score(sound, sound)
        except MissingDependencyError as err:
            print(f"without {name}: {err}", file=sys.stderr)
        else:
            found[name] = score
    return found


def measured(sounds: Sequence[Audio], scores: Mapping[str, Score]) -> Iterator[common.Row]:
    whole = joined(sounds)
    original = scored(sounds, whole, scores)
    yield {"type": "speech_scores", "codec": "original", "utterances": len(sounds), **compared(original, original)}
    for rate in RATES_KBPS:
        codec = Opus(compression_level=(256 - rate) / 250)
        data = codec.encode(whole)
        of_opus = scored(sounds, codec.decode(data), scores)
        of_rate = {"type": "speech_scores", "rate_kbps": rate, "utterances": len(sounds)}
        kbps = kilobits_per_second(data, whole.duration_seconds)
        yield {**of_rate, "codec": "opus", "kbps": kbps, **compared(of_opus, of_opus)}
        for tune in TUNES:
            file = largest_within(whole, len(data), Lcn(tune=tune))
            decoded = Lcn().decode(file)
            assert isinstance(decoded, Audio)
            kbps = kilobits_per_second(file, whole.duration_seconds)
            row = compared(scored(sounds, decoded, scores), of_opus)
            yield {**of_rate, "codec": "laconic", "tune": tune, "kbps": kbps, **row}


def scored(sounds: Sequence[Audio], whole: Audio, scores: Mapping[str, Score]) -> Mapping[str, np.ndarray]:
    """Of each score (n,) values of the utterances, nan where it is not defined."""
    pairs = list(zip(sounds, parts_of(whole, sounds), strict=True))
    return {name: np.array([score(*pair) for pair in pairs]) for name, score in scores.items()}


def compared(found: Mapping[str, np.ndarray], of_opus: Mapping[str, np.ndarray]) -> common.Row:
    """Means, and differences from Opus's, each with the ends of its interval, of utterances where both are defined."""
    row: common.Row = {}
    for name, values in found.items():
        is_known = np.isfinite(values) & np.isfinite(of_opus[name])
        to_opus = compare_means(values[is_known], of_opus[name][is_known], seed=0)
        row[name] = [to_opus.score, *to_opus.interval]
        row[f"{name}_more_than_opus"] = [to_opus.difference, *to_opus.difference_interval]
        row[f"{name}_utterances"] = int(is_known.sum())
    return row


if __name__ == "__main__":
    main()
