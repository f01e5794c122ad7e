"""What the view of a latent shows of a map with a value for each pixel, such as a mask of classes: `MapView`.

A latent is cropped, shifted, mirrored and halved in whole places (`latent_augmenter`); here the pixels under these places
are found, so that a mask stays on the picture. Mirroring is about a sample, as that of latents is: of w places, 8 pixels
each, pixel p shows what was at 8 (w - 1) - p, and the 7 past the edge, which lie before pixel 0, what is as far behind it.

    place     0        1        2              0        1        2
    pixel     01234567 89abcdef ghijklmn   ->  gfedcba9 87654321 01234567
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.errors import CodecError

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped


@dataclass(frozen=True, eq=False)
class MapView:
    """The view of a latent of `grid` places (rows, columns), of which it shows `sides`; a place is `place` pixels.

    `window`: a row of `LatentViews.windows`, None for the latent as it is. What it erases of a latent, a map keeps.
    """

    window: Int[NDArray[np.int32], " 8"] | None
    grid: tuple[int, int]
    sides: tuple[int, int]
    place: tuple[int, int] = (8, 8)

    def of(self, values: Shaped[NDArray[Any], "h w ..."], fill: int = 0) -> Shaped[NDArray[Any], "h2 w2 ..."]:
        """What is shown of a map (h, w) or (h, w, c), as many pixels as `sides` has places; at half the scale every
        second value. `fill` where nothing of the signal is. Raises `CodecError` for one of another size."""
        if values.ndim < 2:
            raise CodecError(
                f"a map has the shape {values.shape}; allowed is a value for each pixel, (h, w) or (h, w, c)"
            )
        rows, columns = (self._shown(axis, values.shape[axis]) for axis in range(2))
        shown = values[np.maximum(rows, 0)[:, None], np.maximum(columns, 0)]
        shown[rows < 0] = fill
        shown[:, columns < 0] = fill
        return shown

    def _shown(self, axis: int, size: int) -> Int[NDArray[np.int64], " n"]:
        """Which row or column of a map each of the view's shows, -1 where it is none."""
        step, places = self.place[axis], self.grid[axis]
        if -(-size // step) != places:
            what = ("rows", "columns")[axis]
            raise CodecError(
                f"a map has {size} {what}, its latent {places} places of {step}; allowed is a map of the picture's size"
            )
        window = np.zeros(8, np.int32) if self.window is None else self.window
        scale = 2 if window[3] else 1
        places = -(-places // scale)
        at = np.arange(self.sides[axis] * step) + int(window[axis]) * step
        outside = (at < 0) | (at >= places * step)
        if axis == 1 and window[2]:
            at = np.abs((places - 1) * step - at)
        at = at * scale
        return np.where(outside | (at >= size), -1, at)


def map_views(
    windows: Int[NDArray[np.int32], "n 8"],
    grids: Int[NDArray[np.int64], "n 2"],
    sides: Int[NDArray[np.int64], "n 2"],
    place: tuple[int, int],
) -> list[MapView]:
    """Those of the latents of a batch."""
    pairs = zip(windows, grids.tolist(), sides.tolist(), strict=True)
    return [MapView(window, (rows, columns), (high, wide), place) for window, (rows, columns), (high, wide) in pairs]
