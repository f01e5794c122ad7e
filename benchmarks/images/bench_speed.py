"""Speed of our image codec and its peers, of its stages, and of whole processes on files of any size.

    python benchmarks/images/bench_speed.py --data ../shared/data [--parts codecs,bytes,...] [--plot FILE.png] [--quick]

Parts, and the rows each makes:
- codecs: whole encoders and decoders, array in memory to bytes in memory and back, one thread; rate and PSNR of the very
  files beside. Of Pillow's codecs, from a Pillow image to a buffer, and back to a Pillow image that is loaded.
- bytes: profile fast against optimised progressive JPEG at equal PSNR. Nothing is timed.
- stages: pixels to integers, packing, unpacking, synthesis, beside a copy of the bytes that each must read and write.
- channels: the latent's first 12 channels, in batches, beside decoding JPEG.
- scale: decoding at 1/8, beside decoding all.
- threads: a picture by one thread and by two; the only part that leaves the one core. It wants an idle machine.
- process: `laconic encode` of a Kodak picture from start to exit.
- large: files of 1 to 400 million pixels, row by row, as processes: seconds and peak memory; and 512 x 512 pixels of the
  largest. Takes 4 GB of disk for a while.
- large_best: the largest of these in profile best, once. Minutes.

"kodak": the 24 pictures, each on its own, times added up. "mosaic": the same pictures in one of 28 million pixels. "crops":
the middle of each, of 224 pixels a side. All tasks of a part alternate (turns.py). Not timed: reading pictures, models, the
first call. Rows of parts that are left out stay in the file; the rows "target", which benchmarks/README.md shows, are made
of all. About 15 minutes; with LACONIC_SIMD=avx2 in the environment, what most processors can do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import mosaics
import speed_parts
import speed_processes
from mosaics import DataSet, Mosaic
from speed_stages import stage_rows
from speed_targets import target_rows

from laconic.codecs.media import Image
from laconic.entropy import simd

MOSAIC_MPIX = 20
CROP_SIDE = 224
QUICK_IMAGES, QUICK_MOSAIC_MPIX, QUICK_SIDES = 2, 1, (400, 800)
PROCESS_PICTURE = "kodim05.png"


@dataclass(frozen=True)
class Run:
    """What is measured, and how often."""

    options: argparse.Namespace
    folder: Path

    @property
    def num_rounds(self) -> int:
        return 1 if self.options.quick else self.options.rounds

    @property
    def sides(self) -> tuple[int, ...]:
        return QUICK_SIDES if self.options.quick else speed_processes.LARGE_SIDES

    @cached_property
    def kodak(self) -> DataSet:
        return mosaics.read(self.options.data / "kodak", QUICK_IMAGES if self.options.quick else None)

    @cached_property
    def endless(self) -> Mosaic:
        return Mosaic(self.kodak.images)

    @cached_property
    def mosaic(self) -> DataSet:
        megapixels = QUICK_MOSAIC_MPIX if self.options.quick else MOSAIC_MPIX
        return DataSet("mosaic", (Image(self.endless.natural(megapixels)),))

    @property
    def data_sets(self) -> tuple[DataSet, DataSet]:
        return self.kodak, self.mosaic


def _codecs(run: Run) -> Iterator[common.Row]:
    for data in run.data_sets:
        yield from speed_parts.codec_rows(data, run.num_rounds)


def _bytes(run: Run) -> Iterator[common.Row]:
    yield from speed_parts.bytes_rows(run.kodak)


def _stages(run: Run) -> Iterator[common.Row]:
    for data in run.data_sets:
        yield from stage_rows(data, run.num_rounds)


def _channels(run: Run) -> Iterator[common.Row]:
    for data in (*run.data_sets, mosaics.crops(run.kodak, CROP_SIDE)):
        yield from speed_parts.channel_rows(data, run.num_rounds)


def _scale(run: Run) -> Iterator[common.Row]:
    for data in run.data_sets:
        yield from speed_parts.scale_rows(data, run.num_rounds)


def _threads(run: Run) -> Iterator[common.Row]:
    yield from speed_parts.thread_rows(run.mosaic, run.num_rounds)


def _process(run: Run) -> Iterator[common.Row]:
    folder = run.options.data / "kodak"
    picture = folder / PROCESS_PICTURE if (folder / PROCESS_PICTURE).exists() else sorted(folder.glob("*.png"))[0]
    yield from speed_processes.process_rows(picture, run.folder, run.num_rounds)


def _large(run: Run) -> Iterator[common.Row]:
    rows = speed_processes.large_rows(run.endless, run.folder, sides=run.sides, num_rounds=run.num_rounds)
    if run.options.plot:
        speed_processes.plot(rows, run.options.plot)
    yield from rows
    yield speed_processes.region_row(speed_processes.largest(run.folder, max(run.sides)), run.num_rounds)


def _large_best(run: Run) -> Iterator[common.Row]:
    side = max(run.sides)
    yield from speed_processes.large_rows(run.endless, run.folder, sides=(side,), num_rounds=1, profile="best")
    yield speed_processes.region_row(speed_processes.largest(run.folder, side, "best"), run.num_rounds, profile="best")


PARTS: dict[str, Callable[[Run], Iterator[common.Row]]] = {
    "codecs": _codecs,
    "bytes": _bytes,
    "stages": _stages,
    "channels": _channels,
    "scale": _scale,
    "threads": _threads,
    "process": _process,
    "large": _large,
    "large_best": _large_best,
}


def main() -> None:
    options = _parse_arguments()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"--parts has {', '.join(sorted(unknown))}; allowed are {', '.join(PARTS)}")
    common.pin_to_one_core()
    source = common.provenance(options.reason) | {"quick": options.quick, "simd": simd.current()}
    source["versions"] |= _codec_versions()
    with tempfile.TemporaryDirectory(dir=options.temp) as folder:
        out = options.out or (Path(folder) if options.quick else common.RESULTS) / "speed.jsonl"
        old = common.read_rows(out) if out.exists() else []
        rows = [row for row in old if row.get("part") in set(PARTS) - set(parts)]
        run = Run(options, Path(folder))
        for part in parts:
            start, load = time.monotonic(), round(os.getloadavg()[0], 2)
            found = [{"part": part} | row | {"load": load} | source for row in PARTS[part](run)]
            rows = [*rows, *found]
            common.write_rows(out, rows + [row | source for row in target_rows(rows)])
            print(f"{part}: {len(found)} rows in {time.monotonic() - start:.0f} s, load before {load}", file=sys.stderr)
    for row in target_rows(rows):
        asked = "" if row["limit"] is None else f"{'<=' if row['at_most'] else '>='} {row['limit']:g}"
        measured = ", ".join(f"{data} {value:g}".strip() for data, value in row["measured"].items())
        print(f"{row['text']:60} {asked:8} {row['unit']:6} {measured}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds kodak/")
    parser.add_argument("--parts", default=",".join(PARTS), help="which of them, separated by commas")
    parser.add_argument("--rounds", type=int, default=11, help="runs of each task, fewer of those that take long")
    parser.add_argument("--out", type=Path, help="file to write the rows to; results/speed.jsonl, or none if --quick")
    parser.add_argument("--plot", type=Path, help="file to draw time over size to")
    parser.add_argument("--temp", type=Path, help="folder for large files; the system's if not given")
    parser.add_argument("--quick", action="store_true", help="two small pictures, one run: whether it works at all")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    return parser.parse_args()


def _codec_versions() -> dict[str, str | None]:
    from PIL import features

    return {name: features.version(name) for name in ("libjpeg_turbo", "webp", "avif")}


if __name__ == "__main__":
    main()
