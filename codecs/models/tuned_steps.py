"""The steps of a tuned picture: of each channel, and how they differ from place to place (SPEC.md, section 9.8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from laconic.codecs import _native
from laconic.codecs.steps import CODE_OF_UNIT_STEP, step_of_code

if TYPE_CHECKING:
    from jaxtyping import Float, Int, UInt

_UNIT_WEIGHT: Final = 64

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TunedSteps:
    """What a tuned model (`tuned_model`) knows of its steps. `code` is the byte in its files, `fingerprint` that of the
    model as it was; `offsets` are those of its channels, of which the first `num_planes` are those of the low levels.
    `largest_noise` in place of zeros, in steps, by channel and by how much goes on around a place, None for none.
    `weighs_places`: files have weights of places (`PlaceWeights`)."""

    code: int
    fingerprint: bytes
    num_planes: int
    offsets: Int[NDArray[np.int16], " d"]
    largest_noise: Float[Floats, "d classes"] | None = None
    weighs_places: bool = False

    @property
    def strength(self) -> int:
        return self.code >> 4

    @property
    def maps_steps(self) -> bool:
        """Whether steps differ from place to place."""
        return self.strength > 0 or self.weighs_places

    @property
    def first_mapped(self) -> int:
        """The first channel whose steps differ from place to place."""
        return 4 * self.num_planes

    def steps(self, step_code: int) -> Float[Floats, " d"]:
        """Of all channels, in the model's unit, before the map."""
        return _steps_of_codes(self.offsets.tobytes(), step_code).copy()

    @cached_property
    def gains(self) -> Float[Floats, " d"] | None:
        """What coefficients are multiplied by to be quantised at the file's step, None for nothing."""
        if not self.offsets.any():
            return None
        return np.array([step_of_code(CODE_OF_UNIT_STEP + offset) for offset in self.offsets.tolist()], np.float32)

    @cached_property
    def weights(self) -> UInt[NDArray[np.uint32], " n"]:
        """By which the squares of the channels count that the map is made of."""
        made_of = self.offsets[self.num_planes : self.first_mapped].tolist()
        return np.array([int(_UNIT_WEIGHT * 2.0 ** (-offset / 8) + 0.5) for offset in made_of], np.uint32)

    def exponents(self, values: Int[NDArray[Any], "c h w"], step_code: int) -> Int[NDArray[np.int8], "h w"] | None:
        """Of each place of integers (c, h, w), those outside of which are 0: by how many sixteenths of an octave steps
        are finer, but for weights of places. None where no channel there has a map."""
        if not self.maps_steps or len(values) <= self.first_mapped:
            return None
        return self.of_places(values[self.num_planes : self.first_mapped], step_code)[0]

    def exponents_and_classes(
        self, values: Int[NDArray[Any], "c h w"], step_code: int
    ) -> tuple[Int[NDArray[np.int8], "h w"] | None, UInt[NDArray[np.uint8], "h w"] | None]:
        """The exponents, and how much goes on around each place, which noise goes with: None where no channel there has
        noise."""
        if self.largest_noise is None or len(values) <= self.first_mapped:
            return self.exponents(values, step_code), None
        exponents, classes = self.of_places(values[self.num_planes : self.first_mapped], step_code)
        return (exponents if self.maps_steps else None), classes

    def of_places(
        self, values: Int[NDArray[Any], "n h w"], step_code: int
    ) -> tuple[Int[NDArray[np.int8], "h w"], UInt[NDArray[np.uint8], "h w"]]:
        """Exponents and classes by the channels alone that a map is made of."""
        exponents, classes = np.empty(values.shape[1:], np.int8), np.empty(values.shape[1:], np.uint8)
        of_map = (0, self.weights, step_code, self.strength)
        _native.step_exponents(np.ascontiguousarray(values), *of_map, exponents, classes)
        return exponents, classes

    def scale(self, coefficients: Float[Floats, "c h w"]) -> None:
        """Of the first channels, what the quantiser sees, but for the map; in place."""
        if self.gains is not None:
            _native.scale_coefficients(coefficients, self.gains, None, _FINER, self.first_mapped)

    def scale_mapped(self, coefficients: Float[Floats, "c h w"], exponents: Int[NDArray[np.int8], "h w"]) -> None:
        """Channels from `first_mapped` on, all that are there, as the quantiser sees them at these places; in place."""
        _native.scale_coefficients(coefficients, None, np.ascontiguousarray(exponents), _FINER, 0)

    def unscale_mapped(self, points: Float[Floats, "c h w"], exponents: Int[NDArray[np.int8], "h w"]) -> None:
        """Of the first channels, from steps that are alike everywhere to those of the places; in place."""
        _native.scale_coefficients(points, None, np.ascontiguousarray(exponents), STEP_FACTORS, self.first_mapped)


@lru_cache(maxsize=64)  # a few models at the step of a data set
def _steps_of_codes(offsets: bytes, step_code: int) -> Floats:
    """Of channels with these offsets, int16."""
    codes = step_code - np.frombuffer(offsets, np.int16).astype(np.int64)
    return np.array([step_of_code(code) for code in codes.tolist()], np.float32)


def _powers(sign: int) -> Floats:
    most = _native.MAX_EXPONENT
    return np.array([step_of_code(CODE_OF_UNIT_STEP + sign * e) for e in range(-most, most + 1)], np.float32)


_FINER: Final = _powers(1)
STEP_FACTORS: Final = _powers(-1)  # of steps, at exponents -16 to 16
