"""`laconic unpack PACK`: files come back where they were, and names from an index lead nowhere else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pack_scene
import pytest
import soundfile
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.lcn import Lcn
from laconic.tasks.cli import app
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.unpacking import UnpackOptions, safe_name, unpack_places, unpack_samples

HOSTILE = (
    "../../../escaped.png",
    "/etc/escaped.png",
    "C:\\Windows\\escaped.png",
    "..",
    ".",
    "",
    "a\0b.png",
    "con.png",
    "train/red/..",
    "a/" * 300 + "x" * 5000 + ".png",
    "..\\..\\escaped",
    ".ssh",
    "\udcff\ud800.png",
    "line\nbreak.png",
    "x" * 255 + ".png",
    "trailing. . .",
)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_scene.make_pack(tmp_path_factory.mktemp("unpacking"))


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_come_back_with_splits_classes_names_and_targets(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("unpack", pack, "-o", out)[:2] == (0, f"{out}: 16 of 16 samples written\n")
    samples = StoredSamples(pack)
    found = files_of(out)
    assert len(found) == 16 + 16 + 8
    for row, source in enumerate(samples.index.source):
        picture = np.asarray(PillowImage.open(out / source))
        assert np.array_equal(picture, np.asarray(Lcn().decode(samples.lcn(row))))
        assert found[str(Path(source).with_suffix(".txt"))] == f"text of {source}".encode()
    for mask in out.rglob("*.mask.png"):
        mask.unlink()
    assert list_class_folder(out).counts() == list_class_folder(pack.parent / "pictures").counts()


def test_lcn_files_come_back_to_the_byte(pack: Path, tmp_path: Path) -> None:
    assert run("unpack", pack, "-o", tmp_path / "out", "--lcn")[0] == 0
    samples = StoredSamples(pack)
    for row, source in enumerate(samples.index.source):
        assert (tmp_path / "out" / source).with_suffix(".lcn").read_bytes() == samples.lcn(row)


def test_files_that_exist_stay_unless_forced(pack: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    taken = out / "train" / "red" / "red1.jpg"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"mine")
    code, _, err = run("unpack", pack, "-o", out, "--format", "jpg")
    assert (code, taken.read_bytes()) == (1, b"mine")
    assert f"{taken} exists; pass --force" in err
    assert not taken.with_suffix(".txt").exists()
    assert len(list(out.rglob("*.jpg"))) == 16
    assert run("unpack", pack, "-o", out, "--format", "jpg", "--force")[0] == 0
    assert taken.read_bytes() != b"mine"


def test_damaged_samples_are_skipped_by_name(pack: Path, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(pack, tmp_path / "pack"))
    pack_scene.overwrite(damaged, 6)
    source = read_index(pack).source[6]
    for options in ((), ("--lcn",)):
        out = tmp_path / f"out{len(options)}"
        code, text, err = run("unpack", damaged, "-o", out, "--json", *options)
        fields = json.loads(text)
        assert (code, fields["written"], [entry["source"] for entry in fields["skipped"]]) == (1, 15, [source])
        assert source in err
        assert not list(out.glob(f"{Path(source).with_suffix('')}.*"))


@pytest.mark.parametrize("source", HOSTILE)
def test_hostile_names_stay_inside(pack: Path, tmp_path: Path, source: str) -> None:
    samples = StoredSamples(pack)
    index = samples.index
    sources = (source, source.upper(), *index.source[2:])
    samples.index = replace(index, source=sources, classes=("../..", "a/../../b"))
    (tmp_path / "in").mkdir()
    outcomes = list(unpack_samples(samples, tmp_path / "in" / "out", num_threads=1))
    assert [reason for _, reason in outcomes] == [""] * 16
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["out"]
    assert len(list((tmp_path / "in" / "out").rglob("*.png"))) == 16 + 8  # and the masks
    for path in (tmp_path / "in" / "out").rglob("*"):
        assert not path.name.startswith(".") and path.name.isprintable() and ":" not in path.name


@pytest.mark.parametrize("name", HOSTILE)
def test_safe_names_are_names_of_one_file(name: str) -> None:
    found = safe_name(name, "otherwise")
    assert found not in ("", ".", "..") and not set(found) & set("/\\:\0\n") and len(found.encode()) <= 200


def test_same_names_get_their_keys_whatever_their_case(pack: Path) -> None:
    index = read_index(pack)
    train = [row for row in range(16) if index.shards[index.shard[row]].split == "train" and index.label[row] == 1]
    source = list(index.source)
    for row, name in zip(train, ("a/x.png", "b/X.png", "x.jpg", "y.png"), strict=True):
        source[row] = f"train/red/{name}"
    places = unpack_places(replace(index, source=tuple(source)), ".png")
    paths = [places[row].path for row in train]
    keys = [index.key[row] for row in train]
    assert paths == ["train/red/x", f"train/red/X-{keys[1]}", f"train/red/x-{keys[2]}", "train/red/y"]
    assert [place.row for place in places if place.is_renamed] == train[1:3]
    assert places == unpack_places(replace(index, source=tuple(source)), ".png")


def test_targets_of_one_sample_take_no_name_of_another(pack: Path) -> None:
    index = read_index(pack)
    source = list(index.source)
    in_train = [row for row in range(16) if index.source[row].startswith("train/blue")]
    first, second = [row for row in in_train if index.targets["mask.png"].offset[row] >= 0][:2]
    source[first], source[second] = "train/blue/x.png", "train/blue/x.mask.png"
    places = unpack_places(replace(index, source=tuple(source)), ".png")
    assert (places[first].path, places[second].is_renamed) == ("train/blue/x", True)


def test_pack_without_splits_has_no_folder_of_them(pack: Path, tmp_path: Path) -> None:
    archive.pack(pack.parent / "pictures" / "train", tmp_path / "pack", PackIndexOptions(size=16))
    assert run("unpack", tmp_path / "pack", "-o", tmp_path / "out")[0] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blue", "red"]


def test_sounds_come_back_as_wav_or_flac(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "sounds" / name).mkdir(parents=True)
        samples = np.random.default_rng(1).normal(0, 0.1, 4000)
        soundfile.write(tmp_path / "sounds" / name / "s.wav", samples, 8000)
    archive.pack(tmp_path / "sounds", tmp_path / "pack", PackIndexOptions(sample_rate_hz=8000, seconds=0.25))
    for extension in ("wav", "flac"):
        assert run("unpack", tmp_path / "pack", "-o", tmp_path / extension, "--format", extension)[0] == 0
        assert soundfile.info(tmp_path / extension / "a" / f"s.{extension}").frames == 2000
    assert run("unpack", tmp_path / "pack", "-o", tmp_path / "x", "--format", "png")[0] == 2


def test_wrong_options_are_refused_before_any_work(pack: Path, tmp_path: Path) -> None:
    for options in (("--format", "nothing"), ("--format", "lcn"), ("--format", "png", "--lcn")):
        code, _, err = run("unpack", pack, "-o", tmp_path / "out", *options)
        assert code == 2 and "Invalid value" in err
    code, _, err = run("unpack", tmp_path, "-o", tmp_path / "out")
    assert code == 1 and "is no packed folder" in err
    assert not (tmp_path / "out").exists()


def test_results_do_not_depend_on_threads(pack: Path, tmp_path: Path) -> None:
    for threads in (1, 3):
        options = UnpackOptions(".png")
        list(unpack_samples(StoredSamples(pack), tmp_path / str(threads), options, num_threads=threads))
    assert files_of(tmp_path / "1") == files_of(tmp_path / "3")
