"""Vectors of integers -> codes of residual stages: what each stage misses, the next one codes.

Source: Juang, Gray, "Multiple stage vector quantization for speech coding", 1982; the search keeps several candidates after
each stage (LeBlanc et al., "Efficient search and design procedures for robust multi-stage VQ of LPC parameters", 1993).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_CANDIDATES: Final = 8
_AT_A_TIME: Final = 128


def found_codes(
    vectors: Int[NDArray[np.int64], "n b"], books: Int[NDArray[np.int16], "s k b"]
) -> Int[NDArray[np.int64], "n s"]:
    """The codes, one of each of the s books, whose words add up to nearly the vector; of equally near ones the first.

    Distances are whole numbers below 2^53, so that they do not depend on the order of additions.
    """
    parts = [_found(vectors[at : at + _AT_A_TIME], books) for at in range(0, len(vectors), _AT_A_TIME)]
    return np.concatenate(parts) if parts else np.zeros((0, len(books)), np.int64)


def sum_of_words(
    codes: Int[NDArray[np.integer], "n s"], books: Int[NDArray[np.int16], "k_books k b"]
) -> Int[NDArray[np.int64], "n b"]:
    """What codes stand for; of fewer stages than books, the first."""
    words = [book[codes[:, stage]].astype(np.int64) for stage, book in enumerate(books[: codes.shape[1]])]
    return np.asarray(sum(words))


def _found(vectors: NDArray[np.int64], books: NDArray[np.int16]) -> NDArray[np.int64]:
    num_words = books.shape[1]
    rests = vectors[:, None, :].astype(np.float64)
    paths = np.zeros((len(vectors), 1, 0), np.int64)
    for book in books.astype(np.float64):
        kept = _smallest(_distances(rests, book))[..., None]
        parents, codes = kept // num_words, kept % num_words
        rests = np.take_along_axis(rests, parents, axis=1) - book[codes[..., 0]]
        paths = np.concatenate([np.take_along_axis(paths, parents, axis=1), codes], axis=2)
    return paths[:, 0]


def _distances(
    rests: Float[NDArray[np.float64], "n m b"], book: Float[NDArray[np.float64], "k b"]
) -> Float[NDArray[np.float64], "n c"]:
    """Squares of the distances of each of the m candidates and each word, candidate by candidate."""
    found = rests.reshape(-1, rests.shape[2]) @ (-2 * book.T)
    found += np.square(book).sum(axis=1)
    found += np.square(rests).sum(axis=2).reshape(-1, 1)
    return found.reshape(len(rests), -1)


def _smallest(distances: Float[NDArray[np.float64], "n c"]) -> Int[NDArray[np.int64], "n m"]:
    """Where the smallest are, the first of equal ones first. Changes what it is given."""
    num_places = distances.shape[1]
    count = min(_CANDIDATES, num_places)
    distances *= num_places
    distances += np.arange(num_places)  # none are equal, and all are whole numbers below 2^53
    smallest = np.sort(np.partition(distances, count - 1, axis=1)[:, :count], axis=1)
    places: NDArray[np.int64] = smallest.astype(np.int64) % num_places
    return places
