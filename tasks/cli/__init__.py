"""The `laconic` command: parsing and printing only.

One module for each verb; `options` (what verbs share on the command line), `jobs` (which file becomes which) and
`batch` (running them, errors, output; with `folded_notes`) serve all; `fit_signals` and `fit_score` are parts of `fit`,
`pack_selection` of `pack`, `pack_info` of `info`, `train_task`, `train_codec` and `train_tokens` of `train`;
`packed_folders` tells packs from other folders.
Verbs import what they need when they run, so that `--help` and `info` load neither numpy nor Pillow.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated

import typer

from laconic.tasks.cli.decode import decode
from laconic.tasks.cli.encode import encode
from laconic.tasks.cli.evaluate import evaluate
from laconic.tasks.cli.export import export
from laconic.tasks.cli.fit import fit
from laconic.tasks.cli.info import info
from laconic.tasks.cli.models import models
from laconic.tasks.cli.pack import pack
from laconic.tasks.cli.predict import predict
from laconic.tasks.cli.tokens import tokens
from laconic.tasks.cli.train import train
from laconic.tasks.cli.unpack import unpack
from laconic.tasks.cli.untokens import untokens
from laconic.tasks.cli.verify import verify

__all__ = ["app", "main"]

_EXIT_CODES = "Exit codes: 0 all done, 1 some input failed (the others are done), 2 wrong usage, 130 interrupted."

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: importing rich takes longer than everything else here
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (encode, decode, info, verify, fit, models, pack, unpack, predict, evaluate, export, tokens, untokens):
    app.command(epilog=_EXIT_CODES)(_verb)
app.add_typer(train, name="train", epilog=_EXIT_CODES)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"laconic {version('laconic')}")
        raise typer.Exit


@app.callback(epilog=_EXIT_CODES)
def _laconic(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Pictures <-> small .lcn files that models train on directly."""


def main() -> None:
    """The entry point."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of Pillow, about files that it reads all the same
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text
    try:
        app(prog_name="laconic")
    except OSError as err:  # standard output is full; a file's own errors were caught before
        # What is still buffered would fail again when Python flushes it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"laconic: standard output: {err.strerror}", err=True)
        sys.exit(1)
