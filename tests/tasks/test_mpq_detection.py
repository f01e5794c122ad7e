"""Finding of lines on receipts: size of the input, boxes of a map, matching; and the detector where it is installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from laconic.codecs.errors import MissingDependencyError
from laconic.codecs.media import Image
from laconic.tasks.mpq import TaskSample, make_tasks
from laconic.tasks.mpq.detection import Detection, boxes_of_map, find_text, input_size, num_matches

DATA = Path(__file__).parents[2].parent / "shared" / "data"
INSTALLED = all(importlib.util.find_spec(name) for name in ("onnxruntime", "rapidocr_onnxruntime", "scipy"))
needs_detector = pytest.mark.skipif(not INSTALLED or not DATA.is_dir(), reason="no detector or no data")
needs_scipy = pytest.mark.skipif(importlib.util.find_spec("scipy") is None, reason="scipy is not installed")


def test_input_has_sides_of_multiples_of_32_between_the_limits() -> None:
    assert input_size(461, 933) == (736, 1504)  # enlarged: 736 x 1489.6
    assert input_size(1080, 1527) == (1088, 1536)  # as it is
    assert input_size(928, 2168) == (864, 1984)  # reduced: 856.1 x 2000
    assert input_size(3000, 1) == (1984, 32)


@needs_scipy
def test_boxes_are_grown_by_area_over_perimeter() -> None:
    probabilities = np.zeros((20, 40), np.float32)
    probabilities[5:9, 10:22] = 0.9  # 4 x 12: grows by 48 * 1.5 / 32
    assert boxes_of_map(probabilities).tolist() == [[7.75, 2.75, 24.25, 11.25]]


@needs_scipy
def test_places_that_touch_at_corners_are_one_box() -> None:
    probabilities = np.zeros((20, 40), np.float32)
    probabilities[5:9, 10:20], probabilities[9:13, 20:30] = 0.9, 1.0
    (box,) = boxes_of_map(np.where(probabilities > 0, probabilities, 0.2))
    assert (box[0] + box[2], box[1] + box[3]) == (40, 18)


@needs_scipy
def test_small_and_improbable_places_are_no_boxes() -> None:
    probabilities = np.zeros((20, 40), np.float32)
    probabilities[2:4, 2:30] = 1  # two high
    probabilities[6:9, 2:30] = 0.4  # over the threshold of a place, below that of a box
    probabilities[12:16, 2:30] = 0.29
    assert boxes_of_map(probabilities).shape == (0, 4)
    probabilities[6:9, 2:30] = 0.5
    assert len(boxes_of_map(probabilities)) == 1


@needs_scipy
def test_boxes_are_pixels_of_the_picture_and_end_at_its_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a detector that finds text where the first colour that it is given is bright."""
    monkeypatch.setattr("laconic.tasks.mpq.detection.packaged_file", lambda package, name, install: Path(name))
    monkeypatch.setattr("laconic.tasks.mpq.detection.run_onnx", lambda path, inputs: inputs[:1])
    samples = np.zeros((400, 200, 3), np.uint8)
    samples[100:120, 50:150, 2] = 255  # blue
    samples[200:220, 50:150, 0] = 255
    (box,) = find_text(Image(samples))  # of 736 x 1472 places: grows by 12.5 pixels
    assert box == pytest.approx([37.5, 87.5, 162.5, 132.5], abs=1)
    assert find_text(Image(np.full_like(samples, 255))).tolist() == [[0, 0, 200, 400]]


def test_boxes_match_from_half_the_union_on() -> None:
    true = np.array([[0, 0, 10, 10.0]])
    assert num_matches(np.array([[0, 0, 5, 10.0]]), true) == 1
    assert num_matches(np.array([[0, 0, 4.9, 10]]), true) == 0
    assert num_matches(np.array([[0, 0, 10, 20.1]]), true) == 0
    assert num_matches(np.array([[20, 20, 30, 30.0]]), true) == 0  # apart on both axes


def test_each_box_is_in_one_pair() -> None:
    true = np.array([[0, 0, 10, 10], [0, 20, 10, 30.0]])
    twice = np.array([[0, 0, 10, 9], [0, 0, 10, 10], [0, 1, 10, 10.0]])
    assert num_matches(twice, true) == 1
    assert num_matches(true, twice) == 1
    assert num_matches(true, true[::-1]) == 2


def test_best_pairs_go_first() -> None:
    """The first found box overlaps both annotated ones, 0.6 and 0.9; the second only the second one, 0.5."""
    true = np.array([[0, 0, 6, 1], [0, 0, 9, 1.0]])
    found = np.array([[0, 0, 10, 1], [4.5, 0, 9, 1]])
    assert num_matches(found, true) == 1


@pytest.mark.parametrize(("num_found", "num_true"), [(0, 2), (2, 0), (0, 0)])
def test_no_boxes_match_nothing(num_found: int, num_true: int) -> None:
    assert num_matches(np.ones((num_found, 4)), np.ones((num_true, 4))) == 0


def test_boxes_without_area_match_nothing() -> None:
    assert num_matches(np.zeros((1, 4)), np.zeros((1, 4))) == 0


def test_counts_of_receipts_add_up_to_f1(monkeypatch: pytest.MonkeyPatch) -> None:
    true = np.array([[0, 0, 10, 10], [0, 20, 10, 30], [0, 40, 10, 50.0]])
    image = Image(np.zeros((60, 60, 3), np.uint8))
    task = Detection(DATA)
    monkeypatch.setattr("laconic.tasks.mpq.detection.find_text", lambda image: true[[0, 1, 1]])
    some = task.judge(TaskSample("1", image, true), image)
    assert (some.counts, some.answer, some.loss) == ((4.0, 6.0), "2 of 3 lines, 1 false", pytest.approx(1 / 3))
    none = task.judge(TaskSample("2", image, np.empty((0, 4))), image)
    assert (none.counts, none.answer, none.loss) == ((0.0, 3.0), "0 of 0 lines, 3 false", 1)
    assert task.aggregate(np.array(some.counts) + np.array(none.counts)) == pytest.approx(4 / 9)


@needs_detector
def test_lines_of_receipts_are_found() -> None:
    task = make_tasks(["detect"], DATA, DATA / "models")[0]
    assert len(task.keys()) == 40
    sample = task.sample("test/614.jpg")
    judged = task.judge(sample, sample.signal)
    assert (judged.counts, judged.answer, judged.loss) == ((46.0, 46.0), "23 of 23 lines, 0 false", 0)
    blank = task.judge(sample, Image(np.full_like(sample.signal.samples, 255)))
    assert (blank.counts, blank.answer, blank.loss) == ((0.0, 23.0), "0 of 23 lines, 0 false", 1)


def test_absent_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr("laconic.tasks.mpq.packaged_models.find_spec", lambda name: None)
        with pytest.raises(MissingDependencyError, match="install it: pip install --no-deps rapidocr-onnxruntime"):
            find_text(Image(np.zeros((32, 32, 3), np.uint8)))
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingDependencyError, match=r"scipy cannot be imported .*; install it: pip install scipy"):
        boxes_of_map(np.zeros((4, 4), np.float32))
