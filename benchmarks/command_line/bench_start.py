"""How long the command line takes to start: whole processes, from their start to their end.

    python benchmarks/command_line/bench_start.py [--rounds N] [--picture FILE] [--reason TEXT]

Rows "start": `laconic --help`, `laconic info` of a small file and `laconic encode` of a small picture, each as installed,
beside a Python that does nothing and one that only imports numpy, which are the least that such a command can take. The
processes alternate (turns.py); one of less than a tenth of a second runs twice and the second run counts. Timed: start of
the process, imports, work, files in the system's cache. Not timed: the first round, which compiles modules. Processor time
is that of the process and stands beside, as it is nearly the same on a busy machine. A minute on an idle one.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
from turns import in_turns

PICTURE = common.BENCHMARKS.parent / "tests" / "data" / "kodim05_crop.png"
LACONIC = Path(sys.executable).with_name("laconic")
ENOUGH_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=common.RESULTS / "start.jsonl", help="file to write the rows to")
    parser.add_argument("--picture", type=Path, default=PICTURE, help="the picture to encode")
    parser.add_argument("--rounds", type=int, default=40, help="runs of each process")
    parser.add_argument("--reason", default="unstated", help="why this run is made")
    options = parser.parse_args()
    common.pin_to_one_core()
    with tempfile.TemporaryDirectory() as folder:
        rows = start_rows(options.picture, Path(folder), options.rounds)
    source = common.provenance(options.reason)
    common.write_rows(options.out, [row | source for row in rows])
    for row in rows:
        print(f"{row['command']:28} {row['milliseconds']}, of the processor {row['processor_milliseconds']}")


def start_rows(picture: Path, folder: Path, num_rounds: int) -> list[common.Row]:
    target, info = folder / "x.lcn", folder / "info.lcn"
    encode = [str(LACONIC), "encode", str(picture), "--force", "--quiet", "-o"]
    _run([*encode, str(info)], [])
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        'python -c "import numpy"': [sys.executable, "-c", "import numpy"],
        "laconic --help": [str(LACONIC), "--help"],
        "laconic info FILE": [str(LACONIC), "info", str(info)],
        "laconic encode PICTURE": [*encode, str(target)],
    }
    used: dict[str, list[float]] = {label: [] for label in commands}
    tasks = {label: [partial(_run, command, used[label])] for label, command in commands.items()}
    in_turns(tasks, num_rounds=1)
    for seconds in used.values():
        seconds.clear()
    found = in_turns(tasks, num_rounds=num_rounds, enough_seconds=ENOUGH_SECONDS)
    return [
        {"kind": "start", "command": label, "runs": spread.num_runs, "milliseconds": spread.times(1000, 1)}
        | {"processor_milliseconds": round(1000 * statistics.median(used[label]), 1)}
        for label, spread in found.items()
    ]


def _run(command: list[str], processor_seconds: list[float]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    processor_seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
