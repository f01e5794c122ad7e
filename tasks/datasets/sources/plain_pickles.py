"""The pickles that CIFAR comes in, read as data: dictionaries, lists, texts, numbers and arrays of bytes.

A pickle is a program, which may call anything; Python's reader runs it. This one runs nothing: `pickletools` names the
steps, and the few that build plain values are done here on a stack. The only names a file may use are those by which numpy
writes an array of bytes, and even these are never called. Long strings of bytes stay in the file: only where they are is
kept. Anything else is refused with its name.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from laconic.codecs.errors import CodecError

_LONG = 1 << 12  # bytes, from which a string stays in the file
_MOST_STEPS = 1 << 24
_MARK = object()
_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_FROM_BUFFER = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
_NAMES = (*_RECONSTRUCT, *_FROM_BUFFER, "numpy ndarray", "numpy dtype")
# Bytes from a step to the data of its string.
_BYTES_BEFORE = {"BINSTRING": 5, "BINBYTES": 5, "BINBYTES8": 9, "BYTEARRAY8": 9, "BINUNICODE": 5}
_STRINGS = (*_BYTES_BEFORE, "SHORT_BINSTRING", "SHORT_BINBYTES", "SHORT_BINUNICODE", "STRING", "UNICODE", "BINUNICODE8")
_NUMBERS = ("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT", "FLOAT")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NEW: Mapping[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS, _GETS = ("BINPUT", "LONG_BINPUT", "PUT"), ("BINGET", "LONG_BINGET", "GET")
_IDLE = ("PROTO", "FRAME", "READONLY_BUFFER")


@dataclass(frozen=True)
class PickledBytes:
    """A long string of bytes: where it is in the file."""

    offset: int
    num_bytes: int


@dataclass
class PickledArray:
    """An array of bytes in rows, as numpy writes it; filled when its state is read."""

    shape: tuple[int, ...] = ()
    data: Any = None


@dataclass(frozen=True)
class _PickledType:
    name: str


@dataclass(frozen=True)
class _PickledName:
    name: str


def read_plain_pickle(file: BinaryIO, name: str) -> Any:
    """What an open file says; texts of Python 2 as `str`. `name` is that of the file for messages. Raises `CodecError`
    for a pickle of anything else, and for a damaged one."""
    machine = _Machine()
    try:
        for count, (step, argument, place) in enumerate(pickletools.genops(file)):
            if step.name == "STOP":
                return machine.result()
            if count >= _MOST_STEPS:
                raise CodecError(f"{name} is a pickle of more than {_MOST_STEPS} steps; allowed are batches of CIFAR")
            machine.step(step.name, argument, place or 0)
    except _RefusedError as err:
        raise CodecError(
            f"{name} is a pickle that {err}, so it was not read: a pickle can run any program; allowed are "
            "dictionaries, lists, texts, numbers and numpy arrays of bytes"
        ) from err
    except CodecError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError) as err:
        raise CodecError(f"{name} is no pickle, or a damaged one: {err}; copy the file again") from err
    raise CodecError(f"{name} is a pickle without an end; copy the file again")


class _RefusedError(Exception):
    """What a pickle asks for that is not plain data."""


class _Machine:
    """The stack and memory that the steps of a pickle speak of."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memory: dict[int, Any] = {}

    def step(self, name: str, argument: Any, place: int) -> None:
        """One step. Raises `_RefusedError`, or what a damaged one leads to."""
        if name in _IDLE:
            return
        if name in _PUTS:
            self._memory[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self._memory[len(self._memory)] = self.stack[-1]
        elif name in ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "BUILD"):
            self._fill(name)
        else:
            self.stack.append(self._value(name, argument, place))

    def result(self) -> Any:
        """What the stack holds at the end."""
        return self._popped(1)[0]

    def _value(self, name: str, argument: Any, place: int) -> Any:
        if name in _STRINGS:
            return _string(name, argument, place)
        if name in _NUMBERS:
            return argument
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name in _NEW:
            return _NEW[name]()
        if name in _GETS:
            return self._memory[argument]
        return self._compound(name, argument)

    def _compound(self, name: str, argument: Any) -> Any:
        if name == "MARK":
            return _MARK
        if name in _TUPLES:
            return tuple(self._popped(_TUPLES[name]))
        if name in ("TUPLE", "LIST", "DICT"):
            items = self._marked()
            return tuple(items) if name == "TUPLE" else items if name == "LIST" else _pairs(items)
        if name == "GLOBAL":
            return _allowed(argument)
        if name == "STACK_GLOBAL":
            return _allowed(" ".join(map(str, self._popped(2))))
        if name == "REDUCE":
            return _array_or_type(*self._popped(2))
        raise _RefusedError(f"has the step {name}")

    def _fill(self, name: str) -> None:
        """Add to what is below on the stack, or set its state."""
        items = self._marked() if name in ("APPENDS", "SETITEMS") else self._popped(2 if name == "SETITEM" else 1)
        target = self.stack[-1]
        if name == "BUILD":
            _set_state(target, items[0])
        elif isinstance(target, list) and name.startswith("APPEND"):
            target += items
        elif isinstance(target, dict) and name.startswith("SETITEM"):
            target.update(_pairs(items))
        else:
            raise ValueError(f"{name} of a {type(target).__name__}")

    def _popped(self, count: int) -> list[Any]:
        items = self.stack[len(self.stack) - count :]
        if len(items) < count or any(item is _MARK for item in items):
            raise ValueError("the stack is empty")
        del self.stack[-count:]
        return items

    def _marked(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]


def _string(name: str, argument: Any, place: int) -> Any:
    if name in _BYTES_BEFORE and len(argument) >= _LONG and name != "BINUNICODE":
        return PickledBytes(place + _BYTES_BEFORE[name], len(argument))
    return argument.decode("latin-1") if isinstance(argument, bytes | bytearray) else argument


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if not all(isinstance(key, str | int) for key in items[::2]):  # others may be as deep as to overflow the stack
        raise ValueError("a key is no text or number")
    return dict(zip(items[::2], items[1::2], strict=True))


def _allowed(name: str) -> _PickledName:
    if name not in _NAMES:
        raise _RefusedError(f"names {name.replace(' ', '.')}")
    return _PickledName(name)


def _array_or_type(function: Any, arguments: Any) -> Any:
    """What numpy's functions would make of these arguments, as a description."""
    name = function.name if isinstance(function, _PickledName) else ""
    if name in _RECONSTRUCT:
        return PickledArray()
    if name == "numpy dtype":
        return _PickledType(str(arguments[0]))
    if name in _FROM_BUFFER:
        array = PickledArray()
        data, kind, shape, order = arguments
        _set_state(array, (1, shape, kind, order == "F", data))
        return array
    raise _RefusedError(f"calls {name or type(function).__name__}")


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, _PickledType):
        return  # the order of its bytes, which single bytes have none of
    if not isinstance(target, PickledArray):
        raise _RefusedError(f"sets the state of a {type(target).__name__}")
    _, shape, kind, is_by_columns, data = state
    if not isinstance(kind, _PickledType) or kind.name not in ("u1", "|u1", "uint8") or is_by_columns:
        raise _RefusedError(f"has an array of {kind.name if isinstance(kind, _PickledType) else 'objects'} ")
    if not isinstance(shape, tuple) or not all(type(size) is int for size in shape):
        raise ValueError("a shape is not of numbers")
    target.shape, target.data = shape, data
