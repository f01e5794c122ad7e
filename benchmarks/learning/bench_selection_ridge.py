"""Accuracy of a kernel classifier on parts of training samples: chosen to represent them, or by lot.

    python benchmarks/learning/bench_selection_ridge.py --data FOLDER --work FOLDER --reason "why it was run"

The data folder holds train/<class>/ and test/<class>/ of pictures and is packed once. The classifier is kernel ridge
regression (Gaussian kernel of the median distance, ridge 0.1) on the first 12 channels of the latents, averaged to 8 x 8
places at most. It takes no seed and no schedule, so what a part is worth is seen with less noise than by a network
(`bench_selection.py`); it sees the channels that the choice sees, in finer detail. In each of `--pools` pools of 80 % of
each class of the training samples, a part is chosen, and `--lots` are drawn. A row for each share: means over pools, and
the difference with its 95 % interval over pools; the test samples are the same for all.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import common
import numpy as np

from laconic.tasks.datasets import archive
from laconic.tasks.datasets.latents import LatentDataset
from laconic.tasks.datasets.pack_engines import ThreadEngine
from laconic.tasks.datasets.pack_index import PackIndexOptions
from laconic.tasks.datasets.selection import latent_features, matching_subset, selection_kernel

PERCENTS = (10, 30, 50)
POOL_SHARE, RIDGE, MOST_PLACES = 0.8, 0.1, 8
Z_95 = 1.96
Choose = Callable[[np.ndarray, int], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train/<class>/ and test/<class>/")
    parser.add_argument("--work", type=Path, required=True, help="folder for the pack, kept between calls")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--pools", type=int, default=20)
    parser.add_argument("--lots", type=int, default=4)
    parser.add_argument("--reason", required=True)
    parser.add_argument("--results", type=Path, default=common.RESULTS / "selection.jsonl")
    options = parser.parse_args()
    packed = options.work / f"{options.data.name}-{options.size}-ridge"
    archive.pack(options.data, packed, PackIndexOptions(size=options.size), engine=ThreadEngine(1))
    classifier = Classifier(packed)
    for percent in PERCENTS:
        row = share_row(options, classifier, percent)
        common.append_row(options.results, row)
        print(f"{percent} % chosen {row['chosen']:.3f} lot {row['lot']:.3f} {row['difference_interval_95']}")


class Classifier:
    """Training samples by number, and how many test samples are right after learning from some."""

    def __init__(self, packed: Path) -> None:
        dataset = LatentDataset(packed, channels=12, scaling="channel")
        index = dataset.index
        splits = np.array([index.shards[shard].split for shard in index.shard])
        train, test = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "test")
        values = pooled(dataset.arrays(range(len(dataset))))
        self.train, self.test = values[train], values[test]
        self.labels, self.test_labels = index.label[train].astype(np.int64), index.label[test].astype(np.int64)
        self.features = latent_features(dataset, train)

    def accuracy(self, chosen: np.ndarray) -> float:
        x = self.train[chosen]
        within = distances(x, x)
        width = float(np.median(within[np.triu_indices(len(x), 1)]))
        targets = np.eye(self.labels.max() + 1)[self.labels[chosen]]
        weights = np.linalg.solve(np.exp(-within / width) + RIDGE * np.eye(len(x)), targets)
        scores = np.exp(-distances(self.test, x) / width) @ weights
        return float((scores.argmax(axis=1) == self.test_labels).mean())


def share_row(options: argparse.Namespace, classifier: Classifier, percent: int) -> common.Row:
    random = np.random.default_rng(percent)
    chosen, lots = [], []
    for _ in range(options.pools):
        pool = parts(classifier.labels, np.arange(len(classifier.labels)), POOL_SHARE, lot(random))
        share = percent / 100
        chosen.append(classifier.accuracy(parts(classifier.labels, pool, share, represent(classifier.features))))
        drawn = [parts(classifier.labels, pool, share, lot(random)) for _ in range(options.lots)]
        lots.append(statistics.fmean(classifier.accuracy(part) for part in drawn))
    differences = [one - other for one, other in zip(chosen, lots, strict=True)]
    mean, half = statistics.fmean(differences), Z_95 * statistics.stdev(differences) / math.sqrt(len(differences))
    return {
        "type": "selection ridge",
        **common.provenance(options.reason, packages=("laconic", "numpy")),
        "dataset": options.data.name,
        "size": options.size,
        "percent": percent,
        "pools": options.pools,
        "pool_items": len(pool),
        "test_items": len(classifier.test_labels),
        "all": classifier.accuracy(np.arange(len(classifier.labels))),
        "chosen": statistics.fmean(chosen),
        "lot": statistics.fmean(lots),
        "difference": mean,
        "difference_interval_95": (mean - half, mean + half),
    }


def parts(labels: np.ndarray, pool: np.ndarray, share: float, choose: Choose) -> np.ndarray:
    """A share of each class of a pool."""
    classes = [pool[labels[pool] == label] for label in np.unique(labels)]
    return np.sort(np.concatenate([choose(members, max(round(share * len(members)), 1)) for members in classes]))


def lot(random: np.random.Generator) -> Choose:
    return lambda members, count: random.permutation(members)[:count]


def represent(features: np.ndarray) -> Choose:
    return lambda members, count: members[matching_subset(selection_kernel(features[members]), count)]


def pooled(values: np.ndarray) -> np.ndarray:
    """(n, channels * places), averaged over blocks of places."""
    block = max(values.shape[2] // MOST_PLACES, 1), max(values.shape[3] // MOST_PLACES, 1)
    rows, columns = values.shape[2] // block[0], values.shape[3] // block[1]
    cut = values[:, :, : rows * block[0], : columns * block[1]]
    means = cut.reshape(len(cut), cut.shape[1], rows, block[0], columns, block[1]).mean(axis=(3, 5))
    return means.reshape(len(means), -1).astype(np.float64)


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    squares = np.square(one).sum(axis=1)[:, None] + np.square(other).sum(axis=1)
    return np.maximum(squares - 2 * one @ other.T, 0)


if __name__ == "__main__":
    main()
