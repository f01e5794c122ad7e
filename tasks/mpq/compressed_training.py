"""Does training on what a codec kept help on what a codec kept? Networks trained on originals and on decoded files, each
tested on both, for any codec and any class folder.

A run's folder, which the same command goes on with:

    data/NN/                  the class folder through operating point NN, 00 is the original: framed, as PNG or WAV
    training/NN-SEED/         a run of `laconic train classify` on it
    answers.jsonl             a row for each network, data and test item: right or wrong, loss
    result.json, report.md    accuracies with intervals over test items and seeds
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from laconic.codecs.errors import CodecError, UnsupportedSignalError, sentence_of_error
from laconic.codecs.files import signal_bytes
from laconic.codecs.media import Audio
from laconic.codecs.threads import threaded_map
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.datasets.class_folders import ClassFolder, list_class_folder
from laconic.tasks.datasets.framing import Framing, framed, read_signal
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.splits import parse_splits
from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second
from laconic.tasks.mpq.compressed_training_table import (
    CompressedTrainingCell,
    compressed_training_cells,
    compressed_training_table,
)
from laconic.tasks.mpq.measurement import RATE_UNITS, coded_signal, uncompressed_bytes
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.rows import UNCOMPRESSED

if TYPE_CHECKING:
    from laconic.tasks.heads.train_options import TrainOptions

_DONE = "coded.json"  # in a folder of data: it is complete, and at which rate

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Source:
    """Data of one kind: the class folder as it is, or through a codec."""

    name: str
    folder: Path
    point: OperatingPoint | None


def train_on_compressed(
    data: Path | str,
    run: Path | str,
    points: Sequence[OperatingPoint],
    options: TrainOptions,
    *,
    seeds: int = 3,
    num_threads: int = 1,
    say: Say | None = None,
) -> list[CompressedTrainingCell]:
    """Train `seeds` networks on the originals and on each point's output, and test each on the originals and on that
    output, those of the originals on all. The test split is that of the folder, or held out as `laconic train classify`
    does.

    Signals are coded at their own size, and framed after decoding; `options` are those of the pixel arms. `say` gets a
    sentence on every step. Raises `CodecError` for a folder or run that does not fit, and where a codec refuses a sample.
    """
    import torch

    from laconic.tasks.heads.inputs import framing_of_arm
    from laconic.tasks.training.runs import claim_run

    run, say = Path(run), say or (lambda _: None)
    listing = list_class_folder(data, None if options.splits is None else parse_splits(options.splits))
    _check(listing, points, options, seeds)
    asked = {**asdict(options), "codecs": [point.key for point in points], "seeds": seeds, "data": str(data)}
    claim_run(run, asked)
    if (run / "result.json").exists():
        answers = [json.loads(line) for line in (run / "answers.jsonl").read_text().splitlines()]
        return compressed_training_cells(answers)
    torch.set_num_threads(options.num_threads)
    sources = [_Source(UNCOMPRESSED, run / "data" / "00", None)]
    sources += [_Source(point.spec, run / "data" / f"{number:02}", point) for number, point in enumerate(points, 1)]
    _, framing = framing_of_arm(listing.kind, options)
    rates = {}
    for source in sources:
        rates[source.name] = _coded_folder(listing, source, framing, num_threads)
        say(f"{source.name}: {rates[source.name]:.4g} {RATE_UNITS[listing.kind]}")
    answers = [row for source in sources for row in _answers(run, source, sources, options, seeds, say)]
    lines = "".join(f"{json.dumps(row)}\n" for row in answers)
    atomic_write(run / "answers.jsonl", lines.encode(), force=True)
    cells = compressed_training_cells(answers)
    found = {"rates": rates, "rate_unit": RATE_UNITS[listing.kind], "cells": [asdict(cell) for cell in cells]}
    atomic_write(run / "result.json", (json.dumps(found, indent=1) + "\n").encode(), force=True)
    atomic_write(run / "report.md", compressed_training_table(cells, rates).encode(), force=True)
    return cells


def _check(listing: ClassFolder, points: Sequence[OperatingPoint], options: TrainOptions, seeds: int) -> None:
    if options.arm == "latents":
        raise CodecError("arm is 'latents'; allowed are the arms of signals, small and patches: name one of these")
    if not points or seeds < 1:
        raise CodecError(f"there are {len(points)} codecs and {seeds} seeds; allowed is one and more of each")
    for point in points:
        if listing.kind not in point.kinds:
            raise UnsupportedSignalError(
                f"{point.spec} is for other signals than {listing.kind}s; name a codec that does"
            )
    if listing.kind == "sound" and (options.sample_rate_hz is None or options.seconds is None):
        raise CodecError("sounds of different length fit in no batch; name their sample rate and seconds")


def _coded_folder(listing: ClassFolder, source: _Source, framing: Framing, num_threads: int) -> float:
    """Make the folder where it is not complete, and return its mean rate."""
    path = source.folder / _DONE
    if not path.exists():

        def code(sample: SourceSample) -> float:
            return _code(listing, sample, source, framing)

        with threaded_map(num_threads) as mapped:
            rates = list(mapped(code, listing.samples))
        atomic_write(path, json.dumps({"rate": sum(rates) / len(rates)}).encode(), force=True)
    return float(json.loads(path.read_bytes())["rate"])


def _code(listing: ClassFolder, sample: SourceSample, source: _Source, framing: Framing) -> float:
    """Write one sample of the folder; its rate."""
    try:
        signal = read_signal(listing.root / sample.source, listing.kind, Framing())
    except Exception as err:  # decoders of many formats, each of which fails in its own way
        raise CodecError(f"{sample.source} cannot be read: {sentence_of_error(err)}") from err
    num_bytes, decoded = uncompressed_bytes(signal), signal
    if source.point is not None:
        try:
            num_bytes, decoded = coded_signal(source.point.codec, signal)
        except CodecError as err:
            raise CodecError(f"{source.name} on {sample.source}: {err}") from err
    suffix = ".wav" if isinstance(signal, Audio) else ".png"
    target = source.folder / f"{sample.source}{suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, signal_bytes(framed(decoded, framing), suffix), force=True)
    if isinstance(signal, Audio):
        return kilobits_per_second(num_bytes, signal.duration_seconds)
    return bits_per_pixel(num_bytes, signal.samples.shape)


def _answers(
    run: Path, source: _Source, sources: Sequence[_Source], options: TrainOptions, seeds: int, say: Say
) -> Iterator[dict[str, Any]]:
    """Rows of the networks trained on one source."""
    from laconic.tasks.heads.head_training import train

    tested = sources if source.point is None else [sources[0], source]
    for seed in range(seeds):
        folder = run / "training" / f"{source.folder.name}-{seed}"
        train(source.folder, folder, replace(options, seed=seed))
        for other in tested:
            rows = list(_tested(folder, other, replace(options, seed=seed)))
            share = sum(row["correct"] for row in rows) / len(rows)
            say(f"trained on {source.name}, seed {seed}, tested on {other.name}: {100 * share:.1f} %")
            for row in rows:
                yield {"trained_on": source.name, "tested_on": other.name, "seed": seed, **row}


def _tested(training: Path, source: _Source, options: TrainOptions) -> Iterator[dict[str, Any]]:
    from laconic.tasks.heads.judged_items import judge_test_items

    items, judged = judge_test_items(training, source.folder, options)
    for item, (loss, label, found, *_) in zip(items.tolist(), judged.rows.tolist(), strict=True):
        yield {"item": item, "correct": label == found, "loss": round(loss, 5)}
