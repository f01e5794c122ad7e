"""Table of learning from parts of a pack."""

from __future__ import annotations

from collections.abc import Sequence

import common


def selection_table(rows: Sequence[common.Row]) -> str:
    """Right answers after learning from parts of a pack: chosen to represent it, and by lot."""
    lines = ["| data | share | learner | chosen | by lot | difference | all |", "|---|--:|---|--:|--:|---|--:|"]
    ridge = [row for row in rows if row["type"] == "selection ridge"]
    for row in ridge:
        low, high = row["difference_interval_95"]
        lines.append(
            f"| {row['dataset']} | {row['percent']} % | kernel ridge, {row['pools']} pools | {_percent(row['chosen'])} | "
            f"{_percent(row['lot'])} | {_points(row['difference'], low, high)} | {_percent(row['all'])} |"
        )
    newest = {(row["dataset"], row["percent"], row["arm"]): row for row in rows if row["type"] == "selection summary"}
    for (dataset, percent, arm), row in newest.items():
        if arm == "chosen - lot":
            chosen, by_lot = (newest[dataset, percent, name]["mean"] for name in ("chosen", "lot"))
            found = newest.get((dataset, 100, "all"))
            lines.append(
                f"| {dataset} | {percent} % | network, {row['runs']} seeds | {_percent(chosen)} | {_percent(by_lot)} | "
                f"{_points(row['mean'], *row['interval_95'])} | {_percent(found['mean']) if found else ''} |"
            )
    dates = sorted({row["date"][:10] for row in rows})
    caption = (
        "Share of the training samples; 95 % intervals of the difference in points, over pools or seeds: the test samples "
        f"are the same for all. {' to '.join(dict.fromkeys((dates[0], dates[-1])))}, commits "
        f"{', '.join(dict.fromkeys(row['commit'] for row in rows))}."
    )
    return "\n".join([*lines, "", caption, ""])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _points(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
