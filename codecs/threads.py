"""Doing the same to many things side by side: a `map` over threads."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Final, Protocol, TypeVar

_MOST_BY_DEFAULT: Final = 8  # each holds a whole picture several times over
_T = TypeVar("_T")
_R = TypeVar("_R")


class ThreadedMap(Protocol):
    """`map`, or one over threads."""

    def __call__(self, function: Callable[[_T], _R], items: Iterable[_T], /) -> Iterator[_R]: ...


def default_threads() -> int:
    """Threads for many files: one for each core that this process may use, up to a number."""
    num_cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(num_cores, _MOST_BY_DEFAULT)


@contextmanager
def threaded_map(threads: int, *, ahead: int | None = None) -> Iterator[ThreadedMap]:
    """A `map` over so many threads, with results in order; that of Python for one.

    Of the items, `ahead` are begun before their results are asked for, by default as many as there are threads, so
    memory stays bounded. Functions see the context variables of the caller. At the end of the block, also by an error,
    what has not begun is dropped, and what has is finished.
    """
    if threads == 1:
        yield map
        return
    pool = ThreadPoolExecutor(threads)

    def run(function: Callable[[_T], _R], items: Iterable[_T], /) -> Iterator[_R]:
        waiting: deque[Future[_R]] = deque()
        for item in items:
            waiting.append(pool.submit(copy_context().run, function, item))
            if len(waiting) > (threads if ahead is None else ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)
