"""A stretch of a sound, or all of it by blocks: no more of the file is read and no more samples are made than it takes.

The inverse packet transform is local: a sample depends on places near its own only. So a block is synthesised from its
places and `REACH_PLACES` more on each side, to the same samples, bit for bit, as all of the sound at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    Bytes,
    PathLike,
    bytes_or_file_argument,
    flag_argument,
    opened_argument,
    real_number_argument,
)
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.media import Audio
from laconic.codecs.packing.segment_reader import SegmentReading
from laconic.codecs.packing.unpacker import Unpacker, latent_of_values
from laconic.codecs.sound_metadata import SECTION_NAME, SoundHead, SoundMetadata
from laconic.codecs.sounds.block_analysis import REACH_PLACES
from laconic.codecs.sounds.lossless_decoder import LosslessSound, is_lossless_sound
from laconic.codecs.transform.signals import signal_of
from laconic.entropy import Limits
from laconic.entropy.container import MAX_STRETCH_LOG2, Header

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_MOST_PLACES: Final = 1 << MAX_STRETCH_LOG2
_BLOCK_SAMPLES: Final = 1 << 18  # of a channel


class SoundBlocks(ABC):
    """A sound, or a stretch of it, whose samples are made by blocks."""

    @property
    @abstractmethod
    def head(self) -> SoundHead:
        """Channels, samples of each, rate, and what the file says beside them."""

    @property
    @abstractmethod
    def damage(self) -> tuple[str, ...]:
        """What could not be read so far, in the order of the file."""

    @property
    @abstractmethod
    def num_bytes_read(self) -> int:
        """Of the file, so far."""

    @abstractmethod
    def blocks(self, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        """(channels, t) samples, t at most `block_samples`, at least one block. Raises `BitstreamError`."""

    def audio(self) -> Audio:
        """All of the part, with the metadata of the file. Raises `BitstreamError`."""
        head = self.head
        samples = np.empty((head.num_channels, head.length), np.float32)
        at = 0
        for block in self.blocks():
            samples[:, at : at + block.shape[1]] = block
            at += block.shape[1]
        return Audio(samples, head.sample_rate, head.metadata)


class LosslessSoundPart(SoundBlocks):
    """Samples `start` to `end` of a sound without loss."""

    def __init__(self, sound: LosslessSound, start: int, end: int) -> None:
        self._sound, self._start, self._end = sound, start, end

    @property
    def head(self) -> SoundHead:
        return _head_of(self._sound.header, self._end - self._start)

    @property
    def damage(self) -> tuple[str, ...]:
        return self._sound.damage

    @property
    def num_bytes_read(self) -> int:
        return self._sound.num_bytes_read

    def blocks(self, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        if self._start == self._end:
            yield np.zeros((self.head.num_channels, 0), np.float32)
        for stretch in self._sound.blocks(self._start, self._end):
            for first in range(0, stretch.shape[1], block_samples):
                yield stretch[:, first : first + block_samples]


def lossless_audio(data: bytes | BinaryIO) -> Audio:
    """All of a sound without loss. Raises `BitstreamError`, `UnknownModelError`."""
    sound = LosslessSound(data, SegmentReading())
    return LosslessSoundPart(sound, 0, sound.header.shape[1]).audio()


class SoundPart(SoundBlocks):
    """Samples `start` to `end` of a file that stays open; `blocks` gives them once, from the first on."""

    def __init__(self, unpacker: Unpacker, start: int, end: int, *, fill: bool = True) -> None:
        """`unpacker` of a sound, 0 <= `start` <= `end` <= its samples; `fill`: with noise in place of zeros where the file
        has levels of it."""
        self._unpacker, self._start, self._end, self._fill = unpacker, start, end, fill
        self._tiles: dict[int, Int[NDArray[Any], "d h w"]] = {}  # those that the next block may need

    @property
    def head(self) -> SoundHead:
        return _head_of(self._unpacker.header, self._end - self._start)

    @property
    def damage(self) -> tuple[str, ...]:
        return self._unpacker.damage

    @property
    def num_bytes_read(self) -> int:
        return self._unpacker.num_bytes_read

    def blocks(self, block_samples: int = _BLOCK_SAMPLES) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        if self._start == self._end:
            yield np.zeros((self.head.num_channels, 0), np.float32)
        for first in range(self._start, self._end, block_samples):
            yield self._samples(first, min(first + block_samples, self._end))
        self._unpacker.expect_end()

    def _samples(self, first: int, last: int) -> Float[NDArray[np.float32], "c t"]:
        tree = self._unpacker.model.tree
        # From whole stretches to whole stretches, as noise goes with all integers of a stretch.
        left = max(0, first // tree.factor - REACH_PLACES) & -_MOST_PLACES
        right = -(-(last + tree.margin) // tree.factor) + REACH_PLACES
        right = min(self._unpacker.grid[1], (right + _MOST_PLACES - 1) & -_MOST_PLACES)
        # Place p begins `margin` samples before sample p * factor, and synthesis leaves out the first `margin`.
        offset = left * tree.factor
        size = (self._unpacker.header.shape[0], (right - left) * tree.factor - tree.margin)
        latent = latent_of_values(self._unpacker, self._values(left, right), size)
        if latent.noise is not None:
            latent = replace(latent, noise=replace(latent.noise, first=left))
        stretch = signal_of(latent, self._unpacker.model, fill=self._fill).samples[:, first - offset : last - offset]
        return stretch.astype(np.float32, copy=False)  # as sounds are

    def _values(self, left: int, right: int) -> Int[NDArray[np.int32], "d h w"]:
        """Those of the places from `left` to `right`."""
        unpacker = self._unpacker
        wanted = [i for i, tile in enumerate(unpacker.tiles) if tile.left < right and left < tile.right]
        missing = [i for i in wanted if i not in self._tiles]
        kept = {i: values for i, values in self._tiles.items() if i in wanted}
        self._tiles = kept | {i: t.values for i, t in zip(missing, unpacker.values(missing), strict=True)}
        out = np.zeros((unpacker.num_channels, unpacker.grid[0], right - left), np.int32)
        for i in wanted:
            tile = unpacker.tiles[i]
            begin, end = max(left, tile.left), min(right, tile.right)
            values = self._tiles[i][: unpacker.num_channels, :, begin - tile.left : end - tile.left]
            out[: len(values), tile.top : tile.bottom, begin - left : end - left] = values  # the others are 0
        return out


def decode_sound(
    data: Bytes | PathLike | BinaryIO,
    *,
    start_seconds: float = 0.0,
    seconds: float | None = None,
    model: str | None = None,
    limits: Limits | None = None,
    allow_partial: bool = False,
    fill: bool = True,
) -> Audio:
    """The sound of an .lcn file, also a lossless one, or the stretch of `seconds` from `start_seconds` on, cut from what
    `Lcn(fill=).decode` gives, bit for bit; `seconds` None: to the end, where a longer stretch ends too. Times are rounded
    to samples.

    `data`: its bytes, path or open binary file, of which only what the stretch needs is read; of a pipe, or a file without
    index, that is of fewer than 16 tiles, also what is before. With `allow_partial`, what is damaged or missing is silence:
    a file that was cut loses its end. Raises `BitstreamError`, `CodecError`, `OSError`.

    >>> from laconic.codecs import encode
    >>> data = encode((np.zeros(16000, np.float32), 16000))
    >>> decode_sound(data, start_seconds=0.5, seconds=0.25).duration_seconds
    0.25
    """
    with opened_argument("data", data) as source:
        return open_sound(
            source,
            start_seconds=start_seconds,
            seconds=seconds,
            model=model,
            limits=limits,
            allow_partial=allow_partial,
            fill=fill,
        ).audio()


def open_sound(
    data: Bytes | PathLike | BinaryIO,
    *,
    start_seconds: float = 0.0,
    seconds: float | None = None,
    channels: int | None = None,
    model: str | None = None,
    limits: Limits | None = None,
    allow_partial: bool = False,
    fill: bool = True,
) -> SoundBlocks:
    """As `decode_sound`, but only the head of the file is read; its samples can be had by blocks, in the memory of some of
    them. `channels`: of the latent, the first only. A file has to stay open; of a path, all bytes are read."""
    fill = flag_argument("fill", fill)
    reading = SegmentReading(channels, limits, allow_partial)
    file = bytes_or_file_argument("data", data)
    if is_lossless_sound(file):
        if channels is not None:
            raise CodecError(
                f"the file is a lossless sound, which has no latent channels; channels is {channels}: leave it out"
            )
        sound = LosslessSound(file, reading)
        return LosslessSoundPart(sound, *_bounds(sound.header, start_seconds, seconds))
    unpacker = Unpacker(file, reading, model=model)
    if unpacker.model.kind != "sound":
        raise UnsupportedSignalError(
            f"the file holds a signal of kind {unpacker.model.kind}; allowed is a sound: use Lcn().decode"
        )
    return SoundPart(unpacker, *_bounds(unpacker.header, start_seconds, seconds), fill=fill)


def _head_of(header: Header, length: int) -> SoundHead:
    section = header.metadata.get(SECTION_NAME)
    metadata = SoundMetadata() if section is None else SoundMetadata.from_bytes(section)
    return SoundHead(header.shape[0], length, header.sample_rate, metadata)


def _bounds(header: Header, start_seconds: float, seconds: float | None) -> tuple[int, int]:
    """First sample and end. Raises `CodecError` for a stretch outside the sound."""
    length, rate = header.shape[1], header.sample_rate
    duration = length / rate
    begin = real_number_argument("start_seconds", start_seconds, lowest=0)
    if begin > duration:
        raise CodecError(f"start_seconds is {start_seconds}; allowed is 0 to the {duration:g} s of the sound")
    start = round(begin * rate)
    if seconds is None:
        return start, length
    stretch = min(real_number_argument("seconds", seconds, lowest=0), duration)
    return start, min(length, start + round(stretch * rate))
