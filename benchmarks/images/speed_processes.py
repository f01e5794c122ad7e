"""Parts of the speed benchmark that start processes or use files: process, large, region."""

from __future__ import annotations

import io
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import common
import numpy as np
from mosaics import Mosaic
from turns import Spread, in_turns

from laconic.codecs.lcn import Lcn

WRAPPER = Path(__file__).with_name("measured_process.py")
LARGE_SIDES = (1000, 2000, 4000, 8000, 10_000, 20_000)
REGION_SIDE = 512
NUM_REGIONS = 12


def process_rows(picture: Path, folder: Path, num_rounds: int) -> list[common.Row]:
    """Rows "process": seconds from the start of a process to its end, files included; that of a Python which only loads
    numpy and Pillow stands beside them."""
    target, decoded = folder / "x.lcn", folder / "x.png"
    encode = ["-m", "laconic.tasks.cli", "encode", str(picture), "-o", str(target), "--force", "--quiet"]
    decode = ["-m", "laconic.tasks.cli", "decode", str(target), "-o", str(decoded), "--force", "--quiet"]
    commands = {
        f"laconic encode {picture.name}": encode,
        f"laconic encode {picture.name} --profile fast": [*encode, "--profile", "fast"],
        f"laconic decode {target.name}": decode,
        "python, imports alone": ["-c", "import numpy, PIL.Image"],
    }
    tasks = {label: [partial(_run, [sys.executable, *command])] for label, command in commands.items()}
    seconds = in_turns(tasks, num_rounds=num_rounds)
    return [
        {"kind": "process", "command": label, "runs": found.num_runs, "seconds": found.times(1, 4)}
        for label, found in seconds.items()
    ]


def large_rows(
    mosaic: Mosaic, folder: Path, *, sides: Sequence[int], num_rounds: int, profile: str = "small"
) -> list[common.Row]:
    """Rows "large": seconds and peak memory of whole processes on files of squares, and, of several sizes, rows "line": how
    far the time is from a straight line over the size. The .lcn files are left in the folder (`largest`)."""
    peaks: dict[tuple[str, int], int] = {}
    tasks = {}
    for side in sides:
        source, decoded = folder / f"big{side}.ppm", folder / f"out{side}.ppm"
        target = largest(folder, side, profile)
        mosaic.write_ppm(source, side, side)
        for verb, files, options in (
            ("encode", (source, target), ("--profile", profile)),
            ("decode", (target, decoded), ()),
        ):
            command = [*_measured(verb, files), *options]
            tasks[verb, side] = [partial(_run_measured, command, peaks, (verb, side))]
    seconds = in_turns(tasks, num_rounds=num_rounds)
    rows = []
    for (verb, side), found in seconds.items():
        row: common.Row = {"kind": "large", "profile": profile, "operation": verb, "mpix": side * side / 1e6}
        row |= {"runs": found.num_runs, "seconds": found.times(1, 4)}
        row |= {"peak_mb": round(peaks[verb, side] / 1e6, 1)}
        rows.append(row | {"bpp": round(8 * largest(folder, side, profile).stat().st_size / side**2, 4)})
    for side in sides:
        (folder / f"big{side}.ppm").unlink()
        (folder / f"out{side}.ppm").unlink()
    if len(sides) == 1:
        return rows
    return rows + [_line(verb, {side: seconds[verb, side] for side in sides}) for verb in ("encode", "decode")]


def largest(folder: Path, side: int, profile: str = "small") -> Path:
    """The file that `large_rows` left."""
    return folder / f"{profile}{side}.lcn"


def region_row(path: Path, num_rounds: int, profile: str = "small") -> common.Row:
    """The row "region": parts of 512 x 512 pixels at random places, from an open file in the system's cache, by a process
    that has decoded before. Bytes read are those that the system was asked for at the worst place, header and index
    included."""
    codec = Lcn()
    with path.open("rb") as file:
        height, width, _ = codec.open_area(file).shape
    random = np.random.default_rng(0)
    side = min(REGION_SIDE, height, width)
    corners = [
        (int(random.integers(width - side + 1)), int(random.integers(height - side + 1))) for _ in range(NUM_REGIONS)
    ]

    def decode(corner: tuple[int, int]) -> None:
        with path.open("rb") as file:
            codec.decode_area(file, region=(*corner, side, side))

    reads = []
    for corner in corners:
        raw = _CountingFile(path)
        with io.BufferedReader(raw) as file:
            codec.decode_area(file, region=(*corner, side, side))
        reads.append(raw.num_bytes)
    tasks = {corner: [partial(decode, corner)] for corner in corners}
    seconds = in_turns(tasks, num_rounds=num_rounds)
    medians = [found.median for found in seconds.values()]
    num_bytes = path.stat().st_size
    return {
        "kind": "region",
        "profile": profile,
        "mpix": height * width / 1e6,
        "side": side,
        "num_places": len(corners),
        "runs": num_rounds,
        "file_bytes": num_bytes,
        "read_percent": round(100 * max(reads) / num_bytes, 4),
        "milliseconds": {
            "median": round(1e3 * statistics.median(medians), 3),
            "worst": round(1e3 * max(medians), 3),
            "best": round(1e3 * min(medians), 3),
        },
    }


def plot(rows: Sequence[common.Row], path: Path) -> None:
    """Seconds over millions of pixels, with the straight lines."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 5), layout="constrained")
    for number, line in enumerate(row for row in rows if row["kind"] == "line"):
        points = [row for row in rows if row["kind"] == "large" and row["operation"] == line["operation"]]
        sizes, seconds = [row["mpix"] for row in points], [row["seconds"] for row in points]
        below = [s["median"] - s["best"] for s in seconds]
        above = [s["worst"] - s["median"] for s in seconds]
        medians, colour = [s["median"] for s in seconds], f"C{number}"
        panel.errorbar(sizes, medians, yerr=[below, above], fmt="o", color=colour, label=line["operation"])
        ends = np.geomspace(min(sizes), max(sizes))
        panel.plot(ends, line["seconds"] + line["seconds_per_mpix"] * ends, color=colour, linewidth=1)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel("millions of pixels")
    panel.set_ylabel("seconds of the whole process")
    panel.set_title(
        "Median and range over size; lines: a constant and so much per pixel", loc="left", fontsize="medium"
    )
    panel.legend(frameon=False)
    common.save_figure(figure, path)


def _line(verb: str, seconds: dict[int, Spread]) -> common.Row:
    """The straight line with the least squares of relative deviations from the medians."""
    sizes = np.array([side * side / 1e6 for side in seconds])
    medians = np.array([found.median for found in seconds.values()])
    slope, constant = np.polyfit(sizes, medians, 1, w=1 / medians)
    deviations = medians / (constant + slope * sizes) - 1
    return {
        "kind": "line",
        "operation": verb,
        "seconds": round(float(constant), 4),
        "seconds_per_mpix": round(float(slope), 6),
        "largest_deviation_percent": round(100 * float(np.abs(deviations).max()), 2),
        "deviations_percent": [round(100 * float(deviation), 2) for deviation in deviations],
    }


def _measured(verb: str, files: tuple[Path, Path]) -> list[str]:
    source, target = map(str, files)
    return [sys.executable, str(WRAPPER), verb, source, "-o", target, "--force", "--quiet"]


def _run_measured(command: Sequence[str], peaks: dict[tuple[str, int], int], key: tuple[str, int]) -> None:
    peaks[key] = max(peaks.get(key, 0), int(_run(command).split()[-1]))


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return done.stdout


class _CountingFile(io.FileIO):
    """A file that counts the bytes that a buffered reader takes from it."""

    num_bytes = 0

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer) or 0
        self.num_bytes += count
        return count

    def readall(self) -> bytes:
        data = super().readall()
        self.num_bytes += len(data)
        return data
