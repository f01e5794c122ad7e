"""`laconic encode`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from math import isfinite, prod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.entropy.container import Limits
from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import FoundJob, Job
from laconic.tasks.cli.masks import Masks
from laconic.tasks.cli.progress_lines import ProgressLines

if TYPE_CHECKING:
    from laconic.codecs.encoding_target import EncodingTarget
    from laconic.codecs.form import Form
    from laconic.codecs.formats.bit_depths import BitDepth
    from laconic.codecs.lcn import Lcn
    from laconic.codecs.media import Signal
    from laconic.codecs.target_search import TargetFile

_SUFFIX = ".lcn"


class Profile(StrEnum):
    """Values of --profile."""

    small = "small"
    fast = "fast"
    best = "best"


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
    kbps: Annotated[
        float | None,
        typer.Option("--kbps", help="Sounds, instead of a quality: the best with at most these kilobits per second."),
    ] = None,
    snr: Annotated[
        float | None,
        typer.Option(
            "--snr",
            metavar="DB",
            help="Sounds and cubes, instead of a quality: the smallest whose decoded samples have at least this "
            "signal-to-noise ratio. As with --prd and --max-error, samples are compared as `laconic decode` writes them, "
            "in the format of the input, and sounds have --tune snr if none is given: noise of --tune machine is error.",
        ),
    ] = None,
    prd: Annotated[
        float | None,
        typer.Option(
            "--prd",
            metavar="PERCENT",
            help="The same, the smallest with at most this error, in percent of the signal (root mean squares, as of "
            "ECG). As with --snr, a mean other than 0 counts as signal: take it off first.",
        ),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            "--max-error",
            help="The same, the smallest of which no sample differs by more: in steps of samples that are integers; of "
            "sounds in float32, MP3, Ogg and Opus (decode these with --sample-format float32), full scale is 1.",
        ),
    ] = None,
    lossless: Annotated[
        bool,
        typer.Option(
            "--lossless", help="Sounds of 16 or 24 bits: decoded to the same samples, in files smaller than FLAC."
        ),
    ] = False,
    model: options.ModelName = None,
    embed_model: Annotated[
        bool, typer.Option("--embed-model", help="The file holds its model, so that it is decoded without --model.")
    ] = False,
    profile: Annotated[
        Profile,
        typer.Option(
            help="small: coded by contexts. fast: quicker both ways, larger files. best: pictures coded by networks, "
            "the smallest files, slowest both ways."
        ),
    ] = Profile.small,
    effort: Annotated[
        int,
        typer.Option(
            min=0,
            max=3,
            help="0: plain rounding. 1: weighs distortion against bits. 2: does so twice. 3: of pictures, for the decoder "
            "of --synthesis; seconds for a million pixels, needs torch; always a valid file, but the same bytes only on "
            "one machine with the same torch and number of its threads.",
        ),
    ] = 1,
    synthesis: Annotated[
        str,
        typer.Option(
            metavar="linear|neural|auto|FILE",
            help="With --effort 3: the decoder that will be used; others can read it too.",
        ),
    ] = "linear",
    tune: options.Tune = None,
    roi: Annotated[
        str | None,
        typer.Option(
            "--roi",
            metavar="MASK",
            help="Pictures: what matters. A grey picture, white where it matters most, of the size of the input or "
            "smaller; or a folder of them, named as the inputs are (FOLDER/name.png for name.*).",
        ),
    ] = None,
    frame: options.Frame = None,
    array: options.Array = None,
    bit_depth: options.BitDepth = None,
    max_pixels: options.MaxPixels = options.DEFAULT_MAX_PIXELS,
    threads: options.AllThreads = None,
    force: options.Force = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Pictures and sounds to .lcn files; with a model for them also cubes (.npy, .npz, .mat, TIFF stacks, WFDB).

    Folders keep their structure; files of other kinds in them are skipped. PPM, PGM, PAM and TIFF pictures and sounds may
    be larger than memory, but for pictures with alpha and with --bpp or --max-bytes, and sounds with --lossless.
    """
    from laconic.codecs.encoding_target import EncodingTarget

    sizes = {
        "--quality": quality,
        "--bpp": bpp,
        "--max-bytes": max_bytes,
        "--kbps": kbps,
        "--lossless": lossless or None,
    }
    option = _one_of({**sizes, "--snr": snr, "--prd": prd, "--max-error": max_error})
    try:
        target = EncodingTarget(bpp, max_bytes, kbps, snr, prd, max_error)
    except CodecError as err:
        raise typer.BadParameter(f"{option}: {sentence_of_error(err)}") from err

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs import files, streams
        from laconic.codecs.lcn import Lcn
        from laconic.codecs.models.zoo import load_model
        from laconic.codecs.progress import progress_told_to
        from laconic.entropy.container import MAGIC

        batch.check_batch_target(job, force=force)
        depth = series.get(job.source.path and job.source.path.parent, bit_depth or 0)
        kind, limits = load_model(model).kind if model else None, Limits(max_pixels=max_pixels)
        mask = masks.of_source(job.source)
        with batch.open_batch_source(job.source) as file:
            if file.read(len(MAGIC)) == MAGIC:
                raise CodecError("it is an .lcn file already; allowed are pictures in other formats: decode it first")
            codec = Lcn(
                quality or 50,
                model,
                profile=profile.value,
                effort=effort,
                threads=threads_each,
                synthesis=synthesis,
                tune=tune,
                roi=mask,
                embed_model=embed_model,
            )
            with progress_told_to(_progress_of(job, quiet=quiet)):
                if lossless or kind == "cube":
                    whole = (kind == "cube" and job.source.path) or file  # of a cube that may have several files
                    signal = files.read_signal(whole, kind=kind, limits=limits, frame=frame, array=array)
                    found, form = _without_loss(signal, codec) if lossless else _of_cube(signal, target, codec)
                else:
                    found, form = streams.encode_file_to_target(
                        file, codec, target, kind=kind, limits=limits, frame=frame, bit_depth=depth
                    )
        batch.write_batch_target(job, found.data, force=force)
        text, size = _size(form, found)
        line = f"{job.source.name} -> {job.target}: {len(found.data)} bytes, {text}"
        unmasked = "" if quiet or mask is not None else masks.note_without(job.source)
        notes = (unmasked,) if unmasked else ()
        return BatchOutcome(line, {"output": str(job.target), **size, "bytes": len(found.data)}, notes)

    batch.check_batch_model(model)
    found = jobs.find_job_sources(inputs, lambda: _extensions(model))
    planned = jobs.plan_jobs(found, output, jobs.JobNaming(_SUFFIX, _check_name))
    masks = Masks(roi, found)
    series = {} if bit_depth else _series(found, Limits(max_pixels=max_pixels), frame)
    threads_each = batch.threads_within_batch(threads, len(planned))
    screen = BatchScreen(as_json=as_json, quiet=quiet, is_data=planned[0].target is None)
    batch.finish_batch(found, batch.run_batch(planned, work, screen, threads), screen)


def _one_of(given: Mapping[str, object]) -> str:
    """The option that is given, "" for none. Raises `typer.BadParameter` where there are more."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise typer.BadParameter(f"{' and '.join(names)} exclude each other; give one of them")
    return "".join(names)


def _without_loss(signal: Signal, codec: Lcn) -> tuple[TargetFile, Form]:
    from laconic.codecs import files
    from laconic.codecs.form import form_of
    from laconic.codecs.target_search import TargetFile

    data = files.encode(
        signal,
        model=codec.model,
        tune=codec.tune,
        roi=codec.roi,
        effort=codec.effort,
        threads=codec.threads,
        embed_model=codec.embed_model,
        lossless=True,
    )
    return TargetFile(data), form_of(signal)


def _of_cube(signal: Signal, target: EncodingTarget, codec: Lcn) -> tuple[TargetFile, Form]:
    from laconic.codecs.form import form_of
    from laconic.codecs.target_search import encode_to_target

    return encode_to_target(signal, target, codec), form_of(signal)


def _progress_of(job: Job, *, quiet: bool) -> Callable[[float], None]:
    """Says on standard error, now and then, how far a file is."""
    return (lambda share: None) if quiet else ProgressLines(job.source.name).update


def _series(found: FoundJob, limits: Limits, frame: int | None) -> dict[Path | None, BitDepth]:
    """Who knows the bit depth of the pictures of a folder, by folder, where there are several files of it."""
    from laconic.codecs.series_depth import SeriesDepth

    folders: dict[Path, list[Path]] = {}
    for source in found.sources:
        if source.path is not None:
            folders.setdefault(source.path.parent, []).append(source.path)
    return {
        folder: SeriesDepth([partial(_opened, path) for path in paths], limits=limits, frame=frame)
        for folder, paths in folders.items()
        if len(paths) > 1
    }


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def _size(form: Form, found: TargetFile) -> tuple[str, dict[str, object]]:
    """Rate and errors in words, and size, rate and errors as fields."""
    text, fields = _rate(form, found.data)
    if found.errors is None:
        return text, fields
    snr_db, prd_percent, max_error = found.errors.snr_db, found.errors.prd_percent, found.errors.max_error
    errors: dict[str, object] = {
        "snr_db": round(snr_db, 3) if isfinite(snr_db) else None,
        "prd_percent": round(prd_percent, 4) if isfinite(prd_percent) else None,
        "max_error": max_error,
    }
    return f"{text}, SNR {snr_db:.2f} dB, PRD {prd_percent:.3g} %, largest error {max_error:.6g}", {**fields, **errors}


def _rate(form: Form, data: bytes) -> tuple[str, dict[str, object]]:
    """The rate in words, and size and rate as fields."""
    from laconic.tasks.measures.rate import bits_per_pixel, kilobits_per_second

    if form.kind == "image":
        rate = bits_per_pixel(data, form.size)
        fields: dict[str, object] = {"width": form.size[1], "height": form.size[0], "bits_per_pixel": round(rate, 4)}
        return f"{rate:.3f} bits per pixel", fields
    shape: dict[str, object] = {"shape": list(form.size)}
    if form.kind == "sound" and form.size[1]:
        rate = kilobits_per_second(data, form.size[1] / form.sample_rate)
        return f"{rate:.1f} kbit/s", {**shape, "kilobits_per_second": round(rate, 2)}
    rate = 8 * len(data) / max(prod(form.size), 1)
    return f"{rate:.3f} bits per sample", {**shape, "bits_per_sample": round(rate, 4)}


def _extensions(model: str | None) -> frozenset[str]:
    """Of the files of a folder that a model takes."""
    from laconic.codecs.files import signal_extensions
    from laconic.codecs.formats.cube_files import CUBE_EXTENSIONS
    from laconic.codecs.models.zoo import load_model

    return CUBE_EXTENSIONS if model and load_model(model).kind == "cube" else signal_extensions()


def _check_name(output: str) -> None:
    if not output.lower().endswith(_SUFFIX):
        raise typer.BadParameter(f"--output {output} is no name of an encoded file; allowed are *.lcn, a folder and -")
