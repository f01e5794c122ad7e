"""What answers from a fixed number of features, where training items are few."""

from __future__ import annotations

from typing import Final

from torch import nn

from laconic.tasks.heads.normalization import BatchNorm, Dropout

DROPPED: Final = 0.5  # of features, and of hidden units


def dense_layers(count: int, hidden: int, outputs: int) -> nn.Sequential:
    """(b, count) -> (b, outputs), by one layer of hidden units."""
    return nn.Sequential(
        nn.Linear(count, hidden, bias=False),
        nn.Unflatten(1, (hidden, 1, 1)),
        BatchNorm(hidden),
        nn.Flatten(),
        nn.ReLU(),
        Dropout(DROPPED),
        nn.Linear(hidden, outputs),
    )
