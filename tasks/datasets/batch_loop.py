"""The order of batches, and the loop over them with others made ahead: what loaders of latents and of signals share.

The order of an epoch depends on the seed and the epoch alone. A loop that was interrupted goes on with the next batch, and
processes share batches of which each has the same number. Shuffled items that are padded come in batches of like size:
lines of print and utterances fill a third of batches that are made by lot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import typed_argument, whole_number_argument
from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.loader_options import LoaderOptions

if TYPE_CHECKING:
    from jaxtyping import Int

_LAST_EPOCH: Final = (1 << 62) - 1
_SORTED_BATCHES: Final = 32  # together, so that items next to each other in size change each epoch
_STATE: Final = ("epoch", "batch", "seed", "batch_size", "world", "items", "shuffle", "drop_last", "sizes")
Numbers = NDArray[np.int64]
MakeBatch = Callable[[int, Numbers, Numbers], tuple[Any, ...]]  # of the epoch, items, and their places in its order


class BatchLoop:
    """Batches of `count` items, `batch_size` in each process. `grids` gives (count, 2) rows and columns of all items; it is
    asked only where batches depend on them."""

    def __init__(
        self, count: int, batch_size: int, options: LoaderOptions, grids: Callable[[], Int[Numbers, "n 2"]]
    ) -> None:
        self.count, self.options, self._all_grids = count, options, grids
        self.batch_size = whole_number_argument("batch_size", batch_size, 1)
        self.rank, self.world = _process_of(options)
        self._epoch = self._next = self._first = 0  # the epoch, the next batch of it, and that of the next iteration

    def __len__(self) -> int:
        """Batches of an epoch, the same in every process."""
        together, whole = self.batch_size * self.world, self.options.drop_last
        return sum(count // together if whole else -(-count // together) for count in self._counts)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration is, from its first batch on."""
        self._epoch, self._next, self._first = whole_number_argument("epoch", epoch, 0, _LAST_EPOCH), 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: after the last batch that it gave."""
        options, order = self.options, (self.batch_size, self.world, self.count)
        values = (self._epoch, self._next, options.seed, *order, options.shuffle, options.drop_last, options.sizes)
        return dict(zip(_STATE, values, strict=True))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next iteration goes on from there. Raises `CodecError` for a state of another order of batches."""
        own, given = self.state_dict(), typed_argument("state", state, Mapping, "what state_dict gives")
        if set(given) != set(own) or any(given[name] != own[name] for name in _STATE[2:]):
            raise CodecError(
                f"the state is of a loader with {', '.join(f'{name} {value}' for name, value in given.items())}; needed is "
                "one with " + ", ".join(f"{name} {own[name]}" for name in _STATE[2:])
            )
        self._epoch = whole_number_argument("epoch", given["epoch"], 0, _LAST_EPOCH)
        self._next = self._first = whole_number_argument("batch", given["batch"], 0, max(len(self) - 1, 0))

    def iterate(self, make: MakeBatch) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch, after `load_state_dict` those that are left; then comes the next epoch. One that was
        broken off begins anew."""
        epoch, batches, first = self._epoch, self._batches(self._epoch), self._first
        pool = ThreadPoolExecutor(1)
        waiting: list[Future[tuple[Any, ...]]] = []
        todo = iter(range(first, len(batches)))
        self._next, self._first = first, 0
        try:
            for number in range(first, len(batches)):
                while len(waiting) <= self.options.prefetch and (ahead := next(todo, None)) is not None:
                    waiting.append(pool.submit(make, epoch, *batches[ahead]))
                made = waiting.pop(0).result()
                is_last = number + 1 == len(batches)
                self._epoch, self._next = (epoch + 1, 0) if is_last else (epoch, number + 1)
                yield made
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches(self, epoch: int) -> list[tuple[Numbers, Numbers]]:
        """Of all batches of an epoch the share of this process: items, and their places in the order."""
        together = self.batch_size * self.world
        order = (
            np.random.default_rng((self.options.seed, epoch)).permutation(self.count)
            if self.options.shuffle
            else np.arange(self.count)
        )
        batches = []
        for places in self._groups(order):
            for first in range(0, len(places), together):
                some = places[first : first + together]
                if len(some) < together and self.options.drop_last:
                    continue
                # Every process gets as many: some items of the group are there twice.
                some = np.concatenate([some, np.resize(places, -len(some) % self.world)])[self.rank :: self.world]
                batches.append((order[some], some))
        if self.options.shuffle and (self._is_sorted or self.options.sizes == "bucket"):
            mixed = np.random.default_rng((self.options.seed, epoch, 1)).permutation(len(batches))
            batches = [batches[i] for i in mixed]
        return batches

    @property
    def _is_sorted(self) -> bool:
        """Whether batches are of items of like size: where they are padded, and not cut to one size."""
        wanted = self.options.augmentation
        return self.options.shuffle and self.options.sizes == "pad" and (wanted is None or wanted.crop is None)

    @cached_property
    def _counts(self) -> list[int]:
        """Of the items that may stand in one batch."""
        if self.options.sizes != "bucket":
            return [self.count]
        counts: list[int] = np.unique(self._all_grids(), axis=0, return_counts=True)[1].tolist()
        return counts

    def _groups(self, order: Numbers) -> list[Numbers]:
        """Places in the order whose items may stand in one batch."""
        if self._is_sorted:
            return [self._sorted_places(order)]
        if self.options.sizes != "bucket":
            return [np.arange(len(order))]
        _, group = np.unique(self._all_grids()[order], axis=0, return_inverse=True)
        return [np.flatnonzero(group.ravel() == i) for i in range(group.max() + 1)]

    def _sorted_places(self, order: Numbers) -> Numbers:
        """Places in the order, by columns, then rows, of their items within each part of it; there are two parts and more,
        so that an item meets others in each epoch. What is too little for a batch is dropped before: the last of the order
        and not the largest of them."""
        together = self.batch_size * self.world
        count = len(order) - (len(order) % together if self.options.drop_last else 0)
        rows, columns = self._all_grids()[order[:count]].T
        num_batches = -(-count // together)
        num_parts = max(round(num_batches / _SORTED_BATCHES), 2)
        part = np.arange(count) // together * num_parts // max(num_batches, 1)
        return np.asarray(np.lexsort((rows, columns, part)), np.int64)


def _process_of(options: LoaderOptions) -> tuple[int, int]:
    """This process's number, and how many there are."""
    from torch import distributed

    if options.rank is not None and options.world is not None:
        return options.rank, options.world
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
