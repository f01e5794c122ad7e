"""Shards of small samples: many of them in one member, the same bytes wherever they come from, readable by others."""

from __future__ import annotations

import gc
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from laconic.tasks.datasets.pack_index import PARTS_NAME
from laconic.tasks.datasets.shard_writer import PlannedShard, ShardSample, ShardWriter
from laconic.tasks.datasets.sources.pack_source import SourceSample
from laconic.tasks.datasets.targets import NO_LABEL, check_target_suffix

PLAN = PlannedShard("train-00000.tar", (), "plan", "auto", (7, 8))


def samples_of(sizes: Sequence[int], texts: Sequence[str | None] = ()) -> list[ShardSample]:
    random = np.random.default_rng(1)
    found = []
    for i, size in enumerate(sizes):
        text = texts[i] if i < len(texts) else None
        targets = {} if text is None else {"txt": text.encode()}
        sample = SourceSample(f"a/{i}.png", "train", (0, 1, NO_LABEL)[i % 3])
        found.append(
            ShardSample(
                i, sample, random.bytes(size), targets, (size,), (1, 1), "00", np.zeros((2, 1)), content=bytes(16)
            )
        )
    return found


def written(output: Path, samples: Sequence[ShardSample], members: str = "auto") -> tuple[bytes, dict[str, object]]:
    (output / PARTS_NAME).mkdir(parents=True)
    entries = [(packed.number, packed.sample) for packed in samples]
    with ShardWriter(output, replace(PLAN, samples=entries, members=members)) as writer:  # type: ignore[arg-type]
        for packed in samples:
            writer.add(packed)
        record = writer.finish()
    return (output / PLAN.name).read_bytes(), record


def names_in(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"plan": "other"}', "[" * 100_000])
def test_a_record_that_is_none_is_made_again(tmp_path: Path, text: str) -> None:
    _, record = written(tmp_path, samples_of((3, 5)))
    writer = ShardWriter(tmp_path, PLAN)
    assert writer.read_record() == json.loads(json.dumps(record))
    (tmp_path / PARTS_NAME / f"{PLAN.name}.json").write_text(text)
    assert writer.read_record() is None


@pytest.mark.parametrize("members", ["single", "grouped"])
def test_record_points_at_the_bytes_of_each_sample(tmp_path: Path, members: str) -> None:
    samples = samples_of((300, 40_000, 1, 30_000, 7000), ("one", None, "", "four"))
    data, record = written(tmp_path / members, samples, members)
    columns, targets = record["columns"], record["targets"]
    assert isinstance(columns, dict) and isinstance(targets, list)
    assert columns["label"] == [7, 8, NO_LABEL, 7, 8]
    for packed, offset, length, places in zip(samples, columns["offset"], columns["length"], targets, strict=True):
        assert data[offset : offset + length] == packed.data
        assert {suffix: data[at : at + size] for suffix, (at, size) in places.items()} == packed.targets


def test_groups_end_at_64_kib_or_256_samples(tmp_path: Path) -> None:
    data, _ = written(tmp_path / "big", samples_of((40_000, 30_000, 100, 70_000, 5)), "grouped")
    firsts = [name.split(".")[0] for name in names_in(data) if name.endswith(".lcn.many")]
    assert firsts == ["00000000", "00000002", "00000004"]
    data, _ = written(tmp_path / "many", samples_of([10] * 600), "grouped")
    firsts = [name.split(".")[0] for name in names_in(data) if name.endswith(".lcn.many")]
    assert firsts == ["00000000", "00000256", "00000512"]
    assert len(data) < len(written(tmp_path / "single", samples_of([10] * 600), "single")[0]) / 30


def test_a_group_says_whose_bytes_are_whose(tmp_path: Path) -> None:
    data, _ = written(tmp_path / "out", samples_of((3, 5, 2), (None, "", "hat")))
    assert names_in(data) == ["00000000.lcn.many", "00000000.txt.many", "00000000.many.json"]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {name: file.read() for name in tar.getnames() if (file := tar.extractfile(name))}
    assert json.loads(members["00000000.many.json"]) == {
        "key": ["00000000", "00000001", "00000002"],
        "cls": [7, 8, -1],
        "length": {"lcn": [3, 5, 2], "txt": [-1, 0, 3]},
    }
    assert members["00000000.txt.many"] == b"hat"
    assert members["00000000.lcn.many"] == b"".join(packed.data for packed in samples_of((3, 5, 2)))


@pytest.mark.parametrize(
    ("sizes", "texts", "is_grouped"),
    [
        ([16_383] * 3, (), True),
        ([16_384] * 3, (), False),
        ([100, 100, 60_000], (), False),
        ([100] * 3, ("x" * 50_000,), False),  # what stands beside counts: its header is small then, too
        ([100] * 1024 + [100_000] * 300, (), True),
        ([100_000] * 200 + [100] * 1300, (), False),
    ],
)
def test_the_mean_of_the_first_samples_decides(
    tmp_path: Path, sizes: list[int], texts: Sequence[str], is_grouped: bool
) -> None:
    samples = samples_of(sizes, texts)
    data, _ = written(tmp_path / "auto", samples)
    assert data == written(tmp_path / "same", samples, "grouped" if is_grouped else "single")[0]
    assert data != written(tmp_path / "other", samples, "single" if is_grouped else "grouped")[0]


@pytest.mark.parametrize(("members", "name"), [("single", "00000001.{}"), ("grouped", "00000000.{}.many")])
def test_the_longest_suffix_fits_into_a_name(tmp_path: Path, members: str, name: str) -> None:
    suffix = check_target_suffix("s" * 80)
    first, second = samples_of((3, 5))
    data, _ = written(tmp_path / "out", [first, replace(second, targets={suffix: b"x"})], members)
    assert name.format(suffix) in names_in(data)


def test_bad_samples_do_not_count(tmp_path: Path) -> None:
    samples = samples_of((20_000, 20_000, 10))
    samples[2] = replace(samples[2], error="no picture", data=b"")
    data, record = written(tmp_path / "out", samples)
    assert names_in(data)[0] == "00000000.lcn"
    assert record["skipped"] == [("a/2.png", "no picture")]
    data, record = written(tmp_path / "small", [samples[2], *samples_of((10, 10))])
    assert names_in(data)[0] == "00000000.lcn.many"


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_groups_are_read_by_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", exc_type=ImportError)
    samples = samples_of([9] * 300, ["text"] * 300)
    written(tmp_path / "out", samples)
    groups = list(
        webdataset.WebDataset(str(tmp_path / "out" / PLAN.name), shardshuffle=False, empty_check=False).decode("rgb")
    )
    assert [group["__key__"] for group in groups] == ["00000000", "00000256"]
    assert [len(group["many.json"]["key"]) for group in groups] == [256, 44]
    assert groups[1]["lcn.many"] == b"".join(packed.data for packed in samples[256:])
    gc.collect()  # webdataset leaves its files to the collector: now, while that is no warning
