"""Data sets saved by the library `datasets`, and Parquet files of many writers, also cut and damaged ones."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import source_scene as scene

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets.sources.open_source import open_pack_source
from laconic.tasks.datasets.sources.pack_source import PackSource, SourceSample, open_source_signal
from laconic.tasks.datasets.splits import SplitsError, parse_splits

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PNG = [scene.png_bytes(scene.picture_of("train", 0, number)) for number in range(4)]
BOXES = "boxes.json"
FILE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def table_of(split: str) -> Any:
    """A table as `datasets` writes it, with the names of the classes in its schema."""
    rows = [sample for sample in scene.samples() if sample["split"] == split]
    features = {"image": {"_type": "Image"}, "label": {"names": list(scene.CLASSES), "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": [{"bytes": row["png"], "path": None} for row in rows],
            "label": [row["label"] for row in rows],
            "caption": [row["caption"] for row in rows],
            "boxes": [row["boxes"] for row in rows],
            "mask": [{"bytes": row["mask"], "path": None} for row in rows],
        },
        schema=pa.schema(
            [
                ("image", FILE_TYPE),
                ("label", pa.int64()),
                ("caption", pa.string()),
                ("boxes", pa.list_(pa.float64())),
                ("mask", FILE_TYPE),
            ]
        ),
    )
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def signal_of(source: PackSource, sample: SourceSample) -> bytes:
    with open_source_signal(source, sample) as file:
        return file.read()


def as_floats(suffix: str, data: bytes) -> tuple[str, bytes]:
    return suffix, json.dumps([float(value) for value in json.loads(data)]).encode() if suffix == BOXES else data


def content_with_floats() -> scene.Content:
    """Boxes of a table are floating point."""
    return {
        (split, name, pixels, tuple(as_floats(*target) for target in targets))
        for split, name, pixels, targets in scene.expected("txt", BOXES, "mask.png")
    }


def write_stream(path: Path, table: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def make_saved(root: Path) -> Path:
    for split in scene.SPLITS:
        write_stream(root / split / "data-00000-of-00001.arrow", table_of(split))
        (root / split / "state.json").write_text('{"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}')
    (root / "dataset_dict.json").write_text(json.dumps({"splits": list(scene.SPLITS)}))
    return root


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> PackSource:
    pq.write_table(pa.table(columns), path, **options)
    return open_pack_source(path)


def test_saved_data_set_is_the_folder(tmp_path: Path) -> None:
    source = open_pack_source(make_saved(tmp_path))
    assert scene.content_of(source) == content_with_floats()
    assert source.classes == scene.CLASSES
    assert scene.content_of(pickle.loads(pickle.dumps(source))) == content_with_floats()


def test_parquet_files_are_the_folder(tmp_path: Path) -> None:
    for split in scene.SPLITS:
        (tmp_path / "data").mkdir(exist_ok=True)
        pq.write_table(table_of(split), tmp_path / "data" / f"{split}-00000-of-00001.parquet", row_group_size=4)
    for path in (tmp_path, tmp_path / "data", tmp_path / "data" / "*.parquet"):
        source = open_pack_source(path)
        assert scene.content_of(source) == content_with_floats()
        assert scene.content_of(pickle.loads(pickle.dumps(source))) == content_with_floats()


def test_what_the_library_saved_is_the_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    datasets.disable_progress_bars()
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(scene.CLASSES)),
            "caption": datasets.Value("string"),
            "mask": datasets.Image(),
        }
    )
    parts = {}
    for split in scene.SPLITS:
        rows = [sample for sample in scene.samples() if sample["split"] == split]
        columns = {name: [row[name] for row in rows] for name in ("label", "caption")}
        columns |= {name: [{"bytes": row[key]} for row in rows] for name, key in (("image", "png"), ("mask", "mask"))}
        parts[split] = datasets.Dataset.from_dict(columns, features=features)
        (tmp_path / "parquet").mkdir(exist_ok=True)
        parts[split].to_parquet(str(tmp_path / "parquet" / f"{split}-0.parquet"))
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "all"), num_shards={"train": 2, "test": 1})
    for folder in ("all", "parquet"):
        assert scene.content_of(open_pack_source(tmp_path / folder)) == scene.expected("txt", "mask.png")
    single = open_pack_source(tmp_path / "all" / "train")
    assert {sample.split for sample in single.samples} == {"all"}


def test_columns_of_other_writers(tmp_path: Path) -> None:
    source = parquet(
        tmp_path / "x.parquet", {"img": PNG[:2], "class": ["hat", "coat"], "n": [1, None], "e": [None, None]}
    )
    assert [(source.classes[sample.label], [s for s, _ in sample.targets]) for sample in source.samples] == [
        *(("hat", ["n.json"]), ("coat", []))
    ]
    assert source.read_target(source.samples[0], "n.json") == b"1"
    source = parquet(tmp_path / "x.parquet", {"bytes": PNG[:2], "label": [3, 0], "id": ["a", "b"]})
    assert ([sample.label for sample in source.samples], source.classes) == ([3, 0], ("0", "1", "2", "3"))
    assert source.read_target(source.samples[1], "id.txt") == b"b"
    source = parquet(tmp_path / "x.parquet", {"image": PNG[:1], "__index_level_0__": [0]})
    assert source.samples[0].targets == ()
    source = parquet(tmp_path / "x.parquet", {"audio": [b"fLaC" + b"\0" * 40]})
    assert source.kind == "sound"
    source = parquet(tmp_path / "x.parquet", {"picture": pa.array(PNG[:1], pa.large_binary())})
    assert signal_of(source, source.samples[0]) == PNG[0]


def test_classes_outside_of_the_names_are_left_out_and_minus_one_is_none(tmp_path: Path) -> None:
    table = table_of("train")
    table = table.set_column(1, "label", pa.array([0, 1, 2, -1, 3, None], pa.int64()))
    pq.write_table(table, tmp_path / "x.parquet")
    source = open_pack_source(tmp_path / "x.parquet")
    assert [sample.label for sample in source.samples] == [0, 1, 2, -1, -1]
    assert source.skipped == (("x.parquet/00000004", "its class is 3, of 3 names; allowed are 0 to 2"),)


def test_minus_one_in_a_column_of_numbers_is_no_class(tmp_path: Path) -> None:
    source = parquet(tmp_path / "x.parquet", {"image": PNG, "label": [1, -1, 0, None]})
    assert (source.classes, [sample.label for sample in source.samples]) == (("0", "1"), [1, -1, 0, -1])


def test_pictures_by_their_paths_are_read_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG[0])
    cells = [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "gone.png"}, {"bytes": None, "path": None}]
    source = parquet(tmp_path / "x.parquet", {"image": pa.array(cells, FILE_TYPE)})
    assert signal_of(source, source.samples[0]) == PNG[0]
    with pytest.raises(OSError, match="No such file"):
        signal_of(source, source.samples[1])
    with pytest.raises(CodecError, match="its image is empty; allowed are the bytes of a file, or its path"):
        signal_of(source, source.samples[2])


@pytest.mark.parametrize("path", ["/etc/hostname", "../a.png", "b/../../a.png", "..\\a.png", "C:\\a.png"])
def test_paths_in_cells_lead_nowhere_else(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.png").write_bytes(PNG[0])
    (tmp_path / "in").mkdir()
    cells = pa.array([{"bytes": None, "path": path}], FILE_TYPE)
    source = parquet(tmp_path / "in" / "x.parquet", {"image": cells, "mask": cells, "label": [0]})
    with pytest.raises(CodecError, match=r"its image is the file .* allowed are files below the table's folder"):
        source.open_signal(source.samples[0])
    with pytest.raises(CodecError, match=r"its mask is the file .* allowed are files below the table's folder"):
        source.read_target(source.samples[0], source.samples[0].targets[0][0])


@pytest.mark.parametrize("write", [pq.write_table, lambda table, path: write_stream(path, table)])
def test_targets_of_which_all_is_null_are_absent(tmp_path: Path, write: Any) -> None:
    masks = [{"bytes": b"m", "path": None}, {"bytes": None, "path": None}, None, {"bytes": None, "path": "m.png"}]
    columns = {"image": pa.array([{"bytes": PNG[0], "path": None}] * 4, FILE_TYPE), "mask": pa.array(masks, FILE_TYPE)}
    path = tmp_path / ("x.parquet" if write is pq.write_table else "x.arrow")
    write(pa.table(columns), path)
    source = open_pack_source(path if write is pq.write_table else tmp_path)
    assert [len(sample.targets) for sample in source.samples] == [1, 0, 0, 1]


def test_rows_at_random_come_from_their_row_groups(tmp_path: Path) -> None:
    cells = [bytes([i]) for i in range(10)]
    source = parquet(tmp_path / "x.parquet", {"image": cells}, row_group_size=3)
    assert [signal_of(source, source.samples[i]) for i in (9, 0, 3, 2, 8)] == [cells[i] for i in (9, 0, 3, 2, 8)]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [1]}, "has no column of files, its columns are label; allowed is one of bytes"),
        ({"a": [b"x"], "b": [b"y"]}, r"has several columns of files \(a, b\)"),
        ({"image": pa.array([], pa.binary())}, "has no rows that can be read"),
        ({"image": [b"x"], "Ann": [1], "ann": [2]}, "has columns that are one suffix"),
        (
            {"image": [b"x"], "c" * 120: [1]},
            r"the suffix of a target is cccccccccccccccccccc..., of 125 letters; allowed",
        ),
    ],
)
def test_tables_without_pictures_are_a_sentence(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        parquet(tmp_path / "x.parquet", columns)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_in_place_of_a_table_is_left_out(tmp_path: Path) -> None:
    write_stream(tmp_path / "0.arrow", pa.table({"image": PNG}))
    os.mkfifo(tmp_path / "1.arrow")
    source = open_pack_source(tmp_path)
    assert len(source.samples) == len(PNG)
    assert source.skipped == (("1.arrow", "1.arrow is a pipe or device; allowed are files: leave it out"),)


def test_columns_of_one_name_are_a_sentence(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([b"x"]), pa.array([1]), pa.array([2])], ["image", "label", "label"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(CodecError, match="has the column 'label' twice"):
        open_pack_source(tmp_path / "x.parquet")


def test_cut_and_damaged_files_are_left_out_by_name(tmp_path: Path) -> None:
    for name in ("train-0.parquet", "train-1.parquet", "train-2.parquet"):
        pq.write_table(table_of("train"), tmp_path / name)
    data = (tmp_path / "train-0.parquet").read_bytes()
    (tmp_path / "train-0.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "train-2.parquet").write_bytes(b"")
    source = open_pack_source(tmp_path)
    assert {sample.source.partition("/")[0] for sample in source.samples} == {"train-1.parquet"}
    assert [name for name, _ in source.skipped] == ["train-0.parquet", "train-2.parquet"]
    assert all("is no Parquet file that can be read" in why for _, why in source.skipped)
    (tmp_path / "train-1.parquet").unlink()
    with pytest.raises(CodecError, match=r"has no rows that can be read; train-0.parquet: "):
        open_pack_source(tmp_path)


def test_damaged_pages_are_said_when_a_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"image": PNG}), path, compression="zstd")
    source = open_pack_source(path)
    data = bytearray(path.read_bytes())
    data[30:200] = bytes(170)
    path.write_bytes(data)
    with pytest.raises((CodecError, OSError)) as caught:
        signal_of(pickle.loads(pickle.dumps(source)), source.samples[0])
    assert str(caught.value)


def test_cut_arrow_files_are_left_out_by_name(tmp_path: Path) -> None:
    root = make_saved(tmp_path)
    path = root / "train" / "data-00000-of-00001.arrow"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_pack_source(root)
    assert {sample.split for sample in source.samples} == {"test"}
    ((name, why),) = source.skipped
    assert name == "train/data-00000-of-00001.arrow" and "is no Arrow file that can be read" in why


def test_splits_of_a_saved_data_set(tmp_path: Path) -> None:
    root = make_saved(tmp_path / "in")
    (root / "train").rename(root / "unsupervised")
    (root / "dataset_dict.json").write_text('{"splits": ["unsupervised", "test"]}')
    source = open_pack_source(root)
    assert ({sample.split for sample in source.samples}, source.notes) == (
        {"test"},
        ("unsupervised: left out; pass --splits to have it",),
    )
    said = open_pack_source(root, parse_splits("train=unsupervised,test=test"))
    assert scene.content_of(said) == content_with_floats()
    with pytest.raises(SplitsError, match=r"splits name 'gone'; .* has unsupervised, test"):
        open_pack_source(root, {"gone": "train"})
    (root / "dataset_dict.json").write_text('{"splits": ["unsupervised"]}')
    with pytest.raises(
        SplitsError, match="none of which is named train, val or test; pass --splits train=unsupervised"
    ):
        open_pack_source(root)


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("dataset_dict.json", '{"splits": ["../x"]}', "names the splits"),
        ("dataset_dict.json", "{", "is no JSON"),
        ("train/state.json", '{"_data_files": [{"filename": "../../x.arrow"}]}', "names the files"),
        ("train/state.json", '{"_data_files": [{}]}', "names the files"),
    ],
)
def test_hostile_settings_of_a_saved_data_set_are_refused(tmp_path: Path, file: str, text: str, reason: str) -> None:
    root = make_saved(tmp_path)
    (root / file).write_text(text)
    with pytest.raises(CodecError, match=reason):
        open_pack_source(root)


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": PNG[:1], "label": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"image": PNG[:1]}), tmp_path / "b.parquet")
    with pytest.raises(CodecError, match=r"has files with other columns, types or class names: b.parquet"):
        open_pack_source(tmp_path)
