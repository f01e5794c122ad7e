"""Tables of datasets: batches of packs beside those of JPEG pictures, bytes at equal loss, and packing."""

from __future__ import annotations

from collections.abc import Sequence

import common

ONE_CORE = "processor, one core"
OURS, PILLOW = "lcn fast, 12 channels", "Pillow"


def newest_loading(rows: Sequence[common.Row]) -> list[common.Row]:
    """The rows of the last run of the loading benchmark of each size and set of kernels."""
    last = {(row["size"], row["simd"]): row["commit"] for row in rows if row["type"] == "loading"}
    return [row for row in rows if row["type"] == "loading" and row["commit"] == last[row["size"], row["simd"]]]


def jpeg_row(rows: Sequence[common.Row]) -> common.Row:
    """Of JPEG pictures of that size through Pillow."""
    return next(row for row in rows if row["reader"].startswith("jpeg") and row["reader"].endswith(PILLOW))


def loading_table(rows: Sequence[common.Row]) -> str:
    """Per reader, size and kernels: items a second of one core, times what Pillow's JPEG gives, and bytes on disk."""
    found = newest_loading(rows)
    parts = []
    for size, simd in sorted({(row["size"], row["simd"]) for row in found}):
        own = [row for row in found if (row["size"], row["simd"]) == (size, simd)]
        parts += [f"{size} pixels wide and high, kernels of {simd}:", "", *_loading_lines(own), "", _caption(own), ""]
    return "\n".join(parts)


def _loading_lines(rows: Sequence[common.Row]) -> list[str]:
    alone = [row for row in rows if row["clock"] == ONE_CORE]
    jpeg = jpeg_row(alone)["samples_per_second"]
    lines = ["| reader | items/s | range | times Pillow's JPEG | bytes on disk an item |", "|---|--:|--:|--:|--:|"]
    for row in alone:
        times = f"{row['samples_per_second'] / jpeg:.1f}"
        lines.append(f"| {row['reader']} | {_speeds(row)} | {times} | {row['bytes_per_sample']:,.0f} |")
    for row in rows:
        if row["clock"] != ONE_CORE:
            lines.append(f"| {row['reader']} ({row['clock']}) | {_speeds(row)} | | {row['bytes_per_sample']:,.0f} |")
    return lines


def _speeds(row: common.Row) -> str:
    return f"{row['samples_per_second']:,.0f} | {row['lowest']:,.0f}-{row['highest']:,.0f}"


def _caption(rows: Sequence[common.Row]) -> str:
    first = rows[0]
    return (
        f"Shuffled epochs of {first['samples']:,} items of {first['dataset']}, repeated, from files in the page cache to "
        f"normalised float32 batches of 64; quality {first['quality']}; in processor time of one core of "
        f"{first['machine']['cpu']} where nothing else is said; medians and ranges of epochs; {first['date'][:10]}, commit "
        f"{first['commit']}."
    )


def equal_loss_table(rows: Sequence[common.Row]) -> str:
    """Per source: bytes on disk, loss of the true class with its interval, and how far it is from those of the smallest
    packs."""
    found = [row for row in rows if row["commit"] == rows[-1]["commit"]]
    packs = smallest_packs(found)
    head = ["trained from", "bytes on disk an item", "whole files", "loss", *(f"less that of {name}" for name in packs)]
    lines = [f"| {' | '.join(head)} |", "|---" + "|--:" * (len(head) - 1) + "|"]
    for row in found:
        others = ["" if name == row["source"] else _interval(row["difference"][name]) for name in packs]
        sizes = [f"{row[name]:,.0f}" for name in ("bytes_per_item", "whole_bytes_per_item")]
        lines.append(f"| {' | '.join([row['source'], *sizes, _interval(row['loss']), *others])} |")
    first = found[0]
    caption = (
        f"{first['dataset']}, squares of {first['size']} pixels, {first['items']} test items, {first['seeds']} seeds, "
        f"{first['epochs']} epochs; brackets are 95 % intervals (bootstrap over items, means over seeds); "
        f"{first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def smallest_packs(rows: Sequence[common.Row]) -> list[str]:
    """Of each number of channels, the name of the pack of the fewest bytes."""
    smallest: dict[str, common.Row] = {}
    for row in sorted(rows, key=lambda row: -row["bytes_per_item"]):
        if row["source"] in row["difference"]:
            smallest[row["source"].rpartition(" quality ")[0] + row["source"].partition(", ")[2]] = row
    return sorted(row["source"] for row in smallest.values())


def _interval(values: Sequence[float]) -> str:
    mean, low, high = values
    return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def packing_table(rows: Sequence[common.Row]) -> str:
    """Per way of writing a data set: pictures a second."""
    found = [row for row in rows if row["commit"] == rows[-1]["commit"]]
    webp = next(row for row in found if row["writer"].startswith("WebP"))["pictures_per_second"]
    lines = ["| written as | workers | pictures/s | times WebP | bytes on disk an item |", "|---|--:|--:|--:|--:|"]
    for row in found:
        speed = row["pictures_per_second"]
        lines.append(
            f"| {row['writer']} | {row['workers']} | {speed:,.0f} | {speed / webp:.1f} | {row['bytes_per_item']:,.0f} |"
        )
    first = found[0]
    caption = (
        f"{first['pictures']:,} photographs, read from JPEG and cut to squares of {first['size']} "
        f"pixels; wall time on idle cores of {first['machine']['cpu']}; medians; {first['date'][:10]}, commit "
        f"{first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def index_table(rows: Sequence[common.Row]) -> str:
    """What it takes to open a pack of so many items, and to read one."""
    row = rows[-1]
    lines = [
        "| items | index opens in | memory | one item at random | 99th percentile | an item of a batch of 64 |",
        "|--:|--:|--:|--:|--:|--:|",
        f"| {row['items']:,} | {row['open_seconds']:.2f} s | {row['open_mib']:,.0f} MiB | {row['item_us']:,.0f} µs | "
        f"{row['item_us_99']:,.0f} µs | {row['batched_item_us']:,.0f} µs |",
    ]
    caption = (
        "12 channels of 224 pixels wide and high, profile fast; files in the page cache; wall time on "
        f"{row['machine']['cpu']}; {row['date'][:10]}, commit {row['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])
