"""A selected pack represents its training samples, class by class, with the bytes of the pack that it is made of."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pack_scene
import pytest
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import app
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import ThreadEngine, WorkerEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
from laconic.tasks.datasets.selected_pack import copy_pack, selected_source
from laconic.tasks.datasets.selection import (
    SelectionSize,
    latent_features,
    matching_subset,
    parse_selection,
    selected_rows,
    shares_of_classes,
    training_rows,
)
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.verification import verify_pack


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = PackIndexOptions(size=32, members="single", shard_samples=7)
    return pack_scene.make_pack(tmp_path_factory.mktemp("selection"), count=6, options=options)


def kernel_of(points: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(points[:, None] - points).sum(axis=2)).astype(np.float32)


def discrepancy(kernel: np.ndarray, chosen: list[int]) -> float:
    """The square of the maximum mean discrepancy between some points and all."""
    return float(kernel[np.ix_(chosen, chosen)].mean() - 2 * kernel[chosen].mean() + kernel.mean())


@pytest.mark.parametrize("seed", range(6))
def test_greedy_choice_is_that_of_trying_every_point(seed: int) -> None:
    kernel = kernel_of(np.random.default_rng(seed).normal(size=(40, 3)))
    chosen: list[int] = []
    for _ in range(9):  # by the definition
        tried = [np.inf if i in chosen else discrepancy(kernel.astype(np.float64), [*chosen, i]) for i in range(40)]
        chosen.append(int(np.argmin(tried)))
    assert matching_subset(kernel, 9).tolist() == chosen


@pytest.mark.parametrize("seed", range(6))
def test_chosen_points_match_all_better_than_points_by_lot(seed: int) -> None:
    random = np.random.default_rng(seed)
    kernel = kernel_of(random.normal(size=(60, 2)))
    found = discrepancy(kernel, matching_subset(kernel, 12).tolist())
    by_lot = [discrepancy(kernel, random.permutation(60)[:12].tolist()) for _ in range(200)]
    assert found < min(by_lot)


def test_clusters_have_chosen_points_in_proportion() -> None:
    random = np.random.default_rng(0)
    clusters = np.repeat(np.arange(4), [40, 30, 20, 10])
    points = clusters[:, None] * 50 + random.normal(size=(100, 2)) / 4
    assert np.bincount(clusters[matching_subset(kernel_of(points), 10)]).tolist() == [4, 3, 2, 1]


def test_all_points_and_equal_points_can_be_chosen() -> None:
    assert sorted(matching_subset(np.ones((5, 5), np.float32), 5)) == list(range(5))


def test_shares_are_in_proportion_and_of_every_class() -> None:
    for labels, count in (
        ([0] * 70 + [1] * 27 + [2] * 3, 10),
        ([0] * 5 + [1] * 5, 7),
        ([-1, 0, 1, 2, 3], 2),
        ([3] * 9, 9),
    ):
        shares = shares_of_classes(np.array(labels), count)
        assert sum(shares.values()) == max(count, len(set(labels)))
        for label, share in shares.items():
            assert 1 <= share <= labels.count(label)
            assert abs(share - labels.count(label) * count / len(labels)) <= 1


def test_sizes_are_read_as_written() -> None:
    assert parse_selection("30%").of(450) == 135
    assert parse_selection("12.5%").of(8) == 1
    assert parse_selection("500").of(100) == 100
    for text in ("", "0", "0%", "101%", "-3", "30 %", "a", "1e3", "٣%"):
        with pytest.raises(CodecError, match=r"allowed"):
            parse_selection(text)
    with pytest.raises(CodecError, match="one of the two"):
        SelectionSize()


def test_selected_pack_holds_the_same_bytes_and_all_of_the_test_split(pack: Path, tmp_path: Path) -> None:
    source = selected_source(pack, SelectionSize(percent=50))
    index = copy_pack(source, tmp_path / "out", engine=ThreadEngine(2))
    assert source.notes == ("6 of 12 training samples are selected",)
    assert source.counts() == {"test": {"blue": 6, "red": 6}, "train": {"blue": 3, "red": 3}}
    old, new = StoredSamples(pack), StoredSamples(tmp_path / "out")
    rows = {source: row for row, source in enumerate(old.index.source)}
    assert len(index) == 18
    for row, name in enumerate(index.source):
        before = rows[name]
        assert new.lcn(row) == old.lcn(before)
        assert new.target_bytes(row) == old.target_bytes(before)
        assert (new.split(row), new.class_name(row)) == (old.split(before), old.class_name(before))
        assert np.array_equal(index.heads[row], old.index.heads[before])
    assert verify_pack(new).is_whole


def test_statistics_are_those_of_the_selected_samples(pack: Path, tmp_path: Path) -> None:
    index = copy_pack(selected_source(pack, SelectionSize(count=4)), tmp_path / "out")
    dataset = LatentDataset(tmp_path / "out", channels=192, split="train", scaling="none")
    values = np.stack([dataset.array(i)[0] for i in range(len(dataset))]).astype(np.float64)
    np.testing.assert_allclose(index.mean, values.mean(axis=(0, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(index.std, values.std(axis=(0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_selection_is_the_same_again_and_finishes_what_was_begun(pack: Path, tmp_path: Path) -> None:
    def stop(done: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    copy_pack(selected_source(pack, SelectionSize(percent=50)), tmp_path / "whole", engine=WorkerEngine(2))
    source = selected_source(pack, SelectionSize(percent=50))
    with pytest.raises(KeyboardInterrupt):
        copy_pack(source, tmp_path / "out", engine=ThreadEngine(1), on_sample=stop)
    copy_pack(source, tmp_path / "out", engine=ThreadEngine(1))
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    with pytest.raises(CodecError, match="holds another pack"):
        copy_pack(selected_source(pack, SelectionSize(percent=80)), tmp_path / "out")
    with pytest.raises(CodecError, match="lies in the pack"):
        copy_pack(source, pack / "inside")


def test_damaged_samples_are_skipped_by_name(pack: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(pack, tmp_path / "pack"))
    index = read_index(damaged)
    row = next(row for row in range(24) if index.source[row].startswith("test/"))
    pack_scene.overwrite(damaged, row)
    found = copy_pack(selected_source(damaged, SelectionSize(percent=50)), tmp_path / "out")
    assert [source for source, _ in found.skipped] == [index.source[row]]


def test_features_tell_colours_apart_whatever_the_size(pack: Path) -> None:
    dataset = LatentDataset(pack, channels=12, scaling="none")
    rows = training_rows(dataset.index)
    features = latent_features(dataset, rows)
    labels = dataset.index.label[rows]
    assert features.shape == (12, 2 * 12 * 16)
    between = np.sqrt(np.square(features[:, None] - features).sum(axis=2))
    same = labels[:, None] == labels
    assert between[~same].mean() > 1.2 * between[same & ~np.eye(12, dtype=bool)].mean()


def test_command_selects_of_a_pack_and_of_a_folder_alike(pack: Path, tmp_path: Path) -> None:
    pictures = pack.parent / "pictures"
    for path in pictures.glob("*.mask.png"):
        path.unlink()
    run(tmp_path, "pack", pictures, "-o", "whole", "--size", "32")
    run(tmp_path, "pack", "whole", "-o", "of_pack", "--select", "50%", "-j", "1")
    out, err = run(tmp_path, "pack", pictures, "-o", "of_folder", "--size", "32", "--select", "50%")
    assert "train: 6 samples of 2 classes (blue 3, red 3)" in out
    assert "6 of 12 training samples are selected" in err
    first, second = read_index(tmp_path / "of_pack"), read_index(tmp_path / "of_folder")
    assert sorted(first.source) == sorted(second.source) and len(first) == 18
    for shard in first.shards:
        assert (tmp_path / "of_folder" / shard.name).read_bytes() == (tmp_path / "of_pack" / shard.name).read_bytes()
    assert not list((tmp_path / "of_folder").glob(".*"))
    run(tmp_path, "pack", pictures, "-o", "of_folder", "--size", "32", "--select", "50%")
    assert read_index(tmp_path / "of_folder").plan == second.plan


def test_command_refuses_options_that_a_pack_has_not(pack: Path, tmp_path: Path) -> None:
    for options, code in ((["--select", "a lot"], 1), (["--select", "50%", "--quality", "80"], 1)):
        done = CliRunner().invoke(app, ["pack", str(pack), "-o", str(tmp_path / "out"), *options])
        assert (done.exit_code == code and "allowed" in done.stderr) or "leave it out" in done.stderr
    assert not (tmp_path / "out").exists()


def run(folder: Path, *arguments: object) -> tuple[str, str]:
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout, done.stderr


def test_packs_without_splits_are_selected_from_as_a_whole(pack: Path, tmp_path: Path) -> None:
    run(tmp_path, "pack", pack.parent / "pictures" / "train", "-o", "all", "--size", "32")
    dataset = LatentDataset(tmp_path / "all", channels=3, scaling="none")
    assert len(selected_rows(dataset, SelectionSize(percent=50))) == 6
    assert selected_rows(dataset, SelectionSize(percent=100)).tolist() == list(range(12))


def test_packs_with_splits_but_no_training_split_are_refused(pack: Path) -> None:
    index = read_index(pack)
    shards = tuple(replace(s, split={"train": "val"}.get(s.split, s.split)) for s in index.shards)
    with pytest.raises(CodecError, match="splits test, val; only a training split"):
        training_rows(replace(index, shards=shards))
