"""PSNR by hand; SSIM and MS-SSIM against pytorch-msssim, on noise always, on photographs where they are at hand."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from laconic.codecs.errors import UnsupportedSignalError
from laconic.codecs.media import Image
from laconic.tasks.measures.picture_distortion import ms_ssim, psnr, ssim

KODAK = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "kodak"


def picture(height: int, width: int, *, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth coloured noise with some structure at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, channels))
    for size in (2, 5, 17, 65):
        coarse = rng.normal(size=(size, size, channels)) * 30
        total += coarse[np.arange(height)[:, None] * size // height, np.arange(width) * size // width]
    return np.clip(total + 128 + rng.normal(size=total.shape) * 4, 0, 255).astype(np.uint8)


def noisy(samples: NDArray[np.uint8], deviation: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(size=samples.shape) * deviation
    return np.clip(np.rint(samples + noise), 0, 255).astype(np.uint8)


def oracle(reference: NDArray[np.uint8], other: NDArray[np.uint8], *, name: str = "ms_ssim") -> float:
    torch = pytest.importorskip("torch")
    pytorch_msssim = pytest.importorskip("pytorch_msssim")
    x, y = (torch.from_numpy(np.moveaxis(a, -1, 0)[None].astype(np.float64)) for a in (reference, other))
    return float(getattr(pytorch_msssim, name)(x, y, data_range=255))


def test_psnr_of_known_error() -> None:
    reference = np.zeros((4, 4, 3), np.uint8)
    other = reference.copy()
    other[0, 0, 0] = 16  # mean square 256 / 48
    assert psnr(reference, other) == pytest.approx(10 * math.log10(255**2 * 48 / 256))
    assert psnr(other, reference) == psnr(reference, other)


def test_psnr_of_equal_pictures_is_infinite() -> None:
    assert psnr(picture(5, 7), picture(5, 7)) == math.inf


def test_psnr_of_16_bits_uses_their_peak_without_overflow() -> None:
    black, white = np.zeros((64, 64), np.uint16), np.full((64, 64), 65535, np.uint16)
    assert psnr(black, white) == 0.0
    assert psnr(picture(8, 8).astype(np.uint16) * 257, noisy(picture(8, 8), 5).astype(np.uint16) * 257) == (
        pytest.approx(psnr(picture(8, 8), noisy(picture(8, 8), 5)))
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_psnr_of_many_samples_is_exact(dtype: type) -> None:
    """More than one block of the sum, the last one shorter; both orders of the largest and of small differences."""
    random = np.random.default_rng(0)
    x, y = random.integers(0, np.iinfo(dtype).max, (2, 301, 333, 2), dtype, endpoint=True)
    x[:150], y[:150] = np.iinfo(dtype).max, 0
    error = sum((int(a) - int(b)) ** 2 for a, b in zip(x.ravel(), y.ravel(), strict=True))
    assert psnr(x, y) == psnr(y, x) == 10 * math.log10(np.iinfo(dtype).max ** 2 * x.size / error)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_an_image_does_not_count(channels: int) -> None:
    samples = picture(170, 170, channels=channels)
    other = samples.copy()
    other[:, :, -1] ^= 255
    assert psnr(Image(samples), Image(other)) == math.inf
    assert ms_ssim(Image(samples), Image(other)) == ssim(Image(samples), Image(other)) == 1.0


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_different_shape_or_type_is_refused(metric: type) -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(200, 201, 3\)"):
        metric(picture(200, 200), picture(200, 201))
    with pytest.raises(ValueError, match="is uint16"):
        metric(picture(200, 200), picture(200, 200).astype(np.uint16))
    with pytest.raises(UnsupportedSignalError, match="samples are float64"):
        metric(picture(200, 200) / 1.0, picture(200, 200) / 1.0)


@pytest.mark.parametrize("size", [(161, 161), (163, 310), (256, 176)])
@pytest.mark.parametrize("deviation", [1, 10, 60])
def test_ms_ssim_agrees_with_pytorch_msssim(size: tuple[int, int], deviation: float) -> None:
    reference = picture(*size)
    other = noisy(reference, deviation)
    assert ms_ssim(reference, other) == pytest.approx(oracle(reference, other), abs=1e-5)


@pytest.mark.parametrize("size", [(11, 11), (12, 40), (43, 29), (163, 310)])
@pytest.mark.parametrize("deviation", [1, 10, 60])
def test_ssim_agrees_with_pytorch_msssim(size: tuple[int, int], deviation: float) -> None:
    reference = picture(*size)
    other = noisy(reference, deviation)
    assert ssim(reference, other) == pytest.approx(oracle(reference, other, name="ssim"), abs=1e-5)
    assert ssim(reference[:, :, 0], 255 - reference[:, :, 0]) == pytest.approx(
        oracle(reference[:, :, :1], 255 - reference[:, :, :1], name="ssim"), abs=1e-5
    )


@pytest.mark.parametrize("level", [2, 128, 253])
def test_ms_ssim_of_flat_pictures_keeps_its_precision(level: int) -> None:
    reference = noisy(np.full((200, 200, 3), level, np.uint8), 0.5)
    other = noisy(np.full((200, 200, 3), level - 1, np.uint8), 0.3)
    assert ms_ssim(reference, other) == pytest.approx(oracle(reference, other), abs=1e-5)


def test_ms_ssim_of_a_negative_counts_as_pytorch_msssim_does() -> None:
    reference = picture(200, 200)
    assert ms_ssim(reference, 255 - reference) == pytest.approx(oracle(reference, 255 - reference), abs=1e-5)


def test_ms_ssim_takes_grey_and_16_bits() -> None:
    reference = picture(180, 200, channels=1)
    other = noisy(reference, 8)
    expected = ms_ssim(reference, other)
    assert ms_ssim(reference[:, :, 0], other[:, :, 0]) == expected
    assert ms_ssim(Image(reference), Image(other)) == expected
    assert ms_ssim(reference.astype(np.uint16) * 257, other.astype(np.uint16) * 257) == pytest.approx(expected)


def test_ms_ssim_refuses_a_small_picture() -> None:
    with pytest.raises(UnsupportedSignalError, match=r"\(160, 300, 3\).*161 pixels a side"):
        ms_ssim(picture(160, 300), picture(160, 300))
    with pytest.raises(UnsupportedSignalError, match=r"\(10, 300, 3\); SSIM allows .*11 pixels a side"):
        ssim(picture(10, 300), picture(10, 300))


@pytest.mark.skipif(not KODAK.is_dir(), reason="the Kodak pictures are not at hand")
@pytest.mark.parametrize("name", ["kodim04", "kodim13", "kodim23"])
def test_ms_ssim_of_photographs_agrees_with_pytorch_msssim(name: str) -> None:
    from io import BytesIO

    from PIL import Image as PillowImage

    with PillowImage.open(KODAK / f"{name}.png") as opened:
        reference = np.asarray(opened.convert("RGB"))
    for quality in (10, 50, 95):
        file = BytesIO()
        PillowImage.fromarray(reference).save(file, "JPEG", quality=quality)
        other = np.asarray(PillowImage.open(file))
        assert ms_ssim(reference, other) == pytest.approx(oracle(reference, other), abs=1e-5)
