"""`laconic pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from laconic.tasks.cli import batch, options

_NUM_NAMED = 5


def pack(
    folder: Annotated[
        Path, typer.Argument(help="Of class folders: FOLDER/<class>/files or FOLDER/<train, val, test>/<class>/files.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the shards, made if needed.")],
    quality: Annotated[int, typer.Option("--quality", "-q", min=1, max=100, help="1 is smallest, 100 best.")] = 50,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Pictures: shorter side in pixels, then a square from the centre."),
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", min=1, help="Sound: resample to so many Hz.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Sound: cut or fill to this length.")] = None,
    model: options.ModelName = None,
    shard_samples: Annotated[int, typer.Option("--shard-samples", min=1, help="Samples of one tar file.")] = 500,
    threads: options.Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with what was packed.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Class folders to tar shards of .lcn files and labels, to train on; the same command finishes a killed run."""
    batch.check_model(model)
    from laconic.codecs.errors import CodecError
    from laconic.tasks.datasets import archive
    from laconic.tasks.datasets.class_folders import list_class_folder
    from laconic.tasks.datasets.pack_index import PackOptions

    try:
        chosen = PackOptions(quality, model, size, sample_rate, seconds, shard_samples)
        num_samples = len(list_class_folder(folder).samples)
        with batch.progress(num_samples) as advance:
            index = archive.pack(folder, output, chosen, num_threads=threads, on_sample=advance)
    except (CodecError, OSError) as err:
        typer.echo(f"laconic: {batch.sentence_of(err)}", err=True)
        raise typer.Exit(1) from err
    _show(output, index, as_json=as_json, quiet=quiet)
    if index.skipped:
        raise typer.Exit(1)


def _show(output: Path, index: object, *, as_json: bool, quiet: bool) -> None:
    import json

    from laconic.tasks.datasets.pack_index import PackIndex

    assert isinstance(index, PackIndex)
    for source, why in index.skipped[:_NUM_NAMED]:
        typer.echo(f"laconic: {source}: skipped: {why}", err=True)
    if len(index.skipped) > _NUM_NAMED:
        typer.echo(
            f"laconic: and {len(index.skipped) - _NUM_NAMED} more skipped, listed in {output}/index.json", err=True
        )
    num_bytes = int(index.length.sum())
    counts = {"samples": len(index), "classes": len(index.classes), "shards": len(index.shards), "bytes": num_bytes}
    if as_json:
        typer.echo(json.dumps({"output": str(output), **counts, "skipped": len(index.skipped)}))
    elif not quiet:
        typer.echo(
            f"{output}: {len(index)} samples of {len(index.classes)} classes ({', '.join(index.splits)}) in "
            f"{len(index.shards)} shards, {num_bytes} bytes of .lcn"
        )
