"""Training a classifier on latents, or on pixels or samples for comparison: one loop, one result file.

    RUN/options.json            what was asked for
    RUN/last.safetensors        weights, optimiser state and progress after the last finished epoch
    RUN/best.safetensors        weights of the epoch with the best validation accuracy, and what `Predictor` needs
    RUN/result.json             accuracy on the test split with its interval, seconds and bytes of an epoch

Everything random in an epoch is drawn from (seed, epoch), so a run that was killed goes on after its last finished epoch
and ends with the same weights as an uninterrupted one, on the CPU with the same number of threads. The test split is
touched once, at the end, with the best weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from laconic.codecs.errors import CodecError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.heads.checkpoint import BEST_NAME, Progress, load_best, restore, save_best, save_last
from laconic.tasks.heads.comparison import RESULT_NAME, read_result, wilson_interval
from laconic.tasks.heads.inputs import Data, Part, TrainOptions, input_name, load_data
from laconic.tasks.heads.networks import Classifier, new_classifier, num_parameters
from laconic.tasks.training.summaries import summary_writer
from laconic.tasks.training.tensor_files import LAST_NAME

_OPTIONS_NAME = "options.json"


def train(
    folder: Path | str,
    run: Path | str,
    options: TrainOptions | None = None,
    *,
    num_workers: int = 0,
    with_tensorboard: bool = False,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train, or go on with a run that was killed, and return what RUN/result.json says.

    Raises `CodecError` for data that do not fit and for a `run` of other options. Sets torch's number of threads.
    """
    options, run = options or TrainOptions(), Path(run)
    _claim(run, options)
    if (run / RESULT_NAME).exists():
        return read_result(run)
    torch.set_num_threads(options.num_threads)
    data = load_data(folder, options)
    network = new_classifier(data.head, options.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.99)
    )
    progress = restore(run / LAST_NAME, network, optimizer)
    batches = EpochBatches(len(data.train), options)
    writer = summary_writer(run, progress.epoch) if with_tensorboard else None
    with Loading(data.train, num_workers, batches) as loading:
        for epoch in range(progress.epoch, options.epochs):
            row = _train_epoch(network, optimizer, loading, epoch, options)
            row |= {f"val_{name}": value for name, value in _evaluate(network, data.val, num_workers).items()}
            progress.epoch = epoch + 1
            progress.history.append(row)
            if progress.is_best(row):
                progress.best_epoch = epoch
                save_best(run / BEST_NAME, network, data, epoch)
            save_last(run / LAST_NAME, network, optimizer, progress)
            if writer is not None:
                for name, value in row.items():
                    writer.add_scalar(name, value, epoch)
                writer.flush()
            if on_epoch is not None:
                on_epoch(row)
    if writer is not None:
        writer.close()
    if progress.best_epoch < 0:
        raise CodecError("the validation loss was never a finite number; try a lower learning rate in a new folder")
    result = _result(run, data, options, progress, num_workers)
    atomic_write(run / RESULT_NAME, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    return result


class EpochBatches(Sampler[list[int]]):
    """Batches of shuffled items. The order depends on (seed, epoch) alone; the last batch may be smaller."""

    def __init__(self, num_items: int, options: TrainOptions) -> None:
        self._num_items, self._options = num_items, options
        self.epoch = 0

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self._options.seed, self.epoch, 0)).permutation(self._num_items)
        for start in range(0, self._num_items, self._options.batch_size):
            yield order[start : start + self._options.batch_size].tolist()

    def __len__(self) -> int:
        return -(-self._num_items // self._options.batch_size)


class Loading:
    """The training batches of one epoch after the other, and the seconds spent waiting for them."""

    def __init__(self, part: Part, num_workers: int, batches: EpochBatches) -> None:
        self._batches = batches
        self._loader = DataLoader(
            cast("Dataset[tuple[Tensor, int]]", part),
            batch_sampler=batches,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
        )
        self.seconds = 0.0

    def __enter__(self) -> Loading:
        return self

    def __exit__(self, *_: object) -> None:
        del self._loader  # ends the workers

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        self._batches.epoch, self.seconds = epoch, 0.0
        start = time.perf_counter()
        for x, labels in self._loader:
            self.seconds += time.perf_counter() - start
            yield x, labels
            start = time.perf_counter()


def _train_epoch(
    network: Classifier, optimizer: torch.optim.Optimizer, loading: Loading, epoch: int, options: TrainOptions
) -> dict[str, float]:
    """One pass over the training items; returns its loss and where its time went."""
    start = time.perf_counter()
    random = np.random.default_rng((options.seed, epoch, 1))
    torch.manual_seed(int(random.integers(2**31)))
    loss_of = nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
    network.train()
    total = num_items = 0.0
    for step, (x, labels) in enumerate(loading.epoch(epoch)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at((epoch * len(loading) + step) / (options.epochs * len(loading)), options)
        x = shifted(x, network.config.patch, options.max_shift, random)
        weight = float(random.beta(options.mixup, options.mixup)) if options.mixup else 1.0
        partner = torch.from_numpy(random.permutation(len(x)))
        scores = network(weight * x + (1 - weight) * x[partner])
        loss = weight * loss_of(scores, labels) + (1 - weight) * loss_of(scores, labels[partner])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, num_items = total + loss.item() * len(x), num_items + len(x)
    seconds = time.perf_counter() - start
    return {
        "train_loss": total / num_items,
        "loading_seconds": loading.seconds,
        "compute_seconds": seconds - loading.seconds,
    }


def learning_rate_at(done: float, options: TrainOptions) -> float:
    """After the share `done` of all steps: a linear rise, then a cosine to 0."""
    if done < options.warmup_fraction:
        return options.learning_rate * max(done / options.warmup_fraction, 1e-2)
    rest = (done - options.warmup_fraction) / (1 - options.warmup_fraction)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def shifted(x: Tensor, patch: tuple[int, int], max_shift: int, random: np.random.Generator) -> Tensor:
    """(b, c, h, w), each item moved by up to `max_shift` whole tokens both ways, zeros where nothing comes in."""
    if not max_shift:
        return x
    out = torch.zeros_like(x)
    h, w = x.shape[2:]
    reach = [0 if side < 4 * max_shift * p else max_shift for side, p in zip((h, w), patch, strict=True)]
    for source, target in zip(x, out, strict=True):
        dy, dx = (int(random.integers(-r, r + 1)) * p for r, p in zip(reach, patch, strict=True))
        moved = source[:, max(-dy, 0) : h - max(dy, 0), max(-dx, 0) : w - max(dx, 0)]
        target[:, max(dy, 0) : h - max(-dy, 0), max(dx, 0) : w - max(-dx, 0)] = moved
    return out


def _evaluate(network: Classifier, part: Part, num_workers: int) -> dict[str, float]:
    """Mean cross-entropy, number of correct items and accuracy."""
    network.eval()
    loss = correct = 0.0
    loader = DataLoader(cast("Dataset[tuple[Tensor, int]]", part), batch_size=64, num_workers=num_workers)
    with torch.no_grad():
        for x, labels in loader:
            scores = network(x)
            loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
            correct += (scores.argmax(dim=1) == labels).sum().item()
    return {"loss": loss / len(part), "correct": correct, "accuracy": correct / len(part)}


def _result(run: Path, data: Data, options: TrainOptions, progress: Progress, num_workers: int) -> dict[str, Any]:
    network, _ = load_best(run)
    scores = _evaluate(network, data.test, num_workers)
    val = progress.history[progress.best_epoch]
    low, high = wilson_interval(scores["correct"], len(data.test))
    parts = {"train": data.train, "val": data.val, "test": data.test}
    steady = progress.history[1:] or progress.history  # the first epoch warms caches
    return {
        "arm": options.arm,
        "input": input_name(data, options),
        "options": {**asdict(options), "model": None},
        "classes": data.classes,
        "parameters": num_parameters(network),
        "train_items": len(data.train),
        "val_items": len(data.val),
        "test_items": len(data.test),
        "best_epoch": progress.best_epoch,
        "val_accuracy": val["val_accuracy"],
        "test_correct": int(scores["correct"]),
        "test_accuracy": scores["accuracy"],
        "test_interval_95": [low, high],
        "seconds_per_epoch": {
            name: float(np.median([row[f"{name}_seconds"] for row in steady])) for name in ("loading", "compute")
        },
        "num_workers": num_workers,
        **{f"{name}_bytes_per_epoch": part.num_bytes for name, part in parts.items()},
        "history": progress.history,
    }


def _claim(run: Path, options: TrainOptions) -> None:
    """Make the run's folder, or check that it is one of these options."""
    path = run / _OPTIONS_NAME
    wanted = asdict(options)
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError as err:
            raise CodecError(f"{path} is damaged: {err}; remove the run or name another folder") from err
        differing = [f.name for f in fields(options) if found.get(f.name) != wanted[f.name]]
        if differing:
            raise CodecError(
                f"{run} is a run with other options ({', '.join(differing)}); name another folder, or remove it"
            )
        return
    run.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(wanted, indent=1) + "\n").encode(), force=True)
