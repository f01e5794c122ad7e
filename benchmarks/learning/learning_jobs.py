"""What the benchmark of learning trains: jobs, each one run of `laconic train`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from learning_data import DATA

ARMS = ("latents", "small", "patches", "pixels")
FIVE_SEEDS = ("classify", "listen", "segment")  # of the whole benchmark, the others have three
# Of each task the data sets.
SETS: Mapping[str, tuple[str, ...]] = {
    "classify": ("clothing10", "cifar10_jpeg_subset"),
    "segment": ("camvid",),
    "colourise": ("colours",),
    "listen": ("esc10", "fsdd"),
    "transcribe": ("an4",),
    "separate": ("mixtures",),
    "read": ("receipts",),
}
# No task separates reduced sounds; what is usual for pixels of sounds is a spectrogram. mel and mfcc: by torchaudio.
ARMS_OF: Mapping[str, tuple[str, ...]] = {
    "classify": ARMS,
    "segment": ARMS,
    "colourise": ("latents", "patches"),
    "listen": ("latents", "small", "patches", "pixels", "mel", "mfcc"),
    "transcribe": ("latents", "patches", "pixels"),
    "separate": ("latents", "patches", "pixels"),
    "read": ("latents", "patches", "pixels"),
}


# Other arms, and options of the command, for all arms of a data set.
ARMS_OF_SET: Mapping[str, tuple[str, ...]] = {"cifar10_jpeg_subset": ("latents", "pixels")}
OPTIONS_OF_SET: Mapping[str, Mapping[str, object]] = {
    "cifar10_jpeg_subset": {"option": "body=residual"},
    "fsdd": {"option": ["word_frames=32", "mixup=0"]},
}
# Of networks on pixels of large pictures: by thirty epochs they learn no more, and wider ones take hours.
OPTIONS_OF_ARM: Mapping[tuple[str, str], Mapping[str, object]] = {
    ("clothing10", "pixels"): {"epochs": 30, "option": "width=24"},
}
# Epochs in which arms of pixels take as much processor time as latents in all of theirs, loading included; rounded up.
EQUAL_TIME: Mapping[tuple[str, str], int] = {
    ("clothing10", "small"): 10,
    ("clothing10", "patches"): 5,
    ("clothing10", "pixels"): 2,
}


def options_of(dataset: str, arm: str) -> Mapping[str, object]:
    return {**OPTIONS_OF_SET.get(dataset, {}), **OPTIONS_OF_ARM.get((dataset, arm), {})}


@dataclass(frozen=True)
class Job:
    """`variant` names what is otherwise than usual, "" for nothing; `packing` is otherwise in the pack, `options` in the
    command, as names and values of its options. `pretraining`: epochs on the same training items without their labels, 0
    for none."""

    task: str
    dataset: str
    arm: str
    seed: int
    fold: int = 0
    variant: str = ""
    packing: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    pretraining: int = 0

    @property
    def key(self) -> str:
        """As its run's folder is called."""
        variant = f"-{self.variant.replace(' ', '_').replace('/', '_')}" if self.variant else ""
        return f"{self.task}-{self.dataset}-{self.arm}{variant}-f{self.fold}-s{self.seed}"


def short_jobs() -> Iterator[Job]:
    """One seed of everything, one fold, few epochs: within an hour on two cores."""
    for task, datasets in SETS.items():
        for dataset in datasets:
            for arm in ARMS_OF_SET.get(dataset, ARMS_OF[task]):
                few = SHORT.get((task, arm), SHORT.get(task, {}))
                yield Job(task, dataset, arm, 0, options={**options_of(dataset, arm), **few})


# Epochs that fit in an hour.
SHORT: Mapping[object, Mapping[str, object]] = {
    "classify": {"epochs": 15},
    ("classify", "pixels"): {"epochs": 6},
    "segment": {"epochs": 15},
    ("segment", "pixels"): {"epochs": 4},
    "colourise": {"epochs": 5},
    "listen": {"epochs": 15},
    "transcribe": {"epochs": 12},
    "separate": {"epochs": 6},
    "read": {"epochs": 3},
}


def full_jobs() -> Iterator[Job]:
    """All arms, seeds and folds; the first seed of everything comes first."""
    for seed in range(5):
        for task, datasets in SETS.items():
            if seed >= 3 and task not in FIVE_SEEDS:
                continue
            for dataset in datasets:
                for arm in ARMS_OF_SET.get(dataset, ARMS_OF[task]):
                    for fold in range(max(DATA[dataset].folds, 1)):
                        yield from _usual_and_equal_time(task, dataset, arm, seed, fold)


def _usual_and_equal_time(task: str, dataset: str, arm: str, seed: int, fold: int) -> Iterator[Job]:
    usual = Job(task, dataset, arm, seed, fold, options=options_of(dataset, arm))
    yield usual
    if (epochs := EQUAL_TIME.get((dataset, arm))) is not None:
        yield replace(usual, variant="equal time", options={**usual.options, "epochs": epochs})
