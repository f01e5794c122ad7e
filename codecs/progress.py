"""How far an encoder is, for who wants to know: effort 3 and long sounds take long enough to say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# Of this thread alone, as notes are: files are encoded in threads.
_listener: ContextVar[Callable[[float], None] | None] = ContextVar("listener", default=None)


def tell_progress(share: float) -> None:
    """Say the share that is done of a signal, above 0 and up to 1, to the innermost `progress_told_to`, else to nobody."""
    listener = _listener.get()
    if listener is not None:
        listener(share)


@contextmanager
def progress_told_to(listener: Callable[[float], None]) -> Iterator[None]:
    """Until the block ends, `listener` is given what encoders tell in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def progress_of_part(begin: float, end: float) -> Iterator[None]:
    """Until the block ends, what encoders tell is of a part of the work, from `begin` to `end` of the whole."""
    outer = _listener.get()
    with progress_told_to(lambda share: None if outer is None else outer(begin + (end - begin) * share)):
        yield
