"""Batches of latents for training, made by native code on threads while the last one is used: `LatentLoader`.

No worker processes, no Python for an item: a call of native code reads the heads of a batch's files, decodes, augments,
normalises and converts them into one tensor. The order of an epoch and all that is drawn depend on the seed and the epoch
alone; a run that was interrupted goes on with the next batch (`state_dict`), and processes share batches of which each has
the same number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import (
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.packing.latent_batch import LatentViews
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.batch_memory import BatchMemory
from laconic.tasks.datasets.latent_augmenter import LatentAugmenter, mixing_of
from laconic.tasks.datasets.latent_draws import LatentDraws
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.loader_options import LoaderOptions, loader_options_of
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

_LAST_EPOCH: Final = (1 << 62) - 1
_STATE: Final = ("epoch", "batch", "seed", "batch_size", "world", "items", "shuffle", "drop_last", "sizes")
Numbers = NDArray[np.int64]


class LatentLoader:
    """Iterates over the batches of one epoch after the other: (x, labels), x a tensor (n, channels, h, w), labels int64
    (n,), or float32 (n, classes) where latents are mixed. A dataset with other targets gives a list of each in place of
    labels; `batch_size` is that of each process. With sizes "pad" there is a last tensor, int64 (n, 2): rows and
    columns of each latent.

    `options` by name: those of `LoaderOptions`. Raises `CodecError` for options and latents that do not fit each other;
    batches raise what items of the dataset do.
    """

    def __init__(self, dataset: LatentDataset, batch_size: int = 32, **options: Any) -> None:
        missing_torch_error("LatentLoader")
        self.dataset = typed_argument("dataset", dataset, LatentDataset, "a LatentDataset")
        self.batch_size = whole_number_argument("batch_size", batch_size, 1)
        self.options = loader_options_of(options)
        self.rank, self.world = _process_of(self.options)
        wanted = self.options.augmentation
        self._augmenter = None if wanted is None else LatentAugmenter(wanted, dataset.loaded_model, dataset.channels)
        if dataset.transform is not None:
            raise CodecError(
                "the dataset has a transform, which is for items one by one; call it on the batches instead"
            )
        if wanted is not None and wanted.mixes:
            _check_mixing(dataset, self.options, wanted)
        if self._augmenter is not None and dataset.index.grid is not None:
            self._augmenter.check_grids(np.array([dataset.index.grid]))
        if self.options.sizes == "same" and (wanted is None or wanted.crop is None):
            _ = dataset.shape  # or a sentence why there are no batches
        self._epoch = self._next = self._first = 0  # the epoch, the next batch of it, and that of the next iteration

    def __repr__(self) -> str:
        return f"LatentLoader({self.dataset!r}, {self.batch_size} items a batch, process {self.rank} of {self.world})"

    def __len__(self) -> int:
        """Batches of an epoch, the same in every process."""
        together, whole = self.batch_size * self.world, self.options.drop_last
        return sum(count // together if whole else -(-count // together) for count in self._counts)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration is, from its first batch on."""
        self._epoch, self._next, self._first = whole_number_argument("epoch", epoch, 0, _LAST_EPOCH), 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: after the last batch that it gave."""
        options, order = self.options, (self.batch_size, self.world, len(self.dataset))
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

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch, after `load_state_dict` those that are left; then comes the next epoch. One that was
        broken off begins anew."""
        epoch, batches, first = self._epoch, self._batches(self._epoch), self._first
        memory, pool = BatchMemory(self.options), ThreadPoolExecutor(1)
        waiting: list[Future[tuple[Any, ...]]] = []
        todo = iter(range(first, len(batches)))
        self._next, self._first = first, 0
        try:
            for number in range(first, len(batches)):
                while len(waiting) <= self.options.prefetch and (ahead := next(todo, None)) is not None:
                    waiting.append(pool.submit(self._batch, epoch, memory, *batches[ahead]))
                made = waiting.pop(0).result()
                is_last = number + 1 == len(batches)
                self._epoch, self._next = (epoch + 1, 0) if is_last else (epoch, number + 1)
                yield made
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches(self, epoch: int) -> list[tuple[Numbers, Numbers]]:
        """Of all batches of an epoch the share of this process: items, and their places in the order."""
        count, together = len(self.dataset), self.batch_size * self.world
        order = (
            np.random.default_rng((self.options.seed, epoch)).permutation(count)
            if self.options.shuffle
            else np.arange(count)
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
        if self.options.sizes == "bucket" and self.options.shuffle:
            mixed = np.random.default_rng((self.options.seed, epoch, 1)).permutation(len(batches))
            batches = [batches[i] for i in mixed]
        return batches

    @cached_property
    def _counts(self) -> list[int]:
        """Of the items that may stand in one batch."""
        if self.options.sizes != "bucket":
            return [len(self.dataset)]
        counts: list[int] = np.unique(self.dataset.grids, axis=0, return_counts=True)[1].tolist()
        return counts

    def _groups(self, order: Numbers) -> list[Numbers]:
        """Places in the order whose items may stand in one batch."""
        if self.options.sizes != "bucket":
            return [np.arange(len(order))]
        _, group = np.unique(self.dataset.grids[order], axis=0, return_inverse=True)
        return [np.flatnonzero(group.ravel() == i) for i in range(group.max() + 1)]

    def _batch(self, epoch: int, memory: BatchMemory, items: Numbers, places: Numbers) -> tuple[Any, ...]:
        grids = self.dataset.grids[items]
        draws = LatentDraws(self.options.seed, epoch, places)
        views = None if self._augmenter is None else self._augmenter.views(draws, grids)
        sides = grids if self._augmenter is None else self._augmenter.sides(grids)
        if self._augmenter is not None:
            self._augmenter.check_grids(grids)
        if self.options.sizes == "pad" and views is None:
            views = LatentViews(np.zeros((len(items), 8), np.int32))
        grid = sides.max(axis=0).tolist()
        array, tensor = memory.batch((len(items), self.dataset.channels, *grid))
        bands = None if self._augmenter is None else self._augmenter.bands
        self.dataset.read_into(array, items, views=views, bands=bands, num_threads=self.options.num_threads)
        targets = self._targets(items, array, draws)
        return (tensor, *targets, *([_tensor(sides)] if self.options.sizes == "pad" else []))

    def _targets(
        self, items: Numbers, array: Shaped[NDArray[Any], "n channels h w"], draws: LatentDraws
    ) -> Sequence[Any]:
        """What is to be learned of the items, mixed as they are, in place."""
        if self.dataset.targets != (LABEL_SUFFIX,):
            return [[self.dataset.target(i, suffix) for i in items.tolist()] for suffix in self.dataset.targets]
        labels = self.dataset.labels[items]
        grid = (array.shape[2], array.shape[3])
        wanted = self.options.augmentation
        mixing = None if wanted is None else mixing_of(wanted, draws, grid)
        if mixing is None:
            return [_tensor(labels)]
        weight, box = mixing
        _native.mix_latents(array, weight, box)
        share = (box[1] - box[0]) * (box[3] - box[2]) / (grid[0] * grid[1])
        return [_tensor(_mixed_labels(labels, len(self.dataset.classes), 1 - share * (1 - weight)))]


def _check_mixing(dataset: LatentDataset, options: LoaderOptions, wanted: Augmentation) -> None:
    """Raises `CodecError` where latents of a batch cannot be mixed."""
    if dataset.targets != (LABEL_SUFFIX,):
        raise CodecError(f"mixup and cutmix mix labels; the dataset has the targets {', '.join(dataset.targets)}")
    if (dataset.labels == NO_LABEL).any():
        raise CodecError("mixup and cutmix mix labels; the dataset has items without one")
    if options.sizes == "pad" and wanted.crop is None:
        raise CodecError("mixup and cutmix are of latents of one size; pass a crop, or sizes 'same' or 'bucket'")


def _mixed_labels(labels: Numbers, num_classes: int, weight: float) -> Float[NDArray[np.float32], "n classes"]:
    """`weight` of the own class, and the rest of that as far from the other end of the batch."""
    out = np.zeros((len(labels), num_classes), np.float32)
    rows = np.arange(len(labels))
    np.add.at(out, (rows, labels), weight)
    np.add.at(out, (rows, labels[::-1]), 1 - weight)
    return out


def _process_of(options: LoaderOptions) -> tuple[int, int]:
    """This process's number, and how many there are."""
    from torch import distributed

    if options.rank is not None and options.world is not None:
        return options.rank, options.world
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _tensor(array: Shaped[NDArray[Any], " ..."]) -> Tensor:
    import torch

    return torch.from_numpy(np.array(array))
