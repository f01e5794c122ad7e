"""Sounds by class: a small network on latents against the same network on samples.

    python benchmarks/learning/bench_sound.py --data FOLDER --work FOLDER --reason "why it was run" [--seeds 0 1]

FOLDER has train and test folders of class folders (ESC-10). Everything goes through the command line, as a user would do
it; seconds of an epoch are wall time, split into loading and computing by the training loop. Rows are appended to
benchmarks/results/learning.jsonl.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import common

RESULTS = Path(__file__).parents[1] / "results" / "learning.jsonl"
RATE_HZ, SECONDS, QUALITY, EPOCHS = 16_000, 5, 60, 40
ARMS = {
    "latents of 32 channels": ("--channels", "32"),
    "latents of 128 channels": ("--channels", "128"),
    "samples, big patches": ("--arm", "patches"),
    "samples, low rate": ("--arm", "small"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    packed = options.work / "packed"
    form = ("--sample-rate", RATE_HZ, "--seconds", SECONDS)
    laconic("pack", options.data, "-o", packed, "--quality", QUALITY, *form, "--quiet")
    for seed in options.seeds:
        for name, arm in ARMS.items():
            run = options.work / f"{name.replace(' ', '_').replace(',', '')}-{seed}"
            source = (packed,) if "latents" in name else (options.data, *form)
            laconic("train", "classify", *source, "-o", run, *arm, "--epochs", EPOCHS, "--seed", seed, "--quiet")
            result = json.loads((run / "result.json").read_text())
            setting = {"dataset": options.data.name, "size": None, "quality": QUALITY}
            row = common.provenance(options.reason, packages=("laconic", "numpy", "torch")) | setting
            kept = {key: value for key, value in result.items() if key != "history"}
            common.append_row(RESULTS, {"type": "classify", **row, **kept})
            print(f"{name}, seed {seed}: {result['test_correct']} of {result['test_items']}", flush=True)


def laconic(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "laconic.tasks.cli", *map(str, arguments)], check=True)


if __name__ == "__main__":
    main()
