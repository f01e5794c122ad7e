"""`laconic info` of a packed folder: its statistics, and a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from laconic.codecs.errors import CodecError, sentence_of_error
from laconic.tasks.cli import packed_folders
from laconic.tasks.cli.batch import BatchScreen

if TYPE_CHECKING:
    from laconic.tasks.datasets.pack_statistics import PackStatistics
    from laconic.tasks.datasets.stored_samples import StoredSamples

_NUM_CLASSES = 12
_NUM_GROUPS = 5  # of channels, that a line names


def show_pack_info(
    name: str, screen: BatchScreen, sheet: Path | None, *, model: str | None = None, force: bool = False
) -> bool:
    """Print the statistics of a pack, and draw the sheet where one is asked for; whether all of it could be done."""
    from laconic.tasks.datasets.pack_statistics import pack_statistics
    from laconic.tasks.datasets.stored_samples import StoredSamples

    try:
        packed_folders.check_pack_is_finished(name)
        samples = StoredSamples(name)
        statistics = pack_statistics(samples)
        if screen.as_json:
            typer.echo(json.dumps({"file": name, **asdict(statistics)}))
        else:
            lines = (f"  {field:<14}  {text}" for field, text in _fields(statistics))
            typer.echo("\n".join([name, *lines]))
        if sheet is not None:
            _draw(samples, sheet, model, force=force)
    except (ValueError, OSError) as err:
        sentence = sentence_of_error(err)
        typer.echo(f"laconic: {name}: {sentence}", err=True)
        if screen.as_json:
            typer.echo(json.dumps({"file": name, "error": sentence}))
        return False
    return True


def _draw(samples: StoredSamples, sheet: Path, model: str | None, *, force: bool) -> None:
    from laconic.codecs.files import file_bytes
    from laconic.codecs.whole_files import atomic_write
    from laconic.tasks.datasets.contact_sheet import contact_sheet

    if sheet.exists() and not force:
        raise CodecError(f"{sheet} exists; pass --force to overwrite it")
    image, num_damaged = contact_sheet(samples, model=model)
    atomic_write(sheet, file_bytes(image, ".png"), force=force)
    if num_damaged:
        typer.echo(
            f"laconic: {samples.folder}: {num_damaged} samples of the sheet cannot be decoded: "
            "`laconic verify` names them",
            err=True,
        )


def _fields(found: PackStatistics) -> Iterator[tuple[str, str]]:
    is_picture = found.kind == "image"
    yield "kind", found.kind
    yield "samples", f"{found.samples} in {found.shards} shards"
    for split, classes in found.splits.items():
        names = [f"{name} {count}" for name, count in classes.items()]
        more = f" and {len(names) - _NUM_CLASSES} more" if len(names) > _NUM_CLASSES else ""
        yield split, f"{sum(classes.values())} ({', '.join(names[:_NUM_CLASSES])}{more})"
    for suffix, count in found.targets.items():
        yield f"target {suffix}", f"{count} samples"
    per_item = found.bytes_on_disk / found.samples
    yield "bytes on disk", f"{found.bytes_on_disk}, {per_item:.0f} an item; {found.lcn_bytes} of .lcn"
    yield "bytes read", ", ".join(f"{mean:.0f} for {end} channels" for end, mean in _some_groups(found.item_bytes))
    if found.rate is not None:
        unit = "bits per pixel" if is_picture else "kbit/s"
        yield "rate", f"{found.rate:.4g} {unit}, of {found.num_measured} files"
    grid = f"{found.grid[0]} x {found.grid[1]} places" if found.grid else "of many sizes"
    yield "latents", grid
    yield "deviation", ", ".join(f"{value:.3g} in the group to {end}" for end, value in _some_groups(found.deviation))
    yield "model", f"{found.model} ({found.fingerprint})"
    yield "options", ", ".join(f"{name} {value}" for name, value in found.options.items() if value is not None)
    yield "skipped", f"{found.skipped} files" + (f"; notes on {found.notes}" if found.notes else "")


def _some_groups(values: Mapping[int, float]) -> list[tuple[int, float]]:
    """The first channel group, the last, and some between."""
    entries = list(values.items())
    if len(entries) <= _NUM_GROUPS:
        return entries
    return [entries[i * (len(entries) - 1) // (_NUM_GROUPS - 1)] for i in range(_NUM_GROUPS)]
