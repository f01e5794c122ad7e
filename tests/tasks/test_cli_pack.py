"""`laconic pack`: what it prints, what it refuses, and its options."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner

from laconic.tasks.cli import app
from laconic.tasks.datasets.folder_lock import folder_lock
from laconic.tasks.datasets.pack_index import PARTS_NAME, read_index


def laconic(*arguments: object, exit_code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    for split in ("train", "test"):
        for name in ("coat", "hat"):
            (tmp_path / "in" / split / name).mkdir(parents=True)
            for i in range(2):
                pixels = random.integers(0, 256, (40, 40, 3), np.uint8)
                PillowImage.fromarray(pixels).save(tmp_path / "in" / split / name / f"{i}.png")
    return tmp_path / "in"


def test_bytes_are_those_on_disk(folder: Path, tmp_path: Path) -> None:
    done = laconic("pack", folder, "-o", tmp_path / "out")
    on_disk = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    lcn = int(read_index(tmp_path / "out").length.sum())
    assert done.stdout.splitlines() == [
        "train: 4 samples of 2 classes (coat 2, hat 2)",
        "test: 4 samples of 2 classes (coat 2, hat 2)",
        f"{tmp_path / 'out'}: 8 samples of 2 classes (test, train) in 2 shards, {on_disk} bytes on disk, of which .lcn are "
        f"{lcn}",
    ]
    fields = json.loads(laconic("pack", folder, "-o", tmp_path / "out", "--json").stdout)
    assert (fields["disk_bytes"], fields["bytes"], fields["samples"]) == (on_disk, lcn, 8)
    assert fields["splits"] == {"train": {"coat": 2, "hat": 2}, "test": {"coat": 2, "hat": 2}}


def test_options_reach_the_index(folder: Path, tmp_path: Path) -> None:
    options = ("--size", 36, "--crop", 32, "--channels", 12, "--seed", 3, "--profile", "fast", "--workers", 2)
    laconic("pack", folder, "-o", tmp_path / "out", *options)
    index = read_index(tmp_path / "out")
    found = index.options
    assert (found.size, found.crop, found.channels, found.seed, found.profile) == (36, 32, 12, 3, "fast")
    assert (index.grid, len(index.mean)) == ((4, 4), 12)
    laconic("pack", folder, "-o", tmp_path / "other", *options[:-2], "--threads", 1)
    assert sorted(p.read_bytes() for p in (tmp_path / "out").iterdir()) == sorted(
        p.read_bytes() for p in (tmp_path / "other").iterdir()
    )
    done = laconic("pack", folder, "-o", tmp_path / "out", "--workers", 2, "--threads", 1, exit_code=2)
    assert "exclude each other" in done.stderr


def test_append_takes_the_options_of_the_pack(folder: Path, tmp_path: Path) -> None:
    laconic("pack", folder, "-o", tmp_path / "out", "--size", 32, "--quality", 70)
    PillowImage.new("RGB", (50, 60)).save(folder / "train" / "hat" / "9.png")
    laconic("pack", folder, "-o", tmp_path / "out", "--append")
    index = read_index(tmp_path / "out")
    assert (len(index), index.grid, index.options.quality) == (9, (4, 4), 70)
    done = laconic("pack", folder, "-o", tmp_path / "out", "--append", "--quality", 50, exit_code=1)
    assert done.stderr.endswith("has quality 70, given is 50; allowed is that of the pack\n")
    laconic("pack", folder, "-o", tmp_path / "out", "--append", "--quality", 70, "--size", 32)
    done = laconic("pack", folder, "-o", tmp_path / "nothing", "--append", exit_code=1)
    assert "has no index.json" in done.stderr and not (tmp_path / "nothing").exists()


def test_two_packs_into_one_folder_refuse_each_other(folder: Path, tmp_path: Path) -> None:
    with folder_lock(tmp_path / "out"):
        done = laconic("pack", folder, "-o", tmp_path / "out", "--quiet", exit_code=2)
    assert (done.stdout, done.stderr) == (
        "",
        f"laconic: another process packs into {tmp_path / 'out'}; wait until it ends, or name another folder\n",
    )
    laconic("pack", folder, "-o", tmp_path / "out")


def test_training_on_an_unfinished_pack_says_so(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", exc_type=ImportError)
    (tmp_path / "out" / PARTS_NAME).mkdir(parents=True)
    done = laconic("train", "classify", tmp_path / "out", "-o", tmp_path / "run", exit_code=1)
    assert (
        done.stderr == f"laconic: {tmp_path / 'out'} is an unfinished pack: run the same `laconic pack` command again\n"
    )
    laconic("pack", folder, "-o", tmp_path / "out")
    assert len(read_index(tmp_path / "out")) == 8
