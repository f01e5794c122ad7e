"""Whether a picture is drawn (flat graphics, line art, pixel art, masks, text) rather than photographed.

Our files of such pictures are larger than lossless ones at good quality, so encoding gives a hint. It is judged by a few
rows: noise and shading change a photograph from pixel to pixel by small steps, while drawn pixels equal their neighbours
or differ by much, or are of a few colours only.

Measured on 715 training photographs, as RGB and as grey: small steps per share of equal neighbours are at least 0.75. Of 54
drawings by script (flat, with smooth edges, lines, text, charts, pixel art, windows) they are at most 0.14; of windows a
tenth of which is a photograph 0.27, of clean scans of receipts 0.17 to 2, which lossless files do not beat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.media import Image, Samples, Signal
from laconic.codecs.notes import hint
from laconic.codecs.pictures.picture_encoder import EncoderRowSource

if TYPE_CHECKING:
    from jaxtyping import UInt

_NUM_ROWS: Final = 10
_MIN_PAIRS: Final = 256  # of neighbours, for a judgement
_MIN_EQUAL: Final = 0.1  # share of neighbours; white noise has none
_NUM_STEPS: Final = 256  # that are looked at
_SMALL_STEP: Final = 3  # in 8 bits
_MAX_SMALL_STEPS: Final = 0.25  # of all steps, for each share of equal neighbours
_FLAT: Final = 0.5  # share of equal neighbours
_NUM_PIXELS: Final = 512  # whose colours are counted
_FEW_COLOURS: Final = 16  # as masks have, whose steps are small where they are numbers of classes


def graphics_hint_for(signal: Signal) -> None:
    """Give the hint for a picture that looks drawn; other signals have none."""
    if isinstance(signal, Image):
        hint_if_graphics(rows_judged_for_graphics(signal.samples), signal.bit_depth)


def hint_if_graphics(rows: UInt[Samples, "rows w c"], bit_depth: int) -> None:
    """Give the hint where what `rows_judged_for_graphics` or `RowsWatchedForGraphics` took of a picture looks drawn."""
    if is_drawn(rows, bit_depth):
        hint("drawn, not photographed: a lossless format (png, webp) or avif would be smaller at the same quality")


def rows_judged_for_graphics(samples: UInt[Samples, "h w c"]) -> UInt[Samples, "rows w c"]:
    """(some, w, c) of a whole picture."""
    return samples[_numbers(len(samples))]


def is_drawn(rows: UInt[Samples, "rows w c"], bit_depth: int) -> bool:
    """Whether rows (some, w, c) of a picture of this bit depth look drawn; not where they are too few to tell."""
    same = rows[:, :-1] == rows[:, 1:]
    equal = same[..., 0]
    for c in range(1, rows.shape[2]):
        equal = equal & same[..., c]
    num_equal = np.count_nonzero(equal)
    if equal.size < _MIN_PAIRS or not _MIN_EQUAL * equal.size <= num_equal < equal.size:
        return False
    share = num_equal / equal.size
    if _share_of_small_steps(rows, equal, _SMALL_STEP * ((1 << bit_depth) - 1) // 255) <= _MAX_SMALL_STEPS * share:
        return True
    return share >= _FLAT and _num_colours(rows) <= _FEW_COLOURS


class RowsWatchedForGraphics:
    """Rows that come from a source, some of which are kept to be judged: `rows_judged_for_graphics`, in `judged`."""

    def __init__(self, source: EncoderRowSource) -> None:
        self.height, self.width = source.height, source.width
        self._source = source
        self._wanted = _numbers(source.height)
        self._next = 0
        self._kept: list[NDArray[Any]] = []

    def read_rows(self, count: int) -> UInt[Samples, "count w c"]:
        """The next rows, (count, w, c)."""
        rows = self._source.read_rows(count)
        at = self._wanted - self._next
        self._kept.append(rows[at[(at >= 0) & (at < count)]])
        self._next += count
        return rows

    @property
    def judged(self) -> UInt[NDArray[Any], "rows w c"]:
        """(some, w, c) of the rows read so far, at least one read."""
        return np.concatenate(self._kept)


def _numbers(height: int) -> NDArray[np.intp]:
    """Of up to 10 rows at even distances."""
    count = min(height, _NUM_ROWS)
    return (2 * np.arange(count) + 1) * height // (2 * count)


def _share_of_small_steps(rows: Samples, equal: NDArray[np.bool_], most: int) -> float:
    """Of neighbours that differ, some at even distances, those that do by `most` or less in every channel; (some, w - 1)
    `equal` says which do not."""
    steps = np.flatnonzero(~equal)
    steps = steps[:: -(-len(steps) // _NUM_STEPS)]
    at = steps + steps // equal.shape[1]  # a row has a pixel more than it has pairs
    pixels = rows.reshape(-1, rows.shape[2])
    changes = np.abs(pixels[at + 1].astype(np.int32) - pixels[at])
    return np.count_nonzero((changes <= most).all(axis=1)) / len(changes)


def _num_colours(rows: NDArray[Any]) -> int:
    """Different pixels among some at even distances."""
    pixels = rows.reshape(-1, rows.shape[2])
    pixels = pixels[:: -(-len(pixels) // _NUM_PIXELS)].astype(np.uint64)
    return len(np.unique(pixels @ (np.uint64(65536) ** np.arange(rows.shape[2], dtype=np.uint64))))
