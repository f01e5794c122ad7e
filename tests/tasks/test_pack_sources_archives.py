"""Tar shards and .zip files that are damaged, hostile or in doubt: each member that cannot be used is named."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import source_scene as scene

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import open_source_signal
from laconic.tasks.datasets.splits import SplitsError
from laconic.tasks.datasets.stored_members import read_shard_members

PNG = scene.png_bytes(scene.picture_of("train", 0, 0))


def test_signal_and_label_of_a_sample_in_a_shard(tmp_path: Path) -> None:
    members = [
        *(("0.jpg", b"j"), ("0.png", b"p"), ("0.json", b'{"Label": 2}')),
        *(("1.png", b"p"), ("1.npy", b"n"), ("1.cls", b"1\n")),
        *(("2.npy", b"n"), ("2.seg.png", b"s"), ("2.json", b'{"x": 1}')),
        *(("a/b.c/3.JPG", b"j"), ("a/b.c/3.TXT", b"t")),
    ]
    source = open_pack_source(scene.make_tar(tmp_path / "x.tar", members))
    found = {sample.source: (sample.label, [suffix for suffix, _ in sample.targets]) for sample in source.samples}
    assert found == {
        "x.tar/0.jpg": (2, ["png", "json"]),
        "x.tar/1.png": (1, ["npy"]),
        "x.tar/2.npy": (-1, ["seg.png", "json"]),
        "x.tar/a/b.c/3.JPG": (-1, ["txt"]),
    }
    assert (source.classes, source.skipped) == (("0", "1", "2"), ())
    first = source.samples[0]
    assert (open_source_signal(source, first).read(), source.read_target(first, "png")) == (b"j", b"p")


@pytest.mark.parametrize(
    ("members", "name", "reason"),
    [
        ([("1.jpg", b"a"), ("1.webp", b"b")], "1", r"it has several signals \(.jpg, .webp\)"),
        ([("1.txt", b"a"), ("1.tar", b"b")], "1", "it has no picture or sound, but .txt, .tar"),
        ([("1.jpg", b"a"), ("1.jpg", b"b")], "1", "it has .jpg twice"),
        ([("1.jpg", b"a"), ("1.lcn", b"b")], "1", "the suffix of a target is 'lcn'"),
        (
            [("1.jpg", b"a"), (f"1.{'s' * 95}", b"b")],
            "1",
            "the suffix of a target is s{20}..., of 95 letters; allowed are 80",
        ),
        ([("1.jpg", b"a"), ("1.cls", b"\xff")], "1", "its .cls is no UTF-8 text"),
        ([("1.jpg", b"a"), ("1.json", b"{")], "1", "its .json cannot be read"),
        ([("1.jpg", b"a"), ("2.jpg", b"b"), ("1.txt", b"t")], "1", "its key is in the shard before"),
        ([("1.jpg", b"a"), ("2.jpg", b"b"), ("1.jpg", b"t")], "1", "its key is in the shard before"),
        ([("plain", b"a")], "plain", "its name has no extension"),
        ([("../1.jpg", b"a")], "../1.jpg", "its path leads out of the tar"),
    ],
)
def test_samples_of_a_shard_that_are_left_out(
    tmp_path: Path, members: list[tuple[str, bytes]], name: str, reason: str
) -> None:
    source = open_pack_source(scene.make_tar(tmp_path / "x.tar", [("good.jpg", b"g"), *members]))
    assert "x.tar/good.jpg" in {sample.source for sample in source.samples}
    ((where, why),) = source.skipped
    assert where == f"x.tar/{name}"
    with pytest.raises(CodecError, match=reason):
        raise CodecError(why)


def test_minus_one_of_a_shard_is_no_class(tmp_path: Path) -> None:
    members = [(f"{i}.{suffix}", data) for i in range(3) for suffix, data in (("jpg", b"j"), ("cls", b"%d" % (i - 1)))]
    source = open_pack_source(scene.make_tar(tmp_path / "x.tar", members))
    assert (source.classes, [sample.label for sample in source.samples]) == (("0", "1"), [-1, 0, 1])


def test_hidden_members_are_not_the_users(tmp_path: Path) -> None:
    members = [(name, b"x") for name in ("1.jpg", "._1.jpg", "__MACOSX/1.jpg", "__info__", "./2.jpg", ".a/1.jpg")]
    source = open_pack_source(scene.make_tar(tmp_path / "x.tar", members))
    assert [sample.source for sample in source.samples] == ["x.tar/1.jpg", "x.tar/2.jpg"]
    assert source.skipped == ()


def test_links_and_devices_in_a_tar_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("1.jpg", tarfile.REGTYPE), ("2.jpg", tarfile.SYMTYPE), ("3.jpg", tarfile.LNKTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("4.jpg")
        member.type = tarfile.CHRTYPE
        tar.addfile(member)
    source = open_pack_source(path)
    assert [sample.source for sample in source.samples] == ["x.tar/1.jpg"]
    assert [why.partition(";")[0] for _, why in source.skipped] == ["it is a link", "it is a link", "it is no file"]


def test_a_cut_tar_keeps_what_is_whole(tmp_path: Path) -> None:
    path = scene.make_tar(tmp_path / "x.tar", [(f"{i}.jpg", b"x" * 1000) for i in range(4)])
    path.write_bytes(path.read_bytes()[: 512 + 1024 + 512 + 700])
    source = open_pack_source(path)
    assert [sample.source for sample in source.samples] == ["x.tar/0.jpg"]
    assert source.skipped == (("x.tar/1.jpg", "the tar ends within it, at byte 2748; copy the file again"),)


def test_a_tar_with_a_damaged_header_keeps_what_is_before(tmp_path: Path) -> None:
    path = scene.make_tar(tmp_path / "x.tar", [(f"{i}.jpg", b"x" * 1000) for i in range(4)])
    data = bytearray(path.read_bytes())
    data[2 * 1536 + 150] ^= 0xFF  # in the checksum of the third header
    path.write_bytes(data)
    source = open_pack_source(path)
    assert [sample.source for sample in source.samples] == ["x.tar/0.jpg", "x.tar/1.jpg"]
    ((where, why),) = source.skipped
    assert where == "x.tar" and why.startswith("the tar is damaged at byte 3072 of")


@pytest.mark.parametrize("is_pax", [False, True])
@pytest.mark.parametrize("num_bytes", [-1, -512, -1024, -1536])
def test_members_of_negative_size_do_not_lead_back(tmp_path: Path, num_bytes: int, is_pax: bool) -> None:
    path = scene.make_tar(tmp_path / "x.tar", [("0.jpg", b"x" * 1000)])
    place = scene.add_negative_header(path, num_bytes, is_pax=is_pax)
    source = open_pack_source(path)
    assert [sample.source for sample in source.samples] == ["x.tar/0.jpg"]
    ((where, why),) = source.skipped
    assert where == "x.tar" and why.startswith(f"the tar is damaged at byte {place} of")
    with pytest.raises(CodecError, match=r"no shard of samples: bad.jpg has -"):
        read_shard_members(path)


@pytest.mark.parametrize(
    "data", [b"", b"no tar" * 200, gzip.compress(b"\0" * 10240, mtime=0)], ids=["empty", "text", "gzip"]
)
def test_files_that_are_no_tar_are_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(CodecError, match=r"x.tar (is no tar that can be read|holds no picture or sound)"):
        open_pack_source(tmp_path / "x.tar")


def test_a_shard_that_shrank_is_said_when_it_is_read(tmp_path: Path) -> None:
    path = scene.make_tar(tmp_path / "x.tar", [("0.jpg", b"x" * 1000)])
    source = open_pack_source(path)
    identity = source.identity(source.samples[0])
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CodecError, match=r"x.tar ends within it, after 488 of 1000 bytes"):
        source.open_signal(source.samples[0])
    assert source.identity(source.samples[0]) != identity
    path.unlink()
    assert "none" in source.identity(source.samples[0])
    with pytest.raises(OSError, match="No such file"):
        source.open_signal(source.samples[0])


def test_splits_of_shards_by_their_names_and_folders(tmp_path: Path) -> None:
    def shards(*names: str) -> dict[str, str]:
        for i, name in enumerate(names):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            scene.make_tar(tmp_path / name, [(f"{i}.jpg", b"x")])
        found = {sample.source.rpartition("/")[0]: sample.split for sample in open_pack_source(tmp_path).samples}
        for name in names:
            (tmp_path / name).unlink()
        return found

    assert shards("train/0.tar", "validation/0.tar") == {"train/0.tar": "train", "validation/0.tar": "val"}
    assert shards("x-train-0.tar", "x_test_0.tar") == {"x-train-0.tar": "train", "x_test_0.tar": "test"}
    assert shards("train2017.tar", "val2017.tar") == {"train2017.tar": "train", "val2017.tar": "val"}
    assert shards("0.tar", "1.tar") == {"0.tar": "all", "1.tar": "all"}
    with pytest.raises(SplitsError, match=r"files named by splits beside others \(0.tar\); pass --splits"):
        shards("train-0.tar", "0.tar")
    with pytest.raises(SplitsError, match=r"is named by several splits \(test, train\)"):
        shards("0.tar", "train-test.tar")


def test_said_splits_of_shards(tmp_path: Path) -> None:
    for name in ("a-0.tar", "a-1.tar", "b-0.tar", "c.tar"):
        scene.make_tar(tmp_path / name, [(f"{name[:3]}.jpg", b"x")])
    source = open_pack_source(tmp_path, {"a": "train", "b-0": "test"})
    assert [(sample.split, sample.source[:5]) for sample in source.samples] == [
        *(("test", "b-0.t"), ("train", "a-0.t"), ("train", "a-1.t"))
    ]
    assert source.notes == ("c.tar: left out, as no split was said for it",)


def test_zip_members_that_are_damaged_or_encrypted_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name in ("a/0.png", "a/1.png", "a/2.png", "../a/3.png", "a/.hidden.png"):
            file.writestr(name, PNG)
    data = bytearray(path.read_bytes())
    data[data.index(b"IHDR") + 4] ^= 1  # in the first member
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 8] |= 1  # flags of the second member
    path.write_bytes(data)
    source = open_pack_source(path)
    assert [sample.source for sample in source.samples] == ["a/0.png", "a/1.png", "a/2.png"]
    assert source.skipped == (("../a/3.png", "its path leads out of the .zip"),)
    with pytest.raises(CodecError, match="it is damaged, or packed in an unknown way: Bad CRC-32"):
        source.open_signal(source.samples[0])
    with pytest.raises(CodecError, match="it is encrypted"):
        source.open_signal(source.samples[1])
    assert open_source_signal(source, source.samples[2]).read() == PNG


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_files_that_are_no_zip_are_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(CodecError, match=r"is no .zip that can be read|holds no class folder"):
        open_pack_source(tmp_path / "x.zip")


def test_zip_with_doubtful_splits_is_refused_as_a_folder_is(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in ("train/a/0.png", "test/a/0.png", "figures/0.png"):
            file.writestr(name, PNG)
    (tmp_path / "x.zip").write_bytes(buffer.getvalue())
    with pytest.raises(SplitsError, match="it is not clear what its classes are; pass --splits test=test,train=train"):
        open_pack_source(tmp_path / "x.zip")
    source = open_pack_source(tmp_path / "x.zip", {"train": "train"})
    assert [sample.source for sample in source.samples] == ["train/a/0.png"]
