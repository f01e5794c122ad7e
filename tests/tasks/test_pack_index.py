"""The index of a pack: columns and what they may not say, a million rows, packs of version 1."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from laconic.codecs.errors import CodecError
from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.pack_columns import PackTexts, read_columns
from laconic.tasks.datasets.pack_index import INDEX_NAME, PackIndexOptions, read_index
from laconic.tasks.datasets.pack_index_writer import write_index
from laconic.tasks.datasets.sources.pack_source import SourceSample

Columns = dict[str, Any]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures of two classes, some with a text; names that are not UTF-8 are in the next test."""
    root = tmp_path_factory.mktemp("pictures")
    for label, name in enumerate(("dark", "light")):
        (root / "in" / name).mkdir(parents=True)
        for i in range(2 + label):
            PillowImage.new("RGB", (16, 16), (9 * i, 90, 200 * label)).save(root / "in" / name / f"{i}.png")
    (root / "in" / "t.txt").write_text("a text")
    listing = list_class_folder(root / "in")
    texts = tuple(SourceSample(s.source, s.split, s.label, (("txt", "t.txt"),)) for s in listing.samples[:2])
    samples = (*texts, *listing.samples[2:])
    archive.pack(type(listing)(listing.root, "image", listing.classes, samples, ()), root / "out", PackIndexOptions())
    return root / "out"


def fields_of(folder: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((folder / INDEX_NAME).read_bytes())
    return fields


def columns_of(folder: Path) -> Columns:
    samples = fields_of(folder)["samples"]
    return read_columns(folder, samples["columns"], samples["num_bytes"])


def rewrite(folder: Path, output: Path, fields: Mapping[str, Any], columns: Columns) -> None:
    """An index whose checksum is right, whatever it says."""
    found = fields_of(folder)
    write_index(output, {name: value for name, value in found.items() if name != "samples"} | dict(fields), columns)


def write_version_1(folder: Path, output: Path) -> None:
    """The index as it was before columns had a file of their own."""
    index, fields = read_index(folder), fields_of(folder)
    names = ("shard", "offset", "length", "label", "heads")
    samples = {name: getattr(index, name).tolist() for name in names}
    samples |= {"key": list(index.key), "source": list(index.source)}
    targets = {
        suffix: {"offset": column.offset.tolist(), "length": column.length.tolist()}
        for suffix, column in index.targets.items()
    }
    old_options = {name: value for name, value in fields["options"].items() if name not in ("seed", "members")}
    fields |= {"version": 1, "samples": samples, "targets": targets, "options": old_options}
    del fields["source_hash"]
    (output / INDEX_NAME).write_text(json.dumps(fields))


def test_index_of_version_1_says_the_same(packed: Path, tmp_path: Path) -> None:
    write_version_1(packed, tmp_path)
    old, new = read_index(tmp_path), read_index(packed)
    for name in ("shard", "offset", "length", "label", "heads"):
        assert np.array_equal(getattr(old, name), getattr(new, name))
        assert getattr(old, name).dtype == getattr(new, name).dtype
    assert (tuple(old.key), tuple(old.source)) == (tuple(new.key), tuple(new.source))
    assert (old.classes, old.shards, old.options, old.plan) == (new.classes, new.shards, new.options, new.plan)
    assert np.array_equal(old.targets["txt"].offset, new.targets["txt"].offset)
    assert (old.source_hash, len(new.source_hash)) == ("", 64)
    assert old.index_bytes == (tmp_path / INDEX_NAME).stat().st_size


def test_bytes_on_disk_are_those_of_all_files(packed: Path) -> None:
    assert read_index(packed).disk_bytes == sum(path.stat().st_size for path in packed.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"samples": {}},
        {"samples": {"columns": "../samples-0.safetensors", "num_bytes": 1}},
        {"samples": {"columns": "samples-00000000.safetensors", "num_bytes": 1}},
        {"classes": ["one"]},
        {"shards": []},
        {"shards": [{"name": "../x.tar", "split": "train", "num_bytes": 10**9}] * 6},
        {"options": {"quality": 50, "colour": 1}},
        {"targets": ["json"]},
    ],
)
def test_read_index_of_a_damaged_index_says_so(packed: Path, tmp_path: Path, change: dict[str, object]) -> None:
    for path in packed.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / INDEX_NAME).write_text(json.dumps(fields_of(packed) | change))
    with pytest.raises(CodecError, match="no index of a pack"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "why"),
    [
        ("label", lambda c: c + 1, "a label has no class"),
        ("label", lambda c: c - 2, "a label has no class"),
        ("label", lambda c: c[1:], "its column"),
        ("label", lambda c: c.astype(np.int64), "its column label"),
        ("shard", lambda c: c + 1, "a sample is in no shard"),
        ("offset", lambda c: c - 10**6, "a sample is outside of its shard"),
        ("offset", lambda c: c + 2**62, "a sample is outside of its shard"),
        ("length", lambda c: c * 0 + 2**31, "a sample is outside of its shard"),
        ("heads", lambda c: c + 10**6, "the heads of a sample are longer than it is"),
        ("heads", lambda c: c[:, 1:], "its column heads has shape"),
        ("key.ends", lambda c: c[::-1].copy(), "do not follow each other"),
        ("source.ends", lambda c: c + 1, "do not follow each other"),
        ("source.bytes", lambda c: c.astype(np.uint32), "its column source is no texts"),
        ("targets.txt.offset", lambda c: c[1:], "a target has no entry for each sample"),
        ("targets.txt.offset", lambda c: c * 0 - 2, "a target is outside of its shard"),
        ("targets.txt.length", lambda c: c * 0 + 2**31, "a target is outside of its shard"),
    ],
)
def test_columns_that_point_elsewhere_are_refused(
    packed: Path, tmp_path: Path, name: str, change: Callable[[Any], Any], why: str
) -> None:
    columns = columns_of(packed)
    rewrite(packed, tmp_path, {}, columns | {name: change(columns[name])})
    with pytest.raises(CodecError, match=f"no index of a pack: .*{why}"):
        read_index(tmp_path)


def test_damage_of_the_columns_is_found(packed: Path, tmp_path: Path) -> None:
    rewrite(packed, tmp_path, {}, columns_of(packed))
    path = next(tmp_path.glob("samples-*"))
    data = path.read_bytes()
    for place in (0, 9, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x11]) + data[place + 1 :])
        with pytest.raises(CodecError, match="no index of a pack"):
            read_index(tmp_path)
    for damaged in (data[:-1], data + b"0", b"", data[:7]):
        path.write_bytes(damaged)
        with pytest.raises(CodecError, match="bytes, not"):
            read_index(tmp_path)
    path.unlink()
    with pytest.raises(CodecError, match="are missing"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("shape", [10**9, 10**9]),
        ("shape", [-1]),
        ("shape", "five"),
        ("data_offsets", [0, 2**60]),
        ("data_offsets", [4, 24]),
        ("data_offsets", None),
        ("dtype", "F64"),
    ],
)
def test_heads_of_columns_are_not_believed(packed: Path, tmp_path: Path, name: str, entry: object) -> None:
    rewrite(packed, tmp_path, {}, columns_of(packed))
    path = next(tmp_path.glob("samples-*"))
    data = path.read_bytes()
    num_head = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + num_head])
    head["label"][name] = entry
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + num_head :])
    samples = fields_of(tmp_path)["samples"] | {"num_bytes": path.stat().st_size}
    (tmp_path / INDEX_NAME).write_text(json.dumps(fields_of(tmp_path) | {"samples": samples}))
    with pytest.raises(CodecError, match="no index of a pack"):
        read_index(tmp_path)


def test_columns_are_plain_safetensors(packed: Path) -> None:
    from safetensors.numpy import load_file

    ours, theirs = columns_of(packed), load_file(next(packed.glob("samples-*")))
    assert sorted(ours) == sorted(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype for name in ours)


def test_a_written_index_leaves_one_file_of_columns(packed: Path, tmp_path: Path) -> None:
    columns = columns_of(packed)
    for label in (columns["label"] * 0, columns["label"]):
        rewrite(packed, tmp_path, {}, columns | {"label": label})
        assert len(list(tmp_path.glob("samples-*"))) == 1
        assert np.array_equal(read_index(tmp_path).label, label)


def test_texts_are_made_when_asked() -> None:
    names = ("a/0.png", "", "Grüße", "\udcff.png", "\ud800")
    texts = PackTexts.of(names)
    assert (tuple(texts), len(texts), texts[-1], texts[1:3], texts[::-2]) == (
        names,
        5,
        "\ud800",
        names[1:3],
        names[::-2],
    )
    assert "Grüße" in texts and texts.index("Grüße") == 2
    for index in (5, -6):
        with pytest.raises(IndexError):
            texts[index]
    assert (len(PackTexts.of(())), tuple(PackTexts.of(()))) == (0, ())
    assert PackTexts(np.frombuffer(b"a\xff", np.uint8), np.array([1, 2]))[:] == ("a", "\ufffd")


def test_a_million_rows_are_arrays_and_no_objects(packed: Path, tmp_path: Path) -> None:
    columns, count = columns_of(packed), 1_000_000
    rows = np.arange(count) % len(columns["label"])
    texts = {name: PackTexts(columns[f"{name}.bytes"], columns[f"{name}.ends"]) for name in ("key", "source")}
    large = {name: column[rows] for name, column in columns.items() if not name.endswith((".bytes", ".ends"))}
    for name, found in texts.items():
        repeated = [found[row] for row in range(len(found))] * (count // len(found))
        large |= PackTexts.of(repeated).columns(name)
    rewrite(packed, tmp_path, {}, large)
    del large, repeated
    tracemalloc.start()
    index = read_index(tmp_path)
    held, peak = tracemalloc.get_traced_memory()
    num_blocks = sum(entry.count for entry in tracemalloc.take_snapshot().statistics("filename"))
    tracemalloc.stop()
    assert (len(index), index.source[count - 1], index.key[5]) == (count, texts["source"][4], texts["key"][0])
    assert num_blocks < 2000  # and not one for each row
    assert held < 110 * count and peak < 170 * count


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"kind": "foo"}, "its kind is 'foo'"),
        ({"classes": [[], {}]}, "its classes are no list of names"),
        ({"model": {"name": "rgb", "fingerprint": "00", "group_ends": ["3", 12]}}, "its channel groups are no list"),
        ({"model": {"name": "rgb", "fingerprint": "00", "group_ends": [12, 3]}}, "its channel groups do not ascend"),
        ({"shards": [{"name": "..", "split": "all", "num_bytes": 9}]}, "a shard has a name or split"),
        ({"shards": [{"name": "all-00000.tar", "split": "\ud800", "num_bytes": 9}]}, "a shard has a name or split"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_fields_that_no_pack_has_are_refused(packed: Path, tmp_path: Path, change: dict[str, Any], what: str) -> None:
    rewrite(packed, tmp_path, fields_of(packed) | change, columns_of(packed))
    with pytest.raises(CodecError, match=what):
        read_index(tmp_path)


def test_an_index_of_deep_lists_is_no_index(packed: Path, tmp_path: Path) -> None:
    (tmp_path / INDEX_NAME).write_text("[" * 100_000)
    with pytest.raises(CodecError, match="is no index of a pack"):
        read_index(tmp_path)


def test_read_index_of_a_plain_folder_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match="laconic pack"):
        read_index(tmp_path)
