"""Samples of a sound that come by blocks, as often as they are needed: of blocks that come once, from a temporary file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import items_of_argument
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Form
from laconic.codecs.levels import Levels, levels_of_sound
from laconic.codecs.loudness import peaks_of_planes, samples_of_block
from laconic.codecs.media import checked_sound_samples

if TYPE_CHECKING:
    from jaxtyping import Float

Floats = NDArray[np.float32]


class SampleBlocks:
    """`length` samples of channels of these `peaks`, found in reading them once. Iterating gives them all anew, in blocks
    (channels, t) of `samples_of_block`, the last shorter."""

    def __init__(self, blocks: Iterable[Float[Floats, "c t"]]) -> None:
        """Raises `UnsupportedSignalError` for blocks that are no samples, or of another number of channels than the first;
        `CodecError` for none."""
        self._blocks = blocks
        self.length, peaks = 0, None
        for block in blocks:
            found = peaks_of_planes(checked_sound_samples(block))
            if peaks is not None and len(peaks) != len(found):
                raise UnsupportedSignalError(
                    f"a block has {len(found)} channels, those before have {len(peaks)}; allowed is one number for all"
                )
            peaks = found if peaks is None else np.maximum(peaks, found)
            self.length += block.shape[1]
        if peaks is None:
            raise CodecError("blocks is empty; allowed is at least one block, which may be one of no samples")
        self.peaks = peaks

    @property
    def num_channels(self) -> int:
        return len(self.peaks)

    @property
    def num_samples(self) -> int:
        """Of all channels."""
        return self.num_channels * self.length

    def form(self, sample_rate: int) -> Form:
        """Of the sound at this rate, with its levels, for which all is read once or twice the first time."""
        return Form("sound", (self.num_channels, self.length), "float32", sample_rate, self._levels)

    @cached_property
    def _levels(self) -> Levels:
        return levels_of_sound(lambda: self, self.peaks)

    def __iter__(self) -> Iterator[Float[Floats, "c t"]]:
        length = 0
        for block in _regrouped(self._blocks, samples_of_block(self.num_channels)):
            length += block.shape[1]
            yield block
        if length != self.length:
            raise CodecError(
                f"the blocks hold {length} samples of a channel, when first read {self.length}; they have to give the same "
                "each time, or pass iter(blocks), which is read once"
            )


@contextmanager
def opened_sample_blocks(blocks: Iterable[Float[Floats, "c t"]]) -> Iterator[SampleBlocks]:
    """Blocks of an iterable; those of an iterator, which come once, are kept in a temporary file until the end. What is
    opened stays as it is. Raises what `SampleBlocks` does."""
    if isinstance(blocks, SampleBlocks):
        yield blocks
        return
    once = items_of_argument("blocks", blocks)
    if once is not blocks:
        yield SampleBlocks(blocks)
        return
    with TemporaryFile() as file:
        yield SampleBlocks(_KeptBlocks(once, file))


class _KeptBlocks:
    """Blocks that were written to a file, for as long as that is open."""

    def __init__(self, blocks: Iterator[Float[Floats, "c t"]], file: BinaryIO) -> None:
        self._file = file
        self._shapes = [self._write(checked_sound_samples(block)) for block in blocks]

    def __iter__(self) -> Iterator[Float[Floats, "c t"]]:
        self._file.seek(0)
        for shape in self._shapes:
            count = 4 * shape[0] * shape[1]
            yield np.frombuffer(self._file.read(count), np.float32).reshape(shape)

    def _write(self, block: Float[Floats, "c t"]) -> tuple[int, int]:
        self._file.write(block.tobytes())
        return block.shape[0], block.shape[1]


def _regrouped(blocks: Iterable[Float[Floats, "c t"]], size: int) -> Iterator[Float[Floats, "c t"]]:
    """The same samples in blocks of so many, the last shorter."""
    kept: list[Floats] = []
    count = 0
    for block in blocks:
        kept.append(block.copy())  # who gives blocks may use one array for all
        count += block.shape[1]
        if count >= size:
            joined = np.concatenate(kept, axis=1)
            end = count - count % size
            yield from (joined[:, at : at + size] for at in range(0, end, size))
            kept, count = [joined[:, end:].copy()], count - end
    if count:
        yield np.concatenate(kept, axis=1)
