"""What is lost where integers are 0, by channel and by how much goes on around a place: what noise in place of zeros is
measured by (SPEC.md, section 9.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs.levels import UNLEVELLED
from laconic.codecs.media import Image
from laconic.codecs.models.model import Model
from laconic.codecs.models.tunings import NUM_CLASSES, ZERO_UNIT, tuned_model
from laconic.codecs.transform.quantizer import inverse_quantizer_step
from laconic.codecs.transform.signals import coefficients_of

if TYPE_CHECKING:
    from jaxtyping import Float, UInt

_CODES: Final = (190, 178, 166, 154, 142)
_TUNING: Final = 5 << 4  # a map of usual strength
_ROUNDING: Final = 0.36
_LEAST_GREY: Final = 0.8  # of the energy of a channel that is filled: noise in colours is seen
_PRIOR: Final = 50.0

Floats = NDArray[np.float32]


def lost_zeros(pictures: Sequence[Image], model: Model) -> UInt[NDArray[np.uint8], "d classes"]:
    """(d, 16) uint8: of uniform noise as strong as what is lost on the average, the largest, in 1/256 of a step; 0 of
    channels that a map is made of, of those before, and of colours."""
    tuned = tuned_model(replace(model, tunings=()), _TUNING)
    assert tuned.tuned is not None
    first, d = tuned.tuned.first_mapped, model.num_channels
    sums, counts = np.zeros((2, d, NUM_CLASSES))
    for picture in pictures:
        coefficients = coefficients_of(picture, tuned, UNLEVELLED)
        for code in _CODES:
            ratios = np.abs(coefficients) * np.float32(inverse_quantizer_step(code, model))
            made_of = np.floor(ratios[model.num_planes : first] + np.float32(_ROUNDING)).astype(np.int32)
            exponents, classes = tuned.tuned.of_places(made_of, code)
            seen = ratios[first:]
            tuned.tuned.scale_mapped(seen, exponents)
            is_zero = np.floor(seen + np.float32(_ROUNDING)) == 0
            keys = (classes + NUM_CLASSES * np.arange(d - first)[:, None, None])[is_zero]
            size = (d - first) * NUM_CLASSES
            sums[first:] += np.bincount(keys, seen[is_zero] ** 2, size).reshape(-1, NUM_CLASSES)
            counts[first:] += np.bincount(keys, minlength=size).reshape(-1, NUM_CLASSES)
    largest = np.sqrt(3 * sums / (counts + _PRIOR))
    largest[grey_shares(model) < _LEAST_GREY] = 0
    rounded: NDArray[np.uint8] = np.rint(np.minimum(largest * ZERO_UNIT, 255)).astype(np.uint8)
    return rounded


def grey_shares(model: Model) -> Float[NDArray[np.float64], " d"]:
    """(d,): how much of the energy of a channel is alike in all colours."""
    shares = np.ones(model.num_channels)
    at = 0
    for block in model.synthesis:
        columns = block.reshape(-1, model.num_planes, len(block)).astype(np.float64)
        energy = (columns**2).sum((0, 1))
        shares[model.channels[at : at + len(block)]] = (columns.mean(1) ** 2).sum(0) * model.num_planes / energy
        at += len(block)
    return shares
