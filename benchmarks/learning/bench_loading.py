"""Items per second into a training loop: packs of latents against the same squares as JPEG files and in other forms.

    python benchmarks/learning/bench_loading.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures; it is repeated until there are `--items`, and the centre
square of `--size` pixels of each is packed (with 12 and with 48 channels, as trained from) and stored as JPEG, as raw
pixels, and as JPEG in tar shards. Timed: whole shuffled epochs from files in the page cache to float32 batches of 64 that
are ready for a model, normalised, in processor time of one thread, the readers taking turns; then, in wall time, on two
cores: two decoding threads against two worker processes of `DataLoader`. An epoch from a cold cache is stated. Not timed:
making the files, opening the index, training. `LACONIC_SIMD=avx2` measures with the kernels of AVX2.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import loading_readers as readers
import torch
from loading_readers import Reader, drain

from laconic.entropy import simd
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_index import PackIndexOptions

PACKAGES = ("laconic", "numpy", "pillow", "simplejpeg", "torch", "webdataset")
PACKS = (("fast", 12), ("fast", 48), ("small", 12))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is read, kept between calls")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--quality", type=int, default=20, help="of the packs, of about the loss of better ones")
    parser.add_argument("--jpeg-quality", type=int, default=20, help="of the squares, of about equal loss")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "loading.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = repeated(options)
    squares = readers.write_squares(
        sources, options.work / f"squares-{options.size}", options.size, options.jpeg_quality
    )
    packs = {key: packed(options, *key) for key in PACKS}
    cores = os.sched_getaffinity(0)
    common.pin_to_one_core()
    alone = one_thread(options, packs, squares, sources)
    record(options, alone, time.process_time, "processor, one core")
    cold = next(reader for reader in alone if reader.name == "lcn fast, 12 channels")
    forget(packs["fast", 12])
    record(options, [cold], time.perf_counter, "wall, cold page cache", warm=False)
    os.sched_setaffinity(0, cores)
    record(options, two_cores(packs, squares[0]), time.perf_counter, "wall, two cores")


def one_thread(
    options: argparse.Namespace,
    packs: dict[tuple[str, int], Path],
    squares: tuple[list[Path], Path, list[Path]],
    sources: list[Path],
) -> list[Reader]:
    paths, raw, shards = squares
    found = [
        readers.lcn_reader(f"lcn {profile}, {channels} channels{text}", pack, channels, augmented=augmented)
        for (profile, channels), pack in packs.items()
        for augmented, text in ((False, ""), (True, ", flips and crops"))
    ]
    q = options.jpeg_quality
    return [
        *found,
        readers.jpeg_reader(f"jpeg quality {q}, Pillow", paths, options.size, readers.by_pillow),
        readers.jpeg_reader(f"jpeg quality {q}, libjpeg-turbo", paths, options.size, readers.by_turbo),
        readers.webdataset_reader(f"jpeg quality {q}, WebDataset", shards, len(paths)),
        readers.draft_reader("stored originals, Pillow with draft", sources, options.size),
        readers.memmap_reader("raw pixels, memory map", raw, options.size),
    ]


def two_cores(packs: dict[tuple[str, int], Path], paths: list[Path]) -> list[Reader]:
    found = [
        readers.lcn_reader(
            f"lcn fast, {channels} channels, {count} threads", packs["fast", channels], channels, num_threads=count
        )
        for channels in (12, 48)
        for count in (1, 2)
    ]
    num_bytes = sum(path.stat().st_size for path in paths)
    loader = torch.utils.data.DataLoader(
        readers.JpegItems(paths), readers.BATCH, shuffle=True, num_workers=2, persistent_workers=True
    )
    return [*found, Reader("jpeg, Pillow, DataLoader of 2 processes", len(paths), num_bytes, lambda: loader)]


def record(
    options: argparse.Namespace, found: list[Reader], clock: Callable[[], float], what: str, *, warm: bool = True
) -> None:
    """Time epochs, the readers taking turns, and append their rows."""
    times: dict[str, list[float]] = {reader.name: [] for reader in found}
    for number in range(int(not warm), 1 + (options.passes if warm else 1)):
        for reader in found:
            start = clock()
            assert drain(reader.epoch()) == reader.num_items
            if number or not warm:  # the first epoch fills caches
                times[reader.name].append((clock() - start) / reader.num_items)
    for reader in found:
        rates = sorted(1 / seconds for seconds in times[reader.name])
        row = {
            "type": "loading",
            **common.provenance(options.reason, packages=PACKAGES),
            "simd": simd.current(),
            "dataset": options.data.name,
            "size": options.size,
            "quality": options.quality,
            "jpeg_quality": options.jpeg_quality,
            "clock": what,
            "reader": reader.name,
            "samples": reader.num_items,
            "samples_per_second": statistics.median(rates),
            "lowest": rates[0],
            "highest": rates[-1],
            "bytes_per_sample": reader.num_bytes / reader.num_items,
        }
        common.append_row(options.results, row)
        speeds = f"{row['samples_per_second']:8.0f}/s ({rates[0]:.0f} to {rates[-1]:.0f})"
        print(f"{what:22} {reader.name:40} {speeds}  {row['bytes_per_sample']:8.0f} bytes")


def repeated(options: argparse.Namespace) -> list[Path]:
    """Links to the pictures, each as often as it takes to have so many, in class folders."""
    folder: Path = options.work / "repeated"
    originals = sorted(path for path in options.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for i in range(-(-options.items // len(originals))):
        for path in originals:
            link = folder / path.parent.relative_to(options.data) / f"{i}-{path.name}"
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(path.resolve())
    return sorted(folder.rglob("*.*"))


def packed(options: argparse.Namespace, profile: str, channels: int) -> Path:
    folder: Path = options.work / f"pack-{options.size}-q{options.quality}-{profile}-{channels}"
    chosen = PackIndexOptions(quality=options.quality, size=options.size, profile=profile, channels=channels)  # type: ignore[arg-type]
    archive.pack(options.work / "repeated", folder, chosen)
    return folder


def forget(folder: Path) -> None:
    """Ask the system to drop the files from its cache."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    main()
