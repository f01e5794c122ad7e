"""`laconic decode`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.codecs.media import Signal
    from laconic.codecs.pictures.picture_decoder import PicturePart
    from laconic.codecs.sounds.sound_part import SoundBlocks

_HEAD_BYTES = 16
_NUM_NAMED = 5
_PICTURE_EXTENSION = ".png"  # also where it cannot be told what a file holds
_SOUND_EXTENSION = ".wav"
_EXTENSION_OF_CODEC = {2: _SOUND_EXTENSION, 3: ".npy", 4: _SOUND_EXTENSION}


class SampleFormat(StrEnum):
    """Values of --sample-format."""

    int16 = "int16"
    int24 = "int24"
    float32 = "float32"


class _DecodeScale(StrEnum):
    """Values of --scale."""

    full = "1"
    half = "1/2"
    quarter = "1/4"
    eighth = "1/8"
    sixteenth = "1/16"
    thirty_second = "1/32"


def decode(  # a command line has as many parameters as options
    inputs: options.Inputs,
    output: options.Output = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Extension of the results: png, tif, ..., wav, flac, npy.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="X,Y,W,H", help="This rectangle of pixels only, X,Y at its top left."),
    ] = None,
    scale: Annotated[
        _DecodeScale,
        typer.Option(help="Pictures of this part of the width and height; below 1/8, of models with low levels."),
    ] = _DecodeScale.full,
    channels: Annotated[
        int | None, typer.Option("--channels", min=1, help="Use the first latent channels only: blurred, no alpha.")
    ] = None,
    synthesis: Annotated[
        str,
        typer.Option(
            metavar="linear|neural|auto|FILE",
            help="Of pictures. linear: the same pixels everywhere; neural: nearer to the original, slower, needs torch; "
            "auto: neural where it can be had; or the result of `laconic train codec`.",
        ),
    ] = "linear",
    start: Annotated[
        float | None,
        typer.Option("--start", metavar="SECONDS", min=0, help="Sounds: from this time on; reads no more."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", metavar="SECONDS", min=0, help="Sounds: no more than this stretch.")
    ] = None,
    fill: Annotated[
        bool, typer.Option(help="Noise in place of zeros, where the file has it; of pictures, in linear synthesis.")
    ] = True,
    sample_format: Annotated[
        SampleFormat | None,
        typer.Option(
            help="Of sounds. If not given, that of the encoded file; else int16, or float32 if there are samples beyond "
            "full scale. FLAC holds no float32."
        ),
    ] = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Decode what is intact of a damaged file; says what is not.")
    ] = False,
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS,
    model: options.ModelName = None,
    threads: options.AllThreads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """.lcn files to pictures, sounds and cubes. --output's extension, or --format, decides the format; if not given,
    it is png, wav or npy. WebP is written lossless. PPM, PAM and TIFF pictures and sounds may be larger than memory."""
    extension, rectangle = _extension(file_format, output), _rectangle(region)

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs import files, streams
        from laconic.codecs.lcn import Lcn
        from laconic.codecs.sounds.sound_part import open_sound
        from laconic.entropy import Limits

        batch.check_batch_target(job, force=force)
        codec, limits = (
            Lcn(model=model, threads=threads_each, synthesis=synthesis, fill=fill),
            Limits(max_pixels=max_pixels),
        )
        with batch.open_batch_source(job.source) as file:
            default = _default_extension(file.read(_HEAD_BYTES))
            file.seek(0)
            if default != _SOUND_EXTENSION:
                _refuse_for_others("sound", {"sample-format": sample_format, "start": start, "seconds": seconds})
            if default == _PICTURE_EXTENSION:
                part = codec.open_area(
                    file,
                    region=rectangle,
                    scale=int(scale.split("/")[-1]),
                    channels=channels,
                    limits=limits,
                    allow_partial=allow_partial,
                )
                with batch.open_batch_target(job, force=force) as target:
                    size = streams.stream_picture(part, target, extension or default)
                shown = {"region": rectangle, "scale": scale, "bytes_read": part.num_bytes_read}
                return _outcome(job, _size_of_picture(part, size), shown, part.damage)
            full = None if scale is _DecodeScale.full else scale
            plain = None if synthesis in ("linear", "auto") else synthesis
            _refuse_for_others("picture", {"region": rectangle, "scale": full, "synthesis": plain})
            if default == _SOUND_EXTENSION:
                sound = open_sound(
                    file,
                    start_seconds=start or 0.0,
                    seconds=seconds,
                    channels=channels,
                    model=model,
                    limits=limits,
                    allow_partial=allow_partial,
                    fill=fill,
                )
                with batch.open_batch_target(job, force=force) as target:
                    streams.stream_sound(sound, target, extension or default, sample_format=sample_format)
                read = {"bytes_read": sound.num_bytes_read}
                return _outcome(job, _size_of_sound(sound), read, sound.damage)
            latent = codec.unpack(file, channels=channels, limits=limits, allow_partial=allow_partial)
        signal = codec.synthesize(latent)
        data = files.signal_bytes(signal, extension or default)
        batch.write_batch_target(job, data, force=force)
        return _outcome(job, _size_of_cube(signal), {}, latent.damage)

    batch.check_batch_model(model)
    _check_synthesis(synthesis)
    found = jobs.find_job_sources(inputs, lambda: (".lcn",))
    planned = jobs.plan_jobs(found, output, jobs.JobNaming(extension or _suffix_of, _check_name))
    threads_each = batch.threads_within_batch(threads, len(planned))
    screen = BatchScreen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish_batch(found, batch.run_batch(planned, work, screen, threads), screen)


def _outcome(
    job: Job, size: tuple[str, dict[str, object]], shown: Mapping[str, object], damage: tuple[str, ...]
) -> BatchOutcome:
    text, fields = size
    return BatchOutcome(
        f"{job.source.name} -> {job.target}: {text}",
        {"output": str(job.target), **fields, **shown, "damage": list(damage)},
        notes=tuple(f"decoded without {segment}" for segment in damage[:_NUM_NAMED])
        + (
            (f"decoded without {len(damage) - _NUM_NAMED} more segments; --json names all",)
            * (len(damage) > _NUM_NAMED)
        ),
    )


def _size_of_picture(part: PicturePart, size: tuple[int, int]) -> tuple[str, dict[str, object]]:
    """Size (height, width) of what was written, in words and as fields."""
    from laconic.codecs.media import MODES

    height, width = size
    mode, bit_depth = MODES[part.shape[2] - 1], part.bit_depth
    fields: dict[str, object] = {"width": width, "height": height, "mode": mode, "bit_depth": bit_depth}
    return f"{width}x{height}, {bit_depth}-bit {mode}", fields


def _size_of_sound(part: SoundBlocks) -> tuple[str, dict[str, object]]:
    """Size of what was written, in words and as fields."""
    head = part.head
    text = f"{head.num_channels} channels of {head.length / head.sample_rate:.3f} s at {head.sample_rate} Hz"
    return text, {"shape": [head.num_channels, head.length], "sample_rate_hz": head.sample_rate}


def _size_of_cube(signal: Signal) -> tuple[str, dict[str, object]]:
    shape = list(signal.samples.shape)
    return f"{signal.samples.dtype} {' x '.join(map(str, shape))}", {"shape": shape}


def _refuse_for_others(kind: str, values: Mapping[str, object]) -> None:
    """Raises `CodecError` where options are given that are for signals of this kind only; None are not."""
    given = [f"--{name}" for name, value in values.items() if value is not None]
    if given:
        raise CodecError(f"it is no {kind}; leave out {' and '.join(given)}, for {kind}s only")


def _suffix_of(source: jobs.Source) -> str:
    """Extension that suits what a file holds."""
    if source.path is None:
        return _PICTURE_EXTENSION
    try:
        with source.path.open("rb") as file:
            return _default_extension(file.read(_HEAD_BYTES))
    except OSError:
        return _PICTURE_EXTENSION


def _default_extension(head: bytes) -> str:
    from laconic.entropy.container import CODEC_NUMBER_AT

    number = head[CODEC_NUMBER_AT] & 15 if len(head) > CODEC_NUMBER_AT else 0
    return _EXTENSION_OF_CODEC.get(number, _PICTURE_EXTENSION)


def _rectangle(region: str | None) -> tuple[int, int, int, int] | None:
    """x, y, width and height. Raises `typer.BadParameter`."""
    if region is None:
        return None
    if not re.fullmatch(r"\d{1,9}(,\d{1,9}){3}", region, re.ASCII):
        raise typer.BadParameter(
            f"--region {region} is no rectangle; allowed is X,Y,W,H in pixels, such as --region 0,0,640,480"
        )
    x, y, width, height = map(int, region.split(","))
    return x, y, width, height


def _check_synthesis(synthesis: str) -> None:
    """Raises `typer.BadParameter` for a word that is none of the choices, or a file that is absent."""
    from laconic.codecs.pictures.picture_decoder import SYNTHESES, check_decoder_synthesis

    try:
        check_decoder_synthesis(synthesis)
    except CodecError as err:
        raise typer.BadParameter(f"--synthesis: {err}") from err
    if synthesis not in SYNTHESES and not Path(synthesis).exists():
        raise typer.BadParameter(f"--synthesis {synthesis} does not exist; name the result of a training")


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
    from laconic.codecs.files import format_of
    from laconic.codecs.formats.sound_writer import WRITTEN_EXTENSIONS

    suffix = Path("x" + output).suffix if output.startswith(".") else Path(output).suffix
    if suffix.lower() in WRITTEN_EXTENSIONS:
        return
    try:
        found = format_of(suffix)
    except CodecError as err:
        raise typer.BadParameter(sentence_of_error(err)) from err
    if found == "LCN":
        raise typer.BadParameter(f"{output} is the format that is decoded; allowed are .png, .tif, .npy, ...")
