"""Recipe `contexts`: the networks of profile best for a fitted model of pictures, in two rounds (`subband_fitting`).

A run has the files of `runs`; its checkpoints are the networks that are done, with the counts that tables are made of, and
beside them

    RUN/first.safetensors       the model of the first round

Everything random is drawn from the seed, so a run that was killed goes on with the network that it was at.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from laconic.codecs.errors import CodecError, WeightsError
from laconic.codecs.fitting.subband_axes import subband_channels
from laconic.codecs.fitting.subband_fitting import (
    FIRST_ROUND,
    SECOND_ROUND,
    FittedNetwork,
    fit_subband_contexts,
    seconds_of_fit,
)
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.packet_tree import is_dyadic
from laconic.codecs.whole_files import atomic_write
from laconic.entropy.subbands import ContextNetwork
from laconic.tasks.training.processes import Processes
from laconic.tasks.training.recipes import CONTEXTS
from laconic.tasks.training.run_names import FIRST_NAME, LAST_NAME, WEIGHTS_NAME
from laconic.tasks.training.runs import RunLog, RunProgress, claim_run
from laconic.tasks.training.tensor_files import load_tensors, save_tensors

DEFAULT_CONTEXT_STEPS: Final = SECOND_ROUND.num_steps
_NUM_NETWORKS: Final = len(FIRST_ROUND.widths)


@dataclass(frozen=True)
class ContextTrainingOptions:
    """`steps` of each network in the second round; in the first the same, and 1,500 at most. `model`: fingerprint of the
    one that gets the networks. `threads` of torch."""

    data: tuple[str, ...]
    steps: int = DEFAULT_CONTEXT_STEPS
    model: str = ""
    seed: int = 0
    threads: int = 1
    recipe: str = CONTEXTS

    def __post_init__(self) -> None:
        if self.steps < 1 or self.threads < 1:
            raise CodecError(f"steps and threads are {self.steps} and {self.threads}; allowed is 1 and up")


def train_contexts(
    pictures: Sequence[Image],
    start: Model,
    run: Path,
    options: ContextTrainingOptions,
    *,
    card: Mapping[str, str] | None = None,
    with_tensorboard: bool = False,
    on_row: Callable[[Mapping[str, float]], None] | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> RunProgress:
    """Make RUN/result.safetensors, the model `start` with networks for these pictures, or go on with a run that was killed;
    how it went.

    `card`: more that the model should say of itself. `on_row` is given numbers of each network, `on_progress` the share
    that is done of what there was to do when this began. Raises `CodecError` for a `run` of other options, for a model that
    cannot have networks, and among several processes. Sets torch's number of threads.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise CodecError(f"recipe {CONTEXTS} runs in one process; start it without torchrun")
    _check_start(start)
    claim_run(run, asdict(options))
    state = _ContextState()
    state.restore(run / LAST_NAME)
    if (run / WEIGHTS_NAME).exists():
        return state.progress
    torch.set_num_threads(options.threads)
    with _flushed_denormals(), RunLog(run, state, Processes(), with_tensorboard=with_tensorboard, on_row=on_row) as log:
        rounds = _Rounds(pictures, start, options, state, log, on_progress)
        model = rounds.model(run / FIRST_NAME)
    said = {**_of_start(start), **(card or {}), **_facts(options, state, len(pictures))}
    _write_model(replace(model, card=said), run / WEIGHTS_NAME)
    return state.progress


class _ContextState:
    """What a run goes on from: the networks that are done, of both rounds, and the progress as text."""

    def __init__(self) -> None:
        self.progress = RunProgress()
        self.fitted: list[FittedNetwork] = []

    def save(self, path: Path) -> None:
        arrays = {
            f"{i}.{name}": array
            for i, one in enumerate(self.fitted)
            for name, array in {**one.network.arrays, "counts": one.counts, "priors": one.priors}.items()
        }
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        save_tensors(path, tensors, {"progress": json.dumps(asdict(self.progress))})

    def restore(self, path: Path) -> None:
        """Go back to what was saved, where something was. Raises `WeightsError`."""
        if not path.exists():
            return
        tensors, metadata = load_tensors(path)
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        names = [field.name for field in fields(ContextNetwork)]
        try:
            progress = RunProgress(**json.loads(metadata["progress"]))
            fitted = [
                FittedNetwork(
                    ContextNetwork(**{name: arrays[f"{i}.{name}"] for name in names}),
                    arrays[f"{i}.counts"],
                    arrays[f"{i}.priors"],
                )
                for i in range(progress.done)
            ]
        except (KeyError, ValueError, TypeError) as err:
            raise WeightsError(f"{path} is no checkpoint of this run: {err}; remove the run, or train again") from err
        self.progress, self.fitted = progress, fitted


class _Rounds:
    """Both rounds, or what is left of them."""

    def __init__(
        self,
        pictures: Sequence[Image],
        start: Model,
        options: ContextTrainingOptions,
        state: _ContextState,
        log: RunLog,
        on_progress: Callable[[float], None],
    ) -> None:
        self._pictures, self._start, self._options, self._state, self._log = pictures, start, options, state, log
        self._on_progress = on_progress
        self._mark = time.perf_counter()
        steps = options.steps
        self._rounds = (
            replace(FIRST_ROUND, num_steps=min(FIRST_ROUND.num_steps, steps)),
            replace(SECOND_ROUND, num_steps=steps),
        )

    def model(self, first: Path) -> Model:
        """The model of both rounds; that of the first is kept in a file."""
        left = [seconds_of_fit(len(self._pictures), r, len(self._done(i))) for i, r in enumerate(self._rounds)]
        if first.exists():
            left[0] = 0.0
        else:
            share = left[0] / sum(left)
            _write_model(self._fit(0, self._start, lambda done: self._on_progress(share * done)), first)
        rest = left[1] / sum(left)
        model = self._fit(1, Model.load(first), lambda done: self._on_progress(1 - rest * (1 - done)))
        self._add_time()
        return model

    def _done(self, number: int) -> list[FittedNetwork]:
        return self._state.fitted[number * _NUM_NETWORKS : (number + 1) * _NUM_NETWORKS]

    def _fit(self, number: int, model: Model, on_progress: Callable[[float], None]) -> Model:
        return fit_subband_contexts(
            self._pictures,
            model,
            self._rounds[number],
            seed=self._options.seed,
            fitted=self._done(number),
            on_network=self._add,
            on_progress=on_progress,
        )

    def _add(self, fitted: FittedNetwork) -> None:
        """A checkpoint with one more network."""
        progress = self._state.progress
        number, level = divmod(len(self._state.fitted), _NUM_NETWORKS)
        self._state.fitted.append(fitted)
        progress.done += 1
        self._add_time()
        minutes = round(progress.seconds / 60, 2)
        bits = fitted.bits_per_symbol
        self._log.add({"round": number + 1, "level": level, "minutes": minutes, "bits_per_symbol": bits})

    def _add_time(self) -> None:
        now = time.perf_counter()
        self._state.progress.seconds += now - self._mark
        self._mark = now


def _check_start(model: Model) -> None:
    """Raises `CodecError` for a model whose subbands networks could not code."""
    is_picture = model.kind == "image" and model.num_planes in (1, 3)
    if not is_picture or not is_dyadic(model.tree) or model.tree.depth + model.low_levels + 1 != _NUM_NETWORKS:
        raise CodecError(
            f"model {model.name} is none of grey or RGB pictures with five dyadic levels; fit one as laconic fit does"
        )
    if not np.array_equal(model.channels, subband_channels(model.tree, model.num_planes)):
        raise CodecError(f"model {model.name} has channels in another order than subbands; fit one with --blocks color")


def _of_start(model: Model) -> dict[str, str]:
    """What the card of the model that networks are added to said, under names of its own."""
    return {f"fit_{name}": text for name, text in model.card.items() if not name.startswith("fit_")}


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """The smallest gradients are 0, which makes steps much faster."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _write_model(model: Model, path: Path) -> None:
    """Whole or not at all."""
    with TemporaryDirectory() as folder:
        model.save(Path(folder, path.name))
        atomic_write(path, Path(folder, path.name).read_bytes(), force=True)


def _facts(options: ContextTrainingOptions, state: _ContextState, num_pictures: int) -> dict[str, str]:
    """What the card of a model says of its run; bits are of the symbols of each level, the low band first."""
    return {
        "recipe": options.recipe,
        "data": " ".join(options.data),
        "pictures": str(num_pictures),
        "run": json.dumps(asdict(options)),
        "minutes": f"{state.progress.seconds / 60:.1f}",
        "bits_per_symbol": json.dumps([round(f.bits_per_symbol, 4) for f in state.fitted[-_NUM_NETWORKS:]]),
    }
