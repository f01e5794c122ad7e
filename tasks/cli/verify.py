"""`laconic verify`."""

from __future__ import annotations

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job


def verify(
    inputs: options.Inputs,
    model: options.ModelName = None,
    threads: options.Threads = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Decode every integer of .lcn files; say "ok", or which segments are damaged."""

    def work(job: Job) -> BatchOutcome:
        from laconic.codecs.lcn import Lcn

        data = batch.read_bytes(job.source)
        damage = Lcn(model=model).unpack(data, allow_partial=True).damage
        line = "" if damage else f"{job.source.name}: ok"
        return BatchOutcome(line, {"ok": not damage, "damage": list(damage)}, notes=damage, failed=bool(damage))

    batch.check_batch_model(model)
    found = jobs.find_job_sources(inputs, lambda: (".lcn",))
    screen = BatchScreen(as_json=as_json, quiet=quiet)
    num_failed = batch.run_batch([Job(source) for source in found.sources], work, screen, threads)
    batch.finish_batch(found, num_failed, screen)
