"""`laconic encode` and `decode` of parts, by rows, with threads, and the memory that they take."""

import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

from laconic.codecs import Audio, Image, Lcn, decode
from laconic.codecs.files import file_bytes, read_image
from laconic.codecs.fitting.closed_form import FitOptions, fit
from laconic.codecs.models.packet_tree import dyadic_tree
from laconic.tasks.cli import app
from laconic.tasks.cli.batch import threads_within_batch

COMMAND = [sys.executable, "-m", "laconic.tasks.cli"]


def laconic(*arguments, stdin=None, exit_code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.stderr
    return result


def picture(height, width, channels=3, dtype=np.uint8):
    y, x, c = np.mgrid[0:height, 0:width, 0:channels]
    levels = 120 + 60 * np.sin(x / (4 + c)) + 50 * np.cos(y / 7) + np.random.default_rng(0).normal(0, 5, x.shape)
    return Image((np.clip(levels, 0, 255) * (1 if dtype == np.uint8 else 257)).astype(dtype))


@pytest.fixture(scope="module")
def data():
    return Lcn(tile_log2=3).encode(picture(500, 700))


@pytest.fixture
def encoded(data, tmp_path):
    path = tmp_path / "x.lcn"
    path.write_bytes(data)
    return path


def names_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("extension", ["png", "ppm", "pam", "tif", "npy"])
def test_region_and_scale(extension, encoded, data, tmp_path):
    target = tmp_path / f"y.{extension}"
    result = laconic("decode", encoded, "-o", target, "--region", "301,200,50,71", "--json")
    assert np.array_equal(read_image(target).samples, decode(data).samples[200:271, 301:351])
    item = json.loads(result.stdout)
    assert (item["width"], item["height"], item["region"], item["scale"]) == (50, 71, [301, 200, 50, 71], "1")
    assert item["bytes_read"] < len(data) / 3
    laconic("decode", encoded, "-o", target, "--scale", "1/4", "--force")
    assert np.array_equal(read_image(target).samples, decode(data, scale=4).samples)
    laconic("decode", encoded, "-o", target, "--scale", "1/2", "--region", "9,8,40,30", "--channels", "6", "--force")
    expected = decode(data, scale=2, region=(9, 8, 40, 30), channels=6).samples
    assert np.array_equal(read_image(target).samples, expected)


def test_parts_of_profile_best(tmp_path):
    data = Lcn(profile="best").encode(picture(130, 90))
    (tmp_path / "x.lcn").write_bytes(data)
    options = ("-o", tmp_path / "y.png", "--force")
    laconic("decode", tmp_path / "x.lcn", *options, "--region", "31,40,20,71")
    assert np.array_equal(read_image(tmp_path / "y.png").samples, decode(data).samples[40:111, 31:51])
    for scale in (8, 16, 32):
        laconic("decode", tmp_path / "x.lcn", *options, "--scale", f"1/{scale}", "--channels", "2")
        assert np.array_equal(read_image(tmp_path / "y.png").samples, decode(data, scale=scale, channels=2).samples)


def test_scales_that_the_model_does_not_have_are_refused(tmp_path):
    """A model of four levels in all."""
    model, file = str(tmp_path / "short.safetensors"), tmp_path / "x.lcn"
    options = FitOptions(tree=dyadic_tree(2, 2), low_levels=2)
    fit([picture(64, 64)], "short", options).save(model)
    file.write_bytes(Lcn(model=model).encode(picture(64, 64)))
    result = laconic("decode", file, "-o", tmp_path / "x.png", "--scale", "1/32", "--model", model, exit_code=1)
    assert "the scale is 1/32; the tree of model short ends before: allowed are 1, 2, 4, 8, 16" in result.stderr


def test_all_of_a_file_is_counted(encoded, data):
    item = json.loads(laconic("decode", encoded, "--json").stdout)
    assert (item["bytes_read"], item["region"], item["scale"]) == (len(data), None, "1")


@pytest.mark.parametrize(
    "options",
    [
        ["--region", "1,2,3"],
        ["--region", "1,2,3,4,5"],
        ["--region", "a,b,c,d"],
        ["--region=-1,0,5,5"],
        ["--region", "1.5,0,5,5"],
        ["--region", ""],
        ["--scale", "1/3"],
        ["--scale", "2"],
        ["--scale", "0.5"],
        ["--threads", "257"],
    ],
)
def test_bad_options_are_refused(options, encoded, tmp_path):
    laconic("decode", encoded, *options, exit_code=2)
    assert names_below(tmp_path) == ["x.lcn"]


@pytest.mark.parametrize("region", ["700,0,1,1", "0,0,701,1", "0,0,0,1", "0,499,1,2"])
def test_a_region_outside_fails(region, encoded, tmp_path):
    result = laconic("decode", encoded, "--region", region, exit_code=1)
    assert "allowed is one of at least 1x1 inside the picture of 700x500" in result.stderr
    assert names_below(tmp_path) == ["x.lcn"]


@pytest.mark.parametrize("options", [["--region", "0,0,9,9"], ["--scale", "1/2"]])
def test_sounds_have_no_parts(options, tmp_path):
    sound = Audio(np.zeros((1, 4000), np.float32), 16000)
    (tmp_path / "x.lcn").write_bytes(Lcn().encode(sound))
    result = laconic("decode", tmp_path / "x.lcn", *options, exit_code=1)
    assert f"it is no picture; leave out {options[0]}, for pictures only" in result.stderr
    laconic("decode", tmp_path / "x.lcn")
    assert names_below(tmp_path) == ["x.lcn", "x.wav"]


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_parts_of_a_damaged_file(extension, encoded, data, tmp_path):
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    encoded.write_bytes(damaged)
    assert "laconic:" in laconic("decode", encoded, "--format", extension, exit_code=1).stderr
    assert names_below(tmp_path) == ["x.lcn"]
    result = laconic("decode", encoded, "--format", extension, "--allow-partial", "--json")
    assert "decoded without segment" in result.stderr
    item = json.loads(result.stdout)
    assert len(item["damage"]) >= 1
    whole = read_image(item["output"]).samples
    for region in ("0,0,100,100", "400,300,200,90"):
        result = laconic(
            "decode", encoded, "--format", extension, "--allow-partial", "--force", "--json", "--region", region
        )
        x, y, w, h = map(int, region.split(","))
        part = json.loads(result.stdout)
        assert np.array_equal(read_image(part["output"]).samples, whole[y : y + h, x : x + w])
        assert set(part["damage"]) <= set(item["damage"])


def test_alpha_does_not_go_into_ppm(tmp_path):
    (tmp_path / "x.lcn").write_bytes(Lcn().encode(picture(30, 40, 4)))
    result = laconic("decode", tmp_path / "x.lcn", "--format", "ppm", exit_code=1)
    assert "holds no alpha" in result.stderr
    assert names_below(tmp_path) == ["x.lcn"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("extension", ["ppm", "tif", "pam"])
def test_rows_are_encoded_as_the_whole(extension, dtype, tmp_path):
    source = tmp_path / f"x.{extension}"
    source.write_bytes(file_bytes(picture(150, 1100, dtype=dtype), extension))
    item = json.loads(laconic("encode", source, "--json").stdout)
    assert (item["width"], item["height"], item["bytes"]) == (1100, 150, (tmp_path / "x.lcn").stat().st_size)
    assert (tmp_path / "x.lcn").read_bytes() == Lcn().encode(read_image(source))


def test_limit_of_pixels(tmp_path):
    for extension in ("ppm", "png"):
        (tmp_path / f"x.{extension}").write_bytes(file_bytes(picture(30, 40), extension))
        path = tmp_path / f"x.{extension}"
        result = laconic("encode", path, "--max-pixels", "1199", exit_code=1)
        assert "over the limit of 1199" in result.stderr
    laconic("encode", tmp_path / "x.ppm", "--max-pixels", "1200")


def test_an_encoded_file_is_not_encoded_again(encoded, tmp_path):
    result = laconic("encode", encoded, "-o", tmp_path / "y.lcn", exit_code=1)
    assert "is an .lcn file already" in result.stderr


def test_threads_change_nothing(tmp_path):
    (tmp_path / "x.ppm").write_bytes(file_bytes(picture(400, 1100), "ppm"))
    files, pixels = [], []
    for threads in (1, 2, 5):
        laconic("encode", tmp_path / "x.ppm", "-o", tmp_path / "x.lcn", "-j", threads, "--force")
        laconic("decode", tmp_path / "x.lcn", "-o", tmp_path / "y.tif", "-j", threads, "--force")
        files.append((tmp_path / "x.lcn").read_bytes())
        pixels.append(read_image(tmp_path / "y.tif"))
    assert files[0] == files[1] == files[2]
    assert pixels[0] == pixels[1] == pixels[2]


@pytest.mark.parametrize(
    ("threads", "num_jobs", "expected"), [(1, 1, 1), (8, 1, 8), (8, 3, 2), (8, 8, 1), (2, 100, 1), (5, 2, 2)]
)
def test_threads_that_files_leave_work_within(threads, num_jobs, expected):
    assert threads_within_batch(threads, num_jobs) == expected


def test_pipes_are_read(data, tmp_path):
    pipe = tmp_path / "pipe.lcn"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    laconic("decode", pipe, "-o", tmp_path / "y.png", "--region", "0,0,9,9")
    writer.join()
    assert np.array_equal(read_image(tmp_path / "y.png").samples, decode(data).samples[:9, :9])


def test_standard_streams_take_parts(data):
    command = [*COMMAND, "decode", "-", "--format", "tif", "--region", "600,400,100,100"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    assert np.array_equal(read_image(io.BytesIO(done.stdout)).samples, decode(data).samples[400:, 600:])


MEASURED = """
import resource, sys
from laconic.tasks.cli import app
small, large = sys.argv[1:]
def run(name):
    app(["encode", name, "--profile", "fast", "--quiet", "-j", "1"], standalone_mode=False)
    app(["decode", name[:-3] + "lcn", "--format", "tif", "--quiet", "-j", "1"], standalone_mode=False)
run(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(large)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_that_of_some_rows(tmp_path):
    small, large = tmp_path / "small.ppm", tmp_path / "large.ppm"
    for path, side in ((small, 200), (large, 6000)):
        row = (np.arange(side * 3) % 251).astype(np.uint8).tobytes()
        path.write_bytes(b"P6\n%d %d\n255\n" % (side, side) + row * side)
    done = subprocess.run([sys.executable, "-c", MEASURED, small, large], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < 6000 * 6000 * 3 * 2  # the int16 latent alone has as much
