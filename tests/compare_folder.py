"""Any folder of files through `laconic encode`, `info`, `verify` and `decode`, compared with the peers' own decode.

Prints how many files came out how, and each of those that did not come out as they are. Ends with 1 where a difference was
not said, a file of ours could not be read, or something crashed. Needs no folder of data to be anywhere: `make compare`
takes $(DATA). Reading, and what counts as a difference: compare_signals.py.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, BinaryIO

from compare_signals import QUALITY, Difference, Picture, Sound, differences, read_peer
from typer.testing import CliRunner

from laconic.tasks.cli import app


class Outcome(StrEnum):
    """What came of a file."""

    SAME = "same"
    SAID = "different, and said so"
    REFUSED_BY_BOTH = "refused, as by the peer"
    REFUSED_ALONE = "refused, read by the peer"
    READ_ALONE = "read, refused by the peer"
    TIME_OUT = "not done in time"
    SILENT = "DIFFERENT WITHOUT A WORD"
    BROKEN = "ENCODED AND NOT READ BACK"
    CRASH = "CRASH"


_NOT_LISTED = (Outcome.SAME, Outcome.SAID, Outcome.REFUSED_BY_BOTH)
_FATAL = (Outcome.SILENT, Outcome.BROKEN, Outcome.CRASH)


@dataclass(frozen=True)
class Result:
    """Of one file; `text` says why it is no other outcome."""

    path: Path
    outcome: Outcome
    text: str = ""


@dataclass(frozen=True)
class Run:
    """What a command of `laconic` gave: exit code, the JSON of its file, and what should never be, a traceback or the line
    of a library."""

    code: int
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""

    @property
    def notes(self) -> list[str]:
        return list(self.fields.get("notes", []))


def laconic(*arguments: object) -> Run:
    """A command line of `laconic`, in this process."""
    with _written_past_python() as stray:
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        stray.seek(0)
        fault = stray.read().decode(errors="replace").strip()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        fault = "".join(traceback.format_exception(result.exception)[-2:])
    lines = result.stdout.splitlines()
    return Run(result.exit_code, json.loads(lines[-1]) if lines else {}, fault)


@contextmanager
def _written_past_python() -> Iterator[BinaryIO]:
    """A file to which goes what libraries in C write to standard error."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def compare_file(path: Path, folder: Path, run: Callable[..., Run] = laconic) -> Result:
    """A file through the commands, which write into a folder; `run` runs one."""
    ours = folder / "x.lcn"
    encoded = run("encode", path, "--quality", QUALITY, "--output", ours, "--force", "--threads", 1)
    with _written_past_python():
        peer = read_peer(path)
    if encoded.fault:
        return Result(path, Outcome.CRASH, f"encode: {encoded.fault}")
    if encoded.code:
        outcome = Outcome.REFUSED_BY_BOTH if peer is None else Outcome.REFUSED_ALONE
        return Result(path, outcome, str(encoded.fields["error"]))
    info, verified, decoded = (
        run("info", ours),
        run("verify", ours),
        run("decode", ours, "--output", f"{folder / 'decoded'}/", "--force", "--threads", 1),
    )
    for verb, done in (("info", info), ("verify", verified), ("decode", decoded)):
        if done.fault or done.code:
            outcome = Outcome.CRASH if done.fault else Outcome.BROKEN
            return Result(path, outcome, f"{verb}: {done.fault or done.fields}")
    notes = [*encoded.notes, *decoded.notes]
    if peer is None:
        return Result(path, Outcome.READ_ALONE, "; ".join(notes))
    found = read_peer(Path(decoded.fields["output"]))
    return _judged(path, [*_info_differences(peer, info.fields), *_found_differences(peer, found)], notes)


def _found_differences(peer: Picture | Sound, found: Picture | Sound | None) -> Iterator[Difference]:
    if found is None:
        yield Difference("signal", "the decoded file cannot be read")
    else:
        yield from differences(peer, found)


def _info_differences(peer: Picture | Sound, fields: dict[str, Any]) -> Iterator[Difference]:
    """What `info` says otherwise. Its width and height are those of the stored pixels."""
    if isinstance(peer, Picture):
        height, width, _ = peer.pixels.shape
        same = fields["kind"] == "image" and sorted((fields["width"], fields["height"])) == sorted((width, height))
        same = same and (fields["alpha"] or bool((peer.pixels[:, :, 3] == 1).all()))
        if peer.is_deep and fields["bit_depth"] <= 8:
            yield Difference("depth", f"more than 8 bits became {fields['bit_depth']}")
    else:
        same = fields["kind"] == "sound" and fields["sample_rate_hz"] == peer.rate_hz
        same = same and fields["shape"][0] == len(peer.samples)
    if not same:
        yield Difference("info", f"info says {fields}")


def _judged(path: Path, found: Sequence[Difference], notes: Sequence[str]) -> Result:
    if unsaid := [difference.text for difference in found if not difference.is_said(notes)]:
        return Result(path, Outcome.SILENT, "; ".join(unsaid))
    return Result(path, Outcome.SAID if found or notes else Outcome.SAME, "; ".join(notes))


class Worker:
    """A process that compares files; started anew after one that took too long, or that took the process with it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._folder = tempfile.TemporaryDirectory()
        self._process = context.Process(target=_serve, args=(other, Path(self._folder.name)), daemon=True)
        self._process.start()
        other.close()
        self._pipe.recv()  # everything is imported

    def compare(self, path: Path) -> Result:
        try:
            self._pipe.send(path)
            if self._pipe.poll(self._seconds):
                result: Result = self._pipe.recv()
                return result
            result = Result(path, Outcome.TIME_OUT)
        except (EOFError, OSError):
            result = Result(path, Outcome.CRASH, "the process ended")
        self.close()
        self._start()
        return result

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._folder.cleanup()


def _serve(pipe: Connection, folder: Path) -> None:
    warnings.simplefilter("ignore")  # of the peers, as the command does
    pipe.send(None)
    while True:
        path = pipe.recv()
        try:
            result = compare_file(path, folder)
        except Exception:  # of the comparison itself
            result = Result(path, Outcome.CRASH, traceback.format_exc())
        pipe.send(result)


def compare_all(paths: Iterable[Path], *, num_processes: int, seconds: float) -> Iterator[Result]:
    """Results in the order of the files."""
    idle: SimpleQueue[Worker] = SimpleQueue()
    workers = [Worker(seconds) for _ in range(num_processes)]
    for worker in workers:
        idle.put(worker)

    def compare(path: Path) -> Result:
        worker = idle.get()
        try:
            return worker.compare(path)
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(num_processes) as pool:
        yield from pool.map(compare, paths)
    for worker in workers:
        worker.close()


def files_below(folders: Iterable[Path], limit: int | None) -> list[Path]:
    """All files; of each folder no more than `limit`, evenly spread."""
    found = []
    for root in folders:
        for parent, _, names in sorted(os.walk(root)):
            files = [Path(parent, name) for name in sorted(names)]
            step = 1 if limit is None else max(1, -(-len(files) // limit))
            found += files[::step]
    return found


def report(results: Iterable[Result]) -> int:
    """Show the files that are to be looked at as they come, then the counts; returns the exit code."""
    counts = dict.fromkeys(Outcome, 0)
    for result in results:
        counts[result.outcome] += 1
        if result.outcome not in _NOT_LISTED:
            print(f"{result.outcome}: {result.path}: {result.text}", flush=True)
    for outcome, count in counts.items():
        print(f"{count:6} {outcome}")
    return int(any(counts[outcome] for outcome in _FATAL))


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="searched in depth")
    parser.add_argument("--limit", type=int, help="no more files of each folder than this, evenly spread")
    parser.add_argument("--processes", type=int, default=2, help="files at a time (2)")
    parser.add_argument("--seconds", type=float, default=300, help="for a file (300)")
    chosen = parser.parse_args(arguments)
    paths = files_below(chosen.folders, chosen.limit)
    return report(compare_all(paths, num_processes=chosen.processes, seconds=chosen.seconds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
