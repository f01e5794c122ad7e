"""Functions of one's own by name, "module:function"."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from laconic.codecs.errors import CodecError, sentence_of_error


def is_function_name(text: str) -> bool:
    """Whether it can be one.

    >>> is_function_name("package.module:function"), is_function_name("model.pt")
    (True, False)
    """
    return all(part.isidentifier() for part in text.replace(":", ".").split(".")) and text.count(":") == 1


@lru_cache(maxsize=2)
def named_function(text: str, arguments: str) -> Callable[..., Any]:
    """The function of this name; `arguments` says what it takes. Raises `CodecError` where there is none."""
    module, _, name = text.partition(":")
    try:
        imported = importlib.import_module(module)
    except Exception as err:  # code of others
        raise CodecError(
            f"{text} cannot be imported: {sentence_of_error(err, is_ours=False)}; is it on PYTHONPATH?"
        ) from err
    if not hasattr(imported, name):
        raise CodecError(f"{text} cannot be imported: module {module} has no {name}; name one of its functions")
    found = getattr(imported, name)
    if not callable(found):
        raise CodecError(f"{text} is of type {type(found).__name__}; allowed is a function of {arguments}")
    return cast("Callable[..., Any]", found)
