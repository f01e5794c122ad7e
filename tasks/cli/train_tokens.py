"""`laconic train tokens`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import batch, jobs, options

_SUFFIX = ".safetensors"


def train_tokens(
    inputs: Annotated[list[str], typer.Argument(help="Recordings of speech, or folders of them, searched in depth.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The model, *.safetensors.")],
    stages: Annotated[int, typer.Option("--stages", min=1, max=8, help="Codes of a spectrum.")] = 3,
    words: Annotated[int, typer.Option("--words", min=2, max=4096, help="Code words of a stage.")] = 1024,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first words.")] = 0,
    licence: Annotated[str, typer.Option("--licence", help="Of the recordings, for the model's card.")] = "not stated",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a token model, for `laconic tokens --model`, to recordings; no torch, some minutes for 20 minutes of speech."""
    from laconic.tasks.datasets.class_folders import class_folder_extensions

    if output.suffix != _SUFFIX:
        raise typer.BadParameter(f"--output {output}: a model is a file *{_SUFFIX}")
    if output.exists() and not force:
        raise typer.BadParameter(f"--output {output} exists; pass --force to overwrite it")
    found = jobs.find_job_sources(inputs, lambda: class_folder_extensions("sound") | {".lcn"})
    with batch.batch_sentences():
        from dataclasses import replace

        from laconic.codecs.files import read_sound
        from laconic.codecs.tokens.token_fitting import TokenFitOptions, fit_tokens

        if any(source.path is None for source in found.sources):
            raise CodecError("standard input cannot be trained on; name files or folders")
        options_of_fit = TokenFitOptions(stages=stages, words=words, seed=seed)
        sounds = [read_sound(source.path) for source in found.sources if source.path is not None]
        model = fit_tokens(sounds, options_of_fit, None if quiet else typer.echo)
        command = f"laconic train tokens DATA --stages {stages} --words {words} --seed {seed}"
        data = f"{len(sounds)} recordings, {sum(sound.duration_seconds for sound in sounds) / 60:.1f} minutes"
        card = {"name": output.stem, "data": data, "licence": licence, "command": command}
        replace(model, card=card).save(output)
    if not quiet:
        typer.echo(f"{output}: token model {model.fingerprint.hex()} of {data}")
