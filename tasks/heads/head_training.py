"""Training a network on latents, or on pixels or samples for comparison: one loop for every task, one result file.

Its files are those of `training.runs`: `best.safetensors` holds the weights of the epoch with the best validation score and
what `Predictor` needs, `result.json` the score on the test split with its interval, seconds and bytes of an epoch.

Everything random in an epoch is drawn from (seed, epoch), so a run that was killed goes on after its last finished epoch
and ends with the same weights as an uninterrupted one, on the CPU with the same number of threads. Under `torchrun` the
processes share each batch. The test split is touched once, at the end, with the best weights.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from laconic.codecs.errors import CodecError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.heads.checkpoint import load_checkpoint_weights, save_best_checkpoint
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.comparison import read_result
from laconic.tasks.heads.inputs import Data, Part, TrainOptions, input_name, load_inputs
from laconic.tasks.heads.learning_task import LearningTask, best_epoch_of_task, description_of_learning_task
from laconic.tasks.heads.networks import num_parameters
from laconic.tasks.training.optimizers import Optimizers
from laconic.tasks.training.processes import Processes, join_processes
from laconic.tasks.training.run_names import BEST_NAME, LAST_NAME, PLOT_NAME, RESULT_NAME
from laconic.tasks.training.runs import RunLog, RunState, claim_run, run_learning_rate_at

if TYPE_CHECKING:
    from jaxtyping import Float

_BETAS = (0.9, 0.99)
_EVALUATION_BATCH = 64


def train(
    folder: Path | str,
    run: Path | str,
    options: TrainOptions | None = None,
    *,
    task: LearningTask | None = None,
    num_workers: int = 0,
    with_tensorboard: bool = False,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train, or go on with a run that was killed, and return what RUN/result.json says. The task is `Classification()`
    where none is given.

    Raises `CodecError` for data that do not fit and for a `run` of other options. Sets torch's number of threads.
    """
    options, task, run = options or TrainOptions(), task or Classification(), Path(run)
    claim_run(run, {**asdict(options), "task": description_of_learning_task(task)})
    if (run / RESULT_NAME).exists():
        return read_result(run)
    torch.set_num_threads(options.num_threads)
    processes = join_processes()
    loop = _Loop(task, load_inputs(folder, options, task.targets), options, processes, num_workers)
    loop.state.restore(run / LAST_NAME)
    with RunLog(run, loop.state, processes, with_tensorboard=with_tensorboard, on_row=on_epoch) as log:
        loop.run(run, log)
    processes.wait()  # until the best weights are written
    result, drawing = loop.result(run)
    if processes.is_first:
        atomic_write(run / PLOT_NAME, drawing.encode(), force=True)
        atomic_write(run / RESULT_NAME, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    return result


class _Loop:
    """A task with its data, network, optimiser and progress."""

    def __init__(
        self, task: LearningTask, data: Data, options: TrainOptions, processes: Processes, num_workers: int
    ) -> None:
        self._task, self._data, self._options, self._processes = task, data, options, processes
        self._num_workers = num_workers
        self._network = task.network(data, options.seed)
        groups = [{"params": list(self._network.parameters()), "lr": options.learning_rate}]
        self._optimizers = Optimizers(groups, betas=_BETAS, weight_decay=options.weight_decay)
        self.state = RunState(self._network, self._optimizers)

    def run(self, run: Path, log: RunLog) -> None:
        """The epochs that are left."""
        task, progress = self._task, self.state.progress
        batches = HeadTrainingBatches(len(self._data.train), self._options, self._processes)
        with Loading(_Items(self._data.train, task), self._num_workers, batches) as loading:
            for epoch in range(progress.done, self._options.epochs):
                row = self._train_epoch(loading, epoch)
                val = task.scores(self._totals(self._data.val))
                row |= {f"val_{name}": value for name, value in val.items()}
                progress.done = epoch + 1
                progress.seconds += row["loading_seconds"] + row["compute_seconds"]
                if self._processes.is_first and best_epoch_of_task([*progress.rows, row], task) == epoch:
                    card = {"task": task.name, **task.card(self._data), "recipe": self._data.recipe, "epoch": epoch}
                    save_best_checkpoint(run / BEST_NAME, self._network, card)
                log.add(row)

    def _train_epoch(self, loading: Loading, epoch: int) -> dict[str, float]:
        """One pass over the training items; returns its loss and where its time went."""
        start, options, processes = time.perf_counter(), self._options, self._processes
        random = np.random.default_rng((options.seed, epoch, 1, *([processes.rank] if processes.rank else [])))
        torch.manual_seed(int(random.integers(2**31)))
        self._network.train()
        total = num_items = 0.0
        for step, (x, targets) in enumerate(loading.epoch(epoch)):
            done = (epoch * len(loading) + step) / (options.epochs * len(loading))
            loss = self._task.loss(self._network, x, targets, random)
            torch.autograd.backward(loss)
            processes.average_gradients(self._network)
            self._optimizers.step(run_learning_rate_at(done, options.warmup_fraction))
            total, num_items = total + loss.item() * len(x), num_items + len(x)
        processes.average_buffers(self._network)
        seconds = time.perf_counter() - start
        total, num_items = processes.total(torch.tensor([total, num_items], dtype=torch.float64)).tolist()
        return {
            "train_loss": total / num_items,
            "loading_seconds": loading.seconds,
            "compute_seconds": seconds - loading.seconds,
        }

    @torch.no_grad()
    def _totals(self, part: Part) -> Tensor:
        """The counts of all items of a part; the processes share them, unless there are too few."""
        self._network.eval()
        is_shared = len(part) >= self._processes.world
        own = part.every(self._processes.world, self._processes.rank) if is_shared else part
        loader = DataLoader(_Items(own, self._task), batch_size=_EVALUATION_BATCH, num_workers=self._num_workers)
        batches = (self._task.counts(self._network(x), targets) for x, targets in loader)
        totals = torch.stack(list(batches)).sum(dim=0)
        return self._processes.total(totals) if is_shared else totals

    def result(self, run: Path) -> tuple[dict[str, Any], str]:
        """What the best weights make of the test split, and the drawing of it."""
        data, task, rows = self._data, self._task, self.state.progress.rows
        best = best_epoch_of_task(rows, task)
        if best is None:
            raise CodecError("the validation loss was never a finite number; try a lower learning rate in a new folder")
        load_checkpoint_weights(self._network, run / BEST_NAME)
        totals = self._totals(data.test)
        parts = {"train": data.train, "val": data.val, "test": data.test}
        val_name = f"val_{task.score_name}"
        result = {
            **self._subject(),
            **{f"{name}_items": len(part) for name, part in parts.items()},
            "best_epoch": best,
            val_name: rows[best][val_name],
            **_test_scores(task, totals),
            "seconds_per_epoch": _seconds_per_epoch(rows),
            "num_workers": self._num_workers,
            "num_processes": self._processes.world,
            **{f"{name}_bytes_per_epoch": part.num_bytes for name, part in parts.items()},
            "history": rows,
        }
        return result, task.plot(totals, data)

    def _subject(self) -> dict[str, Any]:
        """What was learned, from what, by which network."""
        data, options, task = self._data, self._options, self._task
        return {
            "task": task.name,
            "score_name": task.score_name,
            "unit": task.unit,
            "higher_is_better": task.higher_is_better,
            "arm": options.arm,
            "input": input_name(data, options),
            "options": {**asdict(options), "model": None, "task": description_of_learning_task(task)},
            "classes": data.classes,
            "parameters": num_parameters(self._network),
        }


def _test_scores(task: LearningTask, totals: Tensor) -> dict[str, Any]:
    interval = task.interval(totals)
    scores = {f"test_{name}": value for name, value in task.scores(totals).items()}
    return {**scores, "test_interval_95": interval and list(interval)}


def _seconds_per_epoch(rows: list[dict[str, float]]) -> dict[str, float]:
    """Medians, without the first epoch, which warms caches, where there are more."""
    steady = rows[1:] or rows
    return {name: float(np.median([row[f"{name}_seconds"] for row in steady])) for name in ("loading", "compute")}


class _Items(Dataset[tuple[Tensor, Any]]):
    """The items of a part, with targets as the task takes them."""

    def __init__(self, part: Part, task: LearningTask) -> None:
        self._part, self._task = part, task

    def __len__(self) -> int:
        return len(self._part)

    def __getitem__(self, index: int) -> tuple[Tensor, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Any]]:
        return [(x, self._task.target(values)) for x, values in self._part.__getitems__(indices)]


class HeadTrainingBatches(Sampler[list[int]]):
    """This process's share of batches of shuffled items. The order depends on (seed, epoch) alone; the last batch may be
    smaller."""

    def __init__(self, num_items: int, options: TrainOptions, processes: Processes) -> None:
        self._num_items, self._options, self._processes = num_items, options, processes
        self.epoch = 0

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self._options.seed, self.epoch, 0)).permutation(self._num_items)
        for start in range(0, self._num_items, self._options.batch_size):
            yield self._processes.share(order[start : start + self._options.batch_size]).tolist()

    def __len__(self) -> int:
        return -(-self._num_items // self._options.batch_size)


class Loading:
    """The training batches of one epoch after the other, and the seconds spent waiting for them."""

    def __init__(self, items: _Items, num_workers: int, batches: HeadTrainingBatches) -> None:
        self._batches = batches
        self._loader = DataLoader(
            items, batch_sampler=batches, num_workers=num_workers, persistent_workers=num_workers > 0
        )
        self.seconds = 0.0

    def __enter__(self) -> Loading:
        return self

    def __exit__(self, *_: object) -> None:
        del self._loader  # ends the workers

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, epoch: int) -> Iterator[tuple[Float[Tensor, "b c h w"], Any]]:
        self._batches.epoch, self.seconds = epoch, 0.0
        start = time.perf_counter()
        for x, targets in self._loader:
            self.seconds += time.perf_counter() - start
            yield x, targets
            start = time.perf_counter()
