"""Random lines of text as receipts have them: words, prices, dates, numbers, in capitals or as in print.

Words are those of the annotated lines that one names, which are of training receipts, and random letters, so that a reader
learns to see letters and not to guess words.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_MARKS = "-/:.,()&@#*%$!+='?[]<>"
_CONSONANTS, _VOWELS = "BCDFGHJKLMNPQRSTVWXYZ", "AEIOU"
_LONGEST = 44  # letters; the longest annotated line has 50


@dataclass(frozen=True)
class TextSource:
    """`lines` of training receipts, in capitals."""

    lines: Sequence[str]

    def draw(self, random: np.random.Generator) -> str:
        """A text of 1 to 44 letters, capitals only."""
        kind = int(random.choice(len(_KINDS), p=_SHARES))
        text = _KINDS[kind][0](self, random)
        return " ".join(text[:_LONGEST].split()) or "0"


def in_print(text: str, random: np.random.Generator) -> str:
    """The text as it may be printed: in capitals, with a capital first, or small. Annotations have capitals for all."""
    share = random.random()
    if share < 0.55:
        return text
    return text.title() if share < 0.92 else text.lower()


def _word(source: TextSource, random: np.random.Generator) -> str:
    """Of a receipt, or letters of no sense that can be spoken, or any."""
    share = random.random()
    if share < 0.45 and source.lines:
        words = source.lines[int(random.integers(len(source.lines)))].split()
        return words[int(random.integers(len(words)))] if words else "0"
    length = int(random.integers(1, 10))
    if share < 0.75:
        return "".join(str(random.choice(list(_VOWELS if i % 2 else _CONSONANTS))) for i in range(length))
    return "".join(random.choice(list(string.ascii_uppercase), length))


def _words(source: TextSource, random: np.random.Generator) -> str:
    words = [_word(source, random) for _ in range(int(random.integers(1, 6)))]
    if random.random() < 0.3:
        words[-1] += str(random.choice(list(":,.!")))
    if random.random() < 0.1:
        words[0] = f"({words[0]})"
    return " ".join(words)


def _digits(random: np.random.Generator, lowest: int, highest: int) -> str:
    return "".join(map(str, random.integers(0, 10, int(random.integers(lowest, highest + 1)))))


def _price(source: TextSource, random: np.random.Generator) -> str:
    amount = f"{random.integers(0, 10 ** int(random.integers(1, 4)))}.{_digits(random, 2, 2)}"
    before = str(random.choice(["", "", "", "", "RM", "RM ", "$", "-", "@"]))
    after = str(random.choice(["", "", "", "", " S", " SR", " ZRL", "%", " RM", " T", " A"]))
    return before + amount + after


def _date(source: TextSource, random: np.random.Generator) -> str:
    day, month, year = random.integers(1, 32), random.integers(1, 13), random.integers(2010, 2020)
    mark = str(random.choice(list("/-.")))
    short = random.random() < 0.3
    date = f"{day:02}{mark}{month:02}{mark}{year % 100 if short else year:02}"
    time = f"{random.integers(24):02}:{random.integers(60):02}"
    if random.random() < 0.5:
        time += f":{random.integers(60):02}"
    parts = [["DATE:", "DATE :", ""][int(random.integers(3))], date, time, ["AM", "PM", ""][int(random.integers(3))]]
    kept = [part for part in parts if part and random.random() < 0.7]
    return " ".join(kept or [date])


def _number(source: TextSource, random: np.random.Generator) -> str:
    share = random.random()
    if share < 0.3:
        return _digits(random, 1, 2)
    if share < 0.6:
        return _digits(random, 3, 14)
    if share < 0.8:
        return (
            f"{_word(source, random)} {['', ': ', '#', 'NO: ', 'NO.'][int(random.integers(5))]}{_digits(random, 2, 12)}"
        )
    return f"{_digits(random, 2, 3)}-{_digits(random, 4, 8)}"


def _jumble(source: TextSource, random: np.random.Generator) -> str:
    """Any letters, digits and marks: rare ones are learned here."""
    letters = list(string.ascii_uppercase + string.digits * 2 + _MARKS * 2 + "  ")
    return "".join(random.choice(letters, int(random.integers(1, 16))))


def _line(source: TextSource, random: np.random.Generator) -> str:
    return source.lines[int(random.integers(len(source.lines)))] if source.lines else _words(source, random)


_KINDS: tuple[tuple[Callable[[TextSource, np.random.Generator], str], float], ...] = (
    (_words, 0.3),
    (_price, 0.2),
    (_date, 0.08),
    (_number, 0.17),
    (_jumble, 0.1),
    (_line, 0.15),
)
_SHARES = [share for _, share in _KINDS]
