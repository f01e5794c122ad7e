"""Batches of pixels and samples for training, as `LatentLoader` makes them of latents, for comparison with these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.tasks.datasets.batch_loop import BatchLoop
from laconic.tasks.datasets.latent_draws import LatentDraws
from laconic.tasks.datasets.loader_options import MAP_FILL, loader_options_of
from laconic.tasks.datasets.signal_augmenter import SignalAugmenter
from laconic.tasks.datasets.signal_dataset import SignalDataset
from laconic.tasks.datasets.targets import LABEL_SUFFIX

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

Numbers = NDArray[np.int64]
Floats = NDArray[np.float32]
_SOUND_MARGIN = 32  # samples at both ends that a latent has beyond its sound


@dataclass(frozen=True)
class SignalPlaces:
    """(rows, columns) that stand for one place of a latent: of `values` of x, and of values of its `maps`."""

    values: tuple[int, int]
    maps: tuple[int, int]


class SignalLoader:
    """(x, *targets), x a tensor (n, c, h, w) of signals that are read, framed and augmented on threads: `targets` are int64
    (n,) of "cls", a list of others. `places` is what a place of the augmentation stands for. Sizes are "same", or "pad",
    which gives a last tensor, int64 (n, 2): rows and columns of each; to sort by these, all signals are read once more.
    Options by name: those of `LoaderOptions`, but no mixing of samples. Raises `CodecError`; batches raise what items of
    the dataset do."""

    def __init__(
        self,
        dataset: SignalDataset,
        targets: Sequence[str],
        batch_size: int,
        places: SignalPlaces,
        **options: Any,
    ) -> None:
        missing_torch_error("SignalLoader")
        self.dataset, self.targets, self.places = dataset, tuple(targets), places
        self.options = loader_options_of(options)
        if self.options.sizes == "bucket":
            raise CodecError("sizes is 'bucket'; allowed for signals are 'same' and 'pad'")
        self._loop = BatchLoop(len(dataset), batch_size, self.options, self._grids)
        wanted = self.options.augmentation
        if wanted is not None and wanted.mixes:
            raise CodecError("mixup and cutmix are of latents; mix signals in the training loop")
        self._augmenter = None if wanted is None else SignalAugmenter(wanted, places.values)

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
        """The batches of an epoch that are left, then those of the next."""
        return self._loop.iterate(self._batch)

    def _grids(self) -> Int[Numbers, "n 2"]:
        """Rows and columns as latents of shipped models have them, so that all arms have the same batches."""
        beyond = (0, 2 * _SOUND_MARGIN if self.dataset.source.kind == "sound" else 0)
        return np.asarray(-(-(self.dataset.sizes + beyond) // self.places.values), np.int64)

    def _batch(self, epoch: int, items: Numbers, places: Numbers) -> tuple[Any, ...]:
        numbers = items.tolist()
        signals = self._read(numbers)
        columns = [[self.dataset.target(i, suffix) for i in numbers] for suffix in self.targets]
        if self._augmenter is not None:
            signals, views = self._augmenter.changed(signals, LatentDraws(self.options.seed, epoch, places))
            for suffix, column in zip(self.targets, columns, strict=True):
                if suffix in self.options.maps:
                    column[:] = [
                        replace(view, place=self.places.maps).of(values, MAP_FILL)
                        for view, values in zip(views, column, strict=True)
                    ]
        return (*self._stacked(signals), *map(_tensor_or_list, self.targets, columns), *self._sizes(signals))

    def _read(self, numbers: list[int]) -> list[Floats]:
        if self.options.num_threads == 1:
            return [self.dataset.array(i) for i in numbers]
        with ThreadPoolExecutor(self.options.num_threads) as pool:
            return list(pool.map(self.dataset.array, numbers))

    def _stacked(self, signals: list[Floats]) -> tuple[Tensor]:
        import torch

        shapes = np.array([x.shape for x in signals])
        if self.options.sizes == "same" and (shapes != shapes[0]).any():
            low, high = shapes.min(axis=0).tolist(), shapes.max(axis=0).tolist()
            raise CodecError(
                f"signals of {low[1]} x {low[2]} to {high[1]} x {high[2]} values fit in no batch; give all one size "
                "(--size of pictures, --sample-rate and --seconds of sounds), or a crop"
            )
        out = np.zeros((len(signals), *shapes.max(axis=0).tolist()), np.float32)
        for x, target in zip(signals, out, strict=True):
            target[:, : x.shape[1], : x.shape[2]] = x
        return (torch.from_numpy(out).to(getattr(torch, self.options.dtype)),)

    def _sizes(self, signals: list[Floats]) -> list[Tensor]:
        import torch

        return [torch.tensor([x.shape[1:] for x in signals])] if self.options.sizes == "pad" else []


def _tensor_or_list(suffix: str, column: list[Any]) -> Any:
    import torch

    return torch.tensor(column) if suffix == LABEL_SUFFIX else column
