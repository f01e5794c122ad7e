"""`Image` from arrays, tensors and Pillow: what is kept, what is resolved, what is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps

from laconic.codecs.errors import CodecError, DroppedWarning, UnsupportedSignalError
from laconic.codecs.files import read_image
from laconic.codecs.formats.orientation import orientation_of
from laconic.codecs.media import Audio, Image

ICC = bytes(range(256)) * 2
ORIENTATION = 0x0112


def exif_block() -> bytes:
    exif = PillowImage.Exif()
    exif[ORIENTATION] = 6
    return exif.tobytes()


def with_exif(picture: PillowImage.Image, orientation: int) -> PillowImage.Image:
    turned = picture.copy()
    turned.getexif()[ORIENTATION] = orientation
    return turned


def indexed_tga(palette: list[tuple[int, int, int, int]], rows: list[list[int]]) -> io.BytesIO:
    """Colour map of 32 bits, an index of 8 bits; stored from the top."""
    head = struct.pack("<BBBHHBHHHHBB", 0, 1, 1, 0, len(palette), 32, 0, 0, len(rows[0]), len(rows), 8, 0x28)
    colors = b"".join(bytes([b, g, r, a]) for r, g, b, a in palette)
    return io.BytesIO(head + colors + b"".join(map(bytes, rows)))


def indexed_dds(palette: list[tuple[int, int, int, int]], rows: list[list[int]]) -> io.BytesIO:
    """PALETTEINDEXED8 (flag 0x20): 256 colours of RGBA, an index of 8 bits."""
    size = struct.pack("<7I", 124, 0x100F, len(rows), len(rows[0]), 0, 0, 0) + bytes(44)
    pixels = struct.pack("<8I", 32, 0x20, 0, 8, 0, 0, 0, 0) + bytes(20)
    colors = b"".join(map(bytes, palette)).ljust(1024, b"\0")
    return io.BytesIO(b"DDS " + size + pixels + colors + b"".join(map(bytes, rows)))


def through_file(picture: PillowImage.Image, file_format: str, **options: object) -> Image:
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    return Image.from_pillow(PillowImage.open(buffer))


def png(width: int, height: int, bit_depth: int, colour_type: int, rows: list[bytes]) -> io.BytesIO:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


@pytest.mark.parametrize(
    ("shape", "mode"), [((2, 3), "L"), ((2, 3, 1), "L"), ((2, 3, 2), "LA"), ((2, 3, 3), "RGB"), ((2, 3, 4), "RGBA")]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_from_array_keeps_samples(shape, mode, dtype):
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape) + np.iinfo(dtype).max // 2
    image = Image.from_array(array)
    assert (image.height, image.width, image.mode) == (2, 3, mode)
    assert image.bit_depth == array.itemsize * 8
    assert np.array_equal(image.samples.reshape(shape), array)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.bool_, ">u2"])
def test_from_array_bad_dtype_is_refused(dtype):
    with pytest.raises(UnsupportedSignalError, match="allowed are uint8 and uint16"):
        Image.from_array(np.zeros((2, 2, 3), dtype))


@pytest.mark.parametrize("shape", [(4,), (2, 2, 5), (2, 2, 0), (0, 2, 3), (1, 2, 2, 3)])
def test_from_array_bad_shape_is_refused(shape):
    with pytest.raises(UnsupportedSignalError, match="has shape"):
        Image.from_array(np.zeros(shape, np.uint8))


def test_image_of_a_list_is_refused():
    with pytest.raises(UnsupportedSignalError, match="samples are list"):
        Image([[1]])


def test_asarray_of_grey_has_no_channel_axis():
    assert np.asarray(Image.from_array(np.zeros((2, 3), np.uint8))).shape == (2, 3)


def test_equality_sees_samples_dtype_and_metadata():
    array = np.zeros((2, 2, 3), np.uint8)
    assert Image(array) == Image(array.copy())
    assert Image(array) != Image(array + 1)
    assert Image(array) != Image(array.astype(np.uint16))
    assert Image(array) != Image(array, {"icc": ICC})
    assert Image(array) != "image"


def test_from_array_torch_tensor_is_channels_first():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(24, dtype=torch.uint8).reshape(3, 2, 4)
    image = Image.from_array(tensor)
    assert image.samples.shape == (2, 4, 3)
    assert np.array_equal(image.samples, tensor.permute(1, 2, 0).numpy())
    assert Image.from_array(tensor[0]).mode == "L"
    assert Image.from_array(tensor.to(torch.uint16)).is_deep


def test_from_array_tensor_subclass_of_another_module_is_channels_first():
    torch = pytest.importorskip("torch")
    kind = type("Picture", (torch.Tensor,), {"__module__": "elsewhere"})
    assert Image.from_array(torch.zeros((3, 2, 4), dtype=torch.uint8).as_subclass(kind)).samples.shape == (2, 4, 3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int64"])
def test_from_array_tensor_of_bad_dtype_is_refused(dtype):
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsupportedSignalError, match=f"torch.{dtype}"):
        Image.from_array(torch.zeros((3, 2, 2), dtype=getattr(torch, dtype)))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_from_pillow_direct_mode_round_trip(mode):
    channels = len(mode)
    array = np.arange(6 * channels, dtype=np.uint8).reshape(2, 3, channels)
    image = Image.from_array(array)
    assert Image.from_pillow(image.to_pillow()) == image
    assert through_file(image.to_pillow(), "PNG") == image


def test_from_pillow_samples_are_writable():
    assert Image.from_pillow(PillowImage.new("RGB", (2, 2))).samples.flags.writeable


def test_from_pillow_one_bit_becomes_grey():
    picture = PillowImage.new("1", (3, 2), 1)
    image = through_file(picture, "PNG")
    assert image.mode == "L"
    assert (image.samples == 255).all()


def test_from_pillow_palette_becomes_rgb():
    picture = PillowImage.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    image = through_file(picture, "PNG")
    assert image.samples.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_from_pillow_palette_with_transparency_becomes_rgba():
    picture = PillowImage.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    image = through_file(picture, "PNG", transparency=1)
    assert image.samples.tolist() == [[[10, 20, 30, 255], [40, 50, 60, 0]]]


@pytest.mark.parametrize(
    ("mode", "key", "other", "target"), [("L", 7, 9, "LA"), ("RGB", (1, 2, 3), (4, 5, 6), "RGBA"), ("1", 0, 1, "LA")]
)
def test_from_pillow_transparent_colour_becomes_alpha(mode, key, other, target):
    picture = PillowImage.new(mode, (2, 1), other)
    picture.putpixel((0, 0), key)
    image = through_file(picture, "PNG", transparency=key)
    assert image.mode == target
    assert image.samples[0, :, -1].tolist() == [0, 255]


@pytest.mark.parametrize(("mode", "target"), [("YCbCr", "RGB"), ("HSV", "RGB"), ("RGBX", "RGB"), ("PA", "RGBA")])
def test_from_pillow_other_modes_are_converted(mode, target):
    assert Image.from_pillow(PillowImage.new(mode, (2, 2))).mode == target


@pytest.mark.parametrize(("mode", "target"), [("La", "LA"), ("RGBa", "RGBA")])
def test_from_pillow_premultiplied_alpha_is_undone(mode, target):
    picture = PillowImage.new(target, (2, 2), (100, 128) if target == "LA" else (100, 100, 100, 128))
    image = Image.from_pillow(picture.convert(mode))
    assert image.mode == target
    assert abs(int(image.samples[0, 0, 0]) - 100) <= 1


@pytest.mark.parametrize("mode", ["LAB", "I", "F"])
def test_from_pillow_undecided_modes_are_refused(mode):
    with pytest.raises(
        UnsupportedSignalError, match=f"pixel mode {mode} is not supported; .*: (it holds|convert it to)"
    ):
        Image.from_pillow(PillowImage.new(mode, (2, 2)))


def test_from_pillow_cmyk_is_converted_and_its_profile_dropped():
    picture = PillowImage.new("CMYK", (2, 2), (0, 255, 255, 0))
    picture.info["icc_profile"] = b"no profile"
    with pytest.warns(DroppedWarning, match="CMYK was converted to RGB without a colour profile"):
        image = Image.from_pillow(picture)
    assert image.samples[0, 0].tolist() == [255, 0, 0]
    assert "icc" not in image.metadata


@pytest.mark.parametrize("file_format", ["TGA", "DDS", None])
def test_from_pillow_palette_with_alpha_becomes_rgba(file_format):
    ramp = np.zeros((8, 8, 4), np.uint8)
    ramp[..., 0], ramp[..., 3] = 200, np.repeat([255, 128], 4)
    picture = PillowImage.fromarray(ramp).quantize(16)
    if file_format == "TGA":
        image = Image.from_pillow(PillowImage.open(indexed_tga([(200, 0, 0, 255), (0, 9, 0, 128)], [[0, 1]])))
        assert image.samples.tolist() == [[[200, 0, 0, 255], [0, 9, 0, 128]]]
    elif file_format == "DDS":
        image = Image.from_pillow(PillowImage.open(indexed_dds([(200, 0, 0, 255), (0, 9, 0, 128)], [[0, 1]])))
        assert image.samples.tolist() == [[[200, 0, 0, 255], [0, 9, 0, 128]]]
    else:
        assert np.array_equal(Image.from_pillow(picture).samples, np.asarray(picture.convert("RGBA")))
        assert set(np.unique(Image.from_pillow(picture).samples[..., 3])) == {255, 128}


def test_from_pillow_16_bit_grey_with_a_transparent_value_becomes_grey_and_alpha():
    array = np.array([[7, 65535, 258]], np.uint16)
    picture = PillowImage.fromarray(array)
    image = through_file(picture, "PNG", transparency=258)
    assert image.samples.tolist() == [[[7, 65535], [65535, 65535], [258, 0]]]


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize(
    ("mode", "compression"), [("P", "tiff_lzw"), ("1", "group4"), ("RGB", "jpeg"), ("L", "tiff_lzw"), ("RGB", "raw")]
)
def test_from_pillow_turned_tiff_has_no_orientation_left(mode, compression, orientation):
    upright = PillowImage.new("RGB", (48, 32), "black")
    upright.paste("white", (0, 0, 48, 8))  # a bar on top
    upright.paste("white", (0, 0, 8, 32))
    stored = ImageOps.exif_transpose(with_exif(upright, {1: 1, 6: 8, 8: 6}.get(orientation, orientation)))
    file = io.BytesIO()
    stored.convert(mode).save(file, "TIFF", compression=compression, tiffinfo={ORIENTATION: orientation})
    shown = Image.from_pillow(PillowImage.open(file)).upright()
    assert np.abs(shown.samples[..., :1].astype(int) - np.asarray(upright)[..., :1]).mean() < 3
    assert np.abs(read_image(file).upright().samples[..., :1].astype(int) - np.asarray(upright)[..., :1]).mean() < 3


def test_from_pillow_xmp_counts_where_exif_says_nothing():
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    exif = PillowImage.Exif()
    exif[0x010F] = "a camera"
    picture = PillowImage.new("RGB", (16, 8))
    found = through_file(picture, "JPEG", xmp=xmp, exif=exif.tobytes()).metadata["exif"]
    tags = PillowImage.Exif()
    tags.load(found)
    assert dict(tags) == {ORIENTATION: 6, 0x010F: "a camera"}
    assert orientation_of(through_file(picture, "JPEG", xmp=xmp).metadata["exif"]) == 6
    exif[ORIENTATION] = 3
    assert orientation_of(through_file(picture, "JPEG", xmp=xmp, exif=exif.tobytes()).metadata["exif"]) == 3


def test_from_pillow_of_a_turned_picture_has_no_stale_orientation():
    file = io.BytesIO()
    PillowImage.new("RGB", (5, 2)).save(file, "PNG", exif=exif_block())
    opened = PillowImage.open(file)
    with pytest.warns(DroppedWarning, match="orientation 6 was left out"):
        image = Image.from_pillow(opened.transpose(PillowImage.Transpose.ROTATE_270))
    assert orientation_of(image.metadata["exif"]) == 1
    assert orientation_of(Image.from_pillow(ImageOps.exif_transpose(opened)).metadata.get("exif", b"")) == 1
    assert orientation_of(Image.from_pillow(opened).metadata["exif"]) == 6


@pytest.mark.parametrize("info", [{"exif": b"Exif\0\0rubbish"}, {"Raw profile type exif": "\nexif\n 12\n45zz\n"}])
def test_from_pillow_damaged_exif_is_dropped(info):
    picture = PillowImage.new("RGB", (5, 2))
    picture.info |= info
    with pytest.warns(DroppedWarning, match="EXIF block is damaged"):
        assert dict(Image.from_pillow(picture).metadata) == {}


def test_from_pillow_16_bit_grey_png_is_kept():
    array = np.array([[0, 258, 65535]], np.uint16)
    image = Image.from_pillow(PillowImage.open(png(3, 1, 16, 0, [array.astype(">u2").tobytes()])))
    assert image.samples.dtype == np.uint16
    assert np.array_equal(np.asarray(image), array)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_from_pillow_16_bit_grey_in_memory_is_kept(byte_order):
    mode = {"<": "I;16", ">": "I;16B"}[byte_order]
    picture = PillowImage.frombytes(mode, (2, 1), np.array([1, 515], byte_order + "u2").tobytes())
    assert np.asarray(Image.from_pillow(picture)).tolist() == [[1, 515]]


def test_from_pillow_16_bit_pgm_is_kept():
    image = Image.from_pillow(PillowImage.open(io.BytesIO(b"P5 2 1 65535\n\x00\x01\x02\x03")))
    assert image.bit_depth == 16
    assert np.asarray(image).tolist() == [[1, 515]]


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_from_pillow_16_bit_colour_png_is_refused(colour_type, channels):
    with pytest.raises(UnsupportedSignalError, match="16-bit colour"):
        Image.from_pillow(PillowImage.open(png(1, 1, 16, colour_type, [bytes(range(2 * channels))])))


def test_from_pillow_16_bit_ppm_is_refused():
    with pytest.raises(UnsupportedSignalError, match="16-bit colour"):
        Image.from_pillow(PillowImage.open(io.BytesIO(b"P6 1 1 65535\n\x00\x01\x02\x03\x04\x05")))


def test_from_pillow_16_bit_sgi_is_refused():
    header = struct.pack(">HBBHHHHII", 474, 0, 2, 3, 1, 1, 3, 0, 65535).ljust(512, b"\0")
    with pytest.raises(UnsupportedSignalError, match="16-bit colour"):
        Image.from_pillow(PillowImage.open(io.BytesIO(header + bytes(6))))


@pytest.mark.parametrize("file_format", ["BMP", "TIFF", "PPM"])
def test_from_pillow_8_bit_file_with_16_in_its_layout_is_read(file_format):
    # A row of 544 pixels takes 1632 bytes, which a search for "16" in the tile took for a bit depth.
    assert through_file(PillowImage.new("RGB", (544, 3)), file_format).samples.shape == (3, 544, 3)


def test_from_pillow_5_6_5_bit_bmp_is_read():
    # BITMAPINFOHEADER with 16 bits per pixel and masks for 5, 6 and 5 bits; one red pixel, padded to 4 bytes.
    header = struct.pack("<IiiHHIIiiII", 40, 1, 1, 1, 16, 3, 4, 0, 0, 0, 0) + struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    data = b"BM" + struct.pack("<IHHI", 14 + len(header) + 4, 0, 0, 14 + len(header)) + header + b"\x00\xf8\x00\x00"
    assert Image.from_pillow(PillowImage.open(io.BytesIO(data))).samples.tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_from_pillow_keeps_icc_and_exif(file_format):
    picture = PillowImage.new("RGB", (16, 16))
    exif = PillowImage.Exif()
    exif[ORIENTATION], exif[0x010F] = 6, "a camera"
    image = through_file(picture, file_format, icc_profile=ICC, exif=exif.tobytes())
    assert image.metadata["icc"] == ICC
    assert image.metadata["exif"].startswith(b"Exif\0\0")
    exif = PillowImage.Exif()
    exif.load(image.metadata["exif"])
    kept = {ORIENTATION: 6, 0x010F: "a camera"}
    assert dict(exif) == kept if file_format != "TIFF" else exif[0x010F] == "a camera"  # Pillow has turned TIFF


def test_from_pillow_does_not_turn_pixels():
    picture = PillowImage.new("RGB", (5, 2))
    assert through_file(picture, "PNG", exif=exif_block()).samples.shape == (2, 5, 3)


def test_from_pillow_plain_tiff_has_no_exif():
    assert dict(through_file(PillowImage.new("RGB", (3, 3)), "TIFF").metadata) == {}


def test_to_pillow_carries_metadata():
    image = Image(np.zeros((2, 2, 3), np.uint8), {"icc": ICC, "exif": exif_block()})
    assert Image.from_pillow(image.to_pillow()) == image


def test_to_pillow_16_bit_grey_round_trip():
    image = Image.from_array(np.array([[1, 40000]], np.uint16))
    assert Image.from_pillow(image.to_pillow()) == image


def test_to_pillow_16_bit_colour_is_refused():
    with pytest.raises(UnsupportedSignalError, match="16-bit RGB"):
        Image.from_array(np.zeros((2, 2, 3), np.uint16)).to_pillow()


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((3, 48, 64), r"channels seem to be first, pass numpy.moveaxis\(array, 0, -1\)"),
        ((5, 48, 64, 3), "seems to be a batch"),
        ((48, 64), r"pass array\[:, :, None\]"),
    ],
)
def test_image_of_other_axes_says_which(shape, advice):
    with pytest.raises(UnsupportedSignalError, match=advice):
        Image(np.zeros(shape, np.uint8))


def test_tensor_with_channels_last_says_so():
    torch = pytest.importorskip("torch")
    with pytest.raises(UnsupportedSignalError, match=r"tensor.permute\(2, 0, 1\)"):
        Image.from_array(torch.zeros((48, 64, 3), dtype=torch.uint8))


def test_image_metadata_is_of_known_names_and_bytes():
    samples = np.zeros((2, 2, 3), np.uint8)
    assert Image(samples, {"icc": bytearray(b"abc")}).metadata == {"icc": b"abc"}
    for wrong in ({"xmp": b""}, {"icc": "abc"}, {"icc": None}, None, [b"icc"]):
        with pytest.raises(CodecError, match="metadata"):
            Image(samples, wrong)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (np.int16, 8192),
        (np.int32, 1 << 29),
        (np.uint8, 160),
        (np.float64, 0.25),
        (np.float32, 0.25),
        (np.float16, 0.25),
    ],
)
def test_sounds_of_other_types_have_the_same_full_scale(dtype, value):
    expected = Audio(np.full((1, 9), 0.25, np.float32), 8000)
    assert Audio.from_array(np.full(9, value, dtype), 8000) == expected
    assert Audio.from_array(np.full((1, 9), value, dtype).astype(np.dtype(dtype).newbyteorder(">")), 8000) == expected


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "int16"])
def test_tensors_of_sounds_are_channels_first(dtype):
    torch = pytest.importorskip("torch")
    tensor = torch.zeros((2, 400), dtype=getattr(torch, dtype))
    assert Audio.from_array(tensor, 8000) == Audio(np.zeros((2, 400), np.float32), 8000)
    with pytest.raises(UnsupportedSignalError, match=r"channels seem to be last, pass array\.T"):
        Audio.from_array(tensor.T, 8000)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float64])
def test_audio_itself_takes_float32_and_names_what_converts(dtype):
    with pytest.raises(UnsupportedSignalError, match=r"allowed is float32 .*: Audio.from_array converts other types"):
        Audio(np.zeros((1, 9), dtype), 8000)


def test_audio_of_transposed_samples_says_so():
    with pytest.raises(UnsupportedSignalError, match=r"pass array\.T"):
        Audio(np.zeros((400, 2), np.float32), 8000)
    assert Audio(np.zeros((2, 1), np.float32), 8000).num_channels == 2


@pytest.mark.parametrize("rate", [44100, 44100.0, np.int32(44100), np.float64(44100)])
def test_a_rate_is_any_whole_number(rate):
    sound = Audio(np.zeros((1, 4), np.float32), rate)
    assert sound.sample_rate == 44100
    assert type(sound.sample_rate) is int


@pytest.mark.parametrize("rate", [44100.5, 0, -1, 1 << 31, float("nan"), float("inf"), "44100", None, True, [44100]])
def test_other_rates_are_refused(rate):
    with pytest.raises(UnsupportedSignalError, match=r"the sample rate is .* allowed is a whole number from 1 to"):
        Audio(np.zeros((1, 4), np.float32), rate)
