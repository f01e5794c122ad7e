"""Shards -> normalised latents, never pixels: `LatentDataset`, a map-style dataset for torch's `DataLoader`.

Only the head of each .lcn file is read and decoded, as far as the wanted channels reach; a tensor is made of the result
without copying. A batch of pictures takes a few native calls, which is many times faster than its items one by one. Nothing
is open between accesses, so a dataset can be pickled, forked and read from threads.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.models.model import Model
from laconic.codecs.models.zoo import load_model, load_model_of, shipped_models
from laconic.codecs.packing.latent_bands import LatentBands
from laconic.codecs.packing.latent_batch import LatentBatch, LatentViews, PictureFiles
from laconic.entropy import BitstreamError
from laconic.tasks.datasets.framing import framed_tensor
from laconic.tasks.datasets.latent_scaling import Scaling, normalization_of_pack
from laconic.tasks.datasets.pack_index import PackIndex, read_index
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL, decode_target, no_target
from laconic.tasks.datasets.torch_dataset import TorchDataset

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor

    from laconic.codecs.latent import Latent


_HEADS_AT_A_TIME = 4096
_NUM_VIEWED = 4  # loaders that read one dataset in turns
_MOST_HEAD_BYTES = 64  # of pictures that native code reads


class LatentDataset(TorchDataset):  # type: ignore[misc]  # a class where torch is there
    """The first `channels` channels of every sample of a packed folder (`laconic pack`), or of one split of it.

    Items are (float32 tensor (channels, h, w), label), or, with other `targets` than the label, the values of these target
    files in place of it; a sound has h = 1. `scaling` by the statistics in the index, those of the training split: "common"
    gives every channel mean 0, and by one factor the first two groups of channels, 12 of a picture's, together deviation 1,
    which keeps what is large large, as in the signal (networks learned more from it), however many channels are read;
    "channel" gives each channel deviation 1; "none" leaves signal units. `transform` is called with the tensor of an item,
    and what it returns takes its place. `model` is the path of the model where it is not shipped. Raises `CodecError` for a
    bad folder, split or number of channels; items raise `BitstreamError` for damaged shards.

    It is a torch `Dataset` where torch is there: added to others by `+`, and `DataLoader` takes the items of a batch from
    it together. `LatentLoader` makes batches of it sooner, without worker processes.
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
        transform: Callable[[Tensor], Any] | None = None,
    ) -> None:
        self.folder = path_argument("folder", folder)
        self.targets = tuple(name_argument("a target", suffix) for suffix in items_of_argument("targets", targets))
        if transform is not None and not callable(transform):
            raise CodecError(f"transform is {shown(transform)}; allowed is a function of a tensor, or None")
        self.transform = transform
        self.index = read_index(folder)
        self._model = _model_path(self.index, model)
        self.channels = channels = whole_number_argument("channels", channels, 1, len(self.index.mean))
        self._rows = _rows_of(self.index, split)
        _check_targets(self.index, self._rows, self.targets)
        self.normalization = normalization_of_pack(self.index, channels, scaling)
        group = next(i for i, end in enumerate(self.index.group_ends) if end >= channels)
        self._heads = self.index.heads[self._rows, group].astype(np.int64)
        self._labels = self.index.label[self._rows].astype(np.int64)
        self._viewed: list[tuple[LatentBands, LatentBatch]] = []

    def __repr__(self) -> str:
        splits = ", ".join(dict.fromkeys(self.index.shards[i].split for i in np.unique(self.index.shard[self._rows])))
        return f"LatentDataset({str(self.folder)!r}: {len(self)} items, {splits}, {self.channels} channels)"

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
                "(pictures) or --sample-rate and --seconds (sound), or read it by a LatentLoader with a crop or with sizes "
                "'pad' or 'bucket'"
            )
        return (self.channels, *self.index.grid)

    @property
    def bytes_per_item(self) -> list[int]:
        """What reading each item takes from disk, with its targets."""
        columns = [self.index.targets[suffix].length for suffix in self.targets if suffix in self.index.targets]
        return [int(count) for count in sum((column[self._rows] for column in columns), start=self._heads)]

    def subset(self, items: Sequence[int] | Int[NDArray[np.int64], " n"]) -> LatentDataset:
        """A dataset of some items, in that order. Raises `IndexError`."""
        numbers, own = self._numbers(items), copy.copy(self)
        own._rows, own._heads, own._labels = (column[numbers] for column in (self._rows, self._heads, self._labels))
        own._viewed = []
        own.__dict__.pop("grids", None)
        return own

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        return (self._transformed(self.tensor(index)), *(self.target(index, suffix) for suffix in self.targets))

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, ...]]:
        """The items of a batch, as `DataLoader` asks for them."""
        columns = [
            [self._transformed(x) for x in self.tensors(indices)],
            *([self.target(i, suffix) for i in indices] for suffix in self.targets),
        ]
        return list(zip(*columns, strict=True))

    def _transformed(self, tensor: Tensor) -> Any:
        return tensor if self.transform is None else self.transform(tensor)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_batch"} | {"_viewed": []}

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
        numbers = np.array([self._checked(index)])
        label = int(self._labels[numbers[0]])
        grid = self.index.grid or tuple(self._batch.grids(self._files(numbers, _MOST_HEAD_BYTES))[0].tolist())
        if all(grid):
            return self.read_into(np.empty((1, self.channels, *grid), np.float32), numbers)[0], label
        values = self.latent(int(numbers[0])).dequantize()
        scale, shift = self.normalization
        values *= scale
        values += shift
        return values, label

    def arrays(
        self, indices: Sequence[int] | Int[NDArray[np.int64], " n"]
    ) -> Float[NDArray[np.float32], "n channels h w"]:
        """What `array` gives of some items, in one array. Raises `CodecError` where the items differ in size."""
        return self.read_into(np.empty((len(indices), *self.shape), np.float32), indices)

    def read_into(
        self,
        out: Shaped[NDArray[Any], "n channels h w"],
        indices: Sequence[int] | Int[NDArray[np.int64], " n"],
        *,
        views: LatentViews | None = None,
        bands: LatentBands | None = None,
        num_threads: int = 1,
    ) -> Shaped[NDArray[Any], "n channels h w"]:
        """Some items, or by `views` parts of them, into an array of float32, float16, or uint16, which stands for bfloat16.
        `bands` of the model where views mirror, halve or colour. Returns the array. Raises `CodecError` where items and
        array differ in size."""
        numbers = self._numbers(indices)
        if len(numbers) != len(out) or (out.ndim, out.shape[1]) != (4, self.channels):
            raise CodecError(
                f"the array has shape {out.shape} for {len(numbers)} items of {self.channels} channels; needed is "
                "(n, channels, h, w)"
            )
        batch = self._batch_of(bands)
        done = batch.decode(lambda: self._files(numbers), out, views=views, num_threads=num_threads)
        for i in np.flatnonzero(~done).tolist():
            values = self.latent(int(numbers[i])).dequantize()
            if views is None and values.shape != out.shape[1:]:
                raise CodecError(
                    f"item {numbers[i]} has shape {values.shape}, others {out.shape[1:]}; pack {self.folder} again"
                )
            batch.put(values, out, i, None if views is None else views.of(np.array([i])))
        return out

    @cached_property
    def grids(self) -> Int[NDArray[np.int64], "n 2"]:
        """(n, 2): rows and columns of every item. Where they differ, the first bytes of all files are read for it."""
        if self.index.grid is not None:
            return np.broadcast_to(np.array(self.index.grid), (len(self), 2))
        found = np.empty((len(self), 2), np.int64)
        for first in range(0, len(self), _HEADS_AT_A_TIME):
            numbers = np.arange(first, min(first + _HEADS_AT_A_TIME, len(self)))
            found[numbers] = self._batch.grids(self._files(numbers, _MOST_HEAD_BYTES))
        for i in np.flatnonzero(found[:, 0] == 0).tolist():
            found[i] = self.latent(i).values.shape[1:]
        return found

    def _numbers(self, indices: Sequence[int] | Int[NDArray[np.int64], " n"]) -> Int[NDArray[np.int64], " n"]:
        """The numbers of items, which count from the end where they are negative. Raises `IndexError`."""
        numbers = indices if isinstance(indices, np.ndarray) else np.array(list(indices))
        if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            return np.array([self._checked(index) for index in indices], np.int64)
        count = len(self)
        if np.any(outside := (numbers < -count) | (numbers >= count)):
            self._checked(int(numbers[outside][0]))
        return np.where(numbers < 0, numbers + count, numbers).astype(np.int64)

    def _files(self, numbers: Int[NDArray[np.int64], " n"], most_bytes: int = 1 << 31) -> PictureFiles:
        rows = self._rows[numbers]
        places = (self.index.shard[rows], self.index.offset[rows], np.minimum(self._heads[numbers], most_bytes))
        return PictureFiles(self._paths, *(column.astype(np.int64) for column in places))

    @cached_property
    def _paths(self) -> list[bytes]:
        return [os.fsencode(self.folder / shard.name) for shard in self.index.shards]

    @cached_property
    def _batch(self) -> LatentBatch:
        return self._make_batch(None)

    def _batch_of(self, bands: LatentBands | None) -> LatentBatch:
        if bands is None:
            return self._batch
        found = next((batch for own, batch in self._viewed if own is bands), None)
        if found is None:
            found = self._make_batch(bands)
            self._viewed = [*self._viewed[1 - _NUM_VIEWED :], (bands, found)]
        return found

    def _make_batch(self, bands: LatentBands | None) -> LatentBatch:
        scale, shift = self.normalization
        return LatentBatch(self.loaded_model, self.channels, scale.ravel(), shift.ravel(), bands)

    @property
    def loaded_model(self) -> Model:
        """The model of the files."""
        return load_model(self._model)

    def latent(self, index: int) -> Latent:
        """The integers of an item."""
        index = self._checked(index)
        row = self._rows[index]
        head = self._read(row, int(self.index.offset[row]), int(self._heads[index]))
        try:
            return Lcn(model=self._model).unpack(head, channels=self.channels)
        except BitstreamError as err:
            shard = self.index.shards[self.index.shard[row]].name
            raise type(err)(f"{self.index.source[row]} in {self.folder / shard} is damaged: {err}") from err

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


def _check_targets(index: PackIndex, rows: NDArray[np.int64], targets: Sequence[str]) -> None:
    """Raises `CodecError` for targets that no sample has."""
    own = {suffix for suffix, column in index.targets.items() if (column.offset[rows] >= 0).any()}
    if (index.label[rows] != NO_LABEL).any():
        own.add(LABEL_SUFFIX)
    for suffix in targets:
        if suffix not in own and suffix != LABEL_SUFFIX:
            raise CodecError(f"no sample has a target {suffix!r}; they have {', '.join(sorted(own)) or 'none'}")


def _rows_of(index: PackIndex, split: str | None) -> NDArray[np.int64]:
    if split is None:
        return np.arange(len(index))
    choice_argument("split", split, index.splits)
    return index.rows_of_split(split)


def _model_path(index: PackIndex, model: str | None) -> str:
    """The model file, found once and not for every item. Raises `UnknownModelError` or `CodecError`."""
    if model is not None and load_model(model).fingerprint == index.fingerprint:
        return model
    load_model_of(index.fingerprint, model)
    return next(str(entry.path) for entry in shipped_models() if entry.fingerprint == index.fingerprint)
