"""Coefficients -> integers: a uniform quantiser with a dead zone of its own for each channel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.errors import CodecError
from laconic.codecs.models.fixed_point import largest_fixed_coefficient
from laconic.codecs.models.low_bounds import largest_low_coefficient
from laconic.codecs.models.model import Model
from laconic.codecs.steps import step_of_code
from laconic.entropy.low_planes import join_low_planes, split_low_planes

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Floats = NDArray[np.float32]
_LARGEST_INTEGER = 1 << 30


@dataclass(frozen=True)
class Quantizer:
    """`thresholds` (d, 2) float32 of the channels, in steps: |y| / step below the first gives 0, else at least 1 and what
    the second is added to, rounded down. `low_thresholds` (n, 2): of the first channels instead, put apart by
    `split_low_planes`; None where they are quantised alike."""

    step_code: int
    thresholds: Float[Floats, "d 2"]
    low_thresholds: Float[Floats, "n 2"] | None = None


def integer_type(model: Model, step_code: int) -> type[np.signedinteger[Any]]:
    """int16 where it holds every integer of an 8-bit picture at this step, else int32."""
    if not model.fixed:
        return np.int32
    largest = max(largest_fixed_coefficient(model.fixed), largest_low_coefficient(model))
    return np.int16 if largest * _most_finer(model) / float(step_of_code(step_code)) < 32767 else np.int32


def quantize(
    coefficients: Float[Floats, "d h w"],
    quantizer: Quantizer,
    model: Model,
    out: Int[NDArray[Any], "d h w"] | None = None,
) -> Int[NDArray[Any], "d h w"]:
    """Integers of coefficients (d, h, w), int32 or in `out`, int16 or int32."""
    out = np.empty(coefficients.shape, np.int32) if out is None else out
    quantize_channels(coefficients, quantizer, model, out)
    if quantizer.low_thresholds is not None:
        low = split_low_planes(coefficients[: model.num_planes], model.low_levels)
        apart = np.empty(low.shape, out.dtype)
        _quantize(low, quantizer.low_thresholds, quantizer.step_code, model, apart)
        out[: model.num_planes] = join_low_planes(apart, model.low_levels, *out.shape[1:])
    return out


def quantize_channels(
    coefficients: Float[Floats, "c h w"],
    quantizer: Quantizer,
    model: Model,
    out: Int[NDArray[Any], "c h w"],
    first: int = 0,
) -> None:
    """Those of channels from `first` on in `out`, int16 or int32, with no regard to low levels."""
    _quantize(coefficients, quantizer.thresholds[first:], quantizer.step_code, model, out)


def _quantize(coefficients: Floats, thresholds: Floats, step_code: int, model: Model, out: NDArray[Any]) -> None:
    d = len(coefficients)
    _native.quantize(
        coefficients.reshape(d, -1),
        out.reshape(d, -1),
        inverse_quantizer_step(step_code, model),
        np.ascontiguousarray(thresholds[:d]),
    )


def check_quantizer_step(coefficients: Float[Floats, "d h w"], step_code: int, model: Model) -> None:
    """Raises `CodecError` where the integers of coefficients would not be held at this step."""
    largest = max(float(coefficients.max(initial=0)), -float(coefficients.min(initial=0)))
    excess = largest * _most_finer(model) * inverse_quantizer_step(step_code, model) / _LARGEST_INTEGER
    if excess > 1:
        least = min(step_code + math.ceil(16 * math.log2(excess)), 255)
        raise CodecError(
            f"step code {step_code} is too small for this signal, whose integers need 32 bits: choose {least} or more"
        )


def _most_finer(model: Model) -> float:
    """How many times finer than the file's a step may be."""
    if model.tuned is None:
        return 1.0
    of_channels = 1.0 if model.tuned.gains is None else float(model.tuned.gains.max())
    return of_channels * (2 if model.tuned.maps_steps else 1)


def inverse_quantizer_step(step_code: int, model: Model) -> float:
    return float(np.float32(1) / (step_of_code(step_code) * np.float32(model.unit)))
