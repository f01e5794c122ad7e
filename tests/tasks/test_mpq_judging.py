"""Faults in the code of others: what a task, a metric or a codec does wrong costs a sample, and is said in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image
from laconic.tasks.mpq import Judgement, OperatingPoint, TaskSample, evaluate, summarize
from laconic.tasks.mpq.report import report_conclusions, report_failures
from laconic.tasks.mpq.rows import UNCOMPRESSED

GOOD = Judgement((1.0, 1.0), "good", 0.5, np.array([0.5, 0.5]))
Answer = Callable[[Image], Any]


def raising(error: BaseException) -> Answer:
    def answer(signal: Image) -> Any:
        raise error

    return answer


def good(signal: Image) -> Judgement:
    return GOOD


@dataclass(frozen=True)
class Odd:
    """Three pictures; what it says of some of them, by the first value, is odd."""

    answers: Mapping[int, Answer] = field(default_factory=dict)
    name: ClassVar[str] = "odd"
    title: ClassVar[str] = "Odd <task>"
    kind: ClassVar[Any] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> list[str]:
        return ["0", "1", "2"]

    def sample(self, key: str) -> TaskSample[Image]:
        return TaskSample(key, Image(np.full((6, 5, 3), 10 * int(key), np.uint8)), 0)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        found: Judgement = self.answers.get(int(decoded.samples[0, 0, 0]), good)(decoded)
        return found

    def aggregate(self, totals: Any) -> Any:
        return totals[..., 0] / totals[..., 1]


@dataclass(frozen=True)
class Plus:
    """Adds `step`, so that decoded samples have a first value of their own."""

    step: int = 1
    name: ClassVar[str] = "plus"

    def encode(self, signal: Image) -> Any:
        return signal.samples.tobytes()

    def decode(self, data: bytes) -> Any:
        return Image(np.frombuffer(data, np.uint8).reshape(6, 5, 3) + np.uint8(self.step))


def point(codec: Any) -> OperatingPoint:
    return OperatingPoint(codec.name, codec.name, codec, frozenset(["image"]))


ODD_ANSWERS = {
    "a plain exception": (raising(KeyError("q")), "KeyError: 'q'"),
    "no judgement": (lambda signal: (1, 1), "gives tuple; allowed is a Judgement"),
    "a loss of NaN": (lambda signal: Judgement((1, 1), "x", float("nan")), "gives the loss nan"),
    "an infinite count": (lambda signal: Judgement((float("inf"), 1), "x"), r"gives the counts \(inf, 1.0\)"),
    "no counts": (lambda signal: Judgement((), "x"), r"gives the counts \(\)"),
    "probabilities of NaN": (
        lambda signal: Judgement((1, 1), "x", 0.0, np.full(2, np.nan)),
        "probabilities that are none",
    ),
}


@pytest.mark.parametrize("why", ODD_ANSWERS)
def test_task_that_fails_on_an_original_loses_that_sample(tmp_path: Path, why: str) -> None:
    answer, message = ODD_ANSWERS[why]
    task, points = Odd({10: answer}), [point(Plus())]
    rows = evaluate([task], points, tmp_path / "rows.jsonl")
    summary = summarize(task, points, rows)
    assert [line.num_samples for line in summary.lines] == [2, 2]
    ((sample, error),) = summary.left_out
    assert sample == "1"
    with pytest.raises(CodecError, match=message):
        raise CodecError(error)


@pytest.mark.parametrize("why", ODD_ANSWERS)
def test_task_that_fails_on_a_decoded_sample_gives_no_score_at_that_point(tmp_path: Path, why: str) -> None:
    answer, message = ODD_ANSWERS[why]
    task, points = Odd({11: answer}), [point(Plus()), point(Plus(2))]
    summary = summarize(task, points, evaluate([task], points, tmp_path / "rows.jsonl"))
    assert summary.left_out == ()
    _, first, second = summary.lines
    assert second.error is None
    assert first.error is not None
    with pytest.raises(CodecError, match=f"1 of 3 samples failed, the first, 1: .*{message}"):
        raise CodecError(first.error)
    assert report_failures(summary) == [f"plus has no score: {first.error}"]
    assert report_conclusions(summary)[-1] == report_failures(summary)[0]


def test_probabilities_of_another_form_are_not_compared(tmp_path: Path) -> None:
    task = Odd({1: lambda signal: Judgement((1, 1), "x", 0.0, np.full((2, 2), 0.5))})  # would broadcast
    rows = evaluate([task], [point(Plus())], tmp_path / "rows.jsonl", limit=1)
    assert (
        rows["odd", repr(Plus()), "0"].error == "its probabilities have shape (2, 2); allowed is the original's, (2,)"
    )


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    task = Odd({0: lambda signal: Judgement(np.array([1, 1]), None, np.float32(0.25))})  # type: ignore[arg-type]
    rows = evaluate([task], [], tmp_path / "rows.jsonl", limit=1)
    row = rows["odd", UNCOMPRESSED, "0"]
    assert (row.counts, row.answer, row.scores) == ((1.0, 1.0), "", {"loss": 0.25})


def test_task_that_overwrites_what_it_judges_changes_no_result(tmp_path: Path) -> None:
    def overwrite(signal: Image) -> Judgement:
        signal.samples[:] = 99
        return GOOD

    path = tmp_path / "rows.jsonl"
    assert evaluate([Odd({0: overwrite, 1: overwrite})], [point(Plus())], path, metrics=[Overwriting()]) == evaluate(
        [Odd()], [point(Plus())], tmp_path / "other.jsonl", metrics=[Overwriting()]
    )


def test_error_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    path, points = tmp_path / "rows.jsonl", [point(Plus())]
    broken = Odd({10: raising(ValueError("not yet")), 1: raising(ValueError("not yet"))})
    evaluate([broken], points, path)
    before = path.read_bytes()
    evaluate([broken], points, path)
    assert path.read_bytes() == before
    assert evaluate([Odd()], points, path) == evaluate([Odd()], points, tmp_path / "other.jsonl")


@dataclass(frozen=True)
class Overwriting:
    name: ClassVar[str] = "overwriting"
    kind: ClassVar[Any] = "image"
    heads: ClassVar[Mapping[str, str]] = {"gap": "gap"}
    higher_is_better: ClassVar[bool] = False

    def measure(self, original: Image, decoded: Image) -> Any:
        gap = float(decoded.samples.mean() - original.samples.mean())
        original.samples[:] = 7
        return {"gap": gap}


@dataclass(frozen=True)
class OddMetric(Overwriting):
    mode: str = "raises"

    def measure(self, original: Image, decoded: Image) -> Any:
        if original.samples[0, 0, 0] != 10:
            return super().measure(original, decoded)
        if self.mode == "raises":
            raise IndexError("out of range")
        return {"none": None, "text": {"gap": "wide"}, "other": {"breadth": 1.0}}[self.mode]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("raises", "IndexError: out of range"),
        ("none", "it gives None; allowed is a number for each of gap"),
        ("text", "it gives {'gap': 'wide'}; allowed is a number for each of gap"),
        ("other", "it gives 'breadth'; allowed are gap, the names of its heads"),
    ],
)
def test_metric_that_fails_leaves_out_its_value_and_says_so(tmp_path: Path, mode: str, message: str) -> None:
    points, path = [point(Plus())], tmp_path / "rows.jsonl"
    rows = evaluate([Odd()], points, path, metrics=[OddMetric(mode)])
    summary = summarize(Odd(), points, rows, metrics=[OddMetric(mode)])
    assert summary.lines[1].distortion == {"gap": 1.0}
    (failure,) = report_failures(summary)
    assert failure.startswith(f"metric overwriting failed on 1 files, the first of 1: {message}")
    again = evaluate([Odd()], points, path, metrics=[Overwriting()])
    assert report_failures(summarize(Odd(), points, again, metrics=[Overwriting()])) == []


@dataclass(frozen=True)
class OddCodec(Plus):
    mode: str = "empty"
    name: ClassVar[str] = "odd"
    memory: ClassVar[list[Image]] = []

    def encode(self, signal: Image) -> Any:
        self.memory[:] = [signal]
        return {"empty": b"", "none": None, "number": 5}.get(self.mode, b"x")

    def decode(self, data: bytes) -> Any:
        if self.mode == "exit":
            raise SystemExit(3)
        if self.mode == "panic":
            raise BaseException("panicked")  # as of PyO3
        if self.mode == "dies":
            os._exit(9)
        return None if self.mode == "nothing" else self.memory[0]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("empty", "it was encoded to no bytes; allowed is a file that holds what is decoded"),
        ("none", "it was encoded to NoneType; allowed are bytes"),
        ("number", "it was encoded to int; allowed are bytes"),
        ("nothing", "it was decoded to NoneType; allowed are Image and Audio"),
        ("exit", "SystemExit: 3"),
        ("panic", "BaseException: panicked"),
    ],
)
def test_codec_that_fails_in_any_way_gets_no_score(tmp_path: Path, mode: str, message: str) -> None:
    codec = OddCodec(mode=mode)
    rows = evaluate([Odd()], [point(codec)], tmp_path / "rows.jsonl", limit=1)
    assert rows["odd", repr(codec), "0"].error == message


def test_codec_that_ends_its_process_costs_no_other_codec(tmp_path: Path) -> None:
    points = [point(Plus()), point(OddCodec(mode="dies")), point(Plus(2))]
    rows = evaluate([Odd()], points, tmp_path / "rows.jsonl", num_workers=2, limit=2)
    lost = {key for key, row in rows.items() if row.error is not None}
    assert lost == {("odd", points[1].key, "0"), ("odd", points[1].key, "1")}
    assert [line.error is None for line in summarize(Odd(), points, rows).lines] == [True, True, False, True]


@dataclass(frozen=True)
class OddScores(Odd):
    mode: str = "raises"

    def aggregate(self, totals: Any) -> Any:
        if self.mode == "raises":
            raise ZeroDivisionError("of nothing")
        return np.zeros(3) if self.mode == "shape" else np.full(totals.shape[:-1], np.nan)


@pytest.mark.parametrize(
    ("mode", "message"),
    [("raises", "ZeroDivisionError: of nothing"), ("shape", r"scores of shape \(3,\)"), ("nan", "makes no score")],
)
def test_task_that_makes_no_scores_is_refused_in_a_sentence(tmp_path: Path, mode: str, message: str) -> None:
    task = OddScores(mode=mode)
    with pytest.raises(CodecError, match=message):
        summarize(task, [], evaluate([task], [], tmp_path / "rows.jsonl"))


def test_counts_of_several_lengths_are_refused_in_a_sentence(tmp_path: Path) -> None:
    task = Odd({10: lambda signal: Judgement((1, 1, 1), "x")})
    with pytest.raises(CodecError, match=r"task odd gives \[2, 3\] counts"):
        summarize(task, [], evaluate([task], [], tmp_path / "rows.jsonl"))
