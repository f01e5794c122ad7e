"""The harness with tiny tasks and codecs: anchor, bytes, same samples, resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Audio, Image
from laconic.tasks.mpq import Judgement, OperatingPoint, StaleRowsError, TaskSample, evaluate, make_metrics, summarize
from laconic.tasks.mpq.rows import UNCOMPRESSED

NUM_SAMPLES = 32
HANG_SECONDS = 600  # for what would otherwise never end


@dataclass(frozen=True)
class FirstSample:
    """The class of a picture is that of its first sample, so coarse codecs change it."""

    seed: int = 0
    name: ClassVar[str] = "first"
    title: ClassVar[str] = "Noise, first sample"
    kind: ClassVar[Any] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self) -> Sequence[str]:
        return [f"s{number:02}" for number in range(NUM_SAMPLES)]

    def sample(self, key: str) -> TaskSample[Image]:
        rng = np.random.default_rng(self.seed * 100 + int(key[1:]))
        image = Image(rng.integers(0, 256, (6, 5, 3), np.uint8))
        return TaskSample(key, image, int(image.samples[0, 0, 0]) // 8)

    def judge(self, sample: TaskSample[Image], decoded: Image) -> Judgement:
        found = int(decoded.samples[0, 0, 0]) // 8
        return Judgement((float(found == sample.label), 1.0), str(found))

    def aggregate(self, totals: Any) -> Any:
        return totals[..., 0] / totals[..., 1]


@dataclass(frozen=True)
class Coarse:
    """Rounds samples to multiples of `step`."""

    step: int = 1
    name: ClassVar[str] = "coarse"

    def encode(self, signal: Image) -> bytes:
        head = bytes(signal.samples.shape)
        return head + zlib.compress((signal.samples // self.step).tobytes())

    def decode(self, data: bytes) -> Image:
        values = np.frombuffer(zlib.decompress(data[3:]), np.uint8).reshape(tuple(data[:3]))
        return Image(values * np.uint8(self.step))


class ShortBytes(bytes):
    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Liar(Coarse):
    name: ClassVar[str] = "liar"

    def encode(self, signal: Image) -> bytes:
        return ShortBytes(super().encode(signal))


@dataclass(frozen=True)
class Smuggler:
    memory: dict[str, Image] = field(default_factory=dict, repr=False)
    name: ClassVar[str] = "smuggler"

    def encode(self, signal: Image) -> bytes:
        self.memory["last"] = signal
        return b"x"

    def decode(self, data: bytes) -> Image:
        if "last" not in self.memory:
            raise CodecError("there is nothing in the file")
        return self.memory["last"]


@dataclass(frozen=True)
class Picky(Coarse):
    """Refuses pictures with an even first sample."""

    name: ClassVar[str] = "picky"

    def encode(self, signal: Image) -> bytes:
        if signal.samples[0, 0, 0] % 2 == 0:
            raise CodecError("the first sample is even")
        return super().encode(signal)


@dataclass(frozen=True)
class Cropper(Coarse):
    name: ClassVar[str] = "cropper"

    def decode(self, data: bytes) -> Image:
        return Image(super().decode(data).samples[1:])


@dataclass(frozen=True)
class Vandal(Coarse):
    """Overwrites what it is given."""

    name: ClassVar[str] = "vandal"

    def encode(self, signal: Image) -> bytes:
        data = super().encode(signal)
        signal.samples[:] = 0
        return data


def point(codec: Any, kind: Any = "image") -> OperatingPoint:
    return OperatingPoint(f"{codec.name}:{codec!r}", codec.name, codec, frozenset([kind]))


def test_anchor_is_always_there_and_perfect(tmp_path: Path) -> None:
    rows = evaluate([FirstSample()], [], tmp_path / "rows.jsonl")
    summary = summarize(FirstSample(), [], rows)
    assert [key[1] for key in rows] == [UNCOMPRESSED] * NUM_SAMPLES
    assert summary.anchor.score == 1.0
    assert summary.anchor.rate == 24.0
    assert not summary.anchor.resolved


def test_rate_is_that_of_the_bytes_whatever_the_codec_claims(tmp_path: Path) -> None:
    codec = Liar()
    rows = evaluate([FirstSample()], [point(codec)], tmp_path / "rows.jsonl", limit=2)
    image = FirstSample().sample("s00").signal
    num_bytes = len(Coarse().encode(image))
    assert rows["first", repr(codec), "s00"].num_bytes == num_bytes
    assert rows["first", repr(codec), "s00"].rate == pytest.approx(8 * num_bytes / 30)


def test_nothing_passes_beside_the_bytes(tmp_path: Path) -> None:
    smuggler = point(Smuggler())
    rows = evaluate([FirstSample()], [smuggler], tmp_path / "rows.jsonl", limit=2)
    assert rows["first", smuggler.key, "s00"].error == "there is nothing in the file"


def test_codecs_do_not_disturb_one_another(tmp_path: Path) -> None:
    rows = evaluate([FirstSample()], [point(Vandal()), point(Coarse())], tmp_path / "rows.jsonl", limit=3)
    assert all(rows["first", repr(Coarse()), f"s{n:02}"].counts == (1.0, 1.0) for n in (0, 10, 21))


def test_every_point_sees_the_same_samples(tmp_path: Path) -> None:
    points = [point(Coarse(1)), point(Coarse(32))]
    rows = evaluate([FirstSample()], points, tmp_path / "rows.jsonl", limit=5)
    seen: dict[str, list[str]] = {}
    for _, codec, sample in rows:
        seen.setdefault(codec, []).append(sample)
    assert len(seen) == 3
    assert set(map(tuple, seen.values())) == {("s00", "s06", "s12", "s19", "s25")}


def test_loss_is_resolved_and_its_absence_is_not(tmp_path: Path) -> None:
    points = [point(Coarse(1)), point(Coarse(64))]
    metrics = make_metrics(["psnr", "ms-ssim"], tmp_path)
    rows = evaluate([FirstSample()], points, tmp_path / "rows.jsonl", metrics=metrics)
    summary = summarize(FirstSample(), points, rows, metrics=metrics)
    _, lossless, coarse = summary.lines
    assert (lossless.score, lossless.difference, lossless.resolved) == (1.0, 0.0, False)
    assert lossless.distortion == {"psnr_db": None, "ms_ssim": None}
    assert coarse.resolved
    assert coarse.difference_interval[1] < 0
    assert coarse.ratio > lossless.ratio


def test_codec_that_refuses_a_sample_gets_no_score(tmp_path: Path) -> None:
    points = [point(Picky()), point(Cropper())]
    rows = evaluate([FirstSample()], points, tmp_path / "rows.jsonl")
    summary = summarize(FirstSample(), points, rows)
    picky, cropper = summary.lines[1:]
    assert picky.error is not None
    assert "the first sample is even" in picky.error
    assert cropper.error is not None
    assert "32 of 32 samples failed" in cropper.error
    assert summary.curves == {}


@dataclass(frozen=True)
class BadSamples(FirstSample):
    """Some samples cannot be loaded, one ends the process that loads it."""

    bad: tuple[str, ...] = ()
    deadly: str = ""

    def sample(self, key: str) -> TaskSample[Image]:
        if key == self.deadly:
            os._exit(9)
        if key in self.bad:
            raise ValueError("array is too big")
        return super().sample(key)


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_that_cannot_be_loaded_are_left_out_and_no_others(tmp_path: Path, workers: int) -> None:
    task = BadSamples(bad=("s02", "s03"))
    points = [point(Coarse(64))]
    rows = evaluate([task], points, tmp_path / "rows.jsonl", num_workers=workers)
    summary = summarize(task, points, rows)
    assert [sample for sample, _ in summary.left_out] == ["s02", "s03"]
    assert all(why.startswith("ValueError: array is too big") for _, why in summary.left_out)
    good = evaluate([FirstSample()], points, tmp_path / "other.jsonl")
    assert {key: row for key, row in rows.items() if row.error is None} == {
        key: row for key, row in good.items() if key[2] not in task.bad
    }
    assert summary.lines[1].error is None
    assert {line.num_samples for line in summary.lines} == {NUM_SAMPLES - 2}
    with pytest.raises(CodecError, match="no sample of first can be judged; the first is s00: ValueError"):
        everything = BadSamples(bad=tuple(task.keys()))
        summarize(everything, [], evaluate([everything], [], tmp_path / "none.jsonl"))


def test_sample_that_ends_its_process_costs_no_other(tmp_path: Path) -> None:
    task = BadSamples(deadly="s07")
    rows = evaluate([task], [point(Coarse(2))], tmp_path / "rows.jsonl", num_workers=2)
    assert len(rows) == 2 * NUM_SAMPLES
    assert {key[2] for key, row in rows.items() if row.error is not None} == {"s07"}
    error = rows["first", UNCOMPRESSED, "s07"].error
    assert error == "the process that measured it died, of memory or in a library"


def test_codec_that_fails_as_nobody_expects_gets_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Coarse, data: bytes) -> Image:
        raise ZeroDivisionError

    monkeypatch.setattr(Coarse, "decode", fail)
    rows = evaluate([FirstSample()], [point(Coarse())], tmp_path / "rows.jsonl", limit=2)
    error = summarize(FirstSample(), [point(Coarse())], rows).lines[1].error
    assert error is not None and "2 of 2 samples failed, the first, s00: ZeroDivisionError" in error


def test_codecs_of_another_kind_are_left_out(tmp_path: Path) -> None:
    rows = evaluate([FirstSample()], [point(Coarse(), "sound")], tmp_path / "rows.jsonl")
    assert {key[1] for key in rows} == {UNCOMPRESSED}


def test_rows_of_a_changed_codec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    evaluate([FirstSample()], [point(Coarse(4))], path)
    monkeypatch.setattr(Coarse, "encode", lambda self, signal: bytes(signal.samples.shape) + zlib.compress(b"0" * 90))
    with pytest.raises(StaleRowsError, match="on sample s00 of task first"):
        evaluate([FirstSample()], [point(Coarse(4))], path)


def test_rows_of_changed_data_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    evaluate([FirstSample()], [point(Coarse(4))], path)
    with pytest.raises(StaleRowsError):
        evaluate([FirstSample(seed=1)], [point(Coarse(4))], path)


def test_more_points_and_samples_add_to_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    evaluate([FirstSample()], [point(Coarse(4))], path, limit=5)
    before = path.read_bytes()
    rows = evaluate([FirstSample()], [point(Coarse(4)), point(Coarse(8))], path)
    fresh = evaluate([FirstSample()], [point(Coarse(4)), point(Coarse(8))], tmp_path / "other.jsonl")
    assert path.read_bytes().startswith(before)
    assert rows == fresh


def test_incomplete_last_line_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = evaluate([FirstSample()], [point(Coarse(4))], path)
    complete = path.read_bytes()
    path.write_bytes(complete[:-30])
    assert evaluate([FirstSample()], [point(Coarse(4))], path) == whole
    assert path.read_bytes() == complete


def test_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"task": 1}\n')
    with pytest.raises(StaleRowsError, match="line 1 of"):
        evaluate([FirstSample()], [], path)


@pytest.mark.parametrize(("name", "value"), [("scores", [1]), ("rate", "high"), ("counts", ["a"]), ("sample", 3)])
def test_row_of_other_types_is_named(tmp_path: Path, name: str, value: Any) -> None:
    path = tmp_path / "rows.jsonl"
    evaluate([FirstSample()], [], path, limit=2)
    first, second = path.read_text().splitlines()
    path.write_text(f"{first}\n{json.dumps({**json.loads(second), name: value})}\n")
    with pytest.raises(StaleRowsError, match=r"line 2 of .* is no row"):
        evaluate([FirstSample()], [], path, limit=2)


def test_row_of_what_fails_now_is_refused_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Coarse, data: bytes) -> Image:
        raise CodecError("the disk is full")

    path = tmp_path / "rows.jsonl"
    evaluate([FirstSample()], [point(Coarse(4))], path, limit=2)
    monkeypatch.setattr(Coarse, "decode", fail)
    with pytest.raises(
        StaleRowsError, match="on sample s00 of task first, which has a row, fails now: the disk is full"
    ):
        evaluate([FirstSample()], [point(Coarse(4))], path, limit=2)


def test_sound_is_counted_as_16_bit_samples(tmp_path: Path) -> None:
    rows = evaluate([Beeps()], [], tmp_path / "rows.jsonl")
    assert [row.rate for row in rows.values()] == [128.0, 128.0]  # 8 kHz times 16 bits


@dataclass(frozen=True)
class Beeps(FirstSample):
    name: ClassVar[str] = "beeps"
    kind: ClassVar[Any] = "sound"

    def keys(self) -> Sequence[str]:
        return ["a", "b"]

    def sample(self, key: str) -> TaskSample[Any]:
        return TaskSample(key, Audio(np.zeros((1, 800), np.float32), 8000), 0)

    def judge(self, sample: TaskSample[Any], decoded: Any) -> Judgement:
        return Judgement((1.0, 1.0), "")


SCRIPT = """
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import numpy as np
from laconic.codecs.media import Image
from laconic.tasks.mpq import Judgement, TaskSample, evaluate, operating_points

@dataclass(frozen=True)
class Noise:
    name: ClassVar[str] = "noise"
    title: ClassVar[str] = "noise"
    kind: ClassVar[str] = "image"
    score_name: ClassVar[str] = "accuracy"
    higher_is_better: ClassVar[bool] = True

    def keys(self):
        return [str(number) for number in range(30)]

    def sample(self, key):
        rng = np.random.default_rng(int(key))
        return TaskSample(key, Image(rng.integers(0, 256, (9, 8, 3), np.uint8)), 0)

    def judge(self, sample, decoded):
        return Judgement((float(decoded.samples[0, 0, 0] % 2), 1.0), "")

    def aggregate(self, totals):
        return totals[..., 0] / totals[..., 1]

if __name__ == "__main__":
    path, num_workers, stop_after = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

    def advance(num_done, num_all):
        if num_done == stop_after:
            print("waiting", flush=True)
            sys.stdin.read()

    points = operating_points(["jpeg:quality=5|90"])
    evaluate([Noise()], points, path, num_workers=num_workers, advance=advance)
"""


def start(path: Path, *, workers: int, stop_after: int = 0) -> subprocess.Popen[bytes]:
    """Evaluate into `path`; after so many samples the process waits for ever. Its workers hold its output open as well."""
    script = path.parent / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(path), str(workers), str(stop_after)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_run_goes_on_where_it_ended(tmp_path: Path, workers: int) -> None:
    reference, killed = tmp_path / "reference.jsonl", tmp_path / "killed.jsonl"
    with start(reference, workers=1) as process:
        pass
    assert process.returncode == 0
    expected = reference.read_bytes()

    with start(killed, workers=workers, stop_after=3) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(signal.SIGKILL)
        assert process.communicate(timeout=HANG_SECONDS) == (b"", None)  # ends with the last of the workers: no orphans
    kept = killed.read_bytes()
    assert kept.count(b"\n") == 9
    assert expected.startswith(kept)

    killed.write_bytes(kept + b'{"task": "noise", "cod')
    with start(killed, workers=workers) as process:
        pass
    assert process.returncode == 0
    assert killed.read_bytes() == expected
