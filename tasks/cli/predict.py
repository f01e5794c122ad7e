"""`laconic predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.tasks.heads.predictor import Predictor

_NUM_SHOWN = 3


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run of `laconic train`.")],
    inputs: Annotated[list[str], typer.Argument(help="Files (.lcn or others) or folders of them.")],
    model: options.ModelName = None,
    as_json: options.AsJson = False,
) -> None:
    """The most likely classes of files. Runs on latents read .lcn files without decoding them to pixels."""
    predictor = _load(run, model)

    def work(job: Job) -> BatchOutcome:
        assert job.source.path is not None
        scores = predictor.scores(job.source.path)
        first = ", ".join(f"{name} {share:.1%}" for name, share in list(scores.items())[:_NUM_SHOWN])
        return BatchOutcome(f"{job.source.name}: {first}", {"class": next(iter(scores)), "scores": scores})

    found = jobs.find_job_sources(inputs, _extensions)
    if any(source.path is None for source in found.sources):
        raise typer.BadParameter("standard input cannot be predicted; name files")
    screen = BatchScreen(as_json=as_json)
    # One at a time: the network has threads of its own.
    batch.finish_batch(found, batch.run_batch([Job(source) for source in found.sources], work, screen, 1), screen)


def _load(run: Path, model: str | None) -> Predictor:
    from laconic.codecs.errors import missing_torch_error

    with batch.batch_sentences():
        missing_torch_error("prediction")
        from laconic.tasks.heads.predictor import Predictor

        return Predictor.load(run, model=model)


def _extensions() -> frozenset[str]:
    from laconic.tasks.datasets.class_folders import class_folder_extensions

    return class_folder_extensions("image") | class_folder_extensions("sound") | {".lcn"}
