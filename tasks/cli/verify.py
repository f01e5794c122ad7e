"""`laconic verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from laconic.codecs.errors import sentence_of_error
from laconic.tasks.cli import batch, jobs, options, packed_folders
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.tasks.datasets.verification import PackVerification


def verify(
    inputs: options.Inputs,
    model: options.ModelName = None,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Decode every integer of .lcn files, or of all samples of a folder that was packed; say "ok", or what is damaged."""

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs.lcn import Lcn

        data = batch.read_bytes(job.source)
        damage = Lcn(model=model).unpack(data, allow_partial=True).damage
        line = "" if damage else f"{job.source.name}: ok"
        return BatchOutcome(line, {"ok": not damage, "damage": list(damage)}, notes=damage, failed=bool(damage))

    batch.check_batch_model(model)
    packs, others = packed_folders.split_packed_folders(inputs)
    found = jobs.find_job_sources(others, lambda: (".lcn",)) if others else None
    screen = BatchScreen(as_json=as_json, quiet=quiet)
    num_failed = sum([not _verify_pack(name, model, threads, screen) for name in packs])
    if found is not None:
        num_failed += batch.run_batch([Job(source) for source in found.sources], work, screen, threads)
        screen.summarize(found, num_failed)
    if num_failed:
        raise typer.Exit(1)


def _verify_pack(name: str, model: str | None, threads: int | None, screen: BatchScreen) -> bool:
    """Look at a pack and say what was found; whether it is whole."""
    from laconic.tasks.datasets.stored_samples import StoredSamples
    from laconic.tasks.datasets.verification import verify_pack

    try:
        packed_folders.check_pack_is_finished(name)
        samples = StoredSamples(name)
        with batch.batch_progress(len(samples)) as advance:
            found = verify_pack(samples, model=model, num_threads=threads, on_sample=advance)
    except Exception as err:  # one pack never ends the others
        sentence = sentence_of_error(err)
        typer.echo(f"laconic: {sentence}", err=True)
        _print_fields(screen, {"file": name, "ok": False, "error": sentence})
        return False
    _show_pack(name, found, screen)
    return found.is_whole


def _show_pack(name: str, found: PackVerification, screen: BatchScreen) -> None:
    for fault in found.faults:
        typer.echo(f"laconic: {name}: {fault}", err=True)
    for sample in found.damaged:
        typer.echo(f"laconic: {name}: {sample.key} ({sample.source}): {'; '.join(sample.reasons)}", err=True)
    damaged: Sequence[dict[str, object]] = [
        {"key": sample.key, "source": sample.source, "reasons": list(sample.reasons)} for sample in found.damaged
    ]
    fields = {"samples": found.num_samples, "faults": list(found.faults), "damaged": damaged}
    _print_fields(screen, {"file": name, "ok": found.is_whole, **fields})
    if not screen.as_json and not screen.quiet:
        faults = f", {len(found.faults)} faults of index and shards" if found.faults else ""
        said = "ok" if found.is_whole else f"{len(damaged)} damaged{faults}"
        typer.echo(f"{name}: {said}, {found.num_samples} samples")
    if damaged and not screen.quiet:
        typer.echo(
            f"laconic: {name}: bring damaged shards back from a copy, or remove them and run the same `laconic pack` "
            "again, which makes those that are missing",
            err=True,
        )


def _print_fields(screen: BatchScreen, fields: dict[str, object]) -> None:
    if screen.as_json:
        typer.echo(json.dumps(fields))
