"""Samples per second into a training loop: heads of .lcn files against JPEG pictures of the same content.

    python benchmarks/learning/bench_loading.py --data FOLDER --work FOLDER --reason "why it was run"

Timed in processor time of one thread, so that neighbours on the machine count little; files in the page cache, the whole
training split per pass, the readers taking turns: from samples' numbers to float32 tensors. Latents in batches of 32, as
`DataLoader` asks for them, of profile small, which packs have, and of fast; and of small one by one. JPEG is the folder's
own files through Pillow (decode, crop, resize to the size, tensor), also with the decoder's reduction by powers of two
(`draft`), and the same pictures stored as JPEG at that size already. Not timed: packing, shuffling, any training.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import torch
from PIL import Image

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import ClassFolderDataset, list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import PackIndexOptions

JPEG_QUALITY = 75  # Pillow's default
CHANNELS = (3, 12, 48, 192)
BATCH = 32
PROFILES: tuple[Literal["fast", "small"], ...] = ("fast", "small")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ with JPEG pictures")
    parser.add_argument("--work", type=Path, required=True, help="folder for the pack, kept between calls")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--quality", type=int, default=60)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "learning.jsonl")
    options = parser.parse_args()
    common.pin_to_one_core()
    readers = all_readers(options)
    times: dict[str, list[float]] = {name: [] for name in readers}
    for number in range(1 + options.passes):
        for name, (read_all, items, _) in readers.items():
            start = time.process_time()
            read_all()
            if number:  # the first pass fills caches
                times[name].append((time.process_time() - start) / items)
    for name, (_, items, num_bytes) in readers.items():
        rates = sorted(1 / seconds for seconds in times[name])
        row = {
            "type": "loading",
            **common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch")),
            "dataset": options.data.name,
            "size": options.size,
            "quality": options.quality,
            "reader": name,
            "samples": items,
            "samples_per_second": statistics.median(rates),
            "lowest": rates[0],
            "highest": rates[-1],
            "bytes_per_sample": num_bytes / items,
        }
        common.append_row(options.results, row)
        print(
            f"{name:32} {row['samples_per_second']:8.0f} samples/s ({rates[0]:.0f} to {rates[-1]:.0f})  "
            f"{row['bytes_per_sample']:8.0f} bytes"
        )


Reader = tuple[Callable[[], object], int, int]  # of all items, their number, bytes of all


def all_readers(options: argparse.Namespace) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    for profile in PROFILES:
        packed = options.work / f"{options.data.name}-{options.size}-q{options.quality}-{profile}"
        archive.pack(
            options.data, packed, PackIndexOptions(quality=options.quality, size=options.size, profile=profile)
        )
        for channels in CHANNELS:
            latents = LatentDataset(packed, channels=channels, split="train")
            size = len(latents), sum(latents.bytes_per_item)
            name = "lcn" if profile == "small" else f"lcn {profile}"
            readers[f"{name}, {channels} channels"] = (in_batches(latents), *size)
            if profile == "small":
                readers[f"{name}, {channels} channels, one by one"] = (one_by_one(latents.__getitem__, size[0]), *size)
    folder = list_class_folder(options.data)
    pictures = ClassFolderDataset(folder, tuple(s for s in folder.samples if s.split == "train"), Framing(options.size))
    paths = [folder.root / sample.source for sample in pictures.samples]
    num_bytes = sum(pictures.bytes_per_item)
    quarter = options.size // 4
    small = [resized_jpeg(path, options.size) for path in paths]
    of_jpeg: dict[str, tuple[Callable[[int], object], int]] = {
        "jpeg, Pillow": (lambda i: from_jpeg(paths[i], options.size, draft=False), num_bytes),
        "jpeg, Pillow with draft": (lambda i: from_jpeg(paths[i], options.size, draft=True), num_bytes),
        "jpeg, Pillow with draft, 1/4": (lambda i: from_jpeg(paths[i], quarter, draft=True), num_bytes),
        "jpeg of that size, Pillow": (
            lambda i: from_jpeg(io.BytesIO(small[i]), options.size, draft=False),
            sum(map(len, small)),
        ),
    }
    for name, (read, count) in of_jpeg.items():
        readers[name] = (one_by_one(read, len(paths)), len(paths), count)
    return readers


def one_by_one(read: Callable[[int], object], items: int) -> Callable[[], object]:
    def read_all() -> None:
        for i in range(items):
            read(i)

    return read_all


def in_batches(latents: LatentDataset) -> Callable[[], object]:
    def read_all() -> None:
        for first in range(0, len(latents), BATCH):
            latents.tensors(range(first, min(first + BATCH, len(latents))))

    return read_all


def from_jpeg(source: Path | io.BytesIO, size: int, *, draft: bool) -> torch.Tensor:
    with Image.open(source) as picture:
        if draft:
            picture.draft("RGB", (size, size))
        upright = picture.convert("RGB")
    if upright.size != (size, size):
        side = min(upright.size)
        left, top = (upright.width - side) / 2, (upright.height - side) / 2
        box = (left, top, left + side, top + side)
        upright = upright.resize((size, size), Image.Resampling.BILINEAR, box=box)
    planes = np.ascontiguousarray(np.moveaxis(np.asarray(upright), -1, 0), np.float32)
    planes -= np.float32(127.5)
    planes /= np.float32(64)
    return torch.from_numpy(planes)


def resized_jpeg(path: Path, size: int) -> bytes:
    image = read_signal(path, "image", Framing(size))
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


if __name__ == "__main__":
    main()
