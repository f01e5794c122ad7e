"""How far long work is where no terminal could show a bar: a line now and then on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable

import typer

_SECONDS_BETWEEN = 20.0


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
