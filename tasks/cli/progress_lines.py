"""How far long work is: a bar at a terminal, elsewhere a line now and then on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from laconic.tasks.cli import batch

_SECONDS_BETWEEN = 20.0
_BAR_STEPS = 1000


@contextmanager
def progress_of_work(what: str, *, quiet: bool) -> Iterator[Callable[[float], None]]:
    """Gives a function that shows the share of the work that is done, above 0 and up to 1; `quiet` leaves lines out."""
    if sys.stderr.isatty():
        with batch.batch_progress(_BAR_STEPS) as advance:
            yield lambda share: advance(round(_BAR_STEPS * share))
    elif quiet:
        yield lambda share: None
    else:
        yield ProgressLines(what).update


class ProgressLines:
    """Lines on work named `what`; `clock` gives seconds."""

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._clock = what, clock
        self._start = self._last = clock()

    def update(self, share: float) -> None:
        """Say the share that is done, above 0 and up to 1, and the time left, unless it was said a moment ago."""
        now = self._clock()
        if now - self._last < _SECONDS_BETWEEN:
            return
        self._last = now
        seconds_left = (now - self._start) * (1 - share) / share
        typer.echo(f"laconic: {self._what}: {share:.0%} done, {_words(seconds_left)} left", err=True)


def _words(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 100 else f"about {seconds:.0f} s"
