"""What is said of the files of a batch, each kind of sentence once, with the number of files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_NUMBER = re.compile(r"(\d+)")


class FoldedNotes:
    """Sentences that differ in numbers only are one kind: "the first of 3 pages", "the first of 5 pages"."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[str]] = {}  # of each kind: text, number, text, ...; n for numbers that differ
        self._num_more: dict[str, int] = {}
        self._kept: dict[str, list[str]] = {}  # sentences and the names of their files

    def first_lines(self, name: str, sentences: Sequence[str]) -> Iterator[str]:
        """A line for each kind that this file, of this name, is the first of; others are counted."""
        for kind, sentence in {_NUMBER.sub("n", sentence): sentence for sentence in sentences}.items():
            pieces = _NUMBER.split(sentence)
            if kind not in self._pieces:
                self._pieces[kind], self._num_more[kind] = pieces, 0
                yield f"{name}: {sentence}"
                continue
            known = zip(self._pieces[kind], pieces, strict=True)
            self._pieces[kind] = [piece if piece == other else "n" for piece, other in known]
            self._num_more[kind] += 1

    def keep(self, name: str, sentences: Sequence[str]) -> None:
        """Sentences that are said at the end only, in one line for all files."""
        for sentence in sentences:
            self._kept.setdefault(sentence, []).append(name)

    def last_lines(self) -> Iterator[str]:
        """A line for each kind that was counted, and for each sentence that was kept."""
        for kind, count in self._num_more.items():
            if count:
                yield f"{count} more file{'s' * (count > 1)}: {''.join(self._pieces[kind])}"
        for sentence, (first, *others) in self._kept.items():
            files = f"{1 + len(others)} files, such as {first}" if others else first
            yield f"{files}: {sentence}"
