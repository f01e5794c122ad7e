"""The file that keeps to a target, found by encoding at some steps, and for errors decoding what was encoded.

Of pictures and sizes of cubes by `size_search`; of sounds by blocks, so that the memory is that of some of them and of two
files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.encoding_target import EncodingTarget
from laconic.codecs.errors import CodecError
from laconic.codecs.form import Form, form_of
from laconic.codecs.lcn import Lcn
from laconic.codecs.loudness import reading_of_planes, samples_of_block
from laconic.codecs.media import Audio, Cube, Signal
from laconic.codecs.notes import hint
from laconic.codecs.sample_errors import SampleErrors, sample_errors
from laconic.codecs.size_search import best_within, size_error
from laconic.codecs.sound_metadata import BITS_OF_SAMPLES, SoundMetadata
from laconic.codecs.sounds.integer_samples import nearest_integers
from laconic.codecs.sounds.sample_blocks import SampleBlocks
from laconic.codecs.sounds.sound_part import open_sound
from laconic.codecs.step_search import StepSearch, StepTrial

if TYPE_CHECKING:
    from jaxtyping import Float, Num

_OCTAVES_OF_SIZE: Final = -0.03  # for each step code: music and speech at 20 to 300 kbit/s
_OCTAVES_OF_ERROR: Final = 1 / 16
_NUM_FURTHER: Final = 4  # steps beyond the first that misses: the largest error goes up and down by as many
_ERRORS_TUNE: Final = "snr"
_DEAREST_SHARE: Final = 0.5  # of the bytes of integers, from where lossless files are often smaller


@dataclass(frozen=True)
class TargetFile:
    """A file that keeps to a target, and the errors of its samples where these were asked for."""

    data: bytes
    errors: SampleErrors | None = None


def encode_to_target(signal: Signal, target: EncodingTarget, codec: Lcn) -> TargetFile:
    """The signal as a file that keeps to a target, whatever quality and step the codec has; of a target that says nothing,
    by these. Raises `CodecError` where no step does."""
    if target.name is None:
        return TargetFile(codec.encode(signal))
    if isinstance(signal, Audio):
        blocks = list(reading_of_planes(signal.samples)()) or [signal.samples]
        return encode_blocks_to_target(SampleBlocks(blocks), signal.sample_rate, signal.metadata, target, codec)
    limit = target.bytes_allowed(form_of(signal))
    if isinstance(signal, Cube) and target.is_error:
        return _within_error(_CubeTrials(signal, codec), target)
    assert limit is not None
    return TargetFile(best_within(signal, limit, codec))


def encode_blocks_to_target(
    source: SampleBlocks, sample_rate: int, metadata: SoundMetadata, target: EncodingTarget, codec: Lcn
) -> TargetFile:
    """The same of a sound that is read by blocks, once or twice and as often as steps are tried."""
    limit = target.bytes_allowed(Form("sound", (source.num_channels, source.length), "float32", sample_rate))
    if limit is not None:
        return _within_size(_SoundTrials(source, sample_rate, metadata, codec), limit)
    _check_unit(target, metadata)
    codec = replace(codec, tune=codec.tune or _ERRORS_TUNE)
    trials = _SoundTrials(source, sample_rate, metadata, codec)
    found = _within_error(trials, target)
    trials.hint_if_dear(found.data)
    return found


class _Trials(Protocol):
    """Files of a signal at some steps, and how far their samples are from its own."""

    @property
    def advice(self) -> str:
        """What to do where no step is fine enough."""

    def encode(self, step_code: int) -> bytes: ...

    def errors(self, data: bytes) -> SampleErrors: ...


class _CubeTrials:
    def __init__(self, cube: Cube, codec: Lcn) -> None:
        self._cube, self._codec = cube, codec

    @property
    def advice(self) -> str:
        return ", or keep the array as .npy"

    def encode(self, step_code: int) -> bytes:
        return replace(self._codec, step_code=step_code).encode(self._cube)

    def errors(self, data: bytes) -> SampleErrors:
        return sample_errors([(self._cube.samples, self._codec.decode(data).samples)])


class _SoundTrials:
    def __init__(self, source: SampleBlocks, sample_rate: int, metadata: SoundMetadata, codec: Lcn) -> None:
        self._source, self._rate, self._metadata, self._codec = source, sample_rate, metadata, codec
        self._bits = BITS_OF_SAMPLES.get(metadata.sample_format or "")

    @property
    def advice(self) -> str:
        lossless = "" if self._bits is None else ", or every sample: lossless=True (--lossless)"
        return lossless if self._codec.tune == _ERRORS_TUNE else f", choose tune {_ERRORS_TUNE}{lossless}"

    def encode(self, step_code: int) -> bytes:
        codec = replace(self._codec, step_code=step_code)
        return codec.encode_blocks(self._source, sample_rate=self._rate, metadata=self._metadata)

    def errors(self, data: bytes) -> SampleErrors:
        part = open_sound(data, model=self._codec.model, fill=self._codec.fill)
        decoded = part.blocks(samples_of_block(self._source.num_channels))
        pairs = zip(self._source, decoded, strict=self._source.length > 0)
        return sample_errors((self._stored(known), self._stored(found)) for known, found in pairs)

    def hint_if_dear(self, data: bytes) -> None:
        """Say that a lossless file may be smaller."""
        if self._bits is not None and 8 * len(data) > _DEAREST_SHARE * self._bits * self._source.num_samples:
            hint("so near to the samples a lossless file is often smaller: --lossless")

    def _stored(self, samples: Float[NDArray[np.float32], "c t"]) -> Num[NDArray[Any], "c t"]:
        """As the file of the sound had them, and as one that is decoded has."""
        return samples if self._bits is None else nearest_integers(samples, self._bits)[0]


def _within_size(trials: _Trials, limit: int) -> TargetFile:
    """The file of the finest step that has at most so many bytes."""

    def attempt(step_code: int) -> StepTrial[bytes]:
        data = trials.encode(step_code)
        return StepTrial(data, math.log2(len(data) / limit) if limit else math.inf)

    search = StepSearch(attempt, octaves_per_code=_OCTAVES_OF_SIZE)
    if (best := search.search()) is None:
        raise size_error(len(search.nearest_miss.found), limit)
    return TargetFile(best.found)


def _within_error(trials: _Trials, target: EncodingTarget) -> TargetFile:
    """The file of the coarsest step that keeps an error."""

    def attempt(step_code: int) -> StepTrial[TargetFile]:
        data = trials.encode(step_code)
        errors = trials.errors(data)
        return StepTrial(TargetFile(data, errors), errors.excess_of(target))

    search = StepSearch(attempt, octaves_per_code=_OCTAVES_OF_ERROR)
    best = search.search(num_further=0 if target.max_error is None else _NUM_FURTHER)
    if best is None:
        nearest = search.nearest_miss.found.errors
        assert nearest is not None
        raise CodecError(f"the best that a step reaches is {nearest.said_of(target)}; allow that{trials.advice}")
    return best.found


def _check_unit(target: EncodingTarget, metadata: SoundMetadata) -> None:
    """Raises `CodecError` for an error in other units than those of samples."""
    if target.max_error is not None and target.max_error >= 1 and metadata.sample_format not in BITS_OF_SAMPLES:
        raise CodecError(
            f"max_error is {target.max_error:g}, and the samples of the sound are floats of full scale 1; allowed is below "
            "1: divide by the full scale of integers, or say their width in SoundMetadata(sample_format=)"
        )
