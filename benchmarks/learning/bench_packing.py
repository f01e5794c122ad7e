"""Pictures per second into a data set: `laconic pack` against WebP files of the same squares.

    python benchmarks/learning/bench_packing.py --data FOLDER --work FOLDER --reason "why it was run"

Every way reads the same JPEG files and cuts the same squares; a pack has its shards, labels and index on disk, WebP a file
a picture (quality 75, Pillow's default effort). Wall time, on one core for one worker and on two for two, the ways taking
turns. Not timed: imports, and listing the folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from loading_readers import folder_bytes
from PIL import Image

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import ClassFolder, list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.pack_engines import ThreadEngine, WorkerEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions

WEBP_QUALITY = 75


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="class folders of pictures")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--quality", type=int, default=20)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "packing.jsonl")
    options = parser.parse_args()
    source = list_class_folder(options.data)
    ways: dict[tuple[str, int], Callable[[Path], object]] = {("WebP", 1): partial(write_webp, source, options.size)}
    for workers in (1, 2):
        for name, profile, channels in (
            ("fast, 12 channels", "fast", 12),
            ("fast", "fast", None),
            ("small", "small", None),
        ):
            chosen = PackIndexOptions(
                quality=options.quality,
                size=options.size,
                profile=profile,  # type: ignore[arg-type]
                channels=channels,
            )
            ways[f"pack, {name}", workers] = partial(write_pack, source, chosen, workers)
    seconds: dict[tuple[str, int], list[float]] = {way: [] for way in ways}
    sizes: dict[tuple[str, int], int] = {}
    cores = os.sched_getaffinity(0)
    for _ in range(options.passes):
        for way, write in ways.items():
            folder = options.work / "packing"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            os.sched_setaffinity(0, cores if way[1] > 1 else {max(cores)})
            start = time.perf_counter()
            write(folder / "out")
            seconds[way].append(time.perf_counter() - start)
            sizes[way] = folder_bytes(folder)
    for (writer, workers), times in seconds.items():
        row = {
            "type": "packing",
            **common.provenance(options.reason),
            "dataset": options.data.name,
            "size": options.size,
            "quality": options.quality,
            "writer": writer,
            "workers": workers,
            "pictures": len(source.samples),
            "pictures_per_second": len(source.samples) / statistics.median(times),
            "lowest": len(source.samples) / max(times),
            "highest": len(source.samples) / min(times),
            "bytes_per_item": sizes[writer, workers] / len(source.samples),
        }
        common.append_row(options.results, row)
        print(f"{writer:14} {workers} workers  {row['pictures_per_second']:7.1f}/s  {row['bytes_per_item']:8.0f} bytes")


def write_pack(source: ClassFolder, options: PackIndexOptions, workers: int, folder: Path) -> None:
    archive.pack(source, folder, options, engine=WorkerEngine(workers) if workers > 1 else ThreadEngine(1))


def write_webp(source: ClassFolder, size: int, folder: Path) -> None:
    for sample in source.samples:
        path = (folder / sample.source).with_suffix(".webp")
        path.parent.mkdir(parents=True, exist_ok=True)
        square = read_signal(source.root / sample.source, "image", Framing(size))
        Image.fromarray(np.asarray(square)).save(path, "WEBP", quality=WEBP_QUALITY)


if __name__ == "__main__":
    main()
