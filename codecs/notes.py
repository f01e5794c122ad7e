"""What is dropped on the way from or to a file (a frame, a tag, a channel, precision): one sentence each.

A caller gets them as warnings of the category `DroppedWarning`; who wants them as a list, by file, collects them. Where
something is dropped silently the reader cannot know that the signal is not all of the file.

A hint is advice where nothing is dropped. It is no warning, since the result is what was asked for: only who collects
hints, as the command line does, gets them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from laconic.codecs.errors import DroppedWarning

# Of this thread alone, unlike `warnings.catch_warnings`: files are read in threads.
_Sentences = ContextVar[list[str] | None]
_notes: _Sentences = ContextVar("notes", default=None)
_hints: _Sentences = ContextVar("hints", default=None)


def note(sentence: str) -> None:
    """Say what was dropped and how to have it: to the list of the innermost `collect_notes`, else as a `DroppedWarning`.

    `sentence` names no file and starts in lower case, as messages of errors do. Not to be called where all exceptions
    are caught, since warnings may be errors.
    """
    notes = _notes.get()
    if notes is None:
        warnings.warn(sentence, DroppedWarning, stacklevel=3)
    elif sentence not in notes:
        notes.append(sentence)


def hint(sentence: str) -> None:
    """Advise something, in a sentence as `note` takes: to the list of the innermost `collect_hints`, else to nobody."""
    hints = _hints.get()
    if hints is not None and sentence not in hints:
        hints.append(sentence)


def collect_notes() -> AbstractContextManager[list[str]]:
    """Gives the list to which all notes of this thread go until the block ends, without repetitions."""
    return _collected(_notes)


def collect_hints() -> AbstractContextManager[list[str]]:
    """Gives the list to which all hints of this thread go until the block ends, without repetitions."""
    return _collected(_hints)


@contextmanager
def _collected(kind: _Sentences) -> Iterator[list[str]]:
    sentences: list[str] = []
    token = kind.set(sentences)
    try:
        yield sentences
    finally:
        kind.reset(token)
