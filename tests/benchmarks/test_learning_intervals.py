"""Intervals of the benchmark of learning: what is alike is resampled together."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "learning"))
from learning_data import DATA
from learning_intervals import score_intervals


def test_intervals_over_scenes_are_wider_than_over_their_items() -> None:
    scene = np.repeat(np.arange(10), 40)
    rows = (np.random.default_rng(0).random((400, 1)) < np.linspace(0.1, 0.9, 10)[scene][:, None]).astype(float)
    shuffled = np.random.default_rng(1).permutation(400)  # scenes need not be neighbours

    def width(scenes: list[int] | None) -> float:
        own, _ = score_intervals({"": [rows[shuffled]]}, "", lambda drawn: float(drawn.mean()), scenes)
        return own[""].high - own[""].low

    assert 0.08 < width(None) < 0.12
    assert width(scene[shuffled].tolist()) > 3 * width(None)


def test_scenes_of_data_sets() -> None:
    receipts = ["test/lines/007-000.png", "test/lines/007-012.png", "test/lines/075-002.png"]
    assert len({DATA["receipts"].scene(number, source) for number, source in enumerate(receipts)}) == 2
    assert [DATA["camvid"].scene(number, "") for number in (0, 3, 4)] == [0, 0, 1]
    assert len({DATA["an4"].scene(number, "") for number in range(9)}) == 9
