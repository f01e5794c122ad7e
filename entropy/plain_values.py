"""What a caller passed as plain numbers and bytes: integers of any library, bytearrays, views. Needs no numpy.

Each function raises `ArgumentError`, one sentence that names what was passed; `laconic.codecs.arguments` has the same for
codecs.
"""

from __future__ import annotations

import math
import operator
from numbers import Real

from laconic.entropy.errors import ArgumentError

_MOST_SHOWN = 60  # characters of a value in a message


def whole_number(name: str, value: object, lowest: int, highest: int | None = None) -> int:
    """`value` as an int from `lowest` to `highest` (None: no end): an int, or an integer of numpy or torch; no bool."""
    number = _integer(value)
    if number is None or number < lowest or (highest is not None and number > highest):
        allowed = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ArgumentError(f"{name} is {shown(value)}; allowed is a whole number {allowed}")
    return number


def real_number(name: str, value: object, *, lowest: float, highest: float = math.inf) -> float:
    """`value` as a finite float (or the int that it is) from `lowest` to `highest`: any real number, no bool."""
    is_number = type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
    try:
        number = float(value) if is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not (lowest <= number <= highest and math.isfinite(number)):
        end = "" if highest == math.inf else f" to {highest:.6g}"
        raise ArgumentError(f"{name} is {shown(value)}; allowed is a finite number from {lowest:.6g}{end}")
    return value if type(value) in (int, float) else number  # type: ignore[return-value]


def plain_bytes(name: str, value: object) -> bytes:
    """`value` as bytes: bytes as they are, a copy of a bytearray, a memoryview, or another buffer of single bytes."""
    if type(value) is bytes:
        return value
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        view = None
    if view is None or view.ndim != 1 or view.format not in ("B", "b", "c"):
        raise ArgumentError(f"{name} is {shown(value)}; allowed are bytes, bytearray and memoryview")
    return view.tobytes()


def shown(value: object) -> str:
    """`value` for a message: one line, not long; an array by its type and shape."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and shape and dtype is not None:
        return f"an array of {dtype}, shape {tuple(shape)}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an int of too many digits, or whatever the value's class does
        text = ""
    return text if 0 < len(text) <= _MOST_SHOWN and " at 0x" not in text else f"a value of type {type(value).__name__}"


def _integer(value: object) -> int | None:
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):  # what arrays and tensors of several values raise
        return None
