"""What context networks see of symbols of subbands, with numpy, for fitting (SPEC.md, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.entropy.contexts import residuals_of_context_prediction

if TYPE_CHECKING:
    from jaxtyping import Bool, Int, UInt

NUM_INPUTS: Final = 40
NUM_QUIET_INPUTS: Final = 23
NUM_ORIENTATIONS: Final = 3
# Inputs that are codes of signs, which are 128 for a zero; the others are codes of magnitudes.
SIGN_INPUTS: Final = tuple(range(31, 40))
_MAX_CODE_ARGUMENT: Final = 8 * 255
_MAX_MAGNITUDE: Final = 255
_ZERO_SIGN: Final = 128
_AROUND: Final = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
_CAUSAL: Final = (
    *((0, x) for x in (-3, -2, -1)),
    (-3, 0),
    *((-1, x) for x in (-2, -1, 0, 1)),
    *((-2, x) for x in (-2, -1, 0, 1, 2)),
)
_CAUSAL_SIGNS: Final = ((0, -1), (-1, -1), (-1, 0), (-1, 1))

Ints = NDArray[np.int32]
Codes = NDArray[np.uint8]


def log_codes(numbers: Int[NDArray[Any], "*shape"]) -> UInt[Codes, "*shape"]:
    """floor(16 log2(1 + n)), linear between powers of two, of numbers n from 0 on; those above 2040 count as 2040."""
    codes: Codes = _log_codes()[np.minimum(numbers, _MAX_CODE_ARGUMENT)]
    return codes


def sign_codes(numbers: Int[NDArray[Any], "*shape"]) -> UInt[Codes, "*shape"]:
    """128 for 0, 24 more or less for each step up to 5."""
    codes: Codes = (_ZERO_SIGN + 24 * np.clip(numbers, -5, 5)).astype(np.uint8)
    return codes


@dataclass(frozen=True, eq=False)
class SubbandCodes:
    """One subband: its `symbols`, (h, w) int32, and codes of them."""

    symbols: Int[Ints, "h w"]

    @cached_property
    def magnitudes(self) -> UInt[Codes, "h w"]:
        return log_codes(_magnitudes(self.symbols))

    @cached_property
    def signs(self) -> UInt[Codes, "h w"]:
        return sign_codes(self.symbols)

    @cached_property
    def rings(self) -> UInt[Codes, "h w"]:
        """Of the sums of the magnitudes of the eight neighbours."""
        magnitudes = _magnitudes(self.symbols)
        return log_codes(sum((_shifted(magnitudes, *offset) for offset in _AROUND), np.zeros_like(magnitudes)))


class SubbandPyramid:
    """The subbands of a picture: `low` are the values of the low band, one (h, w) int32 array for each colour, `levels` for
    each level, the finest first, its subbands: colour by colour vertically high, horizontally high, both."""

    def __init__(self, low: Sequence[Int[Ints, "_ _"]], levels: Sequence[Sequence[Int[Ints, "_ _"]]]) -> None:
        self._low = list(low)
        residuals = [residuals_of_context_prediction(values) for values in low]
        self._bands = [[SubbandCodes(b) for b in bands] for bands in (residuals, *levels)]

    @property
    def num_levels(self) -> int:
        return len(self._bands) - 1

    def num_kinds(self, level: int) -> int:
        """Of symbols in a level, 0 being the low band."""
        return len(self._bands[level])

    def symbols(self, level: int, kind: int) -> Int[Ints, "h w"]:
        """What is coded: of the low band the residuals of its prediction."""
        return self._bands[level][kind].symbols

    def inputs(self, level: int, kind: int) -> UInt[Codes, "n 40"]:
        """Inputs of the network for every symbol, in raster order."""
        own = self._bands[level][kind]
        out = np.zeros((NUM_INPUTS, *own.symbols.shape), np.uint8)
        out[list(SIGN_INPUTS)] = _ZERO_SIGN
        for i, offset in enumerate(_CAUSAL):
            out[i] = _shifted(own.magnitudes, *offset)
        for i, offset in enumerate(_CAUSAL_SIGNS):
            out[31 + i] = _shifted(own.signs, *offset, fill=_ZERO_SIGN)
        if level == 0:
            self._put_low(kind, out)
        else:
            self._put_coarser(level, kind, out)
            self._put_earlier(level, kind, out)
        return np.ascontiguousarray(out.reshape(NUM_INPUTS, -1).T)

    def _put_low(self, color: int, out: Codes) -> None:
        values = self._low[color].astype(np.int64)
        left, up, corner, right = (_shifted(values, *offset) for offset in ((0, -1), (-1, 0), (-1, -1), (-1, 1)))
        for i, difference in ((13, left - corner), (14, up - corner), (23, up - right)):
            out[i] = log_codes(np.abs(difference))
        out[29:31] = _ZERO_SIGN
        for c in range(color):
            earlier = self._bands[0][c]
            out[19 + 2 * c], out[20 + 2 * c], out[38 + c] = earlier.magnitudes, earlier.rings, earlier.signs
            out[29 + c] = sign_codes(earlier.symbols >> 3)

    def _put_coarser(self, level: int, kind: int, out: Codes) -> None:
        shape = out.shape[1:]
        if level == self.num_levels:
            values = self._low[kind // NUM_ORIENTATIONS].astype(np.int64)
            up, down, left, right = (_shifted(values, *offset) for offset in ((-1, 0), (1, 0), (0, -1), (0, 1)))
            steep = [np.minimum(np.abs(d), _MAX_CODE_ARGUMENT) for d in (up - down, right - left)]
            codes = [log_codes(steep[0]), log_codes(steep[1]), log_codes(steep[0] + steep[1])]
            bends = [sign_codes((a + b - 2 * values) >> 1) for a, b in ((left, right), (up, down))]
            for i, plane, fill in zip((13, 14, 23, 24, 35), (*codes, *bends), (0, 0, 0, 0, _ZERO_SIGN), strict=True):
                out[i] = _cut(plane, shape, fill)
            return
        parents = self._bands[level + 1]
        parent, orientation = parents[kind], kind % NUM_ORIENTATIONS
        first = kind - orientation
        out[13], out[14] = _doubled(parent.magnitudes, shape), _doubled(parent.rings, shape)
        out[35] = _doubled(parent.signs, shape, _ZERO_SIGN)
        out[23] = _doubled(_largest(parents, first, orientation, parent.symbols.shape), shape)
        if level + 2 <= self.num_levels:
            old = self._bands[level + 2][kind]
            for i, plane in ((24, old.magnitudes), (25, old.rings)):
                out[i] = _doubled(_doubled(plane, parent.symbols.shape), shape)
        self._put_nearest(parent, out)

    @staticmethod
    def _put_nearest(parent: SubbandCodes, out: Codes) -> None:
        """Of the parent's neighbours the vertical, the horizontal and the diagonal one that are nearest to a symbol."""
        shape = out.shape[1:]
        for down in (0, 1):
            for right in (0, 1):
                y, x = (1 if down else -1), (1 if right else -1)
                for i, offset in ((26, (y, 0)), (27, (0, x)), (28, (y, x))):
                    near = _doubled(_shifted(parent.magnitudes, *offset), shape)
                    out[i, down::2, right::2] = near[down::2, right::2]

    def _put_earlier(self, level: int, kind: int, out: Codes) -> None:
        bands, orientation, shape = self._bands[level], kind % NUM_ORIENTATIONS, out.shape[1:]
        for o in range(orientation):
            earlier = bands[kind - orientation + o]
            out[15 + 2 * o], out[16 + 2 * o] = _cut(earlier.magnitudes, shape), _cut(earlier.rings, shape)
            out[36 + o] = _cut(earlier.signs, shape, _ZERO_SIGN)
        for c in range(kind // NUM_ORIENTATIONS):
            earlier = bands[NUM_ORIENTATIONS * c + orientation]
            out[19 + 2 * c], out[20 + 2 * c], out[38 + c] = earlier.magnitudes, earlier.rings, earlier.signs
            out[29 + c] = _largest(bands, NUM_ORIENTATIONS * c, orientation, shape)


def pyramid_of_planes(planes: Int[Ints, "d h w"], num_colors: int, depth: int, low_levels: int) -> SubbandPyramid:
    """Of the channels of a picture's latent, (d, h, w)."""
    low, levels = planes[:num_colors], []
    height, width = planes.shape[1:]
    for level in range(1, depth + 1):
        side, first = 1 << (depth - level), num_colors << (2 * (depth - level))
        bands = planes[first : first + NUM_ORIENTATIONS * num_colors * side * side].reshape(
            -1, side, side, height, width
        )
        levels.append([b.transpose(2, 0, 3, 1).reshape(side * height, side * width) for b in bands])
    for k in range(low_levels):
        far, near = slice(1 << k, None, 2 << k), slice(None, None, 2 << k)
        levels.append([p[rows, columns] for p in low for rows, columns in ((far, near), (near, far), (far, far))])
    lowest = slice(None, None, 1 << low_levels)
    contiguous = np.ascontiguousarray
    return SubbandPyramid(
        [contiguous(p[lowest, lowest]) for p in low], [[contiguous(b) for b in bands] for bands in levels]
    )


def is_quiet(inputs: UInt[Codes, "n 40"]) -> Bool[NDArray[np.bool_], " n"]:
    """Where all around is 0: there a table stands in for the network."""
    quiet: NDArray[np.bool_] = np.logical_not(inputs[:, :NUM_QUIET_INPUTS].any(1))
    return quiet


@cache
def _log_codes() -> Codes:
    numbers = np.arange(1, _MAX_CODE_ARGUMENT + 2)
    top = np.array([int(n).bit_length() - 1 for n in numbers])
    codes: Codes = (16 * top + ((16 * numbers) >> top) - 16).astype(np.uint8)
    return codes


def _magnitudes(symbols: Ints) -> NDArray[np.int64]:
    return np.minimum(np.abs(symbols.astype(np.int64)), _MAX_MAGNITUDE)


def _largest(bands: Sequence[SubbandCodes], first: int, orientation: int, shape: tuple[int, ...]) -> Codes:
    """The larger magnitude code of the two other orientations."""
    one, two = (_cut(bands[first + o].magnitudes, shape) for o in range(NUM_ORIENTATIONS) if o != orientation)
    largest: Codes = np.maximum(one, two)
    return largest


def _shifted(plane: NDArray[Any], down: int, right: int, fill: int = 0) -> NDArray[Any]:
    """What stands so far below and to the right of each place, `fill` outside."""
    height, width = plane.shape
    out = np.full_like(plane, fill)
    rows, columns = _overlap(height, down), _overlap(width, right)
    out[rows[0], columns[0]] = plane[rows[1], columns[1]]
    return out


def _overlap(length: int, offset: int) -> tuple[slice, slice]:
    size = max(length - abs(offset), 0)
    start = max(-offset, 0)
    return slice(start, start + size), slice(start + offset, start + offset + size)


def _cut(plane: NDArray[Any], shape: tuple[int, ...], fill: int = 0) -> NDArray[Any]:
    """The plane on a grid that may be a place larger or smaller."""
    out = np.full(shape, fill, plane.dtype)
    height, width = min(shape[0], plane.shape[0]), min(shape[1], plane.shape[1])
    out[:height, :width] = plane[:height, :width]
    return out


def _doubled(plane: NDArray[Any], shape: tuple[int, ...], fill: int = 0) -> NDArray[Any]:
    """Each place as two by two of the finer grid."""
    return _cut(plane.repeat(2, 0).repeat(2, 1), shape, fill)
