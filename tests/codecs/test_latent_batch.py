"""Latents of many small pictures at once are those of `unpack`, to the bit; what is damaged has the same errors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import Audio, CodecError, Image, Lcn
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.latent_batch import LatentBatch, PictureFiles
from laconic.entropy import BitstreamError, simd

SIZES = ((1, 1), (8, 8), (9, 17), (33, 47), (64, 64), (40, 150))


def picture(size: tuple[int, int], planes: int = 3, seed: int = 0, dtype: type[np.generic] = np.uint8) -> Image:
    """Gradients, edges and some noise."""
    random = np.random.default_rng((seed, *size))
    y, x = np.mgrid[: size[0], : size[1]]
    waves = np.sin(x[..., None] / 9 + random.uniform(0, 6, planes)) + np.cos(
        y[..., None] / 13 + random.uniform(0, 6, planes)
    )
    edges = 60 * ((x // 11 + y // 7) % 3 == seed % 3)[..., None]
    samples = 100 + 40 * waves + edges + random.normal(0, 6, (*size, planes))
    peak = int(np.iinfo(dtype).max)
    return Image((samples.clip(0, 255) / 255 * peak).astype(dtype))


def plain(files: list[bytes], channels: int) -> NDArray[np.float32]:
    return np.stack([Lcn().unpack(file, channels=channels).dequantize() for file in files])


def same_bits(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return a.shape == b.shape and np.array_equal(a.view(np.int32), b.view(np.int32))


def native(files: list[bytes], channels: int, model: str = "rgb") -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Without `unpack`; what was not read is NaN."""
    like = Lcn().unpack(files[0], channels=channels).dequantize()
    out = np.full((len(files), *like.shape), np.nan, np.float32)
    batch = LatentBatch(load_model(model), channels, np.ones(channels, np.float32), np.zeros(channels, np.float32))
    return out, batch.decode(lambda: PictureFiles(files), out)


@pytest.fixture(params=simd.available())
def _level(request: pytest.FixtureRequest) -> Iterator[None]:
    before = simd.current()
    simd.use(request.param)
    yield
    simd.use(before)


@pytest.mark.usefixtures("_level")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("profile", ["fast", "small"])
def test_pictures_of_many_qualities_are_read_natively(profile: Any, size: tuple[int, int]) -> None:
    """More of them than go side by side, of several steps, lanes and numbers of used channels."""
    files = [
        Lcn(quality=quality, profile=profile, lanes=lanes).encode(picture(size, seed=seed))
        for seed, (quality, lanes) in enumerate(itertools.product((2, 40, 60, 60, 97), (None, 4, 8, 16)))
    ]
    for channels in (1, 3, 4, 12, 13, 48, 192):
        out, done = native(files, channels)
        assert done.all()
        assert same_bits(out, plain(files, channels))


@pytest.mark.parametrize("profile", ["fast", "small"])
def test_grey_pictures(profile: Any) -> None:
    files = [Lcn(quality=q, profile=profile).encode(picture((50, 39), 1, q)) for q in (20, 50, 80)]
    for channels in (1, 2, 4, 12, 16, 64):
        out, done = native(files, channels, "grey")
        assert done.all()
        assert same_bits(out, plain(files, channels))


def test_flat_pictures_that_code_nothing() -> None:
    flat = Image(np.full((64, 64, 3), 127, np.uint8))
    files = [Lcn(quality=q, profile=p).encode(flat) for q in (1, 50) for p in ("fast", "small")]
    out, done = native(files, 12)
    assert done.all() and same_bits(out, plain(files, 12))


def unusual_files() -> list[bytes]:
    """Of one size, none of the usual kind but the first and the last."""
    size = (72, 72)
    usual = Lcn().encode(picture(size))
    few = Lcn(profile="fast")
    latent = few.unpack(few.encode(picture(size, seed=9)), channels=48)
    return [
        usual,
        Lcn(profile="best").encode(picture(size)),
        Lcn().encode(picture(size, 4)),
        Lcn().encode(picture(size, dtype=np.uint16)),
        Lcn(tile_log2=3).encode(picture(size)),
        Lcn(grouping="whole").encode(picture(size)),
        Lcn(tile_log2=3, progression="tile").encode(picture(size)),
        Lcn().encode(Image(picture(size).samples, {"icc": b"profile" * 30})),
        few.pack(latent),
        Lcn(profile="fast", quality=95).encode(picture(size)),
    ]


def test_unusual_pictures_are_read_by_unpack() -> None:
    files = unusual_files()
    out, done = native(files, 12)
    assert done.tolist() == [True] + [False] * 7 + [True] * 2
    assert same_bits(Lcn().dequantize_batch(files, channels=12), plain(files, 12))
    assert same_bits(out[done], plain(files, 12)[done])


def test_values_are_scaled_and_shifted() -> None:
    files = [Lcn(profile="small").encode(picture((64, 64), seed=i)) for i in range(3)]
    scale, shift = np.linspace(0.5, 9, 12, dtype=np.float32), np.linspace(-1, 2, 12, dtype=np.float32)
    out = np.empty((3, 12, 8, 8), np.float32)
    assert LatentBatch(load_model("rgb"), 12, scale, shift).decode(lambda: PictureFiles(files), out).all()
    assert same_bits(out, plain(files, 12) * scale[:, None, None] + shift[:, None, None])


def outcome(files: list[bytes], one_by_one: bool) -> tuple[str, str] | NDArray[np.float32]:
    try:
        return plain(files, 12) if one_by_one else Lcn().dequantize_batch(files, channels=12)
    except (BitstreamError, CodecError) as err:
        return type(err).__name__, str(err)


@pytest.mark.parametrize(("profile", "quality"), [("fast", 30), ("small", 30), ("fast", 95), ("small", 95)])
def test_damaged_files_have_the_errors_of_unpack(profile: Any, quality: int) -> None:
    codec = Lcn(profile=profile, quality=quality)
    whole, files = codec.encode(picture((64, 64))), [codec.encode(picture((64, 64), seed=i)) for i in (1, 2)]
    random = np.random.default_rng(8)
    places = [*range(40), *random.integers(40, len(whole), 40).tolist()]
    damaged = [whole[:at] + bytes([whole[at] ^ 1 << int(random.integers(8))]) + whole[at + 1 :] for at in places]
    damaged += [whole[:end] for end in [*range(40), *random.integers(40, len(whole), 20).tolist()]]
    damaged += [whole + b"\x00", whole[:20] + whole[10:]]
    for file in damaged:
        batch, alone = outcome([files[0], file, files[1]], False), outcome([files[0], file, files[1]], True)
        if isinstance(batch, tuple) or isinstance(alone, tuple):
            assert batch == alone
        else:
            assert same_bits(batch, alone)


def test_all_channels_end_with_the_file() -> None:
    file = Lcn(profile="fast", quality=95).encode(picture((64, 64))) + b"\x00"
    with pytest.raises(BitstreamError, match="bytes follow the last segment"):
        Lcn().dequantize_batch([file], channels=192)


def test_bad_arguments_are_sentences() -> None:
    files = [Lcn().encode(picture(size)) for size in ((64, 64), (64, 72))]
    with pytest.raises(CodecError, match=r"file 1 has a latent of shape \(12, 8, 9\), the first \(12, 8, 8\)"):
        Lcn().dequantize_batch(files, channels=12)
    with pytest.raises(CodecError, match="files is empty"):
        Lcn().dequantize_batch([], channels=12)
    with pytest.raises(CodecError, match="channels is 193"):
        Lcn().dequantize_batch(files[:1], channels=193)
    with pytest.raises(CodecError, match=r"channels is 12\.0"):
        Lcn().dequantize_batch(files[:1], channels=12.0)  # type: ignore[arg-type]


def test_sounds_are_read_by_unpack() -> None:
    random = np.random.default_rng(1)
    sounds = [Audio(random.normal(0, 0.1, (1, 4000)).astype(np.float32), 16_000) for _ in range(2)]
    files = [Lcn(grouping="channels").encode(sound) for sound in sounds]
    assert same_bits(Lcn().dequantize_batch(files, channels=16), plain(files, 16))
