"""A training run: its folder, its schedule, how far it is, and what it goes on from. Every training uses these files:

    RUN/options.json            what was asked for; a run of other options is refused
    RUN/last.safetensors        all that the next step or epoch needs (`RunState`)
    RUN/curve.jsonl             a row of numbers for each of these checkpoints
    RUN/best.safetensors        networks on latents: the weights of the best epoch
    RUN/result.json, plot.svg   networks on latents: what the finished run found
    RUN/judged.safetensors      networks on latents: what the task says of each test item
    RUN/result.safetensors      parts of codecs: what was trained, with its card

The first process alone writes; see `processes`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import torch
from torch import Tensor, nn

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.whole_files import atomic_write
from laconic.tasks.training.optimizers import Optimizers
from laconic.tasks.training.processes import Processes
from laconic.tasks.training.run_names import CURVE_NAME, LAST_NAME, OPTIONS_NAME
from laconic.tasks.training.summaries import summary_writer
from laconic.tasks.training.tensor_files import load_tensors, save_tensors

if TYPE_CHECKING:
    from jaxtyping import Shaped

_DIGITS: Final = 5  # of numbers in the curve


def claim_run(run: Path, options: Mapping[str, Any]) -> None:
    """Make a run's folder for these options, or check that it is one of them. Raises `CodecError`."""
    path, wanted = run / OPTIONS_NAME, json.loads(json.dumps(options))
    if not path.exists():
        run.mkdir(parents=True, exist_ok=True)
        atomic_write(path, (json.dumps(wanted, indent=1) + "\n").encode(), force=True)
        return
    try:
        found = json.loads(path.read_bytes())
    except ValueError as err:
        raise CodecError(f"{path} is damaged: {err}; remove the run or name another folder") from err
    if not isinstance(found, dict):
        raise CodecError(f"{path} is damaged: it holds no options; remove the run or name another folder")
    differing = [name for name in wanted if found.get(name) != wanted[name]]
    if differing:
        raise CodecError(f"{run} is a run with other {', '.join(differing)}; name another folder, or remove it")


def run_learning_rate_at(done: float, warm_up: float) -> float:
    """As a share of the peak, after the share `done` of all steps: a linear rise for `warm_up`, then a cosine to 0."""
    if done < warm_up:
        return max(done / warm_up, 0.01)
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up)))


@dataclass
class RunProgress:
    """How far a run is; `done` counts the steps, or the epochs, of its loop; `part` has sums over that part of the next
    epoch which is done."""

    done: int = 0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    part: dict[str, float] = field(default_factory=dict)


class RunState:
    """What a run goes on from, in one format: "weights.<name>" of trained parameters and buffers, "mean.<name>" of their
    running means where `mean` has them, the optimiser's tensors, and the progress as text."""

    def __init__(
        self, module: nn.Module, optimizers: Optimizers, mean: Mapping[str, Shaped[Tensor, " ..."]] | None = None
    ) -> None:
        self.progress = RunProgress()
        self._module, self._optimizers, self._mean = module, optimizers, mean or {}

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all."""
        metadata = {"progress": json.dumps(asdict(self.progress))}
        save_tensors(path, self._tensors() | self._optimizers.tensors(), metadata)

    @torch.no_grad()
    def restore(self, path: Path) -> None:
        """Go back to what was saved, where something was. Raises `WeightsError`."""
        if not path.exists():
            return
        saved, metadata = load_tensors(path)
        try:
            progress = RunProgress(**json.loads(metadata["progress"]))
            for name, tensor in self._tensors().items():
                tensor.copy_(saved[name])
            self._optimizers.restore(saved)
        except (KeyError, ValueError, TypeError, RuntimeError) as err:
            raise WeightsError(f"{path} is no checkpoint of this run: {err}; remove the run, or train again") from err
        self.progress = progress

    def _tensors(self) -> dict[str, Tensor]:
        trained = {name: p.detach() for name, p in self._module.named_parameters() if p.requires_grad}
        weights = {f"weights.{name}": tensor for name, tensor in (trained | dict(self._module.named_buffers())).items()}
        return weights | {f"mean.{name}": tensor for name, tensor in self._mean.items()}


class SavedState(Protocol):
    """What a run goes on from, as `RunState` or as a training has it that is no loop of steps."""

    progress: RunProgress

    def save(self, path: Path) -> None:
        """Write all of it, whole or not at all."""
        ...


class RunLog:
    """Keeps a run's checkpoint and curve and reports each row, in the first process; used in a `with` block."""

    def __init__(
        self,
        run: Path,
        state: SavedState,
        processes: Processes,
        *,
        with_tensorboard: bool = False,
        on_row: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        self._run, self._state, self._processes, self._on_row = run, state, processes, on_row
        wants_writer = with_tensorboard and processes.is_first
        self._writer = summary_writer(run, state.progress.done + 1) if wants_writer else None

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def checkpoint(self) -> None:
        """Keep the state between two rows."""
        if self._processes.is_first:
            self._state.save(self._run / LAST_NAME)

    def add(self, row: dict[str, float]) -> None:
        """A checkpoint of the state, of which `row` is the newest; its progress is up to date but for the row."""
        progress = self._state.progress
        progress.rows.append(row)
        if not self._processes.is_first:
            return
        self._state.save(self._run / LAST_NAME)
        lines = (json.dumps({name: round(value, _DIGITS) for name, value in one.items()}) for one in progress.rows)
        atomic_write(self._run / CURVE_NAME, "".join(f"{line}\n" for line in lines).encode(), force=True)
        if self._writer is not None:
            for name, value in row.items():
                self._writer.add_scalar(name, value, progress.done)
            self._writer.flush()
        if self._on_row is not None:
            self._on_row(row)
