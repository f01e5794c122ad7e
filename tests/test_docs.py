"""Examples in docstrings run; importing a module says nothing and does nothing."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = ("laconic.entropy", "laconic.codecs", "laconic.tasks")


def walk(package: str) -> list[str]:
    """The package and all modules below it."""
    root = importlib.import_module(package)
    below = pkgutil.walk_packages(root.__path__, package + ".")
    return [package, *(info.name for info in below if not info.name.split(".")[-1].startswith("_"))]


MODULES = sorted({name for package in PACKAGES for name in walk(package)})


def test_all_packages_are_walked() -> None:
    expected = {
        "laconic.entropy.rans",
        "laconic.codecs.lcn",
        "laconic.codecs.external.jpeg",
        "laconic.tasks.measures.rate",
    }
    assert expected <= set(MODULES)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_some_examples_were_found() -> None:
    finder = doctest.DocTestFinder()
    modules = (importlib.import_module(name) for name in MODULES)
    examples = [test for module in modules for test in finder.find(module) if test.examples]
    assert len(examples) >= 4


@pytest.mark.parametrize("name", MODULES)
def test_module_has_a_docstring_that_is_a_sentence(name: str) -> None:
    text = (importlib.import_module(name).__doc__ or "").strip()
    assert len(text) > 10
    assert text.endswith((".", ")", ":")) or "\n" in text


def test_imports_print_and_warn_nothing() -> None:
    """All modules one after the other in a fresh process, warnings as errors."""
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in MODULES)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_public_names_of_a_package_exist() -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            assert getattr(module, name) is not None
