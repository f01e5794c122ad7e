"""Adding samples to a pack: what is there stays, byte for byte, and keeps its meaning."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.pack_append import append_to_pack
from laconic.tasks.datasets.pack_index import PackIndex, PackIndexOptions, read_index

OPTIONS = PackIndexOptions(size=32, shard_samples=3)


def add_pictures(root: Path, *places: str) -> None:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(list(place.encode()))
        PillowImage.fromarray(random.integers(0, 256, (40, 40, 3), np.uint8)).save(path)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def labels_of(index: PackIndex) -> dict[str, str]:
    return {source: index.classes[label] for source, label in zip(index.source, index.label, strict=True)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_pictures(
        tmp_path / "in", *(f"{split}/{name}/{i}.png" for split in ("train", "test") for name in "bc" for i in range(4))
    )
    archive.pack(tmp_path / "in", tmp_path / "out", OPTIONS)
    return tmp_path


def test_new_samples_come_in_new_shards_and_new_classes_last(root: Path) -> None:
    before, old = files_of(root / "out"), read_index(root / "out")
    add_pictures(root / "in", "train/a/0.png", "train/b/9.png", "val/a/0.png")
    index = append_to_pack(root / "in", root / "out", OPTIONS)
    assert (old.classes, index.classes) == (("b", "c"), ("b", "c", "a"))
    assert index.label[: len(old)].tolist() == old.label.tolist()
    assert all(label == Path(source).parts[1] for source, label in labels_of(index).items())
    assert (len(index), sorted(index.source[len(old) :])) == (19, ["train/a/0.png", "train/b/9.png", "val/a/0.png"])
    assert [shard.name for shard in index.shards[len(old.shards) :]] == ["train-00003.tar", "val-00000.tar"]
    assert list(index.key) == [f"{i:08d}" for i in range(19)]
    after = files_of(root / "out")
    assert all(after[name] == data for name, data in before.items() if name.endswith(".tar"))
    assert len([name for name in after if name.startswith("samples-")]) == 1 and ".parts" not in after
    assert (index.mean.tolist(), index.std.tolist()) == (old.mean.tolist(), old.std.tolist())
    whole = archive.pack(root / "in", root / "whole", replace(OPTIONS, members="single"))
    for row in range(len(index)):
        data = after[index.shards[index.shard[row]].name][index.offset[row] :][: index.length[row]]
        same = tuple(whole.source).index(index.source[row])
        shard = (root / "whole" / whole.shards[whole.shard[same]].name).read_bytes()
        assert data == shard[whole.offset[same] :][: whole.length[same]]


def test_the_hash_of_the_source_is_that_of_one_pack_of_all(root: Path) -> None:
    add_pictures(root / "in", "train/d/0.png")
    appended = append_to_pack(root / "in", root / "out", OPTIONS)
    assert appended.source_hash == archive.pack(root / "in", root / "whole", replace(OPTIONS, seed=4)).source_hash


def test_nothing_new_changes_nothing(root: Path) -> None:
    before = files_of(root / "out")
    assert len(append_to_pack(root / "in", root / "out")) == 16
    assert files_of(root / "out") == before


def test_what_has_a_name_of_the_pack_and_other_bytes_is_skipped(root: Path) -> None:
    PillowImage.new("RGB", (40, 40)).save(root / "in/train/b/0.png")
    (root / "in/train/b/bad.png").write_bytes(b"no picture")
    add_pictures(root / "in", "train/b/9.png")
    index = append_to_pack(root / "in", root / "out")
    assert [source for source, _ in index.skipped] == ["train/b/0.png", "train/b/bad.png"]
    assert "the pack has other bytes of this name" in index.skipped[0][1]
    assert len(index) == 17
    add_pictures(root / "in", "train/b/bad.png", "train/b/0.png")
    index = append_to_pack(root / "in", root / "out")
    assert (len(index), index.skipped) == (18, ())


def test_only_bad_files_add_no_shard(root: Path) -> None:
    (root / "in/train/b/bad.png").write_bytes(b"no picture")
    before = files_of(root / "out")
    index = append_to_pack(root / "in", root / "out")
    assert ([source for source, _ in index.skipped], len(index)) == (["train/b/bad.png"], 16)
    assert files_of(root / "out").keys() == before.keys()


def test_another_folder_of_the_same_kind_is_added(root: Path) -> None:
    add_pictures(root / "more", "train/c/x.png", "train/e/y.png")
    index = append_to_pack(root / "more", root / "out")
    assert (len(index), index.classes) == (18, ("b", "c", "e"))
    with pytest.raises(CodecError, match="holds another pack"):
        archive.pack(root / "in", root / "out", OPTIONS)


def test_targets_of_either_are_kept(root: Path) -> None:
    add_pictures(root / "more", "train/c/x.png")
    (root / "more" / "x.txt").write_text("a text")
    listing = list_class_folder(root / "more")
    texts = replace(listing, samples=(replace(listing.samples[0], targets=(("txt", "x.txt"),)),))
    index = append_to_pack(texts, root / "out")
    assert (index.targets_of(0), index.targets_of(16)) == (["cls"], ["cls", "txt"])
    add_pictures(root / "in", "train/c/z.png")
    index = append_to_pack(root / "in", root / "out")
    assert [index.targets_of(row) for row in (16, 17)] == [["cls", "txt"], ["cls"]]
    shard = (root / "out" / index.shards[index.shard[16]].name).read_bytes()
    column = index.targets["txt"]
    assert shard[column.offset[16] :][: column.length[16]] == b"a text"


def test_an_interrupted_call_is_finished_by_the_same(root: Path) -> None:
    add_pictures(root / "in", *(f"train/d/{i}.png" for i in range(8)))
    shutil.copytree(root / "out", root / "other")
    append_to_pack(root / "in", root / "other")

    def stop(done: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append_to_pack(root / "in", root / "out", on_sample=stop)
    assert len(read_index(root / "out")) == 16  # what was there can be read all the time
    counts: list[int] = []
    append_to_pack(root / "in", root / "out", on_sample=counts.append)
    assert counts[0] == 4  # the first shard of three was finished
    assert files_of(root / "out") == files_of(root / "other")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (replace(OPTIONS, quality=51), "has quality 50, given is 51"),
        (replace(OPTIONS, channels=12), "has channels None, given is 12"),
        (replace(OPTIONS, bit_depth=12), "has bit_depth 0, given is 12"),
        (replace(OPTIONS, model="rgb_best"), "given is rgb_best; allowed is the same model"),
    ],
)
def test_other_options_are_refused(root: Path, options: PackIndexOptions, why: str) -> None:
    with pytest.raises(CodecError, match=why):
        append_to_pack(root / "in", root / "out", options)


def test_other_kinds_and_folders_without_a_pack_are_refused(root: Path) -> None:
    (root / "sounds" / "a").mkdir(parents=True)
    soundfile.write(root / "sounds" / "a" / "0.wav", np.zeros(4000), 8000)
    with pytest.raises(CodecError, match=r"holds sounds, .* images; allowed is one kind"):
        append_to_pack(root / "sounds", root / "out")
    with pytest.raises(CodecError, match=r"has no index\.json"):
        append_to_pack(root / "in", root / "nothing")
    assert not (root / "nothing").exists()
