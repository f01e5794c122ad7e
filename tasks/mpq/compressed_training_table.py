"""What training on what codecs kept gave: cells with intervals, as a table and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.tasks.heads.comparison import wilson_interval
from laconic.tasks.mpq.intervals import LEAST_SAMPLES
from laconic.tasks.mpq.rows import UNCOMPRESSED

if TYPE_CHECKING:
    from jaxtyping import Float

_NUM_RESAMPLINGS = 4000
_PERCENTILES = (2.5, 97.5)
# Where networks vary by 5 points from seed to seed, intervals of 2 seeds and 165 items held the truth 90 times of 100,
# those of 3 seeds 95 times; of 1 seed nobody knows what another gives.
LEAST_SEEDS: Final = 3


@dataclass(frozen=True)
class CompressedTrainingCell:
    """Networks trained on one kind of data, tested on another; accuracies are shares, over test items and seeds.

    `gain`: over the networks trained on originals, on the same test data; its interval is paired over items, and the seeds
    of both vary on their own.
    """

    trained_on: str
    tested_on: str
    num_items: int
    num_seeds: int
    accuracy: float
    interval: tuple[float, float]
    loss: float
    gain: float
    gain_interval: tuple[float, float]

    @property
    def is_too_few(self) -> bool:
        return self.num_items < LEAST_SAMPLES or self.num_seeds < LEAST_SEEDS


def compressed_training_cells(answers: Sequence[dict[str, Any]]) -> list[CompressedTrainingCell]:
    """Rows of answers -> a cell for each pair of data that was trained and tested on."""
    pairs = list(dict.fromkeys((row["trained_on"], row["tested_on"]) for row in answers))
    grids = {pair: _grid(answers, pair, "correct") for pair in pairs}
    losses = {pair: _grid(answers, pair, "loss") for pair in pairs}
    return [_cell(pair, grids[pair], grids[UNCOMPRESSED, pair[1]], losses[pair]) for pair in pairs]


def _grid(answers: Sequence[dict[str, Any]], pair: tuple[str, str], name: str) -> NDArray[np.float64]:
    """(seeds, items)."""
    rows = [row for row in answers if (row["trained_on"], row["tested_on"]) == pair]
    values = [row[name] for row in sorted(rows, key=lambda row: (row["seed"], row["item"]))]
    return np.array(values, np.float64).reshape(len({row["seed"] for row in rows}), -1)


def _cell(
    pair: tuple[str, str],
    grid: Float[NDArray[np.float64], "s n"],
    base: Float[NDArray[np.float64], "s n"],
    loss: Float[NDArray[np.float64], "s n"],
) -> CompressedTrainingCell:
    """Resamplings draw items, the same for both, and seeds, of each training its own."""
    random = np.random.default_rng(0)
    (num_seeds, num_items), draws = grid.shape, _NUM_RESAMPLINGS
    items = random.multinomial(num_items, np.full(num_items, 1 / num_items), draws) / num_items
    own, other = (random.multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), draws) / num_seeds for _ in "ab")
    scores = np.einsum("ds,sn,dn->d", own, grid, items, optimize=True)
    gains = scores - np.einsum("ds,sn,dn->d", other, base, items, optimize=True)
    is_base = pair[0] == UNCOMPRESSED
    intervals = [tuple(map(float, np.percentile(values, _PERCENTILES))) for values in (scores, gains)]
    of_all = wilson_interval(float(grid.mean()) * num_items, num_items)  # of none and of all, resamplings have no width
    return CompressedTrainingCell(
        *pair,
        num_items,
        num_seeds,
        float(grid.mean()),
        (min(intervals[0][0], of_all[0]), max(intervals[0][1], of_all[1])),
        float(loss.mean()),
        0.0 if is_base else float(grid.mean() - base.mean()),
        (0.0, 0.0) if is_base else (intervals[1][0], intervals[1][1]),
    )


def compressed_training_table(cells: Sequence[CompressedTrainingCell], rates: dict[str, float]) -> str:
    """Markdown: a row for each cell, and a sentence for each codec on what training on its output gave."""
    lines = [
        "| trained on | tested on | rate | accuracy % | loss | against training on originals |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for cell in cells:
        gain = "" if cell.trained_on == UNCOMPRESSED else f"{100 * cell.gain:+.1f} {_percents(cell.gain_interval)}"
        score = f"{100 * cell.accuracy:.1f} {_percents(cell.interval)}"
        rate = f"{rates[cell.tested_on]:.4g}"
        names = " | ".join(name.replace("|", "/") for name in (cell.trained_on, cell.tested_on))
        lines.append(f"| {names} | {rate} | {score} | {cell.loss:.3f} | {gain} |")
    one = cells[0]
    caption = (
        f"n = {one.num_items} test items, {one.num_seeds} seeds; brackets: 95 % intervals of resampled items and seeds."
    )
    sentences = [f"- {sentence}" for sentence in compressed_training_sentences(cells)]
    return "\n".join([*lines, "", caption, "", *sentences, ""])


def compressed_training_sentences(cells: Sequence[CompressedTrainingCell]) -> list[str]:
    """What is resolved, and what is not."""
    sentences = []
    for cell in cells:
        if cell.trained_on == UNCOMPRESSED:
            continue
        low, high = cell.gain_interval
        where = "its own output" if cell.tested_on == cell.trained_on else "originals"
        if cell.is_too_few:
            sentences.append(
                f"Training on {cell.trained_on}: n = {cell.num_items} test items and {cell.num_seeds} seeds are too few to "
                f"say whether it helps on {where}; {LEAST_SAMPLES} and {LEAST_SEEDS} are the least."
            )
            continue
        verdict = "helps" if low > 0 else "harms" if high < 0 else "is not resolved to help or harm"
        sentences.append(
            f"Training on {cell.trained_on} {verdict} on {where}: {100 * cell.gain:+.1f} points "
            f"{_percents(cell.gain_interval)} over training on originals."
        )
    return sentences


def _percents(values: tuple[float, float]) -> str:
    return f"[{100 * values[0]:.1f}, {100 * values[1]:.1f}]"
