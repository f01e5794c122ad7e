"""`laconic predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from laconic.tasks.cli import batch, jobs, options
from laconic.tasks.cli.batch import BatchOutcome, BatchScreen
from laconic.tasks.cli.jobs import Job

if TYPE_CHECKING:
    from laconic.tasks.heads.learning_task import Answer
    from laconic.tasks.heads.predictor import Predictor


def predict(
    run: Annotated[Path, typer.Argument(help="The folder of a run of `laconic train`.")],
    inputs: Annotated[list[str], typer.Argument(help="Files (.lcn or others) or folders of them.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder for what answers are made of: masks, pictures, sounds."),
    ] = None,
    model: options.ModelName = None,
    task: Annotated[str | None, typer.Option("--task", help="MODULE:CLASS of a task that no package has.")] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="MODULE:FUNCTION of a network that no package has.")
    ] = None,
    file_model: Annotated[
        str | None,
        typer.Option(
            "--file-model",
            metavar="PATH",
            help="Another model of .lcn files, mapped to that of the run; shipped ones are found.",
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option("--channels", help="Read so many channels; for a run of option nested, which has fewer than all."),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """What a network answers: classes, masks, texts, sounds. Runs on latents read .lcn files without decoding them to
    pixels or samples."""
    predictor = _load(run, model, file_model, (task, network))

    def work(job: Job) -> BatchOutcome:
        assert job.source.path is not None
        answer = predictor.answer(job.source.path, channels=channels)
        written = {} if output is None else _write(answer, output, job.source.path)
        line = "; ".join([f"{job.source.name}: {answer.line}", *written.values()])
        return BatchOutcome(line, {**answer.values, **({"files": written} if written else {})})

    found = jobs.find_job_sources(inputs, _extensions)
    if any(source.path is None for source in found.sources):
        raise typer.BadParameter("standard input cannot be predicted; name files")
    screen = BatchScreen(as_json=as_json)
    # One at a time: the network has threads of its own.
    batch.finish_batch(found, batch.run_batch([Job(source) for source in found.sources], work, screen, 1), screen)


def _write(answer: Answer, folder: Path, source: Path) -> dict[str, str]:
    """The signals of an answer as files named after the source; by their names, where they are."""
    from laconic.codecs.files import signal_bytes
    from laconic.codecs.media import Audio
    from laconic.codecs.whole_files import atomic_write

    folder.mkdir(parents=True, exist_ok=True)
    places = {}
    for name, signal in answer.signals.items():
        suffix = ".wav" if isinstance(signal, Audio) else ".png"
        path = folder / f"{source.stem}.{name}{suffix}"
        atomic_write(path, signal_bytes(signal, suffix), force=True)
        places[name] = str(path)
    return places


def _load(run: Path, model: str | None, file_model: str | None, own: tuple[str | None, str | None]) -> Predictor:
    from laconic.codecs.errors import missing_torch_error

    with batch.batch_sentences():
        missing_torch_error("prediction")
        from laconic.tasks.heads.checkpoint import OwnPlaces
        from laconic.tasks.heads.predictor import Predictor

        return Predictor.load(run, model=model, file_model=file_model, own=OwnPlaces(*own))


def _extensions() -> frozenset[str]:
    from laconic.tasks.datasets.class_folders import class_folder_extensions

    return class_folder_extensions("image") | class_folder_extensions("sound") | {".lcn"}
