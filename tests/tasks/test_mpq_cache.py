"""What was coded is coded once for all tasks and runs, and never hides a codec that changed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Audio, Image
from laconic.tasks.mpq import Judgement, OperatingPoint, StaleRowsError, TaskSample, evaluate, make_metrics
from laconic.tasks.mpq.cache import DecodedCache


@dataclass(frozen=True)
class Pictures:
    """Six pictures of noise; two such tasks of other names share them."""

    name: str = "one"
    title: ClassVar[str] = "Noise"
    kind: ClassVar[str] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> list[str]:
        return [f"s{number}" for number in range(6)]

    def sample(self, key: str) -> TaskSample[Image]:
        rng = np.random.default_rng(int(key[1:]))
        return TaskSample(key, Image(rng.integers(0, 256, (6, 5, 3), np.uint8)), 0)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        shares = decoded.samples.reshape(-1, 3).mean(0) + 1
        return Judgement((1.0, 1.0), "", float(shares[0]), shares / shares.sum())

    def aggregate(self, totals: np.ndarray) -> np.ndarray:
        return totals[..., 0] / totals[..., 1]


@dataclass(frozen=True)
class Counting:
    """Keeps the upper bits, and count of what it encoded."""

    name: ClassVar[str] = "counting"
    count: ClassVar[itertools.count[int]] = itertools.count()

    def encode(self, signal: Image) -> bytes:
        next(self.count)
        return bytes(signal.samples.shape) + (signal.samples & 0xF0).tobytes()

    def decode(self, data: bytes) -> Image:
        return Image(np.frombuffer(data[3:], np.uint8).reshape(tuple(data[:3])))


@pytest.fixture
def coded(monkeypatch: pytest.MonkeyPatch) -> itertools.count[int]:
    counter: itertools.count[int] = itertools.count()
    monkeypatch.setattr(Counting, "count", counter)
    return counter


POINT = OperatingPoint("counting", "counting", Counting(), frozenset(["image"]))


def test_tasks_that_share_pictures_code_them_once(tmp_path: Path, coded: itertools.count[int]) -> None:
    tasks = [Pictures("one"), Pictures("two")]
    rows = evaluate(tasks, [POINT], tmp_path / "rows.jsonl", cache=tmp_path / "cache")
    assert next(coded) == 6 + 1 + 0  # the first sample of each task is coded, and that of the first is not kept
    plain = evaluate(tasks, [POINT], tmp_path / "plain.jsonl")
    assert rows == plain


def test_later_run_codes_nothing_but_the_first_sample(tmp_path: Path, coded: itertools.count[int]) -> None:
    metrics = make_metrics(["psnr"], tmp_path)
    first = evaluate([Pictures()], [POINT], tmp_path / "rows.jsonl", cache=tmp_path / "cache", metrics=metrics)
    before = next(coded)
    again = evaluate([Pictures()], [POINT], tmp_path / "other.jsonl", cache=tmp_path / "cache", metrics=metrics)
    assert next(coded) - before - 1 == 1
    assert again == first


def test_codec_that_changed_is_found_in_spite_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate([Pictures()], [POINT], tmp_path / "rows.jsonl", cache=tmp_path / "cache")
    monkeypatch.setattr(Counting, "encode", lambda self, signal: bytes(signal.samples.shape) + bytes(90) + b"more")
    monkeypatch.setattr(Counting, "decode", lambda self, data: Image(np.zeros(tuple(data[:3]), np.uint8)))
    with pytest.raises(StaleRowsError, match="on sample s0 of task one"):
        evaluate([Pictures()], [POINT], tmp_path / "rows.jsonl", cache=tmp_path / "empty")
    for rows in ("rows.jsonl", "none.jsonl"):  # of no rows the cache alone tells
        with pytest.raises(
            StaleRowsError, match=r"cache holds another file of Counting\(\) .*\(93 bytes then, 97 now\)"
        ):
            evaluate([Pictures()], [POINT], tmp_path / rows, cache=tmp_path / "cache")


class Constant:
    """A metric whose values are what `value` says."""

    name, kind, higher_is_better, value = "constant", "image", True, 1.0
    heads: ClassVar[dict[str, str]] = {"constant": "constant"}

    def measure(self, original: Image, decoded: Image) -> dict[str, float]:
        return {"constant": self.value}


def test_metric_that_changed_is_found_in_spite_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate([Pictures()], [POINT], tmp_path / "rows.jsonl", cache=tmp_path / "cache", metrics=[Constant()])
    monkeypatch.setattr(Constant, "value", 2.0)
    with pytest.raises(
        StaleRowsError, match=r"cache holds other values of metric constant .*1\.0.* then, .*2\.0.* now"
    ):
        evaluate([Pictures()], [POINT], tmp_path / "none.jsonl", cache=tmp_path / "cache", metrics=[Constant()])


def test_damaged_entries_count_as_absent(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    image = Pictures().sample("s1").signal
    cache.keep(Counting(), image, 7, image)
    assert cache.decoded(Counting(), image) == (7, image)
    for path in tmp_path.rglob("*.npy"):
        path.write_bytes(path.read_bytes()[:40])
    assert cache.decoded(Counting(), image) is None


def test_sounds_of_two_rates_are_two_entries(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path)
    sound = Audio(np.zeros((1, 30), np.float32), 8000)
    cache.keep(Counting(), sound, 7, sound)
    assert cache.decoded(Counting(), sound) == (7, sound)
    assert cache.decoded(Counting(), replace(sound, sample_rate=16000)) is None


def test_probabilities_are_compared_with_those_of_the_original(tmp_path: Path) -> None:
    rows = evaluate([Pictures()], [POINT], tmp_path / "rows.jsonl", limit=1)
    anchor, row = rows.values()
    sample = Pictures().sample("s0")
    p = Pictures().judge(sample, sample.signal).probabilities
    q = Pictures().judge(sample, Image(sample.signal.samples & 0xF0)).probabilities
    assert p is not None and q is not None
    assert anchor.scores["divergence"] == 0
    assert row.scores["divergence"] == pytest.approx(float(np.sum(p * np.log(p / q))), abs=1e-6)


def test_metrics_are_added_to_rows_that_lack_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    few = evaluate([Pictures()], [POINT], path, metrics=make_metrics(["psnr"], tmp_path))
    both = make_metrics(["psnr", "ms-ssim"], tmp_path)
    rows = evaluate([Pictures()], [POINT], path, metrics=both)
    assert rows == evaluate([Pictures()], [POINT], tmp_path / "other.jsonl", metrics=both)
    assert {row.metrics for row in rows.values()} == {("psnr", "ms-ssim")}
    assert {key: row.counts for key, row in few.items()} == {key: row.counts for key, row in rows.items()}
    complete = path.read_bytes()
    assert evaluate([Pictures()], [POINT], path, metrics=make_metrics(["ms-ssim"], tmp_path)) == rows
    assert path.read_bytes() == complete


def test_unknown_metric_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"metric 'beauty' is unknown; known are psnr, ms-ssim, .* and all"):
        make_metrics(["beauty"], tmp_path)
