"""Tables of the entropy coder: its speed among others, and what contexts save."""

from __future__ import annotations

from collections.abc import Sequence

import common


def entropy_table(rows: Sequence[common.Row]) -> str:
    """Per data set and coder: size over the ideal and speeds, fastest decoder first."""
    speeds = [row for row in rows if row["kind"] == "speed" and not row["coder"].startswith("memcpy")]
    lines = ["| data | coder | over ideal | encode | decode |", "|---|---|--:|--:|--:|"]
    for row in sorted(speeds, key=lambda row: (row["set"], -row["decode_mb_s"])):
        over = "" if row["overhead_percent"] is None else f"{row['overhead_percent']:+.3f} %"
        cells = [row["set"], row["coder"], over, *(_symbol_speed(row, verb) for verb in ("encode", "decode"))]
        lines.append("| " + " | ".join(cells) + " |")
    first = rows[0]
    caption = (
        "Data a: 16 million int8 of 12 distributions, b: 4 million with one of 64 Gaussians each, c: 1,000 arrays of 12 x "
        "256, in microseconds each; the others in millions of symbols per second. Over ideal: bytes of the very run, all "
        f"counted, over the code length under the unrounded distributions. Medians of {speeds[0]['rounds']} rounds, all "
        f"coders in turn, on {first['machine']['cpu']}; {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def contexts_table(rows: Sequence[common.Row]) -> str:
    """Bytes with and without contexts at equal integers, then speeds by instruction set."""
    lines = ["| integers | step code | static tables, bpp | contexts, bpp | saved |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        if row["kind"] == "size":
            integers = "plain rounding" if row["effort"] == 0 else "optimised"
            sizes = f"{row['bpp_static']:.3f} | {row['bpp_contexts']:.3f} | {row['saved_percent']:.1f} %"
            lines.append(f"| {integers} | {row['step_code']} | {sizes} |")
    lines += ["", "| instruction set | encode | decode | 12 channels of 224 x 224, 32 lanes |", "|---|--:|--:|--:|"]
    thumbnails = {row["level"]: row for row in rows if row["kind"] == "thumbnails" and row["lanes"] == 32}
    for row in rows:
        if row["kind"] == "speed":
            number = f"{thumbnails[row['level']]['decode_images_s']:,} pictures/s"
            speeds = f"{row['encode_m_symbols_s']:.0f} | {row['decode_m_symbols_s']:.0f}"
            lines.append(f"| {row['level']} | {speeds} | {number} |")
    first = rows[0]
    caption = (
        f"Whole files of {first['num_images']} pictures (kodak), the same integers in both columns. Speeds in millions of "
        f"coded symbols per second, one thread, contexts included, on {first['machine']['cpu']}; {first['date'][:10]}, "
        f"commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def _symbol_speed(row: common.Row, verb: str) -> str:
    if row["num_messages"] > 1:
        return f"{row[f'{verb}_seconds']['median'] / row['num_messages'] * 1e6:.2f}"
    return f"{row[f'{verb}_mb_s']:,.0f}"
