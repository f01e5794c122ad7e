"""Batches of latents: their order, what is drawn for them, where they go on, and what they are made of."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

import soundfile  # noqa: E402
from PIL import Image as PillowImage  # noqa: E402

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.entropy import BitstreamError  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.augmentation import Augmentation  # noqa: E402
from laconic.tasks.datasets.latent_loader import LatentLoader  # noqa: E402
from laconic.tasks.datasets.latents import LatentDataset  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions  # noqa: E402

EVERYTHING = Augmentation(
    crop=(4, 4),
    flip=0.5,
    half=0.3,
    erase=0.3,
    brightness=0.1,
    contrast=0.2,
    saturation=0.3,
    hue=0.1,
    mixup=0.4,
    cutmix=1,
)


def make_pictures(root: Path, sizes: tuple[tuple[int, int], ...], count: int = 11) -> Path:
    random = np.random.default_rng(3)
    for label, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for i in range(count):
            noise = random.normal(80 + 90 * label, 30, (*sizes[i % len(sizes)], 3)).clip(0, 255).astype(np.uint8)
            PillowImage.fromarray(noise).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("loader")
    archive.pack(
        make_pictures(root / "in", ((64, 80),)), root / "out", PackIndexOptions(shard_samples=9, profile="fast")
    )
    return root / "out"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sizes")
    archive.pack(make_pictures(root / "in", ((64, 80), (40, 96), (80, 64))), root / "out")
    return root / "out"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    random = np.random.default_rng(4)
    (root / "in" / "a").mkdir(parents=True)
    for i in range(5):
        soundfile.write(root / "in" / "a" / f"{i}.wav", random.normal(0, 0.2, 8000), 16_000)
    archive.pack(root / "in", root / "out")
    return root / "out"


def same_batches(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(x, y) for batch, like in zip(one, other, strict=True) for x, y in zip(batch, like, strict=True)
    )


def test_batches_in_order_are_the_items(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=12)
    batches = list(LatentLoader(dataset, 5, shuffle=False))
    assert [len(x) for x, _ in batches] == [5, 5, 5, 5, 2] and len(LatentLoader(dataset, 5)) == 5
    assert torch.equal(torch.cat([x for x, _ in batches]), torch.stack([dataset[i][0] for i in range(len(dataset))]))
    assert torch.cat([labels for _, labels in batches]).tolist() == dataset.labels.tolist()
    assert [len(x) for x, _ in LatentLoader(dataset, 5, drop_last=True)] == [5] * 4
    assert len(LatentLoader(dataset, 5, drop_last=True)) == 4


def test_every_epoch_has_another_order_of_all_items(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=3)
    loader = LatentLoader(dataset, 4, seed=7)
    epochs = [torch.cat([x for x, _ in loader]) for _ in range(3)]
    sums = [np.sort(epoch.double().sum((1, 2, 3)).numpy()) for epoch in epochs]
    assert np.array_equal(sums[0], sums[1]) and np.array_equal(sums[0], sums[2])
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[1], epochs[2])
    again = LatentLoader(dataset, 4, seed=7)
    again.set_epoch(1)
    assert torch.equal(torch.cat([x for x, _ in again]), epochs[1])
    assert not torch.equal(torch.cat([x for x, _ in LatentLoader(dataset, 4, seed=8)]), epochs[0])


@pytest.mark.parametrize("options", [{"num_threads": 3}, {"prefetch": 0}, {"prefetch": 5}], ids=str)
def test_neither_threads_nor_prefetching_change_a_batch(packed: Path, options: dict[str, int]) -> None:
    dataset = LatentDataset(packed, channels=12)
    usual = list(LatentLoader(dataset, 6, augmentation=EVERYTHING))
    assert same_batches(usual, list(LatentLoader(dataset, 6, augmentation=EVERYTHING, **options)))
    assert usual[0][0].shape == (6, 12, 4, 4)


def test_batches_that_are_kept_stay_as_they_are(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=12)
    for dtype in ("float32", "bfloat16"):
        kept = [(x, y, x.clone()) for x, y in LatentLoader(dataset, 2, dtype=dtype)]
        assert all(torch.equal(x, like) for x, _, like in kept)
        parts = [(x[0, 3], x[0, 3].clone()) for x, _ in LatentLoader(dataset, 2, dtype=dtype)]
        assert all(torch.equal(x, like) for x, like in parts)


def test_memory_of_batches_that_are_gone_is_used_again(packed: Path) -> None:
    loader = LatentLoader(LatentDataset(packed), 2)
    assert len({x.data_ptr() for x, _ in loader}) == 2  # of 11 batches: that in use, and the next


def test_an_epoch_goes_on_where_it_was_left(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=3)
    whole = LatentLoader(dataset, 4, augmentation=EVERYTHING)
    expected = [list(whole), list(whole)]
    loader = LatentLoader(dataset, 4, augmentation=EVERYTHING)
    first = []
    for batch in loader:
        first.append(batch)
        if len(first) == 2:
            state = loader.state_dict()
            break
    assert (state["epoch"], state["batch"]) == (0, 2)
    other = LatentLoader(dataset, 4, augmentation=EVERYTHING)
    other.load_state_dict(copy.deepcopy(state))
    assert same_batches(first + list(other), expected[0]) and same_batches(list(other), expected[1])
    assert other.state_dict() | {"epoch": 0} == LatentLoader(dataset, 4).state_dict()


def test_an_epoch_that_was_broken_off_begins_anew(packed: Path) -> None:
    loader = LatentLoader(LatentDataset(packed, channels=3), 4)
    x, _ = next(iter(loader))
    batches = list(loader)
    assert len(batches) == 6 and torch.equal(batches[0][0], x)
    assert not torch.equal(next(iter(loader))[0], x)  # of the next epoch


def test_a_loop_that_ends_at_the_last_batch_ends_the_epoch(packed: Path) -> None:
    loader = LatentLoader(LatentDataset(packed, channels=3), 4)
    epochs = [list(itertools.islice(loader, len(loader))) for _ in range(3)]
    assert [len(batches) for batches in epochs] == [6, 6, 6] and not same_batches(epochs[0], epochs[1])
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (3, 0)
    again = LatentLoader(LatentDataset(packed, channels=3), 4)
    for number, _ in enumerate(again):
        if number == 5:
            again.set_epoch(7)
    assert again.state_dict()["epoch"] == 7
    with pytest.raises(CodecError, match="batch is 6"):
        loader.load_state_dict(loader.state_dict() | {"batch": 6})


def test_loaders_in_turns_over_one_dataset(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=3)
    loaders = [LatentLoader(dataset, 4, augmentation=Augmentation(flip=0.5, hue=hue)) for hue in (0.0, 0.5)]
    alone = [list(loader) for loader in loaders]
    for loader in loaders:
        loader.set_epoch(0)
    for step, pair in enumerate(zip(*loaders, strict=True)):
        assert same_batches(list(pair), [alone[0][step], alone[1][step]])


def test_states_of_other_orders_are_refused(packed: Path) -> None:
    loader = LatentLoader(LatentDataset(packed), 4)
    for change in ({"seed": 1}, {"batch_size": 5}, {"world": 2}, {"items": 3}, {"shuffle": False}):
        with pytest.raises(CodecError, match="needed is one with seed 0, batch_size 4, world 1, items 22"):
            loader.load_state_dict(loader.state_dict() | change)
    with pytest.raises(CodecError, match="epoch is -1"):
        loader.load_state_dict(loader.state_dict() | {"epoch": -1})
    with pytest.raises(CodecError, match="state is 3"):
        loader.load_state_dict(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("world", "sizes"), [(2, "same"), (3, "same"), (3, "bucket"), (5, "pad")])
def test_processes_share_batches_and_have_as_many(packed: Path, mixed: Path, world: int, sizes: Any) -> None:
    dataset = LatentDataset(packed if sizes == "same" else mixed, channels=3)
    shares = [
        list(LatentLoader(dataset, 3, rank=rank, world=world, sizes=sizes, augmentation=Augmentation(shift=1)))
        for rank in range(world)
    ]
    assert len({len(share) for share in shares}) == 1
    assert all(len({len(batch[0]) for batch in step}) == 1 for step in zip(*shares, strict=True))
    if sizes == "same" and world == 2:
        together = list(LatentLoader(dataset, 6, augmentation=Augmentation(shift=1)))
        for step, (x, labels) in zip(zip(*shares, strict=True), together, strict=True):
            assert torch.equal(torch.stack([part[0] for part in step], dim=1).flatten(0, 1), x)
            assert torch.equal(torch.stack([part[1] for part in step], dim=1).flatten(), labels)


def test_sizes_are_padded_or_kept_apart(mixed: Path) -> None:
    dataset = LatentDataset(mixed, channels=12)
    with pytest.raises(CodecError, match="--size"):
        LatentLoader(dataset, 4)
    items = {tuple(dataset.labels[[i]]) + tuple(dataset[i][0].shape): dataset[i][0] for i in range(len(dataset))}
    assert len({shape[2:] for shape in items}) == 3
    for x, labels, sides in LatentLoader(dataset, 4, sizes="pad"):
        assert x.shape[2:] == tuple(sides.max(dim=0).values.tolist()) and len(labels) == len(x)
        for one, (height, width) in zip(x, sides.tolist(), strict=True):
            assert not one[:, height:].any() and not one[:, :, width:].any()
            assert any(torch.equal(one[:, :height, :width], dataset[i][0]) for i in range(len(dataset)))
    batches = list(LatentLoader(dataset, 4, sizes="bucket"))
    for whole in (False, True):
        loader = LatentLoader(dataset, 4, sizes="bucket", drop_last=whole)
        assert len(loader) == len(list(loader))
    assert sum(len(x) for x, _ in batches) == 22 and {tuple(x.shape[2:]) for x, _ in batches} == {
        (8, 10),
        (5, 12),
        (10, 8),
    }
    both = list(LatentLoader(dataset, 4, sizes="pad", augmentation=Augmentation(crop=5)))
    assert all(sides.tolist() == [[5, 5]] * len(x) for x, _, sides in both)
    with pytest.raises(CodecError, match="mixup and cutmix are of latents of one size"):
        LatentLoader(dataset, 4, sizes="pad", augmentation=Augmentation(mixup=1))
    with pytest.raises(CodecError, match="crop is 9 x 9 places, a latent has"):
        list(LatentLoader(dataset, 4, augmentation=Augmentation(crop=9)))
    cropped = list(LatentLoader(dataset, 4, augmentation=Augmentation(crop=5)))
    assert {tuple(x.shape[1:]) for x, _ in cropped} == {(12, 5, 5)}


def test_types_of_batches(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=12)
    exact = [x for x, _ in LatentLoader(dataset, 4)]
    for dtype in ("float16", "bfloat16"):
        found = [x for x, _ in LatentLoader(dataset, 4, dtype=dtype)]
        assert all(torch.equal(x, like.to(getattr(torch, dtype))) for x, like in zip(found, exact, strict=True))


def test_labels_of_mixed_latents_are_shares(packed: Path) -> None:
    dataset = LatentDataset(packed, channels=3)
    plain = list(LatentLoader(dataset, 4))
    weights = set()
    for (x, shares), (like, labels) in zip(
        LatentLoader(dataset, 4, augmentation=Augmentation(mixup=1)), plain, strict=True
    ):
        assert shares.shape == (len(x), 2) and torch.allclose(shares.sum(dim=1), torch.ones(len(x)))
        own = torch.nn.functional.one_hot(labels, 2).float()
        weight = float(((x - like.flip(0)) * (like - like.flip(0))).sum() / (like - like.flip(0)).square().sum())
        assert torch.allclose(shares, weight * own + (1 - weight) * own.flip(0), atol=1e-5)
        weights.add(round(weight, 3))
    assert len(weights) == len(plain)
    for (x, shares), (like, labels) in zip(
        LatentLoader(dataset, 4, augmentation=Augmentation(cutmix=1)), plain, strict=True
    ):
        changed = (
            (x != like).any(dim=1)[0] if not torch.equal(like[0], like[-1]) else torch.zeros(8, 10, dtype=torch.bool)
        )
        own = torch.nn.functional.one_hot(labels, 2).float()
        share = 1 - changed.float().mean()
        assert torch.allclose(shares[0], share * own[0] + (1 - share) * own[-1], atol=1e-5)


def test_other_targets_come_as_they_are(packed: Path) -> None:
    dataset = LatentDataset(packed, targets=("cls", "cls"))
    x, first, second = next(iter(LatentLoader(dataset, 4)))
    assert len(x) == 4 and first == second and set(first) <= {0, 1}
    with pytest.raises(CodecError, match="no sample has a target 'txt'; they have cls"):
        LatentDataset(packed, targets=("txt",))
    with pytest.raises(CodecError, match="mixup and cutmix mix labels"):
        LatentLoader(dataset, 4, augmentation=Augmentation(mixup=1))


def test_sounds_are_moved_masked_and_amplified(sounds: Path) -> None:
    dataset = LatentDataset(sounds, channels=32, scaling="none")
    plain = next(iter(LatentLoader(dataset, 5)))[0]
    louder = next(iter(LatentLoader(dataset, 5, augmentation=Augmentation(gain_db=12))))[0]
    ratios = (louder * plain).sum((1, 2, 3)) / plain.square().sum((1, 2, 3))
    assert torch.allclose(louder, plain * ratios[:, None, None, None], rtol=1e-4, atol=1e-6)
    assert (20 * ratios.log10()).abs().max() <= 12 and len(set(ratios.tolist())) == 5
    masked = next(iter(LatentLoader(dataset, 5, augmentation=Augmentation(frequency_masks=2))))[0]
    silent = (masked == 0).all(dim=3)[:, :, 0]
    assert silent.any() and not silent.all() and torch.equal(masked[~silent], plain[~silent])
    cropped = next(iter(LatentLoader(dataset, 5, augmentation=Augmentation(crop=20))))[0]
    assert cropped.shape == (5, 32, 1, 20)
    assert all(
        any(torch.equal(c, p[:, :, i : i + 20]) for i in range(p.shape[2] - 19))
        for c, p in zip(cropped, plain, strict=True)
    )
    with pytest.raises(
        CodecError, match=r"flip, hue given for latents of kind sound; allowed for these is crop, shift, erase"
    ):
        LatentLoader(dataset, 5, augmentation=Augmentation(flip=0.5, hue=0.1))
    with pytest.raises(CodecError, match="channel_swap given for latents of model speech"):
        LatentLoader(dataset, 5, augmentation=Augmentation(channel_swap=0.5))


def test_sides_of_stereo_packs_are_changed(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    (tmp_path / "in" / "a").mkdir(parents=True)
    for i in range(4):
        soundfile.write(tmp_path / "in" / "a" / f"{i}.wav", random.normal(0, 0.1, (20_000, 2)), 44_100)
    archive.pack(tmp_path / "in", tmp_path / "out", PackIndexOptions(quality=90, sound_channels=2))
    dataset = LatentDataset(tmp_path / "out", channels=64, scaling="none")
    assert dataset.index.model_name == "stereo_machine"
    plain = next(iter(LatentLoader(dataset, 4)))[0]
    swapped = next(iter(LatentLoader(dataset, 4, augmentation=Augmentation(channel_swap=1))))[0]
    same, other = (swapped == plain).all(dim=3).all(dim=0)[:, 0], (swapped == -plain).all(dim=3).all(dim=0)[:, 0]
    assert (same | other).all() and same.any() and other.any()


def test_bad_arguments_are_sentences(packed: Path) -> None:
    dataset = LatentDataset(packed)
    for options, what in (
        ({"seed": -1}, "seed is -1"),
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"sizes": "any"}, "sizes is 'any'"),
        ({"rank": 1}, "rank is 1 and world None; allowed is both, or neither"),
        ({"rank": 2, "world": 2}, "rank is 2"),
        ({"workers": 4}, "the option 'workers' is none of a loader; allowed are shuffle, seed"),
        ({"augmentation": "flip"}, "augmentation is 'flip'"),
    ):
        with pytest.raises(CodecError, match=what):
            LatentLoader(dataset, 4, **options)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="batch_size is 0"):
        LatentLoader(dataset, 0)
    with pytest.raises(CodecError, match="the dataset has a transform"):
        LatentLoader(LatentDataset(packed, transform=lambda x: x), 4)
    for crop, half, what in ((192, 0.0, "has 8 x 10; allowed"), (5, 0.5, "has 4 x 5 at half the scale")):
        with pytest.raises(CodecError, match=what):
            LatentLoader(dataset, 4, augmentation=Augmentation(crop=(crop, crop), half=half))
    for values, what in (
        ({"crop": (3,)}, "crop is"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"hue": 0.6}, "hue is 0.6"),
        ({"half": 0.5}, "half needs a crop"),
        ({"shift": -1}, "shift is -1"),
    ):
        with pytest.raises(CodecError, match=what):
            Augmentation(**values)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match="gain_db given for latents of kind image"):
        LatentLoader(dataset, 4, augmentation=Augmentation(gain_db=3))


def test_damaged_items_are_errors_of_the_batch(packed: Path, tmp_path: Path) -> None:
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    index = LatentDataset(packed).index
    shard = tmp_path / index.shards[index.shard[7]].name
    data = bytearray(shard.read_bytes())
    data[index.offset[7] + 60] ^= 0x55
    shard.write_bytes(bytes(data))
    with pytest.raises(BitstreamError):
        list(LatentLoader(LatentDataset(tmp_path, channels=12), 4))
