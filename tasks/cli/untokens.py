"""`laconic untokens`."""

from __future__ import annotations

from pathlib import Path

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job
from laconic.tasks.cli.tokens import TokenModelName, check_token_codec

_SOUND_EXTENSION = ".wav"
_TOKEN_EXTENSIONS = (".npy", ".json")


def untokens(
    inputs: options.Inputs,
    output: options.Output = None,
    model: TokenModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Tokens of `laconic tokens`, .npy or .json, to sound: one channel at 16 kHz, 256 samples a frame. Of columns that
    were dropped from the end, what is left is decoded. Results are .wav, or .flac by --output."""
    from laconic.codecs.tokens.speech_tokens import SpeechTokens

    usual = SpeechTokens() if model is None else SpeechTokens(1, model)
    check_token_codec(usual)

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs.files import signal_bytes
        from laconic.codecs.tokens.speech_tokens import with_all_stages
        from laconic.codecs.tokens.token_files import tokens_of_bytes

        batch.check_batch_target(job, force=force)
        codec = with_all_stages(usual)
        audio = codec.decode(tokens_of_bytes(batch.read_bytes(job.source), codec))
        suffix = _SOUND_EXTENSION if job.target is None else job.target.suffix
        batch.write_batch_target(job, signal_bytes(audio, suffix), force=force)
        line = f"{job.source.name} -> {job.target}: {audio.duration_seconds:.3f} s at {audio.sample_rate} Hz"
        size = {"shape": list(audio.samples.shape), "sample_rate_hz": audio.sample_rate}
        return BatchOutcome(line, {"output": str(job.target), **size})

    found = jobs.find_job_sources(inputs, lambda: _TOKEN_EXTENSIONS)
    planned = jobs.plan_jobs(found, output, jobs.JobNaming(_SOUND_EXTENSION, _check_name))
    screen = BatchScreen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish_batch(found, batch.run_batch(planned, work, screen, threads), screen)


def _check_name(output: str) -> None:
    """Raises `typer.BadParameter` for the name of a file that is no sound."""
    from laconic.codecs.formats.sound_writer import WRITTEN_EXTENSIONS

    if Path(output).suffix.lower() not in WRITTEN_EXTENSIONS:
        raise typer.BadParameter(f"--output {output}: sounds are written as {' and '.join(sorted(WRITTEN_EXTENSIONS))}")
