"""`laconic pack`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, options, pack_selection
from laconic.tasks.cli.encode import Profile
from laconic.tasks.cli.folded_notes import FoldedNotes
from laconic.tasks.cli.packed_folders import is_packed_folder

if TYPE_CHECKING:
    from laconic.tasks.datasets.pack_index import PackIndex, PackIndexOptions
    from laconic.tasks.datasets.sources.pack_source import PackSource

_NUM_NAMED = 5
_NUM_CLASSES = 12


class Members(StrEnum):
    """Values of --members."""

    auto = "auto"
    single = "single"
    grouped = "grouped"


class Engine(StrEnum):
    """Values of --engine."""

    local = "local"
    ray = "ray"


def pack(
    context: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Class folders, SOURCE/<class>/files or SOURCE/<split>/<class>/files, also in a .zip; images/ and masks/ "
            "in place of classes, whose masks become targets; a manifest (.csv, .tsv, .jsonl, .json) with columns such as "
            "path, label and split, others become targets; tar shards as WebDataset has them (a .tar, a folder, "
            "'train-{0000..0015}.tar'); a saved Hugging Face data set; Parquet files with pictures or sounds in a column; "
            "CIFAR and MNIST as torchvision keeps them. Splits are also words in names of shards, splits of a data set, "
            "values of a column: --splits names these.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the shards, made if needed.")],
    quality: Annotated[int, typer.Option("--quality", "-q", min=1, max=100, help="1 is smallest, 100 best.")] = 50,
    size: Annotated[
        int | None,
        typer.Option("--size", min=1, help="Pictures: shorter side in pixels, then a square from the centre."),
    ] = None,
    crop: Annotated[
        int | None,
        typer.Option(
            "--crop",
            min=1,
            help="Pictures: side of the square from the centre, after --size has resized the shorter side; without --size, "
            "the square as it is in the file.",
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option("--channels", min=1, help="Store no more than the first channels, in smaller files. Else all."),
    ] = None,
    sample_rate: Annotated[
        int | None, typer.Option("--sample-rate", min=1, help="Sound: resample to so many Hz.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Sound: cut or fill to this length.")] = None,
    sound_channels: Annotated[
        int | None,
        typer.Option("--sound-channels", min=1, max=2, help="Sound: 1, which is mixed (default), or stereo."),
    ] = None,
    bit_depth: options.BitDepth = None,
    splits: options.Splits = None,
    model: options.ModelName = None,
    profile: Annotated[
        Profile, typer.Option("--profile", help="How files are coded: quickest, in small files, or in the smallest.")
    ] = Profile.small,
    tune: options.Tune = None,
    shard_samples: Annotated[int, typer.Option("--shard-samples", min=1, help="Samples of one tar file.")] = 500,
    members: Annotated[
        Members,
        typer.Option(
            "--members", help="Tar members: of each sample, of groups of small samples, or as their size suggests."
        ),
    ] = Members.auto,
    select: Annotated[
        str | None,
        typer.Option(
            "--select",
            metavar="SHARE%|NUMBER",
            help="Keep so many training samples, in proportion of each class, that represent the others best; val and "
            "test stay whole. SOURCE may be a pack: its files are copied.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides the order of the samples of a split.")] = 0,
    append: Annotated[
        bool,
        typer.Option("--append", help="Add what is new to the pack that is there, in its options; its shards stay."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, max=256, help="Processes. If not given, as many as cores, up to 8, of many samples."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", "-j", min=1, max=256, help="Threads of one process, in place of workers.")
    ] = None,
    engine: Annotated[
        Engine,
        typer.Option(
            "--engine",
            help="Where samples are encoded: on this machine, or on a Ray cluster (that of RAY_ADDRESS, or one started "
            "here), on which files have the same paths; the bytes are the same.",
        ),
    ] = Engine.local,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with what was packed.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Pictures or sounds of any source to tar shards of .lcn files with labels and targets, to train on; the same command
    finishes a killed run."""
    batch.check_batch_model(model)
    if workers is not None and threads is not None:
        raise typer.BadParameter("--workers and --threads exclude each other; give one of them")
    if append and select is not None:
        raise typer.BadParameter("--append and --select exclude each other; append first, then select from the pack")
    if engine is Engine.ray and threads is not None:
        raise typer.BadParameter("--threads is not for --engine ray; give --workers, or neither for the whole cluster")
    from laconic.tasks.datasets.archive import pack as pack_source
    from laconic.tasks.datasets.pack_append import append_to_pack
    from laconic.tasks.datasets.pack_engines import usual_engine
    from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
    from laconic.tasks.datasets.ray_engine import RayEngine
    from laconic.tasks.datasets.selection import parse_selection
    from laconic.tasks.datasets.sources.open_source import open_pack_source
    from laconic.tasks.datasets.splits import parse_splits

    with batch.batch_sentences():
        chosen = PackIndexOptions(
            quality=quality,
            model=model,
            size=size,
            sample_rate_hz=sample_rate,
            seconds=seconds,
            shard_samples=shard_samples,
            bit_depth=bit_depth or 0,
            profile=profile.value,
            tune=tune,
            seed=seed,
            channels=channels,
            crop=crop,
            members=members.value,
            sound_channels=sound_channels or 1,
        )
        before = len(read_index(output)) if append else 0
        if append:
            chosen = _options_to_append(context, output, chosen)
        part = None if select is None else parse_selection(select)
        whole = output if part is None else output / pack_selection.WHOLE_NAME
        if part is not None and is_packed_folder(str(folder)):
            whole = folder
        else:
            listing: PackSource = open_pack_source(folder, None if splits is None else parse_splits(splits))
            _check_kind(listing, {"--size": size, "--crop": crop, "--bit-depth": bit_depth}, "image")
            _check_kind(
                listing,
                {"--seconds": seconds, "--sample-rate": sample_rate, "--sound-channels": sound_channels},
                "sound",
            )
            _announce(listing, quiet=quiet or as_json)
            chosen_engine = (
                RayEngine(workers) if engine is Engine.ray else usual_engine(len(listing.samples), workers, threads)
            )
            with batch.batch_progress(len(listing.samples)) as advance:
                index = (append_to_pack if append else pack_source)(
                    listing, whole, chosen, engine=chosen_engine, on_sample=advance
                )
        if part is not None:
            selected = pack_selection.selected_of_pack(whole, chosen, part, model=model)
            _announce(selected, quiet=quiet or as_json)
            index = pack_selection.copy_selected(
                selected, output, usual_engine(len(selected.samples), workers, threads)
            )
    _show(output, index, as_json=as_json, quiet=quiet)
    if append and not (as_json or quiet):
        typer.echo(f"{output}: {len(index) - before} samples added to {before}")
    if index.skipped:
        raise typer.Exit(1)


def _check_kind(listing: PackSource, options: Mapping[str, object], kind: str) -> None:
    """Raises `typer.BadParameter` for options that are given for signals of another kind."""
    if listing.kind != kind and (given := [name for name, value in options.items() if value is not None]):
        what = {"image": "pictures", "sound": "sounds"}
        raise typer.BadParameter(
            f"{', '.join(given)} is for {what[kind]}, and {listing.name} holds {what[listing.kind]}; leave it out"
        )


def _options_to_append(context: typer.Context, output: Path, chosen: PackIndexOptions) -> PackIndexOptions:
    """Those of the pack, but for what was said on the command line, which `append_to_pack` compares with them."""
    from laconic.tasks.datasets.pack_index import read_index

    fields = {"sample_rate": "sample_rate_hz"}
    given = {
        fields.get(name, name)
        for name in context.params
        if (origin := context.get_parameter_source(name)) is not None and origin.name == "COMMANDLINE"
    }
    said = {name: getattr(chosen, name) for name in given if hasattr(chosen, name)}
    return replace(read_index(output).options, **said)


def _announce(listing: PackSource, *, quiet: bool) -> None:
    """What was understood of the folder, before the work: a wrong class or split is seen here or nowhere."""
    for note in listing.notes:
        typer.echo(f"laconic: {listing.name}: {note}", err=True)
    counts = listing.counts()
    num_samples = Counter(sample.split for sample in listing.samples)
    trained = counts.get("train", {})
    for split, classes in counts.items():
        names = [f"{name} {count}" for name, count in classes.items()]
        more = f" and {len(names) - _NUM_CLASSES} more" if len(names) > _NUM_CLASSES else ""
        if not quiet:
            typer.echo(
                f"{split}: {num_samples[split]} samples of {len(classes)} classes"
                + (f" ({', '.join(names[:_NUM_CLASSES])}{more})" if names else "")
            )
        if lacking := num_samples[split] - sum(classes.values()):
            typer.echo(f"laconic: {listing.name}: {lacking} samples in {split} have no label", err=True)
        if trained and (unknown := [name for name in classes if name not in trained]):
            typer.echo(
                f"laconic: {listing.name}: {len(unknown)} classes in {split} and not in train, such as {unknown[0]}",
                err=True,
            )


def _show(output: Path, index: PackIndex, *, as_json: bool, quiet: bool) -> None:
    import json

    for source, why in index.skipped[:_NUM_NAMED]:
        typer.echo(f"laconic: {source}: skipped: {why}", err=True)
    if len(index.skipped) > _NUM_NAMED:
        typer.echo(
            f"laconic: and {len(index.skipped) - _NUM_NAMED} more skipped, listed in {output}/index.json", err=True
        )
    num_bytes = int(index.length.sum())
    counts = {"samples": len(index), "classes": len(index.classes), "shards": len(index.shards), "bytes": num_bytes}
    counts["disk_bytes"] = index.disk_bytes
    folded = FoldedNotes()
    lines = [line for source, what in index.notes for line in folded.first_lines(source, [what])]
    for line in () if quiet else (*lines, *folded.last_lines()):
        typer.echo(f"laconic: {line}", err=True)
    if as_json:
        numbers = {"skipped": len(index.skipped), "notes": len({source for source, _ in index.notes})}
        typer.echo(json.dumps({"output": str(output), **counts, **numbers, "splits": index.counts()}))
    elif not quiet:
        typer.echo(
            f"{output}: {len(index)} samples of {len(index.classes)} classes ({', '.join(index.splits)})"
            + (f" with targets {', '.join(index.targets)}" if index.targets else "")
            + " in "
            f"{len(index.shards)} shards, {index.disk_bytes} bytes on disk, of which .lcn are {num_bytes}"
        )
