"""Tables of learning on latents: samples a second into a training loop, and what one network learns of them."""

from __future__ import annotations

from collections.abc import Sequence

import common

from laconic.tasks.heads.comparison import comparison_table


def loading_table(rows: Sequence[common.Row]) -> str:
    """Per reader: samples a second on one core, and bytes read for a sample."""
    found = newest_loading(rows)
    lines = ["| reader | samples/s | range | bytes a sample |", "|---|--:|--:|--:|"]
    for row in found:
        speeds = f"{row['samples_per_second']:,.0f} | {row['lowest']:,.0f}-{row['highest']:,.0f}"
        lines.append(f"| {row['reader']} | {speeds} | {row['bytes_per_sample']:,.0f} |")
    first = found[0]
    caption = (
        f"From a sample's number to a float32 tensor, {first['size']} pixels wide and high, {first['samples']} pictures "
        f"of {first['dataset']} (train), quality {first['quality']}, in processor time of one core of "
        f"{first['machine']['cpu']}; medians and ranges of whole passes; {first['date'][:10]}, commit {first['commit']}."
    )
    return "\n".join([*lines, "", caption, ""])


def newest_loading(rows: Sequence[common.Row]) -> list[common.Row]:
    """The rows of the last run of the loading benchmark."""
    loading = [row for row in rows if row["type"] == "loading"]
    return [row for row in loading if row["commit"] == loading[-1]["commit"]]


def classify_table(rows: Sequence[common.Row]) -> str:
    """Accuracy of one network on latents and on pixels, a table for each data set."""
    runs = [row for row in rows if row["type"] == "classify"]
    lines = []
    for dataset in dict.fromkeys(row["dataset"] for row in runs):
        found = [row for row in runs if row["dataset"] == dataset]
        dates = sorted({row["date"][:10] for row in found})
        caption = (
            f"{dataset}: {found[0]['train_items']} training and {found[0]['test_items']} test items, one thread of "
            f"{found[0]['machine']['cpu']}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, commits "
            f"{', '.join(dict.fromkeys(row['commit'] for row in found))}."
        )
        lines += [comparison_table(found), caption, ""]
    return "\n".join(lines)
