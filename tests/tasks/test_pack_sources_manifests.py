"""Manifests as people write them: other names of columns, encodings, line ends, rows that are wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource
from laconic.tasks.datasets.splits import SplitsError, parse_splits


def opened(folder: Path, text: str | bytes, name: str = "list.csv") -> PackSource:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return open_pack_source(folder / name)


def labels_of(source: PackSource) -> dict[str, str]:
    return {sample.source: source.classes[sample.label] if sample.label >= 0 else "" for sample in source.samples}


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na.jpg,hat\nb.jpg,coat\n",
        "\ufeffpath,label\r\na.jpg,hat\r\nb.jpg,coat\r\n",
        "path;label\na.jpg;hat\nb.jpg;coat",
        "path\tlabel\n\na.jpg\that\n\nb.jpg\tcoat\n\n",
        'Label,"Filename"\n"hat","a.jpg"\n"coat","b.jpg"\n',
        "class_name,IMAGE\nhat, a.jpg\ncoat,b.jpg \n",
        "file,category\na.jpg,hat\nb.jpg,coat\n",
    ],
)
def test_tables_of_many_hands_say_the_same(tmp_path: Path, text: str) -> None:
    source = opened(tmp_path, text)
    assert labels_of(source) == {"a.jpg": "hat", "b.jpg": "coat"}
    assert (source.classes, source.skipped) == (("coat", "hat"), ())


def test_cells_are_quoted_as_tables_are(tmp_path: Path) -> None:
    source = opened(tmp_path, 'path,caption\n"a, b.jpg","he said ""hat"",\r\nand left"\nc.jpg,\n')
    first, second = source.samples
    assert (first.source, source.read_target(first, "txt")) == ("a, b.jpg", b'he said "hat",\r\nand left')
    assert (second.source, second.targets) == ("c.jpg", ())


def test_cells_are_of_any_length(tmp_path: Path) -> None:
    source = opened(tmp_path, f"path,caption\na.jpg,{'x' * 200_000}\n")
    assert len(source.read_target(source.samples[0], "txt")) == 200_000
    assert csv.field_size_limit() < 200_000


def test_paths_are_relative_to_the_manifest_or_absolute(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    source = opened(tmp_path / "in", f"path\na.jpg\n../b.jpg\n{tmp_path}/b.jpg\n.\\a.jpg\n{tmp_path}/in/a.jpg\n")
    paths = [source.open_signal(sample) for sample in source.samples]
    assert all(isinstance(path, Path) and path.is_file() for path in paths)
    again = [name for name, why in source.skipped if why == "it is there once more, with the same; the first counts"]
    assert again == ["a.jpg", "a.jpg"]


@pytest.mark.parametrize(
    ("header", "row", "suffixes"),
    [
        ("caption,speaker", "a hat,ann", {"txt": b"a hat", "speaker.txt": b"ann"}),
        ("text,caption", "one,two", {"text.txt": b"one", "caption.txt": b"two"}),
        ("json,boxes.json", '{},"[1, 2]"', {"json": b"{}", "boxes.json": b"[1, 2]"}),
        ("Speaker ID", "7", {"speaker-id.txt": b"7"}),
        ("mask", "t.png", {"mask.png": b"png"}),
        ("depth_path,target", "t.npy,t.png", {"depth.npy": b"npy", "png": b"png"}),
    ],
)
def test_other_columns_are_targets(tmp_path: Path, header: str, row: str, suffixes: dict[str, bytes]) -> None:
    (tmp_path / "t.png").write_bytes(b"png")
    (tmp_path / "t.npy").write_bytes(b"npy")
    source = opened(tmp_path, f"path,{header}\na.jpg,{row}\n")
    (sample,) = source.samples
    assert {suffix: source.read_target(sample, suffix) for suffix, _ in sample.targets} == suffixes


def test_json_lines_keep_their_values(tmp_path: Path) -> None:
    rows = [{"image": "a.jpg", "label": 3, "boxes": [[1, 2.5]], "ok": None, "text": "ö", "json": {"a": 1}}]
    source = opened(tmp_path, "\n".join(map(json.dumps, rows)), "list.jsonl")
    (sample,) = source.samples
    assert (sample.label, source.classes) == (3, ("0", "1", "2", "3"))
    found = {suffix: source.read_target(sample, suffix) for suffix, _ in sample.targets}
    assert found == {"boxes.json": b"[[1, 2.5]]", "txt": "ö".encode(), "json": b'{"a": 1}'}


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        ([{"path": "a.jpg", "label": "x"}], {"a.jpg": "x"}),
        ({"info": "of the set", "samples": [{"path": "a.jpg", "cls": "x"}]}, {"a.jpg": "x"}),
        ({"a.jpg": "x", "b.jpg": "y"}, {"a.jpg": "x", "b.jpg": "y"}),
    ],
)
def test_json_in_its_usual_forms(tmp_path: Path, value: object, labels: dict[str, str]) -> None:
    assert labels_of(opened(tmp_path, json.dumps(value), "list.json")) == labels


def test_splits_by_column_folder_and_name(tmp_path: Path) -> None:
    text = "path,subset\na.jpg,Training\nb.jpg,VALID\nc.jpg,eval\nd.jpg,\n"
    assert [sample.split for sample in opened(tmp_path, text).samples] == ["all", "test", "train", "val"]
    source = opened(tmp_path, "path\ntrain/a.jpg\ndev/b.jpg\n")
    assert {sample.source: sample.split for sample in source.samples} == {"train/a.jpg": "train", "dev/b.jpg": "val"}
    assert {sample.split for sample in opened(tmp_path, "path\na.jpg\n", "validation.csv").samples} == {"val"}
    (tmp_path / "validation.csv").unlink()
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_text(f"path,label\n{name}.jpg,x\n")
    (tmp_path / "list.csv").unlink()
    assert [sample.split for sample in open_pack_source(tmp_path).samples] == ["test", "train"]


def test_said_splits_of_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,split\na.jpg,A\nb.jpg,B\nc.jpg,C\n")
    source = open_pack_source(tmp_path / "list.csv", parse_splits("train=A,test=B"))
    assert [(sample.source, sample.split) for sample in source.samples] == [("b.jpg", "test"), ("a.jpg", "train")]
    assert source.skipped == (
        ("list.csv:4", "its split is 'C'; allowed are train, val and test: pass --splits train=C,..."),
    )
    assert {sample.split for sample in open_pack_source(tmp_path / "list.csv", {}).samples} == {"all"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a.jpg", "it has 1 cells, the header 3"),
        ("a.jpg,x,train,more", "it has 4 cells, the header 3"),
        (",x,train", "its path is ''; allowed is the path of a file"),
        ("http://x/a.jpg,x,train", "its path is http://x/a.jpg; allowed are files of this machine"),
        ("a\0.jpg,x,train", "its path is 'a\\x00.jpg'"),
        ("a.jpg,x,unlabeled", "its split is 'unlabeled'; allowed are train, val and test"),
    ],
)
def test_wrong_rows_are_left_out_with_their_line(tmp_path: Path, row: str, reason: str) -> None:
    source = opened(tmp_path, f"path,label,split\ngood.jpg,x,train\n{row}\nalso.jpg,y,test\n")
    assert sorted(labels_of(source)) == ["also.jpg", "good.jpg"]
    ((where, why),) = source.skipped
    assert where == "list.csv:3" and why.startswith(reason)


def test_other_rows_that_are_left_out(tmp_path: Path) -> None:
    lines = ['{"path": "a.jpg", "label": [1]}', "[]", "{", '{"path": 3}', '{"path": "a.txt"}', '{"path": "b.jpg"}']
    lines += ['{"path": "\\ud800.png"}', json.dumps({"path": "x" * 5000 + ".png"})]
    source = opened(tmp_path, "\n".join(lines), "list.jsonl")
    assert labels_of(source) == {"b.jpg": ""}
    reasons = dict(source.skipped)
    assert reasons["list.jsonl:1"].startswith("its label is [1]; allowed are a name and a number")
    assert reasons["list.jsonl:2"].startswith("it is no JSON object")
    assert reasons["list.jsonl:3"].startswith("it is no JSON:")
    assert reasons["list.jsonl:4"].startswith("its path is 3; allowed is the path of a file")
    assert reasons["list.jsonl:7"] == "its path is '\\ud800.png'...; allowed are up to 4096 letters of Unicode"
    assert reasons["list.jsonl:8"].startswith("its path is 'xxxxxx") and len(reasons["list.jsonl:8"]) < 200
    assert reasons["a.txt"] == "its extension is not that of a picture or sound"


def test_targets_with_names_too_long_for_a_tar_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"path": "a.jpg", "c" * 88: "x"},
        {"path": "b.jpg", "mask": f"m.{'p' * 90}"},
        {"path": "c.jpg", "mask": "m.p"},
    ]
    source = opened(tmp_path, "\n".join(map(json.dumps, rows)), "list.jsonl")
    assert labels_of(source) == {"c.jpg": ""}
    assert [why.partition(";")[0] for _, why in source.skipped] == [
        "the suffix of a target is cccccccccccccccccccc..., of 92 letters",
        "the suffix of a target is mask.ppppppppppppppp..., of 95 letters",
    ]


def test_a_path_with_two_labels_counts_once_and_says_so(tmp_path: Path) -> None:
    source = opened(tmp_path, "path,label\na.jpg,x\na.jpg,y\nb.jpg,y\n")
    assert labels_of(source) == {"a.jpg": "x", "b.jpg": "y"}
    assert source.skipped == (
        ("a.jpg", "it is there once more, with another label, split or targets; the first counts"),
    )


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("list.csv", "", "is empty; allowed is a table"),
        ("list.csv", " \n\n", "is empty"),
        ("list.csv", "path,label\n", "has no rows"),
        ("list.csv", "a.jpg,hat\nb.jpg,coat\n", "begins with 'a.jpg', so it has no header"),
        ("list.csv", "name,label\nx,hat\n", "has the columns name, label, none of which names the files"),
        ("list.csv", "path,path\na.jpg,b.jpg\n", "has the column 'path' twice"),
        ("list.csv", "path,Ann,ann\na.jpg,1,2\n", "has columns that are one suffix"),
        ("list.csv", 'path\n"a.jpg\n', "is no CSV from line 2 on"),
        (
            "list.csv",
            "path,label\nä.jpg,hat\n".encode("latin-1"),
            "is not UTF-8 text: byte 11 is 0xe4; save it as UTF-8",
        ),
        ("list.csv", "path,label\na.jpg,hat\n".encode("utf-16"), "is not UTF-8 text: byte 0 is 0xff"),
        ("list.csv", "path\na.jpg\nb.wav\n", "holds both pictures and sounds, such as a.jpg and b.wav"),
        ("list.csv", "path\na.txt\n", "holds no picture or sound that can be packed; the first of 1 left out is a.txt"),
        ("list.csv", "path,label\na.jpg,9999999\n", "has the class 9999999; allowed are numbers up to"),
        ("list.jsonl", "{", "has no rows; line 1: it is no JSON"),
        ("list.json", "[1", "is no JSON"),
        ("list.json", '{"images": [], "annotations": []}', "holds no list of samples"),
        ("list.json", "[" * 100_000, "is no JSON"),
    ],
)
def test_tables_that_are_none_are_a_sentence(tmp_path: Path, name: str, text: str | bytes, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        opened(tmp_path, text, name)


def test_several_manifests_in_a_folder_are_refused(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("path\nx.jpg\n")
    with pytest.raises(CodecError, match=r"holds several manifests \(a.csv, b.csv\); name one of them"):
        open_pack_source(tmp_path)


def test_numbers_stay_what_they_are_and_names_are_sorted(tmp_path: Path) -> None:
    numbers = opened(tmp_path, "path,label\na.jpg,10\nb.jpg,2\n")
    assert [(sample.source, sample.label) for sample in numbers.samples] == [("a.jpg", 10), ("b.jpg", 2)]
    names = opened(tmp_path, "path,label\na.jpg,10\nb.jpg,02\n")
    assert names.classes == ("02", "10")


def test_minus_one_is_no_class_among_numbers_and_a_name_among_names(tmp_path: Path) -> None:
    lines = "\n".join(
        json.dumps({"path": f"{i}.jpg", "label": label}) for i, label in enumerate((0, 2, 10, -1, "-1", 3))
    )
    numbers = opened(tmp_path, lines, "list.jsonl")
    assert [sample.label for sample in numbers.samples] == [0, 2, 10, -1, -1, 3]
    assert numbers.classes == tuple(map(str, range(11)))
    assert numbers.notes[1:] == ("the label -1 beside whole numbers is taken as no class, of 2 samples",)
    assert opened(tmp_path, lines.replace("3}", '"hat"}'), "list.jsonl").classes == ("-1", "0", "10", "2", "hat")
    none = opened(tmp_path, "path,label\na.jpg,-1\n")
    assert (none.classes, [sample.label for sample in none.samples]) == ((), [-1])


def test_said_splits_that_are_not_there_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x-0.tar").write_bytes(b"\0" * 1024)
    with pytest.raises(SplitsError, match="splits name 'A', which no file of"):
        open_pack_source(tmp_path / "x-0.tar", {"A": "train"})
