"""Sounds -> WAV and FLAC files: lossless only, since a decoded sound should not lose twice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.external._soundfile import write_sound
from laconic.codecs.formats.vorbis_comments import with_comments
from laconic.codecs.formats.wav_files import wav_bytes
from laconic.codecs.media import Audio
from laconic.codecs.notes import note
from laconic.codecs.sound_metadata import SAMPLE_FORMATS

WRITTEN_EXTENSIONS = frozenset([".wav", ".flac"])
_MAX_FLAC_CHANNELS = 8
_BITS = {"int16": 16, "int24": 24}


def sound_bytes(audio: Audio, extension: str, *, sample_format: str | None = None) -> bytes:
    """A WAV or FLAC file, by extension, with the channel mask and the tags of the sound.

    `sample_format`: "int16", "int24" or "float32", which FLAC does not hold. None takes that of the sound's metadata,
    where they do not say it int16, or float32 for samples beyond -1 to 1; and for FLAC int24 instead of float32, with a
    note. Samples beyond -1 to 1 are clipped to fit integers, with a note. Raises `CodecError` for another sample format,
    `UnsupportedSignalError` for another extension or more than the format holds.
    """
    suffix = extension.lower()
    if suffix not in WRITTEN_EXTENSIONS:
        raise UnsupportedSignalError(f"a sound cannot be written as {extension!r}; allowed are .wav and .flac")
    if suffix == ".flac" and audio.num_channels > _MAX_FLAC_CHANNELS:
        raise UnsupportedSignalError(f"FLAC holds 8 channels, the sound has {audio.num_channels}; write a .wav file")
    chosen = _sample_format(audio, suffix, sample_format)
    frames: NDArray[Any] = audio.samples.T if chosen == "float32" else _integers(audio.samples.T, _BITS[chosen])
    if suffix == ".wav":
        return wav_bytes(audio, frames, chosen)
    stored = frames << 8 if chosen == "int24" else frames  # soundfile takes 24 bits as the upper ones of 32
    data = write_sound(stored, audio.sample_rate, ("FLAC", f"PCM_{_BITS[chosen]}"))
    return with_comments(data, audio.metadata.tags, audio.metadata.channel_mask, audio.num_channels)


def _sample_format(audio: Audio, suffix: str, wanted: str | None) -> str:
    """The sample format of a file, of which `wanted` is asked."""
    if wanted is not None:
        choice_argument("sample_format", wanted, SAMPLE_FORMATS)
        if (wanted, suffix) == ("float32", ".flac"):
            raise CodecError("FLAC holds no float32 samples; allowed are int16 and int24, or write a .wav file")
        return wanted
    is_beyond = np.abs(audio.samples).max(initial=0) > 1
    found = audio.metadata.sample_format or ("float32" if is_beyond else "int16")
    if (found, suffix) == ("float32", ".flac"):
        note("FLAC holds no float32 samples, so int24 was written; a .wav file holds them")
        return "int24"
    return found


def _integers(frames: NDArray[np.float32], bits: int) -> NDArray[Any]:
    """(t, c) int16, or int32 of 24 bits; those beyond are clipped with a note. Full scale itself, 1, is not beyond."""
    scale = np.float32(1 << (bits - 1))
    scaled = np.rint(np.clip(frames, -2, 2) * scale)
    if num_beyond := int(np.count_nonzero(np.abs(scaled) > scale)):
        note(
            f"{num_beyond} of {frames.size} samples are beyond full scale and were clipped to fit int{bits}; "
            "a .wav file of sample format float32 keeps them"
        )
    integers: NDArray[Any] = np.clip(scaled, -scale, scale - 1).astype(np.int16 if bits == 16 else np.int32)
    return integers
