"""Where samples are encoded: in threads of this process, or on a Ray cluster; the bytes are the same."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final, Literal

from laconic.codecs.threads import ThreadedMap, default_threads, threaded_map
from laconic.tasks.datasets.ray_engine import ray_map

PackEngine = Literal["local", "ray"]
PACK_ENGINES: Final[tuple[PackEngine, ...]] = ("local", "ray")
_SAMPLES_AHEAD = 4  # for each thread


def engine_map(engine: PackEngine, num_threads: int | None) -> AbstractContextManager[ThreadedMap]:
    """A `map` in order over so many threads or workers; None for as many as there are processors."""
    if engine == "ray":
        return ray_map(num_threads)
    num_threads = num_threads or default_threads()
    return threaded_map(num_threads, ahead=num_threads * _SAMPLES_AHEAD)
