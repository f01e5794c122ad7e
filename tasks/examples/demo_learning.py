"""What torch adds, on real data, small: the neural synthesis, training on latents, and what codecs cost the network.

    python tasks/examples/demo_learning.py [FOLDER] [SEEDS]

Writes to FOLDER (demo_output): `neural.png`, the packed pictures, runs on latents and on pixels, and
`report/report.html`. The networks learn from 84 photographs at a time, so scores are low; all 112 are tested once for each
seed, in four folds, and latents and pixels are compared on all of them.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import decode, encode
from laconic.codecs import open as open_picture
from laconic.codecs import save as save_picture
from laconic.tasks.heads.head_training import train
from laconic.tasks.heads.judged_items import load_judged_items
from laconic.tasks.heads.train_options import Arm, TrainOptions
from laconic.tasks.measures.picture_distortion import psnr
from laconic.tasks.mpq.intervals import compare_means
from laconic.tasks.training.run_names import JUDGED_NAME

SEEDS, FOLDS, SIZE = 3, 4, 128
DATA = Path(__file__).parents[2] / "tests" / "data"


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")
    folder.mkdir(parents=True, exist_ok=True)
    _show_synthesis(DATA / "kodim23_crop.png", folder)
    _show_learning(DATA / "clothing", folder, int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS)


def _show_synthesis(path: Path, folder: Path) -> None:
    """The same file by both syntheses."""
    picture = open_picture(path)
    data = encode(picture, quality=30)
    linear, neural = (decode(data, synthesis=name) for name in ("linear", "neural"))
    print(f"3. {path.name} in {len(data)} bytes: linear synthesis {psnr(picture, linear):.2f} dB, ", end="")
    print(f"neural {psnr(picture, neural):.2f} dB; look at {folder / 'neural.png'}\n")
    save_picture(neural, folder / "neural.png")


def _show_learning(data: Path, folder: Path, num_seeds: int) -> None:
    """Networks on latents, others on pixels, and what codecs cost one of the first."""
    packed = folder / "packed"
    print("4. Training on latents, and machine quality: 112 photographs of four kinds of clothes")
    _laconic("pack", data, "-o", packed, "--size", str(SIZE), "--quality", "85", "--profile", "fast", "--quiet")
    latents = _shares_right("latents", packed, folder, num_seeds)
    pixels = _shares_right("patches", data, folder, num_seeds)
    found = compare_means(latents, pixels, seed=0)
    low, high = (100 * bound for bound in found.difference_interval)
    word = "level with" if low <= 0 <= high else "ahead of" if low > 0 else "behind"
    print(
        f"   Latents are {word} pixels: {100 * found.difference:+.1f} points, 95 % interval {low:+.0f} to {high:+.0f}"
    )
    head = folder / "run_latents"
    _laconic("train", "classify", packed, "-o", head, "--quiet")
    codecs = ("--codecs", "lcn:quality=10|30|60", "--codecs", "jpeg:quality=5|25|75")
    report = folder / "report"
    _laconic("evaluate", *codecs, "--tasks", f"head:{head}", "--data", data.parent, "-o", report, "--quiet")
    print(f"   what codecs cost such a network: open {report / 'report.html'}")


def _shares_right(arm: Arm, source: Path, folder: Path, num_seeds: int) -> NDArray[np.float64]:
    """Of each photograph the share of seeds for which a network that has not seen it answers rightly; and print what it
    took."""
    size = None if arm == "latents" else SIZE
    chosen = [
        TrainOptions(arm, seed=seed, folds=FOLDS, fold=fold, size=size)
        for seed in range(num_seeds)
        for fold in range(FOLDS)
    ]
    runs = [folder / f"{arm}-{options.seed}-{options.fold}" for options in chosen]
    results = [train(source, run, options) for run, options in zip(runs, chosen, strict=True)]
    judged = [load_judged_items(run / JUDGED_NAME) for run in runs]
    sources = np.array([source for one in judged for source in one.sources])
    is_right = np.concatenate([one.rows[:, 1] == one.rows[:, 2] for one in judged])
    shares = np.array([is_right[sources == source].mean() for source in np.unique(sources)])
    seconds = fmean(result["seconds_per_epoch"]["loading_processor"] for result in results)
    kilobytes = fmean(result["train_bytes_per_epoch"] for result in results) / 1000
    print(
        f"   {results[0]['input']:33} {shares.mean():.0%} right of {len(shares)} photographs, {num_seeds} seeds; "
        f"of an epoch {1000 * seconds:.0f} ms of a processor for loading, {kilobytes:.0f} kB read"
    )
    return shares


def _laconic(*arguments: object) -> None:
    """Run the command line as a user does."""
    command: Sequence[str] = [sys.executable, "-m", "laconic.tasks.cli", *map(str, arguments)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
