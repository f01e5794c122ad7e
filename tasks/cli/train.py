"""`laconic train classify`, `laconic train compare`, `laconic train compressed` and `laconic train codec`."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.tasks.cli import batch, options
from laconic.tasks.cli.progress_lines import progress_of_work

if TYPE_CHECKING:
    from laconic.codecs.models.model import Model
    from laconic.tasks.training.context_training import ContextTrainingOptions

train = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Train small networks on latents or on pixels.")


class _TrainArm(StrEnum):
    """What the network sees."""

    latents = "latents"
    small = "small"
    patches = "patches"


class _TrainScaling(StrEnum):
    """How latent channels are scaled."""

    common = "common"
    channel = "channel"
    none = "none"


@train.command()
def classify(
    data: Annotated[Path, typer.Argument(help="A folder made by `laconic pack`, or a plain folder of class folders.")],
    run: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run; an unfinished one goes on.")],
    arm: Annotated[
        _TrainArm | None,
        typer.Option("--arm", help="Packed folders: latents. Plain ones: small pictures, or full ones in big patches."),
    ] = None,
    channels: Annotated[int, typer.Option("--channels", min=1, help="Latent channels to learn from.")] = 12,
    scaling: Annotated[
        _TrainScaling,
        typer.Option("--scaling", help="Of latents: by one factor, each channel to deviation 1, or not at all."),
    ] = _TrainScaling.common,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the training samples.")] = 50,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of weights, order, augmentation and validation split.")
    ] = 0,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Samples of one step.")] = 32,
    learning_rate: Annotated[float, typer.Option("--learning-rate", help="The highest, after the warm-up.")] = 2e-3,
    size: Annotated[int | None, typer.Option("--size", min=1, help="Plain folders: pixels of a side; 256.")] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", min=1, help="Plain folders of sound: in Hz.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Plain folders of sound: the length.")] = None,
    splits: options.Splits = None,
    model: options.ModelName = None,
    threads: Annotated[
        int, typer.Option("--threads", "-j", min=1, help="Of torch; part of what decides a result.")
    ] = 1,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes that load; 0 is this one.")] = 0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write curves to RUN/tensorboard.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Learn the classes; best epoch by validation, the test split once at the end. The same command resumes. Under
    torchrun, all processes share the work."""
    with batch.batch_sentences():
        missing_torch_error("training")
        from laconic.tasks.datasets.pack_index import has_pack_index
        from laconic.tasks.heads.head_training import train as train_run
        from laconic.tasks.heads.inputs import TrainOptions

        chosen = TrainOptions(
            arm=(arm or (_TrainArm.latents if has_pack_index(data) else _TrainArm.patches)).value,
            channels=channels,
            scaling=scaling.value,
            epochs=epochs,
            seed=seed,
            batch_size=batch_size,
            learning_rate=learning_rate,
            size=size,
            sample_rate_hz=sample_rate,
            seconds=seconds,
            splits=splits,
            num_threads=threads,
            model=model,
        )
        shown = None if quiet else _show_epoch
        result = train_run(data, run, chosen, num_workers=workers, with_tensorboard=tensorboard, on_epoch=shown)
    low, high = result["test_interval_95"]
    if not quiet and os.environ.get("RANK", "0") == "0":  # one process of those that torchrun started
        typer.echo(
            f"{run}: {result['input']}: test accuracy {result['test_accuracy']:.1%} ({low:.1%} to {high:.1%} at 95 %, "
            f"{result['test_items']} samples)"
        )


@train.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the results instead, one object for each run.")
    ] = False,
) -> None:
    """One Markdown table of several runs; runs that differ in their seed alone become one row."""
    with batch.batch_sentences():
        from laconic.tasks.heads.comparison import comparison_table, read_result

        results = [read_result(run) for run in runs]
    if as_json:
        for result in results:
            typer.echo(json.dumps(result))
    else:
        typer.echo(comparison_table(results), nl=False)


@train.command()
def compressed(
    data: Annotated[Path, typer.Argument(help="A plain folder of class folders.")],
    run: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run; an unfinished one goes on.")],
    codecs: Annotated[
        list[str], typer.Option("--codecs", help='As of `laconic evaluate`: "jpeg:quality=5|20"; may be repeated.')
    ],
    arm: Annotated[_TrainArm, typer.Option("--arm", help="small or patches.")] = _TrainArm.small,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the training samples.")] = 50,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Networks of each kind.")] = 3,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Samples of one step.")] = 32,
    size: Annotated[int | None, typer.Option("--size", min=1, help="Pixels of a side after decoding; 256.")] = None,
    sample_rate: Annotated[int | None, typer.Option("--sample-rate", min=1, help="Of sounds, in Hz.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Of sounds, the length.")] = None,
    splits: options.Splits = None,
    threads: Annotated[int, typer.Option("--threads", "-j", min=1, help="Of coding and of torch.")] = 1,
    quiet: options.Quiet = False,
) -> None:
    """Train on originals and on what codecs keep of them, and test each on both. The same command goes on."""
    with batch.batch_sentences():
        missing_torch_error("training")
        from laconic.tasks.heads.inputs import TrainOptions
        from laconic.tasks.mpq import operating_points
        from laconic.tasks.mpq.compressed_training import train_on_compressed
        from laconic.tasks.mpq.compressed_training_table import compressed_training_sentences

        chosen = TrainOptions(
            arm=arm.value,
            epochs=epochs,
            batch_size=batch_size,
            size=size,
            sample_rate_hz=sample_rate,
            seconds=seconds,
            splits=splits,
            num_threads=threads,
        )
        points = operating_points(" ".join(codecs).split())
        say = None if quiet else typer.echo
        cells = train_on_compressed(data, run, points, chosen, seeds=seeds, num_threads=threads, say=say)
    if not quiet:
        for sentence in compressed_training_sentences(cells):
            typer.echo(sentence)
        typer.echo(f"{run / 'report.md'}")


@train.command()
def codec(
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


def _show_epoch(row: Mapping[str, float]) -> None:
    typer.echo(
        f"train loss {row['train_loss']:.4f}  validation loss {row['val_loss']:.4f}  accuracy {row['val_accuracy']:.1%}  "
        f"loading {row['loading_seconds']:.2f} s  compute {row['compute_seconds']:.2f} s"
    )
