"""Batches of signals: read, changed by the draws that change latents, in the same order."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from PIL import Image as PillowImage  # noqa: E402

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.tasks.datasets import LatentDataset, LatentLoader, PackIndexOptions, pack  # noqa: E402
from laconic.tasks.datasets.augmentation import Augmentation, parse_augmentation  # noqa: E402
from laconic.tasks.datasets.framing import Framing  # noqa: E402
from laconic.tasks.datasets.signal_dataset import SignalDataset  # noqa: E402
from laconic.tasks.datasets.signal_loader import SignalLoader, SignalPlaces  # noqa: E402
from laconic.tasks.datasets.sources.open_source import open_pack_source  # noqa: E402

PLACES = SignalPlaces((8, 8), (8, 8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures of 6 x 7 places of 8 x 8 pixels."""
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for name in ("a", "b"):
        (root / name).mkdir()
        for i in range(5):
            small = PillowImage.fromarray(random.integers(40, 215, (3, 3, 3)).astype(np.uint8))
            small.resize((56, 48), PillowImage.Resampling.BICUBIC).save(root / name / f"{i}.png")
    return root


def dataset_of(folder: Path, **framing: Any) -> SignalDataset:
    source = open_pack_source(folder)
    return SignalDataset(source, source.samples, Framing(**framing))


def test_signals_and_latents_are_changed_by_the_same_draws(folder: Path, tmp_path: Path) -> None:
    """The three lowest channels are the colours of the first pixel of each place, smoothed."""
    pack(folder, tmp_path / "packed", PackIndexOptions(quality=95))
    changes = Augmentation(crop=(3, 4), flip=0.5, shift=1)
    options: dict[str, Any] = {"augmentation": changes, "seed": 4}
    latents = LatentDataset(tmp_path / "packed", channels=3, scaling="channel")
    order = np.argsort(latents.index.source)
    of_latents = LatentLoader(latents.subset(order), 10, **options)
    of_signals = SignalLoader(dataset_of(folder), ("cls",), 10, PLACES, **options)
    for _ in range(3):
        (x, labels), (y, others) = next(iter(of_latents)), next(iter(of_signals))
        assert labels.tolist() == others.tolist() and y.shape == (10, 3, 24, 32)
        pixels = y[:, :, ::8, ::8][:, :, 1:-1, 1:-1]  # on which low values lie; edges are mirrored otherwise
        inputs = x[:, :, 1:-1, 1:-1].movedim(1, -1).reshape(-1, 3)
        wanted = pixels.movedim(1, -1).reshape(-1, 3)
        inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
        rest = wanted - inputs @ torch.linalg.lstsq(inputs, wanted).solution
        assert float(rest.var()) < 0.01 * float(wanted.var())
        for loader in (of_latents, of_signals):
            loader.set_epoch(loader.state_dict()["epoch"] + 1)


def test_what_augmentation_does_to_pixels(folder: Path) -> None:
    plain = next(iter(SignalLoader(dataset_of(folder), (), 10, PLACES, shuffle=False)))[0]

    def changed(**changes: Any) -> Any:
        wanted = Augmentation(**changes)
        return next(iter(SignalLoader(dataset_of(folder), (), 10, PLACES, shuffle=False, augmentation=wanted)))[0]

    mirrored = changed(flip=1)
    torch.testing.assert_close(mirrored[:, :, :, :48], plain[:, :, :, 1:49].flip(3))  # about the first pixel of a place
    contrast = changed(contrast=0.5)
    ratio = contrast / plain
    assert torch.allclose(ratio, ratio[:, :1, :1, :1].expand_as(ratio), rtol=1e-3)
    assert 0.5 <= float(ratio.min()) < 0.9 and 1.1 < float(ratio.max()) <= 1.5
    brighter = changed(brightness=0.2) - plain
    assert torch.allclose(brighter, brighter[:, :1, :1, :1].expand_as(brighter), atol=1e-5)
    grey = changed(saturation=1.0).std(dim=1).mean(dim=(1, 2)) / plain.std(dim=1).mean(dim=(1, 2))
    assert float(grey.min()) < 0.6 and float(grey.max()) > 1.4
    erased = changed(erase=1.0)
    assert 0.02 < float((erased == 0).float().mean()) < 0.4
    half = changed(half=1.0, crop=3)
    assert half.shape == (10, 3, 24, 24)
    assert float(half.std()) < float(plain.std())


def test_a_loop_over_signals_goes_on_where_it_was(folder: Path) -> None:
    def loader() -> SignalLoader:
        return SignalLoader(dataset_of(folder), ("cls",), 3, PLACES, seed=1, augmentation=Augmentation(shift=2))

    whole = [batch[0] for batch in loader()]
    first, second = loader(), loader()
    iterator = iter(first)
    seen = [next(iterator)[0] for _ in range(2)]
    second.load_state_dict(first.state_dict())
    for one, other in zip([*seen, *(batch[0] for batch in second)], whole, strict=True):
        assert torch.equal(one, other)
    assert len(first) == len(whole) == 4


def test_padded_signals_come_in_the_batches_of_latents(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "in" / "a").mkdir(parents=True)
    for i, width in enumerate(random.integers(9, 200, 40).tolist()):
        PillowImage.new("RGB", (width, 16)).save(tmp_path / "in" / "a" / f"{i:02}.png")
    pack(tmp_path / "in", tmp_path / "packed")
    latents = LatentDataset(tmp_path / "packed", channels=1)
    of_latents = LatentLoader(latents.subset(np.argsort(latents.index.source)), 4, sizes="pad")
    of_signals = SignalLoader(dataset_of(tmp_path / "in"), (), 4, PLACES, sizes="pad")
    for (_, _, places), (_, pixels) in zip(of_latents, of_signals, strict=True):
        assert places.tolist() == (-(-pixels // 8)).tolist()


def test_padded_sounds_come_in_the_batches_of_latents(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "in" / "a").mkdir(parents=True)
    lengths = [*random.integers(2000, 9000, 12).tolist(), 2048, 4032, 4033, 8192]
    for i, length in enumerate(lengths):
        with wave.open(str(tmp_path / "in" / "a" / f"{i:02}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(bytes(2 * length))
    pack(tmp_path / "in", tmp_path / "packed")
    latents = LatentDataset(tmp_path / "packed", channels=1)
    of_latents = LatentLoader(latents.subset(np.argsort(latents.index.source)), 4, sizes="pad")
    of_signals = SignalLoader(dataset_of(tmp_path / "in"), (), 4, SignalPlaces((1, 128), (1, 128)), sizes="pad")
    for (_, _, places), (_, samples) in zip(of_latents, of_signals, strict=True):
        assert places[:, 1].tolist() == (-(-(samples[:, 1] + 128) // 128)).tolist()


def test_signals_that_fit_in_no_batch_are_sentences(folder: Path, tmp_path: Path) -> None:
    PillowImage.new("RGB", (20, 20)).save(tmp_path / "x.png")
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        PillowImage.new("RGB", (16 if name == "a" else 24, 16)).save(tmp_path / "in" / name / "x.png")
    with pytest.raises(CodecError, match="signals of 16 x 16 to 16 x 24 values fit in no batch"):
        next(iter(SignalLoader(dataset_of(tmp_path / "in"), (), 2, PLACES)))
    x, sizes = next(iter(SignalLoader(dataset_of(tmp_path / "in"), (), 2, PLACES, sizes="pad", shuffle=False)))
    assert x.shape == (2, 3, 16, 24) and sizes.tolist() == [[16, 16], [16, 24]]
    with pytest.raises(CodecError, match="sizes is 'bucket'"):
        SignalLoader(dataset_of(folder), (), 2, PLACES, sizes="bucket")
    with pytest.raises(CodecError, match="mixup and cutmix are of latents"):
        SignalLoader(dataset_of(folder), (), 2, PLACES, augmentation=Augmentation(mixup=1))


@pytest.mark.parametrize("text", ["", "flip", "flip=x", "crop=2x3x4", "size=3", "flip=0.5,flip=1"])
def test_augmentation_that_cannot_be_read_is_a_sentence(text: str) -> None:
    with pytest.raises(CodecError, match="allowed"):
        parse_augmentation(text)
