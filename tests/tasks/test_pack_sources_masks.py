"""Pictures and masks in folders side by side are samples with a target."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import source_scene as scene
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import app
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource
from laconic.tasks.datasets.splits import SplitsError

DATA = Path(__file__).parents[3] / "shared" / "data"


def mask_of(number: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.full((12, 16), number, np.uint8)


def make_tree(root: Path, *, split: str = "", count: int = 3) -> Path:
    """Pictures, of which one is in a folder of its own, and masks of their number."""
    for number in range(count):
        for folder, pixels in (("images", scene.picture_of("train", 0, number)), ("masks", mask_of(number))):
            path = root / split / folder / ("more" if number == 1 else "") / f"frame.{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(scene.png_bytes(pixels))
    return root


def masks_of(source: PackSource) -> dict[str, int]:
    """The value of each sample's mask."""
    found = {}
    for sample in source.samples:
        assert sample.label == -1 and [suffix for suffix, _ in sample.targets] == ["png"]
        pixels = np.array(PillowImage.open(io.BytesIO(source.read_target(sample, "png"))))
        assert (pixels == pixels[0, 0]).all()
        found[f"{sample.split}:{sample.source}"] = int(pixels[0, 0])
    return found


NAMES = {"frame.0.png": 0, "more/frame.1.png": 1, "frame.2.png": 2}


def test_pictures_with_masks_are_no_classes(tmp_path: Path) -> None:
    source = open_pack_source(make_tree(tmp_path))
    assert masks_of(source) == {f"all:images/{name}": value for name, value in NAMES.items()}
    assert (source.classes, source.counts(), source.skipped, source.notes) == ((), {"all": {}}, (), ())
    assert list_class_folder(tmp_path) == source


def test_splits_have_pictures_with_masks(tmp_path: Path) -> None:
    for split in ("training", "Test"):
        make_tree(tmp_path, split=split)
    source = open_pack_source(tmp_path)
    expected = {
        f"{s}:{folder}/images/{n}": v
        for s, folder in (("train", "training"), ("test", "Test"))
        for n, v in NAMES.items()
    }
    assert masks_of(source) == expected
    said = open_pack_source(tmp_path, {"training": "val"})
    assert {sample.split for sample in said.samples} == {"val"}
    with pytest.raises(SplitsError, match="splits name the folder 'gone'"):
        open_pack_source(tmp_path, {"gone": "val"})


def test_a_zip_of_pictures_with_masks_is_the_folder(tmp_path: Path) -> None:
    folder = make_tree(tmp_path / "in", split="train")
    assert masks_of(open_pack_source(scene.make_zip(tmp_path / "all.zip", folder))) == masks_of(
        open_pack_source(folder)
    )


def test_a_split_without_masks_has_pictures(tmp_path: Path) -> None:
    make_tree(make_tree(tmp_path, split="train"), split="test")
    for path in (tmp_path / "test" / "masks").rglob("*.png"):
        path.unlink()
    found = {sample.split: sample.targets for sample in open_pack_source(tmp_path).samples}
    assert found["test"] == () and found["train"]


def test_what_belongs_together_by_no_name_is_left_out(tmp_path: Path) -> None:
    make_tree(tmp_path)
    data = scene.png_bytes(mask_of(0))
    for name in (
        "images/a.png",
        "masks/b.png",
        "masks/c.gif",
        "images/d.png",
        "images/d.bmp",
        "masks/d.png",
        "masks/e.txt",
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "masks" / "frame.0.PNG").write_bytes(data)
    source = open_pack_source(tmp_path)
    assert len(source.samples) == len(NAMES)
    assert dict(source.skipped) == {
        "images/a.png": "there is no mask of its name in masks",
        "images/d.bmp": "masks/d.png is the mask of 2 pictures; allowed is one",
        "images/d.png": "masks/d.png is the mask of 2 pictures; allowed is one",
        "masks/b.png": "there is no picture of its name",
        "masks/c.gif": "its extension is .gif; allowed are masks as .png, whose values are classes",
        "masks/e.txt": "its extension is not that of a picture",
        "masks/frame.0.png": "it has the name of masks/frame.0.PNG; allowed is one mask of a name",
    }


def test_other_targets_of_pictures_stay(tmp_path: Path) -> None:
    (make_tree(tmp_path) / "images" / "frame.0.txt").write_text("a street")
    samples = {sample.source: dict(sample.targets) for sample in open_pack_source(tmp_path).samples}
    assert samples["images/frame.0.png"] == {"txt": "images/frame.0.txt", "png": "masks/frame.0.png"}


def test_folders_in_doubt_are_refused(tmp_path: Path) -> None:
    make_tree(tmp_path / "a")
    make_tree(tmp_path / "a", split="dogs")
    with pytest.raises(CodecError, match=r"a has the folders images and masks beside dogs, so it is not clear"):
        open_pack_source(tmp_path / "a")
    make_tree(tmp_path / "b")
    for path in (tmp_path / "b" / "masks").rglob("*.png"):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    with pytest.raises(CodecError, match=r"no picture of .*b has the name of a mask, such as masks/frame.0_mask.png"):
        open_pack_source(tmp_path / "b")


def test_packs_have_masks_and_say_which_do_not_fit(tmp_path: Path) -> None:
    make_tree(tmp_path / "in")
    archive.pack(tmp_path / "in", tmp_path / "out")
    dataset = LatentDataset(tmp_path / "out", channels=3, targets=("png",))
    masks = {int(dataset.target(i, "png")[0, 0]) for i in range(len(dataset))}
    assert masks == set(NAMES.values()) and dataset.target(0, "png").shape == (12, 16)
    (tmp_path / "in" / "masks" / "frame.2.png").write_bytes(scene.png_bytes(mask_of(2)[:4]))
    done = CliRunner().invoke(app, ["pack", str(tmp_path / "in"), "-o", str(tmp_path / "small"), "-j", "1"])
    assert done.exit_code == 0
    sentence = "its target png has 16 x 4 pixels, the packed picture 16 x 12; a mask to learn from has the same"
    assert done.stderr.count(sentence) == 1 and "images/frame.2.png" in done.stderr
    index = archive.pack(tmp_path / "in", tmp_path / "cropped", PackIndexOptions(crop=8))
    assert sum("its target png has" in note for _, note in index.notes) == len(NAMES)


@pytest.mark.skipif(not DATA.is_dir(), reason="no shared data")
def test_real_streets_have_masks() -> None:
    source = open_pack_source(DATA / "camvid")
    assert {split: sum(sample.split == split for sample in source.samples) for split in ("train", "test")} == {
        "train": 80,
        "test": 24,
    }
    assert all([suffix for suffix, _ in sample.targets] == ["png"] for sample in source.samples)
    assert not source.skipped and not source.notes
