"""Times of tasks that take turns inside each round, in one process."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import common

Calls = Sequence[Callable[[], object]]  # a run is all of them, one after the other; its time is their sum
MIN_RUNS = 3
CACHES_MATTER_SECONDS = 0.1


@dataclass(frozen=True)
class Spread:
    """Seconds of one task over its runs."""

    median: float
    worst: float
    best: float
    num_runs: int

    def times(self, factor: float, digits: int) -> common.Row:
        """All three by a factor, rounded: milliseconds, nanoseconds a pixel."""
        return {name: round(getattr(self, name) * factor, digits) for name in ("median", "worst", "best")}

    def speed(self, megapixels: float) -> common.Row:
        """Millions of pixels per second."""
        return {name: round(megapixels / getattr(self, name), 3) for name in ("median", "worst", "best")}


def in_turns(tasks: Mapping[str, Calls], *, num_rounds: int, enough_seconds: float = 20) -> dict[str, Spread]:
    """Seconds of each task.

    In a round, the first call of every task takes its turn, then the second of every task, and so on, so that a drift of
    the machine's speed is shared. A call of less than 0.1 seconds is made twice and the second counts, so that none pays
    for the caches that another left. Tasks that have taken `enough_seconds` in at least three rounds sit out the others.
    """
    sums: dict[str, list[float]] = {name: [] for name in tasks}
    gc.disable()
    try:
        for number in range(num_rounds):
            active = [name for name, done in sums.items() if number < MIN_RUNS or sum(done) < enough_seconds]
            round_sums = dict.fromkeys(active, 0.0)
            for turn in range(max(len(tasks[name]) for name in active) if active else 0):
                for name in active:
                    if turn < len(tasks[name]):
                        round_sums[name] += _seconds(tasks[name][turn])
            for name, seconds in round_sums.items():
                sums[name].append(seconds)
            gc.collect()
    finally:
        gc.enable()
    return {name: Spread(statistics.median(done), max(done), min(done), len(done)) for name, done in sums.items()}


def _seconds(call: Callable[[], object]) -> float:
    for _ in range(2):
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
        if seconds >= CACHES_MATTER_SECONDS:
            break
    return seconds
