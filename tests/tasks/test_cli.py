"""The `laconic` command: every verb on good input, bad input and bad options; batches; pipes; kills.

In process where that shows the same, as a process of its own where streams, signals or limits matter.
"""

import functools
import io
import json
import os
import pkgutil
import resource
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from safetensors.numpy import save_file
from typer.testing import CliRunner

from laconic.codecs import Image, Model, decode, encode
from laconic.codecs import open as open_image
from laconic.codecs import save as save_image
from laconic.codecs.files import file_bytes
from laconic.tasks.cli import app

PICTURE = Path(__file__).parents[1] / "data" / "kodim05_crop.png"
COMMAND = [sys.executable, "-m", "laconic.tasks.cli"]


def laconic(*arguments, stdin=None, exit_code=0):
    """Run a command in this process; checks its exit code and that standard error holds sentences, no traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == exit_code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.stderr
    return result


def process(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, **options)


@pytest.fixture(scope="module")
def data():
    return encode(open_image(PICTURE))


@pytest.fixture
def encoded(data, tmp_path):
    path = tmp_path / "x.lcn"
    path.write_bytes(data)
    return path


@pytest.fixture
def folder(tmp_path):
    """Pictures in a tree, with a hidden file, a hidden folder and a file of another kind."""
    root = tmp_path / "pictures"
    picture = open_image(PICTURE).samples
    for number, name in enumerate(("b.png", "a.tif", "sub/b.png", "sub/deep/c.npy", "g.PNG")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cut = np.ascontiguousarray(picture[: 40 + number, :, : 1 if name == "g.PNG" else 3])
        save_image(open_image(io.BytesIO(npy(cut))), root / name)
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_bytes(b"")
    (root / ".cache").mkdir()
    (root / ".cache" / "d.png").write_bytes(b"")
    return root


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def names_below(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# --- the command as a whole


def test_help_names_verbs_and_exit_codes():
    text = laconic("--help").stdout
    for word in ("encode", "decode", "info", "verify", "fit", "models", "Exit codes: 0 all done, 1 some input failed"):
        assert word in text


@pytest.mark.parametrize("verb", ["encode", "decode", "info", "verify", "fit", "models"])
def test_help_of_a_verb_names_exit_codes(verb):
    assert "Exit codes:" in laconic(verb, "--help").stdout


def test_version_is_printed():
    assert laconic("--version").stdout.startswith("laconic ")


@pytest.mark.parametrize(
    "arguments", [["encoed"], ["--bad"], ["encode"], ["encode", "--bad", "x"], ["info"], ["verify", "-j", "0", "x"]]
)
def test_wrong_usage_exits_with_2(arguments):
    assert laconic(*arguments, exit_code=2).stderr.startswith("Usage: ")


def test_the_module_runs_as_the_command():
    done = process("--version", text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("laconic ")


# --- encode


def test_encode_writes_beside_the_input(data, tmp_path):
    shutil.copy(PICTURE, tmp_path / "k.png")
    result = laconic("encode", tmp_path / "k.png")
    assert (tmp_path / "k.lcn").read_bytes() == data
    assert f"{len(data)} bytes" in result.stdout
    assert not result.stderr


@pytest.mark.parametrize("quality", [1, 35, 100])
def test_encode_quality(quality, tmp_path):
    laconic("encode", PICTURE, "-q", quality, "-o", tmp_path / "x.lcn", "--quiet")
    assert (tmp_path / "x.lcn").read_bytes() == encode(open_image(PICTURE), quality=quality)


def test_encode_targets_are_honoured(tmp_path):
    num_pixels = 192 * 128
    laconic("encode", PICTURE, "--bpp", "0.6", "-o", tmp_path / "r.lcn")
    laconic("encode", PICTURE, "--max-bytes", "3000", "-o", tmp_path / "b.lcn")
    assert 0.5 < 8 * (tmp_path / "r.lcn").stat().st_size / num_pixels <= 0.6
    assert 2700 < (tmp_path / "b.lcn").stat().st_size <= 3000


def test_encode_that_cannot_fit_fails(tmp_path):
    result = laconic("encode", PICTURE, "--max-bytes", "10", "-o", tmp_path / "x.lcn", exit_code=1)
    assert "the smallest possible file has" in result.stderr
    assert not names_below(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        ["-q", "0"],
        ["-q", "101"],
        ["-q", "50", "--bpp", "1"],
        ["--bpp", "1", "--max-bytes", "9"],
        ["--bpp", "0"],
        ["--bpp", "nan"],
        ["--max-bytes", "0"],
        ["--model", "none"],
        ["-o", "x.png"],
        ["-o", "-", "--json"],
    ],
)
def test_encode_bad_options_are_refused(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    laconic("encode", PICTURE, *options, exit_code=2)
    assert not names_below(tmp_path)


def test_encode_keeps_what_exists(encoded):
    shutil.copy(PICTURE, encoded.with_suffix(".png"))
    encoded.write_bytes(b"mine")
    result = laconic("encode", encoded.with_suffix(".png"), exit_code=1)
    assert "exists; pass --force to overwrite it" in result.stderr
    assert encoded.read_bytes() == b"mine"
    laconic("encode", encoded.with_suffix(".png"), "--force")
    assert encoded.read_bytes() != b"mine"


def test_encode_of_an_encoded_file_is_refused(encoded, tmp_path):
    result = laconic("encode", encoded, "-o", tmp_path / "out", exit_code=1)
    assert "is an .lcn file already" in result.stderr


def test_encode_prints_json(tmp_path):
    result = laconic("encode", PICTURE, tmp_path / "none.png", "-o", tmp_path / "out", "--json", exit_code=1)
    good, bad = map(json.loads, result.stdout.splitlines())
    size = (tmp_path / "out" / "kodim05_crop.lcn").stat().st_size
    assert (good["file"], good["bytes"], good["width"], good["height"]) == (str(PICTURE), size, 192, 128)
    assert good["bits_per_pixel"] == pytest.approx(8 * size / (192 * 128), abs=1e-4)
    assert bad == {"file": str(tmp_path / "none.png"), "error": "No such file or directory"}


def test_quiet_prints_nothing(tmp_path):
    result = laconic("encode", PICTURE, "-o", tmp_path, "--quiet")
    assert result.output == ""


# --- folders and batches


def test_folder_structure_is_kept(folder, tmp_path):
    out = tmp_path / "new" / "out"
    result = laconic("encode", folder, "-o", out)
    assert names_below(out) == ["a.lcn", "b.lcn", "g.lcn", "sub/b.lcn", "sub/deep/c.lcn"]
    assert f"5 of 5 files done, 1 of other kinds skipped ({folder / 'notes.txt'})" in result.stderr
    laconic("decode", out, "-o", tmp_path / "back", "--format", "tif")
    assert names_below(tmp_path / "back") == ["a.tif", "b.tif", "g.tif", "sub/b.tif", "sub/deep/c.tif"]
    with PillowImage.open(tmp_path / "back" / "g.tif") as grey:
        assert (grey.mode, grey.size) == ("L", (192, 44))


def test_folder_without_output_is_encoded_in_place(folder):
    laconic("encode", folder / "sub")
    assert names_below(folder / "sub") == ["b.lcn", "b.png", "deep/c.lcn", "deep/c.npy"]


def test_order_and_bytes_do_not_depend_on_threads(folder, tmp_path):
    outputs = []
    for threads in (1, 2, 7):
        out = tmp_path / f"out{threads}"
        lines = laconic("encode", folder, "-o", out, "-j", threads, "--json").stdout.replace(str(out), "OUT")
        outputs.append((lines, [(out / name).read_bytes() for name in names_below(out)]))
    assert outputs[0] == outputs[1] == outputs[2]


def test_one_bad_file_does_not_stop_the_others(folder, tmp_path):
    (folder / "empty.png").write_bytes(b"")
    (folder / "c.png").write_bytes(b"no picture at all")
    (folder / "cut.png").write_bytes(PICTURE.read_bytes()[:3000])
    result = laconic("encode", folder, tmp_path / "none.png", "-o", tmp_path / "out", exit_code=1)
    assert len(names_below(tmp_path / "out")) == 5
    sentences = result.stderr.splitlines()
    assert sentences[0].startswith(f"laconic: {folder / 'c.png'}: the file starts with b'no pictu'")
    assert sentences[1].startswith(f"laconic: {folder / 'cut.png'}: the PNG file is damaged: ")
    assert sentences[2].startswith(f"laconic: {folder / 'empty.png'}: the file is empty")
    assert sentences[3] == f"laconic: {tmp_path / 'none.png'}: No such file or directory"
    assert sentences[4].startswith("laconic: 5 of 9 files done")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("verb", ["encode", "decode", "verify", "info"])
def test_no_exception_of_one_file_ends_a_batch(verb, threads, data, tmp_path, monkeypatch):
    places = {
        "encode": "laconic.codecs.streams.encode_file",
        "decode": "laconic.codecs.lcn.Lcn.open_area",
        "verify": "laconic.codecs.lcn.Lcn.unpack",
        "info": "laconic.entropy.container.read_header",
    }
    small = Image(np.zeros((9, 9, 3), np.uint8))
    good, bad = (PICTURE.read_bytes(), file_bytes(small, ".png")) if verb == "encode" else (data, encode(small))
    suffix = ".png" if verb == "encode" else ".lcn"
    (tmp_path / "in").mkdir()
    for stem in "abcd":
        (tmp_path / "in" / f"{stem}{suffix}").write_bytes(bad if stem == "b" else good)
    monkeypatch.setattr(places[verb], failing_for(len(bad), places[verb]))
    options = {"verify": ["-j", threads], "info": []}.get(verb, ["-j", threads, "-o", tmp_path / "out"])
    result = laconic(verb, tmp_path / "in", *options, exit_code=1)
    sentence = "RuntimeError: array is too big (laconic did not expect this; please report it with the file)"
    assert result.stderr.splitlines()[-2:] == [
        f"laconic: {tmp_path / 'in' / 'b'}{suffix}: {sentence}",
        "laconic: 3 of 4 files done",
    ]
    for stem in "acd":
        assert f"{tmp_path / 'in' / stem}{suffix}" in result.stdout
    if "-o" in options:
        assert [Path(name).stem for name in names_below(tmp_path / "out")] == ["a", "c", "d"]


def failing_for(size, place):
    """The function at this place, but that it raises what no caller expects for a file of this size."""
    module, _, name = place.rpartition(".")
    function = getattr(pkgutil.resolve_name(module), name)

    def replaced(*arguments, **options):
        for value in arguments:
            value = getattr(value, "_file", value)  # of a `Source`
            length = len(value) if isinstance(value, bytes) else 0
            if hasattr(value, "seek"):
                length = value.seek(0, io.SEEK_END)
                value.seek(0)
            if length == size:
                raise RuntimeError("array is\ntoo big")
        return function(*arguments, **options)

    return replaced


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads and writes everything")
def test_unreadable_input_and_read_only_folder(tmp_path, encoded):
    encoded.chmod(0)
    assert "Permission denied" in laconic("decode", encoded, exit_code=1).stderr
    encoded.chmod(stat.S_IRUSR)
    locked = tmp_path / "locked"
    locked.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    result = laconic("decode", encoded, "-o", locked / "x.png", exit_code=1)
    assert f"{locked / 'x.png'} cannot be written: Permission denied" in result.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_inputs_that_would_become_one_file_are_refused_and_no_others(threads, tmp_path):
    for name in ("k.png", "k.jpg", "l.png"):
        PillowImage.new("RGB", (9, 9)).save(tmp_path / name)
    result = laconic("encode", tmp_path, "-j", threads, exit_code=1)
    pair = f"{tmp_path / 'k.jpg'} and {tmp_path / 'k.png'} would become one file, {tmp_path / 'k.lcn'}"
    sentences = result.stderr.splitlines()
    for name, sentence in zip(("k.jpg", "k.png"), sentences[:2], strict=True):
        assert sentence.startswith(f"laconic: {tmp_path / name}: {pair}; ")
    assert sentences[2] == "laconic: 1 of 3 files done"
    assert names_below(tmp_path) == ["k.jpg", "k.png", "l.lcn", "l.png"]
    laconic("encode", PICTURE, PICTURE, "-o", tmp_path / "out", exit_code=1)
    assert not (tmp_path / "out").exists()


def test_output_that_is_an_input_is_refused(encoded):
    shutil.copy(encoded, encoded.with_suffix(".png"))
    before = encoded.with_suffix(".png").read_bytes()
    result = laconic("decode", encoded.with_suffix(".png"), "--force", exit_code=1)
    assert f"{encoded.with_suffix('.png')} is an input" in result.stderr
    assert encoded.with_suffix(".png").read_bytes() == before


@pytest.mark.parametrize("output", ["x.lcn", "-"])
def test_several_inputs_need_a_folder(output, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        shutil.copy(PICTURE, name)
    laconic("encode", "a.png", "b.png", "-o", output, exit_code=2)
    laconic("encode", ".", "-o", output, exit_code=2)
    assert names_below(tmp_path) == ["a.png", "b.png"]


def test_folder_without_pictures_is_wrong_usage(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    assert "there is no file to work on" in laconic("encode", tmp_path, exit_code=2).stderr


def test_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("a file")
    laconic("encode", PICTURE, "-o", tmp_path / "out", exit_code=2)
    result = laconic("encode", PICTURE, "-o", tmp_path / "out" / "x.lcn", exit_code=1)
    assert "cannot be written: " in result.stderr
    assert (tmp_path / "out").read_text() == "a file"


def test_names_that_are_not_text(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"k\xff.png")
    shutil.copy(PICTURE, path)
    done = process("encode", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 0
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"k\xff.lcn"]


# --- decode


@pytest.mark.parametrize("extension", ["png", "tif", "npy", "webp", "bmp"])
def test_decode_to_lossless_formats(extension, encoded, data, tmp_path):
    target = tmp_path / f"y.{extension}"
    laconic("decode", encoded, "-o", target)
    assert np.array_equal(open_image(target).samples, decode(data).samples)


def test_decode_default_and_format(encoded, tmp_path):
    laconic("decode", encoded)
    laconic("decode", encoded, "--format", "npy")
    laconic("decode", encoded, "--format", ".WEBP", "-o", tmp_path / "out")
    assert names_below(tmp_path) == ["out/x.webp", "x.lcn", "x.npy", "x.png"]


def test_decode_keeps_what_exists(encoded):
    encoded.with_suffix(".png").write_bytes(b"mine")
    assert "exists; pass --force" in laconic("decode", encoded, exit_code=1).stderr
    assert encoded.with_suffix(".png").read_bytes() == b"mine"
    laconic("decode", encoded, "-f")


def test_decode_of_few_channels(encoded, data, tmp_path):
    laconic("decode", encoded, "--channels", "3", "-o", tmp_path / "y.png")
    assert np.array_equal(open_image(tmp_path / "y.png").samples, decode(data, channels=3).samples)
    result = laconic("decode", encoded, "--channels", "9999", "-o", tmp_path / "z.png", exit_code=1)
    assert "allowed is 1 to" in result.stderr


def test_decode_limit(encoded):
    assert "over the limit of 100" in laconic("decode", encoded, "--max-pixels", "100", exit_code=1).stderr


def test_decode_in_part(encoded, data, tmp_path):
    encoded.write_bytes(data[:-100])
    assert "laconic:" in laconic("decode", encoded, exit_code=1).stderr
    assert names_below(tmp_path) == ["x.lcn"]
    result = laconic("decode", encoded, "--allow-partial", "--json")
    assert "decoded without segment" in result.stderr
    assert json.loads(result.stdout)["damage"]
    assert (tmp_path / "x.png").exists()


@pytest.mark.parametrize("bad", [b"", b"no .lcn file", b"\x8bLCN\x63"])
def test_decode_of_bad_bytes_fails(bad, encoded, tmp_path):
    encoded.write_bytes(bad)
    assert laconic("decode", encoded, exit_code=1).stderr.startswith(f"laconic: {encoded}: ")
    assert names_below(tmp_path) == ["x.lcn"]


def test_decode_by_a_synthesis_that_is_not_there(tmp_path):
    grey = tmp_path / "grey.lcn"
    grey.write_bytes(encode(Image(open_image(PICTURE).samples[:40, :50, :1].copy())))
    result = laconic("decode", grey, "--synthesis", "neural", exit_code=1)
    assert "model grey has no neural synthesis; allowed are linear, auto and the file of one" in result.stderr
    assert names_below(tmp_path) == ["grey.lcn"]
    for synthesis in ("linear", "auto"):
        laconic("decode", grey, "--synthesis", synthesis, "-o", tmp_path / f"{synthesis}.npy")
    assert (tmp_path / "linear.npy").read_bytes() == (tmp_path / "auto.npy").read_bytes()
    for synthesis in ("nearest", tmp_path / "none.safetensors"):
        assert "--synthesis" in laconic("decode", grey, "--synthesis", synthesis, exit_code=2).stderr


def test_sounds_have_no_neural_synthesis(tmp_path):
    laconic("encode", PICTURE.parent / "ljspeech_excerpt.flac", "-o", tmp_path / "x.lcn")
    result = laconic("decode", tmp_path / "x.lcn", "--synthesis", "neural", exit_code=1)
    assert "it is no picture; leave out --synthesis, for pictures only" in result.stderr
    laconic("decode", tmp_path / "x.lcn", "--synthesis", "auto")


@pytest.mark.parametrize("options", [["--format", "xyz"], ["--format", "lcn"], ["-o", "y.xyz"], ["--channels", "0"]])
def test_decode_bad_options_are_refused(options, encoded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    laconic("decode", encoded, *options, exit_code=2)
    assert names_below(tmp_path) == ["x.lcn"]


def test_decode_of_16_bit_and_alpha(tmp_path):
    deep = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50) * 30
    alpha = np.dstack([open_image(PICTURE).samples[:40, :50], np.full((40, 50), 7, np.uint8)])
    for name, array in (("deep", deep), ("alpha", alpha)):
        np.save(tmp_path / f"{name}.npy", array)
    laconic("encode", tmp_path)
    laconic("decode", tmp_path)
    with PillowImage.open(tmp_path / "deep.png") as grey, PillowImage.open(tmp_path / "alpha.png") as rgba:
        assert (grey.mode, rgba.mode) == ("I;16", "RGBA")
        assert np.array_equal(np.asarray(rgba)[:, :, 3], alpha[:, :, 3])


# --- info, verify, models


def test_info_prints_the_header(encoded, data):
    text = laconic("info", encoded).stdout
    for words in ("width           192", "height          128", "model           rgb", f"bytes           {len(data)}"):
        assert words in text


def test_info_prints_json(encoded, data, tmp_path):
    encoded.with_name("y.lcn").write_bytes(data[:60])  # a header is enough
    fields = [json.loads(line) for line in laconic("info", tmp_path, "--json").stdout.splitlines()]
    assert [item["bytes"] for item in fields] == [len(data), 60]
    for item in fields:
        assert (item["width"], item["height"], item["bit_depth"], item["alpha"]) == (192, 128, 8, False)
        assert (item["model"], item["planes"], item["tiles"]) == ("rgb", 3, 1)
        assert item["step_code"] == 154 - 3
        assert (item["profile"], item["tune"]) == ("small", "balanced")


def test_profile_and_effort_are_those_asked_for(tmp_path):
    sizes = {}
    for options in ((), ("--profile", "fast"), ("--effort", "0"), ("--profile", "fast", "--effort", "2")):
        target = tmp_path / f"x{'-'.join(options)}.lcn"
        laconic("encode", PICTURE, "-o", target, *options)
        item = json.loads(laconic("info", target, "--json").stdout)
        assert item["profile"] == ("fast" if "fast" in options else "small")
        sizes[options] = target.stat().st_size
        laconic("decode", target, "-o", target.with_suffix(".png"))
    assert min(sizes, key=sizes.__getitem__) == ()
    laconic("encode", PICTURE, "-o", tmp_path / "best.lcn", "--profile", "best", "--bpp", "0.5")
    item = json.loads(laconic("info", tmp_path / "best.lcn", "--json").stdout)
    assert (item["profile"], item["model"]) == ("best", "rgb_best") and item["bits_per_pixel"] <= 0.5
    assert None not in item.values()
    laconic("verify", tmp_path / "best.lcn")
    assert "'--profile'" in laconic("encode", PICTURE, "--profile", "tiny", exit_code=2).stderr
    arguments = ("encode", PICTURE, "-o", tmp_path / "no.lcn", "--profile", "best", "--model", "rgb")
    said = "profile is best; allowed with model rgb, which has no networks, is fast and small\n"
    assert said in laconic(*arguments, exit_code=1).stderr
    laconic("encode", PICTURE, "-o", tmp_path / "fast.lcn", "--profile", "fast", "--model", "rgb_best")
    item = json.loads(laconic("info", tmp_path / "fast.lcn", "--json").stdout)
    assert (item["profile"], item["model"]) == ("fast", "rgb_best")
    assert "'--effort'" in laconic("encode", PICTURE, "--effort", "4", exit_code=2).stderr


def test_effort_3_is_for_the_decoder_that_is_named(tmp_path):
    pytest.importorskip("torch")
    for synthesis in ("linear", "neural"):
        laconic("encode", PICTURE, "-o", tmp_path / f"{synthesis}.lcn", "--effort", "3", "--synthesis", synthesis)
        laconic("verify", tmp_path / f"{synthesis}.lcn")
    laconic("encode", PICTURE, "-o", tmp_path / "plain.lcn")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 3
    for options, sentence in (
        (("--profile", "fast"), "effort 3 is for profiles small and best, this is fast"),
        (("--synthesis", "nearest"), "synthesis is 'nearest'; allowed are linear, neural, auto"),
    ):
        result = laconic("encode", PICTURE, "-o", tmp_path / "no.lcn", "--effort", "3", *options, exit_code=1)
        assert sentence in result.stderr


def test_info_of_sections_and_tiles(tmp_path):
    samples = np.zeros((2100, 1030, 3), np.uint8)
    metadata_picture = PillowImage.fromarray(samples)
    metadata_picture.save(tmp_path / "x.png", icc_profile=b"profile")
    laconic("encode", tmp_path / "x.png")
    item = json.loads(laconic("info", tmp_path / "x.lcn", "--json").stdout)
    assert item["tiles"] == 5 * 3
    assert item["sections"] == ["icc", "index"]


def test_info_of_a_model_that_is_not_at_hand(encoded, data):
    from laconic.entropy.container import CodecNumber, Header, write_header

    encoded.write_bytes(write_header(Header(CodecNumber.IMAGE, b"none", 1, (5, 6))))
    assert "unknown (its model is not at hand; --model)" in laconic("info", encoded).stdout
    assert json.loads(laconic("info", encoded, "--json").stdout)["model"] is None


@pytest.mark.parametrize("verb", ["info", "verify"])
def test_looking_at_bad_files_fails(verb, encoded, tmp_path):
    bad = tmp_path / "bad.lcn"
    bad.write_bytes(b"")
    result = laconic(verb, bad, tmp_path / "none.lcn", encoded, "--json", exit_code=1)
    items = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in item for item in items] == [True, True, False]
    assert "1 of 3 files done" in result.stderr


def test_verify_says_ok(encoded):
    assert laconic("verify", encoded).stdout == f"{encoded}: ok\n"
    assert json.loads(laconic("verify", encoded, "--json").stdout) == {"file": str(encoded), "ok": True, "damage": []}


def test_verify_names_the_damaged_segment(encoded, data):
    damaged = bytearray(data)
    damaged[-20] ^= 1
    encoded.write_bytes(damaged)
    result = laconic("verify", encoded, exit_code=1)
    assert result.stdout == ""
    assert result.stderr.startswith(f"laconic: {encoded}: segment ")
    item = json.loads(laconic("verify", encoded, "--json", exit_code=1).stdout)
    assert (item["ok"], len(item["damage"])) == (False, 1)


def test_models_lists_the_shipped_ones():
    text = laconic("models").stdout
    assert text.startswith("name")
    rows = {row["name"]: row for row in map(json.loads, laconic("models", "--json").stdout.splitlines())}
    assert rows["rgb"]["planes"] == 3
    assert rows["grey"]["planes"] == 1
    assert rows["rgb"]["fingerprint"] in text


# --- fit


def test_fit_makes_a_model_that_encodes_and_decodes(folder, tmp_path):
    (folder / "bad.png").write_bytes(b"bad")
    name = tmp_path / "out" / "mine.safetensors"
    result = laconic("fit", folder, "-o", name, exit_code=1)
    assert f"laconic: {folder / 'bad.png'}: left out: " in result.stderr
    model = Model.load(name)
    assert (model.name, model.num_planes, model.card["signals"]) == ("mine", 3, "4")  # Pillow reads no .npy
    assert model.card["data"] == str(folder)
    laconic("encode", PICTURE, "--model", name, "-o", tmp_path / "x.lcn")
    assert "not at hand" in laconic("decode", tmp_path / "x.lcn", exit_code=1).stderr
    laconic("decode", tmp_path / "x.lcn", "--model", name)
    laconic("verify", tmp_path / "x.lcn", "--model", name)
    item = json.loads(laconic("info", tmp_path / "x.lcn", "--model", name, "--json").stdout)
    assert (item["model"], item["fingerprint"]) == ("mine", model.fingerprint.hex())


def test_fit_options_reach_the_model(tmp_path):
    name = tmp_path / "m.safetensors"
    structure = ["--tree", "full", "--blocks", "dense", "--passes", "4,64", "--groups", "1,8,64"]
    laconic("fit", PICTURE.parent, "-o", name, "--grey", "--name", "own", "--limit", "1", "--seed", "3", *structure)
    model = Model.load(name)
    assert (model.name, model.num_planes, model.group_ends) == ("own", 1, (1, 8, 64))
    assert (model.contexts.pass_ends, len(model.analysis), len(model.tree.leaves)) == ((4, 64), 1, 64)
    assert model.card["signals"] == "1"


def test_fit_is_reproducible(tmp_path):
    for name in ("a", "b"):
        laconic("fit", PICTURE.parent, "-o", tmp_path / f"{name}.safetensors", "--grey", "--quiet")
    assert Model.load(tmp_path / "a.safetensors").fingerprint == Model.load(tmp_path / "b.safetensors").fingerprint


@pytest.mark.parametrize(
    "options",
    [
        ["-o", "m.txt"],
        ["-o", "m.safetensors", "--passes", "2,1"],
        ["-o", "m.safetensors", "--groups", "a"],
        ["-o", "m.safetensors", "--tree", "other"],
        ["-o", "m.safetensors", "--limit", "0"],
        [],
    ],
)
def test_fit_bad_options_are_refused(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    laconic("fit", PICTURE.parent, *options, exit_code=2)
    assert not names_below(tmp_path)


def test_fit_takes_a_trained_projection(tmp_path):
    torch = pytest.importorskip("torch")
    from laconic.codecs.learning.tensor_encoder import load_tensor_encoder
    from laconic.codecs.learning.transform_learner import TransformLearner, TransformOptions

    structure = ["--grey", "--depth", "2", "--quiet"]
    start, projection, name = (tmp_path / f"{n}.safetensors" for n in ("start", "projection", "trained"))
    grey = tmp_path / "grey.png"
    with PillowImage.open(PICTURE) as colours:
        colours.convert("L").crop((0, 0, 96, 64)).save(grey)
    laconic("fit", grey, "-o", start, *structure)
    learner = TransformLearner(load_tensor_encoder(start), TransformOptions())
    with torch.no_grad():
        for turn in learner.module.rotations.turns:
            turn.add_(0.1)
    learner.save(projection, {"recipe": "transform"})
    laconic("fit", grey, "-o", name, *structure, "--projection", projection)
    expected, _ = learner.module.rotations.matrices()
    model = Model.load(name)
    assert all(np.array_equal(a, e.detach().numpy()) for a, e in zip(model.analysis, expected, strict=True))
    assert not np.allclose(model.analysis[-1], Model.load(start).analysis[-1])
    inverses = [s @ a - np.eye(len(a)) for a, s in zip(model.analysis, model.synthesis, strict=True)]
    assert max(np.abs(i).max() for i in inverses) < 1e-5
    laconic("encode", grey, "--model", name)
    laconic("decode", grey.with_suffix(".lcn"), "--model", name, "-o", tmp_path / "back.png")
    change = open_image(tmp_path / "back.png").samples.astype(int) - open_image(grey).samples
    assert np.abs(change).mean() < 10


def test_fit_projection_that_does_not_fit_is_refused(tmp_path):
    name, projection = tmp_path / "m.safetensors", tmp_path / "p.safetensors"
    choice = ("fit", PICTURE, "-o", name, "--grey", "--projection")
    assert "cannot be read" in laconic(*choice, projection, exit_code=2).stderr
    projection.write_bytes(b"no matrices")
    assert "cannot be read" in laconic(*choice, projection, exit_code=2).stderr
    save_file({"scales": np.ones(3, np.float32)}, projection)
    assert "holds no analysis matrices" in " ".join(laconic(*choice, projection, exit_code=2).stderr.split())
    save_file({"analysis.0": np.eye(3, dtype=np.float32)}, projection)
    assert "the tree needs sides" in laconic(*choice, projection, exit_code=1).stderr
    assert names_below(tmp_path) == ["p.safetensors"]


def test_fit_with_ends_that_do_not_fit_the_tree_fails(tmp_path):
    laconic("fit", PICTURE.parent, "-o", tmp_path / "m.safetensors", "--grey", "--passes", "1,2", exit_code=1)
    assert not names_below(tmp_path)


def test_fit_keeps_what_exists(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"mine")
    laconic("fit", PICTURE.parent, "-o", tmp_path / "m.safetensors", exit_code=2)
    assert (tmp_path / "m.safetensors").read_bytes() == b"mine"


def test_fit_without_a_readable_picture_fails(tmp_path):
    (tmp_path / "a.png").write_bytes(b"bad")
    assert "there is no" in laconic("fit", tmp_path, "-o", tmp_path / "m.safetensors", exit_code=1).stderr
    laconic("fit", tmp_path / "none", "-o", tmp_path / "m.safetensors", exit_code=1)
    assert names_below(tmp_path) == ["a.png"]


# --- streams, signals and limits of a process


def test_standard_streams(data):
    encoded = process("encode", "-", "-o", "-", input=PICTURE.read_bytes())
    assert (encoded.returncode, encoded.stdout, encoded.stderr) == (0, data, b"")
    decoded = process("decode", "-", input=data)
    assert np.array_equal(open_image(io.BytesIO(decoded.stdout)).samples, decode(data).samples)
    assert b"width           192" in process("info", "-", input=data).stdout
    assert process("verify", "-", input=data).stdout == b"-: ok\n"


def test_encode_piped_into_decode(data, tmp_path):
    laconic_command = " ".join(COMMAND)
    line = f"{laconic_command} encode {PICTURE} -o - | {laconic_command} decode - -o {tmp_path / 'out.png'}"
    subprocess.run(line, shell=True, check=True, stdout=subprocess.DEVNULL)
    assert np.array_equal(open_image(tmp_path / "out.png").samples, decode(data).samples)


def test_standard_input_is_taken_once(tmp_path):
    laconic("encode", "-", "-", "-o", tmp_path, stdin=b"", exit_code=2)
    assert "laconic: -: the file is empty" in laconic("encode", "-", stdin=b"", exit_code=1).stderr


def test_standard_input_into_a_folder(tmp_path):
    laconic("encode", "-", PICTURE, "-o", tmp_path, stdin=PICTURE.read_bytes())
    assert names_below(tmp_path) == ["kodim05_crop.lcn", "stdin.lcn"]


@pytest.mark.parametrize("verb", ["decode", "info"])
def test_closed_pipe_ends_quietly(verb, encoded):
    reader, writer = os.pipe()
    os.close(reader)
    options = ["-o", "-"] if verb == "decode" else []
    done = subprocess.run([*COMMAND, verb, encoded, *options], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["info"], ["decode", "-o", "-"]])
def test_full_standard_output_is_one_sentence(arguments, encoded):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, *arguments, encoded], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith(": No space left on device")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_file_that_outgrows_the_disk_is_removed(encoded, tmp_path):
    def allow_4_kib():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = process("decode", encoded, "-o", tmp_path / "y.png", preexec_fn=allow_4_kib, text=True)
    assert done.returncode == 1
    assert done.stderr == f"laconic: {encoded}: {tmp_path / 'y.png'} cannot be written: File too large\n"
    assert names_below(tmp_path) == ["x.lcn"]


def test_interrupt_exits_with_130_and_leaves_whole_files(data, tmp_path):
    for number in range(300):
        (tmp_path / f"{number}.png").symlink_to(PICTURE)
    command = [*COMMAND, "encode", tmp_path, "-o", tmp_path / "out"]
    # A background job inherits an ignored SIGINT; a command at a terminal does not.
    heeding = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, preexec_fn=heeding, **pipes) as running:
        running.stdout.readline()  # it has begun
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert (running.returncode, errors) == (130, b"")
    written = list((tmp_path / "out").iterdir())
    assert 0 < len(written) < 300
    assert all(path.read_bytes() == data for path in written)


# Killed before a call or return of some function in one of its threads, drawn from all that there are.
KILLED = """
import itertools, os, random, signal, sys, threading
from pathlib import Path
from laconic.tasks.cli import app
source, out, expected = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_bytes()

def encode(folder, at_event):
    threading.setprofile(at_event)
    sys.setprofile(at_event)
    app(["encode", source, "-o", str(folder), "--quiet", "--threads", "2"], standalone_mode=False)
    sys.setprofile(None)

encode(out / "warm", None)
events = itertools.count()
encode(out / "counted", lambda *_: next(events))
num_events = next(events)
rng, num_cut = random.Random(0), 0
for kill in range(100):
    folder = out / str(kill)
    left = itertools.count(rng.randrange(num_events), -1)
    child = os.fork()
    if child == 0:
        encode(folder, lambda *_: next(left) or os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    num_cut += os.waitpid(child, 0)[1] != 0
    files = [path for path in folder.glob("*") if not path.name.startswith(".")]
    assert all(path.read_bytes() == expected for path in files), folder
print(num_cut)
"""


def test_killed_encode_leaves_whole_files_only(data, encoded, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(6):
        (pictures / f"{number}.png").symlink_to(PICTURE)
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, pictures, out, encoded], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80  # the threads do not always share the work in the same way
    last = max(out.iterdir(), key=lambda path: len(names_below(path)) if path.name.isdecimal() else -1)
    laconic("encode", pictures, "-o", last, "--force", "--quiet")  # the next run finishes the work
    whole = [name for name in names_below(last) if not name.startswith(".")]
    assert whole == [f"{number}.lcn" for number in range(6)]
    assert all((last / name).read_bytes() == data for name in whole)


def test_bar_is_drawn_at_a_terminal_only(tmp_path):
    pty = pytest.importorskip("pty")
    for number in range(150):
        (tmp_path / f"{number}.png").symlink_to(PICTURE)
    own, terminal = pty.openpty()
    command = [*COMMAND, "encode", tmp_path, "-o", tmp_path / "out", "--max-bytes", "2000"]
    shown = b""
    with (tmp_path / "lines").open("wb") as lines, subprocess.Popen(command, stdout=lines, stderr=terminal):
        os.close(terminal)
        while chunk := read_terminal(own):  # a terminal that nobody reads blocks its writers
            shown += chunk
    os.close(own)
    assert len((tmp_path / "lines").read_bytes().splitlines()) == 150
    assert "━" in shown.decode()


def read_terminal(own):
    try:
        return os.read(own, 1 << 16)
    except OSError:  # the other end is closed
        return b""
