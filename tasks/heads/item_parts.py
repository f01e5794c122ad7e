"""Which items are trained on, which validate and which test: by their splits, or by folds of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.class_folders import hold_out_of_class_folder
from laconic.tasks.datasets.splits import WHOLE
from laconic.tasks.datasets.targets import NO_LABEL
from laconic.tasks.heads.train_options import TrainOptions

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

_TEST_FRACTION = 0.2  # of data without a test split
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ItemParts:
    """Numbers of items."""

    train: Int[Numbers, " train"]
    val: Int[Numbers, " val"]
    test: Int[Numbers, " test"]


def parts_of_items(
    labels: Int[Numbers, " n"], sources: Sequence[str], splits: Shaped[NDArray[Any], " n"], options: TrainOptions
) -> ItemParts:
    """What has no split of its own is held out of the training items: of each class alike, or of items without classes in
    one block. Items are in the order of splits and sources, whatever order a pack has, so that all arms see the same.
    Raises `CodecError` for parts without items.
    """
    kinds = splits.astype("<U5")
    order = np.array(sorted(range(len(kinds)), key=lambda i: (kinds[i], sources[i])), np.int64)
    kinds[kinds == WHOLE] = "train"
    if options.folds:
        if options.folds > len(order):
            raise CodecError(f"folds is {options.folds}, there are {len(order)} items; allowed is no more than that")
        kinds[:] = "train"
        kinds[order[_in_fold(labels[order], options.folds, options.fold)]] = "test"
    for name, fraction in (("test", _TEST_FRACTION), ("val", options.val_fraction)):
        rest = order[kinds[order] == "train"]
        if name not in kinds:
            kinds[rest[_held_out(labels[rest], fraction, options.seed if name == "val" else 0)]] = name
    train, val, test = (order[kinds[order] == name] for name in ("train", "val", "test"))
    if empty := [name for name, part in (("train", train), ("val", val), ("test", test)) if not len(part)]:
        raise CodecError(f"there are no {' and no '.join(empty)} items; each class needs more samples, or add a split")
    return ItemParts(train, val, test)


def _has_classes(labels: Int[Numbers, " n"]) -> bool:
    return bool((labels != NO_LABEL).all())


def _held_out(labels: Int[Numbers, " n"], fraction: float, seed: int) -> NDArray[np.bool_]:
    if _has_classes(labels):
        return hold_out_of_class_folder(labels, fraction, seed)
    held = np.zeros(len(labels), bool)
    count = max(round(fraction * len(labels)), 1) if len(labels) > 1 and fraction > 0 else 0
    # A block of neighbours, which may be frames of one scene, anywhere in the order.
    first = int(np.random.default_rng((seed, 0x5712)).integers(len(labels) - count + 1)) if count else 0
    held[first : first + count] = True
    return held


def _in_fold(labels: Int[Numbers, " n"], folds: int, fold: int) -> NDArray[np.bool_]:
    """Every item is in one fold: of each class as many in all, chosen by lot; items without classes in blocks of
    neighbours."""
    numbers = np.empty(len(labels), np.int64)
    if not _has_classes(labels):
        return np.asarray(np.arange(len(labels)) * folds // len(labels) == fold)
    random, next_fold = np.random.default_rng(0x5713), 0
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        numbers[places] = (np.arange(len(places)) + next_fold) % folds
        next_fold = (next_fold + len(places)) % folds
    return np.asarray(numbers == fold)
