"""The types of arrays in signatures, checked at every call while tests run.

`Float[NDArray[np.float32], "c h w"]` says of an argument or a result what it says in jaxtyping: numbers of a kind, and
axes, of which those with one name have one size within a call. To that the array type adds the exact dtype. Items of a
sequence, a mapping or a `tuple[x, ...]` are bound each on its own: pictures of a list may differ in height. Generators
and what is callable are not looked into, and a call that raised is not checked: wrong input gets the errors of the
package.

Names of jaxtyping stand under TYPE_CHECKING, so that nobody loads it who runs no tests; here they are resolved.
"""

from __future__ import annotations

import ast
import functools
import importlib.abc
import inspect
import re
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Annotated, Any

import jaxtyping
import numpy as np

_KINDS = {n: k for n, k in vars(jaxtyping).items() if isinstance(k, type) and issubclass(k, jaxtyping.AbstractDtype)}
_MENTIONS_KIND = re.compile(rf"\b({'|'.join(_KINDS)})\[")
# What holds arrays as they are given: who codes the messages, and the model of the leaves, refuse wrong ones.
_HOLDERS = ("RansMessage.__init__", "FixedLeaf.__init__")
# Functions are first called in threads, and CPython 3.11 counts the depth of syntax trees for all of them together.
_PARSING = threading.RLock()
Function = Callable[..., Any]


class ShapeFault(BaseException):
    """An argument or a result is not what the signature says. No `except Exception` takes it for bad input."""


class _Kind:
    """A name of jaxtyping while annotations are resolved: as type checkers see it, and the check beside it."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind

    def __getitem__(self, item: tuple[Any, str]) -> Any:
        array, axes = item
        return Annotated[array, self._kind[Any, axes]]


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules of the package as others do, and has them checked."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        if not name.startswith("laconic."):
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None and str(spec.origin).endswith(".py"):
            spec.loader = CheckedLoader(spec.loader)
        return spec


class CheckedLoader(importlib.abc.Loader):
    """Loads a module as another loader does, such as that of an editable install; its functions check their signatures."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        self._loader.exec_module(module)
        for owner, name, function in functions_of(module):
            is_shaped = any(_MENTIONS_KIND.search(str(hint)) for hint in function.__annotations__.values())
            if is_shaped and function.__qualname__ not in _HOLDERS:
                setattr(owner, name, _like(vars(owner)[name], _checked(function)))


def install() -> None:
    """From here on every module of the package is checked that was not imported yet."""
    loaded = [name for name in sys.modules if name.startswith("laconic.")]
    assert not loaded, f"imported before the checks of shapes: {loaded}"
    sys.meta_path.insert(0, _Finder())


def functions_of(module: types.ModuleType) -> Iterator[tuple[Any, str, types.FunctionType]]:
    """Functions and methods that a module defines, each with its owner and its name there."""
    for owner in (module, *filter(inspect.isclass, list(vars(module).values()))):
        if owner is not module and owner.__module__ != module.__name__:
            continue
        for name, value in list(vars(owner).items()):
            function = _function_in(value)
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                yield owner, name, function


def hints_of(function: Function) -> dict[str, Any]:
    """The annotations of a function, resolved; those of arrays with axes as `Annotated`, of `*args` as a tuple's."""
    module = sys.modules[function.__module__]
    names = _typing_names(module.__name__)
    texts = inspect.unwrap(function).__annotations__.items()
    hints = {name: eval(text, vars(module), names) if isinstance(text, str) else text for name, text in texts}
    more = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.VAR_POSITIONAL]
    return hints | {name: tuple[hints[name], ...] for name in more if name in hints}


def alternatives(hint: Any) -> tuple[Any, ...]:
    """The parts of a union, or the hint alone."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _function_in(value: Any) -> Any:
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    if isinstance(value, property):
        return value.fget
    return value.func if isinstance(value, functools.cached_property) else value


def _like(value: Any, function: Function) -> Any:
    """The function as the method that `value` is."""
    if isinstance(value, functools.cached_property):
        made = functools.cached_property(function)
        made.__set_name__(type(value), value.attrname)
        return made
    return type(value)(function) if isinstance(value, staticmethod | classmethod | property) else function


@functools.cache
def _typing_names(module_name: str) -> dict[str, Any]:
    """What a module imports for type checkers only."""
    module = sys.modules[module_name]
    names: dict[str, Any] = {}
    with _PARSING:
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for block in tree.body:
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
                exec(compile(ast.Module(block.body, []), str(module.__file__), "exec"), {**vars(module)}, names)
    return {name: _Kind(value) if value in _KINDS.values() else value for name, value in names.items()}


def _checked(function: types.FunctionType) -> Function:
    """The function, which then checks its arguments and its result."""
    signature = inspect.signature(function)
    check = functools.cache(lambda: {name: hint for name, hint in hints_of(function).items() if _has_axes(hint)})

    verify = _verify  # in the closure, as the globals are those of the module

    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        values = signature.bind(*args, **kwargs).arguments
        verify(function, check(), {**values, "return": result})
        return result

    # With the globals of the module, by which doctest knows what belongs to the module.
    made = types.FunctionType(call.__code__, sys.modules[function.__module__].__dict__, None, None, call.__closure__)
    return functools.update_wrapper(made, function)


def _verify(function: Function, hints: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    with jaxtyping.jaxtyped("context"):
        for name, hint in hints.items():
            if name in values and not _fits(values[name], hint):
                annotation = inspect.unwrap(function).__annotations__[name]
                raise ShapeFault(f"{function.__qualname__}: {name} is {_shown(values[name])}, not {annotation}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is what a hint says. What a hint without axes says only arrays can fail."""
    if typing.get_origin(hint) is Annotated:
        return _is_array(value, hint.__origin__) and (_is_symbolic(value) or isinstance(value, hint.__metadata__[0]))
    if not _has_axes(hint):
        return not _is_any_array(value)
    if len(options := alternatives(hint)) > 1:
        return any(_fits(value, option) for option in options)
    return _items_fit(value, typing.get_origin(hint), typing.get_args(hint))


def _items_fit(value: Any, origin: Any, arguments: tuple[Any, ...]) -> bool:
    if origin is tuple and arguments[-1] is not ...:
        pairs = zip(value, arguments, strict=True)
        return all(_fits(item, hint) for item, hint in pairs if _has_axes(hint))
    if isinstance(value, Mapping):
        return all(_fits_alone(item, arguments[1]) for item in value.values())
    if isinstance(value, Sequence):
        return all(_fits_alone(item, arguments[0]) for item in value)
    return True


def _fits_alone(value: Any, hint: Any) -> bool:
    with jaxtyping.jaxtyped("context"):
        return _fits(value, hint)


def _has_axes(hint: Any) -> bool:
    """Whether there is an array with axes to look at; nothing can be seen in an iterator or a callable."""
    if typing.get_origin(hint) is Annotated:
        return True
    containers = (tuple, list, dict, Sequence, Mapping, typing.Union, types.UnionType)
    return typing.get_origin(hint) in containers and any(_has_axes(part) for part in typing.get_args(hint))


def _is_array(value: Any, array_type: Any) -> bool:
    """Whether a value is an array of this type: a union, a class, or numpy's with a dtype."""
    if len(options := alternatives(array_type)) > 1:
        return any(_is_array(value, option) for option in options)
    if typing.get_origin(array_type) is not np.ndarray:
        return isinstance(value, array_type)
    (scalar,) = typing.get_args(typing.get_args(array_type)[1])
    scalar = np.generic if scalar is Any else typing.get_origin(scalar) or scalar
    return isinstance(value, np.ndarray) and issubclass(value.dtype.type, scalar)


def _is_any_array(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(value, np.ndarray) or (torch is not None and isinstance(value, torch.Tensor))


def _is_symbolic(value: Any) -> bool:
    """Whether a tensor has no sizes yet, as while a network is exported."""
    return any(type(size) is not int for size in value.shape)


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {', '.join(map(_shown, value[:8]))}"
    return f"{value.dtype} {tuple(value.shape)}" if _is_any_array(value) else type(value).__name__
