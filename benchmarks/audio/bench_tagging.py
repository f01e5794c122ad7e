"""What a tagger misses of everyday sounds that went through our codec and Opus, at equal bytes, with paired intervals.

    python benchmarks/audio/bench_tagging.py --data ../shared/data --reason "why" [--split test] [--every 1]

All clips of ESC-10's folder (44.1 kHz, mono) are coded joined, so that containers do not decide, and are cut apart again.
Clips differ by some 30 dB, which files of their own would not show: their steps go with the loudness of each. So clips
are coded at one loudness (`levels` "equal": root mean squares of 0.1), and for comparison as they are ("recorded"), where
one step for all leaves quiet clips with few bits; what is judged is always at the loudness that it was recorded with.
Opus runs at five rates from 10 to 34 kbit/s; ours at the finest step whose file is no larger than Opus's. YAMNet hears each
clip (`laconic.tasks.mpq.tagging`); a row "tagging" has the rate, the mean loss of the true class (cross-entropy among the
ten classes, in nats) and its difference from Opus's and from the original's, each with an interval over clips, and the
share of clips that are named right. `promised`: whether the interval of the difference ends within 5 % of Opus's loss.
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
from laconic.tasks.measures.sound_distortion import log_mel_distance
from laconic.tasks.mpq.intervals import compare_means
from laconic.tasks.mpq.protocol import TaskSample
from laconic.tasks.mpq.tagging import Tagging

RATES_KBPS = (10, 16, 22, 28, 34)
TUNES = ("machine", "snr")
LEVELS = ("equal", "recorded")
LOUDNESS = 0.1  # root mean square
SILENCE = 1e-5
PACKAGES = ("laconic", "numpy", "soundfile", "scipy", "ai-edge-litert")
MARGIN = 0.05  # of Opus's loss


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("train", "test"), default="test", help="train is for choosing")
    parser.add_argument("--every", type=int, default=1, help="this one of so many clips")
    parser.add_argument("--tunes", nargs="*", choices=TUNES, default=list(TUNES), help="of ours")
    parser.add_argument("--levels", nargs="*", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--rates", nargs="*", type=int, default=list(RATES_KBPS), help="of Opus, in kbit/s")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "tagging.jsonl")
    options = parser.parse_args()
    task = Tagging(options.data, options.data / "models", options.split)
    samples = [task.sample(key) for key in list(task.keys())[:: options.every]]
    found = []
    for levels in options.levels:
        of_levels = {"levels": levels, "split": options.split, "every": options.every}
        for row in measured(task, samples, factors_of(samples, levels), options.rates, options.tunes):
            print({name: value for name, value in row.items() if name != "type"}, flush=True)
            found.append({**row, **of_levels})
    common.write_rows(
        options.results, [{**common.provenance(options.reason, packages=PACKAGES), **row} for row in found]
    )


def factors_of(samples: Sequence[TaskSample[Audio]], levels: str) -> np.ndarray:
    """(n,): what each clip is multiplied with before it is coded, and divided by afterwards."""
    if levels == "recorded":
        return np.ones(len(samples))
    loudness = [np.sqrt(np.mean(np.square(sample.signal.samples, dtype=np.float64))) for sample in samples]
    return LOUDNESS / np.maximum(loudness, SILENCE)


def measured(
    task: Tagging,
    samples: Sequence[TaskSample[Audio]],
    factors: np.ndarray,
    rates: Sequence[int],
    tunes: Sequence[str],
) -> Iterator[common.Row]:
    whole = joined([scaled(sample.signal, factor) for sample, factor in zip(samples, factors, strict=True)])
    original = judged(task, samples, factors, whole)
    yield {"type": "tagging", "codec": "original", "clips": len(samples), **scores(original, original, original)}
    for rate in rates:
        data = Opus(compression_level=(256 - rate) / 250).encode(whole)
        anchor = Opus().decode(data)
        of_opus = judged(task, samples, factors, anchor)
        of_rate = {"type": "tagging", "rate_kbps": rate, "clips": len(samples)}
        yield {**of_rate, "codec": "opus", **sizes(whole, anchor, data), **scores(of_opus, of_opus, original)}
        for tune in tunes:
            file = largest_within(whole, len(data), Lcn(tune=tune))
            decoded = Lcn().decode(file)
            assert isinstance(decoded, Audio)
            row = scores(judged(task, samples, factors, decoded), of_opus, original)
            yield {**of_rate, "codec": "laconic", "tune": tune, **sizes(whole, decoded, file), **row}


def scaled(sound: Audio, factor: float) -> Audio:
    return Audio((sound.samples * factor).astype(np.float32), sound.sample_rate)


def judged(task: Tagging, samples: Sequence[TaskSample[Audio]], factors: np.ndarray, whole: Audio) -> np.ndarray:
    """(n, 2): the loss of the true class of each clip, and whether it is named right."""
    parts = parts_of(whole, [sample.signal for sample in samples])
    pairs = zip(samples, parts, factors, strict=True)
    judgements = [task.judge(sample, scaled(part, 1 / factor)) for sample, part, factor in pairs]
    return np.array([(judgement.loss, judgement.counts[0]) for judgement in judgements])


def sizes(whole: Audio, decoded: Audio, data: bytes) -> common.Row:
    return {
        "kbps": kilobits_per_second(data, whole.duration_seconds),
        "log_mel_db": log_mel_distance(whole, decoded, whole.sample_rate),
    }


def scores(found: np.ndarray, of_opus: np.ndarray, original: np.ndarray) -> common.Row:
    """Means and differences of means, each with the ends of its interval."""
    to_opus, to_original = (compare_means(found[:, 0], anchor[:, 0], seed=0) for anchor in (of_opus, original))
    most = MARGIN * float(of_opus[:, 0].mean())
    return {
        "loss": [to_opus.score, *to_opus.interval],
        "more_than_opus": [to_opus.difference, *to_opus.difference_interval],
        "more_than_original": [to_original.difference, *to_original.difference_interval],
        "promised": to_opus.difference_interval[1] <= most,
        "accuracy": float(found[:, 1].mean()),
    }


if __name__ == "__main__":
    main()
