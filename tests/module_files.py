"""Python files of the tests that lie outside the paths that modules are imported from."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent


def load_module(relative: str) -> ModuleType:
    """The module of a file, by its path from the folder of the tests; the same one each time."""
    path = FOLDER / relative
    name = f"laconic_tests_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
