"""Accuracy of a small network on parts of a pack: chosen to represent the training samples, or by lot.

    python benchmarks/learning/bench_selection.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures. It is packed once, a fifth of each class of the training
split as validation split; then parts of the training split are packed, and the same network is trained on each with every
seed for the same number of steps, so the smaller a part is, the more often its samples are seen. A part by lot is another
with every seed; as many samples of each class as of the chosen one. Each finished run is one row; a killed benchmark goes
on where it stopped. Summaries, a row for each part, are made of all runs: mean accuracy on the test split, and its 95 %
interval over seeds (Student's t); of chosen ones against lot, the interval of the differences at equal seeds.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import hold_out_of_class_folder, list_class_folder
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions, has_pack_index
from laconic.tasks.datasets.selected_pack import copy_pack, selected_source
from laconic.tasks.datasets.selection import SelectionSize, shares_of_classes, training_rows
from laconic.tasks.datasets.sources.stored_pack import StoredPack
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.heads import head_training
from laconic.tasks.heads.train_options import TrainOptions

PERCENTS = (10, 30, 50, 100)
VAL_FRACTION = 0.2
PACKAGES = ("laconic", "numpy", "pillow", "torch")
# Student's t at 97.5 %, by degrees of freedom.
T_VALUES = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for packs and runs, kept between calls")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--channels", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=20, help="over all samples; parts take as many steps")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "selection.jsonl")
    options = parser.parse_args()
    whole = whole_pack(options)
    for seed in options.seeds:
        for percent in PERCENTS:
            for arm in ("chosen", "lot") if percent < 100 else ("all",):
                if not found_rows(options, arm=arm, percent=percent, seed=seed):
                    common.append_row(options.results, run_row(options, whole, arm, percent, seed))
    for row in summaries(options):
        common.append_row(options.results, row)
        low, high = row["interval_95"]
        print(f"{row['percent']:4} % {row['arm']:12} {row['mean']:6.3f} [{low:.3f}, {high:.3f}]")


def whole_pack(options: argparse.Namespace) -> Path:
    packed: Path = options.work / f"{options.data.name}-{options.size}"
    if not has_pack_index(packed):
        folder = list_class_folder(options.data)
        train = [i for i, sample in enumerate(folder.samples) if sample.split == "train"]
        held = hold_out_of_class_folder([folder.samples[i].label for i in train], VAL_FRACTION, 0)
        val = {train[i] for i in np.flatnonzero(held)}
        samples = [replace(s, split="val") if i in val else s for i, s in enumerate(folder.samples)]
        ordered = tuple(sorted(samples, key=lambda sample: (sample.split, sample.source)))
        archive.pack(replace(folder, samples=ordered), packed, PackIndexOptions(size=options.size))
    return packed


def part_pack(whole: Path, arm: str, percent: int, seed: int) -> Path:
    """A pack of a part of the training split."""
    if arm == "all":
        return whole
    part = whole.with_name(f"{whole.name}-{arm}-{percent}" + (f"-{seed}" if arm == "lot" else ""))
    size, stored = SelectionSize(percent=percent), StoredSamples(whole)
    if not has_pack_index(part):
        source = (
            selected_source(whole, size) if arm == "chosen" else StoredPack(stored, rows_by_lot(stored, size, seed))
        )
        copy_pack(source, part, engine=ThreadEngine(1))
    return part


def rows_by_lot(stored: StoredSamples, size: SelectionSize, seed: int) -> np.ndarray:
    rows, random = training_rows(stored.index), np.random.default_rng(seed)
    kept = np.ones(len(stored), bool)
    kept[rows] = False
    for label, count in shares_of_classes(stored.index.label[rows].astype(np.int64), size.of(len(rows))).items():
        kept[random.permutation(rows[stored.index.label[rows] == label])[:count]] = True
    return np.flatnonzero(kept)


def run_row(options: argparse.Namespace, whole: Path, arm: str, percent: int, seed: int) -> common.Row:
    part = part_pack(whole, arm, percent, seed)
    epochs = round(options.epochs * 100 / percent)
    chosen = TrainOptions(channels=options.channels, epochs=epochs, seed=seed)
    run = options.work / "runs" / f"{part.name}-c{options.channels}-e{epochs}-s{seed}"
    result = head_training.train(part, run, chosen)
    return {
        "type": "selection",
        **header(options),
        "arm": arm,
        "percent": percent,
        "seed": seed,
        "steps_as_epochs": options.epochs,
        "train_items": result["train_items"],
        "test_items": result["test_items"],
        "test_accuracy": result["test_accuracy"],
        "test_loss": result["test_loss"],
    }


def header(options: argparse.Namespace) -> common.Row:
    setting = {"dataset": options.data.name, "size": options.size, "channels": options.channels}
    return common.provenance(options.reason, packages=PACKAGES) | setting


def found_rows(options: argparse.Namespace, **wanted: object) -> list[common.Row]:
    """Finished runs of this setting."""
    if not options.results.exists():
        return []
    wanted |= {"type": "selection", "dataset": options.data.name, "size": options.size, "channels": options.channels}
    wanted |= {"steps_as_epochs": options.epochs}
    rows = common.read_rows(options.results)
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def summaries(options: argparse.Namespace) -> list[common.Row]:
    base = {"type": "selection summary", **header(options), "steps_as_epochs": options.epochs}
    rows = []
    for percent in PERCENTS:
        scores = {
            arm: {row["seed"]: row["test_accuracy"] for row in found_rows(options, arm=arm, percent=percent)}
            for arm in ("chosen", "lot", "all")
        }
        scores["chosen - lot"] = {s: v - scores["lot"][s] for s, v in scores["chosen"].items() if s in scores["lot"]}
        for arm, by_seed in scores.items():
            if len(by_seed) > 1:
                values = [by_seed[seed] for seed in sorted(by_seed)]
                mean, interval = mean_and_interval(values)
                found = {"arm": arm, "percent": percent, "runs": len(values), "mean": mean, "interval_95": interval}
                rows.append({**base, **found})
    return rows


def mean_and_interval(values: list[float]) -> tuple[float, tuple[float, float]]:
    mean, count = statistics.fmean(values), len(values)
    half = T_VALUES[min(count - 1, max(T_VALUES))] * statistics.stdev(values) / math.sqrt(count)
    return mean, (mean - half, mean + half)


if __name__ == "__main__":
    main()
