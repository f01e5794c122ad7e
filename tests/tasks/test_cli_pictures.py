"""Pictures as the command line reads and writes them: orientation, depth, frames, what is said of what is dropped."""

import io
import json

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageOps
from typer.testing import CliRunner

from laconic.codecs import DroppedWarning, Image, encode
from laconic.codecs.files import file_bytes, read_image
from laconic.tasks.cli import app
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.pack_index import read_index

ORIENTATION = 274


def laconic(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def bar_on_top(size=(48, 32)):
    """Red above, dark below, wider than high."""
    picture = PillowImage.new("RGB", size, (10, 20, 30))
    picture.paste((250, 10, 10), (0, 0, size[0], size[1] // 4))
    return picture


def turned_file(path, orientation=6, **options):
    """A file that shows `bar_on_top` when it is turned as its tag says."""
    inverse = bar_on_top()
    inverse.getexif()[ORIENTATION] = {6: 8, 8: 6}.get(orientation, orientation)
    stored = ImageOps.exif_transpose(inverse)
    if path.suffix == ".tif":
        stored.quantize(8).save(path, tiffinfo={ORIENTATION: orientation}, **options)
    else:
        exif = PillowImage.Exif()
        exif[ORIENTATION] = orientation
        stored.save(path, exif=exif, quality=95)
    return path


def shown(path):
    with PillowImage.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB")).astype(int)


@pytest.mark.parametrize("source", ["x.jpg", "x.tif"])
@pytest.mark.parametrize("extension", ["png", "tif", "jpg", "webp", "avif", "bmp", "ppm", "tga", "jp2", "pam", "npy"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_pictures_come_back_as_they_are_shown(source, extension, orientation, tmp_path):
    turned_file(tmp_path / source, orientation, **({"compression": "tiff_lzw"} if source == "x.tif" else {}))
    laconic("encode", tmp_path / source, "--quality", 90)
    result = laconic("decode", tmp_path / "x.lcn", "--format", extension, "--force", "--json")
    output = tmp_path / f"x.{extension}"
    found = read_image(output).samples.astype(int) if extension in ("pam", "npy") else shown(output)
    assert np.abs(found - np.asarray(bar_on_top())).mean() < 8
    if extension in ("bmp", "ppm", "tga", "jp2", "pam", "npy"):
        item = json.loads(result.stdout)
        assert (item["width"], item["height"]) == (48, 32)


def test_a_region_is_of_the_stored_pixels_as_info_prints_them(tmp_path):
    turned_file(tmp_path / "x.jpg", 6)
    laconic("encode", tmp_path / "x.jpg", "--quality", 90)
    size = json.loads(laconic("info", tmp_path / "x.lcn", "--json").stdout)
    assert (size["width"], size["height"]) == (32, 48)
    for extension in ("png", "bmp"):
        laconic("decode", tmp_path / "x.lcn", "--format", extension, "--region", "0,0,8,48", "--force")
        assert shown(tmp_path / f"x.{extension}").shape == (8, 48, 3)  # the left of the stored pixels is the top
        assert np.abs(shown(tmp_path / f"x.{extension}") - [250, 10, 10]).mean() < 20


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_default_decode_of_16_bits_just_works(channels, tmp_path):
    y, x, c = np.mgrid[0:40, 0:60, 0:channels]
    deep = Image((30000 + 20000 * np.sin(x / 9 + c) + 5000 * np.cos(y / 5)).astype(np.uint16))
    (tmp_path / "x.tif").write_bytes(file_bytes(deep, "tif"))
    laconic("encode", tmp_path / "x.tif", "--quality", 95)
    item = json.loads(laconic("decode", tmp_path / "x.lcn", "--json").stdout)
    assert (item["output"], item["bit_depth"]) == (str(tmp_path / "x.png"), 16)
    assert np.abs(read_image(tmp_path / "x.png").samples.astype(int) - deep.samples).mean() < 600


def test_what_is_dropped_is_said_once_for_a_batch(tmp_path):
    pages = [PillowImage.new("RGB", (20, 10), color) for color in ("red", "lime", "blue")]
    for name, count in (("a", 2), ("b", 1), ("c", 2)):
        pages[0].save(tmp_path / f"{name}.tif", save_all=True, append_images=pages[1 : 1 + count])
    result = laconic("encode", tmp_path)
    first = "the first of 3 pages was taken; --frame (frame=) 1 to 2 takes another"
    assert f"laconic: {tmp_path}/a.tif: {first}\n" in result.stderr
    assert (
        f"laconic: {tmp_path}/b.tif: the first of 2 pages was taken; --frame (frame=) 1 takes the other"
        in result.stderr
    )
    assert f"laconic: 1 more file: {first}\n" in result.stderr
    assert laconic("encode", tmp_path, "--force", "--quiet").stderr == ""
    item = json.loads(laconic("encode", tmp_path / "b.tif", "--force", "--json").stdout)
    assert item["notes"] == ["the first of 2 pages was taken; --frame (frame=) 1 takes the other"]


def test_another_frame(tmp_path):
    pages = [PillowImage.new("RGB", (20, 10), color) for color in ("red", "lime", "blue")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    result = laconic("encode", tmp_path / "a.tif", "--frame", 2)
    assert result.stderr == ""
    assert (tmp_path / "a.lcn").read_bytes() == encode(pages[2])
    laconic("encode", tmp_path / "a.tif", "--frame", 1, "--max-bytes", 900, "--force")
    assert (
        "frame is 3, the file has 3"
        in laconic("encode", tmp_path / "a.tif", "--frame", 3, "--force", exit_code=1).stderr
    )


def test_max_pixels_governs(tmp_path, monkeypatch):
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 100)
    PillowImage.new("L", (60, 50)).save(tmp_path / "x.png")
    laconic("encode", tmp_path / "x.png", "--max-pixels", 3000)
    result = laconic("encode", tmp_path / "x.png", "--max-pixels", 2999, "--force", exit_code=1)
    assert "50 x 60 pixels, over the limit of 2999" in result.stderr


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {}])
def test_training_pictures_are_upright(options, tmp_path):
    for orientation in (1, 3, 6, 8):
        path = turned_file(tmp_path / f"x{orientation}.tif", orientation, **options)
        assert np.abs(read_signal(path, "image", Framing()).samples - np.asarray(bar_on_top()).astype(int)).mean() < 2


def test_pack_tells_what_was_dropped(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        page = PillowImage.new("RGB", (40, 40), "red")
        page.save(tmp_path / "in" / name / "0.tif", save_all=True, append_images=[page])
    PillowImage.new("CMYK", (40, 40), (0, 255, 255, 0)).save(tmp_path / "in/a/1.jpg")
    result = laconic("pack", tmp_path / "in", "-o", tmp_path / "out", "--json")
    item = json.loads(result.stdout)
    assert (item["samples"], item["skipped"], item["notes"]) == (3, 0, 3)
    assert "laconic: a/0.tif: the first of 2 pages was taken" in result.stderr
    assert "laconic: 1 more file: the first of 2 pages was taken" in result.stderr
    assert "laconic: a/1.jpg: CMYK was converted to RGB without a colour profile" in result.stderr
    assert [source for source, _ in read_index(tmp_path / "out").notes] == ["a/0.tif", "a/1.jpg", "b/0.tif"]


def test_cmyk_jpeg_is_encoded_and_said(tmp_path):
    PillowImage.new("CMYK", (40, 30), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=95)
    result = laconic("encode", tmp_path / "x.jpg")
    assert f"laconic: {tmp_path}/x.jpg: CMYK was converted to RGB" in result.stderr
    laconic("decode", tmp_path / "x.lcn")
    assert np.abs(shown(tmp_path / "x.png") - [255, 0, 0]).max() < 12


def test_a_warning_is_given_where_nobody_collects():
    file = io.BytesIO()
    PillowImage.new("L", (9, 9)).save(file, "GIF", save_all=True, append_images=[PillowImage.new("L", (9, 9), 255)])
    with pytest.warns(DroppedWarning, match="the first of 2 frames was taken; --frame .* 1 takes the other"):
        read_image(file)


@pytest.mark.parametrize("choice", [(), ("--bpp", 2)])
@pytest.mark.parametrize("extension", ["png", "ppm", "tif"])
def test_drawn_pictures_are_told_in_one_line(extension, choice, tmp_path):
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(128, 20, (64, 64, 3)), 0, 255).astype(np.uint8)
    for name in "ab":
        bar_on_top().resize((192, 128), PillowImage.Resampling.NEAREST).rotate(90, expand=True).save(
            tmp_path / f"{name}.{extension}"
        )
    PillowImage.fromarray(noise).save(tmp_path / f"c.{extension}")
    sentence = "drawn, not photographed: a lossless format (png, webp) or avif would be smaller at the same quality"
    alone = laconic("encode", tmp_path / f"a.{extension}", "-o", tmp_path / "a.lcn", *choice)
    assert alone.stderr == f"laconic: {tmp_path}/a.{extension}: {sentence}\n"
    both = laconic("encode", tmp_path, "-o", tmp_path / "out", "--json", *choice)
    lines = both.stderr.splitlines()
    assert lines[0] == f"laconic: 2 files, such as {tmp_path}/a.{extension}: {sentence}"
    assert [json.loads(line).get("notes") for line in both.stdout.splitlines()] == [[sentence], [sentence], None]
    assert laconic("encode", tmp_path, "-o", tmp_path / "quiet", "--quiet", *choice).stderr == ""
