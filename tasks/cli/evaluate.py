"""`laconic evaluate`."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from laconic.codecs.errors import CodecError, MissingDependencyError, sentence_of_error
from laconic.entropy.errors import BitstreamError
from laconic.tasks.cli import batch, options

if TYPE_CHECKING:
    from laconic.codecs.form import MediaKind
    from laconic.tasks.mpq.operating_points import OperatingPoint
    from laconic.tasks.mpq.protocol import Task
    from laconic.tasks.mpq.rows import Row
    from laconic.tasks.mpq.summary import TaskSummary

_NUM_NAMED = 5


def evaluate(
    codecs: Annotated[
        list[str],
        typer.Option(
            "--codecs",
            help='A codec with its operating points ("jpeg:quality=5|10..50/20,resize=0.5", "lcn:profile=*"), a bare name '
            "for usual points (avif, jpeg, jpeg2000, jpegxl, lcn, webp; flac, mp3, opus, vorbis; compressai, encodec and "
            "walloc with their weights), or images or sounds for all codecs of that kind; may be repeated, or separated by "
            "spaces.",
        ),
    ],
    tasks: Annotated[
        list[str],
        typer.Option(
            "--tasks",
            help="imagenet, imagenet-v1, imagenet-lite1, cifar10, segmentation, mask-agreement, read, read-tesseract, "
            "detect, tagging, speech, keywords, speaker, speech-quality, head:RUN of `laconic train`, model:FILE of your "
            "own (.tflite, .onnx, .pt or .ts; FILE's name with .json beside it says size, mean, std, classes and more) or "
            "model:MODULE:FUNCTION (MODULE on PYTHONPATH), or one of another package; images or sounds for four each; may "
            "be repeated, or separated by commas.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="The folder that holds the tasks' data: imagenet_sample, camvid, sroie, an4, esc10; for model: a class "
            "folder; for head: the parent of data sets with a test folder.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder of the report; an unfinished one goes on.")
    ],
    models: Annotated[
        Path | None, typer.Option("--models", help="The folder of the frozen models; DATA/models if not given.")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metrics",
            help="Distortions beside the scores: psnr, ms-ssim, snr and log-mel if not given; of ssim, gmsd, ssimulacra2, "
            "features, features-lite0, features-lite2, lpips, si-sdr, stft, pesq, stoi too, or all that are installed; may "
            "be repeated, or separated by commas.",
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache",
            help="A folder that keeps decoded signals for later runs; OUTPUT/decoded if not given, "
            "which is removed in the end.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Samples of each task; all if not given.")] = None,
    points: Annotated[
        str | None, typer.Option("--points", help="Qualities for bare names of codecs that have one, as in 10,25,50.")
    ] = None,
    margin: Annotated[
        float,
        typer.Option("--margin", min=0, max=100, help="Points of score whose loss the conclusions are to exclude."),
    ] = 3,
    gallery: Annotated[
        bool,
        typer.Option(
            "--gallery/--no-gallery",
            help="Show samples whose answer changes; without them where the data may not be passed on.",
        ),
    ] = True,
    workers: Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes.")] = 2,
    quiet: options.Quiet = False,
) -> None:
    """How well models read what codecs kept: score, rate and distortion, as JSON Lines, Markdown and a web page."""
    try:
        from laconic.tasks.mpq import evaluate as run
        from laconic.tasks.mpq import make_tasks, operating_points, summarize, write_report
        from laconic.tasks.mpq.gallery import flipped_samples
        from laconic.tasks.mpq.metrics import DEFAULT_METRICS, make_metrics
        from laconic.tasks.mpq.provenance import evaluation_provenance

        if not math.isfinite(margin):
            raise typer.BadParameter(f"--margin is {margin}; allowed is a number from 0 to 100")
        try:
            found = operating_points(" ".join(codecs).split(), _qualities(points))
            chosen = make_tasks(_names(tasks), data, models or data / "models")
            measured = make_metrics(_names(metrics) if metrics else DEFAULT_METRICS, models or data / "models")
        except CodecError as err:
            raise typer.BadParameter(sentence_of_error(err)) from err
        _check_kinds(chosen, found)
        output.mkdir(parents=True, exist_ok=True)
        kept = cache or output / "decoded"
        with ExitStack() as stack:
            rows = run(
                chosen,
                found,
                output / "rows.jsonl",
                metrics=measured,
                cache=kept,
                limit=limit,
                num_workers=workers,
                advance=_bar(stack),
            )
        summaries, galleries, failures = [], [], []
        for task in chosen:
            try:
                summary = summarize(task, found, rows, metrics=measured)
                galleries += [flipped_samples(task, found, rows, cache=kept)] if gallery else []
                summaries.append(summary)
            except CodecError as err:
                failures.append(err)
        if not summaries:
            raise failures[0]
        if cache is None:
            shutil.rmtree(kept, ignore_errors=True)
        given = {"--codecs": codecs, "--tasks": tasks, "--data": data, "--models": models, "--limit": limit}
        given |= {"--metrics": metrics, "--points": points, "--margin": f"{margin:g}", "-o": output}
        about = evaluation_provenance(_command(given) + ["--no-gallery"] * (not gallery))
        write_report(summaries, output, margin=margin / 100, about=about, galleries=galleries)
        _write_parquet(list(rows.values()), found, output / "rows.parquet")
    except (CodecError, BitstreamError, MissingDependencyError, OSError, MemoryError) as err:
        typer.echo(f"laconic: {_sentence(err)}", err=True)
        raise typer.Exit(1) from err
    for failure in failures:
        typer.echo(f"laconic: {sentence_of_error(failure)}: this task is left out", err=True)
    _show(summaries, output, margin / 100, quiet=quiet)
    if failures:
        raise typer.Exit(1)


def _check_kinds(tasks: Sequence[Task[Any]], points: Sequence[OperatingPoint]) -> None:
    """A codec that none of the tasks is for would be dropped without a word."""
    kinds = {task.kind for task in tasks}
    of_codec: dict[str, set[MediaKind]] = {}
    for point in points:
        of_codec.setdefault(point.spec.split(":")[0], set()).update(point.kinds)
    for codec, found in of_codec.items():
        if not found & kinds:
            raise typer.BadParameter(
                f"codec {codec} is for {_kinds_text(found)}, and the tasks for {_kinds_text(kinds)}: leave it out"
            )
    for task in tasks:
        if not any(task.kind in point.kinds for point in points):
            raise typer.BadParameter(
                f"task {task.name} is for {task.kind}s, and none of the codecs is: name one that is"
            )


def _kinds_text(kinds: Collection[MediaKind]) -> str:
    return " and ".join(f"{kind}s" for kind in sorted(kinds))


def _sentence(err: Exception) -> str:
    """With the file, which the messages of the system do not name."""
    sentence = sentence_of_error(err)
    name = getattr(err, "filename", None)
    return f"{name}: {sentence}" if name is not None and str(name) not in sentence else sentence


def _write_parquet(rows: Sequence[Row], points: Sequence[OperatingPoint], path: Path) -> None:
    """The same rows for programs that read tables, where a library for it is installed: nothing else needs it."""
    from laconic.tasks.mpq.parquet import write_parquet

    try:
        write_parquet(rows, points, path)
    except MissingDependencyError as err:
        typer.echo(f"laconic: {path.name} is left out: {sentence_of_error(err)}", err=True)


def _names(texts: Sequence[str]) -> list[str]:
    return " ".join(texts).replace(",", " ").split()


def _command(options: Mapping[str, object]) -> list[str]:
    """The words of the command line that decide the report; options that were not given are left out."""
    words = ["laconic", "evaluate"]
    for name, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            words += [] if one is None else [name, str(one)]
    return words


def _show(summaries: Sequence[TaskSummary], output: Path, margin: float, *, quiet: bool) -> None:
    """Conclusions, and what was left out of them, which is failure; so are points that have no score in any task."""
    from laconic.tasks.mpq.report import report_conclusions, report_failures

    left_out = [(task.name, *entry) for task in summaries for entry in task.left_out]
    for name, sample, why in left_out[:_NUM_NAMED]:
        typer.echo(f"laconic: {name}: {sample}: left out: {why}", err=True)
    if len(left_out) > _NUM_NAMED:
        typer.echo(f"laconic: and {len(left_out) - _NUM_NAMED} more left out, listed in {output}/rows.jsonl", err=True)
    if not quiet:
        for summary in summaries:
            for sentence in report_conclusions(summary, margin):
                if sentence not in report_failures(summary):
                    typer.echo(f"{summary.name}: {sentence}")
        typer.echo(f"{output / 'report.html'}")
    failures = [f"{task.name}: {sentence}" for task in summaries for sentence in report_failures(task)]
    for sentence in failures[:_NUM_NAMED]:
        typer.echo(f"laconic: {sentence}", err=True)
    if len(failures) > _NUM_NAMED:
        typer.echo(f"laconic: and {len(failures) - _NUM_NAMED} more failures, listed in {output}/report.md", err=True)
    lines = [line for task in summaries for line in task.lines]
    scored = {
        line.spec for line in lines if line.error is None
    }  # the rest may refuse one kind of signals by its nature
    if left_out or any(line.spec not in scored for line in lines) or any(task.metric_errors for task in summaries):
        raise typer.Exit(1)


def _qualities(points: str | None) -> list[int]:
    try:
        return [int(value) for value in points.split(",")] if points else []
    except ValueError as err:
        raise typer.BadParameter(f"--points {points} is no list of whole numbers, as in 10,25,50") from err


def _bar(stack: ExitStack) -> Callable[[int, int], None]:
    """Draws a bar that closes with `stack`, once the number of samples is known."""
    updates: list[Callable[[int], None]] = []

    def advance(done: int, total: int) -> None:
        if not updates:
            updates.append(stack.enter_context(batch.batch_progress(total)))
        updates[0](done)

    return advance
