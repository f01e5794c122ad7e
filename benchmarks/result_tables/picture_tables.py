"""Tables of pictures: rate and distortion, the published baseline, first channels, projections."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import common

from result_tables.cell_text import decibels, percent, speed

NEAR_BPP = 0.5


def rd_table(rows: Sequence[common.Row]) -> str:
    """Per codec: BD-rates of ours against it, and its setting nearest to 0.5 bits per pixel (on a log scale)."""
    return _rd_table(rows, with_speed=True)


def rd_unseen_table(rows: Sequence[common.Row]) -> str:
    """As `rd_table`, without speeds: the pictures are small."""
    return _rd_table(rows, with_speed=False)


def _rd_table(rows: Sequence[common.Row], *, with_speed: bool) -> str:
    settings = [row for row in rows if row["type"] == "rd"]
    bd_rows = {(row["test"], row["anchor"]): row for row in rows if row["type"] == "bd"}
    tests = list(dict.fromkeys(test for test, _ in bd_rows))
    names = ["ours", *(test.removeprefix("laconic ") for test in tests[1:])]
    rates = [f"BD-rate of {name} to it, PSNR | MS-SSIM" for name in names]
    speeds = ["encode", "decode"] if with_speed else []
    lines = [
        f"| {' | '.join(['codec', *rates, 'near 0.5 bpp', 'bpp', 'PSNR dB', 'MS-SSIM', *speeds])} |",
        f"|---|{'--:|--:|' * len(rates)}---|--:|--:|--:|{'--:|' * len(speeds)}",
    ]
    for label in dict.fromkeys(row["label"] for row in settings):
        near = min(
            (row for row in settings if row["label"] == label), key=lambda row: abs(math.log(row["bpp"] / NEAR_BPP))
        )
        found = [bd_rows.get((test, label), {}) for test in tests or [""]]
        cells = [
            label,
            *(percent(bd.get(f"bd_rate_{metric}_percent")) for bd in found for metric in ("psnr_db", "ms_ssim_db")),
            f"`{near['codec']}`",
            f"{near['bpp']:.3f}",
            f"{near['psnr_db']:.2f}",
            f"{near['ms_ssim']:.4f}",
            *(speed(near[f"{verb}_mpix_s"]) for verb in speeds),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _caption(rows, with_speed=with_speed), ""])


def pictures_table(rows: Sequence[common.Row]) -> str:
    """Picture by picture: profile best against each peer, over the usual rates and at the least."""
    found = {(row["anchor"], row["picture"], row["test"]): row for row in rows if row["type"] == "bd_picture"}
    tests = list(dict.fromkeys(test for _, _, test in found))
    one = next(iter(found.values()))
    least = f"at {one['least_bpp']:g} bpp"
    heads = [f"{test.removeprefix('laconic ')} | {least}" for test in tests]
    lines = [f"| picture, against | {' | '.join(heads)} |", f"|---|{'--:|--:|' * len(tests)}"]
    for anchor in dict.fromkeys(anchor for anchor, _, _ in found):
        of_anchor = [picture for other, picture, _ in found if other == anchor]
        for picture in dict.fromkeys(of_anchor):
            cells = [f"{picture}, {anchor}"]
            for test in tests:
                row = found[anchor, picture, test]
                cells += [percent(row["bd_rate_psnr_db_percent"]), percent(row["bytes_at_least_bpp_percent"])]
            lines.append(f"| {' | '.join(cells)} |")
        cells = [f"mean, {anchor}"]
        for test in tests:
            for field in ("bd_rate_psnr_db_percent", "bytes_at_least_bpp_percent"):
                values = [row[field] for (other, _, one), row in found.items() if (other, one) == (anchor, test)]
                cells.append(percent(statistics.fmean(values)))
        lines.append(f"| {' | '.join(cells)} |")
    caption = (
        f"PSNR BD-rate over {one['low_bpp']:g}-{one['high_bpp']:g} bpp, and bytes more for what the peer reaches {least}; "
        f"negative: our files are smaller. {one['date'][:10]}, commit {one['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def walloc_table(rows: Sequence[common.Row]) -> str:
    """The baseline as it was measured and published, then ours at its bytes and at its PSNR."""
    lines = ["| baseline | bpp | PSNR dB | MS-SSIM | encode | decode |", "|---|--:|--:|--:|--:|--:|"]
    for row in (row for row in rows if row["type"] in ("walloc", "published")):
        cells = [row["label"], f"{row['bpp']:.3f}", f"{row['psnr_db']:.2f}", "", "", ""]
        if row["type"] == "walloc":
            cells[3:] = [f"{row['ms_ssim']:.4f}", *(speed(row[f"{verb}_mpix_s"]) for verb in ("encode", "decode"))]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| against | ours | channels | PSNR at equal bytes | difference | asked | bytes at equal PSNR |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in (row for row in rows if row["type"] == "comparison"):
        (_, most_bpp), (_, most_db) = row["reach"]["bpp"], row["reach"]["psnr_db"]
        at_bytes, gain, at_psnr = "not so few bytes", "", percent(row["bytes_percent"])
        if row["psnr_db_at_bytes"] is not None:
            at_bytes, gain = f"{row['psnr_db_at_bytes']:.2f} dB", decibels(row["gain_db"])
        elif row["bpp"] > most_bpp:
            at_bytes = f"not so many bytes: {most_bpp:.3f} bpp at most"
        if row["bytes_percent"] is None:
            at_psnr = f"not reached: {most_db:.2f} dB at most" if row["psnr_db"] > most_db else "not so low"
        asked = "" if row["target_db"] is None else f"\N{GREATER-THAN OR EQUAL TO} {decibels(row['target_db'])}"
        against = f"{row['against']}: {row['bpp']:.3f} bpp, {row['psnr_db']:.2f} dB"
        lines.append(f"| {against} | {row['ours']} | {row['channels']} | {at_bytes} | {gain} | {asked} | {at_psnr} |")
    trained = next(row for row in rows if row["type"] == "walloc")
    caption = (
        f"Trained here and ours beside it: means over the first {trained['num_images']} pictures ({trained['dataset']}); "
        f"medians of speed in MPix/s on one core of {trained['machine']['cpu']}. Published: as the authors give it, over "
        "all pictures as ours beside it. The baseline trained here has "
        f"{trained['num_parameters'] / 1e6:.1f} million parameters, {trained['weights_bytes'] / 1e6:.0f} MB. Ours between "
        "its measured settings: PSNR is taken as linear over the logarithm of the rate. "
        f"{trained['date'][:10]}, commit {trained['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def channels_table(rows: Sequence[common.Row]) -> str:
    """By number of first channels: rate and PSNR of both syntheses, for each quality."""
    found = {(row["quality"], row["synthesis"], row["channels"]): row for row in rows}
    qualities = list(dict.fromkeys(row["quality"] for row in rows))
    heads = [f"quality {quality}, bpp | linear, dB | neural, dB" for quality in qualities]
    lines = [f"| channels | {' | '.join(heads)} |", f"|--:|{'--:|--:|--:|' * len(qualities)}"]
    for channels in dict.fromkeys(row["channels"] for row in rows):
        cells = [str(channels)]
        for quality in qualities:
            linear, neural = (found[quality, synthesis, channels] for synthesis in ("linear", "neural"))
            cells += [f"{linear['bpp']:.3f}", f"{linear['psnr_db']:.2f}", f"{neural['psnr_db']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    first = rows[0]
    caption = (
        f"Files that hold the first channels only, both decoded. Means over {first['num_images']} pictures "
        f"({first['dataset']}); {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def projections_table(rows: Sequence[common.Row]) -> str:
    """What each projection costs in bytes and multiplications, and what its first channels are worth."""
    first = rows[0]
    lines = [
        "| projection | files of `small` | of `fast` | multiply-adds a pixel "
        f"| bpp of {first['channels']} channels | PSNR dB of them |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        rates = " | ".join(percent(row[f"bd_rate_{profile}_percent"]) for profile in ("small", "fast"))
        sizes = f"{row['bpp_of_channels']:.3f} | {row['psnr_db_of_channels']:.2f}"
        lines.append(f"| {row['projection']} | {rates} | {row['multiply_adds_a_pixel']:.0f} | {sizes} |")
    caption = (
        f"Models fitted alike to {first['num_pictures']} photographs, measured on {first['num_images']} others (kodak); "
        f"files: BD-rate to those of `leaf`, PSNR; channels at one step. {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def _caption(rows: Sequence[common.Row], *, with_speed: bool) -> str:
    first = rows[0]
    bd = next((row for row in rows if row["type"] == "bd"), None)
    limits = f"BD-rate over {bd['low_bpp']:g}-{bd['high_bpp']:g} bpp, negative: our files are smaller. " if bd else ""
    speeds = f"; medians of speed in MPix/s on one core of {first['machine']['cpu']}" if with_speed else ""
    return (
        f"{limits}Means over {first['num_images']} pictures ({first['dataset']}){speeds}; {first['date'][:10]}, "
        f"commit {first['commit']}."
    )
