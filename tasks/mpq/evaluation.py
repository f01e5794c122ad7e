"""`evaluate`: every task, codec and sample, in processes, onto a file of rows that a rerun takes up where it ends."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from laconic.tasks.mpq.cache import DecodedCache
from laconic.tasks.mpq.measurement import Measurer
from laconic.tasks.mpq.operating_points import OperatingPoint
from laconic.tasks.mpq.protocol import Metric, Task, spread
from laconic.tasks.mpq.row_merging import merged_row
from laconic.tasks.mpq.rows import UNCOMPRESSED, Row, append_rows, read_rows

Rows = dict[tuple[str, str, str], Row]
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class _Job:
    """What is to be measured on one sample."""

    measurer: Measurer
    key: str
    points: tuple[OperatingPoint, ...]
    with_anchor: bool

    @property
    def task(self) -> Task[Any]:
        return self.measurer.task

    @property
    def codecs(self) -> list[str]:
        return [UNCOMPRESSED] * self.with_anchor + [point.key for point in self.points]


def evaluate(
    tasks: Sequence[Task[Any]],
    points: Sequence[OperatingPoint],
    path: Path,
    *,
    metrics: Sequence[Metric[Any]] = (),
    cache: Path | None = None,
    limit: int | None = None,
    num_workers: int = 1,
    advance: Advance | None = None,
) -> Rows:
    """Measure what the rows at `path` lack; returns the rows of these tasks, points and samples, in a fixed order.

    Every point sees the same samples, `limit` of each task at most, and so does the uncompressed anchor. What was decoded
    is kept in the folder `cache`, if one is named, for tasks that share signals. The first sample of a task is always
    measured again, and compared with rows and cache, so that those of another codec, model or library version are found:
    `StaleRowsError`. What cannot be loaded, coded or judged, or ends its process, has rows of its error, and is tried
    again by the next run. `advance` is called with the number of samples done and of all. Also raises what listing
    samples and loading models raises (`OSError`, `MissingDependencyError`, `WeightsError`).
    """
    stored = read_rows(path)
    kept = DecodedCache(cache) if cache is not None else None
    measurers = [Measurer(task, tuple(one for one in metrics if one.kind == task.kind), kept) for task in tasks]
    jobs = [job for measurer in measurers for job in _jobs_of(measurer, points, limit)]
    due = [_remaining(job, stored, is_first=_is_first(job, jobs)) for job in jobs]
    todo = [job for job in due if job.codecs]
    for number, rows in enumerate(_results(todo, num_workers), 1):
        merged = [merged_row(stored[row.key], row) if row.key in stored else row for row in rows]
        fresh = [row for row in merged if stored.get(row.key) != row]
        append_rows(path, fresh)
        stored |= {row.key: row for row in fresh}
        if advance is not None:
            advance(number, len(todo))
    wanted = [(job.task.name, codec, job.key) for job in jobs for codec in job.codecs]
    return {key: stored[key] for key in wanted}


def points_of_evaluation(task: Task[Any], points: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """The points whose codecs take the signals of the task."""
    return tuple(point for point in points if task.kind in point.kinds)


def _jobs_of(measurer: Measurer, points: Sequence[OperatingPoint], limit: int | None) -> list[_Job]:
    offered = points_of_evaluation(measurer.task, points)
    return [_Job(measurer, key, offered, True) for key in spread(measurer.task.keys(), limit)]


def _is_first(job: _Job, jobs: Sequence[_Job]) -> bool:
    return next(other for other in jobs if other.task.name == job.task.name) is job


def _remaining(job: _Job, stored: Rows, *, is_first: bool) -> _Job:
    if is_first:
        return replace(job, measurer=replace(job.measurer, checks_cache=True))
    asked = {metric.name for metric in job.measurer.metrics}
    rows = {codec: stored.get((job.task.name, codec, job.key)) for codec in job.codecs}
    lacking = {codec for codec, row in rows.items() if row is None or row.error or asked - set(row.metrics)}
    points = tuple(point for point in job.points if point.key in lacking)
    return replace(job, points=points, with_anchor=UNCOMPRESSED in lacking)


def _run(job: _Job) -> list[Row]:
    return job.measurer.rows(job.key, job.points, with_anchor=job.with_anchor)


def _results(jobs: Sequence[_Job], num_workers: int) -> Iterator[list[Row]]:
    """In the order of the jobs, so that the file is the same for any number of workers."""
    if num_workers == 1 or len(jobs) < 2:
        yield from map(_run, jobs)
        return
    # Each worker is one thread; linear algebra that takes all cores in each of them made a run four times slower.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    waiting = deque(jobs)
    while waiting:
        try:
            for rows in _in_processes(waiting, num_workers):
                waiting.popleft()
                yield rows
        except BrokenProcessPool:  # a process died of one of the jobs in hand, which all count as undone
            yield _alone(waiting.popleft())


def _alone(job: _Job) -> list[Row]:
    """A job that may have ended a process, in one of its own; half of it where that dies too, down to single codecs."""
    try:
        (rows,) = _in_processes([job], 1)
    except BrokenProcessPool:
        if len(job.codecs) > 1:
            return [row for half in _halves(job) for row in _alone(half)]
        return job.measurer.rows_lost(
            job.key, job.codecs, "the process that measured it died, of memory or in a library"
        )
    return rows


def _halves(job: _Job) -> tuple[_Job, _Job]:
    """The anchor is with the first."""
    middle = len(job.codecs) // 2 - job.with_anchor
    return (replace(job, points=job.points[:middle]), replace(job, points=job.points[middle:], with_anchor=False))


def _in_processes(jobs: Iterable[_Job], num_workers: int) -> Iterator[list[Row]]:
    # Forked copies of a process that has run torch or a native pool may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_workers, mp_context=context, initializer=_die_with_parent) as pool:
        futures = [pool.submit(_run, job) for job in jobs]
        try:
            for future in futures:
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _die_with_parent() -> None:
    """A worker whose parent was killed would wait for jobs forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
