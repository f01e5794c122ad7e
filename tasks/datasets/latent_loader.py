"""Batches of latents for training, made by native code on threads while the last one is used: `LatentLoader`.

No worker processes, no Python for an item: a call of native code reads the heads of a batch's files, decodes, augments,
normalises and converts them into one tensor. The order of an epoch and all that is drawn depend on the seed and the epoch
alone; a run that was interrupted goes on with the next batch (`state_dict`), and processes share batches of which each has
the same number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.arguments import typed_argument
from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.models.model import Model
from laconic.codecs.packing.latent_batch import LatentViews
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.batch_loop import BatchLoop
from laconic.tasks.datasets.batch_memory import BatchMemory
from laconic.tasks.datasets.latent_augmenter import LatentAugmenter, mixing_of
from laconic.tasks.datasets.latent_draws import LatentDraws
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.loader_options import MAP_FILL, LoaderOptions, loader_options_of
from laconic.tasks.datasets.map_views import MapView, map_views
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

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
        self.options = loader_options_of(options)
        self._loop = BatchLoop(len(dataset), batch_size, self.options, lambda: dataset.grids)
        self.batch_size, self.rank, self.world = self._loop.batch_size, self._loop.rank, self._loop.world
        wanted = self.options.augmentation
        self._place = place_of_latents(dataset.loaded_model)
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

    def __repr__(self) -> str:
        return f"LatentLoader({self.dataset!r}, {self.batch_size} items a batch, process {self.rank} of {self.world})"

    def __len__(self) -> int:
        """Batches of an epoch, the same in every process."""
        return len(self._loop)

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration is, from its first batch on."""
        self._loop.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: after the last batch that it gave."""
        return self._loop.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The next iteration goes on from there. Raises `CodecError` for a state of another order of batches."""
        self._loop.load_state_dict(state)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The batches of an epoch, after `load_state_dict` those that are left; then comes the next epoch. One that was
        broken off begins anew."""
        memory = BatchMemory(self.options)
        return self._loop.iterate(lambda epoch, items, places: self._batch(epoch, memory, items, places))

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
        if views is not None and self.options.maps:
            shown = map_views(views.windows, grids, sides, self._place)
            targets = [self._shown(*pair, shown) for pair in zip(self.dataset.targets, targets, strict=True)]
        return (tensor, *targets, *([_tensor(sides)] if self.options.sizes == "pad" else []))

    def _shown(self, suffix: str, column: Any, views: Sequence[MapView]) -> Any:
        """Target files of a batch, of which maps show what their latents do."""
        if suffix not in self.options.maps:
            return column
        return [view.of(values, MAP_FILL) for view, values in zip(views, column, strict=True)]

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


def place_of_latents(model: Model) -> tuple[int, int]:
    """Rows and columns of the signal that a place of its latent stands for."""
    step = model.tree.factor
    return (step, step) if model.kind == "image" else (1, step)


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


def _tensor(array: Shaped[NDArray[Any], " ..."]) -> Tensor:
    import torch

    return torch.from_numpy(np.array(array))
