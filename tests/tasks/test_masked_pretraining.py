"""Learning what hidden places hold, without labels, and networks that begin with the weights of another run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)

from laconic.codecs.errors import CodecError  # noqa: E402
from laconic.codecs.notes import collect_notes  # noqa: E402
from laconic.tasks.datasets import archive  # noqa: E402
from laconic.tasks.datasets.pack_index import PackIndexOptions  # noqa: E402
from laconic.tasks.heads.checkpoint import load_checkpoint, start_from  # noqa: E402
from laconic.tasks.heads.comparison import read_result  # noqa: E402
from laconic.tasks.heads.head_training import train  # noqa: E402
from laconic.tasks.heads.learning_task import Batch  # noqa: E402
from laconic.tasks.heads.masked_pretraining import Pretraining  # noqa: E402
from laconic.tasks.heads.train_options import TrainOptions  # noqa: E402
from laconic.tasks.training.run_names import PLOT_NAME  # noqa: E402

CLOTHING = Path(__file__).parents[1] / "data" / "clothing"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without classes."""
    root = tmp_path_factory.mktemp("pictures")
    for split in ("train", "test"):
        (root / "in" / split / "all").mkdir(parents=True)
        for i, path in enumerate(sorted((CLOTHING / split).rglob("*.jpg"))):
            shutil.copy(path, root / "in" / split / "all" / f"{i}.jpg")
    archive.pack(root / "in", root / "out", PackIndexOptions(size=128))
    return root / "out"


@pytest.fixture(scope="module")
def finished(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "pretrained"
    train(packed, run, TrainOptions(epochs=20), task=Pretraining())
    return run


def test_hidden_cells_are_foreseen_better_than_by_their_mean(finished: Path) -> None:
    result = read_result(finished)
    assert result["test_explained"] > 0
    assert result["score_name"] == "explained" and (finished / PLOT_NAME).exists()


def test_what_is_hidden_does_not_reach_the_network() -> None:
    pretraining, run = Pretraining(), np.random.default_rng(0)
    hidden = np.random.default_rng(0).random(64) < 0.5
    cells, whole = torch.from_numpy(run.random((2, 5, 8, 8), np.float32)), torch.zeros(2, 6)

    class Cells(torch.nn.Module):
        config = type("Config", (), {"cells": 8})

        def features(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, whole

        def answer(self, seen: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            assert not seen.flatten(2)[:, :, torch.from_numpy(hidden)].any()
            return torch.zeros_like(seen).flatten(1)

    is_hidden = torch.from_numpy(hidden).expand(2, -1)
    missed, there = pretraining._errors(Cells(), cells, is_hidden)  # type: ignore[arg-type]
    expected = cells.flatten(2)[:, :, torch.from_numpy(hidden)].square().mean(dim=(1, 2))
    assert torch.allclose(missed, expected) and torch.allclose(there, expected)


def test_classes_begin_with_the_weights_of_a_run(finished: Path, packed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "laconic.tasks.cli", "train", "classify", packed, "-o", tmp_path / "run"]
    command += ["--epochs", "1", "--start", finished, "--learning-rate", "1e-12", "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "head.6.weight, head.6.bias of the network are not in" in done.stderr
    old, new = (load_checkpoint(run).network.state_dict() for run in (finished, tmp_path / "run"))
    assert torch.allclose(old["head.0.weight"], new["head.0.weight"], atol=1e-6)
    assert json.loads((tmp_path / "run" / "options.json").read_text())["start"] == str(finished)


def test_a_run_of_other_channels_is_no_start(finished: Path) -> None:
    with pytest.raises(CodecError, match="has no weights for this network"):
        start_from(torch.nn.Conv2d(3, 4, 1), finished)


def test_the_same_network_starts_whole(finished: Path) -> None:
    network, form = (load_checkpoint(finished).network, load_checkpoint(finished).form)
    other = Pretraining().network(form, 5)
    with collect_notes() as notes:
        start_from(other, finished)
    assert not notes
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_only_networks_of_bands_are_pretrained() -> None:
    with pytest.raises(CodecError, match="Conv2d"):
        Pretraining().judge(torch.nn.Conv2d(3, 3, 1), Batch(torch.zeros(1, 3, 8, 8), ()))
    with pytest.raises(CodecError, match="hidden"):
        Pretraining(hidden=0.0)
