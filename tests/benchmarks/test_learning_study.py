"""The study of learning: its jobs, packs of mixed quality, and networks of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pack_scene import make_pictures

torch = pytest.importorskip("torch")

from laconic.tasks.datasets import LatentDataset, PackIndexOptions, pack  # noqa: E402
from laconic.tasks.datasets.pack_engines import ThreadEngine  # noqa: E402
from laconic.tasks.heads.classification import Classification  # noqa: E402
from laconic.tasks.heads.learning_task import InputForm  # noqa: E402
from laconic.tasks.heads.network_catalog import make_network  # noqa: E402

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks" / "learning"
ENDS = (3, 12, 48, 192)


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_every_job_has_a_folder_of_its_own() -> None:
    from learning_study import ON_MAPS, SEEDS, VARIANTS, study_jobs

    jobs = list(study_jobs())
    assert len({job.key for job in jobs}) == len(jobs) == SEEDS * (5 * (len(VARIANTS) + 1) + 4 * len(ON_MAPS))
    assert {job.seed for job in jobs[: len(jobs) // SEEDS]} == {0}


def test_samples_of_a_mixed_pack_have_qualities_in_turn(tmp_path: Path) -> None:
    from learning_data import MixedQualityEngine

    engine = MixedQualityEngine((10, 90), ThreadEngine())
    pack(
        make_pictures(tmp_path / "pictures"),
        tmp_path / "pack",
        PackIndexOptions(size=32, profile="fast"),
        engine=engine,
    )
    dataset = LatentDataset(tmp_path / "pack")
    codes = [dataset.latent(i).step_code for i in range(len(dataset))]
    assert len(set(codes)) == 2
    assert codes[::2] == [codes[0]] * 8 and codes[1::2] == [codes[1]] * 8


def test_the_command_finds_the_network_on_one_grid_which_sees_all_channels() -> None:
    from learning_study import ONE_GRID

    form = InputForm("latents", "image", 48, (32, 32), classes=("a", "b"), group_ends=ENDS)
    network = make_network(ONE_GRID, Classification(), form, 0).eval()
    x = torch.randn(2, 48, 32, 32)
    scores = network(x)
    assert scores.shape == (2, 2)
    x[:, 47] += 1
    assert (network(x) != scores).all()
