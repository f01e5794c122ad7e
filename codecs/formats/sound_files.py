"""Sounds of files through soundfile: WAV, FLAC, MP3, Ogg, Opus and the rest of libsndfile."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.formats.libsndfile import (
    LibsndfileInput,
    frames_claimed_by_libsndfile,
    joined_libsndfile_blocks,
    libsndfile_blocks,
    load_soundfile,
    open_libsndfile,
)
from laconic.codecs.formats.sound_parts import is_mpeg, sound_parts
from laconic.codecs.formats.sound_tags import Stored, read_sound_metadata, stored_in
from laconic.codecs.media import Audio
from laconic.codecs.notes import note
from laconic.entropy.errors import BitstreamError

_MAX_VALUES = 1 << 31  # 8 GiB of samples: a small file can claim any length, and FLAC hold any length of silence
_FORM_TYPES = (b"WAVE", b"AIFF", b"AIFC", b"8SVX", b"16SV")
_SOUND_MAGICS = (
    b"fLaC",
    b"OggS",
    b"ID3",
    b".snd",
    b"dns.",
    b"caff",
    b"riff",
    b"Creative Voice File",
    b"NIST_1A",
    b" paf",
    b"fap ",
    b"PVF1",
    b"2BIT",
    b"\x64\xa3",
    b"ALawSoundFile**",
)
_COMMON_NAMES = "wav wave bwf rf64 w64 flac ogg oga opus mp3 mp2 mpga aif aiff aifc au snd caf"
_RARE_NAMES = "voc sph nist paf pvf avr svx sf ircam wve"
SOUND_EXTENSIONS = frozenset(f".{name}" for name in f"{_COMMON_NAMES} {_RARE_NAMES}".split())


def is_sound_file(head: bytes) -> bool:
    """Whether a file with these first 16 bytes is a sound."""
    if head[:4] in (b"RIFF", b"RIFX", b"FORM", b"RF64"):
        return head[8:12] in _FORM_TYPES
    return is_mpeg(head) or head.startswith(tuple(magic[:16] for magic in _SOUND_MAGICS))


def sound_of_file(source: BinaryIO) -> Audio:
    """The sound of an open file in any format that libsndfile reads, streams that are chained in it joined.

    Raises `CodecError`, `LimitError`, `OSError`; notes what of the file was left out.
    """
    first, *others = sound_parts(source)
    frames, stored = _read(first)
    rate = stored.sample_rate
    kept = [frames]
    for part in others:
        with suppress(CodecError):
            more, its = _read(part)
            if (its.sample_rate, more.shape[1]) == (rate, frames.shape[1]):
                kept.append(more)
    if num_left := 1 + len(others) - len(kept):
        note(
            f"{num_left} of {1 + len(others)} chained streams left out: they cannot be read, or have another sample rate "
            f"or other channels than {rate} Hz and {frames.shape[1]}; split the file to have them"
        )
    metadata = read_sound_metadata(first, stored)
    return Audio(np.ascontiguousarray(np.concatenate(kept).T), rate, metadata)


def _read(part: LibsndfileInput) -> tuple[NDArray[np.float32], Stored]:
    """(t, c) samples, and what else libsndfile says."""
    name = ""
    try:
        with open_libsndfile(part) as opened:
            name = opened.format
            (frames, lack), stored = _frames(opened, part), stored_in(opened, part.tags)
    except (CodecError, BitstreamError, MissingDependencyError, OSError, MemoryError):
        raise
    except Exception as err:  # soundfile's own checks of what a damaged header gives raise other types than its errors
        if name:
            raise CodecError(f"the {name} file is damaged: {_reason(err)}; copy the file again") from err
        raise CodecError(
            f"it is no sound that can be read: {_reason(err)}; allowed are WAV, FLAC, MP3, Ogg, ..."
        ) from err
    if lack:  # not said above, where all exceptions are caught
        note(lack)
    return frames, stored


def _frames(opened: Any, part: LibsndfileInput) -> tuple[NDArray[np.float32], str]:
    """(t, c) samples, and what of the file is not among them."""
    if opened.subtype == "ALAC_32":
        raise UnsupportedSignalError(
            "it is 32-bit Apple Lossless, which libsndfile reads wrongly; convert it to WAV or FLAC first"
        )
    blocks: list[NDArray[np.float32]] = []
    try:
        for block in libsndfile_blocks(opened, "float32", max_values=_MAX_VALUES):
            blocks.append(block)
    except load_soundfile().LibsndfileError:
        if not (blocks and part.is_endless):  # of MPEG sound, what comes before damage was always heard
            raise
    frames, claimed = joined_libsndfile_blocks(blocks, opened.channels, "float32"), frames_claimed_by_libsndfile(opened)
    if claimed is not None and len(frames) < claimed:
        lack = f"it is cut or damaged: its header tells of {claimed} samples a channel, {len(frames)} were read"
    elif part.is_endless and (rest := part.rest()):
        lack = f"{len(rest)} bytes behind its last frame that can be read were left out"
    else:
        lack = ""
    return frames, lack


def _reason(err: Exception) -> str:
    """libsndfile's sentence without Python's description of the object."""
    return str(getattr(err, "error_string", err)).removeprefix("Error : ").strip().rstrip(".")
