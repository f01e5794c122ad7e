"""The real bit depth of 16-bit samples: found, said, kept, and what a quality refers to."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError, DroppedWarning, UnsupportedSignalError
from laconic.codecs.files import decode, encode, file_bytes, read_image
from laconic.codecs.lcn import Lcn
from laconic.codecs.media import Image
from laconic.codecs.notes import collect_notes
from laconic.codecs.streams import encode_file, stream_picture
from laconic.entropy import CorruptStreamError
from laconic.entropy.container import CodecNumber, Flag, Header, Source, read_header, write_header
from laconic.tasks.measures.picture_distortion import psnr

RANDOM = np.random.default_rng(5)


def scan(bits=12, channels=1, height=70, width=90):
    """Slopes and noise that use all of so many bits."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / (9 + c)) + np.cos(y / (7 + c)) for c in range(channels)], axis=2)
    values = (waves / 4 + 0.5 + RANDOM.normal(0, 0.02, waves.shape)).clip(0, 1)
    values[0, 0], values[-1, -1] = 0, 1
    return np.rint(values * ((1 << bits) - 1)).astype(np.uint16)


def with_alpha(samples):
    alpha = np.linspace(1, 65535, samples[:, :, 0].size).astype(np.uint16).reshape(samples.shape[:2])
    return np.concatenate([samples, alpha[:, :, None]], axis=2)


def png(samples, sbit=None):
    """A 16-bit grey or RGB file, with an sBIT chunk."""
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    data = file_bytes(Image(samples, bit_depth=16), "png")
    return data if sbit is None else data[:33] + chunk(b"sBIT", bytes([sbit] * samples.shape[2])) + data[33:]


def tiff(samples, **options):
    buffer = io.BytesIO()
    kind = "rgb" if samples.shape[2] == 3 else "minisblack"
    squeezed = samples if samples.shape[2] > 1 else samples[:, :, 0]
    tifffile.imwrite(buffer, squeezed, photometric=kind, metadata=None, **options)
    return buffer.getvalue()


def pnm(samples, max_value):
    h, w, c = samples.shape
    return f"P{5 if c == 1 else 6} {w} {h} {max_value}\n".encode() + samples.astype(">u2").tobytes()


def read(data, **options):
    with collect_notes() as notes:
        return read_image(io.BytesIO(data), **options), notes


def file_of_rows(data, **options):
    with collect_notes() as notes:
        found, _ = encode_file(io.BytesIO(data), Lcn(), **options)
        return found, notes


@pytest.mark.parametrize("quality", [20, 50, 80])
@pytest.mark.parametrize("channels", [1, 3])
def test_quality_refers_to_the_bits_that_are_used(quality, channels):
    samples = scan(12, channels)
    codec = Lcn(quality)
    files, values = {}, {}
    for bits in (12, 16):
        image = Image(samples << (bits - 12), bit_depth=bits)
        files[bits] = codec.encode(image)
        values[bits] = psnr(image, codec.decode(files[bits]))
    assert values[12] == pytest.approx(values[16], abs=0.2)
    assert len(files[12]) == pytest.approx(len(files[16]), rel=0.02, abs=12)


@pytest.mark.parametrize("bits", range(9, 17))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bit_depth_is_kept_in_the_file(bits, channels):
    samples = scan(bits, channels - (channels in (2, 4)))
    image = Image(with_alpha(samples) if channels in (2, 4) else samples, bit_depth=bits)
    data = Lcn(100).encode(image)
    decoded = Lcn().decode(data)
    assert decoded.bit_depth == read_header(Source(data)).bit_depth == bits
    assert decode(data, region=(5, 7, 20, 10)).bit_depth == bits
    assert decoded.samples[:, :, : samples.shape[2]].max() < 1 << bits
    assert psnr(image, decoded) > 40
    assert channels in (1, 3) or np.array_equal(decoded.samples[:, :, -1], image.samples[:, :, -1])
    latent = Lcn().unpack(data)
    assert latent.bit_depth == bits
    assert Lcn().pack(latent) == data
    assert Lcn().synthesize(latent) == decoded


def test_16_and_8_bits_are_not_said_in_the_file():
    for image in (Image(scan(16)), Image(scan(8).astype(np.uint8))):
        assert read_header(Source(Lcn().encode(image))).stored_depth is None


def header(depth=12, codec=CodecNumber.IMAGE, flags=Flag.DEEP):
    return Header(codec, bytes(4), 100, (8, 8), flags, sample_rate=8000, stored_depth=depth)


@pytest.mark.parametrize("wrong", [header(8), header(16), header(flags=Flag(0)), header(codec=CodecNumber.SOUND)])
def test_section_of_bit_depth_where_it_cannot_be_is_refused(wrong):
    assert read_header(Source(write_header(header()))).bit_depth == 12
    with pytest.raises(CorruptStreamError, match="bit depth"):
        read_header(Source(write_header(wrong)))


@pytest.mark.parametrize(
    ("largest", "bits"), [(0, 9), (255, 9), (511, 9), (512, 10), (4095, 12), (4096, 13), (65535, 16)]
)
def test_bit_depth_of_an_array_is_that_of_its_largest_colour(largest, bits):
    samples = np.zeros((3, 4, 2), np.uint16)
    samples[1, 2] = largest, 65535
    assert Image(samples).bit_depth == Image.from_array(samples).bit_depth == bits


def test_bit_depth_that_samples_exceed_is_refused():
    with pytest.raises(UnsupportedSignalError, match=r"a sample is 4095, above the 2047 of 11 bits; .* 12 to 16"):
        Image(scan(12), bit_depth=11)


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 9), (np.uint16, 8), (np.uint16, 17), (np.uint8, 7)])
def test_bit_depth_that_the_samples_cannot_have_is_refused(dtype, bits):
    with pytest.raises(UnsupportedSignalError, match=f"bit_depth is {bits}; allowed for {np.dtype(dtype)} samples"):
        Image(np.zeros((2, 2, 1), dtype), bit_depth=bits)


def test_encode_says_the_bits_that_it_found():
    with pytest.warns(DroppedWarning, match="16-bit samples count as 12 bits, by the largest of them; --bit-depth"):
        data = encode(scan())
    assert decode(data).bit_depth == 12
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(encode(scan(), bit_depth=14)).bit_depth == 14
        assert decode(encode(scan(16))).bit_depth == 16
    with pytest.raises(CodecError, match="bit_depth is for arrays"):
        encode(Image(scan()), bit_depth=12)


FOUND = ["its 16-bit samples count as 11 bits, by the largest of them; --bit-depth (bit_depth=) says otherwise"]
TAG_TOO_SMALL = ["its tag says 10 bits a colour, its samples need 11, which were taken"]
DARK = scan(11)  # in files that say 12 bits
TAGGED = {
    "pgm": (pnm(DARK, 4095), 12, []),
    "ppm": (pnm(scan(11, 3), 4095), 12, []),
    "pam": (b"P7\nWIDTH 90\nHEIGHT 70\nDEPTH 1\nMAXVAL 4095\nENDHDR\n" + DARK.astype(">u2").tobytes(), 12, []),
    "tiff": (tiff(DARK, extratags=[(281, 3, 1, 4095, True)]), 12, []),
    "deflate tiff": (tiff(scan(11, 3), extratags=[(281, 3, 3, (4095,) * 3, True)], compression="zlib"), 12, []),
    "tiff with a small tag": (tiff(DARK, extratags=[(281, 3, 1, 1023, True)]), 11, TAG_TOO_SMALL),
    "tiff without tag": (tiff(DARK), 11, FOUND),
    "png": (png(DARK, 12), 12, []),
    "rgb png": (png(scan(11, 3), 12), 12, []),
    "png of 16 bits": (png(DARK, 16), 11, FOUND),
    "png spread over 16 bits": (png(scan(12) << 4, 12), 16, []),
    "png without tag": (png(DARK), 11, FOUND),
}


@pytest.mark.parametrize("name", TAGGED)
def test_bit_depth_of_a_file_is_that_of_its_tag(name):
    data, bits, sentences = TAGGED[name]
    image, notes = read(data)
    assert (image.bit_depth, notes) == (bits, sentences)
    by_rows, notes = file_of_rows(data)
    assert (by_rows, notes) == (Lcn().encode(image), sentences)
    given, notes = read(data, bit_depth=16)
    assert (given.bit_depth, notes) == (16, [])
    assert np.array_equal(given.samples, image.samples)
    assert read_header(Source(file_of_rows(data, bit_depth=13 if bits < 13 else 16)[0])).bit_depth in (13, 16)


def test_12_bits_stored_as_12_in_tiff_are_read_as_they_are():
    values = scan(12, width=90)[:, :, 0]
    pairs = values.reshape(-1, 2).astype(np.uint32)
    packed = pairs[:, 0] << 12 | pairs[:, 1]
    data = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1).astype(np.uint8).tobytes()
    tags = {256: 90, 257: 70, 258: 12, 259: 1, 262: 1, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: 70, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags.items())
    image, notes = read(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + data)
    assert (image.bit_depth, notes) == (12, [])
    assert np.array_equal(image.samples[:, :, 0], values)


@pytest.mark.parametrize("extension", ["pgm", "ppm", "pam", "tif", "png", "npy"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_files_keep_samples_and_where_they_can_the_bit_depth(extension, channels):
    if (extension == "pgm" and channels != 1) or (extension == "ppm" and channels != 3):
        return
    samples = scan(12, channels - (channels in (2, 4)))
    samples[samples > 2000] = 2000
    samples = with_alpha(samples) if channels in (2, 4) else samples
    if extension == "pam" and channels in (2, 4):  # whose alpha has the maximum of the colours
        samples[:, :, -1] = (samples[:, :, -1].astype(np.int64) * 4095 + 32767) // 65535 * 65535 // 4095
    image = Image(samples, bit_depth=12)
    with collect_notes() as notes:
        written = file_bytes(image, extension)
    assert bool(notes) == (extension == "png")  # whose readers take 65535 for white
    back, _ = read(written)
    assert back.bit_depth == (11 if extension in ("png", "npy") else 12)
    assert np.abs(back.samples.astype(int) - image.samples).max() <= (1 if extension == "pam" else 0)
    if extension != "npy":
        target = io.BytesIO()
        with collect_notes():
            stream_picture(Lcn().open_area(Lcn(100).encode(image)), target, "." + extension)
        decoded, _ = read(target.getvalue())
        assert decoded.samples[:, :, 0].max() < 1 << 12
        assert psnr(image, decoded) > 40


@pytest.mark.parametrize(("max_value", "bits"), [(1000, 10), (4000, 12), (300, 9), (40000, 16)])
def test_other_maxima_are_spread_over_the_bits(max_value, bits):
    samples = np.arange(0, max_value + 1, 7, dtype=np.uint16).reshape(1, -1, 1)
    samples[0, -1] = max_value
    image, _ = read(pnm(samples, max_value))
    peak = (1 << bits) - 1
    assert image.bit_depth == bits
    assert np.array_equal(image.samples, np.floor(samples / max_value * peak + 0.5).astype(np.uint16))


def test_sample_above_the_maximum_of_its_file_is_damage():
    with pytest.raises(CorruptStreamError, match="a sample is 4095, above the largest that the file allows, 2047"):
        read(pnm(scan(12), 2047))


def test_rows_of_16_bits_ask_for_the_bit_depth():
    class Rows:
        height, width = 70, 90

        def read_rows(self, count):
            return scan(12)[:count]

    with pytest.raises(
        CodecError, match="bit depth of 16-bit samples that are read by rows is not known; give it, 9 to 16"
    ):
        Lcn().encode_rows(Rows(), num_colors=1, sample_type="uint16")
    with pytest.raises(CodecError, match="a sample is 4095, above the 1023 of 10 bits"):
        Lcn().encode_rows(Rows(), num_colors=1, sample_type="uint16", bit_depth=10)
    data = Lcn().encode_rows(Rows(), num_colors=1, sample_type="uint16", bit_depth=13)
    assert read_header(Source(data)).bit_depth == 13


def test_large_files_without_tag_ask_for_the_bit_depth(monkeypatch):
    monkeypatch.setattr("laconic.codecs.streams._MAX_WHOLE_BYTES", 1000)
    with pytest.raises(CodecError, match="--bit-depth"):
        file_of_rows(tiff(scan(12)))
    for data, options in ((pnm(scan(12), 4095), {}), (tiff(scan(12)), {"bit_depth": 12})):
        assert read_header(Source(file_of_rows(data, **options)[0])).bit_depth == 12


def test_bit_depth_for_8_bit_samples_is_said_to_be_unused():
    sentence = "its samples have 8 bits; --bit-depth (bit_depth=) is for samples of 16"
    for data in (b"P5 2 2 255\n" + bytes(4), file_bytes(Image(np.zeros((4, 4, 3), np.uint8)), "png")):
        image, notes = read(data, bit_depth=12)
        assert (image.bit_depth, notes) == (8, [sentence])
        assert file_of_rows(data, bit_depth=12)[1] == [sentence]


def test_pillow_image_of_16_bits_is_encoded_by_its_largest_sample():
    picture = PillowImage.fromarray(scan()[:, :, 0])
    with pytest.warns(DroppedWarning, match="count as 12 bits"):
        assert decode(encode(picture)).bit_depth == 12
    assert decode(encode(picture, bit_depth=13)).bit_depth == 13


def test_psnr_refers_to_the_bit_depth_of_the_reference():
    image = Image(np.zeros((2, 2, 1), np.uint16), bit_depth=12)
    other = Image(np.full((2, 2, 1), 819, np.uint16), bit_depth=12)
    assert psnr(image, other) == pytest.approx(13.979, abs=1e-3)


def test_png_of_fewer_bits_says_that_it_looks_dark() -> None:
    samples = np.full((8, 8, 1), 4095, np.uint16)
    with collect_notes() as notes:
        written = file_bytes(Image(samples, bit_depth=12), ".png")
    assert np.array_equal(np.asarray(PillowImage.open(io.BytesIO(written))), samples[..., 0])
    assert notes == [
        "samples of 12 bits stay as they are in PNG, 0 to 4095 of 65535, so that viewers show them dark; tif, pgm, ppm and "
        "pam say how many bits they have"
    ]
    with collect_notes() as notes:
        file_bytes(Image(samples, bit_depth=16), ".png")
        file_bytes(Image(samples, bit_depth=12), ".tif")
    assert notes == []
