"""Accuracy of one small network on latents and on pixels: four arms, equal tokens, body, augmentation and epochs.

    python benchmarks/learning/bench_classify.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures. It is packed once at `--size` and `--quality`; then
every arm is trained with every seed, one after another, on one thread. Timed: seconds of an epoch spent waiting for
batches (reading, decoding, resizing) and the rest, medians over the epochs of each run. Not timed: packing (stated in
rows of its own), validation, test. Each finished run is one row; a killed benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import INDEX_NAME, PackIndexOptions
from laconic.tasks.heads import head_training
from laconic.tasks.heads.comparison import comparison_table
from laconic.tasks.heads.train_options import Arm, TrainOptions
from laconic.tasks.training.run_names import RESULT_NAME

ARMS: tuple[tuple[Arm, int], ...] = (("latents", 12), ("patches", 12), ("latents", 48), ("small", 12))
PACKAGES = ("laconic", "numpy", "pillow", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the pack and the runs, kept between calls")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--quality", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "learning.jsonl")
    options = parser.parse_args()
    packed = options.work / f"{options.data.name}-{options.size}-q{options.quality}"
    if not (packed / INDEX_NAME).exists():
        common.append_row(options.results, pack_row(options, packed))
    for seed in options.seeds:
        for arm, channels in ARMS:
            chosen = TrainOptions(arm=arm, channels=channels, epochs=options.epochs, seed=seed, size=options.size)
            run = options.work / "runs" / f"{packed.name}-{arm}-{channels}-e{options.epochs}-s{seed}"
            if (run / RESULT_NAME).exists():
                continue
            result = head_training.train(packed if arm == "latents" else options.data, run, chosen)
            common.append_row(options.results, run_row(options, result))
    print(comparison_table([row for row in rows_of(options.results, options) if row["type"] == "classify"]))


def pack_row(options: argparse.Namespace, packed: Path) -> common.Row:
    """Pack the folder on one thread; sizes and seconds."""
    start = time.perf_counter()
    index = archive.pack(
        options.data, packed, PackIndexOptions(quality=options.quality, size=options.size), engine=ThreadEngine(1)
    )
    return {
        "type": "pack",
        **header(options),
        "seconds": time.perf_counter() - start,
        "samples": len(index),
        "lcn_bytes": int(index.length.sum()),
        "source_bytes": sum((options.data / source).stat().st_size for source in index.source),
    }


def run_row(options: argparse.Namespace, result: dict[str, Any]) -> common.Row:
    return {"type": "classify", **header(options), **{k: v for k, v in result.items() if k != "history"}}


def header(options: argparse.Namespace) -> common.Row:
    setting = {"dataset": options.data.name, "size": options.size, "quality": options.quality}
    return common.provenance(options.reason, packages=PACKAGES) | setting


def rows_of(path: Path, options: argparse.Namespace) -> list[common.Row]:
    """The rows of this data set, size and quality."""
    wanted = (options.data.name, options.size, options.quality)
    return [row for row in common.read_rows(path) if (row["dataset"], row["size"], row["quality"]) == wanted]


if __name__ == "__main__":
    main()
