"""The sums behind structural similarity: first and second moments of planes under a sliding Gaussian window.

A few outputs along one axis are a banded matrix times slightly more inputs, so that BLAS does the sums: more
multiplications than the window has, at several times the speed of anything that walks over its taps. Strips of some
rows keep all of it in the processor's cache, and out of memory that the system would have to hand out anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

if TYPE_CHECKING:
    from jaxtyping import Float32

# Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 13(4), 2004, section III-B: the window.
NUM_TAPS: Final = 11
_SIGMA = 1.5
# Outputs of one product: the fastest of 8, 16 and 32.
_ROWS, _COLUMNS = 8, 16
_STRIP_SAMPLES = 1 << 15  # of one moment at a time, all planes

Planes = NDArray[np.float32]
Inside = tuple[slice, slice]


def windowed_moments(
    planes: Float32[Planes, "n h w"], offset: float
) -> Iterator[tuple[Float32[Planes, "2 n rows columns"], Inside]]:
    """Means under the window of each plane and of its square, at the (h - 10, w - 10) places where the window fits.

    In strips of some rows, each with those of its rows and columns that are such places; beyond them are finite numbers
    without meaning, which spare the caller's sums the ends of lines. A strip is the caller's to overwrite, until the
    next is asked for. `offset` is taken from the first plane before. Both sides must be at least 11.
    """
    num_planes, height, width = planes.shape
    rows, columns = height - NUM_TAPS + 1, width - NUM_TAPS + 1
    num_blocks = -(-columns // _COLUMNS)
    step = _ROWS * min(-(-rows // _ROWS), -(-_STRIP_SAMPLES // (num_planes * columns * _ROWS)))
    powers = np.zeros((2, num_planes, step + NUM_TAPS - 1, num_blocks * _COLUMNS + NUM_TAPS - 1), np.float32)
    down = np.empty((2 * num_planes * step, powers.shape[3]), np.float32)
    along = np.empty((2 * num_planes * step, num_blocks, _COLUMNS), np.float32)
    for top in range(0, rows, step):
        strip = planes[:, top : top + step + NUM_TAPS - 1]
        powers[0, :, : strip.shape[1], :width] = strip
        powers[0, 0, : strip.shape[1], :width] -= offset
        np.multiply(powers[0], powers[0], out=powers[1])
        _blur_down(powers.reshape(-1, *powers.shape[2:]), down)
        _blur_along_rows(down, along)
        yield along.reshape(2, num_planes, step, -1), (slice(rows - top), slice(columns))


def _blur_down(planes: Planes, blurred: Planes) -> None:
    """(n, h, w) -> (n * (h - 10), w)."""
    num_planes, height, width = planes.shape
    plane, row, sample = planes.strides
    num_blocks = (height - NUM_TAPS + 1) // _ROWS
    shape = num_planes, num_blocks, _ROWS + NUM_TAPS - 1, width
    blocks = as_strided(planes, shape, (plane, _ROWS * row, row, sample), writeable=False)
    np.matmul(_ROW_BAND, blocks, out=blurred.reshape(num_planes, num_blocks, _ROWS, width))


def _blur_along_rows(rows: Planes, blurred: Planes) -> None:
    """(n, w) -> (n, (w - 10) / 16, 16)."""
    num_rows, num_blocks, _ = blurred.shape
    row, sample = rows.strides
    shape = num_blocks, num_rows, _COLUMNS + NUM_TAPS - 1
    blocks = as_strided(rows, shape, (_COLUMNS * sample, row, sample), writeable=False)
    np.matmul(blocks, _COLUMN_BAND, out=blurred.swapaxes(0, 1))


def _band(num_outputs: int) -> Planes:
    """(n, n + 10): row i holds the window, of sum 1, from column i on."""
    offsets = np.arange(NUM_TAPS) - NUM_TAPS // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    band = np.zeros((num_outputs, num_outputs + NUM_TAPS - 1), np.float32)
    for row in range(num_outputs):
        band[row, row : row + NUM_TAPS] = window / window.sum()
    return band


def _frozen(band: Planes) -> Planes:
    band.flags.writeable = False
    return band


_ROW_BAND: Final = _frozen(_band(_ROWS))
_COLUMN_BAND: Final = _frozen(np.ascontiguousarray(_band(_COLUMNS).T))
