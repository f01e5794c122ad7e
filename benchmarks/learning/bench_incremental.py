"""Classes learned group after group: how much a head forgets, from latents and from pixels.

    python benchmarks/learning/bench_incremental.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures. Both inputs have 12 numbers for a place of 8 x 8 pixels:
the first 12 channels of latents, or a picture reduced 4 times, its pixels 2 x 2 in a place. Pooled over a grid of 4 x 4
cells (`pooled_pieces`), they are what three heads learn from: a key-value bottleneck, a linear map, a network with one
hidden layer. Each learns all classes at once ("joint"), and two after two in an order by the seed ("incremental"), where it
sees no sample of a group again. Keys and scaling are of all training samples without labels; the number of keys and the
rate were chosen on a quarter of the training split. One row for each input and head: accuracy on the test split after both,
and what is forgotten, their difference, with intervals over items and seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np
import torch
from learning_intervals import Rows, score_intervals
from torch import Tensor, nn

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.class_folders import list_class_folder
from laconic.tasks.datasets.framing import Framing, read_signal
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions, has_pack_index
from laconic.tasks.heads.key_value_bottleneck import KeyValueHead, fit_keys, learn_values, pooled_pieces

PACKAGES = ("laconic", "numpy", "pillow", "torch")
GROUP, HIDDEN, PLAIN_STEPS, PLAIN_RATE = 2, 256, 200, 1e-3
Inputs = tuple[Tensor, Tensor]
Learner = tuple[Callable[[Tensor, Tensor], None], Callable[[Tensor], Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the pack, kept between calls")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--keys", type=int, default=128)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "incremental.jsonl")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, read in (("latents", latents), ("pixels", pixels)):
        train, test = read(options, "train"), read(options, "test")
        train, test = ((pooled_pieces(x), labels) for x, labels in (train, test))
        for head, make in HEADS.items():
            row = {"kind": "incremental", "input": name, "head": head, **measured(options, make, train, test)}
            row |= {"data": options.data.name, "size": options.size, "keys": options.keys, "seeds": options.seeds}
            common.append_row(options.results, row | common.provenance(options.reason, packages=PACKAGES))
            print(json.dumps(row))


def latents(options: argparse.Namespace, split: str) -> Inputs:
    folder = options.work / f"{options.data.name}-{options.size}-rgb"
    if not has_pack_index(folder):
        how = PackIndexOptions(size=options.size, quality=60, profile="fast", model="rgb")
        archive.pack(options.data, folder, how, engine=ThreadEngine(1))
    data = LatentDataset(folder, channels=12, split=split)
    return torch.from_numpy(data.arrays(range(len(data)))), torch.from_numpy(data.labels)


def pixels(options: argparse.Namespace, split: str) -> Inputs:
    samples = [sample for sample in list_class_folder(options.data).samples if sample.split == split]
    framing = Framing(size=options.size)
    read = [read_signal(options.data / sample.source, "image", framing).samples for sample in samples]
    x = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2) / 127.5 - 1
    places = nn.functional.pixel_unshuffle(nn.functional.avg_pool2d(x, 4), 2)
    return places / 0.5, torch.tensor([sample.label for sample in samples])


def measured(
    options: argparse.Namespace,
    make: Callable[[argparse.Namespace, Tensor, int, int], Learner],
    train: Inputs,
    test: Inputs,
) -> common.Row:
    """Scores of a head."""
    arms: dict[str, list[Rows]] = {"joint": [], "incremental": []}
    num_classes = int(train[1].max()) + 1
    for seed in options.seeds:
        order = torch.from_numpy(np.random.default_rng(seed).permutation(num_classes))
        for arm, groups in (("joint", [order]), ("incremental", list(order.split(GROUP)))):
            learn, scores = make(options, train[0], num_classes, seed)
            for group in groups:
                own = torch.isin(train[1], group)
                learn(train[0][own], train[1][own])
            taken = scores(test[0]).argmax(1)
            arms[arm].append(torch.stack([test[1], taken], 1).double().numpy())
    found, differences = score_intervals(arms, "joint", lambda rows: float((rows[:, 0] == rows[:, 1]).mean()))
    row = {name: interval.values for name, interval in found.items()}
    return {**row, "forgotten": differences["incremental"].values, "items": len(test[1]), "group": GROUP}


def key_value(options: argparse.Namespace, pieces: Tensor, num_classes: int, seed: int) -> Learner:
    head = KeyValueHead(fit_keys(pieces, options.keys, seed), num_classes)
    return lambda x, labels: learn_values(head, head.codes(x), labels), lambda x: head.scores(head.codes(x))


def linear(options: argparse.Namespace, pieces: Tensor, num_classes: int, seed: int) -> Learner:
    return plain(lambda width: nn.Linear(width, num_classes), pieces, seed)


def hidden(options: argparse.Namespace, pieces: Tensor, num_classes: int, seed: int) -> Learner:
    return plain(
        lambda width: nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, num_classes)), pieces, seed
    )


def plain(make: Callable[[int], nn.Module], pieces: Tensor, seed: int) -> Learner:
    """A head on all pieces at once, made alike."""
    mean, deviation = pieces.mean(0), pieces.std(0).clamp(min=1e-6)
    torch.manual_seed(seed)
    network = make(pieces[0].numel())

    def scores(x: Tensor) -> Tensor:
        found: Tensor = network(((x - mean) / deviation).flatten(1))
        return found

    def learn(x: Tensor, labels: Tensor) -> None:
        optimizer = torch.optim.AdamW(network.parameters(), PLAIN_RATE, weight_decay=0.05)
        for _ in range(PLAIN_STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(scores(x), labels).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return learn, scores


HEADS = {"key-value": key_value, "linear": linear, "hidden layer": hidden}


if __name__ == "__main__":
    main()
