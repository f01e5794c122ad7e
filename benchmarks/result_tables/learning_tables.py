"""Tables of learning on latents: what one network learns of them."""

from __future__ import annotations

from collections.abc import Sequence

import common

from laconic.tasks.heads.comparison import comparison_table


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
