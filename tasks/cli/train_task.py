"""`laconic train TASK`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laconic.codecs.errors import missing_torch_error
from laconic.codecs.notes import collect_notes
from laconic.tasks.cli import batch, options
from laconic.tasks.cli.progress_lines import progress_of_work

if TYPE_CHECKING:
    from laconic.tasks.heads.learning_task import LearningTask


class _TrainArm(StrEnum):
    """What the network sees."""

    latents = "latents"
    small = "small"
    patches = "patches"
    pixels = "pixels"
    mel = "mel"
    mfcc = "mfcc"


class _TrainScaling(StrEnum):
    """How latent channels are scaled."""

    common = "common"
    channel = "channel"
    none = "none"


class _TrainPrecision(StrEnum):
    """What networks compute in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


def train_task(
    context: typer.Context,
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder made by `laconic pack`; for the arms of signals what that packs: class folders, ..."
        ),
    ],
    run: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run; an unfinished one goes on.")],
    arm: Annotated[
        _TrainArm | None,
        typer.Option(
            "--arm",
            help="Packed folders: latents. Others: small signals, full ones in big patches, or pixels for a usual network; "
            "of sounds mel spectrograms or cepstra (mfcc), by torchaudio.",
        ),
    ] = None,
    channels: Annotated[int | None, typer.Option("--channels", min=1, help="Latent channels to learn from.")] = None,
    scaling: Annotated[
        _TrainScaling,
        typer.Option("--scaling", help="Of latents: by one factor, each channel to deviation 1, or not at all."),
    ] = _TrainScaling.common,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Passes over the training samples.")] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of weights, order, augmentation and validation split.")
    ] = 0,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="Samples of one step.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", help="The highest, after the warm-up.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            "--augment",
            metavar="NAME=VALUE,...",
            help="Such as shift=2,flip=0.5,crop=24x24, or none; see Augmentation.",
        ),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="Of the task; may be repeated.")
    ] = None,
    network: Annotated[
        str,
        typer.Option("--network", help="timm:NAME, MODULE:FUNCTION, or a name of another package; else the task's."),
    ] = "",
    start: Annotated[str, typer.Option("--start", metavar="RUN", help="Begin with the weights of another run.")] = "",
    folds: Annotated[
        int, typer.Option("--folds", min=0, help="Divide all samples into so many parts, whatever their splits.")
    ] = 0,
    fold: Annotated[int, typer.Option("--fold", min=0, help="Which of them is the test split.")] = 0,
    size: Annotated[int | None, typer.Option("--size", min=1, help="Plain folders: pixels of a side; 256.")] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", min=1, help="Plain folders of sound: in Hz.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Plain folders of sound: the length.")] = None,
    splits: options.Splits = None,
    model: options.ModelName = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1.")] = "auto",
    precision: Annotated[
        _TrainPrecision, typer.Option("--precision", help="bfloat16: mixed, where torch deems it safe.")
    ] = _TrainPrecision.float32,
    threads: Annotated[
        int, typer.Option("--threads", "-j", min=1, help="Of torch; part of what decides a result.")
    ] = 1,
    loading_threads: Annotated[int, typer.Option("--loading-threads", min=1, help="That read each batch.")] = 1,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write curves to RUN/tensorboard.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Best epoch by validation, the test split once at the end. The same command goes on with an unfinished run, inside of
    an epoch too. Under torchrun, all processes share each batch."""
    with batch.batch_sentences():
        missing_torch_error("training")
        from laconic.tasks.datasets.augmentation import parse_augmentation
        from laconic.tasks.datasets.pack_index import has_pack_index
        from laconic.tasks.heads.head_training import RunComfort
        from laconic.tasks.heads.head_training import train as train_run
        from laconic.tasks.heads.task_catalog import make_learning_task, parse_task_options
        from laconic.tasks.heads.train_options import TrainOptions

        task = make_learning_task(str(context.info_name), parse_task_options(option or []))
        chosen = TrainOptions(
            arm=(arm or (_TrainArm.latents if has_pack_index(data) else _TrainArm.patches)).value,
            channels=channels,
            scaling=scaling.value,
            epochs=epochs,
            seed=seed,
            batch_size=batch_size,
            learning_rate=learning_rate,
            augmentation="" if augment is None else parse_augmentation(augment),
            network=network,
            start=start,
            folds=folds,
            fold=fold,
            size=size,
            sample_rate_hz=sample_rate,
            seconds=seconds,
            splits=splits,
            precision=precision.value,
            num_threads=threads,
            model=model,
        )
        with collect_notes() as notes, progress_of_work("train", quiet=quiet) as shown:

            def progressed(share: float) -> None:
                while notes:
                    typer.echo(f"laconic: train: {notes.pop(0)}", err=True)
                shown(share)

            comfort = RunComfort(
                device=device,
                loading_threads=loading_threads,
                with_tensorboard=tensorboard,
                on_epoch=None if quiet else lambda row: _show_epoch(row, task),
                on_progress=progressed,
            )
            result = train_run(data, run, chosen, task=task, comfort=comfort)
    if not quiet and os.environ.get("RANK", "0") == "0":  # one process of those that torchrun started
        low, high = (_score_text(value, task) for value in result["test_interval_95"])
        score = _score_text(result[f"test_{task.score_name}"], task)
        typer.echo(
            f"{run}: {result['input']}: test {task.score_name} {score} ({low} to {high} at 95 %, "
            f"{result['test_items']} samples)"
        )


def _show_epoch(row: Mapping[str, float], task: LearningTask) -> None:
    score = _score_text(row[f"val_{task.score_name}"], task)
    typer.echo(
        f"train loss {row['train_loss']:.4f}  validation loss {row['val_loss']:.4f}  {task.score_name} {score}  "
        f"loading {row['loading_seconds']:.2f} s  compute {row['compute_seconds']:.2f} s"
    )


def _score_text(value: Any, task: LearningTask) -> str:
    if task.unit == "%":
        return f"{value:.1%}"
    return f"{value:.4g} {task.unit}".rstrip()
