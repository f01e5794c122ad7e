"""The C++ tests of the core, built with the address and undefined-behaviour sanitizers and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake on the PATH")
def test_core_passes_its_tests_under_sanitizers(tmp_path: Path) -> None:
    build = tmp_path / "build"
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(build), "-DLACONIC_CPP_TESTS=ON"],
        ["cmake", "--build", str(build)],
        [str(build / "test_core")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "all tests of the core passed" in done.stdout
