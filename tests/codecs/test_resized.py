"""Codecs at a lower resolution: the laws of a codec, sizes, depths, and what is refused."""

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.checks import check_codec, images_to_check, sounds_to_check
from laconic.codecs.errors import CodecError, UnknownCodecError, UnsupportedSignalError
from laconic.codecs.external import Jpeg
from laconic.codecs.media import Image
from laconic.codecs.resized import Resized
from laconic.entropy.errors import BitstreamError, CorruptStreamError, TruncatedError


def smooth(height, width, channels=3, *, peak=255):
    y, x, c = np.mgrid[:height, :width, :channels]
    wave = 0.5 + 0.4 * np.sin(x / 9 + c) * np.cos(y / 7)
    return Image((peak * wave).astype(np.uint8 if peak == 255 else np.uint16), bit_depth=peak.bit_length())


@pytest.mark.parametrize(
    ("codec", "modes"),
    [
        (Resized("jpeg:quality=50", 0.5), ("L", "RGB")),
        (Resized("jpeg2000:rate=4", 0.3), ("LA", "RGBA")),
        (Resized("lcn:quality=60", 1 / 32), ("RGB",)),
    ],
    ids=["jpeg", "jpeg2000", "lcn"],
)
def test_laws_hold(codec, modes, monkeypatch):
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 10**6)  # damaged headers claim huge pictures, which take long
    check_codec(codec, images_to_check(modes))


def test_four_bytes_are_added_to_the_file_of_the_reduced_picture():
    image = smooth(61, 90)
    pillow = PillowImage.fromarray(image.samples).resize((45, 30), PillowImage.Resampling.LANCZOS)
    data = Resized("jpeg:quality=30", 0.5).encode(image)
    assert data[:4] == bytes([61, 0, 90, 0])
    assert data[4:] == Jpeg(30).encode(Image(np.asarray(pillow)))


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.9, 1])
def test_smooth_pictures_come_back(factor):
    image = smooth(70, 91)
    codec = Resized("jpeg:quality=98,subsampling=4:4:4", factor)
    assert np.abs(codec.decode(codec.encode(image)).samples.astype(int) - image.samples).mean() < 3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", [10, 16])
def test_deep_pictures_keep_their_depth(bits, channels):
    image = smooth(64, 80, channels, peak=2**bits - 1)
    image.samples[:20] = image.peak  # an edge, beyond which the filters swing
    image.samples[20:40] = 0
    codec = Resized("lcn:quality=95", 0.5)
    decoded = codec.decode(codec.encode(image))
    assert (decoded.samples.dtype, decoded.samples.shape) == (np.uint16, image.samples.shape)
    assert decoded.bit_depth == bits
    assert np.abs(decoded.samples.astype(int) - image.samples).mean() < 0.05 * image.peak


def test_metadata_of_the_codec_is_kept():
    image = Image(smooth(20, 20).samples, {"icc": b"profile" * 20})
    codec = Resized("jpeg", 0.5)
    assert codec.decode(codec.encode(image)).metadata == image.metadata


def test_sizes_that_do_not_fit_are_refused():
    codec = Resized("jpeg", 0.5)
    data = codec.encode(smooth(20, 20))
    for head in (b"\x17\x00\x14\x00", b"\xff\xff\xff\xff", bytes(4)):
        with pytest.raises(CorruptStreamError, match="the file claims"):
            codec.decode(head + data[4:])
    with pytest.raises(TruncatedError):
        codec.decode(data[:3])
    with pytest.raises(BitstreamError):
        codec.decode(data[:-9])


def test_other_signals_are_refused():
    with pytest.raises(CodecError, match="resize is for pictures"):
        Resized("jpeg", 0.5).encode(sounds_to_check((8000,))[0])
    with pytest.raises(UnsupportedSignalError, match="resize allows sides up to 65535"):
        Resized("lcn", 0.5).encode(Image(np.zeros((1, 65536, 1), np.uint8)))
    with pytest.raises(UnsupportedSignalError, match="16-bit RGB"):
        Resized("jpeg", 0.5).encode(smooth(9, 9, peak=65535))


@pytest.mark.parametrize("factor", [0, 1.5, float("nan"), "0.5", True])
def test_factor_outside_is_refused(factor):
    with pytest.raises(CodecError, match="resize is"):
        Resized("jpeg", factor)


def test_unknown_codec_is_refused_at_once():
    with pytest.raises(UnknownCodecError):
        Resized("jpg", 0.5)
