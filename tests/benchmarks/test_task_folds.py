"""The benchmark of tunes for a task: folds, the classifier on what the band network sees, bytes at equal score."""

from pathlib import Path

import numpy as np
import pytest

LEARNING = Path(__file__).resolve().parents[2] / "benchmarks" / "learning"
LABELS = np.repeat(np.arange(4), 15)

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(LEARNING))
    monkeypatch.syspath_prepend(str(LEARNING.parent))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # as `common` does, but not for the tests that follow


def test_folds_have_as_many_of_each_class_and_differ_by_seed() -> None:
    from band_folds import FOLDS, fold_numbers

    found = fold_numbers(LABELS, seed=0)
    counts = np.stack([np.bincount(found[label == LABELS], minlength=FOLDS) for label in range(4)])
    assert (counts == 3).all()
    assert (found != fold_numbers(LABELS, seed=1)).any()


def test_classes_that_features_tell_apart_are_found_and_items_are_not_seen_before() -> None:
    import torch
    from band_folds import judged_in_folds

    telling = torch.nn.functional.one_hot(torch.from_numpy(LABELS)).float()
    losses, wrong = judged_in_folds(telling, LABELS, seed=0)
    assert losses.shape == (60,)
    assert losses.max() < 0.5
    assert not wrong.any()
    _, wrong = judged_in_folds(torch.eye(60), LABELS, seed=0)  # each item is known by its own feature alone
    assert wrong.mean() > 0.5


def test_details_that_are_not_read_count_as_zero() -> None:
    from bench_task_folds import features_of

    latents = np.random.default_rng(0).normal(size=(2, 48, 16, 16)).astype(np.float32)
    without = latents[:, :12].copy()
    without[:, 3:] = 0
    assert (features_of(latents[:, :3]) == features_of(without)).all()
    assert features_of(latents).shape[1] > features_of(latents[:, :12]).shape[1] == features_of(without).shape[1]


def test_files_of_fewer_channels_are_smaller_and_have_the_same_latent() -> None:
    from bench_task_folds import encoded

    from laconic.codecs.lcn import Lcn

    square = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    codec = Lcn(model="rgb", step_code=172)
    few, many = encoded(codec, square, 12), encoded(codec, square, 48)
    assert len(few) < len(many)
    latents = [codec.unpack(file, channels=12).dequantize() for file in (few, many)]
    assert (latents[0] == latents[1]).all()


def test_half_of_the_bytes_at_equal_loss_are_fifty_percent() -> None:
    from bench_task_aware import Curve, saving

    num_bytes = np.array([100.0, 200, 400])[:, None] * np.ones(20)
    losses = np.array([1.5, 1.2, 1.0])[:, None, None] * np.random.default_rng(0).uniform(0.5, 1.5, (1, 2, 20))
    row = saving(Curve(num_bytes, losses), Curve(num_bytes / 2, losses))
    assert row["percent"] == pytest.approx([50, 50, 50])
    assert row["items"] == 20
