"""Texts that networks read: from the best letter at each place, and how far they are from what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Integer


def edit_distance(said: Sequence[str], heard: Sequence[str]) -> int:
    """Least number of insertions, deletions and replacements between two sequences (Levenshtein).

    >>> edit_distance("a b c d".split(), "a x c".split())
    2
    """
    row = list(range(len(heard) + 1))
    for number, word in enumerate(said, 1):
        diagonal, row[0] = row[0], number
        for index, other in enumerate(heard, 1):
            diagonal, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, diagonal + (word != other))
    return row[-1]


def ctc_text(found: Integer[NDArray[np.integer[Any]], " n"], characters: Sequence[str]) -> str:
    """The text of the best character at each place: repeated ones count once, and 0, blank, parts them.

    >>> ctc_text(np.array([1, 1, 0, 1, 2]), ["", "a", "b"])
    'aab'
    """
    starts = np.concatenate(([True], found[1:] != found[:-1]))
    return "".join(characters[index] for index in found[starts & (found != 0)])
