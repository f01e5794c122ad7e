"""One process at a time in a folder, and nothing left of one that died."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from laconic.tasks.datasets.folder_lock import LOCK_NAME, FolderBusyError, folder_lock

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom laconic.tasks.datasets.folder_lock import folder_lock\n"
    "with folder_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
)


def test_a_second_call_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new"):
        with (
            pytest.raises(FolderBusyError, match=r"another process packs into .*new; wait"),
            folder_lock(tmp_path / "new"),
        ):
            pass
        assert (tmp_path / "new" / LOCK_NAME).exists()
    assert list((tmp_path / "new").iterdir()) == []
    with folder_lock(tmp_path / "new"), folder_lock(tmp_path / "other"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal")
def test_a_dead_process_holds_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        with pytest.raises(FolderBusyError), folder_lock(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / LOCK_NAME).exists()
        with folder_lock(tmp_path):
            pass
    assert not (tmp_path / LOCK_NAME).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be removed there")
def test_a_lock_on_a_file_that_was_removed_counts_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another ends, and removes the file, after we have opened it."""
    from laconic.tasks.datasets import folder_lock as module

    lock, removed = module._lock, []

    def lock_late(number: int) -> None:
        if not removed:
            (tmp_path / LOCK_NAME).unlink()
            removed.append(number)
        lock(number)

    monkeypatch.setattr(module, "_lock", lock_late)
    with folder_lock(tmp_path), pytest.raises(FolderBusyError), folder_lock(tmp_path):
        pass
    assert removed
