"""The bit depth of 16-bit pictures on the command line: one for the files of a folder, said, given, printed."""

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs import Image, decode
from laconic.codecs.files import file_bytes, read_image
from laconic.codecs.series_depth import SeriesDepth
from laconic.entropy.container import Source, read_header
from laconic.tasks.cli import app
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.pack_index import read_index


def laconic(*arguments, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


def slice_of(largest, size=(40, 30)):
    """A slope from 0 to `largest`."""
    return np.linspace(0, largest, size[0] * size[1]).round().astype(np.uint16).reshape(*size, 1)


def write(folder, **largest):
    """16-bit grey files without tags."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, most in largest.items():
        (folder / f"{name}.png").write_bytes(file_bytes(Image(slice_of(most), bit_depth=16), "png"))


def depths(folder):
    return {path.stem: read_header(Source(path.read_bytes())).bit_depth for path in sorted(folder.glob("*.lcn"))}


@pytest.mark.parametrize("options", [(), ("--max-bytes", 3000)], ids=["quality", "max bytes"])
def test_files_of_a_folder_share_the_bits_of_the_largest_sample(options, tmp_path):
    write(tmp_path, dark=700, middle=2000, light=4000)
    (tmp_path / "tagged.pgm").write_bytes(b"P5 2 2 16383\n" + bytes(8))
    (tmp_path / "spread.tif").write_bytes(file_bytes(Image(slice_of(900), bit_depth=16), "tif"))
    PillowImage.new("RGB", (20, 10), "red").save(tmp_path / "red.jpg")
    result = laconic("encode", tmp_path, *options)
    expected = {"dark": 12, "middle": 12, "light": 12, "spread": 12, "tagged": 14, "red": 8}
    assert depths(tmp_path) == expected
    said = "its 16-bit samples count as 12 bits, by the largest in its folder; --bit-depth (bit_depth=) says otherwise"
    assert result.stderr.count(said) == 2
    assert f"laconic: 3 more files: {said}\n" in result.stderr


def test_folders_and_single_files_have_their_own_bits(tmp_path):
    write(tmp_path / "a", one=700, two=1500)
    write(tmp_path / "b", one=700, two=800)
    laconic("encode", tmp_path, "--output", tmp_path / "out")
    assert depths(tmp_path / "out" / "a") == {"one": 11, "two": 11}
    assert depths(tmp_path / "out" / "b") == {"one": 10, "two": 10}
    result = laconic("encode", tmp_path / "a" / "one.png")
    assert depths(tmp_path / "a") == {"one": 10}
    assert "count as 10 bits, by the largest of them" in result.stderr


def test_bit_depth_is_given_and_printed(tmp_path):
    write(tmp_path, one=700, two=4000)
    result = laconic("encode", tmp_path, "--bit-depth", 14)
    assert depths(tmp_path) == {"one": 14, "two": 14}
    assert "bits" not in result.stderr
    assert json.loads(laconic("info", tmp_path / "one.lcn", "--json").stdout)["bit_depth"] == 14
    item = json.loads(laconic("decode", tmp_path / "one.lcn", "-o", tmp_path / "x.tif", "--json").stdout)
    assert (item["bit_depth"], read_image(tmp_path / "x.tif").bit_depth) == (14, 14)
    refused = laconic("encode", tmp_path / "two.png", "--bit-depth", 10, "--force", exit_code=1)
    assert "a sample is 4000, above the 1023 of 10 bits" in refused.stderr
    assert "9<=x<=16" in laconic("encode", tmp_path / "two.png", "--bit-depth", 8, exit_code=2).stderr


def test_a_file_that_cannot_be_read_does_not_hide_the_bits_of_the_others(tmp_path):
    write(tmp_path, one=700, two=4000)
    (tmp_path / "a.png").write_bytes((tmp_path / "two.png").read_bytes()[:60])
    (tmp_path / "b.tif").write_bytes(b"II*\x00")
    laconic("encode", tmp_path, exit_code=1)
    assert depths(tmp_path) == {"one": 12, "two": 12}


def test_a_series_is_looked_through_once_and_no_further_than_needed(tmp_path):
    write(tmp_path, a=700, b=40000, c=100)
    paths = sorted(tmp_path.glob("*.png"))
    series = SeriesDepth([partial(path.open, "rb") for path in paths])
    (tmp_path / "c.png").unlink()
    assert (series.found, series()) == (None, 16)
    for path in paths[:2]:
        path.unlink()
    assert series() == 16


def test_pictures_for_networks_are_8_bits_of_those_that_are_used(tmp_path):
    write(tmp_path, x=4095)
    framed = read_signal(tmp_path / "x.png", "image", Framing(bit_depth=12))
    expected = np.floor(slice_of(4095) / 4095 * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(framed.samples, np.repeat(expected, 3, axis=2))
    darker = read_signal(tmp_path / "x.png", "image", Framing(bit_depth=13))
    assert darker.samples.max() == 127


def test_a_pack_takes_the_bits_of_its_largest_sample_and_says_so(tmp_path):
    write(tmp_path / "in" / "a", dark=700)
    write(tmp_path / "in" / "b", light=4095)
    PillowImage.new("RGB", (40, 30), "red").save(tmp_path / "in" / "b" / "red.png")
    result = laconic("pack", tmp_path / "in", "-o", tmp_path / "out", "--quality", 90)
    said = "its 16-bit samples count as 12 bits, by the largest in its folder; --bit-depth (bit_depth=) says otherwise"
    assert said in result.stderr
    index = read_index(tmp_path / "out")
    assert index.options.bit_depth == 12
    assert [source for source, _ in index.notes] == ["a/dark.png", "b/light.png"]
    row = index.source.index("a/dark.png")
    data = (tmp_path / "out" / index.shards[0].name).read_bytes()
    dark = decode(data[index.offset[row] :][: index.length[row]])
    assert dark.samples.max() == pytest.approx(700 / 4095 * 255, abs=6)
    laconic("pack", tmp_path / "in", "-o", tmp_path / "out", "--quality", 90)
    laconic("pack", tmp_path / "in", "-o", tmp_path / "given", "--bit-depth", 14)
    assert read_index(tmp_path / "given").options.bit_depth == 14


def test_a_file_beside_one_of_all_bits_says_that_it_counts_as_16(tmp_path):
    write(tmp_path, dark=700, bright=60000)
    result = laconic("encode", tmp_path)
    assert depths(tmp_path) == {"dark": 16, "bright": 16}
    said = "its 16-bit samples count as 16 bits, by the largest in its folder"
    assert [line for line in result.stderr.splitlines() if said in line and "dark" in line]
    assert "bright" not in result.stderr
