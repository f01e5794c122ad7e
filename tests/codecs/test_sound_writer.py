"""Sounds to WAV and FLAC files: the sample format by what came in, what is clipped, what a format does not hold."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.files import encode, read_sound, signal_bytes
from laconic.codecs.formats.sound_writer import sound_bytes
from laconic.codecs.media import Audio, Cube, Image
from laconic.codecs.notes import collect_notes
from laconic.codecs.sound_metadata import SoundMetadata

RATE_HZ = 16_000
RANDOM = np.random.default_rng(3)
SUBTYPES = {"int16": "PCM_16", "int24": "PCM_24", "float32": "FLOAT"}


def tone(peak: float = 0.5, channels: int = 1, length: int = 1001) -> np.ndarray:
    """(channels, t) float32."""
    time = np.arange(length) / RATE_HZ
    rows = [peak * np.sin(2 * np.pi * 440 * (1 + c) * time) for c in range(channels)]
    return np.array(rows).astype(np.float32)


def file_of(samples: np.ndarray, container: str, subtype: str) -> io.BytesIO:
    file = io.BytesIO()
    soundfile.write(file, samples.T, RATE_HZ, format=container, subtype=subtype)
    file.seek(0)
    return file


def opened(data: bytes) -> soundfile.SoundFile:
    return soundfile.SoundFile(io.BytesIO(data))


@pytest.mark.parametrize("extension", [".wav", ".flac"])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("sample_format", ["int16", "int24"])
def test_integers_of_a_file_come_back_exactly(extension: str, channels: int, sample_format: str) -> None:
    scale = 1 << (int(sample_format[3:]) - 1)
    integers = RANDOM.integers(-scale, scale, (channels, 333))
    integers[:, :2] = [[-scale, scale - 1]]
    audio = Audio((integers / scale).astype(np.float32), RATE_HZ)
    file = opened(signal_bytes(audio, extension, sample_format=sample_format))
    assert (file.subtype, file.samplerate) == (SUBTYPES[sample_format], RATE_HZ)
    assert np.array_equal(file.read(dtype="float64", always_2d=True).T, integers / scale)


def test_floats_come_back_exactly() -> None:
    audio = Audio(tone(3.5, channels=2), RATE_HZ)
    file = opened(signal_bytes(audio, ".wav", sample_format="float32"))
    assert (file.format, file.subtype) == ("WAV", "FLOAT")
    assert np.array_equal(file.read(dtype="float32").T, audio.samples)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_plain_file_of_16_bits_is_what_libsndfile_writes(channels: int) -> None:
    samples = tone(channels=channels)
    written = sound_bytes(Audio(samples, RATE_HZ), ".wav")
    assert written == file_of(np.rint(samples * 32768).astype(np.int16), "WAV", "PCM_16").getvalue()


@pytest.mark.parametrize(
    ("container", "subtype", "expected"),
    [
        ("WAV", "PCM_U8", "int16"),
        ("WAV", "PCM_16", "int16"),
        ("WAV", "PCM_24", "int24"),
        ("WAV", "PCM_32", "int24"),
        ("WAV", "FLOAT", "float32"),
        ("WAV", "DOUBLE", "float32"),
        ("WAV", "ULAW", "int16"),
        ("WAVEX", "PCM_24", "int24"),
        ("RF64", "FLOAT", "float32"),
        ("FLAC", "PCM_16", "int16"),
        ("FLAC", "PCM_24", "int24"),
        ("AIFF", "PCM_24", "int24"),
        ("CAF", "FLOAT", "float32"),
        ("W64", "PCM_16", "int16"),
        ("AU", "FLOAT", "float32"),
        ("OGG", "VORBIS", None),
        ("OGG", "OPUS", None),
        ("MP3", "MPEG_LAYER_III", None),
    ],
)
def test_sample_format_of_a_file_decides_that_of_the_decoded_one(
    container: str, subtype: str, expected: str | None
) -> None:
    audio = read_sound(file_of(tone(), container, subtype))
    assert audio.metadata.sample_format == expected
    decoded = read_sound(io.BytesIO(encode(audio, quality=80)))
    assert opened(signal_bytes(decoded, ".wav")).subtype == SUBTYPES[expected or "int16"]


def test_a_float_file_above_full_scale_keeps_its_peak() -> None:
    samples = tone(1.5, length=4000)
    decoded = read_sound(io.BytesIO(encode(read_sound(file_of(samples, "WAV", "FLOAT")), quality=90)))
    found = opened(signal_bytes(decoded, ".wav")).read(dtype="float32")
    assert np.array_equal(found, decoded.samples[0])
    assert 1.45 < np.abs(found).max() < 1.55


@pytest.mark.parametrize(("peak", "expected"), [(0.5, "PCM_16"), (1.0, "PCM_16"), (1.001, "FLOAT")])
def test_arrays_are_written_as_float_only_beyond_full_scale(peak: float, expected: str) -> None:
    samples = np.array([[0, peak, -peak]], np.float32)
    assert opened(sound_bytes(Audio(samples, RATE_HZ), ".wav")).subtype == expected


@pytest.mark.parametrize("sample_format", ["int16", "int24"])
@pytest.mark.parametrize("extension", [".wav", ".flac"])
def test_clipped_samples_are_counted_in_one_sentence(extension: str, sample_format: str) -> None:
    samples = np.array([[0.5, 1, -1, 1.5, -2, 3e38, -1.2]], np.float32)
    audio = Audio(samples, RATE_HZ, SoundMetadata(sample_format))
    with collect_notes() as notes:
        data = sound_bytes(audio, extension)
    assert notes == [
        f"4 of 7 samples are beyond full scale and were clipped to fit {sample_format}; "
        "a .wav file of sample format float32 keeps them"
    ]
    scale = 1 << (int(sample_format[3:]) - 1)
    expected = [scale // 2, scale - 1, -scale, scale - 1, -scale, scale - 1, -scale]
    assert np.array_equal(opened(data).read() * scale, expected)


def test_flac_instead_of_float_is_said() -> None:
    audio = Audio(tone(), RATE_HZ, SoundMetadata("float32"))
    with collect_notes() as notes:
        data = sound_bytes(audio, ".flac")
    assert notes == ["FLAC holds no float32 samples, so int24 was written; a .wav file holds them"]
    assert opened(data).subtype == "PCM_24"


def test_what_was_asked_for_governs_and_flac_refuses_float() -> None:
    audio = Audio(tone(), RATE_HZ, SoundMetadata("float32"))
    assert opened(sound_bytes(audio, ".flac", sample_format="int16")).subtype == "PCM_16"
    with pytest.raises(CodecError, match="FLAC holds no float32 samples; allowed are int16 and int24"):
        sound_bytes(audio, ".flac", sample_format="float32")
    with pytest.raises(CodecError, match="sample_format is 'pcm16'; allowed are 'int16', 'int24', 'float32'"):
        sound_bytes(audio, ".wav", sample_format="pcm16")


def test_sample_format_of_what_is_no_sound_is_refused() -> None:
    for signal, extension in (
        (Image(np.zeros((2, 2, 3), np.uint8)), ".png"),
        (Cube(np.zeros((1, 4), np.uint8)), ".npy"),
    ):
        with pytest.raises(CodecError, match="sample_format is for sounds"):
            signal_bytes(signal, extension, sample_format="int16")


def test_an_empty_sound_is_a_file_without_samples() -> None:
    for sample_format in ("int16", "int24", "float32"):
        data = sound_bytes(Audio(np.zeros((2, 0), np.float32), RATE_HZ), ".wav", sample_format=sample_format)
        assert (opened(data).frames, opened(data).channels) == (0, 2)


def test_what_a_wav_file_does_not_hold_is_refused() -> None:
    with pytest.raises(UnsupportedSignalError, match="40000 channels of 0 samples of 16 bits"):
        sound_bytes(Audio(np.zeros((40_000, 0), np.float32), RATE_HZ), ".wav")
    with pytest.raises(UnsupportedSignalError, match="FLAC holds 8 channels, the sound has 9"):
        sound_bytes(Audio(np.zeros((9, 1), np.float32), RATE_HZ), ".flac")


def test_odd_chunks_are_padded() -> None:
    audio = Audio(tone(length=3), RATE_HZ, SoundMetadata("int24", tags={"title": "ab"}))
    data = sound_bytes(audio, ".wav")
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    assert len(data) % 2 == 0
    assert opened(data).frames == 3
