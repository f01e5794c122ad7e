"""What the speed benchmark is asked for, and what its rows say: rows "target"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import common
from contenders import AVIF, BEST, BEST_AT_HIGH_RATE, FAST, JPEG, SMALL, WEBP


@dataclass(frozen=True)
class Target:
    """`limit` is None where no number was asked for. `measured` by what was measured on: "kodak", "mosaic", "crops" or ""
    for none of them."""

    text: str
    unit: str
    limit: float | None
    at_most: bool
    measured: dict[str, float]


def target_rows(rows: Sequence[common.Row]) -> list[common.Row]:
    """One row for every target that anything was measured for."""
    return [{"kind": "target", **vars(target)} for target in _targets(rows) if target.measured]


def _targets(rows: Sequence[common.Row]) -> Iterator[Target]:
    codecs = {(row["data"], row["label"]): row for row in rows if row["kind"] == "codec"}

    def over(verb: str, label: str, peer: str) -> dict[str, float]:
        speeds = {key: row[f"{verb}_mpix_s"]["median"] for key, row in codecs.items()}
        found = dict.fromkeys(data for data, _ in codecs)
        return {data: round(speeds[data, label] / speeds[data, peer], 3) for data in found}

    def of(kind: str, value: Callable[[common.Row], float], **wanted: object) -> dict[str, float]:
        return {
            row.get("data", ""): value(row)
            for row in rows
            if row["kind"] == kind and all(row[name] == wish for name, wish in wanted.items())
        }

    for label, limits in ((FAST, (0.5, 0.8)), (SMALL, (0.1, 0.22))):
        for verb, limit in zip(("encode", "decode"), limits, strict=True):
            text = f"{verb}, {label.removeprefix('laconic ')} / JPEG quality 75"
            yield Target(text, "times", limit, False, over(verb, label, JPEG))
    for label, rate, slowest in ((BEST, 0.5, 3), (BEST_AT_HIGH_RATE, 2, 1)):
        for verb in ("encode", "decode"):
            speeds = of("codec", lambda row, verb=verb: float(row[f"{verb}_mpix_s"]["median"]), label=label)
            yield Target(f"{verb}, best near {rate:g} bpp", "MPix/s", slowest, False, speeds)
    yield Target("encode, small / WebP", "times", 3, False, over("encode", SMALL, WEBP))
    yield Target("encode, small / AVIF", "times", 12, False, over("encode", SMALL, AVIF))
    percent = of("bytes", lambda row: float(row["bytes_percent"]))
    yield Target("bytes of fast over optimised JPEG, equal PSNR", "%", -12, True, percent)
    for label, limit in ((FAST, 8), (SMALL, 2.5), (BEST, None)):
        name = label.removeprefix("laconic ")
        ratio = of("channels", lambda row: float(row["over_jpeg"]), label=label)
        yield Target(f"12 channels of {name} / JPEG decode", "times", limit, False, ratio)
    for label in (FAST, SMALL, BEST):
        share = of("scale", lambda row: float(row["share"]), label=label)
        yield Target(f"decode at 1/8, {label.removeprefix('laconic ')}, time of decode", "times", 0.25, True, share)
    for label in (FAST, SMALL, BEST):
        for verb in ("encode", "decode"):
            speedup = of("threads", lambda row: float(row["speedup"]), label=label, operation=verb)
            yield Target(f"2 threads, {verb}, {label.removeprefix('laconic ')}", "times", 1.7, False, speedup)
    yield from _of_processes(rows)


def _of_processes(rows: Sequence[common.Row]) -> Iterator[Target]:
    for row in rows:
        if row["kind"] == "process" and row["command"].startswith("laconic encode"):
            yield Target(f"`{row['command']}`", "s", 0.3, True, {"": row["seconds"]["median"]})
    # Rows that do not say so are of profile small.
    large = [{"profile": "small"} | row for row in rows if row["kind"] == "large"]
    most = max((row["mpix"] for row in large), default=0)
    for row in large:
        if row["mpix"] == most:
            text = f"peak memory, {row['operation']}, {row['profile']}, {most:.0f} MPix"
            yield Target(text, "MB", 1000, True, {"": row["peak_mb"]})
    for row in rows:
        if row["kind"] == "line":
            text = f"{row['operation']} time off a straight line over the size"
            yield Target(text, "%", None, True, {"": row["largest_deviation_percent"]})
        if row["kind"] == "region":
            profile = row.get("profile", "small")
            text = f"{row['side']} x {row['side']} pixels of {row['mpix']:.0f} MPix, {profile}"
            slowest = 300 if profile == "best" else 50
            yield Target(f"{text}, bytes read", "%", 2, True, {"": row["read_percent"]})
            yield Target(f"{text}, time", "ms", slowest, True, {"": row["milliseconds"]["median"]})
