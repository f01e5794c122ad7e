"""What a network learns from: latents of a packed folder, or pixels or samples of any other source, for comparison.

All arms see the same items in the same parts (training, validation, test), changed by the same draws; they differ in where
the numbers of a token come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.codecs.form import MediaKind
from laconic.codecs.models.model import Model
from laconic.codecs.notes import note
from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.framing import Framing
from laconic.tasks.datasets.latent_augmenter import fitting_augmentation
from laconic.tasks.datasets.latent_loader import LatentLoader, place_of_latents
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import has_pack_index
from laconic.tasks.datasets.signal_dataset import SignalDataset
from laconic.tasks.datasets.signal_loader import SignalLoader, SignalPlaces
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource
from laconic.tasks.datasets.splits import parse_splits
from laconic.tasks.datasets.targets import LABEL_SUFFIX, NO_LABEL, no_target
from laconic.tasks.heads.item_parts import ItemParts, parts_of_items
from laconic.tasks.heads.learning_task import Batch, InputForm, LearningTask, TaskRecipe
from laconic.tasks.heads.train_options import TrainOptions

if TYPE_CHECKING:
    from jaxtyping import Int

# One latent place of the shipped models: 8 x 8 pixels, 256 samples of sound.
_PLACE: Final[Mapping[MediaKind, tuple[int, int]]] = {"image": (8, 8), "sound": (1, 256)}
# The small arm: as few numbers in a token as 12 channels have (12 of 192 pixel values, 16 of 256 samples).
_SMALL_PATCH: Final[Mapping[MediaKind, tuple[int, int]]] = {"image": (2, 2), "sound": (1, 16)}
_DEFAULT_SIZE = 256
_EVALUATION_BATCH = 64

Loader = LatentLoader | SignalLoader
MakeLoader = Callable[..., Loader]


@dataclass(frozen=True, eq=False)
class Part:
    """Some items of a dataset: those of a split, or what is held out of one. `make(items, targets, batch size, ...)` gives
    a loader of them."""

    items: Int[NDArray[np.int64], " n"]
    sources: tuple[str, ...]
    num_bytes: int  # that one pass reads from disk
    make: MakeLoader

    def __len__(self) -> int:
        return len(self.items)

    def loader(self, targets: Sequence[str], batch_size: int, **options: Any) -> Loader:
        """Batches of the items, in processes that share them."""
        return self.make(self.items, tuple(targets), batch_size, **options)


@dataclass(frozen=True, eq=False)
class Data:
    """Training, validation and test items, the form in which a network gets them, and `recipe`: how they are made of
    files."""

    train: Part
    val: Part
    test: Part
    form: InputForm
    recipe: Mapping[str, Any]
    has_sizes: bool

    def batches(self, loader: Loader) -> Iterator[Batch]:
        """Of the epoch that the loader is in."""
        for x, *targets in loader:
            sizes = targets.pop() if self.has_sizes else None
            yield Batch(x, tuple(targets), sizes)

    def judged_loader(self, part: Part, task: LearningTask, **options: Any) -> Loader:
        """All items of a part in order, as they are."""
        return part.loader(task.judged_targets, _EVALUATION_BATCH, shuffle=False, **options)


def load_inputs(folder: Path | str, options: TrainOptions, task: LearningTask) -> tuple[Data, TrainOptions]:
    """The items of a packed folder (latents) or of another source of signals, split by names, by folds or by the seed; and
    the options, with what the task says where nothing was said.

    Raises `CodecError` where the folder does not fit arm or task.
    """
    found = _latent_data if options.arm == "latents" else _signal_data
    return found(Path(folder), options, task)


def input_name(form: InputForm, options: TrainOptions) -> str:
    """What the network sees, in a few words."""
    if form.arm == "latents":
        scaling = "" if options.scaling == "common" else f", scaling {options.scaling}"
        return f"{form.channels} latent channels{scaling}"
    if form.kind == "sound":
        name = {"mel": "mel spectrograms of ", "mfcc": "mel cepstra of "}.get(form.arm)
        samples = f"samples at {form.sample_rate_hz} Hz"
        return f"{name}{samples}" if name else f"{samples} in patches of {form.patch[1]}"
    side = "pixels" if form.grid is None else f"pixels {form.grid[1]}x{form.grid[0]}"
    return side if form.arm == "pixels" else f"{side} in {form.patch[0]}x{form.patch[1]} patches"


def framing_of_arm(
    kind: MediaKind, options: TrainOptions, default_size: int | None = _DEFAULT_SIZE
) -> tuple[tuple[int, int], Framing]:
    """The patches of an arm of signals, and what signals are framed to: in the small one, they are reduced until there are
    as many patches as latent places."""
    patch = {"small": _SMALL_PATCH, "patches": _PLACE}.get(options.arm, dict.fromkeys(_PLACE, (1, 1)))[kind]
    reduction = _PLACE[kind][1] // _SMALL_PATCH[kind][1] if options.arm == "small" else 1
    if kind == "image":
        size = options.size or default_size
        return patch, Framing(size=None if size is None else max(size // reduction, patch[0]))
    rate = options.sample_rate_hz
    return patch, Framing(sample_rate_hz=rate and max(rate // reduction, 1), seconds=options.seconds)


def _latent_data(folder: Path, options: TrainOptions, task: LearningTask) -> tuple[Data, TrainOptions]:
    if not has_pack_index(folder):
        raise CodecError(
            f"{folder} is not packed, arm is 'latents'; pack it first (`laconic pack`) or name another arm"
        )
    whole = LatentDataset(folder, channels=1, model=options.model)
    index = whole.index
    _check_kind(index.kind, task)
    model = whole.loaded_model
    form = InputForm(
        "latents",
        index.kind,
        1,
        index.grid,
        place=place_of_latents(model),
        classes=index.classes,
        sample_rate_hz=index.options.sample_rate_hz,
        fingerprint=index.fingerprint.hex(),
        group_ends=tuple(int(end) for end in index.group_ends),
        model=options.model,
    )
    options = _settled(options, task.recipe(form), model)
    assert options.channels is not None

    def dataset(targets: Sequence[str]) -> LatentDataset:
        chosen = {"channels": options.channels, "model": options.model, "scaling": options.scaling}
        return LatentDataset(folder, targets=targets, **chosen)  # type: ignore[arg-type]

    every = dataset(task.targets)
    _check_sizes(form, task, options)
    scale, shift = (tuple(values.ravel().tolist()) for values in every.normalization)
    form = replace(form, channels=options.channels, scale=scale, shift=shift)
    splits = np.array([shard.split for shard in index.shards])[index.shard]
    recipe = {"channels": options.channels, "pack": asdict(index.options) | {"model": None}}
    parts = parts_of_items(every.labels, index.source, splits, options)
    if (unlabeled := _unlabeled(every.labels, parts, task)) is not None:
        raise no_target(LABEL_SUFFIX, index.source[unlabeled], index.targets_of(unlabeled))

    def make(
        items: Int[NDArray[np.int64], " n"], targets: tuple[str, ...], batch_size: int, **more: Any
    ) -> LatentLoader:
        own = every if targets == tuple(every.targets) else dataset(targets)
        sizes = "pad" if task.has_sizes else "same"
        return LatentLoader(own.subset(items), batch_size, sizes=sizes, maps=task.maps, **more)

    return _data(parts, list(index.source), every.bytes_per_item, make, form, recipe, task), options


def _settled(options: TrainOptions, recipe: TaskRecipe, model: Model) -> TrainOptions:
    """With what the task says where nothing was said; of its augmentation what the model's latents allow."""
    found = options.with_recipe(recipe)
    if options.augmentation == "" and isinstance(found.augmentation, Augmentation):
        assert found.channels is not None
        fitting = fitting_augmentation(found.augmentation, model, found.channels)
        if fitting != found.augmentation:
            note(
                f"no mirroring and no colours while training, as bands of the first {found.channels} channels cannot be "
                "told apart; --augment says what happens to latents"
            )
        return replace(found, augmentation=fitting)
    return found


def _signal_data(folder: Path, options: TrainOptions, task: LearningTask) -> tuple[Data, TrainOptions]:
    if has_pack_index(folder):
        raise CodecError(f"{folder} holds latents, arm is {options.arm!r}; allowed is arm 'latents' or a plain folder")
    source = open_pack_source(folder, None if options.splits is None else parse_splits(options.splits))
    _check_kind(source.kind, task)
    _check_arm(options.arm, source.kind)
    keeps_size = bool(task.maps) or task.has_sizes
    patch, framing = framing_of_arm(source.kind, options, None if keeps_size else _DEFAULT_SIZE)
    if source.kind == "sound" and not task.has_sizes and None in (framing.seconds, framing.sample_rate_hz):
        raise CodecError("sounds of different length fit in no batch; pass sample_rate_hz and seconds")
    is_reduced = options.arm == "small" and framing.size is None and framing.sample_rate_hz is None
    reduction = tuple(p // q for p, q in zip(_PLACE[source.kind], patch, strict=True)) if is_reduced else (1, 1)
    dataset = SignalDataset(source, source.samples, framing, reduction)  # type: ignore[arg-type]
    form = _form_of_signals(source, dataset, patch, options)
    options = options.with_recipe(task.recipe(form))
    splits = np.array([sample.split for sample in source.samples])
    sources = [sample.source for sample in source.samples]
    parts = parts_of_items(dataset.labels, sources, splits, options)
    step = patch if options.arm in ("small", "patches") else form.place

    def make(
        items: Int[NDArray[np.int64], " n"], targets: tuple[str, ...], batch_size: int, **more: Any
    ) -> SignalLoader:
        sizes = "pad" if task.has_sizes else "same"
        places = SignalPlaces(step, form.place)
        return SignalLoader(dataset.subset(items), targets, batch_size, places, sizes=sizes, maps=task.maps, **more)

    recipe = {"framing": asdict(framing), "reduction": reduction}
    return _data(parts, sources, dataset.bytes_per_item, make, form, recipe, task), options


def _form_of_signals(
    source: PackSource, dataset: SignalDataset, patch: tuple[int, int], options: TrainOptions
) -> InputForm:
    """As the first signal tells."""
    channels, *grid = dataset.array(0).shape
    place, framing = _PLACE[source.kind], dataset.framing
    is_fixed = framing.size is not None or framing.seconds is not None
    return InputForm(
        options.arm,
        source.kind,
        channels,
        (grid[0], grid[1]) if is_fixed else None,
        patch=patch,
        place=place,
        classes=source.classes,
        sample_rate_hz=framing.sample_rate_hz,
    )


def _data(
    parts: ItemParts,
    sources: Sequence[str],
    bytes_per_item: Sequence[int],
    make: MakeLoader,
    form: InputForm,
    recipe: Mapping[str, Any],
    task: LearningTask,
) -> Data:
    num_bytes = np.array(bytes_per_item, np.int64)

    def part(items: Int[NDArray[np.int64], " n"]) -> Part:
        return Part(items, tuple(sources[i] for i in items.tolist()), int(num_bytes[items].sum()), make)

    return Data(part(parts.train), part(parts.val), part(parts.test), form, recipe, task.has_sizes)


def _unlabeled(labels: Int[NDArray[np.int64], " n"], parts: ItemParts, task: LearningTask) -> int | None:
    """An item without the class that the task wants of it."""
    judged = np.concatenate([parts.val, parts.test]) if LABEL_SUFFIX in task.judged_targets else parts.val[:0]
    wanted = np.concatenate([parts.train if LABEL_SUFFIX in task.targets else parts.train[:0], judged])
    return next(iter(wanted[labels[wanted] == NO_LABEL].tolist()), None)


def _check_kind(kind: str, task: LearningTask) -> None:
    if kind not in task.kinds:
        what = {"image": "pictures", "sound": "sounds"}
        raise CodecError(
            f"the data are {what.get(kind, kind)}, task {task.name} is for {' and '.join(what[k] for k in task.kinds)}; "
            "name data, or a task, that fits"
        )


def _check_arm(arm: str, kind: MediaKind) -> None:
    if arm in ("mel", "mfcc") and kind != "sound":
        raise CodecError(f"arm is {arm!r}, which is for sounds; allowed for pictures are small, patches and pixels")


def _check_sizes(form: InputForm, task: LearningTask, options: TrainOptions) -> None:
    """Raises `CodecError` where latents of different sizes fit in no batch."""
    if form.grid is None and not task.has_sizes:
        raise CodecError(
            "the latents differ in size, so they fit in no batch; pack the folder with --size (pictures) or --sample-rate "
            "and --seconds (sound)"
        )
