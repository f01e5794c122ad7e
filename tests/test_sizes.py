"""Modules and functions stay small enough to be read at once."""

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("entropy", "codecs", "tasks")
MODULES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
SCRIPTS = sorted((ROOT / "benchmarks").rglob("*.py"))
NATIVE = sorted(path for layer in LAYERS for path in (ROOT / layer / "native").glob("*.[ch]pp"))
MOST_LINES, MOST_NATIVE_LINES = 350, 600
# The reader and writer of .lcn is one file on purpose: every length and check of the format at one place.
LONG = {"entropy/container.py"}
# Medians, of which that of functions is what it was before the folders were laid out, and that of modules was 100.
MEDIAN_MODULE, MEDIAN_FUNCTION = 105, 5


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def num_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS], ids=name_of)
def test_python_module_is_short(path: Path) -> None:
    assert num_lines(path) <= MOST_LINES or name_of(path) in LONG


@pytest.mark.parametrize("path", NATIVE, ids=name_of)
def test_native_file_is_short(path: Path) -> None:
    assert num_lines(path) <= MOST_NATIVE_LINES


def test_exceptions_are_needed() -> None:
    assert all(num_lines(ROOT / name) > MOST_LINES for name in LONG)


def test_half_of_the_modules_are_short() -> None:
    assert statistics.median(num_lines(path) for path in MODULES) <= MEDIAN_MODULE


def test_half_of_the_functions_are_no_longer_than_they_were() -> None:
    """Lines of the body, without the docstring."""
    lengths = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lengths.append((body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0)
    assert statistics.median(lengths) <= MEDIAN_FUNCTION
