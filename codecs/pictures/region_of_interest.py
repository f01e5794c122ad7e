"""Regions of interest: how much places of a picture matter -> weights of places of its file (SPEC.md, section 6.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.arguments import shown
from laconic.codecs.errors import CodecError, UnsupportedSignalError
from laconic.codecs.form import Form
from laconic.codecs.media import Image, Signal
from laconic.codecs.models.model import Model
from laconic.codecs.packing.place_weights import PlaceWeights, blocks_of_grid
from laconic.entropy.container import MAX_BLOCK_LOG2

if TYPE_CHECKING:
    from jaxtyping import Float

# Steps are finer by an octave where all matters and coarser by half an octave where nothing does, in 1/16 octaves: what is
# not of interest is still to be recognised.
_FINEST: Final = 16
_COARSEST: Final = -8
_LEAST_BLOCK_LOG2: Final = 2  # in places
_PIXELS_OF_LEAST: Final = 1 << 21  # of pictures up to which blocks are of that size; the section then stays small

_ALLOWED: Final = "an array (h, w) of 0 to 1, of uint8, or of bool, or a function of an Image that gives one"


@dataclass(frozen=True, eq=False)
class ImportanceMap:
    """How much matters where, (h, w), 0 to 1. Two are equal where these are."""

    shares: Float[NDArray[np.float64], "h w"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImportanceMap) and np.array_equal(self.shares, other.shares)

    def __hash__(self) -> int:
        return hash(self.shares.tobytes())

    def __repr__(self) -> str:
        return f"<map of {self.shares.shape[0]}x{self.shares.shape[1]}>"


class SupportsArray(Protocol):
    """An array (h, w) of any library."""

    def __array__(self) -> Any: ...


# What `Lcn` takes.
RegionOfInterest: TypeAlias = SupportsArray | Callable[[Image], SupportsArray] | ImportanceMap


def region_argument(value: object) -> ImportanceMap | Callable[[Image], SupportsArray]:
    """A map of importance, or the function that gives one. Raises `CodecError` for what is neither."""
    if isinstance(value, ImportanceMap):
        return value
    if callable(value):
        return value
    return _map_of(value)


def _map_of(value: object) -> ImportanceMap:
    value = np.asarray(value) if hasattr(value, "__array__") else value
    if not isinstance(value, np.ndarray) or value.ndim != 2 or not value.size:
        raise CodecError(f"roi is {shown(value)}; allowed is {_ALLOWED}")
    if value.dtype != np.uint8 and value.dtype.kind not in "bf":
        raise CodecError(f"roi is an array of {value.dtype}; allowed is {_ALLOWED}")
    shares = value.astype(np.float64) / (255 if value.dtype == np.uint8 else 1)
    if not (shares.min() >= 0 and shares.max() <= 1):
        raise CodecError(f"roi runs from {shares.min()} to {shares.max()}; allowed are 0 to 1, of uint8 0 to 255")
    shares.flags.writeable = False
    return ImportanceMap(shares)


def places_of_form(
    roi: RegionOfInterest | None, form: Form, model: Model, signal: Signal | None = None
) -> PlaceWeights | None:
    """As `place_weights_of`, of what matters in a signal of this form, None where it comes in parts; None where nothing is
    said. Raises `UnsupportedSignalError` for signals that are no pictures."""
    if roi is None:
        return None
    if form.kind != "image":
        raise UnsupportedSignalError(f"roi is for pictures, this is a signal of kind {form.kind}; leave it out")
    image = signal if isinstance(signal, Image) else None
    return place_weights_of(region_argument(roi), (form.size[0], form.size[1]), model, image)


def place_weights_of(
    roi: ImportanceMap | Callable[[Image], SupportsArray], size: tuple[int, int], model: Model, image: Image | None
) -> PlaceWeights | None:
    """Weights of the places of a picture of `size` (height, width), None where all are alike or none has steps of its own;
    `image` is the picture where all of it is at hand. Raises `CodecError` for a map of another aspect or a larger size, and
    where a function lacks its picture."""
    if not isinstance(roi, ImportanceMap):
        if image is None:
            raise CodecError("roi is a function, which needs all of a picture that is read by rows; give an array")
        roi = _map_of(roi(image))
    _check_aspect(roi.shares.shape, size)
    block_log2 = _block_log2(size)
    grid = model.tree.places_of(size[0]), model.tree.places_of(size[1])
    shares = roi.shares
    for axis, (length, count) in enumerate(zip(size, blocks_of_grid(grid, block_log2), strict=True)):
        shares = _means(shares, axis, length, (model.tree.factor << block_log2, count))
    weights = np.floor((_FINEST - _COARSEST) * shares + (_COARSEST + 0.5)).astype(np.int8)
    if np.ptp(weights) == 0 or model.num_channels <= 4 * model.num_planes:
        return None
    return PlaceWeights(block_log2, weights)


def _check_aspect(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """A smaller map may end up to a cell before or after the picture does."""
    (rows, columns), (height, width) = shape, size
    is_alike = height * (columns - 1) < width * (rows + 1) and width * (rows - 1) < height * (columns + 1)
    if rows > height or columns > width or not is_alike:
        raise CodecError(
            f"roi is {columns}x{rows}, the picture {width}x{height}; allowed is that size, or a smaller one of its aspect"
        )


def _block_log2(size: tuple[int, int]) -> int:
    block_log2 = _LEAST_BLOCK_LOG2
    while size[0] * size[1] > _PIXELS_OF_LEAST << 2 * (block_log2 - _LEAST_BLOCK_LOG2) and block_log2 < MAX_BLOCK_LOG2:
        block_log2 += 1
    return block_log2


def _means(
    shares: Float[NDArray[np.float64], "h w"], axis: int, length: int, blocks: tuple[int, int]
) -> Float[NDArray[np.float64], "_ _"]:
    """Means over blocks (their side, their number) of `length` pixels along an axis, over which the cells are spread."""
    side, count = blocks
    edges = np.minimum(np.arange(count + 1) * side, length)
    at = edges * (shares.shape[axis] / length)  # in cells
    sums = np.insert(np.cumsum(shares, axis), 0, 0, axis)
    whole = np.minimum(at.astype(np.int64), shares.shape[axis] - 1)
    before, after = np.take(sums, whole, axis), np.take(sums, whole + 1, axis)
    part = np.expand_dims(at - whole, 1 - axis)
    up_to: NDArray[np.float64] = before + part * (after - before)
    means: NDArray[np.float64] = np.diff(up_to, axis=axis) / np.expand_dims(np.diff(at), 1 - axis)
    return means
