"""A linear classifier on what `BandNetwork` sees of latents, judged on all items by cross-validation.

The features are the network's own: strengths of bands in 8 x 8 cells over those around, and of the low band mean and
deviation; they are not learned, so the classifier is convex, has no random start and takes a tenth of a second.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from laconic.codecs.models.model import Model
from laconic.tasks.heads.band_networks import BandConfig, new_band_network
from laconic.tasks.heads.learning_task import InputForm

FOLDS = 5
PENALTY = (
    1e-4  # of squared weights, the same for all arms: of 1e-2 to 1e-4 that of least loss for `rgb` at its most bytes
)
_ITERATIONS = 60
_LEAST_DEVIATION = 1e-3

Latents = NDArray[np.float32]
Labels = NDArray[np.int64]


def band_features(latents: Latents, model: Model) -> Tensor:
    """(n, features), of latents (n, c, h, w) in signal units: c is 12 or 48, the first channels of a shipped model."""
    count = latents.shape[1]
    ends = tuple(int(end) for end in model.group_ends)
    units = (1.0,) * count, (0.0,) * count
    form = InputForm("latents", "image", count, latents.shape[2:], scale=units[0], shift=units[1], group_ends=ends)
    network = new_band_network(form, BandConfig(outputs=1), seed=0).eval()
    found: list[Tensor] = []
    network.head.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    with torch.no_grad():
        for part in torch.from_numpy(latents).split(64):
            network(part)
    return torch.cat(found)


def fold_numbers(labels: Labels, seed: int) -> Labels:
    """Which fold each item is in: of each class as many in all, chosen by lot."""
    random, found, first = np.random.default_rng(seed), np.empty(len(labels), np.int64), 0
    for label in np.unique(labels):
        places = random.permutation(np.flatnonzero(labels == label))
        found[places] = (np.arange(len(places)) + first) % FOLDS
        first += len(places)
    return found


def judged_in_folds(
    features: Tensor, labels: Labels, seed: int, penalty: float = PENALTY
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of each item the loss of its class, and 1 where it was taken for another, by a classifier that has not seen it."""
    folds, wanted = torch.from_numpy(fold_numbers(labels, seed)), torch.from_numpy(labels)
    scores = torch.empty(len(labels), int(labels.max()) + 1)
    for fold in range(FOLDS):
        seen, kept = folds != fold, folds == fold
        scores[kept] = _scores(features[seen], wanted[seen], features[kept], penalty)
    losses = functional.cross_entropy(scores, wanted, reduction="none")
    return losses.numpy(), (scores.argmax(1) != wanted).float().numpy()


def _scores(train: Tensor, labels: Tensor, test: Tensor, penalty: float) -> Tensor:
    """Of the test items, by regularised logistic regression. Weights are sums over training items of their features, as
    there are fewer of these than of features."""
    mean, deviation = train.mean(0), train.std(0)
    used = deviation > _LEAST_DEVIATION
    train, test = (((x - mean) / deviation)[:, used] / used.sum().sqrt() for x in (train, test))
    products = train @ train.T
    shares = torch.zeros(len(train), int(labels.max()) + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([shares], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        found = products @ shares
        value = functional.cross_entropy(found, labels) + penalty / 2 * (shares * found).sum()
        torch.autograd.backward(value)
        return value

    optimizer.step(loss)
    return (test @ train.T @ shares).detach()
