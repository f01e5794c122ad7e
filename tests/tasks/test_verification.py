"""`laconic verify PACK`: every kind of damage is named with the sample it is in, and nothing else."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pack_scene
import pytest
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.tasks.cli import app
from laconic.tasks.datasets.pack_index import PackIndexOptions, read_index
from laconic.tasks.datasets.stored_members import lengths_in_group, read_shard_members
from laconic.tasks.datasets.stored_samples import StoredSamples
from laconic.tasks.datasets.verification import PackVerification, verify_pack


@pytest.fixture(scope="module", params=["single", "grouped"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = PackIndexOptions(size=32, members=request.param)
    return pack_scene.make_pack(tmp_path_factory.mktemp("verification"), options=options)


@pytest.fixture
def pack(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "pack"))


def verified(pack: Path) -> PackVerification:
    return verify_pack(StoredSamples(pack), num_threads=2)


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


def test_whole_pack_is_whole(whole: Path) -> None:
    found = verified(whole)
    assert (found.is_whole, found.num_samples) == (True, 16)
    assert run("verify", whole)[:2] == (0, f"{whole}: ok, 16 samples\n")


def test_damaged_samples_are_named_with_their_source(pack: Path) -> None:
    for row in (3, 9):
        pack_scene.overwrite(pack, row)
    index = read_index(pack)
    found = verified(pack)
    assert [(s.key, s.source) for s in found.damaged] == [(index.key[row], index.source[row]) for row in (3, 9)]
    assert not found.faults
    code, out, err = run("verify", pack, "--json")
    fields = json.loads(out)
    assert (code, fields["ok"], fields["samples"]) == (1, False, 16)
    assert [entry["source"] for entry in fields["damaged"]] == [index.source[row] for row in (3, 9)]
    assert all(index.source[row] in err for row in (3, 9))


def test_shard_that_is_cut_is_named_and_all_samples_before_it_are_good(pack: Path) -> None:
    index = read_index(pack)
    path = pack / index.shards[0].name
    rows = [row for row in range(len(index)) if index.shard[row] == 0]
    last = max(rows, key=lambda row: index.offset[row])
    path.write_bytes(path.read_bytes()[: int(index.offset[last]) + 1])
    found = verified(pack)
    assert [fault for fault in found.faults if path.name in fault and "the index says" in fault]
    damaged = [sample.key for sample in found.damaged]
    # Of groups, the targets of all samples come after their .lcn files.
    assert damaged == ([index.key[last]] if index.options.members == "single" else [index.key[row] for row in rows])
    found = replace(found, damaged=tuple(sample for sample in found.damaged if sample.key == index.key[last]))
    assert "ends within it" in " ".join(found.damaged[0].reasons)


def test_absent_shard_damages_its_samples_only(pack: Path) -> None:
    index = read_index(pack)
    (pack / index.shards[1].name).unlink()
    found = verified(pack)
    assert {s.key for s in found.damaged} == {index.key[row] for row in range(16) if index.shard[row] == 1}
    assert "is not there" in found.faults[0]


def edit_index(pack: Path, **fields: object) -> None:
    path = pack / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_statistics_that_are_no_numbers_are_a_fault(pack: Path) -> None:
    statistics = json.loads((pack / "index.json").read_text())["statistics"]
    edit_index(pack, statistics={**statistics, "std": [float("nan"), *statistics["std"][1:]]})
    assert verified(pack).faults == ("the statistics hold numbers that are none",)
    edit_index(pack, statistics={**statistics, "mean": statistics["mean"][1:], "std": statistics["std"][1:]})
    with pytest.raises(CodecError, match="its statistics are not of 192 channels"):
        verified(pack)


def test_unfinished_pack_is_said_so(pack: Path) -> None:
    (pack / "index.json").unlink()
    (pack / ".parts").mkdir()
    code, _, err = run("verify", pack)
    assert code == 1
    assert "not finished: 2 shards are done" in err
    assert run("info", pack)[0] == run("unpack", pack, "-o", pack / "x")[0] == 1


def test_damaged_index_is_one_sentence_and_other_inputs_are_verified(pack: Path, whole: Path) -> None:
    (pack / "index.json").write_bytes(b"\0" * 100)
    code, out, err = run("verify", pack, whole)
    assert (code, out) == (1, f"{whole}: ok, 16 samples\n")
    assert "is no index of a pack" in err


def test_folder_of_files_is_verified_file_by_file(whole: Path, tmp_path: Path) -> None:
    samples = StoredSamples(whole)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "index.json").write_text("{}")  # of somebody else
    (tmp_path / "files" / "a.lcn").write_bytes(samples.lcn(0))
    code, out, _ = run("verify", tmp_path / "files")
    assert (code, out) == (0, f"{tmp_path / 'files' / 'a.lcn'}: ok\n")
    assert run("verify", tmp_path / "files", whole)[1].count("ok") == 2


def tar_of(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(data)
            tar.addfile(header, io.BytesIO(data))
    return path


TABLE = {"key": ["a", "b"], "cls": [1, -1], "length": {"lcn": [2, 3], "txt": [-1, 4]}}
GROUP = {"a.lcn.many": b"AABBB", "a.txt.many": b"text", "a.many.json": json.dumps(TABLE).encode()}


def test_members_of_single_and_grouped_samples_are_found_where_they_are(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "x.tar", {**GROUP, "c.lcn": b"C", "c.cls": b"7", "c.depth.png": b"P"})
    found = read_shard_members(path)
    data = path.read_bytes()
    places = {key: {s: data[o : o + n] for s, (o, n) in member.places.items()} for key, member in found.items()}
    assert places == {"a": {"lcn": b"AA"}, "b": {"lcn": b"BBB", "txt": b"text"}, "c": {"lcn": b"C", "depth.png": b"P"}}
    assert {key: member.label for key, member in found.items()} == {"a": 1, "b": -1, "c": 7}


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({**GROUP, "a.many.json": b"{}"}, "no shard"),
        ({**GROUP, "a.many.json": b"[1"}, "no shard"),
        ({**GROUP, "a.many.json": b"[1]"}, "no shard"),
        ({**GROUP, "a.many.json": b"[" * 100_000}, "no shard"),
        ({**GROUP, "a.many.json": b'{"key": [], "cls": [], "length": []}'}, "lengths of a group are no object"),
        ({**GROUP, "a.lcn.many": b"AABB"}, "not as long"),
        ({"a.lcn.many": b"A"}, "is missing"),
        ({"a.lcn": b"A", "a.cls": b"no"}, "invalid literal"),
        ({"a.lcn": b"A", "a.cls": b"1" * 99}, "label has 99"),
        ({**GROUP, "b.lcn": b"A"}, "twice"),
    ],
)
def test_members_that_contradict_themselves_are_refused(members: dict[str, bytes], said: str, tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=said):
        read_shard_members(tar_of(tmp_path / "x.tar", members))


def test_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no tar" * 400)
    with pytest.raises(CodecError, match="no shard"):
        read_shard_members(tmp_path / "x.tar")


def test_columns_of_a_group_have_one_length() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        list(lengths_in_group({"key": ["a"], "cls": [0, 1], "length": {}}))


def test_labels_and_places_of_shards_are_compared_with_the_index(whole: Path) -> None:
    samples = StoredSamples(whole)
    index = samples.index
    label, offset = index.label.copy(), index.targets["txt"].offset.copy()
    label[2], offset[5] = 1 - label[2], -1
    samples.index = replace(
        index, label=label, targets={**index.targets, "txt": replace(index.targets["txt"], offset=offset)}
    )
    found = verify_pack(samples, num_threads=1)
    assert [sample.key for sample in found.damaged] == [index.key[2], index.key[5]]
    assert f"its label is {1 - label[2]} in the shard and {label[2]} in the index" in found.damaged[0].reasons
    assert "its .txt is bytes" in found.damaged[1].reasons[0] and "no part by the index" in found.damaged[1].reasons[0]


def test_samples_that_one_side_does_not_name_are_said(whole: Path) -> None:
    samples = StoredSamples(whole)
    index = samples.index
    samples.index = replace(index, key=("other", *index.key[1:]))
    found = verify_pack(samples, num_threads=1)
    name = index.shards[index.shard[0]].name
    assert found.faults == (f"{name}: the index does not name 1 samples: {index.key[0]}",)
    assert found.damaged[0].reasons == (f"{name} does not name it",)


def test_heads_that_are_too_short_are_found(whole: Path) -> None:
    samples = StoredSamples(whole)
    heads = samples.index.heads.copy()
    heads[7, 0] = 20
    heads[8] = heads[8, ::-1] + np.arange(heads.shape[1])[::-1]
    samples.index = replace(samples.index, heads=heads)
    found = verify_pack(samples, num_threads=1)
    assert "heads of some samples are not in order" in found.faults[0]
    assert "the 20 bytes for 3 channels are not enough" in found.damaged[0].reasons[0]


def test_targets_that_cannot_be_decoded_are_found(pack: Path) -> None:
    index = read_index(pack)
    row = int(np.flatnonzero(index.targets["mask.png"].offset >= 0)[0])
    with (pack / index.shards[index.shard[row]].name).open("r+b") as file:
        file.seek(int(index.targets["mask.png"].offset[row]))
        file.write(b"no picture")
    found = verified(pack)
    assert [sample.key for sample in found.damaged] == [index.key[row]]
    assert "the target mask.png cannot be read" in found.damaged[0].reasons[0]


def test_shards_that_the_index_does_not_name_are_a_fault(pack: Path) -> None:
    (pack / "train-00077.tar").write_bytes((pack / "train-00000.tar").read_bytes())
    assert verified(pack).faults == ("train-00077.tar is a shard that the index does not name; remove it",)
