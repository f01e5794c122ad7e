"""Sounds of files through soundfile: WAV, FLAC, MP3, Ogg, Opus and the rest of libsndfile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.form import Kind
from laconic.codecs.formats.foreign_files import refuse_foreign
from laconic.codecs.formats.libsndfile import (
    LibsndfileInput,
    frames_claimed_by_libsndfile,
    libsndfile_blocks,
    load_soundfile,
    open_libsndfile,
)
from laconic.codecs.formats.sound_parts import is_mpeg, sound_parts
from laconic.codecs.formats.sound_tags import read_sound_metadata, stored_in
from laconic.codecs.media import Audio
from laconic.codecs.notes import note
from laconic.entropy.container import MAGIC
from laconic.entropy.errors import BitstreamError, TruncatedError

if TYPE_CHECKING:
    from jaxtyping import Float

_MAX_VALUES = 1 << 31  # 8 GiB of samples: a small file can claim any length, and FLAC hold any length of silence
_HEAD_BYTES = 16
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


def holds_sound(file: BinaryIO, kind: Kind | None) -> bool:
    """Whether a file that can seek is to be read as a sound, where `kind` None lets the content decide; it is at its start
    then."""
    head = _head_of(file)
    return kind == "sound" or (kind is None and is_sound_file(head))


def open_sound_blocks(file: BinaryIO) -> SoundFileBlocks | None:
    """The sound of a file that can seek, to be read by blocks; None of one that begins as those of our codecs do. Raises
    `CodecError`, `BitstreamError` for what is no sound, `OSError`."""
    head = _head_of(file)
    if not head:
        raise TruncatedError("the file is empty; a sound is needed")
    refuse_foreign(head)
    return None if head.startswith(MAGIC) else SoundFileBlocks(file)


def _head_of(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    return head


class SoundFileBlocks:
    """The sound of an open file in any format that libsndfile reads, streams that are chained in it joined: blocks
    (channels, t), at least one, anew each time that they are iterated; then `length` is the samples of a channel. The first
    time, what of the file is left out is noted. Of chained streams, each but the first is in memory as a whole."""

    def __init__(self, source: BinaryIO) -> None:
        """Raises `CodecError`, `OSError`."""
        self._first, *self._others = sound_parts(source)
        self._is_said, self.length = False, 0
        with _opened(self._first) as opened:
            stored = stored_in(opened, self._first.tags)
        self.sample_rate, self.num_channels = stored.sample_rate, stored.num_channels
        self.metadata = read_sound_metadata(self._first, stored)

    def __iter__(self) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        """Raises `CodecError`, `LimitError`, `OSError`."""
        yield np.zeros((self.num_channels, 0), np.float32)
        lacks: list[str] = []
        length = 0
        for block in self._joined(lacks):
            length += block.shape[1]
            yield block
        for sentence in () if self._is_said else lacks:
            note(sentence)
        self._is_said, self.length = True, length

    def audio(self) -> Audio:
        """All of it. Raises as iterating does."""
        return Audio(np.concatenate(list(self), axis=1), self.sample_rate, self.metadata)

    def _joined(self, lacks: list[str]) -> Iterator[Float[NDArray[np.float32], "c t"]]:
        """All blocks; what of the file is not among them goes to `lacks`."""
        yield from _blocks_of(self._first, lacks)
        num_left = 0
        for part in self._others:
            blocks = self._of_link(part, lacks)
            num_left += blocks is None
            yield from blocks or ()
        if num_left:
            lacks.append(
                f"{num_left} of {1 + len(self._others)} chained streams left out: they cannot be read, or have another "
                f"sample rate or other channels than {self.sample_rate} Hz and {self.num_channels}; split the file to have "
                "them"
            )

    def _of_link(self, part: LibsndfileInput, lacks: list[str]) -> list[Float[NDArray[np.float32], "c t"]] | None:
        """All of a chained stream; None of one that does not go with the first."""
        with suppress(CodecError):
            with _opened(part.anew()) as opened:
                is_alike = (opened.samplerate, opened.channels) == (self.sample_rate, self.num_channels)
            found = list(_blocks_of(part, lacks))
            return found if is_alike else None
        return None


def _blocks_of(part: LibsndfileInput, lacks: list[str]) -> Iterator[Float[NDArray[np.float32], "c t"]]:
    """The blocks of a part; what of it is not among them goes to `lacks`, to be noted where no exception is caught."""
    part, count = part.anew(), 0
    with _opened(part) as opened:
        claimed = frames_claimed_by_libsndfile(opened)
        try:
            for block in libsndfile_blocks(opened, "float32", max_values=_MAX_VALUES):
                count += len(block)
                yield np.ascontiguousarray(block.T)
        except load_soundfile().LibsndfileError:
            if not (count and part.is_endless):  # of MPEG sound, what comes before damage was always heard
                raise
        if claimed is not None and count < claimed:
            lacks.append(f"it is cut or damaged: its header tells of {claimed} samples a channel, {count} were read")
        elif part.is_endless and (rest := part.rest()):
            lacks.append(f"{len(rest)} bytes behind its last frame that can be read were left out")


@contextmanager
def _opened(part: LibsndfileInput) -> Iterator[Any]:
    """A `soundfile.SoundFile`. Raises `CodecError`, `OSError`, also for what is read in the block."""
    name = ""
    try:
        with open_libsndfile(part) as opened:
            name = opened.format
            if opened.subtype == "ALAC_32":
                raise UnsupportedSignalError(
                    "it is 32-bit Apple Lossless, which libsndfile reads wrongly; convert it to WAV or FLAC first"
                )
            yield opened
    except (CodecError, BitstreamError, MissingDependencyError, OSError, MemoryError):
        raise
    except Exception as err:  # soundfile's own checks of what a damaged header gives raise other types than its errors
        if name:
            raise CodecError(f"the {name} file is damaged: {_reason(err)}; copy the file again") from err
        raise CodecError(
            f"it is no sound that can be read: {_reason(err)}; allowed are WAV, FLAC, MP3, Ogg, ..."
        ) from err


def _reason(err: Exception) -> str:
    """libsndfile's sentence without Python's description of the object."""
    return str(getattr(err, "error_string", err)).removeprefix("Error : ").strip().rstrip(".")
