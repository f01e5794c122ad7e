"""Where the time of an epoch goes: waiting for batches, computing, and what processors spend on each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from laconic.tasks.heads.learning_task import Batch

_NAMES: Final = ("loading_seconds", "compute_seconds", "loading_processor_seconds", "compute_processor_seconds")


class EpochClock:
    """With one thread of torch the thread of the loop is
    what computes, and what other threads of the process spend is loading; with more, their share counts as loading."""

    def __init__(self) -> None:
        self._start, self._waited = time.perf_counter(), 0.0
        self._process, self._thread = time.process_time(), time.thread_time()
        self._own_loading = 0.0  # processor time of this thread while it waits
        self._saved = self._start

    def batches(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The same batches, and the time that each is waited for."""
        while True:
            start, processor = time.perf_counter(), time.thread_time()
            batch = next(batches, None)
            self._waited += time.perf_counter() - start
            self._own_loading += time.thread_time() - processor
            if batch is None:
                return
            yield batch

    def is_due(self, seconds: float) -> bool:
        """Whether so long has passed since the last time that it was."""
        now = time.perf_counter()
        if now - self._saved < seconds:
            return False
        self._saved = now
        return True

    def stop_into(self, part: dict[str, float]) -> None:
        """Add what was spent since the last stop to sums that may have begun before an interruption."""
        thread = time.thread_time() - self._thread
        loading = time.process_time() - self._process - thread + self._own_loading
        spent = (self._waited, time.perf_counter() - self._start - self._waited, loading, thread - self._own_loading)
        for name, seconds in zip(_NAMES, spent, strict=True):
            part[name] = part.get(name, 0.0) + max(seconds, 0.0)
        self._start, self._waited, self._own_loading = time.perf_counter(), 0.0, 0.0
        self._process, self._thread = time.process_time(), time.thread_time()

    @staticmethod
    def row(part: dict[str, float]) -> dict[str, float]:
        """Of a whole epoch, for the curve."""
        return {name: part[name] for name in _NAMES}
