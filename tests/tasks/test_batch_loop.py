"""Batches that are padded: of items of like size, each once in an epoch, in an order of the seed and the epoch alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", exc_type=ImportError)

from laconic.tasks.datasets.augmentation import Augmentation
from laconic.tasks.datasets.batch_loop import BatchLoop
from laconic.tasks.datasets.loader_options import LoaderOptions

COUNT, BATCH = 1000, 16
GRIDS = np.stack([np.full(COUNT, 4), np.random.default_rng(5).integers(3, 120, COUNT)], axis=1)  # as lines of print


def loop_of(batch_size: int = BATCH, **options: Any) -> BatchLoop:
    return BatchLoop(COUNT, batch_size, LoaderOptions(**{"sizes": "pad", **options}), lambda: GRIDS)


def batches_of(loop: BatchLoop) -> list[Any]:
    return [items for items, _ in loop.iterate(lambda epoch, items, places: (items, places))]


def fill_of(batches: list[Any]) -> float:
    """The share of padded batches that is of items."""
    padded = sum(len(items) * GRIDS[items].max(axis=0).prod() for items in batches)
    return float(GRIDS[np.concatenate(batches)].prod(axis=1).sum() / padded)


def test_padded_batches_are_filled() -> None:
    assert fill_of(batches_of(loop_of(shuffle=False))) < 0.6
    assert fill_of(batches_of(loop_of())) > 0.9


def test_every_item_is_in_an_epoch_once_in_an_order_of_its_own() -> None:
    loop = loop_of()
    epochs = [np.concatenate(batches_of(loop)) for _ in range(2)]
    for items in epochs:
        assert np.array_equal(np.sort(items), np.arange(COUNT))
    assert not np.array_equal(*epochs)
    widths = [int(GRIDS[items, 1].max()) for items in batches_of(loop_of())]
    assert sum(one <= other for one, other in itertools.pairwise(widths)) < 0.7 * len(widths)  # long ones come any time


def test_sorted_batches_depend_on_the_seed_and_the_epoch_alone() -> None:
    one, other = loop_of(seed=3), loop_of(seed=3)
    batches_of(one)
    other.set_epoch(1)
    assert all(np.array_equal(*pair) for pair in zip(batches_of(one), batches_of(other), strict=True))
    assert not np.array_equal(batches_of(loop_of(seed=4))[0], batches_of(loop_of(seed=3))[0])


def test_sorted_batches_go_on_where_they_were() -> None:
    whole, first, second = batches_of(loop_of()), loop_of(), loop_of()
    iterator = first.iterate(lambda epoch, items, places: (items,))
    seen = [next(iterator)[0] for _ in range(20)]
    second.load_state_dict(first.state_dict())
    for items, wanted in zip([*seen, *batches_of(second)], whole, strict=True):
        assert np.array_equal(items, wanted)


@pytest.mark.parametrize("drop_last", [False, True])
def test_two_processes_have_the_sorted_batches_of_one(drop_last: bool) -> None:
    whole = batches_of(loop_of(2 * BATCH, drop_last=drop_last))
    shares = [batches_of(loop_of(rank=rank, world=2, drop_last=drop_last)) for rank in range(2)]
    for own, other, wanted in zip(*shares, whole, strict=True):
        assert np.array_equal(np.stack([own, other], axis=1).ravel(), wanted)


def test_what_is_too_little_for_a_batch_is_not_the_largest() -> None:
    loop = loop_of(drop_last=True)
    kept = [np.concatenate(batches_of(loop)) for _ in range(20)]
    assert {len(items) for items in kept} == {COUNT // BATCH * BATCH} and len(loop) == COUNT // BATCH
    dropped = np.concatenate([np.setdiff1d(np.arange(COUNT), items) for items in kept])
    assert abs(GRIDS[dropped, 1].mean() - GRIDS[:, 1].mean()) < 12


def test_items_that_are_cut_to_one_size_are_not_sorted() -> None:
    cut = batches_of(loop_of(augmentation=Augmentation(crop=4)))
    assert all(np.array_equal(*pair) for pair in zip(cut, batches_of(loop_of(sizes="same")), strict=True))
