"""Sounds <-> files through soundfile: WAV, FLAC, MP3, Ogg, Opus and the rest of libsndfile in; WAV and FLAC out."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import numpy as np

from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.media import Audio

# libsndfile's names for what we write: lossless only, since a decoded sound should not lose twice.
_WRITTEN = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16")}
WRITTEN_EXTENSIONS = frozenset(_WRITTEN)
_MAX_FLAC_CHANNELS = 8
_SOUND_MAGICS = (b"fLaC", b"OggS", b"ID3", b".snd", b"caff", b"riff")
SOUND_EXTENSIONS = frozenset([".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"])


def is_sound(head: bytes) -> bool:
    """Whether a file with these first 16 bytes is a sound."""
    if head[:4] in (b"RIFF", b"FORM", b"RF64"):
        return head[8:12] in (b"WAVE", b"AIFF", b"AIFC")
    # An MPEG frame starts with eleven bits set, then a version and a layer that are not reserved.
    is_mpeg = len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0 and head[1] & 0x18 != 0x08 and head[1] & 0x06 != 0
    return is_mpeg or head.startswith(_SOUND_MAGICS)


def sound_of_file(source: BinaryIO) -> Audio:
    """The sound of an open file in any format that libsndfile reads. Raises `CodecError`."""
    soundfile = _soundfile()
    try:
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as err:
        raise CodecError(
            f"it is no sound that can be read: {_reason(err)}; allowed are WAV, FLAC, MP3, Ogg, ..."
        ) from err
    return Audio(np.ascontiguousarray(samples.T), int(rate))


def sound_bytes(audio: Audio, extension: str) -> bytes:
    """A WAV or FLAC file of 16 bits, by extension; samples beyond full scale are clipped.

    Raises `UnsupportedSignalError` for another extension or more channels than the format holds.
    """
    if extension.lower() not in _WRITTEN:
        raise UnsupportedSignalError(f"a sound cannot be written as {extension!r}; allowed are .wav and .flac")
    container, subtype = _WRITTEN[extension.lower()]
    if container == "FLAC" and audio.num_channels > _MAX_FLAC_CHANNELS:
        raise UnsupportedSignalError(f"FLAC holds 8 channels, the sound has {audio.num_channels}; write a .wav file")
    soundfile = _soundfile()
    file = io.BytesIO()
    integers = np.clip(np.rint(audio.samples.T * np.float32(32768)), -32768, 32767).astype(np.int16)
    try:
        soundfile.write(file, integers, audio.sample_rate, format=container, subtype=subtype)
    except soundfile.SoundFileError as err:
        raise CodecError(f"the sound cannot be written as {extension}: {_reason(err)}") from err
    return file.getvalue()


def _reason(err: Exception) -> str:
    """libsndfile's sentence without Python's description of the object."""
    return str(getattr(err, "error_string", err)).strip().rstrip(".")


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as err:  # OSError: the package is there, its library is not
        raise MissingDependencyError(
            f"soundfile cannot be imported ({err}); install it: pip install soundfile"
        ) from err
    return soundfile
