"""What is dropped on the way from or to a file (a frame, a tag, a channel, precision): one sentence each.

A caller gets them as warnings of the category `DroppedWarning`; who wants them as a list, by file, collects them. Where
something is dropped silently the reader cannot know that the signal is not all of the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from laconic.codecs.errors import DroppedWarning

# Of this thread alone, unlike `warnings.catch_warnings`: files are read in threads.
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def note(sentence: str) -> None:
    """Say what was dropped and how to have it: to the list of the innermost `collect_notes`, else as a `DroppedWarning`.

    `sentence` names no file and starts in lower case, as messages of errors do. Not to be called where all exceptions
    are caught, since warnings may be errors.
    """
    notes = _collected.get()
    if notes is None:
        warnings.warn(sentence, DroppedWarning, stacklevel=3)
    elif sentence not in notes:
        notes.append(sentence)


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Gives the list to which all notes of this thread go until the block ends, without repetitions."""
    notes: list[str] = []
    token = _collected.set(notes)
    try:
        yield notes
    finally:
        _collected.reset(token)
