"""Latents through views are those of signals that were changed in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs import Audio, CodecError, Image, Lcn, _native, decode
from laconic.codecs.models.zoo import load_model
from laconic.codecs.packing.latent_bands import latent_bands_of
from laconic.codecs.packing.latent_batch import LatentBatch, LatentViews, PictureFiles

Floats = NDArray[np.float32]


def picture(height: int, width: int, planes: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth and rough parts, of middle brightness, so that nothing is clipped."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack(
        [30 * np.sin(x / (5 + 3 * i) + y / (9 + i)) + 12 * np.cos(x * y / 300) for i in range(planes)], axis=-1
    )
    samples: NDArray[np.uint8] = (128 + waves + random.normal(0, 5, waves.shape)).round().astype(np.uint8)
    return samples


def latent_of(samples: NDArray[np.uint8], channels: int) -> Floats:
    """With steps so fine that their error is that of pixels being whole numbers."""
    codec = Lcn(quality=100, effort=0, profile="best", tune="psnr")
    return codec.analyze(Image(np.ascontiguousarray(samples))).dequantize()[:channels]


def viewed(latent: Floats, shape: tuple[int, int], window: list[int], model: str = "rgb", **parts: Any) -> Floats:
    channels = len(latent)
    batch = LatentBatch(
        load_model(model),
        channels,
        np.ones(channels, np.float32),
        np.zeros(channels, np.float32),
        latent_bands_of(load_model(model), channels),
    )
    out = np.full((1, channels, *shape), np.nan, np.float32)
    batch.put(latent, out, 0, LatentViews(np.array([window + [0] * (8 - len(window))], np.int32), **parts))
    return out[0]


@pytest.mark.parametrize(
    ("model", "planes", "channels"),
    [("rgb", 3, 3), ("rgb", 3, 12), ("rgb_best", 3, 48), ("rgb", 3, 192), ("grey", 1, 1), ("grey_best", 1, 16)],
)
def test_a_mirrored_latent_is_that_of_the_signal_mirrored_about_a_sample(
    model: str, planes: int, channels: int
) -> None:
    samples = picture(96, 120, planes)
    last = 8 * (120 // 8 - 1)
    mirrored = samples[:, np.abs(last - np.arange(120))]
    found = viewed(latent_of(samples, channels), (12, 15), [0, 0, 1], model)
    expected = latent_of(mirrored, channels)
    inside = np.abs(found - expected)[:, :, 2:-4]
    assert inside.max() < 0.04 < 0.2 < np.abs(expected - latent_of(samples, channels))[:, :, 2:-4].max()


@pytest.mark.parametrize("channels", [3, 12, 48, 192])
def test_a_latent_at_half_the_scale_is_that_of_the_reduced_picture(channels: int) -> None:
    samples = picture(128, 160)
    half = decode(Lcn(quality=100, tune="psnr", profile="best").encode(Image(samples)), scale=2).samples
    found = viewed(latent_of(samples, channels), (8, 10), [0, 0, 0, 1])
    difference = np.abs(found - latent_of(half, channels))[:, 2:-2, 2:-2]
    assert difference.max() < 0.04


@pytest.mark.parametrize("size", [(72, 88), (65, 71)], ids=str)
def test_halves_of_odd_grids_have_the_places_that_there_are(size: tuple[int, int]) -> None:
    latent = latent_of(picture(*size), 12)
    shape = -(-latent.shape[1] // 2), -(-latent.shape[2] // 2)
    found = viewed(latent, shape, [0, 0, 0, 1])
    # Channels of level 2 at half the scale are those of level 3, on a coarser grid.
    bands = latent_bands_of(load_model("rgb"), 48)
    wide = viewed(latent_of(picture(*size), 48), shape, [0, 0, 0, 1])
    source, row, column = bands.halved[12]
    places = latent[source, row::2, column::2] * bands.half_gains[12]
    assert np.array_equal(wide[12, : places.shape[0], : places.shape[1]], places)
    assert np.isfinite(found).all() and np.array_equal(found, wide[:12])


def test_windows_are_parts_and_nothing_is_outside() -> None:
    latent = latent_of(picture(64, 80), 12)
    assert np.array_equal(viewed(latent, (5, 6), [2, 3]), latent[:, 2:7, 3:9])
    outside = viewed(latent, (8, 10), [-3, 4])
    assert np.array_equal(outside[:, 3:, :6], latent[:, :5, 4:])
    assert not outside[:, :3].any() and not outside[:, :, 6:].any()
    assert not viewed(latent, (4, 4), [100, -100]).any()
    whole = viewed(latent, (8, 10), [0, 0, 1])
    assert np.array_equal(viewed(latent, (3, 4), [2, 5, 1]), whole[:, 2:5, 5:9])
    padded = viewed(latent, (10, 14), [-1, -2, 1])
    assert np.array_equal(padded[:, 1:9, 2:12], whole) and not padded[:, :, 12:].any()


def test_boxes_are_erased() -> None:
    latent = latent_of(picture(64, 80), 12)
    found = viewed(latent, (8, 10), [0, 0, 0, 0, 2, 5, 3, 100])
    assert not found[:, 2:5, 3:].any()
    found[:, 2:5, 3:] = latent[:, 2:5, 3:]
    assert np.array_equal(found, latent)


def colored(samples: NDArray[np.uint8], matrix: NDArray[np.float64], added: float) -> NDArray[np.uint8]:
    values = (samples / 255 - 0.5) @ matrix.T + added
    assert np.abs(values).max() < 0.5
    result: NDArray[np.uint8] = ((values + 0.5) * 255).round().astype(np.uint8)
    return result


@pytest.mark.parametrize("channels", [3, 12, 48])
def test_colors_of_bands_are_those_of_pixels(channels: int) -> None:
    matrix, added = np.array([[0.9, 0.15, -0.05], [0.1, 0.7, 0.2], [-0.1, 0.2, 0.85]]), 0.06
    samples = picture(64, 80)
    bands = latent_bands_of(load_model("rgb"), channels)
    turned = bands.basis @ matrix @ np.linalg.inv(bands.basis)
    offsets = added * bands.basis.sum(axis=1) * bands.low_gain
    colors = np.concatenate([turned, offsets[:, None]], axis=1)[None].astype(np.float32)
    found = viewed(latent_of(samples, channels), (8, 10), [0, 0], colors=colors)
    expected = latent_of(colored(samples, matrix, added), channels)
    assert np.abs(found - expected).max() < 0.03


def test_channels_have_factors() -> None:
    latent = latent_of(picture(64, 80), 12)
    factors = np.linspace(-1, 1, 12, dtype=np.float32)[None]
    assert np.array_equal(viewed(latent, (8, 10), [0, 0], factors=factors), latent * factors[0, :, None, None])


FILES = [
    Lcn(quality=quality, profile=profile).encode(Image(picture(64, 80, seed=seed)))
    for seed, (quality, profile) in enumerate(
        [(50, "fast"), (60, "small"), (50, "fast"), (50, "best"), (60, "fast")] * 4
    )
]


def read(num_threads: int = 1, dtype: Any = np.float32, **parts: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    model = load_model("rgb")
    scale = np.linspace(0.2, 0.4, 12, dtype=np.float32)
    batch = LatentBatch(model, 12, scale, -scale, latent_bands_of(model, 12))
    random = np.random.default_rng(1)
    windows = np.zeros((len(FILES), 8), np.int32)
    windows[:, :2] = random.integers(-2, 4, (len(FILES), 2))
    windows[:, 2:4] = random.integers(0, 2, (len(FILES), 2))
    factors = random.uniform(0.5, 1.5, (len(FILES), 12)).astype(np.float32)
    colors = random.normal(0, 1, (len(FILES), 3, 4)).astype(np.float32)
    out = np.zeros((len(FILES), 12, 5, 6), dtype)
    views = LatentViews(windows, colors, factors)
    done = batch.decode(lambda: PictureFiles(FILES), out, views=views, num_threads=num_threads)
    for i in np.flatnonzero(~done):
        batch.put(Lcn().unpack(FILES[i], channels=12).dequantize(), out, int(i), views.of(np.array([i])))
    return out, done


def test_threads_and_reading_one_by_one_give_the_same_views() -> None:
    alone, done = read()
    assert np.array_equal(done, [i % 5 != 3 for i in range(20)])
    for num_threads in (2, 3, 16):
        assert np.array_equal(read(num_threads)[0], alone)


def test_batches_are_rounded_to_the_types_of_torch() -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    exact = torch.from_numpy(read()[0])
    assert np.array_equal(read(dtype=np.float16)[0], exact.half().numpy())
    assert torch.equal(torch.from_numpy(read(dtype=np.uint16)[0]).view(torch.bfloat16), exact.bfloat16())


def test_every_kind_of_number_is_rounded_as_numpy_and_torch_do() -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    random = np.random.default_rng(0)
    bits = np.concatenate([random.integers(0, 2**32, 200_000, np.uint32), np.arange(0, 2**32, 65_521, np.uint32)])
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    halves = halves[np.isfinite(halves)]
    values = np.concatenate([bits.view(np.float32), halves, np.nextafter(halves, np.float32(np.inf))])
    values = np.concatenate([values, (halves[:-1] + halves[1:]) / 2])
    values = values[np.isfinite(values)]
    norm = _native.LatentNorm(np.ones(1, np.float32), np.zeros(1, np.float32))
    out = np.empty((1, 1, 1, len(values)), np.float16)
    with np.errstate(over="ignore"):
        expected = (values + np.float32(0)).astype(np.float16)
    norm.view(values.reshape(1, 1, -1), out, 0)
    assert np.array_equal(out.ravel().view(np.uint16), expected.view(np.uint16))
    brain = np.empty((1, 1, 1, len(values)), np.uint16)
    norm.view(values.reshape(1, 1, -1), brain, 0)
    own = torch.from_numpy(brain.ravel()).view(torch.bfloat16)
    assert torch.equal(own, torch.from_numpy(values + np.float32(0)).bfloat16())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_batches_are_mixed_in_pairs(dtype: str) -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    random = np.random.default_rng(5)
    x = torch.from_numpy(random.normal(0, 1, (5, 3, 6, 7)).astype(np.float32)).to(getattr(torch, dtype))
    for weight, box in ((0.3, (0, 6, 0, 7)), (0.0, (1, 4, 2, 7))):
        mixed = x.clone()
        bits = mixed.view(torch.uint16) if dtype == "bfloat16" else mixed
        _native.mix_latents(bits.numpy(), weight, box)
        expected, (top, bottom, left, right) = x.float(), box
        part = expected[:, :, top:bottom, left:right]
        expected[:, :, top:bottom, left:right] = weight * part + (1 - weight) * part.flip(0)
        expected[2] = x[2].float()  # alone in the middle
        assert torch.allclose(mixed.float(), expected, atol=1e-2 if dtype == "bfloat16" else 1e-3)
    assert mixed.dtype == x.dtype


def test_left_and_right_change_places_in_latents_of_stereo() -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    from laconic.tasks.datasets.augmentation import Augmentation
    from laconic.tasks.datasets.latent_augmenter import LatentAugmenter
    from laconic.tasks.datasets.latent_draws import LatentDraws

    model = load_model("stereo")
    samples = np.random.default_rng(2).normal(0, 0.1, (2, 20_000)).astype(np.float32)
    samples[1] += 0.05 * np.sin(np.arange(20_000) / 9)
    codec = Lcn(quality=95, effort=0, model="stereo")
    latent, swapped = (
        codec.analyze(Audio(np.ascontiguousarray(s), 44_100)).dequantize() for s in (samples, samples[::-1])
    )
    batch = LatentBatch(model, 512, np.ones(512, np.float32), np.zeros(512, np.float32))
    draws = LatentDraws(0, 0, np.arange(1))
    views = LatentAugmenter(Augmentation(channel_swap=1), model, 512).views(draws, np.array([latent.shape[1:]]))
    out = np.empty((1, *latent.shape), np.float32)
    batch.put(latent, out, 0, views)
    assert np.abs(out[0] - swapped).max() < 0.02 * np.abs(latent).max()
    assert np.abs(latent - swapped).max() > 0.5 * np.abs(latent).max()


def test_models_that_mix_places_say_so() -> None:
    with pytest.raises(CodecError, match=r"the first 13 channels end within a band.*allowed are \[3, 12, 48, 192\]"):
        latent_bands_of(load_model("rgb"), 13)
    with pytest.raises(CodecError, match="model speech cannot be mirrored"):
        latent_bands_of(load_model("speech"), 16)
    from dataclasses import replace

    mixed = replace(load_model("rgb"), turn=None)
    with pytest.raises(CodecError, match="--blocks color or --axes"):
        latent_bands_of(mixed, 48)


def test_arrays_that_do_not_fit_are_refused() -> None:
    norm = _native.LatentNorm(np.ones(2, np.float32), np.zeros(2, np.float32))
    latent, out = np.zeros((2, 3, 3), np.float32), np.zeros((1, 2, 3, 3), np.float32)
    window = np.zeros((1, 8), np.int32)
    mirrored = window.copy()
    mirrored[0, 2] = 1
    far = window.copy()
    far[0, 0] = 1 << 25
    for windows, colors, factors, what in (
        (mirrored, None, None, "bands are not told apart"),
        (far, None, None, "a window is too far away"),
        (window[:, :4].copy(), None, None, "eight numbers"),
        (np.zeros((2, 8), np.int32), None, None, "one window"),
        (None, None, np.ones((1, 2), np.float32), "a view has a window"),
        (window, np.zeros((1, 3, 4), np.float32), None, "colours do not fit"),
        (window, None, np.ones((1, 3), np.float32), "factors do not fit"),
    ):
        with pytest.raises(ValueError, match=what):
            norm.view(latent, out, 0, windows, colors, factors)
    with pytest.raises(ValueError, match="float32, float16 or uint16"):
        norm.view(latent, out.astype(np.float64), 0)
    with pytest.raises(ValueError, match="does not fit the batch"):
        norm.view(latent, out, 1)
    with pytest.raises(ValueError, match="outside of the latents"):
        _native.mix_latents(out, 0.5, (0, 4, 0, 3))
    with pytest.raises(ValueError, match="a weight is none"):
        _native.mix_latents(out, 1.5, (0, 3, 0, 3))
