"""Tables of what networks see of our tunings and of peers' files at equal bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import common

from result_tables.cell_text import gap

# What the rows of the file hold beside these is left out: a head for each measure, with * what a tuning was fitted to.
SETS = {
    "imagenet": ("ImageNet", "MobileNet V2 loss"),
    "segmentation": ("CamVid", "DeepLab wrong pixels"),
}
MEASURES = {
    "psnr_db": "PSNR",
    "ms_ssim": "MS-SSIM*",
    "lite0_f3": "lite0 f3*",
    "lite2_f3": "lite2 f3",
    "lite2_f4": "f4",
    "lite2_f5": "f5",
    "lite2_f6": "f6",
    "lite2_n4": "n4",
    "ssimulacra2": "SSIMULACRA2",
}
# At equal rates: measure and task, head, factor and decimals.
AT_RATES = (
    ("score", "segmentation", "mean IoU %, CamVid", 100, 1),
    ("mobilenet_l1", "imagenet", "L1, ImageNet", 1, 3),
    ("mobilenet_l1", "segmentation", "L1, CamVid", 1, 3),
)


def tuning_table(rows: Sequence[common.Row]) -> str:
    """Each codec against the reference in each measure, a table for each set; then values at equal rates."""
    blocks = [_bd_block(rows, task) for task in SETS]
    blocks += ["\n".join(_at_rate_lines(rows)), _caption(rows)]
    return "\n\n".join(blocks) + "\n"


def _bd_block(rows: Sequence[common.Row], task: str) -> str:
    name, loss = SETS[task]
    of_task = [row for row in rows if row["type"] == "bd" and row["task"] == task]
    found = {(row["curve"], row["measure"]): row for row in of_task}
    measured = {measure for _, measure in found}
    heads = {measure: head for measure, head in (MEASURES | {"loss": loss}).items() if measure in measured}
    num_samples = max(row["num_used"] for row in of_task)
    lines = [f"| {name} (n = {num_samples}) | {' | '.join(heads.values())} |", f"|---|{'--:|' * len(heads)}"]
    for curve in dict.fromkeys(curve for curve, _ in found):
        cells = [gap(found.get((curve, measure), {}).get("rate")) for measure in heads]
        lines.append(f"| {curve} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _at_rate_lines(rows: Sequence[common.Row]) -> Iterator[str]:
    found = {(row["measure"], row["task"], row["rate"], row["curve"]): row for row in rows if row["type"] == "at_rate"}
    columns = [
        (measure, task, rate, f"{head}, {rate:g} bpp", factor, decimals)
        for measure, task, head, factor, decimals in AT_RATES
        for rate in sorted({rate for one, of_task, rate, _ in found if (one, of_task) == (measure, task)})
    ]
    yield f"| codec | {' | '.join(column[3] for column in columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for curve in dict.fromkeys(curve for *_, curve in found):
        cells = [_value(found.get((*column[:3], curve)), *column[4:]) for column in columns]
        yield f"| {curve} | {' | '.join(cells)} |"


def _value(row: common.Row | None, factor: float, decimals: int) -> str:
    """The value, and in parentheses its difference from the reference's with its interval."""
    if row is None:
        return ""
    text = f"{factor * row['value']:.{decimals}f}"
    if row["difference"] is None:
        return text
    numbers = [row["difference"]["value"], *row["difference"]["interval"]]
    value, low, high = (f"{factor * number:+.{decimals}f}".replace("-", "\N{MINUS SIGN}") for number in numbers)
    return f"{text} ({value} [{low}, {high}])"


def _caption(rows: Sequence[common.Row]) -> str:
    first = rows[0]
    blocks = {row["task"]: row["num_blocks"] for row in rows if row["type"] == "at_rate"}
    seen = {row["num_used"] for row in rows if row["type"] == "bd" and row["measure"] == "ssimulacra2"}
    of_seen = f" SSIMULACRA2 of {max(seen)} pictures." if seen else ""
    return (
        f"Above: bytes more than those of `{first['reference']}` at equal value, negative is fewer, with 95 % intervals "
        "over pictures; of losses, on curves of means. lite0, lite2: features of EfficientNet. *: what tunings are fitted "
        "to. Empty: the curves share too little, or there are fewer than 20 pictures."
        f"{of_seen} Below: values on curves of means, with differences from those of the same codec; of CamVid, intervals "
        f"over {blocks.get('segmentation')} blocks of neighbouring frames. {first['date'][:10]}, commit {first['commit']}."
    )
