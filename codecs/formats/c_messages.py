"""What C libraries print on standard error, held back: libmpg123 tells there what is then raised, or is harmless."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


class _CStderr:
    """The variable `stderr` of the GNU C library. The file descriptor, which Python prints to, stays as it is."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        self._variable = ctypes.c_void_p.in_dll(library, "stderr")
        self._before, self._null = self._variable.value, library.fopen(os.devnull.encode(), b"w")
        self._lock, self._num_users = threading.Lock(), 0

    def change_users(self, difference: int) -> None:
        """More or fewer threads that want silence; the last one brings the stream back."""
        with self._lock:
            self._num_users += difference
            self._variable.value = self._null if self._num_users and self._null else self._before


@contextmanager
def drop_c_messages(is_wanted: bool = True) -> Iterator[None]:
    """Until the block ends, in any thread: C code prints nothing on standard error, Python as ever.

    Where the C library is another than GNU's, nothing is held back.
    """
    stderr = _c_stderr() if is_wanted else None
    if stderr is None:
        yield
        return
    stderr.change_users(1)
    try:
        yield
    finally:
        stderr.change_users(-1)


@cache
def _c_stderr() -> _CStderr | None:
    try:
        is_gnu = (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
        return _CStderr() if is_gnu else None
    except (AttributeError, OSError, ValueError):  # no such question, library or variable
        return None
