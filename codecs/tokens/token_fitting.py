"""A token model of recordings, in closed form and by k-means: the same sounds give the same model on one machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import settle_arguments, whole_number_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.codecs.notes import collect_notes
from laconic.codecs.tokens.band_logs import NUM_BINS, UNITS, band_logs
from laconic.codecs.tokens.code_search import found_codes, sum_of_words
from laconic.codecs.tokens.pitch_classes import usual_lag_ends
from laconic.codecs.tokens.speech_samples import RATE_HZ, speech_samples
from laconic.codecs.tokens.speech_tokens import blocks_around, gains_of_levels, levels_of_gains
from laconic.codecs.tokens.token_model import REACH, TokenModel

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_LEAST_WIDTH: Final = 3  # bins: 94 Hz, so that the harmonics of most voices do not show
_MEL_STEP: Final = 85.0  # of a band; gives 32
_AT_A_TIME: Final = 8192
_RIDGE: Final = 1e3
_SPEEDS: Final = (0.92, 1.08)


@dataclass(frozen=True)
class TokenFitOptions:
    """`stages` of `words` each, by so many `rounds` of k-means; `seed` of the first words."""

    stages: int = 3
    words: int = 1024
    rounds: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            stages=whole_number_argument("stages", self.stages, 1, 8),
            words=whole_number_argument("words", self.words, 2, 4096),
            rounds=whole_number_argument("rounds", self.rounds, 1, 1000),
            seed=whole_number_argument("seed", self.seed, 0, (1 << 32) - 1),
        )


def fit_tokens(
    sounds: Iterable[Audio], options: TokenFitOptions | None = None, say: Callable[[str], None] | None = None
) -> TokenModel:
    """A model whose code words are centres of the spectra of these sounds. `say`: called with lines of progress.

    Raises `UnsupportedSignalError` for fewer blocks of sound than words, and as `speech_samples` does.
    """
    options = options or TokenFitOptions()
    edges = _usual_edges()
    levels, others = [], []
    for sound in sounds:
        levels.append(band_logs(speech_samples(sound), edges))
        others += [band_logs(samples, edges) for samples in _at_other_speeds(sound)]
    shapes = [one - levels_of_gains(gains_of_levels(one)) for one in (*levels, *others)]
    num_blocks = sum(len(one) for one in levels)
    if num_blocks < options.words:
        raise UnsupportedSignalError(
            f"the sounds have {num_blocks} blocks of 16 ms; needed are {options.words}, as many as words: give more"
        )
    rng = np.random.default_rng(options.seed)
    books = np.zeros((options.stages, options.words, len(edges) - 1), np.int16)
    rests = np.concatenate(shapes).astype(np.float32)
    for stage, book in enumerate(books):
        book[:] = np.rint(_centres(rests, options, rng))
        words = book.astype(np.float32)
        rests -= words[np.concatenate(list(_nearest(rests, words)))]
        if say is not None:
            error_db = 10 * np.log10(2) / UNITS * np.sqrt(np.mean(np.square(rests, dtype=np.float64)))
            say(f"stage {stage + 1}: {num_blocks} blocks, error {error_db:.2f} dB")
    weights = np.stack([_weights(levels, shapes, books[:count]) for count in range(1, options.stages + 1)])
    return TokenModel(edges, usual_lag_ends(), books, weights.astype(np.float32))


def _at_other_speeds(sound: Audio) -> Iterator[Int[NDArray[np.int64], " t"]]:
    """The same faster and slower, as of other voices: Ko et al., "Audio augmentation for speech recognition", 2015."""
    for speed in _SPEEDS:
        with collect_notes():  # of the resampling, which is meant
            samples = speech_samples(Audio(sound.samples, round(sound.sample_rate * speed)))
        yield samples


def _usual_edges() -> Int[NDArray[np.int64], " e"]:
    """Bands of equal width in mel (O'Shaughnessy, as in HTK), from three bins on."""
    edges, hz_of_bin = [0], RATE_HZ / 2 / NUM_BINS
    while edges[-1] < NUM_BINS:
        mel = 2595 * np.log10(1 + edges[-1] * hz_of_bin / 700) + _MEL_STEP
        further = round(float(700 * (10 ** (mel / 2595) - 1) / hz_of_bin))
        edges.append(min(NUM_BINS, max(edges[-1] + _LEAST_WIDTH, further)))
    if 2 * (edges[-1] - edges[-2]) < edges[-2] - edges[-3]:
        del edges[-2]
    return np.array(edges, np.int64)


def _centres(
    vectors: Float[NDArray[np.float32], "n b"], options: TokenFitOptions, rng: np.random.Generator
) -> Float[NDArray[np.float64], "k b"]:
    """K-means; a centre of nothing starts anew at a random vector."""
    centres = vectors[rng.choice(len(vectors), options.words, replace=False)].astype(np.float64)
    for _ in range(options.rounds):
        nearest = np.concatenate(list(_nearest(vectors, centres.astype(np.float32))))
        anew = vectors[rng.choice(len(vectors), options.words, replace=False)]
        centres = _means(vectors, nearest, anew.astype(np.float64))
    return centres


def _nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> Iterator[Int[NDArray[np.int64], " n"]]:
    halves = np.square(centres).sum(axis=1) / 2
    for at in range(0, len(vectors), _AT_A_TIME):
        yield (halves - vectors[at : at + _AT_A_TIME] @ centres.T).argmin(axis=1)


def _means(
    vectors: Float[NDArray[Any], "n b"], groups: Int[NDArray[np.int64], " n"], empty: Float[NDArray[np.float64], "k b"]
) -> Float[NDArray[np.float64], "k b"]:
    """Of each group; of those without vectors, what `empty` says."""
    order = np.argsort(groups, kind="stable")
    used, starts, counts = np.unique(groups[order], return_index=True, return_counts=True)
    means = empty.copy()
    means[used] = np.add.reduceat(vectors[order].astype(np.float64), starts, axis=0) / counts[:, None]
    return means


def _weights(
    levels: list[NDArray[np.int64]], shapes: list[NDArray[np.int64]], books: NDArray[np.int16]
) -> Float[NDArray[np.float64], "i b"]:
    """By least squares, from decoded levels of blocks around to the true ones: codes of neighbours tell more than one."""
    width = (2 * REACH + 1) * books.shape[2] + 1
    squares, products = _RIDGE * np.eye(width), np.zeros((width, books.shape[2]))
    for level, shape in zip(levels, shapes, strict=False):  # without those at other speeds, which come last
        decoded = level - shape + sum_of_words(found_codes(shape, books), books)
        inputs = np.concatenate([blocks_around(decoded), np.ones((len(level), 1))], axis=1)
        squares += inputs.T @ inputs
        products += inputs.T @ level
    return np.asarray(np.linalg.solve(squares, products))
