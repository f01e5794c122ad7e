"""Tables of seven tasks learned from latents and from the signals themselves, and of what makes latents learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import common

ARMS = ("latents", "small", "patches", "pixels", "mel", "mfcc")
MINUS = "\N{MINUS SIGN}"


def newest_summaries(rows: Sequence[common.Row], jobs: Sequence[str]) -> list[common.Row]:
    """The newest row of each arm and variant; of each task and data set, those of the first of `jobs` that has any."""
    found: dict[tuple[str, ...], common.Row] = {}
    for name in jobs:
        own = [row for row in rows if row["type"] == "learning summary" and row["jobs"] == name]
        there = {key[:2] for key in found}
        for row in own:
            if (row["task"], row["dataset"]) not in there:
                found[row["task"], row["dataset"], row["arm"], row["variant"]] = row
    return list(found.values())


def learning_task_table(rows: Sequence[common.Row]) -> str:
    """Of each task and data set its arms: scores, what latents are ahead, and what an epoch takes."""
    summaries = newest_summaries(rows, ("full", "short"))
    lines = [
        "| task, data | arm | score | latents ahead by | loss lower by | loading, s | epoch, s | in all, s | MB | GB | "
        "epochs | seeds |",
        "|---|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for task, dataset in dict.fromkeys((row["task"], row["dataset"]) for row in summaries):
        own = [row for row in summaries if (row["task"], row["dataset"]) == (task, dataset)]
        own.sort(key=lambda row: (ARMS.index(row["arm"]), row["variant"]))
        best = best_pixels(own)
        for row in own:
            mark = "**" if row is best else ""
            name = f"{mark}{row['input']}{', ' if row['variant'] else ''}{row['variant']}{mark}"
            lines.append(f"| {_what(row) if row is own[0] else ''} | {name} | {' | '.join(_cells(row))} |")
    return "\n".join([*lines, "", _caption(summaries), ""])


def best_pixels(rows: Sequence[common.Row]) -> common.Row | None:
    """Of the arms of signals, with all their epochs, that of the best score in validation."""
    own = [row for row in rows if row["arm"] != "latents" and not row["variant"] and row.get("validation") is not None]
    sign = 1 if own and own[0]["higher_is_better"] else -1
    return max(own, key=lambda row: sign * row["validation"], default=None)


def _what(row: common.Row) -> str:
    better = "" if row["higher_is_better"] else ", less is better"
    few = "" if row["jobs"] == "full" else ", few epochs"
    return f"{row['task']}, {row['dataset']}: {row['score_name'].replace('_', ' ')}{better}; n {row['items']}{few}"


def _cells(row: common.Row) -> Iterator[str]:
    yield interval_of(row)
    yield ahead_of(row)
    lower = row["loss_latents_ahead"]
    yield "" if lower is None else _interval([-lower[0], -lower[2], -lower[1]], ".3f", signed=True)
    seconds = row["seconds_per_epoch"]
    epoch = seconds["loading_processor"] + seconds["compute_processor"]
    yield f"{seconds['loading_processor']:.2f}"
    yield f"{epoch:.2f}"
    yield f"{epoch * row['epochs']:,.0f}"
    yield f"{row['train_bytes_per_epoch'] / 1e6:.1f}"
    yield f"{row['peak_memory_bytes'] / 1e9:.2f}"
    yield str(row["epochs"])
    yield str(row["seeds"])


def interval_of(row: common.Row) -> str:
    """The score with its interval and unit."""
    factor, digits = _scale(row)
    unit = "%" if row["unit"] == "%" else "dB"
    return f"{_interval([factor * value for value in row[row['score_name']]], digits)} {unit}"


def ahead_of(row: common.Row) -> str:
    """By how much latents are better, in points or decibels; nothing for themselves."""
    values = row[f"{row['score_name']}_latents_ahead"]
    if values is None:
        return ""
    factor, digits = _scale(row)
    if not row["higher_is_better"]:
        values = [-values[0], -values[2], -values[1]]
    return _interval([factor * value for value in values], digits, signed=True)


def _scale(row: common.Row) -> tuple[float, str]:
    return (100.0, ".1f") if row["unit"] == "%" else (1.0, ".2f")


def _interval(values: Sequence[float], digits: str, signed: bool = False) -> str:
    mean, low, high = (f"{value:{'+' if signed else ''}{digits}}".replace("-", MINUS) for value in values)
    return f"{mean} [{low}, {high}]"


def _caption(rows: Sequence[common.Row]) -> str:
    dates = sorted({row["date"][:10] for row in rows})
    machines = sorted({row["machine"]["cpu"] for row in rows})
    return (
        "Brackets: 95 % intervals over items and seeds, of the same items for all arms; of frames of a street, over blocks "
        "of neighbours. Loading and epoch: seconds of a processor for one epoch, loading included in the second; in all: "
        "of the whole training, without validation and start. MB: read in an epoch; GB: memory at most. In bold: the arm "
        f"of signals that is best in validation. One thread of {' and '.join(machines)}; "
        f"{' to '.join(dict.fromkeys((dates[0], dates[-1])))}, commits "
        f"{', '.join(dict.fromkeys(row['commit'] for row in rows))}."
    )


def learning_study_table(rows: Sequence[common.Row]) -> str:
    """What one thing otherwise than usual gave."""
    summaries = newest_summaries(rows, ("study",))
    lines = ["| data | otherwise | score | gain | loss lower by | in all, s | seeds |", "|---|---|---|---|---|--:|--:|"]
    for row in summaries:
        seconds = row["seconds_per_epoch"]
        total = row["epochs"] * (seconds["loading_processor"] + seconds["compute_processor"])
        gain, loss = "", ""
        if row["variant"]:
            factor, digits = _scale(row)
            mean, low, high = row[f"{row['score_name']}_latents_ahead"]
            gain = _interval([-factor * mean, -factor * high, -factor * low], digits, signed=True)
            loss = _interval(row["loss_latents_ahead"], ".3f", signed=True)
        name = row["variant"] or "as usual"
        lines.append(
            f"| {row['dataset']} | {name} | {interval_of(row)} | {gain} | {loss} | {total:,.0f} | {row['seeds']} |"
        )
    caption = "" if not summaries else f"n {summaries[0]['items']}. {_caption(summaries)}"
    return "\n".join([*lines, "", caption, ""])
