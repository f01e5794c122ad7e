"""`laconic decode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import Outcome, Screen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.codecs.media import Signal

_HEAD_BYTES = 16
_EXTENSION_OF_CODEC = {2: ".wav", 3: ".npy"}
_DEFAULT_MAX_PIXELS = 1 << 29  # as laconic.entropy.Limits


def decode(
    inputs: options.Inputs,
    output: options.Output = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Extension of the results: png, tif, ..., wav, flac, npy.")
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
    """.lcn files to pictures, sounds and cubes. --output's extension, or --format, decides the format; if not given,
    it is png, wav or npy. WebP is written lossless."""
    extension = _extension(file_format, output)

    def work(job: Job) -> Outcome:
        from laconic.codecs import files
        from laconic.codecs.sandwich import Sandwich
        from laconic.entropy import Limits

        batch.check_target(job, force=force)
        codec, limits = Sandwich(model=model), Limits(max_pixels=max_pixels)
        data = batch.read_bytes(job.source)
        latent = codec.unpack(data, channels=channels, limits=limits, allow_partial=allow_partial)
        signal = codec.synthesize(latent)
        batch.write_target(job, files.signal_bytes(signal, extension or _default_extension(data)), force=force)
        text, size = _size(signal)
        fields = {"output": str(job.target), **size, "damage": list(latent.damage)}
        return Outcome(
            f"{job.source.name} -> {job.target}: {text}",
            fields,
            notes=tuple(f"decoded without {damage}" for damage in latent.damage),
        )

    batch.check_model(model)
    found = jobs.find_sources(inputs, lambda: (".lcn",))
    planned = jobs.plan(found, output, jobs.Naming(extension or _suffix_of, _check_name))
    screen = Screen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish(found, batch.run(planned, work, screen, threads), screen)


def _size(signal: Signal) -> tuple[str, dict[str, object]]:
    """Size in words and as fields."""
    from laconic.codecs.media import Audio, Image

    if isinstance(signal, Image):
        fields = {"width": signal.width, "height": signal.height, "mode": signal.mode, "bit_depth": signal.bit_depth}
        return f"{signal.width}x{signal.height}, {signal.bit_depth}-bit {signal.mode}", fields
    shape = list(signal.samples.shape)
    if isinstance(signal, Audio):
        text = f"{signal.num_channels} channels of {signal.duration_seconds:.3f} s at {signal.sample_rate} Hz"
        return text, {"shape": shape, "sample_rate_hz": signal.sample_rate}
    return f"{signal.samples.dtype} {' x '.join(map(str, shape))}", {"shape": shape}


def _suffix_of(source: jobs.Source) -> str:
    """Extension that suits what a file holds; that of pictures where it cannot be told."""
    if source.path is None:
        return ".png"
    try:
        with source.path.open("rb") as file:
            return _default_extension(file.read(_HEAD_BYTES))
    except OSError:
        return ".png"


def _default_extension(head: bytes) -> str:
    from laconic.entropy.container import CODEC_NUMBER_AT

    number = head[CODEC_NUMBER_AT] & 15 if len(head) > CODEC_NUMBER_AT else 0
    return _EXTENSION_OF_CODEC.get(number, ".png")


def _extension(file_format: str | None, output: str | None) -> str | None:
    """The extension of the results, with its dot, None for what suits the signal.

    Raises `typer.BadParameter` for a format that cannot be written.
    """
    if file_format is not None:
        _check_name("." + file_format.lstrip("."))
        return "." + file_format.lower().lstrip(".")
    if output is None or output == jobs.STANDARD or Path(output).is_dir():
        return None
    return Path(output).suffix or None


def _check_name(output: str) -> None:
    from laconic.codecs.errors import CodecError
    from laconic.codecs.files import format_of
    from laconic.codecs.sound_files import WRITTEN_EXTENSIONS

    suffix = Path("x" + output).suffix if output.startswith(".") else Path(output).suffix
    if suffix.lower() in WRITTEN_EXTENSIONS:
        return
    try:
        found = format_of(suffix)
    except CodecError as err:
        raise typer.BadParameter(batch.sentence_of(err)) from err
    if found == "LCN":
        raise typer.BadParameter(f"{output} is the format that is decoded; allowed are .png, .tif, .npy, ...")
