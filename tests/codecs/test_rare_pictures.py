"""Files of kinds that Pillow reads or nearly reads, and does not write: made here byte by byte, with known pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from laconic.codecs import DroppedWarning
from laconic.codecs.files import read_image, read_signal
from laconic.codecs.formats.orientation import orientation_of
from laconic.codecs.notes import collect_notes

MAGIC = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
# Of Adam7: first column and row, steps between columns and rows.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples: NDArray[np.uint16], *, interlaced: bool, between: bytes = b"") -> io.BytesIO:
    """A file of 16 bits, its rows filtered by "sub" and "none" in turn; chunks `between` head and pixels."""
    h, w, c = samples.shape
    parts = [samples[y::dy, x::dx] for x, y, dx, dy in PASSES] if interlaced else [samples]
    rows = b"".join(filtered(row, number % 2) for part in parts if part.size for number, row in enumerate(part))
    head = struct.pack(">IIBBBBB", w, h, 16, COLOR_TYPES[c], 0, 0, int(interlaced))
    body = chunk(b"IHDR", head) + between + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return io.BytesIO(MAGIC + body)


def filtered(row: NDArray[np.uint16], number: int) -> bytes:
    data = np.ascontiguousarray(row, ">u2").view(np.uint8).reshape(len(row), -1)
    if number == 1:
        data = np.concatenate([data[:1], data[1:] - data[:-1]])
    return bytes([number]) + data.tobytes()


def noise(height: int, width: int, channels: int) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 65536, (height, width, channels)).astype(np.uint16)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (17, 23)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_16_bit_png_is_read_to_the_bit(size: tuple[int, int], channels: int, interlaced: bool) -> None:
    samples = noise(*size, channels)
    assert np.array_equal(read_image(png(samples, interlaced=interlaced)).samples, samples)


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_transparent_colour_of_16_bits_is_compared_in_16_bits(interlaced: bool) -> None:
    samples = noise(8, 9, 3)
    samples[2, 3], samples[4, 5] = (300, 7, 65535), (301, 7, 65535)  # the same but for a low byte
    key = chunk(b"tRNS", struct.pack(">HHH", 300, 7, 65535))
    found = read_image(png(samples, interlaced=interlaced, between=key)).samples
    assert np.array_equal(found[..., :3], samples)
    assert np.argwhere(found[..., 3] == 0).tolist() == [[2, 3]]
    assert set(np.unique(found[..., 3])) == {0, 65535}


def test_16_bit_png_keeps_orientation_and_profile() -> None:
    exif = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 274, 3, 1, 6, 0, 0)
    between = chunk(b"iCCP", b"name\0\0" + zlib.compress(b"a profile")) + chunk(b"eXIf", exif)
    image = read_image(png(noise(4, 6, 3), interlaced=False, between=between))
    assert image.metadata["icc"] == b"a profile"
    assert orientation_of(image.metadata["exif"]) == 6
    assert np.array_equal(image.upright().samples, np.rot90(image.samples, -1))


def jpeg_of_four(samples: NDArray[np.uint8], transform: int) -> io.BytesIO:
    """A JPEG file that stores 255 - samples (h, w, 4), and says by Adobe's marker what they are: 0 CMYK, 2 YCCK."""
    buffer = io.BytesIO()
    PillowImage.fromarray(samples, "CMYK").save(buffer, "JPEG", quality=100)
    data = bytearray(buffer.getvalue())
    data[data.index(b"Adobe") + 11] = transform
    return io.BytesIO(bytes(data))


@pytest.mark.parametrize("ink", [(0, 255, 255, 0), (255, 0, 0, 0), (30, 200, 90, 60), (0, 0, 0, 255)])
@pytest.mark.parametrize("transform", [0, 2])
def test_cmyk_and_ycck_jpeg_have_the_same_colours(ink: tuple[int, int, int, int], transform: int) -> None:
    c, m, y, k = ink
    luma = 0.299 * c + 0.587 * m + 0.114 * y
    converted = (luma, 128 + 0.564 * (y - luma), 128 + 0.713 * (c - luma))  # JFIF, of C, M and Y as if R, G and B
    stored = (c, m, y, k) if transform == 0 else (*(255 - np.clip(np.rint(converted), 0, 255)), k)
    pixels = np.full((16, 24, 4), stored).astype(np.uint8)
    with pytest.warns(DroppedWarning, match="CMYK was converted to RGB without a colour profile"):
        found = read_image(jpeg_of_four(pixels, transform)).samples
    expected = [(255 - part) * (255 - k) / 255 for part in (c, m, y)]
    assert np.abs(found - np.array(expected)).max() < 5


def test_16_bit_cmyk_is_read_with_8_bits_and_says_so() -> None:
    buffer = io.BytesIO()
    inks = np.full((6, 5, 4), (0, 65535, 32896, 0), np.uint16)
    tifffile.imwrite(buffer, inks, photometric="separated", extrasamples=(), metadata=None)
    with collect_notes() as notes:
        found = read_image(buffer).samples
    assert notes == [
        "its 16 bits a colour became 8, as CMYK is converted with no more",
        "CMYK was converted to RGB without a colour profile, so that colours are approximate",
    ]
    assert np.array_equal(found, np.full((6, 5, 3), (255, 0, 127), np.uint8))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # which Pillow says
@pytest.mark.parametrize(
    "block", [b"Exif\0\0rubbish that is no directory", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_of_a_jpeg_file_costs_no_pixels(block: bytes) -> None:
    buffer = io.BytesIO()
    PillowImage.new("RGB", (16, 8), (200, 30, 40)).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    marker = b"\xff\xe1" + struct.pack(">H", 2 + len(block)) + block
    with pytest.warns(DroppedWarning, match="its EXIF block is damaged and was left out"):
        image = read_image(io.BytesIO(data[:2] + marker + data[2:]))
    assert "exif" not in image.metadata
    assert np.abs(image.samples.astype(int) - [200, 30, 40]).max() < 4


def test_a_photo_cd_file_is_no_sound() -> None:
    head = b"\xff" * 2048 + b"PCD_"
    data = head.ljust(96 * 2048, b"\0") + b"\x80" * 600_000
    image = read_image(io.BytesIO(data))
    assert read_signal(io.BytesIO(data)) == image
    assert (image.width, image.height) == (768, 512)
