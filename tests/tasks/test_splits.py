"""Splits and classes of a tree: understood by name in any spelling, asked for where names leave a doubt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import app
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.splits import SplitsError, parse_splits, split_of_name


def make_tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (16, 16), (len(path), 90, 7)).save(root / path, format="PNG")
    return root


PLAIN = ("train/hat/0.png", "train/coat/0.png", "test/hat/1.png")


@pytest.mark.parametrize(
    ("train", "test"),
    [("Train", "Test"), ("TRAINING", "testing"), ("training", "eval"), ("train", "EVAL"), ("Training", "test")],
)
def test_splits_are_understood_in_any_case_and_spelling(tmp_path: Path, train: str, test: str) -> None:
    root = make_tree(tmp_path, f"{train}/hat/0.png", f"{train}/coat/0.png", f"{test}/hat/1.png")
    listing = list_class_folder(root)
    assert listing.classes == ("coat", "hat")
    assert listing.counts() == {"train": {"coat": 1, "hat": 1}, "test": {"hat": 1}}
    assert listing.notes == ()


@pytest.mark.parametrize("name", ["val", "valid", "validation", "dev", "Val", "DEV"])
def test_validation_is_understood(name: str) -> None:
    assert split_of_name(name) == "val"


@pytest.mark.parametrize(
    "extra",
    "__MACOSX/train/hat/._0.png __MACOSX/x.png .git/x.png @eaDir/x.png $RECYCLE.BIN/a/x.png train/@eaDir/x.png "
    "train/hat/@eaDir/0.png train/.thumbnails/x.png train/hat/Thumbs.db".split(),
)
def test_hidden_and_system_folders_are_no_data(tmp_path: Path, extra: str) -> None:
    root = make_tree(tmp_path, *PLAIN, extra)
    listing = list_class_folder(root)
    assert [sample.source for sample in listing.samples] == ["test/hat/1.png", "train/coat/0.png", "train/hat/0.png"]
    assert (listing.skipped, listing.notes) == ((), ())


def test_links_to_folders_are_followed_but_not_back(tmp_path: Path) -> None:
    make_tree(tmp_path, "apart/hat/0.png", "apart/hat/more/1.png", "beside.png")
    root = make_tree(tmp_path / "in", "train/coat/0.png", "train/zebra/0.png", "test/coat/0.png")
    for link, target in (
        *(("train/hat", "../../apart/hat"), ("test/hat", "../../apart/hat"), ("up", ".."), ("here", ".")),
        *(("train/coat/round", ".."), ("train/zebra/again", "../zebra"), ("train/coat/far", "../../..")),
        ("train/ape", "zebra"),
    ):
        (root / link).symlink_to(target)
    (tmp_path / "link").symlink_to(root)
    for place in (root, tmp_path / "link"):
        listing = list_class_folder(place)
        assert [sample.source for sample in listing.samples] == [
            *("test/coat/0.png", "test/hat/0.png", "test/hat/more/1.png", "train/coat/0.png"),
            *("train/hat/0.png", "train/hat/more/1.png", "train/zebra/0.png"),
        ]
        links = ("here", "train/ape", "train/coat/far", "train/coat/round", "train/zebra/again", "up")
        reason = "a link to a folder that is already here, left out"
        assert sorted(listing.notes) == [f"{link}: {reason}" for link in links]


def test_folders_without_signals_are_no_classes(tmp_path: Path) -> None:
    root = make_tree(tmp_path, *PLAIN)
    (root / "docs").mkdir()
    (root / "docs" / "readme.txt").write_text("of the data set")
    assert list_class_folder(root).counts() == {"train": {"coat": 1, "hat": 1}, "test": {"hat": 1}}


@pytest.mark.parametrize(
    ("paths", "example"),
    [
        ((*PLAIN, "figures/0.png"), "--splits test=test,train=train "),
        (("plane/0.png", "train/0.png"), "--splits train=train "),
        (("val/a/0.png", "dev/a/0.png", "train/a/0.png"), "--splits val=dev,train=train,val=val "),
        (("train_set/a/0.png", "test-set/a/0.png"), "--splits test=test-set,train=train_set "),
        (("train2017/a/0.png", "val2017/a/0.png"), "--splits train=train2017,val=val2017 "),
        (("seg_train/a/0.png", "seg_test/a/0.png", "seg_pred/0.png"), "--splits test=seg_test,train=seg_train "),
        (("dataset/train/a/0.png", "dataset/test/a/0.png"), "name that folder"),
        (("bottle/train/0.png", "bottle/test/0.png", "cable/train/0.png"), "belong above the classes"),
    ],
)
def test_doubtful_trees_are_refused_with_what_to_pass(tmp_path: Path, paths: tuple[str, ...], example: str) -> None:
    make_tree(tmp_path, *paths)
    with pytest.raises(SplitsError, match="--splits none") as caught:
        list_class_folder(tmp_path)
    assert example in str(caught.value)
    assert list_class_folder(tmp_path, {}).classes == tuple(sorted({path.split("/")[0] for path in paths}))


def test_said_splits_count_and_others_are_left_out_with_a_note(tmp_path: Path) -> None:
    root = make_tree(tmp_path, "A/hat/0.png", "B/hat/0.png", "C/coat/0.png", "figures/0.png", "cover.png")
    listing = list_class_folder(root, parse_splits("train=A,test=B,test=C"))
    assert listing.counts() == {"train": {"hat": 1}, "test": {"coat": 1, "hat": 1}}
    assert listing.notes == (
        ".: left out 1 file outside of class folders",
        "figures: left out 1 file outside of class folders",
    )


def test_files_beside_the_classes_of_a_split_are_noted(tmp_path: Path) -> None:
    listing = list_class_folder(make_tree(tmp_path, *PLAIN, "test/8.png", "test/9.png"))
    assert listing.notes == ("test: left out 2 files outside of class folders",)


def test_left_out_sounds_do_not_make_a_folder_mixed(tmp_path: Path) -> None:
    root = make_tree(tmp_path, *PLAIN)
    (root / "talk").mkdir()
    (root / "talk" / "x.wav").touch()
    assert list_class_folder(root, {"train": "train", "test": "test"}).kind == "image"


@pytest.mark.parametrize("text", ["", "train", "train=", "=a", "best=a", "train=a,test=a", "Train=a"])
def test_wrong_splits_are_a_sentence(text: str) -> None:
    with pytest.raises(SplitsError, match="allowed are none or SPLIT=FOLDER"):
        parse_splits(text)


def test_splits_of_absent_folders_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SplitsError, match=r"splits name the folder 'Train'; .* has test, train"):
        list_class_folder(make_tree(tmp_path, *PLAIN), {"Train": "train"})
    with pytest.raises(CodecError, match="no class folder"):
        list_class_folder(tmp_path / "train" / "hat")


def test_a_pack_of_other_splits_is_another_pack(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "in", "A/hat/0.png", "B/hat/0.png")
    archive.pack(list_class_folder(root, {"A": "train", "B": "test"}), tmp_path / "out")
    with pytest.raises(CodecError, match="holds another pack"):
        archive.pack(list_class_folder(root, {"A": "test", "B": "train"}), tmp_path / "out")


def test_command_says_what_it_understood(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "in", *PLAIN, "test/scarf/0.png", "test/9.png")
    done = CliRunner().invoke(app, ["pack", str(root), "-o", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "train: 2 samples of 2 classes (coat 1, hat 1)",
        "test: 2 samples of 2 classes (hat 1, scarf 1)",
    ]
    assert done.stderr.splitlines() == [
        f"laconic: {root}: test: left out 1 file outside of class folders",
        f"laconic: {root}: 1 classes in test and not in train, such as scarf",
    ]


def test_command_asks_where_a_tree_is_ambiguous(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "in", *PLAIN, "figures/0.png")
    runner, output = CliRunner(), str(tmp_path / "out")
    for verb in (["pack", str(root), "-o", output], ["pack", str(root), "-o", output, "--splits", "train"]):
        done = runner.invoke(app, verb)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert done.stderr.startswith("laconic: ") and not Path(output).exists()
    done = runner.invoke(app, ["pack", str(root), "-o", output, "--splits", "train=train,test=test", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["splits"] == {"train": {"coat": 1, "hat": 1}, "test": {"hat": 1}}
    done = runner.invoke(app, ["pack", str(root), "-o", f"{output}2", "--splits", "none", "--json"])
    assert json.loads(done.stdout)["splits"] == {"all": {"figures": 1, "test": 1, "train": 2}}


def test_training_on_pixels_asks_as_packing_does(tmp_path: Path) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    root = make_tree(tmp_path / "in", *PLAIN, "figures/0.png")
    done = CliRunner().invoke(app, ["train", "classify", str(root), "-o", str(tmp_path / "run"), "--arm", "small"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "--splits" in done.stderr
