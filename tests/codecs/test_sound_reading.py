"""Sounds of files whose header does not tell their length, or not the truth; chained files; other formats by name."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, DroppedWarning, UnsupportedSignalError
from laconic.codecs.external import Mp3
from laconic.codecs.external._soundfile import read_sound as read_frames
from laconic.codecs.files import read_signal, read_sound
from laconic.codecs.formats.c_messages import drop_c_messages
from laconic.codecs.formats.libsndfile import LibsndfileInput, open_libsndfile
from laconic.codecs.formats.sound_files import is_sound_file
from laconic.codecs.media import Audio
from laconic.codecs.notes import collect_notes

RATE = 44_100
ID3 = b"ID3\x03\x00\x00\x00\x00\x20\x00" + bytes(4096)
CASES = Path(__file__).parents[3] / "shared" / "cases" / "sounds"


def tone(length: int = 50_000, channels: int = 1) -> NDArray[np.float32]:
    """(t, c), of slowly rising frequency, so that a shift would show."""
    t = np.arange(length)[:, None] / RATE
    return (0.4 * np.sin(2 * np.pi * (300 + 900 * t) * t + np.arange(channels))).astype(np.float32)


def file_of(
    kind: str, samples: NDArray[np.float32] | None = None, *, subtype: str | None = None, rate: int = RATE
) -> bytearray:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone() if samples is None else samples, rate, format=kind, subtype=subtype)
    return bytearray(buffer.getvalue())


def read(data: bytes) -> tuple[Audio, list[str]]:
    """The sound, and what was said of it."""
    with collect_notes() as notes:
        return read_sound(io.BytesIO(bytes(data))), notes


def assert_is_tone(sound: Audio, *, error: float = 1e-4) -> None:
    assert sound.sample_rate == RATE
    assert sound.samples.shape == tone().T.shape
    assert np.abs(sound.samples - tone().T).max() < error


def without_total(data: bytearray) -> bytearray:
    """A FLAC file as a streaming encoder writes it: 36 bits of its stream information (RFC 9639, section 8.2) are 0."""
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return data


def without_tag(data: bytes) -> bytes:
    """An MP3 file without its first frame, which has the number of frames and the delay."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    return bytes(data[144_000 * rates[data[2] >> 4] // RATE + (data[2] >> 1 & 1) :])


# --- without a length


def test_flac_without_a_total_is_read_whole() -> None:
    whole = file_of("FLAC", tone(50_000, 2))
    sound, notes = read(without_total(whole[:]))
    assert notes == []
    assert sound == read(whole)[0]
    assert sound.samples.shape == (2, 50_000)


def test_flac_without_a_total_and_cut_is_refused() -> None:
    data = without_total(file_of("FLAC"))
    with pytest.raises(CodecError, match="the FLAC file is damaged: flac decoder lost sync; copy the file again"):
        read(data[: len(data) // 2])


def test_foreign_flac_decoder_reads_files_without_a_total() -> None:
    frames, rate = read_frames(bytes(without_total(file_of("FLAC"))), ("FLAC", ""))
    assert (frames.shape, rate) == ((50_000, 1), RATE)


def test_mp3_without_a_total_is_read_whole() -> None:
    """Its frames grow from the first on, so that a length from the first would cut it off."""
    loud = tone() * np.linspace(0, 1, 50_000, dtype=np.float32)[:, None] ** 4
    tagged = bytes(file_of("MP3", loud))
    expected, untagged = read(tagged)[0].samples, without_tag(tagged)
    for data in (untagged, ID3 + untagged, untagged + b"TAG".ljust(128, b"\0")):
        sound, notes = read(data)
        assert notes == []
        delay = sound.samples.shape[1] - 50_000
        assert 0 < delay < 4 * 1152
        starts = range(delay + 1)
        errors = [np.abs(sound.samples[0, i : i + 50_000] - expected[0]).max() for i in starts]
        assert min(errors) < 0.02
    assert np.array_equal(Mp3().decode(untagged).samples, read(untagged)[0].samples)


def test_mp3_that_is_cut_is_read_as_far_as_it_goes() -> None:
    tagged = bytes(file_of("MP3"))
    sound, (sentence,) = read(tagged[: len(tagged) * 2 // 3])
    assert 20_000 < sound.samples.shape[1] < 49_000
    assert f"its header tells of 50000 samples a channel, {sound.samples.shape[1]} were read" in sentence
    whole = read(tagged)[0].samples
    assert np.abs(sound.samples[0, :20_000] - whole[0, :20_000]).max() < 1e-6
    untagged, notes = read(without_tag(tagged)[: len(tagged) * 2 // 3])
    assert untagged.samples.shape[1] > 20_000 and notes == []


def test_mp3_behind_another_is_said_to_be_left() -> None:
    data = bytes(file_of("MP3"))
    sound, notes = read(data + data)
    assert sound == read(data)[0]
    assert notes == [f"{len(data)} bytes behind its last frame that can be read were left out"]


def test_only_mpeg_sound_is_told_to_be_endless() -> None:
    """A search for the last page of a file of 2**50 bytes would not end; the lengths in a tag with a footer deceive."""
    tag = b"ID3\x04\x00\x10\x00\x00\x00\x00"
    for data in (file_of("OGG"), tag + bytes(file_of("OGG")), tag + b"3DI" + bytes(7) + bytes(file_of("OGG"))):
        source = LibsndfileInput(io.BytesIO(bytes(data)), may_be_mpeg=True)
        with contextlib.suppress(soundfile.LibsndfileError), open_libsndfile(source):
            pass
        assert not source.is_endless


@pytest.mark.parametrize("damage", [bytes(3000), bytes(range(1, 251)) * 12], ids=["zeros", "noise"])
def test_libmpg123_is_silent(damage: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytes(file_of("MP3", np.random.default_rng(0).normal(0, 0.2, (50_000, 1)).astype(np.float32)))
    sound, notes = read(data[:4000] + damage + data[4000 + len(damage) :])
    assert 0 < sound.samples.shape[1] < 50_000
    assert len(notes) == 1 and notes[0].startswith("it is cut or damaged")
    assert capfd.readouterr() == ("", "")


def test_python_still_prints_while_c_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    library = ctypes.CDLL(None)
    with drop_c_messages():
        os.write(2, b"python\n")
        library.perror(b"dropped")
    library.perror(b"said")
    assert "dropped" not in (shown := capfd.readouterr().err)
    assert shown.startswith("python\nsaid: ")


# --- sizes that are wrong

SIZES = {  # where the number stands, from the name of its chunk, its form, and what it counts beside the samples
    "WAV": (b"data", 4, "<I", 0),
    "RF64": (b"ds64", 16, "<Q", 0),
    "AIFF": (b"SSND", 4, ">I", 8),
    "AU": (b".snd", 8, ">I", 0),
    "CAF": (b"data", 4, ">Q", 4),
}


def with_size(kind: str, num_bytes: int) -> bytearray:
    """A file whose header tells of so many bytes of samples."""
    name, offset, form, extra = SIZES[kind]
    data = file_of(kind, subtype="PCM_16")
    biggest = (1 << 8 * struct.calcsize(form)) - 1
    struct.pack_into(form, data, data.index(name) + offset, min(num_bytes + extra, biggest))
    return data


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF, 1 << 64])
def test_placeholders_stand_for_all_samples(kind: str, size: int) -> None:
    sound, notes = read(with_size(kind, size))
    assert notes == []
    assert_is_tone(sound)


@pytest.mark.parametrize("kind", SIZES)
def test_samples_that_are_missing_or_behind_are_said(kind: str) -> None:
    sound, (sentence,) = read(with_size(kind, 60_000))
    assert sound.samples.shape == (1, 30_000)
    assert sentence == "40000 bytes behind its samples were left out: they are no part of such a file"
    if kind != "CAF":  # which libsndfile refuses
        sound, (sentence,) = read(with_size(kind, 150_000))
        assert sentence == "the file ends early: its header tells of 150000 bytes of samples, 100000 are there"
        assert_is_tone(sound)


@pytest.mark.parametrize(
    ("length", "rest"),
    [(0, b""), (0, b"LIST\x04\x00\x00\x00INFO"), (50_000, b"LIST\x04\x00\x00\x00INFO"), (50_000, bytes(9))],
    ids=["empty", "empty and a chunk", "a chunk", "padding"],
)
def test_chunks_and_padding_behind_the_samples_are_nothing_to_say(length: int, rest: bytes) -> None:
    sound, notes = read(file_of("WAV", tone(length)) + rest)
    assert (sound.samples.shape, notes) == ((1, length), [])


# --- chained Ogg files


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_chained_streams_are_joined(subtype: str) -> None:
    parts = [file_of("OGG", tone(length), subtype=subtype, rate=48_000) for length in (9_000, 12_345, 4_000)]
    sound, notes = read(b"".join(parts))
    expected = np.concatenate([read(part)[0].samples for part in parts], axis=1)
    assert notes == []
    assert np.array_equal(sound.samples, expected)
    assert sound.samples.shape == (1, 25_345)


@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (RATE, 2)])
def test_chained_streams_of_another_form_are_said_to_be_left(rate: int, channels: int) -> None:
    first, last = file_of("OGG", tone(9_000)), file_of("OGG", tone(4_000))
    sound, (sentence,) = read(first + file_of("OGG", tone(9_000, channels), rate=rate) + last)
    assert sound.samples.shape == (1, 13_000)
    assert sentence.startswith("1 of 3 chained streams left out: ")
    with pytest.warns(DroppedWarning, match="1 of 2 chained streams"):
        read_sound(io.BytesIO(bytes(first + file_of("OGG", tone(9_000, channels), rate=rate))))


def test_ogg_file_without_its_last_page_is_said_to_be_cut() -> None:
    data = file_of("OGG", np.random.default_rng(0).normal(0, 0.2, (200_000, 1)).astype(np.float32))
    sound, notes = read(data[: data.rindex(b"OggS")])
    assert 0 < sound.samples.shape[1] < 200_000
    assert notes == ["the Ogg file ends early: its last page is missing; what is there was read"]


# --- other formats and forms


@pytest.mark.parametrize("kind", ["FLAC", "WAV", "OGG", "AIFF"])
def test_id3_in_front_is_passed_over(kind: str) -> None:
    sound, notes = read(ID3 + ID3 + file_of(kind))
    assert notes == []
    assert_is_tone(sound, error=0.05 if kind == "OGG" else 1e-4)


def test_big_endian_wav_is_read() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(), RATE, format="WAV", endian="BIG")
    assert buffer.getvalue().startswith(b"RIFX")
    assert_is_tone(read_signal(buffer))


# 16-bit samples of every format of libsndfile that can be told by its start.
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", "WAV WAVEX RF64 W64 AIFF AU CAF FLAC SVX VOC NIST IRCAM PAF PVF AVR".split())
def test_formats_of_libsndfile_are_read(kind: str, channels: int) -> None:
    try:
        data = file_of(kind, tone(5_000, channels), subtype="PCM_16")
    except soundfile.LibsndfileError:
        assert (kind, channels) == ("SVX", 2)
        return
    assert is_sound_file(data[:16])
    signal = read_signal(io.BytesIO(data))
    assert isinstance(signal, Audio)
    assert np.abs(signal.samples - tone(5_000, channels).T).max() < 1e-4


def test_apple_lossless_of_32_bits_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="32-bit Apple Lossless"):
        read(file_of("CAF", subtype="ALAC_32"))
    assert_is_tone(read(file_of("CAF", subtype="ALAC_24"))[0])


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xf1\x50\x80", "an AAC sound"),
        (ID3 + b"\xff\xf9\x50\x80", "an AAC sound"),
        (b"\x00\x00\x00\x1cftypM4A ", "an M4A sound"),
        (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "a WMA sound"),
        (b"#!AMR\n", "an AMR sound"),
        (b"#!AMR-WB\n", "an AMR sound"),
        (b"\x0b\x77", "an AC-3 sound"),
        (b"\x7f\xfe\x80\x01", "a DTS sound"),
        (b"MAC \x96\x0f", "a Monkey's Audio sound"),
        (b"wvpk", "a WavPack sound"),
        (b"DSD \x1c", "a DSD sound"),
        (b"MThd\x00\x00\x00\x06", "a MIDI file, which holds notes and no sound,"),
    ],
)
@pytest.mark.parametrize("reads", [read_sound, read_signal])
def test_other_formats_of_sound_are_named(reads: object, head: bytes, name: str) -> None:
    with pytest.raises(UnsupportedSignalError, match=f"the file is {name}.* which cannot be read here; .*WAV"):
        reads(io.BytesIO(head + bytes(3000)))  # type: ignore[operator]


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize(
    ("name", "length"), [("flac_no_total.flac", 8_000), ("chain.ogg", 132_300), ("rifx.wav", 4_000), ("tag.wav", 4_000)]
)
def test_cases_are_read_whole(name: str, length: int) -> None:
    sound, notes = read((CASES / name).read_bytes())
    assert (sound.samples.shape, notes) == ((1, length), [])
