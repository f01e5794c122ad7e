"""Bytes at equal score of a classifier of clothing10: a tune for a task against the model as it was, and against less.

    python benchmarks/learning/bench_task_folds.py --data ../shared/data --work FOLDER --reason "why it was run"

All items, of train and test, are judged by cross-validation in five folds, divided anew with each seed, by a linear
classifier on what `BandNetwork` sees (`band_folds`). Nothing learns from the items that it is judged on: the tune learns,
without labels, from pictures that are in no fold (bsds500/train, centre squares of 256 pixels). Arms: files of `rgb` of
which 12, 48 or 3 channels are read, of squares of 256 pixels, and 12 of squares reduced to 128 and 64; and of the tune, at
256 and 128 pixels. Files hold the channels that are read and no others, as `laconic pack --channels` makes them.

Rows of results/task_aware.jsonl: "fold point", bytes, loss of the true class and accuracy of an arm at a step; "fold
saving", how many percent fewer bytes than an arm of `rgb` an arm has at equal score, by the loss and by the share of wrong
answers, the mean over the scores that both reach, with the 95 % interval over items and seeds. What is in FOLDER is taken
from there: a killed benchmark goes on.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import torch
from band_folds import FOLDS, Labels, band_features, judged_in_folds
from bench_task_aware import BASE, PACKAGES, Curve, keep_arrays, saving, trained_tune
from numpy.typing import NDArray

from laconic.codecs.lcn import Lcn
from laconic.codecs.learning.task_learner import TASK_TUNE
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.layout import Layout
from laconic.codecs.packing.packer import leading_latent
from laconic.tasks.datasets.framing import Framing, read_signal

LEAST_CHANNELS = 12  # that the classifier takes
TUNE_SIZE = 256


@dataclass(frozen=True)
class FoldArm:
    """Files of squares of `size` pixels at some steps, of which `channels` are read."""

    name: str
    size: int
    channels: int
    codes: tuple[int, ...]
    is_tuned: bool = False


ARMS = (
    FoldArm("rgb", 256, 12, (172, 188, 204, 220)),
    FoldArm("rgb 48 channels", 256, 48, (172, 188, 204, 220)),
    FoldArm("rgb 3 channels", 256, 3, (172, 188, 204, 220)),
    FoldArm("rgb 128 pixels", 128, 12, (172, 188, 204)),
    FoldArm("rgb 64 pixels", 64, 12, (140, 160, 184)),
    FoldArm("task", 256, 12, (172, 188, 204, 220, 236), is_tuned=True),
    FoldArm("task 128 pixels", 128, 12, (172, 188, 204, 220), is_tuned=True),
)


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    arms = [arm for arm in ARMS if arm.name in options.arms]
    curves = {arm.name: curve_of(options, arm) for arm in arms}
    for name, curve in curves.items():
        for anchor in (arm.name for arm in arms if not arm.is_tuned and arm.name != name):
            for number, measure in enumerate(("loss", "wrong answers")):
                row = {"type": "fold saving", **header(options), "arm": name, "anchor": anchor, "measure": measure}
                row |= saving(curves[anchor][number], curve[number])
                common.append_row(options.results, row)
                print(f"{name} against {anchor}, {measure}: {row['percent']}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds clothing10 and bsds500")
    parser.add_argument("--work", type=Path, required=True, help="folder of models and latents, kept between calls")
    names = [arm.name for arm in ARMS]
    parser.add_argument("--arms", nargs="+", default=names, choices=names)
    parser.add_argument("--steps", type=int, default=600, help="of the training of the tune")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the division into folds")
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "task_aware.jsonl")
    found: argparse.Namespace = parser.parse_args()
    return found


def header(options: argparse.Namespace) -> common.Row:
    setting = {"dataset": "clothing10", "training_steps": options.steps, "folds": FOLDS, "seeds": len(options.seeds)}
    return common.provenance(options.reason, packages=PACKAGES) | setting


def curve_of(options: argparse.Namespace, arm: FoldArm) -> tuple[Curve, Curve]:
    """By the loss of the true class and by wrong answers; a row for each step."""
    sizes, judged = [], []
    for code in arm.codes:
        num_bytes, latents, labels = coded_squares(options, arm, code)
        found = [judged_in_folds(features_of(latents), labels, seed) for seed in options.seeds]
        sizes.append(num_bytes.astype(np.float64))
        judged.append(np.stack(found, 1).astype(np.float64))
        loss, wrong = judged[-1].mean((1, 2)).tolist()
        row = {"type": "fold point", **header(options), "arm": arm.name, "size": arm.size, "channels": arm.channels}
        row |= {"step_code": code, "bytes": float(num_bytes.mean()), "loss": loss, "accuracy": 1 - wrong}
        common.append_row(options.results, row | {"items": len(labels)})
        print(f"{arm.name} {code}: {row['bytes']:.0f} bytes, loss {loss:.4f}, accuracy {1 - wrong:.4f}", flush=True)
    losses, wrongs = np.stack(judged, 1)
    return Curve(np.stack(sizes), losses), Curve(np.stack(sizes), wrongs)


def features_of(latents: NDArray[np.float32]) -> torch.Tensor:
    """Where only the lowest band is read, details count as 0."""
    missing = max(LEAST_CHANNELS - latents.shape[1], 0)
    return band_features(np.pad(latents, ((0, 0), (0, missing), (0, 0), (0, 0))), load_model(BASE))


def coded_squares(
    options: argparse.Namespace, arm: FoldArm, step_code: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], Labels]:
    """Of each item the bytes of its file, its latent, and its class; kept in a file."""
    squares, labels = read_squares(options.data, options.work, arm.size)
    path = options.work / "cells" / f"{arm.name.replace(' ', '_')}-{step_code}.npz"
    if not path.exists():
        model = str(trained_tune(options, "bsds500", TUNE_SIZE)) if arm.is_tuned else BASE
        codec = Lcn(model=model, tune=TASK_TUNE if arm.is_tuned else None, step_code=step_code)
        files = [encoded(codec, square, arm.channels) for square in squares]
        latents = [codec.unpack(file, channels=arm.channels).dequantize().astype(np.float16) for file in files]
        keep_arrays(path, latents=np.stack(latents), num_bytes=np.array([len(file) for file in files]))
    with np.load(path) as arrays:
        return arrays["num_bytes"], arrays["latents"].astype(np.float32), labels


def encoded(codec: Lcn, square: NDArray[np.uint8], channels: int) -> bytes:
    """A file of the first channels of a picture's latent."""
    latent = codec.analyze(Image(square))
    model = load_model(codec.model or BASE)
    return codec.pack(leading_latent(latent, channels, model, Layout(profile=codec.profile).file_profile))


def read_squares(data: Path, work: Path, size: int) -> tuple[NDArray[np.uint8], Labels]:
    """Centre squares of all items of clothing10, train then test, and their classes; kept in a file."""
    path = work / "cells" / f"squares-{size}.npz"
    if not path.exists():
        paths = [item for split in ("train", "test") for item in sorted((data / "clothing10" / split).glob("*/*.jpg"))]
        classes = sorted({item.parent.name for item in paths})
        squares = np.stack([np.asarray(read_signal(item, "image", Framing(size))) for item in paths])
        keep_arrays(path, x=squares, y=np.array([classes.index(item.parent.name) for item in paths]))
    with np.load(path) as arrays:
        return arrays["x"], arrays["y"].astype(np.int64)


if __name__ == "__main__":
    main()
