"""What the codecs built on soundfile (libsndfile) share: checks of sounds, writing, and reading one named format safely.

libsndfile compensates the delay of MP3, Opus and Vorbis and keeps the exact length, by the LAME tag and the last
granule position: measured at every rate and setting in tests/codecs/test_sound_codecs.py, so nothing is shifted here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import real_number_argument, shown, typed_argument
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.formats.libsndfile import (
    LibsndfileInput,
    frames_claimed_by_libsndfile,
    load_soundfile,
    open_libsndfile,
    read_libsndfile,
)
from laconic.codecs.media import Audio
from laconic.entropy.errors import BitstreamError, CorruptStreamError, LimitError, TruncatedError

# libvorbis puts what it is given at once on the stack, and crashes on much (libsndfile issue 1095).
_BLOCK_FRAMES = 1 << 14
_MAX_VALUES = 1 << 29  # 2 GiB of samples: a small file can claim any length, and FLAC hold any length of silence
# LAME ends the process on an assertion somewhere above 10,000, and Opus turns to silence.
_MAX_PEAK = 16.0


def compression_level(name: str, value: object, *, below_one: bool = False) -> float:
    """A level from 0 to 1, or below 1, small to large compression. Raises `CodecError`."""
    level = real_number_argument(name, value, lowest=0, highest=1)
    if below_one and level == 1:
        raise CodecError(f"{name} is {shown(value)}; allowed is a finite number from 0 to below 1")
    return level


def check_sound(audio: Audio, file_format: str, *, max_channels: int, allows_empty: bool = False) -> None:
    """Raise `UnsupportedSignalError` for too many channels, no samples, or values far beyond full scale, and
    `CodecError` unless it is an `Audio`."""
    typed_argument("the signal", audio, Audio, "an Audio: Audio.from_array makes one of an array")
    if audio.num_channels > max_channels:
        raise UnsupportedSignalError(
            f"the sound has {audio.num_channels} channels; {file_format} allows 1 to {max_channels} here: "
            "encode the others as sounds of their own"
        )
    if audio.samples.shape[1] == 0:
        if allows_empty:
            return
        raise UnsupportedSignalError(f"the sound has 0 samples; a {file_format} file allows 1 and more: leave it out")
    peak = float(np.abs(audio.samples).max())
    if peak > _MAX_PEAK:
        raise UnsupportedSignalError(
            f"samples reach {peak:.6g}; allowed is -{_MAX_PEAK:g} to {_MAX_PEAK:g}, full scale being -1 to 1: scale them"
        )


def check_rate(audio: Audio, file_format: str, allowed_hz: tuple[int, ...]) -> None:
    """Raise `UnsupportedSignalError` unless the sample rate is one of these."""
    if audio.sample_rate not in allowed_hz:
        raise UnsupportedSignalError(
            f"the sample rate is {audio.sample_rate} Hz; {file_format} allows {', '.join(map(str, allowed_hz))}: "
            "resample it first"
        )


def write_sound(
    frames: NDArray[Any],
    sample_rate: int,
    file_format: tuple[str, str],
    *,
    compression_level: float | None = None,
    bitrate_mode: str | None = None,
) -> bytes:
    """Return (t, c) float32, int16 or int32 frames as a file of libsndfile's (format, subtype).

    Raises `UnsupportedSignalError` where the library refuses.
    """
    buffer = io.BytesIO()
    mode = None if bitrate_mode is None else bitrate_mode.upper()
    with sound_writing(
        buffer, (frames.shape[1], sample_rate), file_format, compression_level=compression_level, bitrate_mode=mode
    ) as write:
        write(frames)
    return buffer.getvalue()


@contextmanager
def sound_writing(
    target: BinaryIO, form: tuple[int, int], file_format: tuple[str, str], **options: Any
) -> Iterator[Callable[[NDArray[Any]], None]]:
    """Gives a function that writes (t, c) frames to an empty file that can seek; `form`: channels and sample rate."""
    soundfile = load_soundfile()
    (channels, rate), (name, subtype), num_frames = form, file_format, 0

    def write(frames: NDArray[Any]) -> None:
        nonlocal num_frames
        num_frames += len(frames)
        for start in range(0, len(frames), _BLOCK_FRAMES):
            file.write(frames[start : start + _BLOCK_FRAMES])

    try:
        with soundfile.SoundFile(target, "w", rate, channels, format=name, subtype=subtype, **options) as file:
            yield write
    except soundfile.LibsndfileError as err:
        raise UnsupportedSignalError(
            f"{channels} channels of {num_frames} samples at {rate} Hz cannot be written as {subtype} "
            f"({err.error_string}); allowed is what libsndfile takes"
        ) from err


def read_sound(data: bytes, file_format: tuple[str, str], dtype: str = "float32") -> tuple[NDArray[Any], int]:
    """Return the (t, c) frames and the sample rate of a file that must be of libsndfile's (format, subtype).

    A "" for the subtype allows any. Raises `TruncatedError`, `LimitError` or `CorruptStreamError`.
    """
    soundfile = load_soundfile()
    name, subtype = file_format
    if len(data) == 0:
        raise TruncatedError(f"the data is empty; a {subtype or name} file is needed")
    try:
        with open_libsndfile(LibsndfileInput(io.BytesIO(data), may_be_mpeg=name == "MP3")) as file:
            if file.format != name or file.subtype != (subtype or file.subtype):
                raise CorruptStreamError(f"the {len(data)} bytes are not a {subtype or name} file")
            if (frames_claimed_by_libsndfile(file) or 0) * file.channels > _MAX_VALUES:
                raise LimitError(
                    f"the file claims {file.channels} channels of {file.frames} samples; allowed are {_MAX_VALUES} "
                    "in all: split it"
                )
            return read_libsndfile(file, dtype, max_values=_MAX_VALUES), int(file.samplerate)
    except BitstreamError:
        raise
    except soundfile.LibsndfileError as err:
        raise CorruptStreamError(
            f"the {len(data)} bytes are not a {subtype or name} file, or it is damaged: {err.error_string}"
        ) from err
    except Exception as err:  # soundfile's own checks of what a damaged header gives: RuntimeError, ValueError, ...
        raise CorruptStreamError(f"the {subtype or name} file of {len(data)} bytes is damaged: {err}") from err


def to_audio(frames: NDArray[Any], sample_rate: int) -> Audio:
    """(t, c) float32 frames of a file as a value. Raises `CorruptStreamError` where a damaged file gave no numbers."""
    try:
        return Audio(np.ascontiguousarray(frames.T), sample_rate)
    except UnsupportedSignalError as err:
        raise CorruptStreamError(f"the file is damaged: its {err}") from err
