"""Files row by row against files as a whole: the same bytes, the same pixels, what cannot go by rows, limits."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage
from PIL import ImageOps

from laconic.codecs import DroppedWarning, Image, Lcn, UnsupportedSignalError
from laconic.codecs import open as open_image
from laconic.codecs.files import file_bytes, read_image, write_image
from laconic.codecs.formats.orientation import orientation_of
from laconic.codecs.formats.row_files import ROW_EXTENSIONS
from laconic.codecs.streams import encode_file, stream_picture
from laconic.entropy import LimitError, Limits, TruncatedError

CODEC = Lcn(effort=0, tile_log2=3)
DEPTHS = (np.uint8, np.uint16)


def picture(channels=3, dtype=np.uint8, height=203, width=187):
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    levels = 120 + 60 * np.sin(x / (4 + c)) + 50 * np.cos(y / 7) + np.random.default_rng(0).normal(0, 5, x.shape)
    return Image((np.clip(levels, 0, 255) * (1 if dtype == np.uint8 else 257)).astype(dtype))


def with_metadata(image):
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    return Image(image.samples, {"icc": b"profile" * 20, "exif": exif.tobytes()})


class OneBlock(io.BytesIO):
    """Says how much was read at once."""

    largest = 0

    def read(self, size=-1):
        found = super().read(size)
        self.largest = max(self.largest, len(found))
        return found


@pytest.mark.parametrize("extension", sorted(ROW_EXTENSIONS))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_rows_of_a_file_give_the_bytes_of_the_whole(dtype, channels, extension, monkeypatch):
    for module in ("pictures.picture_decoder", "pictures.encoder_chunks"):  # a row of tiles at a time
        monkeypatch.setattr(f"laconic.codecs.{module}.CHUNK_VALUES", 1)
    file = io.BytesIO(file_bytes(picture(channels, dtype), extension))
    data, form = encode_file(file, CODEC)
    assert data == CODEC.encode(read_image(file))
    assert (form.kind, form.size, form.sample_type) == ("image", (203, 187), np.dtype(dtype).name)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}])
@pytest.mark.parametrize("channels", [1, 3])
def test_metadata_of_a_tiff_file_is_that_of_the_whole(channels, options):
    image = with_metadata(picture(channels))
    file = io.BytesIO()
    image.to_pillow().save(file, "TIFF", icc_profile=image.metadata["icc"], exif=image.metadata["exif"], **options)
    data, _ = encode_file(file, CODEC)
    assert data == CODEC.encode(read_image(file))
    found = CODEC.decode(data).metadata
    assert found["icc"] == image.metadata["icc"]
    tags = PillowImage.Exif()
    tags.load(found["exif"])
    assert (tags[0x0112], tags[0x010F]) == (6, "a camera")


def test_a_stream_reads_little_at_once():
    samples = np.zeros((3000, 500, 3), np.uint8)
    file = OneBlock(file_bytes(Image(samples), "ppm"))
    encode_file(file, CODEC)
    assert file.largest <= samples.size / 4


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
@pytest.mark.parametrize("extension", [".pam", ".tif"])
def test_pictures_with_alpha_go_as_a_whole(extension, dtype, channels):
    file = io.BytesIO(file_bytes(picture(channels, dtype), extension))
    data, form = encode_file(file, CODEC)
    assert data == CODEC.encode(read_image(file))
    assert form.size == (203, 187)


def test_other_files_go_as_a_whole():
    image = picture()
    for extension in (".png", ".npy", ".bmp"):
        assert encode_file(io.BytesIO(file_bytes(image, extension)), CODEC)[0] == CODEC.encode(image)
    with pytest.raises(TruncatedError, match="the file is empty"):
        encode_file(io.BytesIO(), CODEC)


def test_a_cube_is_no_picture():
    with pytest.raises(Exception, match=r"begins with b'P6.*no cube; allowed are \.npy"):
        encode_file(io.BytesIO(file_bytes(picture(), "ppm")), CODEC, kind="cube")


@pytest.mark.parametrize("extension", [".ppm", ".tif", ".npy", ".png"])
def test_limits_are_those_of_the_reader(extension):
    file = io.BytesIO(file_bytes(picture(height=30, width=40), extension))
    with pytest.raises(LimitError, match="30 x 40 pixels, over the limit of 1199; raise max_pixels"):
        encode_file(file, CODEC, limits=Limits(max_pixels=1199))
    encode_file(file, CODEC, limits=Limits(max_pixels=1200))


def test_more_pixels_than_pillow_takes(monkeypatch):
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 1000)
    for extension in (".ppm", ".tif"):
        assert encode_file(io.BytesIO(file_bytes(picture(), extension)), CODEC)[0] == CODEC.encode(picture())


def test_a_cut_file_is_refused():
    data = file_bytes(picture(), ".ppm")
    with pytest.raises(TruncatedError):
        encode_file(io.BytesIO(data[:-1]), CODEC)


def test_a_model_of_other_planes_is_refused():
    with pytest.raises(UnsupportedSignalError, match="it takes 1 colour planes, the picture has 3"):
        encode_file(io.BytesIO(file_bytes(picture(), "ppm")), Lcn(model="grey"))


@pytest.mark.parametrize("extension", sorted(ROW_EXTENSIONS))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", DEPTHS)
def test_written_rows_are_the_picture(dtype, channels, extension, monkeypatch):
    for module in ("pictures.picture_decoder", "pictures.encoder_chunks"):  # a row of tiles at a time
        monkeypatch.setattr(f"laconic.codecs.{module}.CHUNK_VALUES", 1)
    data = CODEC.encode(picture(channels, dtype))
    target = io.BytesIO()
    if channels in (2, 4) and extension in (".ppm", ".pgm", ".pnm"):
        with pytest.raises(UnsupportedSignalError, match="holds no alpha"):
            stream_picture(CODEC.open_area(data), target, extension)
        return
    stream_picture(CODEC.open_area(data), target, extension)
    assert np.array_equal(read_image(target).samples, CODEC.synthesize(CODEC.unpack(data)).samples)
    part = {"region": (100, 30, 60, 120), "scale": 2}
    target = io.BytesIO()
    stream_picture(CODEC.open_area(data, **part), target, extension)
    assert np.array_equal(read_image(target).samples, CODEC.decode_area(data, **part)[0].samples)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("extension", [".ppm", ".pam", ".npy", ".bmp", ".tga", ".jp2", ".gif"])
def test_what_has_no_orientation_gets_upright_pixels(extension, orientation):
    image = picture(1 if extension == ".gif" else 3, height=40, width=24)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    data = CODEC.encode(Image(image.samples, {"exif": exif.tobytes()}))
    stored = CODEC.decode(data).to_pillow()
    for part, box in (({}, (0, 0, 24, 40)), ({"region": (3, 5, 11, 20)}, (3, 5, 14, 25))):
        target = io.BytesIO()
        size = stream_picture(CODEC.open_area(data, **part), target, extension)
        cut = stored.crop(box)
        cut.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(cut))
        found = read_image(target)
        assert size == expected.shape[:2]
        assert np.array_equal(found.samples[:, :, : image.samples.shape[2]].squeeze(), expected)
        assert orientation_of(found.metadata.get("exif", b"")) == 1


@pytest.mark.parametrize("extension", [".png", ".tif", ".jpg", ".webp", ".avif"])
def test_what_has_an_orientation_keeps_it_and_the_stored_pixels(extension):
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    data, target = CODEC.encode(Image(picture(height=40, width=24).samples, {"exif": exif.tobytes()})), io.BytesIO()
    assert stream_picture(CODEC.open_area(data), target, extension) == (40, 24)
    with PillowImage.open(target) as found:
        upright = ImageOps.exif_transpose(found)
        assert upright.size == (40, 24)
    expected = CODEC.decode(data).upright().samples.astype(int)
    assert np.abs(np.asarray(upright).astype(int) - expected).mean() < 4


def test_frames_of_a_file():
    file, frames = io.BytesIO(), [picture(height=30, width=20 + n).to_pillow() for n in range(3)]
    frames[0].save(file, "TIFF", save_all=True, append_images=frames[1:])
    for number, frame in enumerate(frames):
        data, form = encode_file(file, CODEC, frame=number)
        assert form.size == (30, 20 + number)
        assert data == CODEC.encode(Image.from_pillow(frame))
    with pytest.warns(DroppedWarning, match="the first of 3 pages") as found:
        encode_file(file, CODEC)
    assert len(found) == 1


@pytest.mark.parametrize("extension", [".png", ".npy", ".webp"])
def test_other_formats_are_written_as_a_whole(extension):
    data, target = CODEC.encode(picture()), io.BytesIO()
    stream_picture(CODEC.open_area(data), target, extension)
    assert target.getvalue() == file_bytes(CODEC.decode(data), extension)


def test_a_tiff_file_keeps_its_metadata():
    data, target = CODEC.encode(with_metadata(picture())), io.BytesIO()
    stream_picture(CODEC.open_area(data), target, ".tif")
    found = read_image(target)
    assert found.metadata["icc"] == b"profile" * 20
    tags = PillowImage.Exif()
    tags.load(found.metadata["exif"])
    assert (tags[0x0112], tags[0x010F]) == (6, "a camera")


def test_a_large_or_deep_tiff_file_keeps_its_profile_and_orientation(monkeypatch):
    files = []
    for image in (picture(dtype=np.uint16), picture()):
        data, target = CODEC.encode(with_metadata(image)), io.BytesIO()
        with pytest.warns(
            DroppedWarning, match="EXIF block, but for the orientation, cannot be kept in this kind of tif"
        ):
            stream_picture(CODEC.open_area(data), target, ".tif")
        files.append(target)
        monkeypatch.setattr("laconic.codecs.streams._MAX_WHOLE_BYTES", 1000)
    for file in files:
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:
            tags = tiff.pages.first.tags
            assert (tags[274].value, bytes(tags[34675].value)) == (6, b"profile" * 20)


@pytest.mark.parametrize("extension", [".ppm", ".pam", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_color_is_written_and_read(channels, extension, tmp_path):
    image = picture(channels, np.uint16)
    write_image(image, tmp_path / f"x{extension}")
    assert np.array_equal(open_image(tmp_path / f"x{extension}").samples, image.samples)
