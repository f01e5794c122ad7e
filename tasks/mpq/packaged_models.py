"""Model files that other packages carry, found without importing those packages, which would import all they depend on."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from laconic.codecs.errors import MissingDependencyError


def packaged_file(package: str, name: str, *, install: str) -> Path:
    """The file `name` in the folder of an installed package. Raises `MissingDependencyError`, with how to `install` it."""
    spec = find_spec(package)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()] if spec is not None else []
    if not folders:
        raise MissingDependencyError(f"{package}, which carries {name}, is not installed; install it: {install}")
    path = folders[0] / name
    if not path.is_file():
        raise MissingDependencyError(f"{package} in {folders[0]} has no {name}; install a release that has: {install}")
    return path
