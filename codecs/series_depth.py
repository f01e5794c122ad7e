"""The bit depth of 16-bit pictures that belong together, where their files do not say it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import BinaryIO

from laconic.codecs.files import read_image
from laconic.codecs.formats.bit_depths import DEPTHS, FULL_DEPTH
from laconic.codecs.formats.foreign_files import foreign_picture_format
from laconic.codecs.formats.row_files import open_rows
from laconic.codecs.notes import collect_notes
from laconic.codecs.streams import depth_needed_by_stream
from laconic.entropy import Limits

_HEAD_BYTES = 32
_PNG_DEPTH_AT = 24  # byte of a file that says the bits of a sample (IHDR)
_SHALLOW_FORMATS = ("JPEG", "GIF", "WEBP", "BMP", "QOI")  # of 8-bit samples always
_LEAST = DEPTHS["uint16"][0]


class SeriesDepth:
    """What the largest colour of all these files needs, so that a quality means the same for all, and so do their samples.

    To be given as `bit_depth` where files are read. They are looked through once, when it is first asked for, which a file
    does that does not tell; the first that needs all 16 bits ends it. Those that tell, have 8 bits or cannot be read do not
    count.
    """

    def __init__(
        self, openers: Iterable[Callable[[], BinaryIO]], *, limits: Limits | None = None, frame: int | None = None
    ) -> None:
        """Each of `openers`, which are gone through once, opens one file."""
        self.found: int | None = None
        self._openers, self._limits, self._frame = openers, limits, frame
        self._lock = Lock()

    def __call__(self) -> int:
        with self._lock:
            if self.found is None:
                self.found = self._needed()
            return self.found

    def _needed(self) -> int:
        depth = _LEAST
        for opener in self._openers:
            depth = max(depth, self._needed_by(opener))
            if depth == FULL_DEPTH:
                break
        return depth

    def _needed_by(self, opener: Callable[[], BinaryIO]) -> int:
        try:
            with collect_notes(), opener() as file:  # said of each file when it is its turn
                if not _may_be_deep(file.read(_HEAD_BYTES)):
                    return _LEAST
                rows = open_rows(file, frame=self._frame)
                if rows is not None:
                    return (
                        depth_needed_by_stream(file, self._frame)
                        if rows.dtype.itemsize == 2 and not rows.bit_depth
                        else _LEAST
                    )
                asked = _Asked()
                image = read_image(file, limits=self._limits, frame=self._frame, bit_depth=asked)
                return image.bit_depth if asked.count else _LEAST
        except Exception:  # decoders of many formats fail in their own ways
            return _LEAST


def _may_be_deep(head: bytes) -> bool:
    """Whether a picture file that starts so can have 16-bit samples; most need not be decoded to know."""
    found = foreign_picture_format(head)
    return head[_PNG_DEPTH_AT] == FULL_DEPTH if found == "PNG" else found not in _SHALLOW_FORMATS


class _Asked:
    """Whether a depth was asked for."""

    count = 0

    def __call__(self) -> int:
        self.count += 1
        return _LEAST
