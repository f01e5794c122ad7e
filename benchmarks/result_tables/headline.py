"""The README's one table: six promises, ours beside JPEG, WebP and AVIF."""

from __future__ import annotations

import math
from collections.abc import Sequence

import common

from result_tables.cell_text import percent, speed
from result_tables.learning_task_tables import ahead_of, best_pixels, interval_of, newest_summaries
from result_tables.loading_tables import ONE_CORE, OURS, jpeg_row, newest_loading
from result_tables.picture_tables import NEAR_BPP

PEERS = ("jpeg", "webp", "avif")
_CURVES = {"webp": "webp:method=6"}  # what stands for a peer in the report
MINUS = "\N{MINUS SIGN}"


def headline_table(
    learning: Sequence[common.Row],
    quality: Sequence[common.Row],
    rd: Sequence[common.Row],
    speeds: Sequence[common.Row],
    loading: Sequence[common.Row],
) -> str:
    """From the rows of learning, machine quality, rate and distortion, speed, and loading."""
    lines = [
        "| | laconic | JPEG | WebP | AVIF |",
        "|---|--:|--:|--:|--:|",
        _loading_line(loading),
        _learning_line(learning),
        _loss_line("points of top-1 accuracy lost, ImageNet photographs", "imagenet", quality),
        _loss_line("points of mean IoU lost, CamVid", "segmentation", quality),
        _bytes_line(rd),
        _speed_line(speeds),
    ]
    return "\n".join([*lines, "", _caption(_headline_loading(loading)[0], learning, rd, speeds), ""])


def _line(text: str, *cells: str) -> str:
    return f"| {text} | {' | '.join(cells)} |"


def _loading_line(rows: Sequence[common.Row]) -> str:
    found = _headline_loading(rows)
    ours, jpeg = next(row for row in found if row["reader"] == OURS), jpeg_row(found)
    text = f"pictures/s into a training loop, {ours['size']} pixels wide, one core"
    return _line(text, *(f"{row['samples_per_second']:,.0f}" for row in (ours, jpeg)), "", "")


def _headline_loading(rows: Sequence[common.Row]) -> list[common.Row]:
    """Of the smallest size, by the kernels that most processors have."""
    newest = [row for row in newest_loading(rows) if row["clock"] == ONE_CORE]
    wanted = min((row["size"], row["simd"] != "avx2", row["simd"]) for row in newest)
    return [row for row in newest if (row["size"], row["simd"] != "avx2", row["simd"]) == wanted]


def _learning_line(rows: Sequence[common.Row]) -> str:
    latents, best, _ = _learned(rows)
    text = f"accuracy of one network on clothing10 (n {latents['items']}): {latents['input']}, {best['input']}"
    return _line(text, interval_of(latents), interval_of(best), "", "")


def _learned(rows: Sequence[common.Row]) -> tuple[common.Row, common.Row, common.Row | None]:
    """Of clothing10: latents, the best arm of pixels, and the same arm at the processor time of latents."""
    own = [row for row in newest_summaries(rows, ("full", "short")) if row["dataset"] == "clothing10"]
    latents = next(row for row in own if row["arm"] == "latents")
    best = best_pixels(own)
    assert best is not None
    shorter = (row for row in own if (row["arm"], row["variant"]) == (best["arm"], "equal time"))
    return latents, best, next(shorter, None)


def _learning_sentence(rows: Sequence[common.Row]) -> str:
    """How far latents are ahead, worded by the interval."""
    _, best, shorter = _learned(rows)
    times = f"{_said(best)} at equal epochs"
    if shorter is not None:
        times += f", {_said(shorter)} at equal processor time with loading"
    return f"Learned on latents, the network is {times} (points of accuracy)."


def _said(row: common.Row) -> str:
    _, low, high = row[f"{row['score_name']}_latents_ahead"]
    word = "ahead of pixels" if low > 0 else "behind pixels" if high < 0 else "not told apart from pixels"
    return f"{word} ({ahead_of(row)})"


def _loss_line(text: str, task: str, rows: Sequence[common.Row]) -> str:
    cells = []
    for curve in ("lcn", *PEERS):
        found = [row for row in rows if row["task"] == task and row["curve"] in (curve, _CURVES.get(curve))]
        near = min(found, key=lambda row: abs(math.log(row["rate"] / NEAR_BPP)))
        lost, most, least = (-100 * value for value in (near["difference"], *near["difference_interval"]))
        cells.append(f"{lost:.0f} [{least:.0f}, {most:.0f}] at {near['rate']:.2f} bpp")
    return _line(text, *cells)


def _bytes_line(rows: Sequence[common.Row]) -> str:
    rates = {row["anchor"]: row for row in rows if row["type"] == "bd" and row["test"] == "laconic linear"}
    return _line(
        "bytes of ours at equal PSNR, Kodak", "", *(percent(rates[peer]["bd_rate_psnr_db_percent"]) for peer in PEERS)
    )


def _speed_line(rows: Sequence[common.Row]) -> str:
    cells = []
    for label in ("laconic small", "JPEG quality 75", "WebP", "AVIF"):
        row = _codec_row(rows, label)
        cells.append(" / ".join(speed(row[f"{verb}_mpix_s"]["median"]) for verb in ("encode", "decode")))
    return _line("encode / decode, MPix/s, one core", *cells)


def _codec_row(rows: Sequence[common.Row], label: str) -> common.Row:
    return next(row for row in rows if row["kind"] == "codec" and (row["data"], row["label"]) == ("kodak", label))


def _caption(
    loading: common.Row, learning: Sequence[common.Row], rd: Sequence[common.Row], speeds: Sequence[common.Row]
) -> str:
    sources = {
        "loading": loading,
        "learning": _learned(learning)[0],
        "bytes": rd[0],
        "speed": _codec_row(speeds, "laconic small"),
    }
    when = ", ".join(f"{name} {row['date'][:10]} ({row['commit']})" for name, row in sources.items())
    machines = sorted({row["machine"]["cpu"] for row in sources.values()})
    return (
        f"{_learning_sentence(learning)} Brackets: 95 % intervals over test items, of learning also over seeds. JPEG is "
        f"loaded at that size through Pillow. Measured on {' and '.join(machines)}: {when}."
    )
