"""Training a network on latents, or on pixels or samples for comparison: one loop for every task, one result file.

Its files are those of `training.runs`: `best.safetensors` holds the weights of the epoch with the best validation score and
what `Predictor` needs, `result.json` the score on the test split with its interval, seconds and bytes of an epoch, and
`judged.safetensors` what the task says of each test item.

Everything random is drawn from (seed, epoch, step), so a run that was killed goes on with the next batch after its last
checkpoint and ends with the same weights as an uninterrupted one, on the CPU with the same number of threads. Under
`torchrun` the processes share each batch. The test split is touched once, at the end, with the best weights.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from laconic.codecs.errors import CodecError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.heads.checkpoint import load_checkpoint_weights, save_best_checkpoint, start_from
from laconic.tasks.heads.classification import Classification
from laconic.tasks.heads.comparison import read_result
from laconic.tasks.heads.devices import chosen_device
from laconic.tasks.heads.epoch_clock import EpochClock
from laconic.tasks.heads.inputs import Data, Loader, Part, load_inputs
from laconic.tasks.heads.judged_items import ItemJudge, JudgedItems, save_judged_items
from laconic.tasks.heads.learning_task import Batch, LearningTask, best_epoch_of_task, description_of_learning_task
from laconic.tasks.heads.network_catalog import make_network
from laconic.tasks.heads.run_results import RunSubject, result_of_run
from laconic.tasks.heads.train_options import TrainOptions
from laconic.tasks.training.optimizers import Optimizers
from laconic.tasks.training.processes import Processes, join_processes
from laconic.tasks.training.run_names import BEST_NAME, JUDGED_NAME, LAST_NAME, PLOT_NAME, RESULT_NAME
from laconic.tasks.training.runs import RunLog, RunState, claim_run, run_learning_rate_at

_BETAS: Final = (0.9, 0.99)


@dataclass(frozen=True)
class RunComfort:
    """What does not decide a result. `device`: "cpu", "cuda", "cuda:1", or "auto", a CUDA device where there is one.
    `loading_threads` read each batch. `checkpoint_seconds` lie between two checkpoints inside an epoch. `on_epoch` gets
    the row of each epoch, `on_progress` the share that is done."""

    device: str = "auto"
    loading_threads: int = 1
    checkpoint_seconds: float = 60.0
    with_tensorboard: bool = False
    on_epoch: Callable[[Mapping[str, float]], None] | None = None
    on_progress: Callable[[float], None] | None = None


def train(
    folder: Path | str,
    run: Path | str,
    options: TrainOptions | None = None,
    *,
    task: LearningTask | None = None,
    comfort: RunComfort | None = None,
) -> dict[str, Any]:
    """Train, or go on with a run that was killed, and return what RUN/result.json says. The task is `Classification()`
    where none is given.

    Raises `CodecError` for data that do not fit and for a `run` of other options. Sets torch's number of threads.
    """
    options, task, run, comfort = (
        options or TrainOptions(),
        task or Classification(),
        Path(run),
        comfort or RunComfort(),
    )
    device = chosen_device(comfort.device)
    claim_run(run, {**asdict(options), "task": description_of_learning_task(task)})
    if (run / RESULT_NAME).exists():
        return read_result(run)
    torch.set_num_threads(options.num_threads)
    processes = join_processes()
    data, options = load_inputs(folder, options, task)
    loop = _Loop(task, data, options, processes, comfort, device)
    loop.state.restore(run / LAST_NAME)
    with RunLog(run, loop.state, processes, with_tensorboard=comfort.with_tensorboard, on_row=comfort.on_epoch) as log:
        loop.run(run, log)
    processes.wait()  # until the best weights are written
    result, judged = loop.result(run)
    if processes.is_first:
        save_judged_items(run / JUDGED_NAME, judged)
        atomic_write(run / PLOT_NAME, task.plot(judged.rows, data.form).encode(), force=True)
        atomic_write(run / RESULT_NAME, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    return result


class _Loop:
    """A task with its data, network, optimiser and progress."""

    def __init__(
        self,
        task: LearningTask,
        data: Data,
        options: TrainOptions,
        processes: Processes,
        comfort: RunComfort,
        device: torch.device,
    ) -> None:
        self._task, self._data, self._options, self._processes = task, data, options, processes
        self._comfort, self._device = comfort, device
        self._network = make_network(options.network, task, data.form, options.seed)
        if options.start:
            start_from(self._network, options.start)
        self._network.to(device)
        groups = [{"params": list(self._network.parameters()), "lr": options.learning_rate}]
        assert options.weight_decay is not None
        self._optimizers = Optimizers(groups, betas=_BETAS, weight_decay=options.weight_decay)
        self.state = RunState(self._network, self._optimizers)

    def run(self, run: Path, log: RunLog) -> None:
        """The epochs that are left."""
        task, progress, options = self._task, self.state.progress, self._options
        assert options.epochs is not None and options.batch_size is not None
        share = -(-options.batch_size // self._processes.world)
        more = {
            "seed": options.seed,
            "augmentation": options.augmentation,
            "num_threads": self._comfort.loading_threads,
        }
        loader = self._data.train.loader(task.targets, share, **more)
        for epoch in range(progress.done, options.epochs):
            loader.load_state_dict({**loader.state_dict(), "epoch": epoch, "batch": int(progress.part.get("step", 0))})
            row = self._train_epoch(loader, epoch, log)
            val = task.scores(self._judged(self._data.val).rows)
            row |= {f"val_{name}": value for name, value in val.items()}
            progress.done, progress.part = epoch + 1, {}
            progress.seconds += row["loading_seconds"] + row["compute_seconds"]
            if self._processes.is_first and best_epoch_of_task([*progress.rows, row], task) == epoch:
                save_best_checkpoint(run / BEST_NAME, self._network, {**self._card(), "epoch": epoch})
            log.add(row)

    def _card(self) -> dict[str, Any]:
        """What is needed to build and use the network again."""
        return {
            "task": description_of_learning_task(self._task),
            "form": asdict(self._data.form) | {"model": None},
            "recipe": self._data.recipe,
            "network": self._options.network,
        }

    def _train_epoch(self, loader: Loader, epoch: int, log: RunLog) -> dict[str, float]:
        """The batches of an epoch that are left; its loss and where its time went."""
        processes, part, epochs = self._processes, self.state.progress.part, self._options.epochs
        assert epochs is not None
        clock = EpochClock()
        self._network.train()
        for batch in clock.batches(self._data.batches(loader)):
            loss = self._step(batch, epoch, int(part.get("step", 0)), len(loader))
            part["loss"] = part.get("loss", 0.0) + loss * len(batch)
            part["items"] = part.get("items", 0.0) + len(batch)
            part["step"] = part.get("step", 0.0) + 1
            if self._comfort.on_progress is not None and processes.is_first:
                self._comfort.on_progress((epoch + part["step"] / len(loader)) / epochs)
            if part["step"] < len(loader) and clock.is_due(self._comfort.checkpoint_seconds):
                clock.stop_into(part)
                log.checkpoint()
        processes.average_buffers(self._network)
        clock.stop_into(part)
        totals = processes.total(torch.tensor([part["loss"], part["items"]], dtype=torch.float64)).tolist()
        return {"train_loss": totals[0] / totals[1], **clock.row(part)}

    def _step(self, batch: Batch, epoch: int, step: int, num_steps: int) -> float:
        options = self._options
        assert options.epochs is not None
        random = np.random.default_rng((options.seed, epoch, step, 1))
        torch.manual_seed(int(random.integers(2**31)))
        with self._autocast():
            loss = self._task.loss(self._network, batch.on(self._device), random)
        torch.autograd.backward(loss)
        self._processes.average_gradients(self._network)
        done = (epoch * num_steps + step) / (options.epochs * num_steps)
        self._optimizers.step(run_learning_rate_at(done, options.warmup_fraction))
        return float(loss.detach())

    def _autocast(self) -> torch.autocast:
        is_mixed = self._options.precision == "bfloat16"
        return torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_mixed)

    def _judged(self, part: Part) -> JudgedItems:
        threads = self._comfort.loading_threads
        judge = ItemJudge(self._task, self._network, self._data, self._processes, self._device, threads)
        with self._autocast():
            return judge.of(part)

    def result(self, run: Path) -> tuple[dict[str, Any], JudgedItems]:
        """What the best weights make of the test split."""
        rows = self.state.progress.rows
        best = best_epoch_of_task(rows, self._task)
        if best is None:
            raise CodecError("the validation loss was never a finite number; try a lower learning rate in a new folder")
        load_checkpoint_weights(self._network, run / BEST_NAME)
        judged = self._judged(self._data.test)
        result = result_of_run(RunSubject(self._task, self._data, self._options, self._network), rows, best, judged)
        where = {"num_processes": self._processes.world, "device": str(self._device)}
        return {**result, **where, "loading_threads": self._comfort.loading_threads}, judged
