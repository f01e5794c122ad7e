"""Packs that were killed at random moments end as if nothing had happened: `LACONIC_KILLS` says how often, 5 if not set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_engines import ThreadEngine, WorkerEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions

OPTIONS = PackIndexOptions(size=32, shard_samples=4)
# Forks a copy of itself that packs, and kills it some time later, whatever it is doing then.
PACK_AND_KILL = """
import os, signal, sys, time
import numpy as np
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
source, output, count = sys.argv[1:]
options = PackIndexOptions(size=32, shard_samples=4)
archive.pack(source, output + "-warm", options, engine=ThreadEngine(1))
start = time.monotonic()
archive.pack(source, output + "-timed", options, engine=ThreadEngine(1))
whole = time.monotonic() - start
random, killed = np.random.default_rng(1), 0
for number in range(int(count)):
    child = os.fork()
    if not child:
        archive.pack(source, f"{output}-{number}", options, engine=ThreadEngine(1))
        os._exit(0)
    time.sleep(random.uniform(0, 1.2 * whole))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    killed += os.WIFSIGNALED(status)
print(killed)
"""


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred pictures in two classes, of which one in a hundred is broken."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(8)
    for name in ("a", "b"):
        (root / name).mkdir()
        for i in range(100):
            PillowImage.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(root / name / f"{i}.png")
        data = (root / name / "50.png").read_bytes()
        (root / name / "50.png").write_bytes(data[: len(data) // 2])
    return root


@pytest.mark.skipif(sys.platform == "win32", reason="forks, and kills by a signal")
def test_a_pack_killed_at_any_moment_is_finished_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    count = int(os.environ.get("LACONIC_KILLS", "5"))
    command = [sys.executable, "-c", PACK_AND_KILL, str(folder), str(tmp_path / "out"), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert 0 <= int(done.stdout) <= count
    expected = files_of(tmp_path / "out-warm")
    assert len(expected) == 52 and files_of(tmp_path / "out-timed") == expected
    for number in range(count):
        archive.pack(folder, tmp_path / f"out-{number}", OPTIONS, engine=ThreadEngine(1))
        assert files_of(tmp_path / f"out-{number}") == expected


def test_one_broken_file_in_a_hundred_costs_no_other(folder: Path, tmp_path: Path) -> None:
    index = archive.pack(folder, tmp_path / "out", OPTIONS, engine=WorkerEngine(2))
    assert [source for source, _ in index.skipped] == ["a/50.png", "b/50.png"]
    assert len(index) == 198 and all(why for _, why in index.skipped)
