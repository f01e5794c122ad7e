"""A pack of a million items: how long its index takes to open, what memory it needs, and how long a single item takes.

    python benchmarks/learning/bench_index.py --pack FOLDER --work FOLDER --reason "why it was run"

The index of a pack is repeated until it has `--items` rows, with names of their own, over the same shards, so that items
are real ones. Opened in a new process: seconds, and what resident memory grew by. Then single items at random, files in the
page cache: median and 99th percentile of the wall time of `LatentDataset.array`, and that of items of batches of 64.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np

from laconic.tasks.datasets.latent_loader import LatentLoader
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_columns import PackTexts, read_columns
from laconic.tasks.datasets.pack_index import INDEX_NAME, read_index
from laconic.tasks.datasets.pack_index_writer import write_index

NUM_READ = 3000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--open", action="store_true", help="only open the index in --work, and print what it took")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "index.jsonl")
    options = parser.parse_args()
    folder = options.work / f"index-{options.items}"
    if options.open:
        print(json.dumps(opened(folder)))
        return
    repeat_index(options.pack, folder, options.items)
    command = [sys.executable, __file__, "--pack", str(options.pack), "--work", str(options.work), "--reason", "-"]
    command += ["--items", str(options.items), "--open"]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    row = {
        "type": "index",
        **common.provenance(options.reason, packages=("laconic", "numpy", "safetensors", "torch")),
        "items": options.items,
        **found,
        **access_times(folder),
    }
    common.append_row(options.results, row)
    print(json.dumps(row, indent=1))


def repeat_index(pack: Path, folder: Path, items: int) -> None:
    """An index of so many rows over the shards of a pack, which are linked."""
    if (folder / INDEX_NAME).exists():
        return
    folder.mkdir(parents=True)
    fields: dict[str, Any] = json.loads((pack / INDEX_NAME).read_bytes())
    columns = read_columns(pack, fields["samples"]["columns"], fields["samples"]["num_bytes"])
    rows = np.arange(items) % fields["samples"]["count"]
    texts = {"key": [f"{i:08d}" for i in range(items)], "source": [f"train/class/{i:08d}.jpg" for i in range(items)]}
    repeated = {name: column[rows] for name, column in columns.items() if name.partition(".")[0] not in texts}
    for name, values in texts.items():
        repeated |= PackTexts.of(values).columns(name)
    for shard in fields["shards"]:
        (folder / shard["name"]).symlink_to((pack / shard["name"]).resolve())
    write_index(
        folder,
        {name: value for name, value in fields.items() if name not in ("format", "version", "samples")},
        repeated,
    )


def opened(folder: Path) -> common.Row:
    """Seconds of opening an index, and how much more memory is resident then."""
    before, start = resident_bytes(), time.perf_counter()
    index = read_index(folder)
    seconds = time.perf_counter() - start
    return {"open_seconds": seconds, "open_mib": (resident_bytes() - before) / 2**20, "rows": len(index)}


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def access_times(folder: Path) -> common.Row:
    """Microseconds of single items at random, and of items of batches."""
    dataset = LatentDataset(folder, channels=12)
    numbers = np.random.default_rng(0).integers(0, len(dataset), NUM_READ)
    seconds = []
    for number in [*numbers[:100].tolist(), *numbers.tolist()]:  # the first warm up
        start = time.perf_counter()
        dataset.array(number)
        seconds.append(time.perf_counter() - start)
    median, late = np.quantile(seconds[100:], (0.5, 0.99))
    loader = iter(LatentLoader(dataset, 64))
    next(loader)
    start = time.perf_counter()
    count = sum(len(next(loader)[0]) for _ in range(NUM_READ // 64))
    batched = (time.perf_counter() - start) / count
    return {"item_us": median * 1e6, "item_us_99": late * 1e6, "batched_item_us": batched * 1e6}


if __name__ == "__main__":
    main()
