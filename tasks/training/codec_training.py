"""Training of a codec's learned parts: one loop for every recipe.

    RUN/options.json            the recipe, its data and its seed
    RUN/last.safetensors        weights, their running mean, buffers, optimiser state and history, to go on from
    RUN/result.safetensors      what was trained, with its card
    RUN/curve.jsonl             loss and validation as the run went on

Everything random in a step is drawn from (seed, step), so a run that was killed goes on after its last checkpoint as if
it had not been. Under `torchrun` every process draws crops of its own and gradients are averaged.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError
from laconic.codecs.learning.learner import Learner
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.training.crops import CropPool
from laconic.tasks.training.optimizers import Optimizers
from laconic.tasks.training.summaries import summary_writer
from laconic.tasks.training.tensor_files import LAST_NAME, load_tensors, save_tensors

RESULT_NAME: Final = "result.safetensors"
CURVE_NAME: Final = "curve.jsonl"
_OPTIONS_NAME: Final = "options.json"
_WARM_UP: Final = 0.02  # of the steps
_MEAN_OF_STEPS: Final = 500  # the running mean of the weights reaches so far back
_LARGEST_NORM: Final = 1.0  # of a gradient
_RANK_STRIDE, _STEP_STRIDE = 1_000_003, 7_919  # between seeds


@dataclass(frozen=True)
class RunOptions:
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


@dataclass
class History:
    """How far a run is."""

    step: int = 0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)


def train_codec(
    learner: Learner,
    signals: Sequence[Tensor],
    validation: Sequence[Tensor],
    run: Path,
    options: RunOptions,
    *,
    card: Mapping[str, str] | None = None,
    with_tensorboard: bool = False,
    on_row: Callable[[Mapping[str, float]], None] | None = None,
) -> History:
    """Train on `signals` (c, *n), or go on with a run that was killed; how it went.

    `card`: more that the result should say of itself. Raises `CodecError` for a `run` of other options. Sets torch's
    number of threads.
    """
    _claim(run, options)
    torch.set_num_threads(options.threads)
    _keep_memory()
    rank, world = _join_processes()
    loop = _Loop(learner, options, run / LAST_NAME)
    if (run / RESULT_NAME).exists():
        return loop.history
    pool = CropPool(signals, learner.cutting, seed=options.seed + rank * _RANK_STRIDE, first_step=loop.history.step)
    writer = summary_writer(run, loop.history.step + 1) if with_tensorboard and rank == 0 else None
    while loop.history.step < options.steps:
        row = loop.advance(pool, rank, world)
        with loop.mean_weights():
            row |= learner.validate(validation)
        loop.history.rows.append(row)
        if rank == 0:
            loop.save(run / LAST_NAME)
            _write_rows(run / CURVE_NAME, loop.history.rows)
            _report(row, writer, on_row)
    if writer is not None:
        writer.close()
    if rank == 0:
        # A run that is killed here has no result.
        with loop.mean_weights(), TemporaryDirectory() as folder:
            learner.save(Path(folder, RESULT_NAME), {**(card or {}), **_facts(options, loop.history)})
            atomic_write(run / RESULT_NAME, Path(folder, RESULT_NAME).read_bytes(), force=True)
    return loop.history


class _Loop:
    """Learner, optimiser, running mean of the weights and history."""

    def __init__(self, learner: Learner, options: RunOptions, checkpoint: Path) -> None:
        self._learner, self._options = learner, options
        self._optimizers = Optimizers(learner.parameter_groups())
        self._parameters = {n: p for n, p in learner.module.named_parameters() if p.requires_grad}
        self._mean = {name: p.detach().clone() for name, p in self._parameters.items()}
        self.history = History()
        if checkpoint.exists():
            self._restore(checkpoint)

    def advance(self, pool: CropPool, rank: int, world: int) -> dict[str, float]:
        """Steps up to the next multiple of `every`, or the last; means of what they logged."""
        options, start = self._options, time.perf_counter()
        stop = min((self.history.step // options.every + 1) * options.every, options.steps)
        sums: dict[str, float] = {}
        count = stop - self.history.step
        self._learner.module.train()
        with ThreadPoolExecutor(1) as loader:  # the next sample is made beside the step
            coming = loader.submit(self._sample, pool, self.history.step, rank)
            for step in range(self.history.step, stop):
                sample = coming.result()
                if step + 1 < stop:
                    coming = loader.submit(self._sample, pool, step + 1, rank)
                for name, value in self._step(sample, step, world).items():
                    sums[name] = sums.get(name, 0.0) + value / count
        if not math.isfinite(sums["loss"]):
            raise CodecError(f"the loss is {sums['loss']} by step {stop}; try another seed, or a lower learning rate")
        self.history.step = stop
        self.history.seconds += time.perf_counter() - start
        return {"step": stop, "minutes": round(self.history.seconds / 60, 2), **sums}

    def _sample(self, pool: CropPool, step: int, rank: int) -> Any:
        generator = torch.Generator().manual_seed(self._options.seed + rank * _RANK_STRIDE + step * _STEP_STRIDE)
        return self._learner.sample(pool.batch(step, self._learner.batch_size), generator)

    def _step(self, sample: Any, step: int, world: int) -> dict[str, float]:
        done = step / self._options.steps
        loss, numbers = self._learner.loss(sample, done)
        torch.autograd.backward(loss)
        if world > 1:
            _average_gradients(list(self._parameters.values()), world)
        nn.utils.clip_grad_norm_(self._parameters.values(), _LARGEST_NORM)
        self._optimizers.step(learning_rate_at(done))
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

    def save(self, path: Path) -> None:
        """Everything that the next step needs."""
        tensors: dict[str, Tensor] = {f"mean.{name}": value for name, value in self._mean.items()}
        tensors |= {f"weights.{name}": value.detach() for name, value in self._parameters.items()}
        tensors |= {f"buffers.{name}": value for name, value in self._learner.module.named_buffers()}
        tensors |= self._optimizers.tensors()
        save_tensors(path, tensors, {"history": json.dumps(asdict(self.history))})

    def _restore(self, path: Path) -> None:
        tensors, metadata = load_tensors(path)
        self.history = History(**json.loads(metadata["history"]))
        self._set({n.removeprefix("weights."): t for n, t in tensors.items() if n.startswith("weights.")})
        self._mean = {n.removeprefix("mean."): t for n, t in tensors.items() if n.startswith("mean.")}
        for name, buffer in self._learner.module.named_buffers():
            buffer.copy_(tensors[f"buffers.{name}"])
        self._optimizers.restore(tensors)


def learning_rate_at(done: float) -> float:
    """As a share of the peak, after the share `done` of all steps: a linear rise, then a cosine to 0."""
    if done < _WARM_UP:
        return max(done / _WARM_UP, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _join_processes() -> tuple[int, int]:
    """Rank and number of the processes that `torchrun` started; 0 and 1 without it."""
    if "WORLD_SIZE" not in os.environ:
        return 0, 1
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def _average_gradients(parameters: Sequence[nn.Parameter], world: int) -> None:
    """One message for all."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    torch.distributed.all_reduce(flat)
    parts = torch.split(flat, [g.numel() for g in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.reshape(gradient.shape) / world)


def _keep_memory() -> None:
    """Large tensors are freed and asked for again in every step; glibc returns them to the system unless told not to,
    which costs a third of the time (M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of mallopt(3))."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:  # musl has none
            for option in (-3, -1):
                mallopt(option, 1 << 30)


def _claim(run: Path, options: RunOptions) -> None:
    """Make the run's folder, or check that it is one of these options."""
    path, wanted = run / _OPTIONS_NAME, json.loads(json.dumps(asdict(options)))
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError as err:
            raise CodecError(f"{path} is damaged: {err}; remove the run or name another folder") from err
        if not isinstance(found, dict):
            raise CodecError(f"{path} is damaged: it holds no options; remove the run or name another folder")
        differing = [name for name in wanted if found.get(name) != wanted[name]]
        if differing:
            raise CodecError(f"{run} is a run with other {', '.join(differing)}; name another folder, or remove it")
        return
    run.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(wanted, indent=1) + "\n").encode(), force=True)


def _write_rows(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    text = "".join(json.dumps({name: round(value, 5) for name, value in row.items()}) + "\n" for row in rows)
    atomic_write(path, text.encode(), force=True)


def _facts(options: RunOptions, history: History) -> dict[str, str]:
    """What the card of a result says of its run."""
    return {
        "recipe": options.recipe,
        "data": " ".join(options.data),
        "run": json.dumps(asdict(options)),
        "minutes": f"{history.seconds / 60:.1f}",
        "last_row": json.dumps(history.rows[-1]),
    }


def _report(row: Mapping[str, float], writer: Any, on_row: Callable[[Mapping[str, float]], None] | None) -> None:
    if writer is not None:
        for name, value in row.items():
            writer.add_scalar(name, value, int(row["step"]))
        writer.flush()
    if on_row is not None:
        on_row(row)
