"""`laconic decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import Outcome, Screen
from laconic.tasks.cli.jobs import Job

_DEFAULT_MAX_PIXELS = 1 << 29  # as laconic.entropy.Limits


def decode(
    inputs: options.Inputs,
    output: options.Output = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Extension of the results: png (if not given), tif, npy, ...")
    ] = None,
    channels: Annotated[
        int | None, typer.Option("--channels", min=1, help="Use the first latent channels only: blurred, no alpha.")
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Decode what is intact of a damaged file; says what is not.")
    ] = False,
    max_pixels: options.MaxPixels = _DEFAULT_MAX_PIXELS,
    model: options.ModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """.lcn files to pictures. --output's extension, or --format, decides the format; WebP is written lossless."""
    extension = _extension(file_format, output)

    def work(job: Job) -> Outcome:
        from laconic.codecs import files
        from laconic.codecs.errors import UnsupportedSignalError
        from laconic.codecs.media import Image
        from laconic.codecs.sandwich import Sandwich
        from laconic.entropy import Limits

        batch.check_target(job, force=force)
        codec, limits = Sandwich(model=model), Limits(max_pixels=max_pixels)
        data = batch.read_bytes(job.source)
        latent = codec.unpack(data, channels=channels, limits=limits, allow_partial=allow_partial)
        image = codec.synthesize(latent)
        if not isinstance(image, Image):
            raise UnsupportedSignalError(f"it holds a signal of kind {type(image).__name__}; allowed are pictures")
        batch.write_target(job, files.file_bytes(image, extension), force=force)
        size = {"width": image.width, "height": image.height, "mode": image.mode, "bit_depth": image.bit_depth}
        line = f"{job.source.name} -> {job.target}: {image.width}x{image.height}, {image.bit_depth}-bit {image.mode}"
        fields = {"output": str(job.target), **size, "damage": list(latent.damage)}
        return Outcome(line, fields, notes=tuple(f"decoded without {damage}" for damage in latent.damage))

    batch.check_model(model)
    found = jobs.find_sources(inputs, lambda: (".lcn",))
    planned = jobs.plan(found, output, jobs.Naming(extension, _check_name))
    screen = Screen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish(found, batch.run(planned, work, screen, threads), screen)


def _extension(file_format: str | None, output: str | None) -> str:
    """The extension of the results, with its dot. Raises `typer.BadParameter` for a format that cannot be written."""
    if file_format is not None:
        _check_name("." + file_format.lstrip("."))
        return "." + file_format.lower().lstrip(".")
    if output is None or output == jobs.STANDARD or Path(output).is_dir():
        return ".png"
    return Path(output).suffix or ".png"


def _check_name(output: str) -> None:
    from laconic.codecs.errors import CodecError
    from laconic.codecs.files import format_of

    suffix = Path("x" + output).suffix if output.startswith(".") else Path(output).suffix
    try:
        found = format_of(suffix)
    except CodecError as err:
        raise typer.BadParameter(batch.sentence_of(err)) from err
    if found == "LCN":
        raise typer.BadParameter(f"{output} is the format that is decoded; allowed are .png, .tif, .npy, ...")
