"""Which file becomes which: inputs and folders to jobs, all of it decided before any work."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

STANDARD = "-"


@dataclass(frozen=True)
class Source:
    """An input: `path` None is standard input; `place` is where it belongs in an output folder."""

    path: Path | None
    place: Path

    @property
    def name(self) -> str:
        return STANDARD if self.path is None else str(self.path)


@dataclass(frozen=True)
class Job:
    """One input and where its result goes; `target` None: standard output, or nowhere for verbs that only look.

    `refusal`: why it cannot be done beside the other jobs; "" where it can.
    """

    source: Source
    target: Path | None = None
    refusal: str = ""


@dataclass(frozen=True)
class FoundJob:
    """What the inputs name. `skipped`: files in folders that have other extensions."""

    sources: tuple[Source, ...]
    skipped: tuple[Path, ...] = ()
    has_folder: bool = False


@dataclass(frozen=True)
class JobNaming:
    """How results are named: `suffix` for new names, the same for all or by source.

    `check` raises for a name of one file that cannot be meant.
    """

    suffix: str | Callable[[Source], str]
    check: Callable[[str], None]


def find_job_sources(inputs: Sequence[str], extensions: Callable[[], Collection[str]]) -> FoundJob:
    """The inputs in the order given, folders replaced by their files with these extensions, sorted.

    Hidden files and folders are left out. Raises `typer.BadParameter` for standard input that is named twice and for
    folders without any such file.
    """
    if inputs.count(STANDARD) > 1:
        raise typer.BadParameter("standard input (-) is named twice; it can be read once")
    sources: list[Source] = []
    skipped: list[Path] = []
    folders = [Path(name) for name in inputs if name != STANDARD and Path(name).is_dir()]
    wanted = extensions() if folders else ()
    for name in inputs:
        path = Path(name)
        if name == STANDARD:
            sources.append(Source(None, Path("stdin")))
        elif path not in folders:
            sources.append(Source(path, Path(path.name)))
        else:
            files = list(_files_below(path))
            sources += (Source(file, file.relative_to(path)) for file in files if file.suffix.lower() in wanted)
            skipped += (file for file in files if file.suffix.lower() not in wanted)
    if not sources:
        raise typer.BadParameter(f"there is no file to work on in {', '.join(inputs)}")
    return FoundJob(tuple(sources), tuple(skipped), bool(folders))


def plan_jobs(found: FoundJob, output: str | None, naming: JobNaming) -> list[Job]:
    """A job for each source; those whose result would overwrite another or an input are refused, all others stand.

    Raises `typer.BadParameter` for an `output` that these sources cannot have.
    """
    sources = found.sources
    if output == STANDARD or (output is None and sources[0].path is None and len(sources) == 1):
        if len(sources) > 1 or found.has_folder:
            raise typer.BadParameter("standard output takes the result of one file; name a folder with --output")
        return [Job(sources[0])]
    if output is not None and _is_single_file(output):
        naming.check(output)
        if len(sources) > 1 or found.has_folder:
            raise typer.BadParameter(f"--output {output} is one file; {len(sources)} inputs need a folder")
        return _checked([Job(sources[0], Path(output))])
    if output is not None and Path(output).exists() and not Path(output).is_dir():
        raise typer.BadParameter(f"--output {output} is no folder; name another")
    return _checked([Job(source, _target(source, output, naming)) for source in sources])


def _is_single_file(output: str) -> bool:
    """Whether a name has an extension and is no folder."""
    return Path(output).suffix != "" and not output.endswith(("/", os.sep)) and not Path(output).is_dir()


def _target(source: Source, output: str | None, naming: JobNaming) -> Path:
    suffix = naming.suffix if isinstance(naming.suffix, str) else naming.suffix(source)
    if output is not None:
        return Path(output) / source.place.with_suffix(suffix)
    if source.path is None:
        raise typer.BadParameter("standard input has no folder for its result; name one with --output")
    return source.path.with_suffix(suffix)


def _checked(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, those refused that would overwrite an input or the result of another."""
    inputs = {os.path.realpath(job.source.path) for job in jobs if job.source.path is not None}
    targets = [os.path.realpath(job.target or "") for job in jobs]
    makers: dict[str, list[str]] = {}
    for job, target in zip(jobs, targets, strict=True):
        makers.setdefault(target, []).append(job.source.name)
    pairs = zip(jobs, targets, strict=True)
    return [replace(job, refusal=_refusal(job, makers[target], target in inputs)) for job, target in pairs]


def _refusal(job: Job, makers: Sequence[str], is_input: bool) -> str:
    if is_input:
        return f"{job.target} is an input, so it cannot be an output; name another --output"
    if len(makers) > 1:
        return f"{' and '.join(makers)} would become one file, {job.target}; rename one or do them apart"
    return ""


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))
