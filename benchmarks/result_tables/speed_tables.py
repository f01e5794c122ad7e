"""Tables of speed: codecs of pictures, the neural synthesis, the start of the command line."""

from __future__ import annotations

from collections.abc import Sequence

import common

from result_tables.cell_text import speed_and_range, target_lines


def speed_table(rows: Sequence[common.Row]) -> str:
    """What was asked for beside what was measured, then codecs by speed, rate and PSNR on two sets of pictures."""
    lines = ["| speed of `laconic` | asked | Kodak | mosaic | 224 px |", "|---|--:|--:|--:|--:|"]
    lines += target_lines(rows, ("kodak", "mosaic", "crops"))
    lines += ["", "| pictures | codec | setting | bpp | PSNR dB | encode | decode |", "|---|---|---|--:|--:|--:|--:|"]
    for row in (row for row in rows if row["kind"] == "codec"):
        speeds = " | ".join(speed_and_range(row[f"{verb}_mpix_s"]) for verb in ("encode", "decode"))
        sizes = f"{row['bpp']:.3f} | {row['psnr_db']:.2f}"
        lines.append(f"| {row['data']} | {row['label']} | `{row['codec']}` | {sizes} | {speeds} |")
    rows = [row for row in rows if row["kind"] != "stage"]  # of which the table shows nothing
    newest, commits = max(rows, key=lambda row: row["date"]), ", ".join(dict.fromkeys(row["commit"] for row in rows))
    machines = " and ".join(dict.fromkeys(row["machine"]["cpu"] for row in rows))
    caption = (
        "Kodak: 24 pictures, each on its own; mosaic: one picture of them all; 224 px: the middle of each. Speeds in "
        f"MPix/s, medians and their range over the runs, on one core of {machines} with {newest['simd']} but "
        f"for the rows of 2 threads; {newest['date'][:10]}, commits {commits}."
    )
    return "\n".join([*lines, "", caption, ""])


def neural_table(rows: Sequence[common.Row]) -> str:
    """What was asked of the neural synthesis beside what was measured."""
    lines = ["| decoding | asked | Kodak | mosaic |", "|---|--:|--:|--:|", *target_lines(rows)]
    first = rows[0]
    decode = next(row for row in rows if row["kind"] == "decode")
    caption = (
        f"Kodak: pictures each on its own; mosaic: one picture of them all. Bytes in memory to an array, quality "
        f"{decode['quality']}, float32, medians of {decode['runs']} runs of processes held to so many cores of "
        f"{first['machine']['cpu']}. Memory is the peak of a process with torch in it. {first['date'][:10]}, commit "
        f"{first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def start_table(rows: Sequence[common.Row]) -> str:
    """Milliseconds of whole processes, those that do nothing first."""
    lines = ["| process | median ms | range | of the processor |", "|---|--:|--:|--:|"]
    for row in rows:
        times = row["milliseconds"]
        span, used = f"{times['best']:.0f}-{times['worst']:.0f}", row["processor_milliseconds"]
        lines.append(f"| `{row['command']}` | {times['median']:.0f} | {span} | {used:.0f} |")
    first = rows[0]
    caption = (
        f"{first['runs']} runs of each, in turns, held to one core of {first['machine']['cpu']}, Python "
        f"{first['versions']['python']}; {first['date'][:10]}, commit {first['commit']}. {first['reason']}."
    )
    return "\n".join([*lines, "", caption, ""])
