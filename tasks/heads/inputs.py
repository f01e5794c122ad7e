"""What a network learns from: latents of a packed folder, or pixels or samples of a plain one, for comparison.

All arms see the same items in the same parts (training, validation, test) and as many tokens of the same body; they
differ in where the numbers of a token come from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.tasks.datasets.class_folders import (
    ClassFolder,
    ClassFolderDataset,
    hold_out_of_class_folder,
    list_class_folder,
)
from laconic.tasks.datasets.framing import Framing
from laconic.tasks.datasets.latents import LatentDataset, Scaling
from laconic.tasks.datasets.pack_index import has_pack_index
from laconic.tasks.datasets.splits import WHOLE, parse_splits
from laconic.tasks.heads.networks import NetworkConfig

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

Arm = Literal["latents", "small", "patches"]
ARMS: tuple[Arm, ...] = ("latents", "small", "patches")
_TEST_FRACTION = 0.2  # of folders without a test split
# One latent place of the shipped models: 8 x 8 pixels, 256 samples of sound.
_PATCH = {"image": (8, 8), "sound": (1, 256)}
# The small arm: as few numbers in a token as 12 channels have (12 of 192 pixel values, 16 of 256 samples).
_SMALL_PATCH = {"image": (2, 2), "sound": (1, 16)}
_DEFAULT_SIZE = 256


@dataclass(frozen=True)
class TrainOptions:
    """What decides the result of a run, beside the data and the machine.

    `arm`: "latents" of a packed folder; of a plain folder "small" pictures in as many tokens of as few numbers, or full
    pictures in big "patches". `channels`, `scaling`: of the latents, see `LatentDataset`. `size`, `sample_rate_hz`,
    `seconds`, `splits`: as in packing, for plain folders. `val_fraction` of the training split is held out by the seed
    where there is no "val" split. What belongs to one task is said in that. Raises `CodecError` for values outside.
    """

    arm: Arm = "latents"
    channels: int = 12
    scaling: Scaling = "common"
    epochs: int = 50
    seed: int = 0
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_fraction: float = 0.1
    width: int = 44
    val_fraction: float = 0.1
    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    splits: str | None = None
    num_threads: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        if self.arm not in ARMS:
            raise CodecError(f"arm is {self.arm!r}; allowed are {', '.join(ARMS)}")
        for name in ("channels", "epochs", "batch_size", "width", "num_threads"):
            if getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 1 and more")
        for name in ("seed", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 0 and more")
        for name in ("warmup_fraction", "val_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 0 to below 1")
        _ = self.framing

    @property
    def framing(self) -> Framing:
        return Framing(self.size, self.sample_rate_hz, self.seconds)


class _SampleDataset(Protocol):
    """What the loop needs of a dataset: `LatentDataset` and `ClassFolderDataset` have it."""

    @property
    def labels(self) -> Int[NDArray[np.int64], " n"]: ...
    @property
    def bytes_per_item(self) -> list[int]: ...
    def __len__(self) -> int: ...
    def tensors(self, indices: Sequence[int]) -> Sequence[Float[Tensor, "c h w"]]: ...
    def target(self, index: int, suffix: str) -> Any: ...


@dataclass(frozen=True, eq=False)
class Part:
    """Some items of a dataset: those that a split, or what is held out of one, consists of. Each is a tensor and the
    target files that are read of it, decoded, by suffix."""

    dataset: _SampleDataset
    items: Int[NDArray[np.int64], " n"]
    targets: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """What one pass reads from disk."""
        return sum(np.array(self.dataset.bytes_per_item, np.int64)[self.items].tolist())

    def every(self, count: int, first: int) -> Part:
        """Every `count`th item."""
        return replace(self, items=self.items[first::count])

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Float[Tensor, "c h w"], dict[str, Any]]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Float[Tensor, "c h w"], dict[str, Any]]]:
        """The items of a batch, which some datasets read sooner together."""
        items = [int(self.items[index]) for index in indices]
        targets = [{suffix: self.dataset.target(item, suffix) for suffix in self.targets} for item in items]
        return list(zip(self.dataset.tensors(items), targets, strict=True))


@dataclass(frozen=True, eq=False)
class Data:
    """Training, validation and test items, the head that fits them and their classes, and `recipe`: how such items are
    made of files."""

    train: Part
    val: Part
    test: Part
    classes: tuple[str, ...]
    head: NetworkConfig
    recipe: Mapping[str, Any]


def load_inputs(folder: Path | str, options: TrainOptions, targets: Sequence[str] = ("cls",)) -> Data:
    """The items, with these targets, of a packed folder (latents) or a plain class folder (pixel arms), split by names or
    by the seed.

    Raises `CodecError` where the folder does not fit the arm.
    """
    if options.arm == "latents":
        return _latent_data(folder, options, tuple(targets))
    if has_pack_index(folder):
        raise CodecError(f"{folder} holds latents, arm is {options.arm!r}; allowed is arm 'latents' or a plain folder")
    splits = None if options.splits is None else parse_splits(options.splits)
    return _signal_data(list_class_folder(folder, splits), options, tuple(targets))


def input_name(data: Data, options: TrainOptions) -> str:
    """What the network sees, in a few words."""
    kind, (rows, columns) = data.recipe["kind"], data.head.patch
    if options.arm == "latents":
        scaling = "" if options.scaling == "common" else f", scaling {options.scaling}"
        return f"{options.channels} latent channels{scaling}"
    if kind == "image":
        side = data.recipe["framing"]["size"]
        return f"pixels {side}x{side} in {rows}x{columns} patches"
    return f"samples at {data.recipe['framing']['sample_rate_hz']} Hz in patches of {columns}"


def _latent_data(folder: Path | str, options: TrainOptions, targets: tuple[str, ...]) -> Data:
    if not has_pack_index(folder):
        raise CodecError(
            f"{folder} is not packed, arm is 'latents'; pack it first (`laconic pack`) or name another arm"
        )
    dataset = LatentDataset(
        folder, channels=options.channels, model=options.model, scaling=options.scaling, targets=targets
    )
    index = dataset.index
    _ = dataset.shape  # or a sentence why there are no batches
    splits = np.array([shard.split for shard in index.shards])[index.shard]
    recipe = {
        "arm": "latents",
        "kind": index.kind,
        "channels": options.channels,
        "pack": asdict(index.options) | {"model": None},
        "fingerprint": index.fingerprint.hex(),
        "scale": dataset.normalization[0].ravel().tolist(),
        "shift": dataset.normalization[1].ravel().tolist(),
    }
    head = NetworkConfig(options.channels, max(len(index.classes), 1), (1, 1), options.width)
    return Data(*_parts(dataset, index.source, splits, options, targets), index.classes, head, recipe)


def _signal_data(folder: ClassFolder, options: TrainOptions, targets: tuple[str, ...]) -> Data:
    patch, framing = framing_of_arm(folder.kind, options)
    if folder.kind == "sound" and (framing.seconds is None or framing.sample_rate_hz is None):
        raise CodecError("sounds of different length fit in no batch; pass sample_rate_hz and seconds")
    dataset = ClassFolderDataset(folder, folder.samples, framing)
    splits = np.array([sample.split for sample in folder.samples])
    sources = [sample.source for sample in folder.samples]
    recipe = {"arm": options.arm, "kind": folder.kind, "framing": asdict(framing)}
    head = NetworkConfig(3 if folder.kind == "image" else 1, len(folder.classes), patch, options.width)
    return Data(*_parts(dataset, sources, splits, options, targets), folder.classes, head, recipe)


def framing_of_arm(kind: MediaKind, options: TrainOptions) -> tuple[tuple[int, int], Framing]:
    """The patches of an arm of signals, and what signals are framed to: in the small one, they are reduced until there are
    as many patches as latent places."""
    patch = _PATCH[kind] if options.arm == "patches" else _SMALL_PATCH[kind]
    reduction = _PATCH[kind][1] // patch[1]
    if kind == "image":
        return patch, Framing(size=max((options.size or _DEFAULT_SIZE) // reduction, patch[0]))
    rate = options.sample_rate_hz
    return patch, Framing(sample_rate_hz=rate and max(rate // reduction, 1), seconds=options.seconds)


def _parts(
    dataset: _SampleDataset,
    sources: Sequence[str],
    splits: NDArray[Any],
    options: TrainOptions,
    targets: tuple[str, ...],
) -> tuple[Part, Part, Part]:
    """Training, validation and test items; what has no split of its own is held out of the training items. They are in the
    order of splits and sources, whatever order a pack has, so that all arms see the same."""
    labels, kinds = dataset.labels, splits.astype("<U5")
    order = np.array(sorted(range(len(kinds)), key=lambda i: (kinds[i], sources[i])), np.int64)
    kinds[kinds == WHOLE] = "train"
    for name, fraction in (("test", _TEST_FRACTION), ("val", options.val_fraction)):
        rest = order[kinds[order] == "train"]
        if name not in kinds:
            kinds[rest[hold_out_of_class_folder(labels[rest], fraction, options.seed if name == "val" else 0)]] = name
    parts = {name: Part(dataset, order[kinds[order] == name], targets) for name in ("train", "val", "test")}
    if empty := [name for name, part in parts.items() if not len(part)]:
        raise CodecError(f"there are no {' and no '.join(empty)} items; each class needs more samples, or add a split")
    return parts["train"], parts["val"], parts["test"]
