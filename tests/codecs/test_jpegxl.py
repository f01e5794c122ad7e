"""JPEG XL: the laws of a codec, the mapping of quality, and what is refused."""

import sys

import numpy as np
import pytest

from laconic.codecs.checks import check_codec, images_to_check
from laconic.codecs.errors import CodecError, MissingDependencyError, UnsupportedSignalError
from laconic.codecs.external import Jpeg
from laconic.codecs.external import jpegxl as jpegxl_module
from laconic.codecs.external.jpegxl import JpegXL
from laconic.codecs.media import Image
from laconic.codecs.registry import make_codec
from laconic.entropy.errors import CorruptStreamError, LimitError, TruncatedError


@pytest.fixture
def imagecodecs():
    return pytest.importorskip("imagecodecs")


def picture(height, width, channels):
    y, x, c = np.mgrid[:height, :width, :channels]
    noise = np.random.default_rng(3).integers(0, 9, (height, width, channels))
    return Image(np.clip(3 * x + 2 * y + 20 * c + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("codec", [JpegXL(quality=20, effort=3), JpegXL(quality=100, effort=1)], ids=repr)
def test_laws_hold(imagecodecs, codec):
    check_codec(codec, images_to_check(("L", "LA", "RGB", "RGBA"))[3::5])
    check_codec(codec, images_to_check(("RGB",)))


def test_quality_trades_bytes_for_error(imagecodecs):
    image = picture(96, 96, 3)
    files = [JpegXL(quality).encode(image) for quality in (5, 29, 30, 90)]
    errors = [np.abs(JpegXL().decode(data).samples.astype(int) - image.samples.astype(int)).mean() for data in files]
    assert sorted(map(len, files)) == [len(data) for data in files]
    assert sorted(errors, reverse=True) == errors


@pytest.mark.parametrize("quality", [0, 10, 29, 30, 60, 90, 99])
def test_distance_is_that_of_the_library(imagecodecs, quality):
    image = picture(40, 50, 3)
    expected = imagecodecs.jpegxl_encode(image.samples, level=quality, effort=7, usecontainer=False, numthreads=1)
    assert JpegXL(quality).encode(image) == bytes(expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_quality_100_and_alpha_are_lossless(imagecodecs, channels):
    image = picture(20, 30, channels)
    assert JpegXL(100).decode(JpegXL(100).encode(image)) == image
    if channels in (2, 4):
        decoded = JpegXL(10).decode(JpegXL(10).encode(image))
        assert np.array_equal(decoded.samples[..., -1], image.samples[..., -1])


@pytest.mark.parametrize("size", [(33, 70), (64, 64), (48, 64), (8, 16), (1000, 1), (9000, 3), (1, 1)])
def test_size_is_read_before_the_library_sees_the_file(imagecodecs, size):
    data = JpegXL(effort=1).encode(Image(np.zeros((*size, 1), np.uint8)))
    assert jpegxl_module._claimed_size(data[:10].ljust(10, b"\0")) == size


def test_huge_claims_are_refused(imagecodecs):
    huge = b"\xff\x0a" + (0 | 3 << 1 | (2**30 - 1) << 3 | 1 << 33).to_bytes(8, "little")  # a square of 2^30
    with pytest.raises(LimitError, match="claims 1073741824 x 1073741824 pixels"):
        JpegXL().decode(huge)


def test_truncated_file_raises_at_every_length(imagecodecs):
    data = JpegXL().encode(picture(20, 20, 3))
    for length in range(len(data)):
        with pytest.raises(TruncatedError):
            JpegXL().decode(data[:length])


@pytest.mark.parametrize("data", [b"\0" * 100, Jpeg().encode(picture(9, 9, 3)), b"\xff\x0a" + b"\xff" * 60])
def test_foreign_bytes_raise(imagecodecs, data):
    with pytest.raises((CorruptStreamError, LimitError)):
        JpegXL().decode(data)


def test_deep_pictures_are_refused(imagecodecs):
    deep = np.full((8, 9, 3), 1023, np.uint16)
    with pytest.raises(UnsupportedSignalError, match="16-bit RGB"):
        JpegXL().encode(Image(deep))
    data = bytes(imagecodecs.jpegxl_encode(deep, level=90, bitspersample=10, usecontainer=False))
    with pytest.raises(UnsupportedSignalError, match="uint16 samples"):
        JpegXL().decode(data)


def test_name_and_options():
    assert make_codec("jpegxl:quality=20,effort=3") == JpegXL(20, 3)
    for options in ({"quality": 101}, {"quality": 5.5}, {"effort": 0}):
        with pytest.raises(CodecError, match=f"JPEG XL {next(iter(options))} is"):
            JpegXL(**options)


def test_absent_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MissingDependencyError, match="pip install imagecodecs"):
        JpegXL().encode(picture(4, 4, 3))
