"""`laconic tokens`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.codecs.tokens.speech_tokens import SpeechTokens

TokenModelName = Annotated[
    str | None, typer.Option("--model", help="The path of a token model of `laconic train tokens`; the shipped one.")
]


class TokenFormat(StrEnum):
    """Values of --format."""

    npy = "npy"
    json = "json"


def tokens(
    inputs: options.Inputs,
    output: options.Output = None,
    file_format: Annotated[
        TokenFormat | None,
        typer.Option(
            "--format", help="npy: an array of int16. json: also the model; if not given, by --output, or npy."
        ),
    ] = None,
    stages: Annotated[
        int, typer.Option("--stages", min=1, help="Codes of the spectrum: 1, 2 or 3 are 1.4, 2.0 or 2.6 kbit/s.")
    ] = 3,
    model: TokenModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Speech to integer tokens, 62.5 frames/s x (pitch, loudness, codes of the spectrum); `laconic untokens` goes back.
    Sounds are mixed to one channel at 16 kHz. The same on every machine."""
    from laconic.codecs.tokens.speech_tokens import SpeechTokens

    chosen = _token_format(file_format, output)
    codec = SpeechTokens(stages) if model is None else SpeechTokens(stages, model)

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs.files import read_sound
        from laconic.codecs.tokens.token_files import token_bytes

        batch.check_batch_target(job, force=force)
        with batch.open_batch_source(job.source) as file:
            array = codec.encode(read_sound(file))
        batch.write_batch_target(job, token_bytes(array, codec, chosen.value), force=force)
        frames, columns = array.shape
        rate = codec.kilobits_per_second
        line = f"{job.source.name} -> {job.target}: {frames} frames of {columns} tokens, {rate:.2f} kbit/s"
        fields = {"output": str(job.target), "shape": [frames, columns], "kilobits_per_second": rate}
        return BatchOutcome(line, {**fields, "vocabulary": list(codec.vocabulary)})

    check_token_codec(codec)
    found = jobs.find_job_sources(inputs, _extensions)
    planned = jobs.plan_jobs(found, output, jobs.JobNaming(f".{chosen.value}", lambda _: None))
    screen = BatchScreen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish_batch(found, batch.run_batch(planned, work, screen, threads), screen)


def check_token_codec(codec: SpeechTokens) -> None:
    """Raise `typer.BadParameter` for a model that cannot be had or has fewer stages, before any work."""
    try:
        _ = codec.vocabulary
    except CodecError as err:
        raise typer.BadParameter(sentence_of_error(err)) from err


def _token_format(file_format: TokenFormat | None, output: str | None) -> TokenFormat:
    """Raises `typer.BadParameter` for a file of another kind."""
    suffix = "" if output in (None, jobs.STANDARD) or Path(str(output)).is_dir() else Path(str(output)).suffix.lower()
    if suffix and suffix not in {f".{kind.value}" for kind in TokenFormat}:
        raise typer.BadParameter(f"--output {output}: tokens are written as .npy and .json")
    named = TokenFormat(suffix[1:]) if suffix else None
    if named is not None and file_format not in (None, named):
        raise typer.BadParameter(f"--format {file_format} and --output {output} differ; leave one out")
    return file_format or named or TokenFormat.npy


def _extensions() -> frozenset[str]:
    from laconic.tasks.datasets.class_folders import class_folder_extensions

    return class_folder_extensions("sound") | {".lcn"}
