"""Sounds -> WAV and FLAC files: lossless only, since a decoded sound should not lose twice."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import choice_argument
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.external._soundfile import sound_writing
from laconic.codecs.formats.spooled_files import spooled_file
from laconic.codecs.formats.vorbis_comments import copy_with_comments
from laconic.codecs.formats.wav_files import wav_end, wav_head, wav_samples
from laconic.codecs.loudness import reading_of_planes
from laconic.codecs.media import Audio
from laconic.codecs.notes import note
from laconic.codecs.sound_metadata import BITS_OF_SAMPLES, SAMPLE_FORMATS, SoundHead
from laconic.codecs.sounds.integer_samples import nearest_integers
from laconic.codecs.sounds.sample_blocks import opened_sample_blocks

if TYPE_CHECKING:
    from jaxtyping import Float, Num

WRITTEN_EXTENSIONS = frozenset([".wav", ".flac"])
_MAX_FLAC_CHANNELS = 8

Floats = NDArray[np.float32]


def sound_bytes(audio: Audio, extension: str, *, sample_format: str | None = None) -> bytes:
    """A WAV or FLAC file of a sound: see `write_sound_blocks`."""
    head = SoundHead(audio.num_channels, audio.samples.shape[1], audio.sample_rate, audio.metadata)
    blocks = [np.zeros((audio.num_channels, 0), np.float32), *reading_of_planes(audio.samples)()]
    target = io.BytesIO()
    write_sound_blocks(target, blocks, head, extension, sample_format=sample_format)
    return target.getvalue()


def write_sound_blocks(
    target: BinaryIO,
    blocks: Iterable[Float[Floats, "c t"]],
    head: SoundHead,
    extension: str,
    *,
    sample_format: str | None = None,
) -> None:
    """Writes a WAV or FLAC file, by extension, with the channel mask and the tags of the sound, of which there is at least
    one block, as its blocks come; those of an iterator are kept in a temporary file where the sample format depends on all.

    `sample_format`: "int16", "int24" or "float32", which FLAC does not hold. None takes that of the sound's metadata,
    where they do not say it int16, or float32 for samples beyond -1 to 1; and for FLAC int24 instead of float32, with a
    note. Samples beyond -1 to 1 are clipped to fit integers, with a note. Raises `CodecError` for another sample format,
    `UnsupportedSignalError` for another extension or more than the format holds.
    """
    suffix = extension.lower()
    if suffix not in WRITTEN_EXTENSIONS:
        raise UnsupportedSignalError(f"a sound cannot be written as {extension!r}; allowed are .wav and .flac")
    if suffix == ".flac" and head.num_channels > _MAX_FLAC_CHANNELS:
        raise UnsupportedSignalError(f"FLAC holds 8 channels, the sound has {head.num_channels}; write a .wav file")
    write = _write_wav if suffix == ".wav" else _write_flac
    if wanted := _known_format(head, suffix, sample_format):
        write(target, blocks, head, wanted)
        return
    with opened_sample_blocks(blocks) as kept:
        is_beyond = kept.peaks.max() > 1
        write(target, kept, head, _held_format("float32" if is_beyond else "int16", suffix))


def _known_format(head: SoundHead, suffix: str, wanted: str | None) -> str | None:
    """The sample format of a file, of which `wanted` is asked; None where it depends on samples."""
    if wanted is None:
        found = head.metadata.sample_format
        return None if found is None else _held_format(found, suffix)
    choice_argument("sample_format", wanted, SAMPLE_FORMATS)
    if (wanted, suffix) == ("float32", ".flac"):
        raise CodecError("FLAC holds no float32 samples; allowed are int16 and int24, or write a .wav file")
    return wanted


def _held_format(found: str, suffix: str) -> str:
    if (found, suffix) == ("float32", ".flac"):
        note("FLAC holds no float32 samples, so int24 was written; a .wav file holds them")
        return "int24"
    return found


def _write_wav(target: BinaryIO, blocks: Iterable[Floats], head: SoundHead, sample_format: str) -> None:
    frames = _Frames(sample_format)
    target.write(wav_head(head, sample_format))
    for block in blocks:
        target.write(wav_samples(frames.of_block(block), sample_format))
    target.write(wav_end(head, sample_format))
    frames.note_clipped()


def _write_flac(target: BinaryIO, blocks: Iterable[Floats], head: SoundHead, sample_format: str) -> None:
    frames = _Frames(sample_format)
    form = head.num_channels, head.sample_rate
    with spooled_file() as plain:
        with sound_writing(plain, form, ("FLAC", f"PCM_{BITS_OF_SAMPLES[sample_format]}")) as write:
            for block in blocks:
                found = frames.of_block(block)
                write(
                    found << 8 if sample_format == "int24" else found
                )  # soundfile takes 24 bits as the upper ones of 32
        frames.note_clipped()
        copy_with_comments(plain, target, head)


class _Frames:
    """Samples as a file holds them, and how many were clipped for that."""

    def __init__(self, sample_format: str) -> None:
        self._format, self._num_samples, self._num_beyond = sample_format, 0, 0

    def of_block(self, block: Float[Floats, "c t"]) -> Num[NDArray[Any], "t c"]:
        """float32, int16, or int32 of 24 bits; those beyond are clipped. Full scale itself, 1, is not beyond."""
        self._num_samples += block.size
        if self._format == "float32":
            return block.T
        integers, num_beyond = nearest_integers(block.T, BITS_OF_SAMPLES[self._format])
        self._num_beyond += num_beyond
        return integers.astype(np.int16) if self._format == "int16" else integers

    def note_clipped(self) -> None:
        if self._num_beyond:
            note(
                f"{self._num_beyond} of {self._num_samples} samples are beyond full scale and were clipped to fit "
                f"{self._format}; a .wav file of sample format float32 keeps them"
            )
