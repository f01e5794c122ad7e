"""Doing the same to many things on a Ray cluster: a `map` over its workers, with results in order.

Ray Data moves the places of items through workers, each of which fetches the function and the items once, and keeps the
order; so what is made of the results is the same as in one process, as far as the function gives the same everywhere.
A cluster that is connected is used (`ray.init` before, or RAY_ADDRESS); otherwise one is started here, and ended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np

from laconic.codecs.errors import CodecError, MissingDependencyError
from laconic.codecs.threads import ThreadedMap

_ITEMS_OF_BLOCK = 16  # small enough that workers end together, large enough that Ray's 10 ms a block do not count
_MOST_BLOCKS = 4096
_T = TypeVar("_T")
_R = TypeVar("_R")


@contextmanager
def ray_map(num_workers: int | None = None) -> Iterator[ThreadedMap]:
    """A `map` over so many workers, None for as many as the cluster has processors. Functions and items are pickled; files
    that functions read are to be at the same paths on all machines. Raises `MissingDependencyError`, `CodecError` where
    the cluster fails."""
    ray = _load_ray()
    is_own = not ray.is_initialized()
    try:
        if is_own:
            _start(ray, num_workers)
        workers = num_workers or max(int(ray.cluster_resources().get("CPU", 1)) - 1, 1)
        yield partial(_mapped, workers)
    except ray.exceptions.RayError as err:
        reason = (str(err).strip().splitlines() or [type(err).__name__])[-1]
        raise CodecError(f"the Ray cluster failed: {reason}; the same command goes on once it runs again") from err
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
    """Connect to the cluster that RAY_ADDRESS names, or start one here with a processor more than workers, which
    Ray Data needs for its own steps."""
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if os.environ.get("RAY_ADDRESS"):
        ray.init(**quiet)
    else:
        workers = num_workers or os.cpu_count() or 1
        ray.init(address="local", num_cpus=workers + 1, include_dashboard=False, **quiet)


def _mapped(num_workers: int, function: Callable[[_T], _R], items: Iterable[_T]) -> Iterator[_R]:
    import ray

    held = list(items)
    if not held:
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of its plans on standard error
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    num_blocks = min(-(-len(held) // _ITEMS_OF_BLOCK), _MOST_BLOCKS)
    places: Any = ray.data.range(len(held), override_num_blocks=num_blocks)
    results = places.map_batches(
        _results_of,
        fn_kwargs={"held": [ray.put((function, held, os.getcwd()))]},  # in a list, or Ray would copy it for every block
        compute=ray.data.TaskPoolStrategy(size=num_workers),
        batch_size=None,
        num_cpus=1,
    )
    for row in results.iter_rows():
        yield row["result"]


def _results_of(batch: dict[str, Any], held: list[Any]) -> dict[str, Any]:
    """The results of a block of places, in a worker."""
    function, items = _fetched(held[0])
    results = np.empty(len(batch["id"]), object)
    for i, place in enumerate(batch["id"]):
        results[i] = function(items[int(place)])
    return {"result": results}


@lru_cache(maxsize=1)
def _fetched(reference: Any) -> Any:
    """The function and the items, which a worker fetches once; it then works in the folder of the caller."""
    import ray

    function, items, folder = ray.get(reference)
    with suppress(OSError):  # on another machine, where paths are absolute
        os.chdir(folder)
    return function, items
