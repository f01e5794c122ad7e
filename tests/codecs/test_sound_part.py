"""Stretches of sounds, and sounds by blocks, are those of the whole to the bit."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import (
    Audio,
    CodecError,
    Image,
    Lcn,
    SoundMetadata,
    UnsupportedSignalError,
    decode_sound,
    open_sound,
)
from laconic.codecs.files import read_sound, signal_bytes
from laconic.codecs.notes import collect_notes
from laconic.codecs.packing.segment_reader import SegmentReading
from laconic.codecs.packing.unpacker import Unpacker
from laconic.codecs.sounds.sound_part import SoundPart
from laconic.codecs.streams import stream_sound
from laconic.entropy import BitstreamError


def made_up_sound(channels: int, rate: int, seconds: float) -> Audio:
    noise = np.random.default_rng(channels).standard_normal((channels, round(rate * seconds))).astype(np.float32)
    return Audio(np.cumsum(noise, axis=1, dtype=np.float32) / np.float32(3000), rate, SoundMetadata())


def synthesized(data: bytes, codec: Lcn | None = None) -> NDArray[np.float32]:
    """Samples of a file, made of its whole latent at once."""
    codec = codec or Lcn()
    whole = codec.synthesize(codec.unpack(data))
    assert isinstance(whole, Audio)
    return whole.samples


class Pipe(io.BytesIO):
    """Bytes that come once, as of standard input."""

    def seekable(self) -> bool:
        return False


@pytest.fixture(scope="module")
def sound_file() -> bytes:
    return Lcn(quality=40).encode(made_up_sound(2, 44100, 9.3))


@pytest.mark.parametrize(("channels", "rate"), [(1, 16000), (1, 48000), (2, 48000), (5, 44100)])
def test_any_block_size_gives_the_samples_of_the_whole(channels: int, rate: int) -> None:
    data = Lcn(quality=40).encode(made_up_sound(channels, rate, 4.1))
    whole = synthesized(data)
    assert np.array_equal(Lcn().decode(data).samples, whole)
    for block in (1777, 30000, 65536, 1 << 20):
        part = SoundPart(Unpacker(io.BytesIO(data), SegmentReading()), 0, whole.shape[1])
        blocks = list(part.blocks(block))
        assert max(b.shape[1] for b in blocks) <= block
        assert np.array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize("fill", [True, False])
def test_noise_of_a_stretch_is_that_of_the_whole(fill: bool) -> None:
    sound = made_up_sound(1, 16000, 6.0)
    data = Lcn(quality=10, tune="machine").encode(sound)
    whole = synthesized(data, Lcn(fill=fill))
    assert np.array_equal(whole, synthesized(data)) == fill
    for start, seconds in ((0.0, 6.0), (1.003, 2.5), (5.5, 0.4)):
        found = decode_sound(data, start_seconds=start, seconds=seconds, fill=fill).samples
        assert np.array_equal(found, whole[:, round(start * 16000) :][:, : found.shape[1]])


def test_stretch_is_cut_from_the_whole(sound_file: bytes) -> None:
    whole = Lcn().decode(sound_file).samples
    for start, seconds in ((0.0, 0.01), (3.21, 1.5), (8.9, 5.0), (9.3, None), (2.0, 0.0)):
        first = round(start * 44100)
        last = whole.shape[1] if seconds is None else first + round(seconds * 44100)
        found = decode_sound(sound_file, start_seconds=start, seconds=seconds)
        assert np.array_equal(found.samples, whole[:, first:last])


def test_stretch_of_a_file_with_index_reads_its_part_only() -> None:
    data = Lcn(quality=40).encode(made_up_sound(1, 48000, 12.0))
    file = io.BytesIO(data)
    unpacker = Unpacker(file, SegmentReading())
    assert unpacker.header.index is not None
    head = unpacker.num_bytes_read
    SoundPart(unpacker, 9 * 48000, 10 * 48000).audio()
    assert unpacker.num_bytes_read - head < (len(data) - head) / 4


def test_first_channels_are_those_of_the_whole(sound_file: bytes) -> None:
    whole = Lcn().synthesize(Lcn().unpack(sound_file, channels=100))
    assert isinstance(whole, Audio)
    part = open_sound(sound_file, channels=100, start_seconds=2.0, seconds=1.5)
    assert np.array_equal(part.audio().samples, whole.samples[:, 88_200 : 88_200 + 66_150])


@pytest.mark.parametrize("extension", [".wav", ".flac"])
@pytest.mark.parametrize("sample_format", [None, "int16", "int24"])
def test_streamed_file_is_that_of_the_whole(sound_file: bytes, extension: str, sample_format: str | None) -> None:
    with collect_notes() as notes:
        whole = signal_bytes(Lcn().decode(sound_file), extension, sample_format=sample_format)
    with collect_notes() as notes_of_stream:
        target = io.BytesIO()
        stream_sound(open_sound(sound_file), target, extension, sample_format=sample_format)
    assert target.getvalue() == whole
    assert notes_of_stream == notes


def test_streamed_part_and_nothing(sound_file: bytes) -> None:
    for start, seconds in ((1.5, 0.5), (9.3, None), (3.0, 0.0)):
        part = open_sound(sound_file, start_seconds=start, seconds=seconds)
        target = io.BytesIO()
        with collect_notes():
            stream_sound(part, target, ".wav", sample_format="float32")
        expected = decode_sound(sound_file, start_seconds=start, seconds=seconds).samples
        assert part.head.length == expected.shape[1]
        assert np.array_equal(read_sound(target.getvalue()).samples, expected)


def test_pipe_gives_the_same_as_bytes(sound_file: bytes) -> None:
    assert decode_sound(Pipe(sound_file)) == decode_sound(sound_file) == Lcn().decode(sound_file)


@pytest.mark.parametrize(("tune", "quality"), [("snr", 40), ("machine", 80)])
def test_cut_file_loses_its_end_only(tune: str, quality: int) -> None:
    sound_file = Lcn(quality, tune=tune).encode(made_up_sound(2, 44100, 9.3))
    whole, cut = Lcn().decode(sound_file).samples, sound_file[: len(sound_file) * 2 // 3]
    with pytest.raises(BitstreamError):
        decode_sound(cut)
    found = decode_sound(cut, allow_partial=True).samples
    assert found.shape == whole.shape
    same = whole.shape[1] // 2
    assert np.array_equal(found[:, :same], whole[:, :same])
    assert not np.array_equal(found, whole)


def test_sound_of_no_samples() -> None:
    data = Lcn().encode(Audio(np.zeros((1, 0), np.float32), 16000))
    assert decode_sound(data).samples.shape == (1, 0)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"start_seconds": 10.0}, r"start_seconds is 10.0; allowed is 0 to the 9.3 s of the sound"),
        ({"start_seconds": -1}, "start_seconds is -1; allowed is a finite number from 0"),
        ({"start_seconds": float("inf")}, "start_seconds is inf; allowed is"),
        ({"seconds": True}, "seconds is True; allowed is"),
        ({"seconds": "2"}, "seconds is '2'; allowed is"),
    ],
)
def test_times_outside_are_refused(sound_file: bytes, times: dict[str, float], message: str) -> None:
    with pytest.raises(CodecError, match=message):
        decode_sound(sound_file, **times)


def test_picture_is_refused() -> None:
    data = Lcn().encode(Image.from_array(np.zeros((8, 8), np.uint8)))
    with pytest.raises(UnsupportedSignalError, match="kind image; allowed is a sound"):
        decode_sound(data)
