"""libsndfile, through soundfile, read forward only: files that do not say how long they are, and hostile ones.

soundfile goes by the length in the header and seeks after each read. Where the header has no length (FLAC and MP3 as
streaming encoders write them) the first fails; seeking costs MP3 the frames around the place.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.formats.c_messages import drop_c_messages
from laconic.entropy.errors import LimitError

if TYPE_CHECKING:
    from jaxtyping import Num

_BLOCK_VALUES = 1 << 18
_MPEG_FRAMES = 1152
_ID3V1_BYTES = 128
_FAR = 1 << 50  # bytes
_UNKNOWN_FRAMES = 1 << 45  # no header holds as many: FLAC's has 36 bits, that of MP3 counts 32 bits of frames


def load_soundfile() -> Any:
    """The module. Raises `MissingDependencyError`."""
    try:
        import soundfile
    except (ImportError, OSError) as err:  # OSError: the package is there, its library is not
        raise MissingDependencyError(
            f"soundfile cannot be imported ({err}); reinstall it: pip install --force-reinstall 'soundfile>=0.13'"
        ) from err
    return soundfile


class LibsndfileInput:
    """A file as libsndfile is to see it: what Python raises in a callback would be printed, not passed on.

    `may_be_mpeg`: then its end is told to be far away, so that libmpg123 takes no length from the size of the first
    frame, which cuts off what a file of growing frames has more; reading ends where the bytes do. `tags` are then those
    that were found with the true end, where some stand.
    """

    def __init__(self, file: BinaryIO, *, may_be_mpeg: bool = False) -> None:
        self._file, self.may_be_mpeg = file, may_be_mpeg
        self.is_endless = self._is_far = False
        self.tags: dict[str, str] = {}
        self.failure: OSError | None = None  # of the disk, to be raised behind libsndfile's back

    def anew(self) -> LibsndfileInput:
        """The same file, to be opened again."""
        self._file.seek(0)
        return LibsndfileInput(self._file, may_be_mpeg=self.may_be_mpeg)

    def become_endless(self) -> None:
        """Tell of a far end, from the start of the file on."""
        self.is_endless = True
        self.seek(0)

    def read(self, count: int = -1) -> bytes:
        if self._is_far or self.failure is not None:
            return b""
        try:
            data = self._file.read(count)
        except OSError as err:
            self.failure = err
            return b""
        # A last frame that is cut is an error of a file that goes on, and filled up in one that ends.
        return data.ljust(count, b"\0") if data and self.is_endless else data

    def rest(self) -> bytes:
        """What was not read, without padding and an ID3v1 tag."""
        rest = b"" if self._is_far else self._file.read()
        is_tagged = len(rest) >= _ID3V1_BYTES and rest[-_ID3V1_BYTES:].startswith(b"TAG")
        return rest[: -_ID3V1_BYTES if is_tagged else None].strip(b"\0")

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Like that of files; goes nowhere where they would raise."""
        self._is_far = self.is_endless and whence == io.SEEK_END and offset >= 0
        try:
            if not self._is_far:
                self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):  # a place before the start
            pass
        return self.tell()

    def tell(self) -> int:
        return _FAR if self._is_far else self._file.tell()


@contextmanager
def open_libsndfile(source: LibsndfileInput) -> Iterator[Any]:
    """A `soundfile.SoundFile` that reads forward. Raises `soundfile.SoundFileError`, `OSError`."""
    soundfile = load_soundfile()
    with drop_c_messages(source.may_be_mpeg):
        if source.may_be_mpeg:
            with soundfile.SoundFile(source) as opened:
                is_mpeg, source.tags = opened.format == "MP3", opened.copy_metadata()
            if is_mpeg:  # the ends of others are searched for, which would take years
                source.become_endless()
        with soundfile.SoundFile(source) as opened:
            opened.seekable = lambda: False
            yield opened
    if source.failure is not None:
        raise source.failure


def frames_claimed_by_libsndfile(opened: Any) -> int | None:
    """The length that the header of an open file tells, in samples of each channel; None where it tells none."""
    return None if opened.frames >= _UNKNOWN_FRAMES else int(opened.frames)


def read_libsndfile(opened: Any, dtype: str, *, max_values: int) -> Num[NDArray[Any], "t c"]:
    """(t, c) frames of an open file up to its end. Raises `soundfile.SoundFileError`, `LimitError` beyond `max_values`."""
    return joined_libsndfile_blocks(
        list(libsndfile_blocks(opened, dtype, max_values=max_values)), opened.channels, dtype
    )


def joined_libsndfile_blocks(
    blocks: Sequence[Num[NDArray[Any], "t c"]], channels: int, dtype: str
) -> Num[NDArray[Any], "t c"]:
    """(t, c) of blocks one behind the other, also of none."""
    return np.concatenate(blocks) if blocks else np.zeros((0, channels), dtype)


def libsndfile_blocks(opened: Any, dtype: str, *, max_values: int) -> Iterator[Num[NDArray[Any], "t c"]]:
    """The blocks that `read_libsndfile` joins: of MPEG sound no longer than a frame, so that damage costs no more."""
    is_mpeg = opened.format == "MP3"
    num_values, block_frames = 0, _MPEG_FRAMES if is_mpeg else max(1, _BLOCK_VALUES // opened.channels)
    while len(block := opened.read(block_frames, dtype=dtype, always_2d=True)):
        num_values += block.size
        if num_values > max_values:
            raise LimitError(f"the file holds more than {max_values} samples in all, which are allowed: split it")
        yield block
