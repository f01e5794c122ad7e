"""Training of a codec's learned parts: one loop for every recipe; its files are those of `runs`.

Everything random in a step is drawn from (seed, step), so a run that was killed goes on after its last checkpoint as if
it had not been. Under `torchrun` every process draws crops of its own and gradients are averaged.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.learner import Learner
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.training.crops import CropPool
from laconic.tasks.training.optimizers import Optimizers
from laconic.tasks.training.processes import Processes, join_processes
from laconic.tasks.training.run_names import LAST_NAME, WEIGHTS_NAME
from laconic.tasks.training.runs import RunLog, RunProgress, RunState, claim_run, run_learning_rate_at

if TYPE_CHECKING:
    from jaxtyping import Num

_WARM_UP: Final = 0.02  # of the steps
_MEAN_OF_STEPS: Final = 500  # the running mean of the weights reaches so far back
_LARGEST_NORM: Final = 1.0  # of a gradient
_RANK_STRIDE, _STEP_STRIDE = 1_000_003, 7_919  # between seeds


@dataclass(frozen=True)
class CodecTrainingOptions:
    """`steps` of the whole run, a validation and a checkpoint every `every`. `threads` of torch, in each process.
    `model`: fingerprint of the model that it starts from, if there is one."""

    recipe: str
    data: tuple[str, ...]
    steps: int
    seed: int = 0
    every: int = 500
    threads: int = 1
    model: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1 or self.threads < 1:
            raise CodecError(
                f"steps, every and threads are {self.steps}, {self.every} and {self.threads}; allowed is 1 and up"
            )


def train_codec(
    learner: Learner,
    signals: Sequence[Num[Tensor, " c *sides"]],
    validation: Sequence[Num[Tensor, " c *sides"]],
    run: Path,
    options: CodecTrainingOptions,
    *,
    card: Mapping[str, str] | None = None,
    with_tensorboard: bool = False,
    on_row: Callable[[Mapping[str, float]], None] | None = None,
) -> RunProgress:
    """Train on `signals` (c, *n), or go on with a run that was killed; how it went.

    `card`: more that the result should say of itself. Raises `CodecError` for a `run` of other options. Sets torch's
    number of threads.
    """
    claim_run(run, asdict(options))
    torch.set_num_threads(options.threads)
    _keep_memory()
    processes = join_processes()
    loop = _Loop(learner, options, processes)
    loop.state.restore(run / LAST_NAME)
    progress = loop.state.progress
    if (run / WEIGHTS_NAME).exists():
        return progress
    seed = options.seed + processes.rank * _RANK_STRIDE
    pool = CropPool(signals, learner.cutting, seed=seed, first_step=progress.done)
    with RunLog(run, loop.state, processes, with_tensorboard=with_tensorboard, on_row=on_row) as log:
        while progress.done < options.steps:
            row = loop.advance(pool)
            with loop.mean_weights():
                row |= learner.validate(validation)
            log.add(row)
    if processes.is_first:
        # A run that is killed here has no result.
        with loop.mean_weights(), TemporaryDirectory() as folder:
            learner.save(Path(folder, WEIGHTS_NAME), {**(card or {}), **_facts(options, progress)})
            atomic_write(run / WEIGHTS_NAME, Path(folder, WEIGHTS_NAME).read_bytes(), force=True)
    return progress


class _Loop:
    """Learner, optimiser, running mean of the weights and progress."""

    def __init__(self, learner: Learner, options: CodecTrainingOptions, processes: Processes) -> None:
        self._learner, self._options, self._processes = learner, options, processes
        self._optimizers = Optimizers(learner.parameter_groups())
        self._parameters = {n: p for n, p in learner.module.named_parameters() if p.requires_grad}
        self._mean = {name: p.detach().clone() for name, p in self._parameters.items()}
        self.state = RunState(learner.module, self._optimizers, self._mean)

    def advance(self, pool: CropPool) -> dict[str, float]:
        """Steps up to the next multiple of `every`, or the last; means of what they logged."""
        options, start, progress = self._options, time.perf_counter(), self.state.progress
        stop = min((progress.done // options.every + 1) * options.every, options.steps)
        sums: dict[str, float] = {}
        count = stop - progress.done
        self._learner.module.train()
        with ThreadPoolExecutor(1) as loader:  # the next sample is made beside the step
            coming = loader.submit(self._sample, pool, progress.done)
            for step in range(progress.done, stop):
                sample = coming.result()
                if step + 1 < stop:
                    coming = loader.submit(self._sample, pool, step + 1)
                for name, value in self._step(sample, step).items():
                    sums[name] = sums.get(name, 0.0) + value / count
        if not math.isfinite(sums["loss"]):
            raise CodecError(f"the loss is {sums['loss']} by step {stop}; try another seed, or a lower learning rate")
        progress.done = stop
        progress.seconds += time.perf_counter() - start
        return {"step": stop, "minutes": round(progress.seconds / 60, 2), **sums}

    def _sample(self, pool: CropPool, step: int) -> Any:
        seed = self._options.seed + self._processes.rank * _RANK_STRIDE + step * _STEP_STRIDE
        generator = torch.Generator().manual_seed(seed)
        return self._learner.sample(pool.batch(step, self._learner.batch_size), generator)

    def _step(self, sample: Any, step: int) -> dict[str, float]:
        done = step / self._options.steps
        loss, numbers = self._learner.loss(sample, done)
        torch.autograd.backward(loss)
        self._processes.average_gradients(self._learner.module)
        nn.utils.clip_grad_norm_(self._parameters.values(), _LARGEST_NORM)
        self._optimizers.step(run_learning_rate_at(done, _WARM_UP))
        share = max(1 / _MEAN_OF_STEPS, 1 / (1 + step / 10))  # of the newest; fewer steps count at first
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                self._mean[name].lerp_(parameter, share)
        return {"loss": float(loss.detach()), **numbers}

    @contextmanager
    def mean_weights(self) -> Iterator[None]:
        """The learner's weights are their running means for a while."""
        kept = {name: p.detach().clone() for name, p in self._parameters.items()}
        self._set(self._mean)
        self._learner.module.eval()
        try:
            yield
        finally:
            self._set(kept)

    @torch.no_grad()
    def _set(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])


def _keep_memory() -> None:
    """Large tensors are freed and asked for again in every step; glibc returns them to the system unless told not to,
    which costs a third of the time (M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of mallopt(3))."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # musl has none
            for option in (-3, -1):
                mallopt(option, 1 << 30)


def _facts(options: CodecTrainingOptions, progress: RunProgress) -> dict[str, str]:
    """What the card of a result says of its run."""
    return {
        "recipe": options.recipe,
        "data": " ".join(options.data),
        "run": json.dumps(asdict(options)),
        "minutes": f"{progress.seconds / 60:.1f}",
        "last_row": json.dumps(progress.rows[-1]),
    }
