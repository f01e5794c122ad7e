"""Where samples are encoded: threads or worker processes, or a cluster (`ray_engine`); in order, and all the same."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Protocol, runtime_checkable

from laconic.codecs.arguments import settle_arguments, typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.codecs.threads import default_threads, threaded_map
from laconic.tasks.datasets.shard_writer import ShardSample
from laconic.tasks.datasets.sources.pack_source import SourceSample

_MOST = 256
_MANY = 200  # samples, which take as long as workers take to start
_SAMPLES_AHEAD = 4  # for each thread or worker
SampleEntry = tuple[int, SourceSample]
SampleEncode = Callable[[SampleEntry], ShardSample]


@runtime_checkable
class PackEngine(Protocol):
    """Encodes samples somewhere."""

    def encoding(
        self, encode: SampleEncode, entries: Iterable[SampleEntry]
    ) -> AbstractContextManager[Iterator[ShardSample]]:
        """The results of `encode`, which can be pickled, in the order of the entries, some of which are taken ahead; what
        has begun is finished, or forgotten, at the end of the block."""
        ...


@dataclass(frozen=True)
class ThreadEngine:
    """Threads of this process. Small pictures take as long by two as by one, since much of their time is Python's."""

    num_threads: int = 1

    def __post_init__(self) -> None:
        settle_arguments(self, num_threads=whole_number_argument("num_threads", self.num_threads, 1, _MOST))

    @contextmanager
    def encoding(self, encode: SampleEncode, entries: Iterable[SampleEntry]) -> Iterator[Iterator[ShardSample]]:
        """As `PackEngine` says."""
        with threaded_map(self.num_threads, ahead=self.num_threads * _SAMPLES_AHEAD) as run:
            yield run(encode, entries)


@dataclass(frozen=True)
class WorkerEngine:
    """Processes of this machine, each with its own copy of the source. A script that uses it needs the usual
    `if __name__ == "__main__":`."""

    num_workers: int = 2

    def __post_init__(self) -> None:
        settle_arguments(self, num_workers=whole_number_argument("num_workers", self.num_workers, 1, _MOST))

    @contextmanager
    def encoding(self, encode: SampleEncode, entries: Iterable[SampleEntry]) -> Iterator[Iterator[ShardSample]]:
        """As `PackEngine` says. Raises `CodecError` where a worker is ended from outside."""
        context = multiprocessing.get_context(
            "spawn"
        )  # threads of this process may hold locks, which forks would inherit
        with ExitStack() as ending:
            workers = []
            for _ in range(self.num_workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                ending.callback(process.join)
                workers.append(ending.enter_context(ours))  # a worker ends when this is closed
            for worker in workers:
                worker.send(encode)
            yield _in_turn(workers, entries)


def engine_argument(value: object) -> PackEngine:
    """The engine that is given, threads for None. Raises `CodecError` for other things."""
    if value is None:
        return ThreadEngine(default_threads())
    return typed_argument("engine", value, PackEngine, "a ThreadEngine, WorkerEngine, RayEngine or None")


def usual_engine(num_samples: int, num_workers: int | None, num_threads: int | None) -> PackEngine:
    """What was asked for; if nothing was, workers for many samples, since they take a second to start."""
    if num_threads is not None:
        return ThreadEngine(num_threads)
    count = default_threads() if num_workers is None else num_workers
    return ThreadEngine(1) if count == 1 or (num_workers is None and num_samples < _MANY) else WorkerEngine(count)


def _in_turn(workers: list[Connection], entries: Iterable[SampleEntry]) -> Iterator[ShardSample]:
    """Samples go round the workers, and so do their results, which are therefore in order."""
    waiting: deque[Connection] = deque()
    try:
        for number, entry in enumerate(entries):
            if len(waiting) == len(workers) * _SAMPLES_AHEAD:
                yield waiting.popleft().recv()
            worker = workers[number % len(workers)]
            worker.send(entry)
            waiting.append(worker)
        while waiting:
            yield waiting.popleft().recv()
    except (EOFError, ConnectionError) as err:
        raise CodecError(
            "a worker process was ended from outside, as for lack of memory; run the same command again, with fewer workers"
        ) from err


def _serve(connection: Connection) -> None:
    """What a worker does until the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started the workers
    with suppress(EOFError, ConnectionError), connection:
        encode = connection.recv()
        entries: SimpleQueue[SampleEntry | None] = SimpleQueue()
        Thread(target=_take_entries, args=(connection, entries), daemon=True).start()
        while (entry := entries.get()) is not None:
            connection.send(encode(entry))


def _take_entries(connection: Connection, entries: SimpleQueue[SampleEntry | None]) -> None:
    """Take what comes at any time: or, where entries and results are larger than a pipe holds, each side would wait for
    the other to read. The end is None."""
    try:
        while True:
            entries.put(connection.recv())
    except (EOFError, OSError):
        entries.put(None)
