"""The C++ test of the fixed-point transform, built with the address and undefined-behaviour sanitizers and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "cpp_tests"  # that of tests/entropy/test_core.py


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake on the PATH")
def test_fixed_point_transform_passes_its_tests_under_sanitizers() -> None:
    run("cmake", "-S", ROOT, "-B", BUILD, "-DLACONIC_CPP_TESTS=ON")
    run("cmake", "--build", BUILD, "--target", "test_fixed", "--parallel")
    output = run(BUILD / "test_fixed")
    assert "all tests of the fixed-point transform passed" in output
    print(output)  # which instruction sets were tested
