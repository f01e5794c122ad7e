"""The C++ tests of the core and its fuzz targets, built with the address and undefined-behaviour sanitizers and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "cpp_tests"  # kept, since compiling takes a minute
CORPUS = Path(__file__).parent / "fuzz" / "corpus"
MUTATIONS = {  # a few seconds each
    "static_decode": 5000,
    "indexed_decode": 4000,
    "round_trip": 1000,
    "packets": 4000,
    "context_decode": 1500,
}

pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake on the PATH")


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def programs() -> Path:
    run("cmake", "-S", ROOT, "-B", BUILD, "-DLACONIC_CPP_TESTS=ON")
    run("cmake", "--build", BUILD, "--parallel")
    return BUILD


def test_core_passes_its_tests_under_sanitizers(programs: Path) -> None:
    output = run(programs / "test_core")
    assert "all tests of the core passed" in output
    print(output)  # which instruction sets were tested


@pytest.mark.parametrize("target", MUTATIONS)
def test_fuzz_corpus_and_mutations_of_it_pass_under_sanitizers(programs: Path, target: str) -> None:
    inputs = len(list((CORPUS / target).iterdir()))
    output = run(programs / f"replay_{target}", CORPUS / target, str(MUTATIONS[target]))
    assert output.startswith(f"{inputs} inputs and {MUTATIONS[target]} mutations")


def test_committed_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 200_000 + 4096 * len(list(CORPUS.iterdir()))
