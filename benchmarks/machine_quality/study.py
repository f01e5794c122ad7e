"""What networks see of our files and of peers' at equal bytes: BD-rates in PSNR, MS-SSIM and deep features, and mean IoU.

    python benchmarks/machine_quality/study.py --data ../shared/data --work FOLDER [--before PYTHON] [--limit N] [-j N]

The study whose first results stand in the issue that tuning answers, for today's codec: ImageNet and CamVid test pictures,
JPEG, WebP (method 6), AVIF as it comes and at 4:4:4, tune psnr, against profile small (linear synthesis), and profile best
with both syntheses against it too. `--before`: a Python that has an earlier commit installed, whose profile small is
measured beside (prior.py). FOLDER keeps rows and decoded pictures; the same command goes on.

Rows "bd" of results/study.jsonl: percent more bytes than the reference's at equal value, the mean over pictures of the
mean log-rate difference over the shared range, with 95 % intervals over pictures; at equal mean IoU on curves of means over
pictures. Rows "score": mean IoU near given rates, interpolated over the logarithm of the rate.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from prior import Prior

from laconic.tasks.mpq import evaluate, make_metrics, make_tasks, operating_points, summarize
from laconic.tasks.mpq.bd import BdEntry, bd_table
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.summary import TaskSummary

REFERENCE = "lcn"
BEFORE = "small before"
CODECS = (
    "lcn:quality=10|20|30|41|52|65|78",
    "lcn:profile=best,quality=10|20|30|41|52|65|78",
    "lcn:profile=best,synthesis=neural,quality=10|20|30|41|52|65|78",
    "jpeg:quality=5|10|18|30|50|70|85",
    "webp:method=6,quality=0|4|12|30|55|75|88",
    "avif:quality=8|18|28|40|52|64|76",
    "avif:subsampling=4:4:4,tune=psnr,quality=8|18|30|44|58|72",
)
METRICS = ("psnr", "ms-ssim", "features-lite0")
RATES = (0.3, 0.45, 0.6)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds imagenet_sample, camvid and models")
    parser.add_argument("--work", type=Path, required=True, help="folder of rows and decoded pictures")
    parser.add_argument("--before", help="a Python with an earlier commit")
    parser.add_argument("--limit", type=int, help="pictures of each set")
    parser.add_argument("-j", "--workers", type=int, default=2)
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    points = operating_points(CODECS) + (list(_before(options.before)) if options.before else [])
    tasks = make_tasks(["imagenet", "segmentation"], options.data, options.data / "models")
    metrics = make_metrics(METRICS, options.data / "models")
    found = evaluate(
        tasks,
        points,
        options.work / "rows.jsonl",
        metrics=metrics,
        cache=options.work / "decoded",
        limit=options.limit,
        num_workers=options.workers,
        advance=lambda done, of: print(f"{done}/{of}", file=sys.stderr),
    )
    source = common.provenance(options.reason, packages=("laconic", "numpy", "pillow", "torch", "ai-edge-litert"))
    rows: list[common.Row] = []
    for task in tasks:
        rows += [
            _bd_row(entry) | source for entry in bd_table(task, points, found, metrics=metrics, reference=REFERENCE)
        ]
        rows += [row | source for row in _score_rows(summarize(task, points, found))]
    common.write_rows(common.RESULTS / "study.jsonl", rows)


def _before(python: str) -> Iterator[OperatingPoint]:
    for quality in (10, 20, 30, 41, 52, 65, 78):
        codec = Prior(python, f"lcn:quality={quality}")
        yield OperatingPoint(f"{BEFORE}:quality={quality}", BEFORE, codec, frozenset(["image"]))


def _bd_row(entry: BdEntry) -> common.Row:
    row: common.Row = {"type": "bd", "task": entry.task, "curve": entry.curve, "reference": entry.reference}
    row |= {"measure": entry.measure.name, "num_used": entry.num_used, "shared": round(entry.shared, 3)}
    return row | {name: gap and _rounded(asdict(gap)) for name, gap in (("rate", entry.rate), ("score", entry.score))}


def _rounded(gap: common.Row) -> common.Row:
    return {"value": round(gap["value"], 4), "interval": [round(end, 4) for end in gap["interval"]]}


def _score_rows(task: TaskSummary) -> Iterator[common.Row]:
    """The score of each curve at RATES; those beyond its ends are left out."""
    for curve, lines in task.curves.items():
        logs = [math.log(line.rate) for line in lines]
        for rate in RATES:
            if logs[0] <= math.log(rate) <= logs[-1]:
                score = float(np.interp(math.log(rate), logs, [line.score for line in lines]))
                yield {"type": "score", "task": task.name, "curve": curve, "rate": rate, "score": round(score, 4)}


if __name__ == "__main__":
    main()
