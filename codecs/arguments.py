"""What a caller passed, as what it means: numbers of any library, words, flags, bytes, paths, files.

Each function gives the plain value, so that codecs made of numpy's numbers equal those made of Python's, and raises
`CodecError`, one sentence that names the argument, the value seen and what is allowed.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from laconic.codecs.errors import CodecError
from laconic.entropy import plain_values
from laconic.entropy.errors import ArgumentError
from laconic.entropy.plain_values import shown as shown

Bytes = bytes | bytearray | memoryview
PathLike = str | os.PathLike[str]
Word = TypeVar("Word", bound=str | int)
T = TypeVar("T")


def whole_number_argument(name: str, value: object, lowest: int, highest: int | None = None) -> int:
    """An int from `lowest` to `highest` (None: no end), of an integer of any library; no bool, no float."""
    try:
        return plain_values.whole_number(name, value, lowest, highest)
    except ArgumentError as err:
        raise CodecError(str(err)) from None


def real_number_argument(name: str, value: object, *, lowest: float, highest: float = math.inf) -> float:
    """A finite float from `lowest` to `highest`, of a real number of any library; no bool."""
    try:
        return plain_values.real_number(name, value, lowest=lowest, highest=highest)
    except ArgumentError as err:
        raise CodecError(str(err)) from None


def positive_number_argument(name: str, value: object, *, highest: float = math.inf) -> float:
    """A finite float above 0, up to `highest`."""
    number = real_number_argument(name, value, lowest=0, highest=highest)
    if number == 0:
        raise CodecError(f"{name} is {shown(value)}; allowed is a finite number above 0")
    return number


def whole_numbers_argument(name: str, value: object, count: int | None = None) -> tuple[int, ...]:
    """A tuple of ints, so many of them (None: any number), of any sequence of integers."""
    try:
        numbers = tuple(plain_values.whole_number(name, one, -(1 << 63), 1 << 63) for one in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):  # no sequence, or not of integers
        numbers = None
    if numbers is None or (count is not None and len(numbers) != count):
        raise CodecError(f"{name} is {shown(value)}; allowed are {'' if count is None else f'{count} '}whole numbers")
    return numbers


def flag_argument(name: str, value: object) -> bool:
    """True or False, also numpy's."""
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):
        raise CodecError(f"{name} is {shown(value)}; allowed are True and False")
    return bool(value)


def choice_argument(name: str, value: object, allowed: Sequence[Word]) -> Word:
    """The one of `allowed` that `value` equals: a word, or a whole number of any library (16.0 is not 16)."""
    for one in allowed:
        if isinstance(value, str) and value == one:
            return one
        if isinstance(one, int) and _equals(value, one):
            return one
    raise CodecError(f"{name} is {shown(value)}; allowed are {', '.join(map(repr, allowed))}")


def optional_choice_argument(name: str, value: object, allowed: Sequence[Word]) -> Word | None:
    """As `choice_argument`, or None."""
    if value is None:
        return None
    try:
        return choice_argument(name, value, allowed)
    except CodecError:
        words = ", ".join(map(repr, (None, *allowed)))
        raise CodecError(f"{name} is {shown(value)}; allowed are {words}") from None


def typed_argument(name: str, value: object, kinds: type[T] | tuple[type[T], ...], allowed: str) -> T:
    """`value`, which is of one of these types; `allowed` names them."""
    if not isinstance(value, kinds):
        raise CodecError(f"{name} is {shown(value)}; allowed is {allowed}")
    return value


def items_of_argument(name: str, value: Iterable[T]) -> Iterator[T]:
    """An iterator over several values; a single one, or a text, is none."""
    try:
        if not isinstance(value, str | bytes):
            return iter(value)
    except TypeError:
        pass
    raise CodecError(f"{name} is {shown(value)}; allowed are several, such as a list")


def is_path_argument(value: object) -> bool:
    """Whether `value` is meant as a path: a string or `os.PathLike`."""
    return isinstance(value, str | os.PathLike)


def path_argument(name: str, value: object) -> Path:
    """The path of a string or `os.PathLike`."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text or not text:
        raise CodecError(f"{name} is {shown(value)}; allowed is a path: a string or pathlib.Path")
    return Path(text)


def name_argument(name: str, value: object) -> str:
    """A string."""
    return typed_argument(name, value, str, "a string")


def text_argument(name: str, value: object) -> str:
    """A string, or a path as one: the name of a model, say."""
    return str(path_argument(name, value)) if isinstance(value, os.PathLike) else name_argument(name, value)


def bytes_argument(name: str, value: object) -> bytes:
    """Bytes of any buffer of single bytes: a bytearray, a memoryview, a uint8 array of one axis."""
    try:
        return plain_values.plain_bytes(name, value)
    except ArgumentError as err:
        raise CodecError(str(err)) from None


def read_bytes_argument(name: str, value: object) -> bytes:
    """As `bytes_argument`, or all bytes of the file at a path. Raises also `OSError`."""
    if is_path_argument(value):
        return path_argument(name, value).read_bytes()
    try:
        return plain_values.plain_bytes(name, value)
    except ArgumentError:
        raise CodecError(f"{name} is {shown(value)}; allowed are bytes, bytearray, memoryview, and a path") from None


def file_argument(name: str, value: object) -> BinaryIO:
    """A file that is open for reading bytes."""
    if isinstance(value, io.TextIOBase):
        raise CodecError(f'{name} is a file that is open as text; open it as bytes: open(path, "rb")')
    if not callable(getattr(value, "read", None)):
        raise CodecError(f"{name} is {shown(value)}; allowed is a path or a file that is open for reading bytes")
    return value  # type: ignore[return-value]


def writable_file_argument(name: str, value: object) -> BinaryIO:
    """A file that is open for writing bytes."""
    if isinstance(value, io.TextIOBase) or not callable(getattr(value, "write", None)):
        raise CodecError(f"{name} is {shown(value)}; allowed is a file that is open for writing bytes")
    return value  # type: ignore[return-value]


@contextmanager
def opened_argument(name: str, value: object) -> Iterator[bytes | BinaryIO]:
    """Bytes, an open file as it is, or the file at a path, which is closed at the end. Raises also `OSError`."""
    if is_path_argument(value):
        with path_argument(name, value).open("rb") as file:
            yield file
    else:
        yield bytes_or_file_argument(name, value)


def bytes_or_file_argument(name: str, value: object) -> bytes | BinaryIO:
    """Bytes, or an open file as it is; of a path all bytes of the file. Raises also `OSError`."""
    return file_argument(name, value) if hasattr(value, "read") else read_bytes_argument(name, value)


def settle_arguments(instance: Any, **values: object) -> None:
    """Set fields of a frozen dataclass to the plain values of what was passed, in its `__post_init__`."""
    for name, value in values.items():
        object.__setattr__(instance, name, value)


def _equals(value: object, number: int) -> bool:
    try:
        return plain_values.whole_number("", value, number, number) == number
    except ArgumentError:
        return False
