"""Latents as batches: shapes, normalisation, splits, pickling and DataLoader workers."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

import soundfile  # noqa: E402
from PIL import Image as PillowImage  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.codecs.lcn import Lcn  # noqa: E402
from laconic.entropy import BitstreamError  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.framing import Framing, read_signal  # noqa: E402
from laconic.tasks.datasets.latents import LatentDataset  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for split, count in (("train", 6), ("test", 2)):
        for label, name in enumerate(("dark", "light")):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                noise = random.normal(80 + 90 * label, 30, (64, 64, 3)).clip(0, 255).astype(np.uint8)
                PillowImage.fromarray(noise).save(root / split / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def packed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "out"
    archive.pack(folder, output, PackIndexOptions(quality=70, shard_samples=5))
    return output


@pytest.fixture(scope="module")
def packed_best(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("packed") / "best"
    archive.pack(folder, output, PackIndexOptions(quality=70, shard_samples=5, profile="best"))
    return output


@pytest.mark.parametrize("profile", ["small", "best"])
@pytest.mark.parametrize("channels", [1, 3, 4, 5, 12, 13, 40, 50, 192])
def test_items_are_the_first_channels_of_the_latents(
    folder: Path, packed: Path, packed_best: Path, channels: int, profile: str
) -> None:
    """Of profile small, whose latents are in other axes than it codes in, groups do not end where these channels do."""
    source = packed_best if profile == "best" else packed
    dataset = LatentDataset(source, channels=channels, split="test", scaling="none")
    assert (len(dataset), dataset.shape, dataset.classes) == (4, (channels, 8, 8), ("dark", "light"))
    tensor, label = dataset[3]
    picture = folder / dataset.index.source[3]  # the first split is "test"
    latent = Lcn(quality=70, profile=profile).analyze(read_signal(picture, "image", Framing()))
    assert (label, tensor.dtype, type(label)) == (int(picture.parent.name == "light"), torch.float32, int)
    assert np.array_equal(tensor.numpy(), latent.dequantize()[:channels])
    found = dataset.latent(3)
    assert found.num_channels == channels <= len(found.values)
    assert np.array_equal(found.values, latent.values[: len(found.values)])


def test_channels_have_mean_0_and_deviation_1_over_the_training_split(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=12, split="train", scaling="channel")
    stacked = np.stack([dataset.array(i)[0] for i in range(len(dataset))]).astype(np.float64)
    np.testing.assert_allclose(stacked.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(stacked.std((0, 2, 3)), 1, rtol=1e-3)


def test_common_scaling_is_one_factor(packed: Path) -> None:
    scaled, units = (LatentDataset(packed, channels=12, split="train", scaling=s) for s in ("common", "none"))
    stacked = np.stack([scaled.array(i)[0] for i in range(len(scaled))]).astype(np.float64)
    np.testing.assert_allclose(stacked.mean((0, 2, 3)), 0, atol=1e-4)
    assert stacked.var((0, 2, 3)).mean() == pytest.approx(1, rel=1e-3)
    in_units = np.stack([units.array(i)[0] for i in range(len(units))]).astype(np.float64)
    ratios = stacked.std((0, 2, 3)) / in_units.std((0, 2, 3))
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-4)


def test_a_channel_that_is_always_zero_stays_zero(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    PillowImage.new("RGB", (32, 32), (90, 90, 90)).save(tmp_path / "in" / "a" / "0.png")
    archive.pack(tmp_path / "in", tmp_path / "out")
    array, _ = LatentDataset(tmp_path / "out", channels=192).array(0)
    assert np.isfinite(array).all() and np.abs(array).max() < 1e-3


def test_only_the_heads_are_read(packed: Path) -> None:
    few, all_channels = (LatentDataset(packed, channels=c, split="train") for c in (3, 192))
    assert sum(few.bytes_per_item) < 0.2 * sum(all_channels.bytes_per_item)
    assert sum(all_channels.bytes_per_item) == read_index(packed).length[all_channels._rows].sum()


def test_heads_are_enough_for_sounds_with_an_index(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    (tmp_path / "in" / "a").mkdir(parents=True)
    soundfile.write(tmp_path / "in" / "a" / "0.wav", random.normal(0, 0.2, 30_000), 16_000)
    index = archive.pack(tmp_path / "in", tmp_path / "out", PackIndexOptions(quality=80))
    first = LatentDataset(tmp_path / "out", channels=index.group_ends[0])
    whole = LatentDataset(tmp_path / "out", channels=index.group_ends[-1])
    assert np.array_equal(first.latent(0).values, whole.latent(0).values[: first.channels])
    assert first.bytes_per_item[0] < whole.bytes_per_item[0] == index.length[0]


def test_splits_have_exact_lengths(packed: Path) -> None:
    lengths = {split: len(LatentDataset(packed, split=split)) for split in ("train", "test", None)}
    assert lengths == {"train": 12, "test": 4, None: 16}
    labels = LatentDataset(packed, split="test").labels
    assert (sorted(labels.tolist()), labels.dtype) == ([0, 0, 1, 1], np.int64)


def test_bad_arguments_are_sentences(packed: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"split is 'val'; allowed are 'test', 'train'"):
        LatentDataset(packed, split="val")
    with pytest.raises(CodecError, match=r"channels is 193; allowed is a whole number from 1 to 192"):
        LatentDataset(packed, channels=193)
    with pytest.raises(CodecError, match=r"channels is 12\.0; allowed is a whole number from 1 to 192"):
        LatentDataset(packed, channels=12.0)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="scaling is 'half'"):
        LatentDataset(packed, scaling="half")  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="laconic pack"):
        LatentDataset(tmp_path)


def test_latents_of_different_size_have_no_shape_but_can_be_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for i, size in enumerate(((40, 40), (80, 20))):
        PillowImage.new("RGB", size, (9, 90, 200)).save(tmp_path / "in" / "a" / f"{i}.png")
    archive.pack(tmp_path / "in", tmp_path / "out")
    dataset = LatentDataset(tmp_path / "out", channels=3)
    assert [tuple(dataset[i][0].shape) for i in range(2)] == [(3, 5, 5), (3, 3, 10)]
    with pytest.raises(CodecError, match="--size"):
        _ = dataset.shape


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
@pytest.mark.parametrize("scaling", ["common", "none"])
def test_items_of_a_batch_are_those_one_by_one(folder: Path, tmp_path: Path, profile: Any, scaling: Any) -> None:
    archive.pack(folder, tmp_path / "out", PackIndexOptions(quality=60, shard_samples=3, profile=profile))
    for channels, split in ((1, "train"), (12, "train"), (48, None), (192, "test")):
        dataset = LatentDataset(tmp_path / "out", channels=channels, split=split, scaling=scaling)
        order = np.random.default_rng(channels).permutation(len(dataset)).tolist()
        order += [order[0], -1]
        alone = [dataset[i] for i in order]
        assert np.array_equal(dataset.arrays(order), np.stack([x.numpy() for x, _ in alone]))
        together = dataset.__getitems__(order)
        assert [label for _, label in together] == [label for _, label in alone]
        assert all(torch.equal(x, y) for (x, _), (y, _) in zip(together, alone, strict=True))
    assert dataset.arrays([]).shape == (0, 192, 8, 8)
    with pytest.raises(IndexError, match="index is 4"):
        dataset.arrays([0, 4])


def test_batches_of_different_sizes_and_sounds_are_read_one_by_one(tmp_path: Path) -> None:
    for name in ("pictures", "sounds"):
        (tmp_path / name / "a").mkdir(parents=True)
    for i, size in enumerate(((40, 40), (80, 20))):
        PillowImage.new("RGB", size, (9, 90, 200)).save(tmp_path / "pictures" / "a" / f"{i}.png")
        soundfile.write(tmp_path / "sounds" / "a" / f"{i}.wav", np.sin(np.arange(4000) * (0.1 + i)), 8000)
    for name in ("pictures", "sounds"):
        archive.pack(tmp_path / name, tmp_path / f"{name}-out")
        dataset = LatentDataset(tmp_path / f"{name}-out", channels=16)
        pairs = zip(dataset.__getitems__([1, 0]), (dataset[1], dataset[0]), strict=True)
        assert all(torch.equal(x, y) for (x, _), (y, _) in pairs)


def test_datasets_are_added(packed: Path) -> None:
    first, second = (LatentDataset(packed, split=split) for split in ("train", "test"))
    both = first + second
    assert len(both) == 16 and torch.equal(both[13][0], second[1][0])
    assert sum(len(labels) for _, labels in DataLoader(both, batch_size=5)) == 16


def test_pickled_dataset_gives_the_same_items(packed: Path) -> None:
    dataset = LatentDataset(packed, split="train")
    _ = dataset[0]
    _ = dataset.arrays([1])
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[5][0], dataset[5][0]) and np.array_equal(copy.arrays([5]), dataset.arrays([5]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loader_workers_give_the_same_batches(packed: Path, method: str) -> None:
    dataset = LatentDataset(packed, split="train")
    here = list(DataLoader(dataset, batch_size=5))
    there = list(DataLoader(dataset, batch_size=5, num_workers=2, multiprocessing_context=method))
    assert [len(labels) for _, labels in there] == [5, 5, 2]
    for (x, labels), (other_x, other_labels) in zip(here, there, strict=True):
        assert torch.equal(x, other_x) and torch.equal(labels, other_labels)


def _open_files(directory: Path) -> list[str]:
    """Paths in `directory` that this process holds open (what else it has open, other threads may close)."""
    paths = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            paths.append(os.readlink(entry))
    return [path for path in paths if path.startswith(str(directory.resolve()))]


def test_nothing_stays_open(packed: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("lists open files by /proc")
    dataset = LatentDataset(packed)
    directory = packed if packed.is_dir() else packed.parent
    for i in range(len(dataset)):
        _ = dataset[i]
    _ = dataset.arrays(range(len(dataset)))
    assert _open_files(directory) == []
    with next(path for path in directory.rglob("*") if path.is_file()).open():
        assert len(_open_files(directory)) == 1


@dataclass(frozen=True)
class _Damage:
    keep_bytes: int | None
    flip: bool


@pytest.mark.parametrize("damage", [_Damage(2000, False), _Damage(None, True)])
def test_damaged_shards_are_errors_not_wrong_items(packed: Path, tmp_path: Path, damage: _Damage) -> None:
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = read_index(packed)
    row = 7
    shard = tmp_path / index.shards[index.shard[row]].name
    data = bytearray(shard.read_bytes())
    if damage.flip:
        data[index.offset[row] + 60] ^= 0x55
    shard.write_bytes(bytes(data[: damage.keep_bytes]))
    dataset = LatentDataset(tmp_path, channels=12)
    with pytest.raises(BitstreamError) as alone:
        dataset[row]
    assert index.source[row] in str(alone.value) and shard.name in str(alone.value)
    with pytest.raises(BitstreamError) as together:
        dataset.arrays([row, 5, 6])
    assert (type(alone.value), str(alone.value)) == (type(together.value), str(together.value))
