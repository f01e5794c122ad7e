"""Training on what codecs kept, as one command: made-up pictures whose classes a coarse codec still tells apart."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.codecs.errors import CodecError
from laconic.codecs.media import Image
from laconic.tasks.mpq import OperatingPoint
from laconic.tasks.mpq.compressed_training import train_on_compressed
from laconic.tasks.mpq.compressed_training_table import (
    compressed_training_cells,
    compressed_training_sentences,
    compressed_training_table,
)
from laconic.tasks.mpq.rows import UNCOMPRESSED

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and bright pictures, train and test."""
    folder = tmp_path_factory.mktemp("tones")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 4)):
        for name, level in (("bright", 200), ("dark", 40)):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(rng.normal(level, 20, (40, 48, 3)), 0, 255).astype(np.uint8)
                PillowImage.fromarray(pixels).save(folder / split / name / f"{number}.png")
    return folder


def invoke(*words: object) -> Any:
    from laconic.tasks.cli import app

    return CliRunner().invoke(app, ["train", "compressed", *map(str, words)])


@needs_torch
def test_command_trains_on_originals_and_output_and_tests_on_both(data: Path, tmp_path: Path) -> None:
    options = (data, "-o", tmp_path / "run", "--codecs", "jpeg:quality=5", "--epochs", 3, "--seeds", 2, "--size", 64)
    result = invoke(*options, "--batch-size", 8)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "run/answers.jsonl").read_text().splitlines()]
    pairs = [(UNCOMPRESSED, UNCOMPRESSED), (UNCOMPRESSED, "jpeg:quality=5")]
    pairs += [("jpeg:quality=5", tested) for _, tested in pairs]
    assert {(row["trained_on"], row["tested_on"]) for row in rows} == set(pairs)
    assert len(rows) == 4 * 2 * 8
    found = json.loads((tmp_path / "run/result.json").read_bytes())
    assert found["rates"][UNCOMPRESSED] == 24
    assert 0 < found["rates"]["jpeg:quality=5"] < 8  # bits per pixel, the 600 bytes of tables counted
    assert "n = 8 test items and 2 seeds are too few to say whether it helps on its own output" in result.output
    before = (tmp_path / "run/report.md").read_bytes()
    shutil.rmtree(tmp_path / "run/training")  # a finished run answers from what it wrote
    assert invoke(*options, "--batch-size", 8).exit_code == 0
    assert (tmp_path / "run/report.md").read_bytes() == before
    other = invoke(*options[:-4], "--seeds", 2, "--batch-size", 8)
    assert other.exit_code == 1
    assert "is a run with other" in other.output


@needs_torch
def test_sound_codec_on_pictures_is_refused(data: Path, tmp_path: Path) -> None:
    result = invoke(data, "-o", tmp_path / "run", "--codecs", "opus")
    assert result.exit_code == 1
    assert "is for other signals than images" in result.output


def answers(gain: float, *, seeds: int = 3, items: int = 200) -> list[dict[str, Any]]:
    """Networks of originals are right on half of the output; those of the output on `gain` more."""
    rows = []
    for trained_on, share in ((UNCOMPRESSED, 0.5), ("coarse", 0.5 + gain)):
        for tested_on in (UNCOMPRESSED, "coarse"):
            for seed in range(seeds):
                right = np.random.default_rng((seed, len(trained_on))).permutation(items) < share * items
                for item in range(items):
                    is_right = bool(right[item])
                    row = {"trained_on": trained_on, "tested_on": tested_on, "seed": seed, "item": item}
                    rows.append(row | {"correct": is_right, "loss": 1.0 - is_right})
    return rows


def test_gain_is_resolved_by_its_interval_alone() -> None:
    large = compressed_training_cells(answers(0.3))
    assert [round(cell.gain, 3) for cell in large] == [0, 0, 0.3, 0.3]
    assert all(low < 0.3 < high for low, high in (cell.gain_interval for cell in large[2:]))
    assert all("helps" in sentence for sentence in compressed_training_sentences(large))
    small = compressed_training_cells(answers(0.01))
    assert all("not resolved to help or harm" in sentence for sentence in compressed_training_sentences(small))
    harmful = compressed_training_cells(answers(-0.3))
    assert all("harms" in sentence for sentence in compressed_training_sentences(harmful))


@pytest.mark.parametrize(("seeds", "items"), [(2, 200), (3, 19)])
def test_few_items_or_seeds_conclude_nothing(seeds: int, items: int) -> None:
    cells = compressed_training_cells(answers(0.4, seeds=seeds, items=items))
    assert all("are too few to say whether it helps" in one for one in compressed_training_sentences(cells))
    assert not any("Training on coarse helps" in one for one in compressed_training_sentences(cells))


def test_all_right_answers_leave_room_for_wrong_ones() -> None:
    cells = compressed_training_cells(answers(0.5, items=40))
    assert cells[2].accuracy == 1
    assert cells[2].interval == pytest.approx((0.9124, 1.0), abs=1e-4)


@needs_torch
def test_sample_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        PillowImage.new("RGB", (9, 9)).save(tmp_path / "data" / name / "0.png")
    (tmp_path / "data/b/1.png").touch()
    result = invoke(tmp_path / "data", "-o", tmp_path / "run", "--codecs", "jpeg")
    assert result.exit_code == 1
    assert "b/1.png cannot be read: the file is empty" in result.output


@needs_torch
def test_codec_that_fails_is_named_with_the_sample(data: Path, tmp_path: Path) -> None:
    from laconic.tasks.heads.train_options import TrainOptions

    @dataclass(frozen=True)
    class Cropping:
        name: ClassVar[str] = "cropping"

        def encode(self, signal: Image) -> bytes:
            return b"x"

        def decode(self, data: bytes) -> Image:
            return Image(np.zeros((3, 3, 3), np.uint8))

    point = OperatingPoint("cropping", "cropping", Cropping(), frozenset(["image"]))
    with pytest.raises(
        CodecError, match=r"cropping on test/bright/0\.png: it was decoded to .* allowed is what was encoded"
    ):
        train_on_compressed(data, tmp_path / "run", [point], TrainOptions(arm="small", epochs=1))


def test_table_has_a_row_for_each_pair() -> None:
    table = compressed_training_table(compressed_training_cells(answers(0.3)), {UNCOMPRESSED: 24.0, "coarse": 0.5})
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 4
    assert rows[-1].startswith("| coarse | coarse | 0.5 | 80.0 [")
    assert "n = 200 test items, 3 seeds" in table
