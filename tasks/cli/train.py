"""`laconic train` TASK, compare, compressed, codec and tokens."""

from __future__ import annotations

import copy
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.tasks.cli import batch, options
from laconic.tasks.cli.train_codec import train_codec
from laconic.tasks.cli.train_task import train_task
from laconic.tasks.cli.train_tokens import train_tokens

_TASK = "TASK"  # the command that every task is an instance of


class _TaskGroup(TyperGroup):
    """Any name that is no command of its own is that of a task, which may be in another package."""

    def list_commands(self, ctx: Any) -> list[str]:
        from laconic.tasks.heads.task_catalog import learning_task_names

        return [*learning_task_names(), *(name for name in super().list_commands(ctx) if name != _TASK)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is not None and cmd_name != _TASK:
            return found
        from laconic.tasks.heads.task_catalog import learning_task_help

        command = copy.copy(super().get_command(ctx, _TASK))
        assert command is not None
        try:
            summary = learning_task_help(cmd_name)
        except CodecError as err:
            return ctx.fail(str(err))
        command.name, command.short_help = cmd_name, summary
        command.help = f"{summary}\n\n{command.help}"
        return command


train = typer.Typer(
    cls=_TaskGroup, no_args_is_help=True, rich_markup_mode=None, help="Train small networks on latents or on pixels."
)
train.command(_TASK)(train_task)
train.command("codec")(train_codec)
train.command("tokens")(train_tokens)


class _SignalArm(StrEnum):
    """What the network sees."""

    small = "small"
    patches = "patches"


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
    arm: Annotated[_SignalArm, typer.Option("--arm", help="small or patches.")] = _SignalArm.small,
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
        from laconic.tasks.heads.train_options import TrainOptions
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
