"""Two further wavelet levels of a picture's lowest channels: what a model says of them, and how they are undone
(SPEC.md, section 9.6).

The integers of these channels stay planes on the grid of the latent, in the interleaved order of lifting in place. A
coefficient's class is 0 for the low band; then, from the coarsest level on, vertically high, horizontally high, both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import WeightsError
from laconic.codecs.models.packet_tree import HIGH_GAIN, LIFTING, LOW_GAIN

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

    from laconic.codecs.models.model import Model

MAX_LOW_LEVELS: Final = _native.MAX_LOW_LEVELS
LOW_MARGIN: Final = _native.LOW_MARGIN  # latent places that a part needs around it, a multiple of `LOW_GRID`
LOW_GRID: Final = 1 << MAX_LOW_LEVELS  # parts begin at multiples of this
LOW_STEP_LOG2: Final = -11  # synthesised values are in units of 2**LOW_STEP_LOG2, full scale = 1
LOW_STEP: Final = np.float32(2.0**LOW_STEP_LOG2)
_GAIN_LIMIT: Final = 256.0
_ROUNDING_OF_FLOATS: Final = 1.01
_A, _B, _C, _D = LIFTING

Floats = NDArray[np.float32]
Integers = NDArray[Any]


def no_low_gains() -> Float[Floats, " k"]:
    """Those of a model without low levels, (0,)."""
    return np.zeros(0, np.float32)


def no_low_scale_codes() -> Int[NDArray[np.int16], "k p"]:
    """Those of a model without low levels, (0, 0)."""
    return np.zeros((0, 0), np.int16)


@dataclass(frozen=True, eq=False)
class LowSynthesis:
    """How the integers of the lowest channels are undone at one step: `inverse` (classes,) of the gains, `shrink` (classes,
    planes, 3) taken off |q| = 1, 2, 3 or more."""

    inverse: Float[Floats, " k"]
    shrink: Float[Floats, "k p 3"]

    @property
    def num_planes(self) -> int:
        return int(self.shrink.shape[1])

    def values(
        self, integers: Int[Integers, "c h w"], step: float, skipped: int = 0
    ) -> Int[NDArray[np.int16], "c _ _"]:
        """(c, h, w) of the first channels, in units of 2**-11; the corner is on the grid of the coarsest level.

        With the finest `skipped` levels left as they are, the picture on so much coarser a grid, each side rounded up.
        """
        planes, height, width = integers.shape
        out = np.empty((planes, -(-height >> skipped), -(-width >> skipped)), np.int16)
        _native.synthesize_low(np.ascontiguousarray(integers), out, step, self.shrink, self.inverse, skipped)
        return out


def low_synthesis_of(model: Model, step_code: int) -> LowSynthesis | None:
    """That of a model at a step, None for one without low levels."""
    if not model.low_levels:
        return None
    codes = model.low_scale_codes
    shrink = model.shrink_at(codes.reshape(-1), step_code).reshape(*codes.shape, 3)
    return LowSynthesis(np.float32(1) / model.low_gains, shrink)


def check_low_levels(model: Model) -> None:
    """Raises `WeightsError` for low levels that do not fit a model."""
    levels, gains, codes = model.low_levels, model.low_gains, model.low_scale_codes
    if type(levels) is not int or not 0 <= levels <= MAX_LOW_LEVELS:
        raise WeightsError(f"model {model.name} has {levels!r} low levels; allowed are 0 to {MAX_LOW_LEVELS}")
    classes = 1 + 3 * levels if levels else 0
    shape = (classes, model.num_planes if levels else 0)
    if gains.shape != (classes,) or gains.dtype != np.float32 or codes.shape != shape or codes.dtype != np.int16:
        raise WeightsError(
            f"model {model.name} has {levels} low levels with gains of shape {gains.shape} and scale codes of "
            f"{codes.shape}; needed are {(classes,)} of float32 and {shape} of int16"
        )
    if levels:
        _check_fits(model)


def _check_fits(model: Model) -> None:
    gains, planes = model.low_gains, model.num_planes
    if not np.all((gains >= 1 / _GAIN_LIMIT) & (gains <= _GAIN_LIMIT)):
        raise WeightsError(f"model {model.name} has low gains {gains}; allowed are 1/256 to 256")
    if model.kind != "image":
        raise WeightsError(f"model {model.name} of kind {model.kind!r} has low levels; they are for pictures")
    low = sorted(model.channels[:planes].tolist())
    if model.tree.leaves[0] != (0,) * model.tree.depth or len(model.analysis[0]) != planes or low != [*range(planes)]:
        raise WeightsError(f"model {model.name} has low levels; its first block is not the low band in channels 0 on")


def low_config(model: Model) -> dict[str, object]:
    """What stands in the configuration, nothing where there are none."""
    return {"low_levels": model.low_levels} if model.low_levels else {}


def low_arrays(model: Model) -> dict[str, Shaped[NDArray[Any], "*sides"]]:
    """Arrays of the model file, none where there are no low levels."""
    return {"low_gains": model.low_gains, "low_scale_codes": model.low_scale_codes} if model.low_levels else {}


def low_bytes(model: Model) -> bytes:
    """What the fingerprint is over, none where there are no low levels."""
    return model.low_gains.astype("<f4").tobytes() + model.low_scale_codes.astype("<i2").tobytes()


def low_parts(
    config: Mapping[str, Any], arrays: Mapping[str, Shaped[NDArray[Any], "*sides"]]
) -> tuple[int, Float[Floats, " k"], Int[NDArray[np.int16], "k p"]]:
    """Levels, gains and scale codes of a model file."""
    levels = config.get("low_levels", 0)
    if not levels:
        return 0, no_low_gains(), no_low_scale_codes()
    return levels, arrays["low_gains"].astype(np.float32), arrays["low_scale_codes"].astype(np.int16)


def largest_low_coefficient(model: Model) -> float:
    """What no coefficient of the lowest channels exceeds, full scale = 1, for samples from -1/2 to 1/2."""
    if not model.low_levels:
        return 0.0
    rows = float(np.abs(model.analysis[0]).astype(np.float64).sum(1).max())
    norms = np.array(_class_norms(model.tree.depth, model.low_levels))
    return float((norms * model.low_gains).max()) * rows / 2 * _ROUNDING_OF_FLOATS


@cache
def _class_norms(depth: int, levels: int) -> tuple[float, ...]:
    """For each class, the sum of the magnitudes of the weights of the samples, far from the picture's borders."""
    band = np.eye(16 << (depth + levels))
    norms: list[float] = []
    for level in range(depth + levels):
        band, high = _split(band)
        low_norm, high_norm = np.abs(band[0]).sum(), np.abs(high[0]).sum()
        if level >= depth:
            norms = [high_norm * low_norm, low_norm * high_norm, high_norm * high_norm, *norms]
    return (float(np.abs(band[0]).sum()) ** 2, *norms)


def _split(lines: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high halves of lines that repeat."""
    even, odd = lines[0::2], lines[1::2]
    odd = odd + _A * (even + np.roll(even, -1, 0))
    even = even + _B * (odd + np.roll(odd, 1, 0))
    odd = odd + _C * (even + np.roll(even, -1, 0))
    even = even + _D * (odd + np.roll(odd, 1, 0))
    return even * LOW_GAIN, odd * HIGH_GAIN
