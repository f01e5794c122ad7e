"""Training a classifier on latents, or on pixels or samples for comparison: one loop, one result file.

    RUN/options.json            what was asked for
    RUN/last.safetensors        weights, optimiser state and progress after the last finished epoch
    RUN/best.safetensors        weights of the epoch with the lowest validation loss, and what `Predictor` needs
    RUN/result.json             accuracy on the test split with its interval, seconds and bytes of an epoch

Everything random in an epoch is drawn from (seed, epoch), so a run that was killed goes on after its last finished epoch
and ends with the same weights as an uninterrupted one, on the CPU with the same number of threads. The test split is
touched once, at the end, with the best weights.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from laconic.codecs.errors import CodecError, MissingDependencyError, WeightsError
from laconic.codecs.files import atomic_write
from laconic.tasks.archive import is_pack, read_index
from laconic.tasks.folders import WHOLE, ClassFolder, Framing, SignalDataset, hold_out, list_class_folder
from laconic.tasks.heads import Classifier, HeadConfig, new_classifier, num_parameters
from laconic.tasks.latents import LatentDataset

Arm = Literal["latents", "small", "patches"]
ARMS: tuple[Arm, ...] = ("latents", "small", "patches")
RESULT_NAME = "result.json"
BEST_NAME = "best.safetensors"
_OPTIONS_NAME = "options.json"
_LAST_NAME = "last.safetensors"
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
    pictures in big "patches". `channels`: of the latents. `size`, `sample_rate_hz`, `seconds`: as in packing, for plain
    folders. `val_fraction` of the training split is held out by the seed where there is no "val" split. `max_shift`:
    random shift in tokens, `mixup`: the parameter of its Beta distribution, 0 for none; the same for all arms (flips are
    left out: a flipped picture has other latents than flipped latents). Raises `CodecError` for values outside.
    """

    arm: Arm = "latents"
    channels: int = 12
    epochs: int = 50
    seed: int = 0
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    warmup_fraction: float = 0.1
    mixup: float = 0.2
    max_shift: int = 2
    width: int = 44
    val_fraction: float = 0.1
    size: int | None = None
    sample_rate_hz: int | None = None
    seconds: float | None = None
    num_threads: int = 1
    model: str | None = None

    def __post_init__(self) -> None:
        if self.arm not in ARMS:
            raise CodecError(f"arm is {self.arm!r}; allowed are {', '.join(ARMS)}")
        for name in ("channels", "epochs", "batch_size", "width", "num_threads"):
            if getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 1 and more")
        for name in ("seed", "mixup", "max_shift", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 0 and more")
        for name in ("label_smoothing", "warmup_fraction", "val_fraction"):
            if not 0 <= getattr(self, name) < 1:
                raise CodecError(f"{name} is {getattr(self, name)}; allowed is 0 to below 1")
        _ = self.framing

    @property
    def framing(self) -> Framing:
        return Framing(self.size, self.sample_rate_hz, self.seconds)


class LabelledDataset(Protocol):
    """What the loop needs of a dataset: `LatentDataset` and `SignalDataset` have it."""

    @property
    def labels(self) -> NDArray[np.int64]: ...
    @property
    def bytes_per_item(self) -> list[int]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[Tensor, int]: ...


@dataclass(frozen=True, eq=False)
class Part:
    """Some items of a dataset: those that a split, or what is held out of one, consists of."""

    dataset: LabelledDataset
    items: NDArray[np.int64]

    @property
    def num_bytes(self) -> int:
        """What one pass reads from disk."""
        return sum(np.array(self.dataset.bytes_per_item, np.int64)[self.items].tolist())

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.dataset[int(self.items[index])]


@dataclass(frozen=True, eq=False)
class Data:
    """Training, validation and test items, the head that fits them, and `recipe`: how `Predictor` makes such items."""

    train: Part
    val: Part
    test: Part
    classes: tuple[str, ...]
    head: HeadConfig
    recipe: Mapping[str, Any]


@dataclass
class Progress:
    """How far a run is; part of each checkpoint."""

    epoch: int = 0
    best_epoch: int = -1
    best_val_loss: float = math.inf
    history: list[dict[str, float]] = field(default_factory=list)


def load_data(folder: Path | str, options: TrainOptions) -> Data:
    """The items of a packed folder (latents) or a plain class folder (pixel arms), split by names or by the seed.

    Raises `CodecError` where the folder does not fit the arm.
    """
    if options.arm == "latents":
        return _latent_data(folder, options)
    if is_pack(folder):
        raise CodecError(f"{folder} holds latents, arm is {options.arm!r}; allowed is arm 'latents' or a plain folder")
    return _signal_data(list_class_folder(folder), options)


def train(
    folder: Path | str,
    run: Path | str,
    options: TrainOptions | None = None,
    *,
    num_workers: int = 0,
    with_tensorboard: bool = False,
    on_epoch: Callable[[Mapping[str, float]], None] | None = None,
) -> dict[str, Any]:
    """Train, or go on with a run that was killed, and return what RUN/result.json says.

    Raises `CodecError` for data that do not fit and for a `run` of other options. Sets torch's number of threads.
    """
    options, run = options or TrainOptions(), Path(run)
    _claim(run, options)
    if (run / RESULT_NAME).exists():
        return read_result(run)
    torch.set_num_threads(options.num_threads)
    data = load_data(folder, options)
    network = new_classifier(data.head, options.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, betas=(0.9, 0.99)
    )
    progress = _restore(run / _LAST_NAME, network, optimizer)
    batches = EpochBatches(len(data.train), options)
    writer = _summary_writer(run, progress.epoch) if with_tensorboard else None
    with Loading(data.train, num_workers, batches) as loading:
        for epoch in range(progress.epoch, options.epochs):
            row = _train_epoch(network, optimizer, loading, epoch, options)
            row |= {f"val_{name}": value for name, value in _evaluate(network, data.val, num_workers).items()}
            progress.epoch = epoch + 1
            progress.history.append(row)
            if row["val_loss"] < progress.best_val_loss:
                progress.best_epoch, progress.best_val_loss = epoch, row["val_loss"]
                _save_best(run / BEST_NAME, network, data, epoch)
            _save_last(run / _LAST_NAME, network, optimizer, progress)
            if writer is not None:
                for name, value in row.items():
                    writer.add_scalar(name, value, epoch)
                writer.flush()
            if on_epoch is not None:
                on_epoch(row)
    if writer is not None:
        writer.close()
    result = _result(run, data, options, progress, num_workers)
    atomic_write(run / RESULT_NAME, (json.dumps(result, indent=1) + "\n").encode(), force=True)
    return result


def read_result(run: Path | str) -> dict[str, Any]:
    """The result of a finished run. Raises `CodecError` where there is none."""
    path = Path(run) / RESULT_NAME
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        _ = [result[name] for name in ("arm", "test_accuracy", "seconds_per_epoch", "train_bytes_per_epoch")]
    except FileNotFoundError as err:
        raise CodecError(f"{run} holds no finished run; finish it with the same `laconic train` command") from err
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise CodecError(f"{path} is no result of a run: {err}; train again") from err
    return result


def comparison_table(results: Sequence[Mapping[str, Any]]) -> str:
    """One Markdown table of several runs; runs that differ in their seed alone are one row."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault((result["input"], result["options"]["epochs"]), []).append(result)
    lines = [
        "| input | test accuracy | 95 % interval | seeds | epochs | parameters | load s/epoch | compute s/epoch | "
        "MiB read/epoch |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (name, epochs), runs in groups.items():
        correct, total = (sum(run[key] for run in runs) for key in ("test_correct", "test_items"))
        accuracies = [100 * run["test_accuracy"] for run in runs]
        # Runs share the test items, so their number does not narrow the interval.
        low, high = wilson_interval(correct / len(runs), total / len(runs))
        spread = f" ± {np.std(accuracies, ddof=1):.1f}" if len(runs) > 1 else ""
        seconds = {key: np.median([run["seconds_per_epoch"][key] for run in runs]) for key in ("loading", "compute")}
        cells = [
            name,
            f"{np.mean(accuracies):.1f} %{spread}",
            f"{100 * low:.1f} to {100 * high:.1f}",
            str(len(runs)),
            str(epochs),
            f"{runs[0]['parameters']:,}",
            f"{seconds['loading']:.2f}",
            f"{seconds['compute']:.2f}",
            f"{runs[0]['train_bytes_per_epoch'] / 2**20:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """95 % interval of a share of `correct` in `total` (Wilson 1927).

    >>> [round(x, 3) for x in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    z = 1.959964
    share, factor = correct / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / factor
    half = z / factor * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return middle - half, middle + half


class EpochBatches(Sampler[list[int]]):
    """Batches of shuffled items. The order depends on (seed, epoch) alone; the last batch may be smaller."""

    def __init__(self, num_items: int, options: TrainOptions) -> None:
        self._num_items, self._options = num_items, options
        self.epoch = 0

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self._options.seed, self.epoch, 0)).permutation(self._num_items)
        for start in range(0, self._num_items, self._options.batch_size):
            yield order[start : start + self._options.batch_size].tolist()

    def __len__(self) -> int:
        return -(-self._num_items // self._options.batch_size)


class Loading:
    """The training batches of one epoch after the other, and the seconds spent waiting for them."""

    def __init__(self, part: Part, num_workers: int, batches: EpochBatches) -> None:
        self._batches = batches
        self._loader = DataLoader(
            cast("Dataset[tuple[Tensor, int]]", part),
            batch_sampler=batches,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
        )
        self.seconds = 0.0

    def __enter__(self) -> Loading:
        return self

    def __exit__(self, *_: object) -> None:
        del self._loader  # ends the workers

    def __len__(self) -> int:
        return len(self._batches)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        self._batches.epoch, self.seconds = epoch, 0.0
        start = time.perf_counter()
        for x, labels in self._loader:
            self.seconds += time.perf_counter() - start
            yield x, labels
            start = time.perf_counter()


def _latent_data(folder: Path | str, options: TrainOptions) -> Data:
    if not is_pack(folder):
        raise CodecError(f"{folder} is not packed, arm is 'latents'; pack it first (`laconic pack`) or name another arm")
    dataset = LatentDataset(folder, channels=options.channels, model=options.model)
    index = read_index(folder)
    assert dataset.normalization is not None
    _ = dataset.shape  # or a sentence why there are no batches
    splits = np.array([index.shards[i].split for i in index.shard])
    recipe = {
        "arm": "latents",
        "kind": index.kind,
        "channels": options.channels,
        "pack": asdict(index.options) | {"model": None},
        "fingerprint": index.fingerprint.hex(),
        "scale": dataset.normalization[0].ravel().tolist(),
        "shift": dataset.normalization[1].ravel().tolist(),
    }
    head = HeadConfig(options.channels, len(index.classes), (1, 1), options.width)
    return Data(*_parts(dataset, splits, options), index.classes, head, recipe)


def _signal_data(folder: ClassFolder, options: TrainOptions) -> Data:
    patch = _PATCH[folder.kind] if options.arm == "patches" else _SMALL_PATCH[folder.kind]
    framing = _framing_of(folder, options, patch)
    if folder.kind == "sound" and (framing.seconds is None or framing.sample_rate_hz is None):
        raise CodecError("sounds of different length fit in no batch; pass sample_rate_hz and seconds")
    dataset = SignalDataset(folder, folder.samples, framing)
    splits = np.array([sample.split for sample in folder.samples])
    recipe = {"arm": options.arm, "kind": folder.kind, "framing": asdict(framing)}
    head = HeadConfig(3 if folder.kind == "image" else 1, len(folder.classes), patch, options.width)
    return Data(*_parts(dataset, splits, options), folder.classes, head, recipe)


def _framing_of(folder: ClassFolder, options: TrainOptions, patch: tuple[int, int]) -> Framing:
    """Of the arm: in the small one, signals are reduced until there are as many patches as latent places."""
    reduction = _PATCH[folder.kind][1] // patch[1]
    if folder.kind == "image":
        return Framing(size=max((options.size or _DEFAULT_SIZE) // reduction, patch[0]))
    rate = options.sample_rate_hz
    return Framing(sample_rate_hz=rate and max(rate // reduction, 1), seconds=options.seconds)


def _parts(dataset: LabelledDataset, splits: NDArray[Any], options: TrainOptions) -> tuple[Part, Part, Part]:
    """Training, validation and test items; what has no split of its own is held out of the training items."""
    labels, kinds = dataset.labels, splits.astype("<U5")
    kinds[kinds == WHOLE] = "train"
    for name, fraction in (("test", _TEST_FRACTION), ("val", options.val_fraction)):
        rest = np.flatnonzero(kinds == "train")
        if name not in kinds:
            kinds[rest[hold_out(labels[rest], fraction, options.seed if name == "val" else 0)]] = name
    parts = {name: Part(dataset, np.flatnonzero(kinds == name)) for name in ("train", "val", "test")}
    if empty := [name for name, part in parts.items() if not len(part)]:
        raise CodecError(f"there are no {' and no '.join(empty)} items; each class needs more samples, or add a split")
    return parts["train"], parts["val"], parts["test"]


def _train_epoch(
    network: Classifier, optimizer: torch.optim.Optimizer, loading: Loading, epoch: int, options: TrainOptions
) -> dict[str, float]:
    """One pass over the training items; returns its loss and where its time went."""
    start = time.perf_counter()
    random = np.random.default_rng((options.seed, epoch, 1))
    torch.manual_seed(int(random.integers(2**31)))
    loss_of = nn.CrossEntropyLoss(label_smoothing=options.label_smoothing)
    network.train()
    total = num_items = 0.0
    for step, (x, labels) in enumerate(loading.epoch(epoch)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at((epoch * len(loading) + step) / (options.epochs * len(loading)), options)
        x = shifted(x, network.config.patch, options.max_shift, random)
        weight = float(random.beta(options.mixup, options.mixup)) if options.mixup else 1.0
        partner = torch.from_numpy(random.permutation(len(x)))
        scores = network(weight * x + (1 - weight) * x[partner])
        loss = weight * loss_of(scores, labels) + (1 - weight) * loss_of(scores, labels[partner])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, num_items = total + loss.item() * len(x), num_items + len(x)
    seconds = time.perf_counter() - start
    return {
        "train_loss": total / num_items,
        "loading_seconds": loading.seconds,
        "compute_seconds": seconds - loading.seconds,
    }


def learning_rate_at(done: float, options: TrainOptions) -> float:
    """After the share `done` of all steps: a linear rise, then a cosine to 0."""
    if done < options.warmup_fraction:
        return options.learning_rate * max(done / options.warmup_fraction, 1e-2)
    rest = (done - options.warmup_fraction) / (1 - options.warmup_fraction)
    return options.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def shifted(x: Tensor, patch: tuple[int, int], max_shift: int, random: np.random.Generator) -> Tensor:
    """(b, c, h, w), each item moved by up to `max_shift` whole tokens both ways, zeros where nothing comes in."""
    if not max_shift:
        return x
    out = torch.zeros_like(x)
    h, w = x.shape[2:]
    reach = [0 if side < 4 * max_shift * p else max_shift for side, p in zip((h, w), patch, strict=True)]
    for source, target in zip(x, out, strict=True):
        dy, dx = (int(random.integers(-r, r + 1)) * p for r, p in zip(reach, patch, strict=True))
        moved = source[:, max(-dy, 0) : h - max(dy, 0), max(-dx, 0) : w - max(dx, 0)]
        target[:, max(dy, 0) : h - max(-dy, 0), max(dx, 0) : w - max(-dx, 0)] = moved
    return out


def _evaluate(network: Classifier, part: Part, num_workers: int) -> dict[str, float]:
    """Mean cross-entropy, number of correct items and accuracy."""
    network.eval()
    loss = correct = 0.0
    loader = DataLoader(cast("Dataset[tuple[Tensor, int]]", part), batch_size=64, num_workers=num_workers)
    with torch.no_grad():
        for x, labels in loader:
            scores = network(x)
            loss += nn.functional.cross_entropy(scores, labels, reduction="sum").item()
            correct += (scores.argmax(dim=1) == labels).sum().item()
    return {"loss": loss / len(part), "correct": correct, "accuracy": correct / len(part)}


def _result(
    run: Path, data: Data, options: TrainOptions, progress: Progress, num_workers: int
) -> dict[str, Any]:
    network = new_classifier(data.head, options.seed)
    _load_weights(network, load_arrays(run / BEST_NAME)[0])
    scores = _evaluate(network, data.test, num_workers)
    val = progress.history[progress.best_epoch]
    low, high = wilson_interval(scores["correct"], len(data.test))
    parts = {"train": data.train, "val": data.val, "test": data.test}
    steady = progress.history[1:] or progress.history  # the first epoch warms caches
    return {
        "arm": options.arm,
        "input": _input_name(data, options),
        "options": {**asdict(options), "model": None},
        "classes": data.classes,
        "parameters": num_parameters(network),
        "train_items": len(data.train),
        "val_items": len(data.val),
        "test_items": len(data.test),
        "best_epoch": progress.best_epoch,
        "val_accuracy": val["val_accuracy"],
        "test_correct": int(scores["correct"]),
        "test_accuracy": scores["accuracy"],
        "test_interval_95": [low, high],
        "seconds_per_epoch": {
            name: float(np.median([row[f"{name}_seconds"] for row in steady])) for name in ("loading", "compute")
        },
        "num_workers": num_workers,
        **{f"{name}_bytes_per_epoch": part.num_bytes for name, part in parts.items()},
        "history": progress.history,
    }


def _input_name(data: Data, options: TrainOptions) -> str:
    kind, (rows, columns) = data.recipe["kind"], data.head.patch
    if options.arm == "latents":
        return f"{options.channels} latent channels"
    if kind == "image":
        side = data.recipe["framing"]["size"]
        return f"pixels {side}x{side} in {rows}x{columns} patches"
    return f"samples at {data.recipe['framing']['sample_rate_hz']} Hz in patches of {columns}"


def _claim(run: Path, options: TrainOptions) -> None:
    """Make the run's folder, or check that it is one of these options."""
    path = run / _OPTIONS_NAME
    wanted = asdict(options)
    if path.exists():
        try:
            found = json.loads(path.read_bytes())
        except ValueError as err:
            raise CodecError(f"{path} is damaged: {err}; remove the run or name another folder") from err
        differing = [f.name for f in fields(options) if found.get(f.name) != wanted[f.name]]
        if differing:
            raise CodecError(
                f"{run} is a run with other options ({', '.join(differing)}); name another folder, or remove it"
            )
        return
    run.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(wanted, indent=1) + "\n").encode(), force=True)


def _save_last(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
    _save_tensors(path, tensors, {"progress": json.dumps(asdict(progress))})


def _save_best(path: Path, network: Classifier, data: Data, epoch: int) -> None:
    card = {"head": asdict(network.config), "recipe": dict(data.recipe), "classes": data.classes, "epoch": epoch}
    tensors = {f"weights.{name}": value for name, value in network.state_dict().items()}
    _save_tensors(path, tensors, {"card": json.dumps(card)})


def _restore(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the last checkpoint where there is one."""
    if not path.exists():
        return Progress()
    tensors, metadata = load_arrays(path)
    _load_weights(network, tensors)
    parameters = optimizer.param_groups[0]["params"]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".")
            like = parameters[int(number)]
            # In the memory order of the parameter, or the same sums might round otherwise than without a stop.
            kept = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
            state.setdefault(int(number), {})[key] = kept.detach()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(**json.loads(metadata["progress"]))


def _save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors.torch import save

    atomic_write(path, save({k: v.contiguous() for k, v in tensors.items()}, metadata), force=True)


def load_arrays(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and text of a checkpoint. Raises `WeightsError`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except (OSError, SafetensorError) as err:
        raise WeightsError(f"{path} is no checkpoint of a run: {err}; train again") from err


def load_best(run: Path | str) -> tuple[Classifier, dict[str, Any]]:
    """The best network of a run, for use, and its card: head, recipe, classes, epoch. Raises `WeightsError`."""
    path = Path(run) / BEST_NAME
    tensors, metadata = load_arrays(path)
    try:
        card = json.loads(metadata["card"])
        network = new_classifier(HeadConfig(**card["head"]), 0)
        _load_weights(network, tensors)
    except (KeyError, ValueError, TypeError, RuntimeError) as err:
        raise WeightsError(f"{path} is no checkpoint of a run: {err}; train again") from err
    return network.eval(), card


def _load_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    prefix = "weights."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})


def _summary_writer(run: Path, first_epoch: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as err:
        raise MissingDependencyError(
            "tensorboard is not installed; curves need it: pip install laconic[torch], or leave --tensorboard out"
        ) from err
    return SummaryWriter(str(run / "tensorboard"), purge_step=first_epoch)  # type: ignore[no-untyped-call]
