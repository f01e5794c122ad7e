"""What the tests of all layers share: the work of a call, counted, since a clock would measure the machine; C++ runs;
signatures of the package are checked while tests run."""

import fcntl
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import shape_checks

ROOT = Path(__file__).parents[1]
CPP_TESTS = ROOT / "build" / "cpp_tests"  # kept, since compiling takes minutes

Call = Callable[[], object]

shape_checks.install()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The one test that takes minutes comes first, so that no worker is left alone with it at the end."""
    items.sort(key=lambda item: item.path.name != "test_types.py")


@dataclass(frozen=True)
class Work:
    """`lines`: of laconic's Python that were run. `allocated_bytes`: by Python and numpy, in all, `peak_bytes` at once.

    What is allocated and freed again line by line, as in a sum over ever longer slices, is in the first and not the second.
    """

    lines: int
    allocated_bytes: int
    peak_bytes: int


class _Memory:
    """What Python and numpy allocate from one look to the next."""

    def __init__(self) -> None:
        self._start = self._before = tracemalloc.get_traced_memory()[0]
        self.allocated_bytes = self.peak_bytes = 0

    def look(self) -> None:
        now, peak = tracemalloc.get_traced_memory()
        self.allocated_bytes += peak - self._before
        self.peak_bytes = max(self.peak_bytes, peak - self._start)
        self._before = now
        tracemalloc.reset_peak()


def _lines_of(call: Call, before_line: Callable[[], None] = lambda: None) -> int:
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            before_line()
        return trace if frame.f_globals.get("__name__", "").startswith("laconic.") else None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(outer)
    return lines


def _work_of(call: Call) -> Work:
    tracemalloc.start()
    try:
        memory = _Memory()
        lines = _lines_of(call, memory.look)
        memory.look()
    finally:
        tracemalloc.stop()
    return Work(lines, memory.allocated_bytes, memory.peak_bytes)


@pytest.fixture(scope="session")
def lines_of() -> Callable[[Call], int]:
    """How many lines of laconic's Python a call runs in this thread."""
    return _lines_of


@pytest.fixture(scope="session")
def work_of() -> Callable[[Call], Work]:
    """What a call does in this thread."""
    return _work_of


@pytest.fixture(scope="session")
def resident_growth_of() -> Callable[[Call], int]:
    """Bytes that a call makes this process larger by at its peak, native memory included; skips where none can tell."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def resident_bytes(name: str) -> int:
        return 1024 * int(status.read_text().partition(f"{name}:")[2].split()[0])

    def growth(call: Call) -> int:
        try:
            reset.write_text("5")  # the peak is what is there now
        except OSError:
            pytest.skip("this system does not tell the peak memory of a part of a run")
        before = resident_bytes("VmRSS")
        call()
        return resident_bytes("VmHWM") - before

    return growth


def _output_of(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def output_of_cpp() -> Callable[..., str]:
    """Builds a C++ program with the address and undefined-behaviour sanitizers, and runs it with arguments."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake on the PATH")

    def output(target: str, *arguments: str | Path) -> str:
        CPP_TESTS.mkdir(parents=True, exist_ok=True)
        with (CPP_TESTS / "lock").open("w") as lock:  # tests may run side by side
            fcntl.flock(lock, fcntl.LOCK_EX)
            _output_of("cmake", "-S", ROOT, "-B", CPP_TESTS, "-DLACONIC_CPP_TESTS=ON")
            _output_of("cmake", "--build", CPP_TESTS, "--target", target, "--parallel", str(os.cpu_count()))
        return _output_of(CPP_TESTS / target, *arguments)

    return output
