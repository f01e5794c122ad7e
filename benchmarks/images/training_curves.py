"""Copies the curves of trainings to benchmarks/results, and draws what was validated on the way.

    python benchmarks/images/training_curves.py --curves NAME=PATH ... [--plot FILE.png]

PATH is the curve.jsonl of a run of `laconic train codec`, and goes to results/training_NAME.jsonl as it is. The figure
has a panel for each that is there, those of earlier calls as well: the cost of a transform in percent of the first, the
gain of a synthesis over the linear one, the PSNR of the baseline. All were validated on pictures of their own,
`bsds500/val`; the level that the baseline's authors give is on Kodak. Nothing is timed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common

PUBLISHED_DB = 30.56  # WaLLoC f8c12 on Kodak
# What names of values start with, and their unit.
VALIDATED = {"cost_": "cost, % of the first", "gain_db_": "gain over linear, dB", "psnr_db": "PSNR, dB"}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--curves", nargs="+", required=True, metavar="NAME=PATH", help="curve.jsonl of trainings")
    parser.add_argument("--results", type=Path, default=common.RESULTS, help="folder to copy to")
    parser.add_argument("--plot", type=Path, help="file to draw the curves to")
    options = parser.parse_args()
    for named in options.curves:
        name, equals, path = named.partition("=")
        if not equals or not Path(path).is_file():
            sys.exit(f"--curves {named} names no file; allowed is NAME=PATH of a curve.jsonl")
        options.results.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, options.results / f"training_{name}.jsonl")
    if options.plot:
        found = sorted(options.results.glob("training_*.jsonl"))
        plot({path.stem.removeprefix("training_"): common.read_rows(path) for path in found}, options.plot)


def validated(rows: Sequence[common.Row]) -> tuple[str, dict[str, list[tuple[int, float]]]]:
    """Unit, and (step, value) by name, of what was validated in a training. Raises `ValueError` if nothing was."""
    for start, unit in VALIDATED.items():
        names = dict.fromkeys(name for row in rows for name in row if name.startswith(start))
        curves = {name: [(row["step"], row[name]) for row in rows if name in row] for name in names}
        if start == "cost_":
            curves = {
                name: [(step, 100 * value / points[0][1]) for step, value in points] for name, points in curves.items()
            }
        if curves:
            return unit, curves
    raise ValueError(f"a curve has none of the values {', '.join(VALIDATED)}; pass curves of `laconic train codec`")


def plot(trainings: dict[str, list[common.Row]], path: Path) -> None:
    """A panel for each training, its values over the step."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    size = (4.8 * len(trainings), 4)
    figure, panels = pyplot.subplots(1, len(trainings), figsize=size, layout="constrained", squeeze=False)
    for panel, (name, rows) in zip(panels[0], trainings.items(), strict=True):
        unit, curves = validated(rows)
        for label, points in curves.items():
            panel.plot(*zip(*points, strict=True), label=_shown(label))
        if "psnr_db" in curves:
            panel.axhline(PUBLISHED_DB, color="black", linestyle="--", label="published, on Kodak")
        _finish(panel, f"{name}: {rows[-1]['step']:,} steps, {rows[-1]['minutes']:.0f} minutes", unit)
    common.save_figure(figure, path)


def _shown(label: str) -> str:
    """ "cost_140" -> "step code 140"."""
    rest = label.removeprefix("cost_").removeprefix("gain_db_")
    return f"step code {rest}" if rest.isdigit() else "trained here" if rest == "psnr_db" else rest.replace("_", " ")


def _finish(panel: Any, title: str, unit: str) -> None:
    panel.set_title(title, loc="left", fontsize="medium")
    panel.set_xlabel("step")
    panel.set_ylabel(unit)
    panel.legend(frameon=False, fontsize="small")


if __name__ == "__main__":
    main()
