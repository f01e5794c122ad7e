"""Figures of what is learned from latents and from signals: score over bytes, processor time and channels.

    python benchmarks/learning/plot_learning.py

Reads `results/learning_tasks.jsonl`; writes `learning_bytes.png`, `learning_time.png` and `learning_channels.png` beside
it. Bars are 95 % intervals; thin lines are validation, epoch by epoch.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
from result_tables.learning_task_tables import ARMS, newest_summaries

DATASETS = ("clothing10", "cifar10_jpeg_subset", "camvid", "esc10")
NAMES = {
    "latents": "latents",
    "small": "reduced signals",
    "patches": "signals in patches",
    "pixels": "signals, usual network",
    "mel": "mel spectrograms",
    "mfcc": "mel cepstra",
}
MARKS = dict(zip(ARMS, "osD^v*", strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, default=common.RESULTS / "learning_tasks.jsonl")
    parser.add_argument("--output", type=Path, default=common.RESULTS, help="folder of the figures")
    options = parser.parse_args()
    rows = common.read_rows(options.results)
    summaries = newest_summaries(rows, ("full", "short"))
    draw_arms(summaries, "bytes", options.output / "learning_bytes.png")
    draw_arms(summaries, "time", options.output / "learning_time.png")
    draw_channels(newest_summaries(rows, ("study",)), options.output / "learning_channels.png")


def new_figure(columns: int) -> tuple[Any, list[Any]]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, columns, figsize=(4.4 * columns, 4.2), layout="constrained", squeeze=False)
    return figure, list(panels[0])


def draw_arms(summaries: Sequence[common.Row], over: str, path: Path) -> None:
    """A panel for each data set, a colour for each arm; arms with fewer epochs are joined to the same with all."""
    datasets = [name for name in DATASETS if any(row["dataset"] == name for row in summaries)]
    figure, panels = new_figure(len(datasets))
    for panel, dataset in zip(panels, datasets, strict=True):
        own = [row for row in summaries if row["dataset"] == dataset]
        for number, arm in enumerate(ARMS):
            found = [row for row in own if row["arm"] == arm and (over == "time" or not row["variant"])]
            found.sort(key=lambda row: x_of(row, over))
            if found:
                draw_points(panel, found, over, f"C{number}", MARKS[arm], NAMES[arm])
            if over == "time":
                for row in found:
                    if not row["variant"]:
                        panel.plot(*zip(*scaled(row["curve"], row), strict=True), color=f"C{number}", lw=0.7, alpha=0.5)
        panel.set_xscale("log" if over == "time" else "linear")
        if over == "bytes":
            panel.set_xlim(0, 1.1 * max(x_of(row, over) for row in own))
        panel.set_xlabel(
            "MB read in an epoch" if over == "bytes" else "processor seconds of training, loading included"
        )
        panel.set_ylabel(f"{own[0]['score_name'].replace('_', ' ')}, %")
        panel.set_title(f"{dataset}, n {own[0]['items']}", loc="left", fontsize="medium")
        panel.grid(alpha=0.2)
    handles = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles), frameon=False)
    common.save_figure(figure, path)


def scaled(curve: Sequence[Sequence[float]], row: common.Row) -> list[tuple[float, float]]:
    factor = 100 if row["unit"] == "%" else 1
    return [(seconds, factor * score) for seconds, score in curve]


def draw_points(panel: Any, rows: Sequence[common.Row], over: str, color: str, mark: str, label: str) -> None:
    scores = [[(100 if row["unit"] == "%" else 1) * value for value in row[row["score_name"]]] for row in rows]
    means = [mean for mean, _, _ in scores]
    bars = [[mean - low for mean, low, _ in scores], [high - mean for mean, _, high in scores]]
    x = [x_of(row, over) for row in rows]
    panel.errorbar(x, means, bars, color=color, marker=mark, markersize=6, capsize=3, lw=1.2, label=label)


def x_of(row: common.Row, over: str) -> float:
    if over == "bytes":
        return float(row["train_bytes_per_epoch"]) / 1e6
    seconds = row["seconds_per_epoch"]
    return float(row["epochs"] * (seconds["loading_processor"] + seconds["compute_processor"]))


def draw_channels(study: Sequence[common.Row], path: Path) -> None:
    """Score over the number of leading channels, and over bytes of packs of other qualities."""
    usual = next((row for row in study if not row["variant"] and row["dataset"] == "clothing10"), None)
    if usual is None:
        return
    own = [row for row in study if row["dataset"] == "clothing10"]
    channels = {int(found[1]): row for row in own if (found := re.fullmatch(r"channels (\d+)", row["variant"]))}
    channels[int(usual["input"].split()[0])] = usual
    qualities = [row for row in own if re.fullmatch(r"quality \d+", row["variant"])] + [usual]
    figure, panels = new_figure(1 + (len(qualities) > 1))
    left = panels[0]
    counts = sorted(channels)
    draw_points(left, [{**channels[n], "train_bytes_per_epoch": n * 1e6} for n in counts], "bytes", "C0", "o", "")
    left.set_xscale("log")
    left.set_xticks(counts, [str(count) for count in counts])
    left.set_xticks([], minor=True)
    left.set_xlabel("leading channels of the latent")
    if len(qualities) > 1:
        draw_qualities(panels[1], qualities)
    for panel in panels:
        panel.set_ylabel("accuracy, %")
        panel.grid(alpha=0.2)
    seeds = "1 seed" if usual["seeds"] == 1 else f"{usual['seeds']} seeds"
    left.set_title(f"clothing10, n {usual['items']}, {seeds}", loc="left", fontsize="medium")
    common.save_figure(figure, path)


def draw_qualities(panel: Any, rows: list[common.Row]) -> None:
    rows.sort(key=lambda row: x_of(row, "bytes"))
    draw_points(panel, rows, "bytes", "C0", "o", "")
    for row in rows:
        name = row["variant"] or "quality 60"
        panel.annotate(name, (x_of(row, "bytes"), 100 * row[row["score_name"]][0]), (6, 6), textcoords="offset points")
    panel.set_xlabel("MB read in an epoch, 12 channels")


if __name__ == "__main__":
    main()
