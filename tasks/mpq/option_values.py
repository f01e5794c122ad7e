"""Several values of one option in a short text: "10|25", "10..90/10", "*", "models/*.safetensors"."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from decimal import Decimal

from laconic.codecs.errors import CodecError
from laconic.codecs.registry import listed_values

ALL = "*"  # every value that the option's type lists
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})/({_NUMBER})")
_RANGE_START = re.compile(rf"{_NUMBER}\.\.")
_MAX_VALUES = 100


def option_values(codec: str, option: str, text: str) -> list[str]:
    """The values that `text` stands for, each once, in their order.

    Parts are separated by "|". A part is a value, a range start..stop/step that holds stop where a step falls on it, "*"
    for all values that the option of this codec lists, or a pattern of paths with a "*" in it. Raises `CodecError`.

    >>> option_values("lcn", "quality", "5|10..35/10|0.5..1/0.25")
    ['5', '10', '20', '30', '0.5', '0.75', '1']
    >>> option_values("jpeg", "subsampling", "*")
    ['4:4:4', '4:2:2', '4:2:0']
    """
    values = [value for part in text.split("|") for value in _values_of(codec, option, part.strip())]
    if len(values) > _MAX_VALUES:
        raise CodecError(f"option {option} has {len(values)} values in {text!r}; allowed are {_MAX_VALUES}")
    return list(dict.fromkeys(values))


def _values_of(codec: str, option: str, part: str) -> Iterator[str]:
    if part == ALL:
        yield from listed_values(codec, option)
    elif "*" in part:
        yield from _paths_of(option, part)
    elif _RANGE_START.match(part):
        yield from _range_of(option, part)
    else:
        yield part


def _paths_of(option: str, pattern: str) -> list[str]:
    if paths := sorted(glob.glob(pattern)):
        return paths
    raise CodecError(f"option {option} is {pattern!r}, which no file has as its path; name files, or all values by '*'")


def _range_of(option: str, text: str) -> list[str]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise CodecError(f"option {option} is {text!r}; allowed is start..stop/step in numbers, as 10..90/10")
    start, stop, step = map(Decimal, found.groups())
    if not step:
        raise CodecError(f"option {option} is {text!r}, a range with step 0; allowed are other steps, as 10..90/10")
    last = (stop - start) / step
    if last < 0:
        raise CodecError(f"option {option} is {text!r}, an empty range; its step must lead from {start} to {stop}")
    if last >= _MAX_VALUES:
        raise CodecError(f"option {option} is {text!r}, more than {_MAX_VALUES} values; choose a larger step")
    return [_plain(start + index * step) for index in range(int(last) + 1)]


def _plain(number: Decimal) -> str:
    """Without zeros at its end behind the point."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
