"""Bytes at equal task loss: files of a model whose steps were learned for tasks, against files of the model as it was.

    python benchmarks/learning/bench_task_aware.py --data ../shared/data --work FOLDER --reason "why it was run"

For clothing10 and camvid, a tuning is learned from the training pictures, without labels (`laconic train codec --recipe
task`); then heads learn from files of both at some steps, with several seeds: on the features of the student that was
trained with the tuning, the same for both, and alone, on 12 channels of latents. Files are whole, with their heads. Rows of
results/task_aware.jsonl: "point", bytes and loss of a head at a step; "saving", how many percent fewer bytes at equal loss,
the mean over the losses that both reach, with the 95 % interval over test pictures and seeds. What is in FOLDER is taken
from there: a killed benchmark goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from task_aware_heads import Codings, Split, inputs_alone, read_split, student_inputs, trained_losses

from laconic.codecs.fitting.tuning_trials import rate_gap
from laconic.codecs.lcn import Lcn
from laconic.codecs.learning.task_learner import TASK_TUNE
from laconic.codecs.learning.task_student import TaskStudent, load_task_student
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import model_path
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.training.codec_training import CodecTrainingOptions, train_codec
from laconic.tasks.training.crops import find_pictures_for_crops
from laconic.tasks.training.recipes import prepare_recipe
from laconic.tasks.training.run_names import WEIGHTS_NAME

PACKAGES = ("laconic", "numpy", "pillow", "torch")
BASE = "rgb"
HEADS = ("student", "alone")
RESAMPLES = 2_000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arm:
    """A model and a tune, None for the default one."""

    name: str
    model: str
    tune: str | None


@dataclass(frozen=True, eq=False)
class Curve:
    """Of an arm: bytes (steps, items), losses (steps, seeds, items)."""

    num_bytes: Floats
    losses: Floats


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    for name in options.sets:
        trained = trained_model(options, name)
        student = load_task_student(trained)
        splits = tuple(read_split(options.data, name, split) for split in ("train", "test"))
        for head in options.heads:
            curves = {
                arm.name: curve_of(options, name, arm, head, splits=splits, student=student)
                for arm in (Arm("rgb", BASE, None), Arm("task", str(trained), TASK_TUNE))
            }
            row = {"type": "saving", **header(options, name), "head": head, **saving(curves["rgb"], curves["task"])}
            common.append_row(options.results, row)
            print(name, head, row["percent"], flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds clothing10 and camvid")
    parser.add_argument("--work", type=Path, required=True, help="folder of models and latents, kept between calls")
    parser.add_argument("--sets", nargs="+", default=["camvid", "clothing10"])
    parser.add_argument("--heads", nargs="+", default=list(HEADS), choices=HEADS)
    parser.add_argument("--steps", type=int, default=600, help="of the training of a tuning")
    parser.add_argument(
        "--codes", type=int, nargs="+", default=[192, 204, 214, 224, 234], help="of steps of the model as it was"
    )
    parser.add_argument("--task-codes", type=int, nargs="+", default=[192, 204, 214, 224, 234, 244])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "task_aware.jsonl")
    found: argparse.Namespace = parser.parse_args()
    return found


def trained_model(options: argparse.Namespace, name: str) -> Path:
    """The model file with a tuning for the training pictures of a set, as the task sees them."""
    return tuned_model_file(options, name, lambda: read_split(options.data, name, "train").pictures)


def trained_tune(options: argparse.Namespace, name: str, size: int) -> Path:
    """The model file with a tuning for the centre squares of the pictures of `name`/train, which have no labels."""

    def squares() -> list[NDArray[np.uint8]]:
        paths = find_pictures_for_crops([options.data / name / "train"])
        return [np.asarray(read_signal(path, "image", Framing(size))) for path in paths]

    return tuned_model_file(options, name, squares)


def tuned_model_file(
    options: argparse.Namespace, name: str, pictures: Callable[[], Sequence[NDArray[np.uint8]]]
) -> Path:
    folder, run = options.work / "pictures" / name, options.work / "models" / name
    if not (run / WEIGHTS_NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures()):
            PillowImage.fromarray(picture).save(folder / f"{number:04}.png")
        job = prepare_recipe("task", folder, model_path(BASE), seed=0, all_pictures=True)
        chosen = CodecTrainingOptions("task", (name,), options.steps, 0, 200, 1, job.model)
        train_codec(job.learner, job.pictures, job.validation, run, chosen, on_row=lambda row: print(row, flush=True))
    result: Path = run / WEIGHTS_NAME
    return result


def curve_of(
    options: argparse.Namespace, name: str, arm: Arm, head: str, *, splits: tuple[Split, ...], student: TaskStudent
) -> Curve:
    """Heads of all seeds at all steps; a row for each step."""
    sizes, losses = [], []
    for code in options.codes if arm.tune is None else options.task_codes:
        folder = options.work / "coded" / f"{name}-{arm.name}-{code}"
        train, test = (
            coded(folder.with_name(f"{folder.name}-{i}.npz"), split, arm, code) for i, split in enumerate(splits)
        )
        train, test = (seen_by(head, codings, student) for codings in (train, test))
        kept = options.work / "heads" / f"{folder.name}-{head}"
        found = [
            losses_of_head(kept.with_name(f"{kept.name}-{seed}.npz"), head, (train, test), splits, seed=seed)
            for seed in options.seeds
        ]
        sizes.append(test.num_bytes)
        losses.append(np.stack([values for values, _ in found]))
        row = {"type": "point", **header(options, name), "head": head, "arm": arm.name, "step_code": code}
        row |= {
            "bytes": float(test.num_bytes.mean()),
            "train_bytes": float(train.num_bytes.mean()),
            "loss": float(losses[-1].mean()),
            "score": float(np.mean([score for _, score in found])),
            "items": len(test.num_bytes),
        }
        common.append_row(options.results, row)
        print(
            name, head, arm.name, code, round(row["bytes"]), round(row["loss"], 4), round(row["score"], 4), flush=True
        )
    return Curve(np.stack(sizes).astype(np.float64), np.stack(losses).astype(np.float64))


def losses_of_head(
    path: Path, head: str, seen: tuple[Codings, Codings], splits: tuple[Split, ...], *, seed: int
) -> tuple[NDArray[np.float32], float]:
    """Loss of each test picture and the score, kept in a file."""
    if not path.exists():
        pairs = [(codings.inputs, split) for codings, split in zip(seen, splits, strict=True)]
        losses, score = trained_losses(head, pairs[0], pairs[1], seed)
        keep_arrays(path, losses=losses.numpy(), score=np.array(score))
    with np.load(path) as arrays:
        return arrays["losses"], float(arrays["score"])


def coded(path: Path, split: Split, arm: Arm, step_code: int) -> Codings:
    """Latents of the files of a split, kept in a file; their first 48 channels."""
    if not path.exists():
        codec = Lcn(model=arm.model, step_code=step_code, tune=arm.tune)
        files = [codec.encode(Image(picture)) for picture in split.pictures]
        latents = np.stack([codec.unpack(file, channels=48).dequantize() for file in files])
        keep_arrays(path, latents=latents.astype(np.float16), num_bytes=np.array([len(file) for file in files]))
    with np.load(path) as arrays:
        return Codings(arrays["num_bytes"], torch.from_numpy(arrays["latents"].astype(np.float32)))


def keep_arrays(path: Path, **arrays: NDArray[np.generic]) -> None:
    """A file that is whole, or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    unfinished.replace(path)


def seen_by(head: str, codings: Codings, student: TaskStudent) -> Codings:
    latents = codings.inputs.numpy()
    inputs = student_inputs(student, latents) if head == "student" else inputs_alone(latents)
    return Codings(codings.num_bytes, inputs)


def header(options: argparse.Namespace, name: str) -> common.Row:
    setting = {"dataset": name, "training_steps": options.steps, "seeds": len(options.seeds)}
    return common.provenance(options.reason, packages=PACKAGES) | setting


def saving(plain: Curve, tuned: Curve) -> common.Row:
    """Percent fewer bytes at equal loss, with its interval; None where the curves have no loss in common in nine of ten
    resamplings."""
    random = np.random.default_rng(0)
    _, seeds, items = plain.losses.shape
    gaps = []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, seeds, seeds), random.integers(0, items, items)
        gaps.append(rate_gap(resampled(plain, *chosen), resampled(tuned, *chosen)))
    used = np.array(gaps)[np.isfinite(gaps)]
    everything = np.arange(seeds), np.arange(items)
    whole = rate_gap(resampled(plain, *everything), resampled(tuned, *everything))
    if len(used) < 0.9 * RESAMPLES or not np.isfinite(whole):
        return {"percent": None, "resamples": len(used), "items": items}
    low, high = np.quantile(used, (0.025, 0.975))
    percent = [-100 * float(np.expm1(gap)) for gap in (whole, high, low)]
    return {"percent": percent, "resamples": len(used), "items": items}


def resampled(curve: Curve, seeds: NDArray[np.int64], items: NDArray[np.int64]) -> Floats:
    """Logarithms of mean bytes and of mean losses, by rising bytes."""
    num_bytes = curve.num_bytes[:, items].mean(1)
    losses = curve.losses[:, seeds][:, :, items].mean((1, 2))
    return np.log(np.stack([num_bytes, losses])[:, np.argsort(num_bytes)])


if __name__ == "__main__":
    main()
