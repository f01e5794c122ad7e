"""Batches of latents for training, made by native code on threads while the last one is used: `LatentLoader`.

No worker processes, no Python for an item: a call of native code reads the heads of a batch's files, decodes, augments,
normalises and converts them into one tensor. The order of an epoch and all that is drawn depend on the seed and the epoch
alone; a run that was interrupted goes on with the next batch (`state_dict`), and processes share batches of which each has
the same number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import (
    choice_argument,
    flag_argument,
    settle_arguments,
    shown,
    typed_argument,
    whole_number_argument,
)
from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.packing.latent_batch import LatentViews
from laconic.tasks.datasets.augmentation import Augmentation, LatentAugmenter, LatentDraws, mixing_of
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.targets import LABEL_SUFFIX

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor

BatchDtype = Literal["float32", "float16", "bfloat16"]
Sizes = Literal["same", "pad", "bucket"]
_DTYPES: Final[tuple[BatchDtype, ...]] = ("float32", "float16", "bfloat16")
_SIZES: Final[tuple[Sizes, ...]] = ("same", "pad", "bucket")
_MOST_THREADS: Final = 256
_STATE: Final = ("epoch", "batch", "seed", "batch_size", "world", "items")
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class LoaderOptions:
    """How a loader makes batches. `shuffle` by `seed` and epoch; `drop_last` batch where it is smaller. `augmentation`: what
    happens to latents on the way. `dtype` of the tensors. `sizes` of latents: all the "same", or, where they differ, "pad"
    to the largest of a batch with 0 below and to the right, or "bucket", batches of those of one size. `num_threads` decode
    one batch, while `prefetch` others wait. `rank` of `world` processes gets its share of every batch; None asks
    torch.distributed, where that is in use. `pin_memory`: as `DataLoader` does; None where there is a CUDA device. Raises
    `CodecError` for values outside."""

    shuffle: bool = True
    seed: int = 0
    drop_last: bool = False
    augmentation: Augmentation | None = None
    dtype: BatchDtype = "float32"
    sizes: Sizes = "same"
    num_threads: int = 1
    prefetch: int = 1
    rank: int | None = None
    world: int | None = None
    pin_memory: bool | None = None

    def __post_init__(self) -> None:
        settle_arguments(
            self,
            shuffle=flag_argument("shuffle", self.shuffle),
            seed=whole_number_argument("seed", self.seed, 0),
            drop_last=flag_argument("drop_last", self.drop_last),
            augmentation=typed_argument(
                "augmentation", self.augmentation, (Augmentation, type(None)), "an Augmentation or None"
            ),
            dtype=choice_argument("dtype", self.dtype, _DTYPES),
            sizes=choice_argument("sizes", self.sizes, _SIZES),
            num_threads=whole_number_argument("num_threads", self.num_threads, 1, _MOST_THREADS),
            prefetch=whole_number_argument("prefetch", self.prefetch, 0, _MOST_THREADS),
            pin_memory=None if self.pin_memory is None else flag_argument("pin_memory", self.pin_memory),
        )
        if (self.rank is None) != (self.world is None):
            raise CodecError(f"rank is {self.rank} and world {self.world}; allowed is both, or neither")
        if self.world is not None:
            settle_arguments(self, world=whole_number_argument("world", self.world, 1))
            settle_arguments(self, rank=whole_number_argument("rank", self.rank, 0, self.world - 1))


class LatentLoader:
    """Iterates over the batches of one epoch after the other: (x, labels), x a tensor (n, channels, h, w), labels int64
    (n,), or float32 (n, classes) where latents are mixed. A dataset with other targets gives a list of each in place of
    labels. With sizes "pad" there is a last tensor, int64 (n, 2): rows and columns of each latent.

    `options` by name: those of `LoaderOptions`. Raises `CodecError` for options and latents that do not fit each other; batches
    raise what items of the dataset do.
    """

    def __init__(self, dataset: LatentDataset, batch_size: int = 32, **options: Any) -> None:
        missing_torch_error("LatentLoader")
        self.dataset = typed_argument("dataset", dataset, LatentDataset, "a LatentDataset")
        self.batch_size = whole_number_argument("batch_size", batch_size, 1)
        self.options = _options_of(options)
        self.rank, self.world = _process_of(self.options)
        wanted = self.options.augmentation
        self._augmenter = None if wanted is None else LatentAugmenter(wanted, dataset.loaded_model, dataset.channels)
        if dataset.transform is not None:
            raise CodecError(
                "the dataset has a transform, which is for items one by one; call it on the batches instead"
            )
        if wanted is not None and (wanted.mixup or wanted.cutmix) and dataset.targets != (LABEL_SUFFIX,):
            raise CodecError(f"mixup and cutmix mix labels; the dataset has the targets {', '.join(dataset.targets)}")
        if self.options.sizes == "same" and (wanted is None or wanted.crop is None):
            _ = dataset.shape  # or a sentence why there are no batches
        self._memory = _BatchMemory(self.options)
        self._epoch = self._next = 0  # of the next batch

    def __len__(self) -> int:
        """Batches of an epoch, the same in every process."""
        return len(self._batches(self._epoch))

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration is, from its first batch on."""
        self._epoch, self._next = whole_number_argument("epoch", epoch, 0), 0

    def state_dict(self) -> dict[str, int]:
        """Where the iteration is: after the last batch that it gave."""
        values = (self._epoch, self._next, self.options.seed, self.batch_size, self.world, len(self.dataset))
        return dict(zip(_STATE, values, strict=True))

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """The next iteration goes on from there. Raises `CodecError` for a state of another order of batches."""
        own, given = self.state_dict(), typed_argument("state", state, Mapping, "what state_dict gives")
        if set(given) != set(own) or any(given[name] != own[name] for name in _STATE[2:]):
            raise CodecError(
                f"the state is {shown(dict(given))}; needed is one of a loader with "
                + ", ".join(f"{name} {own[name]}" for name in _STATE[2:])
            )
        self._epoch = whole_number_argument("epoch", given["epoch"], 0)
        self._next = whole_number_argument("batch", given["batch"], 0)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The batches of the epoch that are left; the next iteration is the next epoch."""
        epoch, batches = self._epoch, self._batches(self._epoch)
        with ThreadPoolExecutor(1) as pool:
            waiting: list[Future[tuple[Any, ...]]] = []
            todo = iter(range(self._next, len(batches)))
            for number in range(self._next, len(batches)):
                while len(waiting) <= self.options.prefetch and (ahead := next(todo, None)) is not None:
                    waiting.append(pool.submit(self._batch, epoch, *batches[ahead]))
                made = waiting.pop(0).result()
                self._epoch, self._next = epoch, number + 1
                yield made
        self._epoch, self._next = epoch + 1, 0

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

    def _groups(self, order: Numbers) -> list[Numbers]:
        """Places in the order whose items may stand in one batch."""
        if self.options.sizes != "bucket":
            return [np.arange(len(order))]
        _, group = np.unique(self.dataset.grids[order], axis=0, return_inverse=True)
        return [np.flatnonzero(group.ravel() == i) for i in range(group.max() + 1)]

    def _batch(self, epoch: int, items: Numbers, places: Numbers) -> tuple[Any, ...]:
        grids = self.dataset.grids[items]
        draws = LatentDraws(self.options.seed, epoch, places)
        views = None if self._augmenter is None else self._augmenter.views(draws, grids)
        sides = grids if self._augmenter is None else self._augmenter.sides(grids)
        if self.options.sizes == "pad" and views is None:
            views = LatentViews(np.zeros((len(items), 8), np.int32))
        grid = sides.max(axis=0).tolist()
        array, tensor = self._memory.batch((len(items), self.dataset.channels, *grid))
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


def _mixed_labels(labels: Numbers, num_classes: int, weight: float) -> Float[NDArray[np.float32], "n classes"]:
    """`weight` of the own class, and the rest of that as far from the other end of the batch."""
    out = np.zeros((len(labels), num_classes), np.float32)
    rows = np.arange(len(labels))
    np.add.at(out, (rows, labels), weight)
    np.add.at(out, (rows, labels[::-1]), 1 - weight)
    return out


def _options_of(options: Mapping[str, Any]) -> LoaderOptions:
    allowed = LoaderOptions.__dataclass_fields__
    if unknown := sorted(set(options) - set(allowed)):
        raise CodecError(f"the option {unknown[0]!r} is none of a loader; allowed are {', '.join(allowed)}")
    return LoaderOptions(**options)


def _process_of(options: LoaderOptions) -> tuple[int, int]:
    """This process's number, and how many there are."""
    from torch import distributed

    if options.rank is not None and options.world is not None:
        return options.rank, options.world
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class _BatchMemory:
    """Memory of batches, used again where nothing refers to a batch any more: new pages cost as much as decoding."""

    def __init__(self, options: LoaderOptions) -> None:
        import torch

        self._options = options
        self._is_pinned = torch.cuda.is_available() if options.pin_memory is None else options.pin_memory
        self._kept: list[NDArray[Any]] = []

    def batch(self, shape: tuple[int, ...]) -> tuple[Shaped[NDArray[Any], "n channels h w"], Tensor]:
        """A tensor, and its memory as an array, of uint16 where it is of bfloat16."""
        import torch

        if self._is_pinned:  # torch itself uses it again, once the device has it
            tensor = torch.empty(shape, dtype=getattr(torch, self._options.dtype), pin_memory=True)
            bits = tensor.view(torch.uint16) if self._options.dtype == "bfloat16" else tensor
            return bits.numpy(), tensor
        array = self._array(shape)
        tensor = torch.from_numpy(array)
        return array, tensor.view(torch.bfloat16) if self._options.dtype == "bfloat16" else tensor

    def _array(self, shape: tuple[int, ...]) -> NDArray[Any]:
        # Tensors of an array, and parts of them, refer to it. Here the list does, and the argument.
        for i in range(len(self._kept)):
            if sys.getrefcount(self._kept[i]) == 2 and self._kept[i].shape == shape:
                return self._kept[i]
        array = np.empty(shape, {"float32": np.float32, "float16": np.float16}.get(self._options.dtype, np.uint16))
        self._kept = [*self._kept, array][-(self._options.prefetch + 2) :]
        return array


def _tensor(array: Shaped[NDArray[Any], " ..."]) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array))
