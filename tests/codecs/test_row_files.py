"""Pictures row by row: every kind against Pillow or tifffile, bounds on memory, files that are short or lie."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from laconic.codecs import CodecError, DroppedWarning, UnsupportedSignalError
from laconic.codecs.files import read_image
from laconic.codecs.formats.orientation import orientation_of
from laconic.codecs.formats.row_files import ROW_EXTENSIONS, create_rows, open_rows
from laconic.codecs.formats.tiff_files import num_pages
from laconic.entropy import BitstreamError, CorruptStreamError, TruncatedError

CHANNELS = (1, 2, 3, 4)
DEPTHS = (np.uint8, np.uint16)
COMPRESSIONS = ("raw", "tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate")


def samples(h=61, w=83, c=3, dtype=np.uint8):
    """Smooth, so that it compresses, with noise and all values of the range in it."""
    y, x, k = np.ogrid[:h, :w, :c]
    smooth = (np.sin(x / 9 + k) * np.cos(y / 7) + 1) * np.iinfo(dtype).max / 2
    noisy = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (h, w, c), dtype, endpoint=True)
    return np.where(y % 5 == 0, noisy, smooth.astype(dtype))


def in_chunks(reader, sizes=(1, 7, 2, 30)):
    rows, left, turn = [], reader.height, 0
    while left:
        count = min(left, sizes[turn % len(sizes)])
        rows.append(reader.read_rows(count))
        left, turn = left - count, turn + 1
    return np.concatenate(rows)


def written(array, extension, *, step=17, **options):
    file = io.BytesIO()
    with create_rows(file, extension, shape=array.shape, dtype=array.dtype, **options) as writer:
        for top in range(0, len(array), step):
            writer.write_rows(array[top : top + step])
    return file


def tiff(array, **options):
    """tifffile's file of (h, w, c); of (c, h, w) where it is planar."""
    file = io.BytesIO()
    is_planar = options.get("planarconfig") == "separate"
    c = array.shape[0 if is_planar else 2]
    options = {"photometric": "rgb" if c > 2 else "minisblack", "metadata": None} | options
    if c in (2, 4):
        options.setdefault("extrasamples", ["unassalpha"])
    tifffile.imwrite(file, array.squeeze(-1) if c == 1 else array, **options)
    return file


def pillow_tiff(array, **options):
    file = io.BytesIO()
    picture = PillowImage.fromarray(array.squeeze(-1) if array.shape[2] == 1 else array)
    picture.save(file, "TIFF", **options)
    return file


def assert_reads(file, array):
    with open_rows(file) as reader:
        assert (reader.height, reader.width, reader.num_channels, reader.dtype) == (*array.shape, array.dtype)
        read = in_chunks(reader)
    assert read.dtype == array.dtype
    assert np.array_equal(read, array)


def tag_value(data, code):
    """Where the value of a tag stands in the first directory of a little-endian classic TIFF file."""
    start = struct.unpack_from("<I", data, 4)[0]
    for index in range(struct.unpack_from("<H", data, start)[0]):
        entry = start + 2 + 12 * index
        if struct.unpack_from("<H", data, entry)[0] == code:
            return entry + 8
    raise KeyError(code)


def with_tag(file, code, value, kind=4):
    data = bytearray(file.getvalue())
    position = tag_value(data, code)
    data[position - 6 : position + 4] = struct.pack("<HII", kind, 1, value)
    return io.BytesIO(data)


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_pnm_is_that_of_netpbm(c, dtype):
    array = samples(c=c, dtype=dtype)
    file = written(array, ".ppm")
    head = b"P%d\n83 61\n%d\n" % (5 if c == 1 else 6, np.iinfo(dtype).max)
    assert file.getvalue() == head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert_reads(file, array)


@pytest.mark.parametrize(("c", "dtype"), [(1, np.uint8), (3, np.uint8), (1, np.uint16)])
def test_pnm_is_read_as_by_pillow(c, dtype):
    array = samples(c=c, dtype=dtype)
    assert np.array_equal(read_image(written(array, ".pnm")).samples, array)
    file = io.BytesIO()
    PillowImage.fromarray(array.squeeze(-1) if c == 1 else array).save(file, "PPM")
    assert_reads(file, array)


@pytest.mark.parametrize("head", [b"P5 # a\n#b\r\n3\t2 #c\n 255 ", b"P5\n3 2\n255\n", b"P5#\n3#\n2#\n255\r"])
def test_pnm_header_takes_comments_and_any_white_space(head):
    assert_reads(io.BytesIO(head + bytes(range(6))), np.arange(6, dtype=np.uint8).reshape(2, 3, 1))


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
def test_pam_is_that_of_netpbm(c, dtype):
    array = samples(c=c, dtype=dtype)
    kind = (b"GRAYSCALE", b"GRAYSCALE_ALPHA", b"RGB", b"RGB_ALPHA")[c - 1]
    head = b"P7\nWIDTH 83\nHEIGHT 61\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n" % (c, np.iinfo(dtype).max, kind)
    file = written(array, ".pam")
    assert file.getvalue() == head + array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert_reads(file, array)


def test_pam_header_takes_any_order_and_comments():
    head = b"P7\n# made by hand\nMAXVAL 255\nDEPTH 2\nHEIGHT 1\nWIDTH  3\nENDHDR\n"
    assert_reads(io.BytesIO(head + bytes(range(6))), np.arange(6, dtype=np.uint8).reshape(1, 3, 2))


@pytest.mark.parametrize(
    "fields",
    [
        b"WIDTH 2\nHEIGHT 2\nDEPTH 5\nMAXVAL 255\n",
        b"WIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\n",
        b"WIDTH 2\nHEIGHT 0\nDEPTH 1\nMAXVAL 255\n",
        b"WIDTH -2\nHEIGHT 2\nDEPTH 1\nMAXVAL 255\n",
        b"WIDTH 2\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE CMYK\n",
        b"",
        b"\xff\xff\n",
    ],
)
def test_other_kinds_of_pam_are_refused(fields):
    with pytest.raises(UnsupportedSignalError, match="allowed are GRAYSCALE"):
        open_rows(io.BytesIO(b"P7\n" + fields + b"ENDHDR\n" + bytes(100)))


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
def test_written_tiff_is_read_by_tifffile(c, dtype):
    array = samples(700, 311, c, dtype)  # several strips
    file = written(array, ".TIF")
    file.seek(0)
    with tifffile.TiffFile(file) as read:
        page = read.pages.first
        assert np.array_equal(page.asarray().reshape(array.shape), array)
        assert page.photometric.name == ("MINISBLACK" if c < 3 else "RGB")
        assert page.extrasamples == ((2,) if c in (2, 4) else ())
        assert page.rowsperstrip < 700 or c * dtype().itemsize == 1
    assert_reads(file, array)


@pytest.mark.parametrize(("c", "dtype"), [(1, np.uint8), (2, np.uint8), (3, np.uint8), (4, np.uint8), (1, np.uint16)])
def test_written_tiff_is_read_by_pillow(c, dtype):
    array = samples(700, 311, c, dtype)
    assert np.array_equal(read_image(written(array, ".tiff")).samples, array)


def test_written_tiff_keeps_profile_and_orientation():
    exif = PillowImage.Exif()
    exif[274] = 6
    metadata = {"icc": b"a profile" * 99, "exif": exif.tobytes()}
    file = written(samples(), ".tif", metadata=metadata)
    with PillowImage.open(file) as picture:
        assert picture.info["icc_profile"] == metadata["icc"]
        assert picture.getexif()[274] == 6
    assert open_rows(file).metadata == read_image(file).metadata


@pytest.mark.filterwarnings("ignore::laconic.codecs.DroppedWarning")
@pytest.mark.parametrize("exif", [b"", b"Exif\x00\x00", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"nonsense"])
def test_exif_that_cannot_be_read_is_upright(exif):
    with PillowImage.open(written(samples(), ".tif", metadata={"exif": exif})) as picture:
        assert picture.getexif()[274] == 1


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("c", "dtype"), [(1, np.uint8), (3, np.uint8), (4, np.uint8), (1, np.uint16)])
@pytest.mark.parametrize("predictor", [1, 2])
def test_tiff_of_pillow(compression, c, dtype, predictor):
    array = samples(300, 257, c, dtype)
    options = {} if compression in ("raw", "packbits") else {"tiffinfo": {317: predictor}}
    assert_reads(pillow_tiff(array, compression=compression, **options), array)


@pytest.mark.parametrize("c", CHANNELS)
@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 8}, {"tile": (16, 32)}])
def test_tiff_of_tifffile(c, dtype, byte_order, compression, layout):
    array = samples(c=c, dtype=dtype)
    options = {"compression": compression, "predictor": bool(compression) or None, "byteorder": byte_order}
    assert_reads(tiff(array, **options, **layout), array)


@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{}, {"rowsperstrip": 8}, {"tile": (16, 32)}])
def test_planar_tiff(dtype, compression, layout):
    array = samples(dtype=dtype)
    file = tiff(np.moveaxis(array, -1, 0), planarconfig="separate", compression=compression, **layout)
    assert_reads(file, array)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_big_tiff(byte_order):
    array = samples(dtype=np.uint16)
    assert_reads(tiff(array, bigtiff=True, byteorder=byte_order, rowsperstrip=5, metadata=None, software=False), array)


def test_strips_of_one_row():
    array = samples(70000, 1, 1)
    assert_reads(tiff(array, rowsperstrip=1), array)


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_pages_of_a_tiff_file(bigtiff, byteorder):
    file, pages = io.BytesIO(), [samples(9, 9), samples(5, 5), samples(7, 3)]
    with tifffile.TiffWriter(file, bigtiff=bigtiff, byteorder=byteorder) as writer:
        for page in pages:
            writer.write(page, metadata=None, software=False)
    for number, page in enumerate(pages):
        with open_rows(file, frame=number) as reader:
            assert np.array_equal(reader.read_rows(reader.height), page)
    with pytest.warns(DroppedWarning, match=r"the first of 3 pages was taken; --frame \(frame=\) 1 to 2 takes another"):
        assert_reads(file, pages[0])
    with pytest.raises(CodecError, match="frame is 3, the file has 3; allowed is 0 to 2"):
        open_rows(file, frame=3)


def test_pages_that_form_a_ring_are_counted_once():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for _ in range(2):
            writer.write(samples(5, 5), metadata=None, software=False)
    data = bytearray(file.getvalue())
    first = int.from_bytes(data[4:8], "little")
    after = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    second = int.from_bytes(data[after : after + 4], "little")
    last = second + 2 + 12 * int.from_bytes(data[second : second + 2], "little")
    data[last : last + 4] = data[4:8]
    assert num_pages(io.BytesIO(data)) == 2


def test_xmp_turns_a_tiff_file_that_has_no_orientation():
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    file = tiff(samples(), metadata=None, software=False, extratags=[(700, 1, len(xmp), xmp, True)])
    assert orientation_of(open_rows(file).metadata["exif"]) == 6


def test_metadata_are_those_of_the_whole_picture():
    exif = PillowImage.Exif()
    exif[274], exif[305] = 3, "a program"
    file = pillow_tiff(samples(), exif=exif, icc_profile=b"a profile")
    metadata = open_rows(file).metadata
    assert set(metadata) == {"icc", "exif"}
    assert metadata == read_image(file).metadata


def test_paths_are_opened_and_closed(tmp_path):
    (tmp_path / "x.pgm").write_bytes(b"P5 2 1 255\nab")
    with open_rows(tmp_path / "x.pgm") as reader:
        assert reader.read_rows(1).tobytes() == b"ab"
    (tmp_path / "x.txt").write_bytes(b"text")
    assert open_rows(str(tmp_path / "x.txt")) is None  # an open file would be warned of
    (tmp_path / "short.pgm").write_bytes(b"P5 2 2 255\nab")
    with pytest.raises(TruncatedError):
        open_rows(tmp_path / "short.pgm")
    with pytest.raises(FileNotFoundError):
        open_rows(tmp_path / "absent.pgm")


OTHERS = {
    "empty": io.BytesIO(),
    "png": io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(50)),
    "plain ppm": io.BytesIO(b"P3 1 1 255 1 2 3"),
    "ppm of 6 bits": io.BytesIO(b"P6 1 1 63 " + bytes(3)),
    "ppm without rows": io.BytesIO(b"P6 1 0 255 "),
    "cut header": io.BytesIO(b"P6 1 "),
    "cut tiff": io.BytesIO(b"II*\x00\x08"),
    "tiff without tags": io.BytesIO(b"II*\x00\x08\x00\x00\x00\x00\x00" + bytes(20)),
    "min is white": tiff(samples(c=1), photometric="miniswhite"),
    "float": tiff(samples(c=1).astype(np.float32)),
    "signed": tiff(samples(c=1).astype(np.int8)),
    "32 bits": tiff(samples(c=1).astype(np.uint32)),
    "cmyk": tiff(samples(c=4), photometric="separated", extrasamples=None),
    "alpha multiplied in": tiff(samples(c=4), extrasamples=["assocalpha"]),
    "more channels": tiff(samples(c=5), extrasamples=["unassalpha", "unspecified"]),
    "palette": tiff(samples(c=1), photometric="palette", colormap=np.zeros((3, 256), np.uint16)),
    "jpeg": pillow_tiff(samples(), compression="jpeg"),
    "fax": with_tag(tiff(samples(c=1)), 259, 4),
    "reversed bits": with_tag(pillow_tiff(samples(c=1), tiffinfo={266: 1}), 266, 2),
    "no strips": with_tag(tiff(samples(c=1), rowsperstrip=8), 273, 0),
    "huge": with_tag(with_tag(tiff(samples(c=1), rowsperstrip=8), 256, 1 << 31), 257, 1 << 31),
    "fractional width": with_tag(tiff(samples(c=1)), 256, 0x3F800000, kind=11),
    "text for offsets": with_tag(tiff(samples(c=1)), 273, 0x41414141, kind=2),
    "negative offset": with_tag(tiff(samples(c=1)), 273, 0xFFFFFFFF, kind=9),
    "no width": with_tag(tiff(samples(c=1)), 256, 0),
    "a large PackBits strip": with_tag(with_tag(pillow_tiff(samples(), compression="packbits"), 256, 1 << 26), 279, 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_left_to_others(name):
    file = OTHERS[name]
    assert open_rows(file) is None
    assert file.tell() == 0


@pytest.mark.parametrize(
    "file",
    [
        written(samples(), ".ppm"),
        written(samples(), ".pam"),
        written(samples(), ".tif"),
        tiff(samples(), compression="zlib", rowsperstrip=8),
        tiff(samples(), tile=(16, 32)),
    ],
)
def test_short_files_raise_before_any_row(file):
    data = file.getvalue()
    with pytest.raises(TruncatedError, match="copy the file again"):
        open_rows(io.BytesIO(data[: len(data) * 9 // 10]))


@pytest.mark.parametrize(("width", "height"), [(999999999, 999999999), (100000, 100000)])
def test_false_sizes_allocate_nothing(width, height):
    ppm = io.BytesIO(b"P6 %d %d 65535\n" % (width, height) + bytes(1000))
    pam = io.BytesIO(b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nENDHDR\n" % (width, height) + bytes(1000))
    one_strip = tiff(samples(c=1), compression="zlib", rowsperstrip=61)
    tall = with_tag(with_tag(with_tag(one_strip, 256, width), 257, height), 278, height)
    tracemalloc.start()
    for file in (ppm, pam, tall):
        with pytest.raises(BitstreamError, match="copy the file again"):
            open_rows(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 22


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_damaged_segments_raise_and_keep_raising(compression):
    file = pillow_tiff(samples(), compression=compression)
    data = bytearray(file.getvalue())
    size = struct.unpack_from("<I", data, tag_value(data, 279))[0]
    offset = struct.unpack_from("<I", data, tag_value(data, 273))[0]
    data[offset : offset + size] = bytes([0x80]) * size  # PackBits: nothing, repeated
    reader = open_rows(io.BytesIO(data))
    for _ in range(2):
        with pytest.raises((CorruptStreamError, TruncatedError)):
            reader.read_rows(61)


def test_deflate_stream_that_ends_early():
    file = tiff(samples(), compression="zlib", rowsperstrip=61)
    data = bytearray(file.getvalue())
    size, offset = (struct.unpack_from("<I", data, tag_value(data, code))[0] for code in (279, 273))
    size &= 0xFFFF if struct.unpack_from("<H", data, tag_value(data, 279) - 6)[0] == 3 else 0xFFFFFFFF
    short = zlib.compress(bytes(83 * 3 * 4))
    data[offset : offset + size] = short.ljust(size, b"\x55")
    reader = open_rows(io.BytesIO(data))
    with pytest.raises(TruncatedError, match="samples end after 996 of 15189 bytes"):
        reader.read_rows(4)


@pytest.mark.filterwarnings("ignore::laconic.codecs.DroppedWarning")
def test_flipped_bits_raise_documented_errors_only():
    rng = np.random.default_rng(0)
    files = [
        pillow_tiff(samples(), compression="tiff_lzw", tiffinfo={317: 2}),
        tiff(samples(), compression="zlib", tile=(16, 16)),
        written(samples(), ".tif"),
        written(samples(), ".pam"),
    ]
    for file in files:
        original = file.getvalue()
        for _ in range(200):
            data = bytearray(original)
            head = rng.integers(len(data) - 400, len(data)) if rng.random() < 0.5 else rng.integers(0, 400)
            data[head] ^= 1 << rng.integers(8)
            try:
                reader = open_rows(io.BytesIO(data))
                if reader is not None and reader.height * reader.width < 1 << 22:
                    reader.read_rows(reader.height)
            except (BitstreamError, UnsupportedSignalError):
                pass


@pytest.mark.parametrize(
    "make",
    [
        lambda array, file: file.write(b"P6 4000 3000 255\n" + array.tobytes()),
        lambda array, file: tifffile.imwrite(file, array, compression="zlib", rowsperstrip=3000),
        lambda array, file: tifffile.imwrite(file, array, tile=(256, 256), compression="zlib"),
        lambda array, file: PillowImage.fromarray(array).save(file, "TIFF", compression="tiff_lzw"),
    ],
    ids=["ppm", "one deflate strip", "tiles", "lzw"],
)
def test_large_picture_needs_little_memory(make, tmp_path):
    array = np.broadcast_to(np.arange(4000, dtype=np.uint8)[None, :, None], (3000, 4000, 3)).copy()
    path = tmp_path / "x"
    with path.open("wb") as file:
        make(array, file)
    open_rows(path).close()  # imports
    tracemalloc.start()
    with open_rows(path) as reader:
        for top in range(0, 3000, 100):
            assert np.array_equal(reader.read_rows(100), array[top : top + 100])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # of 36e6 bytes of samples


def test_written_tiff_is_big_over_four_gigabytes(tmp_path):
    with (tmp_path / "x.tif").open("wb") as file:  # sparse: nothing is written but its frame
        create_rows(file, ".tif", shape=(40000, 40000, 3), dtype=np.uint8)
    with (tmp_path / "x.tif").open("rb") as file:
        assert file.read(4) == b"II+\x00"
    with open_rows(tmp_path / "x.tif") as reader:
        assert not reader.read_rows(3).any()


def test_reader_gives_no_more_rows_than_there_are():
    reader = open_rows(io.BytesIO(b"P5 2 2 255\nabcd"))
    for count in (0, -1, 3):
        with pytest.raises(CodecError, match="allowed is 1 to the 2 that are left"):
            reader.read_rows(count)
    reader.read_rows(2)
    with pytest.raises(CodecError, match="0 that are left"):
        reader.read_rows(1)


def test_writer_wants_all_rows_and_no_more():
    array = samples()
    writer = create_rows(io.BytesIO(), ".ppm", shape=array.shape, dtype=array.dtype)
    with pytest.raises(CodecError, match=r"allowed are uint8 \(up to 61, 83, 3\)"):
        writer.write_rows(np.concatenate([array, array]))
    for other in (array[:, :-1], array[:, :, :1], array.astype(np.uint16), array[0]):
        with pytest.raises(CodecError, match="allowed are uint8"):
            writer.write_rows(other)
    writer.write_rows(array[:60])
    with pytest.raises(CodecError, match="60 rows were written, the file announces 61"):
        writer.close()


def test_writer_passes_on_the_error_of_its_block():
    with pytest.raises(KeyError), create_rows(io.BytesIO(), ".ppm", shape=(2, 2, 1), dtype=np.uint8):
        raise KeyError


@pytest.mark.parametrize(
    ("extension", "shape", "dtype"),
    [
        (".png", (2, 2, 1), np.uint8),
        (".ppm", (2, 2, 2), np.uint8),
        (".pgm", (2, 2, 4), np.uint8),
        (".tif", (2, 2, 5), np.uint8),
        (".tif", (2, 0, 1), np.uint8),
        (".pam", (2, 2, 1), np.int16),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_byte(extension, shape, dtype):
    file = io.BytesIO()
    with pytest.raises(UnsupportedSignalError, match=r"allowed are|write \.pam or \.tif"):
        create_rows(file, extension, shape=shape, dtype=dtype)
    assert not file.getvalue()


def test_extensions_are_those_that_can_be_written():
    for extension in ROW_EXTENSIONS:
        assert_reads(written(samples(), extension), samples())
