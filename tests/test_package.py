"""What is installed and what is published: a wheel and a source archive, built here and looked into."""

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# With the build tools at hand nothing is downloaded; without them the build fetches them, as an installation does.
HAS_TOOLS = all(importlib.util.find_spec(name) for name in ("scikit_build_core", "nanobind"))


def run(*command: str) -> None:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if HAS_TOOLS else []
    build_dir = f"build-dir={folder / 'build'}"
    run("pip", "wheel", "--quiet", "--no-deps", *isolation, "-C", build_dir, "-w", str(folder), str(ROOT))
    (wheel,) = folder.glob("laconic-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def sdist_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("sdist")
    isolation = ["--no-isolation"] if HAS_TOOLS else []
    run("build", "--sdist", *isolation, "-o", str(folder), str(ROOT))
    (sdist,) = folder.glob("laconic-*.tar.gz")
    with tarfile.open(sdist) as archive:
        return [name.split("/", 1)[1] for name in archive.getnames() if "/" in name]


def test_wheel_holds_every_module(wheel_names: list[str]) -> None:
    modules = [
        p.relative_to(ROOT).as_posix() for layer in ("entropy", "codecs", "tasks") for p in (ROOT / layer).rglob("*.py")
    ]
    assert not [name for name in modules if f"laconic/{name}" not in wheel_names]


@pytest.mark.parametrize(
    "name",
    [
        "laconic/entropy/SPEC.md",
        "laconic/entropy/_native.pyi",
        "laconic/codecs/_native.pyi",
        "laconic/entropy/py.typed",
        "laconic/codecs/py.typed",
        "laconic/tasks/py.typed",
        "laconic/codecs/models/rgb.safetensors",
        "laconic/codecs/models/grey.safetensors",
        "laconic/codecs/models/README.md",
    ],
)
def test_wheel_holds_what_is_read_at_run_time(name: str, wheel_names: list[str]) -> None:
    assert name in wheel_names


@pytest.mark.parametrize("layer", ["entropy", "codecs"])
def test_wheel_holds_the_extensions(layer: str, wheel_names: list[str]) -> None:
    start = f"laconic/{layer}/_native."
    found = [name for name in wheel_names if name.startswith(start) and name.endswith((".so", ".pyd"))]
    assert len(found) == 1


def test_wheel_holds_nothing_else(wheel_names: list[str]) -> None:
    """One namespace, no tests, no sources of the extensions, no caches."""
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"laconic"}
    assert "laconic/__init__.py" not in wheel_names
    assert not [name for name in wheel_names if name.endswith((".hpp", ".cpp", ".pyc", ".tmp"))]
    assert not [name for name in wheel_names if {"native", "tests", "benchmarks", "__pycache__"} & set(name.split("/"))]


def test_wheel_carries_the_licence(wheel_names: list[str]) -> None:
    assert [name for name in wheel_names if name.endswith("LICENSE")]


@pytest.mark.parametrize(
    "name",
    [
        "pyproject.toml",
        "CMakeLists.txt",
        "LICENSE",
        "README.md",
        "entropy/SPEC.md",
        "entropy/rans.py",
        "entropy/native/rans.hpp",
        "entropy/native/bindings.cpp",
        "codecs/native/bindings.cpp",
        "codecs/models/rgb.safetensors",
        "tests/test_package.py",
    ],
)
def test_source_archive_holds_the_sources(name: str, sdist_names: list[str]) -> None:
    assert name in sdist_names


def test_source_archive_holds_no_results_and_no_build(sdist_names: list[str]) -> None:
    unwanted = ("benchmarks/results", "build", "dist", ".venv", "demo_output", ".ci")
    assert not [name for name in sdist_names for start in unwanted if name == start or name.startswith(start + "/")]
    assert not [name for name in sdist_names if name.endswith((".so", ".pyc"))]
