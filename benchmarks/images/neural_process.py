"""What bench_neural.py runs as a process of its own: decodes files that are in memory, and prints what that took.

    python neural_process.py SYNTHESIS NUM_CORES FILE FILE ...

The first file is decoded before the others and not counted. Its parent sets OMP_NUM_THREADS, which torch reads when it is
loaded; the cores are set here, before that.
"""

import json
import os
import sys
import time
from pathlib import Path

from peak_memory import peak_bytes


def main() -> None:
    synthesis, num_cores = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-num_cores:])
    from laconic.codecs.lcn import Lcn

    codec = Lcn(tune="psnr", synthesis=synthesis, threads=num_cores)
    first, *files = (Path(path).read_bytes() for path in sys.argv[3:])
    codec.decode(first)
    seconds = []
    for data in files:
        start = time.perf_counter()
        codec.decode(data)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
