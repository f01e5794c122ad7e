"""Speech as integer tokens: a pitch, a loudness and the shape of the spectrum, 62.5 times a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import settle_arguments, shown, text_argument, typed_argument, whole_number_argument
from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.codecs.tokens.band_filter import filtered_source
from laconic.codecs.tokens.band_logs import BLOCK, UNITS, band_logs
from laconic.codecs.tokens.code_search import found_codes, sum_of_words
from laconic.codecs.tokens.pitch_classes import NUM_CLASSES, pitch_classes
from laconic.codecs.tokens.speech_samples import RATE_HZ, speech_samples
from laconic.codecs.tokens.token_model import REACH, USUAL_TOKEN_MODEL, load_token_model

if TYPE_CHECKING:
    from jaxtyping import Float, Int

FRAMES_PER_SECOND: Final = RATE_HZ / BLOCK
NUM_GAINS: Final = 64
GAIN_STEP: Final = UNITS // 2  # 1.5 dB
_LEAST_GAIN: Final = 6 * UNITS
_NUM_SOURCE: Final = 2  # columns before those of the shape: pitch and gain
_MOST_STAGES: Final = 64
_MOST_FRAMES: Final = 1 << 20  # 4.7 hours


@dataclass(frozen=True)
class SpeechTokens:
    """Tokens of speech, frames x columns: class of pitch (64, of which 63 is none), loudness (64 steps of 1.5 dB), then
    `stages` codes of the shape of the spectrum (1,024 each), of which later ones are finer; without them, columns may be
    dropped from the end. 62.5 frames/s, of 22, 32 or 42 bits: 1.4, 2.0 or 2.6 kbit/s.

    `model`: a shipped token model or the path of one. Tokens of sounds at 16 kHz are the same on every machine; decoded
    sound is so but for rounding. Raises `CodecError` for values outside, and `UnknownModelError` or `WeightsError` where
    the model cannot be had, when it is needed.

    >>> import numpy as np
    >>> codec = SpeechTokens(stages=2)
    >>> codec.encode(Audio(np.zeros((1, 1000), np.float32), 16000)).shape
    (4, 4)
    """

    stages: int = 3
    model: str = USUAL_TOKEN_MODEL

    def __post_init__(self) -> None:
        stages = whole_number_argument("stages", self.stages, 1, _MOST_STAGES)
        settle_arguments(self, stages=stages, model=text_argument("model", self.model))

    def __repr__(self) -> str:
        return f"SpeechTokens({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in fields(self))})"

    @property
    def vocabulary(self) -> tuple[int, ...]:
        """How many tokens there are of each column."""
        return (NUM_CLASSES, NUM_GAINS, *(self._books.shape[1],) * self.stages)

    @property
    def kilobits_per_second(self) -> float:
        """Of tokens as equally long numbers, not coded further."""
        return float(sum(np.log2(self.vocabulary)) * FRAMES_PER_SECOND / 1000)

    def encode(self, audio: Audio) -> Int[NDArray[np.int16], "n s"]:
        """The tokens of a sound, whose last frame is filled with silence.

        Other rates are resampled, several channels mixed, which is said as notes. Raises `UnsupportedSignalError` for what
        is empty, too long or of a rate outside 4 to 384 kHz, and the errors of the model.
        """
        audio = typed_argument("audio", audio, Audio, "an Audio: laconic.codecs.Audio.from_array makes one")
        model, books = load_token_model(self.model), self._books
        if not 0 < audio.duration_seconds * FRAMES_PER_SECOND <= _MOST_FRAMES:
            raise UnsupportedSignalError(
                f"the sound has {audio.samples.shape[1]} samples; tokens are of 1 sample to "
                f"{_MOST_FRAMES / FRAMES_PER_SECOND / 3600:.1f} hours: cut it"
            )
        samples = speech_samples(audio)
        levels = band_logs(samples, model.edges)
        gains = gains_of_levels(levels)
        codes = found_codes(levels - levels_of_gains(gains), books)
        pitch = pitch_classes(samples, model.lag_ends)
        return np.concatenate([pitch[:, None], gains[:, None], codes], axis=1).astype(np.int16)

    def decode(self, tokens: Int[NDArray[np.integer], "n s"] | Sequence[Sequence[int]]) -> Audio:
        """The sound, at 16 kHz, 256 samples of each frame; what is beyond full scale is cut. `tokens`: (frames, 3 to
        `stages` + 2 columns), whose last may be dropped. Raises `UnsupportedSignalError` for others."""
        model, array = load_token_model(self.model), self._checked(tokens)
        codes = array[:, _NUM_SOURCE:]
        levels = levels_of_gains(array[:, 1]) + sum_of_words(codes, model.books)
        smooth = np.concatenate([blocks_around(levels), np.ones((len(levels), 1))], axis=1)
        refined = smooth @ model.weights[codes.shape[1] - 1].astype(np.float64)
        return Audio(filtered_source(refined, array[:, 0], model.edges)[None].clip(-1, 1), RATE_HZ)

    @property
    def _books(self) -> Int[NDArray[np.int16], "s k b"]:
        """Of the stages. Raises `UnsupportedSignalError` where the model has fewer."""
        books = load_token_model(self.model).books
        if self.stages > len(books):
            raise UnsupportedSignalError(
                f"stages is {self.stages}; allowed are 1 to {len(books)}, as many as token model {self.model} has"
            )
        return books[: self.stages]

    def _checked(self, tokens: Any) -> Int[NDArray[np.int64], "n s"]:
        """Raises `UnsupportedSignalError` for what are no tokens of this model."""
        columns = self.vocabulary
        try:
            array: NDArray[Any] | None = np.asarray(tokens)
        except Exception:  # lists of unequal length, objects with an __array__ of their own
            array = None
        if array is None or array.dtype.kind not in "iu" or array.ndim != 2:
            seen = shown(tokens) if array is None else f"{array.dtype} {array.shape}"
            raise UnsupportedSignalError(f"the tokens are {seen}; allowed are integers, (frames, columns)")
        if not 1 <= len(array) <= _MOST_FRAMES or not _NUM_SOURCE < array.shape[1] <= len(columns):
            raise UnsupportedSignalError(
                f"the tokens have shape {array.shape}; allowed are 1 to {_MOST_FRAMES} frames of {_NUM_SOURCE + 1} to "
                f"{len(columns)} columns: pitch, gain and codes of the shape"
            )
        for column, size in enumerate(columns[: array.shape[1]]):
            low, high = int(array[:, column].min()), int(array[:, column].max())
            if low < 0 or high >= size:
                raise UnsupportedSignalError(
                    f"column {column} of the tokens has the value {low if low < 0 else high}; allowed are 0 to "
                    f"{size - 1}: they are damaged or of another model"
                )
        return array.astype(np.int64)


def with_all_stages(codec: SpeechTokens) -> SpeechTokens:
    """The same with as many stages as its model has. Raises as `load_token_model`."""
    return replace(codec, stages=len(load_token_model(codec.model).books))


def gains_of_levels(levels: Int[NDArray[np.int64], "n b"]) -> Int[NDArray[np.int64], " n"]:
    """The class of loudness of each block: the mean of its bands, in 64 steps."""
    step = GAIN_STEP * levels.shape[1]
    least = _LEAST_GAIN * levels.shape[1]
    found: NDArray[np.int64] = ((levels.sum(axis=1) - least + step // 2) // step).clip(0, NUM_GAINS - 1)
    return found


def levels_of_gains(gains: Int[NDArray[np.int64], " n"]) -> Int[NDArray[np.int64], "n 1"]:
    """The level, in the units of `band_logs`, for which a class of loudness stands."""
    return gains[:, None] * GAIN_STEP + _LEAST_GAIN


def blocks_around(levels: Int[NDArray[np.int64], "n b"]) -> Float[NDArray[np.float64], "n i"]:
    """Levels of each block and of its neighbours; beyond the ends, those of the ends."""
    padded = np.pad(levels, ((REACH, REACH), (0, 0)), mode="edge").astype(np.float64)
    return np.concatenate([padded[at : at + len(levels)] for at in range(2 * REACH + 1)], axis=1)
