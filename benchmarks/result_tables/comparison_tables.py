"""Tables of our curves against those measured at other times or places: our own files before, published codecs."""

from __future__ import annotations

from collections.abc import Sequence

import common

from laconic.tasks.measures.bdrate import Curve, bd_rate
from result_tables.cell_text import percent

LOW_BPP, HIGH_BPP = 0.15, 1.5
_PROFILES = {"laconic fast": "`fast`", "laconic linear": "`small`", "laconic best": "`best`"}
_SETS = {"kodak": "Kodak", "unseen": "never tuned on", "unlike_kodak": "unlike Kodak"}


def before_table(before: Sequence[common.Row], *now: Sequence[common.Row]) -> str:
    """BD-rates, PSNR, of profiles against `small` and themselves as they were; rows of several sets of pictures."""
    known = {row["commit"] for row in before}
    rows = [row for rows in now for row in rows if row["type"] == "rd" and row["commit"] not in known]
    lines = [f"| profile, against | {' | '.join(_SETS.values())} |", "|---|" + "--:|" * len(_SETS)]
    for label, name in _PROFILES.items():
        anchors = {"itself": label, "`small`": "laconic linear"}
        for text, anchor in anchors.items() if label != "laconic linear" else [("itself", label)]:
            cells = [
                percent(_bd_rate(_curve(before, name_of_set, anchor), _curve(rows, name_of_set, label)))
                for name_of_set in _SETS
            ]
            lines.append(f"| {name}, {text} before | {' | '.join(cells)} |")
    commits = sorted({row["commit"] for row in before})
    return "\n".join([*lines, "", f"Linear synthesis, effort 1; before: commit {', '.join(commits)}.", ""])


def published_table(published: Sequence[common.Row], kodak: Sequence[common.Row]) -> str:
    """BD-rates, PSNR, of ours against published points of other codecs on Kodak."""
    rows = [row for row in kodak if row["type"] == "rd"]
    tests = [label for label in ("laconic best", "laconic best neural") if any(row["label"] == label for row in rows)]
    lines = [
        f"| published | {' | '.join(f'{test} to it' for test in tests)} | source |",
        "|---|" + "--:|" * len(tests) + "---|",
    ]
    for row in published:
        points = list(zip(row["bpp"], row["psnr_db"], strict=True))
        cells = [percent(_bd_rate(points, _curve(rows, "kodak", test))) for test in tests]
        lines.append(f"| {row['label']} | {' | '.join(cells)} | {row['source']}, {row['commit']} |")
    return "\n".join([*lines, "", "Theirs are figures of their authors or of CompressAI's, not measured here.", ""])


def _curve(rows: Sequence[common.Row], name_of_set: str, label: str) -> Curve:
    return [(row["bpp"], row["psnr_db"]) for row in rows if (row["dataset"], row["label"]) == (name_of_set, label)]


def _bd_rate(anchor: Curve, test: Curve) -> float | None:
    """None where one of the curves is not there."""
    return bd_rate(anchor, test, low=LOW_BPP, high=HIGH_BPP) if anchor and test else None


def bands_table(rows: Sequence[common.Row]) -> str:
    """Shares of bytes by channel group, before and now."""
    lines = [
        "| profile, quality | | bpp | small picture (8 pixels and coarser) | details of 8 pixels | of 4 | of 2 |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda row: (row["profile"], row["quality"], row["label"])):
        shares = " | ".join(f"{100 * share:.1f} %" for share in row["shares"])
        lines.append(f"| `{row['profile']}`, {row['quality']} | {row['label']} | {row['bpp']:.3f} | {shares} |")
    return "\n".join([*lines, ""])
