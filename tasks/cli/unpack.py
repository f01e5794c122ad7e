"""`laconic unpack`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.tasks.cli import batch, options, packed_folders

if TYPE_CHECKING:
    from laconic.codecs.form import MediaKind

_NUM_NAMED = 5


def unpack(
    folder: Annotated[Path, typer.Argument(metavar="PACK", help="A folder that `laconic pack` made.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the files, made if needed.")],
    file_format: Annotated[
        str | None, typer.Option("--format", help="Extension of the files: png, jpg, tif, ..., wav, flac.")
    ] = None,
    lcn: Annotated[bool, typer.Option("--lcn", help="Give back the .lcn files as they are.")] = False,
    synthesis: Annotated[
        str, typer.Option(metavar="linear|neural|auto|FILE", help="Of pictures, as of `laconic decode`.")
    ] = "linear",
    model: options.ModelName = None,
    threads: options.Threads = None,
    force: options.Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with what was written.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """A packed folder back to files: OUT/<split>/<class>/<name>.png or .wav, targets beside them."""
    batch.check_batch_model(model)
    if lcn and file_format is not None:
        raise typer.BadParameter("--lcn and --format exclude each other; give one of them")
    from laconic.tasks.datasets.stored_samples import StoredSamples
    from laconic.tasks.datasets.unpacking import UnpackOptions, unpack_extension, unpack_places, unpack_samples

    with batch.batch_sentences():
        packed_folders.check_pack_is_finished(str(folder))
        samples = StoredSamples(folder)
        chosen = UnpackOptions(_extension(file_format, samples.index.kind, lcn=lcn), model, synthesis, force)
        renamed = [
            (samples.index.source[place.row], f"{place.path}{unpack_extension(samples.index, chosen)}")
            for place in unpack_places(samples.index, unpack_extension(samples.index, chosen))
            if place.is_renamed
        ]
        if renamed and not quiet:
            source, path = renamed[0]
            typer.echo(
                f"laconic: {len(renamed)} names were taken, so keys were added, such as {source} -> {path}", err=True
            )
        failed = []
        with batch.batch_progress(len(samples)) as advance:
            for place, reason in unpack_samples(samples, output, chosen, num_threads=threads, on_sample=advance):
                if reason:
                    key, source = samples.index.key[place.row], samples.index.source[place.row]
                    failed.append({"key": key, "source": source, "reason": reason})
    for entry in failed[:_NUM_NAMED]:
        typer.echo(f"laconic: {folder}: {entry['key']} ({entry['source']}): skipped: {entry['reason']}", err=True)
    if len(failed) > _NUM_NAMED:
        typer.echo(f"laconic: {folder}: and {len(failed) - _NUM_NAMED} more skipped; --json names all", err=True)
    written = len(samples) - len(failed)
    if as_json:
        fields = {"output": str(output), "written": written, "renamed": len(renamed), "skipped": failed}
        typer.echo(json.dumps(fields))
    elif not quiet:
        typer.echo(f"{output}: {written} of {len(samples)} samples written")
    if failed:
        raise typer.Exit(1)


def _extension(file_format: str | None, kind: MediaKind, *, lcn: bool) -> str:
    """Raises `typer.BadParameter` for a format that signals of the kind cannot be written in."""
    from laconic.codecs.files import format_of
    from laconic.codecs.formats.sound_writer import WRITTEN_EXTENSIONS

    if lcn:
        return ".lcn"
    if file_format is None:
        return ""
    extension = "." + file_format.lower().lstrip(".")
    if kind == "sound" and extension not in WRITTEN_EXTENSIONS:
        raise typer.BadParameter(f"--format {file_format}: the pack holds sounds; allowed are wav and flac")
    if kind == "image":
        try:
            found = format_of(extension)
        except CodecError as err:
            raise typer.BadParameter(f"--format: {sentence_of_error(err)}") from err
        if found == "LCN":
            raise typer.BadParameter(
                "--format lcn is the format that is decoded; pass --lcn to have the files as they are"
            )
    return extension
