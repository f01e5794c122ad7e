"""Bytes on disk at equal loss: packs of few channels against JPEG pictures, one network each, the same in all else.

    python benchmarks/learning/bench_equal_loss.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures. Of each, the centre square at `--size` is packed with 12
and with 48 channels, and written as JPEG files of several qualities. A classifier of the same body and tokens learns from
each, with several seeds: on latents, or on pixels in patches of 8 x 8. A row says the bytes on disk of an item, as trained
from and as whole files with all channels, and the loss of the true class on the test items with its interval (bootstrap
over items, mean over seeds); and, paired with each pack, the difference of the loss. Nothing is timed. Runs are kept: a
killed benchmark goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
from laconic.tasks.heads import head_training
from laconic.tasks.heads.judged_items import load_judged_items
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.training.run_names import JUDGED_NAME

PACKAGES = ("laconic", "numpy", "pillow", "torch")
CHANNELS = (12, 48)
QUALITIES = (2, 5, 10, 20, 40, 75)
RESAMPLES = 10_000
Losses = NDArray[np.float64]  # (seeds, items)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for packs, pictures and runs, kept between calls"
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--qualities", type=int, nargs="+", default=[10, 20, 60], help="of the packs")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "equal_loss.jsonl")
    options = parser.parse_args()
    sources = {
        f"lcn fast quality {q}, {c} channels": packed(options, q, c) for c in CHANNELS for q in options.qualities
    }
    sources |= {f"jpeg quality {q}": jpeg_folder(options, q) for q in QUALITIES}
    whole = {q: disk_bytes(packed(options, q, None)) for q in options.qualities}
    losses = {
        name: np.stack([test_losses(options, folder, seed) for seed in options.seeds])
        for name, folder in sources.items()
    }
    for name, folder in sources.items():
        row = {
            "type": "equal loss",
            **common.provenance(options.reason, packages=PACKAGES),
            "dataset": options.data.name,
            "size": options.size,
            "epochs": options.epochs,
            "seeds": len(options.seeds),
            "items": losses[name].shape[1],
            "source": name,
            "bytes_per_item": disk_bytes(folder),
            "whole_bytes_per_item": whole[quality_of(folder)] if name.startswith("lcn") else disk_bytes(folder),
            "loss": interval_of(losses[name]),
            "difference": {
                pack: interval_of(losses[name] - losses[pack]) for pack in sources if pack.startswith("lcn")
            },
        }
        common.append_row(options.results, row)
        low, high = row["loss"][1:]
        print(f"{name:24} {row['bytes_per_item']:8.0f} bytes  loss {row['loss'][0]:.3f} [{low:.3f}, {high:.3f}]")


def packed(options: argparse.Namespace, quality: int, channels: int | None) -> Path:
    folder: Path = options.work / f"pack-{channels or 'all'}-{quality}"
    chosen = PackIndexOptions(quality=quality, size=options.size, profile="fast", channels=channels)
    archive.pack(options.data, folder, chosen)
    return folder


def quality_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def jpeg_folder(options: argparse.Namespace, quality: int) -> Path:
    """The same squares as JPEG files in class folders."""
    folder: Path = options.work / f"jpeg-{quality}"
    source = list_class_folder(options.data)
    for sample in source.samples:
        path = (folder / sample.source).with_suffix(".jpg")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            square = read_signal(source.root / sample.source, "image", Framing(options.size))
            Image.fromarray(np.asarray(square)).save(path, "JPEG", quality=quality)
    return folder


def disk_bytes(folder: Path) -> float:
    """Of an item: all files of the folder, over the samples."""
    count = len(read_index(folder)) if folder.name.startswith("pack") else sum(1 for _ in folder.rglob("*.jpg"))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / count


def test_losses(options: argparse.Namespace, folder: Path, seed: int) -> NDArray[np.float64]:
    """(items,): loss of the true class of each test item, in the order of their sources."""
    is_pack = folder.name.startswith("pack")
    channels = int(folder.name.split("-")[1]) if is_pack else 12
    chosen = TrainOptions(
        arm="latents" if is_pack else "patches",
        channels=channels,
        epochs=options.epochs,
        seed=seed,
        size=None if is_pack else options.size,
    )
    run = options.work / "runs" / f"{folder.name}-e{options.epochs}-s{seed}"
    head_training.train(folder, run, chosen)
    return load_judged_items(run / JUDGED_NAME).rows[:, 0]


def interval_of(losses: Losses) -> list[float]:
    """Mean over seeds and items, and the 95 % interval over items."""
    items = losses.mean(axis=0)
    draws = np.random.default_rng(0).integers(0, len(items), (RESAMPLES, len(items)))
    return [float(items.mean()), *np.quantile(items[draws].mean(axis=1), (0.025, 0.975)).tolist()]


if __name__ == "__main__":
    main()
