"""Sounds that come by blocks become the files of the whole, to the byte."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import Audio, CodecError, Lcn, SoundMetadata, UnsupportedSignalError
from laconic.codecs.files import read_sound, signal_bytes
from laconic.codecs.streams import encode_file

METADATA = SoundMetadata("int24", 3, {"title": "a"})


def made_up_sound(channels: int, length: int, rate: int = 48_000) -> Audio:
    """With channels of very different levels, and silence in the middle."""
    rng = np.random.default_rng(channels)
    samples = np.cumsum(rng.standard_normal((channels, length)), axis=1) / 300
    samples *= np.array([1, 0.3, 0.001, 40, 0, 1, 1])[:channels, None]
    samples[:, length // 3 : length // 2] = 0
    return Audio(samples.astype(np.float32), rate, METADATA)


def blocks_of(sound: Audio, size: int) -> list[NDArray[np.float32]]:
    return [sound.samples[:, at : at + size] for at in range(0, max(sound.samples.shape[1], 1), size)]


def whole_file(codec: Lcn, sound: Audio) -> bytes:
    """As it is made of all integers at once."""
    return codec.pack(codec.analyze(sound))


def assert_all_ways_agree(codec: Lcn, sound: Audio, sizes: tuple[int, ...]) -> None:
    whole = whole_file(codec, sound)
    assert codec.encode(sound) == whole
    for size in sizes:
        given: dict[str, Any] = {"sample_rate": sound.sample_rate, "metadata": sound.metadata}
        assert codec.encode_blocks(blocks_of(sound, size), **given) == whole
        assert codec.encode_blocks(iter(blocks_of(sound, size)), **given) == whole


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_block_size_gives_the_bytes_of_the_whole(channels: int) -> None:
    sound = made_up_sound(channels, 600_001 // channels)
    assert_all_ways_agree(Lcn(quality=40), sound, (4096, 77_777, 1 << 20))


@pytest.mark.parametrize("length", [0, 1, 2, 31, 256, 1023, 1025, 33_333])
def test_short_sounds_and_odd_lengths(length: int) -> None:
    for channels, tune in ((1, None), (2, "machine")):
        assert_all_ways_agree(
            Lcn(tune=tune), made_up_sound(channels, length, 16_000), (1, 1000) if length < 500 else (999,)
        )


@pytest.mark.parametrize(
    "choices",
    [
        {"tune": "machine", "quality": 10},
        {"profile": "fast", "threads": 3},
        {"tile_log2": 3, "grouping": "channels", "progression": "group", "tune": "machine"},
        {"tile_log2": 12, "effort": 0, "lanes": 8},
    ],
)
def test_every_layout_gives_the_bytes_of_the_whole(choices: dict[str, Any]) -> None:
    assert_all_ways_agree(Lcn(**choices), made_up_sound(2, 400_000), (100_000,))


def test_more_rows_than_a_tile_has() -> None:
    rng = np.random.default_rng(0)
    sound = Audio(rng.normal(0, 0.1, (140, 36_000)).astype(np.float32), 48_000)
    assert_all_ways_agree(Lcn(quality=20, tune="machine"), sound, (5000,))


def test_silence() -> None:
    assert_all_ways_agree(Lcn(tune="machine"), Audio(np.zeros((2, 70_000), np.float32), 48_000), (9999,))


@pytest.mark.parametrize("extension", [".wav", ".flac"])
def test_file_of_sound_gives_the_bytes_of_its_signal(extension: str) -> None:
    sound = made_up_sound(2, 200_000)
    quiet = Audio(sound.samples / 10, sound.sample_rate, METADATA)
    data = signal_bytes(quiet, extension, sample_format="int16")
    expected = Lcn().encode(read_sound(data))
    encoded, form = encode_file(io.BytesIO(data), Lcn())
    assert encoded == expected
    assert (form.kind, form.size, form.sample_rate) == ("sound", (2, 200_000), 48_000)
    assert encode_file(Pipe(data), Lcn())[0] == expected


def test_streamed_wav_is_not_read_whole() -> None:
    """Its header does not know the size."""
    data = bytearray(signal_bytes(Audio(np.zeros((2, 3_000_000), np.float32), 48_000), ".wav"))
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    Lcn().encode(made_up_sound(2, 1000))  # loads the model
    file = io.BytesIO(data)
    tracemalloc.start()
    _, form = encode_file(file, Lcn(profile="fast", effort=0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert form.size == (2, 3_000_000)
    assert peak < 60e6  # samples alone are 24 MB as float32, and eight times that was needed


def test_memory_does_not_grow_with_the_sound() -> None:
    def blocks(count: int) -> list[NDArray[np.float32]]:
        return [made_up_sound(2, 1 << 16).samples] * count

    codec = Lcn(tune="machine", quality=10)
    codec.encode_blocks(blocks(1), sample_rate=48_000)
    peaks = []
    for count in (20, 60):
        given = blocks(count)
        tracemalloc.start()
        codec.encode_blocks(given, sample_rate=48_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] + 1e6


class OneArray:
    """Blocks of a sound in one array, which the next one replaces."""

    def __init__(self, sound: Audio, size: int) -> None:
        self._blocks, self._room = blocks_of(sound, size), np.empty((sound.num_channels, size), np.float32)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self._blocks:
            self._room[:, : block.shape[1]] = block
            yield self._room[:, : block.shape[1]]


def test_blocks_may_be_one_array_that_is_used_again() -> None:
    sound = made_up_sound(2, 30_000)
    codec, given = Lcn(), {"sample_rate": sound.sample_rate, "metadata": METADATA}
    expected = codec.encode(sound)
    assert codec.encode_blocks(OneArray(sound, 700), **given) == expected
    assert codec.encode_blocks(iter(OneArray(sound, 700)), **given) == expected


class Pipe(io.BytesIO):
    """Bytes that come once, as of standard input."""

    def seekable(self) -> bool:
        return False


class Changing:
    """Blocks that are others each time."""

    def __init__(self) -> None:
        self._length = 5000

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        self._length += 1
        yield np.ones((1, self._length), np.float32)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "blocks is empty; allowed is at least one block"),
        (3, "blocks is 3; allowed are several"),
        ([np.zeros((1, 9), np.float64)], "sound samples are float64"),
        (np.zeros((2, 9), np.float32), r"sound samples are float32 \(9,\)"),
        ([np.full((1, 9), np.nan, np.float32)], "NaN or infinity"),
        ([np.zeros((1, 9), np.float32), np.zeros((2, 9), np.float32)], "a block has 2 channels, those before have 1"),
        (Changing(), "the blocks hold 5002 samples of a channel, when first read 5001"),
    ],
)
def test_what_are_no_blocks_of_a_sound_is_refused(blocks: Any, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        Lcn().encode_blocks(blocks, sample_rate=8000)


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (Lcn(effort=3), "effort 3 is for pictures, this is Audio"),
        (Lcn(model="stereo"), "it takes multiples of 2 channels, the sound has 1"),
        (Lcn(roi=np.ones((2, 2))), "roi is for pictures"),
        (Lcn(tune="eye"), "allowed for signals of kind sound is snr or machine"),
    ],
)
def test_codecs_that_do_not_fit_are_refused(codec: Lcn, message: str) -> None:
    with pytest.raises(UnsupportedSignalError, match=message):
        codec.encode_blocks([np.zeros((1, 900), np.float32)], sample_rate=8000)
