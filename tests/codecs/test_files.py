"""Pictures <-> files: formats, what is refused, the search for a size, writing whole files or none."""

import errno
import io
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, WebPImagePlugin
from PIL import Image as PillowImage

import laconic.codecs
from laconic.codecs import (
    Audio,
    CodecError,
    DroppedWarning,
    Image,
    Lcn,
    MissingDependencyError,
    UnsupportedSignalError,
    decode,
    encode,
)
from laconic.codecs.files import (
    file_bytes,
    format_of,
    picture_extensions,
    read_image,
    read_signal,
    read_sound,
    write_image,
)
from laconic.codecs.formats import picture_files
from laconic.codecs.formats.orientation import orientation_of
from laconic.codecs.whole_files import atomic_write
from laconic.entropy import BitstreamError, CorruptStreamError, LimitError, Limits, TruncatedError

PICTURE = Path(__file__).parents[1] / "data" / "kodim05_crop.png"


@pytest.fixture(scope="module")
def image():
    return read_image(PICTURE)


def in_memory(picture, file_format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, file_format, **options)
    buffer.seek(0)
    return buffer


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_open_and_save_are_those_of_the_package(image, tmp_path):
    laconic.codecs.save(image, tmp_path / "x.png")
    assert laconic.codecs.open(tmp_path / "x.png") == image


@pytest.mark.parametrize("extension", [".png", ".tif", ".webp", ".bmp", ".ppm", ".npy", ".jp2"])
def test_lossless_formats_give_the_samples_back(image, extension, tmp_path):
    path = tmp_path / f"x{extension}"
    write_image(image, path)
    assert np.array_equal(read_image(path).samples, image.samples)


@pytest.mark.parametrize("is_big", [False, True])
def test_orientation_of_a_tiff_file_is_kept(is_big, image):
    file = in_memory(image.to_pillow(), "TIFF", tiffinfo={274: 6}, big_tiff=is_big)
    exif = PillowImage.Exif()
    exif.load(read_image(file).metadata["exif"])
    assert exif[274] == 6


@pytest.mark.parametrize("extension", [".png", ".tif", ".npy", ".pgm"])
def test_deep_grey_is_kept(extension, tmp_path):
    deep = Image.from_array(np.arange(600, dtype=np.uint16).reshape(20, 30) * 109)
    write_image(deep, tmp_path / f"x{extension}")
    assert read_image(tmp_path / f"x{extension}") == deep


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("extension", ["npy", "png", "tif"])
def test_deep_colour_is_kept(extension, channels):
    deep = Image.from_array(np.random.default_rng(0).integers(0, 65536, (14, 25, channels)).astype(np.uint16))
    assert np.array_equal(read_image(io.BytesIO(file_bytes(deep, extension))).samples, deep.samples)


def test_deep_colour_is_refused_by_what_cannot_hold_it():
    with pytest.raises(UnsupportedSignalError, match=r"write it as \.png, \.tif or \.npy"):
        file_bytes(Image.from_array(np.zeros((4, 5, 3), np.uint16)), "jpg")


@pytest.mark.parametrize("extension", [".png", ".tif", ".webp", ".jpg"])
def test_metadata_is_kept(image, extension, tmp_path):
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    metadata = {"icc": b"profile" * 20, "exif": exif.tobytes()}
    write_image(Image(image.samples, metadata), tmp_path / f"x{extension}")
    found = read_image(tmp_path / f"x{extension}").metadata
    assert found["icc"] == metadata["icc"]
    read_back = PillowImage.Exif()
    read_back.load(found["exif"])
    assert dict(read_back) == {0x0112: 6}


def test_lcn_is_written_and_read(image, tmp_path):
    write_image(image, tmp_path / "x.lcn")
    assert (tmp_path / "x.lcn").read_bytes() == encode(image)
    assert read_image(tmp_path / "x.lcn") == decode(encode(image))


def test_content_decides_not_the_name(image, tmp_path):
    (tmp_path / "x.jpg").write_bytes(encode(image))
    assert read_image(tmp_path / "x.jpg") == decode(encode(image))


def test_binary_files_are_read_from_their_start(image):
    with PICTURE.open("rb") as file:
        file.read(100)
        assert read_image(file) == image


def test_pipes_are_read(image):
    reader, writer = os.pipe()
    os.write(writer, file_bytes(Image(image.samples[:20, :20].copy()), "png"))
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert np.array_equal(read_image(file).samples, image.samples[:20, :20])


def test_write_to_a_binary_file_needs_a_format(image):
    buffer = io.BytesIO()
    write_image(image, buffer, "png")
    assert read_image(buffer) == image
    with pytest.raises(CodecError, match="name the format"):
        write_image(image, buffer)


@pytest.mark.parametrize(
    "array", [np.full((3, 4), 40000, ">u2"), np.asfortranarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3))]
)
def test_npy_of_any_byte_and_axis_order(array):
    assert np.array_equal(np.asarray(read_image(io.BytesIO(npy(array)))), array)


@pytest.mark.parametrize("array", [np.zeros((3, 4), np.float32), np.zeros(5, np.uint8), np.zeros((0, 4), np.uint8)])
def test_npy_of_other_arrays_is_refused(array):
    with pytest.raises(UnsupportedSignalError, match="allowed are"):
        read_image(io.BytesIO(npy(array)))


def test_npy_of_objects_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(UnsupportedSignalError):
        read_image(buffer)


def test_npy_that_claims_more_than_it_has_is_refused():
    data = npy(np.zeros((30, 40), np.uint8)).replace(b"(30, 40)", b"(9999999999, 9999999999)")
    with pytest.raises(BitstreamError):
        read_image(io.BytesIO(data))
    with pytest.raises(CorruptStreamError, match="copy the file again"):
        read_image(io.BytesIO(npy(np.zeros((30, 40), np.uint8))[:-1]))


def test_damaged_npy_header_is_refused():
    data = npy(np.zeros((30, 40), np.uint8))
    for position in range(6, 60):
        damaged = bytearray(data)
        damaged[position] ^= 4
        try:
            read_image(io.BytesIO(bytes(damaged)))
        except (BitstreamError, CodecError):
            continue


def test_empty_and_foreign_files_are_refused():
    with pytest.raises(TruncatedError, match="the file is empty"):
        read_image(io.BytesIO())
    with pytest.raises(CorruptStreamError, match="the file starts with b'hello"):
        read_image(io.BytesIO(b"hello, world"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_cut_pictures_are_refused_or_read(file_format):
    data = in_memory(PillowImage.open(PICTURE), file_format).getvalue()
    for length in (1, 20, len(data) // 2, len(data) - 1):
        try:
            read_image(io.BytesIO(data[:length]))
        except (BitstreamError, CodecError):
            continue


def test_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png")


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "AVIF", "TIFF"])
def test_our_limit_governs_not_that_of_pillow(file_format, monkeypatch):
    file = in_memory(PillowImage.new("P" if file_format == "GIF" else "RGB", (60, 50)), file_format)
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    assert read_image(file).samples.shape[:2] == (50, 60)
    assert read_image(file, limits=Limits(max_pixels=3000)).width == 60
    with pytest.raises(LimitError, match=r"50 x 60 pixels, over the limit of 2999; raise max_pixels"):
        read_image(file, limits=Limits(max_pixels=2999))
    assert PillowImage.MAX_IMAGE_PIXELS == 100


def test_our_limit_governs_in_threads(monkeypatch):
    data = in_memory(PillowImage.new("RGB", (60, 50)), "PNG").getvalue()
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: read_image(io.BytesIO(data)).width == 60, range(200)))
    assert PillowImage.MAX_IMAGE_PIXELS == 100


FRAMES = [PillowImage.new("RGB", (20, 10), color) for color in ("red", "lime", "blue")]


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
def test_frames(file_format):
    options = (
        {"compression": "tiff_lzw"} if file_format == "TIFF" else {"lossless": True} if file_format == "WEBP" else {}
    )
    file = in_memory(FRAMES[0], file_format, save_all=True, append_images=FRAMES[1:], **options)
    for number, frame in enumerate(FRAMES):
        found = read_image(file, frame=number).samples[5, 5, :3].astype(int)
        assert np.abs(found - frame.getpixel((5, 5))).max() < 5
    noun = "pages" if file_format == "TIFF" else "frames"
    with pytest.warns(DroppedWarning, match=f"the first of 3 {noun} was taken") as notes:
        assert np.abs(read_image(file).samples[5, 5, :3].astype(int) - [255, 0, 0]).max() < 5
    assert len(notes) == 1
    for wrong in (3, -1):
        with pytest.raises(CodecError, match=f"frame is {wrong}, the file has 3; allowed is 0 to 2"):
            read_image(file, frame=wrong)


@pytest.mark.parametrize("extension", ["png", "jpg", "npy", "lcn", "tif", "ppm"])
def test_a_single_picture_has_frame_0_only(extension, image):
    data = file_bytes(image, extension)
    assert read_image(io.BytesIO(data), frame=0) == read_image(io.BytesIO(data))
    with pytest.raises(CodecError, match="frame is 1, the file has 1; allowed is 0"):
        read_image(io.BytesIO(data), frame=1)


@pytest.mark.parametrize("chunk", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"tIME"])
def test_damage_outside_the_pixels_of_a_png_file_is_noted(chunk, image):
    data = file_bytes(Image(image.samples), "png")
    at = data.index(b"IDAT") - 4
    bad = struct.pack(">I", 8) + chunk + b"key\0\0\xff\xff\xff" + b"\0\0\0\0"  # with a false checksum
    with pytest.warns(DroppedWarning, match="damaged and were left out"):
        assert np.array_equal(read_image(io.BytesIO(data[:at] + bad + data[at:])).samples, image.samples)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000"])
def test_a_damaged_file_is_called_damaged(file_format, capfd):
    data = in_memory(PillowImage.open(PICTURE), file_format).getvalue()
    with pytest.raises(BitstreamError, match="damaged"):
        read_image(io.BytesIO(data[:24]))
    assert capfd.readouterr().err == ""


def test_a_png_file_with_a_false_checksum_is_damaged():
    data = bytearray(in_memory(PillowImage.new("RGB", (5, 4)), "PNG").getvalue())
    data[30] ^= 1
    with pytest.raises(CorruptStreamError, match="the PNG file is damaged"):
        read_image(io.BytesIO(data))


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_libtiff_is_silent(compression, capfd):
    noise = PillowImage.effect_noise((300, 300), 50).convert("L" if compression == "jpeg" else "P")
    data = bytearray(in_memory(noise, "TIFF", compression=compression).getvalue())
    data[600:-700] = bytes(len(data) - 1300)
    with pytest.raises(CorruptStreamError, match="the TIFF file is damaged"):
        read_image(io.BytesIO(data))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypisom", "MP4 or QuickTime video"),
        (b"\0\0\0\x14ftypqt  ", "MP4 or QuickTime video"),
        (b"\0\0\0\x08wide\0\0", "QuickTime video"),
        (b"RIFF\x99\0\0\0AVI LIST", "AVI video"),
        (b"\x1a\x45\xdf\xa3\x01", "Matroska or WebM video"),
        (b"\0\0\x01\xba\x44", "MPEG video"),
        (b"\0\0\x01\xb3\x14\0\xf0\x13\xff\xff\xe0\x18", "MPEG video"),
        (b"\0\0\0\x18ftypheic", "HEIC picture"),
        (b"%PDF-1.4", "PDF document"),
        (b"<svg xmlns=", "SVG drawing"),
    ],
)
def test_other_kinds_of_file_are_named(head, name):
    for read in (read_image, read_signal, read_sound):
        with pytest.raises(UnsupportedSignalError, match=f"the file is an? {name}, which cannot be read here; "):
            read(io.BytesIO(head + bytes(500)))


def test_a_missing_decoder_is_not_damage(monkeypatch):
    file = in_memory(PillowImage.new("RGB", (9, 9)), "WEBP")
    monkeypatch.setattr(picture_files.features, "check", lambda name: name != "webp")
    monkeypatch.setattr(WebPImagePlugin, "SUPPORTED", False)
    with pytest.warns(UserWarning, match="WEBP support not installed"), pytest.raises(MissingDependencyError) as err:
        read_image(file)
    assert "this WEBP file needs a decoder that is missing" in str(err.value)


def test_metadata_that_a_format_has_no_place_for_are_noted(image):
    exif = PillowImage.Exif()
    exif[0x010F] = "a camera"
    with pytest.warns(DroppedWarning, match="the ICC profile and the EXIF block cannot be kept in NPY"):
        file_bytes(Image(image.samples, {"icc": b"x", "exif": exif.tobytes()}), "npy")


@pytest.mark.parametrize("orientation", [1, 6])
def test_exif_that_is_too_long_is_left_out_but_for_the_orientation(orientation, image):
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010E] = orientation, "x" * 70000
    kept = Image(image.samples, {"icc": b"profile", "exif": exif.tobytes()})
    with pytest.warns(DroppedWarning, match="the EXIF block cannot be written as JPEG and was left out"):
        found = read_image(io.BytesIO(file_bytes(kept, "jpg"))).metadata
    assert found["icc"] == b"profile"
    assert orientation_of(found.get("exif", b"")) == orientation


@pytest.mark.parametrize("depth", [10, 12, 16])
def test_deep_colour_jpeg2000_is_refused(depth, image):
    data = bytearray(in_memory(image.to_pillow(), "JPEG2000").getvalue())
    data[data.index(b"ihdr") + 14] = depth - 1
    with pytest.raises(UnsupportedSignalError, match="JPEG2000 file has more than 8 bits a colour"):
        read_image(io.BytesIO(data))
    codestream = bytearray(in_memory(image.to_pillow(), "JPEG2000", no_jp2=True).getvalue())
    codestream[42] = depth - 1
    with pytest.raises(UnsupportedSignalError):
        read_image(io.BytesIO(codestream))


def test_deep_grey_jpeg2000_is_read():
    grey = Image.from_array(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16)
    assert read_image(in_memory(grey.to_pillow(), "JPEG2000")) == grey


def test_deep_avif_is_read_with_a_note(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    data = in_memory(image.to_pillow(), "AVIF").getvalue()
    assert read_image(io.BytesIO(data)).samples.shape == image.samples.shape
    deep = bytearray(data)
    deep[deep.index(b"av1C") + 6] |= 0x40
    channels = deep.index(b"pixi") + 9  # libavif wants both boxes to agree
    deep[channels : channels + 3] = bytes([10, 10, 10])
    with pytest.warns(DroppedWarning, match="its 10 bits a colour became 8; pip install imagecodecs"):
        read_image(io.BytesIO(deep))


def test_formats_are_known_by_extension():
    assert [format_of(name) for name in ("png", ".JPG", "tif", ".npy", "lcn")] == ["PNG", "JPEG", "TIFF", "NPY", "LCN"]
    for name in ("", ".", "xyz"):
        with pytest.raises(CodecError, match=r"allowed are \.lcn, \.npy"):
            format_of(name)


def test_picture_extensions_are_those_that_can_be_encoded():
    assert {".png", ".jpg", ".jpeg", ".tif", ".webp", ".npy"} <= picture_extensions()
    assert not {".lcn", ".pdf", ".txt", ""} & picture_extensions()


def test_format_that_cannot_hold_the_picture_is_one_sentence():
    with pytest.raises(UnsupportedSignalError, match="4x3 8-bit RGBA picture cannot be written as JPEG"):
        file_bytes(Image.from_array(np.zeros((3, 4, 4), np.uint8)), "jpg")


def test_encode_takes_what_holds_a_picture(image):
    expected = encode(image)
    with PillowImage.open(PICTURE) as picture:
        assert encode(picture) == expected
    assert encode(image.samples) == expected
    torch = pytest.importorskip("torch")
    assert encode(torch.from_numpy(np.moveaxis(image.samples, -1, 0).copy())) == expected


def test_encode_takes_grey_and_alpha(image):
    for samples in (
        image.samples[:, :, :1],
        image.samples[:, :, :2],
        np.dstack([image.samples, image.samples[:, :, :1]]),
    ):
        picture = Image(np.ascontiguousarray(samples))
        assert decode(encode(picture)).samples.shape == picture.samples.shape


def test_decode_of_few_channels_and_of_limits(image):
    data = encode(image)
    assert decode(data, channels=3).samples.shape == image.samples.shape
    assert decode(io.BytesIO(data)) == decode(data)
    with pytest.raises(LimitError):
        decode(data, limits=Limits(max_pixels=100))


def test_decode_in_part(image):
    data = encode(image)
    with pytest.raises(BitstreamError):
        decode(data[:-50])
    assert decode(data[:-50], allow_partial=True).samples.shape == image.samples.shape


def test_max_bytes_is_the_best_that_fits(image):
    codec = Lcn()
    sizes = {code: len(codec.pack(codec.analyze_steps(image, (code,))[0])) for code in range(100, 256)}
    for limit in (700, 1500, 4000, 9000):
        found = len(encode(image, max_bytes=limit))
        best = max(size for size in sizes.values() if size <= limit)
        assert found <= limit
        assert found >= 0.97 * best  # sizes are monotone but for noise


def test_max_bytes_reaches_both_ends(image):
    coarsest = len(Lcn(step_code=255).encode(image))
    assert len(encode(image, max_bytes=coarsest)) == coarsest
    assert encode(image, max_bytes=10**9) == Lcn(step_code=0).encode(image)
    with pytest.raises(CodecError, match=f"the smallest possible file has {coarsest} bytes, over the limit of 9"):
        encode(image, max_bytes=9)


@pytest.mark.parametrize("rate", [0.25, 1.0, 3.5])
def test_bits_per_pixel_is_honoured(image, rate):
    size = 8 * len(encode(image, bits_per_pixel=rate)) / (image.width * image.height)
    assert 0.9 * rate < size <= rate


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_bad_rate_is_refused(image, rate):
    with pytest.raises(CodecError, match=r"allowed is a finite number (above|from) 0"):
        encode(image, bits_per_pixel=rate)


def test_two_targets_are_refused(image):
    for targets in ({"bits_per_pixel": 1, "max_bytes": 1000}, {"bits_per_pixel": 1, "quality": 50}):
        with pytest.raises(CodecError, match="exclude each other; give one of them"):
            encode(image, **targets)


def test_atomic_write_makes_the_file(tmp_path):
    atomic_write(tmp_path / "x", b"abc")
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_atomic_write_replaces_only_with_force(tmp_path):
    atomic_write(tmp_path / "x", b"abc")
    with pytest.raises(FileExistsError):
        atomic_write(tmp_path / "x", b"def")
    assert (tmp_path / "x").read_bytes() == b"abc"
    atomic_write(tmp_path / "x", b"def", force=True)
    assert (tmp_path / "x").read_bytes() == b"def"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_atomic_write_obeys_the_umask(tmp_path):
    atomic_write(tmp_path / "x", b"abc")
    (tmp_path / "y").write_bytes(b"abc")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_atomic_write_leaves_devices_alone():
    with pytest.raises(OSError, match="no ordinary file"):
        atomic_write("/dev/null", b"abc", force=True)


def test_atomic_write_on_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(tmp_path / "x", b"abc")
    assert not list(tmp_path.iterdir())


def test_atomic_write_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    atomic_write(tmp_path / "x", b"abc")
    with pytest.raises(FileExistsError):
        atomic_write(tmp_path / "x", b"def")
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


KILLED = """
import itertools, os, signal, sys
from pathlib import Path
from laconic.codecs.whole_files import atomic_write
path, before, after = Path(sys.argv[1]), b"a" * (1 << 16), b"b" * (1 << 16)

def write(data, at_event):
    sys.setprofile(at_event)
    atomic_write(path, data, force=True)
    sys.setprofile(None)

events = itertools.count()
write(before, lambda *_: next(events))
for kill in range(next(events)):
    write(before, None)
    left = itertools.count(kill, -1)
    child = os.fork()
    if child == 0:
        write(after, lambda *_: next(left) or os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    os.waitpid(child, 0)
    data = path.read_bytes()
    assert data in (before, after), kill
    print("before" if data == before else "after")
"""


def test_killed_writer_leaves_the_file_before_or_after(tmp_path):
    """Killed before each call or return of a function in turn."""
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "x"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"before", "after"}


SOUND = np.sin(np.arange(4000) / 9).astype(np.float32) / 4


@pytest.mark.parametrize(
    "pair", [(SOUND, 8000), (8000, SOUND), (SOUND[None], 8000.0), (SOUND.astype(float), np.int64(8000))]
)
def test_encode_takes_the_pairs_of_other_libraries(pair):
    assert encode(pair) == encode(Audio(SOUND[None], 8000))


@pytest.mark.parametrize("pair", [(SOUND,), (SOUND, None), (SOUND, SOUND), (8000, 8000), (), (SOUND, 8000, 1)])
def test_encode_refuses_other_tuples(pair):
    with pytest.raises(CodecError, match=r"allowed is|samples, rate"):
        encode(pair)


def test_encode_of_a_pair_with_channels_last_says_so():
    with pytest.raises(UnsupportedSignalError, match=r"pass array\.T"):
        encode((np.zeros((4000, 2)), 8000))


def test_bytes_of_any_kind_and_paths_are_read(image, tmp_path):
    small = Image(image.samples[:40, :48].copy())
    data = encode(small)
    (tmp_path / "x.lcn").write_bytes(data)
    for source in (
        bytearray(data),
        memoryview(data),
        np.frombuffer(data, np.uint8),
        tmp_path / "x.lcn",
        str(tmp_path / "x.lcn"),
    ):
        assert decode(source) == decode(data)
        assert Lcn().decode(source) == decode(data)
        assert Lcn().unpack(source) == Lcn().unpack(data)
        assert Lcn().decode_area(source, region=(1, 2, 3, 4))[0] == decode(data, region=[1, 2, np.int64(3), 4])
        assert Lcn().open_area(source, scale=np.int64(2)).image() == decode(data, scale=2)
        assert read_image(source) == decode(data)
        assert read_signal(source) == decode(data)
    png = file_bytes(small, "png")
    assert read_image(memoryview(png)) == read_image(bytearray(png)) == small


def test_a_file_that_is_open_as_text_is_refused(tmp_path):
    (tmp_path / "x.lcn").write_text("text")
    with (tmp_path / "x.lcn").open() as file, pytest.raises(CodecError, match="open it as bytes"):
        decode(file)


@pytest.mark.parametrize("region", [(), (1, 2, 3), (0, 0, 1.0, 1), "abcd", 5, (0, 0, None, 1), (0, 0, True, 1)])
def test_regions_are_four_whole_numbers(image, region):
    with pytest.raises(CodecError, match=r"region \(x, y, width, height\) is .*; allowed are 4 whole numbers"):
        decode(encode(Image(image.samples[:9, :9].copy())), region=region)


@pytest.mark.parametrize("options", [{}, {"compression": "jpeg"}])
@pytest.mark.parametrize("extension", ["png", "tif", "jpg"])
def test_texts_that_are_not_ascii_are_kept(extension, options, image):
    made = "Café ®".encode("latin-1")
    file = in_memory(image.to_pillow(), "TIFF", tiffinfo={270: made, 305: b"plain"}, **options)
    with PillowImage.open(io.BytesIO(file_bytes(read_image(file), extension))) as picture:
        found = picture.getexif()
    assert (found[270].encode("latin-1"), found[305]) == (made, "plain")


def test_a_text_of_the_exif_directory_is_kept(image):
    exif = PillowImage.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0xA433] = "Zeiß".encode("latin-1")
    kept = Image(image.samples, {"exif": exif.tobytes()})
    for extension in ("tif", "png"):
        found = read_image(io.BytesIO(file_bytes(read_image(io.BytesIO(file_bytes(kept, "tif"))), extension)))
        assert found.to_pillow().getexif().get_ifd(ExifTags.IFD.Exif)[0xA433] == "Zeiß".encode("latin-1")
