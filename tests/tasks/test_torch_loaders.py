"""`LatentDataset` in torch's loaders with workers, and in processes that torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from laconic.tasks.datasets.latent_loader import LatentLoader
from laconic.tasks.datasets.latents import LatentDataset

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader_with_workers_that_stay(pack: Path, context: str) -> None:
    dataset = LatentDataset(pack, channels=12, split="train")
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=3, num_workers=2, persistent_workers=True, pin_memory=False, multiprocessing_context=context
    )
    expected = dataset.arrays(range(len(dataset)))
    for _ in range(2):
        batches = list(loader)
        assert np.array_equal(torch.cat([x for x, _ in batches]).numpy(), expected)
        assert torch.cat([labels for _, labels in batches]).tolist() == dataset.labels.tolist()


RANKS = """
import sys
import torch.distributed as dist
from torch.utils.data import DataLoader, DistributedSampler
from laconic.tasks.datasets.latent_loader import LatentLoader
from laconic.tasks.datasets.latents import LatentDataset

dist.init_process_group("gloo")
dataset = LatentDataset(sys.argv[1], channels=3, split="train")
sampler = DistributedSampler(dataset, shuffle=True, seed=3)
for epoch in range(2):
    sampler.set_epoch(epoch)
    shares = [None] * dist.get_world_size()
    sums = [round(float(x.sum()), 3) for batch, _ in DataLoader(dataset, batch_size=2, sampler=sampler) for x in batch]
    dist.all_gather_object(shares, (list(sampler), sums))
    if dist.get_rank() == 0:
        print("EPOCH", shares)
steps = [[round(float(x.sum()), 3) for x in batch] for batch, _ in LatentLoader(dataset, 2, seed=3)]
dist.all_gather_object(shares, steps)
if dist.get_rank() == 0:
    print("STEPS", shares)
dist.destroy_process_group()
"""


def test_torchrun_processes_read_disjoint_shares(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(RANKS, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "ranks.py"), str(pack)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    dataset = LatentDataset(pack, channels=3, split="train")
    sums = [round(float(dataset.tensor(i).sum()), 3) for i in range(len(dataset))]
    epochs = [eval(line.removeprefix("EPOCH ")) for line in done.stdout.splitlines() if line.startswith("EPOCH")]
    assert len(epochs) == 2 and epochs[0] != epochs[1]
    for (first, first_sums), (second, second_sums) in epochs:
        assert sorted([*first, *second]) == list(range(len(dataset)))
        assert len(first) == len(second)
        assert [*first_sums, *second_sums] == [sums[i] for i in (*first, *second)]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("STEPS")]
    together = [[round(float(x.sum()), 3) for x in batch] for batch, _ in LatentLoader(dataset, 4, seed=3)]
    for own, first, second in zip(together, *eval(line.removeprefix("STEPS ")), strict=True):
        assert (first, second) == (own[::2], own[1::2]) or len(own) % 2  # the last may have an item twice
