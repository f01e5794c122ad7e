"""Running jobs: threads, errors as one sentence each, lines or JSON on standard output, a bar on standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import typer

from laconic.codecs.errors import CodecError, MissingDependencyError, sentence_of_error
from laconic.codecs.notes import collect_hints, collect_notes
from laconic.codecs.threads import default_threads, threaded_map
from laconic.entropy.errors import BitstreamError
from laconic.tasks.cli.folded_notes import FoldedNotes
from laconic.tasks.cli.jobs import FoundJob, Job, Source

_SECONDS_WITHOUT_BAR = 1.0
_NUM_NAMED = 5
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


@dataclass(frozen=True)
class BatchOutcome:
    """What came of a job: a line for people, fields for JSON, sentences for standard error.

    `notes` are said of every file; `dropped`, what the result lacks, once for a batch; `hints`, what would
    serve better, in one line at its end.
    """

    line: str
    fields: Mapping[str, object]
    notes: tuple[str, ...] = ()
    failed: bool = False
    dropped: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchScreen:
    """What may be printed on standard output. With `is_data`, nothing: the result itself goes there."""

    as_json: bool = False
    quiet: bool = False
    is_data: bool = False
    _folded: FoldedNotes = field(default_factory=FoldedNotes, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.is_data and self.as_json:
            raise typer.BadParameter(
                "--json and the result would both go to standard output; name a file with --output"
            )
        if self.is_data and sys.stdout.isatty():
            raise typer.BadParameter("the result is binary and standard output a terminal; name a file with --output")

    def show(self, job: Job, outcome: BatchOutcome) -> None:
        for note in outcome.notes:
            typer.echo(f"laconic: {job.source.name}: {note}", err=True)
        for line in self._folded.first_lines(job.source.name, outcome.dropped):
            self._say(line)
        self._folded.keep(job.source.name, outcome.hints)
        if self.as_json:
            said = [*outcome.dropped, *outcome.hints]
            notes = {"notes": said} if said else {}
            typer.echo(json.dumps({"file": job.source.name, **outcome.fields, **notes}))
        elif outcome.line and not (self.quiet or self.is_data):
            typer.echo(outcome.line)

    def _say(self, line: str) -> None:
        if not self.quiet:
            typer.echo(f"laconic: {line}", err=True)

    def summarize(self, found: FoundJob, num_failed: int) -> None:
        for line in self._folded.last_lines():
            self._say(line)
        total = len(found.sources)
        if self.quiet or (total == 1 and not found.skipped):
            return
        text = f"laconic: {total - num_failed} of {total} files done"
        if found.skipped:
            names = ", ".join(str(path) for path in found.skipped[:_NUM_NAMED])
            more = ", ..." if len(found.skipped) > _NUM_NAMED else ""
            text += f", {len(found.skipped)} of other kinds skipped ({names}{more})"
        typer.echo(text, err=True)


def run_batch(
    jobs: Sequence[Job], work: Callable[[Job], BatchOutcome], screen: BatchScreen, threads: int | None
) -> int:
    """Do all jobs and show them in their order; returns the number that failed."""
    # After Ctrl-C or a closed pipe, what has not begun is dropped and what threads have in hand is finished.
    try:
        with (
            threaded_map(threads or default_threads(), ahead=len(jobs)) as run_each,
            batch_progress(len(jobs)) as advance,
        ):
            return sum(_show_all(jobs, run_each(lambda job: attempt_in_batch(job, work), jobs), screen, advance))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def threads_within_batch(threads: int | None, num_jobs: int) -> int:
    """Threads for each job where there are more of them than jobs."""
    return max(1, (threads or default_threads()) // num_jobs)


def finish_batch(found: FoundJob, num_failed: int, screen: BatchScreen) -> None:
    """Sum up, and leave with exit code 1 where something failed."""
    screen.summarize(found, num_failed)
    if num_failed:
        raise typer.Exit(1)


def batch_failure(sentence: str) -> typer.Exit:
    """Say what went wrong; raise the result to leave with exit code 1."""
    typer.echo(f"laconic: {sentence}", err=True)
    return typer.Exit(1)


@contextmanager
def batch_sentences() -> Iterator[None]:
    """What is expected to go wrong, as one sentence and exit code 1; 2 where an option is missing or wrong,
    or another process works in the folder."""
    from laconic.tasks.datasets.folder_lock import FolderBusyError
    from laconic.tasks.datasets.splits import SplitsError

    try:
        yield
    except (CodecError, BitstreamError, MissingDependencyError, OSError) as err:
        typer.echo(f"laconic: {sentence_of_error(err)}", err=True)
        raise typer.Exit(2 if isinstance(err, SplitsError | FolderBusyError) else 1) from err


def check_batch_model(name: str | None) -> None:
    """Raise `typer.BadParameter` for a model that cannot be loaded, before any work."""
    if name is not None:
        from laconic.codecs.models.zoo import load_model

        try:
            load_model(name)
        except CodecError as err:
            raise typer.BadParameter(f"--model {name}: {sentence_of_error(err)}") from err


def attempt_in_batch(job: Job, work: Callable[[Job], BatchOutcome]) -> BatchOutcome:
    """The outcome of a job, with whatever goes wrong as a sentence: decoders of many formats stand behind `work`, and one
    file never ends a batch. A closed pipe passes: nobody listens."""
    with collect_notes() as dropped, collect_hints() as hints:
        try:
            if job.refusal:
                raise CodecError(job.refusal)
            outcome = work(job)
        except BrokenPipeError:
            raise
        except Exception as err:
            sentence = sentence_of_error(err)
            return BatchOutcome("", {"error": sentence}, notes=(sentence,), failed=True)
    return replace(outcome, dropped=tuple(dropped), hints=tuple(hints))


def read_bytes(source: Source) -> bytes:
    """All of an input."""
    return sys.stdin.buffer.read() if source.path is None else source.path.read_bytes()


@contextmanager
def open_batch_source(source: Source) -> Iterator[BinaryIO]:
    """An input as a file that can seek; what cannot is read whole, to disk where it is long."""
    from laconic.codecs.formats.spooled_files import seekable_file, spooled_rest

    if source.path is None:
        with spooled_rest(sys.stdin.buffer) as file:
            yield file
        return
    with source.path.open("rb") as opened, seekable_file(opened) as file:
        yield file


def check_batch_target(job: Job, *, force: bool) -> None:
    """Raise `CodecError` before the work where its result could not be written."""
    if job.target is not None and not force and os.path.lexists(job.target):
        raise CodecError(f"{job.target} exists; pass --force to overwrite it")


@contextmanager
def open_batch_target(job: Job, *, force: bool) -> Iterator[BinaryIO]:
    """A file for the result of a job, which gets its name, or goes to standard output, only when the block has ended."""
    from laconic.codecs.formats.spooled_files import pass_on, spooled_file
    from laconic.codecs.whole_files import create_whole

    if job.target is None:
        with spooled_file() as buffer:
            yield buffer
            pass_on(buffer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with create_whole(job.target, force=force) as file:
            yield file
    except OSError as err:
        raise CodecError(f"{job.target} cannot be written: {sentence_of_error(err)}") from err


def write_batch_target(job: Job, data: bytes, *, force: bool) -> None:
    """The result of a job to its file, complete or not at all, or to standard output."""
    with open_batch_target(job, force=force) as file:
        file.write(data)


@contextmanager
def batch_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of files done; draws a bar on work over a second at a terminal."""
    with ExitStack() as stack:
        start = time.monotonic()
        updates: list[Callable[[int], None]] = []

        def advance(done: int) -> None:
            if not updates and sys.stderr.isatty() and time.monotonic() - start > _SECONDS_WITHOUT_BAR:
                updates.append(_open_bar(stack, total))
            for update in updates:
                update(done)

        yield advance


def _open_bar(stack: ExitStack, total: int) -> Callable[[int], None]:
    from rich.console import Console
    from rich.progress import Progress

    # Lines on standard output pass through the bar only where both are the same terminal.
    console = Console(stderr=True)
    bar = stack.enter_context(Progress(console=console, transient=True, redirect_stdout=sys.stdout.isatty()))
    task = bar.add_task("", total=total)
    return lambda done: bar.update(task, completed=done)


def _show_all(
    jobs: Sequence[Job], outcomes: Iterator[BatchOutcome], screen: BatchScreen, advance: Callable[[int], None]
) -> Iterator[bool]:
    for done, (job, outcome) in enumerate(zip(jobs, outcomes, strict=True), 1):
        screen.show(job, outcome)
        advance(done)
        yield outcome.failed
