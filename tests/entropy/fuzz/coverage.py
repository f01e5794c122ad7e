"""Prints which lines of the native coder the committed fuzz corpus reaches: `make fuzz-coverage`.

usage: coverage.py BUILD_FOLDER [--corpus FOLDER] [--missing]

Builds the C++ targets with gcc's line counters, replays the corpus with every set of kernels, and adds up what gcov counts;
then does the same for the parser of .lcn files, which is Python. Ends with 1 where a needed file is below 95 %.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NATIVE = ROOT / "entropy" / "native"
TARGETS = ("static_decode", "indexed_decode", "round_trip", "packets", "context_decode", "subband_decode")
NEEDED = (
    "rans.hpp",
    "packets.hpp",
    "packet_layout.hpp",
    "job_groups.hpp",
    "blocks.hpp",
    "contexts.hpp",
    "contexts.inc",
    "context_coder.hpp",
    "context_network.hpp",
    "network.inc",
    "avx2_network.hpp",
    "avx512_network.hpp",
    "subbands.hpp",
    "subband_contexts.hpp",
    "subband_coder.hpp",
    "portable.cpp",
    "avx2.cpp",
    "avx512_decode.cpp",
    "avx512_encode.cpp",
    "avx512_lanes.hpp",
    "avx512_search.hpp",
)
LEAST_PERCENT = 95.0

Lines = dict[str, dict[int, int]]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def counted_lines(build: Path) -> Lines:
    """Executions of each line by file name; the copies of a header or template are added up."""
    lines: Lines = defaultdict(lambda: defaultdict(int))
    for notes in sorted(build.rglob("*.gcda")):
        run("gcov", "--json-format", notes, cwd=notes.parent)
        for report in notes.parent.glob("*.gcov.json.gz"):
            for file in json.loads(gzip.decompress(report.read_bytes()))["files"]:
                path = Path(file["file"])
                if "native" in path.parts and "tests" not in path.parts:
                    for line in file["lines"]:
                        lines[path.name][line["line_number"]] += line["count"]
            report.unlink()
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--corpus", type=Path, default=HERE / "corpus")
    parser.add_argument("--missing", action="store_true", help="print the lines that were not reached")
    arguments = parser.parse_args()
    build: Path = arguments.build.resolve()
    run("cmake", "-S", ROOT, "-B", build, "-DLACONIC_CPP_TESTS=ON", "-DLACONIC_CHECKED_BY=coverage")
    run("cmake", "--build", build, "--parallel")
    for notes in build.rglob("*.gcda"):
        notes.unlink()
    for target in TARGETS:
        print(f"{target}: {run(build / f'replay_{target}', arguments.corpus / target).strip()}")
    is_low = False
    for name, counts in sorted(counted_lines(build).items()):
        missing = sorted(number for number, count in counts.items() if count == 0)
        percent = 100 * (1 - len(missing) / len(counts))
        is_low |= name in NEEDED and percent < LEAST_PERCENT
        mark = " (needed: 95 %)" if name in NEEDED else ""
        print(f"{name:18} {len(counts) - len(missing):5} of {len(counts):5} lines {percent:6.1f} %{mark}")
        if arguments.missing and missing:
            print("    not reached:", *missing)
    print(run(sys.executable, HERE / "fuzz_container.py", "--lines", arguments.corpus / "container").strip())
    return int(is_low)


if __name__ == "__main__":
    sys.exit(main())
