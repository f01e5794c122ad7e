"""Samples encoded on a Ray cluster: `RayEngine`, in place of threads or processes of this machine.

Ray Data moves the places of samples through workers, each of which fetches the function and the samples once, and keeps the
order; so the pack is the same as of one process, as far as the function gives the same everywhere. A cluster that is
connected is used (`ray.init` before, or RAY_ADDRESS); otherwise one is started here, and ended.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from laconic.codecs.arguments import settle_arguments, whole_number_argument
from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.tasks.datasets.pack_engines import SampleEncode, SampleEntry
from laconic.tasks.datasets.shard_writer import ShardSample

_MOST_WORKERS = 1 << 14
_SAMPLES_OF_BLOCK = 16  # small enough that workers end together, large enough that Ray's 10 ms a block do not count
_MOST_BLOCKS = 4096
_REASON = re.compile(r"^[\w.]+(Error|Exception)\b(: .*)?$", re.MULTILINE)  # in what Ray prints of a worker's error
_RETRIES = 3  # of a block whose worker was lost; Ray Data's own number has no end, and a worker may lack what it needs


@dataclass(frozen=True)
class RayEngine:
    """Workers of a Ray cluster, None for as many as it has processors. Sources are pickled; the files they read are to be
    at the same paths on all machines. Raises `CodecError` for a number outside."""

    num_workers: int | None = None

    def __post_init__(self) -> None:
        if self.num_workers is not None:
            count = whole_number_argument("num_workers", self.num_workers, 1, _MOST_WORKERS)
            settle_arguments(self, num_workers=count)

    @contextmanager
    def encoding(self, encode: SampleEncode, entries: Iterable[SampleEntry]) -> Iterator[Iterator[ShardSample]]:
        """As `PackEngine` says. Raises `MissingDependencyError`, `CodecError` where the cluster fails."""
        ray = _load_ray()
        is_own = not ray.is_initialized()
        try:
            if is_own:
                _start(ray, self.num_workers)
            workers = self.num_workers or max(int(ray.cluster_resources().get("CPU", 1)), 1)
            yield _results(ray, workers, encode, list(entries))
        except ray.exceptions.RayError as err:
            text = str(err).strip() or type(err).__name__
            reason = _REASON.search(text)
            text = reason[0] if reason else text.partition("\n")[0]
            raise CodecError(f"the Ray cluster failed: {text}; the same command goes on once it runs again") from err
        finally:
            if is_own:
                ray.shutdown()


def _load_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # which Ray would send to its makers
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as err:
        raise MissingDependencyError(
            "Ray is not installed; packing on a cluster needs it: pip install laconic[ray], or leave --engine out"
        ) from err
    return ray


def _start(ray: Any, num_workers: int | None) -> None:
    """Connect to the cluster that RAY_ADDRESS names, or start one here."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        ray.init(address="local", num_cpus=num_workers or os.cpu_count() or 1, include_dashboard=False, **quiet)


def _results(ray: Any, num_workers: int, encode: SampleEncode, entries: list[SampleEntry]) -> Iterator[ShardSample]:
    if not entries:
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of its plans on standard error
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    num_blocks = min(-(-len(entries) // _SAMPLES_OF_BLOCK), _MOST_BLOCKS)
    held = [ray.put((encode, entries, os.getcwd()))]  # in a list, or Ray would copy it for every block
    places = ray.data.range(len(entries), override_num_blocks=num_blocks)
    with warnings.catch_warnings():
        # Ray is about to take such options by names only, and has none for these yet.
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")
        packed = places.map_batches(
            _encoded_block,
            fn_kwargs={"held": held},
            compute=ray.data.TaskPoolStrategy(size=num_workers),
            batch_size=None,
            num_cpus=1,
            max_retries=_RETRIES,
            retry_exceptions=False,
        )
    for row in packed.iter_rows():
        yield row["packed"]


def _encoded_block(batch: dict[str, Any], held: list[Any]) -> dict[str, Any]:
    """The samples of a block of places, in a worker."""
    encode, entries = _fetched(held[0])
    packed = np.empty(len(batch["id"]), object)
    for i, place in enumerate(batch["id"]):
        packed[i] = encode(entries[int(place)])
    return {"packed": packed}


@lru_cache(maxsize=1)
def _fetched(reference: Any) -> Any:
    """The function and the samples, which a worker fetches once; it then works in the folder of the caller."""
    import ray

    encode, entries, folder = ray.get(reference)
    with suppress(OSError):  # on another machine, where paths are absolute
        os.chdir(folder)
    return encode, entries
