"""Whatever samples are kept in, packing sees the same splits, classes, pixels and targets."""

from __future__ import annotations

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import source_scene as scene
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.codecs.files import signal_bytes
from laconic.codecs.media import Audio
from laconic.tasks.cli import app
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import ClassFolder, list_class_folder
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.sources.folder_contents import files_below
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource, open_source_signal, read_source_file
from laconic.tasks.datasets.sources.path_patterns import expand_braces

DATA = Path(__file__).parents[3] / "shared" / "data"


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_class_folder_is_one_as_before(tmp_path: Path) -> None:
    source = open_pack_source(scene.make_class_folder(tmp_path))
    assert isinstance(source, ClassFolder) and source.kind == "image"
    assert scene.content_of(source) == scene.expected()


def test_targets_beside_samples_of_class_folders(tmp_path: Path) -> None:
    source = open_pack_source(scene.make_class_folder(tmp_path, with_targets=True))
    assert scene.content_of(source) == scene.expected("txt", "json", "mask.png")
    assert not source.skipped


def test_zip_of_class_folders_is_the_folder(tmp_path: Path) -> None:
    folder = scene.make_class_folder(tmp_path / "in", with_targets=True)
    write(folder / "__MACOSX" / "train" / "._0.png", b"")
    for prefix in ("", "pictures/"):
        source = open_pack_source(scene.make_zip(tmp_path / "all.zip", folder, prefix=prefix))
        assert scene.content_of(source) == scene.expected("txt", "json", "mask.png")
        assert not source.skipped and not source.notes


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.jsonl", "list.json", "samples.csv"])
def test_manifest_is_the_folder(tmp_path: Path, name: str) -> None:
    rows = scene.make_files(tmp_path)
    text = {
        ".csv": scene.csv_bytes(rows),
        ".tsv": scene.csv_bytes(rows, delimiter="\t"),
        ".jsonl": "\n".join(map(json.dumps, rows)).encode(),
        ".json": json.dumps(rows).encode(),
    }
    source = open_pack_source(write(tmp_path / name, text[Path(name).suffix]))
    assert scene.content_of(source) == scene.expected("txt", "mask.png")
    assert source.counts()["train"] == {"blue": 2, "green": 2, "red": 2}


def test_folder_with_one_manifest_is_the_manifest(tmp_path: Path) -> None:
    rows = [{"file_name": row["path"], "text": row["caption"]} for row in scene.make_files(tmp_path)]
    write(tmp_path / "metadata.csv", scene.csv_bytes(rows))
    source = open_pack_source(tmp_path)
    assert (len(source.samples), source.classes, source.counts()) == (scene.NUM_SAMPLES, (), {"all": {}})
    assert {suffix for sample in source.samples for suffix, _ in sample.targets} == {"txt"}
    assert source.notes == ("metadata.csv: files from 'file_name', targets from 'text'",)


@pytest.mark.parametrize("by_number", [True, False])
def test_tar_shards_are_the_folder(tmp_path: Path, by_number: bool) -> None:
    for split in scene.SPLITS:
        scene.make_tar(tmp_path / f"{split}-000000.tar", scene.tar_members(split, by_number=by_number))
    classes = ("0", "1", "2") if by_number else scene.CLASSES
    for path in (tmp_path, tmp_path / "{train,test}-000000.tar", tmp_path / "t*.tar"):
        assert scene.content_of(open_pack_source(path)) == scene.expected("txt", "mask.png", classes=classes)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_that_webdataset_wrote_are_the_folder(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", exc_type=ImportError)
    for split in scene.SPLITS:
        with webdataset.ShardWriter(f"{tmp_path}/{split}-%06d.tar", maxcount=4, verbose=0) as writer:
            for i, sample in enumerate(one for one in scene.samples() if one["split"] == split):
                fields = {"png": sample["png"], "cls": sample["label"], "txt": sample["caption"]}
                writer.write({"__key__": f"{i:04d}", **fields, "mask.png": sample["mask"]})
    source = open_pack_source(tmp_path)
    assert scene.content_of(source) == scene.expected("txt", "mask.png", classes=("0", "1", "2"))
    expanded = pytest.importorskip("braceexpand").braceexpand("{train,test}-{000000..000011}.{tar,x}")
    assert expand_braces("{train,test}-{000000..000011}.{tar,x}") == list(expanded)


def sources(root: Path) -> list[Path]:
    """A source of each kind without other libraries."""
    rows = scene.make_files(root / "files")
    write(root / "files" / "all.csv", scene.csv_bytes(rows))
    (root / "shards").mkdir()
    scene.make_tar(root / "shards" / "train.tar", scene.tar_members("train"))
    folder = scene.make_class_folder(root / "folder", with_targets=True)
    return [root / "files" / "all.csv", root / "shards", scene.make_zip(root / "all.zip", folder), folder]


def test_sources_are_pickled_and_give_the_same_order_and_identities(tmp_path: Path) -> None:
    for path in sources(tmp_path):
        source = open_pack_source(path)
        assert isinstance(source, PackSource)
        again: PackSource = pickle.loads(pickle.dumps(source))
        assert again.samples == open_pack_source(path).samples == source.samples
        assert list(source.samples) == sorted(source.samples, key=lambda sample: (sample.split, sample.source))
        assert scene.content_of(again) == scene.content_of(source)
        identities = [source.identity(sample) for sample in source.samples]
        assert identities == [again.identity(sample) for sample in source.samples]


def test_sources_are_read_from_threads(tmp_path: Path) -> None:
    for path in sources(tmp_path):
        source = open_pack_source(path)
        expected = scene.content_of(source)
        with ThreadPoolExecutor(8) as pool:
            assert all(found == expected for found in pool.map(scene.content_of, [source] * 24))


def test_sounds_of_shards_and_manifests_are_those_of_the_folder(tmp_path: Path) -> None:
    sound = Audio(np.random.default_rng(0).normal(0, 0.1, (1, 4000)).astype(np.float32), 8000)
    data = signal_bytes(sound, ".wav")
    write(tmp_path / "folder" / "yes" / "0.wav", data)
    write(tmp_path / "list" / "0.wav", data)
    write(tmp_path / "list" / "list.csv", "audio,label\n0.wav,yes\n")
    scene.make_tar(tmp_path / "x.tar", [("0.wav", data), ("0.cls", b"yes")])
    found = set()
    for i, path in enumerate(("folder", "list", "x.tar")):
        source = open_pack_source(tmp_path / path)
        assert (source.kind, source.classes) == ("sound", ("yes",))
        index = archive.pack(source, tmp_path / f"out{i}")
        shard = (tmp_path / f"out{i}" / index.shards[0].name).read_bytes()
        found.add(shard[index.offset[0] :][: index.length[0]])
    assert len(found) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "a"
    for name in ("0.png", "1.png", "1.txt"):
        write(folder / name, scene.png_bytes(scene.picture_of("train", 0, 0)))
    for name in ("2.png", "0.txt"):
        os.mkfifo(folder / name)
    (folder / "1.txt").unlink()
    (folder / "1.txt").symlink_to("/dev/zero")
    rows = "path,mask\na/0.png,a/0.txt\na/1.png,a/1.txt\na/2.png,\n"
    listed = open_pack_source(write(tmp_path / "in" / "list.csv", rows))
    found = list_class_folder(folder.parent)
    reason = "is a pipe or device; allowed are files: leave it out"
    for source in (found, listed):
        assert len(source.samples) == 3
        for sample in source.samples:
            with pytest.raises((CodecError, OSError), match=reason):
                open_source_signal(source, sample).close()
                source.read_target(sample, sample.targets[0][0])
    os.mkfifo(tmp_path / "x.tar")
    with pytest.raises(CodecError, match=r"x.tar is a pipe or device; "):
        open_pack_source(tmp_path / "x.tar")
    assert files_below(tmp_path, (".tar",), 1) == []


def test_files_that_do_not_fit_into_memory_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "in" / "a" / "0.png", b"")
    os.truncate(path, (1 << 30) + 1)  # a hole
    with pytest.raises(CodecError, match=r"0.png has 1073741825 bytes; allowed are 1073741824"):
        read_source_file(path)


def test_identity_tells_of_another_content_of_the_same_size(tmp_path: Path) -> None:
    rows = scene.make_files(tmp_path)
    path = write(tmp_path / "all.csv", scene.csv_bytes(rows))
    before = open_pack_source(path)
    write(path, path.read_bytes().replace("Größe 1".encode(), "Größe 2".encode()))
    after = open_pack_source(path)
    changed = [before.identity(a) != after.identity(b) for a, b in zip(before.samples, after.samples, strict=True)]
    assert changed == [sample.source.endswith("1.png") for sample in before.samples]


def test_packs_of_all_sources_hold_the_same_latents(tmp_path: Path) -> None:
    packed = []
    for i, path in enumerate(sources(tmp_path)):
        index = archive.pack(path, tmp_path / f"out{i}", PackIndexOptions(size=16), engine=ThreadEngine(2))
        assert not index.skipped
        rows = [row for row in range(len(index)) if index.shards[index.shard[row]].split == "train"]
        found = set()
        for row in rows:
            shard = (tmp_path / f"out{i}" / index.shards[index.shard[row]].name).read_bytes()
            parts = [shard[index.offset[row] :][: index.length[row]]]
            for suffix in ("txt", "mask.png"):
                column = index.targets[suffix]
                parts.append(shard[column.offset[row] :][: column.length[row]])
            found.add((int(index.label[row]), *parts))
        packed.append(found)
    assert all(found == packed[0] and len(found) == scene.NUM_SAMPLES // 2 for found in packed)


def test_command_packs_a_manifest_and_says_what_it_understood(tmp_path: Path) -> None:
    rows = scene.make_files(tmp_path)
    path = write(tmp_path / "all.csv", scene.csv_bytes([*rows, {**rows[0], "path": "gone.png"}]))
    done = CliRunner().invoke(app, ["pack", str(path), "-o", str(tmp_path / "out"), "-j", "1"])
    assert done.exit_code == 1
    assert "gone.png: skipped: No such file or directory" in done.stderr
    assert "all.csv: files from 'path', classes from 'label', splits from 'split'" in done.stderr
    assert "train: 7 samples of 3 classes (blue 3, green 2, red 2)" in done.stdout


def test_paths_that_hold_nothing_known_are_a_sentence(tmp_path: Path) -> None:
    write(tmp_path / "notes.md", "x")
    write(tmp_path / "data.tar.gz", "x")
    for path, reason in (
        ("gone", "is not there; allowed are class folders"),
        ("notes.md", "is nothing that can be packed; allowed are class folders"),
        ("data.tar.gz", "is a compressed tar"),
        ("x-{0..3}.tar", "x-0.tar is no file, but"),
        ("*.tar", "no file is named by"),
        ("", "no class folder"),
    ):
        with pytest.raises(CodecError, match=reason):
            open_pack_source(tmp_path / path)
    with pytest.raises(CodecError, match="names 10000000 files; allowed are up to"):
        open_pack_source(tmp_path / "{0..9999999}.tar")


def test_folders_of_two_things_are_refused(tmp_path: Path) -> None:
    scene.make_class_folder(tmp_path)
    scene.make_tar(tmp_path / "train.tar", scene.tar_members("train"))
    with pytest.raises(CodecError, match="holds tar shards and class folders, so it is not clear what to pack"):
        open_pack_source(tmp_path)
    assert len(open_pack_source(tmp_path / "train.tar").samples) == scene.NUM_SAMPLES // 2


def test_a_pack_is_no_source(tmp_path: Path) -> None:
    archive.pack(scene.make_class_folder(tmp_path / "in"), tmp_path / "out", PackIndexOptions(size=16))
    with pytest.raises(CodecError, match="is a pack already"):
        open_pack_source(tmp_path / "out")


def test_class_folders_beside_a_table_are_class_folders_with_a_note(tmp_path: Path) -> None:
    scene.make_class_folder(tmp_path)
    write(tmp_path / "train.csv", "path,label\ntrain/red/0.png,red\n")
    source = open_pack_source(tmp_path)
    assert scene.content_of(source) == scene.expected()
    assert source.notes == ("train.csv: left out; name it to pack what it lists",)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (("a/0.jpg", "a/0.cls"), "a/0.cls: the suffix of a target is 'cls'"),
        (("a/0.jpg", "a/0.png", "a/0.txt"), "a/0.txt: it stands beside a/0.jpg and a/0.png"),
        (("a/0.jpg", f"a/0.{'s' * 81}"), f"a/0.{'s' * 81}: the suffix of a target is ssssssssssssssssssss..., of 81"),
        (("a/0.jpg", "a/1.txt"), "a/1.txt: its extension is not that of a picture"),
    ],
)
def test_files_beside_samples_that_are_no_target(tmp_path: Path, files: tuple[str, ...], reason: str) -> None:
    for name in files:
        write(tmp_path / name, b"")
    source = open_pack_source(tmp_path)
    ((name, why),) = source.skipped
    assert f"{name}: {why}".startswith(reason)
    assert all(not sample.targets for sample in source.samples)


def test_two_pictures_of_one_name_are_two_samples(tmp_path: Path) -> None:
    for name in ("a/0.jpg", "a/0.png", "a/1.jpg", "a/1.npy", "a/2.npy"):
        write(tmp_path / name, b"")
    found = {sample.source: sample.targets for sample in open_pack_source(tmp_path).samples}
    assert found == {"a/0.jpg": (), "a/0.png": (), "a/1.jpg": (("npy", "a/1.npy"),), "a/2.npy": ()}


def test_arrays_and_pictures_beside_sounds_are_their_targets(tmp_path: Path) -> None:
    for name in ("train/a/0.wav", "train/a/0.npy", "train/a/0.mask.png", "test/b/1.wav", "test/b/1.npy"):
        write(tmp_path / name, b"")
    source = open_pack_source(tmp_path)
    assert source.kind == "sound"
    found = {sample.source: dict(sample.targets) for sample in source.samples}
    assert found == {
        "train/a/0.wav": {"npy": "train/a/0.npy", "mask.png": "train/a/0.mask.png"},
        "test/b/1.wav": {"npy": "test/b/1.npy"},
    }
    write(tmp_path / "train/a/2.npy", b"")
    with pytest.raises(CodecError, match="both pictures and sounds"):
        open_pack_source(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="no shared data")
def test_real_data_are_understood() -> None:
    pictures = open_pack_source(DATA / "imagenet_sample")
    assert {split: len(names) for split, names in pictures.counts().items()} == {"train": 25, "test": 150}
    first = next(sample for sample in pictures.samples if "tench" in sample.source)
    assert (first.label, pictures.classes[first.label], pictures.read_target(first, "wnid.txt")) == (
        0,
        "0",
        b"n01440764",
    )
    sounds = open_pack_source(DATA / "an4")
    assert (sounds.kind, len(sounds.samples), sounds.classes) == ("sound", 520, ())
    sample = next(sample for sample in sounds.samples if "an253-fash-b" in sample.source)
    assert (sample.split, sounds.read_target(sample, "txt")) == ("train", b"GO")
    zipped = open_pack_source(DATA / "cifar10_jpeg_subset.zip")
    assert {split: sum(names.values()) for split, names in zipped.counts().items()} == {"train": 3000, "test": 1000}
    assert len(zipped.classes) == 10
