"""`laconic encode`."""

from __future__ import annotations

import io
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import Outcome, Screen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.codecs.media import Signal

_SUFFIX = ".lcn"


class Profile(StrEnum):
    """Values of --profile."""

    small = "small"
    fast = "fast"


def encode(  # a command line has as many parameters as options
    inputs: options.Inputs,
    output: options.Output = None,
    quality: Annotated[
        int | None, typer.Option("--quality", "-q", min=1, max=100, help="1 is smallest, 100 best; 50 if not given.")
    ] = None,
    bpp: Annotated[
        float | None, typer.Option("--bpp", help="Instead of a quality: the best with at most these bits per pixel.")
    ] = None,
    max_bytes: Annotated[
        int | None, typer.Option("--max-bytes", min=1, help="Instead of a quality: the best of at most this size.")
    ] = None,
    model: options.ModelName = None,
    profile: Annotated[
        Profile, typer.Option(help="small: coded by contexts. fast: quicker both ways, larger files.")
    ] = Profile.small,
    effort: Annotated[
        int, typer.Option(min=0, max=2, help="0: plain rounding. 1: weighs distortion against bits. 2: does so twice.")
    ] = 1,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Pictures and sounds (and, with a model for them, .npy cubes) to .lcn files.

    Folders keep their structure; files of other kinds in them are skipped.
    """
    if sum(value is not None for value in (quality, bpp, max_bytes)) > 1:
        raise typer.BadParameter("--quality, --bpp and --max-bytes exclude each other; give one of them")
    if bpp is not None and not 0 < bpp < float("inf"):
        raise typer.BadParameter(f"--bpp is {bpp}; allowed is a number above 0")

    def work(job: Job) -> Outcome:
        from laconic.codecs import files
        from laconic.codecs.errors import CodecError
        from laconic.codecs.zoo import load_model
        from laconic.entropy.container import MAGIC

        batch.check_target(job, force=force)
        content = batch.read_bytes(job.source)
        if content.startswith(MAGIC):
            raise CodecError("it is an .lcn file already; allowed are pictures in other formats: decode it first")
        signal = files.read_signal(io.BytesIO(content), kind=load_model(model).kind if model else None)
        data = files.encode(
            signal,
            quality=quality or 50,
            bits_per_pixel=bpp,
            max_bytes=max_bytes,
            model=model,
            profile=profile.value,
            effort=effort,
        )
        batch.write_target(job, data, force=force)
        text, size = _size(signal, data)
        line = f"{job.source.name} -> {job.target}: {len(data)} bytes, {text}"
        return Outcome(line, {"output": str(job.target), **size, "bytes": len(data)})

    batch.check_model(model)
    found = jobs.find_sources(inputs, _extensions)
    planned = jobs.plan(found, output, jobs.Naming(_SUFFIX, _check_name))
    screen = Screen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish(found, batch.run(planned, work, screen, threads), screen)


def _size(signal: Signal, data: bytes) -> tuple[str, dict[str, object]]:
    """The rate in words, and size and rate as fields."""
    from laconic.codecs.media import Audio, Image
    from laconic.tasks.rate import bits_per_pixel, kilobits_per_second

    if isinstance(signal, Image):
        rate = bits_per_pixel(data, signal.samples.shape)
        fields: dict[str, object] = {"width": signal.width, "height": signal.height, "bits_per_pixel": round(rate, 4)}
        return f"{rate:.3f} bits per pixel", fields
    shape: dict[str, object] = {"shape": list(signal.samples.shape)}
    if isinstance(signal, Audio) and signal.duration_seconds > 0:
        rate = kilobits_per_second(data, signal.duration_seconds)
        return f"{rate:.1f} kbit/s", {**shape, "kilobits_per_second": round(rate, 2)}
    rate = 8 * len(data) / max(signal.samples.size, 1)
    return f"{rate:.3f} bits per sample", {**shape, "bits_per_sample": round(rate, 4)}


def _extensions() -> frozenset[str]:
    from laconic.codecs.files import signal_extensions

    return signal_extensions() | {".npy"}


def _check_name(output: str) -> None:
    if not output.lower().endswith(_SUFFIX):
        raise typer.BadParameter(f"--output {output} is no name of an encoded file; allowed are *.lcn, a folder and -")
