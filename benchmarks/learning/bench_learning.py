"""Seven tasks learned from latents and from the signals themselves: score, time, bytes, memory.

    python benchmarks/learning/bench_learning.py --data FOLDER --work FOLDER --jobs short|full|study --reason "why"

Every job is one `laconic train`, two at a time, each on one thread; a killed benchmark goes on where it stopped, inside of
an epoch too. Timed: seconds of an epoch spent waiting for batches (reading, decoding, augmenting) and on the rest, and what
processors spend on both; medians over the epochs of a run. Not timed: packing (stated in rows of its own), validation,
test. A finished run is one row "learning run"; at the end, and with `--only-summary`, one row "learning summary" for each
arm has its score with an interval over items and seeds and by how much latents are ahead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
from learning_data import DATA, own_model, packed, signals_of
from learning_intervals import score_intervals
from learning_jobs import Job, full_jobs, short_jobs
from learning_study import study_jobs

from laconic.tasks.heads.judged_items import JudgedItems, load_judged_items
from laconic.tasks.heads.task_catalog import make_learning_task
from laconic.tasks.training.run_names import JUDGED_NAME, RESULT_NAME

PACKAGES = ("laconic", "numpy", "pillow", "torch")
JOBS = {"short": short_jobs, "full": full_jobs, "study": study_jobs}
MOST_POINTS = 40  # of a curve in a row
LEFT_OUT = ("history", "options", "classes")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for packs and runs, kept between calls")
    parser.add_argument("--jobs", choices=JOBS, required=True)
    parser.add_argument("--tasks", nargs="*", help="these alone")
    parser.add_argument("--sets", nargs="*", help="these data sets alone")
    parser.add_argument("--arms", nargs="*", help="these arms alone")
    parser.add_argument("--seeds", type=int, help="so many of the first alone")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="of all arms")
    parser.add_argument("--at-once", type=int, default=2, help="jobs beside each other, each on one thread")
    parser.add_argument("--only-summary", action="store_true", help="of the runs that are there")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "learning_tasks.jsonl")
    options = parser.parse_args()
    wanted = {"task": options.tasks, "dataset": options.sets, "arm": options.arms}
    jobs = [
        job
        for job in JOBS[options.jobs]()
        if all(not names or getattr(job, name) in names for name, names in wanted.items())
        and (options.seeds is None or job.seed < options.seeds)
    ]
    if not options.only_summary:
        lock = Lock()
        with ThreadPoolExecutor(options.at_once) as pool:
            list(pool.map(lambda job: run_job(job, options, lock), jobs))
    for row in summaries(jobs, options):
        common.append_row(options.results, row)


def run_folder(job: Job, options: argparse.Namespace) -> Path:
    return Path(options.work / "runs" / options.jobs / job.key)


def run_job(job: Job, options: argparse.Namespace, lock: Lock) -> None:
    run = run_folder(job, options)
    if (run / RESULT_NAME).exists():
        return
    source = source_of(job, options, lock)
    words: list[object] = ["--seed", job.seed]
    words += ["--arm", job.arm, "--quiet", "--device", "cpu", "--precision", options.precision]
    if DATA[job.dataset].folds:
        words += ["--folds", DATA[job.dataset].folds, "--fold", job.fold]
    framed = {} if job.arm == "latents" else DATA[job.dataset].signals
    if job.arm == "latents" and (model := own_model(job.dataset, options.data, options.work)) is not None:
        words += ["--model", model]
    if job.pretraining:
        first = run.with_name(f"{run.name}-pretraining")
        train("pretrain", source, "-o", first, *words, "--epochs", job.pretraining)
        words += ["--start", first]
    for name, value in {**framed, **job.options}.items():
        words += [word for one in (value if isinstance(value, list) else [value]) for word in (f"--{name}", one)]
    train(job.task, source, "-o", run, *words)
    result = json.loads((run / RESULT_NAME).read_text())
    row = {"type": "learning run", "jobs": options.jobs, **header(options), **identity(job)}
    row |= {name: value for name, value in result.items() if name not in LEFT_OUT}
    row |= {name: result["options"][name] for name in ("epochs", "precision")}
    with lock:
        common.append_row(options.results, row)
        score = f"test_{result['score_name']}"
        print(f"{job.key}: {result[score]:.4g}", flush=True)


def train(*words: object) -> None:
    command = [sys.executable, "-m", "laconic.tasks.cli", "train", *map(str, words)]
    here = str(Path(__file__).resolve().parent)  # where networks of the study are
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": here}
    subprocess.run(command, check=True, env={**os.environ, **own}, stdout=subprocess.DEVNULL)


def source_of(job: Job, options: argparse.Namespace, lock: Lock) -> Path:
    with lock:
        if job.arm != "latents":
            return signals_of(job.dataset, options.data, options.work)
        folder, seconds = packed(job.dataset, options.data, options.work, **job.packing)
        if seconds is not None:
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            row = {"type": "learning pack", **header(options), "dataset": job.dataset, "pack": folder.name}
            common.append_row(options.results, {**row, "seconds": seconds, "disk_bytes": size})
    return folder


def identity(job: Job) -> common.Row:
    return {"dataset": job.dataset, "variant": job.variant, "fold": job.fold, "seed": job.seed}


def header(options: argparse.Namespace) -> common.Row:
    return common.provenance(options.reason, packages=PACKAGES)


def summaries(jobs: Iterable[Job], options: argparse.Namespace) -> Iterator[common.Row]:
    """A row for each arm and variant of a task and data set, of the seeds of which all folds are done."""
    jobs = list(jobs)
    for task, dataset in dict.fromkeys((job.task, job.dataset) for job in jobs):
        own = [job for job in jobs if (job.task, job.dataset) == (task, dataset)]
        arms = {}
        for name in dict.fromkeys((job.arm, job.variant) for job in own):
            seeds = whole_seeds([job for job in own if (job.arm, job.variant) == name], options)
            if seeds:
                arms[name] = seeds
        if ("latents", "") in arms:
            yield from compared(task, dataset, arms, options)


def whole_seeds(jobs: list[Job], options: argparse.Namespace) -> dict[int, list[Path]]:
    found = {}
    for seed in sorted({job.seed for job in jobs}):
        runs = [run_folder(job, options) for job in jobs if job.seed == seed]
        if all((run / JUDGED_NAME).exists() for run in runs):
            found[seed] = runs
    return found


def compared(
    task_name: str,
    dataset: str,
    arms: dict[tuple[str, str], dict[int, list[Path]]],
    options: argparse.Namespace,
) -> Iterator[common.Row]:
    task = make_learning_task(task_name)
    judged = {"\n".join(name): [pooled_items(runs) for runs in seeds.values()] for name, seeds in arms.items()}
    rows = {name: [one.rows for one in seeds] for name, seeds in judged.items()}
    scenes = [DATA[dataset].scene(number, source) for number, source in enumerate(judged["latents\n"][0].sources)]
    metrics = {
        task.score_name: lambda r: float(task.scores(r)[task.score_name]),
        "loss": lambda r: task.scores(r)["loss"],
    }
    found = {name: score_intervals(rows, "latents\n", metric, scenes) for name, metric in metrics.items()}
    for (arm, variant), seeds in arms.items():
        key = f"{arm}\n{variant}"
        row = {"type": "learning summary", "jobs": options.jobs, **header(options), "task": task_name}
        row |= {"dataset": dataset, "arm": arm, "variant": variant, "seeds": len(seeds)}
        row |= {"items": len(rows[key][0]), "scenes": len(set(scenes))}
        row |= {"score_name": task.score_name, "unit": task.unit, "higher_is_better": task.higher_is_better}
        for name, (own, differences) in found.items():
            row[name] = own[key].values
            row[f"{name}_latents_ahead"] = None if key not in differences else differences[key].values
        yield row | costs([run for runs in seeds.values() for run in runs])


def pooled_items(runs: list[Path]) -> JudgedItems:
    """What is judged of all items, of each by the run in whose test fold it is, in the order of their sources."""
    judged = [load_judged_items(run / JUDGED_NAME) for run in runs]
    sources = [source for one in judged for source in one.sources]
    order = sorted(range(len(sources)), key=lambda i: sources[i])
    return JudgedItems(np.concatenate([one.rows for one in judged])[order], tuple(sources[i] for i in order))


def costs(runs: list[Path]) -> common.Row:
    """Medians over the runs: seconds of an epoch, bytes that it reads, memory; and epochs, parameters, and means of
    validation: its score at the epoch that was chosen, and "curve" over epochs."""
    results = [json.loads((run / RESULT_NAME).read_text()) for run in runs]
    seconds = {
        name: float(np.median([result["seconds_per_epoch"][name] for result in results]))
        for name in results[0]["seconds_per_epoch"]
    }
    return {
        "input": results[0]["input"],
        "epochs": results[0]["options"]["epochs"],
        "validation": float(np.mean([result[f"val_{result['score_name']}"] for result in results])),
        "curve": validation_curve(results),
        "parameters": results[0]["parameters"],
        "seconds_per_epoch": seconds,
        "train_items": results[0]["train_items"],
        "train_bytes_per_epoch": float(np.median([result["train_bytes_per_epoch"] for result in results])),
        "peak_memory_bytes": float(np.median([result["peak_memory_bytes"] for result in results])),
    }


def validation_curve(results: list[common.Row]) -> list[list[float]]:
    """Processor seconds since the beginning, loading included, and the score in validation, at no more than 40 epochs."""
    score = f"val_{results[0]['score_name']}"
    names = ("loading_processor_seconds", "compute_processor_seconds")
    seconds = np.mean(
        [[sum(row[n] for n in names) for row in result["history"]] for result in results], axis=0
    ).cumsum()
    scores = np.mean([[row[score] for row in result["history"]] for result in results], axis=0)
    chosen = np.unique(np.linspace(0, len(scores) - 1, min(len(scores), MOST_POINTS)).round().astype(int))
    return [[round(float(seconds[i]), 2), round(float(scores[i]), 4)] for i in chosen]


if __name__ == "__main__":
    main()
