"""Builds CompressAI's C++ coder without its Python lists, for bench_entropy.py.

    pip download --no-deps --no-binary compressai compressai==1.2.8 --dest ../peers   # and unpack it there
    pip install pybind11
    python benchmarks/entropy/build_peers.py [--peers ../peers]

Writes PEERS/lib/compressai_core.so. The flags are those of the package's own build, and -march=native: a peer may use
all that the machine has. Other C coders are not built here: what bench_entropy.py needs of them is told in peers.py.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-march=native", "-fPIC", "-shared", "-fvisibility=default", "-w")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, default=HERE.parents[2] / "peers", help="folder with compressai-*")
    peers = parser.parse_args().peers.resolve()
    sources = sorted(peers.glob("compressai-*/compressai/cpp_exts/rans"))
    if not sources:
        sys.exit(f"{peers} holds no compressai-*/compressai/cpp_exts/rans; unpack the source distribution there")
    try:
        pybind11 = importlib.import_module("pybind11")
    except ImportError:
        sys.exit("pybind11 is not installed; run: pip install pybind11")
    library = peers / "lib" / "compressai_core.so"
    library.parent.mkdir(exist_ok=True)
    root = sources[-1].parents[2]
    folders = (sources[-1], root / "third_party" / "ryg_rans", pybind11.get_include(), sysconfig.get_path("include"))
    includes = [f"-I{folder}" for folder in folders]
    subprocess.run(["g++", *FLAGS, *includes, str(HERE / "compressai_core.cpp"), "-o", str(library)], check=True)
    print(f"{root.name}: built {library} with g++ {' '.join(FLAGS)}")


if __name__ == "__main__":
    main()
