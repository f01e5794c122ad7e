"""Shards -> normalised latents, never pixels: `LatentDataset`, a map-style dataset for torch's `DataLoader`.

Only the head of each .lcn file is read and decoded, as far as the wanted channels reach; a tensor is made of the result
without copying. A batch of pictures takes a few native calls, which is many times faster than its items one by one. Nothing
is open between accesses, so a dataset can be pickled, forked and read from threads.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import (
    choice_argument,
    items_of_argument,
    name_argument,
    path_argument,
    shown,
    whole_number_argument,
    whole_numbers_argument,
)
from laconic.codecs.errors import CodecError, missing_torch_error
from laconic.codecs.lcn import Lcn
from laconic.codecs.models.zoo import load_model, load_model_of, shipped_models
from laconic.codecs.packing.latent_batch import LatentBatch, PictureFiles
from laconic.tasks.datasets.framing import framed_tensor
from laconic.tasks.datasets.pack_index import PackIndex, read_index
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL, decode_target, no_target

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor
    from torch.utils.data import ConcatDataset

    from laconic.codecs.latent import Latent

Scaling = Literal["common", "channel", "none"]
_SCALINGS: tuple[Scaling, ...] = ("common", "channel", "none")
# Of the largest channel's deviation: channels that are nearly always 0 are not blown up to unit variance.
_LEAST_DEVIATION = 1e-3
_LEAST_SCALE = 1e-6  # in signal units, where all are 0


class LatentDataset:
    """The first `channels` channels of every sample of a packed folder (`laconic pack`), or of one split of it.

    Items are (float32 tensor (channels, h, w), label), or, with other `targets` than the label, the values of these target
    files in place of it; a sound has h = 1. `scaling` by the statistics in the index, those
    of the training split: "common" gives every channel mean 0, and all together deviation 1 by one factor, which keeps
    what is large large, as in the signal (networks learned more from it); "channel" gives each channel deviation 1;
    "none" leaves signal units. `model` is the path of the model where it is not shipped. Raises `CodecError` for a bad
    folder, split or number of channels; items raise `BitstreamError` for damaged shards.

    As a torch `Dataset` it is added to others by `+`, and `DataLoader` takes the items of a batch from it together.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        channels: int = 12,
        split: str | None = None,
        model: str | None = None,
        scaling: Scaling = "common",
        targets: Sequence[str] = (LABEL_SUFFIX,),
    ) -> None:
        self.folder = path_argument("folder", folder)
        self.targets = tuple(name_argument("a target", suffix) for suffix in items_of_argument("targets", targets))
        self.index = read_index(folder)
        self._model = _model_path(self.index, model)
        self.channels = channels = whole_number_argument("channels", channels, 1, len(self.index.mean))
        self._rows = _rows_of(self.index, split)
        self.normalization = _normalization_of(self.index, channels, scaling)
        group = next(i for i, end in enumerate(self.index.group_ends) if end >= channels)
        self._heads = self.index.heads[self._rows, group].astype(np.int64)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.index.classes

    @property
    def labels(self) -> Int[NDArray[np.int64], " n"]:
        """(n,): the class of every item, -1 for none."""
        return self.index.label[self._rows].astype(np.int64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, h, w) of every item. Raises `CodecError` where they differ."""
        if self.index.grid is None:
            raise CodecError(
                f"the latents in {self.folder} differ in size, so they fit in no batch; pack the folder with --size "
                "(pictures) or --sample-rate and --seconds (sound)"
            )
        return (self.channels, *self.index.grid)

    @property
    def bytes_per_item(self) -> list[int]:
        """What reading each item takes from disk, with its targets."""
        columns = [self.index.targets[suffix].length for suffix in self.targets if suffix in self.index.targets]
        return [int(count) for count in sum((column[self._rows] for column in columns), start=self._heads)]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return (self.tensor(index), *(self.target(index, suffix) for suffix in self.targets))

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, ...]]:
        """The items of a batch, as `DataLoader` asks for them."""
        columns = [self.tensors(indices), *([self.target(i, suffix) for i in indices] for suffix in self.targets)]
        return list(zip(*columns, strict=True))

    def __add__(self, other: Any) -> ConcatDataset[Any]:
        """The items of both."""
        missing_torch_error("adding datasets")
        from torch.utils.data import ConcatDataset

        return ConcatDataset([self, other])  # type: ignore[list-item]  # what it takes is asked for by name

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_batch"}

    def tensors(self, indices: Sequence[int]) -> Sequence[Float[Tensor, "channels h w"]]:
        """The latents of some items, parts of one tensor where they have one size."""
        if self.index.grid is None:
            return [self.tensor(i) for i in indices]
        return tuple(framed_tensor(self.arrays(indices)))

    def tensor(self, index: int) -> Float[Tensor, "channels h w"]:
        """The latent of an item, (channels, h, w) float32."""
        return framed_tensor(self.array(index)[0])

    def array(self, index: int) -> tuple[Float[NDArray[np.float32], "channels h w"], int]:
        """The item as a numpy array, for those without torch, and its label."""
        index = self._checked(index)
        values = self.latent(index).dequantize()
        scale, shift = self.normalization
        values *= scale
        values += shift
        return values, int(self.index.label[self._rows[index]])

    def arrays(self, indices: Sequence[int]) -> Float[NDArray[np.float32], "n channels h w"]:
        """What `array` gives of some items, in one array. Raises `CodecError` where the items differ in size."""
        numbers = np.array([self._checked(index) for index in indices], np.int64)
        out = np.empty((len(numbers), *self.shape), np.float32)
        rows = self._rows[numbers]
        shards, files = np.unique(self.index.shard[rows], return_inverse=True)
        paths = [os.fsencode(self.folder / self.index.shards[shard].name) for shard in shards]
        done = self._batch.decode(
            lambda: PictureFiles(paths, files, self.index.offset[rows], self._heads[numbers]), out
        )
        for i in np.flatnonzero(~done):
            array, _ = self.array(int(numbers[i]))
            if array.shape != self.shape:
                raise CodecError(
                    f"item {numbers[i]} has shape {array.shape}, others {self.shape}; pack {self.folder} again"
                )
            out[i] = array
        return out

    @cached_property
    def _batch(self) -> LatentBatch:
        scale, shift = self.normalization
        return LatentBatch(load_model(self._model), self.channels, scale.ravel(), shift.ravel())

    def latent(self, index: int) -> Latent:
        """The integers of an item."""
        index = self._checked(index)
        row = self._rows[index]
        head = self._read(row, int(self.index.offset[row]), int(self._heads[index]))
        return Lcn(model=self._model).unpack(head, channels=self.channels)

    def target(self, index: int, suffix: str) -> Any:
        """The value of one of an item's target files: "cls", "txt", ...; see `targets.decode_target`.

        Raises `CodecError` where the item has no such target, or it is damaged.
        """
        row, suffix = self._rows[self._checked(index)], name_argument("suffix", suffix)
        if suffix == LABEL_SUFFIX and self.index.label[row] != NO_LABEL:
            return int(self.index.label[row])
        column = self.index.targets.get(suffix)
        if column is None or column.offset[row] < 0:
            raise no_target(suffix, self.index.source[row], self.index.targets_of(int(row)))
        return decode_target(suffix, self._read(row, int(column.offset[row]), int(column.length[row])))

    def _checked(self, index: int) -> int:
        """The number of an item, which counts from the end where it is negative. Raises `IndexError`, so that loops end."""
        number, count = whole_numbers_argument("index", [index])[0], len(self)
        if not -count <= number < count:
            raise IndexError(
                f"index is {shown(index)}; allowed is {-count} to {count - 1}, as the dataset has {count} items"
            )
        return number

    def _read(self, row: np.int64, offset: int, num_bytes: int) -> bytes:
        """Part of the shard that a sample is in."""
        shard = self.index.shards[self.index.shard[row]]
        with (self.folder / shard.name).open("rb", buffering=0) as file:
            file.seek(offset)
            data: bytes = file.read(num_bytes)
        return data


def _normalization_of(
    index: PackIndex, channels: int, scaling: Scaling
) -> tuple[Float[NDArray[np.float32], "channels 1 1"], Float[NDArray[np.float32], "channels 1 1"]]:
    """(channels, 1, 1) each: factors and summands for values in signal units. Raises `CodecError` for the scaling."""
    scaling = choice_argument("scaling", scaling, _SCALINGS)
    deviation, mean = index.std[:channels], index.mean[:channels]
    if scaling == "none":
        deviation, mean = np.ones_like(deviation), np.zeros_like(mean)
    elif scaling == "common":
        deviation = np.full_like(deviation, np.sqrt(np.square(deviation).mean()))
    scale = 1 / np.maximum(deviation, max(_LEAST_DEVIATION * float(deviation.max()), _LEAST_SCALE))
    shift = -mean * scale
    return scale[:, None, None].astype(np.float32), shift[:, None, None].astype(np.float32)


def _rows_of(index: PackIndex, split: str | None) -> NDArray[np.int64]:
    if split is None:
        return np.arange(len(index))
    choice_argument("split", split, index.splits)
    shards = [i for i, shard in enumerate(index.shards) if shard.split == split]
    return np.flatnonzero(np.isin(index.shard, shards))


def _model_path(index: PackIndex, model: str | None) -> str:
    """The model file, found once and not for every item. Raises `UnknownModelError` or `CodecError`."""
    if model is not None and load_model(model).fingerprint == index.fingerprint:
        return model
    load_model_of(index.fingerprint, model)
    return next(str(entry.path) for entry in shipped_models() if entry.fingerprint == index.fingerprint)
