"""Tables of models with networks: counted by what chooses a table, then gathered until 256 are left.

A *cell* is one choice: a level's network with a scale, a lean and a shape; or a level, kind and step band where all around
is 0. Cells whose symbols are distributed alike share a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.contexts import MAX_MAGNITUDE
from laconic.entropy.fitting.table_fitting import table_of_shares
from laconic.entropy.subbands import NUM_FOLLOWINGS
from laconic.entropy.tables import MAX_TABLES, TableSet

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NUM_VALUES: Final = 2 * MAX_MAGNITUDE + 3  # -127 to 127, and what is beyond on both sides
_ROUNDS: Final = 40
_SIZE_BANDS: Final = 8
_PRIOR_TRIALS: Final = 40.0
_LEAST_SHARE: Final = 1e-9

Floats = NDArray[np.float64]


def value_counts(
    symbols: Int[NDArray[np.int32], " n"], cells: Int[NDArray[np.int64], " n"], num_cells: int
) -> Float[Floats, "num_cells 257"]:
    """Numbers of symbols by cell and value."""
    values = np.clip(symbols, -MAX_MAGNITUDE - 1, MAX_MAGNITUDE + 1) + MAX_MAGNITUDE + 1
    counts = np.bincount(cells * NUM_VALUES + values, minlength=num_cells * NUM_VALUES)
    return counts.reshape(num_cells, NUM_VALUES).astype(np.float64)


def gathered_tables(
    counts: Float[Floats, "cells 257"], prior: Float[Floats, "cells 257"]
) -> tuple[TableSet, Int[NDArray[np.int64], " cells"]]:
    """At most 256 tables, and the table of each cell: means of the cells' counts on top of their priors, in groups that are
    improved from a cut by mean magnitude, as Lloyd does it."""
    totals = counts + prior
    weights = totals.sum(1)
    magnitudes = np.abs(np.arange(NUM_VALUES) - MAX_MAGNITUDE - 1)
    shares = totals / weights[:, None]
    order = np.lexsort((shares[:, MAX_MAGNITUDE + 1], shares @ magnitudes))
    room = np.cumsum(np.sqrt(weights[order]))
    groups = np.empty(len(totals), np.int64)
    groups[order] = np.minimum(MAX_TABLES * room / room[-1], MAX_TABLES - 1).astype(np.int64)
    for _ in range(_ROUNDS):
        sums = np.zeros((MAX_TABLES, NUM_VALUES))
        np.add.at(sums, groups, totals)
        bits = -np.log2(np.maximum(sums / np.maximum(sums.sum(1, keepdims=True), 1e-300), _LEAST_SHARE))
        bits[sums.sum(1) == 0] = np.inf
        groups = (shares @ np.where(np.isfinite(bits), bits, 1e9).T).argmin(1)
    used, groups = np.unique(groups, return_inverse=True)
    sums = np.zeros((len(used), NUM_VALUES))
    np.add.at(sums, groups, totals)
    tables = TableSet(tuple(table_of_shares(s / s.sum()) for s in sums))
    return tables, groups.reshape(-1)


def symmetric(counts: Float[Floats, "*n 257"]) -> Float[Floats, "*n 257"]:
    """Counts of values whose signs mean nothing."""
    return (counts + counts[..., ::-1]) / 2


def table_sizes(tables: TableSet) -> Float[Floats, " tables"]:
    """Mean magnitude of what each table says, up to 127."""
    means = []
    for table in tables.tables:
        shares = np.array(table.frequencies[:-1], np.float64)
        means.append(np.abs(np.arange(len(shares)) + table.first) @ shares / 65536)
    return np.array(means)


def later_costs_by_size(
    sizes: Float[Floats, " tables"],
    trials: Callable[[int, int, float, float], Iterable[tuple[float, float]]],
) -> Int[NDArray[np.int32], "tables 4 3"]:
    """What symbols cost later ones, (tables, 4, 3), for tables of these mean magnitudes.

    `trials(magnitude, following, low, high)` gives what was saved and by how many symbols, for symbols of this magnitude
    (3: or more), with so much that follows, in tables of mean magnitudes from `low` to `high`.
    """
    edges = np.quantile(sizes, np.linspace(0, 1, _SIZE_BANDS + 1))
    edges[-1] += 1
    logs = np.log(np.maximum(sizes, 1e-6))
    middles = np.log(np.maximum((edges[:-1] + edges[1:]) / 2, 1e-6))
    out = np.zeros((len(sizes), NUM_FOLLOWINGS, 3), np.int32)
    for following in range(NUM_FOLLOWINGS):
        for magnitude in (1, 2, 3):
            found = [np.sum([(0.0, 0.0), *trials(magnitude, following, lo, hi)], 0) for lo, hi in pairwise(edges)]
            # Where data is thin, nothing.
            means = [saved / (count + _PRIOR_TRIALS) for saved, count in found]
            out[:, following, magnitude - 1] = np.rint(65536 * np.interp(logs, middles, means))
    return out
