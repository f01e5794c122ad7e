"""`laconic encode`."""

from __future__ import annotations

import io
from typing import Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import Outcome, Screen
from laconic.tasks.cli.jobs import Job

_SUFFIX = ".lcn"


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
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Pictures to .lcn files. Folders keep their structure; files of other kinds in them are skipped."""
    if sum(value is not None for value in (quality, bpp, max_bytes)) > 1:
        raise typer.BadParameter("--quality, --bpp and --max-bytes exclude each other; give one of them")
    if bpp is not None and not 0 < bpp < float("inf"):
        raise typer.BadParameter(f"--bpp is {bpp}; allowed is a number above 0")

    def work(job: Job) -> Outcome:
        from laconic.codecs import files
        from laconic.codecs.errors import CodecError
        from laconic.entropy.container import MAGIC
        from laconic.tasks.rate import bits_per_pixel

        batch.check_target(job, force=force)
        picture = batch.read_bytes(job.source)
        if picture.startswith(MAGIC):
            raise CodecError("it is an .lcn file already; allowed are pictures in other formats: decode it first")
        image = files.read_image(io.BytesIO(picture))
        data = files.encode(image, quality=quality or 50, bits_per_pixel=bpp, max_bytes=max_bytes, model=model)
        batch.write_target(job, data, force=force)
        rate = bits_per_pixel(data, image.samples.shape)
        size = {"width": image.width, "height": image.height, "bytes": len(data), "bits_per_pixel": round(rate, 4)}
        line = f"{job.source.name} -> {job.target}: {len(data)} bytes, {rate:.3f} bits per pixel"
        return Outcome(line, {"output": str(job.target), **size})

    batch.check_model(model)
    found = jobs.find_sources(inputs, _picture_extensions)
    planned = jobs.plan(found, output, jobs.Naming(_SUFFIX, _check_name))
    screen = Screen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish(found, batch.run(planned, work, screen, threads), screen)


def _picture_extensions() -> frozenset[str]:
    from laconic.codecs.files import picture_extensions

    return picture_extensions()


def _check_name(output: str) -> None:
    if not output.lower().endswith(_SUFFIX):
        raise typer.BadParameter(f"--output {output} is no name of an encoded file; allowed are *.lcn, a folder and -")
