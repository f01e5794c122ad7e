"""What Pillow and its libraries do on their own, held back while files are read: limits, lines on standard error."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache

import PIL._imaging
from PIL import Image as PillowImage

_lock = threading.Lock()
_limits: list[int | None] = []  # of the readers at work, in any thread
_limit_before: list[int | None] = []


@contextmanager
def pillow_limit(max_pixels: int | None) -> Iterator[None]:
    """Pillow refuses pictures of more pixels, twice that at the latest; None: it leaves them to the caller.

    Its limit is one for all threads, so that the highest of all that are wanted counts: check sizes beside it.
    """
    with _lock:
        if not _limits:
            _limit_before[:] = [PillowImage.MAX_IMAGE_PIXELS]
        _limits.append(max_pixels)
        _apply()
    try:
        yield
    finally:
        with _lock:
            _limits.remove(max_pixels)
            _apply()


def _apply() -> None:
    known = [limit for limit in _limits if limit is not None]
    if not _limits:
        PillowImage.MAX_IMAGE_PIXELS = _limit_before[0]
    else:
        PillowImage.MAX_IMAGE_PIXELS = max(known) if len(known) == len(_limits) else None


@cache
def silence_libtiff() -> None:
    """Keep Pillow's libtiff from writing to standard error what Pillow then raises."""
    # Where libtiff is a library of its own, its functions are found through Pillow's module, which is linked to it.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(PIL._imaging.__file__).TIFFSetErrorHandler(None)
