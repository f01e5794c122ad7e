"""What bench_speed.py runs as a process of its own: `laconic` with these arguments; then it prints the peak memory.

The peak is this process's alone: `getrusage` on Linux counts what its parent held when it was started.
"""

import resource
import sys
from pathlib import Path

from laconic.tasks.cli import main as command_line


def main() -> None:
    sys.argv[0] = "laconic"
    try:
        command_line()
    except SystemExit as done:
        if done.code:
            raise
    print(_peak_bytes())


def _peak_bytes() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
