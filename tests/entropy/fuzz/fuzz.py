"""Fuzzes every target with libFuzzer under ASan and UBSan (`make fuzz`), or renews the corpus that git keeps.

usage: fuzz.py run SECONDS          each target for so long; new inputs stay in build/fuzz/found, crashes in build/fuzz
       fuzz.py corpus               seeds and all that was found, cut down to what reaches the same code

The C++ targets need clang; that of the container is Python and needs atheris.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CORPUS = HERE / "corpus"
BUILD = ROOT / "build" / "fuzz"
TARGETS = ("static_decode", "indexed_decode", "round_trip", "packets", "context_decode", "subband_decode", "container")
COMPILERS = ("clang++", *(f"clang++-{version}" for version in range(21, 13, -1)))
# Inputs are short, so that a second tries many; a corpus in git is to stay below 200 kB.
LIMITS = ("-timeout=20", "-rss_limit_mb=3000", "-max_len=8192")
MAX_COMMITTED_BYTES = 2000


def run(command: list[str | Path], log: Path | None = None, **environment: str) -> str:
    """What a command prints. Ends the program where it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if log is not None:
        log.write_text(done.stdout)
    if done.returncode:
        sys.exit(f"{done.stdout[-6000:]}\nfailed: {' '.join(map(str, command))}")
    return done.stdout


def compiler() -> str:
    """A clang with libFuzzer and the sanitizers."""
    found = os.environ.get("CLANG") or next(filter(shutil.which, COMPILERS), None)
    if found is None:
        sys.exit("libFuzzer needs clang: apt-get install clang-14 libclang-rt-14-dev, or set CLANG")
    probe = "-x c++ - -fsanitize=fuzzer,address,undefined -o /dev/null".split()
    source = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'
    if subprocess.run([found, *probe], input=source, text=True, capture_output=True, check=False).returncode:
        sys.exit(f"{found} has no libFuzzer: apt-get install libclang-rt-14-dev, or that of its version")
    return found


def build() -> None:
    options = ["-DLACONIC_CPP_TESTS=ON", "-DLACONIC_CHECKED_BY=fuzzer"]
    run(["cmake", "-S", ROOT, "-B", BUILD, *options], CXX=compiler())
    run(["cmake", "--build", BUILD, "--parallel"])


def fuzzer(target: str) -> list[str | Path]:
    """The command that takes libFuzzer's options."""
    if target == "container":
        return [sys.executable, HERE / "fuzz_container.py"]
    return [BUILD / f"fuzz_{target}"]


def folder(*parts: str, empty: bool = False) -> Path:
    path = BUILD.joinpath(*parts)
    if empty:
        shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, exist_ok=True)
    return path


def can_run(target: str) -> bool:
    if target != "container" or importlib.util.find_spec("atheris"):
        return True
    print(f"container: not run, {sys.executable} -m pip install atheris")
    return False


def fuzz(seconds: int) -> None:
    """All targets, one after the other."""
    for target in filter(can_run, TARGETS):
        options = [*LIMITS, f"-max_total_time={seconds}", f"-artifact_prefix={BUILD}/{target}-"]
        folders = [folder("found", target), CORPUS / target]
        output = run([*fuzzer(target), *options, *folders], log=BUILD / f"{target}.log")
        (count,) = re.findall(r"^Done (\d+) runs", output, re.MULTILINE)
        print(f"{target}: {count} inputs in {seconds} s, {len(list(folders[0].iterdir()))} of them new, no finding")


def renew_corpus() -> None:
    """Replace the inputs in git by the fewest that reach what all inputs at hand do."""
    for target in TARGETS:
        seeds, least = folder("seeds", target, empty=True), folder("least", target, empty=True)
        sources = [path for path in (seeds, folder("found", target), CORPUS / target) if path.is_dir()]
        if target == "container":
            run([*fuzzer(target), "--make-corpus", seeds])
            run([*fuzzer(target), "--reduce", least, *sources])
        else:
            run([BUILD / f"replay_{target}", "--make-corpus", seeds])
            # By lines, not by how often each is run.
            merge = ["-set_cover_merge=1", "-use_counters=0", f"-max_len={MAX_COMMITTED_BYTES}"]
            run([*fuzzer(target), *merge, least, *sources], log=BUILD / f"{target}.log")
        shutil.rmtree(CORPUS / target, ignore_errors=True)
        shutil.copytree(least, CORPUS / target)
        sizes = [path.stat().st_size for path in least.iterdir()]
        print(f"{target}: {len(sizes)} inputs, {sum(sizes)} bytes")


def main() -> None:
    match sys.argv[1:]:
        case ["run", seconds]:
            build()
            fuzz(int(seconds))
        case ["corpus"]:
            build()
            renew_corpus()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
