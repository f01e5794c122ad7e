"""Packs of few channels: what they give is what a whole pack gives, in smaller files; and pictures cut to a square."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.models.zoo import load_model_of
from laconic.codecs.packing.packer import leading_latent
from laconic.entropy.container import Profile
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.framing import Framing, framed
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for split in ("train", "test"):
        (root / split / "a").mkdir(parents=True)
        for i in range(3):
            noise = random.normal(100, 30, (64, 64, 3)).clip(0, 255).astype(np.uint8)
            PillowImage.fromarray(noise).save(root / split / "a" / f"{i}.png")
    return root


def assert_same_items(few: Path, whole: Path, channels: int) -> None:
    first, second = (LatentDataset(folder, channels=channels, scaling="none") for folder in (few, whole))
    for row in range(len(first)):
        assert np.array_equal(first.array(row)[0], second.array(row)[0])
    if first.index.grid is not None:
        assert np.array_equal(first.arrays(range(len(first))), second.arrays(range(len(second))))


@pytest.mark.parametrize("profile", ["fast", "small", "best"])
def test_few_channels_are_those_of_a_whole_pack(pictures: Path, tmp_path: Path, profile: Any) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    options = PackIndexOptions(quality=70, profile=profile)
    whole = archive.pack(pictures, tmp_path / "whole", options)
    for channels in (1, 2, 5, 12, 48, 100, 192):
        out = tmp_path / str(channels)
        few = archive.pack(pictures, out, replace(options, channels=channels))
        assert few.group_ends == (*(end for end in (3, 12, 48) if end < channels), channels)
        assert few.options.channels == len(few.mean) == len(few.std) == channels
        assert np.array_equal(few.mean, whole.mean[:channels]) and np.array_equal(few.std, whole.std[:channels])
        for wanted in {1, min(3, channels), channels}:
            assert_same_items(out, tmp_path / "whole", wanted)
        assert few.heads[:, -1].tolist() == few.length.tolist()
        with pytest.raises(CodecError, match=f"allowed is a whole number from 1 to {channels}"):
            LatentDataset(out, channels=channels + 1)
    lengths = [int(read_index(tmp_path / str(channels)).length.sum()) for channels in (1, 12, 48, 192)]
    assert lengths == sorted(lengths) and lengths[1] < 0.3 * lengths[-1]
    assert lengths[-1] == whole.length.sum()


def test_few_channels_of_sounds_are_those_of_a_whole_pack(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    (tmp_path / "in" / "a").mkdir(parents=True)
    for i in range(2):
        soundfile.write(tmp_path / "in" / "a" / f"{i}.wav", random.normal(0, 0.2, 9000), 16_000)
    archive.pack(tmp_path / "in", tmp_path / "whole", PackIndexOptions(quality=80))
    few = archive.pack(tmp_path / "in", tmp_path / "few", PackIndexOptions(quality=80, channels=20))
    assert few.group_ends == (8, 16, 20)
    for channels in (1, 16, 20):
        assert_same_items(tmp_path / "few", tmp_path / "whole", channels)


def test_more_channels_than_the_model_has_are_a_sentence(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="channels is 193; allowed is a whole number from 1 to 192"):
        archive.pack(pictures, tmp_path / "out", PackIndexOptions(channels=193))
    with pytest.raises(CodecError, match="channels is 0"):
        PackIndexOptions(channels=0)


def test_a_leading_latent_keeps_what_its_file_stores() -> None:
    picture = Image(np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8))
    codec = Lcn(quality=60)
    latent = codec.analyze(picture)
    model = load_model_of(latent.fingerprint, None)
    few = leading_latent(latent, 5, model, Profile.SMALL)
    assert np.array_equal(few.dequantize(), latent.dequantize()[:5])
    assert np.array_equal(codec.unpack(codec.pack(few), channels=5).dequantize(), few.dequantize())
    with pytest.raises(CodecError, match="channels is 6"):
        leading_latent(few, 6, model, Profile.SMALL)


def stripes(width: int, height: int) -> Image:
    """Every column of pixels has a colour of its own."""
    return Image(np.repeat(np.arange(width, dtype=np.uint8)[None, :, None], height, 0).repeat(3, 2))


def test_a_crop_without_size_is_the_centre_as_it_is() -> None:
    found = framed(stripes(100, 60), Framing(crop=40))
    assert isinstance(found, Image)
    assert np.array_equal(found.samples, stripes(100, 60).samples[10:50, 30:70])
    with pytest.raises(CodecError, match="the picture has 100 x 60 pixels, crop is 61; allowed is no more"):
        framed(stripes(100, 60), Framing(crop=61))


def test_a_crop_with_size_is_the_centre_of_what_size_gives() -> None:
    picture = stripes(200, 120)
    whole, centre = framed(picture, Framing(size=60)), framed(picture, Framing(size=60, crop=40))
    assert isinstance(whole, Image) and isinstance(centre, Image)
    assert centre.samples.shape == (40, 40, 3)
    assert np.array_equal(centre.samples, whole.samples[10:50, 10:50])
    same = framed(picture, Framing(size=60, crop=60))
    assert isinstance(same, Image) and np.array_equal(same.samples, whole.samples)
    with pytest.raises(CodecError, match="crop is 61; allowed is a whole number from 1 to 60"):
        Framing(size=60, crop=61)
