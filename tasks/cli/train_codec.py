"""`laconic train codec`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.tasks.cli import batch, options
from laconic.tasks.cli.progress_lines import progress_of_work

if TYPE_CHECKING:
    from laconic.codecs.models.model import Model
    from laconic.tasks.training.context_training import ContextTrainingOptions


def train_codec(
    data: Annotated[Path, typer.Argument(help="The folder with the recipe's data, or any folder with --all-pictures.")],
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            help="What to train: transform, synthesis, turned_synthesis, machine_synthesis, large_synthesis, task, walloc "
            "or contexts.",
        ),
    ],
    run: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run; an unfinished one goes on.")],
    model: Annotated[Path | None, typer.Option("--model", help="The model file that a recipe starts from.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", help="Recipe task: whose features steps are learned for; efficientnet-lite0."),
    ] = None,
    all_pictures: Annotated[
        bool,
        typer.Option(
            "--all-pictures", help="Train on every picture in DATA, the first eighth kept to validate (contexts: none)."
        ),
    ] = False,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Instead of the recipe's.")] = None,
    every: Annotated[
        int, typer.Option("--every", min=1, help="Steps from one checkpoint to the next (contexts: a network).")
    ] = 500,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of crops, noise and weights.")] = 0,
    threads: Annotated[int, typer.Option("--threads", "-j", min=1, help="Of torch, in each process.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write curves to RUN/tensorboard.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a learned part of a codec; the same command resumes. Under torchrun, all processes share the work."""
    with batch.batch_sentences():
        missing_torch_error("training")
        from laconic.tasks.training.recipes import CONTEXTS, check_teacher

        check_teacher(recipe, teacher)
        report = _CodecReport({"command": shlex.join(["laconic", *sys.argv[1:]])}, tensorboard, quiet)
        if recipe == CONTEXTS:
            if model is None:
                raise CodecError(f"recipe {CONTEXTS} needs a fitted model to add networks to: pass --model")
            from laconic.codecs.models.model import Model
            from laconic.tasks.training.context_pictures import find_context_pictures
            from laconic.tasks.training.context_training import ContextTrainingOptions

            paths, folders = find_context_pictures(data, all_pictures=all_pictures)
            start = Model.load(model)
            steps = steps or ContextTrainingOptions.steps
            options_of_run = ContextTrainingOptions(folders, steps, start.fingerprint.hex(), seed, threads)
            _train_contexts(paths, start, run, options_of_run, report)
            return
        from laconic.tasks.training.codec_training import CodecTrainingOptions, train_codec
        from laconic.tasks.training.recipes import prepare_recipe

        job = prepare_recipe(recipe, data, model, seed=seed, all_pictures=all_pictures)
        chosen = CodecTrainingOptions(recipe, job.folders, steps or job.steps, seed, every, threads, job.model)
        train_codec(
            job.learner,
            job.pictures,
            job.validation,
            run,
            chosen,
            card=report.card,
            with_tensorboard=tensorboard,
            on_row=report.on_row,
        )


@dataclass(frozen=True)
class _CodecReport:
    """What a result says of its run, and what is shown of it."""

    card: Mapping[str, str]
    with_tensorboard: bool
    is_quiet: bool

    @property
    def on_row(self) -> Callable[[Mapping[str, float]], None] | None:
        return None if self.is_quiet else _show_row


def _train_contexts(
    paths: Sequence[Path], start: Model, run: Path, chosen: ContextTrainingOptions, report: _CodecReport
) -> None:
    from laconic.tasks.training.context_pictures import read_context_pictures
    from laconic.tasks.training.context_training import train_contexts

    pictures = read_context_pictures(paths, colors=start.num_planes, seed=chosen.seed)
    with progress_of_work("train", quiet=report.is_quiet) as shown:
        train_contexts(
            pictures,
            start,
            run,
            chosen,
            card=report.card,
            with_tensorboard=report.with_tensorboard,
            on_row=report.on_row,
            on_progress=shown,
        )


def _show_row(row: Mapping[str, float]) -> None:
    typer.echo("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
