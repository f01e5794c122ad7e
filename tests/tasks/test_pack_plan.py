"""The plan of a pack: a shuffle that is the same everywhere, and a name that changes with all that decides bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from laconic.tasks.datasets import pack_plan
from laconic.tasks.datasets.class_folders import ClassFolder, list_class_folder
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.pack_plan import digest_of_plan, measured_numbers, planned_shards, shuffled_samples
from laconic.tasks.datasets.sources.pack_source import SourceSample

OPTIONS = PackIndexOptions(shard_samples=40)


@pytest.fixture
def listing(tmp_path: Path) -> ClassFolder:
    for split in ("test", "train"):
        for name in ("coat", "hat"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for i in range(50):
                (folder / f"{i}.png").write_bytes(b"0")
    return list_class_folder(tmp_path)


def test_samples_of_a_split_are_shuffled_and_numbered_in_that_order(listing: ClassFolder) -> None:
    shards = list(planned_shards(listing.samples, OPTIONS, "plan", (0, 1)))
    assert [(shard.name, len(shard.samples)) for shard in shards] == [
        (f"{split}-0000{i}.tar", count) for split in ("test", "train") for i, count in enumerate((40, 40, 20))
    ]
    assert [number for shard in shards for number, _ in shard.samples] == list(range(200))
    samples = [sample for shard in shards for _, sample in shard.samples]
    assert sorted(samples, key=lambda s: (s.split, s.source)) == list(listing.samples)
    for shard in shards:
        share = sum(sample.label for _, sample in shard.samples) / len(shard.samples)
        assert 0.3 < share < 0.7  # and not class after class


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    samples = [SourceSample(f"a/{i}.png", "all", 0) for i in range(8)]
    found = {seed: [sample.source[2] for sample in shuffled_samples(samples, seed)] for seed in (0, 1)}
    assert found == {0: list("40125367"), 1: list("35124076")}
    assert shuffled_samples(samples[::-1], 0) == shuffled_samples(samples, 0)


def test_statistics_are_of_the_first_samples_of_each_split(
    listing: ClassFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measured_numbers(listing.samples) == (range(100), range(100, 200))
    monkeypatch.setattr(pack_plan, "_NUM_MEASURED", 30)
    assert measured_numbers(listing.samples) == (range(30), range(100, 130))


def test_shards_go_on_after_those_that_are_there(listing: ClassFolder) -> None:
    taken = {"train": 3, "": 500}
    shards = list(planned_shards(listing.samples, OPTIONS, "plan", (0, 1), taken))
    assert [shard.name for shard in shards][2:4] == ["test-00002.tar", "train-00003.tar"]
    assert shards[0].samples[0][0] == 500 and taken == {"train": 3, "": 500}


def test_a_file_edited_at_the_same_size_is_another_plan(listing: ClassFolder) -> None:
    plan = digest_of_plan(listing, OPTIONS)
    assert plan == digest_of_plan(list_class_folder(listing.root), OPTIONS)
    path = listing.root / listing.samples[0].source
    path.write_bytes(b"1")
    os.utime(path, ns=(0, 12_345))
    assert plan != digest_of_plan(listing, OPTIONS)


@pytest.mark.parametrize("change", [{"seed": 1}, {"members": "single"}, {"quality": 51}, {"shard_samples": 41}])
def test_options_are_part_of_the_plan(listing: ClassFolder, change: dict[str, object]) -> None:
    assert digest_of_plan(listing, OPTIONS) != digest_of_plan(listing, replace(OPTIONS, **change))  # type: ignore[arg-type]
