"""The Pillow plugin: opening reads the header only, saving keeps metadata, errors are those Pillow's users expect."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

import laconic.codecs.pillow
from laconic.codecs import Image, UnknownModelError, UnsupportedSignalError, decode, encode, fit
from laconic.codecs import open as open_image
from laconic.entropy import LimitError, UnsupportedVersionError
from laconic.entropy.container import CodecNumber, Header, write_header

PICTURE = Path(__file__).parents[1] / "data" / "kodim05_crop.png"


@pytest.fixture(scope="module")
def image():
    return open_image(PICTURE)


@pytest.fixture(scope="module")
def data(image):
    return encode(image)


def test_open_gives_what_decode_gives(data, tmp_path):
    (tmp_path / "x.lcn").write_bytes(data)
    with PillowImage.open(tmp_path / "x.lcn") as opened:
        assert (opened.format, opened.mode, opened.size) == ("LCN", "RGB", (192, 128))
        assert opened.get_format_mimetype() == "image/x-laconic"
        assert np.array_equal(np.asarray(opened), decode(data).samples)


def test_open_reads_the_header_only(data, monkeypatch):
    def fail(*_):
        raise AssertionError("decoded too early")

    monkeypatch.setattr(laconic.codecs.pillow, "decode", fail)
    opened = PillowImage.open(io.BytesIO(data[:40]))
    assert opened.size == (192, 128)
    with pytest.raises(AssertionError, match="too early"):
        opened.load()


@pytest.mark.parametrize(
    ("shape", "dtype", "mode"),
    [
        ((9, 11, 1), np.uint8, "L"),
        ((9, 11, 2), np.uint8, "LA"),
        ((9, 11, 3), np.uint8, "RGB"),
        ((9, 11, 4), np.uint8, "RGBA"),
        ((9, 11, 1), np.uint16, "I;16"),
    ],
)
def test_modes(shape, dtype, mode):
    samples = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    buffer = io.BytesIO()
    Image(samples).to_pillow().save(buffer, "LCN", quality=90)
    opened = PillowImage.open(buffer)
    assert opened.mode == mode
    assert np.array_equal(np.asarray(opened), np.asarray(decode(buffer.getvalue())))
    assert buffer.getvalue() == encode(Image(samples), quality=90)


def test_save_by_name_with_options(image, tmp_path):
    picture = image.to_pillow()
    picture.save(tmp_path / "q.lcn", quality=20)
    picture.save(tmp_path / "b.lcn", max_bytes=2000)
    picture.save(tmp_path / "r.lcn", bits_per_pixel=0.5)
    assert (tmp_path / "q.lcn").read_bytes() == encode(image, quality=20)
    assert (tmp_path / "b.lcn").read_bytes() == encode(image, max_bytes=2000)
    assert (tmp_path / "r.lcn").read_bytes() == encode(image, bits_per_pixel=0.5)


def test_bad_option_leaves_no_file(image, tmp_path):
    with pytest.raises(ValueError, match="quality is 1000"):
        image.to_pillow().save(tmp_path / "x.lcn", quality=1000)
    assert not (tmp_path / "x.lcn").exists()


def test_metadata_goes_both_ways(image):
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.to_pillow().save(buffer, "LCN", icc_profile=b"profile" * 9, exif=exif)
    opened = PillowImage.open(buffer)
    assert opened.info["icc_profile"] == b"profile" * 9
    assert opened.getexif()[0x0112] == 6
    again = io.BytesIO()
    opened.save(again, "LCN")
    assert PillowImage.open(again).info == opened.info
    opened.save(again := io.BytesIO(), "LCN", icc_profile=None, exif=b"")
    assert PillowImage.open(again).info == {}


def test_damaged_header_is_not_identified(data):
    damaged = bytearray(data)
    damaged[8] ^= 1  # in the fingerprint, under the header's checksum
    for bad in (bytes(damaged), data[:6]):
        with pytest.raises(UnidentifiedImageError):
            PillowImage.open(io.BytesIO(bad))


def test_damaged_body_is_an_os_error(data):
    opened = PillowImage.open(io.BytesIO(data[:-20]))
    with pytest.raises(OSError, match=r"damaged \.lcn file"):
        opened.load()


def test_newer_version_is_named(data):
    newer = bytearray(data)
    newer[4] = 99
    with pytest.raises(UnsupportedVersionError, match="version 99"):
        PillowImage.open(io.BytesIO(newer))


def test_unknown_model_is_named(data, image, tmp_path):
    path = tmp_path / "own.safetensors"
    fit([image], "own").save(path)
    with pytest.raises(UnknownModelError, match="which is not at hand"):
        PillowImage.open(io.BytesIO(encode(image, model=str(path))))


def test_pillow_limit_holds(data, monkeypatch):
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(PillowImage.DecompressionBombError):
        PillowImage.open(io.BytesIO(data))


def test_our_limit_holds():
    header = Header(codec=CodecNumber.IMAGE, fingerprint=b"1234", step_code=0, shape=(1 << 20, 1 << 20))
    with pytest.raises(LimitError):
        PillowImage.open(io.BytesIO(write_header(header)))


def test_deep_colour_is_refused_by_name():
    with pytest.raises(UnsupportedSignalError, match=r"use laconic\.codecs\.open"):
        PillowImage.open(io.BytesIO(encode(np.full((9, 9, 3), 40000, np.uint16))))


def test_unsupported_mode_is_refused(tmp_path):
    with pytest.raises(UnsupportedSignalError, match="pixel mode LAB"):
        PillowImage.new("LAB", (4, 4)).save(tmp_path / "x.lcn")


def test_file_objects_stay_open_and_paths_close(data, tmp_path):
    buffer = io.BytesIO(data)
    PillowImage.open(buffer).load()
    assert not buffer.closed
    (tmp_path / "x.lcn").write_bytes(data)
    opened = PillowImage.open(tmp_path / "x.lcn")
    opened.load()  # an open file left behind would be a ResourceWarning, which is an error here
    assert opened.copy().size == (192, 128)


def test_verify_passes_a_whole_file_without_making_pixels(data, monkeypatch):
    monkeypatch.setattr(laconic.codecs.pillow, "decode", None)
    assert PillowImage.open(io.BytesIO(data)).verify() is None


@pytest.mark.parametrize("position", [60, -400, -1])
def test_verify_finds_a_changed_byte(data, position):
    damaged = bytearray(data)
    damaged[position] ^= 1
    with pytest.raises(OSError, match=r"damaged \.lcn file"):
        PillowImage.open(io.BytesIO(damaged)).verify()


def test_verify_closes_the_file_also_of_a_damaged_one(data, tmp_path):
    (tmp_path / "x.lcn").write_bytes(data[:-20])
    opened = PillowImage.open(tmp_path / "x.lcn")
    with pytest.raises(OSError, match=r"damaged \.lcn file"):
        opened.verify()
    with pytest.raises(RuntimeError, match="directly after open"):
        opened.verify()


def test_save_refuses_two_targets(image, tmp_path):
    with pytest.raises(ValueError, match="exclude each other"):
        image.to_pillow().save(tmp_path / "x.lcn", quality=50, bits_per_pixel=1)
